"""The words of billing: who pays, for what, with which card, and which bills were paid when.

Amounts are in the smallest unit in which Stripe counts a currency: cents, and whole yen.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Interval = Literal["month", "year"]


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of a price: up to and with `up_to` units (None: without end), each at `unit`, and `flat` once."""

    up_to: int | None
    unit: int
    flat: int


@dataclass(frozen=True, slots=True)
class PriceTag:
    """What one unit costs for one period.

    Attributes:
        id: World id.
        currency: ISO code.
        unit: Whole amount; None where it has decimals or is in tiers.
        decimal: The amount with decimals; None where it is whole or in tiers.
        interval: What is counted in.
        count: How many of them a period has.
        metered: Paid by what was used.
        tiers: Steps, lowest first; none for a plain price.
        graduated: Whether each unit costs what its own step says; else all cost what the last one's says.
    """

    id: int
    currency: str
    unit: int | None
    decimal: str | None
    interval: Interval
    count: int
    metered: bool
    tiers: tuple[Tier, ...]
    graduated: bool


@dataclass(frozen=True, slots=True)
class Rebate:
    """A discount: a share or an amount off each period, for as long as `duration` says."""

    id: int
    percent: float | None
    amount: int | None
    currency: str
    duration: Literal["forever", "repeating", "once"]
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class PaymentCard:
    """A card from the moment on which it is charged, until the next one."""

    id: int
    since: datetime
    brand: str
    last4: str
    year: int
    month: int


@dataclass(frozen=True, slots=True)
class Payer:
    """A customer in the billing system.

    Attributes:
        id: World id.
        company_id: The company.
        person_id: Whose address it has, when it is a person's.
        name: As the billing system has it, often a legal entity's.
        email: Where invoices go; None when nobody typed one in.
        key: What its metadata name: the company in the CRM, in the product, or nothing.
        currency: ISO code.
        created_at: When it was made.
        deleted_at: When somebody deleted it.
        way: How it pays: bills are charged to a card or to its bank, which takes days, or sent for a transfer.
        holder: Where its card or bank hangs: on the subscription, in the customer's invoice settings, as an old source.
        cards: By time; none for the other ways.
        rebate: A discount on everything it buys.
    """

    id: int
    company_id: int
    person_id: int | None
    name: str
    email: str | None
    key: Literal["crm", "product", "none"]
    currency: str
    created_at: datetime
    deleted_at: datetime | None
    way: Literal["card", "debit", "transfer"]
    holder: Literal["subscription", "customer", "source"]
    cards: tuple[PaymentCard, ...]
    rebate: Rebate | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A subscription.

    Attributes:
        id: World id.
        payer_id: Whose.
        items: Prices and quantities.
        mrr: What it truly brings in a month while it runs.
        sent: Its bills are sent and paid by transfer, rather than charged.
        created_at: Its first day.
        trial_ends_at: Until then nothing is due; None without a trial.
        cancel_set_at: When it was set to end; None when it ends at once, or not at all.
        ends_at: When it ends.
        feedback: Why, as the customer said.
        rebate: Its own discount.
    """

    id: int
    payer_id: int
    items: tuple[tuple[PriceTag, int], ...]
    mrr: int
    sent: bool
    created_at: datetime
    trial_ends_at: datetime | None
    cancel_set_at: datetime | None
    ends_at: datetime | None
    feedback: str | None
    rebate: Rebate | None


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice with its whole life.

    Attributes:
        id: World id.
        payer_id: Who pays.
        plan_id: What for.
        amount: What is due.
        currency: ISO code.
        made_at: When it was made; an hour later it is final.
        due_at: When a bill that is sent must be paid; None for one that is charged.
        failed: When a charge failed.
        paid_at: When it was paid, if ever.
        given_up_at: When it was written off.
    """

    id: int
    payer_id: int
    plan_id: int
    amount: int
    currency: str
    made_at: datetime
    due_at: datetime | None
    failed: tuple[datetime, ...]
    paid_at: datetime | None
    given_up_at: datetime | None


@dataclass(frozen=True, slots=True)
class Billing:
    """Everything a billing system ever knows; ids start at 1 and are places in these lists."""

    payers: list[Payer]
    plans: list[Plan]
    bills: list[Bill]
