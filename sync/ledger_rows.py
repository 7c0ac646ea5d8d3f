"""The ledger's rows as values: what the rest of the program sees of an operation, a run and a hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from connectors.base import ObjectName, Value
from sync.tables import instant
from sync.values import loads

State = Literal[
    "planned",
    "held",
    "sending",
    "in_doubt",
    "retry",
    "confirmed",
    "rejected",
    "gone",
    "conflict",
    "parked",
    "superseded",
    "rolled_back",
    "undo_skipped",
]

Kind = Literal["field", "task_create", "task_remove"]

HOLD_OFF = timedelta(minutes=15)
"""How long after an unclear request the CRM may still apply it; before that its absence proves nothing."""

PATIENCE = timedelta(hours=24)
"""How long we keep asking what became of a request before a person has to look."""

MAX_ATTEMPTS = 5
"""How often one effect is sent, before a person has to look."""

FIRST_WAIT = timedelta(minutes=1)
"""Before what certainly had no effect is sent a second time; doubled for each further time."""


KEEP = timedelta(days=90)
"""How long closed operations on fields, and events, are kept. So long a run can be taken back."""


@dataclass(slots=True)
class OpRow:
    """One row of table `op`, in the order of its columns; instants are epoch seconds."""

    op_id: int
    run_id: int
    kind: Kind
    object: ObjectName
    record_id: str | None
    key: str
    payload: str
    before_image: str
    state: State
    attempt: int
    not_before: int | None
    batch_id: int | None
    remote_id: str | None
    error_code: str
    error: str
    undoes: int | None
    created: int
    sent_at: int | None
    updated_at: int


@dataclass(frozen=True, slots=True)
class Op:
    """One effect on one record.

    Attributes:
        key: Names the effect: the same on every host and in every run.
        values: What is written; of a task to be made its neutral values, of a task to be removed nothing.
        sent_at: When it last left; None for what was never sent, such as an effect that the CRM showed already.
        before: What the CRM said before, by field. A field that is absent here is not known, and cannot be restored.
        undoes: The operation that this one takes back.
        attempt: How often it was sent.
        not_before: When it may be sent again.
        remote_id: The id that the CRM gave: of a task made, the task's.
        updated_at: When it came into its state.
    """

    op_id: int
    key: str
    object: ObjectName
    record_id: str | None
    values: Mapping[str, Value]
    state: State
    sent_at: datetime | None
    kind: Kind
    before: Mapping[str, Value]
    run_id: int
    undoes: int | None
    attempt: int
    not_before: datetime | None
    remote_id: str | None
    error_code: str
    error: str
    updated_at: datetime


GOOD = frozenset({"done", "partial", "held"})
"""Statuses of a run that did its work; a plan that is held is the guard's work."""
FAILED = frozenset({"failed", "blocked"})
"""Statuses of a run that did not; one that was stopped is neither."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One finished or interrupted run."""

    run_id: int
    mode: str
    started: datetime
    ended: datetime | None
    status: str
    counts: Mapping[str, Any]
    environment: str = ""
    config_hash: str = ""
    plan_hash: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """What reading a target again, right before writing, has settled without a write.

    Attributes:
        key: The change's key.
        state: "confirmed": the CRM says so already. "conflict": it moved since the plan was made. "gone": it is there
            no more.
        message: For people.
        remote_id: The id of the task that was found.
        said: What the CRM says now in the fields that were read; None when it said nothing.
    """

    key: str
    state: Literal["confirmed", "conflict", "gone"]
    message: str = ""
    remote_id: str | None = None
    said: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class GuardRow:
    """One check of one run's plan, and who let it pass."""

    run_id: int
    check: str
    measured: float
    allowed: float
    held: bool
    text: str
    released_by: str | None
    released_at: datetime | None


def shown(row: OpRow) -> Op:
    """An operation as the rest of the program sees it."""
    return Op(
        row.op_id,
        row.key,
        row.object,
        row.record_id,
        loads(row.payload),
        row.state,
        _moment(row.sent_at),
        row.kind,
        loads(row.before_image),
        row.run_id,
        row.undoes,
        row.attempt,
        _moment(row.not_before),
        row.remote_id,
        row.error_code,
        row.error,
        instant(row.updated_at),
    )


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else instant(seconds)
