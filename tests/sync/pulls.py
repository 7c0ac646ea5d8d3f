"""What the tests of pulling have in common: rows, pages, a pull, and what is held after it."""

from collections.abc import Iterator
from typing import Any

from connectors.base import Batch, Clock, Row, Stream
from sync.pull import PullReport, pull_all
from sync.store import Store
from tests.sync.states import NOW, FakeMap, FakeSource, Script, StandingClock

PEOPLE = Stream("people", "contact")
OTHERS = Stream("others", "contact")
EVENT_STREAM = Stream("events", "usage")


def rows(*ids: str, **values: Any) -> list[Row]:
    return [{"id": i, "at": NOW, **values} for i in ids]


def pages(*batches: Batch | Exception) -> Script:
    def script(_: str | None) -> Iterator[Batch]:
        for batch in batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch

    return script


def pull(store: Store, *sources: FakeSource, clock: Clock | None = None, **more: Any) -> dict[str, PullReport]:
    pairs: Any = [(source, FakeMap()) for source in sources]
    reports = pull_all(pairs, store, clock or StandingClock(), **more)
    assert [(r.source, r.stream) for r in reports] == [(s.name, t.name) for s in sources for t in s.streams]
    return {report.stream: report for report in reports}


def held(store: Store) -> set[str]:
    return {record.source_id for record in store.records("contact")}
