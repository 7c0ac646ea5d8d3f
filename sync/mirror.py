"""The CRM's own words: what it said last in the fields that the agent owns."""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from connectors.base import Value
from sync.tables import KINDS, compact, version_of
from sync.values import dumps

if TYPE_CHECKING:
    from mapping.schema import Record

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_NONE = frozenset({None})
_NOTHING = ("{}", None, 0)
_UNTOLD = 1
"""Written by a version that did not note over what."""

_UPSERT = """
INSERT INTO crm_value (object, record_id, "values", version, written, seen_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET "values" = excluded."values", version = excluded.version, written = excluded.written,
  seen_at = excluded.seen_at
"""


def see(
    conn: sqlite3.Connection,
    obj: str,
    records: Iterable["Record"],
    own_values: Mapping[str, Mapping[str, Value]],
    now: int,
) -> None:
    """Remember the own values that came along with pulled records; a record without any needs no row.

    A row of a version that we have already written to is from before our write: an index that lags shows it for a
    while, and it must not make the next plan write again. Unless it says what was not there then: somebody has edited
    it since, within the one instant that the CRM's clock can tell.
    """
    at = {record.source_id: record.updated_at for record in records}
    said = {record_id: values for record_id, values in own_values.items() if record_id in at}
    held = {
        row[0]: row[1:]
        for row in conn.execute(
            'SELECT record_id, "values", version, written FROM crm_value '
            "WHERE object = ? AND record_id IN (SELECT value FROM json_each(?))",
            (obj, compact(list(said))),
        )
    }
    rows = []
    for record_id, values in said.items():
        known, known_version, written = held.get(record_id, _NOTHING)
        text = "{}" if _NONE.issuperset(values.values()) else _canonical(values)
        if text == known and not written:
            continue
        version = version_of(at[record_id])
        if written and version is not None and known_version is not None and version <= known_version:
            new = version == known_version and text != known and written not in {_UNTOLD, _mark(text)}
            if not new:
                continue
        rows.append((obj, record_id, text, version, 0, now))
    if rows:
        conn.executemany(_UPSERT, rows)


def write(conn: sqlite3.Connection, obj: str, record_id: str, values: Mapping[str, Value], now: int) -> None:
    """Remember what fields of a record say after we read or wrote them; the others stay as they are."""
    write_many(conn, obj, {record_id: values}, now)


def write_many(conn: sqlite3.Connection, obj: str, said: Mapping[str, Mapping[str, Value]], now: int) -> None:
    """The same for many records: record id -> what its fields say."""
    write_json(conn, obj, {record_id: json.loads(dumps(values)) for record_id, values in said.items()}, now)


def write_json(conn: sqlite3.Connection, obj: str, said: Mapping[str, Mapping[str, Any]], now: int) -> None:
    """The same with values as JSON holds them; two queries and one statement for all of them."""
    ids = compact(list(said))
    held = {
        row[0]: row[1:]
        for row in conn.execute(
            'SELECT record_id, "values", version, written FROM crm_value '
            "WHERE object = ? AND record_id IN (SELECT value FROM json_each(?))",
            (obj, ids),
        )
    }
    versions = _held_versions(conn, obj, ids)
    rows = []
    for record_id, values in said.items():
        before, version, written = held.get(record_id, _NOTHING)
        if not written or version != versions.get(record_id):
            written = _mark(before)
        merged = {**json.loads(before), **values}
        filled = {name: value for name, value in merged.items() if value is not None}
        text = _encode(filled)
        rows.append((obj, record_id, text, versions.get(record_id), written, now))
    conn.executemany(_UPSERT, rows)


def _held_versions(conn: sqlite3.Connection, obj: str, ids: str) -> dict[str, int | None]:
    if obj not in KINDS:
        return {}
    sql = f"""SELECT source_id, max(version) FROM {obj} WHERE source IN (SELECT id FROM source)
              AND source_id IN (SELECT value FROM json_each(?)) GROUP BY source_id"""
    return dict(conn.execute(sql, (ids,)))


def _mark(text: str) -> int:
    """What `written` says of values that we wrote over: enough to know them again; neither 0 nor `_UNTOLD`."""
    return zlib.crc32(text.encode()) + 2


def _canonical(values: Mapping[str, Value]) -> str:
    return dumps({name: value for name, value in values.items() if value is not None})
