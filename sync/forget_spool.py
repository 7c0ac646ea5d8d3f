"""What lies in the spool of people: rows that wait for their stream (`connectors.exports.WAITING`), and downloads.

A row that waits may be all that is known of somebody, after a run that was killed; so people are looked for there too.
"""

import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic_core import from_json, to_json

from connectors.exports import WAITING

ADDRESS = re.compile(r"[^\s\"'<>,;:()\[\]{}\\]+@[^\s\"'<>,;:()\[\]{}\\]+")


def remove_downloads(folder: Path) -> int:
    """Remove what a killed run left of downloads, whomever it names; gives how many files. They are made again."""
    waiting = set((folder / "spool").rglob(WAITING))
    left = [path for name in ("spool", "tmp") for path in (folder / name).rglob("*") if path.is_file()]
    left = [path for path in left if path not in waiting]
    for path in left:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    return len(left)


def who_waits(
    folder: Path, ids: Collection[tuple[str, str]], emails: Collection[str]
) -> tuple[set[tuple[str, str]], set[str]]:
    """Ids (source, vendor's id) and addresses of those in waiting rows who are known by one of these.

    Args:
        folder: Of the state.
        ids: (source, vendor's id); a source that is empty means any.
        emails: In small letters.
    """
    found: set[tuple[str, str]] = set()
    addresses: set[str] = set()
    for source, _, rows in _files(folder):
        for source_id, row in rows.items():
            said = _addresses(source_id, row)
            if not said.isdisjoint(emails) or not {(source, source_id), ("", source_id)}.isdisjoint(ids):
                found.add((source, source_id))
                addresses |= said
    return found, addresses


def stop_waiting(folder: Path, ids: Collection[tuple[str, str]], emails: Collection[str]) -> int:
    """Take people out of the rows that wait; gives how many files held one."""
    changed = 0
    for source, path, rows in list(_files(folder)):
        left = {
            source_id: row
            for source_id, row in rows.items()
            if (source, source_id) not in ids and _addresses(source_id, row).isdisjoint(emails)
        }
        if len(left) < len(rows):
            part = path.with_suffix(".part")
            part.touch(mode=0o600)
            part.write_bytes(to_json(left))
            part.replace(path)
            changed += 1
    return changed


def _files(folder: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Source, file and rows of each file of rows that wait; one that is not whole is nobody's, and goes."""
    for path in sorted((folder / "spool").rglob(WAITING)):
        try:
            rows = from_json(path.read_bytes())
        except ValueError:
            rows = None
        if isinstance(rows, dict):
            yield unquote(path.parent.name), path, rows
        else:
            path.unlink(missing_ok=True)


def _addresses(source_id: str, row: Any) -> set[str]:
    """The addresses in a row, in small letters; an id may be one."""
    return {found.lower() for found in ADDRESS.findall(f"{source_id} {to_json(row).decode()}")}
