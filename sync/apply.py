"""Applies a plan: exactly the plan, each effect once, every record with its own outcome.

Every target is read again right before it is written; what moved since the plan was made is a conflict and is left
alone. What is about to be sent is committed to the ledger before the first byte leaves, so that a crash at any point
leaves a question that the CRM can answer (`recover`), never a guess.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal, TypeVar

from connectors.base import Change, Clock, Crm, ObjectName, Outcome, Value
from connectors.errors import ConnectorError
from sync.budget import Budget, sizes
from sync.ledger import HOLD_OFF, Ledger, Op
from sync.plan import AnyChange, Plan, RecordChange, TaskChange
from sync.store import Store
from sync.values import same

T = TypeVar("T")

Ending = Literal["confirmed", "already", "conflict", "retry", "rejected", "gone", "in_doubt"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one planned change.

    Attributes:
        result: "already": the CRM said so before we wrote. "conflict": it moved since the plan was made. The others
            as in `Outcome`.
    """

    change: AnyChange
    result: Ending
    message: str = ""


class Applier:
    """Sends plans to one CRM.

    Args:
        stop: Asked between two batches; True ends the work cleanly there.
        budget: How many calls it may take; no limit when left out.
    """

    def __init__(
        self,
        crm: Crm,
        store: Store,
        ledger: Ledger,
        clock: Clock,
        *,
        stop: Callable[[], bool] = lambda: False,
        budget: Budget | None = None,
    ) -> None:
        self.crm = crm
        self.store = store
        self.ledger = ledger
        self.clock = clock
        self.stop = stop
        self.budget = budget

    def apply(self, plan: Plan, run_id: int) -> Iterator[Applied]:
        """Write the plan and yield what became of each change, a batch at a time.

        Raises:
            QuotaError: Between two batches, when the calls for writing are used up.
        """
        for obj in ("account", "contact"):
            records = [record for record in plan.records if record.object == obj]
            for batch in self._in_batches(records):
                if self._ended():
                    return
                yield from self._update(batch, obj, plan.environment, run_id)
        done = self.ledger.known_tasks()
        tasks = [task for task in plan.tasks if task.key not in done]
        for task_batch in _batches(tasks, self.crm.write.create_batch):
            if self._ended():
                return
            yield from self._create(task_batch, run_id)

    def _in_batches(self, records: Sequence[RecordChange]) -> Iterator[Sequence[RecordChange]]:
        bulk = self.budget is not None and self.budget.bulk
        start = 0
        for size in sizes(len(records), self.crm.write, bulk=bulk):
            yield records[start : start + size]
            start += size

    def _ended(self) -> bool:
        if self.budget is not None:
            self.budget.check()
        return self.stop()

    # -- updates ------------------------------------------------------------------------------------------------

    def _update(
        self, batch: Sequence[RecordChange], obj: ObjectName, environment: str, run_id: int
    ) -> Iterator[Applied]:
        fields = sorted({change.field for record in batch for change in record.fields})
        now_in_crm = self.crm.read(obj, [record.record_id for record in batch], fields)
        verdicts = {record: _compare(record, now_in_crm.get(record.record_id)) for record in batch}
        self._mirror({r.record_id: now_in_crm.get(r.record_id) for r, verdict in verdicts.items() if verdict}, obj)
        yield from (verdict for verdict in verdicts.values() if verdict is not None)
        if send := [record for record, verdict in verdicts.items() if verdict is None]:
            yield from self._send_updates(send, obj, environment, run_id)

    def _send_updates(
        self, records: Sequence[RecordChange], obj: ObjectName, environment: str, run_id: int
    ) -> Iterator[Applied]:
        outcomes = self._send([record.as_change(environment) for record in records], run_id)
        ends = list(zip(records, outcomes, strict=True))
        written = [record for record, outcome in ends if outcome.result == "confirmed"]
        self._mirror({r.record_id: {change.field: change.after for change in r.fields} for r in written}, obj)
        yield from (Applied(record, outcome.result, outcome.message) for record, outcome in ends)

    def _mirror(self, said: Mapping[str, Mapping[str, Value] | None], obj: ObjectName) -> None:
        """Remember what the CRM says now, a batch in one transaction, so that the next plan starts from it."""
        with self.store.transaction():
            for record_id, values in said.items():
                if values is not None:
                    self.store.set_crm_values(obj, record_id, values, self.clock.now())

    # -- tasks --------------------------------------------------------------------------------------------------

    def _create(self, batch: Sequence[TaskChange], run_id: int) -> Iterator[Applied]:
        # Adopt before create: a task that a lost state file no longer knows of is still in the CRM.
        there = self.crm.find_tasks(sorted({task.account_id for task in batch}))
        missing = [task for task in batch if task.key not in there]
        for task in batch:
            if task.key in there:
                self.ledger.adopt(run_id, task.as_change(), there[task.key], self.clock.now())
                yield Applied(task, "already")
        if missing:
            outcomes = self._send([task.as_change() for task in missing], run_id)
            for task, outcome in zip(missing, outcomes, strict=True):
                yield Applied(task, outcome.result, outcome.message)

    def _send(self, changes: Sequence[Change], run_id: int) -> list[Outcome]:
        self.ledger.sending(run_id, changes, self.clock.now())
        try:
            outcomes = self.crm.send(changes)
        except ConnectorError as error:
            # The connector raises only when nothing at all was sent.
            nothing = [Outcome(change.key, "retry", message=error.message) for change in changes]
            self.ledger.settle(changes, nothing, self.clock.now())
            raise
        self.ledger.settle(changes, outcomes, self.clock.now())
        return outcomes

    # -- recovery -----------------------------------------------------------------------------------------------

    def recover(self) -> Counter[str]:
        """Settle what an earlier run left unclear, by asking the CRM.

        Returns:
            How many operations ended in each state; "in_doubt" counts tasks still within the hold-off.
        """
        ops = self.ledger.open_ops()
        self.ledger.doubt([op for op in ops if op.state == "sending"], self.clock.now())
        counts: Counter[str] = Counter()
        for obj, group in groupby(sorted(ops, key=lambda op: op.object), key=lambda op: op.object):
            members = list(group)
            counts.update(self._recover_tasks(members) if obj == "task" else self._recover_updates(obj, members))
        self.ledger.drop(self.ledger.stale_updates(), self.clock.now())
        return counts

    def _recover_updates(self, obj: ObjectName, ops: Sequence[Op]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for batch in _batches(ops, self.crm.write.read_batch):
            fields = sorted({name for op in batch for name in op.values})
            found = self.crm.read(obj, [op.record_id or "" for op in batch], fields)
            outcomes = []
            for op in batch:
                values = found.get(op.record_id or "")
                arrived = values is not None and all(same(values.get(name), value) for name, value in op.values.items())
                outcomes.append(Outcome(op.key, "confirmed" if arrived else "retry", op.record_id))
                if values is not None:
                    self.store.set_crm_values(obj, op.record_id or "", values, self.clock.now())
            self.ledger.settle([_change(op) for op in batch], outcomes, self.clock.now())
            counts.update(outcome.result for outcome in outcomes)
        return counts

    def _recover_tasks(self, ops: Sequence[Op]) -> Counter[str]:
        now = self.clock.now()
        accounts = sorted({str(op.values["account_id"]) for op in ops})
        there = self.crm.find_tasks(accounts)
        changes, outcomes = [], []
        counts: Counter[str] = Counter()
        for op in ops:
            if op.key in there:
                outcomes.append(Outcome(op.key, "confirmed", there[op.key]))
            elif _waited(op, now):
                outcomes.append(Outcome(op.key, "retry"))
            else:
                counts["in_doubt"] += 1
                continue
            changes.append(_change(op))
        self.ledger.settle(changes, outcomes, now)
        counts.update(outcome.result for outcome in outcomes)
        return counts


def _compare(record: RecordChange, now_in_crm: Mapping[str, Value] | None) -> Applied | None:
    """A verdict when the record must not be written, None when it may."""
    if now_in_crm is None:
        return Applied(record, "gone", "The record was deleted or merged since the plan was made.")
    if all(same(now_in_crm.get(change.field), change.after) for change in record.fields):
        return Applied(record, "already")
    moved = [
        change.field
        for change in record.fields
        if not same(now_in_crm.get(change.field), change.before)
        and not same(now_in_crm.get(change.field), change.after)
    ]
    if moved:
        return Applied(record, "conflict", f"{', '.join(moved)} changed in the CRM since the plan was made.")
    return None


def _waited(op: Op, now: datetime) -> bool:
    return now - op.sent_at >= HOLD_OFF


def _change(op: Op) -> Change:
    return Change(op.object, op.record_id, op.values, op.key)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
