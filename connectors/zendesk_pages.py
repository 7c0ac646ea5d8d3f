"""Zendesk's ways of paging, each as one loop that cannot run for ever.

| way | used for | a page ends with | the end |
|---|---|---|---|
| export by cursor | tickets, users | `after_cursor`, also on the last page | `end_of_stream` |
| export by time | organizations | `end_time`; `next_page` repeats the last second for ever | `end_of_stream` |
| list by cursor | memberships, satisfaction | `meta.after_cursor` | `meta.has_more` false |

Exports compare `generated_timestamp`, which system updates move without touching `updated_at`, and hold back the last
minute. Rows are never filtered by their dates.
"""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.base import Batch, Row
from connectors.errors import CursorExpiredError, RequestError, ShapeError
from connectors.http import Http
from connectors.place import State, dump, load
from connectors.shape import object_of, rows_of
from connectors.vendor_clock import VendorClock

EXPORT_PAGE = 1000
LIST_PAGE = 100
SAFE_LAG = 360
"""Seconds a start time stays behind now: nearer than one minute (in the past: five) is refused with 422."""
DAILY = timedelta(hours=23)
"""What happens once a day is due again after this long, so that an hourly run with jitter stays at once a day."""
FOLLOWED_MOST = 20_000


class Touched:
    """Tickets that changed in this process and whose satisfaction answers are still to be asked for."""

    def __init__(self) -> None:
        self._ids: dict[int, None] = {}
        self._complete = False
        self._lock = threading.Lock()

    def add(self, rows: list[Row]) -> None:
        """Note solved and rated tickets: only those can have an answer."""
        with self._lock:
            for row in rows:
                if _may_have_answer(row) and len(self._ids) < FOLLOWED_MOST:
                    self._ids[row["id"]] = None

    def complete(self) -> None:
        """Every ticket that changed since the last run has been noted."""
        self._complete = True

    def covered(self) -> bool:
        """Whether that was said since the last time somebody asked."""
        covered, self._complete = self._complete, False
        return covered

    def ids(self) -> list[int]:
        """The tickets noted so far, oldest first."""
        with self._lock:
            return list(self._ids)

    def done(self, ids: list[int]) -> None:
        """Forget tickets whose answers have been read."""
        with self._lock:
            for ticket in ids:
                self._ids.pop(ticket, None)


