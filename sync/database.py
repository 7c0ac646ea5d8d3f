"""Opening and guarding the SQLite file: modes, settings, one writer at a time, and errors in words."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlite_utils

from sync.migrations import APPLICATION_ID, migrations

RESERVE = 64 * 1024 * 1024
"""Bytes that must stay free on the disk: a transaction is refused before it would fill the last of it."""

MOVE_ASIDE = "Move it aside and put back a copy, or let the agent start anew: everything is pulled again."


class StoreError(Exception):
    """The state cannot be used. The message names the file and says what to do.

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


_MEANINGS = {
    "SQLITE_BUSY": ("Another program has been writing to it for too long.", "Stop that program or wait, then repeat."),
    "SQLITE_FULL": ("The disk is full.", "Free some space, then repeat: nothing half-done was kept."),
    "SQLITE_NOTADB": ("This is not a SQLite file.", MOVE_ASIDE),
    "SQLITE_CORRUPT": ("The file is damaged.", MOVE_ASIDE),
    "SQLITE_READONLY": ("The file may not be written.", "Run as its owner, or correct its mode (0600)."),
    "SQLITE_PERM": ("The file may not be opened.", "Run as its owner, or correct its mode (0600)."),
    "SQLITE_CANTOPEN": ("The file cannot be opened.", "Check the folder's owner and mode, and that it is local."),
    "SQLITE_IOERR": ("The disk refused to read or write.", "Check the disk and its free space, then repeat."),
}
"""What SQLite's result codes mean to an admin; longer codes (SQLITE_IOERR_WRITE) count as the one they begin with."""


def explain(file: Path, error: sqlite3.Error) -> StoreError:
    """Put SQLite's error into words."""
    name = str(getattr(error, "sqlite_errorname", ""))
    for code, (message, advice) in _MEANINGS.items():
        if name == code or name.startswith(f"{code}_"):
            return StoreError(file, message, advice)
    return StoreError(file, f"SQLite says: {error}.", "This is a defect; please report it with this line.")


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Turn SQLite's errors inside the block into `StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(file, error) from error


class _Database(sqlite_utils.Database):
    """sqlite-utils, with errors in words."""

    def __init__(self, conn: sqlite3.Connection, file: Path) -> None:
        self.file = file
        with explained(file):
            super().__init__(conn)

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> sqlite3.Cursor:
        with explained(self.file):
            return super().execute(sql, parameters)


class StateFile:
    """One SQLite database. Safe to share between threads: they take turns.

    Attributes:
        path: The folder.
        file: The database in it.
        readonly: Whether writing is refused.
        db: For small queries and for people; reading from another thread while one writes shows half-done work, so
            prefer `rows` there.
    """

    def __init__(self, path: Path, *, readonly: bool = False, timeout: float = 30.0) -> None:
        self.path = path
        self.file = path / "state.db"
        self.readonly = readonly
        self._lock = threading.RLock()
        self._timeout = timeout
        _prepare(path, self.file, readonly=readonly)
        self.db = self._open()
        try:
            self._check_and_migrate()
        except BaseException:
            self.db.close()
            raise

    def _open(self) -> _Database:
        return _Database(_connect(self.file, readonly=self.readonly, timeout=self._timeout), self.file)

    def _check_and_migrate(self) -> None:
        tables = self._scalar("SELECT count(*) FROM sqlite_master")
        if tables and self._scalar("PRAGMA application_id") != APPLICATION_ID:
            raise StoreError(self.file, "This database belongs to another program.", "Set [state] dir elsewhere.")
        with explained(self.file):
            applied = {migration.name for migration in migrations.applied(self.db)}
            pending = [migration.name for migration in migrations.pending(self.db)]
        known = applied | set(pending)
        ours = {migration.name for migration in migrations._migrations}  # there is no public list
        if known - ours:
            raise StoreError(
                self.file, "It was written by a newer version of Holdfast.", "Install that version or a later one."
            )
        if pending and self.readonly:
            raise StoreError(
                self.file, "It was written by an older version of Holdfast.", "Run `holdfast sync` once to convert it."
            )
        if not self.readonly:
            self._configure()
            with explained(self.file):
                migrations.apply(self.db)

    def _configure(self) -> None:
        """Set what makes commits durable and readers welcome. WAL stays with the file, the rest with the connection."""
        if self.readonly:
            return
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "cache_size = -32768",
            "wal_autocheckpoint = 8192",
        ):
            self.db.execute(f"PRAGMA {pragma}").fetchall()

    def _scalar(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def close(self) -> None:
        """Close the file."""
        with self._lock, explained(self.file):
            self.db.close()

    @contextmanager
    def released(self) -> Iterator[Path]:
        """Let go of the file inside the block, for a library that brings its own SQLite, such as ADBC's driver.

        Two copies of SQLite in one process must never have the same file open: POSIX locks belong to the process, so
        neither sees the other's, and when one closes the file the other's locks are gone with it. Seen here: ADBC
        closes, takes itself for the last one, removes the write-ahead log, and what we commit afterwards is lost.
        See "How To Corrupt An SQLite Database File", section 2.2.1, at sqlite.org. Other threads wait meanwhile.
        """
        with self._lock:
            if self.db.conn.in_transaction:
                raise StoreError(self.file, "It cannot be let go of inside a transaction.", "This is a defect.")
            with explained(self.file):
                self.db.close()
            try:
                yield self.file
            finally:
                self.db = self._open()
                self._configure()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, never of a half-done transaction of another thread."""
        with self._lock, explained(self.file):
            return self.db.conn.execute(sql, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed at the end of the block, rolled back when it raises.

        A block inside a block of the same thread joins it.

        Raises:
            StoreError: In place of every error of SQLite, and when the disk is nearly full.
        """
        with self._lock, explained(self.file):
            conn = self.db.conn
            if conn.in_transaction:
                yield conn
                return
            self._check_space()
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield conn
                conn.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    conn.rollback()
                raise

    def _check_space(self) -> None:
        disk = os.statvfs(self.path)
        if disk.f_bavail * disk.f_frsize < RESERVE:
            raise StoreError(self.file, "The disk is nearly full.", "Free at least 64 MiB, then repeat.")


def _prepare(path: Path, file: Path, *, readonly: bool) -> None:
    """Make folder and file, for their owner alone. SQLite gives -wal and -shm the mode of the file."""
    if readonly:
        if not file.exists():
            raise StoreError(file, "There is no state yet.", "Run `holdfast sync` first.")
    else:
        try:
            private_folder(path)
            if not file.exists():  # opening and closing it again would drop the locks of this process's connections
                os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            if file.is_file() and file.stat().st_mode & 0o077:
                file.chmod(0o600)
        except OSError as error:
            raise StoreError(
                file, f"It cannot be made: {error.strerror}.", "Check [state] dir and its owner."
            ) from error
    if file.is_dir():
        raise StoreError(file, "A folder is in the place of the state file.", "Move it away.")


def private_folder(path: Path) -> None:
    """Make a folder that only its owner can enter; one that is there already keeps its mode."""
    if path.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    path.chmod(0o700)


def _connect(file: Path, *, readonly: bool, timeout: float) -> sqlite3.Connection:
    uri = f"{file.absolute().as_uri()}?mode={'ro' if readonly else 'rw'}"
    with explained(file):
        return sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=False, cached_statements=512)
