"""Reading by Bulk 2.0 query jobs: a job is made, waited for, and its result read as CSV, page by page.

Facts, from Salesforce's Bulk API 2.0 guide: a query's text goes in a body and so may be long; a page ends with the
header Sforce-Locator, "null" on the last one; as long as the job exists (7 days), a locator may be used again and gives
the same rows. In the CSV an empty cell is null, booleans are true and false, a parent's field is a column
"Parent.Field", and instants end with "Z" where REST says "+0000". Some objects cannot be read so (INVALIDENTITY).

simple-salesforce is not used for this: it would wait without our clock, give up on nothing for 24 hours, and hold a
page of 50,000 rows as one text.
"""

import codecs
import contextlib
import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import requests
import urllib3

from connectors.base import Row
from connectors.errors import (
    CursorExpiredError,
    MissingPermissionError,
    NotFoundError,
    RequestError,
    ShapeError,
    TransientError,
)
from connectors.salesforce_api import Api, is_not_there
from connectors.salesforce_soql import tidy

PAGE = 50_000
"""Rows asked for at once: as many as one call can bring."""
BLOCK = 5_000
"""Most rows in memory."""
TRIES = 3
"""Times a page is asked for that breaks off."""
FIRST_WAIT = 2.0
LONGEST_FIRST_WAIT = 60.0
LONGEST_WAIT = 120.0
PACE = 4_000.0
"""Rows a second that a job is trusted to manage: looking once too late is cheaper than looking five times too early."""
PATIENCE = 1800.0
"""Seconds for which a job is waited for in one pull; the next pull goes on waiting."""
LAST = "null"

LONGEST_LINE = 16 << 20
"""Characters; the longest text area has 131,072."""

_NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")

Part = tuple[list[Row], str | None]
"""Rows, and the locator behind them: None in the middle of a page, `LAST` at the end of all."""


class UnsuitableError(RequestError):
    """Bulk jobs cannot read this; single queries may."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a job was asked for.

    Attributes:
        names: Fields and paths to parents' fields.
        types: Field, in lower case -> Salesforce's type of it; what is missing stays text.
    """

    names: Sequence[str]
    types: Mapping[str, str]

    def reader(self, header: Sequence[str]) -> Callable[[Sequence[str]], Row]:
        """A function that turns the cells of a line into a row of the shape and types that REST gives."""
        plan = [(name.split("."), _CELLS.get(self.types.get(name.lower(), ""), _text)) for name in header]
        flat = all(len(path) == 1 for path, _ in plan)

        def read(cells: Sequence[str]) -> Row:
            row: Row = {}
            for ((*parents, last), convert), cell in zip(plan, cells, strict=True):
                holder = row
                for name in parents:
                    holder = holder.setdefault(name, {})
                holder[last] = convert(cell) if cell else None
            return row if flat else tidy(row)

        return read


