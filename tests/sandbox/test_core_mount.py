from typing import Any

import pytest
import requests

from sandbox.core import Sandbox
from sandbox.faults import Fault

BASE = "http://127.0.0.1:8642/echo"


@pytest.fixture
def sandbox(echo_sandbox: Sandbox) -> Sandbox:
    return echo_sandbox


@pytest.fixture
def session(echo_session: requests.Session) -> requests.Session:
    return echo_session


def test_a_request_reaches_the_vendor_without_its_prefix(session: requests.Session) -> None:
    answer = session.get(f"{BASE}/v3/ob%20jects/%C3%A9", params={"q": "ä"}, headers={"Authorization": "Bearer t"})
    assert answer.json() | {"results": []} == {
        "results": [],
        "root": f"{BASE}/",
        "path": "/v3/ob jects/é",
        "args": {"q": "ä"},
        "body": "",
        "auth": "Bearer t",
    }


@pytest.mark.parametrize("data", ["text ü", "text ü".encode(), iter([b"text ", "ü".encode()])])
def test_bodies_of_every_form_arrive(session: requests.Session, data: Any) -> None:
    assert session.post(f"{BASE}/x", data=data).json()["body"] == "text ü"


def test_the_date_header_follows_the_clock(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.clock.sleep(90)
    assert session.get(f"{BASE}/x").headers["Date"] == "Sun, 22 Nov 2026 00:01:30 GMT"


def test_streams_are_read_as_they_come(sandbox: Sandbox, session: requests.Session) -> None:
    answer = session.get(f"{BASE}/lines", stream=True)
    assert next(answer.iter_lines()) == b'{"n": 0}'
    assert 0 < sandbox.journal.entries()[0].bytes_out < 5000
    answer.close()


def test_compressed_answers_are_unpacked(session: requests.Session) -> None:
    assert session.get(f"{BASE}/zip").json() == {"zip": True}


def test_an_unknown_vendor_is_a_404(session: requests.Session) -> None:
    answer = session.get("http://127.0.0.1:8642/nobody/x")
    assert (answer.status_code, answer.text) == (404, "no vendor at /nobody; served: echo\n")


def test_the_vendor_ticks_before_each_request(sandbox: Sandbox, session: requests.Session) -> None:
    session.get(f"{BASE}/x")
    sandbox.clock.sleep(60)
    session.get(f"{BASE}/x")
    assert [tick.minute for tick in sandbox.echo.ticks] == [0, 1]


def test_reset_leaves_the_vendor_untouched(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.faults.add(Fault("reset"))
    with pytest.raises(requests.ConnectionError, match="Connection reset"):
        session.get(f"{BASE}/x")
    assert sandbox.echo.done == []
    assert session.get(f"{BASE}/x").status_code == 200


@pytest.mark.parametrize(("kind", "effect"), [("timeout_before", 0), ("timeout_after", 1)])
def test_a_timeout_costs_sandbox_time_only(sandbox: Sandbox, session: requests.Session, kind: Any, effect: int) -> None:
    sandbox.faults.add(Fault(kind))
    with pytest.raises(requests.ReadTimeout):
        session.post(f"{BASE}/x", timeout=(5, 60))
    assert len(sandbox.echo.done) == effect
    assert sandbox.clock.monotonic() == 60
    assert sandbox.journal.entries()[0].status is None


@pytest.mark.parametrize("path", ["x", "lines", "zip"])
def test_a_cut_body_ends_in_a_chunk_error(sandbox: Sandbox, session: requests.Session, path: str) -> None:
    sandbox.faults.add(Fault("cut"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.get(f"{BASE}/{path}")
    assert sandbox.echo.done == [f"GET /{path}"]


def test_slow_answers_come_late(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.faults.add(Fault("slow", seconds=3.0))
    assert session.get(f"{BASE}/x", timeout=60).status_code == 200
    assert sandbox.clock.monotonic() == 3


def test_very_slow_answers_come_too_late(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.faults.add(Fault("slow", seconds=61.0))
    with pytest.raises(requests.ReadTimeout):
        session.get(f"{BASE}/x", timeout=60)
    assert sandbox.clock.monotonic() == 60
