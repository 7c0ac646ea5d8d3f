"""The schema of the state file, one numbered step after another. A released step is never changed, only followed.

Instants are epoch seconds UTC, days are epoch days, `version` is a record's own change stamp in epoch microseconds.
docs/state.md says what each table is for.
"""

from sqlite_utils import Database, Migrations

from sync import migrations_ledger, migrations_notices, migrations_scoring
from sync.schema import APPLICATION_ID, SET

migrations = Migrations(SET)

_RECORDS_1 = {
    "user": "email TEXT, name TEXT, active INTEGER",
    "account": "name TEXT, domains TEXT, external_ids TEXT, owner_id TEXT, parent INTEGER, plan TEXT, mrr INTEGER, "
    "currency TEXT, customer_since INTEGER, renewal_date INTEGER, lifecycle TEXT, created_at INTEGER",
    "contact": "email TEXT, other_emails TEXT, external_ids TEXT, account INTEGER, account_refs TEXT, owner_id TEXT, "
    "title TEXT, staff INTEGER, active INTEGER, last_login_at INTEGER, created_at INTEGER",
    "membership": "contact INTEGER, account INTEGER",
    "deal": "account INTEGER, name TEXT, pipeline TEXT, stage TEXT, closed INTEGER, won INTEGER, renewal INTEGER, "
    "amount INTEGER, currency TEXT, close_date INTEGER, owner_id TEXT, created_at INTEGER",
    "ticket": "account INTEGER, contact INTEGER, status TEXT, priority TEXT, created_at INTEGER, solved_at INTEGER, "
    "first_reply_minutes INTEGER, reopens INTEGER",
    "survey_response": "survey TEXT, score INTEGER, scale_min INTEGER, scale_max INTEGER, satisfied INTEGER, "
    "responded_at INTEGER, email TEXT, contact INTEGER, account INTEGER, ticket INTEGER",
    "subscription": "account INTEGER, status TEXT, mrr INTEGER, currency TEXT, current_period_end INTEGER, "
    "cancel_at INTEGER",
    "invoice": "account INTEGER, status TEXT, amount_due INTEGER, currency TEXT, due_date INTEGER, paid_at INTEGER, "
    "failed_attempts INTEGER, created_at INTEGER",
    "activity": "account INTEGER, contact INTEGER, activity TEXT, inbound INTEGER, at INTEGER",
}

_RECORD_TABLE_1 = """
CREATE TABLE {kind} (
  key INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  stream INTEGER,
  version INTEGER,
  {columns},
  valid_from INTEGER,
  valid_to INTEGER,
  UNIQUE (source, source_id)
);
CREATE TABLE {kind}_history (
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  stream INTEGER,
  version INTEGER,
  {columns},
  PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;
CREATE INDEX {kind}_history_end ON {kind}_history (valid_to);
"""

