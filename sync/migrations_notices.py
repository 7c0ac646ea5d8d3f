"""The schema of telling people: how things stood when they were last told, what is to be told, and to which channel."""

TABLES = """
CREATE TABLE told (
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  state TEXT NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (kind, subject)
) WITHOUT ROWID;
CREATE TABLE notice (
  notice_id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  at INTEGER NOT NULL,
  run_id INTEGER NOT NULL,
  facts TEXT NOT NULL
);
CREATE TABLE delivery (
  channel TEXT NOT NULL,
  notice_id INTEGER NOT NULL REFERENCES notice ON DELETE CASCADE,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'failed', 'sent', 'given_up')),
  message TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  first_try INTEGER,
  at INTEGER NOT NULL,
  error TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (channel, notice_id)
) WITHOUT ROWID;
CREATE INDEX delivery_notice ON delivery (notice_id);
CREATE INDEX delivery_open ON delivery (channel) WHERE state IN ('waiting', 'sending', 'failed');
"""


def steps() -> list[str]:
    """The statements, in order."""
    return [part for part in TABLES.split(";\n") if part.strip()]
