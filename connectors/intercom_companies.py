"""Intercom's companies, of which nobody says when they changed.

Once a day all of them by a scroll, 100 a call. A workspace has one scroll at a time; it dies after an idle minute, and
an answer that got lost is not served again, so that a scroll which failed begins anew. In between, the companies of
contacts that have just changed are asked for one by one, those of new contacts first.
"""

import threading
from collections.abc import Iterator, Sequence

from connectors.base import Batch, Clock, Row
from connectors.errors import NotFoundError, RequestError, ShapeError, TransientError
from connectors.intercom_search import Reads
from connectors.place import State, dump, load
from connectors.shape import object_of, rows_of

PATH = "companies/scroll"
BY_ID_MOST = 15
"""Companies asked for one by one in a pull; the others wait for the day's scroll."""
STARTS = 3
"""How often a scroll that fails is begun."""
ALIVE = 61.0
"""Seconds until a scroll that nobody goes on with is dead."""
NOTED_MOST = 1_000


class Touched:
    """Companies of contacts that changed in this process."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self._lock = threading.Lock()

    def add(self, ids: Sequence[str], *, first: bool) -> None:
        """Note companies; those of new contacts come first."""
        with self._lock:
            if first:
                self._ids = {**dict.fromkeys(ids), **self._ids}
            elif len(self._ids) < NOTED_MOST:
                self._ids |= dict.fromkeys(key for key in ids if key not in self._ids)

    def take(self) -> list[str]:
        """The most important of them; all are forgotten."""
        with self._lock:
            ids, self._ids = list(self._ids), {}
        return ids[:BY_ID_MOST]


class Companies:
    """The stream of companies.

    Args:
        reads: The workspace.
        touched: Companies that may have changed.
        clock: Ours, to wait by.
    """

    def __init__(self, reads: Reads, touched: Touched, clock: Clock) -> None:
        self._reads = reads
        self._touched = touched
        self._clock = clock

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield all of them once a day, and in between those of contacts that changed."""
        state = load(cursor, "intercom")
        touched = self._touched.take()
        if "listed" in state and not self._reads.due(state, "listed"):
            found = [row for row in map(self._one, touched) if row is not None]
            yield Batch(found, dump(state), server_time=self._reads.served())
            return
        yield from self._scroll(state)

    def _one(self, key: str) -> Row | None:
        try:
            return self._reads.get(f"companies/{key}", "companies")
        except NotFoundError:
            return None

    def _scroll(self, state: State) -> Iterator[Batch]:
        for start in range(1, STARTS + 1):
            page = self._first()
            if page is None:
                yield Batch(cursor=dump(state), server_time=self._reads.served())
                return
            began = self._reads.second()
            try:
                for rows in self._pages(page):
                    yield Batch(rows, server_time=self._reads.served())
            except (TransientError, RequestError) as error:
                if start == STARTS or error.status in {401, 403}:
                    raise
                continue
            yield Batch(cursor=dump({"listed": began}), server_time=self._reads.served(), full=True)
            return

    def _first(self) -> State | None:
        """The first page; None where another program's scroll is in the way for longer than ours would be."""
        for last in (False, True):
            try:
                return self._reads.get(PATH, "companies")
            except RequestError as error:
                if error.code != "scroll_exists":
                    raise
                if not last:
                    self._clock.sleep(ALIVE)
        return None

    def _pages(self, page: State) -> Iterator[list[Row]]:
        """Rows until the end.

        An empty page may be an outage's, so the vendor is asked once more: behind the end the place is unknown.

        Raises:
            TransientError: The scroll went on behind an empty page, so that what that page held is lost.
        """
        doubts = 0
        seen: str | None = None
        while True:
            rows = rows_of(page, "data", "companies", "intercom")
            first = str(rows[0].get("id")) if rows else None
            if first is not None and first == seen:
                raise ShapeError("the scroll of companies gave the same page twice.", vendor="intercom")
            if rows and doubts:
                raise TransientError("the scroll of companies had a gap.", vendor="intercom")
            seen = first or seen
            doubts += not rows
            if rows:
                yield rows
            place = page.get("scroll_param")
            if doubts == 2 or not place:
                return
            try:
                page = self._next(str(place))
            except RequestError:
                if doubts:
                    return
                raise

    def _next(self, place: str) -> State:
        """The next page. It is asked for once: what a lost answer held does not come again."""
        found = self._reads.http.json(
            "GET", PATH, params={"scroll_param": place}, purpose="companies", repeatable=False
        )
        return object_of(found, "the scroll of companies", "intercom")
