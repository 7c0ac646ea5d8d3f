"""What becomes of operations when their outcome is known, and what follows from it; inside one transaction."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.base import ObjectName, Outcome
from sync import mirror
from sync.ledger_journal import Journal
from sync.ledger_owned import remember
from sync.ledger_rows import FIRST_WAIT, MAX_ATTEMPTS, OpRow, State

_UNDONE: Mapping[str, State] = {
    "confirmed": "rolled_back",
    "conflict": "undo_skipped",
    "gone": "undo_skipped",
    "rejected": "undo_skipped",
}
"""What the end of an operation makes of the one that it takes back."""


def settle(
    conn: sqlite3.Connection,
    file: Path,
    journal: Journal,
    ends: Iterable[tuple[OpRow, Outcome]],
    *,
    tried: bool = True,
) -> None:
    """Write down how operations ended, and all that follows. `tried`: see `Ledger.settle_batch`."""
    ended = []
    for row, outcome in ends:
        row.remote_id = clean(outcome.remote_id) if outcome.remote_id else row.remote_id
        row.error_code, row.error = clean(outcome.error_code), clean(outcome.message)
        if outcome.result == "retry":
            _again(conn, journal, row, tried=tried)
        else:
            journal.move(row, outcome.result)
        ended.append(row)
    after(conn, file, journal, ended)
    journal.write()


def _again(conn: sqlite3.Connection, journal: Journal, row: OpRow, *, tried: bool) -> None:
    """It had no effect: later again, or never if it was tried too often. What waited out a hold-off goes at once."""
    if not tried:
        row.attempt -= 1
    elif row.state == "sending":
        row.not_before = journal.at + int(FIRST_WAIT.total_seconds()) * 2 ** (row.attempt - 1)
    journal.move(row, "retry")
    if row.attempt >= MAX_ATTEMPTS:
        park(conn, journal, row, f"sent {row.attempt} times without effect: {row.error or 'no reason given'}")


def park(conn: sqlite3.Connection, journal: Journal, row: OpRow, why: str) -> None:
    """Leave an operation to a person; what it was about is not written until released."""
    row.error = row.error or clean(why)
    journal.move(row, "parked", clean(why))
    if row.kind == "field":
        conn.executemany(
            "INSERT OR IGNORE INTO parked (object, record_id, field, since, why, flips) VALUES (?, ?, ?, ?, ?, 0)",
            [(row.object, row.record_id, name, journal.at, clean(why)) for name in json.loads(row.payload)],
        )


def after(conn: sqlite3.Connection, file: Path, journal: Journal, ended: Sequence[OpRow]) -> None:
    """What follows from operations having ended: what we own, what the CRM says, and what they took back."""
    wrote: dict[ObjectName, dict[str, Any]] = {}
    for row in ended:
        if row.state == "confirmed" and row.kind == "field" and row.record_id is not None:
            wrote.setdefault(row.object, {})[row.record_id] = json.loads(row.payload)
    for obj, values in wrote.items():
        remember(conn, file, obj, values, journal.at)
        mirror.write_json(conn, obj, values, journal.at)
    undone = {
        row.undoes: (_UNDONE[row.state], f"by operation {row.op_id}: {row.error}" if row.error else "")
        for row in ended
        if row.undoes is not None and row.state in _UNDONE and not _may_be_undone_again(row)
    }
    end_undone(journal, undone)


def _may_be_undone_again(row: OpRow) -> bool:
    """A field of the record moved meanwhile, so all were left: the same undo again brings the others back."""
    return row.kind == "field" and row.state == "conflict"


def end_undone(journal: Journal, ends: Mapping[int, tuple[State, str]]) -> None:
    """Mark operations as taken back, or as left alone: number -> state and why. Only what is confirmed can be."""
    for op_id, row in journal.by_id(ends).items():
        if row.state == "confirmed":
            journal.move(row, *ends[op_id])


def clean(text: str) -> str:
    """A vendor's words, short enough to keep, without what no file can hold (half of a surrogate pair)."""
    return text[:500].encode("utf-8", "replace").decode()
