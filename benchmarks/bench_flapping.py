"""How often bands change by noise alone, what holding them costs in time, and what the guard makes of either.

The noise reference: a year of one score a week. An account's level is normal with mean 60 and deviation 12 and stays
what it is; around it lies noise of deviation 5 that half carries over from week to week. Without any rule that makes
6.5 changes of band for an account and year, none of which means anything. The same noise is also read once a day and,
as the agent does, once an hour: then a score is nearly that of the reading before, and two days confirm little.

Everything goes through the real `settle`; the weekly bands of 1,000 accounts through the real `judge` of the guard. At
last the time that settling takes out of a run.
"""

import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from scoring.card import Scorecard
from scoring.inputs import Band, ScoreRow
from scoring.settle import Standing, plain, settle
from sync.guard import Before, Limits, judge
from sync.people import people_fields
from sync.plan import Plan
from sync.standings import Bench, past_scores
from sync.store import Store

NOW = datetime(2026, 1, 1, 2, tzinfo=UTC)
LEVEL, SPREAD, NOISE, CARRY = 60, 12, 5, 0.5
WEEKS, ACCOUNTS, GUARDED = 52, 2_000, 1_000
OFTEN = {"daily": (7, 300, 100), "hourly": (7 * 24, 40, 20)}
"""Readings a week, accounts and slides."""
FLIP = 4
"""Weeks within which coming back is a flip."""
SLIDE = (80, 25, 6)
"""From, to, over so many weeks."""
RULES = {"no rule": (0, 1), "margin only": (3, 1), "days only": (0, 7), "margin and days": (3, 7)}
"""Margin in points, days of confirmation; the last is the default."""


def card(margin: int, days: int) -> Scorecard:
    """The default card with other hysteresis."""
    base = Scorecard.load()
    return base.model_copy(update={"bands": base.bands.model_copy(update={"margin": margin, "confirm_days": days})})


def noise(dice: random.Random, steps: int, carry: float = CARRY) -> Iterator[float]:
    """Noise of one deviation whose steps are correlated."""
    now = dice.gauss(0, NOISE)
    for _ in range(steps):
        yield now
        now = carry * now + dice.gauss(0, NOISE * (1 - carry**2) ** 0.5)


def scores(levels: Iterable[float], errors: Iterable[float]) -> list[int]:
    """Whole scores from 0 to 100."""
    return [min(100, max(0, round(level + error))) for level, error in zip(levels, errors, strict=True)]


def year(dice: random.Random, steps: int = WEEKS + 1, carry: float = CARRY) -> list[int]:
    """One account's scores of a year."""
    level = dice.gauss(LEVEL, SPREAD)
    return scores([level] * steps, noise(dice, steps, carry))


def row(key: int, score: int, bands: Any) -> ScoreRow:
    """What the engine would say."""
    band = plain(bands, score)
    return ScoreRow("account", key, str(key), "", None, score, 3, 300, 100, band, (), "", (), {}, "", band)


def settled(of: Scorecard, years: Sequence[Sequence[int]], step: timedelta) -> list[list[ScoreRow]]:
    """Settled rows by reading, all accounts together."""
    memory: dict[str, Standing] = {}
    found = []
    for number in range(len(years[0])):
        rows = [row(key, account[number], of.bands) for key, account in enumerate(years)]
        result = settle(of.card_of, rows, memory, NOW + number * step)
        memory = result.standings
        found.append(result.rows)
    return found


def by_account(readings: Sequence[Sequence[ScoreRow]]) -> list[list[Band]]:
    """Bands in time, account by account."""
    return [[one.band for one in account] for account in zip(*readings, strict=True)]


def changes(bands: Sequence[Band]) -> int:
    """How often a band changes."""
    return sum(before != after for before, after in pairwise(bands))


def flips(bands: Sequence[Band]) -> int:
    """How often a band that was left is back within `FLIP` readings."""
    return sum(bands[i] != bands[i + 1] and bands[i] in bands[i + 2 : i + 2 + FLIP] for i in range(len(bands) - 2))


def slide(dice: random.Random, steps_a_week: int) -> list[int]:
    """The scores of an account that goes from good to bad, and stays there."""
    first, last, weeks = SLIDE
    steps = 20 * steps_a_week
    levels = [first + (last - first) * min(1.0, step / (weeks * steps_a_week)) for step in range(steps)]
    return scores(levels, noise(dice, steps, CARRY ** (1 / steps_a_week)))


