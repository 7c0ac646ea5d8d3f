"""Whether the ledger still says what was written into it."""

from collections.abc import Iterator, Sequence
from typing import Any

from sync.database import StoreError
from sync.ledger_journal import OPEN, SELECT_OPS, anchor
from sync.ledger_owned import SELECT_OWNED
from sync.seal import EVENT_COLUMNS, broken_link, sealed
from sync.store import Store

NEWEST = 2_000
"""Events at the end of the chain that a quick look follows."""

FEW = 5
"""Damaged rows of one kind that are named; of the others there is a count."""

PAGE = 20_000
"""Rows read at a time."""

_EVENTS = f"SELECT {', '.join(EVENT_COLUMNS)}, hash FROM op_event"
_OPS = SELECT_OPS.replace(" FROM op", ", row_hash FROM op")

_LAST_EVENT = """
SELECT o.op_id FROM op o
JOIN (SELECT op_id, max(seq) AS seq FROM op_event GROUP BY op_id) l ON l.op_id = o.op_id
JOIN op_event e ON e.seq = l.seq WHERE e.to_state <> o.state OR e.row_hash <> o.row_hash
"""
"""Operations that are not as the newest event about them left them: one side was put back to an older state."""

_NO_BEGIN = """
SELECT op_id FROM op WHERE op_id >= (SELECT min(op_id) FROM op_event WHERE from_state = '')
  AND op_id NOT IN (SELECT op_id FROM op_event WHERE from_state = '')
"""
"""Operations are numbered as they begin: where one's beginning is kept, those of all later ones must be."""

_NO_OP = "SELECT DISTINCT op_id FROM op_event WHERE op_id NOT IN (SELECT op_id FROM op)"


def findings(store: Store, *, deep: bool) -> list[str]:
    """What is damaged, a sentence each."""
    try:
        return [*_rows(store, deep=deep), *_chain(store, deep=deep), *(_together(store) if deep else ())]
    except StoreError as error:
        if "Could not decode" not in str(error):
            raise
        return ["A text in the ledger is not readable any more."]


def _rows(store: Store, *, deep: bool) -> list[str]:
    # "1" in place of a condition: the whole table.
    matters = "1" if deep else f"({OPEN} OR (kind = 'task_create' AND state <> 'superseded'))"
    ops = [row[0] for row in _paged(store, f"{_OPS} WHERE {matters} AND op_id > ? ORDER BY op_id") if not _good(row)]
    owned = [f"{row[0]} {row[1]}" for row in store.rows(SELECT_OWNED) if not _good(row)]
    return [
        *_told("Operation {} is not what was written", ops),
        *_told("What was written on {} has changed", owned),
    ]


def _good(row: Sequence[Any]) -> bool:
    return sealed(row[:-1], row[-1])


def _chain(store: Store, *, deep: bool) -> list[str]:
    """Follow the chain from the anchor, or in a quick look from some way before its end."""
    first = store.rows("SELECT coalesce(max(seq), 0) FROM op_event")[0][0] - NEWEST
    seq, previous = anchor(store.rows)
    if not deep and first > seq:
        found = store.rows("SELECT seq, hash FROM op_event WHERE seq = ?", (first,))
        if not found:
            return [f"Event {first} is missing."]
        seq, previous = found[0]
    events = _paged(store, f"{_EVENTS} WHERE seq > ? ORDER BY seq", seq)
    broken = broken_link(events, previous)
    return [] if broken is None else [f"The chain of events is broken at event {broken}."]


def _paged(store: Store, sql: str, after: int = 0) -> Iterator[Sequence[Any]]:
    """The rows of a query by number, so many at a time: a year of events does not fit into memory."""
    while rows := store.rows(f"{sql} LIMIT {PAGE}", (after,)):
        yield from rows
        after = rows[-1][0]


def _together(store: Store) -> list[str]:
    moved = [op_id for (op_id,) in store.rows(_LAST_EVENT)]
    begun = [op_id for (op_id,) in store.rows(_NO_BEGIN)]
    lost = [op_id for (op_id,) in store.rows(_NO_OP)]
    return [
        *_told("Operation {} is not as its newest event left it", moved),
        *_told("The event is missing that tells how operation {} began", begun),
        *_told("Operation {} is missing although events tell of it", lost),
    ]


def _told(sentence: str, found: Sequence[Any]) -> list[str]:
    told = [sentence.format(item) + "." for item in found[:FEW]]
    return [*told, f"And {len(found) - FEW:,} more like this."] if len(found) > FEW else told
