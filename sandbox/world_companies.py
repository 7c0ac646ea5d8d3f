"""Owners and companies, with everything that is awkward about companies in small numbers."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sandbox.model import Company, Owner
from sandbox.world_frame import DAY, Frame, Rng, at
from sandbox.world_health import NEVER, Health, Ints, make_health
from sandbox.world_names import (
    COMPANY_ENDINGS,
    COMPANY_KINDS,
    COMPANY_WORDS,
    FIRST_NAMES,
    HOSTILE_COMPANIES,
    LAST_NAMES,
    OWN_DOMAIN,
    UNICODE_COMPANIES,
)

Plan = Literal["free", "starter", "team", "business", "enterprise"]
ZendeskKey = Literal["crm", "product", "none"]

PLANS: tuple[Plan, ...] = get_args(Plan)
_ZENDESK_KEYS: tuple[ZendeskKey, ...] = get_args(ZendeskKey)
_PLAN_SHARES = (0.10, 0.40, 0.70, 0.92)  # cumulative, by size
_PLAN_CENTS = (0, 9_900, 34_900, 149_000, 680_000)
_CURRENCIES = ("USD", "EUR", "GBP", "JPY")
_CURRENCY_SHARES = (0.78, 0.12, 0.06, 0.04)
_RATES = {"USD": 1.0, "EUR": 0.92, "GBP": 0.79, "JPY": 150.0}


@dataclass(frozen=True, slots=True)
class Customers:
    """Companies and what else of them the rest of the world is made from.

    Attributes:
        companies: In the order of their ids, which start at 1 and have no gaps.
        sizes: People at each company.
        health: Their hidden health.
        since: Day number of becoming a customer, negative for before the world's start.
        churn: Day number of leaving, `NEVER` for none.
        term: Length of the contract in days.
        time_zone: Hours ahead of UTC.
    """

    companies: list[Company]
    sizes: Ints
    health: Health
    since: Ints
    churn: Ints
    term: Ints
    time_zone: Ints


def make_owners(frame: Frame) -> list[Owner]:
    """Account owners (a tenth of them left) and, after them, support agents."""
    rng = frame.rng("owners")
    managers, agents = max(6, frame.accounts // 60), max(5, frame.accounts // 150)
    owners = []
    for number in range(managers + agents):
        first, last = (names[rng.integers(len(names))] for names in (FIRST_NAMES, LAST_NAMES))
        agent = number >= managers
        owners.append(
            Owner(
                id=number + 1,
                name=f"{first[0]} {last[0]}",
                email=f"{first[1]}.{last[1]}.{number + 1}@{OWN_DOMAIN}",
                active=not (not agent and number % 10 == 5),
                agent=agent,
            )
        )
    return owners


def make_customers(frame: Frame, owners: list[Owner]) -> Customers:
    """All companies."""
    rng = frame.rng("companies")
    sizes = _sizes(rng, frame)
    since = _since(rng, frame)
    term = np.where(rng.random(frame.accounts) < 0.72, 365, 30)
    health = make_health(frame, since, term)
    names = _names(rng, frame.accounts)
    parents = _parents(rng, frame.accounts)
    maker = _Maker(frame, rng, [owner.id for owner in owners if not owner.agent], sizes, since, term, health.churn)
    companies = [maker.company(n, names[n], parents[n]) for n in range(frame.accounts)]
    zones = np.where(
        rng.random(frame.accounts) < 0.6, rng.integers(-8, -3, frame.accounts), rng.integers(0, 10, frame.accounts)
    )
    return Customers(companies, sizes, health, since, health.churn, term, zones)


def _sizes(rng: Rng, frame: Frame) -> Ints:
    """Log-normal sizes that add up to exactly the people asked for."""
    raw = rng.lognormal(0.0, 0.9, frame.accounts)
    sizes = 1 + np.floor(raw / raw.sum() * (frame.people - frame.accounts)).astype(np.int64)
    sizes[np.argsort(-raw, kind="stable")[: frame.people - sizes.sum()]] += 1
    return np.asarray(sizes)


def _since(rng: Rng, frame: Frame) -> Ints:
    """Most were customers before the world starts, the others came evenly until three days before now."""
    old = -rng.integers(60, 1500, frame.accounts)
    new = rng.integers(0, max(1, frame.now_index - 3), frame.accounts)
    return np.asarray(np.where(rng.random(frame.accounts) < 0.6, old, new))


def _parents(rng: Rng, count: int) -> list[int | None]:
    """About one company in sixteen belongs to an earlier one; a few families have three generations."""
    child = rng.random(count) < 0.065
    return [int(rng.integers(n)) if n > 1 and child[n] else None for n in range(count)]


def _names(rng: Rng, count: int) -> list[tuple[str, str]]:
    """Name and domain label of each company."""
    word, kind, ending = (rng.integers(len(x), size=count) for x in (COMPANY_WORDS, COMPANY_KINDS, COMPANY_ENDINGS))
    names, taken = [], set()
    for n in range(count):
        plain = f"{COMPANY_WORDS[word[n]]} {COMPANY_KINDS[kind[n]]}"
        label = plain.lower().replace(" ", "-")
        if label in taken:
            label = f"{label}-{n + 1}"
            plain = f"{plain} {n + 1}"
        taken.add(label)
        names.append((plain + COMPANY_ENDINGS[ending[n]], label))
    special = [(name, f"{label}-{i}") for i, (name, label) in enumerate(UNICODE_COMPANIES)]
    special += [(name, f"odd-name-{i}") for i, name in enumerate(HOSTILE_COMPANIES)]
    places = rng.permutation(count)
    for place, pair in zip(places[: count // 8], special, strict=False):
        names[place] = pair
    twins = places[-(count // 60 * 2) :] if count >= 60 else places[:0]
    for one, other in zip(twins[::2], twins[1::2], strict=True):
        names[other] = (names[one][0], names[other][1])  # the same name at two unrelated companies
    return names


class _Maker:
    """Makes companies one after the other; a child may borrow its parent's domain."""

    def __init__(
        self, frame: Frame, rng: Rng, owners: list[int], sizes: Ints, since: Ints, term: Ints, churn: Ints
    ) -> None:
        count = frame.accounts
        self.frame, self.since, self.term, self.churn = frame, since, term, churn
        self.owner = np.asarray(owners)[rng.integers(len(owners), size=count)]
        rank = np.argsort(np.argsort(sizes, kind="stable")) / count + rng.normal(0, 0.15, count)
        self.plan = np.searchsorted(_PLAN_SHARES, rank)
        self.currency = rng.choice(len(_CURRENCIES), size=count, p=_CURRENCY_SHARES)
        self.factor = rng.lognormal(0, 0.35, count)
        self.dice = rng.random((count, 6))
        self.lead = rng.integers(5 * DAY, 60 * DAY, count)
        self.secret = rng.permutation(count * 37)[:count]
        self.domains: list[tuple[str, ...]] = []

    def company(self, n: int, name: tuple[str, str], parent: int | None) -> Company:
        """The company with this index."""
        frame, dice = self.frame, self.dice[n]
        since, churn = int(self.since[n]), int(self.churn[n])
        domains = self._domains(dice, name[1], parent)
        self.domains.append(domains)
        currency = _CURRENCIES[self.currency[n]]
        return Company(
            id=n + 1,
            name=name[0],
            domains=domains,
            owner_id=int(self.owner[n]),
            parent_id=None if parent is None else parent + 1,
            plan=PLANS[self.plan[n]],
            mrr=_mrr(_PLAN_CENTS[self.plan[n]] * self.factor[n], currency),
            currency=currency,
            product_id=self._product_id(n, dice[1]),
            crm_has_product_id=bool(dice[2] < 0.97),
            zendesk_key=_ZENDESK_KEYS[int(np.searchsorted((0.60, 0.88), dice[3]))],
            agency=bool(dice[4] < 0.02) or n == 1,
            customer_since=frame.day(since),
            renewal_date=frame.day(self._renewal(n)),
            churn_date=None if churn == NEVER else frame.day(churn),
            created_at=at(frame.epoch + since * DAY - int(self.lead[n])),
        )

    def _domains(
        self, dice: "np.ndarray[tuple[int], np.dtype[np.float64]]", label: str, parent: int | None
    ) -> tuple[str, ...]:
        own = f"{label}.example"
        if parent is not None and self.domains[parent] and dice[5] < 0.7:
            shared = self.domains[parent][0]
            return (shared,) if dice[5] < 0.45 else (f"{label[:20].strip('-')}.{shared}",)
        if dice[0] < 0.035:
            return ()
        if dice[0] < 0.10:
            return (own, f"{label}-group.example")
        return (own,)

    def _product_id(self, n: int, dice: float) -> str:
        # A few tenants have numbers with leading zeros, which careless code turns into something else.
        return f"{self.secret[n]:08d}" if dice < 0.03 else f"org_{_base36(int(self.secret[n]) + 1_679_616)}"

    def _renewal(self, n: int) -> int:
        """Day number on which the running term ends; the last one's end for those who left."""
        since, term = int(self.since[n]), int(self.term[n])
        last = min(self.frame.now_index, int(self.churn[n]))
        return since + max(1, -(-(last - since) // term)) * term


def _mrr(cents: float, currency: str) -> int:
    """Hundredths of the currency's unit; whole units for yen, which have no fraction."""
    unit = 100 if currency == "JPY" else 50
    return round(cents * _RATES[currency] / unit) * unit


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return text
