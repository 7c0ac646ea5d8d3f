"""Makes the inputs of the scoring benchmark: a state file and daily usage files of any size, the same for a seed.

Everything is drawn by DuckDB from a hash of (seed, what, key), so order and threads do not matter. The state file holds
the common tables as they are, so the benchmark measures reading and scoring, not the resolving of ids.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scoring.inputs import TABLES, Inputs

KINDS = ("usage", "ticket", "survey_response", "invoice", "deal", "subscription", "account", "contact", "contact_role",
         "activity")  # fmt: skip
AS_OF = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Size:
    """How much to make. People, tickets and usage rows are counts in all; usage rows are hit within one percent."""

    accounts: int = 10_000
    people: int = 200_000
    tickets: int = 1_000_000
    usage_rows: int = 12_000_000
    days: int = 90
    seed: int = 1


def make(folder: Path, size: Size) -> Inputs:
    """Write state file and usage files into `folder` (once) and say how to read them."""
    state, usage = folder / "state.db", folder / "usage"
    if not state.exists():
        usage.mkdir(parents=True)
        _usage_files(usage, size)
        _state_file(state, size)
    tables = {name: f"SELECT {', '.join(table.types())} FROM {name}" for name, table in TABLES.items()}
    return Inputs(state, tables, sorted(usage.glob("*.parquet")), AS_OF)


def _rows(size: Size) -> Iterator[tuple[str, str]]:
    """Table -> SELECT that makes it. `r(what, key, n)` is a draw from 0 to n-1."""
    now, today = int(AS_OF.timestamp()), int(AS_OF.timestamp()) // 86400
    accounts, people = size.accounts, size.people
    yield (
        "account",
        f"""SELECT i AS account, 'A' || i, 'Company ' || i, 'O' || r('owner', i, 40), NULL,
            list_value('free', 'team', 'business')[1 + r('plan', i, 3)], r('mrr', i, 500000), 'EUR',
            {today} - r('since', i, 1500), {today} + r('renew', i, 365), {now} - 86400 * (1500 + r('made', i, 99)), NULL
            FROM range(1, {accounts + 1}) t(i)""",
    )
    yield (
        "contact",
        f"""SELECT i, 'C' || i, 1 + i % {accounts}, NULL,
            CASE WHEN r('signin', i, 10) < 7 THEN {now} - 3600 * r('login', i, 2400) END,
            {now} - 86400 * r('made', i, 1200) FROM range(1, {people + 1}) t(i)""",
    )
    yield (
        "ticket",
        f"""SELECT 1 + r('ta', i, {accounts}), 1 + r('tc', i, {people}),
            CASE WHEN r('open', i, 100) < 3 THEN 'open' ELSE 'closed' END, 'normal',
            {now} - 3600 * age, CASE WHEN r('open', i, 100) >= 3 THEN {now} - 3600 * age + 3600 END,
            r('reply', i, 3000), r('again', i, 20) // 18, r('answers', i, 9),
            list_value('email', 'web', 'chat')[1 + r('channel', i, 3)]
            FROM (SELECT i, 2 + r('tt', i, 12900) AS age FROM range({size.tickets}) t(i))""",
    )
    yield (
        "survey",
        f"""SELECT 1 + r('sa', i, {accounts}), 1 + r('sc', i, {people}), kind, score, 0, 10,
            CASE WHEN score >= 9 THEN 1 WHEN score <= 6 THEN 0 END, {now} - 3600 * r('st', i, 9000)
            FROM (SELECT i, CASE WHEN r('sk', i, 3) = 0 THEN 'nps' ELSE 'csat' END AS kind, r('ss', i, 11) AS score
                  FROM range({size.tickets // 4}) t(i))""",
    )
    yield (
        "invoice",
        f"""SELECT 1 + i % {accounts}, CASE WHEN r('is', i, 20) = 0 THEN 'open' ELSE 'paid' END, 9900,
            {today} + 10 - r('id', i, 60), NULL, r('if', i, 30) // 28, {now} - 86400 * r('ic', i, 300)
            FROM range({accounts * 12}) t(i)""",
    )
    yield (
        "deal",
        f"""SELECT 1 + i % {accounts}, open = 0, CASE WHEN open = 0 THEN r('dw', i, 3) // 1 > 0 END,
            list_value('talk', 'offer', 'signing')[1 + r('ds', i, 3)], r('dr', i, 2), 100000, 'EUR',
            {today} + 40 - r('dd', i, 1200) * (1 - open), {now} - 86400 * r('dm', i, 1200)
            FROM (SELECT i, r('do', i, 6) // 5 AS open FROM range({accounts * 6}) t(i))""",
    )
    yield (
        "subscription",
        f"""SELECT 1 + i % {accounts}, 'active', 9900, NULL, {today} + r('card', i, 900) - 30
            FROM range({accounts}) t(i)""",
    )
    yield (
        "deal_move",
        f"""SELECT 1 + i % {accounts}, 1, {today} + r('mb', i, 90), {today} + r('ma', i, 120),
            {now} - 86400 * r('mm', i, 90)
            FROM range({accounts // 2}) t(i)""",
    )
    yield (
        "account_change",
        f"""SELECT 1 + i % {accounts}, 'team', 'business', r('cb', i, 90000), r('ca', i, 90000), 'O1',
            'O' || r('co', i, 9), {now} - 86400 * r('cm', i, 400) FROM range({accounts * 3}) t(i)""",
    )
    yield (
        "departure",
        f"""SELECT 1 + i % {accounts}, 1 + r('pc', i, {people}), 1 - r('pg', i, 9) // 8, NULL,
            list_value('Engineer', 'Head of Data', 'VP, Finance')[1 + r('pt', i, 3)], {now} - 86400 * r('pm', i, 400)
            FROM range({accounts * 2}) t(i)""",
    )
    yield (
        "activity",
        f"""SELECT 1 + r('va', i, {accounts}), 1 + r('vc', i, {people}),
            list_value('email', 'email', 'call', 'meeting')[1 + r('vk', i, 4)], r('vi', i, 2),
            {now} - 60 * r('vt', i, 400000), NULL, 1,
            CASE WHEN r('vo', i, 3) = 0 THEN {now} - 60 * r('vp', i, 90000) END, NULL
            FROM range({size.tickets // 2}) t(i)""",
    )
    yield "usage_person", f"SELECT i, i, 1 + i % {accounts} FROM range(1, {people + 1}) t(i)"
    yield "usage_group", f"SELECT i, i FROM range(1, {accounts + 1}) t(i)"
    kinds = ", ".join(f"('{kind}')" for kind in KINDS)
    yield (
        "feed",
        f"SELECT k, 'made', {now - 1200}, NULL, {now - 800 * 86400} FROM (VALUES {kinds}) t(k)",
    )


def _state_file(path: Path, size: Size) -> None:
    db = sqlite3.connect(path)
    for name, table in TABLES.items():
        columns = ", ".join(f"{c} {'TEXT' if t == 'VARCHAR' else 'INTEGER'}" for c, t in table.types().items())
        db.execute(f"CREATE TABLE {name} ({columns})")
    con = _draws(size.seed)
    for name, select in _rows(size):
        cursor = con.execute(select)
        given = list(TABLES[name].types())[: len(cursor.description)]  # later columns stay unknown
        places = ", ".join("?" * len(given))
        while rows := cursor.fetchmany(50_000):
            db.executemany(f"INSERT INTO {name} ({', '.join(given)}) VALUES ({places})", rows)
    db.commit()
    db.close()


def _usage_files(folder: Path, size: Size) -> None:
    """One file a day, sorted by person; an active day has one or two events. A tenth of the people fade out."""
    con = _draws(size.seed)
    share = round(1000 * size.usage_rows / (size.people * size.days) / 1.5 / 0.95)
    for age in range(size.days):
        day = (AS_OF - timedelta(days=age)).date()
        con.execute(
            f"""COPY (
                SELECT DATE '{day}' AS day, p AS person,
                    CASE WHEN r('anon', p, 10) > 0 THEN 1 + p % {size.accounts} END AS grp,
                    CASE WHEN k = 0 THEN 'open' ELSE 'report' END AS event, 1 + r('n{age}', p * 2 + k, 9) AS count
                FROM range(1, {size.people + 1}) t(p), range(2) u(k)
                WHERE r('on{age}', p, 1000) < {share} AND (k = 0 OR r('two{age}', p, 2) = 0)
                    AND (r('fade', p, 10) > 0 OR {age} > {size.days // 2})
                ORDER BY p, k
            ) TO '{folder / f"{day}.1.parquet"}' (FORMAT parquet, COMPRESSION zstd)"""
        )


def _draws(seed: int) -> Any:
    import duckdb

    con = duckdb.connect(config={"threads": 2})
    con.execute(f"CREATE MACRO r(what, key, n) AS CAST(hash(what || '{seed}', key) % n AS BIGINT)")
    return con
