from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from sandbox.core import VENDORS, Sandbox, SandboxClock, hubspot_company_id, hubspot_contact_id

START = datetime(2026, 11, 22, tzinfo=UTC)
ROOT = "http://127.0.0.1:8642"
CONTROL = f"{ROOT}/_sandbox"


def test_a_standing_clock_moves_only_when_told() -> None:
    clock = SandboxClock(START)
    assert clock.now() == clock.now() == START
    clock.sleep(1.5)
    clock.advance(timedelta(hours=1))
    assert clock.now() == START + timedelta(seconds=3601.5)
    assert clock.monotonic() == 3601.5


def test_sleeping_a_negative_time_moves_nothing() -> None:
    clock = SandboxClock(START)
    clock.sleep(-5)
    assert clock.now() == START


def test_a_ticking_clock_runs_with_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = [100.0]
    monkeypatch.setattr("sandbox.core.time.monotonic", lambda: wall[0])
    monkeypatch.setattr("sandbox.core.time.sleep", lambda seconds: wall.__setitem__(0, wall[0] + seconds))
    clock = SandboxClock(START, ticking=True)
    wall[0] += 7
    clock.sleep(3)
    assert clock.now() == START + timedelta(seconds=10)
    clock.set(START - timedelta(days=1))
    wall[0] += 1
    assert clock.now() == START - timedelta(days=1) + timedelta(seconds=1)
    assert clock.monotonic() == 11


def test_setting_the_clock_back_leaves_durations_alone() -> None:
    clock = SandboxClock(START)
    clock.sleep(10)
    clock.set(datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=3))))
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.monotonic() == 10


def test_the_clock_refuses_what_it_cannot_mean() -> None:
    clock = SandboxClock(START)
    with pytest.raises(ValueError, match="time zone"):
        clock.set(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="negative"):
        clock.advance(timedelta(seconds=-1))


def test_hubspot_ids() -> None:
    assert (hubspot_company_id(1), hubspot_contact_id(2)) == (8_000_000_017, 50_000_026)


def test_vendors_are_attributes(echo_sandbox: Sandbox) -> None:
    assert echo_sandbox.echo is echo_sandbox.vendors["echo"]
    with pytest.raises(AttributeError, match="hubspot"):
        _ = echo_sandbox.hubspot


def test_an_unknown_vendor_name_is_refused(echo_sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="unknown vendor 'pipedrive'; known: hubspot, salesforce, zendesk, mixpanel"):
        Sandbox(echo_sandbox.world, vendors=["pipedrive"])


def test_named_vendors_are_imported_and_get_their_options(
    echo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "late_vendor.py").write_text(
        "class Late:\n"
        "    def __init__(self, world, clock, **options):\n"
        "        self.name, self.options = 'late', options\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sandbox.core.VENDORS", {**VENDORS, "late": "late_vendor:Late"})
    sandbox = Sandbox(echo_sandbox.world, vendors=["late"], options={"late": {"depth": 3}})
    assert sandbox.late.options == {"depth": 3}
    assert sandbox.clock.now() == echo_sandbox.world.now


def test_the_front_page_says_what_is_served(echo_session: requests.Session) -> None:
    info = echo_session.get(CONTROL).json()
    assert info["vendors"] == {"echo": f"{ROOT}/echo"}
    assert info["now"] == START.isoformat()
    assert info["credentials"]["hubspot"] == {"token": "pat-sandbox-full"}
    assert info["world"]["seed"] == 1


