"""Amplitude's events, counted: exports that only ever add, text times, reading anew, and the whole way there."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import EventExport
from mapping import normalise
from mapping.fields import EventMap, FieldMap, FieldMapError
from sandbox.amplitude_events import ADS
from sync import usage, usage_files
from sync.forget import forget
from sync.pull import pull_all
from sync.store import Counts, Page, Store
from sync.tables import epoch_day
from tests.connectors.amplitude_project import NOW, Project, at, lines, pull, world, zipped
from tests.sync.states import contact
from tests.sync.usage_exports import Count, counted, spool

DAY = timedelta(days=1)


def amplitude() -> EventMap:
    events = FieldMap.load("amplitude").events()
    assert events is not None
    return events


def event(happened: str, uploaded: str = "", user: Any = "u1", **more: Any) -> dict[str, Any]:
    """What happened in November, such as "20 07:00"; uploaded at once unless told otherwise."""
    at, came = (f"2026-11-{text}:00.500000" for text in (happened, uploaded or happened))
    return {
        "uuid": f"{user}{happened}", "event_type": "Tap", "user_id": user, "device_id": "d", "event_time": at,
        "server_upload_time": came, "groups": {"company": ["acme"]}, **more,
    }  # fmt: skip


@pytest.fixture
def take(store: Store, tmp_path: Path) -> Callable[..., Counts]:
    def made(*rows: Any, anew: bool = False, events: EventMap | None = None) -> Counts:
        export = EventExport(spool(tmp_path, *rows), date(2026, 10, 1), date(2026, 11, 23), replaces=False, anew=anew)
        return usage.ingest(store, ("am", "events"), export, events or amplitude(), cursor="c", now=NOW)

    return made


def on(day: int, number: int, group: str | None = "acme", user: str = "u1") -> Count:
    return (date(2026, 11, day), user, group, "Tap", number)


def test_text_times_groups_and_what_nobody_did(store: Store, take: Callable[..., Counts]) -> None:
    counts = take(
        event("20 23:59"), event("21 00:00"), event("21 00:00"),  # the last of them twice
        event("21 00:01", user=None), event("21 00:02", groups={}),
        event("21 00:03", groups={"company": ["acme", "beta"], "team": ["x"]}),
        event("21 00:04", user=None, event_type=ADS, device_id=None), event("21 00:05", event_type="$identify"),
        event("21 00:06", event_time=None), event("21 00:07", event_time="soon"), event("21 00:08", event_type=None),
        event("21 00:09", event_time="2027-11-22 00:00:00"), "nonsense", event("21 00:10", user=7),
        anew=True,
    )  # fmt: skip
    assert counts == Counts(events=5, anonymous=1, duplicates=1, rejected=5)
    assert counted(store) == sorted(
        [on(20, 1), on(21, 2), on(21, 1, None), on(21, 1, "beta"), on(21, 1, user="7")], key=repr
    )


def test_an_event_counts_on_its_own_day_and_once_across_hours(store: Store, take: Callable[..., Counts]) -> None:
    take(event("18 07:00"), event("21 06:00"), anew=True)
    again = take(event("21 06:00", "21 07:10"), event("18 08:00", "21 07:20"), event("21 07:30"))
    assert again == Counts(events=2, duplicates=1), "the same uuid, an hour later"
    assert take(event("21 06:00", "21 07:10"), event("18 08:00", "21 07:20"), event("21 07:30")).events == 0
    assert counted(store) == [on(18, 2), on(21, 2)]


def test_what_happened_before_the_first_uploads_is_not_counted(store: Store, take: Callable[..., Counts]) -> None:
    assert take(event("17 23:00", "18 01:00"), event("18 02:00"), anew=True).events == 1
    assert take(event("16 00:00", "21 01:00"), event("18 03:00", "21 02:00")).events == 1
    assert counted(store) == [on(18, 2)], "such a day would never be whole"


def test_reading_anew_counts_from_nothing_what_it_comes_to(store: Store, take: Callable[..., Counts]) -> None:
    """Days before its first uploads stay, and a day stays until its events come again."""
    take(*(event(f"{day} 0{hour}:00") for day in (17, 18, 19, 20) for hour in range(4)), anew=True)
    assert counted(store) == [on(day, 4) for day in (17, 18, 19, 20)]
    (gone,) = [path for path in usage_files.files(store) if path.name.startswith("2026-11-19")]
    gone.unlink()
    take(*(event(f"18 0{hour}:00") for hour in range(3)), event("17 09:00", "18 03:00"), anew=True)
    assert store.rows("SELECT day - ?, events FROM usage_file ORDER BY day", (epoch_day(date(2026, 10, 31)),)) == [
        (17, 4),
        (18, 3),
        (19, 4),
        (20, 4),
    ]
    take(*(event(f"19 0{hour}:00") for hour in range(4)), event("18 05:00", "19 03:00"))
    take(event("20 00:00"), event("19 09:00", "20 01:00"))
    assert counted(store) == [on(17, 4), on(18, 4), on(19, 5), on(20, 1)]
    assert usage_files.missing(store, "am") == []


def test_an_export_that_says_nothing_moves_the_place(store: Store, take: Callable[..., Counts]) -> None:
    take(event("20 00:00"), anew=True)
    assert take() == Counts()
    assert counted(store) == [on(20, 1)]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"times": "number"}, "must be one of epoch, text"),
        ({"ignore": "Daily Ad Metrics"}, "must be a list of event names"),
        ({"ignore": [1]}, "must be a list of event names"),
    ],
)
def test_a_map_that_cannot_be_used(table: dict[str, Any], words: str) -> None:
    with pytest.raises(FieldMapError, match=words):
        FieldMap.load("amplitude", {"events": table})
    assert FieldMap.load("amplitude", {"events": {"ignore": []}}).events().ignore == ()  # type: ignore[union-attr]


# ---- from the vendor


def read(store: Store, project: Project, **settings: Any) -> list[Any]:
    source = project.connect(**settings)
    reports = pull_all([(source, FieldMap.load("amplitude"))], store, project.box.clock)
    assert [report.ending for report in reports] == ["ok", "ok"], [report.error for report in reports]
    return reports


def truth(project: Project, begin: datetime) -> Counter[tuple[date, str]]:
    """Day and user -> events that signed-in people did and that can be exported, from the world itself."""
    vendor: Any = project.box.vendors["amplitude"]
    end = (vendor.ready() + timedelta(hours=1)).timestamp() * 1000
    found: Counter[tuple[date, str]] = Counter()
    for number in range((project.box.clock.now() - begin).days + 2):
        day = begin.date() + number * DAY
        arrays = world().mobile.arrays(day)  # type: ignore[attr-defined]
        for uploaded, person, anonymous in zip(arrays.uploaded_ms, arrays.person, arrays.anonymous, strict=True):
            if uploaded < end and not anonymous:
                found[day, str(world().people[person - 1].product_user_id)] += 1
    return found


def test_hour_by_hour_every_event_counts_once(store: Store, tmp_path: Path) -> None:
    """Rows that come twice, an hour apart and in other files; phones of one user; costs; late uploads; lost files."""
    project = Project(tmp_path / "spool")
    calls, notes = 0, []
    read(store, project, history_days=4)
    for number in range(20):
        project.box.clock.advance(timedelta(hours=1))
        if number == 14:
            (lost,) = [path for path in usage_files.files(store, sources=["app"]) if path.name.startswith("2026-11-21")]
            lost.unlink()
        source = project.connect(history_days=4)
        for report in pull_all([(source, FieldMap.load("amplitude"))], store, project.box.clock):
            assert report.ending == "ok", report.error
            notes += report.notes
        calls += sum(source.calls.values())
    assert calls == 20 + 3, "one an hour, and those of the second reading"
    assert [note for note in notes if "read from the start" in note]
    held = Counter[tuple[date, str]]()
    for day, user, _, _, times in counted(store):
        held[day, user] += times
    again = date(2026, 11, 20)  # the first day of the second reading: what comes late for earlier ones is left out
    expected = truth(project, datetime(2026, 11, 19, tzinfo=UTC))
    assert {key: n for key, n in held.items() if key[0] >= again} == {
        k: n for k, n in expected.items() if k[0] >= again
    }
    assert sum(held.values()) >= 0.9 * sum(expected.values())
    emails = {p.product_user_id: p.email for p in world().people}
    known = dict(store.rows("SELECT source_id, email FROM contact WHERE email IS NOT NULL"))
    assert known
    assert {user: normalise.email(str(emails[user])) for user in known} == known


def test_users_are_what_their_newest_events_say(store: Store, tmp_path: Path) -> None:
    """Of those that say any; also events that are not counted; ids in other places are no users; nobody forgotten."""
    project = Project(tmp_path / "spool")

    def tap(minute: int, user: Any, said: Any = None, **more: Any) -> dict[str, Any]:
        said = {"email": f"{user}@acme.example", "phone": "1"} if said is None else said
        return event(f"22 06:{minute:02d}", user=user, **{"user_properties": said} | more)

    rows: list[Any] = [
        tap(1, "u1", {"email": "new@b.example"}), tap(0, "u1"), tap(2, "u1", {}), tap(1, "u2", {}), tap(2, "u2"),
        tap(3, None), tap(5, "u3", {}), tap(6, 'q"uote'), "7", '{"user_id":"u9"', tap(7, "", user_id="", data="u8"),
        tap(8, "u3", "none"), tap(8, "u3", {"email": None}), tap(9, "u4", event_type="$identify"), tap(9, " u5 "),
        tap(9, "u6", event_type=None), tap(10, 7, {"email": ["x"]}), {"event_properties": {"user_id": "nobody"}},
        tap(11, "same", {"email": "a@b.example"}, uuid="x"), tap(11, "same", {"email": "z@b.example"}, uuid="y"),
    ]  # fmt: skip

    def take(*rows: Any) -> dict[str, Any]:
        project.answer(zipped(rows))
        (batch,) = pull(project.connect(), cursor=at("22T05"))
        assert batch.export is not None
        usage.ingest(store, ("app", "events"), batch.export, amplitude(), cursor=None, now=NOW)
        (page,) = pull(project.connect(), "users")
        pull(project.connect(), "users", page.cursor)
        assert {*page.rows[0], *page.rows[0]["user_properties"]} == {"user_id", "user_properties", "email"}
        return {row["user_id"]: row["user_properties"]["email"] for row in page.rows}

    told = [take(*rows), take(*rows[::-1])]
    named = {user: f"{user}@acme.example" for user in ("u2", 'q"uote', "u4", "u6")}
    same = told[0].pop("same")
    assert same in {"a@b.example", "z@b.example"}
    assert told[1].pop("same") == same, "in whatever order they come"
    assert told[0] == told[1] == named | {"u1": "new@b.example", "u3": None, "u5": " u5 @acme.example", "7": ["x"]}
    store.commit(Page("app", "users", "contact", [contact(name, source="app") for name in ("u1", "u2")]), NOW)
    silent = take(tap(20, "u1", {}), tap(20, "u2", {"email": ""}), tap(21, "u9", {}))
    assert silent == {"u2": "", "u9": None}, "who says nothing takes nothing away"
    forget(store, "app:u2", NOW, crm="crm")
    assert take(tap(30, "u2"), tap(30, "u2", {}), tap(30, "u9")) == {"u9": "u9@acme.example"}


def test_a_crash_between_any_two_steps_counts_nothing_twice(store: Store, tmp_path: Path) -> None:
    project = Project(tmp_path / "spool")
    batches = pull(project.connect())
    events = amplitude()
    for batch in batches[:2]:
        assert batch.export is not None
        copy = batch.export.path.with_name("copy.jsonl.gz")
        copy.hardlink_to(batch.export.path)
        for path, cursor in ((batch.export.path, None), (copy, batch.cursor)):
            again = replace(batch.export, path=path)
            usage.ingest(store, ("app", "events"), again, events, cursor=cursor, now=NOW)
    lines(batches[2:])
    read(store, project)
    held = sum(times for *_, times in counted(store))
    assert held == sum(truth(project, datetime(2026, 11, 20, tzinfo=UTC)).values())


def test_half_an_hour_that_came_for_a_whole_one_is_repaired_within_a_day(store: Store, tmp_path: Path) -> None:
    """Without another call, and nothing that was counted counts twice."""
    project = Project(tmp_path / "spool")
    read(store, project, history_days=2)
    calls, lost = 0, 0
    for number in range(24):
        project.box.clock.advance(timedelta(hours=1))
        project.box.faults.clear()
        if 12 <= number < 18:
            project.fault("first_page", rows=1)
        source = project.connect(history_days=2)
        pull_all([(source, FieldMap.load("amplitude"))], store, project.box.clock)
        calls += sum(source.calls.values())
        held = sum(times for *_, times in counted(store))
        missing = sum(truth(project, datetime(2026, 11, 21, tzinfo=UTC)).values()) - held
        lost = max(lost, missing)
    assert calls == 24
    assert lost > 0
    assert missing == 0


def test_a_repair_after_an_upgrade_counts_nothing_twice(store: Store, tmp_path: Path) -> None:
    """What is known of earlier events may be lost to another engine, another map or a lost file."""
    stream, again = ("am", "events"), datetime(2026, 11, 21, 7, tzinfo=UTC)
    rows = [event("21 05:00"), event("21 06:30")]

    def take(events: EventMap, *more: Any) -> int:
        export = EventExport(spool(tmp_path, *rows, *more), date(2026, 10, 1), date(2026, 11, 23), replaces=False)
        known = replace(export, anew=not more, repeats_until=again if more else None)
        return usage.ingest(store, stream, known, events, cursor="c", now=NOW).events

    assert take(amplitude()) == 2
    missing = event("21 06:00", user="u2")
    assert take(amplitude(), missing) == 1
    other = replace(amplitude(), insert_id="$insert_id")
    assert take(other, missing, event("21 06:10", user="u3"), event("21 07:10")) == 1, "only what is new for sure"
    for path in (store.path / "usage" / "am").glob("seen.*"):
        path.unlink()
    assert take(amplitude(), missing, event("21 07:10"), event("21 07:20", user="u4")) == 2
