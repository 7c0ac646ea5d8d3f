"""Reading HubSpot: full lists, what changed since, what was deleted, and who belongs to whom.

A *list* page (100 rows) brings associations along and is consistent; a *search* page (200 rows) finds what changed but
lags behind, lacks associations and stops at 10,000 results. So:

- the first pull lists, and its watermark is HubSpot's clock when it began;
- every later pull searches `low <= modified < now - 60 s`, where `low` is the old watermark less ten minutes, walking
  by record id instead of by page, which neither the cap nor ten thousand equal stamps can stop;
- associations of changed records come by batch read, a thousand a call;
- once a day (`relist_hours`) a pull lists everything again instead of searching: associations change without moving
  the modified date, and a record that no list names any more is gone;
- every few hours (`deletes_hours`) the archived records are listed too, since a search never shows them.

A quiet hour so costs one search per kind of record.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from connectors.base import Batch, Row
from connectors.errors import ShapeError
from connectors.hubspot_api import Api, next_after, results
from connectors.hubspot_fold import ASSOCIATION_BATCH, Fold, merged_away
from connectors.hubspot_kinds import Kind, Place
from connectors.hubspot_values import as_instant

LIST_PAGE = 100
SEARCH_PAGE = 200
LAG = timedelta(seconds=60)
"""How far the search index is given to catch up; seconds are seen, but no bound is promised."""
OVERLAP = timedelta(minutes=10)
LONGEST_QUERY = 7_000
"""Characters of property names in an address; 414 begins near 8,000."""
LONGEST_SEARCH = 2_500
"""The same in a search, whose whole body may have 3,000."""
ENOUGH = 0.95
"""Share of the records counted by the search index that a full list must have reached to be believed."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the passes run that a quiet hour should not pay for."""

    relist: timedelta
    deletes: timedelta


