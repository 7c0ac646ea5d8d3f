"""How well scores tell who leaves within 90 days, in worlds whose truth is known; nothing is learned from it.

Each world is scored every 30 days through the real engine, from what the vendors would show by then. AUC is the share
of pairs (one who leaves within 90 days, one who stays) of the same world and instant in which the leaver scores lower,
half for ties; unknown counts as neutral. Beside it stand the AUC of the world's own latent health of that day, which is
the most that can be asked for, and of chance. Intervals: 95 % by bootstrap over accounts, since an account is the same
account every month. HOLDFAST_BENCH_ACCOUNTS sets the size of the large world.
"""

import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.truth_data import KINDS, History, write
from sandbox.model import Company
from sandbox.world import make_world
from scoring import bounded
from scoring.card import Scorecard
from scoring.engine import score
from scoring.features import catalogue
from scoring.inputs import Level, ScoreRow
from scoring.presets import PRESETS, preset

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SMALL, SEEDS = 300, (1, 2, 3, 4, 5)
LARGE, LARGE_SEEDS = int(os.environ.get("HOLDFAST_BENCH_ACCOUNTS", "2000")), (6, 7)
AHEAD = timedelta(days=90)
DRAWS = 400
HIDDEN = 40
"""Percent of the signals that are hidden."""
NEUTRAL = {"score": 50, "points": 300}

Array = np.ndarray[Any, np.dtype[Any]]
Variant = Callable[[ScoreRow], float]


class Holed(Scorecard):
    """A card whose signals are unknown at random, whatever the data say."""

    def compile(self, level: Level = "account", *, as_of: datetime | None = None, dialect: str = "duckdb") -> str:
        """The card's own statement, with holes where a signal gets its points."""
        from sqlglot import exp, parse_one

        assert as_of is None
        tree = self.statement(level).copy()
        (signals,) = (cte for cte in tree.find_all(exp.CTE) if cte.alias == "signals")
        for column in signals.this.selects:
            if column.alias.endswith("__points"):
                hole = f"HASH(crm_id || '{column.alias}') % 100 < {HIDDEN}"
                column.set("this", parse_one(f"CASE WHEN NOT {hole} THEN {column.this.sql(dialect)} END", read=dialect))
        return tree.sql(dialect)


@dataclass
class Reading:
    """What one scorer said, by world and instant.

    Attributes:
        groups: For each: whose (numbers of accounts over all worlds), who leaves, and the values.
    """

    groups: list[tuple[Array, Array, Array]] = field(default_factory=list)

    def auc(self, weight: Array) -> float:
        """Share of the pairs within a group in the right order, each account counted so often."""
        right = pairs = 0.0
        for who, leaves, value in self.groups:
            times = weight[who]
            place = np.unique(value, return_inverse=True)[1]
            gone = np.bincount(place, times * leaves)
            kept = np.bincount(place, times * ~leaves, minlength=len(gone))
            above = kept.sum() - np.cumsum(kept)
            right += float((gone * (above + kept / 2)).sum())
            pairs += float(gone.sum() * kept.sum())
        return right / pairs if pairs else 0.5


@dataclass
class Readings:
    """What every scorer said, of the same accounts.

    Attributes:
        by_name: Scorer -> reading.
        accounts: How many accounts there are.
        bands: Scorer -> bands of every account and instant.
    """

    by_name: dict[str, Reading] = field(default_factory=dict)
    accounts: int = 0
    bands: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, companies: Sequence[Company], at: datetime, values: Sequence[float]) -> None:
        """What a scorer said at one instant about the current world's accounts."""
        who = np.array([self.accounts + company.id - 1 for company in companies])
        leaves = np.array([_leaves(company, at) for company in companies])
        self.by_name.setdefault(name, Reading()).groups.append((who, leaves, np.array(values, dtype=float)))

    def results(self, names: Sequence[str], prefix: str) -> Iterator[dict[str, Any]]:
        """AUC and interval of these scorers, on the same draws."""
        draws = np.random.default_rng(0).multinomial(self.accounts, np.full(self.accounts, 1 / self.accounts), DRAWS)
        for name in names:
            reading = self.by_name[name]
            low, high = np.quantile([reading.auc(draw) for draw in draws], (0.025, 0.975))
            value = reading.auc(np.ones(self.accounts, dtype=int))
            yield {"name": f"{prefix}: AUC of {name}", "value": f"{value:.3f}", "unit": f"({low:.3f}-{high:.3f})"}


