"""Where requests may go, what is read, and what never shows: origin, bodies, redaction, client libraries."""

import gzip
import logging
import socket
import socketserver
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
import responses

import connectors.wire
from connectors.errors import ConfigError, CredentialsError, ShapeError, TransientError
from connectors.http import Http
from connectors.redact import REDACTOR, Redactor

BASE = "https://api.vendor.example/root"
URL = f"{BASE}/thing"
TOKEN = "canary-s3cret/+token"
Make = Callable[..., Http]


@pytest.fixture
def make(clock: Any) -> Make:
    def build(base: str = BASE, **options: Any) -> Http:
        return Http("vendor", base, clock=clock, auth=("me", TOKEN), secrets=[TOKEN], **options)

    return build


@pytest.mark.parametrize(
    "base",
    [
        "http://api.vendor.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "ftp://127.0.0.1",
        "api.vendor.example",
        "https://",
        "https://user:pw@api.vendor.example",
        "https://api.vendor.example?x=1",
        "https://api.vendor.example#x",
        "https://[::1",
        "",
    ],
)
def test_a_base_url_that_is_not_safe_is_refused(make: Make, base: str) -> None:
    with pytest.raises(ConfigError):
        make(base)


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080/x", "http://localhost:1", "http://[::1]:9", "https://a.b"])
def test_https_and_loopback_are_fine(make: Make, base: str) -> None:
    assert make(base).base_url == base


def test_a_vendors_hosts_can_be_pinned(make: Make) -> None:
    make("https://api-eu1.vendor.example", hosts=["vendor.example"])
    make("http://127.0.0.1:80", hosts=["vendor.example"])
    with pytest.raises(ConfigError, match=r"must be on vendor\.example, not evilvendor\.example"):
        make("https://evilvendor.example", hosts=["vendor.example"])


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/root/thing",
        "http://api.vendor.example/root/thing",
        "https://api.vendor.example:444/root/thing",
        "https://api.vendor.example.evil.example/root/thing",
        "https://api.vendor.example@evil.example/root/thing",
        "https://api.vendor.example/other/thing",
        "https://api.vendor.example/rootless/thing",
        "https://api.vendor.example/root/../other",
        "https://api.vendor.example/root/%2e%2e/other",
        "https://api.vendor.example/root/..\\..\\other",
        "https://api.vendor.example\\@evil.example/root/",
        "//evil.example/root/thing",
        "https://[::1/root/thing",
        "../other",
        "https://api.vendor.example",
    ],
)
def test_the_token_never_leaves_the_configured_address(make: Make, web: responses.RequestsMock, link: str) -> None:
    http = make()
    with pytest.raises(ShapeError, match="not followed"):
        http.request("GET", link)
    assert len(web.calls) == 0
    assert http.calls.total() == 0


def test_a_client_library_is_held_to_the_same_origin(make: Make, web: responses.RequestsMock) -> None:
    web.get("https://evil.example/", json={})
    with pytest.raises(ShapeError):
        make().session.get("https://evil.example/")
    assert len(web.calls) == 0


def test_a_link_below_the_base_is_followed(make: Make, web: responses.RequestsMock) -> None:
    web.get(f"{URL}?after=2", json={"page": 2})
    http = make()
    assert http.json("GET", f"{URL}?after=2") == {"page": 2}
    same = "https://API.vendor.example:443/root/thing?after=3"
    assert http.url(same) == same


def test_a_redirect_is_refused_and_its_target_never_asked(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, status=302, headers={"Location": "https://evil.example/"})
    web.get("https://evil.example/", json={})
    with pytest.raises(ConfigError, match="Redirects are not followed"):
        make().request("GET", "thing")
    with pytest.raises(ConfigError):
        make().session.get(URL, allow_redirects=True)
    assert [call.request.url for call in web.calls] == [URL, URL]


