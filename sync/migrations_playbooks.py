"""The schema of what playbooks remember: what triggers said, what became of tasks, and what was withheld."""

TABLES = """
ALTER TABLE band_state ADD COLUMN holding TEXT NOT NULL DEFAULT '{}';
CREATE TABLE followup (
  key TEXT PRIMARY KEY,
  crm_id TEXT NOT NULL,
  playbook TEXT NOT NULL,
  variant TEXT NOT NULL,
  band TEXT NOT NULL,
  event_at INTEGER NOT NULL,
  due INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'done', 'gone')),
  looked INTEGER,
  moved_to INTEGER,
  touched INTEGER NOT NULL DEFAULT 0,
  ended INTEGER
) WITHOUT ROWID;
CREATE TABLE withheld (
  crm_id TEXT NOT NULL,
  playbook TEXT NOT NULL,
  rule TEXT NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  why TEXT NOT NULL,
  ended INTEGER,
  PRIMARY KEY (crm_id, playbook, rule, since)
) WITHOUT ROWID;
CREATE INDEX withheld_now ON withheld (crm_id) WHERE ended IS NULL;
"""


def steps() -> list[str]:
    """The statements, in order."""
    return [part for part in TABLES.split(";\n") if part.strip()]
