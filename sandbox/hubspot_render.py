"""The world as HubSpot's records: ids, stamps and property values, worked out on demand.

Nothing is copied at start: a `Base` holds the world's own objects and two integer arrays, and a property value is a
small function of the object and the time. What depends on time (a deal that closes, a customer that leaves) follows the
clock without any event being played.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sandbox.core import hubspot_company_id, hubspot_contact_id
from sandbox.hubspot_catalogue import RENEWALS
from sandbox.hubspot_schema import DAY_MS, short_iso
from sandbox.model import Company, NpsAnswer, Person, SalesDeal, World

Renderer = Callable[[Any, int], str | None]
"""(world object, now in epoch milliseconds) -> property value."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_HOUR_MS = 3_600_000


def to_ms(moment: datetime) -> int:
    """Epoch milliseconds of an aware instant."""
    return (moment - _EPOCH) // _MS


def day_ms(day: date) -> int:
    """Epoch milliseconds of a day's UTC midnight."""
    return (day.toordinal() - 719_163) * DAY_MS


def owner_id(world_id: int) -> int:
    """HubSpot's id of a world owner, as used in `hubspot_owner_id`."""
    return 70_000_000 + 7 * world_id


def deal_id(world_id: int) -> int:
    """HubSpot's id of a world deal."""
    return 10_000_000_000 + 11 * world_id


def ticket_id(world_id: int) -> int:
    """HubSpot's id of a ticket that somebody made by hand."""
    return 20_000_000_000 + 19 * world_id


def feedback_id(world_id: int) -> int:
    """HubSpot's id of a world NPS answer."""
    return 50_000_000_000 + 23 * world_id


@dataclass(frozen=True, slots=True)
class HandTicket:
    """A ticket that somebody made by hand in HubSpot; the help desk is elsewhere and does not know it."""

    id: int
    company_id: int
    subject: str
    priority: str | None
    created_at: int
    closed_at: int | None


@dataclass(slots=True)
class Base:
    """The world's part of one table, in order of record id.

    Attributes:
        ids: Record ids, ascending.
        items: World objects, in the same order.
        created: When each was made, epoch milliseconds; may lie in the future.
        stamps: When each was last modified by people before the world's `now`; never before `created`.
        changes: Position -> later instants at which the world changes the record.
        renderers: Property name -> how to work it out.
    """

    ids: "array[int]"
    items: list[Any]
    created: "array[int]"
    stamps: "array[int]"
    changes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    renderers: Mapping[str, Renderer] = field(default_factory=dict)


def mixed(number: int) -> int:
    """A well-mixed 32-bit number, the same on every machine."""
    return ((number * 2_654_435_761) ^ (number >> 7) * 40_503) & 0xFFFF_FFFF


