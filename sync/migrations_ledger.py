"""The schema of the full ledger: operations with a hash of their own, a chain of events, batches, holds."""

import sqlite3

from sync.seal import EVENT_COLUMNS, OP_COLUMNS, OWNED_COLUMNS, link, seal

_RUN = """
ALTER TABLE run ADD COLUMN environment TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN config_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN plan_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
"""

_TABLES = """
DROP TRIGGER op_transition;
DROP INDEX op_key;
DROP INDEX op_state;
ALTER TABLE op RENAME TO op_3;
CREATE TABLE op (
  op_id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES run (run_id),
  kind TEXT NOT NULL CHECK (kind IN ('field', 'task_create', 'task_remove')),
  object TEXT NOT NULL CHECK (object IN ('account', 'contact', 'task')),
  record_id TEXT,
  key TEXT NOT NULL,
  payload TEXT NOT NULL,
  before_image TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('planned', 'held', 'sending', 'in_doubt', 'retry', 'confirmed', 'rejected',
    'gone', 'conflict', 'parked', 'superseded', 'rolled_back', 'undo_skipped')),
  attempt INTEGER NOT NULL,
  not_before INTEGER,
  batch_id INTEGER,
  remote_id TEXT,
  error_code TEXT NOT NULL,
  error TEXT NOT NULL,
  undoes INTEGER,
  row_hash TEXT NOT NULL,
  created INTEGER NOT NULL,
  sent_at INTEGER,
  updated_at INTEGER NOT NULL
);
CREATE TABLE op_event (
  seq INTEGER PRIMARY KEY,
  op_id INTEGER NOT NULL,
  at INTEGER NOT NULL,
  from_state TEXT NOT NULL,
  to_state TEXT NOT NULL,
  detail TEXT NOT NULL,
  row_hash TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE TABLE batch (
  batch_id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL,
  object TEXT NOT NULL,
  size INTEGER NOT NULL,
  request_hash TEXT NOT NULL,
  sent_at INTEGER NOT NULL,
  ended_at INTEGER
);
CREATE TABLE guard (
  run_id INTEGER NOT NULL,
  check_name TEXT NOT NULL,
  measured REAL NOT NULL,
  allowed REAL NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('held', 'passed')),
  text TEXT NOT NULL,
  released_by TEXT,
  released_at INTEGER,
  PRIMARY KEY (run_id, check_name)
) WITHOUT ROWID;
CREATE TABLE parked (
  object TEXT NOT NULL,
  record_id TEXT NOT NULL,
  field TEXT NOT NULL,
  since INTEGER NOT NULL,
  why TEXT NOT NULL,
  flips INTEGER NOT NULL,
  PRIMARY KEY (object, record_id, field)
) WITHOUT ROWID;
CREATE TABLE forgotten (hash TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
ALTER TABLE owned ADD COLUMN times TEXT NOT NULL DEFAULT '{}';
ALTER TABLE owned ADD COLUMN row_hash TEXT NOT NULL DEFAULT '';
"""

