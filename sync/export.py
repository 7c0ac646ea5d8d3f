"""Tables of the state file as files for other programs: CSV that is safe to open, Parquet, Singer messages.

All tables of one export are of one instant: they are read in one transaction, which waits for nobody and which nobody
waits for. Files come into place only when all of them are whole.
"""

import csv
import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sync.columns import Table
from sync.files import naming
from sync.store import Store
from sync.store_errors import explained

Format = Literal["csv", "parquet", "singer"]
MANIFEST = "manifest.json"
"""The list of an export's files, with their columns and counts; it comes into place last."""
MODE = 0o640
"""Of exported files: a program of the same group may read them, nobody else."""

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_FORMULA = re.compile(rf"""\A(?=[ \u00a0]*[{_SIGNS}\t\r\n])|(?<=[;,|"'\t\r\n])(?=[ \u00a0]*[{_SIGNS}])""")
"""Where a spreadsheet may take text for a formula: at the start of a cell, and behind what it may take for its end."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_BATCH = 5000


class ExportError(Exception):
    """An export cannot be made; says which table or file, and why."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One file that was written.

    Attributes:
        table: The table in it.
        path: Where it lies.
        rows: How many rows it has.
    """

    table: str
    path: Path
    rows: int


@dataclass(frozen=True, slots=True)
class Export:
    """What came of an export.

    Attributes:
        files: The files, in the order in which they were asked for.
        next_since: What to give as `since` next time: the start of the newest run. None before the first.
    """

    files: tuple[Exported, ...]
    next_since: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported.

    Attributes:
        tables: Which tables.
        people: Also columns and rows on people.
        since: Only rows that came or changed at or after it, an instant as in the columns; empty for all. Tables whose
            rows change without a stamp are exported whole.
        raw: CSV as it is, without the mark before what a spreadsheet may take for a formula.
    """

    tables: Sequence[Table]
    people: bool = False
    since: str = ""
    raw: bool = False


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula: with an apostrophe where one might begin.

    After OWASP, "CSV Injection". Numbers stay as they are.
    """
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub("'", text)


def export(store: Store, wanted: Wanted, folder: Path, kind: Format, now: datetime) -> Export:
    """Write tables as files into a folder, which is made when new.

    Args:
        store: The state; it is let go of meanwhile.
        wanted: What to write.
        folder: Where to; files of the same names are replaced, others stay.
        kind: How to write it.
        now: For the manifest.

    Raises:
        ExportError: When it cannot be done; nothing was replaced.
        OSError: When the system refuses it, such as on a full disk; it names the folder.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    with store.released() as file, naming(folder), tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as name:
        draft = Path(name)
        written, begun = _parquet(file, wanted, draft) if kind == "parquet" else _rows(file, wanted, draft, kind, now)
        files = tuple(Exported(name, folder / path.name, rows) for name, path, rows in written)
        result = Export(files, begun)
        _write(draft / MANIFEST, _manifest(wanted, result, now))
        for path in dict.fromkeys([*(draft / one.path.name for one in files), draft / MANIFEST]):
            path.chmod(MODE)
            path.replace(folder / path.name)
    return result


def put(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write texts as files into a folder, which is made when new; each comes into place whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with naming(folder), tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as name:
        for file, text in files.items():
            _write(Path(name) / file, text)
        return [(Path(name) / file).replace(folder / file) for file in files]


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _manifest(wanted: Wanted, result: Export, now: datetime) -> str:
    tables = [
        {
            "table": table.name,
            "file": one.path.name,
            "rows": one.rows,
            "key": list(table.key),
            "whole": not (wanted.since and table.stamps),
            "columns": [{"name": c.name, "type": c.type, "unit": c.unit} for c in table.shown(people=wanted.people)],
        }
        for table, one in zip(wanted.tables, result.files, strict=True)
    ]
    about = {
        "made": now.isoformat(timespec="seconds"),
        "since": wanted.since or None,
        "next_since": result.next_since,
        "people": wanted.people,
    }
    return json.dumps({**about, "tables": tables}, indent=1) + "\n"


_BEGUN = "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', max(started), 'unixepoch') FROM run"
"""Whatever a run leaves behind is stamped at its start or later."""

_Written = list[tuple[str, Path, int]]


def _rows(file: Path, wanted: Wanted, draft: Path, kind: Format, now: datetime) -> tuple[_Written, str | None]:
    with explained(file), closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as conn:
        conn.execute("PRAGMA temp_store = MEMORY")
        conn.execute("BEGIN")
        begun = conn.execute(_BEGUN).fetchone()[0]
        if kind == "singer":
            from sync.export_singer import FILE, messages

            return messages(conn, wanted, draft / FILE, now, begun), begun
        return [(t.name, *_csv_file(conn, t, wanted, draft / f"{t.name}.csv")) for t in wanted.tables], begun


def _csv_file(conn: sqlite3.Connection, table: Table, wanted: Wanted, path: Path) -> tuple[Path, int]:
    guard: Callable[[Any], Any] = (lambda cell: cell) if wanted.raw else _cell
    rows = 0
    cursor = conn.execute(table.query(people=wanted.people, since=wanted.since))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in table.shown(people=wanted.people)])
        while batch := cursor.fetchmany(_BATCH):
            writer.writerows([guard(cell) for cell in row] for row in batch)
            rows += len(batch)
    return path, rows


def _cell(cell: Any) -> Any:
    return safe(cell) if isinstance(cell, str) else cell


def _parquet(file: Path, wanted: Wanted, draft: Path) -> tuple[_Written, str | None]:
    from sync.export_parquet import Reader

    with Reader(file) as reader:
        begun = reader.value(_BEGUN)
        return [(t.name, *reader.write(t, wanted, draft / f"{t.name}.parquet")) for t in wanted.tables], begun
