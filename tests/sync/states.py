"""Helpers for tests of the state: made-up records, a clock that stands, a source that says what it is told to."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.base import Batch, Environment, Finding, Row, Stream
from mapping.mapped import EventMap, Mapped, Reject
from mapping.schema import Account, Contact, Ticket
from sync.store import Store

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

EVENTS = EventMap(
    name="event",
    time="properties.time",
    person="properties.$user_id",
    distinct_id="properties.distinct_id",
    account="properties.company_id",
    insert_id="properties.$insert_id",
    arrived="properties.mp_processing_time_ms",
    device="properties.$device_id",
    device_prefix="$device:",
)


class StandingClock:
    """Time that only the test moves."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at
        self.ticks = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        self.ticks += 0.5
        return self.ticks

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def contact(source_id: str, *, at: datetime | None = NOW, source: str = "crm", **values: Any) -> Contact:
    return Contact(source=source, source_id=source_id, updated_at=at, **values)


def account(source_id: str, *, at: datetime | None = NOW, source: str = "crm", **values: Any) -> Account:
    return Account(source=source, source_id=source_id, updated_at=at, **values)


def ticket(source_id: str, *, at: datetime | None = NOW, source: str = "desk", **values: Any) -> Ticket:
    given = {"status": "open", "created_at": NOW} | values
    return Ticket(source=source, source_id=source_id, updated_at=at, **given)


def dump(store: Store) -> dict[str, list[Any]]:
    """Everything in the state file but row numbers handed out by arrival, for comparing two states."""
    tables = [row[0] for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {
        table: sorted(map(repr, store.rows(f'SELECT * FROM "{table}"')))
        for table in tables
        if not table.startswith("_sqlite")
    }


class FakeMap:
    """A field map that reads rows {"id", "name", "at", "account"} as contacts, and fails where the row says so."""

    def __init__(self, events: EventMap | None = EVENTS) -> None:
        self._events = events

    def apply(self, source: str, stream: str, rows: Iterable[Row], now: datetime) -> Mapped:
        mapped = Mapped()
        for row in rows:
            if "bad" in row:
                mapped.rejects.append(Reject(source, stream, row.get("id"), row["bad"], "{}"))
            elif row.get("gone"):
                mapped.deleted.append(row["id"])
            else:
                mapped.records.append(
                    contact(
                        row["id"],
                        source=source,
                        at=row.get("at"),
                        title=row.get("name"),
                        account_ref=row.get("account"),
                    )
                )
        return mapped

    def keys(self, _: str) -> tuple[list[str], str]:
        return ["id", "name"], ""

    def events(self) -> EventMap | None:
        return self._events


Script = Callable[[str | None], Iterator[Batch]]


class FakeSource:
    """A source whose streams do what the test says."""

    def __init__(self, name: str, scripts: Mapping[Stream, Script]) -> None:
        self.name = name
        self.scripts = scripts
        self.streams = tuple(scripts)
        self.calls: Counter[str] = Counter()
        self.asked: list[tuple[str, str | None]] = []

    def environment(self) -> Environment:
        return Environment("fake", "1", self.name, "STANDARD")

    def check(self) -> Iterator[Finding]:
        yield from ()

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        self.asked.append((stream.name, cursor))
        yield from self.scripts[stream](cursor)
