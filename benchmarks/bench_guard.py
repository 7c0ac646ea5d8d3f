"""How often the guard cries wolf, and whether an outage moves a band.

The reference of ordinary life: 0.4 % of accounts change their band in an hour, times a log-normal factor of the day
(sigma 0.65, mean 1). Half of them get worse, and half of those a task, for one person for every 25 accounts; the others
had theirs within the cool-down. Every hour in which anything could be held goes through the real `judge`. Held hours of
one day are one alarm.

Then every source beside a simulated CRM answers empty, stale, with one page of many, or with errors, for eight days.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from math import exp, log
from pathlib import Path
from typing import Any

from scoring.inputs import Band, ScoreRow
from sync.guard import Before, Limits, judge
from sync.plan import Plan, TaskChange

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RATE = 0.004
SIGMA = 0.65
YEARS = {50: 10, 200: 10, 1_000: 3, 5_000: 1}
HOURS = 24 * 365
LEAST = 6
"""Fewer changes than this can be held by no limit."""


def changes(accounts: int, seed: int) -> Iterator[int]:
    """How many accounts change their band, hour by hour of a year."""
    dice = random.Random(seed)
    for _ in range(HOURS // 24):
        factor = exp(SIGMA * dice.gauss(0, 1) - SIGMA**2 / 2)
        for _ in range(24):
            yield _poisson(dice, RATE * accounts * factor)


def _poisson(dice: random.Random, mean: float) -> int:
    """A draw by the waiting times between events."""
    count, time = 0, 0.0
    while (time := time - log(1 - dice.random())) < mean:
        count += 1
    return count


def false_alarms(accounts: int, seed: int, limits: Limits | None = None) -> Counter[str]:
    """Days of one ordinary year on which the guard would hold a plan, by check, and in all as "days"."""
    limits, dice = limits or Limits(), random.Random(seed + 1)
    rows = [_row(number, "yellow", 55) for number in range(accounts)]
    before = {row.crm_id: Before(row.band, row.score) for row in rows}
    found: dict[str, set[int]] = {"days": set()}
    for hour, count in enumerate(changes(accounts, seed)):
        if count < LEAST:
            continue
        moved, tasks = list(rows), []
        for number in dice.sample(range(accounts), min(count, accounts)):
            worse = dice.random() < 0.5
            moved[number] = _row(number, "red", 35) if worse else _row(number, "green", 75)
            if worse and dice.random() < 0.5:
                tasks.append(_task(number, accounts))
        held = [verdict.check for verdict in judge(_plan(tasks), before, moved, limits) if verdict.held]
        for check in ("days", *held) if held else ():
            found.setdefault(check, set()).add(hour // 24)
    return Counter({check: len(days) for check, days in found.items()})


def _row(number: int, band: Band, score: int) -> ScoreRow:
    return ScoreRow("account", number, str(number), None, None, score, 3, 300, 100, band, (), "", (), {})


def _task(number: int, accounts: int) -> TaskChange:
    owner = str(number % max(1, accounts // 25))
    return TaskChange(str(number), str(number), "", "rescue", "", "", NOW, "high", owner, owner, "")


def _plan(tasks: list[TaskChange]) -> Plan:
    return Plan(NOW, "crm:1", "settings", tasks=tuple(tasks))


def outages(crm: str) -> Iterator[tuple[str, str, int, int, bool]]:
    """(what fails, how, most bands moved, most new tasks, whether all came back) over eight days."""
    from tests.sync.outage_site import HOURS as LOOKS
    from tests.sync.outage_site import Kept, Site, fault, scores

    with tempfile.TemporaryDirectory() as folder:
        kept = Kept(Site(Path(folder) / "state", crm=crm))
        for kind in ("empty", "stale", "status"):
            site = kept.again()
            site.sandbox.faults.add(*(fault(kind, vendor, site.start) for vendor in (crm, "zendesk", "mixpanel")))
            moved = tasks = 0
            for hours in LOOKS:
                look = site.run_at(hours)
                moved = max(moved, sum(look.bands[name] != band for name, band in kept.before.bands.items()))
                tasks = max(tasks, len(look.tasks - kept.before.tasks))
            site.sandbox.faults.clear()
            site.run_at(LOOKS[-1] + 1)
            yield f"{crm}, zendesk, mixpanel", kind, moved, tasks, scores(site.run_at(LOOKS[-1] + 25)) == kept.scores
        for vendor in (crm, "zendesk", "mixpanel"):
            for kind in ("empty", "stale", "first_page", "zero_counts", "status"):
                site = kept.again()
                site.sandbox.faults.add(fault(kind, vendor, site.start))
                look = site.run_at(LOOKS[0])
                for hours in LOOKS[1:]:
                    look = site.run_at(hours)
                silent = {"active_users", "usage"} if vendor == "mixpanel" and kind != "zero_counts" else set()
                moved = sum(
                    points != kept.before.points(silent).get(name) for name, points in look.points(silent).items()
                )
                site.sandbox.faults.clear()
                site.run_at(LOOKS[-1] + 1)
                yield vendor, kind, moved, 0, scores(site.run_at(LOOKS[-1] + 25)) == kept.scores


def main() -> Iterator[dict[str, Any]]:
    """False alarms a year by size, then what each outage did."""
    for accounts, years in YEARS.items():
        total: Counter[str] = Counter()
        for seed in range(years):
            total += false_alarms(accounts, 1000 * seed + accounts)
        by_check = ", ".join(
            f"{check} {count / years:.1f}" for check, count in sorted(total.items()) if check != "days"
        )
        value = total["days"] / years
        yield {"name": f"false alarms, {accounts:,} accounts ({by_check or 'none'})", "value": value, "unit": "a year"}
    for crm in ("hubspot", "salesforce"):
        for who, kind, moved, tasks, back in outages(crm):
            name = f"{crm} site, {who}: {kind}, scores {'as ever after it' if back else 'NOT BACK after it'}"
            yield {"name": name, "value": moved + tasks, "unit": "bands moved or tasks made"}
