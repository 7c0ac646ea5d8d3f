"""Which days and arrivals are asked for, so that no event is lost and none counted twice, against the simulator."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from connectors.base import Batch
from connectors.errors import QuotaError, RequestError, TransientError
from connectors.mixpanel import Mixpanel, Settings, connect
from sandbox.core import MIXPANEL_PROJECT, MIXPANEL_SECRET, MIXPANEL_USER, Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)
Event = dict[str, Any]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(seed=5, accounts=6, people_per_account=5, months=3, now=NOW)


class Shifted:
    """The sandbox's time as a machine sees it whose clock is wrong."""

    def __init__(self, clock: SandboxClock, ahead: timedelta) -> None:
        self.monotonic = clock.monotonic
        self.sleep = clock.sleep
        self._clock = clock
        self._ahead = ahead

    def now(self) -> datetime:
        return self._clock.now() + self._ahead


class Project:
    """A simulated project, our source on it, and what a reader of its exports would hold."""

    def __init__(self, world: World, spool: Path, **options: Any) -> None:
        self.sandbox = Sandbox(world, vendors=("mixpanel",), options={"mixpanel": options})
        self.spool = spool
        self.settings: dict[str, Any] = {"history_days": 40}
        self.cursor: str | None = None
        self.held: dict[date, dict[str, Event]] = {}
        self.source = self.restart()

    def restart(self, ahead: timedelta = timedelta(), **settings: Any) -> Mixpanel:
        """As a new process would, with a clock that may be wrong."""
        self.settings |= settings
        clock = Shifted(self.sandbox.clock, ahead)
        made = Settings(
            project_id=MIXPANEL_PROJECT,
            username=MIXPANEL_USER,
            secret=MIXPANEL_SECRET,
            base_url=self.sandbox.base_urls()["mixpanel"],
            **self.settings,
        )
        self.source = connect("mixpanel", made, clock=clock, adapter=SandboxAdapter(self.sandbox), spool=self.spool)
        return self.source

    def wait(self, **span: float) -> None:
        self.sandbox.clock.advance(timedelta(**span))
        self.restart()

    def pull(self, cursor: str | None = None) -> list[Batch]:
        return list(self.source.pull(self.source.streams[0], cursor))

    def next(self) -> list[Batch]:
        """Pull from where we were, and keep books."""
        batches = self.pull(self.cursor)
        for batch in batches:
            self.keep(batch)
        return batches

    def keep(self, batch: Batch) -> None:
        self.cursor = batch.cursor or self.cursor
        if batch.export is None:
            return
        export = batch.export
        if export.replaces:
            for day in self.held:
                if export.first_day <= day <= export.last_day:
                    self.held[day] = {}
        for found in read(batch):
            self.held.setdefault(day_of(found), {})[key(found)] = found
        export.path.unlink()

    def ids(self) -> set[str]:
        return {insert for events in self.held.values() for insert in events}

    def truth(self, days: int) -> set[str]:
        """What a full export would show now."""
        exports = self.sandbox.mixpanel.exports
        exports.per_hour = exports.per_second = 999
        probe = Project.__new__(Project)
        probe.sandbox, probe.spool, probe.settings = self.sandbox, self.spool, dict(self.settings)
        probe.cursor, probe.held = None, {}
        probe.restart(history_days=days)
        probe.next()
        return probe.ids()

    def late(self, days: float, **args: Any) -> str:
        """An event that happened days ago and arrives now."""
        user = next(p.product_user_id for p in self.sandbox.world.people if p.product_user_id)
        happened = (self.sandbox.clock.now() - timedelta(days=days)).isoformat()
        found = self.sandbox.mutate("mixpanel", "late_event", user_id=user, time=happened, **args)
        return str(found["$insert_id"])

    def asked(self) -> list[dict[str, str]]:
        entries = [e for e in self.sandbox.journal.entries() if e.path.endswith("export")]
        return [{name: values[0] for name, values in parse_qs(entry.query).items()} for entry in entries]


def read(batch: Batch) -> list[Event]:
    assert batch.export is not None
    path = batch.export.path
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.split(b"\n") if line]


def day_of(event: Event) -> date:
    return datetime.fromtimestamp(event["properties"]["time"], UTC).date()


def key(event: Event) -> str:
    """What makes two lines the same event; `$insert_id` alone is used again by others."""
    return str([event["properties"].get(name) for name in ("distinct_id", "time", "$insert_id")] + [event["event"]])


def inserts(batches: list[Batch]) -> list[str]:
    return [e["properties"]["$insert_id"] for batch in batches if batch.export for e in read(batch)]


@pytest.fixture
def make(world: World, tmp_path: Path) -> Callable[..., Project]:
    def made(**options: Any) -> Project:
        return Project(world, tmp_path, **options)

    return made


@pytest.fixture
def project(make: Callable[..., Project]) -> Project:
    return make()


def spans(batches: list[Batch]) -> list[tuple[date, date, bool]]:
    return [(b.export.first_day, b.export.last_day, b.export.replaces) for b in batches if b.export]


