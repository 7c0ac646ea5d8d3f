"""Vendors that are wicked or broken: depth, size, redirects and links elsewhere, retired addresses; on loopback."""

import gzip
import http.server
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.errors import ConfigError, ShapeError, UnclearError
from connectors.http import Http
from connectors.retry import RETIRED
from connectors.wire import MAX_BODY

TOKEN = "tok-secret"
Answer = tuple[int, dict[str, str], bytes]


class Server:
    """A web server on loopback that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[str], Answer] = lambda _: (200, {}, b"{}")
        self.seen: list[tuple[str, str, str | None]] = []
        told = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told.seen.append((self.command, self.path, self.headers.get("Authorization")))
                status, headers, body = told.answer(self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the library's name

            def log_message(self, *args: Any) -> None:
                del args

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    pair = (Server(), Server())
    yield pair
    for server in pair:
        server.close()


def connect(server: Server, clock: Any) -> Http:
    auth = {"Authorization": f"Bearer {TOKEN}"}
    return Http("vendor", f"{server.url}/api", clock=clock, auth=auth, secrets=[TOKEN])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_does_not_follow_a_redirect_to_another_port(
    servers: tuple[Server, Server], clock: Any, status: int
) -> None:
    vendor, thief = servers
    vendor.answer = lambda _: (status, {"Location": f"{thief.url}/api/thing"}, b"")
    http = connect(vendor, clock)
    with pytest.raises(ConfigError, match=f"answered {status}"):
        http.json("GET", "/thing")
    with pytest.raises(UnclearError):
        http.json("POST", "/thing", json={})
    assert [path for _, path, _ in vendor.seen] == ["/api/thing"] * 2
    assert thief.seen == []


@pytest.mark.parametrize(
    "link", ["{thief}/api/next", "//{thief_host}/api/next", "{vendor}/other/next", "{vendor}/api/../x"]
)
def test_the_token_does_not_follow_a_link_to_another_place(
    servers: tuple[Server, Server], clock: Any, link: str
) -> None:
    vendor, thief = servers
    link = link.format(thief=thief.url, thief_host=thief.url.removeprefix("http://"), vendor=vendor.url)
    with pytest.raises(ShapeError, match="leads away"):
        connect(vendor, clock).json("GET", link)
    assert vendor.seen == thief.seen == []


def test_a_link_below_the_base_carries_the_token(servers: tuple[Server, Server], clock: Any) -> None:
    vendor, _ = servers
    connect(vendor, clock).json("GET", f"{vendor.url}/api/next?after=2")
    assert vendor.seen == [("GET", "/api/next?after=2", f"Bearer {TOKEN}")]


@pytest.mark.parametrize("depth", [1_000, 10_000, 1_000_000])
@pytest.mark.parametrize(("head", "tail"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_a_body_of_great_depth_is_refused_and_not_fallen_into(
    servers: tuple[Server, Server], clock: Any, depth: int, head: bytes, tail: bytes
) -> None:
    vendor, _ = servers
    body = head * depth + b"1" + tail * depth
    vendor.answer = lambda _: (200, {"Content-Type": "application/json"}, body)
    with pytest.raises(ShapeError):
        connect(vendor, clock).json("GET", "/deep")
    vendor.answer = lambda _: (400, {"Content-Type": "application/json"}, body)
    with pytest.raises(UnclearError):
        connect(vendor, clock).json("POST", "/deep", json={})


def test_a_bomb_of_a_gigabyte_takes_no_more_than_the_limit(servers: tuple[Server, Server], clock: Any) -> None:
    vendor, _ = servers
    bomb = _bomb(1 << 30)
    vendor.answer = lambda _: (200, {"Content-Encoding": "gzip", "Content-Type": "application/json"}, bomb)
    http = connect(vendor, clock)
    tracemalloc.start()
    with pytest.raises(ShapeError, match="sent more than 64 MiB"):
        http.json("GET", "/bomb")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * MAX_BODY
    assert len(vendor.seen) == 1, "it is not asked for again"


def _bomb(size: int) -> bytes:
    """So many zeros, packed; made of members so that nobody ever holds them."""
    member = gzip.compress(b"\0" * (1 << 24), 6)
    return member * (size >> 24)


def test_a_retired_address_is_a_named_alarm(servers: tuple[Server, Server], clock: Any) -> None:
    vendor, _ = servers
    vendor.answer = lambda _: (410, {"Content-Type": "application/json"}, b'{"message": "Gone for good."}')
    with pytest.raises(ConfigError) as caught:
        connect(vendor, clock).json("GET", "/old")
    assert (caught.value.code, caught.value.status) == (RETIRED, 410)
    assert "API version" in str(caught.value)
    assert len(vendor.seen) == 1


@pytest.mark.parametrize(
    "body", [b'{"a": NaN}', b'{"a": Infinity}', b"{'a': 1}", b'{"a": 1,}', b'{"a": 1} {"b": 2}', b""]
)
def test_json_is_read_strictly(servers: tuple[Server, Server], clock: Any, body: bytes) -> None:
    vendor, _ = servers
    vendor.answer = lambda _: (200, {"Content-Type": "application/json"}, body)
    with pytest.raises(ShapeError):
        connect(vendor, clock).json("GET", "/loose")