def delay(bands: Sequence[Band]) -> int:
    """Readings until red."""
    return next((number for number, band in enumerate(bands) if band == "red"), len(bands))


def alarms(readings: Sequence[Sequence[ScoreRow]]) -> int:
    """Runs of a year whose plan the guard would hold for its bands, were each written before the next."""
    held = 0
    plan = Plan(NOW, "env", "hash")
    for before, now in pairwise(readings):
        old = {one.crm_id: Before(one.band, None) for one in before}
        held += any(verdict.held for verdict in judge(plan, old, now, Limits()))
    return held


def main() -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    dice = random.Random(20)
    years = [year(dice) for _ in range(ACCOUNTS)]
    slides = [slide(dice, 1) for _ in range(400)]
    for name, (margin, days) in RULES.items():
        of = card(margin, days)
        readings = settled(of, years, timedelta(days=7))
        found = by_account(readings)
        reds = by_account(settled(of, slides, timedelta(days=7)))
        results += [
            {"name": f"{name}: changes an account and year", "value": sum(map(changes, found)) / ACCOUNTS},
            {"name": f"{name}: back within 4 weeks", "value": sum(map(flips, found)) / ACCOUNTS},
            {
                "name": f"{name}: 80 to 25 in 6 weeks, red after",
                "value": sum(map(delay, reds)) / len(reds),
                "unit": "w",
            },
            {
                "name": f"{name}: weekly plans of 1,000 accounts held, of 52",
                "value": alarms([reading[:GUARDED] for reading in readings]),
            },
        ]
    results += often()
    results += settling()
    return results


def often() -> Iterator[dict[str, Any]]:
    """The same noise and the same slide, read once a day and once an hour."""
    for how, (a_week, accounts, sliding) in OFTEN.items():
        dice, step = random.Random(21), timedelta(days=7) / a_week
        years = [year(dice, a_week * WEEKS + 1, CARRY ** (1 / a_week)) for _ in range(accounts)]
        slides = [slide(dice, a_week) for _ in range(sliding)]
        for name, rule in {**RULES, "margin and two days": (3, 2)}.items():
            found = by_account(settled(card(*rule), years, step))
            reds = by_account(settled(card(*rule), slides, step))
            noisy, late = sum(map(changes, found)) / accounts, sum(map(delay, reds)) / sliding / a_week
            yield {"name": f"read {how}, {name}: changes an account and year", "value": noisy}
            yield {"name": f"read {how}, {name}: 80 to 25 in 6 weeks, red after", "value": late, "unit": "w"}


HELD, DAYS = 10_000, 60
"""Accounts of a large company, and days on each of which every one of them had another score."""
_PAST = """
INSERT INTO {table} (level, key, valid_from, {to}crm_id, score, points, coverage, band, segments, reason, signals,
  run_id, card) VALUES ('account', ?, ?, {until}?, ?, 300, 100, 'green', '[]', ?, ?, 1, ?)
"""


def settling() -> Iterator[dict[str, Any]]:
    """What settling adds to a run of 10,000 accounts."""
    of = Scorecard.load()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "state")
        fill(store, of.name)
        rows = [row(key, (key * 7) % 100, of.bands)._replace(card=of.name) for key in range(HELD)]
        began = time.process_time()
        past_scores(store, NOW, {one.key: one.card for one in rows})
        yield {
            "name": "reading seven past scores of 10,000 accounts",
            "value": time.process_time() - began,
            "unit": "s of processor",
        }
        bench = Bench(store, "crm", people_fields({}))
        for what in ("the first time", "again"):
            began = time.process_time()
            bench.settle(of.card_of, rows, {}, NOW)
            yield {"name": f"settling them, {what}", "value": time.process_time() - began, "unit": "s of processor"}
        store.close()


def fill(store: Store, card_name: str) -> None:
    """Give every account a score for each day, as wide as real ones."""
    first, day, reason, signals = int(NOW.timestamp()) - DAYS * 86_400, 86_400, "no login for 41 days; " * 4, "[]" * 200
    with store.transaction() as conn:
        for number in range(DAYS + 1):
            at, last = first + number * day, number == DAYS
            table = _PAST.format(
                table="score" if last else "score_history", to="" if last else "valid_to, ", until="" if last else "?, "
            )
            until = () if last else (at + day,)
            conn.executemany(
                table,
                (
                    (key, at, *until, str(key), (key * 7 + number * 3) % 100, reason, signals, card_name)
                    for key in range(HELD)
                ),
            )
