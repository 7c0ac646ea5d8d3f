"""Subscriptions, bills and cards of the world's customers, drawn apart from the rest of it.

Money follows health: a customer in decline lets its card expire, pays late or not at all, and sets its subscription to
end weeks before it leaves. What is awkward about billing is in every world, however small: a company that is two
customers, one with three subscriptions, yen, prices in tiers, two currencies, discounts and metered items.
"""

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np

from sandbox.model import Company, Person
from sandbox.model_billing import Bill, Billing, Interval, Payer, PaymentCard, Plan, PriceTag, Rebate, Tier
from sandbox.world_frame import DAY, Frame, Rng, at
from sandbox.world_health import Floats

RETRIES = (0, 3, 5, 7)
"""Days after which a card is charged, and charged again."""
NET = 30 * DAY
"""Seconds until a bill that is sent must be paid."""
SPECIAL = ("two_payers", "three_plans", "tiers", "yen", "rebate", "metered", "decimal")
"""What every world has, in this order, beginning with its first paying customers."""
_SHARES = (0.05, 0.06, 0.08, 0.03, 0.14, 0.06, 0.05)
BRANDS = ("visa", "mastercard", "amex")
FEEDBACK = ("too_expensive", "missing_features", "switched_service", "unused", None)
_YEN = 150


@dataclass(slots=True)
class _Account:
    """One company on its way into the billing system."""

    company: Company
    people: Sequence[Person]
    daily: Floats
    special: str
    rng: Rng
    domain: str | None


@dataclass(slots=True)
class _Books:
    """What was made so far."""

    frame: Frame
    payers: list[Payer] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    bills: list[Bill] = field(default_factory=list)
    numbers: int = 0

    def number(self) -> int:
        """The next id of a price, card or discount."""
        self.numbers += 1
        return self.numbers


def make_billing(frame: Frame, companies: Sequence[Company], people: Sequence[Person], daily: Floats) -> Billing:
    """All of it.

    Args:
        frame: The world's frame; the draws are a stream of their own.
        companies: In the order of their ids.
        people: Everybody.
        daily: [company, day] health from 0 to 1.
    """
    close: dict[int, list[Person]] = {}
    for person in people:
        if person.in_crm and person.kind == "person" and person.duplicate_of is None and person.email:
            close.setdefault(person.company_id, []).append(person)
    claimed: dict[str, int] = {}
    for company in companies:
        for domain in company.domains:
            claimed[domain] = claimed.get(domain, 0) + 1
    books, special = _Books(frame), iter(SPECIAL)
    for index, company in enumerate(companies):
        rng = frame.rng("billing", index)
        chosen = _special(rng, special) if company.mrr > 0 else ""
        own = next((domain for domain in company.domains if claimed[domain] == 1), None)
        _enter(books, _Account(company, close.get(company.id, []), daily[index], chosen, rng, own))
    return Billing(books.payers, books.plans, books.bills)


def _special(rng: Rng, first: Iterator[str]) -> str:
    drawn = int(np.searchsorted(np.cumsum(_SHARES), rng.random()))
    return next(first, None) or (SPECIAL[drawn] if drawn < len(SPECIAL) else "")


