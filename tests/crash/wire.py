"""The wire between an agent and the sandbox when the two live in different processes, and only one of them is killed.

The agent's requests leave through a pair of connected sockets; the process that forked it answers them from a sandbox
in its own memory. So the CRM outlives an agent that is killed, with everything that had reached it.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http.client import IncompleteRead
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import ProtocolError
from urllib3.response import HTTPResponse

from sandbox.core import Sandbox, SandboxClock
from sandbox.mount import SandboxAdapter
from tests.crash.steps import Steps


@dataclass(frozen=True, slots=True)
class Asked:
    """One request on its way.

    Attributes:
        patience: Seconds for which the agent waits.
        at: The agent's monotonic time.
        step: How many steps the agent has made before this request left.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    patience: float | None
    at: float
    step: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What the agent gets.

    Attributes:
        status: 0 when the connection broke before any answer.
        cut: The connection breaks after the body.
        at: The sandbox's monotonic time.
    """

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float
    cut: bool = False
    timed_out: bool = False


def keep_pace(clock: SandboxClock, monotonic: float) -> None:
    """Move a clock on to where the other process's stands."""
    ahead = monotonic - clock.monotonic()
    if ahead > 0:
        clock.advance(timedelta(seconds=ahead))


class Line(Protocol):
    """What requests leave by, and answers come by."""

    def send(self, asked: Any, /) -> None:
        """Ask."""

    def recv(self) -> Any:
        """Wait for the answer."""


def plug_in(line: Line, clock: SandboxClock, steps: Steps) -> None:
    """Send every request of this process, whoever makes it, down the line, for good."""

    def send(
        self: HTTPAdapter,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - requests' own signature
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002 - requests' own signature
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        headers = {name: _text(value) for name, value in request.headers.items()}
        steps.step("before request")
        with steps.turn:
            line.send(
                Asked(
                    str(request.method),
                    str(request.url),
                    headers,
                    _bytes(request.body),
                    patience,
                    clock.monotonic(),
                    len(steps.names),
                )
            )
            steps.step(f"sent {request.method}")
            answered: Answered = line.recv()
        steps.step("answered")
        keep_pace(clock, answered.at)
        return _response(self, request, answered)

    HTTPAdapter.send = send  # type: ignore[method-assign]  # in this process for good


def _response(adapter: HTTPAdapter, request: requests.PreparedRequest, answered: Answered) -> requests.Response:
    if answered.timed_out:
        raise requests.ReadTimeout("Read timed out.", request=request)
    if not answered.status:
        cause = ConnectionResetError(104, "Connection reset by peer")
        raise requests.ConnectionError(ProtocolError("Connection aborted.", cause), request=request)
    body: Any = io.BytesIO(answered.body)
    raw = HTTPResponse(
        body=_Cut(answered.body) if answered.cut else body,
        headers=HTTPHeaderDict(answered.headers),
        status=answered.status,
        reason=answered.reason,
        preload_content=False,
        request_method=request.method,
    )
    response: requests.Response = adapter.build_response(request, raw)
    return response


class _Cut(io.BytesIO):
    """A body that ends in the middle."""

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if not found:
            raise IncompleteRead(b"")
        return found

    read1 = read


def answer(sandbox: Sandbox, asked: Asked) -> Answered:
    """Let the sandbox answer one request."""
    request = requests.Request(asked.method, asked.url, headers=dict(asked.headers), data=asked.body).prepare()
    status, reason, headers, body = 0, "", (), b""
    try:
        response = SandboxAdapter(sandbox).send(request, stream=True, timeout=asked.patience)
        status, reason = response.status_code, str(response.reason)
        headers = tuple(response.raw.headers.items())
        body = _whole(response.raw)
    except requests.ReadTimeout:
        return Answered(0, "", (), b"", sandbox.clock.monotonic(), timed_out=True)
    except requests.ConnectionError:
        return Answered(0, "", (), b"", sandbox.clock.monotonic())
    except _Broken as broken:
        return Answered(status, reason, headers, broken.body, sandbox.clock.monotonic(), cut=True)
    return Answered(status, reason, headers, body, sandbox.clock.monotonic())


class _Broken(Exception):  # noqa: N818 - a signal
    def __init__(self, body: bytes) -> None:
        self.body = body


def _whole(raw: Any) -> bytes:
    body = b""
    try:
        while chunk := raw.read(65536, decode_content=False):
            body += chunk
    except (IncompleteRead, ProtocolError):
        raise _Broken(body) from None
    return body


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    return body or b"" if isinstance(body, bytes | None) else b"".join(body)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
