"""Faults by rule: which request goes wrong, how, and how often.

| kind | what the client sees | has the vendor acted? |
|---|---|---|
| `status` | `status`, `headers` and `body` as given | no |
| `html` | a gateway's HTML page, status 502 unless given | no |
| `not_json` | status 200 with text that is no JSON | no |
| `redirect` | status 302 to `location` | no |
| `reset` | the connection drops before any byte of the answer | no |
| `cut` | the body ends in the middle, the connection drops | yes |
| `timeout_before`, `timeout_after` | no answer until the client gives up | no, yes |
| `slow` | the answer comes `seconds` late | yes |
| `empty_page` | the answer's rows are gone, everything else stays | yes |
| `duplicate_rows` | the answer's first `rows` rows come twice (all when not given) | yes |
| `drift` | every row has the dotted keys of `set` replaced: unknown keys, nulls, other types | yes |
| `late` | no answer until the client gives up, or `status` when given | yes, `effect_after_seconds` after it arrived |
| `empty`, `zero_counts`, `first_page` | a source in trouble that says 200, see `sandbox.outages` | yes |
| `stale` | the answer as of an earlier instant: `as_of`, or `seconds` ago | yes |

`effect` overrules the last column, for instance for a 502 that a gateway sends after the write went through. A late
request is acted on at its own instant by the sandbox's clock, before whatever is asked next; let it wait longer than
the client does. A stale copy shows the world as it was then; what was written to a CRM since the sandbox started is
not undone.
"""

import json
import random
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Literal, cast, get_args

from werkzeug.wrappers import Request, Response

from sandbox.outages import Outage, outage

Kind = Literal[
    "status",
    "html",
    "not_json",
    "redirect",
    "reset",
    "cut",
    "timeout_before",
    "timeout_after",
    "slow",
    "empty_page",
    "duplicate_rows",
    "drift",
    "late",
    "empty",
    "zero_counts",
    "first_page",
    "stale",
]

OUTAGES = frozenset({"empty", "zero_counts", "first_page", "stale"})
"""Kinds that last until they are taken out of force, unless a rule says otherwise."""
_EFFECT = {"cut", "timeout_after", "slow", "empty_page", "duplicate_rows", "drift", *OUTAGES}
_DROPPED = {"reset", "timeout_before", "timeout_after"}

_HTML = """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>edge</center></body></html>
"""


