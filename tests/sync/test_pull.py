"""Pulling: side by side and page by page; what changes meanwhile, the CRM's own values, and events."""

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Batch, EventExport, Row, Stream, Value
from connectors.errors import (
    TransientError,
)
from mapping.schema import Contact
from sync import usage_files
from sync.pull import PullProgress, pull_all
from sync.store import Counts, Store
from tests.sync.memory_crm import MemoryCrm
from tests.sync.pulls import EVENT_STREAM, OTHERS, PEOPLE, held, pages, pull, rows
from tests.sync.states import HOUR, NOW, FakeMap, FakeSource, Script, StandingClock

# -- the ordinary way -----------------------------------------------------------------------------------------------


def test_every_page_is_committed_with_its_cursor(store: Store) -> None:
    seen = []

    def script(_: str | None) -> Iterator[Batch]:
        yield Batch(rows("1", "2"), "c1")
        seen.append((store.cursor("s", "people"), held(store)))
        yield Batch(rows("3"), "c2", deleted=("1",), merged={"2": "3"})
        seen.append((store.cursor("s", "people"), held(store)))

    report = pull(store, FakeSource("s", {PEOPLE: script}))["people"]
    assert seen == [("c1", {"1", "2"}), ("c2", {"3"})]
    assert (report.ending, report.rows, report.batches) == ("ok", 3, 2)
    assert report.counts == Counts(new=3, deleted=1, merged=1)
    assert report.complete == NOW


def test_the_next_pull_goes_on_from_the_cursor(store: Store) -> None:
    source = FakeSource("s", {PEOPLE: pages(Batch(rows("1"), "c1"), Batch([], None))})
    pull(store, source)
    pull(store, source)
    assert source.asked == [("people", None), ("people", "c1")]


def test_rows_that_say_they_are_gone_and_bad_rows_are_told(store: Store) -> None:
    batch = Batch(
        [*rows("1", "2"), {"id": "1", "gone": True}, {"id": "3", "bad": "title: too long"}, {"bad": "no id"}], "c"
    )
    report = pull(store, FakeSource("s", {PEOPLE: pages(batch)}))["people"]
    assert report.counts == Counts(new=2, deleted=1, rejected=2)
    assert {q.reason for q in store.quarantine()} == {"title: too long", "no id"}


def test_progress_is_told_after_every_page(store: Store) -> None:
    told: list[PullProgress] = []
    pull(
        store,
        FakeSource("s", {PEOPLE: pages(Batch(rows("1", "2"), "a"), Batch(rows("3"), "b"))}),
        on_progress=told.append,
    )
    assert [(p.rows, p.done) for p in told] == [(2, False), (3, False), (3, True)]
    assert all(p.rate > 0 for p in told)


def test_a_complete_listing_lets_records_vanish_unless_a_row_had_no_id(store: Store) -> None:
    ids = [str(n) for n in range(8)]
    everything = Batch(rows(*ids), "c", full=True)
    part = Batch(rows(*ids[1:]), "c", full=True)
    unreadable = Batch([*rows(*ids[2:]), {"bad": "no id"}], "c", full=True)
    for batch, expected in ((everything, ids), (part, ids[1:]), (unreadable, ids[1:])):
        source = FakeSource("s", {PEOPLE: pages(batch)})
        report = pull(store, source)["people"]
        assert held(store) == set(expected)
    assert report.counts.rejected == 1
    assert store.status()[0].listed == NOW


def test_a_disappearance_too_large_to_believe_is_told(store: Store) -> None:
    ids = [str(n) for n in range(60)]
    pull(store, FakeSource("s", {PEOPLE: pages(Batch(rows(*ids), "c", full=True))}))
    report = pull(store, FakeSource("s", {PEOPLE: pages(Batch([], "c", full=True))}))["people"]
    assert len(held(store)) == 60
    assert "60 records are missing from a complete listing" in report.notes[0]


