"""The streams of a Stripe account: a whole listing once a day, and between two of them what events name.

| stream | once a day | between |
|---|---|---|
| customers | all of them | each changed one by its id |
| subscriptions | all of them, ended ones too | those of each customer of whom something changed, a call a customer |
| invoices | open ones; the first time all of `history_days` | changed ones by id, many young ones by a list |

A place is {"until", "seen", "listed", "pages"}: how far events were followed, those of the overlap, when the last
listing began and how many pages it had; while one is under way also {"run"}. When more has changed than a listing has
pages, the listing is the cheaper way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connectors.base import Batch, Row
from connectors.errors import RequestError
from connectors.place import State, dump, load
from connectors.stripe_feed import KEPT, Event, Feed
from connectors.stripe_lists import Lists, Page, names

DAILY = int(timedelta(hours=23).total_seconds())
"""Seconds after which what happens once a day is due again, so that an hourly run with jitter stays at once a day."""
DAY = 86_400
BY_ID_MOST = 20
"""Young invoices that are asked for one by one; more are listed."""
YOUNG = 2 * DAY
"""Seconds since it was made in which an invoice changes most: it is finalized and paid."""
CHUNK = 100
"""Objects asked for one by one that make a batch."""

ADDRESS = ("id", "email", "deleted", "unreadable")
"""What is kept of a customer for the stream of addresses."""

Fold = Callable[[Sequence[Row]], list[Row]]


@dataclass(frozen=True, slots=True)
class Reads:
    """What the streams of one account share.

    Attributes:
        lists: Reads lists and objects.
        feed: What has changed.
        second: The vendor's time, epoch seconds.
        served: When the last page was served.
        history: Days of invoices that the first pull reads.
    """

    lists: Lists
    feed: Feed
    second: Callable[[], int]
    served: Callable[[], Any]
    history: int

    def batch(self, rows: list[Row], place: State, *, deleted: Sequence[str] = (), full: bool = False) -> Batch:
        """A batch with its place and the time at which it was served."""
        return Batch(rows, dump(place), deleted=tuple(deleted), server_time=self.served(), full=full)


class Listed:
    """A stream that is listed whole once a day: customers, and subscriptions.

    Args:
        reads: The account.
        name: Stream name, and the path of the list.
        kinds: Kinds of events that touch it.
        query: Filters of the list.
        expand: What the list serves whole.
        fold: Makes objects that came together rows.
    """

    def __init__(
        self,
        reads: Reads,
        name: str,
        kinds: frozenset[str],
        *,
        query: State | None = None,
        expand: Sequence[str] = (),
        fold: Fold = list,
    ) -> None:
        self.reads = reads
        self.name = name
        self.kinds = kinds
        self.query = query or {}
        self.expand = expand
        self.fold = fold

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield everything once a day, and what changed in between."""
        state = place(cursor)
        if "run" in state or _due(state, self.reads.second()):
            yield from self._list(state)
            return
        events, done = self.reads.feed.since(state, self.kinds)
        touched: dict[str, list[str]] = {}
        for event in events:
            if event.customer is not None:  # a payment method that was taken away from its customer has none
                touched.setdefault(event.customer, []).append(event.object_id)
        if len(touched) > state.get("pages", 1):
            yield from self._list(state)
        else:
            yield from self._follow(touched, state, {**state, **done})

    def _list(self, state: State) -> Iterator[Batch]:
        run: State = dict(state.get("run", {}))
        whole = not run
        pages = self.reads.lists.pages(self.name, self.query, self.name, expand=self.expand, after=run.get("after"))
        for page in pages:
            run.setdefault("began", self.reads.feed.began())  # by now it is the vendor's clock
            run |= {"after": page.after, "pages": run.get("pages", 0) + 1}
            rows = self.fold(page.rows)
            if page.after is not None:
                yield self.reads.batch(rows, {**state, "run": run})
                continue
            # What a listing that was interrupted has missed by then, such as a deletion, the events still know.
            until = run["began"] if whole or "until" not in state else state["until"]
            seen = None if whole else state.get("seen")
            done = {"until": until, "seen": seen, "listed": run["began"], "pages": run["pages"]}
            yield self.reads.batch(rows, done, full=whole)

    def _follow(self, touched: Mapping[str, list[str]], state: State, done: State) -> Iterator[Batch]:
        """Ask for what was touched; the place moves on with the last of it."""
        rows, deleted = list[Row](), list[str]()
        for number, (customer, objects) in enumerate(touched.items(), 1):
            found, gone = self._current(customer, objects)
            rows += found
            deleted += gone
            if len(rows) >= CHUNK and number < len(touched):
                yield self.reads.batch(rows, state, deleted=deleted)
                rows, deleted = [], []
        yield self.reads.batch(rows, done, deleted=deleted)

    def _current(self, customer: str, objects: list[str]) -> tuple[list[Row], list[str]]:
        """What a customer has now, and ids of what is gone."""
        query = {**self.query, "customer": customer}
        lists = self.reads.lists
        try:
            pages = list(lists.pages(self.name, query, self.name, expand=self.expand))
        except RequestError as error:
            if error.status not in {400, 404} or not names(error, "customer"):
                raise
            # A deleted customer is no filter any more, but what it had can still be asked for.
            mine = [one for one in dict.fromkeys(objects) if one.startswith("sub_")]
            found = [lists.one(f"{self.name}/{one}", self.name, expand=self.expand) for one in mine]
            return self.fold([row for row in found if row is not None]), []
        return self.fold([row for page in pages for row in page.rows]), []


