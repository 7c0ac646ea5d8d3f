"""The wire under `connectors.http.Http`: how one request is treated, sent and read.

Nothing here judges an answer. No redirect is followed, nothing is taken from the environment but the name of a file of
trusted certificates, no cookie is kept, and a body is read only as far as the limits go, however it is packed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.auth import AuthBase

from connectors.address import SafeAdapter, trusted
from connectors.base import Clock
from connectors.errors import TransientError
from connectors.judge import Judge
from connectors.retry import Failed

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a decoded answer that is read whole; the largest page any vendor sends is well under half."""
CHUNK = 65_536

Auth = AuthBase | tuple[str, str] | Mapping[str, str]
Timeout = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Call:
    """How one request is treated.

    Attributes:
        purpose: What it is counted under.
        bucket: Which rate bucket it draws from; an unknown name draws from none.
        repeatable: Whether it may be sent again after an unclear ending; None goes by the method.
        accept: Statuses outside 2xx that the caller wants to see as an answer.
        stream: Hand over the body unread.
        timeout: Connect and read timeout in seconds, in place of the session's.
    """

    purpose: str = "other"
    bucket: str = "default"
    repeatable: bool | None = None
    accept: Collection[int] = ()
    stream: bool = False
    timeout: Timeout | None = None


CALL: ContextVar[Call | None] = ContextVar("call", default=None)
LOOK: ContextVar[Callable[[], None]] = ContextVar("look", default=lambda: None)


@contextmanager
def looking_first(look: Callable[[], None]) -> Iterator[None]:
    """Call `look` right before each request of this thread inside the `with` block, those that are sent again included.

    What it raises keeps the request from leaving, and is passed on as it is.
    """
    token = LOOK.set(look)
    try:
        yield
    finally:
        LOOK.reset(token)


class Session(requests.Session):
    """A session whose every request, whoever makes it, takes the way of `Http`."""

    def __init__(
        self,
        exchange: Callable[..., tuple[requests.Response, Any]],
        auth: Auth,
        adapter: BaseAdapter | None,
        vendor: str,
    ) -> None:
        super().__init__()
        self._exchange = exchange
        self.trust_env = False  # no proxies and no .netrc from the environment
        self._trusted = trusted(vendor)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers["User-Agent"] = "holdfast"
        if isinstance(auth, Mapping):
            self.headers.update(auth)
        else:
            self.auth = auth
        transport = adapter or SafeAdapter(pool_maxsize=8, max_retries=0)
        for scheme in ("https://", "http://"):
            self.mount(scheme, transport)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send what a client library prepared; its ideas about redirects, proxies and TLS are not taken over."""
        call = replace(CALL.get() or Call(), stream=bool(kwargs.get("stream")))
        return self._exchange(request, call)[0]

    def transmit(self, request: requests.PreparedRequest, timeout: Timeout) -> requests.Response:
        """One request on the wire."""
        return super().send(
            request, stream=True, timeout=timeout, verify=self._trusted, cert=None, proxies={}, allow_redirects=False
        )

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: a redirect is an answer like any other, and an unwelcome one."""
        del resp
        return None


def read_whole(response: requests.Response, what: str, end: float, judge: Judge, clock: Clock) -> bytes:
    """Read the body whole, bounded in size and time, and leave it in the response as requests would.

    Args:
        response: Whose body was not read yet.
        what: Names the request in messages.
        end: Monotonic instant at which it must be finished.
        judge: Makes the errors.
        clock: Time.

    Raises:
        Failed: It is too large or too slow; what a write did is then not known.
    """
    chunks: list[bytes] = []
    size = 0
    with response:
        for chunk in _chunks(response):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY:
                raise judge.misshapen(f"{what} sent more than {MAX_BODY >> 20} MiB.", retry=False)
            if clock.monotonic() > end:
                raise Failed(TransientError(f"{what} did not finish before the deadline.", vendor=judge.vendor))
    body = b"".join(chunks)
    response.__dict__.update(_content=body, _content_consumed=True)  # requests has no public way to set both
    return body


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives. `read1` gives what is there, where `iter_content` would wait for a full chunk."""
    raw = response.raw
    if not isinstance(raw, urllib3.HTTPResponse):
        yield from response.iter_content(CHUNK)
        return
    while chunk := raw.read1(CHUNK, decode_content=True):
        yield chunk
