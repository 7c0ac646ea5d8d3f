"""Taking away what is old or must be forgotten, so that what is left still proves itself."""

import json
import sqlite3

from sync import undone
from sync.ledger_journal import OPEN, Journal

_CLOSED = f"NOT ({OPEN}) AND NOT (kind = 'task_create' AND state <> 'superseded')"

_CUT = """
SELECT coalesce((SELECT min(seq) FROM op_event WHERE at >= ?), (SELECT max(seq) FROM op_event), 0) - 1
"""
"""The last event that may go: all up to it are old, and the newest one stays so that numbers go on."""

_USED = """
DELETE FROM decision WHERE kind = 'ours' AND EXISTS (
  SELECT 1 FROM op, json_each(op.payload) AS written
  WHERE op.object = decision.object AND op.record_id = decision.record_id AND op.kind = 'field'
    AND op.op_id > decision.after_op AND op.state IN ('confirmed', 'rolled_back', 'undo_skipped')
    AND written.key = decision.field)
"""

DAY = 24 * 3600


def due(conn: sqlite3.Connection, at: int) -> bool:
    """Whether it is a day since this was last asked with this answer; notes that it is now."""
    row = conn.execute("SELECT value FROM meta WHERE key = 'pruned_at'").fetchone()
    if row is not None and 0 <= at - int(row[0]) < DAY:
        return False
    conn.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('pruned_at', ?)", (str(at),))
    return True


def prune(conn: sqlite3.Connection, before: int) -> int:
    """Remove closed operations on fields, and events, of before an instant; the anchor of the chain moves along.

    An operation goes only with all of its events. The key of a task stays for ever, and what tells that an undo holds
    stays while it does; the newest operation and event stay so that no number is given twice.

    Returns:
        How many operations were removed.
    """
    cut = int(conn.execute(_CUT, (before,)).fetchone()[0])
    row = conn.execute("SELECT seq, hash FROM op_event WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (cut,)).fetchone()
    if row is None:
        return 0
    conn.executemany(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
        [("event_anchor", row[1]), ("event_anchor_seq", str(row[0]))],
    )
    conn.execute(_USED)  # an answer that was given and written must not be taken for a new one
    gone = conn.execute(
        f"""DELETE FROM op WHERE {_CLOSED} AND updated_at < ? AND op_id < (SELECT max(op_id) FROM op)
            AND op_id NOT IN (SELECT op_id FROM op_event WHERE seq > ?)
            AND op_id NOT IN (SELECT value FROM json_each(?))""",
        (before, cut, json.dumps(sorted(undone.needed(conn)))),
    ).rowcount
    conn.execute("DELETE FROM op_event WHERE seq <= ?", (cut,))
    conn.execute(
        "DELETE FROM batch WHERE sent_at < ? AND batch_id NOT IN (SELECT batch_id FROM op WHERE batch_id IS NOT NULL)",
        (before,),
    )
    for table in ("guard", "run"):
        conn.execute(
            f"""DELETE FROM {table} WHERE run_id IN (SELECT run_id FROM run WHERE ended < ?
                  AND run_id < (SELECT max(run_id) FROM run)) AND run_id NOT IN (SELECT run_id FROM op)""",
            (before,),
        )
    return gone


def forget(conn: sqlite3.Connection, obj: str, record_id: str, at: int) -> int:
    """Empty what operations say of a record and drop what was written on it; every hash is made anew.

    Returns:
        How many operations were emptied.
    """
    journal = Journal(conn, at)
    rows = journal.ops("object = ? AND record_id = ? AND kind = 'field'", (obj, record_id))
    for row in rows:
        row.payload = row.before_image = "{}"
        row.error = ""
        journal.move(row, row.state, "forgotten")
    journal.write()
    conn.execute("DELETE FROM owned WHERE object = ? AND record_id = ?", (obj, record_id))
    conn.execute("DELETE FROM parked WHERE object = ? AND record_id = ?", (obj, record_id))
    conn.execute("DELETE FROM decision WHERE object = ? AND record_id = ?", (obj, record_id))
    return len(rows)
