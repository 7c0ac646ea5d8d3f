"""What is known about each stream of each source: cursor, age, errors, quarantine."""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sync.tables import instant

if TYPE_CHECKING:
    from mapping.mapped import Reject

QUARANTINE_LIMIT = 1000
"""Quarantined rows kept per stream, the newest; counts are kept of all."""

PULLS_KEPT = timedelta(days=400)
"""How long the list of pulls reaches back, and with it the age of sources in scores of the past."""


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


@dataclass(frozen=True, slots=True)
class PullEnd:
    """How a pull of one stream ended.

    Attributes:
        rows: Rows received; events for usage.
        rejects: Rows quarantined.
        error: What went wrong, empty when nothing did.
        off: Why the stream is not read at all, empty when it is.
        listed: Whether the whole stream was listed.
        missing: Records that the listing should have named and did not: too many to believe it.
        skew: Vendor's clock minus ours, seconds.
    """

    rows: int = 0
    rejects: int = 0
    error: str = ""
    off: str = ""
    listed: bool = False
    missing: int = 0
    skew: int | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that could not become a record.

    Attributes:
        source_id: Its vendor id, empty when it has none.
        row: Its JSON text, shortened.
        times: How often it came.
    """

    source: str
    stream: str
    source_id: str
    reason: str
    row: str
    first_seen: datetime
    last_seen: datetime
    times: int


def source_key(conn: sqlite3.Connection, source: str) -> int:
    """The key of a source, made when new."""
    row = conn.execute("SELECT id FROM source WHERE name = ?", (source,)).fetchone()
    if row is None:
        row = conn.execute("INSERT INTO source (name) VALUES (?) RETURNING id", (source,)).fetchone()
    return int(row[0])


def stream_key(conn: sqlite3.Connection, source: int, stream: str, record: str) -> int:
    """The key of a stream, made when new."""
    row = conn.execute("SELECT id, record FROM stream WHERE source = ? AND name = ?", (source, stream)).fetchone()
    if row is None:
        sql = "INSERT INTO stream (source, name, record) VALUES (?, ?, ?) RETURNING id, record"
        row = conn.execute(sql, (source, stream, record)).fetchone()
    if row[1] != record:
        conn.execute("UPDATE stream SET record = ? WHERE id = ?", (record, row[0]))
    return int(row[0])


CURSOR = """
SELECT cursor FROM stream JOIN source ON source.id = stream.source WHERE source.name = ? AND stream.name = ?
"""


def advance(conn: sqlite3.Connection, stream: int, cursor: str | None, live: int) -> None:
    """Store the cursor of a page (None keeps the earlier one) and how many live records it added."""
    conn.execute(
        "UPDATE stream SET cursor = coalesce(?, cursor), total = total + ? WHERE id = ?", (cursor, live, stream)
    )


def started(conn: sqlite3.Connection, stream: int, now: int) -> None:
    """Note that a pull begins."""
    conn.execute("UPDATE stream SET started = ?, finished = NULL WHERE id = ?", (now, stream))


def finished(conn: sqlite3.Connection, stream: int, end: PullEnd, now: int) -> None:
    """Note how a pull ended. A failed one leaves `complete`, and so the stream's age, as it was.

    `doubted` is when the last listing began that was believed, for as long as those after it lack too much.
    """
    begun = conn.execute("SELECT coalesce(started, ?) FROM stream WHERE id = ?", (now, stream)).fetchone()[0]
    well = not end.error and not end.off
    all_of_it = well and end.listed
    conn.execute(
        """UPDATE stream SET finished = ?, rows = ?, rejects = ?, error = ?, off = ?, skew = ?,
             complete = CASE WHEN ? THEN started ELSE complete END,
             since = coalesce(since, CASE WHEN ? THEN started END),
             doubted = CASE WHEN ? THEN CASE WHEN ? THEN coalesce(doubted, listed, started) END ELSE doubted END,
             listed = CASE WHEN ? THEN started ELSE listed END WHERE id = ?""",
        (
            now,
            end.rows,
            end.rejects,
            end.error,
            end.off,
            end.skew,
            well,
            well,
            all_of_it,
            end.missing,
            all_of_it,
            stream,
        ),
    )
    conn.execute(
        "INSERT INTO pull (stream, started, finished, rows, rejects, error, off) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (stream, begun, now, end.rows, end.rejects, end.error or end.off, bool(end.off)),
    )
    oldest = now - int(PULLS_KEPT.total_seconds())
    conn.execute("DELETE FROM pull WHERE stream = ? AND finished < ?", (stream, oldest))


def statuses(rows: Iterable[Sequence[Any]]) -> list[StreamStatus]:
    """Turn the rows of `STATUS` into values."""
    return [StreamStatus(*row[:3], *(None if at is None else instant(at) for at in row[3:7]), *row[7:]) for row in rows]


STATUS = """
SELECT source.name, stream.name, record, started, finished, complete, listed, rows, rejects, total, error, off, skew
FROM stream JOIN source ON source.id = stream.source ORDER BY source.name, stream.name
"""


NAMELESS = "no id: "
"""Begins the name under which a row without an id is kept."""


def quarantine(
    conn: sqlite3.Connection, stream: int, rejects: Sequence["Reject"], now: int, times: int | None = None
) -> None:
    """Keep rejected rows; the same row and reason again is only counted up.

    Rows without an id are told apart by what they say, unless each stands for `times` rows of one reason.
    """
    conn.executemany(
        """INSERT INTO quarantine (stream, source_id, reason, row, first_seen, last_seen, times)
           VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET times = times + excluded.times, last_seen = excluded.last_seen,
             row = excluded.row""",
        [
            (stream, r.source_id or ("" if times else _name(r.row)), r.reason, r.row, now, now, times or 1)
            for r in rejects
        ],
    )
    conn.execute(
        """DELETE FROM quarantine WHERE stream = ?1 AND id IN (
             SELECT id FROM quarantine WHERE stream = ?1 ORDER BY last_seen DESC, id DESC LIMIT -1 OFFSET ?2)""",
        (stream, QUARANTINE_LIMIT),
    )


def _name(row: str) -> str:
    """A name for a row that has none."""
    return f"{NAMELESS}{hashlib.sha256(row.encode(errors='replace')).hexdigest()[:12]}"


def release(conn: sqlite3.Connection, stream: int, ids: Iterable[str]) -> None:
    """Take records out of quarantine that came through after all."""
    kept = conn.execute("SELECT DISTINCT source_id FROM quarantine WHERE stream = ?", (stream,)).fetchall()
    if not kept:
        return
    through = {source_id for (source_id,) in kept}.intersection(ids)
    conn.executemany(
        "DELETE FROM quarantine WHERE stream = ? AND source_id = ?", [(stream, source_id) for source_id in through]
    )


QUARANTINE = """
SELECT source.name, stream.name, source_id, reason, row, first_seen, last_seen, times
FROM quarantine JOIN stream ON stream.id = quarantine.stream JOIN source ON source.id = stream.source
ORDER BY source.name, stream.name, last_seen DESC, quarantine.id DESC
"""


def quarantined(rows: Iterable[Sequence[Any]]) -> list[Quarantined]:
    """Turn the rows of `QUARANTINE` into values."""
    return [
        Quarantined(
            source,
            stream,
            "" if source_id.startswith(NAMELESS) else source_id,
            reason,
            text,
            instant(first),
            instant(last),
            times,
        )
        for source, stream, source_id, reason, text, first, last, times in rows
    ]
