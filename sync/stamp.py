"""A digest of the state file beside it, so that a single bit which the disk turns is noticed before it is believed.

SQLite checks its write-ahead log by checksums, but not its main file: a flipped bit may change a number without a word.
The main file only changes when the log is folded into it (a checkpoint). So checkpoints are made by us alone, one at a
time, and each leaves a stamp: the digest of the whole main file. Whatever happens between two of them, a crash
included, the main file must say what the stamp says.

The main file is never opened and closed by other means while SQLite has it open in this process: closing any handle of
a file drops this process's locks on it. One handle is kept for all, until the last user is gone.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

CHUNK = 1 << 20

_guard = Lock()
_handles: dict[tuple[int, int], list[int]] = {}
"""(device, inode) of a main file -> its handle (-1 until needed), and how many use it."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the main file was when nobody folded anything into it.

    Attributes:
        sha256: Digest of the whole file.
        log: Whether commits may lie in the write-ahead log: then its absence means that they are lost.
    """

    sha256: str
    log: bool


class Stamps:
    """The stamp of one main file, for as long as a connection to it is open.

    Args:
        file: The main file, which must exist.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.path = file.with_suffix(".stamp")
        self.wal = file.with_name(f"{file.name}-wal")
        self._node = _node(file)
        with _guard:
            _handles.setdefault(self._node, [-1, 0])[1] += 1

    def close(self) -> None:
        """Let go of the handle. Only once the connection is closed."""
        with _guard:
            entry = _handles[self._node]
            entry[1] -= 1
            if entry[1] == 0:
                if entry[0] >= 0:
                    os.close(entry[0])
                del _handles[self._node]

    def _handle(self) -> int:
        with _guard:
            entry = _handles[self._node]
            if entry[0] < 0:
                entry[0] = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
            return entry[0]

    def digest(self) -> str:
        """Digest of the main file as it lies on the disk."""
        handle, place, digest = self._handle(), 0, hashlib.sha256()
        while data := os.pread(handle, CHUNK, place):
            digest.update(data)
            place += len(data)
        return digest.hexdigest()

    def load(self) -> Stamp | None:
        """The stamp; None when there is none, or none that can be read."""
        return self.read(self.file)

    def save(self, stamp: Stamp) -> None:
        """Replace the stamp. A disk that refuses leaves none, which claims nothing."""
        try:
            self.write(self.file, stamp)
        except OSError:
            with suppress(OSError):
                self.remove()

    @staticmethod
    def read(file: Path) -> Stamp | None:
        """The stamp of a file; None when there is none, or none that can be read."""
        try:
            data = json.loads(file.with_suffix(".stamp").read_text("utf-8"))
            return Stamp(str(data["sha256"]), bool(data["log"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @staticmethod
    def write(file: Path, stamp: Stamp) -> None:
        """Put the stamp of a file beside it, whole and on the disk."""
        path = file.with_suffix(".stamp")
        part = path.with_name(f"{path.name}.part")
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, json.dumps(asdict(stamp)).encode())
                os.fsync(handle)
            finally:
                os.close(handle)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def remove(self) -> None:
        """Claim nothing, for as long as the main file changes."""
        self.path.unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            with suppress(OSError):  # some file systems do not know it for folders
                os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one, of all processes, who folds the log into the main file."""
        handle = os.open(self.file.with_suffix(".fold"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def wal_bytes(self) -> int | None:
        """Size of the write-ahead log; None when there is none."""
        try:
            return self.wal.stat().st_size
        except OSError:
            return None


def _node(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_dev, status.st_ino
