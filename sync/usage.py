"""Event exports -> daily counts per person, group and event, in one Parquet file a day and source.

An export is read by DuckDB, never line by line in Python. Each event is known by a hash of its name, sender, time and
insert id; the same event counts once, within a file and against what earlier pulls counted: the hashes of the last day
of arrivals are kept beside the counts, for the overlap that connectors ask for again. A day's new counts go into a new
file; which files are in force is said by the state file alone, in the same transaction as the cursor. A crash before it
leaves the old files in force and new ones that nobody speaks of; `clean` removes them.

An event that names several groups counts once for each of them. An event without a user id counts as anonymous, and for
nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from connectors.base import EventExport, Row
from connectors.errors import ShapeError
from mapping.mapped import EventMap, Reject
from sync import streams
from sync.database import StoreError, private_folder
from sync.records import Counts
from sync.row_doubt import RowDoubt
from sync.store import Store
from sync.tables import epoch, epoch_day
from sync.usage_anew import Reading
from sync.usage_doubt import ANONYMOUS, ANONYMOUS_SHARE, require_believable
from sync.usage_files import MEMORY, REMOVE, THREADS, first_line, spill_folder, spoken_of, sync_to_disk
from sync.usage_forget import skip_forgotten
from sync.usage_keys import number_keys
from sync.usage_past import ADDED, CHANGED, Later, keep
from sync.usage_people import find_people, worth_telling
from sync.usage_seen import KEPT, drop_counted, mark
from sync.usage_sql import GROUPS, PERSONS, READ, TOTALS, USAGE, columns

if TYPE_CHECKING:
    import duckdb

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class _Day:
    """The new state of one epoch day; `path` is None when the day has no events, `later` when nothing was known of it.

    `first` is when it was first counted, epoch seconds; -1: now. `replaces`: what was counted before does not stand.
    """

    day: int
    path: Path | None
    rows: int
    events: int
    anonymous: int
    first: int = -1
    later: Path | None = None
    replaces: bool = False


def ingest(
    store: Store,
    stream: tuple[str, str],
    export: EventExport,
    events: EventMap,
    *,
    cursor: str | None,
    now: datetime,
    trusted: bool = False,
) -> Counts:
    """Count the events of an export; commit counts and cursor together; delete the export's file.

    Args:
        store: The state.
        stream: Name of the source in the config, and the vendor's word for its events.
        export: The spooled file. Where it `replaces`, its days are overwritten, otherwise added to.
        events: Where to find things in a line.
        cursor: Where to resume afterwards; None keeps the earlier cursor.
        now: For the quarantine.
        trusted: Whether an export is believed that says next to nothing.

    Raises:
        ShapeError: When the file cannot be read at all, such as a line of more than 16 MiB, or is not believed.
        StoreError: When state or disk cannot be used. In both cases nothing was counted.
    """
    try:
        work = _Ingest(store, stream, export, events, RowDoubt.load(store, "/".join(stream), trusted=trusted))
        with work.engine():
            return work.run(cursor, now)
    finally:
        export.path.unlink(missing_ok=True)


class _Ingest:
    """One export on its way into the state."""

    def __init__(
        self, store: Store, stream: tuple[str, str], export: EventExport, events: EventMap, doubt: RowDoubt
    ) -> None:
        self.store = store
        self.source, self.stream = stream
        self.export = export
        self.events = events
        self.doubt = doubt
        self.folder = store.path / "usage" / quote(self.source, safe="")
        with store.transaction() as conn:
            self.source_key = streams.source_key(conn, self.source)
            self.stream_key = streams.stream_key(conn, self.source_key, self.stream, "usage")
        self.db: duckdb.DuckDBPyConnection
        self.written: list[Path] = []
        self.reading = Reading()

    @contextmanager
    def engine(self) -> Iterator[None]:
        """Run DuckDB inside the block; its errors become `StoreError`, and files of a failed ingest are removed."""
        import duckdb

        private_folder(self.store.path / "usage")
        private_folder(self.folder)
        spill = spill_folder(self.store)
        private_folder(spill)
        self.db = duckdb.connect(
            config={
                "memory_limit": MEMORY,
                "threads": THREADS,
                "temp_directory": str(spill),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self.mark = mark(self.events)
        try:
            yield
        except duckdb.Error as error:
            self._discard()
            short = isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException)
            raise StoreError(
                self.folder,
                f"The events could not be counted: {first_line(error)}",
                "Check disk and memory, then repeat." if short else REMOVE,
            ) from error
        except BaseException:
            self._discard()
            raise
        finally:
            self.db.close()

    def _discard(self) -> None:
        for path in self.written:
            path.unlink(missing_ok=True)

    def run(self, cursor: str | None, now: datetime) -> Counts:
        """Read, count, write, commit."""
        generation = self._generation()
        people = self._read()
        self.reading = Reading.of(self.store, self.stream_key, self.db, generation, anew=self.export.anew)
        rejects = self._drop_unusable()
        self.reading.drop_earlier(self.db)
        usable = self._one("SELECT count(*) FROM ev")
        self._drop_repetitions()
        seen = self._write_hashes(generation)
        totals = {day: (events, anonymous) for day, events, anonymous in self.db.execute(TOTALS).fetchall()}
        self._doubt(totals)
        self.db.execute(PERSONS)
        skip_forgotten(self.db, self.store, self.source)
        self.db.execute(GROUPS)
        number_keys(self.db, self.store, self.source_key, "person", "contact")
        number_keys(self.db, self.store, self.source_key, "group", "account")
        self.db.execute(USAGE)
        days = self._write_days(generation, totals)
        self._doubt_loss("rows", {day.day: day.rows for day in days}, "combinations of person and event")
        if self.export.people is not None:
            self.export.people.keep(people)  # before the counts: what a crash leaves out here is read again
        old = self._commit(days, seen, generation, rejects, cursor, epoch(now))
        for path in old:
            path.unlink(missing_ok=True)
        named, anonymous = (sum(total[i] for total in totals.values()) for i in (0, 1))
        return Counts(
            events=named,
            anonymous=anonymous,
            duplicates=usable - named - anonymous,
            rejected=sum(times for _, times in rejects),
        )

    # -- reading ------------------------------------------------------------------------------------------------

    def _read(self) -> list[Row]:
        """Read the file; gives whom its events speak of, where the export wants to know."""
        import duckdb

        who = self.export.people
        sql = READ.format(**columns(self.events, who))
        try:
            self.db.execute(sql, [str(self.export.path), self.events.device_prefix])
        except duckdb.InvalidInputException as error:
            raise ShapeError(f"The event export cannot be read: {first_line(error)}") from error
        people = worth_telling(self.store, self.source, who, find_people(self.db, who)) if who else []
        if self.events.ignore:
            self.db.execute("DELETE FROM ev WHERE event IN (SELECT unnest(?))", [list(self.events.ignore)])
        return people

    def _one(self, sql: str) -> Any:
        return self.db.execute(sql).fetchall()[0][0]

    def _drop_unusable(self) -> list[tuple[Reject, int]]:
        """Remove lines that cannot be counted; gives, by reason, how many they were."""
        days = [epoch_day(self.export.first_day), epoch_day(self.export.last_day)]
        bad = "event IS NULL OR event = '' OR day IS NULL OR day NOT BETWEEN ? AND ?"
        found = self.db.execute(
            "SELECT CASE WHEN event IS NULL OR event = '' THEN 1 WHEN day IS NULL THEN 2 ELSE 3 END AS why, "
            f"count(*) FROM ev WHERE {bad} GROUP BY 1 ORDER BY 1",
            days,
        ).fetchall()
        if found:
            self.db.execute(f"DELETE FROM ev WHERE {bad}", days)
        reasons = {
            1: f"The line is no JSON object with an event name at '{self.events.name}'.",
            2: f"The event has no usable time at '{self.events.time}'.",
            3: "The event's day lies ahead, or is not one of those asked for.",
        }
        return [(Reject(self.source, self.stream, None, reasons[why], ""), times) for why, times in found]

    def _drop_repetitions(self) -> None:
        """Keep each event once, and not at all where an earlier pull counted it or must have."""
        # Nearly no event comes twice, so only those that do are compared.
        self.db.execute("CREATE TEMP TABLE twice AS SELECT h FROM ev GROUP BY h HAVING count(*) > 1")
        if self._one("SELECT count(*) FROM twice"):
            self.db.execute(
                "CREATE TEMP TABLE once AS SELECT DISTINCT ON (h) * FROM ev WHERE h IN (FROM twice) "
                "ORDER BY h, arrived, person, grp"
            )
            self.db.execute("DELETE FROM ev WHERE h IN (FROM twice)")
            self.db.execute("INSERT INTO ev FROM once")
        if self.export.replaces or self.export.anew:
            return
        drop_counted(self.db, self.store, self.stream_key, self.export, self.mark)

    def _doubt(self, totals: dict[int, tuple[int, int]]) -> None:
        came, people, accounts = self.db.execute("SELECT count(*), count(person), count(grp) FROM ev").fetchall()[0]
        said = {"which user they are of": (came, people), "which account they are of": (came, accounts)}
        self.doubt.events(said, least=ANONYMOUS, share=ANONYMOUS_SHARE)
        self._doubt_loss("events", {day: events for day, (events, _) in totals.items()}, "events")

    def _doubt_loss(self, column: str, found: dict[int, int], what: str) -> None:
        if not self.export.replaces or self.doubt.trusted:
            return
        held = dict(self.store.rows(f"SELECT day, {column} FROM usage_file WHERE stream = ?", (self.stream_key,)))
        days = range(epoch_day(self.export.first_day), epoch_day(self.export.last_day) + 1)
        require_believable(held, found, days, self.doubt.where, what)

    # -- writing ------------------------------------------------------------------------------------------------

    def _generation(self) -> int:
        rows = self.store.rows("SELECT value FROM meta WHERE key = ?", (f"usage:{self.stream_key}",))
        return int(rows[0][0]) + 1 if rows else 1

    def _write_days(self, generation: int, totals: dict[int, tuple[int, int]]) -> list[_Day]:
        """Write the days that events fell on, and for an export that replaces the empty ones too."""
        held = {
            row[0]: row[1:]
            for row in self.store.rows(
                "SELECT day, path, events, anonymous, first, generation FROM usage_file WHERE stream = ?",
                (self.stream_key,),
            )
        }
        touched = set(totals)
        if self.export.replaces:
            touched.update(range(epoch_day(self.export.first_day), epoch_day(self.export.last_day) + 1))
        days = []
        for day in sorted(touched):
            old, old_events, old_anonymous, first, counted = held.get(day, (None, 0, 0, None, 0))
            events, anonymous = totals.get(day, (0, 0))
            replaces = self.export.replaces or counted < self.reading.since
            if not replaces:
                events, anonymous = events + old_events, anonymous + old_anonymous
            new = _Day(day, None, 0, events, anonymous, -1 if first is None else first, replaces=replaces)
            days.append(self._write_day(new, generation, old))
        return days

    def _write_day(self, day: _Day, generation: int, old: str | None) -> _Day:
        date_ = _EPOCH + timedelta(days=day.day)
        parameters: dict[str, Any] = {"date": date_, "day": day.day}
        rows, held = ADDED, self.store.path / old if old is not None else None
        if held is not None and held.is_file():
            parameters["old"] = str(held)
            day = self._write_later(day, generation, parameters)
            if not day.replaces:
                rows = (
                    "SELECT day, person, grp, event, CAST(sum(count) AS INTEGER) AS count FROM "
                    f"({rows} UNION ALL SELECT day, person, grp, event, count FROM read_parquet($old)) GROUP BY ALL"
                )
        if not day.events and not day.anonymous:
            return day
        path = self.folder / f"{date_.isoformat()}.{generation}.parquet"
        if "$old" not in rows:
            parameters.pop("old", None)
        number = self._copy(f"{rows} ORDER BY person", parameters, path)
        return replace(day, path=path, rows=number)

    def _write_later(self, day: _Day, generation: int, parameters: dict[str, Any]) -> _Day:
        """Keep how the new count of a day differs from the one before."""
        path = self.folder / f"{parameters['date'].isoformat()}.{generation}.later.parquet"
        if not day.replaces:
            parameters = {name: value for name, value in parameters.items() if name != "old"}
        if self._copy(f"{CHANGED if day.replaces else ADDED} ORDER BY person", parameters, path):
            return replace(day, later=path)
        path.unlink()
        return day

    def _copy(self, select: str, parameters: dict[str, Any], path: Path) -> int:
        """Write a query's rows to a Parquet file that is complete and on disk when its name appears."""
        part = path.with_suffix(".part")
        self.written += [part, path]
        quoted = str(part).replace("'", "''")
        number: int = self.db.execute(f"COPY ({select}) TO '{quoted}' (FORMAT parquet)", parameters).fetchall()[0][0]
        part.chmod(0o600)
        sync_to_disk(part)
        part.replace(path)
        return number

    def _write_hashes(self, generation: int) -> tuple[Path, int] | None:
        """Keep the hashes of what arrived lately; gives the file and the newest arrival, epoch seconds."""
        newest = self._one("SELECT max(arrived) FROM ev")
        if newest is None:
            return None
        path = self.folder / f"seen.{generation}.{self.mark}.parquet"
        # Of what replaces whole days only the end can come again; of what is added, all of it.
        oldest = newest - KEPT if self.export.replaces else 0
        self._copy("SELECT h FROM ev WHERE arrived >= $oldest", {"oldest": oldest}, path)
        return path, newest

    # -- committing ---------------------------------------------------------------------------------------------

    def _commit(
        self,
        days: list[_Day],
        seen: tuple[Path, int] | None,
        generation: int,
        rejects: list[tuple[Reject, int]],
        cursor: str | None,
        now: int,
    ) -> list[Path]:
        """Put the new files in force together with the cursor; gives the files that are not any more."""
        sync_to_disk(self.folder)
        before = self._in_force()
        with self.store.transaction() as conn:
            conn.executemany(
                "DELETE FROM usage_file WHERE stream = ? AND day = ?",
                [(self.stream_key, day.day) for day in days],
            )
            conn.executemany(
                "INSERT INTO usage_file (stream, day, generation, path, rows, events, anonymous, written, first) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (self.stream_key, d.day, generation, self._name(d.path), d.rows, d.events, d.anonymous, now,
                     now if d.first < 0 else d.first)
                    for d in days
                    if d.path is not None
                ],
            )  # fmt: skip
            later = [Later(d.later, d.day, d.first) for d in days if d.later is not None]
            keep(conn, self.stream_key, self.store.path, later, now)
            self.reading.note(conn, self.stream_key)
            if seen is not None:
                conn.execute("INSERT INTO usage_seen VALUES (?, ?, ?)", (self._name(seen[0]), self.stream_key, seen[1]))
            conn.execute(
                "DELETE FROM usage_seen WHERE stream = ?1 AND newest < "
                "(SELECT max(newest) FROM usage_seen WHERE stream = ?1) - ?2",
                (self.stream_key, KEPT),
            )
            conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"usage:{self.stream_key}", str(generation)))
            for reject, times in rejects:
                streams.quarantine(conn, self.stream_key, [reject], now, times)
            streams.advance(conn, self.stream_key, cursor, 0)
            total = "UPDATE stream SET total = (SELECT coalesce(sum(events), 0) FROM usage_file WHERE stream = ?1)"
            conn.execute(f"{total} WHERE id = ?1", (self.stream_key,))
            self.doubt.save(conn)
        self.written.clear()
        return sorted(before - self._in_force())

    def _in_force(self) -> set[Path]:
        return spoken_of(self.store, self.stream_key)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.store.path).as_posix()
