"""The words of the world: plain frozen values that the generator makes and every simulated vendor renders its own way.

World ids are small integers. They are the truth: two vendor records belong together exactly when they carry the same
world id. Vendors never show them; each simulator keeps its own map from its ids to world ids for tests to compare with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

from sandbox.model_billing import Billing


@dataclass(frozen=True, slots=True)
class Owner:
    """A colleague of the software vendor whose CRM this is: account owner, support agent or left the company."""

    id: int
    name: str
    email: str
    active: bool
    agent: bool


@dataclass(frozen=True, slots=True)
class Company:
    """A customer.

    Attributes:
        id: World id.
        name: May be shared by several companies, may hold any Unicode.
        domains: Own domains, may be empty (free-mail customers) or shared with subsidiaries.
        owner_id: World id of the account owner.
        parent_id: World id of the parent company.
        plan: "free", "starter", "team", "business" or "enterprise".
        mrr: Monthly recurring revenue in cents.
        currency: ISO code.
        product_id: The tenant id in the vendor's own product; what Mixpanel gets as group key.
        crm_has_product_id: Whether somebody typed the product id into the CRM.
        zendesk_key: What Zendesk's organisation holds as external id: the CRM's id, the product id or nothing.
        agency: Works inside other customers' tenants.
        customer_since: First day as a customer.
        renewal_date: End of the running term.
        churn_date: The day they leave, possibly in the future; None when they stay beyond the world's horizon.
        created_at: When the CRM record was made.
    """

    id: int
    name: str
    domains: tuple[str, ...]
    owner_id: int
    parent_id: int | None
    plan: Literal["free", "starter", "team", "business", "enterprise"]
    mrr: int
    currency: str
    product_id: str
    crm_has_product_id: bool
    zendesk_key: Literal["crm", "product", "none"]
    agency: bool
    customer_since: date
    renewal_date: date
    churn_date: date | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a customer, a shared inbox, or one of the vendor's own staff.

    Attributes:
        id: World id.
        company_id: Home company.
        other_company_ids: Customers an agency person also works for.
        name: Full name.
        email: Address as known to the CRM; None when the CRM has none. Any case, any Unicode.
        other_emails: Further addresses: an old employer's, a plus-address used in Zendesk, a free-mail one.
        zendesk_email: Address used in Zendesk when it differs from `email`; None when the same.
        title: Job title.
        role: What they are to the account.
        product_user_id: User id in the product; None when they never signed in.
        crm_has_product_id: Whether the CRM contact carries the product user id.
        zendesk_has_product_id: Whether the Zendesk user carries it as external id.
        in_crm: Whether the CRM knows the person at all.
        in_zendesk: Whether they ever wrote to support.
        kind: "person", "shared_inbox", "staff" or "test" (test users and bots).
        duplicate_of: World id of the person this CRM record repeats; the truth for both is that id.
        created_at: When the CRM record was made.
        left_at: When they left the customer; they stop using the product.
    """

    id: int
    company_id: int
    other_company_ids: tuple[int, ...]
    name: str
    email: str | None
    other_emails: tuple[str, ...]
    zendesk_email: str | None
    title: str
    role: Literal["user", "team", "economic_buyer", "executive_sponsor"]
    product_user_id: str | None
    crm_has_product_id: bool
    zendesk_has_product_id: bool
    in_crm: bool
    in_zendesk: bool
    kind: Literal["person", "shared_inbox", "staff", "test"]
    duplicate_of: int | None
    created_at: datetime
    left_at: datetime | None


