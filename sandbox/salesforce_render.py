"""The world as Salesforce's records: numbers, stamps and field values, worked out on demand.

Nothing is copied at start: a `Base` holds the world's own objects and a few integer arrays, and a value is a small
function of the object and the time. The instants are those of `sandbox.hubspot_render`, so that both CRMs tell the
same story of the same world.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sandbox.hubspot_render import Base as HubSpotBase
from sandbox.hubspot_render import Bases, mixed, to_ms
from sandbox.model import Company, Owner, Person, SalesDeal, World
from sandbox.salesforce_activities import KINDS as ACTIVITIES
from sandbox.salesforce_activities import base as activities
from sandbox.salesforce_base import (
    ADMIN_PROFILE,
    ADMINISTRATOR,
    INTEGRATION_PROFILE,
    STANDARD_PROFILE,
    Base,
    Ids,
    Renderer,
)
from sandbox.salesforce_cases import case_renderers, copies
from sandbox.salesforce_catalogue import TASK_STATUSES
from sandbox.salesforce_ids import account_id, record_id
from sandbox.salesforce_options import Options

_PEOPLE, _DEALS = Ids("003"), Ids("006")
_RELATIONS = 100_000_000
_COPIED_CASES = 50_000_000
_OPEN_STAGES = ("Prospecting", "Qualification", "Proposal/Price Quote", "Negotiation/Review")


def user_id(world_id: int) -> str:
    """Salesforce's id of a world owner."""
    return record_id("User", 100 + 3 * world_id)


def opportunity_id(world_id: int) -> str:
    """Salesforce's id of a world deal."""
    return _DEALS.text(3 * world_id)


def _contact_id(world_id: int) -> str:
    """The same as `salesforce_ids.contact_id`, made several times as fast: every relation is asked for two."""
    return _PEOPLE.text(5 * world_id)


@dataclass(frozen=True, slots=True)
class Staff:
    """A user of the org. `world_id` is None for the two accounts that are nobody's."""

    number: int
    name: str
    email: str
    active: bool
    profile: str
    world_id: int | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A person's tie to a company that is not their home."""

    person: Person
    company_id: int


@dataclass(frozen=True, slots=True)
class RoleOn:
    """What somebody is to a deal."""

    person: Person
    deal: SalesDeal


