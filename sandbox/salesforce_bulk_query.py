"""Bulk API 2.0 query jobs: a query that is worked out aside and fetched as CSV, page by page.

A job waits, works and is done by the sandbox's clock: `Options.bulk_seconds_per_10k` for each 10,000 records that the
table has, the first quarter of it in the queue. The result is what was true when the job was done, kept for 7 days;
writes made afterwards are not in it. Resources, states, refusals of DELETE and PATCH, the CSV and its headers follow
Salesforce's Bulk API 2.0 guide: results of a job that is not done answer 204 without a body, and those asked for in
another version than the job's 409.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce_bulk import (
    ALREADY_OVER,
    BATCH,
    DELIMITERS,
    LINE_ENDS,
    OVER,
    WAITING,
    Register,
    asked,
    batches,
    csv_form,
    csv_line,
    one_of,
    supported,
)
from sandbox.salesforce_errors import SfError
from sandbox.salesforce_http import Call, Reply, Route
from sandbox.salesforce_limits import Spent
from sandbox.salesforce_org import Org
from sandbox.salesforce_query import datetime_text
from sandbox.salesforce_soql import parse
from sandbox.salesforce_soql_fields import Column, Scope
from sandbox.salesforce_soql_run import run
from sandbox.salesforce_soql_tree import FieldSet, Query, malformed, refused
from sandbox.salesforce_types import NUMBER_TYPES, FieldDef

_OPERATIONS = ("query", "queryAll")
_TAKEN = frozenset({"operation", "query", "contentType", "columnDelimiter", "lineEnding"})
_CHUNK = 500
"""Rows of CSV that are written at a time."""


@dataclass(slots=True)
class Job:
    """One query job. Times are epoch milliseconds.

    Attributes:
        id: 18 characters, 750...
        user: Who made it.
        operation: "query" or "queryAll".
        query: What is asked.
        object: The kind of record.
        version: "64.0".
        delimiter: Name of the character between values.
        line_end: Name of what ends a line.
        created: When it was made.
        starts: When it leaves the queue.
        done: When it is over, unless aborted before.
        names: The CSV's header.
        columns: The result, a list of texts for each field; None while there is none.
        error: Why it failed.
        aborted_at: When somebody stopped it.
    """

    id: str
    user: str
    operation: str
    query: Query
    object: str
    version: str
    delimiter: str
    line_end: str
    created: int
    starts: int
    done: int
    names: list[str] = field(default_factory=list)
    columns: list[list[str]] | None = None
    error: str | None = None
    aborted_at: int | None = None

    @property
    def rows(self) -> int:
        """How many records the result has."""
        return len(self.columns[0]) if self.columns else 0

    def state(self, now: int) -> str:
        """Where the job stands."""
        if self.aborted_at is not None:
            return "Aborted"
        if self.error is not None:
            return "Failed"
        if self.columns is not None:
            return "JobComplete"
        return "UploadComplete" if now < self.starts else "InProgress"

    def over_since(self) -> int | None:
        """When the job ended or is to end."""
        return self.done if self.aborted_at is None else self.aborted_at


class Jobs(Register[Job]):
    """The org's query jobs."""

    prefix = "750Hq"

    def add(self, job: Job) -> Job:
        """Take a job in and have it done in its time."""
        self.org.later(job.done, lambda: self._finish(job))
        return super().add(job)

    def _finish(self, job: Job) -> None:
        if job.aborted_at is not None:
            return
        job.error = self.org.options.bulk_fail or None
        if job.error is not None:
            return
        try:
            found = run(self.org, job.user, job.query, everything=job.operation == "queryAll")
        except SfError as refusal:
            job.error = f"InvalidBatch : Failed to process query: {refusal.code}: {refusal.message}"
            return
        job.names = [column.name for column in found.columns]
        job.columns = [_texts(column, found.places) for column in found.columns]


# ---- CSV -------------------------------------------------------------------------------------------------------------


