"""Reads one dropped file, a page of rows at a time: CSV, JSON lines or Parquet.

A file is looked through from beginning to end before its first row is handed on, so that one that cannot be read is
refused as a whole. A single bad line costs only itself: it is handed on as a row that says nothing but where it stands,
which no map takes for a record.
"""

import csv
import io
import itertools
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from pydantic_core import from_json

from connectors.config_streams import needed
from connectors.event_lines import EventLines
from connectors.files_settings import FileTable
from connectors.plain import plain

LONGEST = 1 << 20
"""Most characters of a cell, or bytes of a line of JSON."""
UNREADABLE = "_unreadable"
"""The key of a row that is none, by which a map knows why; see `mapping.page`."""
DELIMITERS = ",;\t|"
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks -> encodings."""
SEPARATOR = re.compile(r'"?sep=([^\w\s"]|\t)"?\s*', re.IGNORECASE)
"""The line before a header by which Excel, and what writes for it, says how cells are separated."""
SHOWN = 40
"""Columns, or characters of a value, in a message."""


class BadFileError(Exception):
    """A file that cannot be taken.

    Attributes:
        reason: What is wrong, one sentence.
        advice: What to do about it.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


class Reader(ABC):
    """One file.

    Attributes:
        odd: What is wrong with a row that is none.
        advice: What to do when most are none.
    """

    odd: ClassVar[str] = "are no records"
    advice: ClassVar[str] = ""

    def __init__(self, path: Path, table: FileTable) -> None:
        self.path = path
        self.table = table

    def inspect(self) -> int:
        """Look the whole file through; gives the number of its rows. Raises `BadFileError`."""
        lines = EventLines(self.table.fields) if self.table.is_usage else None
        count = bad = timeless = 0
        said = ""
        for row in self.rows():
            count += 1
            if not isinstance(row, dict) or UNREADABLE in row:
                bad += 1
            elif lines is not None and (wrong := lines.wrong_time(row)) is not None:
                timeless, said = timeless + 1, said or wrong
        if bad * 2 > count:
            raise BadFileError(f"{bad} of its {count} rows {self.odd}", self.advice)
        if timeless * 2 > count:
            raise BadFileError(
                f"{timeless} of its {count} events have no point in time where fields.time = "
                f"{self.table.fields['time']!r} says, but {said[:SHOWN]!r}",
                "Write times as ISO 8601, such as 2026-11-21T08:00:00Z, or as (milli)seconds since 1970.",
            )
        return count

    @abstractmethod
    def rows(self) -> Iterator[Any]:
        """Every row, in the order of the file. Raises `BadFileError` where it cannot be read on."""

    def pages(self, size: int, skip: int) -> Iterator[list[Any]]:
        """The rows after the first `skip`, in lists of at most `size`."""
        rows = itertools.islice(self.rows(), skip, None)
        while page := list(itertools.islice(rows, size)):
            yield page

    def _odd(self, line: int, what: str) -> dict[str, Any]:
        """A row that is none."""
        return {UNREADABLE: f"{self.path.name}, line {line}: {what}"}

    def _require(self, columns: Iterable[str]) -> None:
        """See that every column the config reads is there."""
        present = list(columns)
        for field, wanted in needed(self.table.fields):
            if not set(wanted) & set(present):
                raise BadFileError(
                    f"it has no column {' or '.join(map(repr, wanted))}, which fields.{field} reads; its columns are "
                    f"{', '.join(map(repr, present[:SHOWN]))}",
                    "Name the columns as the file does, in the config; or have the file made with that column.",
                )


def reader(path: Path, table: FileTable) -> Reader:
    """A reader for a file of this kind."""
    match table.kind:
        case "csv":
            return CsvReader(path, table)
        case "jsonl":
            return JsonReader(path, table)
        case "parquet":
            return ParquetReader(path, table)