class Bases:
    """Builds the tables' world parts and keeps the joins between them.

    Attributes:
        people_of: Company world id -> world ids of its CRM contacts, agency people included.
        deals_of: Company world id -> deal world ids.
        tickets_of: Company world id -> ticket ids.
        answers_of: Person world id -> world ids of their NPS answers.
        company_answers: Company world id -> NPS answer world ids.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.companies: dict[int, Company] = {c.id: c for c in world.companies}
        self.people: dict[int, Person] = {p.id: p for p in world.people if p.in_crm}
        self.deals: dict[int, SalesDeal] = {d.id: d for d in world.deals}
        self.answers: dict[int, NpsAnswer] = {a.id: a for a in world.nps}
        self.tickets: dict[int, HandTicket] = {t.id: t for t in self._hand_tickets()}
        self.people_of = self._people_of()
        self.deals_of = _grouped((d.company_id, d.id) for d in self.deals.values())
        self.tickets_of = _grouped((t.company_id, t.id) for t in self.tickets.values())
        self.answers_of = _grouped((a.person_id, a.id) for a in self.answers.values() if a.person_id in self.people)
        self.company_answers = _grouped((a.company_id, a.id) for a in self.answers.values())

    def _people_of(self) -> dict[int, list[int]]:
        pairs = ((c, p.id) for p in self.people.values() for c in (p.company_id, *p.other_company_ids))
        return _grouped(pair for pair in pairs if pair[0] in self.companies)

    def _hand_tickets(self) -> Iterator[HandTicket]:
        """One to three tickets for one company in fifty, spread over the world's life."""
        start, end = to_ms(self.world.start), to_ms(self.world.horizon)
        for company in self.world.companies:
            chance = mixed(company.id + 17)
            if chance % 50:
                continue
            first = max(start, to_ms(company.created_at))
            for n in range(1 + chance // 50 % 3):
                yield _hand_ticket(company.id, n, first, end)

    def build(self, kind: str) -> Base:
        """The world's part of one table; empty for what only people and programs make (tasks, notes)."""
        makers: Mapping[str, Callable[[], Base]] = {
            "companies": self._company_base,
            "contacts": self._contact_base,
            "deals": self._deal_base,
            "tickets": self._ticket_base,
            "feedback_submissions": self._feedback_base,
        }
        return makers[kind]() if kind in makers else Base(array("q"), [], array("q"), array("q"))

    def _aged(self, created: Sequence[int], ids: Sequence[int]) -> "array[int]":
        """Modified stamps somewhere between creation and an hour before the world's now."""
        last = to_ms(self.world.now) - _HOUR_MS
        return array("q", (c + max(0, last - c) * mixed(i) // 0x1_0000_0000 for c, i in zip(created, ids, strict=True)))

    def _company_base(self) -> Base:
        items = sorted(self.companies.values(), key=lambda c: c.id)
        ids = array("q", (hubspot_company_id(c.id) for c in items))
        created = array("q", (to_ms(c.created_at) for c in items))
        changes = {i: (_left_ms(c),) for i, c in enumerate(items) if c.churn_date is not None}
        return Base(ids, items, created, self._aged(created, ids), changes, COMPANY)

    def _contact_base(self) -> Base:
        items = sorted(self.people.values(), key=lambda p: p.id)
        ids = array("q", (hubspot_contact_id(p.id) for p in items))
        created = array("q", (to_ms(p.created_at) for p in items))
        owners = {c.id: str(owner_id(c.owner_id)) for c in self.companies.values()}
        # A person keeps the owner of the account: the only value that needs a join.
        renderers = {**CONTACT, "hubspot_owner_id": lambda p, _now: owners.get(p.company_id)}
        return Base(ids, items, created, self._aged(created, ids), {}, renderers)

    def _deal_base(self) -> Base:
        items = sorted(self.deals.values(), key=lambda d: d.id)
        ids = array("q", (deal_id(d.id) for d in items))
        created = array("q", (to_ms(d.created_at) for d in items))
        changes = {i: (to_ms(d.closed_at),) for i, d in enumerate(items) if d.closed_at is not None}
        owners = {c.id: str(owner_id(c.owner_id)) for c in self.companies.values()}
        renderers = {**DEAL, "hubspot_owner_id": lambda d, _now: owners.get(d.company_id)}
        return Base(ids, items, created, created[:], changes, renderers)

    def _ticket_base(self) -> Base:
        items = sorted(self.tickets.values(), key=lambda t: t.id)
        ids = array("q", (ticket_id(t.id) for t in items))
        created = array("q", (t.created_at for t in items))
        changes = {i: (t.closed_at,) for i, t in enumerate(items) if t.closed_at is not None}
        return Base(ids, items, created, created[:], changes, TICKET)

    def _feedback_base(self) -> Base:
        items = sorted(self.answers.values(), key=lambda a: a.id)
        ids = array("q", (feedback_id(a.id) for a in items))
        created = array("q", (to_ms(a.at) for a in items))
        people = self.people
        renderers = {
            **FEEDBACK,
            "hs_contact_id": lambda a, _now: str(hubspot_contact_id(a.person_id)) if a.person_id in people else None,
        }
        return Base(ids, items, created, created[:], {}, renderers)


def _grouped(pairs: Iterator[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _hand_ticket(company_id: int, n: int, first: int, end: int) -> HandTicket:
    seed = mixed(company_id * 8 + n)
    created = first + max(0, end - first) * seed // 0x1_0000_0000
    closed = None if seed % 5 == 0 else created + (1 + seed % 200) * _HOUR_MS
    subject = ("Question about the contract", "Onboarding help", "Invoice address")[seed % 3]
    priority = (None, "LOW", "MEDIUM", "HIGH")[seed % 4]
    return HandTicket(company_id * 8 + n, company_id, subject, priority, created, closed)


def _left_ms(company: Company) -> int:
    """When a colleague notes that a customer has left: during the working day after."""
    assert company.churn_date is not None  # noqa: S101 - only asked for companies that leave
    return day_ms(company.churn_date) + 9 * _HOUR_MS + mixed(company.id) % (8 * _HOUR_MS)


def _lifecycle(company: Company, now: int) -> str:
    return "other" if company.churn_date is not None and now >= _left_ms(company) else "customer"


def _deal_stage(deal: SalesDeal, now: int) -> str:
    prefix = "renewal_" if deal.renewal else ""
    if deal.closed_at is not None and to_ms(deal.closed_at) <= now:
        return f"{prefix}{'closedwon' if deal.won else 'closedlost'}"
    if deal.renewal:
        return f"{prefix}{('upcoming', 'indiscussion')[mixed(deal.id) % 2]}"
    return ("appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "contractsent")[mixed(deal.id) % 4]


def _closed(deal: SalesDeal, now: int) -> bool:
    return deal.closed_at is not None and to_ms(deal.closed_at) <= now


def _close_date(deal: SalesDeal, now: int) -> str:
    if deal.closed_at is not None and _closed(deal, now):
        return short_iso(to_ms(deal.closed_at))
    return f"{deal.close_date.isoformat()}T00:00:00Z"


def _money(cents: int) -> str:
    """Currency units without needless zeros: 125050 -> 1250.5."""
    whole, rest = divmod(abs(cents), 100)
    sign = "-" if cents < 0 else ""
    return f"{sign}{whole}" + (f".{rest:02d}".rstrip("0") if rest else "")


def _nps_group(score: int) -> str:
    return "PROMOTER" if score >= 9 else "PASSIVE" if score >= 7 else "DETRACTOR"


def _known(ms: int | None, now: int) -> str | None:
    return short_iso(ms) if ms is not None and ms <= now else None


COMPANY: Mapping[str, Renderer] = {
    "name": lambda c, _: c.name,
    "domain": lambda c, _: c.domains[0] if c.domains else None,
    "hs_additional_domains": lambda c, _: ";".join(c.domains[1:]) or None,
    "website": lambda c, _: f"https://www.{c.domains[0]}/" if c.domains else None,
    "hubspot_owner_id": lambda c, _: str(owner_id(c.owner_id)),
    "hs_parent_company_id": lambda c, _: None if c.parent_id is None else str(hubspot_company_id(c.parent_id)),
    "lifecyclestage": _lifecycle,
    "product_account_id": lambda c, _: c.product_id if c.crm_has_product_id else None,
    "plan_name": lambda c, _: c.plan,
    "monthly_recurring_revenue": lambda c, _: _money(c.mrr),
    "mrr_currency": lambda c, _: c.currency,
    "customer_since": lambda c, _: c.customer_since.isoformat(),
    "renewal_date": lambda c, _: c.renewal_date.isoformat(),
}

_BUYING = {"economic_buyer": "BUDGET_HOLDER;DECISION_MAKER", "executive_sponsor": "EXECUTIVE_SPONSOR"}
"""What salespeople have noted of whom: of those who use the product, nothing."""

CONTACT: Mapping[str, Renderer] = {
    "email": lambda p, _: p.email,
    "hs_additional_emails": lambda p, _: ";".join(p.other_emails) or None,
    "firstname": lambda p, _: p.name.partition(" ")[0] or None,
    "lastname": lambda p, _: p.name.partition(" ")[2] or None,
    "jobtitle": lambda p, _: p.title or None,
    "hs_buying_role": lambda p, _: _BUYING.get(p.role) if p.kind == "person" else None,
    # Empty until somebody has unsubscribed; one in 23 has.
    "hs_email_optout": lambda p, _: "true" if p.kind == "person" and mixed(p.id) % 23 == 0 else None,
    "lifecyclestage": lambda _p, _: "customer",
    "associatedcompanyid": lambda p, _: str(hubspot_company_id(p.company_id)),
    "product_user_id": lambda p, _: p.product_user_id if p.crm_has_product_id else None,
}

DEAL: Mapping[str, Renderer] = {
    "dealname": lambda d, _: d.name,
    "amount": lambda d, _: _money(d.amount),
    "deal_currency_code": lambda d, _: d.currency,
    "pipeline": lambda d, _: RENEWALS if d.renewal else "default",
    "dealstage": _deal_stage,
    "dealtype": lambda d, _: "existingbusiness" if d.renewal else "newbusiness",
    "closedate": _close_date,
    "hs_is_closed": lambda d, now: "true" if _closed(d, now) else "false",
    "hs_is_closed_won": lambda d, now: "true" if d.won and _closed(d, now) else "false",
}

TICKET: Mapping[str, Renderer] = {
    "subject": lambda t, _: t.subject,
    "hs_pipeline": lambda _t, _: "0",
    "hs_pipeline_stage": lambda t, now: "4" if _known(t.closed_at, now) else str(1 + t.id % 3),
    "hs_ticket_priority": lambda t, _: t.priority,
    "closed_date": lambda t, now: _known(t.closed_at, now),
}

FEEDBACK: Mapping[str, Renderer] = {
    "hs_submission_name": lambda a, _: f"NPS answer {a.id}",
    "hs_survey_type": lambda _a, _: "NPS",
    "hs_survey_name": lambda _a, _: "How likely are you to recommend us?",
    "hs_value": lambda a, _: str(a.score),
    "hs_response_group": lambda a, _: _nps_group(a.score),
    "hs_submission_timestamp": lambda a, _: short_iso(to_ms(a.at)),
}
