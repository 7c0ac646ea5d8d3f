"""What people are to be told: each change once, found by comparing how things stand with how they stood when last told.

Nothing depends on a run getting as far as telling: what a killed run found out is found again by the next one. Accounts
count by the band that the CRM confirmed, so that a plan that is held tells nobody of bands that may be wrong, and the
first fill of a CRM tells nobody of every account at once.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sync.ledger_rows import FAILED, GOOD
from sync.store import Store
from sync.tables import compact, epoch, instant

NoticeKind = Literal[
    "account_red",
    "account_recovered",
    "plan_held",
    "source_stale",
    "source_recovered",
    "run_failed",
    "run_recovered",
    "digest",
]
KINDS: tuple[NoticeKind, ...] = get_args(NoticeKind)
ALERTS = KINDS[:-1]
"""Kinds that tell of a change; a digest tells how things stand."""

KEEP = timedelta(days=30)
"""How long what was told is kept."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One change to be told.

    Attributes:
        kind: What happened.
        subject: The account's CRM id, "source/stream", or "" for a run, a plan and a digest.
        at: When the agent noticed.
        run_id: The run that did; 0 when none began.
        facts: Details in numbers and short words; never a person's name.
        notice_id: Its number; 0 before it is kept.
    """

    kind: NoticeKind
    subject: str
    at: datetime
    run_id: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    notice_id: int = 0


@dataclass(frozen=True, slots=True)
class Stale:
    """A stream that is not believed.

    Attributes:
        why: One sentence with the numbers.
        last_good: Up to when it is believed.
    """

    why: str
    last_good: datetime


@dataclass(frozen=True, slots=True)
class Stands:
    """How things stand after a run.

    Attributes:
        run_id: The run; 0 when none began.
        status: How it ended, as in the table of runs.
        why: Why it failed; empty when it did not.
        bands: CRM id -> the band that the CRM confirmed; None when that says nothing yet, as in the first fill.
        stale: "source/stream" -> why it is not believed; None when nobody looked.
        held: Facts of the plan that is held; None when none is. Counts only where `judged`.
        judged: The run came as far as the guard's verdict.
    """

    run_id: int
    status: str
    why: str = ""
    bands: Mapping[str, str] | None = None
    stale: Mapping[str, Stale] | None = None
    held: Mapping[str, Any] | None = None
    judged: bool = False


Wants = Callable[[Notice], bool]
"""Whether a channel wants a notice."""


def notice_changes(store: Store, stands: Stands, channels: Mapping[str, Wants], now: datetime) -> list[Notice]:
    """Keep what changed since people were last told, and for which channels; one transaction.

    Args:
        store: The state file, open for writing.
        stands: How things stand.
        channels: Name of each channel, and what it wants.
        now: The instant.

    Returns:
        What is new, numbered. The first time of all no account is: it is only kept which ones are red.
    """
    with store.transaction() as conn:
        told = {
            (kind, subject): state for kind, subject, state in conn.execute("SELECT kind, subject, state FROM told")
        }
        found = list(_changes(conn, told, stands, now))
        kept = [_keep(conn, one, channels) for one in found]
        conn.execute("DELETE FROM notice WHERE at < ?", (epoch(now - KEEP),))
    return kept


def keep(store: Store, notice: Notice, channels: Mapping[str, Wants]) -> Notice:
    """Keep one notice, such as a digest, for every channel that wants it."""
    with store.transaction() as conn:
        return _keep(conn, notice, channels)


def last_told(store: Store, kind: str, subject: str) -> tuple[str, datetime] | None:
    """The state that was last told of a subject, and when; None when nothing was."""
    rows = store.rows("SELECT state, since FROM told WHERE kind = ? AND subject = ?", (kind, subject))
    return (str(rows[0][0]), instant(rows[0][1])) if rows else None


def note_told(conn: sqlite3.Connection, kind: str, subject: str, state: str, now: datetime) -> None:
    """Remember how a subject stands for those who are told; inside a transaction."""
    conn.execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)", (kind, subject, state, epoch(now)))


def recent(store: Store, since: datetime) -> list[Notice]:
    """What was noticed since an instant, oldest first."""
    rows = store.rows(
        "SELECT kind, subject, at, run_id, facts, notice_id FROM notice WHERE at >= ? ORDER BY notice_id",
        (epoch(since),),
    )
    return [notice_of(row) for row in rows]


def notice_of(row: Sequence[Any]) -> Notice:
    """A row of kind, subject, at, run_id, facts, notice_id."""
    kind, subject, at, run_id, facts, notice_id = row
    return Notice(kind, subject, instant(at), run_id, json.loads(facts), notice_id)


def _keep(conn: sqlite3.Connection, notice: Notice, channels: Mapping[str, Wants]) -> Notice:
    values = (notice.kind, notice.subject, epoch(notice.at), notice.run_id, compact(dict(notice.facts)))
    done = conn.execute("INSERT INTO notice (kind, subject, at, run_id, facts) VALUES (?, ?, ?, ?, ?)", values)
    number = int(done.lastrowid or 0)
    conn.executemany(
        "INSERT INTO delivery (channel, notice_id, state, at) VALUES (?, ?, 'waiting', ?)",
        [(name, number, epoch(notice.at)) for name, wants in channels.items() if wants(notice)],
    )
    return Notice(notice.kind, notice.subject, notice.at, notice.run_id, notice.facts, number)


# -- changes ----------------------------------------------------------------------------------------------------------


def _changes(
    conn: sqlite3.Connection, told: Mapping[tuple[str, str], str], stands: Stands, now: datetime
) -> Iterator[Notice]:
    yield from _of_run(conn, told, stands, now)
    yield from _of_sources(conn, told, stands, now)
    yield from _of_plan(conn, told, stands, now)
    yield from _of_accounts(conn, told, stands, now)


def _of_run(
    conn: sqlite3.Connection, told: Mapping[tuple[str, str], str], stands: Stands, now: datetime
) -> Iterator[Notice]:
    before = told.get(("run", ""), "ok")
    if stands.status in FAILED and before != "failed":
        note_told(conn, "run", "", "failed", now)
        yield Notice("run_failed", "", now, stands.run_id, {"status": stands.status, "why": stands.why})
    elif stands.status in GOOD and before == "failed":
        note_told(conn, "run", "", "ok", now)
        yield Notice("run_recovered", "", now, stands.run_id)


def _of_sources(
    conn: sqlite3.Connection, told: Mapping[tuple[str, str], str], stands: Stands, now: datetime
) -> Iterator[Notice]:
    if stands.stale is None:
        return
    known = {subject for (kind, subject), state in told.items() if kind == "source" and state == "stale"}
    for name in sorted(stands.stale.keys() - known):
        stale = stands.stale[name]
        note_told(conn, "source", name, "stale", now)
        facts = {"why": stale.why, "last_good": stale.last_good.isoformat()}
        yield Notice("source_stale", name, now, stands.run_id, facts)
    for name in sorted(known - stands.stale.keys()):
        note_told(conn, "source", name, "ok", now)
        yield Notice("source_recovered", name, now, stands.run_id)


def _of_plan(
    conn: sqlite3.Connection, told: Mapping[tuple[str, str], str], stands: Stands, now: datetime
) -> Iterator[Notice]:
    if not stands.judged:
        return
    before = told.get(("plan", ""), "free")
    if stands.held is not None and before != "held":
        note_told(conn, "plan", "", "held", now)
        yield Notice("plan_held", "", now, stands.run_id, stands.held)
    elif stands.held is None and before == "held":
        note_told(conn, "plan", "", "free", now)


def _of_accounts(
    conn: sqlite3.Connection, told: Mapping[tuple[str, str], str], stands: Stands, now: datetime
) -> Iterator[Notice]:
    """Newly red: red now and not when last told. Recovered: told red, and yellow or green now; `unknown` is neither."""
    if stands.bands is None:
        return
    begins = ("accounts", "") not in told
    if begins:
        note_told(conn, "accounts", "", "on", now)
    red = {subject for (kind, subject), state in told.items() if kind == "account" and state == "red"}
    for crm_id, band in sorted(stands.bands.items()):
        if band == "red" and crm_id not in red:
            note_told(conn, "account", crm_id, "red", now)
            if not begins:
                yield Notice("account_red", crm_id, now, stands.run_id)
        elif band in {"yellow", "green"} and crm_id in red:
            conn.execute("DELETE FROM told WHERE kind = 'account' AND subject = ?", (crm_id,))
            yield Notice("account_recovered", crm_id, now, stands.run_id, {"band": band})
