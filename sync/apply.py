"""Applies a plan: exactly the plan, each effect once, every record with its own outcome.

Every target is read again right before it is written; what moved since the plan was made is a conflict and is left
alone. What is about to be sent is committed to the ledger before the first byte leaves, so that a crash at any point
leaves a question that the CRM can answer (`sync.recover`), never a guess. A batch costs two commits at most.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeVar

from connectors.base import Change, Clock, Crm, ObjectName, Outcome, TaskState, Value
from connectors.errors import ConnectorError, ShapeError, UnclearError
from scoring.cards import AnyCards
from scoring.playbooks import base_name
from sync.budget import Budget, sizes
from sync.canary import Canary
from sync.episodes import episode_of, read_all
from sync.guard import Limits
from sync.ledger import Ledger, LedgerError, Settled
from sync.plan import AnyChange, Plan, RecordChange, TaskChange, TaskRemoval
from sync.recover import Recovery
from sync.store import Store
from sync.values import same

T = TypeVar("T", RecordChange, TaskChange, TaskRemoval)

Ending = Literal["confirmed", "already", "conflict", "retry", "rejected", "gone", "in_doubt", "parked"]

Item = tuple[T, Change]
"""A planned change, and what is sent for it."""

_ENDINGS: Mapping[str, Ending] = {"confirmed": "already", "conflict": "conflict", "gone": "gone"}

DAY = timedelta(days=1)
"""Within so long nobody is asked twice because of what a state does not know, however short the cool-down."""

_STILL_UNCLEAR = "An earlier write to it is still unclear, so it waits."


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one planned change.

    Attributes:
        result: "already": the CRM said so before we wrote. "conflict": it moved since the plan was made. "parked": it
            was tried too often, a person must look. The others as in `Outcome`.
    """

    change: AnyChange
    result: Ending
    message: str = ""


@dataclass(slots=True)
class Applier:
    """Sends plans to one CRM.

    Attributes:
        stop: Asked between two batches; True ends the work cleanly there.
        budget: How many calls it may take; no limit when left out.
        limits: The guard's: how much is written first and read back, and how much may fail. No guard when left out.
        card: With the playbooks, by which tasks are known again that a lost or older state does not know. When left
            out, only keys tell.
    """

    crm: Crm
    store: Store
    ledger: Ledger
    clock: Clock
    stop: Callable[[], bool] = field(default=lambda: False, kw_only=True)
    budget: Budget | None = field(default=None, kw_only=True)
    limits: Limits | None = field(default=None, kw_only=True)
    card: AnyCards | None = field(default=None, kw_only=True)

    def apply(self, plan: Plan, run_id: int) -> Iterator[Applied]:
        """Write the plan and yield what became of each change, a batch at a time.

        A plan that was not noted in the ledger for this run is noted first. Tasks whose key is taken are passed over.

        Raises:
            QuotaError: Between two batches, when the calls for writing are used up.
            CanaryError: When what was written went wrong; nothing more is sent.
            LedgerError: When the guard holds the plan.
        """
        if not self.ledger.noted(run_id):
            self.ledger.note_plan(run_id, plan, self.clock.now())
        if "held" in self.ledger.counts(run_id):
            raise LedgerError(self.store.file, "The guard holds this plan.", "Approve it first: `holdfast approve`.")
        yield from _Walk(self, plan, run_id).all()

    def recover(self) -> Counter[str]:
        """Settle what an earlier run left unclear, by asking the CRM: see `Recovery.run`."""
        return Recovery(self.crm, self.store, self.ledger, self.clock, stop=self.stop).run()


