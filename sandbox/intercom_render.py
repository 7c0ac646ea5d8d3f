"""Intercom's records as its API shows them, by API version and as of a second."""

from datetime import datetime
from typing import Any

from sandbox.intercom_books import QUALIFIED, Books, Entry, Json, key_of

EMBEDDED = 10
"""Companies that come along with a contact."""
FAR_FUTURE = 2_303_596_800
"""A sign-up in 2043, as real workspaces hold it."""


class Renderer:
    """Makes records into JSON.

    Args:
        books: What there is.
        now: Epoch second.
        version: API version, such as (2, 16).
    """

    def __init__(self, books: Books, now: int, version: tuple[int, int]) -> None:
        self.books = books
        self.now = now
        self.version = version

    def contact(self, entry: Entry, *, history: bool = False) -> Json:
        """A user or lead."""
        person = entry.person
        number = person.id if person else 0
        anonymous = entry.lead and number % 9 == 4
        external = person.product_user_id if person and not entry.lead and number % 10 != 3 else None
        updated, homes = entry.updated(self.now), self.books.homes(entry, self.now)
        email = (person.email or next(iter(person.other_emails), "")) if person and not anonymous else ""
        value: Json = {
            "type": "contact",
            "id": entry.key,
            "workspace_id": "hfsandbox",
            "external_id": external,
            "role": "lead" if entry.lead else "user",
            "email": email,
            "phone": None,
            "name": person.name if person and not anonymous else None,
            "owner_id": None,
            "has_hard_bounced": False,
            "marked_email_as_spam": False,
            "unsubscribed_from_emails": number % 23 == 5,
            "created_at": entry.created,
            "updated_at": updated,
            "signed_up_at": None if entry.lead else FAR_FUTURE if number % 97 == 7 else entry.created,
            "last_seen_at": None if entry.lead else updated,
            "last_replied_at": updated if updated > entry.created else None,
            "custom_attributes": self.books.custom(entry),
            "tags": {"data": [], "url": f"/contacts/{entry.key}/tags", "total_count": 0, "has_more": False},
            "companies": {
                "data": [
                    {"type": "company", "id": one.key, "url": f"/companies/{one.key}"} for one in homes[:EMBEDDED]
                ],
                "url": f"/contacts/{entry.key}/companies",
                "total_count": len(homes),
                "has_more": len(homes) > EMBEDDED,
            },
            **entry.fields,
        }
        if history:
            value["merge_history"] = [
                {"type": "merge_history", "source_contact_id": key, "source_contact_role": role, "merged_at": second}
                for key, role, second in entry.merged
            ]
        return value

    def company(self, entry: Entry) -> Json:
        """A company; what is not set is left out."""
        company = entry.company
        assert company is not None  # noqa: S101 - entries of companies have one
        by_hand = company.id % QUALIFIED == 5
        value: Json = {
            "type": "company",
            "id": entry.key,
            "app_id": "hfsandbox",
            "company_id": f"{entry.key}-qualification-company" if by_hand else company.product_id,
            "name": company.name,
            "created_at": entry.created,
            "updated_at": entry.updated(self.now),
            "monthly_spend": company.mrr // 100,
            "session_count": 0,
            "user_count": self.books.users_of(entry.key, self.now),
            "plan": {} if by_hand else {"type": "plan", "id": str(company.id), "name": company.plan},
            "tags": {"type": "tag.list", "tags": []},
            "segments": {"type": "segment.list", "segments": []},
            "custom_attributes": self.books.custom(entry),
        }
        if company.domains and company.id % 3:
            value["website"] = f"https://www.{company.domains[0]}/"
        return {**value, **entry.fields}

    def talk(self, entry: Entry) -> Json:
        """A conversation as it is by now."""
        talk = entry.talk
        assert talk is not None  # noqa: S101 - entries of conversations have one
        closed = self._by_now(talk.closed_at)
        again = self._by_now(talk.reopened_at)
        first = self._by_now(talk.first_closed_at)
        replied = self._by_now(talk.first_reply_at)
        state = "closed" if closed or (first and not again) else "snoozed" if replied and talk.id % 11 == 2 else "open"
        person = key_of("contact", talk.person_id)
        contact = self.books.contacts.get(person)
        shown = self.contact(contact) if contact is not None else {}
        asked = self._by_now(talk.asked_at)
        value: Json = {
            "type": "conversation",
            "id": entry.key,
            "title": None,
            "created_at": entry.created,
            "updated_at": entry.updated(self.now),
            "waiting_since": None if replied else asked,
            "snoozed_until": self.now + 3_600 if state == "snoozed" else None,
            "open": state == "open",
            "state": state,
            "read": True,
            "priority": self._priority(talk.priority),
            "admin_assignee_id": talk.agent_id,
            "team_assignee_id": 0,
            "tags": {"type": "tag.list", "tags": []},
            "conversation_rating": self._rating(entry, person),
            "source": {
                "type": talk.channel,
                "id": str(700_000 + talk.id),
                "delivered_as": "admin_initiated" if talk.outbound else "customer_initiated",
                "subject": "",
                "body": "<p>Hello</p>",
                "author": {
                    "type": "admin" if talk.outbound else shown.get("role", "user"),
                    "id": str(talk.agent_id) if talk.outbound else person,
                    "name": None,
                    "email": "" if talk.outbound else shown.get("email", ""),
                },
                "attachments": [],
                "url": None,
                "redacted": False,
            },
            "contacts": {
                "type": "contact.list",
                "contacts": [{"type": "contact", "id": person, "external_id": shown.get("external_id")}],
            },
            "first_contact_reply": {"created_at": asked, "type": talk.channel, "url": None} if asked else None,
            "sla_applied": None,
            "statistics": self._statistics(entry) if replied else None,
            "ai_agent": None,
            "ai_agent_participated": False,
        }
        if self.version >= (2, 15):
            home = self.books.companies.get(key_of("company", talk.company_id))
            value["company"] = self.company(home) if home and home.there(self.now) and talk.id % 7 else None
        return {**value, **entry.fields}

    def _priority(self, priority: str) -> str:
        if self.version >= (2, 16):
            return priority
        return "priority" if priority in ("high", "urgent") else "not_priority"

    def _by_now(self, moment: datetime | None) -> int | None:
        second = None if moment is None else int(moment.timestamp())
        return second if second is not None and second <= self.now else None

    def _statistics(self, entry: Entry) -> Json:
        talk = entry.talk
        assert talk is not None  # noqa: S101 - as above
        asked, replied = self._by_now(talk.asked_at), self._by_now(talk.first_reply_at)
        first, last = self._by_now(talk.first_closed_at), self._by_now(talk.closed_at)
        waited = (replied or 0) - (asked or 0)
        return {
            "type": "conversation_statistics",
            "time_to_assignment": 0,
            "time_to_admin_reply": waited // 3,  # business hours alone
            "time_to_first_close": None if first is None else (first - (asked or first)) // 3,
            "time_to_last_close": None if last is None else (last - (asked or last)) // 3,
            "first_contact_reply_at": asked,
            "first_admin_reply_at": replied,
            "first_close_at": first,
            "last_close_at": last or first,
            "last_contact_reply_at": self._by_now(talk.reopened_at) or asked,
            "last_admin_reply_at": replied,
            "count_reopens": 1 if self._by_now(talk.reopened_at) else 0,
            "count_assignments": 1,
            "count_conversation_parts": 3,
        }

    def _rating(self, entry: Entry, contact: str) -> Json | None:
        talk = entry.talk
        assert talk is not None  # noqa: S101 - as above
        asked = self._by_now(talk.rating_asked_at)
        if asked is None:
            return None
        given = self._by_now(talk.rated_at) if talk.rating is not None else None
        value: dict[str, Any] = {
            "rating": talk.rating if given else None,
            "remark": talk.remark if given else None,
            "created_at": asked,
            "updated_at": given or asked,
            "contact": {"type": "contact", "id": contact, "external_id": None},
            "teammate": {"type": "admin", "id": str(talk.agent_id)},
        }
        return value
