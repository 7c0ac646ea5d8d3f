"""Amplitude's hours, exports, users and checks, against the simulator."""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import amplitude_export, downloads
from connectors.amplitude import ADDRESSES, Settings, connect
from connectors.base import Source, Stream
from connectors.errors import (
    ConfigError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    RequestError,
    ShapeError,
    TransientError,
)
from sandbox.core import AMPLITUDE_SECRET
from tests.connectors.amplitude_project import CREDENTIALS, NOW, Project, at, lines, pull, world, zipped

HOUR = timedelta(hours=1)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "spool")


@pytest.fixture
def event(project: Project) -> Callable[..., dict[str, Any]]:
    """An event that was uploaded in the last complete hour, 06."""

    def make(number: int = 0, user: str | None = "u1", **more: Any) -> dict[str, Any]:
        stamp = f"2026-11-22 06:{number:02d}:00.000000"
        known: dict[str, Any] = {"user_properties": {"email": f"{user}@acme.example"}}
        return {
            "uuid": f"id{number}", "event_type": "Tap", "user_id": user, "device_id": "d", "event_time": stamp,
            "server_upload_time": stamp, "groups": {"company": ["acme"]}, **known, **more,
        }  # fmt: skip

    return make


def user_with_app() -> str:
    person = next(p for p in world().people if p.id in world().mobile.users)  # type: ignore[attr-defined]
    return str(person.product_user_id)


# ---- which hours


def test_a_first_pull_asks_for_a_day_at_a_time_and_a_quiet_hour_costs_one_call(project: Project) -> None:
    source = project.connect()
    first = pull(source)
    assert project.ranges() == ["20261120T00-20261120T23", "20261121T00-20261121T23", "20261122T00-20261122T06"]
    assert [batch.export.anew for batch in first if batch.export] == [True, False, False]
    assert len(lines(first)) > 50
    place = first[-1].cursor
    project.box.clock.advance(HOUR)
    later = pull(project.connect(), cursor=place)
    lines(later)
    assert project.ranges() in (["20261122T07-20261122T07"], ["20261122T06-20261122T07"])
    assert not list(project.folder.glob("amplitude-*"))


def test_nothing_is_asked_for_before_an_hour_is_complete(project: Project) -> None:
    place = at("22T06")
    (batch,) = pull(project.connect(), cursor=place)
    assert (batch.cursor, batch.export, project.ranges()) == (place, None, [])
    project.box.clock.advance(timedelta(minutes=40))  # ten: what came between seven and eight is there
    lines(pull(project.connect(), cursor=place))
    assert project.ranges() == ["20261122T07-20261122T07"]


@pytest.mark.parametrize("options", [{"most_hours": 6}, {"most_rows": 60}])
def test_a_range_that_is_too_much_is_asked_for_in_smaller_ones(tmp_path: Path, options: dict[str, int]) -> None:
    whole = {row["uuid"] for row in lines(pull(Project(tmp_path / "a").connect()))}
    project = Project(tmp_path / "b", **options)
    assert {row["uuid"] for row in lines(pull(project.connect()))} == whole
    calls = project.ranges()
    assert len(calls) <= 2 + 10 if "most_hours" in options else len(calls) < 80


def test_an_hour_that_is_too_much_is_an_error(tmp_path: Path) -> None:
    project = Project(tmp_path, most_rows=0)
    with pytest.raises(RequestError, match="4 GB"):
        pull(project.connect())
    project.act("options", most_hours=0)
    with pytest.raises(TransientError, match="504"):
        pull(project.connect())


def test_an_empty_hour_is_passed_over_only_when_that_is_sure(project: Project) -> None:
    """By a later hour that has events, and by silence after a day."""
    project.fault(status=404, body="Raw data files were not found.", times=10**6)
    place = at("22T03")
    (batch,) = pull(project.connect(), cursor=place)
    assert (batch.cursor, batch.export) == (place, None)
    project.ranges()
    project.box.clock.advance(timedelta(hours=25))
    (batch,) = pull(project.connect(), cursor=place)
    assert project.ranges() == ["20261122T04-20261123T03", "20261123T04-20261123T07"], "no more calls than it takes"
    assert batch.export is not None
    assert batch.export.path.read_bytes() == b""
    assert batch.cursor == at("22T09", "22T03"), "and not to the end"
    (batch,) = pull(project.connect())
    assert (batch.cursor, batch.export) == ("{}", None), "a history without events looks like an outage"