class Reader:
    """Reads streams of one account.

    Args:
        api: The account.
        asked: Kind -> properties to ask for.
        rhythm: How often the costly passes run.
        fold: Reads what belongs beside a record.
    """

    def __init__(self, api: Api, asked: Mapping[str, Sequence[str]], rhythm: Rhythm, fold: Fold) -> None:
        self.api = api
        self.asked = asked
        self.rhythm = rhythm
        self.fold = fold

    def owners(self, cursor: str | None) -> Iterator[Batch]:
        """Colleagues, current and former: two short lists, once a day."""
        place = Place.parse(cursor)
        if not self._due(place.listed, self.rhythm.relist):
            yield Batch(cursor=cursor)
            return
        rows: list[Row] = []
        for archived in ("false", "true"):
            params = {"limit": str(LIST_PAGE), "archived": archived}
            for page in self.api.pages("/crm/v3/owners", params, purpose="owners"):
                rows += results(page, self.api.http.vendor)
        yield self._batch(rows, Place(listed=self.api.server_now()), full=bool(rows))

    def pull(self, kind: Kind, cursor: str | None) -> Iterator[Batch]:
        """Records of a kind: everything on the first pull and once a day, else what changed."""
        place = Place.parse(cursor)
        if place.high is None:
            yield from self._first(kind, place)
        elif self._due(place.listed, self.rhythm.relist):
            yield from self._relist(kind)
        else:
            yield from self._since(kind, place, place.high)

    # -- lists -----------------------------------------------------------------------------------------------------

    def _first(self, kind: Kind, place: Place) -> Iterator[Batch]:
        count, started, fresh = place.count, place.started, place.after is None
        for page in self._listed(kind, place.after):
            rows = results(page, self.api.http.vendor)
            count += len(rows)
            started = started or self.api.server_now()
            after = next_after(page)
            if after is not None:
                going_on = Place(after=after, started=started, count=count)
                yield self._batch(self.fold.fold(kind, rows), going_on, kind)
                continue
            if count >= 10 * LIST_PAGE:
                self._believe(kind, count)
            done = Place(high=started, listed=started, swept=started)
            yield self._batch(self.fold.fold(kind, rows), done, kind, full=fresh)

    def _relist(self, kind: Kind) -> Iterator[Batch]:
        """Everything again; the old place is kept until the end, so that a broken pass is simply made again."""
        count, started = 0, None
        for page in self._listed(kind, None):
            rows = results(page, self.api.http.vendor)
            count += len(rows)
            started = started or self.api.server_now()
            if next_after(page) is not None:
                yield self._batch(self.fold.fold(kind, rows), None, kind)
                continue
            self._believe(kind, count)
            done = Place(high=started, listed=started, swept=started)
            yield self._batch(self.fold.fold(kind, rows), done, kind, full=True)

    def _listed(self, kind: Kind, after: str | None) -> Iterator[Any]:
        params = {"limit": str(LIST_PAGE), "archived": "false"}
        names = ",".join(self.asked[kind.name])
        if len(names) <= LONGEST_QUERY:
            params["properties"] = names
        if kind.links:
            params["associations"] = ",".join(kind.links)
        for page in self.api.pages(kind.path, params, purpose=kind.name, after=after):
            if len(names) > LONGEST_QUERY:
                self.fold.widen(kind, results(page, self.api.http.vendor), self.asked[kind.name])
            yield page

    def _believe(self, kind: Kind, count: int) -> None:
        """Raise `ShapeError` when a list ended long before the number of records that HubSpot counts.

        A list cut short would look like a mass deletion, or leave records out for a day.
        """
        page = self.api.json("POST", f"{kind.path}/search", purpose=kind.name, body={"limit": 1})
        total = page.get("total") if isinstance(page, dict) else None
        if isinstance(total, int) and count < total * ENOUGH:
            message = f"the list of {kind.name} ended after {count} of about {total}; it was not believed."
            raise ShapeError(message, vendor=self.api.http.vendor)

    # -- changes ---------------------------------------------------------------------------------------------------

    def _since(self, kind: Kind, place: Place, high: datetime) -> Iterator[Batch]:
        until = place.until or self.api.server_now() - LAG
        low = place.low or high - OVERLAP
        if self.api.skew is None and low >= until:
            # By our own clock there is nothing to ask for yet. It may be slow, so HubSpot's is asked for.
            self.api.json("POST", f"{kind.path}/search", purpose=kind.name, body={"limit": 1})
            until = place.until or self.api.server_now() - LAG
        knew_clock = self.api.skew is not None
        if low < until:
            for rows, last in self._changed(kind, low, until, place.last):
                if not knew_clock:
                    # Our own clock chose the window. Should it be fast, the window reaches into HubSpot's future.
                    until, knew_clock = min(until, self.api.server_now() - LAG), True
                if rows:
                    going_on = place.model_copy(update={"low": low, "until": until, "last": last})
                    yield self._batch(self.fold.fold(kind, rows), going_on, kind)
        resumed = place.until is not None
        place = place.model_copy(update={"high": max(high, until), "low": None, "until": None, "last": 0})
        if resumed:
            # A pull that was broken off is finished; what has changed since then is not left to the next hour.
            yield Batch(cursor=place.text(), server_time=self.api.http.server_time)
            yield from self._since(kind, place, max(high, until))
            return
        deleted: tuple[str, ...] = ()
        if self._due(place.swept, self.rhythm.deletes):
            now = self.api.server_now()
            deleted = self._gone(kind, (place.swept or high) - OVERLAP)
            place = place.model_copy(update={"swept": now})
        yield Batch(cursor=place.text(), deleted=deleted, server_time=self.api.http.server_time)

    def _changed(self, kind: Kind, low: datetime, until: datetime, last: int) -> Iterator[tuple[list[Row], int]]:
        """Changed rows, and the highest record id among them: up to a thousand at once where associations follow."""
        pages = self._searched(kind, low, until, last)
        at_once = ASSOCIATION_BATCH // SEARCH_PAGE if kind.links else 1
        while group := list(islice(pages, at_once)):
            rows = [row for page in group for row in page]
            last = max([last, *_numbers(rows)])
            self.fold.link(kind, rows)
            yield rows, last

    def _searched(self, kind: Kind, low: datetime, until: datetime, last: int) -> Iterator[list[Row]]:
        names = self.asked[kind.name]
        fits = len(",".join(names)) <= LONGEST_SEARCH
        while True:
            page = self._search(kind, _changed_body(kind, names if fits else (), low, until, last))
            rows = results(page, self.api.http.vendor)
            if rows and not fits:
                self.fold.widen(kind, rows, names)
            yield rows
            left = page.get("total")
            if not rows or (left <= len(rows) if isinstance(left, int) else len(rows) < SEARCH_PAGE):
                return
            newest = max(_numbers(rows), default=last)
            if newest <= last:
                raise ShapeError(f"a search for {kind.name} went in circles.", vendor=self.api.http.vendor)
            last = newest

    def _search(self, kind: Kind, body: Row) -> Any:
        """One page; no rows where HubSpot counts some is asked for once more, then an error."""
        for _ in range(2):
            page = self.api.json("POST", f"{kind.path}/search", purpose=kind.name, body=body)
            if results(page, self.api.http.vendor) or not page.get("total"):
                return page
        raise ShapeError(f"a search for {kind.name} found records but gave none.", vendor=self.api.http.vendor)

    def _gone(self, kind: Kind, since: datetime) -> tuple[str, ...]:
        """Records deleted since the last look. The list has its own paging, no order, and forgets after 90 days."""
        gone: list[str] = []
        params = {"limit": str(LIST_PAGE), "archived": "true", "properties": "hs_object_id"}
        for page in self.api.pages(kind.path, params, purpose=f"{kind.name} deleted"):
            for row in results(page, self.api.http.vendor):
                when = as_instant(row.get("archivedAt"))
                if when is not None and when >= since:
                    gone.append(str(row.get("id")))
        return tuple(gone)

    def _due(self, last: datetime | None, every: timedelta) -> bool:
        return last is None or self.api.server_now() - last >= every

    def _batch(self, rows: list[Row], place: Place | None, kind: Kind | None = None, *, full: bool = False) -> Batch:
        merged = merged_away(kind, rows) if kind else {}
        cursor = place.text() if place else None
        if kind is None or not kind.happens:
            return Batch(rows, cursor, merged=merged, server_time=self.api.http.server_time, full=full)
        # A meeting that was put off has not taken place: what is known of it is taken back.
        ahead = [self._is_ahead(kind, row) for row in rows]
        gone = tuple(str(row.get("id")) for row, is_ahead in zip(rows, ahead, strict=True) if is_ahead)
        there = [row for row, is_ahead in zip(rows, ahead, strict=True) if not is_ahead]
        return Batch(there, cursor, gone, merged, server_time=self.api.http.server_time, full=full)

    def _is_ahead(self, kind: Kind, row: Row) -> bool:
        properties = row.get("properties")
        when = as_instant(properties.get(kind.happens)) if isinstance(properties, dict) else None
        return when is not None and when > self.api.server_now()


def _changed_body(kind: Kind, names: Sequence[str], low: datetime, until: datetime, last: int) -> Row:
    filters = [
        {"propertyName": kind.modified, "operator": "GTE", "value": _millis(low)},
        {"propertyName": kind.modified, "operator": "LT", "value": _millis(until)},
        {"propertyName": "hs_object_id", "operator": "GT", "value": str(last)},
    ]
    return {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": list(names),
        "limit": SEARCH_PAGE,
    }


def _millis(when: datetime) -> str:
    return str(int(when.timestamp() * 1000))


def _numbers(rows: Sequence[Row]) -> list[int]:
    return [int(row["id"]) for row in rows if str(row.get("id")).isdecimal()]
