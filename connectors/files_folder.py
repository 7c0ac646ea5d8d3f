"""The folder into which files are dropped, with `done/` and `failed/` in it.

A file that was read whole, and whose rows are committed, goes to `done/<stream>/` under the next number. So the numbers
are a journal: whoever holds an older cursor (a restored copy of the state, or none at all) finds there what came after
it, in order. A file that cannot be read goes to `failed/`, with its reason in a text file beside it.
"""

import fnmatch
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from connectors.errors import ConfigError, TransientError
from connectors.files_settings import FileTable

DONE, FAILED = "done", "failed"
WRITING = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp", ".swp", ".lock", ".writing")
"""Ends of the names that programs give to files they still write; also as NAME.lock beside NAME."""
PROBE = ".holdfast-now"
REASON = ".why.txt"


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read.

    Attributes:
        number: Under which it is, or will be, in `done/`.
        path: Where it is.
        name: What it was called when it arrived.
        mark: Differs whenever its content may differ.
        waits: Whether it still lies in the folder itself.
    """

    number: int
    path: Path
    name: str
    mark: str
    waits: bool


class Entry(NamedTuple):
    """A file of the folder."""

    changed: int
    name: str
    mark: str


class Folder:
    """One folder.

    Args:
        path: Where it is.
        tables: Stream -> which files are its own.
        settle: Seconds that a file must have been left unchanged.
    """

    def __init__(self, path: Path, tables: Mapping[str, FileTable], settle: int) -> None:
        self.path = path
        self._tables = tables
        self._settle = settle * 1_000_000_000

    def require(self) -> None:
        """See that the folder is there and that files can be moved in it.

        Raises:
            ConfigError: With what to do.
        """
        advice = "The agent's user must be able to read and write it, since it moves files into done and failed."
        if not self.path.is_dir():
            raise ConfigError(f"there is no folder {self.path}.", vendor="files", advice="Make it, or correct folder.")
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(f"{self.path} cannot be read and written.", vendor="files", advice=advice)
        for name in (DONE, FAILED):
            if (self.path / name).is_symlink():
                raise ConfigError(
                    f"{self.path / name} is a symbolic link.", vendor="files", advice="It must be a plain folder."
                )

    def stream_of(self, name: str) -> str | None:
        """Whose file it is: of the first stream whose pattern fits."""
        fits = (stream for stream, table in self._tables.items() if fnmatch.fnmatchcase(name, table.files))
        return next(fits, None)

    def entries(self) -> list[Entry]:
        """Plain files, whole or not, oldest change first; hidden ones and symbolic links aside."""
        found = []
        with os.scandir(self.path) as entries:
            for entry in entries:
                if not entry.name.startswith((".", "~$")) and entry.is_file(follow_symlinks=False):
                    about = entry.stat(follow_symlinks=False)
                    found.append(Entry(about.st_mtime_ns, entry.name, _mark(about)))
        return sorted(found)

    def names(self) -> set[str]:
        """Names of all that lies here, hidden files too."""
        return {path.name for path in self.path.iterdir()}

    def links(self) -> list[str]:
        """Names of symbolic links, which are never followed."""
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if entry.is_symlink())

    def waiting(self, stream: str) -> list[Entry]:
        """Files of a stream that have been written to their end."""
        now, entries, names = self._now(), self.entries(), self.names()
        return [
            entry
            for entry in entries
            if self.stream_of(entry.name) == stream
            and not being_written(entry.name, names)
            and now - entry.changed >= self._settle
        ]

    def _now(self) -> int:
        """The time by which files are stamped here, ns: on a network drive not that of our own clock."""
        probe = self.path / f"{PROBE}-{os.getpid()}"
        try:
            handle = os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            try:
                os.utime(handle)
                return os.fstat(handle).st_mtime_ns
            finally:
                os.close(handle)
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise TransientError(f"{self.path} cannot be written: {error.strerror}.", vendor="files") from None

    def journal(self, stream: str) -> list[Found]:
        """What was read of a stream, by number."""
        folder = self.path / DONE / stream
        found = []
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            number, _, name = path.name.partition("-")
            if number.isdigit() and name and path.is_file() and not path.is_symlink():
                found.append(Found(int(number), path, name, _mark(path.stat()), waits=False))
        return sorted(found, key=lambda one: one.number)

    def finish(self, stream: str, number: int, name: str, mark: str) -> None:
        """Move a file to `done/`; one that is there already, or that was replaced by another, stays where it is."""
        path = self.path / name
        if self._is(path, mark):
            target = self._inside(DONE) / stream
            target.mkdir(mode=self._mode(), exist_ok=True)
            _move(path, target / f"{number:06}-{name}")

    def fail(self, name: str, text: str) -> None:
        """Move a file to `failed/`, its reason first."""
        target = self._inside(FAILED)
        path = target / name
        for again in range(2, 10_000):
            if not os.path.lexists(path):
                break
            path = target / f"{Path(name).stem}-{again}{Path(name).suffix}"
        path.with_name(path.name + REASON).write_text(text, encoding="utf-8")
        _move(self.path / name, path)

    def failed(self) -> list[str]:
        """Names of the files in `failed/`."""
        folder = self.path / FAILED
        found = [one.name for one in folder.iterdir()] if folder.is_dir() else []
        return sorted(name for name in found if not name.endswith(REASON))

    @staticmethod
    def _is(path: Path, mark: str) -> bool:
        try:
            about = path.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(about.st_mode) and _mark(about) == mark

    def unchanged(self, found: Found) -> bool:
        """Whether a file is still the one that was found."""
        return self._is(found.path, found.mark)

    def _inside(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(mode=self._mode(), exist_ok=True)
        return folder

    def _mode(self) -> int:
        """Rights of a new folder: those of the folder itself, for others nothing."""
        return stat.S_IMODE(self.path.stat().st_mode) & 0o770


def being_written(name: str, names: set[str]) -> bool:
    """Whether the name, or a lock beside the file, says that somebody writes to it."""
    return name.lower().endswith(WRITING) or f"{name}.lock" in names or f".~lock.{name}#" in names


def reason_text(path: Path, why: tuple[str, str], place: tuple[str, str], now: datetime) -> str:
    """The text beside a failed file.

    Args:
        path: Where the file was.
        why: What is wrong with it, and what to do.
        place: Names of source and stream.
        now: When.
    """
    text = (
        f"{path.name} was not taken, and nothing of it was read.\n\n"
        f"Why: {why[0]}.\n"
        f"What to do: {why[1]}\n\n"
        f"Then put the file into {path.parent} again; it is read with the next sync.\n"
        f"(Source {place[0]!r}, stream {place[1]!r}; moved here on {now:%Y-%m-%d %H:%M} UTC.)\n"
    )
    # Names of files and columns are other people's words, and this is read in terminals.
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def in_order(found: list[Entry], first: int, folder: Path) -> Iterator[Found]:
    """Waiting files with the numbers they will have."""
    for number, entry in enumerate(found, first):
        yield Found(number, folder / entry.name, entry.name, entry.mark, waits=True)


def _mark(about: os.stat_result) -> str:
    return f"{about.st_size}-{about.st_mtime_ns}-{about.st_ino}"


def _move(path: Path, target: Path) -> None:
    """Rename, and have it on the disk before anything is said about it."""
    path.rename(target)
    for folder in {path.parent, target.parent}:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