class ConnectionFault(Exception):  # noqa: N818 - a signal to the server, not an error of the program
    """The connection is to break here; whoever holds it (server or adapter) acts it out.

    Attributes:
        kind: "reset" (before any byte), "cut" (in the body) or "timeout" (nothing until the client gives up).
    """

    def __init__(self, kind: Literal["reset", "cut", "timeout"]) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. A request must meet all of `vendor`, `method`, `path`; those that do are counted from 1.

    Attributes:
        kind: What goes wrong, see the module's table.
        vendor: Vendor name, "*" for any.
        method: HTTP method, "*" for any.
        path: Regular expression, searched in path and query without the vendor's prefix.
        nth: Strike at the match with this number, or at every number in the collection. None strikes at any.
        every: Strike at each match whose number is a multiple.
        probability: Strike by chance, drawn from `seed`.
        seed: For `probability`.
        times: Strike at most so often. Left out: once, or without end when nth is a collection, when every or
            probability is given, and for outages.
        status: HTTP status of `status`, `html`, `not_json` and `redirect`.
        headers: Added to the answer, such as Retry-After.
        body: Text, or a JSON value.
        location: Where `redirect` points.
        seconds: How late `slow` is; how old the copy is that `stale` answers from.
        rows: How many rows `duplicate_rows` repeats; how many `first_page` leaves of a page.
        set: Dotted key -> value for `drift`.
        effect: Whether the vendor handles the request before the fault; None means the kind's own habit.
        effect_after_seconds: How long after its arrival the vendor acts on a `late` request.
        as_of: Instant (ISO, with a zone) that `stale` answers as of; None for `seconds` ago.
        keys: For `zero_counts`: a regular expression of the keys whose numbers become zero; empty for all counts.
    """

    kind: Kind
    vendor: str = "*"
    method: str = "*"
    path: str = ""
    nth: int | Collection[int] | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    times: int | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = ""
    location: str = "https://elsewhere.example/"
    seconds: float = 1.0
    rows: int | None = None
    set: Mapping[str, Any] = field(default_factory=lambda: {"sandbox_unknown_key": {"nested": [1, None]}})
    effect: bool | None = None
    effect_after_seconds: float = 60.0
    as_of: str | None = None
    keys: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"unknown kind {self.kind!r}; known: {', '.join(get_args(Kind))}")
        if self.kind == "status" and self.status is None:
            raise ValueError("kind 'status' needs a status")
        if isinstance(self.nth, str) or (
            # A range holds numbers only, and may be very long.
            isinstance(self.nth, Collection)
            and not isinstance(self.nth, range)
            and not all(type(n) is int for n in self.nth)
        ):
            raise ValueError(f"nth is a number or a list of numbers, got {self.nth!r}")
        for name in ("path", "keys"):
            try:
                re.compile(getattr(self, name))
            except re.error as error:
                raise ValueError(f"{name} {getattr(self, name)!r} is no regular expression: {error}") from error
        if self.as_of is not None and datetime.fromisoformat(self.as_of).tzinfo is None:
            raise ValueError(f"as_of needs a time zone, got {self.as_of!r}")

    @classmethod
    def from_json(cls, value: Any) -> "Fault":
        """Build from a JSON object of the attributes above. Raises `ValueError` or `TypeError` with the reason."""
        if not isinstance(value, dict):
            raise TypeError(f"a fault is a JSON object, got {type(value).__name__}")
        known = [f.name for f in fields(cls)]
        if value.keys() - known:
            raise ValueError(f"unknown keys {sorted(value.keys() - known)}; known: {', '.join(known)}")
        if "kind" not in value:
            raise ValueError(f"a fault needs a kind: {', '.join(get_args(Kind))}")
        return cls(**value)

    def as_json(self) -> dict[str, Any]:
        """The rule in JSON's types."""
        nth = self.nth
        return asdict(self) | {"nth": nth if nth is None or isinstance(nth, int) else sorted(nth)}

    @property
    def limit(self) -> float:
        """How often it may strike."""
        if self.times is not None:
            return self.times
        endless = self.every is not None or self.probability is not None
        endless = endless or (self.kind in OUTAGES and self.nth is None)
        return float("inf") if endless or isinstance(self.nth, Collection) else 1

    def meets(self, vendor: str, request: Request) -> bool:
        """Whether the request is one the rule counts."""
        return (
            self.vendor in {"*", vendor}
            and self.method.upper() in {"*", request.method}
            and re.search(self.path, request.full_path) is not None
        )

    def strikes(self, number: int, chance: random.Random) -> bool:
        """Whether the match with this number is one to strike at."""
        if self.probability is not None:
            return chance.random() < self.probability
        if self.every is not None:
            return number % self.every == 0
        if isinstance(self.nth, int):
            return number == self.nth
        return self.nth is None or number in self.nth

    def instant(self, now: datetime) -> datetime:
        """The instant that the vendor answers as of: earlier than `now` for a stale copy."""
        if self.kind != "stale":
            return now
        return now - timedelta(seconds=self.seconds) if self.as_of is None else datetime.fromisoformat(self.as_of)

    def unanswered(self) -> Response:
        """What a client gets of a request that arrives late. Raises `ConnectionFault` unless there is a status."""
        if self.status is None:
            raise ConnectionFault("timeout")
        return self._made_up()

    def act(self, answer: Callable[[], Response]) -> Response:
        """Make the answer go wrong. Raises `ConnectionFault` when there is none to send."""
        effect = self.kind in _EFFECT if self.effect is None else self.effect
        response = answer() if effect else None
        if self.kind in _DROPPED:
            raise ConnectionFault("reset" if self.kind == "reset" else "timeout")
        if self.kind in {"status", "html", "not_json", "redirect"}:
            return self._made_up()
        genuine = response if response is not None else answer()
        if self.kind in {"empty_page", "duplicate_rows", "drift"}:
            return _rewritten(genuine, self._change)
        if self.kind in OUTAGES - {"stale"}:
            return outage(cast("Outage", self.kind), genuine, rows=self.rows, keys=self.keys)
        return genuine

    def _made_up(self) -> Response:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        kind = "text/plain" if isinstance(self.body, str) else "application/json"
        if self.kind == "html":
            response = Response(text or _HTML, self.status or 502, content_type="text/html; charset=utf-8")
        elif self.kind == "not_json":
            response = Response(text or "upstream: ok\n", self.status or 200, content_type="application/json")
        elif self.kind == "redirect":
            response = Response("", self.status or 302, {"Location": self.location})
        else:
            response = Response(text, self.status, content_type=kind)
        response.headers.extend(dict(self.headers))
        return response

    def _change(self, rows: list[Any]) -> list[Any]:
        if self.kind == "empty_page":
            return []
        if self.kind == "duplicate_rows":
            return rows[: self.rows] + rows
        return [_with(row, self.set) for row in rows]


