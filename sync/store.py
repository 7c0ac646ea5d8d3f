"""The state file: one SQLite database that holds everything that must survive a crash."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection

import sqlite_utils

from connectors.base import Value
from mapping.links import Resolution
from mapping.mapped import Reject
from mapping.schema import Record
from scoring.inputs import Level, ScoreRow


class StoreError(Exception):
    """The state file cannot be used. The message names the file and says what to do.

    Attributes:
        path: The file or folder.
        advice: What to do.
    """

    def __init__(self, path: Path, message: str, advice: str) -> None:
        self.path = path
        self.advice = advice
        super().__init__(f"{path}: {message} {advice}")


class EnvironmentMismatchError(StoreError):
    """A source answers as another account than the one this state belongs to."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records of one or more commits; adding two gives their sum.

    Attributes:
        new: Seen for the first time, or back after a deletion.
        changed: Replaced a differing version, which went into the history.
        unchanged: Said what we held already.
        older: Older than what we hold, ignored.
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


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How one stream of one source stands.

    Attributes:
        record: Kind of common record.
        started: Start of the last pull.
        finished: End of the last pull; None while it runs or when it was killed.
        complete: Start of the last pull that ended well: up to here the stream is known. None when there was none.
        listed: Start of the last pull that listed the stream from its start to its end.
        rows: Rows of the last pull.
        rejects: Quarantined rows of the last pull.
        total: Live records held.
        error: Why the last pull failed, empty when it did not.
        off: Why the stream is not read at all (a missing optional permission), empty when it is.
        skew: Vendor's clock minus ours at the last pull, seconds; None when the vendor did not say.
    """

    source: str
    stream: str
    record: str
    started: datetime | None
    finished: datetime | None
    complete: datetime | None
    listed: datetime | None
    rows: int
    rejects: int
    total: int
    error: str
    off: str
    skew: int | None

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the stream was last complete; None when it never was."""
        return None if self.complete is None else now - self.complete


class Store:
    """The state file. Safe to share between threads; one writer at a time."""

    path: Path
    """The folder."""
    file: Path
    """The SQLite file in it."""
    db: sqlite_utils.Database

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False) -> "Store":
        """Open `<path>/state.db`, creating folder and file, migrating an older schema. Raises `StoreError`."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError

    def transaction(self) -> AbstractContextManager[Connection]:
        """One write transaction: committed at the end of the block, rolled back when it raises."""
        raise NotImplementedError

    def pin_environment(self, source: str, fingerprint: str) -> None:
        """Tie this state to one account of the vendor. Raises `EnvironmentMismatchError` when it is another."""
        raise NotImplementedError

    def cursor(self, source: str, stream: str) -> str | None:
        """Where to resume a stream, None for the start."""
        raise NotImplementedError

    def commit(
        self,
        source: str,
        stream: str,
        *,
        kind: str,
        now: datetime,
        records: Sequence[Record] = (),
        rejects: Sequence[Reject] = (),
        cursor: str | None = None,
        deleted: Sequence[str] = (),
        merged: Mapping[str, str] | None = None,
        own_values: Mapping[str, Mapping[str, Value]] | None = None,
    ) -> Counts:
        """Write one page and its cursor in one transaction."""
        raise NotImplementedError

    def status(self) -> list[StreamStatus]:
        """Every stream ever asked for, by source and stream."""
        raise NotImplementedError

    def set_crm_values(self, obj: str, record_id: str, values: Mapping[str, Value], now: datetime) -> None:
        """Remember what fields of a CRM record say now; fields not named stay as they are."""
        raise NotImplementedError

    def save_links(self, resolution: Resolution, now: datetime, *, crm: str) -> Counts:
        """Replace links and review list; only what differs is written, and history is kept."""
        raise NotImplementedError

    def save_scores(self, run_id: int, rows: Iterable[ScoreRow], now: datetime) -> Counts:
        """Replace the latest scores; only what differs is written, and history is kept."""
        raise NotImplementedError

    def latest_scores(self, level: Level | None = None) -> Iterator[ScoreRow]:
        """The latest scores, by level and key. Features are not kept: an empty mapping."""
        raise NotImplementedError
