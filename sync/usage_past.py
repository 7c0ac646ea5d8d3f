"""What became known of a day's usage after its first count, so that a score of the past sees what was known then.

A day is counted when its first events arrive and again whenever more do: every hour while it lasts, and for some days
after, when phones come back online. The file in force holds the newest counts. Beside it, each later count leaves a
file of what it added (or took away: counts below zero). Counts as of an instant are those in force less everything that
was added after it. Only days around the instant have such files, so that it costs a reading of few rows; an ordinary
run reads none of them.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sync.database import StoreError
from sync.store import Store
from sync.streams import PULLS_KEPT
from sync.tables import epoch_day

ADDED = "SELECT $date AS day, person, grp, event, n AS count FROM usage WHERE day = $day"
"""What an export that only adds brings to a day."""

CHANGED = (
    "SELECT day, person, grp, event, CAST(sum(count) AS INTEGER) AS count FROM ("
    "SELECT $date AS day, person, grp, event, n AS count FROM usage WHERE day = $day UNION ALL "
    "SELECT day, person, grp, event, -count FROM read_parquet($old)) GROUP BY ALL HAVING sum(count) <> 0"
)
"""How an export that replaces a day differs from what was counted before."""

_KEEP = "INSERT OR REPLACE INTO usage_later (path, stream, day, first, written) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Later:
    """A file of what became known of a day after its first count.

    Attributes:
        path: The file.
        day: Epoch day.
        first: When the day was first counted, epoch seconds.
    """

    path: Path
    day: int
    first: int


def keep(conn: sqlite3.Connection, stream: int, folder: Path, later: Iterable[Later], now: int) -> None:
    """Note the files of a new count, and speak no more of those older than the list of pulls; in a transaction."""
    rows = [(one.path.relative_to(folder).as_posix(), stream, one.day, one.first, now) for one in later]
    conn.executemany(_KEEP, rows)
    oldest = now - int(PULLS_KEPT.total_seconds())
    conn.execute("DELETE FROM usage_later WHERE stream = ? AND written < ?", (stream, oldest))


def files_as_of(
    store: Store, at: int, *, sources: Sequence[str] | None = None, until: date | None = None, known: int | None = None
) -> tuple[list[Path], list[Path]]:
    """The usage files that tell of an instant.

    Args:
        store: The state.
        at: The instant, epoch seconds.
        sources: Names of the sources, None for all.
        until: The last day.
        known: Days before that of `at` are given as they were known at this later instant; left out: at `at` too.

    Returns:
        Files in force of days that had been counted by then, and files of what was added to them since.

    Raises:
        StoreError: One of the latter is gone, so that nobody can tell any more.
    """
    where, last = "", at // 86_400 if until is None else min(at // 86_400, epoch_day(until))
    names: list[str] = [] if sources is None else list(sources)
    if sources is not None:
        where = f"AND source.name IN ({', '.join('?' * len(names))})"
    joined = "JOIN stream ON stream.id = u.stream JOIN source ON source.id = stream.source"
    knew = f"CASE WHEN day < {at // 86_400} THEN {at if known is None else known} ELSE {at} END"
    base = store.rows(
        f"SELECT path FROM usage_file u {joined} WHERE day <= ? AND first <= {knew} {where} ORDER BY day, source.name",
        (last, *names),
    )
    later = store.rows(
        f"SELECT path FROM usage_later u {joined} WHERE day <= ? AND first <= {knew} AND written > {knew} {where} "
        "ORDER BY day, path",
        (last, *names),
    )
    undo = [store.path / path for (path,) in later]
    gone = next((path for path in undo if not path.is_file()), None)
    if gone is not None:
        text = "The file is missing, so that nobody can tell any more what was known of its day before."
        raise StoreError(gone, text, "Score as of a later instant; ordinary runs do not need it.")
    return [store.path / path for (path,) in base], undo
