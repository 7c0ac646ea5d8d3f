"""What somebody holds who commits every batch as `sync` does."""

from collections.abc import Callable, Iterable
from typing import Any

from conformance.rig import Rig
from connectors.base import Batch, Row


class Held:
    """What somebody holds who commits every batch as `sync` does: rows by id, and a cursor.

    Args:
        rig: Whose.
        stream: Of which stream.
    """

    def __init__(self, rig: Rig, stream: str) -> None:
        self.rig = rig
        self.stream = stream
        self.rows: dict[str, Row] = {}
        self.cursor: str | None = None
        self.batches: list[Batch] = []
        self.merged: dict[str, str] = {}
        self._before = {name: Held(rig, name) for name in rig.stream(stream).after}

    def pull(
        self, source: Any = None, *, stop_after: int | None = None, meanwhile: Callable[[], object] | None = None
    ) -> list[Batch]:
        """One pull, committed batch by batch, also when it ends in an error; gives the batches of this pull.

        Args:
            source: The connector; the rig's own unless given.
            stop_after: End after so many batches, as a killed process would.
            meanwhile: What happens after the first page.
        """
        source = source or self.rig.source
        for earlier in self._before.values():
            earlier.pull(source)
        self.batches, named = [], set[str]()
        if meanwhile is not None:
            self.rig.adapter.meanwhile = (self.rig.page(self.stream), meanwhile)
        for batch in source.pull(self.rig.stream(self.stream), self.cursor):
            self._commit(batch, named)
            if len(self.batches) == stop_after:
                break
        return self.batches

    def copy(self) -> "Held":
        """The same holdings, to go on with in another way."""
        other = Held(self.rig, self.stream)
        other.rows, other.cursor, other.merged = dict(self.rows), self.cursor, dict(self.merged)
        other._before = {name: held.copy() for name, held in self._before.items()}
        return other

    def _commit(self, batch: Batch, named: set[str]) -> None:
        self.batches.append(batch)
        for row in self.rig.rows(batch):
            key = self.rig.key(self.stream, row)
            named.add(key)
            self.rows[key] = row
            if self.rig.gone(self.stream, row):
                del self.rows[key]
        self.merged |= batch.merged
        for key in (*batch.deleted, *batch.merged):
            self.rows.pop(key, None)
        if batch.full:
            self.rows = {key: row for key, row in self.rows.items() if key in named}
        self.cursor = batch.cursor if batch.cursor is not None else self.cursor


def spread(items: Iterable[Any], most: int) -> list[Any]:
    """At most so many of the items, the first and the last among them, evenly."""
    found = list(items)
    if len(found) <= most:
        return found
    return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]
