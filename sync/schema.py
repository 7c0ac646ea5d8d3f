"""What marks a state file as ours, and how far its schema has come; the steps themselves are in `sync.migrations`.

Apart from them so that a file that is up to date opens without the library that converts it, which takes a fifth of the
time that `status` has.
"""

import sqlite3
from collections.abc import Collection

APPLICATION_ID = 0x48464153
"""Marks the file as ours ("HFAS")."""

STEPS = (
    "m001_records_and_results",
    "m002_ledger",
    "m003_copies_roles_and_tasks",
    "m004_full_ledger",
    "m005_settled_bands",
)
"""Names of the steps, in order, as `sync.migrations` registers them."""

SET = "holdfast"
"""Under which the library notes which steps were applied."""


def applied_steps(conn: sqlite3.Connection) -> set[str]:
    """The names of the steps that made this file; also those of later versions."""
    if not conn.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone():
        return set()
    return {row[0] for row in conn.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (SET,))}


def newer_schema(applied: Collection[str]) -> str:
    """What to say of a file in which steps were taken that this version does not know; nothing when it knows all."""
    unknown = set(applied) - set(STEPS)
    if not unknown:
        return ""
    theirs, newest = (max(steps).removeprefix("m").partition("_")[0].lstrip("0") for steps in (unknown, STEPS))
    return f"It has schema {theirs}, from a newer version of Holdfast; this one knows schemas up to {newest}."
