"""What was asked of the sandbox: the newest requests in full, all of them as counts."""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Request


@dataclass(slots=True)
class Entry:
    """One request.

    Attributes:
        n: Running number from 1, over all vendors.
        at: By the sandbox's clock.
        vendor: Whose prefix it went to.
        method: HTTP method.
        path: Without the vendor's prefix.
        query: Raw query string.
        write: Whether it meant to change something.
        bytes_in: Length of the request body.
        status: HTTP status; None while it is being answered or when a fault left it unanswered.
        bytes_out: Body bytes handed to the client so far.
        fault: Kind of the injected fault, None for none.
        late_at: When the vendor acted on a request that the fault "late" held back; None before, and for others.
        late_status: HTTP status it came to then, which nobody received.
    """

    n: int
    at: datetime
    vendor: str
    method: str
    path: str
    query: str
    write: bool
    bytes_in: int
    status: int | None = None
    bytes_out: int = 0
    fault: str | None = None
    late_at: datetime | None = None
    late_status: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry in JSON's types."""
        late = None if self.late_at is None else self.late_at.isoformat()
        return asdict(self) | {"at": self.at.isoformat(), "late_at": late}


class Journal:
    """Requests in order.

    Args:
        size: How many entries are kept; older ones are forgotten, but stay counted.

    Attributes:
        counts: (vendor, write) -> requests since the last `clear`.
    """

    def __init__(self, size: int = 100_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._lock = threading.Lock()
        self._total = 0
        self.counts: Counter[tuple[str, bool]] = Counter()

    def open(self, *, at: datetime, vendor: str, request: Request, write: bool) -> Entry:
        """Note a request that came in; its outcome is filled in later."""
        with self._lock:
            self._total += 1
            entry = Entry(
                n=self._total,
                at=at,
                vendor=vendor,
                method=request.method,
                path=request.path,
                query=request.query_string.decode("latin-1"),
                write=write,
                bytes_in=request.content_length or 0,
            )
            self._entries.append(entry)
            self.counts[vendor, write] += 1
            return entry

    def entries(self, vendor: str | None = None, *, writes: bool | None = None, since: int = 0) -> list[Entry]:
        """The remembered entries, oldest first.

        Args:
            vendor: Only this vendor's.
            writes: Only writes (True) or only reads (False).
            since: Only entries whose number is greater.
        """
        with self._lock:
            return [
                entry
                for entry in self._entries
                if entry.n > since
                and (vendor is None or entry.vendor == vendor)
                and (writes is None or entry.write == writes)
            ]

    def calls(self, vendor: str | None = None) -> int:
        """Requests since the last `clear`, forgotten entries included."""
        with self._lock:
            return sum(n for (name, _), n in self.counts.items() if vendor in {None, name})

    def writes(self, vendor: str | None = None) -> int:
        """Writes since the last `clear`, forgotten entries included."""
        with self._lock:
            return sum(n for (name, write), n in self.counts.items() if write and vendor in {None, name})

    def clear(self) -> None:
        """Forget entries and counts; numbers go on."""
        with self._lock:
            self._entries.clear()
            self.counts.clear()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries())

    def __len__(self) -> int:
        return len(self._entries)
