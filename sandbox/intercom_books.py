"""What an Intercom workspace holds: users and leads, their companies, and conversations, as of a second.

Everybody who uses the product is a user; whoever only writes is a lead. One user in `twin_share` was a lead before and
still is, with the same address, until somebody merges the two. One in nine leads gave no address. Most users carry the
product's id, some the CRM's. A company is known by the product's id, by hand-made ones by an id of Intercom's own.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.core import hubspot_company_id, hubspot_contact_id
from sandbox.model import Company, Person, World
from sandbox.model_conversations import Conversation
from sandbox.salesforce_ids import account_id, contact_id
from sandbox.world_conversations import conversations_of

Json = dict[str, Any]
QUALIFIED = 17
"""One company in so many was made by hand."""


@dataclass(slots=True)
class Entry:
    """One record.

    Attributes:
        key: Intercom's id.
        created: When it was made, epoch seconds.
        moved: When it changes by itself, in order.
        person: Who it is, for contacts.
        company: What it is, for companies.
        talk: What it is, for conversations.
        lead: Whether a contact is a lead.
        companies: Ids of a contact's companies.
        fields: What somebody edited.
        edited: When, last.
        gone: When it was deleted or merged away.
        merged: Losers that were merged into it: id, role, second.
    """

    key: str
    created: int
    moved: list[int] = field(default_factory=list)
    person: Person | None = None
    company: Company | None = None
    talk: Conversation | None = None
    lead: bool = False
    companies: list[str] = field(default_factory=list)
    fields: Json = field(default_factory=dict)
    edited: int = 0
    gone: int | None = None
    merged: list[tuple[str, str, int]] = field(default_factory=list)

    def there(self, now: int) -> bool:
        """Whether it exists."""
        return self.created <= now and (self.gone is None or self.gone > now)

    def updated(self, now: int) -> int:
        """When it last changed."""
        place = bisect_right(self.moved, now)
        return max(self.created, self.edited, self.moved[place - 1] if place else 0)


def key_of(kind: str, number: int | str) -> str:
    """An id of 24 hexadecimal digits."""
    return hashlib.blake2b(f"{kind} {number}".encode(), digest_size=12).hexdigest()


def talk_key(world_id: int) -> str:
    """Id of a conversation."""
    return str(215_460_000_000 + 7 * world_id)


class Books:
    """All records of a workspace.

    Args:
        world: What is true.
        crm: Whose ids stand in custom attributes.
        twin_share: One user in so many has a lead with the same address; 0 for none.
    """

    def __init__(self, world: World, crm: str, twin_share: int) -> None:
        self.world = world
        self.crm = crm
        talks = conversations_of(world)
        spoken: dict[int, list[int]] = {}
        for talk in talks:
            spoken.setdefault(talk.person_id, []).append(_second(talk.created_at))
        self.contacts: dict[str, Entry] = {}
        self.companies: dict[str, Entry] = {}
        for person in world.people:
            if person.duplicate_of is None and person.kind in ("person", "shared_inbox"):
                self._add_contact(person, spoken.get(person.id, []), twin_share)
        self.talks = {talk_key(talk.id): self._talk(talk) for talk in talks}

    def _add_contact(self, person: Person, spoken: list[int], twin_share: int) -> None:
        user = person.product_user_id is not None
        if not user and not spoken:
            return
        created = min([_second(person.created_at), *spoken])
        homes = [key_of("company", number) for number in (person.company_id, *person.other_company_ids)] if user else []
        key = key_of("contact", person.id)
        self.contacts[key] = Entry(key, created, spoken, person=person, lead=not user, companies=homes)
        for number in (person.company_id, *person.other_company_ids) if user else ():
            company = self.world.companies[number - 1]
            made = min(created, _second(company.created_at))
            home = key_of("company", number)
            known = self.companies.setdefault(home, Entry(home, made, company=company))
            known.created = min(known.created, made)
        if user and twin_share and person.id % twin_share == 3 and person.email:
            twin = key_of("twin", person.id)
            self.contacts[twin] = Entry(twin, created, person=person, lead=True)

    @staticmethod
    def _talk(talk: Conversation) -> Entry:
        stamps = (
            talk.first_reply_at,
            talk.first_closed_at,
            talk.reopened_at,
            talk.closed_at,
            talk.rating_asked_at,
            talk.rated_at,
        )
        moved = sorted(_second(stamp) for stamp in stamps if stamp is not None)
        return Entry(talk_key(talk.id), _second(talk.created_at), moved, talk=talk)

    def homes(self, entry: Entry, now: int) -> list[Entry]:
        """A contact's companies."""
        found = (self.companies.get(key) for key in entry.companies)
        return [one for one in found if one is not None and one.there(now)]

    def users_of(self, key: str, now: int) -> int:
        """How many users a company has."""
        return sum(key in one.companies and one.there(now) for one in self.contacts.values())

    def custom(self, entry: Entry) -> Json:
        """The CRM's id, where somebody put it."""
        if entry.person is not None and entry.person.in_crm and entry.person.id % 3 == 0 and not entry.lead:
            number = entry.person.id
            return {"crm_id": str(hubspot_contact_id(number)) if self.crm == "hubspot" else contact_id(number)}
        if entry.company is not None and entry.company.id % 2 == 0:
            number = entry.company.id
            return {"crm_id": str(hubspot_company_id(number)) if self.crm == "hubspot" else account_id(number)}
        return {}

    def truth(self, now: int) -> Iterator[tuple[str, str, int]]:
        """Kind, id and world id of everything that is there."""
        for entry in self.companies.values():
            if entry.company is not None and entry.there(now):
                yield "account", entry.key, entry.company.id
        for entry in self.contacts.values():
            if entry.person is not None and entry.there(now):
                yield "contact", entry.key, entry.person.id
        for entry in self.talks.values():
            if entry.talk is not None and entry.there(now):
                yield "ticket", entry.key, entry.talk.id


def _second(moment: Any) -> int:
    return int(moment.timestamp())
