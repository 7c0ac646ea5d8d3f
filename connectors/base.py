"""The whole vocabulary between vendors and the rest: what a connector yields, takes and promises.

A *source* is read stream by stream, page by page. A *CRM* is a source that can also be written to. Connectors know
HTTP and shapes; what a value means is decided in `mapping/`, what to write is decided in `sync/`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol, runtime_checkable

from connectors.clock import Clock as Clock  # noqa: PLC0414 - part of the vocabulary, as the next one
from connectors.clock import SystemClock as SystemClock  # noqa: PLC0414
from connectors.exports import EventExport as EventExport  # noqa: PLC0414
from connectors.exports import EventPeople as EventPeople  # noqa: PLC0414

Row = dict[str, Any]
"""One record as the vendor sent it (with vendor side tables folded in, see each connector's docstring)."""

Value = None | bool | int | float | str | date | datetime | tuple[str, ...]
"""A CRM field's value in canonical form: datetimes are aware UTC, a multi-select is a sorted tuple, empty is None."""

ObjectName = Literal["account", "contact", "task"]
"""The three kinds of CRM record the agent writes; a connector maps them to the vendor's own names."""

FieldType = Literal["number", "text", "long_text", "select", "multi_select", "datetime", "date", "boolean"]


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of vendor record that a source can be asked for.

    Attributes:
        name: The vendor's word, unique in its source: "contacts", "organizations", "events".
        record: The common record its rows become ("account", "contact", "deal", "ticket", "survey_response", "user",
            "membership", "usage"). Several streams may become the same record.
        after: Names of streams of the same source that must be committed first; usually none.
        optional: True when a plan or permission may lack it: its absence is reported and the run goes on.
    """

    name: str
    record: str
    after: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """One page of a stream. Rows and cursor are committed together, in one transaction.

    Attributes:
        rows: Records as the vendor sent them; empty on an empty page.
        cursor: Where to resume once this batch is committed: text that only its connector understands. None means
            "nothing to remember yet" and keeps the earlier cursor.
        deleted: Vendor ids seen to be gone.
        merged: Vendor id of the loser -> id of the winner.
        export: Events in place of rows, for streams whose record is "usage".
        server_time: The vendor's clock when the page was served, from its `Date` header.
        full: True when this pull lists the stream completely from the start: records of the stream that no batch of
            the pull named may be treated as vanished. Set on the last batch of such a pull only.
    """

    rows: list[Row] = field(default_factory=list)
    cursor: str | None = None
    deleted: tuple[str, ...] = ()
    merged: Mapping[str, str] = field(default_factory=dict)
    export: EventExport | None = None
    server_time: datetime | None = None
    full: bool = False


Severity = Literal["ok", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `holdfast check`.

    Attributes:
        severity: "error" means a run would fail or lose something; "warning" means it would run worse than it could.
        code: Short stable name, such as "missing_scope".
        message: What is, in one sentence.
        advice: What to do about it; empty when there is nothing to do.
    """

    severity: Severity
    code: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many calls are left.

    Attributes:
        limit: Calls per period, None when the vendor does not say.
        remaining: Calls left in the period, None when the vendor does not say.
        period: Such as "day", "10 s", "hour".
    """

    limit: int | None
    remaining: int | None
    period: str


@dataclass(frozen=True, slots=True)
class Environment:
    """Which account of a vendor we talk to. Pinned, so that a sandbox is never mistaken for production.

    Attributes:
        vendor: "hubspot", "salesforce", ...
        account_id: Portal id, organisation id, project id.
        label: A name a person recognises.
        kind: The vendor's word for the kind of account ("STANDARD", "SANDBOX", ...).
        time_zone: IANA name of the account's own time zone; "UTC" when the vendor has none.
    """

    vendor: str
    account_id: str
    label: str
    kind: str
    time_zone: str = "UTC"

    @property
    def fingerprint(self) -> str:
        """Text that differs whenever the account differs."""
        return f"{self.vendor}:{self.kind}:{self.account_id}"


@runtime_checkable
class Source(Protocol):
    """A vendor we read from."""

    name: str
    streams: tuple[Stream, ...]

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by purpose ("contacts", "setup", "write", "check", ...), retries included."""
        ...

    def environment(self) -> Environment:
        """Ask the vendor who we are. Raises `CredentialsError` when it does not know us."""
        ...

    def check(self) -> Iterator[Finding]:
        """Yield what an admin should know: identity, missing rights, quota, clock difference. Writes nothing.

        Raises a `ConnectorError` when the vendor cannot be asked at all.
        """
        ...

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what changed since `cursor` (everything when None), oldest page first.

        The last batch always carries a cursor. Raises a `ConnectorError`; batches yielded before it stay good.
        """
        ...


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field the agent owns in the CRM.

    Attributes:
        object: Which kind of record carries it.
        name: The CRM's name for it, such as "holdfast_health_score".
        label: What people see.
        type: Its type in neutral words.
        options: Allowed values, for "select" and "multi_select".
        description: What the value means, with its unit.
        max_length: Longest text, in characters.
        optional: The agent can do without it: that it is missing never keeps a run from writing.
    """

    object: ObjectName
    name: str
    label: str
    type: FieldType
    options: tuple[str, ...] = ()
    description: str = ""
    max_length: int = 255
    optional: bool = False


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """What `setup` found for one field and did, or would do, about it.

    Attributes:
        action: "create", "ok", "add_options" (safe to extend) or "conflict" (a person must decide).
        detail: What differs, in words.
    """

    spec: FieldSpec
    action: Literal["create", "ok", "add_options", "conflict"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WriteSpec:
    """How a CRM takes writes.

    Attributes:
        update_batch: Most records in one update request.
        create_batch: Most tasks in one create request.
        read_batch: Most records in one `read` request.
        bulk_batch: Most record updates in one `send` that goes by a bulk job, which costs fewer calls and takes longer;
            None where there are no such jobs.
        opening_calls: Most requests before the first batch: who we are, which fields there are, how tasks look.
    """

    update_batch: int
    create_batch: int
    read_batch: int
    bulk_batch: int | None = None
    opening_calls: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One record to update, one task to create, or one task to remove.

    Attributes:
        object: Kind of record.
        record_id: The CRM's id; None for a task to be created. A task with an id and without values is removed: put
            where people can bring it back from (Salesforce's recycle bin, HubSpot's archive); one that was away
            already is "gone".
        values: Field name -> new value. For a task, the neutral names "subject", "body", "due" (aware datetime),
            "owner_id", "fallback_owner_id" (who gets it when the CRM refuses the owner), "priority" ("low", "medium",
            "high"), "account_id", "contact_id".
        key: Identifies the intended effect: the same key is the same effect, on every host and in every run.
    """

    object: ObjectName
    record_id: str | None
    values: Mapping[str, Value]
    key: str


Result = Literal["confirmed", "retry", "rejected", "in_doubt", "gone"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change.

    Attributes:
        key: The change's key.
        result: "confirmed": the CRM says so. "retry": certainly nothing happened, may be sent again. "rejected":
            certainly nothing happened and never will. "gone": the record was deleted or merged away. "in_doubt":
            anything else; it must be settled by asking the CRM before it is sent again.
        remote_id: The record's id as the CRM returned it.
        error_code: The vendor's code, when there is one.
        message: What to tell a person.
    """

    key: str
    result: Result
    remote_id: str | None = None
    error_code: str = ""
    message: str = ""


TaskStrategy = Literal["unique_key", "receipt", "marker"]
"""How a CRM keeps one task from being made twice.

"unique_key": the task carries our key in a field that the CRM keeps unique, and is made by an upsert on it.
"receipt": each task comes with a record whose unique key is the task's, and the CRM makes both or neither.
"marker": the CRM keeps nothing unique. Our key is only found again by reading the account's tasks, so they are read
before each task is made, and what may still be under way is waited for before it is read.
"""


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task as the CRM has it now.

    Attributes:
        task_id: The CRM's id.
        key: Our key on it; "" when it is not ours.
        account_id: The account it belongs to; None when it has lost it.
        subject: As people see it.
        body: Its text without our key.
        owner_id: Who has it; None when nobody does.
        closed: Done, in whichever way the CRM says so.
        due: Due day or instant, aware UTC.
        created_at: When it was made; None when the CRM does not say.
        modified_at: When anybody, the CRM itself included, last changed it; None when the CRM does not say.
        touched: Somebody else than the agent changed it or something hangs on it, as far as the CRM tells; where it
            does not tell, a task that was changed at all counts as touched.
    """

    task_id: str
    key: str
    account_id: str | None
    subject: str
    body: str
    owner_id: str | None
    closed: bool
    due: datetime | None
    created_at: datetime | None
    modified_at: datetime | None
    touched: bool


@runtime_checkable
class Crm(Source, Protocol):
    """A source that can also be written to."""

    write: WriteSpec

    @property
    def task_strategy(self) -> TaskStrategy:
        """How tasks are kept from being made twice, as the last look at the CRM's definitions showed; asks nothing.

        "marker", which promises least, until `send` or `check` has looked.
        """
        ...

    def own_values(self, stream: Stream, row: Row) -> Mapping[str, Value]:
        """Our own fields as they came along with a pulled row: what the CRM says now, at no extra call."""
        ...

    def read(self, obj: ObjectName, ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Mapping[str, Value]]:
        """Read fields of records by id, consistently (never from a search index). Missing records are left out.

        A record that was merged away is left out too, even where the vendor answers with the winner.
        """
        ...

    def send(self, changes: Sequence[Change]) -> list[Outcome]:
        """Send one request's worth of changes of one kind (updates of one object, new tasks, or tasks to be removed).

        Gives exactly one outcome per change, in order. Never retries what is not safe to repeat and never raises for
        a record's sake; a batch refused as a whole is bisected until each culprit is found. Raises `CredentialsError`,
        `MissingPermissionError` and `QuotaError` only when nothing at all was sent.
        """
        ...

    def find_tasks(self, account_ids: Sequence[str]) -> Mapping[str, str]:
        """Our tasks on these accounts: idempotency key -> task id, by a consistent read. Of several the oldest."""
        ...

    def duplicate_tasks(self, account_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Keys that two or more tasks on these accounts carry -> their ids, oldest first.

        What `find_tasks` saw when it last read these very accounts is not read again.
        """
        ...

    def read_tasks(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tasks by id, consistently; missing and removed ones are left out."""
        ...

    def setup(self, fields: Sequence[FieldSpec], *, dry_run: bool, further: bool = True) -> list[FieldDiff]:
        """Compare the wanted fields with what is there and, unless `dry_run`, create or extend what is missing.

        Gives one diff for each of `fields`, in order, and then, if `further`, one for every further field that the
        connector itself can make use of: those of tasks. Each kind of record concerned costs a call at least.
        """
        ...

    def setup_files(self, fields: Sequence[FieldSpec]) -> Mapping[str, str]:
        """The same fields as files, for admins who deploy them by their own means: relative path -> text."""
        ...

    @property
    def seen_quota(self) -> Quota:
        """The CRM's daily budget as the last answer told it; costs no call, and knows nothing before the first."""
        ...

    def quota(self) -> Quota:
        """The CRM's daily budget as last seen, less what the settings leave to others; costs at most one call."""
        ...

    def quotas(self) -> tuple[Quota, ...]:
        """Every budget that the CRM tells of, the shortest period first, `quota()` last. Calls as `quota`."""
        ...