class Bulk:
    """Query jobs of one org."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def create(self, soql: str, *, purpose: str, all_rows: bool) -> str:
        """Start a job and give its id. Made twice by a lost answer it does no harm.

        Raises:
            UnsuitableError: Such jobs cannot read this.
            MissingPermissionError: The object or a field is not there or hidden.
        """
        body = {
            "operation": "queryAll" if all_rows else "query",
            "query": soql,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        try:
            job = self.api.json("POST", "jobs/query", purpose=purpose, body=body, repeatable=True)
        except (RequestError, MissingPermissionError) as error:
            if is_not_there(error):
                raise
            raise UnsuitableError(
                error.message, vendor=self.api.name, status=error.status, code=error.code, detail=error.detail
            ) from None
        found = job.get("id") if isinstance(job, dict) else None
        if not isinstance(found, str) or not found.isalnum():
            raise ShapeError("a bulk job was made without an id.", vendor=self.api.name)
        return found

    def wait(self, job: str, *, purpose: str, rows: int | None) -> int | None:
        """Wait until a job is done; gives the number of its rows, None when Salesforce does not say.

        Args:
            job: Its id.
            purpose: What the calls are counted under.
            rows: About how many it is to give, when it was just made and need not be asked at once; None for an older
                one.

        Raises:
            CursorExpiredError: There is no such job any more.
            UnsuitableError: It failed or was ended by somebody.
            TransientError: It takes longer than `PATIENCE`.
        """
        began, wait = self.api.clock.monotonic(), FIRST_WAIT
        if rows is not None:
            first = min(LONGEST_FIRST_WAIT, FIRST_WAIT + rows / PACE)
            self.api.clock.sleep(first)
            wait = max(FIRST_WAIT, first / 2)
        while True:
            with _gone_is_expired():
                told = self.api.json("GET", f"jobs/query/{job}", purpose=purpose)
            state = told.get("state") if isinstance(told, dict) else None
            if state == "JobComplete":
                count = told.get("numberRecordsProcessed")
                return count if isinstance(count, int) else None
            if state in {"Failed", "Aborted"}:
                reason = str(told.get("errorMessage") or state)[:300]
                raise UnsuitableError(f"a bulk job ended: {reason}.", vendor=self.api.name, code=str(state))
            if not isinstance(state, str):
                raise ShapeError("a bulk job does not say how it is.", vendor=self.api.name)
            if self.api.clock.monotonic() - began + wait > PATIENCE:
                message = f"a bulk job is still under way after {PATIENCE / 60:.0f} minutes."
                raise TransientError(message, vendor=self.api.name, advice="The next pull goes on with it.")
            self.api.clock.sleep(wait)
            wait = min(LONGEST_WAIT, 2 * wait)

    def rows(self, job: str, columns: Columns, locator: str | None, *, purpose: str) -> Iterator[Part]:
        """The rows of a finished job from a place on, in blocks.

        A page that breaks off in the middle is read again, and its first rows are given again.

        Raises:
            CursorExpiredError: The results are no longer there, or are not of this question.
            TransientError: A page broke off each time.
            ShapeError: Something else came, or the paging goes in circles.
        """
        seen = {locator}
        while True:
            after = None
            for rows, after in self._page(job, columns, locator, purpose):
                yield rows, after
            if after == LAST:
                return
            if after in seen:
                raise ShapeError("a bulk job's pages do not come to an end.", vendor=self.api.name)
            seen.add(after)
            locator = after

    def _page(self, job: str, columns: Columns, locator: str | None, purpose: str) -> Iterator[Part]:
        params = {"maxRecords": str(PAGE)} | ({"locator": locator} if locator else {})
        problem = ""
        for _ in range(TRIES):
            with _gone_is_expired():
                response = self.api.raw(
                    "GET",
                    f"jobs/query/{job}/results",
                    params=params,
                    purpose=purpose,
                    headers={"Accept": "text/csv"},
                    stream=True,
                )
            with contextlib.closing(response):
                try:
                    yield from self._parts(response, columns)
                except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, _BrokenError) as error:
                    problem = str(error) if isinstance(error, _BrokenError) else type(error).__name__
                else:
                    return
        raise TransientError(f"a page of a bulk job's rows broke off ({problem}).", vendor=self.api.name)

    def _parts(self, response: requests.Response, columns: Columns) -> Iterator[Part]:
        after = response.headers.get("Sforce-Locator")
        told = response.headers.get("Sforce-NumberOfRecords", "")
        if not after:
            raise ShapeError("a page of a bulk job's rows has no locator.", vendor=self.api.name)
        lines = csv_rows(response.iter_content(65536))
        header = next(lines, [])
        if missing := set(columns.names) - set(header):
            message = f"a bulk job's rows lack {', '.join(sorted(missing))}."
            raise CursorExpiredError(message, vendor=self.api.name)
        read = columns.reader(header)
        count = 0
        block: list[Row] = []
        while rows := [read(cells) for cells in islice(_whole(lines, len(header)), BLOCK)]:
            if block:
                yield block, None
            block = rows
            count += len(rows)
        if told.isdecimal() and int(told) != count:
            raise _BrokenError(f"{count} rows of {told}")
        yield block, after


class _BrokenError(Exception):
    """A page that is not whole."""


def csv_rows(chunks: Iterable[bytes]) -> Iterator[list[str]]:
    """The lines of a CSV file that arrives in pieces; quoted cells may hold line breaks and commas.

    Raises:
        _BrokenError: It is no CSV, or not to its end.
    """
    try:
        yield from csv.reader(_text_lines(chunks), strict=True)
    except (csv.Error, UnicodeDecodeError) as error:
        raise _BrokenError(str(error)) from None


def _text_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Text cut behind each line feed, and nowhere else: values hold separators that `str.splitlines` would cut at."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    tail = ""
    for chunk in chunks:
        *lines, tail = (tail + decoder.decode(chunk)).split("\n")
        yield from (line + "\n" for line in lines)
        if len(tail) > LONGEST_LINE:
            raise _BrokenError("a line that does not end")
    tail += decoder.decode(b"", final=True)
    if tail:
        yield tail


def _whole(lines: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    for cells in lines:
        if len(cells) != width:
            raise _BrokenError(f"a line of {len(cells)} cells where there should be {width}")
        yield cells


def _text(cell: str) -> Any:
    return cell


def _boolean(cell: str) -> Any:
    return {"true": True, "false": False}.get(cell, cell)


def _decimal(cell: str) -> Any:
    return float(cell) if _NUMBER.fullmatch(cell) else cell


def _whole_number(cell: str) -> Any:
    return int(cell) if cell.isascii() and cell.removeprefix("-").isdecimal() else _decimal(cell)


def _instant(cell: str) -> Any:
    return f"{cell[:-1]}+0000" if cell.endswith("Z") else cell


_CELLS: Mapping[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "double": _decimal,
    "currency": _decimal,
    "percent": _decimal,
    "int": _whole_number,
    "long": _whole_number,
    "datetime": _instant,
}


@contextlib.contextmanager
def _gone_is_expired() -> Iterator[None]:
    try:
        yield
    except NotFoundError as error:
        message = "a bulk job's rows are no longer kept."
        raise CursorExpiredError(message, vendor=error.vendor, status=error.status, code=error.code) from None
