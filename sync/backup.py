"""Copies of the state file: one a day, one before each conversion, and the way back.

SQLite itself makes a copy (`VACUUM INTO`), so it is whole at any moment and holds no deleted rows. Copies hold what
the state file holds, so they are for their owner alone and `forget` removes them.
"""

import hashlib
import os
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sync import database
from sync.database import StateFile, StoreError, explained, private_folder
from sync.schema import APPLICATION_ID
from sync.stamp import Stamp, Stamps

KEEP = 7
"""Daily copies kept."""

EVERY = timedelta(days=1)

_FORM = "%Y%m%dT%H%M%SZ"
_BESIDE = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of the state file.

    Attributes:
        made: When; None for a copy made before a conversion, which is named after its schema.
        bytes: Its size.
    """

    path: Path
    made: datetime | None
    bytes: int


def copies_of(folder: Path) -> list[Copy]:
    """The copies of a state folder, the newest first, those made before a conversion last."""
    found = [Copy(path, _made(path), path.stat().st_size) for path in (folder / "copies").glob("state-*.db")]
    dated = sorted((copy for copy in found if copy.made), key=lambda copy: copy.path.name, reverse=True)
    return dated + sorted((copy for copy in found if not copy.made), key=lambda copy: copy.path.name, reverse=True)


def _made(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.stem.removeprefix("state-"), _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def copy_daily(state: StateFile, now: datetime) -> Path | None:
    """Copy the state unless that was done within the last day; gives the copy.

    Raises:
        StoreError: When there is no room for it, or the state is damaged.
    """
    rows = state.rows("SELECT value FROM meta WHERE key = 'backup_at'")
    if rows and abs(now - datetime.fromisoformat(rows[0][0])) < EVERY:
        return None
    return copy_now(state, now)


def copy_now(state: StateFile, now: datetime) -> Path:
    """Copy the state into its folder of copies, and remove the oldest ones beyond `KEEP`.

    Raises:
        StoreError: When there is no room for it, or the state is damaged: the copies that are there all stay.
    """
    target = copy_to(state, state.path / "copies" / f"state-{now.astimezone(UTC).strftime(_FORM)}.db")
    with state.transaction() as conn:
        conn.execute("INSERT OR REPLACE INTO meta VALUES ('backup_at', ?)", (now.astimezone(UTC).isoformat(),))
    for old in [copy for copy in copies_of(state.path) if copy.made][KEEP:]:
        remove(old.path)
    return target


def copy_before_migration(state: StateFile, schema: str) -> Path:
    """Copy the state as an older version left it, named after its newest schema step; replaces earlier such copies."""
    target = copy_to(state, state.path / "copies" / f"state-{schema}.db")
    for old in copies_of(state.path):
        if old.made is None and old.path != target:
            remove(old.path)
    return target


def copy_to(state: StateFile, target: Path) -> Path:
    """Copy the state to a file, which is whole and on the disk when its name appears.

    Raises:
        StoreError: When the state is damaged, the target cannot be written, or its disk has no room for it.
    """
    state.trust()
    part = target.with_name(f"{target.name}.part")
    try:
        private_folder(target.parent)
        _require_room(state, target)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with explained(part):
            state.rows("VACUUM INTO ?", (str(part.absolute()),))
        digest = _to_disk(part)
        require_sound(part)
        part.replace(target)
        Stamps.write(target, Stamp(digest, log=False))
    except OSError as error:
        raise StoreError(target, f"The copy cannot be written: {error.strerror}.", "Check its folder.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def _require_room(state: StateFile, target: Path) -> None:
    (pages,), (free,), (size,) = (
        state.rows(f"PRAGMA {name}")[0] for name in ("page_count", "freelist_count", "page_size")
    )
    disk = os.statvfs(target.parent)
    needed = (pages - free) * size + database.RESERVE
    if disk.f_bavail * disk.f_frsize < needed:
        raise StoreError(
            target, "The disk has no room for a copy of the state.", f"Free at least {needed >> 20} MiB, then repeat."
        )


def _to_disk(path: Path) -> str:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
        os.fsync(handle.fileno())
    return digest


def remove(copy: Path) -> None:
    """Remove a copy and its stamp."""
    copy.unlink(missing_ok=True)
    copy.with_suffix(".stamp").unlink(missing_ok=True)


def require_sound(copy: Path) -> None:
    """Make sure that a copy is a whole state file of ours.

    Raises:
        StoreError: When it is not.
    """
    if not copy.is_file():
        raise StoreError(copy, "There is no such file.", "`holdfast state check` lists the copies.")
    stamp = Stamps.read(copy)
    with copy.open("rb") as handle:
        changed = stamp is not None and hashlib.file_digest(handle, "sha256").hexdigest() != stamp.sha256
    advice = "Use another copy: `holdfast state check` lists them."
    if changed:
        raise StoreError(copy, "The copy is not what was written: the disk has changed it.", advice)
    with explained(copy):
        conn = sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            sound = conn.execute("PRAGMA quick_check").fetchone()[0] == "ok"
            ours = conn.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        finally:
            conn.close()
    if not sound:
        raise StoreError(copy, "The copy is damaged.", advice)
    if not ours:
        raise StoreError(copy, "This is no state file of Holdfast.", advice)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    Attributes:
        copy: The copy that is now the state.
        made: When it was made; None where its name does not say.
        aside: Where the file that was there has been moved, None when there was none.
    """

    copy: Path
    made: datetime | None
    aside: Path | None


def newest_sound(folder: Path) -> Path:
    """The newest copy that is whole.

    Raises:
        StoreError: When there is none.
    """
    for copy in copies_of(folder):
        try:
            require_sound(copy.path)
        except StoreError:
            continue
        return copy.path
    raise StoreError(
        folder / "copies",
        "There is no copy that is whole.",
        "Move state.db aside and run `holdfast state adopt`: the CRM still knows what was written.",
    )


def restore(folder: Path, copy: Path, now: datetime) -> Restored:
    """Put a copy in the place of the state file. To be called under the run lock, with no connection open.

    Interrupted at any point it leaves the old state, the new one, or one that is refused until this is done again:
    the stamp says from the beginning what the main file must become.

    Raises:
        StoreError: When the copy is damaged or the disk refuses. What was there is kept in a folder beside it.
    """
    require_sound(copy)
    file = folder / "state.db"
    try:
        fresh = file.with_name("state.db.new")
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        shutil.copyfile(copy, fresh)
        digest = _to_disk(fresh)
        aside = _set_aside(file, now) if file.exists() else None
        Stamps.write(file, Stamp(digest, log=False))
        for suffix in _BESIDE:
            file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
        fresh.replace(file)
    except OSError as error:
        raise StoreError(file, f"It cannot be replaced: {error.strerror}.", "Free some space, then repeat.") from error
    return Restored(copy, _made(copy), aside)


def _set_aside(file: Path, now: datetime) -> Path:
    """Keep the state file and its log for whoever wants to look into them."""
    aside = file.parent / f"aside-{now.astimezone(UTC).strftime(_FORM)}"
    private_folder(aside)
    for path in (file, *(file.with_name(f"{file.name}{suffix}") for suffix in _BESIDE)):
        if path.is_file() and not (aside / path.name).exists():
            shutil.copy2(path, aside / path.name)
    return aside
