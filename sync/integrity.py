"""Whether the state may be believed, and what is done before an agent begins to work on it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sync import usage_files
from sync.backup import Copy, copies_of, copy_daily, require_sound
from sync.database import RESTORE, DamagedError, StoreError
from sync.ledger import Ledger
from sync.store import Store

FEW = 5
"""Problems of one kind that are named."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look into the state has found.

    Attributes:
        problems: What is wrong, a sentence each.
        copies: The copies beside it, and of each what is wrong with it, empty when nothing is.
    """

    problems: tuple[str, ...]
    copies: tuple[tuple[Copy, str], ...]


def begin_work(store: Store, now: datetime, say: Callable[[str], None]) -> None:
    """What the one agent does before it works: look whether state and ledger are whole, take the fence, copy.

    To be called under the run lock.

    Args:
        store: Open for writing.
        now: The instant.
        say: Is told when there is no room for the daily copy; the work goes on without it.

    Raises:
        DamagedError: When state or ledger are damaged: nothing is written.
    """
    store.trust()
    if found := Ledger(store).verify(deep=False):
        raise DamagedError(store.file, f"The ledger is damaged: {found[0]}", f"Nothing is written. {RESTORE}")
    store.proved = True
    store.take_fence()
    try:
        copy_daily(store, now)
    except DamagedError:
        raise
    except StoreError as error:
        say(f"no daily copy was made: {error}")


def examine(folder: Path) -> Examined:
    """Look into everything, without changing anything."""
    return Examined(tuple(_problems(folder)), tuple((copy, _problem_of(copy.path)) for copy in copies_of(folder)))


def accept(folder: Path) -> list[str]:
    """Take a state file for what it is, although it is not what Holdfast left; to be called under the run lock.

    Returns:
        What else is wrong with it; then it is not taken.
    """
    if rest := list(_problems(folder, stamped=False)):
        return rest
    (folder / "state.stamp").unlink(missing_ok=True)
    return []


def _problems(folder: Path, *, stamped: bool = True) -> Iterator[str]:
    try:
        store = Store.open(folder, readonly=True)
    except StoreError as error:
        yield str(error)
        return
    try:
        found = store.damage(thorough=True, stamped=stamped)
        yield from found
        if not any(text.startswith("SQLite") for text in found):
            yield from _contents(store)
    except StoreError as error:
        yield str(error)
    finally:
        store.close()


def _contents(store: Store) -> Iterator[str]:
    for table, row, parent, _ in store.rows("PRAGMA foreign_key_check")[:FEW]:
        yield f"Row {row} of table {table} speaks of a row of {parent} that is not there."
    yield from Ledger(store).verify(deep=True)
    gone = [path for path in usage_files.files(store) if not path.is_file()]
    if gone:
        yield f"{usage_files.lost(gone)}: the next run reads their events again."


def _problem_of(copy: Path) -> str:
    try:
        require_sound(copy)
    except StoreError as error:
        return str(error).removeprefix(f"{error.path}: ").removesuffix(error.advice).strip()
    return ""
