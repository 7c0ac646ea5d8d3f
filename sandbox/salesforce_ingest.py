"""Bulk API 2.0 ingest jobs: made, given their one CSV, closed, asked after; their results as CSV.

A job is made (Open), gets its CSV, is closed (UploadComplete), waits, works (InProgress) and is over: JobComplete,
Failed or Aborted. States, texts and CSV forms follow Salesforce's Bulk API 2.0 guide and public threads; what closing
a job without a CSV does is known from neither (here it fails).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sandbox.salesforce_bulk import (
    ALREADY_OVER,
    DELIMITERS,
    LINE_ENDS,
    OVER,
    asked,
    csv_form,
    csv_line,
    one_of,
    supported,
)
from sandbox.salesforce_errors import SfError, invalid_type
from sandbox.salesforce_http import Call, Reply, Route
from sandbox.salesforce_ingest_work import OPERATIONS, Job, Jobs, Worker
from sandbox.salesforce_org import Org
from sandbox.salesforce_query import datetime_text
from sandbox.salesforce_records import key_field
from sandbox.salesforce_types import FieldDef, ObjectDef

MAX_UPLOAD = 150_000_000
"""Bytes, after the base64 coding that makes a file half as big again: a CSV of at most 100 MB."""

_TAKEN = frozenset(
    {"object", "operation", "externalIdFieldName", "contentType", "lineEnding", "columnDelimiter", "assignmentRuleId"}
)


def refused(code: str, message: str, status: int = 400) -> SfError:
    """An error of a job."""
    return SfError(status, code, message)


def create(org: Org, call: Call) -> Reply:
    """`POST jobs/ingest`."""
    body = asked(call, _TAKEN)
    operation = one_of(body, "operation", OPERATIONS, "")
    definition = _object(org, call, str(body.get("object") or ""))
    if operation == "hardDelete" and not org.may(call.user, "BulkApiHardDelete"):
        message = "hardDelete operation requires special user profile permission, please contact your administrator"
        raise refused("FEATURENOTENABLED", message)
    delimiter, line_end = csv_form(body)
    job = Job(
        id="",
        # Bulk jobs run assignment rules only when they name one.
        call=Call(
            call.user,
            call.version,
            headers={"Sforce-Auto-Assign": str(body.get("assignmentRuleId") or "false")},
        ),
        object=definition,
        operation=operation,
        key=_key(org, call, definition, body.get("externalIdFieldName")) if operation == "upsert" else None,
        delimiter=delimiter,
        line_end=line_end,
        created=org.now,
        changed=org.now,
    )
    return 200, _shown(org.part(Jobs).add(job)), {}


def _object(org: Org, call: Call, name: str) -> ObjectDef:
    found = org.object(name)
    if found is None or not org.can(call.user, found.name, "Read"):
        raise invalid_type(name)
    return supported(found)


def _key(org: Org, call: Call, definition: ObjectDef, name: object) -> FieldDef:
    """The external id of an upsert. Raises 400."""
    try:
        return key_field(org, call, definition, str(name or ""))
    except SfError:
        message = f"InvalidJob : Field name provided, {name} does not match an External ID for {definition.name}"
        raise refused("INVALIDJOB", message) from None


def _shown(job: Job) -> dict[str, Any]:
    """A job as it is shown when it is made or moved."""
    shown: dict[str, Any] = {
        "id": job.id,
        "operation": job.operation,
        "object": job.object.name,
        "createdById": job.call.user,
        "createdDate": datetime_text(job.created // 1000 * 1000),
        "systemModstamp": datetime_text(job.changed // 1000 * 1000),
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.call.version),
        "lineEnding": job.line_end,
        "columnDelimiter": job.delimiter,
    }
    if job.key is not None:
        shown["externalIdFieldName"] = job.key.name
    if job.state == "Open":
        shown["contentUrl"] = job.call.path(f"jobs/ingest/{job.id}/batches").lstrip("/")
    return shown


def _counted(org: Org, job: Job) -> dict[str, Any]:
    """A job with what became of its rows."""
    ended = job.changed if job.state in OVER else org.now
    spent = ended - job.started if job.started else 0
    shown = _shown(job) | {
        "jobType": "V2Ingest",
        "numberRecordsProcessed": job.done,
        "numberRecordsFailed": len(job.failed),
        "retries": 0,
        "totalProcessingTime": spent,
        "apiActiveProcessingTime": spent,
        "apexProcessingTime": 0,
    }
    return shown | ({"errorMessage": job.error} if job.state == "Failed" else {})


def upload(org: Org, call: Call) -> Reply:
    """`PUT jobs/ingest/ID/batches`: 201. A second one is taken too, and makes it impossible to close the job."""
    job = org.part(Jobs).find(call)
    if not call.header("Content-Type").lower().startswith("text/csv"):
        raise refused("UNSUPPORTED_MEDIA_TYPE", "Content-Type of the data must be text/csv", 415)
    if job.state != "Open":
        raise refused("INVALIDJOBSTATE", f"The job is not Open but {job.state}")
    if len(call.body) * 3 > MAX_UPLOAD * 2:
        raise refused("CLIENTINPUTERROR", "The uploaded data is larger than 150 MB after base64 encoding")
    job.uploads, job.content = job.uploads + 1, call.body
    return 201, None, {}


def move(org: Org, call: Call) -> Reply:
    """`PATCH jobs/ingest/ID` with the state "UploadComplete" or "Aborted"."""
    job = org.part(Jobs).find(call)
    body = call.json()
    state = body.get("state") if isinstance(body, dict) else None
    if state == "UploadComplete":
        _close(org, job)
    elif state == "Aborted":
        if job.state in OVER:
            raise refused("INVALIDJOBSTATE", ALREADY_OVER)
        job.move("Aborted", org.now)
    else:
        raise refused("INVALIDJOBSTATE", f"A job can be set to UploadComplete or Aborted, not to {state}")
    return 200, _shown(job), {}


def _close(org: Org, job: Job) -> None:
    if job.state != "Open":
        raise refused("INVALIDJOBSTATE", "Closing already Completed Job not allowed")
    if job.uploads > 1:
        message = (
            f"Found multipe contents for job: <{job.id[:15]}>, please 'Close' / 'Abort' / 'Delete' the current Job "
            "then create a new Job and make sure you only do 'PUT' once on a given Job."
        )
        raise refused("INVALIDJOB", message)
    job.move("UploadComplete", org.now)
    Worker(org, job).schedule()


def info(org: Org, call: Call) -> Reply:
    """`GET jobs/ingest/ID`."""
    return 200, _counted(org, org.part(Jobs).find(call)), {}


def listing(org: Org, _call: Call) -> Reply:
    """`GET jobs/ingest`: every job, newest first."""
    records = [_counted(org, job) for job in reversed(org.part(Jobs).all())]
    return 200, {"done": True, "records": records, "nextRecordsUrl": None}, {}


def remove(org: Org, call: Call) -> Reply:
    """`DELETE jobs/ingest/ID`: 204; not of a job that is open or at work."""
    jobs = org.part(Jobs)
    job = jobs.find(call)
    if job.state in {"Open", "InProgress"}:
        raise refused("INVALIDJOBSTATE", f"A job that is {job.state} can not be deleted")
    job.move("Aborted" if job.state == "UploadComplete" else job.state, org.now)
    jobs.remove(job)
    return 204, None, {}


# ---- results ---------------------------------------------------------------------------------------------------------

Lines = Callable[[Job], Iterator[Sequence[str]]]


def _successful(job: Job) -> Iterator[Sequence[str]]:
    yield ["sf__Id", "sf__Created", *job.header]
    for record_id, made, row in job.written:
        yield [record_id, str(made).lower(), *row]


def _failed(job: Job) -> Iterator[Sequence[str]]:
    yield ["sf__Id", "sf__Error", *job.header]
    for error, row in job.failed:
        yield ["", error, *row]


def _unprocessed(job: Job) -> Iterator[Sequence[str]]:
    yield job.header
    yield from job.rows[job.done :]


def _results(lines: Lines) -> Callable[[Org, Call], Reply]:
    """`GET jobs/ingest/ID/...`: one kind of rows as CSV, with the columns that were sent."""

    def answer(org: Org, call: Call) -> Reply:
        job = org.part(Jobs).find(call)
        if job.state not in OVER:
            raise refused("INVALIDJOBSTATE", f"The job is {job.state}; its results are not there yet")
        delimiter, end = DELIMITERS[job.delimiter], LINE_ENDS[job.line_end]
        text = "".join(csv_line(line, delimiter, end) for line in lines(job))
        return 200, text.encode(), {"Content-Type": "text/csv"}

    return answer


ROUTES: Sequence[Route] = (
    Route("POST", "jobs/ingest", create),
    Route("GET", "jobs/ingest", listing),
    Route("GET", "jobs/ingest/{job}", info),
    Route("PATCH", "jobs/ingest/{job}", move),
    Route("DELETE", "jobs/ingest/{job}", remove),
    Route("PUT", "jobs/ingest/{job}/batches", upload),
    Route("GET", "jobs/ingest/{job}/successfulResults", _results(_successful)),
    Route("GET", "jobs/ingest/{job}/failedResults", _results(_failed)),
    Route("GET", "jobs/ingest/{job}/unprocessedrecords", _results(_unprocessed)),
    Route("GET", "jobs/ingest/{job}/unprocessedRecords", _results(_unprocessed)),
)