def test_a_clock_that_differs_is_told(store: Store) -> None:
    late = Batch(rows("1"), "c", server_time=NOW + timedelta(seconds=300))
    near = Batch(rows("1"), "c", server_time=NOW - timedelta(seconds=100))
    reports = pull(store, FakeSource("s", {PEOPLE: pages(late), OTHERS: pages(near)}))
    assert reports["people"].notes == ["Its clock and ours differ by 300 seconds."]
    assert reports["others"].notes == []
    assert {s.stream: s.skew for s in store.status()} == {"people": 300, "others": -100}


# -- side by side ---------------------------------------------------------------------------------------------------


def test_streams_and_sources_are_read_side_by_side(store: Store) -> None:
    together = threading.Barrier(4, timeout=10)

    def script(_: str | None) -> Iterator[Batch]:
        together.wait()
        yield Batch(rows("1"), "c")

    pull(store, *(FakeSource(name, {PEOPLE: script, OTHERS: script}) for name in ("a", "b")))
    assert not together.broken


def test_a_stream_waits_for_those_it_needs(store: Store) -> None:
    order: list[str] = []

    def note(name: str) -> Script:
        def script(_: str | None) -> Iterator[Batch]:
            order.append(name)
            yield Batch(rows("1"), "c")

        return script

    streams = {
        Stream(f"s{n}", "contact", after=(f"s{n - 1}",) if n else ("elsewhere",)): note(f"s{n}")
        for n in reversed(range(8))
    }
    pull(store, FakeSource("s", streams))
    assert order == [f"s{n}" for n in range(8)]


def test_streams_that_wait_for_each_other_are_a_defect(store: Store) -> None:
    streams = {Stream("a", "contact", after=("b",)): pages(), Stream("b", "contact", after=("a",)): pages()}
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        pull(store, FakeSource("s", streams))


def test_a_stream_whose_need_failed_is_not_read(store: Store) -> None:
    child = Stream("child", "contact", after=("people",))
    source = FakeSource("s", {PEOPLE: pages(TransientError("down")), child: pages(Batch(rows("1"), "c"))})
    reports = pull(store, source)
    assert reports["child"].error == "It needs people, which could not be read."
    assert source.asked == [("people", None)]
    assert {s.stream: bool(s.error) for s in store.status()} == {"people": True, "child": True}


# -- the watermark --------------------------------------------------------------------------------------------------


class Shop:
    """A vendor whose records are listed by change stamp, two a page, while people go on changing them."""

    def __init__(self) -> None:
        self.records = {str(n): NOW - HOUR + n * timedelta(minutes=1) for n in range(7)}
        self.during: list[tuple[str, int]] = []

    def script(self, cursor: str | None) -> Iterator[Batch]:
        page = 0
        since, last_id = json.loads(cursor) if cursor else ("", "")
        while True:
            listed = sorted((at.isoformat(), source_id) for source_id, at in self.records.items())
            left = [(at, i) for at, i in listed if (at, i) > (since, last_id)][:2]
            if not left:
                return
            since, last_id = left[-1]
            names = [{"id": i, "at": self.records[i], "name": at} for at, i in left]
            yield Batch(names, json.dumps([since, last_id]))
            page += 1
            for source_id, when in self.during:
                if when == page:
                    self.records[source_id] = NOW + page * timedelta(seconds=1)


@pytest.mark.parametrize("when", [1, 2, 3, 4])
@pytest.mark.parametrize("source_id", ["0", "3", "6", "new"])
def test_a_record_that_changes_while_it_is_read_is_not_lost(source_id: str, when: int, store: Store) -> None:
    shop = Shop()
    shop.during = [(source_id, when)]
    for _ in range(2):
        pull(store, FakeSource("s", {PEOPLE: shop.script}))
        shop.during = []
    expected = {i: at.isoformat() for i, at in shop.records.items()}
    assert {r.source_id: r.title for r in store.records("contact") if isinstance(r, Contact)} == expected


# -- the CRM's own values -------------------------------------------------------------------------------------------


