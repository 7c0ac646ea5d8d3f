"""Settles what an earlier run left unclear, by asking the CRM; nothing is sent here.

An effect that the CRM shows is confirmed at once. Its absence proves something only after the hold-off: until then the
CRM may still be working on the request. What the CRM cannot be asked about for a day, and a task that stands there
twice, is left to a person.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal

from connectors.base import Clock, Crm, Outcome, Value
from connectors.errors import ConnectorError
from sync.budget import batches
from sync.ledger import HOLD_OFF, PATIENCE, Ledger, Op
from sync.store import Store
from sync.values import same


@dataclass(frozen=True, slots=True)
class Found:
    """What the CRM shows of one operation.

    Attributes:
        says: "done": its effect. "nothing": no trace of it. "gone": not even the record. "twice": two or more tasks.
        remote_id: Of the task found.
        values: What the record says now; None for tasks.
        why: For a person, when it is left to one.
    """

    says: Literal["done", "nothing", "gone", "twice"]
    remote_id: str | None = None
    values: Mapping[str, Value] | None = None
    why: str = ""


class Recovery:
    """Asks the CRM about every operation whose outcome is unknown.

    Args:
        stop: True when the program is to end: a question that was broken off then says nothing about the CRM.
    """

    def __init__(
        self, crm: Crm, store: Store, ledger: Ledger, clock: Clock, *, stop: Callable[[], bool] = lambda: False
    ) -> None:
        self.crm = crm
        self.store = store
        self.ledger = ledger
        self.clock = clock
        self.stop = stop
        self._unanswered: ConnectorError | None = None

    def run(self) -> Counter[str]:
        """Settle what can be settled.

        Returns:
            How many operations ended in each state; "in_doubt" counts those still within the hold-off.

        Raises:
            ConnectorError: When the CRM did not answer for some of them; what it did answer for is settled.
        """
        self._unanswered = None
        ops = self.ledger.open_ops()
        if sending := [op for op in ops if op.state == "sending"]:
            self.ledger.doubt(sending, self.clock.now())
        counts: Counter[str] = Counter()
        kinds = sorted(ops, key=lambda op: (op.object, op.kind))
        for _, group in groupby(kinds, key=lambda op: (op.object, op.kind)):
            for batch in batches(list(group), self.crm.write.read_batch):
                counts.update(self._batch(batch))
        if self._unanswered is not None:
            raise self._unanswered
        return counts

    def _batch(self, ops: Sequence[Op]) -> Counter[str]:
        try:
            found = self._ask(ops)
        except ConnectorError as error:
            if self.stop():
                raise
            return self._vain(ops, error)
        return self._settle(ops, found)

    def _settle(self, ops: Sequence[Op], found: Mapping[int, Found]) -> Counter[str]:
        now = self.clock.now()
        counts: Counter[str] = Counter()
        settled: list[tuple[Op, Outcome]] = []
        twice = [op for op in ops if found[op.op_id].says == "twice"]
        for op in ops:
            shows = found[op.op_id]
            if shows.says == "done":
                settled.append((op, Outcome(op.key, "confirmed", shows.remote_id)))
            elif shows.says == "gone":
                settled.append((op, Outcome(op.key, "gone", message="The record is there no more.")))
            elif shows.says == "nothing" and _waited(op, now):
                settled.append((op, Outcome(op.key, "retry", message="The CRM shows no trace of it.")))
            elif shows.says == "nothing":
                counts["in_doubt"] += 1
        with self.store.transaction():
            states = self.ledger.resolve([op for op, _ in settled], [outcome for _, outcome in settled], now)
            for op in twice:
                self.ledger.park([op], found[op.op_id].why, now)
            for op in ops:
                if (values := found[op.op_id].values) is not None and op.record_id is not None:
                    self.store.set_crm_values(op.object, op.record_id, values, now)
                    # What says our value is ours, whoever may have put another field back since.
                    if found[op.op_id].says == "nothing" and _waited(op, now) and (ours := _ours(op, values)):
                        self.ledger.adopt_values(op.object, {op.record_id: ours}, now)
        counts.update([*states, *("parked" for _ in twice)])
        return counts

    def _vain(self, ops: Sequence[Op], error: ConnectorError) -> Counter[str]:
        """The CRM did not answer. After a day of that each operation is asked about alone, then left to a person."""
        now = self.clock.now()
        since = self.ledger.asked_since(ops)
        old = [op for op in ops if op.op_id in since and now - since[op.op_id] >= PATIENCE]
        young = [op for op in ops if op not in old]
        counts = Counter({"in_doubt": len(young)}) if young else Counter[str]()
        if young:
            self.ledger.asked(young, error.message, now)
            self._unanswered = error
        for op in old:
            try:
                counts.update(self._settle([op], self._ask([op])) if len(ops) > 1 else self._give_up(op, error))
            except ConnectorError as again:
                if self.stop():
                    raise
                counts.update(self._give_up(op, again))
        return counts

    def _give_up(self, op: Op, error: ConnectorError) -> Counter[str]:
        hours = int(PATIENCE.total_seconds() // 3600)
        self.ledger.park(
            [op], f"for {hours} hours the CRM did not say what became of it: {error.message}", self.clock.now()
        )
        return Counter({"parked": 1})

    # -- asking -------------------------------------------------------------------------------------------------

    def _ask(self, ops: Sequence[Op]) -> dict[int, Found]:
        """What the CRM shows of operations of one kind."""
        ask = {"field": self._updates, "task_create": self._tasks, "task_remove": self._removals}[ops[0].kind]
        return dict(ask(ops))

    def _updates(self, ops: Sequence[Op]) -> Iterator[tuple[int, Found]]:
        fields = sorted({name for op in ops for name in op.values})
        there = self.crm.read(ops[0].object, sorted({op.record_id or "" for op in ops}), fields)
        for op in ops:
            values = there.get(op.record_id or "")
            if values is None:
                yield op.op_id, Found("gone")
                continue
            yield op.op_id, Found("done" if _arrived(op, values) else "nothing", op.record_id, values)

    def _tasks(self, ops: Sequence[Op]) -> Iterator[tuple[int, Found]]:
        accounts = sorted({str(op.values["account_id"]) for op in ops})
        there = self.crm.find_tasks(accounts)
        twice = self.crm.duplicate_tasks(accounts)
        for op in ops:
            if len(ids := twice.get(op.key, ())) > 1:
                yield op.op_id, Found("twice", why=f"it stands there {len(ids)} times: tasks {', '.join(ids)}")
            elif op.key in there:
                yield op.op_id, Found("done", there[op.key])
            else:
                yield op.op_id, Found("nothing")

    def _removals(self, ops: Sequence[Op]) -> Iterator[tuple[int, Found]]:
        there = self.crm.read_tasks(sorted({op.record_id or "" for op in ops}))
        for op in ops:
            yield op.op_id, Found("nothing" if op.record_id in there else "done", op.record_id)


def _ours(op: Op, values: Mapping[str, Value]) -> dict[str, Value]:
    """Fields that say what the operation was to write, and said something else before."""
    return {
        name: value
        for name, value in op.values.items()
        if same(values.get(name), value) and not same(op.before.get(name), value)
    }


def _arrived(op: Op, values: Mapping[str, Value]) -> bool:
    """Whether a record shows that it was written: all of it at once, though a person may have edited some of it since.

    A field that says what it said before proves that nothing arrived, or that somebody put it back: unclear which.
    """
    others = [name for name, value in op.values.items() if not same(values.get(name), value)]
    if not others:
        return True
    edited = all(name in op.before and not same(values.get(name), op.before[name]) for name in others)
    return edited and bool(_ours(op, values))


def _waited(op: Op, now: datetime) -> bool:
    return op.sent_at is None or now - op.sent_at >= HOLD_OFF
