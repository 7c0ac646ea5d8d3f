"""Builds a state file as each released schema left it: with its own statements, by its own number."""

from pathlib import Path

import sqlite_utils

from sync.migrations import migrations

SCHEMAS = (
    ("m001_records_and_results",),
    ("m001_records_and_results", "m002_ledger"),
    ("m001_records_and_results", "m002_ledger", "m003_copies_roles_and_tasks"),
    ("m001_records_and_results", "m002_ledger", "m003_copies_roles_and_tasks", "m004_full_ledger"),
    (
        "m001_records_and_results",
        "m002_ledger",
        "m003_copies_roles_and_tasks",
        "m004_full_ledger",
        "m005_settled_bands",
    ),
)
"""The steps of every schema that was ever released, oldest first. A new step gets a line here."""

_ROWS = """
INSERT INTO source (id, name) VALUES (1, 'crm');
INSERT INTO stream (id, source, name, record, cursor) VALUES (1, 1, 'people', 'contact', 'page 1');
INSERT INTO contact (key, source, source_id, stream, title, staff, active, valid_from)
  VALUES (1, 1, '1', 1, 'x', 0, 1, 1000);
INSERT INTO ticket (key, source, source_id, status, created_at, valid_from)
  VALUES (1, 1, '35', 'solved', 900, 2000);
INSERT INTO ticket_history (key, status, created_at, valid_from, valid_to) VALUES (1, 'open', 900, 1000, 2000);
INSERT INTO activity (key, source, source_id, activity, at, valid_from) VALUES (1, 1, '7', 'call', 900, 1000);
"""
"""In the words of the first schema, which every later one understands."""


def build(folder: Path, number: int) -> None:
    """Write a state of schema `number` (from 1) with a contact, committed with the cursor "page 1".

    And with what later steps change: a ticket that has been open and is solved, and a call.
    """
    folder.mkdir(mode=0o700)
    db = sqlite_utils.Database(folder / "state.db")
    names = [migration.name for migration in migrations._migrations]
    later = names[number] if number < len(names) else None
    migrations.apply(db, stop_before=later)
    assert tuple(m.name for m in migrations.applied(db)) == SCHEMAS[number - 1]
    db.executescript(_ROWS)
    db.close()
