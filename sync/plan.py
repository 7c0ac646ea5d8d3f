"""The plan: what the CRM should say minus what it says now. A frozen value: shown, saved, hashed, then applied.

Reasons in a plan are for people; applying never looks at them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.base import Change, ObjectName, Value
from sync.values import from_json, to_json

FORMAT = "holdfast-plan-1"


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
    """

    object: ObjectName
    record_id: str
    name: str
    fields: tuple[FieldChange, ...]
    why: str

    def as_change(self, environment: str) -> Change:
        """What is sent. The key is derived from the effect, so that every host and every run names it alike."""
        values = {change.field: change.after for change in self.fields}
        text = json.dumps({name: to_json(value) for name, value in values.items()}, sort_keys=True)
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
class HumanEdit:
    """A field of ours that somebody changed in the CRM: their value stays, both are shown."""

    object: ObjectName
    record_id: str
    name: str
    field: str
    ours: Value
    theirs: Value
    wanted: Value


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run would change.

    Attributes:
        made_at: When the scores behind it were computed.
        environment: Fingerprint of the CRM account it was made for.
        config_hash: Hash of the settings that shaped it.
        expected_calls: Most requests that applying it costs when nothing fails.
    """

    made_at: datetime
    environment: str
    config_hash: str
    records: tuple[RecordChange, ...] = ()
    tasks: tuple[TaskChange, ...] = ()
    kept: tuple[HumanEdit, ...] = ()
    expected_calls: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def empty(self) -> bool:
        """Whether applying would write nothing."""
        return not self.records and not self.tasks

    @property
    def field_count(self) -> int:
        """Fields to change, over all records."""
        return sum(len(record.fields) for record in self.records)

    @property
    def hash(self) -> str:
        """SHA-256 over every line of the plan: two plans with the same hash do the same."""
        return hashlib.sha256("\n".join(self._lines()).encode()).hexdigest()

    def _lines(self) -> Iterator[str]:
        yield _dumps(
            {
                "format": FORMAT,
                "made_at": self.made_at.isoformat(),
                "environment": self.environment,
                "config_hash": self.config_hash,
                "expected_calls": self.expected_calls,
                "notes": list(self.notes),
            }
        )
        for record in self.records:
            yield _dumps({"update": _record_to_json(record)})
        for task in self.tasks:
            yield _dumps({"task": {**_fields_of(task), "due": task.due.isoformat()}})
        for edit in self.kept:
            yield _dumps({"kept": {name: to_json(value) for name, value in _fields_of(edit).items()}})

    def save(self, path: Path) -> None:
        """Write the plan, readable by its owner only. The first line carries the hash of the others."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text("\n".join([_dumps({"hash": self.hash}), *self._lines()]) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Read a saved plan.

        Raises:
            PlanError: When it cannot be read, was changed since it was saved, or is of an unknown format.
        """
        try:
            head, _, body = path.read_text(encoding="utf-8").partition("\n")
            saved_hash = json.loads(head)["hash"]
            if hashlib.sha256(body.rstrip("\n").encode()).hexdigest() != saved_hash:
                raise PlanError(f"{path}: was changed after it was saved; make the plan again.")
            header, *lines = [json.loads(line) for line in body.split("\n") if line]
            if header["format"] != FORMAT:
                raise PlanError(f"{path}: format {header['format']!r} is not {FORMAT!r}; make the plan again.")
            return _from_lines(header, lines)
        except OSError as error:
            raise PlanError(f"{path}: cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise PlanError(f"{path}: is not a plan file; make one with `holdfast plan`.") from error


def derive_key(environment: str, *parts: str) -> str:
    """An idempotency key: derived, never random, so that a lost state file derives the same one."""
    return hashlib.sha256("|".join(("v1", environment, *parts)).encode()).hexdigest()[:32]


def _dumps(data: Any) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _fields_of(value: TaskChange | HumanEdit) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _record_to_json(record: RecordChange) -> dict[str, Any]:
    return {
        "object": record.object,
        "record_id": record.record_id,
        "name": record.name,
        "why": record.why,
        "fields": [[change.field, to_json(change.before), to_json(change.after)] for change in record.fields],
    }


def _from_lines(header: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Plan:
    records, tasks, kept = [], [], []
    for line in lines:
        if "update" in line:
            body = dict(line["update"])
            body["fields"] = tuple(
                FieldChange(name, from_json(old), from_json(new)) for name, old, new in body["fields"]
            )
            records.append(RecordChange(**body))
        elif "task" in line:
            tasks.append(TaskChange(**{**line["task"], "due": datetime.fromisoformat(line["task"]["due"])}))
        else:
            kept.append(HumanEdit(**{name: from_json(value) for name, value in line["kept"].items()}))  # type: ignore[arg-type]  # names and ids are text
    return Plan(
        datetime.fromisoformat(header["made_at"]),
        header["environment"],
        header["config_hash"],
        tuple(records),
        tuple(tasks),
        tuple(kept),
        header["expected_calls"],
        tuple(header["notes"]),
    )
