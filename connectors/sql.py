"""Any table, view or query of a database or warehouse, through SQLAlchemy; only ever read.

Rows come in the order of a cursor column and, among equal stamps, of an id: both of the last row are the place to go on
from, wherever a pull ends. Rows may be committed later than their stamp says, so the last `overlap` seconds are read
again, until nothing has come for as long: then only what is newer is asked for, however many rows share the last stamp.
A first pull costs one statement a stream, and so does a quiet hour; without a cursor a quiet hour costs none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Severity, Stream
from connectors.config_streams import USAGE, needed
from connectors.errors import ConnectorError, CursorExpiredError, RequestError, TransientError
from connectors.event_lines import EventLines, EventSpool, epoch
from connectors.place import State, dump, load
from connectors.plain import plain
from connectors.sql_database import READ_ONLY, Database
from connectors.sql_place import Row, before, mark
from connectors.sql_settings import Settings, SqlTable

PAGE = 1000
CHUNK = 10_000
"""Rows of one statement where a database cannot give them bit by bit."""
ALL = "1 = 1"

__all__ = ["Settings", "connect"]


class Sql:
    """A database as a source."""

    def __init__(self, name: str, settings: Settings, clock: Clock, spool: Path | None) -> None:
        self.name = name
        self.streams = tuple(
            Stream(stream, table.record, optional=table.optional) for stream, table in settings.streams.items()
        )
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._database = Database(settings, clock)

    @property
    def calls(self) -> Mapping[str, int]:
        """Statements sent so far, by stream name and "check"."""
        return self._database.calls

    def environment(self) -> Environment:
        """Which database it is. Costs one statement; raises `CredentialsError` when it does not let us in."""
        with self._database.connected() as connection:
            self._database.rows(connection, self._database.probe, {}, "check").close()
        where = self._database.where
        return Environment("sql", where, f"{self._database.kind} at {where}", self._database.kind)

    def check(self) -> Iterator[Finding]:
        """Yield identity, whether writes are refused, and what each stream lacks. Costs up to three statements each."""
        yield Finding("ok", "identity", f"Reads {self.environment().label}.")
        if self._database.kind in READ_ONLY:
            yield Finding("ok", "read_only", "The database is told to refuse whatever would write.")
        else:
            yield Finding(
                "warning",
                "read_only",
                f"Nothing tells a database of kind {self._database.kind} to refuse writes.",
                "Nothing but SELECT is sent; use a user with no other right all the same.",
            )
        if not self.streams:
            advice = "Name a ready map, or the tables under `streams`."
            yield Finding("warning", "no_streams", "Nothing is read, since the config names no streams.", advice)
        for name, table in self._settings.streams.items():
            found = list(_Table(self, name, table).check())
            yield from found
            if any(one.code == "unreachable" for one in found):
                return  # each stream would wait as long, and say the same

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what is new since `cursor`; see `Source.pull`. Raises a `ConnectorError`."""
        state = load(cursor, "sql")
        table = _Table(self, stream.name, self._settings.streams[stream.name])
        if state.get("of", table.mark) != table.mark:
            raise CursorExpiredError("the config wants other rows of it than before.", vendor="sql")
        if stream.record == USAGE:
            return table.events(state)
        return table.rows(state)


