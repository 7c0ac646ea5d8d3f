"""Salesforce's records of one kind: the world's, worked out on demand, under what was written since.

Times are epoch milliseconds; stamps fall on whole seconds, as Salesforce shows them. Values are Python's: str, bool,
int, float, None; a datetime is epoch milliseconds (int), a date "YYYY-MM-DD", a multi-select text joined with ";".
Field names are written in their own capitals (`ObjectDef.field` finds them).
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sandbox.salesforce_base import Base, Getter, Ids, Listener, Moment, Written, folded
from sandbox.salesforce_types import ObjectDef


def _same(value: Any) -> Any:
    return value


class Table:
    """All records of one kind. A record's `place` is its position in order of id and never changes.

    Args:
        definition: What they are.
        base: The world's part.
        moment: The org's present.

    Attributes:
        object: What they are.
        items: World objects by place; None for what people and programs made.
        written: Place -> what happened to it.
        computed: Field name -> getter of a field that follows from others; read-only, formulas included.
        listeners: Hear of every change.
        archived: Tells which living records only a query for all rows gives (old tasks; the world has none); None for
            none.
        version: Grows with every change.
    """

    def __init__(self, definition: ObjectDef, base: Base, moment: Moment) -> None:
        self.object = definition
        self.ids = Ids(definition.prefix)
        self.items = base.items
        self.renderers = dict(base.renderers)
        self.written: dict[int, Written] = {}
        self.listeners: list[Listener] = []
        self.archived: Callable[[int, int], bool] | None = None
        self.version = 0
        self._moment = moment
        self._numbers = base.numbers
        self._created = base.created
        self._stamps = base.stamps
        self._changes = base.changes
        self._by = base.by
        self._of_world = len(base.items)
        self._to_come = [place for place, at in enumerate(base.created) if at > moment.now]
        self._gone: set[int] = set()
        self._unborn: dict[int, int] = {}
        self._by_stamp: array[int] | None = None
        self._indexes: dict[str, dict[Any, list[int]]] = {}
        self.computed: dict[str, Getter] = {
            "Id": lambda place, _now: self.id_at(place),
            "IsDeleted": lambda place, _now: self.deleted(place),
            "MasterRecordId": lambda place, _now: self.written[place].master if place in self.written else None,
            "CreatedDate": lambda place, _now: self._created[place] // 1000 * 1000,
            "CreatedById": self._created_by,
            "LastModifiedDate": self._modified,
            "LastModifiedById": self._modified_by,
            "SystemModstamp": self.stamp,
        }

    def __len__(self) -> int:
        return len(self._numbers)

    # ---- finding -----------------------------------------------------------------------------------------------------

    def place(self, record_id: str) -> int | None:
        """Where a record stands, deleted ones included; None when there is none: never was, not yet, or purged."""
        number = self.ids.number(record_id)
        if number is None:
            return None
        place = bisect_left(self._numbers, number)
        if place == len(self._numbers) or self._numbers[place] != number or not self._born(place, self._moment.now):
            return None
        log = self.written.get(place)
        return None if log is not None and log.purged else place

    def id_at(self, place: int) -> str:
        """A record's 18-character id."""
        return self.ids.text(self._numbers[place])

    def _born(self, place: int, now: int) -> bool:
        # What people and programs made is there from the moment it was inserted, or committed.
        if place >= self._of_world:
            return place not in self._unborn or self._unborn[place] <= now
        return self._created[place] + self._moment.late <= now

    def deleted(self, place: int) -> bool:
        """Whether a record lies in the recycle bin (merged-away ones too)."""
        return place in self._gone

    def alive(self, record_id: str) -> int | None:
        """The place of a record that is there and not deleted; None otherwise."""
        place = self.place(record_id)
        return None if place is None or place in self._gone else place

    def places(self, now: int, *, deleted: bool = False) -> Sequence[int]:
        """The records there are, in order of id; `deleted` adds the recycle bin and archived rows."""
        hidden = self._hidden(now, deleted=deleted)
        everything = range(len(self._numbers))
        if self.archived is not None and not deleted:
            return [p for p in everything if p not in hidden and not self.archived(p, now)]
        return [p for p in everything if p not in hidden] if hidden else everything

    def _hidden(self, now: int, *, deleted: bool) -> set[int]:
        """Places of what is not there yet, or not any more; those are few, unless what happens is seen late."""
        coming = range(self._of_world) if self._moment.late else self._to_come
        hidden = {p for p in coming if not self._born(p, now)} | {p for p in self._unborn if not self._born(p, now)}
        return hidden | {p for p in self._gone if not self._shown(p, now, deleted=deleted)}

    def _shown(self, place: int, now: int, *, deleted: bool) -> bool:
        if place in self._gone:
            return deleted and not self.written[place].purged
        return deleted or self.archived is None or not self.archived(place, now)

    def changed(self, low: int, high: int, now: int, *, deleted: bool = False) -> list[int]:
        """Places with `low` <= SystemModstamp < `high`, by (SystemModstamp, Id).

        Nearly all records carry the stamp they began with and stand in order once and for all; only those that
        something happened to are looked at one by one.
        """
        special = self.written.keys() | self._changes.keys()
        still = self._unmoved(low, high, now)
        if special:
            still = [place for place in still if place not in special]
        seen = (p for p in special if self._born(p, now) and self._shown(p, now, deleted=deleted))
        moved = sorted((stamp, p) for p in seen if low <= (stamp := self.stamp(p, now)) < high)
        if not moved:
            return still
        cut = bisect_left(still, moved[0], key=lambda place: (self._first_stamp(place), place))
        rest = sorted([*((self._first_stamp(place), place) for place in still[cut:]), *moved])
        return still[:cut] + [place for _, place in rest]

    def _first_stamp(self, place: int) -> int:
        stamp = self._stamps[place]
        return stamp - stamp % 1000

    def _unmoved(self, low: int, high: int, now: int) -> list[int]:
        """Places of the world's records that began with a stamp in the window and are there by now, in order."""
        first = self._first_stamp
        if self._by_stamp is None:
            seconds = [stamp // 1000 for stamp in self._stamps[: self._of_world]]
            self._by_stamp = array("q", sorted(range(self._of_world), key=seconds.__getitem__))
        order = self._by_stamp
        start, stop = bisect_left(order, low, key=first), bisect_left(order, high, key=first)
        # A record is made before it is stamped: what has a stamp of the past is there.
        sure = min(max(start, bisect_left(order, now - self._moment.late - 999, key=first)), stop)
        return order[start:sure].tolist() + [p for p in order[sure:stop] if self._born(p, now)]

    def referring(self, name: str, values: Iterable[Any], now: int, *, deleted: bool = False) -> list[int]:
        """Places whose field has one of the values (texts in any capitals, unless the field tells them apart), by id.

        Indexed from the second call on, so that references and keys of large tables are found at once.
        """
        given = list(values)
        folds = {folded(value) for value in given}
        if name in self.computed:
            rows: Iterable[int] = range(len(self._numbers))
        else:
            index = self._index(name)
            rows = {place for value in folds for place in index.get(value, ())}
        read = self.reader(name)
        exact = name in self.object.fields and self.object.fields[name].case_sensitive
        fold, wanted = (_same, set(given)) if exact else (folded, folds)
        return sorted(
            p
            for p in rows
            if self._born(p, now) and self._shown(p, now, deleted=deleted) and fold(read(p, now)) in wanted
        )

    def _index(self, name: str) -> dict[Any, list[int]]:
        """Value -> every place that has, or once had, it."""
        if name not in self._indexes:
            index: dict[Any, list[int]] = {}
            renderer, now = self.renderers.get(name), self._moment.now
            if renderer is not None:
                for place in range(self._of_world):
                    index.setdefault(folded(renderer(self.items[place], now)), []).append(place)
            for place, log in self.written.items():
                if name in log.values:
                    index.setdefault(folded(log.values[name]), []).append(place)
            self._indexes[name] = index
        return self._indexes[name]

    # ---- reading -----------------------------------------------------------------------------------------------------

    def value(self, place: int, name: str, now: int) -> Any:
        """One field's value now; None for a field that nobody ever set."""
        return self.reader(name)(place, now)

    def reader(self, name: str) -> Getter:
        """A quick way to one field of many records."""
        if name in self.computed:
            return self.computed[name]
        written, items, renderer, moment = self.written, self.items, self.renderers.get(name), self._moment
        definition = self.object.fields.get(name)
        absent = False if definition is not None and definition.type == "boolean" else None

        def read(place: int, now: int) -> Any:
            log = written.get(place)
            if log is not None and name in log.values:
                return log.values[name]
            item = items[place]
            return absent if renderer is None or item is None else renderer(item, now - moment.late)

        return read

    def column(self, name: str, places: Sequence[int], now: int) -> list[Any]:
        """One field of many records; quickest for those that nobody wrote to."""
        renderer = None if name in self.computed else self.renderers.get(name)
        if renderer is not None and self.written.keys().isdisjoint(places):
            items, moment = self.items, now - self._moment.late
            return [renderer(items[place], moment) for place in places]
        if name == "Id":
            text, numbers = self.ids.text, self._numbers
            return [text(numbers[place]) for place in places]
        read = self.reader(name)
        return [read(place, now) for place in places]

    def stamp(self, place: int, now: int) -> int:
        """SystemModstamp."""
        log = self.written.get(place)
        stamp = self._world_stamp(place, now)
        return stamp if log is None or log.stamp <= stamp else log.stamp

    def _world_stamp(self, place: int, now: int) -> int:
        stamp = self._stamps[place]
        for change in self._changes.get(place, ()):
            if stamp < change <= now - self._moment.late:
                stamp = change
        return stamp - stamp % 1000

    def _modified(self, place: int, now: int) -> int:
        log = self.written.get(place)
        stamp = self._world_stamp(place, now)
        return stamp if log is None or log.modified <= stamp else log.modified

    def _modified_by(self, place: int, now: int) -> str | None:
        log = self.written.get(place)
        if log is None or log.by is None or log.modified < self._world_stamp(place, now):
            return self._by
        return log.by

    def _created_by(self, place: int, _now: int) -> str | None:
        return self._by if place < self._of_world else self.written[place].values["CreatedById"]

    # ---- changing ----------------------------------------------------------------------------------------------------

    def touch(self, place: int) -> Written:
        """The record's write log, made on first use."""
        return self.written.setdefault(place, Written())

    def write(
        self,
        place: int,
        values: Mapping[str, Any],
        now: int,
        *,
        by: str,
        stamp: bool = True,
        modified: bool = True,
    ) -> None:
        """Store checked values and move the stamps, also when nothing differs.

        Args:
            place: The record.
            values: Field name -> value.
            now: When.
            by: User id.
            stamp: Whether SystemModstamp moves (what only a formula's inputs did does not move it).
            modified: Whether LastModifiedDate moves too (a system change moves SystemModstamp alone).
        """
        log = self.touch(place)
        log.values.update(values)
        for name, index in self._indexes.items():
            if name in values:
                index.setdefault(folded(values[name]), []).append(place)
        self._stamp(log, now, by, stamp=stamp, modified=modified)
        self._tell("write", place, values, now, by)

    def rename(self, old: str, new: str) -> None:
        """A field has another name from now on: what was written to it goes along, and no stamps move."""
        for log in self.written.values():
            if old in log.values:
                log.values[new] = log.values.pop(old)
        stored: tuple[dict[str, Any], ...] = (self.renderers, self._indexes, self.computed)
        for held in stored:
            if old in held:
                held[new] = held.pop(old)
        self.version += 1

    @staticmethod
    def _stamp(log: Written, now: int, by: str, *, stamp: bool = True, modified: bool = True) -> None:
        second = now // 1000 * 1000
        if stamp:
            log.stamp = max(log.stamp, second)
        if stamp and modified:
            log.modified, log.by = max(log.modified, second), by

    def insert(self, values: Mapping[str, Any], now: int, *, by: str, visible_at: int | None = None) -> str:
        """Make a record of checked values and give its id; defaults and the owner are filled in.

        With `visible_at` the transaction commits only then: the record is not there before, and carries the older
        stamp `now`.
        """
        number = max(self._numbers[-1] + 1 if self._numbers else 0, 1_000_000)
        place = len(self._numbers)
        self._numbers.append(number)
        self.items.append(None)
        if visible_at is not None:
            self._unborn[place] = visible_at
        self._created.append(now)
        self._stamps.append(now)
        filled = {f.name: f.default for f in self.object if f.default is not None}
        if "OwnerId" in self.object.fields:
            filled["OwnerId"] = by
        filled.update({name: value for name, value in values.items() if value is not None or name not in filled})
        log = self.written[place] = Written({**filled, "CreatedById": by})
        for name, index in self._indexes.items():
            index.setdefault(folded(filled.get(name)), []).append(place)
        self._stamp(log, now, by)
        self._tell("insert", place, filled, now, by)
        return self.id_at(place)

    def delete(self, place: int, now: int, *, by: str, master: str | None = None) -> None:
        """Move a record to the recycle bin; `master` is the id of the one it was merged into. The stamps move.

        Kinds of record without `IsDeleted` (permissions and the like) have no recycle bin: they are gone at once.
        """
        if "IsDeleted" not in self.object.fields:
            self.purge(place)
            return
        log = self.touch(place)
        log.deleted_at, log.master = now, master
        self._gone.add(place)
        self._stamp(log, now, by)
        self._tell("delete", place, {}, now, by)

    def undelete(self, place: int, now: int, *, by: str) -> None:
        """Take a record out of the recycle bin; the stamps move."""
        log = self.touch(place)
        since, log.deleted_at, log.master = log.deleted_at, None, None
        self._gone.discard(place)
        self._stamp(log, now, by)
        self._tell("undelete", place, {"DeletedAt": since}, now, by)

    def purge(self, place: int) -> None:
        """Remove a record without trace."""
        log = self.touch(place)
        log.purged = True
        self._gone.add(place)
        self._tell("purge", place, {}, self._moment.now, log.by or "")

    def _tell(self, what: str, place: int, values: Mapping[str, Any], now: int, by: str) -> None:
        self.version += 1
        for listener in self.listeners:
            listener(what, place, values, now, by)

    def level_stamps(self, count: int) -> None:
        """Let the first `count` records have been touched last by one and the same bulk load."""
        there = [p for p in range(min(count, self._of_world)) if self._created[p] <= self._moment.now]
        shared = max((self._stamps[p] for p in there), default=0)
        for place in there:
            self._stamps[place] = shared
        self._by_stamp = None