_TABLES_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE stream (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL REFERENCES source,
  name TEXT NOT NULL,
  record TEXT NOT NULL,
  cursor TEXT,
  started INTEGER,
  finished INTEGER,
  complete INTEGER,
  listed INTEGER,
  rows INTEGER NOT NULL DEFAULT 0,
  rejects INTEGER NOT NULL DEFAULT 0,
  total INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  off TEXT NOT NULL DEFAULT '',
  skew INTEGER,
  UNIQUE (source, name)
);
CREATE TABLE pull (
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL REFERENCES stream,
  started INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  rejects INTEGER NOT NULL,
  error TEXT NOT NULL
);
CREATE INDEX pull_stream ON pull (stream, finished);
CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL REFERENCES stream,
  source_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  row TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  times INTEGER NOT NULL,
  UNIQUE (stream, source_id, reason)
);
CREATE TABLE record_map (
  kind TEXT NOT NULL,
  key INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('deleted', 'merged', 'vanished')),
  merged_into INTEGER,
  at INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE crm_value (
  object TEXT NOT NULL,
  record_id TEXT NOT NULL,
  "values" TEXT NOT NULL,
  version INTEGER,
  written INTEGER NOT NULL DEFAULT 0,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (object, record_id)
) WITHOUT ROWID;
CREATE TABLE link (
  kind TEXT NOT NULL,
  key INTEGER NOT NULL,
  crm INTEGER NOT NULL,
  rule TEXT NOT NULL,
  evidence TEXT NOT NULL,
  confidence INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE link_history (
  kind TEXT NOT NULL,
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  crm INTEGER NOT NULL,
  rule TEXT NOT NULL,
  evidence TEXT NOT NULL,
  confidence INTEGER NOT NULL,
  PRIMARY KEY (kind, key, valid_from)
) WITHOUT ROWID;
CREATE INDEX link_history_end ON link_history (valid_to);
CREATE TABLE review (
  kind TEXT NOT NULL,
  source TEXT NOT NULL,
  source_id TEXT NOT NULL,
  rule TEXT NOT NULL,
  candidates TEXT NOT NULL,
  reason TEXT NOT NULL,
  affected INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  PRIMARY KEY (kind, source, source_id)
) WITHOUT ROWID;
CREATE TABLE score (
  level TEXT NOT NULL,
  key INTEGER NOT NULL,
  crm_id TEXT NOT NULL,
  name TEXT,
  owner_id TEXT,
  score INTEGER,
  health INTEGER,
  points INTEGER NOT NULL,
  coverage INTEGER NOT NULL,
  band TEXT NOT NULL,
  segments TEXT NOT NULL,
  reason TEXT NOT NULL,
  signals TEXT NOT NULL,
  run_id INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  PRIMARY KEY (level, key)
) WITHOUT ROWID;
CREATE TABLE score_history (
  level TEXT NOT NULL,
  key INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  crm_id TEXT NOT NULL,
  name TEXT,
  owner_id TEXT,
  score INTEGER,
  health INTEGER,
  points INTEGER NOT NULL,
  coverage INTEGER NOT NULL,
  band TEXT NOT NULL,
  segments TEXT NOT NULL,
  reason TEXT NOT NULL,
  signals TEXT NOT NULL,
  run_id INTEGER NOT NULL,
  PRIMARY KEY (level, key, valid_from)
) WITHOUT ROWID;
CREATE TABLE usage_file (
  stream INTEGER NOT NULL REFERENCES stream,
  day INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  path TEXT NOT NULL,
  rows INTEGER NOT NULL,
  events INTEGER NOT NULL,
  anonymous INTEGER NOT NULL,
  written INTEGER NOT NULL,
  PRIMARY KEY (stream, day)
) WITHOUT ROWID;
CREATE TABLE usage_seen (
  path TEXT PRIMARY KEY,
  stream INTEGER NOT NULL REFERENCES stream,
  newest INTEGER NOT NULL
) WITHOUT ROWID;
"""

_VIEWS_1 = """
CREATE VIEW latest_account AS
  SELECT account.*, source.name AS source_name FROM account JOIN source ON source.id = account.source
  WHERE valid_from IS NOT NULL AND valid_to IS NULL;
CREATE VIEW latest_contact AS
  SELECT contact.*, source.name AS source_name FROM contact JOIN source ON source.id = contact.source
  WHERE valid_from IS NOT NULL AND valid_to IS NULL;
CREATE VIEW latest_link AS
  SELECT link.kind, source.name AS source, contact.source_id, coalesce(c.source_id, a.source_id) AS crm_id,
    link.rule, link.evidence, link.confidence, link.valid_from
  FROM link JOIN contact ON contact.key = link.key JOIN source ON source.id = contact.source
  LEFT JOIN contact c ON link.kind = 'contact' AND c.key = link.crm
  LEFT JOIN account a ON link.kind = 'home' AND a.key = link.crm
  WHERE link.kind IN ('contact', 'home')
  UNION ALL
  SELECT link.kind, source.name, account.source_id, crm.source_id, link.rule, link.evidence, link.confidence,
    link.valid_from
  FROM link JOIN account ON account.key = link.key JOIN source ON source.id = account.source
  JOIN account crm ON crm.key = link.crm WHERE link.kind = 'account';
CREATE VIEW latest_score AS
  SELECT level, crm_id, name, owner_id, score, health, band, coverage, segments, reason,
    datetime(valid_from, 'unixepoch') AS since, run_id
  FROM score;
"""


_LEDGER_2 = """
CREATE TABLE run (
  run_id INTEGER PRIMARY KEY,
  mode TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER,
  status TEXT NOT NULL,
  counts TEXT NOT NULL
);
CREATE TABLE op (
  op_id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES run (run_id),
  key TEXT NOT NULL,
  object TEXT NOT NULL CHECK (object IN ('account', 'contact', 'task')),
  record_id TEXT,
  fields TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('sending', 'in_doubt', 'retry', 'confirmed', 'rejected', 'gone', 'dropped')),
  attempt INTEGER NOT NULL,
  remote_id TEXT,
  error_code TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  sent_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
-- A task's key is taken for ever; an update may be made again once the earlier one has ended.
CREATE UNIQUE INDEX op_key ON op (key) WHERE state IN ('sending', 'in_doubt', 'retry') OR object = 'task';
CREATE INDEX op_state ON op (state);
CREATE TRIGGER op_transition BEFORE UPDATE OF state ON op
WHEN NOT (
     (old.state = 'sending' AND new.state IN ('sending', 'confirmed', 'retry', 'rejected', 'gone', 'in_doubt'))
  OR (old.state = 'in_doubt' AND new.state IN ('in_doubt', 'confirmed', 'retry'))
  OR (old.state = 'retry' AND new.state IN ('sending', 'dropped'))
  OR (old.state = 'dropped' AND new.state = 'sending')
)
BEGIN SELECT raise(ABORT, 'illegal transition in the ledger'); END;
CREATE TABLE owned (
  object TEXT NOT NULL,
  record_id TEXT NOT NULL,
  fields TEXT NOT NULL,
  written_at INTEGER NOT NULL,
  PRIMARY KEY (object, record_id)
) WITHOUT ROWID;
CREATE TABLE band_state (
  crm_id TEXT PRIMARY KEY,
  band TEXT NOT NULL,
  since INTEGER NOT NULL,
  episodes TEXT NOT NULL
) WITHOUT ROWID;
"""

_COLUMNS_3 = {"ticket": ("copy_of TEXT",), "activity": ("closed INTEGER", "task_key TEXT")}

_CONTACT_ROLE_3 = "contact INTEGER, account INTEGER, deal_ref TEXT, role TEXT, is_primary INTEGER"

_INDEXES_3 = """
CREATE INDEX ticket_copy ON ticket (copy_of) WHERE copy_of IS NOT NULL;
CREATE INDEX ticket_history_copy ON ticket_history (copy_of) WHERE copy_of IS NOT NULL;
CREATE INDEX activity_task ON activity (account) WHERE task_key IS NOT NULL;
"""


def _script(db: Database, script: str) -> None:
    """Run statements one by one: `executescript` would commit the migration's transaction first."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


@migrations()
def m001_records_and_results(db: Database) -> None:
    """Everything of the first release but the ledger."""
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    _script(db, _TABLES_1)
    for kind, columns in _RECORDS_1.items():
        _script(db, _RECORD_TABLE_1.format(kind=kind, columns=columns))
    _script(db, _VIEWS_1)


@migrations()
def m002_ledger(db: Database) -> None:
    """Runs, operations with their legal transitions, what we wrote, and which band each account is in."""
    _script(db, _LEDGER_2)


@migrations()
def m003_copies_roles_and_tasks(db: Database) -> None:
    """Tickets that are copies of another source's, parts that people play in deals, and what became of our tasks."""
    for kind, columns in _COLUMNS_3.items():
        for column in columns:
            db.execute(f"ALTER TABLE {kind} ADD COLUMN {column}")
            db.execute(f"ALTER TABLE {kind}_history ADD COLUMN {column}")
    _script(db, _RECORD_TABLE_1.format(kind="contact_role", columns=_CONTACT_ROLE_3))
    _script(db, _INDEXES_3)


@migrations()
def m004_full_ledger(db: Database) -> None:
    """Operations with hashes and a chain of events, planned ones among them; batches, holds, and parked fields."""
    migrations_ledger.convert(db.conn)


@migrations()
def m005_settled_bands(db: Database) -> None:
    """How each account's band stands, notes of people, beside each score how it came about; what people are told."""
    for statement in (*migrations_scoring.steps(), *migrations_notices.steps()):
        db.execute(statement)