class _Walk:
    """One plan on its way."""

    def __init__(self, applier: Applier, plan: Plan, run_id: int) -> None:
        self.crm = applier.crm
        self.ledger = applier.ledger
        self.clock = applier.clock
        self.applier = applier
        self.plan = plan
        self.run_id = run_id
        self.canary = Canary(applier.limits, plan)
        self.due = self.ledger.due(run_id)

    def all(self) -> Iterator[Applied]:
        """New tasks first, then records, then tasks to remove.

        A band that stands in the CRM says by this that its task was made. Were the state lost in between, a band
        without its task would be taken for known, and nobody would ever be asked to do anything about it.
        """
        tasks = [(task, task.as_change()) for task in self.plan.tasks]
        yield from self._early([item for item in tasks if item[1].key in self.due])
        yield from self._batched([item for item in tasks if self._ready(item[1])], self._create)
        for obj in ("account", "contact"):
            records = [record for record in self.plan.records if record.object == obj]
            items = [(record, record.as_change(self.plan.environment)) for record in records]
            yield from self._early(items)
            yield from self._records(obj, [item for item in items if self._ready(item[1])])
        removals = [(removal, removal.as_change()) for removal in self.plan.removals]
        yield from self._batched([item for item in removals if self._ready(item[1])], self._remove)

    def _ready(self, change: Change) -> bool:
        waits = self.due.get(change.key)
        return change.key in self.due and (waits is None or waits <= self.clock.now())

    def _early(self, items: Sequence[Item[RecordChange]] | Sequence[Item[TaskChange]]) -> Iterator[Applied]:
        """What must not be sent yet."""
        for item, change in items:
            waits = self.due.get(change.key)
            if change.key not in self.due:
                yield Applied(item, "in_doubt", _STILL_UNCLEAR)
            elif waits is not None and waits > self.clock.now():
                yield Applied(item, "retry", f"It is not sent again before {waits:%Y-%m-%d %H:%M} UTC.")

    def _ended(self) -> bool:
        if self.applier.budget is not None:
            self.applier.budget.check()
        return self.applier.stop()

    def _batched(
        self, items: Sequence[Item[T]], send: Callable[[Sequence[Item[T]]], Iterator[Applied]]
    ) -> Iterator[Applied]:
        size = self.crm.write.create_batch
        for start in range(0, len(items), size):
            if self._ended():
                return
            yield from self._judged(send(items[start : start + size]))

    def _judged(self, applied: Iterator[Applied]) -> Iterator[Applied]:
        done = []
        for item in applied:
            done.append(item)
            yield item
        self.canary.judge([item.result for item in done])

    # -- updates ------------------------------------------------------------------------------------------------

    def _records(self, obj: ObjectName, items: Sequence[Item[RecordChange]]) -> Iterator[Applied]:
        first = self.canary.size(len(items))
        back: list[RecordChange] = []
        for batch in self._in_batches(items, first):
            if self._ended():
                return
            written = []
            for applied in self._judged(self._update(batch, obj, back)):
                if first and applied.result == "confirmed" and isinstance(applied.change, RecordChange):
                    written.append(applied.change)
                yield applied
            back, first = written, 0

    def _in_batches(self, items: Sequence[Item[RecordChange]], first: int) -> Iterator[Sequence[Item[RecordChange]]]:
        """What is written first, then the rest; its first batch leaves room in the read for what is read back."""
        if first:
            yield items[:first]
        spec = self.crm.write
        bulk = self.applier.budget is not None and self.applier.budget.bulk
        start, room = first, spec.read_batch - first
        while start < len(items):
            size = next(sizes(len(items) - start, spec, bulk=bulk))
            if 0 < room < size <= spec.update_batch:
                size = room
            yield items[start : start + size]
            start, room = start + size, 0

    def _update(
        self, batch: Sequence[Item[RecordChange]], obj: ObjectName, back: Sequence[RecordChange]
    ) -> Iterator[Applied]:
        fields = sorted({change.field for record, _ in batch for change in record.fields})
        if back:
            fields = sorted({*fields, *(change.field for record in back for change in record.fields)})
        ids = [record.record_id for record in [*back, *(record for record, _ in batch)]]
        now_in_crm = self.crm.read(obj, ids, fields)
        self.canary.compare(back, now_in_crm)
        settled, send = [], []
        for item in batch:
            verdict = _compare(item, now_in_crm.get(item[0].record_id))
            if verdict is None:
                send.append(item)
            else:
                settled.append((item[0], verdict))
        yield from self._write(send, settled)

    # -- tasks --------------------------------------------------------------------------------------------------

    def _create(self, batch: Sequence[Item[TaskChange]]) -> Iterator[Applied]:
        # Adopt before create: a task that a lost state file no longer knows of is still in the CRM.
        there = self.crm.find_tasks(sorted({task.account_id for task, _ in batch}))
        there = {**self._same_episode(batch, there), **there}
        found = [
            (task, Settled(task.key, "confirmed", remote_id=there[task.key])) for task, _ in batch if task.key in there
        ]
        yield from self._write([item for item in batch if item[1].key not in there], found)

    def _same_episode(self, batch: Sequence[Item[TaskChange]], there: Mapping[str, str]) -> dict[str, str]:
        """Planned keys -> tasks that were made for the same episode, by a state that was lost or is older now.

        Such a task has a key that this state does not know. Within the cool-down its episode goes on, so that there is
        nothing new to be done.
        """
        card, made_at = self.applier.card, self.plan.made_at
        if card is None or not (unknown := there.keys() - {task.key for task, _ in batch} - self.ledger.known_tasks()):
            return {}
        begun: dict[tuple[str | None, str], str] = {}
        for task in read_all(self.crm, (there[key] for key in unknown)):
            name, start = episode_of(task, card, self.plan.environment) or ("", made_at)
            playbook = card.actions.get(base_name(name))
            if playbook is not None and made_at - start < max(DAY, timedelta(days=playbook.cooldown_days)):
                begun[task.account_id, name] = task.task_id
        return {
            task.key: begun[task.account_id, task.playbook]
            for task, _ in batch
            if (task.account_id, task.playbook) in begun
        }

    def _remove(self, batch: Sequence[Item[TaskRemoval]]) -> Iterator[Applied]:
        # A person may have taken the task up since the plan was made.
        there = self.crm.read_tasks([removal.task_id for removal, _ in batch])
        settled, send = [], []
        for item in batch:
            verdict = _untouched(item, there.get(item[0].task_id))
            if verdict is None:
                send.append(item)
            else:
                settled.append((item[0], verdict))
        yield from self._write(send, settled)

    # -- the two commits ----------------------------------------------------------------------------------------

    def _write(self, send: Sequence[Item[T]], settled: Sequence[tuple[T, Settled]]) -> Iterator[Applied]:
        """Commit what is settled and what leaves, send it, commit what became of it."""
        changes = [change for _, change in send]
        batch_id = self.ledger.send_batch(self.run_id, changes, [verdict for _, verdict in settled], self.clock.now())
        # Only now: whoever listens must not come between the commit and the request.
        done = [Applied(item, _ENDINGS[verdict.state], verdict.message) for item, verdict in settled]
        try:
            done += self._send(batch_id, send) if send else ()
        finally:
            yield from done

    def _send(self, batch_id: int, send: Sequence[Item[T]]) -> list[Applied]:
        changes = [change for _, change in send]
        try:
            outcomes = self.crm.send(changes)
        except ConnectorError as error:
            self._unsent(batch_id, changes, error)
            raise
        states = self.ledger.settle_batch(batch_id, changes, outcomes, self.clock.now())
        return [
            Applied(item, "parked" if state == "parked" else outcome.result, outcome.message)
            for (item, _), outcome, state in zip(send, outcomes, states, strict=True)
        ]

    def _unsent(self, batch_id: int, changes: Sequence[Change], error: ConnectorError) -> None:
        """The connector raises only when nothing at all was sent, unless it says itself that it does not know."""
        unclear = isinstance(error, UnclearError | ShapeError)
        outcomes = [
            Outcome(change.key, "in_doubt" if unclear else "retry", message=error.message) for change in changes
        ]
        self.ledger.settle_batch(batch_id, changes, outcomes, self.clock.now(), tried=unclear)


