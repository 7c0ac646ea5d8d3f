"""What bulk ingest jobs are, and how one is worked off: a CSV of records written in batches by the sandbox's clock.

Each row has its own fate. An empty cell leaves a field alone, `#N/A` clears it. All rows of one internal batch carry
one stamp. A header that names an unknown field fails the whole job before any row; a job that fails or is aborted
midway leaves the rows after that unprocessed.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sandbox.salesforce_bulk import BATCH, DELIMITERS, OVER, WAITING, Register, batches
from sandbox.salesforce_composite import Repeated, Upserting
from sandbox.salesforce_errors import SfError
from sandbox.salesforce_http import Call
from sandbox.salesforce_limits import Spent
from sandbox.salesforce_org import Org
from sandbox.salesforce_rows import CSV_NULL, read_csv
from sandbox.salesforce_save import Plan, Writer
from sandbox.salesforce_types import FieldDef, ObjectDef

CHUNK = 200
"""Rows that are saved together; a key may not stand twice among them."""
OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")


@dataclass(slots=True)
class Job:
    """One ingest job. Times are epoch milliseconds.

    Attributes:
        id: 18 characters, 750...
        call: Who made it, in which version.
        object: Kind of record.
        operation: One of `OPERATIONS`.
        key: External id of an upsert.
        delimiter: Name of the character between values.
        line_end: Name of what ends a line.
        created: When it was made.
        state: Where it stands.
        changed: When it got there.
        uploads: How often a CSV was sent.
        content: The CSV; dropped once it was taken apart.
        header: Its first line.
        rows: The others.
        written: Rows that succeeded, with id and whether the record was made.
        failed: Rows that did not, with their errors.
        error: Why the job as a whole failed.
        started: When it left the queue; 0 before.
    """

    id: str
    call: Call
    object: ObjectDef
    operation: str
    key: FieldDef | None
    delimiter: str
    line_end: str
    created: int
    state: str = "Open"
    changed: int = 0
    uploads: int = 0
    content: bytes = b""
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    written: list[tuple[str, bool, list[str]]] = field(default_factory=list)
    failed: list[tuple[str, list[str]]] = field(default_factory=list)
    error: str = ""
    started: int = 0

    @property
    def done(self) -> int:
        """How many rows were worked on."""
        return len(self.written) + len(self.failed)

    def move(self, state: str, now: int) -> None:
        """Reach a state."""
        self.state, self.changed = state, now

    def over_since(self) -> int | None:
        """When the job ended."""
        return self.changed if self.state in OVER else None


class Jobs(Register[Job]):
    """The org's ingest jobs."""

    prefix = "750Hi"


class InvalidJobError(ValueError):
    """The job as a whole cannot be worked on; says why as `errorMessage` does."""


