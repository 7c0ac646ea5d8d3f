"""Stripe's events, as a feed of what has changed.

No list of Stripe's can be asked for what was updated; events can, for 30 days. An event is rendered in the API version
under which it was made, whatever we ask for, and events of one second come in any order. So nothing but ids is taken
from one, and the object is asked for as it is now. Events may appear late: each look goes back a few minutes behind the
last one, and knows the events again that it has seen.

All streams share one look: the feed is read once, as far back as the first to ask needs.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connectors.base import Clock
from connectors.errors import ShapeError
from connectors.place import State
from connectors.stripe_lists import Lists, id_of
from connectors.vendor_clock import VendorClock

TYPES = (
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.created",
    "invoice.finalized",
    "invoice.updated",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.overdue",
    "invoice.marked_uncollectible",
    "invoice.voided",
    "invoice.deleted",
    "payment_method.updated",
    "payment_method.automatically_updated",
)
"""What is asked for: at most 20 types, as the vendor allows."""

OVERLAP = 300
"""Seconds that a look goes back behind the last one."""
KEPT = timedelta(days=29)
"""Events are there for 30 days; a place older than this is left for a whole listing."""
SHARED = 300.0
"""Seconds for which one look serves all streams."""
SEEN_MOST = 500
"""Events of the overlap that a place remembers. Those beyond are read twice, which costs calls and nothing else."""


@dataclass(frozen=True, slots=True)
class Event:
    """What is taken from an event.

    Attributes:
        id: Its own.
        created: Epoch second.
        kind: What changed: "customer", "subscription", "invoice" or "payment_method".
        object_id: Its id.
        customer: Id of the customer it belongs to (of a customer its own).
        object_created: When the object itself was made, epoch second; 0 when the event does not say.
    """

    id: str
    created: int
    kind: str
    object_id: str
    customer: str | None
    object_created: int


@dataclass(frozen=True, slots=True)
class Look:
    """One reading of the feed: the events from second `since` on, as they were known at second `at`."""

    since: int
    at: int
    taken: float
    events: tuple[Event, ...]


class Feed:
    """The events of one account; safe to share between threads."""

    def __init__(self, lists: Lists, clock: VendorClock, ours: Clock) -> None:
        self._lists = lists
        self._clock = clock
        self._ours = ours
        self._lock = threading.Lock()
        self._look: Look | None = None
        self._began: tuple[int, float] | None = None

    def began(self) -> int:
        """The second from which on events must follow a listing whose first page has just come."""
        with self._lock:
            now = self._ours.monotonic()
            if self._began is None or now - self._began[1] > SHARED:
                self._began = (self._second(), now)
            return self._began[0]

    def since(self, state: Mapping[str, Any], kinds: frozenset[str]) -> tuple[list[Event], State]:
        """What changed of these kinds since a place, and the place behind it.

        Args:
            state: `until`, an epoch second, and `seen`, ids of events that were dealt with.
            kinds: Which events count.
        """
        start = int(state["until"]) - OVERLAP
        look = self._reach(start)
        known = set(state.get("seen") or ())
        mine = [event for event in look.events if event.kind in kinds and event.created >= start]
        edge = look.at - OVERLAP
        seen = [event.id for event in mine if event.created >= edge][:SEEN_MOST]
        return [event for event in mine if event.id not in known], {"until": look.at, "seen": seen or None}

    def _reach(self, start: int) -> Look:
        with self._lock:
            look, now = self._look, self._ours.monotonic()
            if look is None or look.since > start or now - look.taken > SHARED:
                look = self._look = self._read(start, now)
            return look

    def _read(self, start: int, now: float) -> Look:
        at, found = None, dict[str, Event]()
        query = {"created[gte]": start, "types[]": list(TYPES)}
        for page in self._lists.pages("events", query, "events"):
            at = self._second() if at is None else at
            found |= {event.id: event for event in _events(page.rows)}
        return Look(start, self._second() if at is None else at, now, tuple(found.values()))

    def _second(self) -> int:
        return int(self._clock.now().timestamp())


def _events(rows: list[dict[str, Any]]) -> Iterator[Event]:
    """The events of a page.

    Raises:
        ShapeError: One does not say what it is about; to skip it would be to miss a change.
    """
    for row in rows:
        data = row.get("data")
        thing = data.get("object") if isinstance(data, dict) else None
        if not isinstance(thing, dict):
            raise ShapeError("an event does not say what it is about.", vendor="stripe")
        event, about, kind = id_of(row), id_of(thing), thing.get("object")
        created = row.get("created")
        if event is None or about is None or not isinstance(kind, str) or not isinstance(created, int):
            raise ShapeError("an event lacks its id, its time or the id of its object.", vendor="stripe")
        made = thing.get("created")
        customer = about if kind == "customer" else id_of(thing.get("customer"))
        yield Event(event, created, kind, about, customer, made if isinstance(made, int) else 0)
