"""Intercom's searches: what changed, in an order that changes do not move.

A search compares days, in the workspace's own time zone: "after" a stamp means from the next day on. So each pull asks
for what changed since two days before the last one, which covers at least one whole day whatever the zone, and with it
what the index showed late. Sorted by `updated_at`, a row that changes while it is paged through moves and makes others
be skipped; sorted by `created_at` it stays where it is, so that is the order.

Once a day contacts are listed whole, since merged and deleted ones vanish from every search, and conversations are
looked through for a week.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.base import Batch, Row
from connectors.errors import CursorExpiredError, RequestError, ShapeError
from connectors.http import Http
from connectors.place import State, dump, load
from connectors.shape import object_of, rows_of
from connectors.vendor_clock import VendorClock

PAGE = 150
DELETED_PAGE = 60
DAILY = timedelta(hours=23)
"""What happens once a day is due again after this long, so that an hourly run with jitter stays at once a day."""
OVERLAP = int(timedelta(days=2).total_seconds())
DEEPER = int(timedelta(days=8).total_seconds())
LATE = 900
"""Seconds after which a search shows what is new, with room to spare."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        rows: What it holds.
        after: Where the next one begins; None on the last.
        total: How many rows the whole search has, as the vendor counts them now.
    """

    rows: list[Row]
    after: str | None
    total: int


@dataclass(frozen=True, slots=True)
class Reads:
    """What the streams of one workspace share."""

    http: Http
    clock: VendorClock
    history: int
    newest: bool
    """Whether the API version tells of deletions and merges."""

    def second(self) -> int:
        """The vendor's time, epoch seconds."""
        return int(self.clock.now().timestamp())

    def due(self, state: State, name: str) -> bool:
        """Whether what happens once a day should happen now."""
        last = state.get(name)
        return last is None or self.second() - int(last) >= DAILY.total_seconds()

    def served(self) -> datetime | None:
        """When the last page was served."""
        return self.http.server_time

    def get(self, path: str, purpose: str, params: State | None = None) -> State:
        """One object.

        Raises:
            ShapeError: The answer is none.
        """
        return object_of(self.http.json("GET", path, params=params, purpose=purpose), path, "intercom")


class Search:
    """One of the two searches.

    Args:
        reads: The workspace.
        name: Stream name and first part of the path.
        key: Under which a page holds its rows.
        params: Query of the address.
    """

    def __init__(self, reads: Reads, name: str, key: str, params: State | None = None) -> None:
        self.reads = reads
        self.name = name
        self.path = f"{name}/search"
        self.key = key
        self.params = params

    def pages(self, field: str, second: int, after: str | None = None) -> Iterator[Page]:
        """Pages of what has `field` on a later day than a second, by the time at which it was made.

        Raises:
            CursorExpiredError: The place saved by an earlier pull is no longer known.
        """
        query = {"field": field, "operator": ">", "value": max(0, second)}
        resumed = after is not None
        while True:
            place = {"starting_after": after} if after else {}
            body = {
                "query": query,
                "sort": {"field": "created_at", "order": "ascending"},
                "pagination": {"per_page": PAGE, **place},
            }
            try:
                page = self._page(body)
            except RequestError as error:
                if resumed and error.status in {400, 404, 422}:
                    raise CursorExpiredError(error.message, vendor="intercom", status=error.status) from None
                raise
            resumed = False
            if not page.rows and page.total:  # an outage's: it is asked for once more
                page = self._page(body)
            if page.after is not None and page.after == after:
                raise ShapeError(f"{self.name} search gave the same place twice before its end.", vendor="intercom")
            yield page
            if page.after is None:
                return
            after = page.after

    def _page(self, body: State) -> Page:
        http = self.reads.http
        found = http.json("POST", self.path, params=self.params, json=body, purpose=self.name, repeatable=True)
        page = object_of(found, self.path, "intercom")
        rows = rows_of(page, self.key, self.name, "intercom")
        pages = page.get("pages")
        following = pages.get("next") if isinstance(pages, dict) else None
        after = following.get("starting_after") if isinstance(following, dict) else None
        total = page.get("total_count")
        return Page(rows, after if isinstance(after, str) and after else None, total if isinstance(total, int) else 0)