class Worker:
    """Works one job off, batch by batch.

    Args:
        org: Where.
        job: Which.
    """

    def __init__(self, org: Org, job: Job) -> None:
        self.org = org
        self.job = job
        self._columns: list[FieldDef] = []

    def schedule(self) -> None:
        """The job was closed: have it start and its batches worked off in their time."""
        job, now = self.job, self.org.now
        self._read()
        count = batches(len(job.rows), BATCH)
        each = round(self.org.options.bulk_seconds_per_10k * 1000)
        wait = round(each * WAITING)
        self.org.part(Spent).add("DailyBulkApiBatches", count)
        self.org.later(now + wait, self._start)
        for number in range(count):
            last = number == count - 1
            self.org.later(now + wait + each * (number + 1), partial(self._batch, number, last=last))

    def _read(self) -> None:
        """Take the CSV apart; what is wrong with it fails the job later, not this call."""
        job = self.job
        try:
            job.header, job.rows = _taken_apart(job)
            self._columns = self._header()
        except InvalidJobError as reason:
            job.error = str(reason)
        job.content = b""

    def _header(self) -> list[FieldDef]:
        """The fields that the header names. Raises `InvalidJobError`."""
        job, writer = self.job, Writer(self.org, self.job.call)
        found: list[FieldDef] = []
        for name in job.header:
            try:
                found.append(writer.column(job.object, name))
            except SfError:
                raise InvalidJobError(f"InvalidBatch : Field name not found : {name}") from None
        names = [column.name for column in found]
        if len(set(names)) < len(names):
            raise InvalidJobError("InvalidBatch : Duplicate field name in the header")
        if job.operation in {"delete", "hardDelete"} and names != ["Id"]:
            raise InvalidJobError(f"InvalidBatch : The '{job.operation}' batch must contain only ids")
        return found

    def _start(self) -> None:
        job = self.job
        if job.state != "UploadComplete":
            return
        job.started = self.org.now
        job.move("Failed" if job.error else "InProgress", self.org.now)

    def _batch(self, number: int, *, last: bool) -> None:
        """Write one batch's rows; under the option `bulk_fail` the job fails in the middle of its rows."""
        job, failure = self.job, self.org.options.bulk_fail
        if job.state != "InProgress":
            return
        stop = min((number + 1) * BATCH, len(job.rows))
        if failure:
            stop = min(stop, len(job.rows) // 2)
        for start in range(number * BATCH, stop, CHUNK):
            self._chunk(job.rows[start : min(start + CHUNK, stop)])
        if failure and job.done >= len(job.rows) // 2:
            job.error = failure
            job.move("Failed", self.org.now)
        elif last:
            job.move("JobComplete", self.org.now)

    def _chunk(self, rows: Sequence[list[str]]) -> None:
        job, writer = self.job, Writer(self.org, self.job.call)
        read = [self._values(row) for row in rows]
        often = Counter(self._key(values) for values in read)
        for row, values in zip(rows, read, strict=True):
            try:
                if isinstance(values, SfError):
                    raise values
                plan = self._plan(writer, dict(values), repeated=often[self._key(values)] > 1)
                job.written.append((self._carry_out(writer, plan), plan.place is None, row))
            except SfError as refusal:
                job.failed.append((refusal.line, row))

    def _values(self, row: Sequence[str]) -> dict[str, Any] | SfError:
        """A row's values; what cannot be read fails the row."""
        cells = ((c, text.strip()) for c, text in zip(self._columns, row, strict=True))
        try:
            return {c.name: None if text == CSV_NULL else read_csv(c, text) for c, text in cells if text}
        except SfError as refusal:
            return refusal

    def _key(self, values: dict[str, Any] | SfError) -> Any:
        """The upsert's key in a row; None where it does not matter."""
        if self.job.key is None or isinstance(values, SfError):
            return None
        key = values.get(self.job.key.name)
        return key.lower() if isinstance(key, str) else key

    def _plan(self, writer: Writer, values: dict[str, Any], *, repeated: bool) -> Plan:
        job = self.job
        if job.operation == "insert":
            return writer.insert(job.object, values)
        if job.key is not None:
            again = repeated and values.get(job.key.name) is not None
            return (Repeated if again else Upserting)(self.org, writer, job.object, job.key, values)()
        record_id = values.pop("Id", None)
        if record_id is None:
            raise SfError(400, "MISSING_ARGUMENT", f"Id not specified in an {job.operation} call", ("Id",))
        if job.operation == "update":
            return writer.update(job.object, record_id, values)
        return writer.delete(job.object, record_id)

    def _carry_out(self, writer: Writer, plan: Plan) -> str:
        record_id = writer.carry_out(plan)
        if self.job.operation == "hardDelete" and plan.place is not None:
            plan.table.purge(plan.place)
        return record_id


def _taken_apart(job: Job) -> tuple[list[str], list[list[str]]]:
    """Header and rows. Raises `InvalidJobError`."""
    try:
        text = job.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidJobError("InvalidBatch : Failed to parse CSV: the file is not UTF-8") from None
    first = text.partition("\n")[0]
    if not first.strip():
        raise InvalidJobError("InvalidBatch : Failed to parse CSV: no header")
    if first.endswith("\r") is not (job.line_end == "CRLF") and "\n" in text:
        message = f"LineEnding is invalid on user data. Current LineEnding setting is {job.line_end}"
        raise InvalidJobError(f"ClientInputError : {message}")
    try:
        found = [row for row in csv.reader(io.StringIO(text), delimiter=DELIMITERS[job.delimiter], strict=True) if row]
    except csv.Error as reason:
        raise InvalidJobError(f"InvalidBatch : Failed to parse CSV: {reason}") from None
    header, rows = [name.strip() for name in found[0]], found[1:]
    if any(len(row) != len(header) for row in rows):
        raise InvalidJobError("InvalidBatch : Failed to parse CSV: a row has more or fewer columns than the header")
    return header, rows
