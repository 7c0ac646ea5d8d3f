"""Event exports for tests: events, the file that holds them, and what is counted of it."""

import gzip
import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from connectors.base import EventExport
from mapping.mapped import EventMap
from sync import usage, usage_files
from sync.store import Counts, Store
from tests.sync.states import EVENTS, NOW

TODAY = NOW.date()
Count = tuple[date, str, str | None, str, int]


def event(
    person: str | None = "u1", *, minutes: float = 0, name: str = "Login", insert_id: str = "", **more: Any
) -> dict[str, Any]:
    """An event `minutes` after NOW; its insert id is what it says unless told otherwise."""
    time = int(NOW.timestamp() + minutes * 60)
    properties = {
        "time": time,
        "distinct_id": person or "$device:d",
        "$insert_id": insert_id or f"{person}{name}{time}",
        "mp_processing_time_ms": time * 1000 + 1500,
        "company_id": "acme",
    }
    if person is not None:
        properties["$user_id"] = person
    properties |= more
    return {"event": name, "properties": {k: v for k, v in properties.items() if v is not None}}


def spool(tmp_path: Path, *lines: Mapping[str, Any] | str | bytes, zipped: bool = False) -> Path:
    raw = [
        line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    ]
    path = tmp_path / f"export{len(list(tmp_path.glob('export*')))}.jsonl{'.gz' if zipped else ''}"
    data = b"".join(line + b"\n" for line in raw)
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


def take(
    store: Store,
    path: Path,
    *,
    replaces: bool = False,
    cursor: str | None = None,
    days: tuple[int, int] = (-5, 0),
    events: EventMap = EVENTS,
) -> Counts:
    first, last = (TODAY + timedelta(days=n) for n in days)
    counts = usage.ingest(
        store, ("mp", "events"), EventExport(path, first, last, replaces), events, cursor=cursor, now=NOW
    )
    assert not path.exists()
    return counts


def counted(store: Store) -> list[Count]:
    paths = [str(path) for path in usage_files.files(store)]
    if not paths:
        return []
    people = dict(store.rows("SELECT key, source_id FROM contact"))
    groups = dict(store.rows("SELECT key, source_id FROM account"))
    with duckdb.connect() as db:
        rows = db.execute("SELECT day, person, grp, event, count FROM read_parquet(?)", [paths]).fetchall()
    return sorted(((day, people[person], groups.get(grp), name, n) for day, person, grp, name, n in rows), key=repr)