def test_the_journal_tells_reads_from_writes(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_session.get(f"{ROOT}/echo/a?x=1")
    echo_session.post(f"{ROOT}/echo/search", data=b"12345")
    echo_session.post(f"{ROOT}/echo/b")
    journal = echo_sandbox.journal
    assert [(e.n, e.method, e.path, e.query, e.write, e.bytes_in, e.status) for e in journal] == [
        (1, "GET", "/a", "x=1", False, 0, 200),
        (2, "POST", "/search", "", False, 5, 200),
        (3, "POST", "/b", "", True, 0, 200),
    ]
    assert all(entry.bytes_out > 100 and entry.at == START for entry in journal)
    assert [entry.path for entry in journal.entries(writes=True)] == ["/b"]
    assert [entry.path for entry in journal.entries("echo", since=1)] == ["/search", "/b"]
    assert journal.entries("other") == []
    assert (journal.calls(), journal.writes(), journal.calls("other"), journal.writes("echo")) == (3, 1, 0, 1)


def test_the_journal_forgets_entries_but_not_counts(echo_sandbox: Sandbox) -> None:
    small = Sandbox(echo_sandbox.world, vendors=[echo_sandbox.echo], journal_size=2)
    from sandbox.mount import SandboxAdapter

    session = requests.Session()
    session.mount("http://", SandboxAdapter(small))
    for n in range(5):
        session.get(f"{ROOT}/echo/{n}")
    assert [entry.n for entry in small.journal] == [4, 5]
    assert (len(small.journal), small.journal.calls("echo")) == (2, 5)
    small.journal.clear()
    session.get(f"{ROOT}/echo/last")
    assert [entry.n for entry in small.journal] == [6]
    assert small.journal.calls() == 1


def test_the_journal_over_http(echo_session: requests.Session) -> None:
    for n in range(3):
        echo_session.get(f"{ROOT}/echo/{n}")
    echo_session.put(f"{ROOT}/echo/w")
    answer = echo_session.get(f"{CONTROL}/journal", params={"vendor": "echo", "writes": "1"}).json()
    assert answer["counts"] == {"echo": {"reads": 3, "writes": 1}}
    assert [entry["path"] for entry in answer["entries"]] == ["/w"]
    assert answer["entries"][0]["at"] == START.isoformat()
    answer = echo_session.get(f"{CONTROL}/journal?writes=0&limit=2&since=1").json()
    assert (answer["matching"], [entry["n"] for entry in answer["entries"]]) == (2, [2, 3])
    assert echo_session.delete(f"{CONTROL}/journal").json()["counts"] == {}
    assert echo_session.get(f"{CONTROL}/journal").json()["entries"] == []


def test_the_clock_over_http(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    assert echo_session.get(f"{CONTROL}/clock").json() == {"now": START.isoformat(), "ticking": False}
    echo_session.post(f"{CONTROL}/clock", json={"advance_seconds": 3600})
    assert echo_sandbox.clock.now() == START + timedelta(hours=1)
    answer = echo_session.post(f"{CONTROL}/clock", json={"set": "2026-12-01T10:00:00Z"})
    assert answer.json()["now"] == "2026-12-01T10:00:00+00:00"
    assert answer.headers["Date"] == "Tue, 01 Dec 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("POST", "clock", {"forward": 1}, 400, "expected advance_seconds or set"),
        ("POST", "clock", {}, 400, "expected advance_seconds or set"),
        ("POST", "clock", [1], 400, "expected a JSON object, got list"),
        ("POST", "clock", {"set": "soon"}, 400, "Invalid isoformat"),
        ("POST", "clock", {"advance_seconds": -1}, 400, "negative"),
        ("POST", "faults", {"kind": "explode"}, 400, "unknown kind 'explode'"),
        ("POST", "faults", {"kind": "reset", "when": 1}, 400, "unknown keys"),
        ("POST", "faults", 3, 400, "a fault is a JSON object"),
        ("POST", "mutate/echo", {"action": "dance", "args": {"x": 1}}, 400, "echo has no action 'dance'"),
        ("POST", "mutate/nobody", {"action": "x"}, 400, "no vendor 'nobody'"),
        ("GET", "truth/nobody", None, 400, "no vendor 'nobody'"),
        ("GET", "weather", None, 404, "no GET /_sandbox/weather"),
    ],
)
def test_control_errors_say_what_is_wrong(
    echo_session: requests.Session, method: str, path: str, body: Any, status: int, reason: str
) -> None:
    answer = echo_session.request(method, f"{CONTROL}/{path}", json=body)
    assert answer.status_code == status
    assert reason in answer.json()["error"]


def test_people_act_through_mutate(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    answer = echo_session.post(f"{CONTROL}/mutate/echo", json={"action": "note", "args": {"text": "merged"}})
    assert answer.json() == {"result": 1}
    assert echo_sandbox.echo.done == ["merged"]
    assert len(echo_sandbox.echo.ticks) == 1


def test_truth_is_told(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    assert echo_session.get(f"{CONTROL}/truth").json() == {"echo": {"account": {"a1": 1}}}
    assert echo_session.get(f"{CONTROL}/truth/echo").json() == {"account": {"a1": 1}}
    assert len(echo_sandbox.echo.ticks) == 2


def test_control_calls_are_not_in_the_journal(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_session.get(f"{CONTROL}/truth")
    assert len(echo_sandbox.journal) == 0