# ---- the first pull and the hours after it


def test_the_first_pull_covers_the_history_in_slices_that_replace(project: Project) -> None:
    batches = project.pull()
    today = NOW.date()
    assert spans(batches) == [
        (today - timedelta(days=39), today - timedelta(days=10), True),
        (today - timedelta(days=9), today, True),
    ]
    assert project.source.calls["events"] == 2
    for batch in batches:
        assert batch.export is not None
        assert batch.export.path.name.endswith(".jsonl.gz")
        assert {batch.export.first_day <= day_of(e) <= batch.export.last_day for e in read(batch)} == {True}


def test_an_hour_costs_one_call_and_brings_what_arrived(project: Project) -> None:
    project.next()
    project.wait(hours=8)
    batches = project.next()
    assert [replaces for *_, replaces in spans(batches)] == [False]
    (asked,) = project.asked()[2:]
    assert asked["where"].startswith('number(properties["mp_processing_time_ms"]) >= ')
    assert asked["from_date"] == "2026-11-17"
    assert project.source.calls["events"] == 1
    assert project.ids() == project.truth(40)


def test_an_hour_without_events_hands_on_a_place_and_no_file(project: Project) -> None:
    project.next()
    seen = json.loads(project.cursor or "")["arrived"]
    project.wait(minutes=1)
    project.sandbox.faults.add(Fault("status", path="export", status=200, body=""))
    (batch,) = project.next()
    assert batch.export is None
    assert json.loads(batch.cursor or "")["arrived"] == seen
    assert list(project.spool.rglob("*.jsonl*")) == []


@pytest.mark.parametrize("days", [0.01, 1, 3, 4.9])
def test_a_late_event_comes_within_the_hour(project: Project, days: float) -> None:
    project.next()
    project.wait(hours=1)
    project.next()
    insert = project.late(days)
    project.wait(hours=1)
    assert insert in inserts(project.pull(project.cursor))


def test_a_day_of_hours_ends_with_the_whole_truth(project: Project) -> None:
    project.next()
    for hour in range(30):
        if hour % 7 == 3:
            project.late(hour / 7)
        project.wait(hours=1)
        project.next()
    assert project.ids() == project.truth(41)


def test_the_question_overlaps_the_last_arrival_by_ten_minutes(project: Project) -> None:
    project.next()
    arrived = json.loads(project.cursor or "")["arrived"]
    project.wait(hours=1)
    project.pull(project.cursor)
    assert project.asked()[-1]["where"].endswith(f">= {arrived - 600_000}")


def test_events_that_were_stored_out_of_order_are_not_lost(project: Project) -> None:
    project.next()
    project.wait(hours=1)
    arrived = datetime.fromtimestamp(json.loads(project.cursor or "")["arrived"] / 1000, UTC)
    insert = project.late(0.2, arrived=(arrived - timedelta(minutes=8)).isoformat())
    assert insert in inserts(project.pull(project.cursor))


def test_once_a_day_the_last_days_are_replaced(project: Project) -> None:
    project.next()
    project.wait(hours=23)
    batches = project.next()
    assert spans(batches) == [(date(2026, 11, 17), date(2026, 11, 22), True)]
    assert "where" not in project.asked()[-1]
    project.wait(hours=1)
    assert [replaces for *_, replaces in spans(project.pull(project.cursor))] == [False]


def test_after_a_long_silence_nothing_is_missing(project: Project) -> None:
    project.next()
    project.wait(days=3)
    project.late(4.5)
    project.wait(days=37)
    batches = project.next()
    assert [replaces for *_, replaces in spans(batches)] == [True, True]
    assert project.ids() >= project.truth(40)


def test_the_place_never_passes_the_vendors_clock_nor_the_days_asked_for(project: Project) -> None:
    stamps = {"time": 1_795_000_000, "distinct_id": "u", "mp_processing_time_ms": 1_995_000_000_000}
    line = json.dumps({"event": "Odd", "properties": stamps})
    project.sandbox.faults.add(Fault("status", path="export", status=200, body=line, times=2))
    batches = project.pull()
    assert json.loads(batches[-1].cursor or "")["arrived"] <= NOW.timestamp() * 1000


# ---- clocks and zones


@pytest.mark.parametrize("hours", [30, 3, -3, -30])
def test_a_wrong_local_clock_loses_nothing(project: Project, hours: int) -> None:
    project.wait(hours=2)
    project.restart(ahead=timedelta(hours=hours))
    project.next()
    assert json.loads(project.cursor or "")["through"] == "2026-11-22"
    project.sandbox.clock.advance(timedelta(hours=3))
    project.restart(ahead=timedelta(hours=hours))
    project.next()
    assert project.ids() >= project.truth(38)


