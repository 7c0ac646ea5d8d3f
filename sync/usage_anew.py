"""Reading a stream of events anew, where an export holds what arrived and no whole days.

Such exports only ever add. When everything is read again from the start, because files are missing or the place was
lost, a day counted before that is counted from nothing as soon as its first events come; until then what was held of it
stands. Days before the first arrivals that are read again are left as they are: of them only what came late would be
found.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.store import Store

if TYPE_CHECKING:
    import sqlite3

    import duckdb

_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Reading:
    """The reading that a stream is in.

    Attributes:
        since: Generation of its first export; what was counted earlier is not added to.
        first_day: Epoch day of its first arrivals.
        began: Whether this export is the first of it.
    """

    since: int = 0
    first_day: int = 0
    began: bool = False

    @staticmethod
    def of(store: Store, stream: int, db: "duckdb.DuckDBPyConnection", generation: int, *, anew: bool) -> "Reading":
        """The reading to which the events in table `ev` belong: a new one, or the one that is noted."""
        if anew:
            arrived = db.execute("SELECT min(arrived) FROM ev").fetchall()[0][0]
            return Reading(generation, (arrived or 0) // _SECONDS, began=True)
        noted = store.rows("SELECT value FROM meta WHERE key = ?", (_key(stream),))
        since, first_day = map(int, noted[0][0].split()) if noted else (0, 0)
        return Reading(since, first_day)

    def drop_earlier(self, db: "duckdb.DuckDBPyConnection") -> None:
        """Remove the events of days that this reading cannot count whole."""
        if self.first_day:
            db.execute("DELETE FROM ev WHERE day < ?", [self.first_day])

    def note(self, conn: "sqlite3.Connection", stream: int) -> None:
        """Remember a reading that begins, and forget what the one before has seen; in a transaction."""
        if self.began:
            conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_key(stream), f"{self.since} {self.first_day}"))
            conn.execute("DELETE FROM usage_seen WHERE stream = ?", (stream,))


def _key(stream: int) -> str:
    return f"usage anew:{stream}"
