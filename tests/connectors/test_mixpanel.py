"""Mixpanel's settings, checks and rate limits, against the simulator."""

import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Source, Stream
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    ShapeError,
)
from connectors.mixpanel import Mixpanel, Settings, _Paced, connect
from connectors.registry import VENDORS
from sandbox.core import MIXPANEL_SECRET, Sandbox, SandboxClock
from sandbox.faults import Fault
from tests.connectors.mixpanel_project import CREDENTIALS, NOW, pull

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
    make_mixpanel: Callable[..., Mixpanel], change: dict[str, Any], error: type[ConnectorError]
) -> None:
    source = make_mixpanel(**change)
    with pytest.raises(error) as caught:
        source.environment()
    assert "wrong-secret" not in str(caught.value)
    with pytest.raises(error):
        list(source.check())


def test_check_finds_nothing_wrong(mixpanel: Mixpanel) -> None:
    findings = {finding.code: finding for finding in mixpanel.check()}
    assert set(findings) == {"identity", "rights", "query_api", "quota"}
    assert {finding.severity for finding in findings.values()} == {"ok", "info"}
    assert mixpanel.calls == {"check": 4}


def test_a_plan_without_the_query_api_is_a_warning_and_events_go_on(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    mixpanel_box.mutate("mixpanel", "query_api", enabled=False)
    (finding,) = (f for f in mixpanel.check() if f.code == "query_api")
    assert finding.severity == "warning"
    assert "plan" in finding.advice
    with pytest.raises(MissingPermissionError) as caught:
        pull(mixpanel, "profiles")
    assert caught.value.status == 402
    assert [stream.optional for stream in mixpanel.streams] == [False, True]
    for batch in pull(mixpanel, "events"):
        assert batch.export is not None


def test_a_query_api_that_fails_otherwise_is_a_warning_too(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    mixpanel_box.faults.add(Fault("status", path="engage", status=400, body={"error": "odd"}))
    (finding,) = (f for f in mixpanel.check() if f.code == "profiles")
    assert finding.severity == "warning"


def test_events_to_look_at_that_are_none_are_an_error(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    mixpanel_box.faults.add(Fault("status", path="export", status=200, body="{odd"))
    with pytest.raises(ShapeError, match="not JSON"):
        mixpanel.sample_events()


@pytest.mark.parametrize("minutes", [-10, 10])
def test_check_warns_of_a_wrong_clock(make_mixpanel: Callable[..., Mixpanel], minutes: int) -> None:
    source = make_mixpanel(clock=SandboxClock(NOW + timedelta(minutes=minutes)))
    (finding,) = (f for f in source.check() if f.code == "clock")
    assert f"{minutes * 60:+d} seconds" in finding.message


def test_nothing_is_ever_written(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    list(mixpanel.check())
    for stream in mixpanel.streams:
        list(mixpanel.pull(stream, None))
    assert {entry.write for entry in mixpanel_box.journal.entries()} == {False}


def test_the_secret_is_in_no_log_line_and_no_representation(
    make_mixpanel: Callable[..., Mixpanel], mixpanel_box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = make_mixpanel()
    mixpanel_box.faults.add(Fault("html", path="export", status=502))
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


def test_many_slices_keep_to_three_calls_a_second(
    make_mixpanel: Callable[..., Mixpanel], mixpanel_box: Sandbox
) -> None:
    source = make_mixpanel(history_days=300)
    batches = pull(source, "events")
    assert len(batches) == 10
    assert {entry.status for entry in mixpanel_box.journal.entries()} == {200}
    assert 3 <= mixpanel_box.clock.monotonic() < 10


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
