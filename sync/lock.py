"""One agent at a time: a kernel lock on a file beside the state file, freed by the kernel even at kill -9."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sync.store_errors import StoreError


class LockedError(Exception):
    """Another agent works on this state folder."""


class FencedError(LockedError):
    """Another agent has taken over this state since we began: what we wanted to write is not written."""


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a state folder.

    Raises:
        LockedError: At once, when another process holds it.
        StoreError: When the folder cannot be made, or nothing can be written into it.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = _take(path, folder)
    except OSError as error:
        raise StoreError(
            folder, f"The state folder cannot be used: {error.strerror}.", "Check [state] dir and its owner."
        ) from error
    try:
        _sign(handle, path)
        yield
    finally:
        os.close(handle)


def _sign(handle: int, path: Path) -> None:
    """Leave our process number for those who come too late."""
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
    except OSError as error:
        raise StoreError(
            path, f"It cannot be written: {error.strerror}.", "Free some space, then repeat: nothing was sent."
        ) from error


def _take(path: Path, folder: Path) -> int:
    """The locked file. Should it be removed just before the lock is ours, the one in its place is taken."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_ino == _inode(path):
                return handle
        except BlockingIOError:
            other = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            os.close(handle)
            raise LockedError(
                f"another agent (process {other or 'unknown'}) works on {folder}: nothing was done. "
                "Wait until it has ended."
            ) from None
        os.close(handle)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return -1
