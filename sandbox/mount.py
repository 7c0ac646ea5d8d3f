"""The sandbox inside the caller's process: a transport adapter for `requests` that opens no socket.

session = requests.Session()
session.mount("http://", SandboxAdapter(sandbox))
session.get(sandbox.base_urls()["hubspot"] + "/crm/v3/owners")
"""

import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError
from urllib3.response import HTTPResponse

from sandbox.faults import ConnectionFault

if TYPE_CHECKING:
    from sandbox.core import Sandbox


class _Body(io.RawIOBase):
    """A WSGI body as a file; a cut connection shows as http.client would show it."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = source
        self._chunks: Iterator[bytes] = filter(None, source)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            self._left = self._left or next(self._chunks, b"")
        except ConnectionFault as fault:
            raise IncompleteRead(b"") from fault
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None and not self.closed:
            close()
        super().close()


class SandboxAdapter(HTTPAdapter):
    """Hands requests to the sandbox as a WSGI application; injected connection faults raise what requests raises.

    A time-out costs no wall time: a standing sandbox clock is moved on by the client's own time-out instead.
    """

    def __init__(self, sandbox: "Sandbox") -> None:
        super().__init__()
        self.sandbox = sandbox

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - requests' own signature
        timeout: Any = None,
        verify: Any = True,  # noqa: ARG002, FBT002 - requests' own signature
        cert: Any = None,  # noqa: ARG002 - requests' own signature
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002 - requests' own signature
    ) -> requests.Response:
        """Answer one prepared request; the session reads the body."""
        patience = timeout[1] if isinstance(timeout, tuple) else timeout

        def wait(seconds: float) -> None:
            self.sandbox.clock.sleep(seconds if patience is None else min(seconds, patience))
            if patience is not None and seconds >= patience:
                raise requests.ReadTimeout(f"Read timed out. (read timeout={patience})", request=request)

        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
            head[:] = [status, headers]

        try:
            body = self.sandbox(_environ(request) | {"sandbox.wait": wait}, start_response)
        except ConnectionFault as fault:
            if fault.kind == "timeout":
                wait(3600.0 if patience is None else patience)
            cause = ConnectionResetError(104, "Connection reset by peer")
            raise requests.ConnectionError(ProtocolError("Connection aborted.", cause), request=request) from fault
        response: requests.Response = self.build_response(request, _raw(request, head, body))
        return response


def _raw(request: requests.PreparedRequest, head: list[Any], body: Iterable[bytes]) -> HTTPResponse:
    status, headers = head
    code, _, reason = status.partition(" ")
    return HTTPResponse(
        body=io.BufferedReader(_Body(body)),
        headers=headers,
        status=int(code),
        reason=reason,
        preload_content=False,
        request_method=request.method,
    )


def _environ(request: requests.PreparedRequest) -> dict[str, Any]:
    """The request as a WSGI environment (PEP 3333)."""
    url = urlsplit(request.url or "")
    body = request.body or b""
    data = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b"".join(body)
    headers = {f"HTTP_{name.upper().replace('-', '_')}": _text(value) for name, value in request.headers.items()}
    headers.pop("HTTP_TRANSFER_ENCODING", None)  # the body is whole by now
    return headers | {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(url.path or "/").decode("latin-1"),
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname or "",
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": url.netloc,
        "CONTENT_TYPE": _text(request.headers.get("Content-Type", "")),
        "CONTENT_LENGTH": str(len(data)),
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(data),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
