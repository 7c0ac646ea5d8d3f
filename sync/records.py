"""The hot path: one page of records into the state file, keeping the history of what changed.

Vendors re-send: pages overlap, the same row comes twice, a lagging index sends an old version after a new one. So each
record is compared with what is held; only a difference is written, and only forwards in the record's own time.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from sync.row_doubt import Tally
from sync.tables import KINDS, Kind, compact

if TYPE_CHECKING:
    from mapping.schema import Record

VANISH_SHARE = 0.2
VANISH_ALWAYS = 3
"""A complete listing may make records vanish up to this share of the stream, or this many; more is not believed: an
outage that answers with an empty list, or with one page of many, must not empty the state."""
PAGE = 100
"""What vendors' pages are multiples of: a listing of exactly so many may have lost the pages after it."""

REMEMBERED = frozenset({"ticket"})
"""Kinds whose deleted records are noted even if they were gone before we came: copies in other sources outlive them."""


_KEEP_MARK = """
INSERT OR IGNORE INTO record_map_history (kind, key, status, merged_into, at, valid_to)
SELECT kind, key, status, merged_into, at, ?1 FROM record_map WHERE kind = ?2 AND key = ?3 AND at < ?1
AND (?4 IS NULL OR ((status IS NOT ?4 OR merged_into IS NOT ?5) AND (status IS NOT 'merged' OR ?4 = 'merged')))
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records of one or more commits; adding two gives their sum.

    Attributes:
        new: Seen for the first time, or back after a deletion.
        changed: Replaced a differing version, which went into the history.
        unchanged: Said what we held already.
        older: Older than what we hold, or sent twice in one page; ignored.
        deleted: Newly marked as gone because the vendor said so.
        merged: Newly marked as merged into another record.
        vanished: Newly marked as gone because a complete listing did not name them.
        held: Would have vanished, but were too many to believe.
        rejected: Quarantined.
        events: Events counted as usage (usage only, as are the next two).
        anonymous: Events without a user id, counted apart.
        duplicates: Events that had been counted before.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    older: int = 0
    deleted: int = 0
    merged: int = 0
    vanished: int = 0
    held: int = 0
    rejected: int = 0
    events: int = 0
    anonymous: int = 0
    duplicates: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def keys_of(conn: sqlite3.Connection, kind: Kind, source: int, ids: Iterable[str]) -> dict[str, int]:
    """Vendor id -> key, for those that have one."""
    return dict(conn.execute(kind.find, (source, compact(list(ids)))).fetchall())


def take_keys(conn: sqlite3.Connection, kind: Kind, source: int, ids: Iterable[str]) -> dict[str, int]:
    """Vendor id -> key; an id never heard of gets the next key and a row without content."""
    wanted = dict.fromkeys(ids)
    found = keys_of(conn, kind, source, wanted)
    missing = [source_id for source_id in wanted if source_id not in found]
    if missing:
        first = conn.execute(kind.next_key).fetchone()[0]
        stubs = [(first + i, source, source_id) for i, source_id in enumerate(missing)]
        conn.executemany(kind.stub, stubs)
        found.update((source_id, key) for key, _, source_id in stubs)
    return found


@dataclass(slots=True)
class _Writes:
    """The statements' rows that one page comes to."""

    insert: list[tuple[Any, ...]] = field(default_factory=list)
    archive: list[tuple[int, int]] = field(default_factory=list)
    replace: list[tuple[Any, ...]] = field(default_factory=list)
    touch: list[tuple[Any, ...]] = field(default_factory=list)
    reopened: list[int] = field(default_factory=list)


