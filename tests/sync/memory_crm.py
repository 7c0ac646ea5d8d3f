"""A CRM in memory, for what the sandbox cannot be told to do: lose an answer, die half-way, act late."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from connectors.base import (
    Batch,
    Change,
    Environment,
    FieldDiff,
    FieldSpec,
    Finding,
    ObjectName,
    Outcome,
    Quota,
    Row,
    Stream,
    TaskState,
    Value,
    WriteSpec,
)
from connectors.defaults import CrmDefaults


@dataclass
class Trouble:
    """What goes wrong with the next request: raise before it, or lose the answer before or after its effect."""

    error: BaseException | None = None
    applied: bool = False
    lost: bool = False


@dataclass
class MemoryCrm(CrmDefaults):
    """Records and tasks as dictionaries.

    Attributes:
        flow: Fields that something in the CRM sets on every record as soon as it is written.
        twins: Keys of tasks that stand there twice.
        touched: Ids of tasks that a person has taken up.
        unasked: Raised by whatever is asked, until it is taken away.
        asked: Ids of every read, in order.
    """

    name: str = "hubspot"
    streams: tuple[Stream, ...] = ()
    write: WriteSpec = field(default_factory=lambda: WriteSpec(update_batch=2, create_batch=2, read_batch=2))
    calls: Counter[str] = field(default_factory=Counter)
    records: dict[tuple[str, str], dict[str, Value]] = field(default_factory=dict)
    tasks: dict[str, Mapping[str, Value]] = field(default_factory=dict)
    refuse: set[str] = field(default_factory=set)
    trouble: list[Trouble] = field(default_factory=list)
    created: Counter[str] = field(default_factory=Counter)
    limit: int | None = 100
    remaining: int | None = 90
    unwilling: Exception | None = None
    flow: dict[str, Value] = field(default_factory=dict)
    twins: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    unasked: Exception | None = None
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def environment(self) -> Environment:
        return Environment("hubspot", "1", "Memory", "STANDARD")

    def check(self) -> Iterator[Finding]:
        yield from ()

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        raise NotImplementedError

    def own_values(self, stream: Stream, row: Row) -> Mapping[str, Value]:
        raise NotImplementedError

    def read(self, obj: ObjectName, ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Mapping[str, Value]]:
        self.calls["read"] += 1
        self.asked.append(tuple(ids))
        self._answer()
        return {
            record_id: {name: self.records[obj, record_id].get(name) for name in fields}
            for record_id in ids
            if (obj, record_id) in self.records
        }

    def send(self, changes: Sequence[Change]) -> list[Outcome]:
        self.calls["write"] += 1
        trouble = self.trouble.pop(0) if self.trouble else Trouble()
        if trouble.error is not None and not trouble.applied:
            raise trouble.error
        outcomes = [self._one(change, effect=trouble.applied or not trouble.lost) for change in changes]
        if trouble.error is not None:
            raise trouble.error
        return [Outcome(change.key, "in_doubt") for change in changes] if trouble.lost else outcomes

    def _one(self, change: Change, *, effect: bool) -> Outcome:
        if change.record_id in self.refuse:
            return Outcome(change.key, "rejected", error_code="INVALID", message="not a valid value")
        if change.object == "task" and change.record_id is not None:
            return self._remove(change, change.record_id, effect=effect)
        if change.object == "task":
            if effect:
                self.created[change.key] += 1
                self.tasks[change.key] = change.values
            return Outcome(change.key, "confirmed", f"task-{change.key}")
        record = self.records.get((change.object, change.record_id or ""))
        if record is None:
            return Outcome(change.key, "gone")
        if effect:
            record.update({**change.values, **self.flow})
        return Outcome(change.key, "confirmed", change.record_id)

    def _remove(self, change: Change, task_id: str, *, effect: bool) -> Outcome:
        key = task_id.removeprefix("task-")
        if key not in self.tasks:
            return Outcome(change.key, "gone", task_id)
        if effect:
            del self.tasks[key]
        return Outcome(change.key, "confirmed", task_id)

    def _answer(self) -> None:
        if self.unasked is not None:
            raise self.unasked

    def duplicate_tasks(self, account_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        return {key: (f"task-{key}", f"twin-{key}") for key in self.twins}

    def read_tasks(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        self.calls["read_tasks"] += 1
        self._answer()
        found = {}
        for key, values in self.tasks.items():
            if (task_id := f"task-{key}") in ids:
                texts = {name: str(values[name]) for name in ("account_id", "subject", "body", "owner_id")}
                found[task_id] = TaskState(
                    task_id,
                    key,
                    **texts,
                    closed=bool(values.get("closed")),
                    due=None,
                    created_at=None,
                    modified_at=None,
                    touched=task_id in self.touched,
                )
        return found

    def find_tasks(self, account_ids: Sequence[str]) -> Mapping[str, str]:
        self.calls["find"] += 1
        self._answer()
        return {key: f"task-{key}" for key, values in self.tasks.items() if values["account_id"] in account_ids}

    def setup(self, fields: Sequence[FieldSpec], *, dry_run: bool, further: bool = True) -> list[FieldDiff]:
        return [FieldDiff(spec, "ok") for spec in fields]

    def setup_files(self, fields: Sequence[FieldSpec]) -> Mapping[str, str]:
        return {}

    def quota(self) -> Quota:
        if self.unwilling is not None:
            raise self.unwilling
        self.calls["quota"] += self.limit is None
        return Quota(self.limit, self.remaining, "day")
