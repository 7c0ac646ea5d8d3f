"""What can be wrong with the state, and SQLite's errors in words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RESTORE = "Run `holdfast state check` to see what is wrong, and `holdfast state restore` to put back the newest copy."
"""What to do about damage."""


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


class DamagedError(StoreError):
    """The state file says something else than what was written into it: nothing may be written on its word."""


class EnvironmentMismatchError(StoreError):
    """A source answers as another account than the one this state belongs to."""


_MEANINGS = {
    "SQLITE_BUSY": ("Another program has been writing to it for too long.", "Stop that program or wait, then repeat."),
    "SQLITE_FULL": ("The disk is full.", "Free some space, then repeat: nothing half-done was kept."),
    "SQLITE_NOTADB": ("This is not a SQLite file.", RESTORE),
    "SQLITE_CORRUPT": ("The file is damaged.", RESTORE),
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
            damaged = code in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}
            return (DamagedError if damaged else StoreError)(file, message, advice)
    if "Could not decode" in str(error):
        return DamagedError(file, "Could not decode a text in it: the file is damaged.", RESTORE)
    return StoreError(file, f"SQLite says: {error}.", "This is a defect; please report it with this line.")


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Turn SQLite's errors inside the block into `StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(file, error) from error
    except UnicodeDecodeError as error:
        raise DamagedError(file, "Could not decode a text in it: the file is damaged.", RESTORE) from error
