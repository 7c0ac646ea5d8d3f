"""Reading Salesforce: everything first and once a day, in between what changed, was deleted or was merged.

- Every query names its fields, so that a missing or hidden field is refused (400) instead of being silently empty.
  Only then the object is described, to say all that is missing at once; fields that an org may do without
  (`connectors.salesforce_kinds.EXTRAS`, our own before `setup`) are left out.
- Changes are asked for by `SystemModstamp >= low`, deleted rows included, in the order of (SystemModstamp, Id). A row
  may become visible minutes after its own stamp, so `low` is ten minutes before the watermark, and the watermark five
  minutes before Salesforce's clock at the beginning of the walk. So a quiet hour costs one query for each kind.
- Once a day (`relist_hours`) everything is read again: formulas change without moving the stamp, and what no list
  names any more was purged or hidden. Colleagues are only read so.
- A list of more than `bulk_above` records comes by a bulk job, whose id the cursor holds.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.base import Batch, Row
from connectors.errors import CursorExpiredError, MissingPermissionError, ShapeError
from connectors.http import refused_with
from connectors.salesforce_api import Api
from connectors.salesforce_bulk import LAST, Bulk, Columns, UnsuitableError
from connectors.salesforce_kinds import CURRENCY, EXTRAS, TASK_KEY, Kind, Place
from connectors.salesforce_soql import select
from connectors.salesforce_values import instant
from connectors.salesforce_walk import ENOUGH, LAG, Walk

OVERLAP = timedelta(minutes=10)
JOB_LIFE = timedelta(hours=24)
"""A bulk job older than this is made anew; Salesforce keeps results for 7 days, but they would be stale."""
FAR_SHORT = 0.5
"""Share of the records known from elsewhere below which a list is not taken for the whole."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the costly passes run, and by which way.

    Attributes:
        relist: Time between lists of everything.
        bulk_above: Records of a kind above which such a list is made by a bulk job.
    """

    relist: timedelta
    bulk_above: int


class Reader:
    """Reads streams of one org.

    Args:
        api: The org.
        kinds: Every kind that will be read, for the one call that asks for their sizes.
        wanted: Stream -> fields that the field map reads; the usual ones where it says nothing.
        own: Object -> names of our own fields.
        rhythm: How often the costly passes run.
        currency: The currency of an org that has only one: put into rows as `_currency`.
    """

    def __init__(
        self,
        api: Api,
        kinds: Sequence[Kind],
        wanted: Mapping[str, Sequence[str]],
        own: Mapping[str, Sequence[str]],
        rhythm: Rhythm,
        *,
        currency: str | None = None,
    ) -> None:
        self.api = api
        self.rhythm = rhythm
        self._objects = sorted({kind.object for kind in kinds})
        self._own = {obj: frozenset(names) for obj, names in own.items()}
        self._asked = {kind.name: kind.asked(wanted.get(kind.name, ()), own.get(kind.object, ())) for kind in kinds}
        self._currency = currency
        self._bulk = Bulk(api)
        self._without: dict[str, set[str]] = {}
        self._unsuitable: set[str] = set()
        self._counts: dict[str, int] | None = None
        self._lock = threading.Lock()

    def pull(self, kind: Kind, cursor: str | None) -> Iterator[Batch]:
        """Records of a kind: everything on the first pull and once a day, else what changed."""
        place = Place.parse(cursor).asking(self._mark(kind))
        if place.high is None or place.job is not None or self._due(place.listed):
            yield from self._everything(kind, place)
        elif kind.hourly:
            self._without.setdefault(kind.name, set(place.without))
            yield from self._changes(kind, place, place.high)
        else:
            yield Batch(cursor=cursor)

    # -- changes ---------------------------------------------------------------------------------------------------

    def _changes(self, kind: Kind, place: Place, high: datetime) -> Iterator[Batch]:
        low, started = place.low or high - OVERLAP, place.started
        for page in Walk(self.api, kind, self._fields(kind), low, place.key, self._cope(kind)).pages():
            started = started or self.api.server_now()
            going_on = place.model_copy(update={"low": low, "started": started}).passed(page.key)
            yield self._batch(kind, page.rows, place.reached(started - LAG) if page.last else going_on)

    # -- everything ------------------------------------------------------------------------------------------------

    def _everything(self, kind: Kind, place: Place) -> Iterator[Batch]:
        """A list. The place before it is kept until its end, but a first list's place is kept as it goes."""
        if place.job is not None and place.started is not None and self._now() - place.started < JOB_LIFE:
            self._without.setdefault(kind.name, set(place.without))
            yield from self._by_job(kind, place)
            return
        if place.high is None and place.job is None and place.key is not None:
            self._without.setdefault(kind.name, set(place.without))
        else:
            place = place.settled()
            self._without[kind.name] = set()
        if place.key is None and self._is_large(kind, place):
            yield from self._by_job(kind, place)
            return
        if self.api.knows(kind.object):
            self._columns(kind)  # what is not there need not be asked for in vain
        yield from self._by_queries(kind, place)

    def _by_queries(self, kind: Kind, place: Place) -> Iterator[Batch]:
        first, whole = place.high is None, place.key is None
        seen, started = place.seen, place.started
        for number, page in enumerate(
            Walk(self.api, kind, self._fields(kind), None, place.key, self._cope(kind)).pages()
        ):
            if number == 0 and whole and not page.last and self._is_large(kind, place, page.total or 0):
                yield from self._by_job(kind, place)  # nobody could tell before how many there are
                return
            started = started or self._now()
            batch = self._batch(kind, page.rows)
            seen += len(batch.rows)
            if page.last:
                yield self._end(kind, place, batch, started, seen, whole=whole)
            else:
                going_on = place.model_copy(update={"started": started, "seen": seen}).passed(page.key)
                yield self._at(batch, self._noted(kind, going_on) if first else None)

    def _by_job(self, kind: Kind, place: Place) -> Iterator[Batch]:
        """A list by a bulk job; where such jobs do not work, by queries."""
        for _ in range(2):
            try:
                yield from self._one_job(kind, place)
            except CursorExpiredError as error:
                problem, place = error, place.settled()
                continue
            except ShapeError:
                yield Batch(cursor=place.settled().text())  # the next pull makes a job of its own
                raise
            except UnsuitableError:
                self._unsuitable.add(kind.name)
                yield from self._by_queries(kind, place.settled())
            return
        raise ShapeError(f"the results of two bulk jobs were lost: {problem.message}", vendor=self.api.name)

    def _one_job(self, kind: Kind, place: Place) -> Iterator[Batch]:
        columns = self._columns(kind)
        job, started = place.job, place.started
        fresh = job is None or started is None
        if job is None or started is None:
            job, started = self._make_job(kind), self._now()
            columns = self._columns(kind)
            place = self._noted(kind, place.model_copy(update={"job": job, "started": started}))
            yield Batch(cursor=place.text(), server_time=self.api.http.server_time)
        total = self._bulk.wait(job, purpose=kind.name, rows=self._expected(kind, place) if fresh else None)
        first, whole = place.high is None, place.locator is None
        seen, count = place.seen, 0
        for rows, after in self._bulk.rows(job, columns, place.locator, purpose=kind.name):
            batch = self._batch(kind, rows)
            seen += len(batch.rows)
            count += len(rows)
            if after == LAST:
                if whole and total is not None and count < total * ENOUGH:
                    message = f"a bulk job gave {count} of {total} {kind.name}; it was not believed."
                    raise ShapeError(message, vendor=self.api.name)
                done = self._end(kind, place, batch, started, seen, whole=whole)
                yield from [done] if fresh or not kind.hourly else self._brought_up(kind, done)
            elif after is None or not first:
                yield batch  # the list is either given whole or made again
            else:
                yield self._at(batch, place.model_copy(update={"locator": after, "seen": seen}))

    def _brought_up(self, kind: Kind, done: Batch) -> Iterator[Batch]:
        """The end of a list by an earlier pull's job, and what changed since: a pull ends with what is true by now."""
        place = Place.parse(done.cursor)
        held = done
        for batch in self._changes(kind, place, place.high or self._now()):
            yield replace(held, cursor=None, full=False)
            held = batch
        yield replace(held, full=done.full)

    def _expected(self, kind: Kind, place: Place) -> int:
        return place.count if place.count is not None else self._count(kind) or 0

    def _make_job(self, kind: Kind) -> str:
        def make() -> str:
            soql = select(kind.object, self._names(kind), [kind.where] if kind.where else [])
            return self._bulk.create(soql, purpose=kind.name, all_rows=kind.deletes)

        try:
            return make()
        except MissingPermissionError as error:
            self._cope(kind)(error)
            return make()

    def _columns(self, kind: Kind) -> Columns:
        """What to ask a job for. Its CSV has no types, so all objects are described, for one call."""
        self.api.learn(self._objects)
        described = self.api.describe(kind.object, purpose=kind.name)
        missing = [name for name in self._names(kind) if not _has(described, name.partition(".")[0], name)]
        try:
            self._leave_out(kind, missing)
        except MissingPermissionError:
            described = self.api.describe(kind.object, purpose=kind.name, fresh=True)  # before complaining
            self._leave_out(kind, [name for name in missing if not _has(described, name.partition(".")[0], name)])
        types = {name.lower(): str(field.get("type")) for name, field in described.items()}
        return Columns(self._names(kind), types)

    def _end(self, kind: Kind, place: Place, batch: Batch, started: datetime, seen: int, *, whole: bool) -> Batch:
        """The last batch of a list."""
        believed = self._believes(kind, seen, place.count)
        done = Place(high=started - LAG, listed=started, count=seen if believed or place.count is None else place.count)
        return self._at(batch, self._noted(kind, done), full=whole and believed)

    def _believes(self, kind: Kind, seen: int, before: int | None) -> bool:
        """Whether a list may be taken for the whole: about as long as the last one, or as Salesforce's own count.

        One that is far shorter may be what a lost right leaves over. What it does not name is then not taken for gone.
        """
        if kind.where or (before is not None and seen >= before * FAR_SHORT):
            return True
        counted = self._count(kind)
        return counted is None or seen >= counted * FAR_SHORT

    def _is_large(self, kind: Kind, place: Place, total: int | None = None) -> bool:
        if kind.name in self._unsuitable:
            return False
        if total is None:
            total = self._expected(kind, place)
        return total > self.rhythm.bulk_above

    def _count(self, kind: Kind) -> int | None:
        """About how many records there are; one call tells it for all kinds, and describes them."""
        with self._lock:
            if self._counts is None:
                self.api.learn(self._objects)
                self._counts = self.api.record_counts(self._objects)
            return self._counts.get(kind.object)

    # -- fields ----------------------------------------------------------------------------------------------------

    def _names(self, kind: Kind) -> list[str]:
        without = self._without.get(kind.name, set()) | ({CURRENCY} if self._currency else set())
        return [name for name in self._asked[kind.name] if name not in without]

    def _fields(self, kind: Kind) -> Callable[[], Sequence[str]]:
        return lambda: self._names(kind)

    def _cope(self, kind: Kind) -> Callable[[MissingPermissionError], None]:
        """What to do when a query is refused for its fields: find out which, and leave out what may be left out."""

        def cope(error: MissingPermissionError) -> None:
            if refused_with(error, "INVALID_TYPE"):
                message = f"{kind.object} is not in this org, or the run-as user has no right to it."
                advice = kind.absent or "Grant Read on it."
                raise MissingPermissionError(message, vendor=self.api.name, code="INVALID_TYPE", advice=advice)
            if not refused_with(error, "INVALID_FIELD"):
                raise error
            described = self.api.describe(kind.object, purpose=kind.name, fresh=True)
            missing = [name for name in self._names(kind) if not self._is_there(kind, described, name)]
            if not missing:
                raise error
            self._leave_out(kind, missing)

        return cope

    def _leave_out(self, kind: Kind, missing: Sequence[str]) -> None:
        """Do without some fields. Raises `MissingPermissionError` naming those that the field map cannot do without."""
        needed = [name for name in missing if name not in EXTRAS and name not in self._own.get(kind.object, ())]
        if needed:
            message = (
                f"{kind.object} has no {', '.join(needed)}, or field-level security hides"
                f" {'it' if len(needed) == 1 else 'them'} from the run-as user."
            )
            advice = (
                "Grant Read in the user's permission set, or take the lines out of the field map:"
                f' [crm.fields.{kind.name}] with "" in place of the name.'
            )
            raise MissingPermissionError(message, vendor=self.api.name, code="INVALID_FIELD", advice=advice)
        self._without.setdefault(kind.name, set()).update(missing)

    def _is_there(self, kind: Kind, described: Mapping[str, Row], name: str) -> bool:
        """Whether a field, or a parent's field, can be read."""
        parent, _, rest = name.partition(".")
        if not rest:
            return _has(described, name, name)
        targets = [
            str(target)
            for field in described.values()
            if str(field.get("relationshipName")).lower() == parent.lower()
            for target in field.get("referenceTo") or ()
        ]
        return any(_has(self.api.describe(target, purpose=kind.name), rest, rest) for target in targets)

    # -- batches ---------------------------------------------------------------------------------------------------

    def _batch(self, kind: Kind, rows: Sequence[Row], place: Place | None = None) -> Batch:
        """Rows as living, deleted and merged ones."""
        living: list[Row] = []
        deleted: list[str] = []
        merged: dict[str, str] = {}
        for row in rows:
            if row.get("IsDeleted") is not True:
                # A meeting that was put off has not taken place: what is known of it is taken back.
                ahead = bool(kind.happens) and self._is_ahead(row.get(kind.happens))
                deleted.append(str(row.get("Id"))) if ahead else living.append(row)
            elif row.get("MasterRecordId"):
                merged[str(row.get("Id"))] = str(row["MasterRecordId"])
            else:
                deleted.append(str(row.get("Id")))
        if self._currency and CURRENCY in self._asked[kind.name]:
            for row in living:
                row["_currency"] = self._currency
        batch = Batch(living, None, tuple(deleted), merged, server_time=self.api.http.server_time)
        return self._at(batch, self._noted(kind, place)) if place is not None else batch

    def _is_ahead(self, when: Any) -> bool:
        try:
            return instant(str(when)) > self._now()
        except ValueError:
            return False

    def _at(self, batch: Batch, place: Place | None, *, full: bool = False) -> Batch:
        return Batch(
            batch.rows,
            place.text() if place is not None else None,
            batch.deleted,
            batch.merged,
            server_time=batch.server_time,
            full=full,
        )

    def _noted(self, kind: Kind, place: Place) -> Place:
        """The place, with the extras that are left out; our own fields are tried again by every new process."""
        without = self._without.get(kind.name, set()) - self._own.get(kind.object, frozenset()) - {TASK_KEY}
        return place.model_copy(update={"without": tuple(sorted(without)), "asked": self._mark(kind)})

    def _mark(self, kind: Kind) -> str:
        """Short for what is asked for. Rows that were read before a field map changed lack what it wants now."""
        asked = f"{kind.object} {' '.join(self._asked[kind.name])} {kind.where} {self._currency}"
        return hashlib.sha256(asked.encode()).hexdigest()[:12]

    def _now(self) -> datetime:
        return self.api.server_now()

    def _due(self, last: datetime | None) -> bool:
        return last is None or self._now() - last >= self.rhythm.relist


def _has(described: Mapping[str, Row], field: str, name: str) -> bool:
    """Whether a description names a field, or, of a parent's field, the relationship."""
    if "." in name:
        return any(str(one.get("relationshipName")).lower() == field.lower() for one in described.values())
    return field.lower() in {known.lower() for known in described}