def _enter(books: _Books, account: _Account) -> None:
    company, rng = account.company, account.rng
    if company.mrr == 0:
        if rng.random() < 0.3:  # somebody who once looked at the prices
            _payer(books, account, company.currency, second=False)
        return
    currency = "JPY" if account.special == "yen" else company.currency
    payer = _payer(books, account, currency, second=False)
    amount = _amount(company.mrr, company.currency, currency)
    for share in (0.7, 0.2, 0.1) if account.special == "three_plans" else (1.0,):
        _plan(books, account, payer, max(int(amount * share), 1))
    if account.special == "two_payers":
        other = "EUR" if company.currency == "USD" else "USD"
        _plan(books, account, _payer(books, account, other, second=True), _amount(company.mrr, "USD", "USD") // 4)


def _amount(cents: int, known: str, wanted: str) -> int:
    """An amount in hundredths, as the billing system counts; near enough where the currency is another."""
    if wanted == "JPY":
        return cents // 100 if known == "JPY" else cents * _YEN // 100
    return cents


def _payer(books: _Books, account: _Account, currency: str, *, second: bool) -> Payer:
    company, rng, frame = account.company, account.rng, books.frame
    created = frame.epoch + (company.customer_since - frame.start).days * DAY + int(rng.integers(0, 8 * 3600))
    key: Literal["crm", "product", "none"] = ("crm", "product", "none")[int(np.searchsorted((0.6, 0.87), rng.random()))]
    person, email = _address(account)
    if key == "none" and email is None:
        key = "crm"
    way: Literal["card", "debit", "transfer"] = "debit" if rng.random() < 0.12 else "card"
    way = "transfer" if company.plan in {"business", "enterprise"} else way
    left = _left(company)
    gone = left + timedelta(days=20) if left is not None and rng.random() < 0.1 else None
    payer = Payer(
        id=len(books.payers) + 1,
        company_id=company.id,
        person_id=person,
        name=f"{company.name} Holding" if second else company.name,
        email=email,
        key=key,
        currency=currency,
        created_at=at(created),
        deleted_at=gone,
        way=way,
        holder=("subscription", "customer", "source")[int(np.searchsorted((0.3, 0.85), rng.random()))],
        cards=tuple(_cards(books, account, created)) if way == "card" else (),
        rebate=_rebate(books, rng, currency, at(created), forever=True) if rng.random() < 0.03 else None,
    )
    books.payers.append(payer)
    return payer


def _left(company: Company) -> datetime | None:
    """When a company's subscriptions end."""
    if company.churn_date is None:
        return None
    return datetime.combine(company.churn_date, datetime.min.time(), at(0).tzinfo) + timedelta(hours=9)


def _address(account: _Account) -> tuple[int | None, str | None]:
    """Whose address the invoices go to: a shared inbox, where it says whose it is, or somebody the CRM knows."""
    rng = account.rng
    if account.domain is not None and (rng.random() < 0.6 or not account.people):
        return None, f"{'billing' if rng.random() < 0.6 else 'accounting'}@{account.domain}"
    if not account.people:
        return None, None
    person = account.people[int(rng.integers(len(account.people)))]
    return person.id, person.email


def _cards(books: _Books, account: _Account, created: int) -> Iterator[PaymentCard]:
    """Cards one after the other: who means to stay brings the next one before the last expires."""
    rng, frame = account.rng, books.frame
    end, since = frame.epoch + frame.days * DAY, created
    while since < end:
        until = at(since + int(rng.integers(200, 1100)) * DAY)
        expires = _end_of_month(until.date())
        yield PaymentCard(
            books.number(),
            at(since),
            BRANDS[int(rng.integers(len(BRANDS)))],
            f"{int(rng.integers(10_000)):04d}",
            until.year,
            until.month,
        )
        day = (expires - frame.start).days
        health = float(account.daily[min(max(day, 0), frame.days - 1)])
        faithful = rng.random() < 0.25 + health
        change = -int(rng.integers(3, 45)) if faithful else int(rng.integers(20, 90))
        since = frame.epoch + (day + change) * DAY + 36_000


def _end_of_month(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _rebate(books: _Books, rng: Rng, currency: str, start: datetime, *, forever: bool) -> Rebate:
    percent = float(rng.choice((10.0, 15.0, 25.5)))
    until = None if forever else start + timedelta(days=int(rng.integers(60, 900)))
    return Rebate(books.number(), percent, None, currency, "forever" if forever else "repeating", start, until)


def _plan(books: _Books, account: _Account, payer: Payer, amount: int) -> None:
    rng, company, frame = account.rng, account.company, books.frame
    sent = payer.way == "transfer"
    months = int(rng.choice((1, 3, 12), p=(0.4, 0.35, 0.25) if sent else (0.85, 0.0, 0.15)))
    items, month = _items(books, account, payer.currency, amount, months)
    rebate = None
    if account.special == "rebate":
        rebate = _rebate(books, rng, payer.currency, payer.created_at, forever=bool(rng.random() < 0.6))
    left = _left(company)
    warned = left is not None and rng.random() < 0.75
    young = months == 1 and not sent and rng.random() < 0.2
    plan = Plan(
        id=len(books.plans) + 1,
        payer_id=payer.id,
        items=items,
        mrr=month,
        sent=sent,
        created_at=payer.created_at,
        trial_ends_at=payer.created_at + timedelta(days=14) if young else None,
        cancel_set_at=left - timedelta(days=int(rng.integers(6, 45))) if left is not None and warned else None,
        ends_at=left,
        feedback=FEEDBACK[int(rng.integers(len(FEEDBACK)))],
        rebate=rebate,
    )
    books.plans.append(plan)
    for made in _periods(frame, plan, months):
        books.bills.append(_bill(books, account, payer, plan, (made, month * months)))


def _items(
    books: _Books, account: _Account, currency: str, amount: int, months: int
) -> tuple[tuple[tuple[PriceTag, int], ...], int]:
    """Prices and quantities that bring about this much a month, and what they bring exactly."""
    interval: Interval = "year" if months == 12 else "month"
    count, seats = (1 if months == 12 else months), int(account.rng.integers(2, 60))

    def tag(
        unit: int | None, decimal: str | None = None, *, metered: bool = False, tiers: tuple[Tier, ...] = ()
    ) -> PriceTag:
        return PriceTag(books.number(), currency, unit, decimal, interval, count, metered, tiers, bool(tiers))

    if account.special == "tiers":
        unit = max(amount * months // seats, 10)
        steps = (Tier(10, unit, 500), Tier(50, unit * 4 // 5, 0), Tier(None, unit * 3 // 5, 0))
        first, then = min(seats, 10), max(min(seats, 50) - 10, 0)
        total = 500 + first * unit + then * (unit * 4 // 5) + max(seats - 50, 0) * (unit * 3 // 5)
        return ((tag(None, tiers=steps), seats),), round(total / months)
    if account.special == "decimal":
        unit = max(amount * months // seats, 1)
        return ((tag(None, f"{unit}.5"), seats),), round((unit + 0.5) * seats / months)
    unit = max(amount * months // seats, 1)
    plain = (tag(unit), seats)
    month = round(unit * seats / months)
    if account.special == "metered":
        return (plain, (tag(4, metered=True), 1)), month
    return (plain,), month


def _periods(frame: Frame, plan: Plan, months: int) -> Iterator[datetime]:
    """When bills are made: at the beginning of each period from the world's start on."""
    first = plan.trial_ends_at or plan.created_at
    number = 0
    while True:
        made = later(first, number * months)
        if made.date() > frame.horizon or (plan.ends_at is not None and made >= plan.ends_at):
            return
        if made.date() >= frame.start:
            yield made
        number += 1


def later(moment: datetime, months: int) -> datetime:
    """The same day of the month so many months later, or the month's last."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))


def _bill(books: _Books, account: _Account, payer: Payer, plan: Plan, what: tuple[datetime, int]) -> Bill:
    made, amount = what
    rng, frame = account.rng, books.frame
    health = float(account.daily[min((made.date() - frame.start).days, frame.days - 1)])
    trouble = bool(rng.random() < min(max(0.95 - 1.3 * health, 0.012), 0.9))
    final = made + timedelta(hours=1)
    failed: tuple[datetime, ...] = ()
    paid: datetime | None = final + timedelta(minutes=1)
    due = None
    if plan.sent:
        due = final + timedelta(seconds=NET)
        late = float(rng.lognormal(2.9, 0.6)) * (1.3 - health) if trouble else -float(rng.uniform(1, 20))
        paid = due + timedelta(days=late)
    elif payer.way == "debit" and not trouble:
        paid = final + timedelta(days=int(rng.integers(4, 9)))
    else:
        card = _card(payer, final)
        expired = card is not None and _end_of_month(date(card.year, card.month, 1)) < final.date()
        if trouble or expired:
            count = min(1 + int(rng.geometric(0.25 + 0.6 * health)), len(RETRIES))
            failed = tuple(final + timedelta(days=days, minutes=1) for days in RETRIES[:count])
            wait = int(rng.integers(10, 35)) if count == len(RETRIES) else RETRIES[count]
            paid = final + timedelta(days=wait, minutes=5)
    lost = paid is not None and trouble and rng.random() < 0.35 * (1 - health)
    given_up = (due or final) + timedelta(days=60) if lost else None
    return Bill(
        id=len(books.bills) + 1,
        payer_id=payer.id,
        plan_id=plan.id,
        amount=amount,
        currency=payer.currency,
        made_at=made,
        due_at=due,
        failed=failed,
        paid_at=None if lost else paid,
        given_up_at=given_up,
    )


def _card(payer: Payer, moment: datetime) -> PaymentCard | None:
    """The card that is charged at a moment."""
    return next((card for card in reversed(payer.cards) if card.since <= moment), None)
