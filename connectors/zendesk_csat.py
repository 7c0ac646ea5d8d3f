"""Zendesk's two satisfaction systems, of which an account runs one at a time.

Both lists filter by creation only, and an answer given or changed later does not move it. But each answer also changes
its ticket. So where the vendor can filter by ticket, each hour asks for the answers to the tickets that have changed;
where it cannot, or the tickets are not known, for what was created since the last time; and once a day for the last 30
days.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.base import Batch, Row
from connectors.errors import MissingPermissionError, NotFoundError
from connectors.place import State, dump, load
from connectors.zendesk_pages import LIST_PAGE, Pages, Touched

SWEEP = timedelta(days=30)
OVERLAP = timedelta(minutes=10)

ADVICE = "Switch on a satisfaction survey and use an admin's token, or do without satisfaction."

CLOSED = (MissingPermissionError, NotFoundError)
"""How an account says that it does not run a system: 403 by plan or setting, or 404."""


@dataclass(frozen=True, slots=True)
class System:
    """One of the two.

    Attributes:
        name: Stream name, and the key of the list in a page.
        path: Where the list is.
        since: Query that asks for what was created since an epoch second.
    """

    name: str
    path: str
    since: Callable[[int], dict[str, Any]]


LEGACY = System(
    "satisfaction_ratings",
    "/api/v2/satisfaction_ratings.json",
    lambda second: {"score": "received", "start_time": second},  # without the score, offers count as answers
)
SURVEYS = System(
    "survey_responses",
    "/api/v2/guide/survey_responses",
    lambda second: {"filter[created_at_start]": second * 1000},  # this one counts in milliseconds
)


class Csat:
    """Reads one system.

    Args:
        pages: The account.
        system: The one to read.
        other: The other one: as long as it runs, this one being switched off is as it should be.
        touched: Changed tickets to follow; None where the vendor cannot filter by ticket.
    """

    def __init__(self, pages: Pages, system: System, other: System, touched: Touched | None = None) -> None:
        self._pages = pages
        self._system = system
        self._other = other
        self._touched = touched

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield new and changed answers.

        Raises:
            MissingPermissionError: Neither system may be read.
        """
        state = load(cursor, "zendesk")
        if "off" in state and not self._pages.due(state, "off"):
            yield Batch(cursor=cursor)
            return
        state.pop("off", None)
        try:
            yield from self._answers(state) if self._must_list(state) else self._unlisted(state)
        except CLOSED as error:
            if probe(self._pages, self._other) is None:
                message = f"{self._system.name} and {self._other.name} are both closed to this token."
                raise MissingPermissionError(message, vendor="zendesk", status=error.status, advice=ADVICE) from None
            yield Batch(cursor=dump({**state, "off": self._pages.clock.now().isoformat()}))

    def _must_list(self, state: State) -> bool:
        """Whether the changed tickets do not suffice."""
        covered = self._touched is not None and self._touched.covered()
        return not covered or "until" not in state or "after" in state or self._pages.due(state, "swept")

    def _unlisted(self, state: State) -> Iterator[Batch]:
        yield Batch(cursor=dump(state))
        yield from self._followed(dump(state))

    def _answers(self, state: State) -> Iterator[Batch]:
        """The listing, begun anew or gone on with, then the tickets that changed."""
        run = state if "after" in state else self._begin(state)
        done: State = {}
        for rows, more in self._list(self._system.since(run["start"]), run.get("after")):
            run.setdefault("began", self._pages.clock.now().isoformat())  # by now it is the vendor's clock
            done = {"until": run["began"], "swept": run["began"] if run["sweep"] else state.get("swept")}
            yield Batch(rows, dump({**run, "after": more} if more else done), server_time=self._pages.server_time)
        yield from self._followed(dump(done))

    def _begin(self, state: State) -> State:
        """Where a new listing starts: at the beginning, 30 days back once a day, else where the last one began."""
        now = self._pages.clock.now()
        sweep = self._pages.due(state, "swept")
        start = 0
        if "until" in state:
            last = datetime.fromisoformat(state["until"]) - OVERLAP
            start = int(min(last, now - SWEEP).timestamp() if sweep else last.timestamp())
        return {**state, "start": start, "sweep": sweep}

    def _list(self, params: dict[str, Any], after: str | None = None) -> Iterator[tuple[list[Row], str | None]]:
        return self._pages.listing(self._system.path, self._system.name, params, after)

    def _followed(self, cursor: str) -> Iterator[Batch]:
        """Answers to the tickets that changed, a page of tickets at a time."""
        touched = self._touched
        ids = touched.ids() if touched else []
        for first in range(0, len(ids), LIST_PAGE):
            chunk = ids[first : first + LIST_PAGE]
            params = {"filter[subject_zrns]": ",".join(f"zen:ticket:{ticket}" for ticket in chunk)}
            for rows, _ in self._list(params):
                yield Batch(rows, cursor, server_time=self._pages.server_time)
            if touched:
                touched.done(chunk)


def probe(pages: Pages, system: System) -> bool | None:
    """Whether a system holds answers; None when it is off or closed to us. Costs one call."""
    try:
        return bool(pages.first(system.path, system.name, system.since(0)))
    except CLOSED:
        return None
