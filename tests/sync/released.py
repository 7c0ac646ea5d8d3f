"""Builds a state file as each released schema left it: with its own statements, by its own number."""

from pathlib import Path

import sqlite_utils

from sync.migrations import migrations

SCHEMAS = (
    ("m001_records_and_results",),
    ("m001_records_and_results", "m002_ledger"),
    ("m001_records_and_results", "m002_ledger", "m003_copies_roles_and_tasks"),
)
"""The steps of every schema that was ever released, oldest first. A new step gets a line here."""


def build(folder: Path, number: int) -> None:
    """Write a state of schema `number` (from 1) with one contact, committed with the cursor "page 1"."""
    folder.mkdir(mode=0o700)
    db = sqlite_utils.Database(folder / "state.db")
    names = [migration.name for migration in migrations._migrations]
    later = names[number] if number < len(names) else None
    migrations.apply(db, stop_before=later)
    assert tuple(m.name for m in migrations.applied(db)) == SCHEMAS[number - 1]
    db.execute("INSERT INTO source (id, name) VALUES (1, 'crm')")
    db.execute("INSERT INTO stream (id, source, name, record, cursor) VALUES (1, 1, 'people', 'contact', 'page 1')")
    db.execute(
        "INSERT INTO contact (key, source, source_id, stream, title, staff, active, valid_from) "
        "VALUES (1, 1, '1', 1, 'x', 0, 1, 1000)"
    )
    db.close()