def _leaves(company: Company, at: datetime) -> bool:
    return company.churn_date is not None and company.churn_date <= (at + AHEAD).date()


def read(into: Readings, history: History, cards: Mapping[str, Scorecard], dice: random.Random) -> None:
    """Score one world's past with several cards; the first card's signals are read one by one as well."""
    first = next(iter(cards))
    for at in history.instants:
        companies = history.customers(at)
        into.add("latent health", companies, at, [history.world.health(c.id, at.date()) for c in companies])
        into.add("chance", companies, at, [dice.random() for _ in companies])
        for name, card in cards.items():
            rows = {row.key: row for row in score(card, history.inputs(at), levels=("account",))}
            mine = [rows[company.id] for company in companies]
            into.add(name, companies, at, [_or(row.score, "score") for row in mine])
            into.bands.setdefault(name, []).extend(row.band for row in mine)
            if name == first:
                for i, signal in enumerate(card.account.signals):
                    if not any(row.signals[i].weight for row in mine):
                        continue  # the world has no source of that kind
                    values = [_or(row.signals[i].points, "points") for row in mine]
                    into.add(f"signal {signal}", companies, at, values)
    into.accounts += len(history.world.companies)


def _or(value: int | None, what: str) -> float:
    return NEUTRAL[what] if value is None else value


def data_of(text: str) -> dict[str, Any]:
    return bounded.loads(text, parse_float=Decimal)


def variants() -> Iterator[tuple[str, Scorecard]]:
    """The default card, the same with equal weights, without a family, and with holes; then the presets."""
    text = preset("default").text
    card = Scorecard.parse(text)
    yield "default card", card
    equal = data_of(text)
    for signal in equal["account"]["signals"].values():
        signal["weight"] = 10
    yield "default card, equal weights", Scorecard.from_data(equal)
    known = catalogue("account")
    there = (known[signal.feature] for signal in card.account.signals.values())
    families = dict.fromkeys(feature.family for feature in there if set(feature.kinds) <= set(KINDS))
    for family in families:
        less = data_of(text)
        signals = less["account"]["signals"]
        less["account"]["signals"] = {n: s for n, s in signals.items() if known[s["feature"]].family != family}
        yield f"default card without {family}", Scorecard.from_data(less)
    yield f"default card, {HIDDEN} % of signals hidden", Holed.parse(text)
    for one in PRESETS[1:]:
        if one.name != "onboarding":  # scores nobody but the newest
            yield f"preset {one.name}", one.card()


def main() -> list[dict[str, Any]]:
    dice = random.Random(7)
    results: list[dict[str, Any]] = []
    small, large = Readings(), Readings()
    default = {"default card": preset("default").card()}
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            read(small, write(make_world(seed, SMALL, now=NOW), Path(folder) / "past"), default, dice)
    results += small.results(list(small.by_name), f"{len(SEEDS)} x {SMALL} accounts")
    for seed in LARGE_SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            read(large, write(make_world(seed, LARGE, now=NOW), Path(folder) / "past"), dict(variants()), dice)
    results += large.results(list(large.by_name), f"{len(LARGE_SEEDS)} x {LARGE:,} accounts")
    for name, bands in large.bands.items():
        known = [band for band in bands if band != "unknown"]
        for band, of in (("red", known), ("green", known), ("unknown", bands)):
            share = 100 * of.count(band) / max(1, len(of))
            results.append({"name": f"{name}: {band}", "value": f"{share:.1f}", "unit": "%"})
    return results