def test_an_hour_that_is_silent_at_the_end_is_asked_for_again(project: Project, event: Callable[..., Any]) -> None:
    early = event(server_upload_time="2026-11-22 04:59:00.000000")
    project.answer(zipped([early]))
    (batch,) = pull(project.connect(), cursor=at("22T03"))
    lines([batch])
    assert batch.cursor == at("22T04", "22T03"), "05 and 06 may not be there yet"
    project.answer(zipped([event(server_upload_time="nonsense")]))
    (batch,) = pull(project.connect(), cursor=at("22T03"))
    lines([batch])
    assert batch.cursor == at("22T05", "22T03"), "no event says when: 05 ended three hours ago, 06 did not"
    project.answer(zipped([], []))
    (batch,) = pull(project.connect(), cursor=at("22T03"))
    assert (batch.cursor, batch.export) == (at("22T03"), None), "an empty zip says nothing"


def test_late_uploads_come_with_the_hour_in_which_they_were_uploaded(project: Project) -> None:
    place = pull(project.connect())[-1].cursor
    happened = NOW - timedelta(days=3)
    project.act("upload", user_id=user_with_app(), time=happened.isoformat(), name="Found again")
    project.box.clock.advance(timedelta(hours=3))
    batches = pull(project.connect(), cursor=place)
    assert all(batch.export.first_day <= happened.date() for batch in batches if batch.export)
    (late,) = [row for row in lines(batches) if row["event_type"] == "Found again"]
    assert late["event_time"].startswith("2026-11-19 00:00")
    assert late["server_upload_time"].startswith("2026-11-22 09:20")


@pytest.mark.parametrize("cursor", ["{", '{"hour":"yesterday"}'])
def test_a_place_that_is_none(project: Project, cursor: str) -> None:
    with pytest.raises(CursorExpiredError):
        pull(project.connect(), cursor=cursor)
    with pytest.raises(CursorExpiredError):
        pull(project.connect(), "users", cursor=cursor)


def test_an_outage_that_says_200(project: Project) -> None:
    """Nothing is passed over; what comes by halves is whole JSON and counts as an hour."""
    place = at("20T23")
    whole = lines(pull(project.connect(), cursor=place))
    project.fault("empty")
    (batch,) = pull(project.connect(), cursor=at("22T03"))
    assert (batch.cursor, batch.export) == (at("22T03"), None)
    project.fault("first_page", rows=1)
    assert 0 < len(lines(pull(project.connect(), cursor=place))) < len(whole)
    project.fault("zero_counts")
    assert {row["uuid"] for row in lines(pull(project.connect(), cursor=place))} == {row["uuid"] for row in whole}
    project.fault("stale", seconds=3 * 3600)
    stale = pull(project.connect(), cursor=place)
    assert place < str(stale[-1].cursor) <= at("22T03"), "what is not there yet is not passed over"
    held = {row["uuid"] for row in lines(stale)}
    project.box.faults.clear()
    held |= {row["uuid"] for row in lines(pull(project.connect(), cursor=stale[-1].cursor))}
    assert held == {row["uuid"] for row in whole}


# ---- the daily repair


