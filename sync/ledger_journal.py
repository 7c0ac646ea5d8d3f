"""Writes operations inside one transaction: each row with its hash, each step with its event in the chain."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sync.ledger_rows import OpRow, State
from sync.seal import EVENT_COLUMNS, OP_COLUMNS, link, op_values, seal

OPEN = "state IN ('planned', 'held', 'sending', 'in_doubt', 'retry')"
"""Operations that have not ended; in these very words, so that the index over them is used."""

SELECT_OPS = f"SELECT {', '.join(OP_COLUMNS)} FROM op"

_INSERT_OP = f"INSERT INTO op ({', '.join(OP_COLUMNS)}, row_hash) VALUES ({', '.join('?' * len(OP_COLUMNS))}, ?)"
_INSERT_EVENT = (
    f"INSERT INTO op_event ({', '.join(EVENT_COLUMNS)}, hash) VALUES ({', '.join('?' * len(EVENT_COLUMNS))}, ?)"
)
_UPDATE_OP = """
UPDATE op SET payload = ?, before_image = ?, state = ?, attempt = ?, not_before = ?, batch_id = ?, remote_id = ?,
  error_code = ?, error = ?, sent_at = ?, updated_at = ?, row_hash = ? WHERE op_id = ?
"""


class Journal:
    """Collects steps and writes them together: `write` once, before the transaction ends.

    Args:
        conn: Inside a write transaction.
        at: Epoch seconds of every step.
    """

    def __init__(self, conn: sqlite3.Connection, at: int) -> None:
        self.conn = conn
        self.at = at
        self._new: list[tuple[Any, ...]] = []
        self._changed: list[tuple[Any, ...]] = []
        self._events: list[tuple[Any, ...]] = []
        self._seq, self._head = head(conn)
        self._next_op = int(conn.execute("SELECT coalesce(max(op_id), 0) FROM op").fetchone()[0]) + 1

    # -- reading ------------------------------------------------------------------------------------------------

    def ops(self, where: str, parameters: Sequence[Any] = ()) -> list[OpRow]:
        """Operations, oldest first."""
        return list(self._rows(f"{where} ORDER BY +op_id", parameters))

    def open_by_key(self, keys: Iterable[str]) -> dict[str, OpRow]:
        """The operations under way for these keys, in one query."""
        rows = self._rows(f"{OPEN} AND key IN (SELECT value FROM json_each(?))", (json.dumps(list(keys)),))
        return {row.key: row for row in rows}

    def by_id(self, op_ids: Iterable[int]) -> dict[int, OpRow]:
        """Operations by their number, in one query."""
        wanted = sorted(set(op_ids))
        if not wanted:
            return {}
        rows = self._rows("op_id IN (SELECT value FROM json_each(?))", (json.dumps(wanted),))
        return {row.op_id: row for row in rows}

    def _rows(self, where: str, parameters: Sequence[Any]) -> Iterator[OpRow]:
        return (OpRow(*row) for row in self.conn.execute(f"{SELECT_OPS} WHERE {where}", parameters))

    # -- writing ------------------------------------------------------------------------------------------------

    def begin(self, row: OpRow, detail: str = "") -> None:
        """Add an operation; it is given its number here."""
        row.op_id = self._next_op
        self._next_op += 1
        values = op_values(row)
        row_hash = seal(values)
        self._new.append((*values, row_hash))
        self._event(row, "", detail, row_hash)

    def move(self, row: OpRow, state: State, detail: str = "") -> None:
        """Take an operation into a state, with whatever else was changed in the row."""
        before, row.state, row.updated_at = row.state, state, self.at
        row_hash = seal(op_values(row))
        self._changed.append(
            (
                row.payload,
                row.before_image,
                row.state,
                row.attempt,
                row.not_before,
                row.batch_id,
                row.remote_id,
                row.error_code,
                row.error,
                row.sent_at,
                row.updated_at,
                row_hash,
                row.op_id,
            )
        )
        self._event(row, before, detail, row_hash)

    def _event(self, row: OpRow, before: str, detail: str, row_hash: str) -> None:
        self._seq += 1
        event = (self._seq, row.op_id, self.at, before, row.state, detail, row_hash)
        self._head = link(self._head, event)
        self._events.append((*event, self._head))

    def write(self) -> None:
        """Put down everything collected: changed operations before new ones, which may take their keys."""
        self.conn.executemany(_UPDATE_OP, self._changed)
        self.conn.executemany(_INSERT_OP, self._new)
        self.conn.executemany(_INSERT_EVENT, self._events)
        self._changed, self._new, self._events = [], [], []


def head(conn: sqlite3.Connection) -> tuple[int, str]:
    """Number and hash of the newest event; those of the anchor when all events were pruned, (0, "") at the start."""
    row = conn.execute("SELECT seq, hash FROM op_event ORDER BY seq DESC LIMIT 1").fetchone()
    return (int(row[0]), str(row[1])) if row else anchor(conn.execute)


def anchor(ask: Callable[[str], Iterable[Any]]) -> tuple[int, str]:
    """Number and hash of the newest event that was pruned: the chain goes on from there."""
    found = dict(ask("SELECT key, value FROM meta WHERE key IN ('event_anchor', 'event_anchor_seq')"))
    return int(found.get("event_anchor_seq", 0)), str(found.get("event_anchor", ""))