def _compare(item: Item[RecordChange], now_in_crm: Mapping[str, Value] | None) -> Settled | None:
    """A verdict when the record must not be written, None when it may."""
    record, change = item
    if now_in_crm is None:
        return Settled(change.key, "gone", "The record was deleted or merged since the plan was made.")
    said = {field.field: now_in_crm.get(field.field) for field in record.fields}
    if all(same(said[field.field], field.after) for field in record.fields):
        return Settled(change.key, "confirmed", said=said)
    moved = [
        field.field
        for field in record.fields
        if not same(said[field.field], field.before) and not same(said[field.field], field.after)
    ]
    if moved:
        names = ", ".join(moved)
        return Settled(change.key, "conflict", f"{names} changed in the CRM since the plan was made.", said=said)
    return None


def _untouched(item: Item[TaskRemoval], now_in_crm: TaskState | None) -> Settled | None:
    """A verdict when a task must not be removed, None when it may."""
    removal, change = item
    if now_in_crm is None:
        return Settled(change.key, "confirmed", "It is not there any more.", removal.task_id)
    if now_in_crm.touched or now_in_crm.closed:
        what = "closed" if now_in_crm.closed else "changed, or something hangs on it"
        return Settled(change.key, "conflict", f"The task was {what}.", removal.task_id)
    return None
