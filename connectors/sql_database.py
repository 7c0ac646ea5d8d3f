"""One database through SQLAlchemy: read-only, with a timeout, in chunks, and errors in our own words."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from connectors.base import Clock
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    RequestError,
    TransientError,
)
from connectors.redact import REDACTOR
from connectors.sql_settings import Settings

CONNECT_SECONDS = 15
STEPS = 100_000
"""Instructions of SQLite after which the clock is looked at."""
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
"""What people write -> the dialect with the driver that comes with Holdfast."""
READ_ONLY = frozenset({"postgresql", "sqlite"})
"""Databases that are told to refuse writes."""

_STATES: Mapping[str, tuple[type[ConnectorError], str]] = {
    "28": (CredentialsError, "See user and password in url."),
    "42501": (MissingPermissionError, "Grant the user the right to read it: GRANT SELECT ON ... TO ...."),
    "57014": (TransientError, "An index on cursor and id makes it quick; else raise statement_timeout."),
    "42": (RequestError, "Correct table, query, id or cursor of that stream."),
    "3D": (ConfigError, "See the name of the database in url."),
}
"""Beginning of a PostgreSQL error code -> what it means to us; the longest that fits. What is wrong with one stream's
statement is a `RequestError`: a `ConfigError` would keep all streams of the database from being read."""
_WORDS: Mapping[str, tuple[type[ConnectorError], str]] = {
    "authentication failed": (CredentialsError, "See user and password in url."),
    "no password supplied": (CredentialsError, "See user and password in url."),
    'role "': (CredentialsError, "See user and password in url."),
    "no such table": (RequestError, "Correct table or query of that stream."),
    "no such column": (RequestError, "Correct table, query, id or cursor of that stream."),
    "syntax error": (RequestError, "Correct query of that stream."),
    "unable to open database file": (ConfigError, "See the path in url; an absolute one has four slashes."),
    "database is locked": (TransientError, "Another program holds it while it writes; the next run tries again."),
    "file is not a database": (ConfigError, "See the path in url: SQLite can read no such file."),
    "interrupted": (TransientError, "An index on cursor and id makes it quick; else raise statement_timeout."),
}
"""What is told without a code, by its words."""


class Database:
    """A database that is only read.

    Args:
        settings: Where it is.
        clock: For the timeout of statements where the database has none.

    Attributes:
        kind: "postgresql", "sqlite", ...
        where: Host, port and database, or the path: nothing secret.
        calls: Statements sent so far, by purpose.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        text = settings.url.get_secret_value()
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise ConfigError(
                "url: is no SQLAlchemy URL such as postgresql://reader:...@db.example/warehouse.", vendor="sql"
            ) from None
        REDACTOR.add([text, *([str(url.password)] if url.password else [])])
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        self.kind = url.get_backend_name()
        served = f"{url.host or 'localhost'}{_port(url)}/{url.database}"
        self.where = url.database or "" if self.kind == "sqlite" else served
        self.calls: Counter[str] = Counter()
        self._timeout = settings.statement_timeout
        self._clock = clock
        try:
            self._engine = sqlalchemy.create_engine(
                self._read_only(url), poolclass=sqlalchemy.pool.NullPool, connect_args=self._arguments()
            )
        except (NoSuchModuleError, ModuleNotFoundError, ArgumentError) as error:
            raise ConfigError(
                f"url: a database of kind {url.drivername!r} cannot be read: {error}. PostgreSQL and SQLite can; for "
                "others install SQLAlchemy's driver beside Holdfast.",
                vendor="sql",
            ) from None

    def _read_only(self, url: sqlalchemy.URL) -> sqlalchemy.URL:
        if self.kind != "sqlite":
            return url
        if not url.database or url.database == ":memory:":
            raise ConfigError("url: names no file of SQLite, such as sqlite:////srv/app/app.db.", vendor="sql")
        return url.set(database=f"file:{quote(url.database)}", query={"mode": "ro", "uri": "true"})

    def _arguments(self) -> dict[str, Any]:
        if self.kind == "postgresql":
            options = f"-c default_transaction_read_only=on -c statement_timeout={self._timeout * 1000}"
            return {"connect_timeout": CONNECT_SECONDS, "options": options, "application_name": "holdfast"}
        return {"timeout": CONNECT_SECONDS} if self.kind == "sqlite" else {}

    @property
    def probe(self) -> str:
        """The least that shows whether it lets us in; SQLite takes any file for a database until it is read."""
        return "SELECT count(*) FROM sqlite_master" if self.kind == "sqlite" else "SELECT 1"

    @property
    def streams_rows(self) -> bool:
        """Whether one statement may give its rows bit by bit; in SQLite it would keep waiting whoever writes."""
        return self.kind != "sqlite"

    def quoted(self, name: str) -> str:
        """A name of a column or table as SQL; dots separate schema and table."""
        prepare = self._engine.dialect.identifier_preparer
        return ".".join(prepare.quote_identifier(part) for part in name.split("."))

    def column(self, name: str) -> str:
        """The name of a column as SQL, dots and all."""
        return self._engine.dialect.identifier_preparer.quote_identifier(name)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection that cannot write; whatever goes wrong inside becomes a `ConnectorError`."""
        try:
            with self._engine.connect() as connection:
                self._limit(connection)
                yield connection
        except DBAPIError as error:
            raise _explained(error, self.where) from None
        except SQLAlchemyError as error:
            raise TransientError(REDACTOR.text(_first_line(error)) + ".", vendor="sql") from None

    def _limit(self, connection: Connection) -> None:
        """SQLite has neither users nor a timeout of its own."""
        if self.kind == "sqlite":
            raw: Any = connection.connection.dbapi_connection
            raw.execute("PRAGMA query_only = ON")
            latest = self._clock.monotonic() + self._timeout
            raw.set_progress_handler(lambda: int(self._clock.monotonic() > latest), STEPS)

    def rows(
        self, connection: Connection, sql: str, values: Mapping[str, Any], purpose: str
    ) -> sqlalchemy.CursorResult[Any]:
        """Run one SELECT, whose rows are to be read, or the result closed, before the next one."""
        self.calls[purpose] += 1
        return connection.execute(sqlalchemy.text(sql), dict(values))

    def stream(self, connection: Connection) -> Connection:
        """The same connection, whose results come bit by bit where the database can."""
        return connection.execution_options(stream_results=self.streams_rows)


def _port(url: sqlalchemy.URL) -> str:
    return f":{url.port}" if url.port else ""


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


def _explained(error: DBAPIError, where: str) -> ConnectorError:
    """A database's error as one of ours; what is known of it neither by code nor by words may pass."""
    state, text = str(getattr(error.orig, "sqlstate", None) or ""), str(error.orig or error)
    found = [known for start, known in sorted(_STATES.items()) if state and state.startswith(start)]
    found += [known for words, known in _WORDS.items() if not found and words in text]
    kind, advice = found[-1] if found else (TransientError, "The next run tries again.")
    said = _first_line(error.orig or error)
    said = f"{said} ({where})" if kind is ConfigError else said
    return kind(f"the database says: {REDACTOR.text(said)}.", vendor="sql", code=state, advice=advice)