def _with(row: Any, changes: Mapping[str, Any]) -> Any:
    """The row with dotted keys set; rows that are no objects stay."""
    if not isinstance(row, dict):
        return row
    row = json.loads(json.dumps(row))
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        spot = row
        for key in parents:
            spot = spot.setdefault(key, {})
        spot[last] = value
    return row


def _rewritten(response: Response, change: Callable[[list[Any]], list[Any]]) -> Response:
    """The response with its rows changed: the longest list of a JSON object, a JSON array, or JSON lines.

    Errors, compressed bodies and text that is neither JSON nor JSON lines stay as they are.
    """
    if response.status_code >= 400 or response.headers.get("Content-Encoding"):
        return response
    text = response.get_data(as_text=True)
    try:
        response.set_data(json.dumps(_changed(json.loads(text), change)))
    except ValueError:
        lines = [line for line in text.split("\n") if line]
        if lines and all(line.startswith("{") and line.endswith("}") for line in lines):
            rows = change([json.loads(line) for line in lines])
            response.set_data("".join(json.dumps(row) + "\n" for row in rows))
    return response


def _changed(value: Any, change: Callable[[list[Any]], list[Any]]) -> Any:
    """The JSON value with its rows changed, itself when it has none."""
    if isinstance(value, list):
        return change(value)
    lists = [key for key, held in value.items() if isinstance(held, list)] if isinstance(value, dict) else []
    if not lists:
        return value
    key = max(lists, key=lambda name: len(value[name]))
    return {**value, key: change(value[key])}


class _Armed:
    """A rule with its counters."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.matched = 0
        self.fired = 0
        self.chance = random.Random(fault.seed)

    def due(self) -> bool:
        """Count a match; whether the rule is to strike at it."""
        self.matched += 1
        return self.fault.strikes(self.matched, self.chance) and self.fired < self.fault.limit


class Faults:
    """The rules in force. The first one that strikes wins; the others count the request all the same."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Put rules in force."""
        with self._lock:
            self._armed.extend(_Armed(fault) for fault in faults)

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._armed.clear()

    def items(self) -> list[tuple[Fault, int]]:
        """Each rule and how often it struck."""
        with self._lock:
            return [(armed.fault, armed.fired) for armed in self._armed]

    def match(self, vendor: str, request: Request) -> Fault | None:
        """The rule that strikes at this request, None for none."""
        with self._lock:
            due = [armed for armed in self._armed if armed.fault.meets(vendor, request) and armed.due()]
            if not due:
                return None
            due[0].fired += 1
            return due[0].fault

    def __iter__(self) -> Iterator[Fault]:
        return (fault for fault, _ in self.items())