def _flag(value: Any) -> str:
    return "true" if value else "false"


def _moment(ms: int) -> str:
    return datetime_text(ms)[:-5] + "Z"


def _writer(definition: FieldDef) -> Callable[[Any], str]:
    """How values of a field are written; None never gets here."""
    if definition.type == "datetime":
        return _moment
    if definition.type == "boolean":
        return _flag
    if definition.type in NUMBER_TYPES and definition.type != "int":
        return lambda value: repr(float(value))
    return str


def _texts(column: Column, places: Sequence[int]) -> list[str]:
    """A field's values as CSV has them, before quoting; an absent one is empty."""
    get, write = column.get, _writer(column.field)
    return ["" if (value := get(place)) is None else write(value) for place in places]


def _csv(names: list[str], columns: list[list[str]], delimiter: str, end: str) -> Iterator[bytes]:
    """Header and rows, in pieces; all values were taken before."""
    yield csv_line(names, delimiter, end).encode()
    for start in range(0, len(columns[0]), _CHUNK):
        rows = zip(*[column[start : start + _CHUNK] for column in columns], strict=True)
        yield "".join([csv_line(row, delimiter, end) for row in rows]).encode()


# ---- operations ------------------------------------------------------------------------------------------------------


def create(org: Org, call: Call) -> Reply:
    """`POST jobs/query`: the query is looked at now, and worked out later."""
    body = asked(call, _TAKEN)
    operation = one_of(body, "operation", _OPERATIONS, "")
    if not body.get("query"):
        raise refused("API_ERROR", "No query was specified")
    delimiter, line_end = csv_form(body)
    query = parse(str(body["query"]))
    scope = Scope(org, call.user, query)
    supported(scope.object)
    _check_shape(query)
    run(org, call.user, _empty(query), everything=False)
    length = round(org.options.bulk_seconds_per_10k * 1000) * batches(len(scope.table), BATCH)
    now = org.now
    job = Job(
        id="",
        user=call.user,
        operation=operation,
        query=query,
        object=scope.object.name,
        version=call.version,
        delimiter=delimiter,
        line_end=line_end,
        created=now,
        starts=now + round(length * WAITING),
        done=now + length,
    )
    org.part(Spent).add("DailyBulkV2QueryJobs")
    return 200, _shown(org.part(Jobs).add(job), now, brief=True), {}


def _check_shape(query: Query) -> None:
    """Raises 400 for what bulk queries do not take: counts, groups, OFFSET, unbounded `FIELDS(...)`."""
    if query.counts or query.aggregates:
        raise refused("FUNCTIONALITY_NOT_ENABLED", "Aggregate queries are not supported in Bulk Query")
    if query.offset is not None:
        raise refused("FUNCTIONALITY_NOT_ENABLED", "OFFSET is not supported in Bulk Query")
    if any(isinstance(item, FieldSet) and item.name != "STANDARD" for item in query.selected):
        raise malformed("The SOQL FIELDS function is not supported with an unbounded set of fields in this API")


def _empty(query: Query) -> Query:
    """The same query, asking for no rows: every name and value in it is checked all the same."""
    return Query(query.text, query.selected, query.object, query.object_at, query.where, None, query.order, 0, None)


