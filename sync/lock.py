"""One agent at a time: a kernel lock on a file beside the state file, freed by the kernel even at kill -9."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LockedError(Exception):
    """Another agent works on this state folder."""


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a state folder.

    Raises:
        LockedError: At once, when another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            raise LockedError(f"another agent (process {other or 'unknown'}) works on {folder}.") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
