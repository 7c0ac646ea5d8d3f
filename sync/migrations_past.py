"""The schema of what scoring of the past needs: which cards scored when, who was disbelieved, and what came later.

Of a table without rowid the columns of the key come first, in their order: SQLite 3.40 takes any other such table for
damaged as soon as it has a row.
"""

TABLES = """
CREATE TABLE card (
  since INTEGER PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  cards TEXT NOT NULL
);
CREATE TABLE disbelief (
  since INTEGER PRIMARY KEY,
  breaches TEXT NOT NULL
);
CREATE TABLE releases (
  since INTEGER PRIMARY KEY,
  releases TEXT NOT NULL
);
CREATE TABLE record_map_history (
  kind TEXT NOT NULL,
  key INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  status TEXT NOT NULL,
  merged_into INTEGER,
  at INTEGER NOT NULL,
  PRIMARY KEY (kind, key, valid_to)
) WITHOUT ROWID;
CREATE TABLE usage_later (
  path TEXT PRIMARY KEY,
  stream INTEGER NOT NULL REFERENCES stream,
  day INTEGER NOT NULL,
  first INTEGER NOT NULL,
  written INTEGER NOT NULL
) WITHOUT ROWID;
ALTER TABLE usage_file ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN since INTEGER;
UPDATE stream SET since = (SELECT min(started) FROM pull WHERE pull.stream = stream.id AND pull.error = '');
ALTER TABLE stream ADD COLUMN doubted INTEGER;
ALTER TABLE pull ADD COLUMN off INTEGER NOT NULL DEFAULT 0;
UPDATE pull SET off = 1 WHERE id IN (
  SELECT max(pull.id) FROM pull JOIN stream ON stream.id = pull.stream WHERE stream.off <> '' GROUP BY stream.id
);
"""


def steps() -> list[str]:
    """The statements, in order."""
    return [part for part in TABLES.split(";\n") if part.strip()]