_RULES = """
-- One effect is under way only once, and a task's key is taken for ever once its task was begun.
CREATE UNIQUE INDEX op_key_open ON op (key) WHERE state IN ('planned', 'held', 'sending', 'in_doubt', 'retry');
CREATE UNIQUE INDEX op_key_task ON op (key) WHERE kind = 'task_create' AND state <> 'superseded';
CREATE INDEX op_run ON op (run_id);
CREATE INDEX event_op ON op_event (op_id);
CREATE TRIGGER op_begin BEFORE INSERT ON op
WHEN new.state NOT IN ('planned', 'held')
BEGIN SELECT raise(ABORT, 'illegal transition in the ledger: an operation begins as planned or held'); END;
CREATE TRIGGER op_transition BEFORE UPDATE OF state ON op
WHEN old.state <> new.state AND NOT (
     (old.state = 'planned' AND new.state IN ('sending', 'confirmed', 'conflict', 'gone', 'superseded'))
  OR (old.state = 'held' AND new.state IN ('planned', 'superseded'))
  OR (old.state = 'sending' AND new.state IN ('confirmed', 'retry', 'rejected', 'gone', 'conflict', 'in_doubt'))
  OR (old.state = 'in_doubt' AND new.state IN ('confirmed', 'retry', 'gone', 'parked'))
  OR (old.state = 'retry' AND new.state IN ('sending', 'confirmed', 'conflict', 'gone', 'superseded', 'parked'))
  OR (old.state = 'confirmed' AND new.state IN ('rolled_back', 'undo_skipped'))
)
BEGIN SELECT raise(ABORT, 'illegal transition in the ledger'); END;
CREATE TRIGGER op_identity BEFORE UPDATE OF op_id, kind, object, record_id, key, undoes, created ON op
BEGIN SELECT raise(ABORT, 'what an operation is about never changes'); END;
CREATE TRIGGER op_kept BEFORE DELETE ON op
WHEN old.state IN ('planned', 'held', 'sending', 'in_doubt', 'retry')
  OR (old.kind = 'task_create' AND old.state <> 'superseded')
BEGIN SELECT raise(ABORT, 'an open operation and the key of a task are never deleted'); END;
CREATE TRIGGER event_append BEFORE UPDATE ON op_event
BEGIN SELECT raise(ABORT, 'events are only appended'); END;
CREATE TRIGGER event_kept BEFORE DELETE ON op_event
WHEN old.seq > coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'event_anchor_seq'), 0)
BEGIN SELECT raise(ABORT, 'events are deleted only below the anchor'); END;
"""

_DECISIONS = """
CREATE TABLE decision (
  object TEXT NOT NULL,
  record_id TEXT NOT NULL,
  field TEXT NOT NULL,
  about TEXT NOT NULL CHECK (about IN ('answer', 'release', 'undo')),
  kind TEXT NOT NULL CHECK (kind IN ('ours', 'theirs', 'release', 'moved')),
  theirs TEXT NOT NULL,
  after_op INTEGER NOT NULL,
  PRIMARY KEY (object, record_id, field, about)
) WITHOUT ROWID;
CREATE INDEX op_undoes ON op (undoes) WHERE undoes IS NOT NULL;
CREATE INDEX op_record ON op (object, record_id) WHERE record_id IS NOT NULL;
"""
"""What people decided about fields that somebody else changes. `record_id` is '' for a field on every record,
`after_op` the newest operation when the decision was made."""

_OLD_OPS = """
SELECT op_id, run_id, CASE object WHEN 'task' THEN 'task_create' ELSE 'field' END, object, record_id, key, fields, '{}',
  CASE state WHEN 'dropped' THEN 'superseded' ELSE state END, attempt, NULL, NULL, remote_id, error_code, error, NULL,
  sent_at, sent_at, updated_at
FROM op_3 ORDER BY op_id
"""


def statements(script: str) -> list[str]:
    """The statements of a script: those of a trigger stay together."""
    found, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            found.append(part)
            part = ""
    return found


def convert(conn: sqlite3.Connection) -> None:
    """Bring the tables of the first ledger into the new shape, every row with its hash and a first event."""
    for statement in statements(_RUN + _TABLES):
        conn.execute(statement)
    previous, ops, events = "", [], []
    for seq, row in enumerate(conn.execute(_OLD_OPS).fetchall(), 1):
        row_hash = seal(row)
        event = (seq, row[0], row[-1], "", row[8], "converted", row_hash)
        previous = link(previous, event)
        ops.append((*row, row_hash))
        events.append((*event, previous))
    conn.executemany(insert("op", OP_COLUMNS, "row_hash"), ops)
    conn.executemany(insert("op_event", EVENT_COLUMNS, "hash"), events)
    conn.execute("DROP TABLE op_3")
    owned = conn.execute(f"SELECT {', '.join(OWNED_COLUMNS)} FROM owned").fetchall()
    conn.executemany(
        "UPDATE owned SET row_hash = ? WHERE object = ? AND record_id = ?", [(seal(row), *row[:2]) for row in owned]
    )
    for statement in statements(_RULES + _DECISIONS):
        conn.execute(statement)


def insert(table: str, columns: tuple[str, ...], last: str) -> str:
    """The statement that fills a table's columns and its hash."""
    names = (*columns, last)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
