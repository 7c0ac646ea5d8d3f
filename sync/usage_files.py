"""Which usage files are in force, which are missing, which nobody speaks of."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sync.database import StoreError
from sync.store import Store
from sync.tables import epoch_day
from sync.values import count

MEMORY = "400MB"
THREADS = 2
REMOVE = "If it names a file of that folder, remove it: the events are read again then."


def files(store: Store, *, sources: Iterable[str] | None = None, until: date | None = None) -> list[Path]:
    """The usage files in force, by day, up to and including a day."""
    wanted = None if sources is None else set(sources)
    rows = store.rows(
        "SELECT source.name, day, path FROM usage_file JOIN stream ON stream.id = usage_file.stream "
        "JOIN source ON source.id = stream.source ORDER BY day, source.name"
    )
    last = None if until is None else epoch_day(until)
    return [
        store.path / path
        for name, day, path in rows
        if (wanted is None or name in wanted) and (last is None or day <= last)
    ]


def missing(store: Store, source: str) -> list[Path]:
    """Files that should be there and are not: the source's events must then be read again from the start."""
    return [path for path in files(store, sources=[source]) if not path.is_file()]


def lost(gone: Sequence[Path]) -> str:
    """The beginning of a sentence about files that are missing, of which there is one at least."""
    are, more = ("is", "") if len(gone) == 1 else ("are", ", ...")
    return f"{count(len(gone), 'usage file')} {are} missing ({gone[0].name}{more})"


def drop_missing(store: Store, source: str) -> None:
    """Speak no more of files that are missing although everything was read again: days too old to be told of now."""
    gone = [(str(path.relative_to(store.path)),) for path in missing(store, source)]
    with store.transaction() as conn:
        conn.executemany("DELETE FROM usage_file WHERE path = ?", gone)


def spoken_of(store: Store, stream: int | None = None) -> set[Path]:
    """Every file that the state file names, of one stream or of all."""
    only = "" if stream is None else " WHERE stream = ?1"
    tables = ("usage_file", "usage_seen", "usage_later")
    select = " UNION ".join(f"SELECT path FROM {table}{only}" for table in tables)
    return {store.path / path for (path,) in store.rows(select, () if stream is None else (stream,))}


def clean(store: Store) -> list[Path]:
    """Remove what a killed run left behind; gives what was removed. Only for the one agent that may write."""
    folder = store.path / "usage"
    known = spoken_of(store)
    orphans = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in known]
    for path in orphans:
        path.unlink(missing_ok=True)
    shutil.rmtree(spill_folder(store), ignore_errors=True)
    return orphans


def spill_folder(store: Store) -> Path:
    """Where DuckDB puts what does not fit into memory."""
    return store.path / "tmp"


def sync_to_disk(path: Path) -> None:
    """Have a file or folder on the disk, not only on its way there."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems do not know it for folders
            os.fsync(handle)
    finally:
        os.close(handle)


def pairs(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Who was active under which group, as keys, in these usage files.

    Raises:
        StoreError: When one of them cannot be read.
    """
    return _distinct(files, "person, grp", "grp")


def members(files: Sequence[Path]) -> tuple[list[int], list[int]]:
    """The keys of who was active, and of the groups, in these usage files.

    Raises:
        StoreError: When one of them cannot be read.
    """
    people, groups = ([key for (key,) in _distinct(files, name, name)] for name in ("person", "grp"))
    return people, groups


def _distinct(files: Sequence[Path], names: str, known: str) -> list[Any]:
    import duckdb

    with duckdb.connect(config={"memory_limit": MEMORY, "threads": THREADS}) as db:
        try:
            return db.execute(
                f"SELECT DISTINCT {names} FROM read_parquet(?) WHERE {known} IS NOT NULL ORDER BY ALL",
                [[str(path) for path in files]],
            ).fetchall()
        except duckdb.Error as error:
            raise StoreError(files[0].parent, f"A usage file cannot be read: {first_line(error)}", REMOVE) from error


def first_line(error: Exception) -> str:
    """What an error of DuckDB says, without the lines that follow."""
    return next(iter(str(error).splitlines()), type(error).__name__)