class Pages:
    """Reads the streams of one account page by page."""

    def __init__(self, http: Http, clock: VendorClock, touched: Touched) -> None:
        self._http = http
        self.clock = clock
        self._touched = touched

    @property
    def server_time(self) -> datetime | None:
        """When the last page was served, by the vendor's clock."""
        return self._http.server_time

    def due(self, state: Mapping[str, Any], name: str) -> bool:
        """Whether what happens once a day should happen now."""
        last = state.get(name)
        return last is None or self.clock.now() - datetime.fromisoformat(last) >= DAILY

    def tickets(self, cursor: str | None) -> Iterator[Batch]:
        """Changed tickets with their metric sets; deleted ones as ids."""
        for batch in self._export("tickets", cursor, include="metric_sets"):
            deleted = tuple(str(row["id"]) for row in batch.rows if _deleted(row))
            rows = [row for row in batch.rows if not _deleted(row)]
            if cursor is not None:
                self._touched.add(rows)
            yield Batch(rows, batch.cursor, deleted=deleted, server_time=batch.server_time)
        if cursor is not None:
            self._touched.complete()

    def users(self, cursor: str | None) -> Iterator[Batch]:
        """Changed users; one who was merged away or deleted comes with `active` false."""
        return self._export("users", cursor)

    def _export(self, kind: str, cursor: str | None, include: str = "") -> Iterator[Batch]:
        done, kept = False, cursor
        while not done:
            place: State = {"cursor": cursor} if cursor else {"start_time": 0}
            sideload = {"include": include} if include else {}
            page = self._export_page(f"{kind}/cursor.json", kind, {**place, "per_page": EXPORT_PAGE, **sideload})
            if page is None:
                yield Batch(cursor=cursor, server_time=self.server_time)
                return
            after = page.get("after_cursor") or cursor
            done = page.get("end_of_stream") is True
            if not done and after == cursor:
                raise ShapeError(f"{kind} export gave the same cursor twice before its end.", vendor="zendesk")
            rows = _fold(rows_of(page, kind, kind, "zendesk"), page)
            # An empty page may be an outage's: behind its cursor could lie what it left out.
            kept = after if rows or kept is None else kept
            yield Batch(rows, kept, server_time=self.server_time)
            cursor = after

    def organizations(self, cursor: str | None) -> Iterator[Batch]:
        """Changed organizations; once a day all of them, since one that was merged away vanishes without a trace."""
        state = load(cursor, "zendesk")
        began, full = self.clock.now(), self.due(state, "listed")
        start = 0 if full else min(int(state["start"]), int(began.timestamp()) - SAFE_LAG)
        seen: set[tuple[str, str]] = set()
        done = False
        while not done:
            params = {"start_time": start, "per_page": EXPORT_PAGE}
            page = self._export_page("organizations.json", "organizations", params)
            if page is None:
                yield Batch(cursor=dump({**state, "start": start}), server_time=self.server_time)
                return
            rows, seen = _fresh(rows_of(page, "organizations", "organizations", "zendesk"), seen)
            end = max(start, page.get("end_time") or 0)
            if page["organizations"] and end == start and page.get("end_of_stream") is False:
                raise ShapeError("organizations export gave the same time twice before its end.", vendor="zendesk")
            done = page.get("end_of_stream") is True or end == start
            listed = began.isoformat() if full and done else state.get("listed")
            place = dump({"start": end, "listed": listed})
            yield Batch(rows, place, server_time=self.server_time, full=full and done)
            start = end

    def memberships(self, cursor: str | None) -> Iterator[Batch]:
        """All memberships once a day: there is no feed of changes. An interrupted listing goes on where it was."""
        state = load(cursor, "zendesk")
        after = state.get("after")
        if after is None and not self.due(state, "listed"):
            yield Batch(cursor=cursor)
            return
        whole = after is None
        began = state.get("began") or self.clock.now().isoformat()
        path = "/api/v2/organization_memberships.json"
        for rows, more in self.listing(path, "organization_memberships", {}, after):
            place = {"listed": state.get("listed"), "began": began, "after": more} if more else {"listed": began}
            full = whole and more is None
            yield Batch(rows, dump(place), server_time=self.server_time, full=full)

    def listing(
        self, path: str, key: str, params: Mapping[str, Any], after: str | None = None
    ) -> Iterator[tuple[list[Row], str | None]]:
        """Pages of a list, each with the cursor of the next one; None on the last.

        Raises:
            CursorExpiredError: The place saved by an earlier pull is no longer known.
        """
        resumed = after is not None
        more = True
        while more:
            place = {"page[after]": after} if after else {}
            try:
                page = self._get(path, key, {**params, "page[size]": LIST_PAGE, **place})
            except RequestError as error:
                if resumed and error.status == 400:
                    raise CursorExpiredError(error.message, vendor="zendesk", status=400) from None
                raise
            resumed = False
            meta = page.get("meta") or {}
            more, following = meta.get("has_more") is True, meta.get("after_cursor")
            if more and following in {None, after}:
                raise ShapeError(f"{key} list gave the same cursor twice before its end.", vendor="zendesk")
            yield rows_of(page, key, key, "zendesk"), following if more else None
            after = following

    def first(self, path: str, key: str, params: Mapping[str, Any]) -> list[Row]:
        """At most one record of a list, to see whether it is there."""
        page = self._get(path, "check", {**params, "page[size]": 1})
        return rows_of(page, key, key, "zendesk")

    def _export_page(self, path: str, purpose: str, params: State) -> State | None:
        """One page of an export; None when the start is too near now, which means that there is nothing new."""
        try:
            return self._get(f"/api/v2/incremental/{path}", purpose, params, bucket="exports")
        except RequestError as error:
            if error.status == 422:
                return None
            if error.status == 400 and "cursor" in params:
                raise CursorExpiredError(error.message, vendor="zendesk", status=400) from None
            raise

    def _get(self, path: str, purpose: str, params: State, bucket: str = "default") -> State:
        page = self._http.json("GET", path, params=params, purpose=purpose, bucket=bucket)
        return object_of(page, path, "zendesk")


def _fold(rows: list[Row], page: Mapping[str, Any]) -> list[Row]:
    """Put each ticket's metric set, which comes beside the tickets, into its ticket."""
    sets = {str(item.get("ticket_id")): item for item in page.get("metric_sets") or () if isinstance(item, dict)}
    for row in rows if sets else ():
        if (key := str(row.get("id"))) in sets:
            row["_metric_set"] = sets[key]
    return rows


def _deleted(row: Row) -> bool:
    return row.get("status") == "deleted" and row.get("id") is not None


def _fresh(rows: list[Row], seen: set[tuple[str, str]]) -> tuple[list[Row], set[tuple[str, str]]]:
    """Rows the page before did not bring in the same version: a page begins with the last second of the one before."""
    keys = [(str(row.get("id")), str(row.get("updated_at"))) for row in rows]
    return [row for row, key in zip(rows, keys, strict=True) if key not in seen], set(keys)


def _may_have_answer(row: Row) -> bool:
    rating = row.get("satisfaction_rating")
    score = rating.get("score") if isinstance(rating, dict) else None
    rated = score not in {None, "offered", "unoffered"}
    return isinstance(row.get("id"), int) and (rated or row.get("status") in {"solved", "closed"})
