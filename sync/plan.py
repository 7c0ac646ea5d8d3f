"""The plan: what the CRM should say minus what it says now. A frozen value: shown, saved, hashed, then applied.

Reasons in a plan are for people; applying never looks at them.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from connectors.base import Change, ObjectName, Value
from sync.values import to_json

FORMAT = "holdfast-plan-2"

MAX_AGE = 24 * 3600
"""Seconds after which a saved plan is stale, unless the config says otherwise."""

_key_text = json.JSONEncoder(sort_keys=True, check_circular=False).encode
_line_text = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), check_circular=False).encode

KeptWhy = Literal["human", "parked", "ask", "undone"]


class PlanError(Exception):
    """A plan file cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one record: what the CRM says now, and what it should say."""

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class RecordChange:
    """Every field to change on one record.

    Attributes:
        name: The record's name, for people.
        why: The reason in one line, for people.
        severity: How bad the news is, 1 to 100.
        value: How much the account is worth beside the others, 1 to 100.
        undoes: The operation in the ledger that this change takes back; None for anything but an undo.
    """

    object: ObjectName
    record_id: str
    name: str
    fields: tuple[FieldChange, ...]
    why: str
    severity: int = 1
    value: int = 1
    undoes: int | None = None

    @property
    def weight(self) -> int:
        """Severity times value: what goes first when calls are short."""
        return self.severity * self.value

    def as_change(self, environment: str) -> Change:
        """What is sent. The key is derived from the effect, so that every host and every run names it alike."""
        values = {change.field: change.after for change in self.fields}
        text = _key_text({name: to_json(value) for name, value in values.items()})
        return Change(
            self.object, self.record_id, values, derive_key(environment, "update", self.object, self.record_id, text)
        )


@dataclass(frozen=True, slots=True)
class TaskChange:
    """One follow-up task to create.

    Attributes:
        key: Derived from account, playbook and episode: the same task is never created twice.
        owner_name: For people.
        why: The reason in one line, for people.
        fallback_owner_id: Who gets it when the CRM refuses the owner, such as one deactivated in the meantime.
        severity: As of a record.
        value: As of a record.
        undoes: As of a record: the removal of the task that this one replaces.
    """

    key: str
    account_id: str
    account_name: str
    playbook: str
    subject: str
    body: str
    due: datetime
    priority: str
    owner_id: str | None
    owner_name: str
    why: str
    fallback_owner_id: str | None = None
    severity: int = 1
    value: int = 1
    undoes: int | None = None

    @property
    def weight(self) -> int:
        """Severity times value: what goes first when calls are short."""
        return self.severity * self.value

    def as_change(self) -> Change:
        """What is sent."""
        values: dict[str, Value] = {
            "subject": self.subject,
            "body": self.body,
            "due": self.due,
            "priority": self.priority,
            "owner_id": self.owner_id,
            "fallback_owner_id": self.fallback_owner_id,
            "account_id": self.account_id,
        }
        return Change("task", None, values, self.key)


@dataclass(frozen=True, slots=True)
class TaskRemoval:
    """One task of ours to take away again, into the CRM's recycle bin.

    Attributes:
        key: Derived from the task: removing it twice is one effect.
        task_id: The CRM's id of the task.
        undoes: The operation in the ledger that made the task.
    """

    key: str
    task_id: str
    account_id: str
    account_name: str
    subject: str
    why: str
    undoes: int | None = None
    severity: int = 100
    value: int = 100

    @property
    def weight(self) -> int:
        """Severity times value: taking back what should not be there comes before anything else."""
        return self.severity * self.value

    def as_change(self) -> Change:
        """What is sent."""
        return Change("task", self.task_id, {}, self.key)


@dataclass(frozen=True, slots=True)
class HumanEdit:
    """A field of ours that is left alone although something else is wanted there: all values are shown.

    Attributes:
        ours: What we last wrote.
        theirs: What the CRM says now.
        wanted: What it would say if it were not left alone.
        why: "human": somebody changed it. "parked": something rewrites it again and again. "ask": the config wants an
            answer first. "undone": an undo put `theirs` back, and nothing else is wanted since.
    """

    object: ObjectName
    record_id: str
    name: str
    field: str
    ours: Value
    theirs: Value
    wanted: Value
    why: KeptWhy = "human"


@dataclass(frozen=True, slots=True)
class Skipped:
    """An effect of an earlier run that an undo leaves as it is.

    Attributes:
        what: The field's name, or the task's subject.
        why: In words.
        undoes: The operation in the ledger that stays as it is.
    """

    object: ObjectName
    record_id: str
    name: str
    what: str
    why: str
    undoes: int


AnyChange = RecordChange | TaskChange | TaskRemoval
"""What a plan may do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run would change.

    Attributes:
        made_at: When the scores behind it were computed.
        environment: Fingerprint of the CRM account it was made for.
        config_hash: Hash of the settings that shaped it.
        expected_calls: Most requests that applying it costs when nothing fails.
        kind: "undo" takes an earlier run back, "override" writes a person's word into the fields of people.
        max_age: Seconds from `made_at` for which it may be applied.
        baseline: The first fill: the agent has not written to this CRM yet.
        held: Why the guard holds it, in words; empty when it does not. Only an approval releases it.
        removals: Tasks to take away, for an undo.
        skipped: What an undo leaves as it is.
    """

    made_at: datetime
    environment: str
    config_hash: str
    records: tuple[RecordChange, ...] = ()
    tasks: tuple[TaskChange, ...] = ()
    kept: tuple[HumanEdit, ...] = ()
    expected_calls: int = 0
    notes: tuple[str, ...] = field(default=())
    kind: Literal["sync", "undo", "override"] = "sync"
    max_age: int = MAX_AGE
    baseline: bool = False
    held: tuple[str, ...] = ()
    removals: tuple[TaskRemoval, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def changes(self) -> tuple[AnyChange, ...]:
        """Everything that applying would send."""
        return (*self.records, *self.removals, *self.tasks)

    @property
    def empty(self) -> bool:
        """Whether applying would write nothing."""
        return not self.changes

    @property
    def field_count(self) -> int:
        """Fields to change, over all records."""
        return sum(len(record.fields) for record in self.records)

    @property
    def hash(self) -> str:
        """SHA-256 over every line of the plan: two plans with the same hash do the same."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()

    def lines(self) -> Iterator[str]:
        """The plan as text, which is what a plan file holds below its first line: a header, then a change a line."""
        yield _dumps(
            {
                "format": FORMAT,
                "made_at": self.made_at.isoformat(),
                "environment": self.environment,
                "config_hash": self.config_hash,
                "expected_calls": self.expected_calls,
                "notes": list(self.notes),
                "kind": self.kind,
                "max_age": self.max_age,
                "baseline": self.baseline,
                "held": list(self.held),
            }
        )
        for record in self.records:
            yield _dumps({"update": _plain(record)})
        for removal in self.removals:
            yield _dumps({"remove": _plain(removal)})
        for task in self.tasks:
            yield _dumps({"task": _plain(task)})
        for edit in self.kept:
            yield _dumps({"kept": _plain(edit)})
        for skipped in self.skipped:
            yield _dumps({"skipped": _plain(skipped)})


def derive_key(environment: str, *parts: str) -> str:
    """An idempotency key: derived, never random, so that a lost state file derives the same one."""
    return hashlib.sha256("|".join(("v1", environment, *parts)).encode()).hexdigest()[:32]


def _dumps(data: Any) -> str:
    return _line_text(data)


def _plain(value: AnyChange | HumanEdit | Skipped) -> dict[str, Any]:
    plain = {name: to_json(getattr(value, name)) for name in value.__slots__ if name != "fields"}
    if isinstance(value, RecordChange):
        plain["fields"] = [[change.field, to_json(change.before), to_json(change.after)] for change in value.fields]
    return plain
