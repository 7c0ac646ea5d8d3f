import concurrent.futures
import http.client
import json
import logging
import time
from collections.abc import Iterator

import pytest
import requests

from sandbox.core import Sandbox
from sandbox.faults import Fault
from sandbox.serve import Running, serve


@pytest.fixture
def running(echo_sandbox: Sandbox) -> Iterator[Running]:
    with serve(echo_sandbox) as running:
        yield running


@pytest.fixture
def session(running: Running) -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture
def wire(running: Running) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
    yield connection
    connection.close()


def test_links_carry_the_host_the_client_used(running: Running, session: requests.Session) -> None:
    answer = session.get(running.base_urls["echo"] + "/v3/a%20b", params={"q": "ä"}).json()
    assert answer["root"] == running.base_urls["echo"] + "/"
    assert (answer["path"], answer["args"]) == ("/v3/a b", {"q": "ä"})


def test_a_connection_is_kept(wire: http.client.HTTPConnection) -> None:
    sockets = set()
    for n in range(3):
        wire.request("POST", f"/echo/{n}", body=b"x" * 100_000)
        answer = wire.getresponse()
        assert json.loads(answer.read())["body"] == "x" * 100_000
        sockets.add(wire.sock)
    assert len(sockets) == 1


def test_chunked_request_bodies_arrive(running: Running, session: requests.Session) -> None:
    answer = session.post(running.base_urls["echo"] + "/x", data=iter([b"one ", b"two"]))
    assert answer.json()["body"] == "one two"


def test_a_client_that_waits_before_its_body_is_told_to_go_on(wire: http.client.HTTPConnection) -> None:
    wire.putrequest("POST", "/echo/x")
    wire.putheader("Content-Length", "3")
    wire.putheader("Expect", "100-continue")
    wire.endheaders()
    wire.send(b"abc")
    assert json.loads(wire.getresponse().read())["body"] == "abc"


def test_streams_come_in_chunks(running: Running, session: requests.Session) -> None:
    answer = session.get(running.base_urls["echo"] + "/lines", stream=True)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert [json.loads(line)["n"] for line in answer.iter_lines()] == list(range(1000))


def test_old_clients_get_the_stream_until_the_end_of_the_connection(running: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]  # no public switch
    connection.request("GET", "/echo/lines")
    answer = connection.getresponse()
    assert answer.headers["Transfer-Encoding"] is None
    assert len(answer.read().splitlines()) == 1000
    connection.close()


def test_head_has_no_body(wire: http.client.HTTPConnection) -> None:
    for _ in range(2):
        wire.request("HEAD", "/echo/x")
        answer = wire.getresponse()
        assert (answer.status, answer.read()) == (200, b"")


def test_the_date_is_the_sandbox_clocks_and_comes_once(wire: http.client.HTTPConnection) -> None:
    wire.request("GET", "/echo/x")
    answer = wire.getresponse()
    answer.read()
    assert answer.headers.get_all("Date") == ["Sun, 22 Nov 2026 00:00:00 GMT"]


def test_reset_is_real(running: Running, session: requests.Session) -> None:
    running.sandbox.faults.add(Fault("reset", nth=2))
    url = running.base_urls["echo"] + "/x"
    assert session.get(url).status_code == 200
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        session.get(url)
    assert session.get(url).status_code == 200


@pytest.mark.parametrize("path", ["x", "lines"])
def test_cut_is_real(running: Running, session: requests.Session, path: str) -> None:
    running.sandbox.faults.add(Fault("cut"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.get(f"{running.base_urls['echo']}/{path}")
    assert session.get(f"{running.base_urls['echo']}/{path}").status_code == 200


@pytest.mark.parametrize(("kind", "effect"), [("timeout_before", []), ("timeout_after", ["POST /x"])])
def test_timeouts_are_real(running: Running, session: requests.Session, kind: str, effect: list[str]) -> None:
    running.sandbox.faults.add(Fault.from_json({"kind": kind}))
    with pytest.raises(requests.ReadTimeout):
        session.post(running.base_urls["echo"] + "/x", timeout=(5, 0.1))
    assert running.sandbox.echo.done == effect


def test_leaving_ends_open_waits(echo_sandbox: Sandbox) -> None:
    echo_sandbox.faults.add(Fault("timeout_before"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with serve(echo_sandbox) as running:
            waiting = pool.submit(requests.get, running.base_urls["echo"] + "/x", timeout=20)
            while not len(echo_sandbox.journal):
                time.sleep(0.005)
        assert isinstance(waiting.exception(timeout=5), requests.ConnectionError)


def test_slow_answers_are_slow(running: Running, session: requests.Session) -> None:
    running.sandbox.faults.add(Fault("slow", seconds=0.2))
    assert session.get(running.base_urls["echo"] + "/x").elapsed.total_seconds() > 0.15


def test_a_broken_simulator_is_a_logged_500(
    running: Running, session: requests.Session, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running.sandbox.echo, "handle", lambda request: 1 / 0)
    with caplog.at_level(logging.ERROR, "sandbox.serve"):
        assert session.get(running.base_urls["echo"] + "/x").status_code == 500
    assert "GET /echo/x failed in the sandbox" in caplog.text


def test_many_clients_at_once(running: Running) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: requests.get(f"{running.base_urls['echo']}/{n}", timeout=10), range(64)))
    assert [answer.json()["path"] for answer in answers] == [f"/{n}" for n in range(64)]
    assert sorted(entry.n for entry in running.sandbox.journal) == list(range(1, 65))


def test_nothing_is_printed(running: Running, session: requests.Session, capfd: pytest.CaptureFixture[str]) -> None:
    session.get(running.base_urls["echo"] + "/x")
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_an_error_of_the_system(running: Running) -> None:
    with pytest.raises(OSError, match="in use"), serve(running.sandbox, running.port):
        pass
