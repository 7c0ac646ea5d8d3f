"""Records of one kind in the order of their last change: the backbone of Zendesk's incremental exports."""

from bisect import bisect_right, insort
from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]

SHIFT = 32
MASK = (1 << SHIFT) - 1
COMPACT_AT = 200_000


def key_of(stamp: int, index: int) -> int:
    """One integer that sorts by second, then by record."""
    return stamp << SHIFT | index


def first_key(stamp: int) -> int:
    """The smallest key of that second."""
    return stamp << SHIFT


def make_keys(stamps: npt.NDArray[Any], indexes: npt.NDArray[Any]) -> Keys:
    """Keys of many events at once; events with a stamp of zero or less never happen and are left out."""
    wanted = stamps > 0
    keys: Keys = (stamps[wanted].astype(np.int64) << SHIFT) | indexes[wanted].astype(np.int64)
    return keys


class ChangeLog:
    """Every record once, under the second of its last change; the future waits until the clock reaches it.

    A key is "epoch second << 32 | record index". Appending is cheap: a key counts only while it is its record's
    newest, so that older ones need not be searched for and removed.

    Args:
        events: Keys of everything that ever happens to the records, in any order.
        size: How many records there are, visible yet or not.
        now: Epoch second up to which events have happened.
    """

    def __init__(self, events: Keys, size: int, now: int) -> None:
        events = np.sort(events)
        split = int(np.searchsorted(events, first_key(now + 1)))
        self._future = events[split:]
        self._next = 0
        self._current: Keys = np.zeros(size, dtype=np.int64)
        np.maximum.at(self._current, events[:split] & MASK, events[:split])
        self._tail: list[int] = []
        self._compact()

    def _compact(self) -> None:
        """Sort everything into the base, but for the newest second: more may still happen in it."""
        keys = np.sort(self._current[self._current > 0])
        newest = first_key(int(keys[-1]) >> SHIFT) if len(keys) else 0
        split = int(np.searchsorted(keys, newest))
        self._base, self._tail = keys[:split], keys[split:].tolist()

    def __len__(self) -> int:
        return len(self._current)

    def stamp(self, index: int) -> int:
        """Second of the record's last change; 0 when it does not exist yet or no longer."""
        return int(self._current[index]) >> SHIFT

    def visible(self) -> npt.NDArray[np.bool_]:
        """For every record whether it exists now."""
        return self._current > 0

    def advance(self, now: int) -> None:
        """Let everything up to `now` happen."""
        end = int(np.searchsorted(self._future, first_key(now + 1)))
        for key in self._future[self._next : end].tolist():
            self._put(key)
        self._next = max(self._next, end)
        if len(self._tail) > COMPACT_AT:
            self._compact()

    def touch(self, index: int, stamp: int) -> None:
        """Note a change that somebody made."""
        self._put(key_of(stamp, index))

    def remove(self, index: int) -> None:
        """Make a record vanish without a trace, together with its future."""
        self._current[index] = 0
        self._future = self._future[(self._future & MASK) != index]
        self._next = 0

    def append(self, stamp: int) -> int:
        """Add a record; returns its index."""
        index = len(self._current)
        self._current = np.append(self._current, 0)
        self.touch(index, stamp)
        return index

    def _put(self, key: int) -> None:
        index = key & MASK
        if key > self._current[index]:
            self._current[index] = key
            insort(self._tail, key)

    def after(self, key: int, limit: int, horizon: int) -> tuple[list[int], bool]:
        """The next records changed after `key` and not later than the second `horizon`.

        Returns:
            Up to `limit` keys in order, and whether there are more.
        """
        end = first_key(horizon + 1)
        found = self._from_base(key, limit + 1, end)
        if len(found) <= limit:
            position = bisect_right(self._tail, key)
            while position < len(self._tail) and len(found) <= limit and self._tail[position] < end:
                if self._live(self._tail[position]):
                    found.append(self._tail[position])
                position += 1
        return found[:limit], len(found) > limit

    def second(self, stamp: int) -> list[int]:
        """All keys of one second."""
        return self.after(first_key(stamp) - 1, len(self._current), stamp)[0]

    def before(self, key: int, limit: int) -> list[int]:
        """Up to `limit` keys before `key`, in order; for the rare reader who pages backwards."""
        everything = np.sort(self._current[(self._current > 0) & (self._current < key)])
        return [int(k) for k in everything[-limit:]]

    def _live(self, key: int) -> bool:
        return bool(self._current[key & MASK] == key)

    def _from_base(self, key: int, wanted: int, end: int) -> list[int]:
        position = int(np.searchsorted(self._base, key, side="right"))
        stop = int(np.searchsorted(self._base, end))
        found: list[int] = []
        while position < stop and len(found) < wanted:
            chunk = self._base[position : min(position + wanted, stop)]
            live = chunk[self._current[chunk & MASK] == chunk]
            found.extend(live[: wanted - len(found)].tolist())
            position += len(chunk)
        return found