class _Table:
    """One stream: its table and how it is read."""

    def __init__(self, source: Sql, name: str, table: SqlTable) -> None:
        self.name = name
        self.table = table
        self.source = source
        self.database: Database = source._database
        self.clock: Clock = source._clock
        self.key = self.database.column(table.id)
        self.stamp = self.database.column(table.cursor) if table.cursor else ""
        self.last: Row | None = None
        self.mark = mark(table, source._settings.db_schema)

    # -- pulling -------------------------------------------------------------------------------------------------

    def rows(self, state: State) -> Iterator[Batch]:
        """Records: a whole listing when one is due or under way, else what is new."""
        listing = "listing" in state or self._listing_due(state)
        if not listing and not self.table.cursor:
            yield self._batch([], state)
            return
        begun, done = Row.read(state, "listing" if listing else "reading"), Row.read(state, "last")
        where, values = self._after(begun) if listing or begun is not None else self._new(done, state)
        self.last = begun if listing else done
        began = str(state.get("began") or self.clock.now().isoformat())
        page: list[dict[str, Any]] = []
        for following in self._pages(where, values, self.name):
            if page:
                yield self._batch(page, self._under_way(state, began if listing else None))
            page = following
            self.last = self._at(page[-1])
        full = listing and begun is None and bool(page)
        yield self._batch(page, self._ended(state, began if listing else None), full=full)

    def events(self, state: State) -> Iterator[Batch]:
        """Events: at first all of them, in place of whatever was counted; then what is new, in one export."""
        done = Row.read(state, "last")
        where, values = self._new(done, state)
        self.last = done
        spool = EventSpool(self.source._spool, self.source.name, self.name)
        spool.clean()
        today = self.clock.now().astimezone(UTC).date()
        export = spool.export(self._lines(where, values), today, replaces=done is None)
        place = dump({**self._ended(state, None), "of": self.mark})
        yield Batch(cursor=place, export=export, server_time=self.clock.now())

    def _lines(self, where: str, values: Mapping[str, Any]) -> Iterator[Any]:
        lines = EventLines(self.table.fields)
        for page in self._pages(where, values, self.name):
            for row in page:
                arrived = epoch(row[self.table.cursor])
                yield lines.line(_plain(row), arrived)
            self.last = self._at(page[-1])

    def _listing_due(self, state: State) -> bool:
        hours, last = self.table.full_hours, state.get("listed")
        if not hours:
            return False
        return last is None or self.clock.now() - datetime.fromisoformat(last) >= timedelta(hours=hours, minutes=-5)

    def _after(self, place: Row | None) -> tuple[str, dict[str, Any]]:
        """Condition for the rows behind a place."""
        known = f"{self.stamp} IS NOT NULL" if self.stamp else ALL
        if place is None:
            return known, {}
        if not self.stamp:
            return f"{self.key} > :key", {"key": place.key}
        if place.key is None:
            return f"{self.stamp} >= :stamp", {"stamp": place.stamp}
        behind = f"{self.stamp} > :stamp OR ({self.stamp} = :stamp AND {self.key} > :key)"
        return f"({behind})", {"stamp": place.stamp, "key": place.key}

    def _new(self, place: Row | None, state: State) -> tuple[str, dict[str, Any]]:
        """Condition for what is new: with the overlap, until nothing has come for as long."""
        if place is None or state.get("settled") or not self.table.overlap:
            return self._after(place)
        early = before(place.stamp, self.table.overlap)
        return self._after(place) if early is None else (f"{self.stamp} >= :stamp", {"stamp": early})

    def _under_way(self, state: State, listing: str | None) -> State:
        """The place in the middle of a listing that began then, or of what is new: exactly behind the last row."""
        kept = {name: held for name, held in state.items() if name not in {"listing", "began", "reading"}}
        last = self.last.kept() if self.last is not None else None
        return {**kept, "reading": last} if listing is None else {**kept, "listing": last, "began": listing}

    def _ended(self, state: State, listing: str | None) -> State:
        """The place once all that was asked for is committed."""
        kept = {name: held for name, held in state.items() if name not in {"listing", "began", "reading"}}
        last = self.last.kept() if self.last is not None else None
        if listing is not None and last is not None:  # no row at all looks like an outage: it is asked for again
            kept["listed"] = listing
        if not self.stamp or last is None:
            return kept
        now = self.clock.now()
        if last != state.get("last"):
            return {**kept, "last": last, "since": now.isoformat(), "settled": None}
        quiet = now - datetime.fromisoformat(str(state.get("since") or now.isoformat()))
        return {**kept, "settled": True} if quiet >= timedelta(seconds=self.table.overlap) else kept

    def _batch(self, rows: Sequence[Mapping[str, Any]], place: State, *, full: bool = False) -> Batch:
        whole = [_plain(row) for row in rows]
        return Batch(whole, dump({**place, "of": self.mark}), server_time=self.clock.now(), full=full)

    # -- asking --------------------------------------------------------------------------------------------------

    @property
    def _from(self) -> str:
        if self.table.query:
            # What looks like a parameter in a query, such as the "12:30" of a time, is none.
            text = re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", self.table.query.strip().rstrip(";"))
            return f"({text}\n) AS holdfast_rows"
        name = self.table.table
        schema = self.source._settings.db_schema
        return self.database.quoted(f"{schema}.{name}" if schema and "." not in name else name)

    def _pages(self, where: str, values: Mapping[str, Any], purpose: str) -> Iterator[list[dict[str, Any]]]:
        """Rows in order, as lists of at most `PAGE`."""
        order = f"{self.stamp}, {self.key}" if self.stamp else self.key
        with self.database.connected() as connection:
            while True:
                bit = "" if self.database.streams_rows else f" LIMIT {CHUNK}"
                # A parameter more keeps drivers from taking several statements for one.
                sql = f"SELECT * FROM {self._from} WHERE {where} AND :one = 1 ORDER BY {order}{bit}"
                count, last = 0, None
                for page in self._some(connection, sql, {**values, "one": 1}, purpose):
                    count, last = count + len(page), page[-1]
                    yield page
                if self.database.streams_rows or count < CHUNK or last is None:
                    return
                where, values = self._after(self._at(last))

    def _some(
        self, connection: Connection, sql: str, values: Mapping[str, Any], purpose: str
    ) -> Iterator[list[dict[str, Any]]]:
        with closing(self.database.rows(self.database.stream(connection), sql, values, purpose)) as result:
            self._require(list(result.keys()))
            chunks = result.mappings()
            if self.database.streams_rows:
                for part in chunks.partitions(PAGE):
                    yield [dict(row) for row in part]
                return
            everything = [dict(row) for row in chunks]
        connection.rollback()  # lets others write while this is committed
        yield from (everything[n : n + PAGE] for n in range(0, len(everything), PAGE))

    def _at(self, row: Mapping[str, Any]) -> Row:
        return Row(row[self.table.cursor] if self.table.cursor else None, row[self.table.id])

    # -- checking ------------------------------------------------------------------------------------------------

    def _required(self) -> dict[str, str]:
        """Setting -> the column without which nothing can be read."""
        must = ("name", "time", "person") if self.table.record == USAGE else ("source_id",)
        fields = {f"fields.{field}": columns[0] for field, columns in needed(self.table.fields) if field in must}
        return {"id": self.table.id, **({"cursor": self.table.cursor} if self.table.cursor else {}), **fields}

    def _require(self, columns: Sequence[str]) -> None:
        for setting, column in self._required().items():
            if column not in columns:
                raise RequestError(
                    f"{self.name}: there is no column {column!r}, which {setting} names; there are "
                    f"{', '.join(map(repr, columns[:40]))}.",
                    vendor="sql",
                    advice=f"Correct {setting} of that stream.",
                )

    def check(self) -> Iterator[Finding]:
        """What this stream lacks."""
        try:
            with self.database.connected() as connection:
                columns = list(
                    self.database.rows(connection, f"SELECT * FROM {self._from} WHERE 1 = 0", {}, "check").keys()
                )
                self._require(columns)
                if self.stamp:
                    sql = f"SELECT 1 FROM {self._from} WHERE {self.stamp} IS NULL LIMIT 1"
                    unstamped = self.database.rows(connection, sql, {}, "check").first() is not None
                else:
                    unstamped = False
        except ConnectorError as error:
            severity: Severity = "warning" if self.table.optional else "error"
            code = "unreachable" if isinstance(error, TransientError) else "stream"
            yield Finding(severity, code, f"{self.name} cannot be read: {error.message}", error.advice)
            return
        for field, wanted in needed(self.table.fields):
            if not set(wanted) & set(columns):
                yield Finding(
                    "warning",
                    "missing_column",
                    f"{self.name}: there is no column {' or '.join(map(repr, wanted))}, so {field} stays empty.",
                    f"Correct streams.{self.name}.fields.{field}, or leave it out.",
                )
        if unstamped:
            yield Finding(
                "warning",
                "no_stamp",
                f"{self.name}: some rows have nothing in {self.table.cursor!r}, and are not read.",
                "Have the column filled, or read the table whole by leaving cursor out.",
            )


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items()}


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: object = None,  # noqa: ARG001 - drivers have connections of their own
    spool: Path | None = None,
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,  # noqa: ARG001 - a query says itself what it gives
) -> Sql:
    """Make the source; nothing is asked yet. Raises `ConfigError` for a URL of a database that cannot be read."""
    return Sql(name, settings, clock, spool)
