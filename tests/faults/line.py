"""The network between an agent and a simulated CRM in one process, where something may happen at any request.

Every request of the process goes this way, whoever makes it and to whatever host: what goes to a host that is not the
CRM's is kept from leaving, and noted.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from sandbox.core import MOUNTED_ROOT, Sandbox
from sandbox.mount import SandboxAdapter
from sync import pull
from tests.crash.life import Inline

UPDATE = re.compile(r"POST .*/batch/update|PATCH composite/sobjects|jobs/ingest")
"""Requests that write our fields."""
LOOK = re.compile(r"POST .*/batch/read|POST composite/sobjects/\w+")
"""Requests that read records again, right before they are written."""


class Crash(BaseException):
    """The machine goes down."""


class Line(SandboxAdapter):
    """See the module.

    Attributes:
        log: The requests so far: method and path, without what differs from run to run.
        before: Number of a request, counted from 1 -> what happens right before it.
        after: The same, right after it.
        always: What happens before each request; is given its number.
        ever_after: What happens after each.
        strays: Addresses on other hosts.
        down: Once the machine is down, nothing is sent.
        windows: Seconds of our own work between the answer that shows records and the request that writes them.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.strays: list[str] = []
        self.windows: list[float] = []
        self.begin()

    def begin(self) -> None:
        """Forget what happened, and what was to happen."""
        self.log: list[str] = []
        self.before: dict[int, Callable[[], Any]] = {}
        self.after: dict[int, Callable[[], Any]] = {}
        self.always: Callable[[int], Any] = lambda _: None
        self.ever_after: Callable[[], Any] = _nothing
        self.down = False
        self._seen_at: float | None = None

    def crash(self) -> None:
        """Go down, for good."""
        self.down = True
        raise Crash

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Answer a request, after and before whatever else is to happen."""
        if self.down:
            raise Crash
        if not str(request.url).startswith(MOUNTED_ROOT):
            self.strays.append(str(request.url))
            raise requests.ConnectionError("no route to host", request=request)
        self.log.append(_name(request))
        number, name = len(self.log), self.log[-1]
        if UPDATE.search(name) and self._seen_at is not None:
            self.windows.append(time.perf_counter() - self._seen_at)
        self._seen_at = None
        self.always(number)
        self.before.pop(number, _nothing)()
        try:
            return super().send(request, *args, **kwargs)
        finally:
            self.after.pop(number, _nothing)()
            self.ever_after()
            if LOOK.search(name):
                self._seen_at = time.perf_counter()

    @contextmanager
    def plugged_in(self) -> Iterator["Line"]:
        """Let every request made inside the block, by whatever adapter, go this way, one at a time."""
        send, pool = HTTPAdapter.send, vars(pull)["ThreadPoolExecutor"]
        line = self

        def passed_on(_: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            return line.send(request, *args, **kwargs)

        setattr(HTTPAdapter, "send", passed_on)  # noqa: B010 - put back below
        vars(pull)["ThreadPoolExecutor"] = Inline
        try:
            yield self
        finally:
            setattr(HTTPAdapter, "send", send)  # noqa: B010 - as it was
            vars(pull)["ThreadPoolExecutor"] = pool


def _name(request: requests.PreparedRequest) -> str:
    path = request.path_url.partition("?")[0]
    path = path.partition("/v64.0/")[2] or path.partition("/hubspot")[2] or path
    return f"{request.method} {re.sub(r'/750[0-9A-Za-z]+', '/ID', path)}"


def _nothing() -> None:
    """What happens mostly."""
