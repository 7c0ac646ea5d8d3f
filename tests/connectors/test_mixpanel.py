"""Mixpanel's settings, checks, rate limits and profiles, against the simulator."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Batch, Row, Source, Stream
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
)
from connectors.mixpanel import Mixpanel, Settings, _Paced, connect
from connectors.registry import VENDORS
from sandbox.core import MIXPANEL_PROJECT, MIXPANEL_SECRET, MIXPANEL_USER, Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.mixpanel_profiles import DATA_GROUP_ID
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CREDENTIALS = {"project_id": MIXPANEL_PROJECT, "username": MIXPANEL_USER, "secret": MIXPANEL_SECRET}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(seed=5, accounts=8, people_per_account=6, months=2, now=NOW)


@pytest.fixture
def sandbox(world: World) -> Sandbox:
    return Sandbox(world, vendors=("mixpanel",))


@pytest.fixture
def make(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Mixpanel]:
    def made(*, clock: SandboxClock | None = None, wanted: Any = None, **settings: Any) -> Mixpanel:
        chosen = Settings(base_url=sandbox.base_urls()["mixpanel"], **(CREDENTIALS | settings))
        adapter = SandboxAdapter(sandbox)
        return connect("product", chosen, clock=clock or sandbox.clock, adapter=adapter, spool=tmp_path, wanted=wanted)

    return made


@pytest.fixture
def mixpanel(make: Callable[..., Mixpanel]) -> Mixpanel:
    return make()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    """Mixpanel's pages hold 1,000 profiles; the simulator's here hold ten."""
    monkeypatch.setattr("sandbox.mixpanel_profiles.PAGE_SIZE", 10)
    return 10


def pull(source: Mixpanel, name: str, cursor: str | None = None) -> list[Batch]:
    stream = next(stream for stream in source.streams if stream.name == name)
    return list(source.pull(stream, cursor))


def rows(batches: list[Batch]) -> list[Row]:
    return [row for batch in batches for row in batch.rows]


def ids(batches: list[Batch]) -> list[str]:
    return [row["$distinct_id"] for row in rows(batches)]


# ---- who we are


def test_environment_names_the_project(mixpanel: Mixpanel) -> None:
    where = mixpanel.environment()
    assert (where.vendor, where.account_id, where.kind) == ("mixpanel", "4242", "project")
    assert mixpanel.calls == {"check": 1}
    assert isinstance(mixpanel, Source)


@pytest.mark.parametrize(
    ("change", "error"),
    [({"secret": "wrong-secret"}, CredentialsError), ({"project_id": 99}, MissingPermissionError)],
)
def test_wrong_credentials_and_a_wrong_project_are_told_apart(
    make: Callable[..., Mixpanel], change: dict[str, Any], error: type[ConnectorError]
) -> None:
    source = make(**change)
    with pytest.raises(error) as caught:
        source.environment()
    assert "wrong-secret" not in str(caught.value)
    with pytest.raises(error):
        list(source.check())


def test_check_finds_nothing_wrong(mixpanel: Mixpanel) -> None:
    findings = {finding.code: finding for finding in mixpanel.check()}
    assert set(findings) == {"identity", "query_api", "quota"}
    assert {finding.severity for finding in findings.values()} == {"ok", "info"}
    assert mixpanel.calls == {"check": 2}


def test_a_plan_without_the_query_api_is_a_warning_and_events_go_on(mixpanel: Mixpanel, sandbox: Sandbox) -> None:
    sandbox.mutate("mixpanel", "query_api", enabled=False)
    (finding,) = (f for f in mixpanel.check() if f.code == "query_api")
    assert finding.severity == "warning"
    assert "plan" in finding.advice
    with pytest.raises(MissingPermissionError) as caught:
        pull(mixpanel, "profiles")
    assert caught.value.status == 402
    assert [stream.optional for stream in mixpanel.streams] == [False, True]
    for batch in pull(mixpanel, "events"):
        assert batch.export is not None


def test_a_query_api_that_fails_otherwise_is_a_warning_too(mixpanel: Mixpanel, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("status", path="engage", status=400, body={"error": "odd"}))
    (finding,) = (f for f in mixpanel.check() if f.code == "profiles")
    assert finding.severity == "warning"


@pytest.mark.parametrize("minutes", [-10, 10])
def test_check_warns_of_a_wrong_clock(make: Callable[..., Mixpanel], minutes: int) -> None:
    source = make(clock=SandboxClock(NOW + timedelta(minutes=minutes)))
    (finding,) = (f for f in source.check() if f.code == "clock")
    assert f"{minutes * 60:+d} seconds" in finding.message


def test_nothing_is_ever_written(mixpanel: Mixpanel, sandbox: Sandbox) -> None:
    list(mixpanel.check())
    for stream in mixpanel.streams:
        list(mixpanel.pull(stream, None))
    assert {entry.write for entry in sandbox.journal.entries()} == {False}


def test_the_secret_is_in_no_log_line_and_no_representation(
    make: Callable[..., Mixpanel], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = make()
    sandbox.faults.add(Fault("html", path="export", status=502))
    list(source.check())
    pull(source, "events")
    assert MIXPANEL_SECRET not in caplog.text + repr(source.settings) + repr(source.__dict__)


# ---- limits


def test_both_limits_hold_at_once() -> None:
    bucket = _Paced("default")
    waits = [bucket.reserve(0.0, 1e9) for _ in range(61)]
    assert waits[:7] == [0, 0, 0, 1, 1, 1, 2]
    assert waits[60] == 3600
    assert bucket.reserve(0.0, 100.0) is None


def test_a_short_deadline_leaves_no_slot() -> None:
    bucket = _Paced("default")
    assert [bucket.reserve(0.0, 0.5) for _ in range(4)] == [0, 0, 0, None]


def test_many_slices_keep_to_three_calls_a_second(make: Callable[..., Mixpanel], sandbox: Sandbox) -> None:
    source = make(history_days=300)
    batches = pull(source, "events")
    assert len(batches) == 10
    assert {entry.status for entry in sandbox.journal.entries()} == {200}
    assert 3 <= sandbox.clock.monotonic() < 10


# ---- profiles


def test_profiles_come_whole_once_a_day(
    make: Callable[..., Mixpanel], sandbox: Sandbox, small_pages: int, world: World
) -> None:
    source = make()
    batches = pull(source, "profiles")
    found = ids(batches)
    expected = sum(p.product_user_id is not None and p.created_at <= NOW for p in world.people) + 1
    assert len(found) == len(set(found)) == expected
    assert [batch.full for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert source.calls["profiles"] == expected // small_pages + 1
    sandbox.clock.advance(timedelta(hours=1))
    assert pull(source, "profiles", batches[-1].cursor) == [Batch(cursor=batches[-1].cursor)]
    sandbox.clock.advance(timedelta(hours=22))
    assert len(ids(pull(source, "profiles", batches[-1].cursor))) >= expected


def test_a_last_page_that_is_full_is_followed_by_an_empty_one(
    make: Callable[..., Mixpanel], monkeypatch: pytest.MonkeyPatch
) -> None:
    total = len(ids(pull(make(), "profiles")))
    monkeypatch.setattr("sandbox.mixpanel_profiles.PAGE_SIZE", total)
    batches = pull(make(), "profiles")
    assert [len(batch.rows) for batch in batches] == [total, 0]
    assert batches[-1].full


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, {"$email", "$name", "$last_seen", "$created", "company_id"}),
        ({"profiles": ["plan", "$email"]}, {"plan", "$email", "company_id"}),
    ],
)
def test_only_the_wanted_properties_come(
    make: Callable[..., Mixpanel], wanted: dict[str, list[str]] | None, expected: set[str]
) -> None:
    found = rows(pull(make(wanted=wanted), "profiles"))
    assert {name for row in found for name in row["$properties"]} == expected


def test_groups_come_with_the_wanted_properties_or_whole(make: Callable[..., Mixpanel]) -> None:
    whole = rows(pull(make(group_id=DATA_GROUP_ID), "groups"))
    assert "plan" in whole[0]["$properties"]
    few = rows(pull(make(group_id=DATA_GROUP_ID, wanted={"groups": ["company name"]}), "groups"))
    assert set(few[0]["$properties"]) == {"company name"}


def test_ids_are_always_text(mixpanel: Mixpanel, sandbox: Sandbox) -> None:
    assert {type(found) for found in ids(pull(mixpanel, "profiles"))} == {str}
    body = {"page": 0, "page_size": 1000, "results": [{"$distinct_id": 4, "$properties": {}}]}
    sandbox.faults.add(Fault("status", path="engage", status=200, body=body))
    assert ids(pull(mixpanel, "profiles")) == ["4"]


def test_the_total_is_not_trusted(mixpanel: Mixpanel, sandbox: Sandbox, small_pages: int) -> None:
    total = len(ids(pull(mixpanel, "profiles")))
    genuine = sandbox.mixpanel.profiles.engage
    sandbox.mixpanel.profiles.engage = lambda params, now: genuine(params, now) | {"total": 1}
    assert len(ids(pull(mixpanel, "profiles"))) == total


def test_groups_are_read_when_their_key_is_set(make: Callable[..., Mixpanel], world: World) -> None:
    source = make(group_id=DATA_GROUP_ID)
    found = rows(pull(source, "groups"))
    assert {row["$distinct_id"] for row in found} <= {c.product_id for c in world.companies}
    assert all(row["$properties"]["company name"] for row in found)
    assert [stream.name for stream in source.streams] == ["events", "profiles", "groups"]
    assert source.account_key == "company_id"


def test_a_listing_too_long_for_the_hour_goes_on_in_the_next(
    make: Callable[..., Mixpanel], sandbox: Sandbox, small_pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ids(pull(make(), "profiles"))
    monkeypatch.setattr("connectors.mixpanel.CALLS_AN_HOUR", 2)
    source = make()
    found: list[str] = []
    cursor: str | None = None
    for _ in range(-(-len(whole) // (2 * small_pages))):
        batches, error = until_it_fails(source.pull(source.streams[1], cursor))
        found += ids(batches)
        cursor = batches[-1].cursor
        assert "rate limit" in error or len(found) == len(whole)
        assert not any(batch.full for batch in batches)
        sandbox.clock.advance(timedelta(hours=1))
    assert found == whole


def until_it_fails(stream: Iterator[Batch]) -> tuple[list[Batch], str]:
    batches: list[Batch] = []
    try:
        for batch in stream:
            batches.append(batch)  # noqa: PERF402 - what came before the error is what is wanted
    except TransientError as error:
        return batches, str(error)
    return batches, ""


def test_a_listing_that_went_on_is_not_taken_for_complete(mixpanel: Mixpanel, small_pages: int) -> None:
    batches = pull(mixpanel, "profiles")
    rest = pull(mixpanel, "profiles", batches[0].cursor)
    assert ids(rest) == ids(batches[1:])
    assert not any(batch.full for batch in rest)
    assert json.loads(rest[-1].cursor or "") == json.loads(batches[-1].cursor or "")


def test_a_forgotten_session_starts_the_listing_again(mixpanel: Mixpanel) -> None:
    place = {"session": "gone", "page": 3, "began": NOW.isoformat()}
    with pytest.raises(CursorExpiredError):
        pull(mixpanel, "profiles", json.dumps(place))


def test_other_refusals_are_passed_on(mixpanel: Mixpanel, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("status", path="engage", status=400, body={"error": "odd"}))
    with pytest.raises(RequestError):
        pull(mixpanel, "profiles")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        [],
        {"results": None},
        {"page": 7, "results": []},
        {"page_size": 1, "results": [{"$distinct_id": "a"}]},
    ],
)
def test_a_page_of_another_shape_is_refused(mixpanel: Mixpanel, sandbox: Sandbox, body: Any) -> None:
    sandbox.faults.add(Fault("status", path="engage", status=200, body=body, times=99))
    with pytest.raises(ShapeError):
        pull(mixpanel, "profiles")


def test_an_empty_page_is_believed_when_it_comes_twice_or_the_total_agrees(
    mixpanel: Mixpanel, sandbox: Sandbox, small_pages: int
) -> None:
    whole = ids(pull(mixpanel, "profiles"))
    empty = {"page": 1, "page_size": small_pages, "session_id": "s", "total": 99, "results": []}
    sandbox.faults.add(Fault("status", path="engage", status=200, body=empty, nth=2))
    assert ids(pull(mixpanel, "profiles")) == whole
    sandbox.faults.clear()
    sandbox.faults.add(Fault("status", path="engage", status=200, body=empty, nth=range(2, 9)))
    assert ids(pull(mixpanel, "profiles")) == whole[:small_pages]
    sandbox.faults.clear()
    sandbox.faults.add(Fault("status", path="engage", status=200, body=empty | {"total": small_pages}, nth=2))
    assert ids(pull(mixpanel, "profiles")) == whole[:small_pages]


def test_a_row_that_is_no_object_is_passed_on_without_an_id(mixpanel: Mixpanel, sandbox: Sandbox) -> None:
    body = {"page": 0, "page_size": 1000, "results": ["text", {"$distinct_id": "a", "$properties": {}}]}
    sandbox.faults.add(Fault("status", path="engage", status=200, body=body))
    assert rows(pull(mixpanel, "profiles")) == [{"unreadable": "text"}, body["results"][1]]  # type: ignore[index]  # a list


def test_the_shared_hour_may_be_used_up_by_others(mixpanel: Mixpanel, sandbox: Sandbox) -> None:
    sandbox.mixpanel.queries.per_hour = 0
    with pytest.raises(QuotaError) as caught:
        pull(mixpanel, "profiles")
    assert "next run" in caught.value.advice


def test_a_post_that_only_reads_is_sent_again(mixpanel: Mixpanel, sandbox: Sandbox) -> None:
    for kind in ("reset", "cut", "timeout_after"):
        sandbox.faults.add(Fault(kind, path="engage"))
    assert ids(pull(mixpanel, "profiles"))
    assert mixpanel.calls["profiles"] == 4


def test_a_data_view_is_named_in_every_call(make: Callable[..., Mixpanel], sandbox: Sandbox) -> None:
    source = make(workspace_id=77)
    for stream in source.streams:
        list(source.pull(stream, None))
    assert all("workspace_id=77" in entry.query for entry in sandbox.journal.entries())


# ---- settings


@pytest.mark.parametrize(
    "change",
    [
        {"project_id": 0},
        {"project_id": "acme"},
        {"username": ""},
        {"region": "mars"},
        {"project_timezone": "Berlin"},
        {"history_days": 0},
        {"group_id": "company_id"},
        {"account_key": ""},
        {"api_secret": "made-up"},
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**(CREDENTIALS | change))


@pytest.mark.parametrize("url", ["http://data.mixpanel.com", "https://mixpanel.com.evil.example"])
def test_the_secret_goes_to_mixpanel_only(url: str) -> None:
    with pytest.raises(ConfigError):
        connect("mixpanel", Settings(base_url=url, **CREDENTIALS), clock=SandboxClock(NOW))


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_an_unknown_stream_is_our_own_mistake(mixpanel: Mixpanel) -> None:
    with pytest.raises(ValueError, match="no stream"):
        mixpanel.pull(Stream("cohorts", "account"), None)


def test_the_registry_leads_here() -> None:
    module = VENDORS["mixpanel"].load()
    assert module.connect is connect
    assert module.Settings is Settings


def test_neither_client_library_is_imported_before_it_is_needed() -> None:
    code = "import sys, connectors.mixpanel, connectors.zendesk; print({'mixpanel_utils', 'zenpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["events", "profiles"])
def test_a_saved_place_that_is_no_place_starts_the_stream_again(mixpanel: Mixpanel, name: str) -> None:
    with pytest.raises(CursorExpiredError):
        pull(mixpanel, name, "[1]")
