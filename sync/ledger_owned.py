"""What we last wrote, record by record, each with a hash: what tells our own values from other people's."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.base import Value
from sync.database import RESTORE, DamagedError, StoreError
from sync.seal import OWNED_COLUMNS, seal, sealed
from sync.values import loads

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode

SELECT_OWNED = f"SELECT {', '.join(OWNED_COLUMNS)}, row_hash FROM owned"

_UPSERT = """
INSERT INTO owned (object, record_id, fields, times, written_at, row_hash) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (object, record_id) DO UPDATE SET fields = excluded.fields, times = excluded.times,
  written_at = excluded.written_at, row_hash = excluded.row_hash
"""


class LedgerError(StoreError):
    """The ledger was asked for what it must never do. Nothing was committed."""


def damaged(file: Path, obj: str, record_id: str) -> DamagedError:
    """The error for a row that is not what was written."""
    return DamagedError(file, f"What the ledger says was written on {obj} {record_id} has changed.", RESTORE)


def remember(conn: sqlite3.Connection, file: Path, obj: str, wrote: Mapping[str, Mapping[str, Any]], at: int) -> None:
    """Merge what was written (record id -> field -> value as JSON) into what is remembered; one query, one statement.

    Raises:
        DamagedError: When what is remembered of one of the records is damaged: merging would hide it.
    """
    rows = conn.execute(
        f"{SELECT_OWNED} WHERE object = ? AND record_id IN (SELECT value FROM json_each(?))",
        (obj, json.dumps(list(wrote))),
    )
    held: dict[str, tuple[dict[str, Any], dict[str, int]]] = {}
    for *columns, claimed in rows:
        if not sealed(columns, claimed):
            raise damaged(file, obj, columns[1])
        held[columns[1]] = (json.loads(columns[2]), json.loads(columns[3]))
    new = []
    for record_id, values in wrote.items():
        fields, times = held.get(record_id, ({}, {}))
        columns = (obj, record_id, _text({**fields, **values}), _text({**times, **dict.fromkeys(values, at)}), at)
        new.append((*columns, seal(columns)))
    conn.executemany(_UPSERT, new)


def written(
    file: Path, rows: Sequence[Sequence[Any]], *, proved: bool = False
) -> dict[tuple[str, str], dict[str, Value]]:
    """What we last wrote, by (object, record id), out of the rows of `SELECT_OWNED`; every hash is made unless proved.

    Raises:
        DamagedError: When a row is not what was written: a person's value could be taken for ours.
    """
    found = {}
    for row in rows:
        if not proved and not sealed(row[:-1], row[-1]):
            raise damaged(file, row[0], row[1])
        found[row[0], row[1]] = loads(row[2])
    return found


def _text(data: Mapping[str, Any]) -> str:
    return _encode(data)
