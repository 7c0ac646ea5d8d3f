"""What-if over 52 weekly instants: 10,000 accounts, 200,000 people, a million tickets, 12 million usage rows.

A state file as the agent keeps it, with 455 days of usage. Measured is the whole of it: reading once, two cards at each
instant, settling, tasks, and the measures at the end.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import peak_megabytes
from benchmarks.scoring_data import Size
from scoring.card import Scorecard
from scoring.cards import Cards
from scoring.whatif import Label, Run, measure, measured_at
from sync.past import Past
from sync.replay import rerun
from sync.store import Store

AS_OF = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
NOW = int(AS_OF.timestamp())
DAYS = 455
WEEKS = 52
PULLS = ("account", "contact", "ticket", "survey_response", "invoice", "usage")


def main(size: Size | None = None) -> list[dict[str, Any]]:
    size = size or Size()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        _fill(store, size)
        card = Scorecard.load()
        other = Cards.of_card(card.model_copy(update={"bands": card.bands.model_copy(update={"red_below": 30})}))
        past = Past(store, "crm", ["crm", "desk", "mp"], card)
        started = time.perf_counter()
        first, scored = _play(past, [Cards.of_card(card), other])
        taken = time.perf_counter() - started
        store.close()
    return [
        {"name": f"what-if, {WEEKS} instants, two cards", "value": round(taken, 1), "unit": "s"},
        {"name": "of that reading and the first instant", "value": round(first, 1), "unit": "s"},
        {"name": "an instant after it", "value": round((taken - first) / (WEEKS - 1), 2), "unit": "s"},
        {"name": "accounts scored", "value": scored, "unit": ""},
        {"name": "peak memory of the process", "value": peak_megabytes(), "unit": "MB"},
    ]


def _play(past: Past, cards: list[Cards]) -> tuple[float, int]:
    started, first, scored = time.perf_counter(), 0.0, 0
    instants = [AS_OF - timedelta(weeks=WEEKS - 1 - n) for n in range(WEEKS)]
    runs = [Run(str(n), one) for n, one in enumerate(cards)]
    measured = set(measured_at(instants))
    with rerun(past, cards, instants) as again:
        for at in instants:
            for run, rows in zip(runs, again.score(at), strict=True):
                run.step(rows, at, measured=at in measured)
                scored += len(rows)
            first = first or time.perf_counter() - started
    labels = {f"A{n}": Label((AS_OF - timedelta(days=n % 400)).date()) for n in range(1_000)}
    for run in runs:
        measure(run, labels, AS_OF.date(), 25)
    return first, scored


def _fill(store: Store, size: Size) -> None:
    import duckdb

    with duckdb.connect() as con:
        con.execute(f"CREATE MACRO r(what, key, n) AS CAST(hash({size.seed}, what, key) % n AS BIGINT)")
        usage = store.path / "usage" / "mp"
        usage.mkdir(parents=True)
        last = NOW // 86_400
        con.execute(
            f"""CREATE TABLE events AS SELECT DATE '1970-01-01' + CAST({last} - r('d', i, {DAYS}) AS INTEGER) AS day,
                CAST({size.people} + 1 + r('p', i, {size.people}) AS INTEGER) AS person, CAST(NULL AS INTEGER) AS grp,
                'event' || r('e', i, 20) AS event, CAST(1 + r('n', i, 9) AS INTEGER) AS count
                FROM range({size.usage_rows}) t(i)"""
        )
        names = [f"{row[0]}" for row in con.execute("SELECT DISTINCT day FROM events ORDER BY day").fetchall()]
        for name in names:
            con.execute(
                f"COPY (SELECT * FROM events WHERE day = '{name}' ORDER BY person) TO '{usage}/{name}.1.parquet'"
            )
        with store.transaction() as db:
            _pulls(db)
            for sql, select in _rows(size):
                cursor = con.execute(select)
                while rows := cursor.fetchmany(50_000):
                    db.executemany(sql, rows)
            days = [(6, _day(name), f"usage/mp/{name}.1.parquet") for name in names]
            db.executemany("INSERT INTO usage_file VALUES (?, ?, 1, ?, 1, 1, 0, 1, 0)", days)


def _day(name: str) -> int:
    return datetime.fromisoformat(name).toordinal() - datetime(1970, 1, 1).toordinal()  # noqa: DTZ001  # a day


def _pulls(db: sqlite3.Connection) -> None:
    db.executemany("INSERT INTO source (id, name) VALUES (?, ?)", [(1, "crm"), (2, "desk"), (3, "mp")])
    sources = (1, 1, 2, 2, 2, 3)
    for number, (kind, source) in enumerate(zip(PULLS, sources, strict=True), 1):
        db.execute("INSERT INTO stream (id, source, name, record) VALUES (?, ?, ?, ?)", (number, source, kind, kind))
        hours = range(NOW - 400 * 86_400, NOW, 6 * 3600)
        db.executemany(
            "INSERT INTO pull (stream, started, finished, rows, rejects, error) VALUES (?, ?, ?, 1, 0, '')",
            [(number, at, at) for at in hours],
        )


def _rows(size: Size) -> Iterator[tuple[str, str]]:
    """INSERT and the SELECT that gives its rows; the CRM's accounts and people first, the product's people after."""
    accounts, people, old = size.accounts, size.people, NOW - 1500 * 86_400
    yield (
        (
            "INSERT INTO account (key, source, source_id, stream, name, owner_id, mrr, currency, lifecycle, "
            "valid_from) VALUES (?, 1, ?, 1, ?, ?, ?, 'EUR', 'customer', ?)"
        ),
        (
            f"SELECT i, 'A' || i, 'Company ' || i, 'O' || r('o', i, 40), r('m', i, 500000), {old} "
            f"FROM range(1, {accounts + 1}) t(i)"
        ),
    )
    for source, first in ((1, 1), (3, people + 1)):
        yield (
            (
                "INSERT INTO contact (key, source, source_id, stream, account, valid_from) "
                f"VALUES (?, {source}, ?, 2, ?, ?)"
            ),
            (
                f"SELECT i, 'C' || i, CASE WHEN {source} = 1 THEN 1 + i % {accounts} END, {old} "
                f"FROM range({first}, {first + people}) t(i)"
            ),
        )
    yield (
        (
            "INSERT INTO link (kind, key, crm, rule, evidence, confidence, valid_from) "
            "VALUES ('contact', ?, ?, '', '', 90, ?)"
        ),
        f"SELECT {people} + i, i, {old} FROM range(1, {people + 1}) t(i)",
    )
    yield (
        (
            "INSERT INTO ticket (key, source, source_id, stream, account, status, priority, created_at, solved_at, "
            "valid_from) VALUES (?, 2, ?, 3, ?, ?, 'normal', ?, ?, ?)"
        ),
        f"""SELECT i + 1, 'T' || i, 1 + r('ta', i, {accounts}), CASE WHEN gone = 0 THEN 'open' ELSE 'closed' END, made,
            CASE WHEN gone = 1 THEN made + 86400 END, made + 900
            FROM (SELECT i, r('o', i, 20) // 1 > 0 AS gone, {NOW} - 60 * r('t', i, 700000) AS made
                  FROM range({size.tickets}) t(i))""",
    )
    yield (
        (
            "INSERT INTO ticket_history (key, stream, account, status, priority, created_at, valid_from, valid_to) "
            "VALUES (?, 3, ?, 'open', 'normal', ?, ?, ?)"
        ),
        f"""SELECT i + 1, 1 + r('ta', i, {accounts}), made, made + 300, made + 900
            FROM (SELECT i, {NOW} - 60 * r('t', i, 700000) AS made FROM range({size.tickets}) t(i))""",
    )


if __name__ == "__main__":
    for line in main(Size() if len(sys.argv) < 2 else Size(*map(int, sys.argv[1:]))):
        print(line)
