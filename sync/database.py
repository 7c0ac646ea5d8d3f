"""Opening and guarding the SQLite file: modes, settings, one writer at a time, damage, and errors in words."""

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from sync.lock import FencedError, run_lock
from sync.mounts import network_type
from sync.schema import APPLICATION_ID, STEPS, applied_steps, newer_schema
from sync.stamp import Stamp, Stamps
from sync.store_errors import RESTORE, DamagedError, EnvironmentMismatchError, StoreError, explain, explained

__all__ = ["RESTORE", "DamagedError", "EnvironmentMismatchError", "StateFile", "StoreError", "explain", "explained"]

RESERVE = 64 * 1024 * 1024
"""Bytes that must stay free on the disk: a transaction is refused before it would fill the last of it."""

LOG_LIMIT = 32 * 1024 * 1024
"""Size of the write-ahead log, in bytes, from which on it is folded into the main file."""


class _Database:
    """A connection, with errors in words."""

    def __init__(self, conn: sqlite3.Connection, file: Path) -> None:
        self.conn = conn
        self.file = file

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> sqlite3.Cursor:
        with explained(self.file):
            return self.conn.execute(sql, parameters)

    def close(self) -> None:
        self.conn.close()


class StateFile:
    """One SQLite database. Safe to share between threads: they take turns.

    Attributes:
        path: The folder.
        file: The database in it.
        readonly: Whether writing is refused.
        fence: Our number among the agents that worked on this state, once we took one; see `take_fence`.
        proved: Whether the ledger in it was proved by us, under the lock, as work began; see `begin_work`.
        db: For small queries and for people; reading from another thread while one writes shows half-done work, so
            prefer `rows` there.
    """

    def __init__(self, path: Path, *, readonly: bool = False, timeout: float = 30.0, locked: bool = False) -> None:
        self.path = path
        self.file = path / "state.db"
        self.readonly = readonly
        self.fence: int | None = None
        self.proved = False
        self._lock = threading.RLock()
        self._timeout = timeout
        self._trusted = False
        self._noted = False
        self._closed = False
        self._log_limit = LOG_LIMIT
        _prepare(path, self.file, readonly=readonly)
        self.stamps = Stamps(self.file)
        try:
            self.db = self._open()
            try:
                self._check_and_migrate(locked=locked)
            except BaseException:
                self.db.close()
                raise
        except BaseException as error:
            told = isinstance(error, DamagedError) or not isinstance(error, StoreError)
            damage = [] if told else self._stamp_damage()
            self.stamps.close()
            if damage:  # whatever it is taken for, such as a newer version's file
                raise DamagedError(self.file, damage[0], f"Nothing is written. {RESTORE}") from error
            raise

    def _open(self) -> _Database:
        return _Database(_connect(self.file, readonly=self.readonly, timeout=self._timeout), self.file)

    def _check_and_migrate(self, *, locked: bool) -> None:
        tables = self._scalar("SELECT count(*) FROM sqlite_master")
        if tables and self._scalar("PRAGMA application_id") != APPLICATION_ID:
            raise StoreError(self.file, "This database belongs to another program.", "Set [state] dir elsewhere.")
        with explained(self.file):
            applied = applied_steps(self.db.conn)
        pending = not applied.issuperset(STEPS)
        if newer := newer_schema(applied):
            raise StoreError(self.file, newer, "Nothing was changed. Install that version or a later one.")
        if pending and self.readonly and not tables:
            raise StoreError(self.file, "Nothing is stored in it yet.", "Run `holdfast sync --dry-run` first.")
        if pending and self.readonly:
            raise StoreError(
                self.file, "It was written by an older version of Holdfast.", "Run `holdfast sync` once to convert it."
            )
        if not self.readonly:
            self._configure()
            if pending:
                self._migrate(max(applied) if applied else None, locked=locked)

    def _migrate(self, schema: str | None, *, locked: bool) -> None:
        """Convert the file in one transaction, having checked and copied it. An agent that works is not disturbed."""
        from sqlite_utils import Database

        from sync.backup import copy_before_migration
        from sync.migrations import migrations

        with ExitStack() as stack:
            if schema is not None:
                if not locked:
                    stack.enter_context(run_lock(self.path))
                self.trust()
                copy_before_migration(self, schema)
            with self.transaction(), explained(self.file):
                migrations.apply(Database(self.db.conn))  # looks again: another may have been quicker

    def _configure(self) -> None:
        """Set what makes commits durable and readers welcome. WAL stays with the file, the rest with the connection."""
        if self.readonly:
            return
        if self._scalar("PRAGMA journal_mode") != "wal":
            self._turn_to_wal()
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "cache_size = -32768",
            "wal_autocheckpoint = 0",  # `fold` does it
        ):
            self.db.execute(f"PRAGMA {pragma}").fetchall()

    def _turn_to_wal(self) -> None:
        """Change the mode of a file that is new or a copy: that changes the main file itself."""
        self.trust()
        with self.stamps.alone():
            stamped = self.stamps.load() is not None
            self.stamps.remove()
            self.db.execute("PRAGMA journal_mode = WAL").fetchall()
            if stamped:
                self.stamps.save(Stamp(self.stamps.digest(), log=False))

    def _scalar(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def close(self) -> None:
        """Fold the log into the main file, stamp it, and close."""
        with self._lock, explained(self.file):
            if self._closed:
                return
            self._closed = True
            try:
                self._let_go()
            finally:
                self.stamps.close()

    def _let_go(self) -> None:
        """Close the connection. The last one to go folds the log, so it is done under the lock, and stamped."""
        stamp = None if self.readonly else self.stamps.load()
        stale = stamp.log if stamp else self._trusted
        if self.readonly or not (stale or self.stamps.wal_bytes()):
            self.db.close()
            return
        try:
            with self.stamps.alone():
                if not self._fold("PASSIVE"):
                    self.db.close()
                    self._restamp()
        finally:
            self.db.close()

    def _restamp(self) -> None:
        """Stamp once more: had a reader just gone, closing has folded in what we could not."""
        stamp = self.stamps.load()
        if self._trusted and stamp is not None and self.stamps.wal_bytes() is None:
            self.stamps.save(Stamp(self.stamps.digest(), log=False))

    def _fold(self, mode: str) -> bool:
        """Fold the log into the main file and stamp that; gives whether all of it went in.

        A file that nobody has found sound is not stamped: what is wrong must stay to be seen.
        """
        stamp = self.stamps.load()
        if not self._trusted and (stamp is None or self._differs(stamp)):
            return False
        self.stamps.remove()
        busy, frames, folded = self.db.conn.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        whole = not busy and frames == folded
        self.stamps.save(Stamp(self.stamps.digest(), log=not whole))
        self._noted = False
        return whole

    def fold(self) -> None:
        """Fold the log into the main file now, and leave the log empty unless somebody reads from it."""
        with self._lock, explained(self.file), self.stamps.alone():
            self.db.conn.execute("PRAGMA busy_timeout = 0").fetchall()
            try:
                self._fold("TRUNCATE")
            finally:
                self.db.conn.execute(f"PRAGMA busy_timeout = {round(self._timeout * 1000)}").fetchall()

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
                self._let_go()
            self._noted = False
            try:
                yield self.file
            finally:
                self.db = self._open()
                self._configure()

    # -- whether it may be believed -----------------------------------------------------------------------------

    def damage(self, *, thorough: bool = False, stamped: bool = True) -> list[str]:
        """What is wrong with the file as a file, a sentence each; nothing when it may be believed.

        Args:
            thorough: Look into every page, also where the stamp already says that none has changed.
            stamped: False to leave out whether it is the file that Holdfast left.
        """
        with self._lock:
            try:
                found = self._stamp_damage() if stamped else []
                if thorough or self.stamps.load() is None:
                    with explained(self.file):
                        rows = self.db.conn.execute(f"PRAGMA {'integrity' if thorough else 'quick'}_check").fetchall()
                    found += [f"SQLite finds: {text}" for (text,) in rows if text != "ok"]
            except StoreError as error:
                found = [str(error).removeprefix(f"{self.file}: ").removesuffix(error.advice).strip()]
        return found

    def _differs(self, stamp: Stamp) -> str:
        if stamp.sha256 != self.stamps.digest():
            return "It is not what Holdfast left: the disk has changed it, or another program has."
        if stamp.log and not self.stamps.wal_bytes():
            return "Its write-ahead log (state.db-wal) is gone, and with it what was committed last."
        return ""

    def _stamp_damage(self) -> list[str]:
        stamp = self.stamps.load()
        if stamp is None or not self._differs(stamp):
            return []
        with self.stamps.alone():  # somebody may just have folded the log in
            stamp = self.stamps.load()
            found = self._differs(stamp) if stamp is not None else ""
        return [found] if found else []

    def trust(self) -> None:
        """Make sure, once, that the file may be believed. Every transaction begins with it.

        Raises:
            DamagedError: When it may not: nothing is written.
        """
        with self._lock:
            if not self._trusted and not self.readonly:
                if found := self.damage():
                    raise DamagedError(self.file, found[0], f"Nothing is written. {RESTORE}")
                self._trusted = True

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, never of a half-done transaction of another thread."""
        with self._lock, explained(self.file):
            return self.db.conn.execute(sql, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed at the end of the block, rolled back when it raises.

        A block inside a block of the same thread joins it.

        Raises:
            StoreError: In place of every error of SQLite, when the disk is nearly full, and when the file is damaged.
            FencedError: When another agent has taken over.
        """
        with self._lock, explained(self.file):
            conn = self.db.conn
            if conn.in_transaction:
                yield conn
                return
            self.trust()
            self._check_space()
            conn.execute("BEGIN IMMEDIATE")
            try:
                self._check_fence(conn)
                yield conn
                conn.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    conn.rollback()
                raise
            self._note_log()
            self._fold_when_long()

    def _note_log(self) -> None:
        """Have the stamp say, after the first commit, that commits lie in the log."""
        if not self._noted and self.stamps.wal_bytes():  # a transaction that changed nothing leaves nothing there
            with self.stamps.alone():
                stamp = self.stamps.load()
                if stamp is not None and not stamp.log:
                    self.stamps.save(Stamp(stamp.sha256, log=True))
            self._noted = True

    def _fold_when_long(self) -> None:
        if (self.stamps.wal_bytes() or 0) >= self._log_limit:
            self.fold()
            self._log_limit = LOG_LIMIT + (self.stamps.wal_bytes() or 0)  # a reader may keep it from being emptied

    def take_fence(self) -> int:
        """Take the next number among the agents that work on this state; the one before us writes nothing any more.

        To be called under the run lock. Should that fail (its file was removed), the fence still holds.
        """
        with self.transaction() as conn:
            self.fence = None
            fence = _fence(conn) + 1
            conn.execute("INSERT OR REPLACE INTO meta VALUES ('fence', ?)", (str(fence),))
        self.fence = fence
        return fence

    def _check_fence(self, conn: sqlite3.Connection) -> None:
        if self.fence is not None and (newest := _fence(conn)) != self.fence:
            raise FencedError(
                f"another agent has taken over {self.path} (number {newest}, we are {self.fence}): nothing is written."
            )

    def _check_space(self) -> None:
        disk = os.statvfs(self.path)
        if disk.f_bavail * disk.f_frsize < RESERVE:
            raise StoreError(self.file, "The disk is nearly full.", "Free at least 64 MiB, then repeat.")


def _fence(conn: sqlite3.Connection) -> int:
    row = conn.execute("SELECT value FROM meta WHERE key = 'fence'").fetchone()
    return int(row[0]) if row else 0


def _prepare(path: Path, file: Path, *, readonly: bool) -> None:
    """Make folder and file, for their owner alone. SQLite gives -wal and -shm the mode of the file."""
    if kind := network_type(path):
        raise StoreError(
            path, f"It lies on a network file system ({kind}), whose locks cannot be relied on.", "Use a local disk."
        )
    if readonly:
        if not file.exists():
            raise StoreError(file, "There is no state yet.", "Run `holdfast sync` first.")
    else:
        try:
            private_folder(path)
            _shut(path)
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


def _shut(path: Path) -> None:
    """Let nobody else put files into a folder of ours, where they could take the place of the key or of the state."""
    about = path.stat()
    if about.st_mode & 0o022 and not about.st_mode & stat.S_ISVTX and about.st_uid == os.geteuid():
        path.chmod(stat.S_IMODE(about.st_mode) & ~0o022)


def _connect(file: Path, *, readonly: bool, timeout: float) -> sqlite3.Connection:
    uri = f"{file.absolute().as_uri()}?mode={'ro' if readonly else 'rw'}"
    with explained(file):
        return sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=False, cached_statements=512)
