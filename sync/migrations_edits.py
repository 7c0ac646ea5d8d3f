"""The part of the schema that keeps what people decided about fields that somebody else changes."""

EDITS = """
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
"""`record_id` is '' for a field on every record, `after_op` the newest operation when the decision was made."""