class Searched:
    """A stream that is read by a search.

    Args:
        search: How it is asked for.
        whole: Whether it is listed whole at first and once a day; otherwise what changed within the history at first,
            and once a day what changed within a week.
        fold: Makes a page's rows ours.
    """

    def __init__(self, search: Search, fold: Callable[[list[Row]], list[Row]], *, whole: bool) -> None:
        self.search = search
        self.reads = search.reads
        self.fold = fold
        self.whole = whole

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield what changed since a place."""
        state = load(cursor, "intercom")
        resumed = "run" in state
        run: State = dict(state.get("run") or self._begin(state))
        seen: set[str] = set()
        most = 0
        for page in self.search.pages(run["field"], run["second"], run.get("after")):
            run.setdefault("began", self.reads.second())  # by now it is the vendor's clock
            rows = self.fold(page.rows)
            seen |= {str(row.get("id")) for row in page.rows}
            most = max(most, page.total)
            if page.after is not None:
                run["after"] = page.after
                yield self._batch(rows, {**state, "run": run}, state)
                continue
            # Rows that were deleted while we paged let others slip through: then the listing was none.
            everything = run["daily"] and not resumed and len(seen) >= most
            known = not self.whole or everything or "listed" in state
            listed = run["began"] if run["daily"] and not resumed and known else state.get("listed")
            done = {"until": run["began"], "listed": listed, "gone": state.get("gone")}
            yield from self._end(rows, done, state, full=self.whole and everything)

    def _begin(self, state: State) -> State:
        daily = "until" not in state or self.reads.due(state, "listed")
        if daily and self.whole:
            return {"field": "created_at", "second": 0, "daily": True}
        if "until" not in state:
            second = self.reads.second() - self.reads.history * 86_400
        else:
            second = int(state["until"]) - (DEEPER if daily else OVERLAP)
        return {"field": "updated_at", "second": second, "daily": daily}

    def _batch(self, rows: list[Row], place: State, state: State, *, full: bool = False) -> Batch:
        merged = dict(_merged(rows, int(state["until"]) - OVERLAP)) if "until" in state else {}
        return Batch(rows, dump(place), merged=merged, server_time=self.reads.served(), full=full)

    def _end(self, rows: list[Row], done: State, state: State, *, full: bool) -> Iterator[Batch]:
        yield self._batch(rows, done, state, full=full)


class Conversations(Searched):
    """Conversations; deleted ones are named by a list of their own, newest first."""

    def __init__(self, search: Search, fold: Callable[[list[Row]], list[Row]]) -> None:
        super().__init__(search, fold, whole=False)
        self._kept: list[Batch] | None = None
        self._from: str | None = None

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield what changed since a place; keeps the ratings for `ratings`."""
        self._kept, kept = None, list[Batch]()
        for batch in super().pull(cursor):
            kept.append(_rated(batch))
            yield batch
        self._kept, self._from = kept, cursor

    def ratings(self, cursor: str | None) -> Iterator[Batch]:
        """The same conversations with no more than their ratings: what `pull` has just read, if that says it all."""
        kept, self._kept = self._kept, None
        load(cursor, "intercom")
        if kept is not None and cursor == self._from:
            yield from kept
        else:
            yield from map(_rated, super().pull(cursor))

    def _end(
        self,
        rows: list[Row],
        done: State,
        state: State,
        *,
        full: bool,  # noqa: ARG002 - never whole
    ) -> Iterator[Batch]:
        if not self.reads.newest or "until" not in state:
            yield self._batch(rows, {**done, "gone": done["until"]}, state)
            return
        yield self._batch(rows, {**state, "run": None}, state)  # what is gone may still fail
        deleted = tuple(self._deleted(int(state.get("gone") or state["until"]) - LATE))
        yield Batch([], dump({**done, "gone": done["until"]}), deleted=deleted, server_time=self.reads.served())

    def _deleted(self, since: int) -> Iterator[str]:
        number, pages = 0, 1
        while number < pages:
            number += 1
            params = {"page": number, "per_page": DELETED_PAGE, "order": "desc"}
            page = self.reads.get("conversations/deleted", self.search.name, params)
            rows = rows_of(page, "conversations", "deleted conversations", "intercom")
            told = page.get("pages")
            pages = int(told.get("total_pages") or 1) if isinstance(told, dict) else 1
            for row in rows:
                if isinstance(stamp := row.get("deleted_at"), int) and stamp < since:
                    return
                if row.get("id"):
                    yield str(row["id"])


def _merged(rows: Iterable[Row], since: int) -> Iterator[tuple[str, str]]:
    """Losers and winners of merges since a second."""
    for row in rows:
        history = row.get("merge_history")
        for one in history if isinstance(history, list) else ():
            if not isinstance(one, dict) or not one.get("source_contact_id") or not row.get("id"):
                continue
            at = one.get("merged_at")
            if not isinstance(at, int) or at >= since:
                yield str(one["source_contact_id"]), str(row["id"])


RATED = ("id", "updated_at", "conversation_rating", "company", "_contact", "unreadable")
"""What is kept of a conversation for its rating."""


def _rated(batch: Batch) -> Batch:
    rows: list[Row] = [{name: row[name] for name in RATED if name in row} for row in batch.rows]
    return Batch(rows, batch.cursor, batch.deleted, server_time=batch.server_time)
