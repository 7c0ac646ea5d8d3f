"""What the tests of the scoring tables have in common: filling the state, and reading one table plainly."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from connectors.base import EventExport
from mapping.links import Link, Resolution
from mapping.schema import Record
from scoring.inputs import TABLES
from sync import frames, usage
from sync.store import Page, PullEnd, Store
from tests.sync.states import EVENTS, NOW

SECONDS = int(NOW.timestamp())


def put(store: Store, *records: Record, now: datetime = NOW, **values: Any) -> None:
    """Commit records, each to the stream of its source and kind."""
    for record in records:
        store.commit(Page(record.source, f"{record.kind}s", record.kind, [record], **values), now)


def link(store: Store, *links: tuple[Any, str, str, str], now: datetime = NOW) -> None:
    resolution = Resolution(
        [Link(kind, source, i, crm_id, "rule", "evidence", 90) for kind, source, i, crm_id in links]
    )
    assert store.save_links(resolution, now, crm="crm").rejected == 0


def table(store: Store, name: str, as_of: datetime = NOW, **more: Any) -> list[dict[str, Any]]:
    """One scoring table, its keys turned back into vendor ids."""
    names = [column.name for column in TABLES[name].columns]
    rows = sorted(read(store, name, names, as_of, more), key=repr)
    accounts, contacts = (dict(store.rows(f"SELECT key, source_id FROM {kind}")) for kind in ("account", "contact"))
    maps = {"account": accounts, "contact": contacts, "parent": accounts, "grp": accounts, "person": contacts}
    named = [{n: maps[n].get(v) if n in maps else v for n, v in zip(names, row, strict=True)} for row in rows]
    return sorted(named, key=lambda row: repr(list(row.values())))


def read(store: Store, name: str, names: list[str], as_of: datetime, more: dict[str, Any]) -> list[Any]:
    given = frames.inputs(store, as_of, crm="crm", **more)
    if name in given.tables:
        return store.rows(f"SELECT {', '.join(names)} FROM ({given.tables[name]})")
    needed = {name}
    for view, select in reversed(list(given.views.items())):
        if view in needed:
            needed.update(re.findall(r"\w+", select))
    with duckdb.connect() as db:
        for part, what in given.parts.items():
            if part not in needed:
                continue
            db.execute(f"CREATE TABLE {part} ({', '.join(f'{c} {kind}' for c, kind in what.columns.items())})")
            for row in store.rows(f"SELECT {', '.join(what.columns)} FROM ({what.select})"):
                assert row[0] is not None
                db.execute(f"INSERT INTO {part} VALUES ({', '.join('?' * len(row))})", row)
        for view, select in given.views.items():
            if view in needed:
                db.execute(f"CREATE TABLE {view} AS {select}")
        return db.execute(f"SELECT {', '.join(names)} FROM {name}").fetchall()


# -- usage and age --------------------------------------------------------------------------------------------------


def use(store: Store, tmp_path: Path, *lines: tuple[str, Any], now: datetime = NOW) -> None:
    path = tmp_path / "export.jsonl"
    rows = []
    for n, (person, group) in enumerate(lines):
        properties = {"time": int(now.timestamp()) + n, "distinct_id": person, "$user_id": person, "company_id": group}
        rows.append(json.dumps({"event": "Login", "properties": properties}))
    path.write_text("\n".join(rows) + "\n")
    usage.ingest(
        store, ("mp", "events"), EventExport(path, now.date(), now.date(), replaces=True), EVENTS, cursor=None, now=now
    )


def pulled(store: Store, source: str, stream: str, kind: str, at: datetime, **end: Any) -> None:
    store.pull_started(source, stream, kind, at)
    store.pull_finished(source, stream, kind, PullEnd(**end), at)


def ages(store: Store, as_of: datetime, **more: Any) -> dict[tuple[str, str], int | None]:
    rows = table(store, "feed", as_of, **more)
    return {(r["record"], r["source"]): r["as_of"] and r["as_of"] - SECONDS for r in rows}