class Customers(Listed):
    """Customers; a deleted one is asked for by its id and says so."""

    def __init__(self, reads: Reads) -> None:
        super().__init__(reads, "customers", frozenset({"customer"}))
        self._kept: list[Batch] | None = None
        self._from: str | None = None

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield everything once a day, and what changed in between; keeps the addresses for `addresses`."""
        self._kept, kept = None, list[Batch]()
        for batch in super().pull(cursor):
            rows: list[Row] = [{name: row[name] for name in ADDRESS if name in row} for row in batch.rows]
            kept.append(Batch(rows, batch.cursor, batch.deleted, server_time=batch.server_time, full=batch.full))
            yield batch
        self._kept, self._from = kept, cursor

    def addresses(self, cursor: str | None) -> Iterator[Batch]:
        """The same customers, as the people behind their addresses: what `pull` has just read, if that says it all."""
        kept, self._kept = self._kept, None
        place(cursor)
        if kept is not None and (cursor == self._from or kept[-1].full):
            yield from kept
        else:
            yield from super().pull(cursor)

    def _current(self, customer: str, objects: list[str]) -> tuple[list[Row], list[str]]:
        del objects
        row = self.reads.lists.one(f"customers/{customer}", self.name)
        if row is None or row.get("deleted") is True:
            return [], [customer]
        return [row], []


class Invoices:
    """Invoices, of which only the open ones are listed every day."""

    KINDS = frozenset({"invoice"})

    def __init__(self, reads: Reads, fold: Fold, expand: Sequence[str]) -> None:
        self.reads = reads
        self.fold = fold
        self.expand = expand

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield all of them at first, then what changed."""
        state = place(cursor)
        run: State | None = state.get("run") or self._begin(state)
        if run is None:
            yield from self._follow(state)
            return
        whole = "after" not in run and run["step"] == 0
        steps: list[State] = run["steps"]
        while run["step"] < len(steps):
            last = run["step"] == len(steps) - 1
            for page in self._pages(steps[run["step"]], run.get("after")):
                run.setdefault("began", self.reads.feed.began())
                run["after"] = page.after
                rows = self.fold(page.rows)
                if page.after is None and last:
                    state = {"until": state.get("until", run["began"]), "seen": state.get("seen")}
                    state["listed"] = run["began"]
                else:
                    run["step"] += page.after is None
                    state = {**state, "run": dict(run)}
                yield self.reads.batch(rows, state)
            if last:
                break
        if not whole or state["until"] != run["began"]:
            yield from self._follow(state)

    def _begin(self, state: State) -> State | None:
        """A new listing: of everything where events do not reach back to, of the open ones once a day."""
        now = self.reads.second()
        if "until" not in state or now - state["until"] > KEPT.total_seconds():
            state.pop("until", None)
            start = now - self.reads.history * DAY
            everything = [{"created[gte]": start}, {"status": "open", "created[lt]": start}]
            return {"step": 0, "steps": everything}
        return {"step": 0, "steps": [{"status": "open"}]} if _due(state, now) else None

    def _follow(self, state: State) -> Iterator[Batch]:
        """What events name: many young ones by a list, the others by id."""
        events, done = self.reads.feed.since(state, self.KINDS)
        made = {event.object_id: event.object_created for event in events}
        rows, deleted = list[Row](), list[str]()
        for batch in self._young(made, events):
            for row in batch:
                made.pop(str(row.get("id")), None)
            yield self.reads.batch(self.fold(batch), state)
        for number, invoice in enumerate(made, 1):
            found = self.reads.lists.one(f"invoices/{invoice}", "invoices", expand=self.expand)
            rows += self.fold([found]) if found is not None else []
            deleted += [invoice] if found is None else []
            if number % CHUNK == 0:
                yield self.reads.batch(rows, state, deleted=deleted)
                rows, deleted = [], []
        yield self.reads.batch(rows, {**state, **done}, deleted=deleted)

    def _young(self, made: dict[str, int], events: Sequence[Event]) -> Iterator[list[Row]]:
        """Pages of the list that has the young ones among the changed, where there are many."""
        newest = max((event.created for event in events), default=0)
        young = [created for created in made.values() if created > newest - YOUNG]
        if len(young) > BY_ID_MOST:
            for page in self._pages({"created[gte]": min(young)}):
                yield page.rows

    def _pages(self, query: State, after: str | None = None) -> Iterator[Page]:
        return self.reads.lists.pages("invoices", query, "invoices", expand=self.expand, after=after)


def place(cursor: str | None) -> State:
    """What a cursor stands for.

    Raises:
        CursorExpiredError: It is none of ours.
    """
    return load(cursor, "stripe")


def _due(state: State, now: int) -> bool:
    """Whether a listing is due: the last one is a day old, or there was none."""
    return "until" not in state or now - int(state.get("listed", 0)) >= DAILY