@dataclass(frozen=True, slots=True)
class SupportTicket:
    """A support request with its whole life; simulators show only what has happened by their clock.

    Attributes:
        id: World id.
        company_id: The customer it was about at the time.
        person_id: Requester.
        agent_id: World id of the owner who answers.
        channel: How it came in.
        priority: None when nobody set it.
        created_at: Opened.
        first_reply_at: First public answer, None while unanswered.
        solved_at: Solved for good, None when never.
        reopened_at: Reopened once in between, None when not.
        deleted_at: Deleted by an agent (spam), None when not.
        csat: "good", "neutral" or "bad"; None when not answered.
        csat_rating: The same on 1-5.
        csat_at: When answered.
    """

    id: int
    company_id: int
    person_id: int
    agent_id: int
    channel: Literal["email", "web", "chat", "api"]
    priority: Literal["low", "normal", "high", "urgent"] | None
    created_at: datetime
    first_reply_at: datetime | None
    solved_at: datetime | None
    reopened_at: datetime | None
    deleted_at: datetime | None
    csat: Literal["good", "neutral", "bad"] | None
    csat_rating: int | None
    csat_at: datetime | None


@dataclass(frozen=True, slots=True)
class NpsAnswer:
    """One answer to "how likely are you to recommend us", 0-10."""

    id: int
    company_id: int
    person_id: int
    score: int
    at: datetime


@dataclass(frozen=True, slots=True)
class SalesDeal:
    """A sale or a renewal. `closed_at` None means open beyond the horizon; `won` tells how it ends."""

    id: int
    company_id: int
    name: str
    renewal: bool
    amount: int
    currency: str
    created_at: datetime
    close_date: date
    closed_at: datetime | None
    won: bool


@dataclass(frozen=True, slots=True)
class Touch:
    """One e-mail, call or meeting between a colleague and somebody at a customer.

    Attributes:
        id: World id, one row of numbers for all kinds.
        kind: What it was.
        company_id: The customer.
        person_id: Who, at the customer.
        owner_id: World id of the colleague.
        inbound: Whether the customer began it; None for meetings.
        at: When it happened, possibly ahead: meetings are booked beforehand.
        made_at: When it was put into the CRM.
        done: False for a call that nobody answered and a meeting that was called off.
        tracked: Whether the CRM would know of an opening.
        opened: Every opening of an e-mail, by time.
        clicked_at: When a link in it was clicked; None for never.
    """

    id: int
    kind: Literal["email", "call", "meeting"]
    company_id: int
    person_id: int
    owner_id: int
    inbound: bool | None
    at: datetime
    made_at: datetime
    done: bool
    tracked: bool
    opened: tuple[datetime, ...]
    clicked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProductEvent:
    """Something a person did in the product.

    Attributes:
        time: When it happened.
        arrived_at: When analytics received it: seconds later as a rule, up to five days for offline phones.
        person_id: World id; the truth even when `anonymous`.
        company_id: The tenant it happened in (for agencies not the home company).
        name: Event name.
        insert_id: Unique per (person, name, time); a resent copy carries the same.
        anonymous: Sent before sign-in: shows a device id only.
    """

    time: datetime
    arrived_at: datetime
    person_id: int
    company_id: int
    name: str
    insert_id: str
    anonymous: bool


class World(Protocol):
    """Everything that is, was and, up to the horizon, will be true. Made once from a seed, never changed.

    Attributes:
        seed: What it was made from.
        start: First day with usage and tickets.
        now: Where the sandbox's clock starts: UTC midnight.
        horizon: Last day for which the future is known; some weeks after `now`.
    """

    seed: int
    start: datetime
    now: datetime
    horizon: datetime
    owners: list[Owner]
    companies: list[Company]
    people: list[Person]
    tickets: list[SupportTicket]
    nps: list[NpsAnswer]
    deals: list[SalesDeal]

    @property
    def touches(self) -> list[Touch]:
        """What customers and colleagues said to each other, by time; made when first asked for."""
        ...

    @property
    def billing(self) -> Billing:
        """Who pays what, and when; made when first asked for."""
        ...

    def events(self, day: date) -> Iterator[ProductEvent]:
        """Every event that *happened* on that UTC day, by time; lazily made, the same on every call."""
        ...

    def health(self, company_id: int, day: date) -> float:
        """The hidden health of a company that day, 0 (gone) to 1 (thriving): the truth behind everything it does."""
        ...
