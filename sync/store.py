"""The state file: one SQLite database that holds everything that must survive a crash.

What is where, and why: docs/state.md.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import Value
from scoring.inputs import Level, ScoreRow
from sync import mirror, results, streams
from sync.database import EnvironmentMismatchError, StateFile, StoreError
from sync.forget import Screen, screen_of
from sync.records import Counts, RecordWriter, keys_of
from sync.row_doubt import RowDoubt
from sync.store_errors import explained
from sync.streams import PullEnd, Quarantined, StreamStatus
from sync.tables import KINDS, epoch

if TYPE_CHECKING:
    from mapping.links import Resolution
    from mapping.mapped import Reject
    from mapping.schema import Record

__all__ = [
    "Counts",
    "EnvironmentMismatchError",
    "Page",
    "PullEnd",
    "Quarantined",
    "Store",
    "StoreError",
    "StreamStatus",
]


@dataclass(slots=True)
class Page:
    """One page of a stream, mapped: what goes into the state file in one transaction.

    Attributes:
        source: Name of the source in the config.
        stream: The vendor's word for the kind of row.
        kind: Kind of common record that the stream's rows become.
        cursor: Where to resume after this page; None keeps the earlier cursor.
        deleted: Vendor ids that the vendor says are gone.
        merged: Loser's vendor id -> winner's.
        own_values: For the CRM: record id -> what it says in the agent's fields.
        seen: Collects the keys of all records named, over the pages of one pull; needed for `full`.
        full: The pages that filled `seen` list the whole stream: what they did not name has vanished.
        doubt: Looks whether the page is believed; None to believe it.
    """

    source: str
    stream: str
    kind: str
    records: Sequence["Record"] = ()
    rejects: Sequence["Reject"] = ()
    cursor: str | None = None
    deleted: Sequence[str] = ()
    merged: Mapping[str, str] = field(default_factory=dict)
    own_values: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    seen: "array[int] | None" = None
    full: bool = False
    doubt: RowDoubt | None = None


class Store(StateFile):
    """The state file. Safe to share between threads; one writer at a time, readers never wait.

    Attributes:
        screen: Keeps people out who were forgotten; read when first needed.
    """

    screen: Screen | None = None

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False, timeout: float = 30.0, locked: bool = False) -> "Store":
        """Open `<path>/state.db`; make folder and file when new, convert an older schema.

        Args:
            path: The state folder.
            readonly: Only look: nothing is made or converted, and a running agent is not disturbed.
            timeout: Seconds to wait for another writer.
            locked: The caller holds the run lock of the folder.

        Raises:
            StoreError: When it cannot be used: another program's file, a damaged one, a newer schema, no right.
            LockedError: When an older schema must be converted and an agent is at work.
        """
        return cls(path, readonly=readonly, timeout=timeout, locked=locked)

    # -- whose it is ------------------------------------------------------------------------------------------

    def require_fence(self) -> None:
        """Make sure that no other agent has taken over; costs the reading of one number.

        Raises:
            FencedError: One has.
        """
        with self._lock, explained(self.file):
            self._check_fence(self.db.conn)

    def pin_environment(self, source: str, fingerprint: str) -> None:
        """Tie this state to one account of one CRM: the first call decides, later ones compare.

        Once something was written, the state is that CRM's alone: what we wrote, and that the first fill is over.

        Raises:
            EnvironmentMismatchError: When the CRM now answers as another account, or is another one.
        """
        other = self.rows(
            "SELECT substr(key, 13) FROM meta WHERE key LIKE 'environment:%' AND key <> ? "
            "AND EXISTS (SELECT 1 FROM op WHERE state = 'confirmed')",
            (f"environment:{source}",),
        )
        if other:
            raise EnvironmentMismatchError(
                self.file,
                f"It belongs to {other[0][0]}, which it has written to, and the config names {source} as the CRM.",
                "Use another [state] dir for this CRM.",
            )
        with self.transaction() as conn:
            conn.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (f"environment:{source}", fingerprint))
        pinned = self.environment(source)
        if pinned != fingerprint:
            raise EnvironmentMismatchError(
                self.file,
                f"It belongs to {source} account {pinned!r}, but {source} now answers as {fingerprint!r}.",
                "Correct the credentials, or use another [state] dir for this account.",
            )

    def environment(self, source: str) -> str | None:
        """The fingerprint a source is tied to, None before the first pull."""
        rows = self.rows("SELECT value FROM meta WHERE key = ?", (f"environment:{source}",))
        return rows[0][0] if rows else None

    def login(self, source: str) -> str | None:
        """Hash of the credentials that were last seen to lead to the pinned account."""
        rows = self.rows("SELECT value FROM meta WHERE key = ?", (f"login:{source}",))
        return rows[0][0] if rows else None

    def note_login(self, source: str, login: str) -> None:
        """Remember that these credentials lead to the pinned account."""
        with self.transaction() as conn:
            conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"login:{source}", login))

    # -- streams ------------------------------------------------------------------------------------------------

    def cursor(self, source: str, stream: str) -> str | None:
        """Where to resume a stream, None for the start."""
        rows = self.rows(streams.CURSOR, (source, stream))
        return rows[0][0] if rows else None

    def pull_started(self, source: str, stream: str, kind: str, now: datetime) -> None:
        """Note that a pull begins."""
        with self.transaction() as conn:
            key = streams.stream_key(conn, streams.source_key(conn, source), stream, kind)
            streams.started(conn, key, epoch(now))

    def pull_finished(self, source: str, stream: str, kind: str, end: PullEnd, now: datetime) -> None:
        """Note how a pull ended. Unless it ended well the stream's age goes on growing."""
        with self.transaction() as conn:
            key = streams.stream_key(conn, streams.source_key(conn, source), stream, kind)
            streams.finished(conn, key, end, epoch(now))

    def complete(self, source: str, stream: str) -> datetime | None:
        """Start of the last pull of a stream that ended well."""
        found = [status.complete for status in self.status() if (status.source, status.stream) == (source, stream)]
        return found[0] if found else None

    def status(self) -> list[StreamStatus]:
        """Every stream ever asked for, by source and stream."""
        return streams.statuses(self.rows(streams.STATUS))

    def quarantine(self) -> list[Quarantined]:
        """Rows that could not become records, by source and stream, newest first."""
        return streams.quarantined(self.rows(streams.QUARANTINE))

    # -- records ------------------------------------------------------------------------------------------------

    def commit(self, page: Page, now: datetime) -> Counts:
        """Write one page and its cursor in one transaction.

        Unchanged rows are not rewritten, rows older than what is held are ignored, changed ones leave their earlier
        version in the history. `now` begins the validity of what is written.

        Raises:
            ShapeError: The page is not believed; nothing of it was written.
        """
        at = epoch(now)
        kind = KINDS[page.kind]
        with self.transaction() as conn:
            page = self._screened(conn, page)
            source = streams.source_key(conn, page.source)
            stream = streams.stream_key(conn, source, page.stream, page.kind)
            writer = RecordWriter(conn, kind, source, stream, at)
            counts = writer.write(page.records, page.seen) if page.records else Counts()
            if page.doubt is not None:
                page.doubt.values(writer.tally)
            if page.own_values:
                fresh = [record for record in page.records if record.source_id not in writer.stale]
                mirror.see(conn, page.kind, fresh, page.own_values, at)
            if page.rejects:
                streams.quarantine(conn, stream, page.rejects, at)
                counts += Counts(rejected=len(page.rejects))
                if page.seen is not None:  # a row we cannot read is still a record that exists
                    named = [reject.source_id for reject in page.rejects if reject.source_id]
                    page.seen.extend(keys_of(conn, kind, source, named).values())
            streams.release(conn, stream, (record.source_id for record in page.records))
            counts += _gone(writer, page)
            live = counts.new - counts.deleted - counts.merged
            if page.full and page.seen is not None:
                vanished = writer.vanish(page.seen)
                counts += vanished
                live -= vanished.vanished
            streams.advance(conn, stream, page.cursor, live)
        return counts

    def people(self) -> Screen:
        """What keeps people out who were forgotten."""
        if self.screen is None:
            self.screen = screen_of(self)
        return self.screen

    def _screened(self, conn: sqlite3.Connection, page: Page) -> Page:
        """The page without people who were forgotten, unless the CRM lists them again: then they are back."""
        if not self.people().marks:
            return page
        page, back = self.people().page(page)
        if back:
            conn.executemany("DELETE FROM forgotten WHERE hash = ?", [(mark,) for mark in back])
            self.screen = None
        return page

    def records(self, kind: str, *, source: str | None = None, as_of: datetime | None = None) -> Iterator["Record"]:
        """Every live record of a kind, by key; with `as_of` as they were known at that instant."""
        rows = self.rows(KINDS[kind].read(source=source, as_of=as_of), (source,) if source else ())
        return (KINDS[kind].record(row[0], row[1:]) for row in rows)

    def set_crm_values(self, obj: str, record_id: str, values: Mapping[str, Value], now: datetime) -> None:
        """Remember what fields of a CRM record say now; fields not named stay as they are."""
        with self.transaction() as conn:
            mirror.write(conn, obj, record_id, values, epoch(now))

    # -- results ------------------------------------------------------------------------------------------------

    def save_links(self, resolution: "Resolution", now: datetime, *, crm: str) -> Counts:
        """Replace links and review list; only what differs is written, and links keep their history.

        Args:
            resolution: Everything that identity resolution found.
            now: Begins the validity of what is new.
            crm: Name of the CRM's source.
        """
        with self.transaction() as conn:
            return results.save_links(conn, resolution, streams.source_key(conn, crm), epoch(now))

    def save_scores(self, run_id: int, rows: Iterable[ScoreRow], now: datetime) -> Counts:
        """Replace the latest scores; only what differs is written, with history; contacts keep their role alone."""
        with self.transaction() as conn:
            return results.save_scores(conn, run_id, rows, epoch(now))

    def latest_scores(self, level: Level | None = None) -> Iterator[ScoreRow]:
        """The latest scores, by level and key; of features stage, RFM and role, and without the parts of contacts."""
        return results.latest_scores(self, level)

    def latest_score(self, level: Level, key: int) -> ScoreRow | None:
        """The latest score of one account or contact; of its features what `latest_scores` gives."""
        return results.latest_score(self, level, key)


def _gone(writer: RecordWriter, page: Page) -> Counts:
    deleted = writer.delete(page.deleted) if page.deleted else 0
    merged = writer.merge(page.merged) if page.merged else 0
    return Counts(deleted=deleted, merged=merged)