class Rendering:
    """Builds the tables' world parts.

    Args:
        world: What is true.
        options: What the org is built from.
    """

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.options = options
        self.bases = Bases(world)
        self.accounts = {c: account_id(c) for c in self.bases.companies}
        self.owners = {o.id: user_id(o.id) for o in world.owners}
        self.owner_of = {c.id: self.owners.get(c.owner_id, ADMINISTRATOR) for c in world.companies}

    def build(self, kind: str) -> Base:
        """The world's part of one table; empty for what only people and programs make (tasks, permissions)."""
        makers: Mapping[str, Callable[[], Base]] = {
            "Account": self._accounts,
            "Contact": self._contacts,
            "Opportunity": self._opportunities,
            "OpportunityContactRole": self._roles,
            "AccountContactRelation": self._relations,
            "Contract": self._contracts,
            "Case": self._cases,
            "NPS_Response__c": self._answers,
            "User": self._users,
            "Organization": self._organization,
            "TaskStatus": self._task_statuses,
        }
        if self.options.activities and kind in ACTIVITIES:
            return activities(kind, self.world, self.owners, self.bases.people)
        return makers[kind]() if kind in makers else Base(array("q"), [], array("q"), array("q"), by=ADMINISTRATOR)

    def _taken(self, kind: str, numbers: Callable[[Any], int], renderers: Mapping[str, Renderer]) -> Base:
        """The same records, instants included, as HubSpot's of that kind."""
        base: HubSpotBase = self.bases.build(kind)
        found = array("q", (numbers(item) for item in base.items))
        return Base(found, base.items, base.created, base.stamps, base.changes, renderers, ADMINISTRATOR)

    def _made(self, rows: Iterable[tuple[int, Any, int]], renderers: Mapping[str, Renderer]) -> Base:
        """Records from (number, world object, created) in order of number."""
        listed = list(rows)
        created = array("q", (at for _, _, at in listed))
        numbers = array("q", (number for number, _, _ in listed))
        return Base(numbers, [item for _, item, _ in listed], created, created[:], {}, renderers, ADMINISTRATOR)

    def _accounts(self) -> Base:
        accounts, owner_of = self.accounts, self.owner_of
        base = self._taken("companies", lambda c: 7 * int(c.id), {})
        left = {base.items[place].id: times[0] for place, times in base.changes.items()}
        never = to_ms(self.world.horizon) + 10**12

        def kind(company: Company, now: int) -> str:
            return "Former Customer" if now >= left.get(company.id, never) else "Customer - Direct"

        base.renderers = {
            **ACCOUNT,
            "Type": kind,
            "OwnerId": lambda c, _: owner_of[c.id],
            "ParentId": lambda c, _: None if c.parent_id is None else accounts.get(c.parent_id),
        }
        return base

    def _contacts(self) -> Base:
        accounts, owner_of = self.accounts, self.owner_of
        renderers: dict[str, Renderer] = {
            **CONTACT,
            "AccountId": lambda p, _: accounts.get(p.company_id),
            "OwnerId": lambda p, _: owner_of.get(p.company_id, ADMINISTRATOR),
            "CurrencyIsoCode": lambda _p, _: "USD",
        }
        return self._taken("contacts", lambda p: 5 * int(p.id), renderers)

    def _opportunities(self) -> Base:
        accounts, owner_of = self.accounts, self.owner_of
        renderers: dict[str, Renderer] = {
            **OPPORTUNITY,
            "AccountId": lambda d, _: accounts.get(d.company_id),
            "OwnerId": lambda d, _: owner_of.get(d.company_id, ADMINISTRATOR),
        }
        return self._taken("deals", lambda d: 3 * int(d.id), renderers)

    def _roles(self) -> Base:
        """Buyers and sponsors are named on their company's first sale."""
        bases = self.bases
        found = []
        for person in bases.people.values():
            deals = bases.deals_of.get(person.company_id)
            if person.role in _ROLES and deals:
                deal = bases.deals[deals[0]]
                found.append((person.id, RoleOn(person, deal), max(to_ms(person.created_at), to_ms(deal.created_at))))
        return self._made(sorted(found, key=lambda row: row[0]), ROLE)

    def _relations(self) -> Base:
        accounts = self.accounts
        renderers: dict[str, Renderer] = {**RELATION, "AccountId": lambda r, _: accounts.get(r.company_id)}
        return self._made(self._relation_rows(), renderers)

    def _relation_rows(self) -> Iterator[tuple[int, Any, int]]:
        """Every contact's own company, under the person's number; then, by number, what else they work for."""
        people = sorted((p for p in self.bases.people.values() if p.company_id in self.accounts), key=lambda p: p.id)
        for person in people:
            yield person.id, person, to_ms(person.created_at)
        number = _RELATIONS
        for person in people:
            for company in person.other_company_ids:
                if company in self.accounts:
                    number += 1
                    yield number, Relation(person, company), to_ms(person.created_at)

    def _contracts(self) -> Base:
        accounts, owner_of = self.accounts, self.owner_of
        yearly = (c for c in self.bases.companies.values() if c.mrr and _yearly(c)) if self.options.contracts else ()
        rows = sorted(((c.id, c, to_ms(c.created_at)) for c in yearly), key=lambda row: row[0])
        renderers: dict[str, Renderer] = {
            **CONTRACT,
            "AccountId": lambda c, _: accounts[c.id],
            "OwnerId": lambda c, _: owner_of[c.id],
        }
        return self._made(rows, renderers)

    def _cases(self) -> Base:
        """Tickets made by hand, the same as HubSpot's, and after them those copied from the help desk."""
        base = self._taken("tickets", lambda t: int(t.id), {})
        changes = dict(base.changes)
        for copied in copies(self.world, self.options.zendesk_cases):
            ticket = copied.ticket
            if ticket.solved_at is not None:
                changes[len(base.items)] = (to_ms(ticket.solved_at),)
            base.numbers.append(_COPIED_CASES + copied.index)
            base.items.append(copied)
            base.created.append(to_ms(ticket.created_at))
            base.stamps.append(to_ms(ticket.created_at))
        base.changes = changes
        base.renderers = case_renderers(self.accounts, self.bases.people)
        return base

    def _answers(self) -> Base:
        accounts, people, owner_of = self.accounts, self.bases.people, self.owner_of
        renderers: dict[str, Renderer] = {
            **ANSWER,
            "Account__c": lambda a, _: accounts.get(a.company_id),
            "Contact__c": lambda a, _: _contact_id(a.person_id) if a.person_id in people else None,
            "OwnerId": lambda a, _: owner_of.get(a.company_id, ADMINISTRATOR),
        }
        return self._taken("feedback_submissions", lambda a: int(a.id), renderers)

    def _users(self) -> Base:
        domain = self.world.owners[0].email.rpartition("@")[2] if self.world.owners else "holdfast.example"
        robots = [
            Staff(1, "Integration User", f"integration@{domain}", True, INTEGRATION_PROFILE),
            Staff(2, "Org Administrator", f"admin@{domain}", True, ADMIN_PROFILE),
        ]
        owners = sorted(self.world.owners, key=lambda o: o.id)
        start = to_ms(self.world.start)
        rows = [(s.number, s, start) for s in (*robots, *map(_staff, owners))]
        return self._made(rows, USER)

    def _organization(self) -> Base:
        options = self.options
        values = {
            "Name": "Holdfast Sandbox",
            "IsSandbox": options.is_sandbox,
            "OrganizationType": options.organization_type,
            "InstanceName": "SBX1",
            "TimeZoneSidKey": "America/New_York",
            "DefaultCurrencyIsoCode": "USD",
        }
        return self._made([(1, values, to_ms(self.world.start))], _keys(values))

    def _task_statuses(self) -> Base:
        rows = [
            (
                n,
                {"MasterLabel": s, "ApiName": s, "IsDefault": n == 0, "IsClosed": s == "Completed", "SortOrder": n + 1},
                to_ms(self.world.start),
            )
            for n, s in enumerate(TASK_STATUSES)
        ]
        return self._made(rows, _keys(rows[0][1]))