class FakeCrm(MemoryCrm):
    """The CRM in memory, with rows to pull."""

    def __init__(self, *batches: Batch) -> None:
        super().__init__()
        self.streams = (PEOPLE,)
        self.batches = batches

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        yield from self.batches

    def own_values(self, stream: Stream, row: Row) -> Mapping[str, Value]:
        return {"score": row["score"]} if "score" in row else {}


@pytest.mark.parametrize("bad", [[], [{"id": "3", "bad": "x", "score": 9}], [{"id": "4", "gone": True, "score": 9}]])
def test_what_the_crm_says_in_our_fields_comes_along(bad: list[Row], store: Store) -> None:
    crm = FakeCrm(Batch([*bad, *rows("1", score=70), *rows("2")], "c"))
    pull_all([(crm, FakeMap())], store, StandingClock())  # type: ignore[list-item]  # FakeMap has what pulling needs of a field map
    assert store.rows('SELECT object, record_id, "values" FROM crm_value') == [("contact", "1", '{"score":70}')]


# -- events ---------------------------------------------------------------------------------------------------------


def export(tmp_path: Path, *people: str) -> Batch:
    path = tmp_path / f"spool{len(list(tmp_path.iterdir()))}"
    seconds = int(NOW.timestamp())
    lines = [
        {"event": "Login", "properties": {"time": seconds, "distinct_id": p, "$user_id": p, "$insert_id": p}}
        for p in people
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Batch(cursor="e1", export=EventExport(path, NOW.date(), NOW.date(), replaces=True))


def test_exported_events_are_counted(store: Store, tmp_path: Path) -> None:
    report = pull(store, FakeSource("mp", {EVENT_STREAM: pages(export(tmp_path, "u1", "u2"))}))["events"]
    assert (report.ending, report.rows, report.counts) == ("ok", 2, Counts(events=2))
    assert store.cursor("mp", "events") == "e1"
    assert store.status()[0].total == 2


def test_events_nobody_knows_how_to_read_fail_their_stream(store: Store, tmp_path: Path) -> None:
    source: Any = FakeSource("mp", {EVENT_STREAM: pages(export(tmp_path, "u1"))})
    mute: Any = FakeMap(events=None)
    (report,) = pull_all([(source, mute)], store, StandingClock())
    assert "does not say how to read events" in report.error


def test_events_are_read_from_the_start_when_their_files_are_gone(store: Store, tmp_path: Path) -> None:
    pull(store, FakeSource("mp", {EVENT_STREAM: pages(export(tmp_path, "u1"))}))
    usage_files.files(store)[0].unlink()
    (store.path / "usage" / "mp" / "orphan.parquet").write_text("left behind")
    source = FakeSource("mp", {EVENT_STREAM: pages(export(tmp_path, "u1"))})
    report = pull(store, source)["events"]
    assert source.asked == [("events", None)]
    assert "1 usage file is missing (" in report.notes[0]
    assert usage_files.missing(store, "mp") == []
    assert not (store.path / "usage" / "mp" / "orphan.parquet").exists()


def test_days_that_nobody_tells_of_any_more_are_not_missed_for_ever(store: Store, tmp_path: Path) -> None:
    """After an old copy of the state: its oldest files are gone, and the source no longer has those days."""
    pull(store, FakeSource("mp", {EVENT_STREAM: pages(export(tmp_path, "u1"))}))
    with store.transaction() as conn:
        conn.execute(
            "INSERT INTO usage_file (stream, day, generation, path, rows, events, anonymous, written) "
            "SELECT stream, day - 90, generation, 'usage/mp/old.parquet', rows, events, anonymous, written "
            "FROM usage_file"
        )
    report = pull(store, FakeSource("mp", {EVENT_STREAM: pages(export(tmp_path, "u1"))}))["events"]
    assert "1 usage file is missing (old.parquet)" in report.notes[0]
    assert [path.name for path in usage_files.missing(store, "mp")] == []
    assert len(usage_files.files(store)) == 1
