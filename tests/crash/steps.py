"""Counts what an agent does to its disk and to the wire, and ends the process at one of these steps.

Counted are, in the one process that calls `Steps.watch`: before and after every commit of SQLite, before and after
every fsync, rename, replace and removal of a file, and for each request of HTTP: before it is sent, when it has left,
and when its answer is here. Product code is not touched: the standard library's own functions are stood in for. The
process ends by SIGKILL, so that nothing is tidied up.
"""

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import Any

FILES = ("fsync", "fdatasync", "rename", "replace", "unlink", "remove", "link", "rmdir")
"""Functions of `os` that change what a restart finds."""
QUIET = ("SELECT", "PRAGMA", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "EXPLAIN")
"""First words of statements that commit nothing by themselves."""


@dataclass
class Steps:
    """The steps of one process.

    Attributes:
        end_at: The number of the step, from 1, at which the process is killed; None lets it live.
        names: Every step so far.
        durable: Called with the database's file and the bytes of its write-ahead log that would survive a power loss.
        turn: Held while a request is under way.
    """

    end_at: int | None = None
    names: list[str] = field(default_factory=list)
    durable: Callable[[str, int], None] | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self, name: str) -> None:
        """One more step; the last one, when its number has come."""
        with self._lock:
            self.names.append(name)
            if len(self.names) == self.end_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Count from now on, in this process and for good."""
        for name in FILES:
            setattr(os, name, self._around(name, getattr(os, name)))
        # Whoever connects, by whatever module, gets a connection that counts.
        sqlite3.connect = partial(_connect, sqlite3.connect, self)  # type: ignore[assignment]  # the same but for one

    def _around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.step(f"before {name}")
            result = function(*args, **kwargs)
            self.step(f"after {name}")
            return result

        return counted


def _connect(connect: Callable[..., sqlite3.Connection], steps: Steps, *args: Any, **kwargs: Any) -> sqlite3.Connection:
    connection = connect(*args, **{"factory": Counted, **kwargs})
    if isinstance(connection, Counted):
        connection.steps = steps
    return connection


class Counted(sqlite3.Connection):
    """A connection whose commits are steps."""

    steps: Steps | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement; whatever leaves no transaction open was a commit."""
        if self.steps is None or (sql.lstrip()[:9].upper().startswith(QUIET)):
            return super().execute(sql, parameters)
        commits = not self.in_transaction or sql.lstrip()[:6].upper() == "COMMIT"
        return self._counted(lambda: super(Counted, self).execute(sql, parameters), _word(sql), commits=commits)  # type: ignore[no-any-return]  # what it is given to do gives a cursor

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        """Run a script, which commits."""
        return self._counted(lambda: super(Counted, self).executescript(script), "script", commits=True)  # type: ignore[no-any-return]  # as above

    def commit(self) -> None:
        """Commit what is open."""
        self._counted(super().commit, "commit", commits=self.in_transaction)

    def __exit__(self, *args: Any) -> Any:  # noqa: PYI036 - passed on as they are
        return self._counted(lambda: super(Counted, self).__exit__(*args), "commit", commits=self.in_transaction)

    def _counted(self, act: Callable[[], Any], word: str, *, commits: bool) -> Any:
        if self.steps is None or not commits:
            return act()
        before = self.total_changes
        self.steps.step(f"before {word}")
        result = act()
        self._tell_durable()
        self.steps.step(f"after {word}{'' if self.total_changes == before or word == 'commit' else ' of its own'}")
        return result

    def _tell_durable(self) -> None:
        """In WAL mode SQLite syncs the log at every commit only where `synchronous` is FULL (2) or EXTRA (3)."""
        if self.steps is None or self.steps.durable is None or self.in_transaction:
            return
        file = super().execute("PRAGMA database_list").fetchone()[2]
        level = super().execute("PRAGMA synchronous").fetchone()[0]
        log = Path(f"{file}-wal")
        if file and level >= 2 and log.exists():
            self.steps.durable(file, log.stat().st_size)


def _word(sql: str) -> str:
    return (sql.split(None, 1) or [""])[0].lower()


def power_lost(folder: Path, durable: Iterable[tuple[str, int]]) -> None:
    """Leave of the write-ahead logs in a folder what had been synced; what is shared in memory is gone."""
    known = {Path(file).name: size for file, size in durable}
    for log in folder.glob("*-wal"):
        size = known.get(log.name.removesuffix("-wal"), 0)
        if log.stat().st_size > size:
            os.truncate(log, size)
    for shared in folder.glob("*-shm"):
        shared.unlink()
