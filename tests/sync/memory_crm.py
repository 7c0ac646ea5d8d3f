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
    """Records and tasks as dictionaries."""

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
        if change.object == "task":
            if effect:
                self.created[change.key] += 1
                self.tasks[change.key] = change.values
            return Outcome(change.key, "confirmed", f"task-{change.key}")
        record = self.records.get((change.object, change.record_id or ""))
        if record is None:
            return Outcome(change.key, "gone")
        if effect:
            record.update(change.values)
        return Outcome(change.key, "confirmed", change.record_id)

    def find_tasks(self, account_ids: Sequence[str]) -> Mapping[str, str]:
        self.calls["find"] += 1
        return {key: f"task-{key}" for key, values in self.tasks.items() if values["account_id"] in account_ids}

    def setup(self, fields: Sequence[FieldSpec], *, dry_run: bool) -> list[FieldDiff]:
        return [FieldDiff(spec, "ok") for spec in fields]

    def setup_files(self, fields: Sequence[FieldSpec]) -> Mapping[str, str]:
        return {}

    def quota(self) -> Quota:
        if self.unwilling is not None:
            raise self.unwilling
        self.calls["quota"] += self.limit is None
        return Quota(self.limit, self.remaining, "day")
