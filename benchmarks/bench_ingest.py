"""Into the state: HubSpot contacts pulled, mapped and committed page by page, and Mixpanel events counted.

No network: a source hands out rows it made before. Contacts are compared with the bare `executemany` of the same
columns into a table in memory, measured in the same run; their rate is per CPU second, that of events per second on the
two threads that counting takes.
"""

import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.base import Batch, Environment, EventExport, Finding, Row, Stream, SystemClock
from mapping.fields import FieldMap
from sync import usage
from sync.pull import pull_all
from sync.store import Store
from sync.tables import KINDS

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CONTACTS = 50_000
EVENTS = 1_000_000
PEOPLE = 50_000
PAGE = 100


def contact(number: int) -> Row:
    """A contact as HubSpot's list endpoint answers it, with its companies folded in."""
    changed = (NOW - timedelta(seconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    company = str(8_000_000_000 + 17 * (number // 20))
    properties = {
        "email": f"person{number}@customer{number // 20}.example",
        "hs_additional_emails": None,
        "firstname": "Ann",
        "lastname": f"Example {number}",
        "jobtitle": "Head of Operations",
        "hubspot_owner_id": "70000014",
        "product_user_id": f"u-{number}" if number % 2 else None,
        "lifecyclestage": "customer",
        "createdate": "2025-03-01T09:30:00.000Z",
        "lastmodifieddate": changed,
    }
    return {
        "id": str(50_000_000 + 13 * number),
        "properties": properties,
        "createdAt": "2025-03-01T09:30:00.000Z",
        "updatedAt": changed,
        "archived": False,
        "_associations": {"companies": [{"id": company, "primary": True}]},
    }


class Pages:
    """A source without a network."""

    def __init__(self, rows: list[Row]) -> None:
        self.streams: tuple[Stream, ...] = (Stream("contacts", "contact"),)
        self.calls: Mapping[str, int] = {}
        self.rows = rows
        self.name = "hubspot"

    def environment(self) -> Environment:
        return Environment("hubspot", "1", "bench", "STANDARD")

    def check(self) -> Iterator[Finding]:
        yield from ()

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:  # one stream, always whole
        for start in range(0, len(self.rows), PAGE):
            yield Batch(self.rows[start : start + PAGE], str(start))


def pulled(store: Store, rows: list[Row], field_map: FieldMap) -> float:
    """Contacts per CPU second."""
    start = time.process_time()
    (report,) = pull_all([(Pages(rows), field_map)], store, SystemClock())
    seconds = time.process_time() - start
    assert report.ending == "ok", report.error
    assert report.rows == len(rows)
    return len(rows) / seconds


def bare(store: Store) -> float:
    """Rows per CPU second of one `executemany` of the same rows into a table in memory."""
    names = [
        "key",
        "source",
        "source_id",
        "stream",
        "version",
        *(c.name for c in KINDS["contact"].columns),
        "valid_from",
    ]
    rows = store.rows(f"SELECT {', '.join(names)} FROM contact")
    with sqlite3.connect(":memory:") as db:
        db.execute(
            f"CREATE TABLE contact (key INTEGER PRIMARY KEY, {', '.join(names[1:])}, UNIQUE (source, source_id))"
        )
        start = time.process_time()
        db.executemany(f"INSERT INTO contact VALUES ({', '.join('?' * len(names))})", rows)
        seconds = time.process_time() - start
    db.close()
    return len(rows) / seconds


def spool(path: Path) -> float:
    """Write an hour's export; gives the mean length of a line."""
    chance = random.Random(1)
    start = int(NOW.timestamp()) - 86_400
    names = ["Signed in", "Report viewed", "Export run", "Dashboard opened", "Invite sent", "Comment added"]
    with path.open("w") as file:
        for number in range(EVENTS):
            person = int(PEOPLE * chance.random() ** 2)  # a few do much, many do little
            at = start + chance.randrange(86_000)
            properties: dict[str, Any] = {
                "time": at,
                "distinct_id": f"user-{person}",
                "$insert_id": f"{number:016x}",
                "$user_id": f"user-{person}",
                "$device_id": f"device-{person}",
                "mp_processing_time_ms": at * 1000 + 1234,
                "company_id": f"tenant-{person // 20}",
                "$os": "Mac OS X",
            }
            file.write(json.dumps({"event": chance.choice(names), "properties": properties}) + "\n")
    return path.stat().st_size / EVENTS


def counted(store: Store, path: Path, *, replaces: bool) -> float:
    """Events per second of wall time, on the two threads that counting takes."""
    copy = path.with_name("export.jsonl")
    copy.hardlink_to(path)
    events = FieldMap.load("mixpanel").events()
    assert events is not None
    day = (NOW - timedelta(days=1)).date()
    start = time.perf_counter()
    export = EventExport(copy, day, NOW.date(), replaces)
    counts = usage.ingest(store, ("mixpanel", "events"), export, events, cursor="c", now=NOW)
    seconds = time.perf_counter() - start
    assert counts.events + counts.duplicates == EVENTS
    return EVENTS / seconds


def main() -> list[dict[str, Any]]:
    rows = [contact(number) for number in range(CONTACTS)]
    field_map = FieldMap.load("hubspot")
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "state")
        first, again = pulled(store, rows, field_map), pulled(store, rows, field_map)
        ceiling = bare(store)
        path = Path(folder) / "events.jsonl"
        length = spool(path)
        unknown = counted(store, path, replaces=True)
        known = max(counted(store, path, replaces=True) for _ in range(2))
        repeated = counted(store, path, replaces=False)
        store.close()
    return [
        {"name": "HubSpot contacts pulled, mapped, committed, a core", "value": first, "unit": "/s"},
        {"name": "the same again, nothing changed", "value": again, "unit": "/s"},
        {"name": "executemany of the same rows into memory", "value": ceiling, "unit": "/s"},
        {"name": "pulled, mapped, committed / executemany into memory", "value": first / ceiling, "unit": "x"},
        {"name": "length of an event line", "value": length, "unit": "bytes"},
        {"name": "Mixpanel events counted, everybody new", "value": unknown, "unit": "/s"},
        {"name": "Mixpanel events counted, people known", "value": known, "unit": "/s"},
        {"name": "Mixpanel events found to be counted already", "value": repeated, "unit": "/s"},
    ]


if __name__ == "__main__":
    for line in main():
        print(line)