def test_proxies_and_netrc_of_the_environment_are_not_honoured(
    make: Make, monkeypatch: pytest.MonkeyPatch, web: responses.RequestsMock
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    seen: dict[str, Any] = {}
    http = make()
    adapter = http.session.get_adapter(URL)
    monkeypatch.setattr(adapter, "send", lambda request, **kwargs: seen.update(kwargs) or _ok(web, request))
    http.session.get(URL, proxies={"https": "http://proxy.example:3128"}, verify=False, timeout=None)
    assert seen["proxies"] == {}
    assert seen["verify"] is True
    assert seen["timeout"] == (5.0, 60.0)


def _ok(web: responses.RequestsMock, request: Any) -> Any:
    del web
    response = requests.Response()
    response.status_code = 200
    response.url = request.url
    response._content = b"{}"
    response._content_consumed = True  # type: ignore[attr-defined]  # untyped in the stubs
    return response


@pytest.mark.parametrize(
    "body",
    [b'{"a": 1', b"", b'{"a": NaN}', b"[" * 10_000, b'{"a":' * 10_000, b"\xff\xfe", b"{}{}"],
    ids=["cut", "empty", "nan", "deep list", "deep object", "not utf-8", "two"],
)
def test_a_body_that_is_not_sane_json_is_tried_again_then_an_error(
    make: Make, web: responses.RequestsMock, body: bytes
) -> None:
    web.get(URL, body=body, content_type="application/json")
    http = make()
    with pytest.raises(ShapeError, match="not complete, sane JSON"):
        http.json("GET", "thing")
    assert http.calls.total() == 3


def test_a_web_page_on_200_is_never_success(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, body="<html>Sign in</html>", content_type="text/html; charset=utf-8")
    with pytest.raises(ShapeError, match="web page"):
        make().session.get(URL)
    web.get(URL, json={"ok": 1})


def test_no_content_is_no_value(make: Make, web: responses.RequestsMock) -> None:
    web.delete(URL, status=204)
    assert make().json("DELETE", "thing") is None


def test_what_a_client_library_sends_is_counted_and_retried(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, status=500)
    web.get(URL, json={"a": 1})
    http = make()
    with http.calling("check"):
        assert http.session.get(URL).json() == {"a": 1}
    assert http.calls == {"check": 2}


def test_cookies_are_not_kept(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, json={}, headers={"Set-Cookie": "session=1; Path=/"})
    http = make()
    http.request("GET", "thing")
    http.request("GET", "thing")
    assert "Cookie" not in web.calls[1].request.headers


def test_headers_of_every_answer_are_shown_to_the_connector(make: Make, web: responses.RequestsMock) -> None:
    seen: list[str | None] = []
    web.get(URL, status=503, headers={"X-Left": "3"})
    web.get(URL, json={}, headers={"X-Left": "2"})
    make(on_headers=lambda headers: seen.append(headers.get("x-left"))).request("GET", "thing")
    assert seen == ["3", "2"]


def test_secrets_show_nowhere(make: Make, web: responses.RequestsMock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    http = make()
    basic = str(http.session.prepare_request(_get()).headers["Authorization"]).split()[1]
    REDACTOR.add([basic])
    web.get(URL, status=503, json={"message": f"bad {TOKEN} and {basic}"})
    web.get(URL, status=401, json={"message": f"bad {TOKEN} and {basic}"})
    with pytest.raises(CredentialsError) as caught:
        http.request("GET", "thing", params={"key": TOKEN})
    shown = " ".join([caplog.text, str(caught.value), repr(caught.value), repr(http), repr(http.session)])
    assert "***" in shown
    assert TOKEN not in shown
    assert basic not in shown
    assert "canary-s3cret%2F%2Btoken" not in shown


def _get() -> Any:
    return requests.Request("GET", URL)


def test_a_redactor_masks_messages_arguments_and_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    redactor = Redactor()
    redactor.add(["hunter-22", "abc"])
    caplog.handler.addFilter(redactor)
    log = logging.getLogger("tests.redact")
    try:
        int("hunter-22")
    except ValueError:
        log.exception("bad %s", "hunter-22 abc")
    caplog.handler.removeFilter(redactor)
    assert "hunter" not in caplog.text
    assert "bad *** abc" in caplog.text, "short words are not secrets"


class _Wire(BaseHTTPRequestHandler):
    """Answers with whatever bytes the test wants, on a real socket."""

    protocol_version = "HTTP/1.1"
    answer: bytes = b""

    def do_GET(self) -> None:
        self.wfile.write(type(self).answer)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def wire() -> Iterator[Callable[[bytes], str]]:
    class Handler(_Wire):
        pass

    server: socketserver.BaseServer = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def serve(answer: bytes) -> str:
        Handler.answer = answer
        return f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[index]  # an IPv4 address

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


def _answer(body: bytes, *, length: int | None = None, more: str = "") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length or len(body)}\r\n{more}\r\n"
    return head.encode() + body


def test_a_body_cut_on_the_wire_is_noticed(make: Make, wire: Callable[[bytes], str]) -> None:
    http = make(wire(_answer(b'{"a": 1}', length=100)))
    with pytest.raises(TransientError, match="broke off"):
        http.request("GET", "/")
    assert http.calls.total() == 8


def test_a_gzip_bomb_is_stopped_at_the_limit(
    make: Make, wire: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectors.wire, "MAX_BODY", 1_000_000)
    bomb = gzip.compress(b" " * 50_000_000)
    http = make(wire(_answer(bomb, more="Content-Encoding: gzip\r\n")))
    with pytest.raises(ShapeError, match="sent more than"):
        http.json("GET", "/")
    assert http.calls.total() == 1


def test_compressed_and_chunked_bodies_are_read_whole(make: Make, wire: Callable[[bytes], str]) -> None:
    body = gzip.compress(b'{"a": "' + b"x" * 300_000 + b'"}')
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(body[i : i + 99]), body[i : i + 99]) for i in range(0, len(body), 99))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert len(make(wire(head + chunked + b"0\r\n\r\n")).json("GET", "/")["a"]) == 300_000
    with pytest.raises(TransientError):
        make(wire(head + chunked)).json("GET", "/")


def test_a_broken_compression_is_not_success(make: Make, wire: Callable[[bytes], str]) -> None:
    with pytest.raises(TransientError, match="broke off"):
        make(wire(_answer(zlib.compress(b"{}")[:-3] + b"xyz", more="Content-Encoding: gzip\r\n"))).json("GET", "/")


def test_a_body_that_trickles_in_ends_at_the_deadline(make: Make, wire: Callable[[bytes], str], clock: Any) -> None:
    clock.tick = 10.0
    http = make(wire(_answer(b'{"a": 1}')), deadline=5.0)
    with pytest.raises(TransientError, match="did not finish before the deadline"):
        http.json("GET", "/")


def test_a_stream_is_handed_over_unread(make: Make, wire: Callable[[bytes], str]) -> None:
    http = make(wire(_answer(b"line 1\nline 2\n")))
    with http.request("GET", "/", stream=True) as response:
        assert list(response.iter_lines()) == [b"line 1", b"line 2"]
    with http.session.get(http.base_url + "/", stream=True) as response:
        assert response.raw.read() == b"line 1\nline 2\n"


def test_an_unreachable_host_is_said_plainly(make: Make, wire: Callable[[bytes], str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    http = make(f"http://127.0.0.1:{port}")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1 cannot be reached"):
        http.request("POST", "/", json={})
    assert http.calls.total() == 4
