"""A state file with a past, for the report: weekly scores, owners, tasks, withheld actions, renewals, any number."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from scoring.inputs import Band, ScoreRow, SignalPoints
from scoring.verdict import points_of, score_of
from sync.store import Store
from sync.tables import epoch

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
WEEK = timedelta(days=7)
EPOCH = date(1970, 1, 1)

SIGNALS = {"login": 15, "active_users": 25, "usage": 25, "tickets": 15, "satisfaction": 20}
OWNERS = ("Ada Quint", "Bo Larsen", "Cleo Marsh", "Dana Ortiz")
PLANS, CHANNELS = ("starter", "team", "enterprise"), ("direct", "partner", "search")
STAGES = ("onboarding", "first_time", "repeat", "advocate", "renewal")
FIRST, LAST = ("Alder", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Garnet"), ("Foods", "Systems", "Travel", "Labs")


def fill(folder: Path, accounts: int, weeks: int, *, seed: int = 1, names: Sequence[str] = ()) -> Store:
    """Make a state file.

    Args:
        folder: Of the state.
        accounts: How many there are; one in forty leaves halfway.
        weeks: How many weekly runs scored them; the last one is a minute before `NOW`.
        seed: Another one gives other scores.
        names: Names of the first accounts, in place of made-up ones.
    """
    chance = random.Random(seed)
    store = Store.open(folder)
    _records(store, accounts, chance, names)
    levels = [chance.randint(25, 95) for _ in range(accounts)]
    for number in range(1, weeks + 1):
        at = NOW - (weeks - number) * WEEK - timedelta(minutes=1)
        rows = []
        for key in range(1, accounts + 1):
            if chance.random() < 0.25:
                levels[key - 1] = max(3, min(98, levels[key - 1] + chance.randint(-18, 18)))
            if key % 40 != 7 or number <= weeks // 2 + 1:
                rows.append(_row(key, levels[key - 1], names))
        with store.transaction() as conn:
            conn.execute(
                "INSERT INTO run (run_id, mode, started, ended, status, counts) "
                "VALUES (?, 'apply', ?, ?, 'done', '{}')",
                (number, epoch(at), epoch(at) + 30),
            )
        store.save_scores(number, rows, at)
    _work(store, accounts, weeks)
    return store


def name_of(key: int, names: Sequence[str] = ()) -> str:
    """The name of an account."""
    if key <= len(names):
        return names[key - 1]
    return f"{FIRST[key % len(FIRST)]} {LAST[key // len(FIRST) % len(LAST)]} {key}"


def _records(store: Store, accounts: int, chance: random.Random, names: Sequence[str]) -> None:
    today = (NOW.date() - EPOCH).days
    rows = [
        (
            key,
            f"A{key}",
            name_of(key, names),
            f"U{key % len(OWNERS)}",
            PLANS[key % 3],
            chance.randint(50, 9000) * 100,
            "EUR" if key % 5 else "USD",
            today - chance.randint(20, 900),
            CHANNELS[key % 3],
        )
        for key in range(1, accounts + 1)
    ]
    with store.transaction() as conn:
        conn.execute("INSERT INTO source (id, name) VALUES (1, 'hubspot'), (2, 'zendesk')")
        conn.executemany(
            "INSERT INTO stream (id, source, name, record, complete, finished, total) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (1, 1, "companies", "account", epoch(NOW) - 600, epoch(NOW) - 590, accounts),
                (2, 2, "tickets", "ticket", epoch(NOW) - 90000, epoch(NOW) - 89000, 9),
            ],
        )
        conn.executemany(
            "INSERT INTO user (source, source_id, name, valid_from) VALUES (1, ?, ?, 1)",
            [(f"U{place}", owner) for place, owner in enumerate(OWNERS)],
        )
        conn.executemany(
            """INSERT INTO account (key, source, source_id, stream, name, owner_id, plan, mrr, currency, customer_since,
               channel, valid_from) VALUES (?, 1, ?, 1, ?, ?, ?, ?, ?, ?, ?, 1)""",
            rows,
        )


def _row(key: int, level: int, names: Sequence[str]) -> ScoreRow:
    coverage = 80 if key % 7 == 0 else 100
    signals, known, mass = [], 0, 0
    for place, (name, weight) in enumerate(SIGNALS.items()):
        if coverage < 100 and name == "satisfaction":
            signals.append(SignalPoints(name, None, weight, None, 100))
            continue
        points = max(100, min(500, 100 + 4 * level + 30 * ((key + place) % 5 - 2)))
        signals.append(SignalPoints(name, points, weight, 100 - level, 100))
        known, mass = known + weight, mass + weight * points
    points = points_of(coverage, known, mass)
    score = score_of(points)
    band: Band = "red" if score < 40 else "yellow" if score < 70 else "green"
    return ScoreRow(
        level="account",
        key=key,
        crm_id=f"A{key}",
        name=name_of(key, names),
        owner_id=f"U{key % len(OWNERS)}",
        score=score,
        health=max(1, points // 100),
        points=points,
        coverage=coverage,
        band=band,
        segments=("at_risk",) if score < 45 else ("power",) if score > 80 else (),
        reason=f"{score}: no login for {100 - level} days; usage down {level} %",
        signals=tuple(signals),
        features={"stage": STAGES[key % len(STAGES)], "rfm": "loyal"},
        card="SaaS default",
        computed=band,
    )


def _work(store: Store, accounts: int, weeks: int) -> None:
    """A task for every twentieth account, in all endings by turns; a withheld action for every fiftieth."""
    with store.transaction() as conn:
        for number, key in enumerate(range(20, accounts + 1, 20)):
            event = epoch(NOW) - (number % 5) * 86400 - 86400
            due, ended = event + 2 * 86400, event + (1 + number % 3) * 86400
            state = ("open", "done", "open", "gone")[number % 4]
            task = {"account_id": f"A{key}", "owner_id": f"U{key % len(OWNERS)}", "subject": f"Call account {key}"}
            conn.execute(
                """INSERT INTO op (run_id, kind, object, record_id, key, payload, before_image, state, attempt,
                   error_code, error, row_hash, created, updated_at)
                   VALUES (?, 'task_create', 'task', ?, ?, ?, '{}', 'planned', 0, '', '', '', ?, ?)""",
                (weeks, f"A{key}", f"task-{key}", json.dumps(task), event + 1800, event + 1800),
            )
            conn.execute(
                "INSERT INTO followup (key, crm_id, playbook, variant, band, event_at, due, state, looked, ended)"
                " VALUES (?, ?, 'rescue', '', 'red', ?, ?, ?, ?, ?)",
                (f"task-{key}", f"A{key}", event, due, state, epoch(NOW), None if state == "open" else ended),
            )
        conn.execute("UPDATE op SET state = 'confirmed', remote_id = 'T' || op_id")
        conn.executemany(
            "INSERT INTO withheld VALUES (?, 'check_in', 'cap', ?, ?, 'the team has calls enough this week', NULL)",
            [(f"A{key}", epoch(NOW) - 86400, epoch(NOW) + 3 * 86400) for key in range(50, accounts + 1, 50)],
        )