_ROLES = {"economic_buyer": "Economic Buyer", "executive_sponsor": "Executive Sponsor"}


def _keys(names: Iterable[str]) -> dict[str, Renderer]:
    def one(name: str) -> Renderer:
        return lambda item, _now: item[name]

    return {name: one(name) for name in names}


def _staff(owner: Owner) -> Staff:
    return Staff(100 + 3 * owner.id, owner.name, owner.email, owner.active, STANDARD_PROFILE, owner.id)


def _yearly(company: Company) -> bool:
    return (company.renewal_date - company.customer_since).days % 365 == 0


def _money(cents: int) -> float:
    return cents / 100


def _names(person: Person) -> tuple[str | None, str]:
    """First and last name; the last one is never empty."""
    first, _, last = person.name.strip().partition(" ")
    return (first, last) if last.strip() else (None, first or "Unknown")


def _closed(deal: SalesDeal, now: int) -> bool:
    return deal.closed_at is not None and to_ms(deal.closed_at) <= now


def _stage(deal: SalesDeal, now: int) -> str:
    if _closed(deal, now):
        return "Closed Won" if deal.won else "Closed Lost"
    return _OPEN_STAGES[mixed(deal.id) % 4]


def _close_date(deal: SalesDeal, now: int) -> str:
    if deal.closed_at is not None and _closed(deal, now):
        return deal.closed_at.date().isoformat()
    return deal.close_date.isoformat()


