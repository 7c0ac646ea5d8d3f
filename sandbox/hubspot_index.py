"""HubSpot's search index: a copy of the records that lags behind them.

It knows a write only some seconds after it was made, and serves old values until then. Entries are ordered by modified
stamp, so that a time window is two bisections and not a walk over every record.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from sandbox.hubspot_store import Table, Written

_ID_BITS = 40
_ID_MASK = (1 << _ID_BITS) - 1
_MANY = 1000
"""From this many changes at once, sorting anew is cheaper than moving entries one by one."""


class SearchIndex:
    """The searchable copy of one table.

    Args:
        table: The records themselves.
        now: Current time, epoch milliseconds; the index starts complete as of then, less the lag.
        lag: Milliseconds by which it runs behind; may be changed at any time.

    Attributes:
        ids: Ids of what can be found, ascending.
        at: The moment up to which the world is known to the index.
        generation: Grows whenever anything that can be found changes.
    """

    def __init__(self, table: Table, now: int, lag: int) -> None:
        self.table = table
        self.lag = lag
        self.snapshots: dict[int, Written] = {}
        self.generation = 0
        self._pending: deque[tuple[int, int, Written]] = deque()
        self._rebuild(now - lag)

    def _rebuild(self, at: int) -> None:
        """Start over from the world and the snapshots, as of `at`."""
        self.at = at
        self.generation += 1
        table = self.table
        pairs = zip(table.ids, table.created, table.items, strict=True)
        self.ids = [i for i, created, item in pairs if self._known(i, created, world=item is not None)]
        self._order = sorted(self._stamp(i) << _ID_BITS | i for i in self.ids)
        self._events = sorted(
            [(ms, i) for i, ms, item in zip(table.ids, table.created, table.items, strict=True) if ms > at and item]
            + [(ms, table.ids[place]) for place, moments in table.changes.items() for ms in moments if ms > at]
        )
        self._next_event = 0

    def _known(self, record_id: int, created: int, *, world: bool) -> bool:
        snapshot = self.snapshots.get(record_id)
        if snapshot is not None:
            return not snapshot.dead and created <= self.at + self.lag
        return world and created <= self.at

    def _stamp(self, record_id: int) -> int:
        """The modified stamp as the index knows it."""
        place = self.table.position(record_id)
        assert place is not None  # noqa: S101 - the index is fed from the table
        stamp = self.table.world_stamp(place, self.at)
        snapshot = self.snapshots.get(record_id)
        return stamp if snapshot is None else max(stamp, snapshot.modified)

    def note(self, record_id: int, now: int) -> None:
        """A record was written: let the index see it as it is now, once the lag has passed."""
        self._pending.append((now + self.lag, record_id, replace(self.table.written[record_id])))

    def catch_up(self, now: int) -> None:
        """Take in everything that is due by `now`."""
        target = now - self.lag
        if target < self.at:
            self._rebuild(target)
        due: dict[int, Written] = {}
        # Not strictly in order of time: the lag may have been changed in between.
        while self._pending and self._pending[0][0] <= now:
            _, record_id, snapshot = self._pending.popleft()
            due[record_id] = snapshot
        if len(due) > _MANY:
            self.snapshots.update(due)
            self._rebuild(target)
            return
        for record_id, snapshot in due.items():
            self._replace(record_id, snapshot=snapshot)
        self._play(target)

    def _play(self, target: int) -> None:
        """Let the world's own changes up to `target` happen."""
        events = self._events
        while self._next_event < len(events) and events[self._next_event][0] <= target:
            moment, record_id = events[self._next_event]
            self._next_event += 1
            self._replace(record_id, at=moment)
        self.at = max(self.at, target)

    def _replace(self, record_id: int, *, at: int | None = None, snapshot: Written | None = None) -> None:
        """Move, add or remove one entry: time goes on to `at`, or the record becomes `snapshot`."""
        if self._holds(record_id):
            place = bisect_left(self._order, self._stamp(record_id) << _ID_BITS | record_id)
            del self._order[place]
        else:
            place = -1
        self.at = self.at if at is None else at
        if snapshot is not None:
            self.snapshots[record_id] = snapshot
        self.generation += 1
        position = self.table.position(record_id)
        assert position is not None  # noqa: S101 - the index is fed from the table
        world = self.table.items[position] is not None
        if self._known(record_id, self.table.created[position], world=world):
            insort(self._order, self._stamp(record_id) << _ID_BITS | record_id)
            if place < 0:
                insort(self.ids, record_id)
        elif place >= 0:
            del self.ids[bisect_left(self.ids, record_id)]

    def _holds(self, record_id: int) -> bool:
        place = bisect_left(self.ids, record_id)
        return place < len(self.ids) and self.ids[place] == record_id

    def window(self, low: int | None, high: int | None) -> Sequence[int]:
        """Keys of the entries with `low` <= modified < `high`; see `ids_of`."""
        first = 0 if low is None else bisect_left(self._order, low << _ID_BITS)
        last = len(self._order) if high is None else bisect_left(self._order, high << _ID_BITS)
        return self._order[first:last]

    def window_size(self, low: int | None, high: int | None) -> int:
        """How many entries `window` would give."""
        first = 0 if low is None else bisect_left(self._order, low << _ID_BITS)
        last = len(self._order) if high is None else bisect_left(self._order, high << _ID_BITS)
        return max(0, last - first)

    @staticmethod
    def ids_of(keys: Sequence[int]) -> list[int]:
        """Record ids of window keys, ascending."""
        return sorted(key & _ID_MASK for key in keys)

    def id_range(self, low: int, high: int) -> list[int]:
        """Ids in `low` <= id <= `high`."""
        return self.ids[bisect_left(self.ids, low) : bisect_right(self.ids, high)]

    def found(self, record_id: int) -> bool:
        """Whether the index knows the record."""
        return self._holds(record_id)

    def stamp(self, record_id: int) -> int:
        """The record's modified stamp as the index knows it."""
        return self._stamp(record_id)
