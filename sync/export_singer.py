"""Tables as Singer messages, which targets load into a warehouse: a SCHEMA a table, a RECORD a row, a STATE at the end.

After the Singer specification 0.3.0. Tables whose rows change without a stamp are always given whole: their records
carry a version, and ACTIVATE_VERSION at their end lets a target that knows it remove the rows of earlier versions.
A key is never unknown, since warehouses have no such keys: text that is unknown is empty there.
"""

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sync.columns import Column, Table, Type
from sync.export import Wanted

FILE = "messages.jsonl"
"""What the file is called."""
STATE = "since"
"""Where a state says what to give as `since` the next time."""

_TYPES: dict[Type, dict[str, str]] = {
    "text": {"type": "string"},
    "json": {"type": "string"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "instant": {"type": "string", "format": "date-time"},
    "day": {"type": "string", "format": "date"},
}
_BATCH = 5000


def messages(
    conn: sqlite3.Connection, wanted: Wanted, path: Path, now: datetime, since: str | None
) -> list[tuple[str, Path, int]]:
    """Write every wanted table into one file; gives the tables with their rows.

    Args:
        conn: A transaction over the state file.
        wanted: What to write.
        path: The file.
        now: The version of tables that are given whole.
        since: For the state at the end: the start of the newest run, None before the first.
    """
    version = int(now.timestamp() * 1000)
    with path.open("w", encoding="utf-8") as file:

        def say(**message: Any) -> None:
            file.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")) + "\n")

        found = [(table.name, path, _table(conn, table, wanted, say, version)) for table in wanted.tables]
        say(type="STATE", value={STATE: since})
    return found


def schema(table: Table, *, people: bool) -> dict[str, Any]:
    """The JSON Schema of a table's records: closed, with every value but the key's allowed to be unknown."""
    shown = table.shown(people=people)
    return {
        "type": "object",
        "properties": {column.name: _property(column, key=column.name in table.key) for column in shown},
        "required": [name for name in table.key if name in {column.name for column in shown}],
        "additionalProperties": False,
    }


def _property(column: Column, *, key: bool) -> dict[str, Any]:
    kind = _TYPES[column.type]
    about = column.meaning + (f" Unit: {column.unit}." if column.unit else "")
    return {**kind, "type": [kind["type"]] if key else ["null", kind["type"]], "description": about}


def _table(conn: sqlite3.Connection, table: Table, wanted: Wanted, say: Callable[..., None], version: int) -> int:
    shown = table.shown(people=wanted.people)
    whole = {} if table.stamps else {"version": version}
    say(
        type="SCHEMA",
        stream=table.name,
        schema=schema(table, people=wanted.people),
        key_properties=list(table.key),
        bookmark_properties=list(table.stamps),
    )
    names = [column.name for column in shown]
    flags = [column.name for column in shown if column.type == "boolean"]
    keys = [column.name for column in shown if column.name in table.key and column.type == "text"]
    rows, cursor = 0, conn.execute(table.query(people=wanted.people, since=wanted.since))
    while batch := cursor.fetchmany(_BATCH):
        for row in batch:
            record = dict(zip(names, row, strict=True))
            record |= {name: bool(record[name]) for name in flags if record[name] is not None}
            record |= {name: "" for name in keys if record[name] is None}
            say(type="RECORD", stream=table.name, record=record, **whole)
        rows += len(batch)
    if whole:
        say(type="ACTIVATE_VERSION", stream=table.name, **whole)
    return rows
