"""HubSpot's records of one kind: the world's, worked out on demand, under what was written since."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sandbox.hubspot_render import Base, Renderer
from sandbox.hubspot_schema import iso, without_fraction
from sandbox.hubspot_types import ObjectType

History = tuple[int, str | None, str, str]
"""Epoch milliseconds, value, source type, source id (empty for none)."""

Field = tuple[str, Renderer | None]
"""A property to show and how to work it out from the world; None when only written values exist."""

_NOTHING: dict[str, str | None] = {}

V = TypeVar("V")


class Lazily(dict[str, V]):
    """One value a kind of record, made when first asked for: an account's e-mails are many and seldom looked at."""

    def __init__(self, make: Callable[[str], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, kind: str) -> V:
        """Make and keep it."""
        self[kind] = made = self._make(kind)
        return made


def _shown_history(at: int, value: str | None, source: str, source_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": value or "", "timestamp": iso(at), "sourceType": source}
    if source_id:
        shown["sourceId"] = source_id
    kind, _, user = source_id.partition(":")
    return shown | ({"updatedByUserId": int(user)} if kind == "userId" else {})


@dataclass(slots=True)
class Written:
    """What happened to one record since the start.

    Attributes:
        values: Property name -> written value, None when cleared. Replaced, never changed in place, so that the search
            index may hold on to it.
        modified: Last write, epoch milliseconds.
        archived_at: When it was deleted; None while it lives.
        merged_into: Id of the record it was merged into.
        merged: Ids merged into it.
        purged: Gone without trace.
        reborn_from: Id of the record this one was made from when a merge minted a new id.
        history: Property name -> written values, newest first.
    """

    values: dict[str, str | None] = field(default_factory=dict)
    modified: int = 0
    archived_at: int | None = None
    merged_into: int | None = None
    merged: tuple[int, ...] = ()
    purged: bool = False
    reborn_from: int | None = None
    history: dict[str, list[History]] = field(default_factory=dict)

    @property
    def dead(self) -> bool:
        """Deleted, merged away or purged."""
        return self.archived_at is not None or self.merged_into is not None or self.purged


class Table:
    """All records of one kind. Times are epoch milliseconds throughout.

    Attributes:
        kind: What they are.
        ids: Record ids, ascending; positions in it never change.
        written: Record id -> what happened to it.
    """

    def __init__(self, kind: ObjectType, base: Base) -> None:
        self.kind = kind
        self.ids = base.ids
        self.items = base.items
        self.created = base.created
        self.stamps = base.stamps
        self.changes = base.changes
        self.renderers = base.renderers
        self.written: dict[int, Written] = {}
        self._next_id = kind.first_new_id

    def position(self, record_id: int) -> int | None:
        """Where a record stands, whatever its state; None when there never was one."""
        place = bisect_left(self.ids, record_id)
        return place if place < len(self.ids) and self.ids[place] == record_id else None

    def first_from(self, record_id: int) -> int:
        """The position of the first record with at least this id: its own, when it exists."""
        return bisect_left(self.ids, record_id)

    def alive(self, record_id: int, now: int) -> bool:
        """Whether the record exists by `now` and was not deleted, merged away or purged."""
        place = self.position(record_id)
        if place is None or self.created[place] > now:
            return False
        written = self.written.get(record_id)
        return written is None or not written.dead

    def archived(self, record_id: int) -> bool:
        """Whether the record lies in the recycle bin."""
        written = self.written.get(record_id)
        return written is not None and written.archived_at is not None and not written.purged

    def winner(self, record_id: int) -> int | None:
        """The record that a merged-away one lives on in, over any number of merges; None when it was not merged."""
        written = self.written.get(record_id)
        if written is None or written.merged_into is None:
            return None
        return self.winner(written.merged_into) or written.merged_into

    def touch(self, record_id: int) -> Written:
        """The record's write log, made on first use."""
        return self.written.setdefault(record_id, Written())

    def add(self, now: int) -> int:
        """Make an empty record and return its id."""
        record_id = self._next_id
        self._next_id += 1
        self.ids.append(record_id)
        self.items.append(None)
        self.created.append(now)
        self.stamps.append(now)
        self.written[record_id] = Written(modified=now)
        return record_id

    def world_stamp(self, place: int, now: int) -> int:
        """When the record was last modified by the world alone."""
        stamp = self.stamps[place]
        for change in self.changes.get(place, ()):
            if stamp < change <= now:
                stamp = change
        return stamp

    def modified(self, place: int, now: int) -> int:
        """When the record was last modified by anybody."""
        written = self.written.get(self.ids[place])
        stamp = self.world_stamp(place, now)
        return stamp if written is None else max(stamp, written.modified)

    def value(self, place: int, name: str, now: int) -> str | None:
        """One property's value now."""
        written = self.written.get(self.ids[place])
        return self.value_with(place, name, now, _NOTHING if written is None else written.values)

    def value_with(self, place: int, name: str, now: int, values: dict[str, str | None]) -> str | None:
        """One property's value under given written values; the computed ones (id, stamps) excepted."""
        if name in values:
            return values[name]
        renderer = self.renderers.get(name)
        item = self.items[place]
        return None if renderer is None or item is None else renderer(item, now)

    def fields(self, names: Sequence[str]) -> list[Field]:
        """Prepare property names for `show`."""
        return [(name, self.renderers.get(name)) for name in names]

    def show(self, place: int, fields: Sequence[Field], now: int) -> dict[str, Any]:
        """One record as JSON, as it is now."""
        written = self.written.get(self.ids[place])
        return self.show_with(place, fields, now, written, self.modified(place, now))

    def show_with(
        self, place: int, fields: Sequence[Field], now: int, written: Written | None, modified: int
    ) -> dict[str, Any]:
        """One record as JSON, under a given write log and modified stamp (the search index has older ones)."""
        record_id, created, item = self.ids[place], self.created[place], self.items[place]
        values = _NOTHING if written is None else written.values
        properties: dict[str, str | None] = {}
        for name, renderer in fields:
            if name in values:
                properties[name] = values[name]
            else:
                properties[name] = None if renderer is None or item is None else renderer(item, now)
        created_at, updated_at = iso(created), iso(modified)
        properties[self.kind.created] = without_fraction(created_at)
        properties["hs_object_id"] = str(record_id)
        properties[self.kind.modified] = without_fraction(updated_at)
        if "hs_merged_object_ids" in properties and written is not None:
            properties["hs_merged_object_ids"] = ";".join(map(str, written.merged)) or None
        shown: dict[str, Any] = {
            "id": str(record_id),
            "properties": properties,
            "createdAt": created_at,
            "updatedAt": updated_at,
            "archived": False,
        }
        if written is not None and written.archived_at is not None:
            shown["archived"] = True
            shown["archivedAt"] = iso(written.archived_at)
        return shown

    def history(self, place: int, name: str, now: int) -> list[dict[str, Any]]:
        """A property's values over time, newest first; the world's own value counts as set when the record was made."""
        written = self.written.get(self.ids[place])
        rows = [] if written is None else list(written.history.get(name, ()))
        item, renderer = self.items[place], self.renderers.get(name)
        if item is not None and renderer is not None:
            before: list[History] = []
            for at in (self.created[place], *(ms for ms in sorted(self.changes.get(place, ())) if ms <= now)):
                value = renderer(item, at)
                if not before or before[-1][1] != value:
                    before.append((at, value, "CRM_UI", ""))
            rows += reversed(before)
        return [_shown_history(*row) for row in rows]

    def origin(self, place: int) -> Any:
        """The world object behind a record, also after a merge gave it a new id; None for what programs made."""
        written = self.written.get(self.ids[place])
        while written is not None and written.reborn_from is not None:
            place = self.first_from(written.reborn_from)
            written = self.written.get(written.reborn_from)
        return self.items[place]

    def living(self, start: int, now: int) -> Iterator[int]:
        """Positions of the records alive, from position `start` on."""
        written, created, ids = self.written, self.created, self.ids
        for place in range(start, len(ids)):
            if created[place] <= now:
                log = written.get(ids[place])
                if log is None or not log.dead:
                    yield place

    def bin(self, start_id: int, since: int) -> list[int]:
        """Positions of deleted records with an id of at least `start_id`, deleted at `since` or later."""
        found = [
            record_id
            for record_id, log in self.written.items()
            if record_id >= start_id and log.archived_at is not None and not log.purged and log.archived_at >= since
        ]
        places = (self.position(record_id) for record_id in sorted(found))
        return [place for place in places if place is not None]
