"""Signing in to Zendesk, the settings, and everything about zenpy that must not reach us."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses
from pydantic import ValidationError

from connectors.base import Source, Stream
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    NotFoundError,
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
)
from connectors.registry import VENDORS
from connectors.zendesk import Settings, Zendesk, connect
from connectors.zendesk_client import Client
from sandbox.core import ZENDESK_EMAIL, ZENDESK_TOKEN, Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ME = "https://acme.zendesk.com/api/v2/users/me.json"
ADMIN = {"user": {"id": 7, "name": "Ada", "email": "ada@acme.example", "role": "admin"}}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(seed=3, accounts=10, people_per_account=5, months=2, now=NOW)


@pytest.fixture
def sandbox(world: World) -> Sandbox:
    return Sandbox(world, vendors=("zendesk",))


@pytest.fixture
def make(sandbox: Sandbox) -> Callable[..., Zendesk]:
    def made(*, clock: SandboxClock | None = None, **settings: Any) -> Zendesk:
        values = {"email": ZENDESK_EMAIL, "token": ZENDESK_TOKEN} | settings
        known = {name: value for name, value in values.items() if value is not None}
        chosen = Settings(subdomain="acme", base_url=sandbox.base_urls()["zendesk"], **known)
        return connect("desk", chosen, clock=clock or sandbox.clock, adapter=SandboxAdapter(sandbox))

    return made


@pytest.fixture
def zendesk(make: Callable[..., Zendesk]) -> Zendesk:
    return make()


@pytest.fixture
def real() -> Zendesk:
    """Without a base URL, as in production; `responses` stands for the network."""
    settings = Settings(subdomain="acme", email="ada@acme.example", token="made-up-token")
    return connect("zendesk", settings, clock=SandboxClock(NOW))


# ---- who we are


def test_environment_names_the_account_and_the_user(zendesk: Zendesk) -> None:
    where = zendesk.environment()
    assert (where.vendor, where.account_id, where.kind) == ("zendesk", "acme", "support")
    assert ZENDESK_EMAIL in where.label
    assert zendesk.calls == {"check": 1}
    assert isinstance(zendesk, Source)


def test_an_oauth_token_works_too(make: Callable[..., Zendesk]) -> None:
    zendesk = make(email=None, token=None, oauth_token="zd-sandbox-oauth")
    assert zendesk.environment().account_id == "acme"


def test_a_wrong_token_is_answered_with_200_and_is_still_refused(make: Callable[..., Zendesk]) -> None:
    with pytest.raises(CredentialsError, match="anonymous") as caught:
        make(token="wrong-token").environment()
    assert caught.value.advice
    assert "wrong-token" not in str(caught.value)


def test_an_agent_is_told_which_role_is_missing(make: Callable[..., Zendesk]) -> None:
    with pytest.raises(MissingPermissionError, match=r"'agent'.*need the role 'admin'"):
        make(email="agent@holdfast.example").environment()


def test_an_agent_may_not_export(make: Callable[..., Zendesk]) -> None:
    zendesk = make(email="agent@holdfast.example")
    with pytest.raises(MissingPermissionError):
        list(zendesk.pull(zendesk.streams[2], None))


def test_check_finds_nothing_wrong(zendesk: Zendesk) -> None:
    findings = {finding.code: finding for finding in zendesk.check()}
    assert {finding.severity for finding in findings.values()} <= {"ok", "info"}
    assert "of 700 calls left" in findings["quota"].message
    assert set(findings) == {"identity", "csat", "more_rights", "quota"}


@pytest.mark.parametrize(
    ("email", "token", "error"),
    [
        (ZENDESK_EMAIL, "wrong-token", CredentialsError),
        ("agent@holdfast.example", ZENDESK_TOKEN, MissingPermissionError),
    ],
)
def test_check_stops_at_what_must_be_fixed_first(
    make: Callable[..., Zendesk], email: str, token: str, error: type[ConnectorError]
) -> None:
    with pytest.raises(error) as caught:
        list(make(email=email, token=token).check())
    assert caught.value.advice


@pytest.mark.parametrize("minutes", [-10, 10])
def test_check_warns_of_a_wrong_clock(make: Callable[..., Zendesk], minutes: int) -> None:
    clock = SandboxClock(NOW + timedelta(minutes=minutes))
    (finding,) = (f for f in make(clock=clock).check() if f.code == "clock")
    assert f"{minutes * 60:+d} seconds" in finding.message


def test_check_writes_nothing(zendesk: Zendesk, sandbox: Sandbox) -> None:
    list(zendesk.check())
    assert {entry.write for entry in sandbox.journal.entries()} == {False}


# ---- zenpy's faults, each of which our session keeps away from us


@responses.activate
def test_zenpy_works_at_the_real_address(real: Zendesk) -> None:
    responses.get(ME, json=ADMIN)
    assert real.environment().label == "acme.zendesk.com as ada@acme.example"
    sent = responses.calls[0].request
    assert sent.headers["Authorization"].startswith("Basic ")
    assert sent.headers["User-Agent"] == "holdfast"


def test_zenpy_works_at_another_address(zendesk: Zendesk, sandbox: Sandbox) -> None:
    zendesk.environment()
    (entry,) = sandbox.journal.entries()
    assert (entry.path, entry.status) == ("/api/v2/users/me.json", 200)


def test_nothing_is_cached(zendesk: Zendesk, sandbox: Sandbox) -> None:
    zendesk.environment()
    sandbox.faults.add(Fault("status", path="users/me", status=200, body={"user": {"id": 7, "role": "agent"}}))
    with pytest.raises(MissingPermissionError):
        zendesk.environment()


def test_a_gateway_error_is_tried_again(zendesk: Zendesk, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("html", path="users/me", status=502))
    sandbox.faults.add(Fault("reset", path="users/me"))
    assert zendesk.environment().account_id == "acme"
    assert zendesk.calls["check"] == 3


@pytest.mark.parametrize(
    ("wait", "seconds"), [("30", 30), ("Sun, 22 Nov 2026 00:00:45 GMT", 45), (None, 0), ("soon", 0)]
)
def test_429_waits_as_told_in_seconds_as_a_date_or_not_at_all(
    zendesk: Zendesk, sandbox: Sandbox, wait: str | None, seconds: int
) -> None:
    headers = {"Retry-After": wait} if wait else {}
    sandbox.faults.add(Fault("status", path="users/me", status=429, headers=headers, body={"error": "APIRateLimit"}))
    assert zendesk.environment().account_id == "acme"
    assert seconds <= sandbox.clock.monotonic() < seconds + 3


def test_429_for_ever_gives_up_within_the_deadline(zendesk: Zendesk, sandbox: Sandbox) -> None:
    headers = {"Retry-After": "60"}
    sandbox.faults.add(Fault("status", path="users/me", status=429, headers=headers, body={}, times=999))
    with pytest.raises(QuotaError):
        zendesk.environment()
    assert sandbox.clock.monotonic() <= 300


@responses.activate
def test_a_missing_rate_header_costs_no_pause(clock: Any) -> None:
    responses.get(ME, json=ADMIN)
    settings = Settings(subdomain="acme", email="ada@acme.example", token="made-up-token")
    source = connect("zendesk", settings, clock=clock)
    for _ in range(3):
        source.environment()
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"error": "Couldn't authenticate you"}, CredentialsError),
        (403, {"error": {"title": "Forbidden", "message": "no"}}, MissingPermissionError),
        (404, {"error": "RecordNotFound", "description": "Not found"}, NotFoundError),
        (400, {"error": "TooManyValues", "description": "x", "max_count": 100}, RequestError),
        (422, {"error": "invalid"}, RequestError),
        (500, {"error": "InternalError"}, TransientError),
        (503, "<html>maintenance</html>", TransientError),
        (404, "<html>no such account</html>", NotFoundError),
        (302, "", ConfigError),
        (200, "upstream ok", ShapeError),
        (200, {"unexpected": 1}, ShapeError),
        (200, {"user": []}, ShapeError),
        (200, [], ShapeError),
    ],
)
def test_every_failure_is_one_of_ours(
    zendesk: Zendesk, sandbox: Sandbox, status: int, body: Any, error: type[ConnectorError]
) -> None:
    sandbox.faults.add(Fault("status", path="users/me", status=status, body=body, times=99))
    with pytest.raises(error):
        zendesk.environment()


def test_a_user_object_without_a_role_is_not_an_admin(zendesk: Zendesk, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("status", path="users/me", status=200, body={"user": {"id": 7}}))
    with pytest.raises(MissingPermissionError):
        zendesk.environment()


def test_threads_do_not_share_a_client(zendesk: Zendesk) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(zendesk.environment().label)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_zenpy_neither_authenticates_nor_retries_by_itself(zendesk: Zendesk) -> None:
    client = Client(zendesk._http, "acme")._zenpy()
    session = client.users.session
    assert session.auth is None
    assert isinstance(session, requests.Session)
    assert client.users.ratelimit is None
    assert client.users.ratelimit_budget is None
    assert client.cache.disabled


def test_side_loaded_objects_are_never_fetched_one_by_one(zendesk: Zendesk, sandbox: Sandbox) -> None:
    for stream in zendesk.streams:
        list(zendesk.pull(stream, None))
    paths = {entry.path for entry in sandbox.journal.entries()}
    assert not any(path.rsplit("/", 1)[-1].removesuffix(".json").isdigit() for path in paths)


def test_the_token_is_in_no_log_line_and_no_representation(
    make: Callable[..., Zendesk], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    zendesk = make()
    sandbox.faults.add(Fault("html", path="users/me", status=502))
    list(zendesk.check())
    list(zendesk.pull(zendesk.streams[0], None))
    shown = caplog.text + repr(zendesk.settings) + repr(zendesk.__dict__)
    assert ZENDESK_TOKEN not in shown


# ---- settings


@pytest.mark.parametrize("pasted", ["acme", "ACME ", "acme.zendesk.com", "https://acme.zendesk.com/agent/dashboard"])
def test_the_whole_address_may_be_pasted(pasted: str) -> None:
    settings = Settings(subdomain=pasted, oauth_token="made-up-token")
    assert settings.url() == "https://acme.zendesk.com"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"email": "a@b.c"},
        {"token": "made-up-token"},
        {"email": "a@b.c", "token": "made-up-token", "oauth_token": "made-up-token"},
        {"oauth_token": "made-up-token", "subdomain": "acme.evil.example"},
        {"oauth_token": "made-up-token", "subdomain": 5},
        {"oauth_token": "made-up-token", "exports_per_minute": 31},
        {"oauth_token": "made-up-token", "sub_domain": "acme"},
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**({"subdomain": "acme"} | values))
    assert "made-up-token" not in str(caught.value.errors(include_input=False))


@pytest.mark.parametrize("url", ["http://acme.zendesk.com", "https://evil.example", "https://zendesk.com.evil.example"])
def test_the_token_goes_to_zendesk_only(url: str) -> None:
    settings = Settings(subdomain="acme", oauth_token="made-up-token", base_url=url)
    with pytest.raises(ConfigError):
        connect("zendesk", settings, clock=SandboxClock(NOW))


def test_memberships_can_be_left_out(make: Callable[..., Zendesk]) -> None:
    names = {stream.name for stream in make(memberships=False).streams}
    assert "organization_memberships" not in names
    assert "users" in names


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_an_unknown_stream_is_our_own_mistake(zendesk: Zendesk) -> None:
    with pytest.raises(ValueError, match="no stream"):
        zendesk.pull(Stream("macros", "ticket"), None)


def test_the_registry_leads_here() -> None:
    module = VENDORS["zendesk"].load()
    assert module.connect is connect
    assert module.Settings is Settings