def test_a_refusal_that_the_clock_does_not_explain_is_passed_on(project: Project) -> None:
    body = {"error": "malformed"}
    project.sandbox.faults.add(Fault("status", path="export", status=400, body=body, times=9))
    with pytest.raises(RequestError):
        project.pull()
    assert project.source.calls["events"] == 1


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo"])
def test_the_last_day_has_begun_in_the_projects_zone(make: Callable[..., Project], zone: str) -> None:
    project = make(timezone=zone)
    project.restart(project_timezone=zone)
    project.wait(hours=2)
    project.next()
    assert {entry.status for entry in project.sandbox.journal.entries()} == {200}
    for _ in range(12):
        project.late(0)
        project.wait(hours=1)
        project.next()
    assert project.ids() >= project.truth(40)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo"])
def test_old_projects_have_days_and_times_of_their_own_zone(make: Callable[..., Project], zone: str) -> None:
    project = make(timezone=zone, legacy_time=True)
    project.restart(project_timezone=zone, legacy_time=True)
    project.wait(hours=9)
    batches = project.pull()
    today = (NOW + timedelta(hours=9)).astimezone(project.source._events._zone).date()
    assert spans(batches)[-1][1] == today
    for batch in batches:
        assert batch.export is not None
        assert all(batch.export.first_day <= day_of(e) <= batch.export.last_day for e in read(batch))


# ---- when it goes wrong


def test_what_a_killed_run_left_behind_is_removed(project: Project) -> None:
    stream = project.source.pull(project.source.streams[0], None)
    orphan = next(stream).export
    project.restart()
    project.next()
    assert orphan is not None
    assert not orphan.path.exists()


def test_a_slice_that_is_terminated_early_is_made_again(project: Project) -> None:
    project.sandbox.mutate("mixpanel", "terminate_export", after=20, times=1)
    project.next()
    assert project.source.calls["events"] == 3
    assert project.ids() == project.truth(40)


def test_a_slice_that_always_breaks_leaves_the_slices_before_it_good(project: Project) -> None:
    stream = project.source.pull(project.source.streams[0], None)
    first = next(stream)
    project.sandbox.mutate("mixpanel", "terminate_export", after=20, times=3)
    with pytest.raises(TransientError):
        next(stream)
    project.keep(first)
    assert list(project.spool.rglob("*.jsonl*")) == []
    project.restart()
    rest = project.next()
    assert first.export is not None
    assert spans(rest)[0][0] == first.export.last_day - timedelta(days=5)
    assert project.ids() == project.truth(40)


def test_a_used_up_hour_keeps_the_place(make: Callable[..., Project]) -> None:
    project = make(export_per_hour=2)
    kept = project.next()[-1].cursor
    project.wait(minutes=10)
    with pytest.raises(QuotaError):
        project.next()
    assert project.cursor == kept
    project.wait(hours=9)
    project.next()
    assert project.cursor != kept


def test_a_project_without_arrival_stamps_is_read_whole_each_time(project: Project) -> None:
    bare = '{"event": "Old", "properties": {"time": 1795000000, "distinct_id": "u"}}\n' * 3
    project.sandbox.faults.add(Fault("status", path="export", status=200, body=bare, times=99))
    project.next()
    assert "arrived" not in json.loads(project.cursor or "")
    project.wait(hours=1)
    batches = project.next()
    assert [replaces for *_, replaces in spans(batches)] == [True]


def test_an_answer_that_lost_the_stamp_is_replaced_by_a_whole_one(project: Project) -> None:
    project.next()
    project.wait(hours=1)
    bare = json.dumps({"event": "Old", "properties": {"time": 1_795_000_000, "distinct_id": "u", "$insert_id": "x"}})
    project.sandbox.faults.add(Fault("status", path="export", status=200, body=bare + "\n"))
    batches = project.next()
    assert [replaces for *_, replaces in spans(batches)] == [True]
    assert project.source.calls["events"] == 2
    assert list(project.spool.rglob("*.jsonl*")) == []


def test_an_empty_project_is_no_error(project: Project) -> None:
    project.sandbox.faults.add(Fault("status", path="export", status=200, body="", times=99))
    assert len(spans(project.next())) == 2


def test_a_history_that_came_empty_is_asked_for_again(project: Project) -> None:
    project.sandbox.faults.add(Fault("status", path="export", status=200, body="", times=2))
    first = spans(project.next())
    assert project.ids() == set()
    project.wait(hours=1)
    assert spans(project.next()) == first
    assert project.ids() == project.truth(days=40)
    project.wait(hours=1)
    assert len(project.next()) == 1, "from then on what is new"


def test_a_merged_device_is_seen_by_the_daily_repair(tmp_path: Path) -> None:
    world = make_world(seed=5, accounts=80, people_per_account=6, months=1, now=NOW)
    project = Project(world, tmp_path)
    project.restart(history_days=8)
    project.next()
    recent = {
        e["properties"]["distinct_id"]
        for day, events in project.held.items()
        for e in events.values()
        if day > NOW.date() - timedelta(days=5) and e["properties"]["distinct_id"].startswith("$device:")
    }
    device = min(recent)
    project.sandbox.mutate("mixpanel", "merge_device", device_id=device.removeprefix("$device:"))
    project.wait(hours=23)
    project.next()
    assert device not in {e["properties"]["distinct_id"] for events in project.held.values() for e in events.values()}
