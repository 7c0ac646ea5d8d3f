"""Updates by a bulk job (Bulk API 2.0 ingest): one file up, some waiting, three files down.

From Salesforce's public guide to the Bulk API 2.0: a job is made (state Open), filled by one PUT that answers 201,
closed by UploadComplete, and worked through in batches of 10,000 rows of up to 5 minutes each, up to 20 tries; nothing
happens before it is closed. In the file an empty cell leaves a field as it is and `#N/A` empties it. Results are kept
for 7 days: rows that succeeded, rows that failed with `sf__Error`, rows never looked at. Any row may be in any of them
whatever the job's state, so that all three are always read, and a row that none of them names is in doubt.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from connectors.base import Value
from connectors.errors import (
    ConnectorError,
    CredentialsError,
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
    UnclearError,
)
from connectors.salesforce_api import Api
from connectors.salesforce_outcomes import MOST_WORDS, Refusal, from_text
from connectors.salesforce_values import short_id, to_cell

JOBS = "jobs/ingest"
ID = "Id"
PURPOSE = "write bulk"
MOST_BYTES = 90_000_000
"""Most bytes in one job; Salesforce takes 150 MB after it has turned them into base64."""
FIRST_WAIT = 5.0
LONGEST_WAIT = 60.0
DEADLINE = 1_800.0
"""Seconds from closing a job until it is given up."""
FILLS = 2
"""Times a job is made and filled before it is given up; until it is closed nothing has happened."""
MOST_CELL = 1 << 20
"""Characters of one cell that are read; the csv module stops at 131,072, which a long text area can have."""

_DONE = frozenset({"JobComplete", "Failed", "Aborted"})
_CSV = {"Content-Type": "text/csv; charset=UTF-8"}


@dataclass(slots=True)
class Told:
    """What a job's results say, by the first 15 characters of record ids.

    Attributes:
        done: Records that were written.
        refused: Records that were not, and why.
        untouched: Records that the job never came to.
        words: What Salesforce says about the job as a whole, and in what state it ended.
    """

    done: set[str] = field(default_factory=set)
    refused: dict[str, Refusal] = field(default_factory=dict)
    untouched: set[str] = field(default_factory=set)
    words: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """One record's new values; each record stands in a job at most once."""

    record_id: str
    values: Mapping[str, Value]