class RecordWriter:
    """Writes the records of one stream inside one transaction.

    Args:
        source: Key of the source.
        stream: Key of the stream.
        now: Epoch seconds; the validity of what is written begins here.
    """

    def __init__(self, conn: sqlite3.Connection, kind: Kind, source: int, stream: int, now: int) -> None:
        self.conn = conn
        self.kind = kind
        self.source = source
        self.stream = stream
        self.now = now
        self.width = 2 + len(kind.columns)
        self.stale: set[str] = set()
        """Ids whose row was older than what is held."""
        self.tally = Tally(kind)

    def write(self, records: Sequence["Record"], seen: "array[int] | None" = None) -> Counts:
        """Write a page; appends the key of every record named in it to `seen`."""
        latest: dict[str, Record] = {}
        for record in records:
            known = latest.get(record.source_id)
            if known is None or not _is_older(record, known):
                latest[record.source_id] = record
        contents = self.kind.contents(list(latest.values()), self._references(latest.values()))
        held = {row[0]: row for row in self.conn.execute(self.kind.select, (self.source, compact(list(latest))))}
        writes = _Writes()
        counts = self._sort_out(contents, held, writes, seen)
        self._execute(writes)
        repeats = len(records) - len(latest)
        return counts + Counts(older=repeats) if repeats else counts

    def _references(self, records: Iterable["Record"]) -> dict[str, dict[str, int]]:
        """Keys of the records that these refer to, by kind."""
        wanted: dict[str, dict[str, None]] = {}
        for column in self.kind.references:
            name = column.field
            wanted.setdefault(column.type, {}).update(
                dict.fromkeys(value for record in records if (value := record.__dict__[name]) is not None)
            )
        return {kind: take_keys(self.conn, KINDS[kind], self.source, ids) for kind, ids in wanted.items()}

    def _sort_out(
        self,
        contents: list[tuple[Any, ...]],
        held: Mapping[str, tuple[Any, ...]],
        writes: _Writes,
        seen: "array[int] | None",
    ) -> Counts:
        first = next_key = self.conn.execute(self.kind.next_key).fetchone()[0]
        source, stream, now = self.source, self.stream, self.now
        tally = {"new": 0, "changed": 0, "unchanged": 0, "older": 0}
        for content in contents:
            old = held.get(content[0])
            if old is None:
                writes.insert.append((next_key, source, stream, *content, now))
                self.tally.first(content)
                next_key += 1
            else:
                tally[self._compare(content, old, writes)] += 1
                if seen is not None:
                    seen.append(old[self.width])
        tally["new"] += next_key - first
        if seen is not None:
            seen.extend(range(first, next_key))
        return Counts(**tally)

    def _compare(self, content: tuple[Any, ...], old: tuple[Any, ...], writes: _Writes) -> str:
        """Decide what a record that we hold comes to; gives the name of the count."""
        key, _, valid_from, valid_to = old[self.width :]
        version, old_version = content[1], old[1]
        if valid_from is None:
            self.tally.first(content)
            writes.replace.append((*content[1:], self.stream, self.now, key))
            if self.kind.name in REMEMBERED:
                writes.reopened.append(key)
            return "new"
        older = version is not None and old_version is not None and version < old_version
        if older or (valid_to is not None and self._stays_gone(key, version, old_version)):
            self.stale.add(content[0])
            return "older"
        self.tally.again(content, old)
        newest = version if version is not None else old_version
        if valid_to is None and content[2:] == old[2 : self.width]:
            if newest != old_version:
                writes.touch.append((newest, self.stream, key))
            return "unchanged"
        end = valid_to if valid_to is not None else max(self.now, valid_from)
        if end > valid_from:  # what was true for no time at all leaves no trace
            writes.archive.append((end, key))
        writes.replace.append((newest, *content[2:], self.stream, max(self.now, end), key))
        if valid_to is None:
            return "changed"
        writes.reopened.append(key)
        return "new"

    def _stays_gone(self, key: int, version: int | None, old_version: int | None) -> bool:
        """Whether the row tells of a time before the deletion: a lagging index still shows what is gone."""
        row = self.conn.execute(
            "SELECT status FROM record_map WHERE kind = ? AND key = ?", (self.kind.name, key)
        ).fetchone()
        if row is None or row[0] == "vanished":
            return False
        return version is not None and old_version is not None and version <= old_version

    def _execute(self, writes: _Writes) -> None:
        conn, kind = self.conn, self.kind
        for statement, rows in (
            (kind.insert, writes.insert),
            (kind.archive, writes.archive),
            (kind.replace, writes.replace),
            (kind.touch, writes.touch),
        ):
            if rows:
                conn.executemany(statement, rows)
        if writes.reopened:
            self._keep_marks(writes.reopened)
            conn.executemany(
                "DELETE FROM record_map WHERE kind = ? AND key = ?", [(kind.name, key) for key in writes.reopened]
            )

    def _keep_marks(self, keys: Sequence[int], status: str | None = None, into: int | None = None) -> None:
        """Note what `record_map` says of these keys before it says something else: scores of the past read it.

        Args:
            keys: Of records.
            status: What it is to say, so that nothing is noted where it says that already; None: something else.
            into: The same of the record merged into.
        """
        self.conn.executemany(_KEEP_MARK, [(self.now, self.kind.name, key, status, into) for key in keys])

    # -- what is gone -------------------------------------------------------------------------------------------

    def delete(self, ids: Sequence[str]) -> int:
        """Mark records as gone because the vendor says so; ids never heard of are ignored, except those of tickets."""
        find = take_keys if self.kind.name in REMEMBERED else keys_of
        keys = find(self.conn, self.kind, self.source, ids)
        return self._end(list(keys.values()), "deleted")

    def merge(self, merged: Mapping[str, str]) -> int:
        """Mark records as merged into others: loser's vendor id -> winner's."""
        pairs = {loser: winner for loser, winner in merged.items() if loser != winner}
        keys = take_keys(self.conn, self.kind, self.source, [*pairs, *pairs.values()])
        ended = 0
        for loser, winner in pairs.items():
            ended += self._merge(keys[loser], keys[winner])
        return ended

    def _merge(self, loser: int, winner: int) -> int:
        kind = self.kind.name
        row = self.conn.execute(
            "SELECT merged_into FROM record_map WHERE kind = ? AND key = ? AND status = 'merged'", (kind, winner)
        ).fetchone()
        if row is not None and row[0] == loser:  # merged the other way round before: the newest word counts
            self._keep_marks([winner])
            self.conn.execute("DELETE FROM record_map WHERE kind = ? AND key = ?", (kind, winner))
        elif row is not None:
            winner = row[0]
        ended = self._end([loser], "merged", winner)
        # Chains are kept one step long, so that following a merge is one look-up.
        earlier = "SELECT key FROM record_map WHERE kind = ? AND merged_into = ?"
        self._keep_marks([key for (key,) in self.conn.execute(earlier, (kind, loser))])
        self.conn.execute(
            "UPDATE record_map SET merged_into = ?, at = ? WHERE kind = ? AND merged_into = ?",
            (winner, self.now, kind, loser),
        )
        return ended

    def _end(self, keys: Sequence[int], status: str, into: int | None = None) -> int:
        """End the validity of live records and note why; gives how many were live."""
        live = [key for key in keys if self._is_live(key)]
        self.conn.executemany(self.kind.end, [(self.now, key) for key in live])
        self._keep_marks(keys, status, into)
        self.conn.executemany(
            "INSERT INTO record_map (kind, key, status, merged_into, at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET merged_into = excluded.merged_into, "
            "at = CASE WHEN status = excluded.status AND merged_into IS excluded.merged_into THEN at "
            "ELSE excluded.at END, status = excluded.status "
            "WHERE status IS NOT 'merged' OR excluded.status = 'merged'",
            [(self.kind.name, key, status, into, self.now) for key in keys],
        )
        return len(live)

    def _is_live(self, key: int) -> bool:
        sql = f"SELECT 1 FROM {self.kind.name} WHERE key = ? AND valid_from IS NOT NULL AND valid_to IS NULL"
        return self.conn.execute(sql, (key,)).fetchone() is not None

    def vanish(self, seen: Iterable[int]) -> Counts:
        """Mark live records of the stream that a complete listing, whose keys are `seen`, did not name."""
        self.conn.execute("CREATE TEMP TABLE IF NOT EXISTS listed (key INTEGER PRIMARY KEY)")
        self.conn.execute("DELETE FROM temp.listed")
        self.conn.executemany("INSERT OR IGNORE INTO temp.listed VALUES (?)", ((key,) for key in sorted(seen)))
        live = self.conn.execute(
            f"SELECT key, key IN (SELECT key FROM temp.listed) FROM {self.kind.name} "
            "WHERE stream = ? AND valid_from IS NOT NULL AND valid_to IS NULL",
            (self.stream,),
        ).fetchall()
        gone = [key for key, named in live if not named]
        listed = int(self.conn.execute("SELECT count(*) FROM temp.listed").fetchone()[0])
        self.conn.execute("DELETE FROM temp.listed")
        cut_off = listed % PAGE == 0  # nothing at all, or full pages only
        if gone and (cut_off or len(gone) > max(VANISH_ALWAYS, VANISH_SHARE * len(live))):
            return Counts(held=len(gone))
        return Counts(vanished=self._end(gone, "vanished"))


def _is_older(record: "Record", known: "Record") -> bool:
    return record.updated_at is not None and known.updated_at is not None and record.updated_at < known.updated_at