def test_once_a_day_what_was_read_is_read_again_at_no_call(project: Project) -> None:
    """Every hour is read a second time, whenever pulls are made; also after a day without any."""
    place = pull(project.connect())[-1].cursor
    project.ranges()
    asked: list[str] = []
    for pause in (*[1] * 25, 8, 8, 8, 8, 24, 24, 30):
        project.box.clock.advance(pause * HOUR)
        batches = pull(project.connect(), cursor=place)
        ranges = project.ranges()
        assert len(ranges) <= -(-pause // 24) + (pause >= 23), "pulls a day apart make a call more"
        lines(batches)
        place, asked = batches[-1].cursor or place, asked + ranges
    times: Counter[datetime] = Counter()
    for first, last in ([datetime.fromisoformat(f"{hour}+00:00") for hour in text.split("-")] for text in asked):
        times.update(first + number * HOUR for number in range((last - first) // HOUR + 1))
    repaired = datetime.fromisoformat(json.loads(str(place))["repaired"] + "+00:00")
    hours = [NOW + 7 * HOUR + number * HOUR for number in range(100)]
    assert hours[-1] < repaired
    assert {times[hour] for hour in hours} <= {2, 3}, "three times where an hour was silent at the end"


# ---- downloads


def test_several_files_become_one_export(project: Project, event: Callable[..., Any]) -> None:
    """Also where a file ends without a line end, one is empty, and a folder has an entry of its own."""
    project.answer(zipped([event(1), event(2)], [], [event(3, note="\u2028 line\r\n", server_upload_time="")]))
    (batch,) = pull(project.connect(), cursor=at("22T05"))
    assert [row["uuid"] for row in lines([batch])] == ["id1", "id2", "id3"]
    assert batch.cursor == at("22T06", "22T05")


@pytest.mark.parametrize(
    "body",
    [
        b"PK no zip",
        zipped([{}])[:-30],
        zipped(["{", "cut"]),
        zipped([{}], **{"2.json.gz": b"no gzip"}),
        zipped([{}], **{"2.json.gz": gzip.compress(b"{}\n" * 99)[:-9]}),
        zipped([{}], **{"2.json.gz": gzip.compress(b"{}\n")[:-8] + b"\0" * 8}),
        zipped([{}], **{"2.json.gz": gzip.compress(b"{}\n")[:12] + b"\xff\xff\xff"}),
    ],
    ids=["no zip", "cut zip", "cut line", "no gzip", "cut gzip", "wrong sum", "no deflate"],
)
def test_a_broken_export_fails_its_hour(project: Project, body: bytes) -> None:
    place = at("22T05")
    project.answer(body)
    (batch,) = pull(project.connect(), cursor=place)
    assert lines([batch]), "once is made good by asking again"
    project.answer(body, times=9)
    with pytest.raises(TransientError, match="nothing of it was used"):
        pull(project.connect(), cursor=place)
    assert not list(project.folder.glob("amplitude-*"))
    assert len(project.ranges()) == 2 + downloads.TRIES


def test_lines_without_end_and_downloads_without_end(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "LONGEST_LINE", 100)
    project.answer(zipped([{"long": "x" * 200}]), times=9)
    with pytest.raises(TransientError, match="a line that does not end"):
        pull(project.connect())
    monkeypatch.setattr(amplitude_export, "DEADLINE", -1.0)
    with pytest.raises(TransientError, match="took more than"):
        pull(project.connect())


def test_a_disk_that_cannot_be_written(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(TransientError, match="cannot be stored"):
        pull(project.connect(spool=file))

    class Full:
        def write(self, block: bytes) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(TransientError, match="No space left"):
        downloads.write(Full(), b"x", "amplitude")  # type: ignore[arg-type]  # as far as it is used
    monkeypatch.setattr(Path, "touch", lambda *_, **__: Full().write(b""))
    with pytest.raises(TransientError, match="list of users cannot be stored: No space"):
        lines(pull(project.connect()))


def test_without_a_folder_of_its_own(project: Project) -> None:
    source = project.connect(spool=None)
    assert lines(pull(source))
    assert pull(source, "users")[0].rows


# ---- users


def test_users_are_told_once_and_silence_is_no_news(project: Project) -> None:
    """Those of a pull, in each file who is new or new in what is said; nothing of a write that was cut short stays."""
    project.folder.mkdir(parents=True)
    (project.folder / "waiting-1.part").touch()
    batches = pull(project.connect(), cursor=at("21T00"))
    people, more = (batch.export.people for batch in batches if batch.export)
    lines(replace(batch, export=batch.export and replace(batch.export, people=None)) for batch in batches)
    assert people is not None
    assert more is not None
    assert (people.person, people.properties, people.names) == ("user_id", "user_properties", ("email",))
    ann, bob = ({"user_id": name, "user_properties": {"email": f"{name}@a.example"}} for name in ("ann", "bob"))
    silent = [{"user_id": name, "user_properties": {"email": None}} for name in ("ann", "cy")]
    people.keep([ann])
    more.keep([ann, bob])
    more.keep([silent[0], bob])
    more.keep(silent)
    pages = pull(project.connect(), "users")
    assert [page.rows for page in pages] == [[ann], [bob], [silent[1]]]
    assert str(pages[0].cursor).startswith("20261121T23-20261122T0920")
    assert not list(project.folder.glob("*.part"))


def test_users_wait_until_they_were_committed(project: Project) -> None:
    lines(pull(project.connect()))
    first = pull(project.connect(), "users")
    again = pull(project.connect(), "users")
    assert [batch.rows for batch in again] == [batch.rows for batch in first], "nobody committed them"
    assert pull(project.connect(), "users", first[0].cursor) == again[1:]
    (none,) = pull(project.connect(), "users", first[-1].cursor)
    assert (none.rows, none.cursor) == ([], first[-1].cursor)
    assert not list(project.folder.glob("waiting-*"))
    known: dict[str, Any] = {}
    for batch in first:
        for row in batch.rows:
            said = {**row, "event_time": None}
            assert known.get(row["user_id"]) != said, "told only when it is new"
            known[row["user_id"]] = said


def test_a_file_of_users_that_is_not_whole(project: Project) -> None:
    lines(pull(project.connect(history_days=6)))
    files = sorted(project.folder.glob("waiting-*"))
    files[0].write_text('[{"user')
    files[1].write_text("{}")
    (project.folder / "waiting-other.json").touch()
    rest = [row for file in files[2:] for row in json.loads(file.read_text()).values()]
    assert rest
    assert [row for batch in pull(project.connect(), "users") for row in batch.rows] == rest
    assert not files[0].exists()


# ---- who we are


def test_check_and_what_it_costs(project: Project) -> None:
    source = project.connect()
    assert isinstance(source, Source)
    findings = {finding.code: finding for finding in source.check()}
    assert set(findings) == {"identity", "rights", "lag"}
    assert {finding.severity for finding in findings.values()} == {"ok", "info"}
    assert source.calls == {"check": 1}
    where = source.environment()
    assert (where.vendor, where.kind, where.account_id) == ("amplitude", "project", "us:a-sandbox-api-key")
    assert AMPLITUDE_SECRET not in repr([findings, where])
    project.fault(status=404, body="none", times=2)
    assert "silence" in {finding.code for finding in source.check()}
    assert source.sample_events() == []
    assert {"company"} == {name for groups in source.sample_events() for name in groups}
    project.answer(b"no zip")
    with pytest.raises(ShapeError):
        source.sample_events()
    with pytest.raises(ValueError, match="no stream"):
        source.pull(Stream("cohorts", "contact"), None)


def test_wrong_keys_and_missing_rights_are_told_apart(project: Project) -> None:
    wrong = project.connect(secret_key="wrong-secret")
    with pytest.raises(CredentialsError, match="region") as caught:
        list(wrong.check())
    assert "wrong-secret" not in str(caught.value)
    project.act("options", may_export=False)
    with pytest.raises(MissingPermissionError, match="raw events"):
        project.connect().environment()


def test_a_clock_that_is_wrong_is_seen_and_loses_nothing(project: Project) -> None:
    class Ahead:
        def now(self) -> Any:
            return project.box.clock.now() + timedelta(days=2)

        monotonic = staticmethod(project.box.clock.monotonic)
        sleep = staticmethod(project.box.clock.sleep)

    source = project.connect(clock=Ahead())
    assert "clock" in {finding.code for finding in source.check()}
    fresh = project.connect(clock=Ahead())
    batches = pull(fresh, cursor=at("22T03"))
    lines(batches)
    assert batches[-1].cursor in (at("22T05", "22T03"), at("22T06", "22T03"))


def test_regions_and_settings() -> None:
    class Still:
        now = staticmethod(lambda: NOW)

    for region, address in ADDRESSES.items():
        source = connect("app", Settings(**CREDENTIALS, region=region), clock=Still())  # type: ignore[arg-type]
        assert source._http.base_url.rstrip("/") == address
    with pytest.raises(ConfigError, match="elsewhere"):
        connect("app", Settings(**CREDENTIALS, base_url="https://elsewhere.example"), clock=Still())  # type: ignore[arg-type]
    for bad in ({"region": "in"}, {"history_days": 366}, {"api_key": ""}, {"group": "x"}):
        with pytest.raises(ValidationError):
            Settings(**(CREDENTIALS | bad))
    overrides = Settings(**CREDENTIALS, account_key="workspace").field_overrides()
    assert overrides == {"events": {"account": "groups.workspace"}}