class Ingest:
    """Runs update jobs in one org."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def update(self, obj: str, updates: Sequence[Update]) -> Told:
        """Update records by one job, or several where one would be too large, and wait for the end.

        Raises:
            ConnectorError: No job was closed, so that nothing at all was changed and nothing will be.
        """
        told = Told()
        closed = False
        for data in files(updates):
            try:
                job_id = self._fill(obj, data)
                self._close(job_id)
            except ConnectorError as error:
                if not closed:
                    raise
                told.words = error.message
                told.untouched |= _ids(data)
                continue
            closed = True
            if self._wait(job_id, told):
                self._collect(job_id, told)
        return told

    def _fill(self, obj: str, data: bytes) -> str:
        """Make a job and give it its file; a job that cannot be filled is aborted and deleted."""
        attempt = 0
        while True:
            attempt += 1
            job_id = self._create(obj)
            try:
                answer = self.api.raw(
                    "PUT", _path(job_id, "batches"), purpose=PURPOSE, data=data, headers=_CSV, repeatable=False
                )
                if answer.status_code == 201:
                    return job_id
                raise ShapeError(f"filling a bulk job answered {answer.status_code}.", vendor=self.api.name)
            except ConnectorError as error:
                self._drop(job_id)
                if attempt == FILLS or isinstance(error, CredentialsError | QuotaError | RequestError):
                    raise

    def _create(self, obj: str) -> str:
        # A job that was made without our hearing of it stays open and empty: making one may be repeated.
        body = {"object": obj, "operation": "update", "contentType": "CSV", "lineEnding": "LF"}
        job = self.api.json("POST", JOBS, purpose=PURPOSE, body=body, repeatable=True)
        job_id = job.get("id") if isinstance(job, dict) else None
        if not isinstance(job_id, str) or not job_id.isalnum():
            raise ShapeError("a bulk job was made and has no id.", vendor=self.api.name)
        return job_id

    def _close(self, job_id: str) -> None:
        """Let a filled job begin. It may have begun, too, when nobody knows: then `_wait` finds out.

        Raises:
            ConnectorError: It certainly has not begun and will not.
        """
        try:
            self._set_state(job_id, "UploadComplete")
        except UnclearError:
            return
        except ConnectorError:
            self._drop(job_id)
            raise

    def _wait(self, job_id: str, told: Told) -> bool:
        """Look at a job until it ends; False when there is no telling, nor will be."""
        end = self.api.clock.monotonic() + DEADLINE
        wait = FIRST_WAIT
        while self.api.clock.monotonic() < end:
            self.api.clock.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
            try:
                job = self.api.json("GET", _path(job_id), purpose=PURPOSE)
                job = job if isinstance(job, dict) else {}
                if job.get("state") in _DONE:
                    words = str(job.get("errorMessage") or "")
                    told.words = f"The bulk job ended as {job['state']}{': ' + words if words else ''}."
                    return True
                if job.get("state") == "Open":
                    self._attempt(lambda: self._set_state(job_id, "UploadComplete"))
            except (TransientError, ShapeError):
                continue
            except ConnectorError as error:
                told.words = error.message
                return False
        # Late rows would overwrite what a later run writes: what has not begun by now must not begin any more.
        told.words = f"The bulk job did not end within {DEADLINE / 60:.0f} minutes."
        return self._attempt(lambda: self._set_state(job_id, "Aborted"))

    def _collect(self, job_id: str, told: Told) -> None:
        """Read the three results; what cannot be read leaves its rows in doubt."""
        for rest, take in (
            ("successfulResults", _take_done),
            ("failedResults", _take_refused),
            ("unprocessedrecords", _take_untouched),
        ):
            with suppress(ConnectorError, csv.Error, UnicodeError):
                answer = self.api.raw("GET", _path(job_id, rest), purpose=PURPOSE, headers={"Accept": "text/csv"})
                for row in _rows(answer.content):
                    take(told, row)

    def _set_state(self, job_id: str, state: str) -> None:
        self.api.json("PATCH", _path(job_id), purpose=PURPOSE, body={"state": state}, repeatable=False)

    def _drop(self, job_id: str) -> None:
        """Abort and delete a job that never began, as far as Salesforce lets us: its file counts as storage."""
        if self._attempt(lambda: self._set_state(job_id, "Aborted")):
            self._attempt(lambda: self.api.json("DELETE", _path(job_id), purpose=PURPOSE))

    @staticmethod
    def _attempt(call: Callable[[], Any]) -> bool:
        try:
            call()
        except ConnectorError:
            return False
        return True


def files(updates: Sequence[Update]) -> Iterator[bytes]:
    """The updates as CSV, in as many files as keep each within `MOST_BYTES`.

    The header is the id and every field that any of them has, in order of their names, so that the same updates always
    give the same file. A field that a record does not have is left empty, which leaves it as it is.
    """
    if not updates:
        return
    names = sorted({name for update in updates for name in update.values})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([ID, *names])
    for update in updates:
        cells = (to_cell(update.values[name]) if name in update.values else "" for name in names)
        writer.writerow([update.record_id, *cells])
    data = text.getvalue().encode("utf-8", "replace")
    if len(data) > MOST_BYTES and len(updates) > 1:
        middle = len(updates) // 2
        yield from files(updates[:middle])
        yield from files(updates[middle:])
    else:
        yield data


def _rows(data: bytes) -> Iterator[Mapping[str, str]]:
    """The rows of a results file; a cell may hold line breaks."""
    csv.field_size_limit(max(csv.field_size_limit(), MOST_CELL))
    yield from csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))


def _ids(data: bytes) -> set[str]:
    return {row[ID][:15] for row in _rows(data)}


def _record(row: Mapping[str, str]) -> str | None:
    """Which record a row is about: by our own column, which Salesforce gives back, or by its."""
    return short_id(row.get(ID) or row.get("sf__Id"))


def _take_done(told: Told, row: Mapping[str, str]) -> None:
    if (short := _record(row)) is not None:
        told.done.add(short)


def _take_refused(told: Told, row: Mapping[str, str]) -> None:
    if (short := _record(row)) is not None:
        text = str(row.get("sf__Error") or "")
        told.refused[short] = from_text(text) or Refusal("", text[:MOST_WORDS])


def _take_untouched(told: Told, row: Mapping[str, str]) -> None:
    if (short := _record(row)) is not None:
        told.untouched.add(short)


def _path(job_id: str, rest: str = "") -> str:
    return f"{JOBS}/{job_id}/{rest}" if rest else f"{JOBS}/{job_id}"
