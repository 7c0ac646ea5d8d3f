"""The schema of what scoring remembers: which band holds since when, what people noted, and how scores came about."""

from sync import migrations_past, migrations_playbooks, migrations_signals, migrations_views

SCORE_COLUMNS = (
    "card TEXT NOT NULL DEFAULT ''",
    "computed TEXT NOT NULL DEFAULT ''",
    "rule TEXT NOT NULL DEFAULT ''",
    "held TEXT NOT NULL DEFAULT ''",
    "trend INTEGER",
    "stage TEXT",
    "rfm TEXT",
    "role TEXT",
)
"""Added to `score` and its history. `computed` is empty where it is not known: then it was the band itself."""

STANDINGS = """
CREATE TABLE standing (
  crm_id TEXT PRIMARY KEY,
  band TEXT NOT NULL,
  since INTEGER NOT NULL,
  candidate TEXT,
  candidate_since INTEGER,
  frozen INTEGER
) WITHOUT ROWID;
CREATE TABLE note (
  crm_id TEXT NOT NULL,
  since INTEGER NOT NULL,
  text TEXT NOT NULL,
  until INTEGER,
  seen INTEGER NOT NULL,
  themes TEXT,
  PRIMARY KEY (crm_id, since)
) WITHOUT ROWID;
CREATE TABLE fact (
  key INTEGER PRIMARY KEY,
  features TEXT NOT NULL
);
-- What each run changed of an account's score, in tenths of a point by cause; only where it changed.
CREATE TABLE score_change (
  key INTEGER NOT NULL,
  at INTEGER NOT NULL,
  since INTEGER NOT NULL,
  before INTEGER,
  after INTEGER,
  behaviour INTEGER NOT NULL,
  data INTEGER NOT NULL,
  configuration INTEGER NOT NULL,
  PRIMARY KEY (key, at)
) WITHOUT ROWID;
-- A trend reads seven past scores of every account: out of this, not out of the wide rows.
CREATE INDEX score_history_past ON score_history (key, valid_from, valid_to, score, card) WHERE level = 'account';
-- The people of one account, asked for by `explain`, without looking through everybody.
CREATE INDEX contact_account ON contact (account) WHERE account IS NOT NULL;
DROP VIEW latest_score;
CREATE VIEW latest_score AS
  SELECT level, crm_id, name, owner_id, score, health, band, coverage, segments, reason,
    datetime(valid_from, 'unixepoch') AS since, run_id, computed, held, rule, trend, card
  FROM score;
"""


def steps() -> list[str]:
    """The statements, in order."""
    columns = [f"ALTER TABLE {table} ADD COLUMN {c}" for table in ("score", "score_history") for c in SCORE_COLUMNS]
    return [
        *columns,
        *(part for part in STANDINGS.split(";\n") if part.strip()),
        *migrations_playbooks.steps(),
        *migrations_signals.steps(),
        *migrations_past.steps(),
        *migrations_views.steps(),
    ]