ACCOUNT: Mapping[str, Renderer] = {
    "Name": lambda c, _: c.name,
    "Website": lambda c, _: f"https://www.{c.domains[0]}/" if c.domains else None,
    "Domains__c": lambda c, _: ";".join(c.domains[1:]) or None,
    "Plan__c": lambda c, _: c.plan,
    "MRR__c": lambda c, _: _money(c.mrr),
    "CurrencyIsoCode": lambda c, _: c.currency,
    "Customer_Since__c": lambda c, _: c.customer_since.isoformat(),
    "Renewal_Date__c": lambda c, _: c.renewal_date.isoformat(),
    "Product_Account_Id__c": lambda c, _: c.product_id if c.crm_has_product_id else None,
}

CONTACT: Mapping[str, Renderer] = {
    "FirstName": lambda p, _: _names(p)[0],
    "LastName": lambda p, _: _names(p)[1],
    "Email": lambda p, _: p.email,
    "Other_Emails__c": lambda p, _: ";".join(p.other_emails) or None,
    "Title": lambda p, _: p.title or None,
    "HasOptedOutOfEmail": lambda p, _: p.kind == "person" and mixed(p.id) % 23 == 0,
    "DoNotCall": lambda p, _: p.kind == "person" and mixed(p.id) % 41 == 0,
    "Product_User_Id__c": lambda p, _: p.product_user_id if p.crm_has_product_id else None,
}

OPPORTUNITY: Mapping[str, Renderer] = {
    "Name": lambda d, _: d.name[:120],
    "StageName": _stage,
    "Amount": lambda d, _: _money(d.amount),
    "CurrencyIsoCode": lambda d, _: d.currency,
    "CloseDate": _close_date,
    "Type": lambda d, _: "Existing Business" if d.renewal else "New Business",
}

ROLE: Mapping[str, Renderer] = {
    "OpportunityId": lambda r, _: opportunity_id(r.deal.id),
    "ContactId": lambda r, _: _contact_id(r.person.id),
    "Role": lambda r, _: _ROLES[r.person.role],
    "IsPrimary": lambda r, _: r.person.role == "economic_buyer",
    "CurrencyIsoCode": lambda r, _: r.deal.currency,
}

RELATION: Mapping[str, Renderer] = {
    "ContactId": lambda r, _: _contact_id(r.id if isinstance(r, Person) else r.person.id),
    "IsDirect": lambda r, _: isinstance(r, Person),
    "IsActive": lambda _r, _: True,
}

CONTRACT: Mapping[str, Renderer] = {
    "Status": lambda _c, _: "Activated",
    "StartDate": lambda c, _: (c.renewal_date - timedelta(days=364)).isoformat(),
    "ContractTerm": lambda _c, _: 12,
    "CurrencyIsoCode": lambda c, _: c.currency,
}

ANSWER: Mapping[str, Renderer] = {
    "Score__c": lambda a, _: float(a.score),
    "Survey_Type__c": lambda _a, _: "NPS",
    "Responded_At__c": lambda a, _: to_ms(a.at) // 1000 * 1000,
    "CurrencyIsoCode": lambda _a, _: "USD",
}

USER: Mapping[str, Renderer] = {
    "Username": lambda s, _: f"{s.email}.sandbox",
    "Email": lambda s, _: s.email,
    "FirstName": lambda s, _: s.name.partition(" ")[0],
    "LastName": lambda s, _: s.name.partition(" ")[2] or s.name,
    "IsActive": lambda s, _: s.active,
    "UserType": lambda _s, _: "Standard",
    "ProfileId": lambda s, _: s.profile,
    "TimeZoneSidKey": lambda _s, _: "America/New_York",
    "LanguageLocaleKey": lambda _s, _: "en_US",
}