def _shown(job: Job, now: int, *, brief: bool = False) -> dict[str, Any]:
    """A job as JSON; `brief` as when it was made."""
    state = job.state(now)
    changed = {"UploadComplete": job.created, "InProgress": job.starts, "Aborted": job.aborted_at or 0}
    shown: dict[str, Any] = {
        "id": job.id,
        "operation": job.operation,
        "object": job.object,
        "createdById": job.user,
        "createdDate": datetime_text(job.created // 1000 * 1000),
        "systemModstamp": datetime_text(changed.get(state, job.done) // 1000 * 1000),
        "state": "UploadComplete" if brief else state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.version),
        "lineEnding": job.line_end,
        "columnDelimiter": job.delimiter,
    }
    if brief:
        return shown
    shown |= {"jobType": "V2Query", "numberRecordsProcessed": job.rows, "retries": 0}
    shown["totalProcessingTime"] = max(0, min(now, job.done) - job.starts) if state != "Aborted" else 0
    if job.error is not None:
        shown["errorMessage"] = job.error
    return shown


def listing(org: Org, _call: Call) -> Reply:
    """`GET jobs/query`: every job, newest first."""
    records = [_shown(job, org.now) for job in reversed(org.part(Jobs).all())]
    return 200, {"done": True, "records": records, "nextRecordsUrl": None}, {}


def info(org: Org, call: Call) -> Reply:
    """`GET jobs/query/ID`."""
    return 200, _shown(org.part(Jobs).find(call), org.now), {}


def abort(org: Org, call: Call) -> Reply:
    """`PATCH jobs/query/ID` with the state "Aborted", the only one that a client can set."""
    job = org.part(Jobs).find(call)
    body = call.json()
    if not isinstance(body, dict) or body.get("state") != "Aborted":
        raise refused("INVALIDJOBSTATE", "The only state that a query job can be set to is Aborted")
    if job.state(org.now) in OVER:
        raise refused("INVALIDJOBSTATE", ALREADY_OVER)
    job.aborted_at = org.now
    return 200, _shown(job, org.now), {}


def remove(org: Org, call: Call) -> Reply:
    """`DELETE jobs/query/ID`: only of a job that is over."""
    jobs = org.part(Jobs)
    job = jobs.find(call)
    if job.state(org.now) not in OVER:
        raise refused("API_ERROR", "Error encountered when deleting the job because the job is not terminated")
    jobs.remove(job)
    return 204, None, {}


def results(org: Org, call: Call) -> Reply:
    """`GET jobs/query/ID/results`: a page of CSV. 204 without a body while there is none."""
    job = org.part(Jobs).find(call)
    if job.version != call.version:
        message = f"Results of a job made in version {job.version} can not be read in version {call.version}"
        raise SfError(409, "API_ERROR", message)
    if job.columns is None:
        return 204, None, {}
    start, most = _start(call, job), _most(org, call)
    stop = min(start + most, job.rows)
    columns = [column[start:stop] for column in job.columns]
    body = _csv(job.names, columns, DELIMITERS[job.delimiter], LINE_ENDS[job.line_end])
    headers = {
        "Content-Type": "text/csv",
        "Sforce-NumberOfRecords": str(stop - start),
        "Sforce-Locator": _locator(stop) if stop < job.rows else "null",
    }
    return 200, body, headers


def _most(org: Org, call: Call) -> int:
    asked = call.query.get("maxRecords", "")
    if not asked:
        return org.options.bulk_page_rows
    if not asked.isdigit() or int(asked) == 0:
        raise refused("INVALID_REQUEST_PARAMETER", f"maxRecords must be a positive number, not '{asked}'")
    return min(int(asked), org.options.bulk_page_rows)


def _locator(start: int) -> str:
    return base64.b64encode(str(start).encode()).decode().rstrip("=")


def _start(call: Call, job: Job) -> int:
    """The row that a locator points at. Raises 400 for one that this job never gave."""
    locator = call.query.get("locator", "")
    if not locator:
        return 0
    try:
        text = base64.b64decode(locator + "=" * (-len(locator) % 4), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    if not text.isdigit() or not 0 < int(text) < job.rows:
        raise refused("INVALID_QUERY_LOCATOR", "invalid query locator")
    return int(text)


ROUTES = (
    Route("POST", "jobs/query", create, reads=True),
    Route("GET", "jobs/query", listing),
    Route("GET", "jobs/query/{job}", info),
    Route("PATCH", "jobs/query/{job}", abort, reads=True),
    Route("DELETE", "jobs/query/{job}", remove, reads=True),
    Route("GET", "jobs/query/{job}/results", results),
)
