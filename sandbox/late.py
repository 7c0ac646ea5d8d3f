"""Requests that arrive late: the client gave up long ago when the vendor acts on them."""

import io
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request

if TYPE_CHECKING:
    from sandbox.core import Vendor
    from sandbox.journal import Entry


@dataclass(slots=True, order=True)
class Waiting:
    """One request under way.

    Attributes:
        at: When the vendor gets to it, by the sandbox's clock.
        number: Its number in the journal.
        vendor: Whose it is.
        environ: What was asked, body included.
        entry: Its line in the journal, which learns the outcome.
    """

    at: datetime
    number: int
    vendor: "Vendor" = field(compare=False)
    environ: dict[str, Any] = field(compare=False)
    entry: "Entry" = field(compare=False)


class LateArrivals:
    """The requests that vendors have yet to act on, in order of time."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, at: datetime, vendor: "Vendor", request: Request, entry: "Entry") -> None:
        """Keep a request until the clock has reached `at`."""
        body = request.get_data()
        kept = {key: value for key, value in request.environ.items() if not key.startswith(("werkzeug.", "sandbox."))}
        # The client's own stream is gone by then.
        environ = {**kept, "wsgi.input": body, "CONTENT_LENGTH": str(len(body))}
        with self._lock:
            self._waiting.append(Waiting(at, entry.n, vendor, environ, entry))

    def arrive(self, now: datetime) -> int:
        """Let the vendors act on what is due by `now`, each at its own instant; gives how many."""
        with self._lock:
            due = sorted(one for one in self._waiting if one.at <= now)
            self._waiting = [one for one in self._waiting if one.at > now]
        for one in due:
            request = Request({**one.environ, "wsgi.input": io.BytesIO(one.environ["wsgi.input"])})
            with one.vendor.lock:
                one.vendor.tick(one.at)
                response = one.vendor.handle(request)
            one.entry.late_at, one.entry.late_status = one.at, response.status_code
            response.close()
        return len(due)
