"""Parquet with proper types, written by DuckDB out of what ADBC reads from the state file, row group by row group."""

import os
import re
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from sync.columns import Table, Type
from sync.export import ExportError, Wanted

if TYPE_CHECKING:
    from adbc_driver_sqlite.dbapi import Connection
    from duckdb import DuckDBPyConnection

_SQL: dict[Type, str] = {
    "text": "VARCHAR",
    "json": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "instant": "TIMESTAMPTZ",
    "day": "DATE",
}
_WORDS = {"text", "json", "instant", "day"}
_ERRNO = re.compile(r'"errno":"(\d+)"')
"""How DuckDB tells what the system said, within the text of its error."""
_WAIT = 5000
"""Milliseconds to wait where somebody opens or closes the file at the same moment."""


class Reader:
    """One transaction over the state file, and what writes files out of it.

    Use it where nothing else of this process has the file open, see `StateFile.released`.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> Self:
        import duckdb
        from adbc_driver_sqlite import dbapi

        self._db: Connection = dbapi.connect(f"file:{quote(str(self._file))}?mode=ro", autocommit=True)
        with self._db.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {_WAIT}")
            cursor.fetch_arrow()
        self._db.adbc_connection.set_autocommit(False)  # from here on one transaction
        self._duck: DuckDBPyConnection = duckdb.connect(config={"threads": 2})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._duck.close()
        self._db.close()

    def value(self, select: str) -> str | None:
        """The one text that a SELECT gives."""
        with self._db.cursor() as cursor:
            cursor.execute(select)
            arrived = cursor.fetch_arrow()
            self._duck.register("arrived", arrived)
            rows = self._duck.execute("SELECT * FROM arrived").fetchall()
        return None if rows[0][0] is None else str(rows[0][0])

    def write(self, table: Table, wanted: Wanted, path: Path) -> tuple[Path, int]:
        """Write one table; gives the file and its rows.

        Raises:
            ExportError: When a value is not of its column's type.
            OSError: When the system refuses to write the file.
        """
        import duckdb
        from adbc_driver_manager import Error

        columns = table.shown(people=wanted.people)
        names = ", ".join(f'"{column.name}"' for column in columns)
        # The driver guesses a column's type from the first rows, so the first row says what they are.
        first = ", ".join("''" if column.type in _WORDS else "0" for column in columns)
        select = f"SELECT 0 AS n_, {first} UNION ALL SELECT 1, {names} FROM ({_select(table, wanted)})"
        cast = ", ".join(_cast(column.name, column.type, place) for place, column in enumerate(columns, 2))
        target = quote_path(path)
        try:
            with self._db.cursor() as cursor:
                cursor.execute(select)
                self._duck.register("arrived", cursor.fetch_arrow())
                read = f"SELECT {cast} FROM arrived AS a({_places(len(columns) + 1)}) WHERE c1 = 1"
                done: Any = self._duck.execute(f"COPY ({read}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
                rows = done.fetchall()
        except (duckdb.Error, Error) as problem:
            if system := _ERRNO.search(str(problem)):
                raise OSError(int(system[1]), os.strerror(int(system[1])), str(path)) from problem
            raise ExportError(f"table {table.name} cannot be exported: {str(problem).splitlines()[0]}") from problem
        return path, int(rows[0][0])


def quote_path(path: Path) -> str:
    """A path within a string of SQL."""
    return str(path).replace("'", "''")


def _select(table: Table, wanted: Wanted) -> str:
    return table.query(people=wanted.people, since=wanted.since)


def _places(number: int) -> str:
    return ", ".join(f"c{place}" for place in range(1, number + 1))


def _cast(name: str, kind: Type, place: int) -> str:
    return f'CAST(c{place} AS {_SQL[kind]}) AS "{name}"'