def opened(path: Path) -> BinaryIO:
    """A file opened for reading; never through a symbolic link."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


class CsvReader(Reader):
    """Comma-separated values, or values separated otherwise, with a header."""

    odd = "have another number of cells than its header"
    advice = 'If it is not separated as its header looks, say so, such as delimiter = ";".'

    def rows(self) -> Iterator[Any]:
        """See `Reader.rows`; an empty cell is None."""
        try:
            with self._text() as file:
                yield from self._read(file)
        except UnicodeError as error:
            raise BadFileError(
                f"it is not written in {self._encoding()}{_byte(error)}",
                "Save it as 'CSV UTF-8'; or say how it is written, such as encoding = \"windows-1252\".",
            ) from None
        except csv.Error as error:
            raise BadFileError(
                f"it is no CSV file: {error}", "Often a quotation mark is opened and never closed."
            ) from None

    def _encoding(self) -> str:
        with opened(self.path) as file:
            start = file.read(3)
        return next((name for mark, name in MARKS.items() if start.startswith(mark)), self.table.encoding)

    def _text(self) -> AbstractContextManager[io.TextIOWrapper]:
        return io.TextIOWrapper(opened(self.path), encoding=self._encoding(), newline="")

    def _read(self, file: io.TextIOWrapper) -> Iterator[Any]:
        if csv.field_size_limit() != LONGEST:
            csv.field_size_limit(LONGEST)
        lines = _lines(file)
        above, said, first = _header_line(lines)
        if "\0" in first:
            raise BadFileError(
                "its header has zero bytes, as a file in UTF-16 or UTF-32 has", "Save it as 'CSV UTF-8'."
            )
        bare = re.sub('"[^"]*"', "", first)
        delimiter = self.table.delimiter or said or max(DELIMITERS, key=bare.count)
        # The empty line after the last is a row of its own, unless it stands inside quotation marks.
        cells = csv.reader(itertools.chain([first], lines, ["\n"]), delimiter=delimiter)
        header = self._header(next(cells, []))
        line: list[str] = []
        for line in cells:
            if len(line) == len(header):
                yield {name: cell or None for name, cell in zip(header, map(str.strip, line), strict=True)}
            elif any(line):
                yield self._odd(above + cells.line_num, f"{len(line)} cells where the header has {len(header)}")
        if line:
            raise BadFileError(
                "a quotation mark is opened in it and never closed", "See whether it was written to its end."
            )

    def _header(self, cells: Sequence[str]) -> list[str]:
        names = [cell.strip() for cell in cells]
        if not any(names):
            raise BadFileError("it is empty, without even a header", "See whether it was written to its end.")
        for name in names:
            if name and names.count(name) > 1:
                raise BadFileError(f"its header has two columns {name!r}", "Give each column a name of its own.")
        self._require(names)
        return names


def _header_line(lines: Iterable[str]) -> tuple[int, str, str]:
    """How many lines stand above the header, the separator if one of them names it, and the header's line.

    Above it are lines without a word, and the one that Excel writes.
    """
    said = ""
    for above, line in enumerate(lines):
        if not said and (found := SEPARATOR.fullmatch(line)):
            said = found[1]
        elif line.strip(f"{DELIMITERS} \r\n"):
            return above, said, line
    return 0, said, ""


def _lines(file: io.TextIOWrapper) -> Iterator[str]:
    """The lines of a text, none of which fills the memory. Raises `BadFileError` for one that is too long."""
    for number in itertools.count(1):
        line = file.readline(LONGEST)
        if len(line) == LONGEST and not line.endswith(("\n", "\r")):
            raise BadFileError(
                f"its line {number} is longer than {LONGEST:,} characters", "See whether it is a CSV file."
            )
        if not line:
            return
        yield line


def _byte(error: UnicodeError) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return ""
    return f": byte 0x{error.object[error.start]:02X} makes no sense there"


class JsonReader(Reader):
    """One JSON object a line."""

    odd = "are no JSON objects, each on a line"
    advice = "Write one object a line; a list around them, or an object over several lines, is another format."

    def inspect(self) -> int:
        """See `Reader.inspect`."""
        if not (count := super().inspect()):
            raise BadFileError("it is empty", "See whether it was written to its end.")
        return count

    def rows(self) -> Iterator[Any]:
        """See `Reader.rows`."""
        with opened(self.path) as file:
            number = 0
            while line := file.readline(LONGEST):
                number += 1
                whole = line.endswith(b"\n") or len(line) < LONGEST
                rest = line
                while len(rest) == LONGEST and not rest.endswith(b"\n"):
                    rest = file.readline(LONGEST)
                text = line.removeprefix(b"\xef\xbb\xbf").strip()
                if text:
                    yield self._parsed(text, number) if whole else self._odd(number, "is longer than 1 MiB")

    def _parsed(self, text: bytes, number: int) -> Any:
        try:
            return from_json(text, allow_inf_nan=False)
        except ValueError:
            return self._odd(number, "is not JSON")


class ParquetReader(Reader):
    """Parquet, read by DuckDB."""

    def rows(self) -> Iterator[Any]:
        """See `Reader.rows`; instants and decimals become text."""
        import duckdb

        with closing(duckdb.connect(config={"memory_limit": "400MB", "threads": 2})) as db:
            try:
                found = db.execute("SELECT * FROM read_parquet(?)", [os.fspath(self.path)])
                names = [str(column[0]) for column in found.description]
                self._require(names)
                while page := found.fetchmany(1000):
                    for values in page:
                        yield {name: plain(value) for name, value in zip(names, values, strict=True)}
            except duckdb.Error as error:
                reason = str(error).splitlines()[0][:200].replace(os.fspath(self.path), self.path.name)
                raise BadFileError(f"it is no Parquet file: {reason}", "See whether it was copied whole.") from None
