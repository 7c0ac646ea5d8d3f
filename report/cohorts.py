"""How many of the customers who began in the same month are still there, month by month; by plan and channel too.

The rules are those of the view `v_cohort`: only whole months count, so a month that is not over says nothing yet; who
is no customer any more left when the last renewal was lost, else when the agent saw it; where neither is known, the
account is counted apart, neither kept nor lost.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from sync.migrations_views import TENURE
from sync.store import Store

MONTHS = (1, 2, 3, 4, 5, 6, 9, 12, 18, 24)
"""Months after the start that are shown."""
LATE = 6
"""A loss after so many months is a late one: not onboarding, but the product or its use."""
EPOCH = date(1970, 1, 1)

_LAST = "SELECT max(coalesce(ended, started)) FROM run"


@dataclass(frozen=True, slots=True)
class Fate:
    """When one customer began and ended.

    Attributes:
        began: Month of the start: year x 12 + month.
        ended: Month of the end; None while it is a customer.
        unknown: It is no customer any more and nobody knows since when.
        mrr: Monthly recurring revenue in minor units of `currency`.
    """

    began: int
    ended: int | None
    unknown: bool
    plan: str
    channel: str
    mrr: int | None
    currency: str


@dataclass(slots=True)
class Cohort:
    """Some customers who began in the same month, or who have a plan or channel in common.

    Attributes:
        name: The month as 2026-03, the plan, the channel.
        accounts: How many there are.
        unknown: Of these, those of whom the end is not known; they are in no share.
        kept: Months since the start -> (customers old enough to tell, of these still there).
        late: Of those who were there after `LATE` months and could be looked at later: (all, of these lost since).
    """

    name: str
    accounts: int
    unknown: int
    kept: dict[int, tuple[int, int]]
    late: tuple[int, int]


def read(store: Store) -> tuple[list[Fate], int]:
    """The customers of all times, and the current month, as of the newest run."""
    rows = store.rows(TENURE)
    last = store.rows(_LAST)[0][0]
    today = _month(int(last) // 86400) if last is not None else 0
    found = []
    for began, gone, day, plan, channel, mrr, currency in rows:
        ended = _month(max(int(day), began)) if gone and day is not None else None
        unknown = bool(gone) and day is None
        found.append(Fate(_month(began), ended, unknown, plan or "", channel or "", mrr, currency or ""))
    return found, today


def cohorts(fates: Iterable[Fate], today: int, by: Callable[[Fate], str]) -> list[Cohort]:
    """Customers grouped by what a function says of each, in the order of the names."""
    groups: dict[str, list[Fate]] = {}
    for one in fates:
        groups.setdefault(by(one), []).append(one)
    return [_cohort(name, group, today) for name, group in sorted(groups.items())]


def month_of(one: Fate) -> str:
    """The month in which a customer began."""
    return f"{(one.began - 1) // 12:04d}-{(one.began - 1) % 12 + 1:02d}"


def kept(group: Iterable[Fate], months: int, today: int) -> tuple[int, int]:
    """Of some customers those who began so many whole months ago, and how many of these were still there then."""
    told = [one for one in group if not one.unknown and today - one.began > months]
    return len(told), sum(one.ended is None or one.ended - one.began > months for one in told)


def _cohort(name: str, group: list[Fate], today: int) -> Cohort:
    shown = {months: kept(group, months, today) for months in MONTHS}
    lasting = [
        one
        for one in group
        if not one.unknown and today - one.began > LATE and (one.ended is None or one.ended - one.began > LATE)
    ]
    lost = sum(one.ended is not None for one in lasting)
    return Cohort(name, len(group), sum(one.unknown for one in group), shown, (len(lasting), lost))


def _month(day: int) -> int:
    at = EPOCH + timedelta(days=day)
    return at.year * 12 + at.month


@dataclass(frozen=True, slots=True)
class Lifetime:
    """What customers of one plan are worth, in minor units each.

    Attributes:
        past: Recurring revenue of today x months as a customer x margin: the historical average.
        churn: Customers lost per customer and month over the last `WINDOW` months; None when nobody was at risk.
        expected: Revenue of today x margin / churn: the mean of the geometric distribution, which takes churn to be
            the same every month; None when nobody left, which says nothing about when somebody will.
    """

    name: str
    customers: int
    past: int
    churn: float | None
    expected: int | None


WINDOW = 12


def lifetimes(fates: Iterable[Fate], today: int, currency: str, margin: int) -> list[Lifetime]:
    """By plan, of customers that pay in one currency.

    Args:
        fates: As of `read`.
        today: The current month.
        currency: Revenue in others is left out: nothing is converted.
        margin: Gross margin in percent.
    """
    groups: dict[str, list[Fate]] = {}
    for one in fates:
        if one.currency == currency and one.mrr is not None:
            groups.setdefault(one.plan, []).append(one)
    return [found for name, group in sorted(groups.items()) if (found := _lifetime(name, group, today, margin))]


def _lifetime(name: str, group: list[Fate], today: int, margin: int) -> Lifetime | None:
    alive = [one for one in group if one.ended is None and not one.unknown]
    if not alive:
        return None
    at_risk = lost = 0
    for month in range(today - WINDOW, today):
        for one in group:
            if not one.unknown and one.began < month and (one.ended is None or one.ended >= month):
                at_risk += 1
                lost += one.ended == month
    revenue = sum(one.mrr or 0 for one in alive) * margin / 100 / len(alive)
    past = sum((one.mrr or 0) * (today - one.began) for one in alive) * margin / 100 / len(alive)
    churn = lost / at_risk if at_risk else None
    return Lifetime(name, len(alive), round(past), churn, round(revenue / churn) if churn else None)
