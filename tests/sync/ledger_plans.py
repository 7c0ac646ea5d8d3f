"""Plans for tests of the ledger, and noting and sending them."""

from datetime import UTC, datetime, timedelta

from connectors.base import Outcome, Result, Value
from sync.ledger import Ledger
from sync.plan import FieldChange, Plan, RecordChange, TaskChange, TaskRemoval

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENV = "hubspot:STANDARD:1"


def update(record_id: str = "1", before: Value = 10, after: Value = 50, undoes: int | None = None) -> RecordChange:
    fields = (FieldChange("score", before, after),)
    return RecordChange("account", record_id, f"Customer {record_id}", fields, "why", undoes=undoes)


def task(key: str = "t1", account: str = "1") -> TaskChange:
    return TaskChange(key, account, "Customer", "rescue", "Call", "Body", NOW, "high", "7", "Dana", "why")


def removal(task_id: str = "task-t1", undoes: int | None = None) -> TaskRemoval:
    return TaskRemoval(f"remove-{task_id}", task_id, "1", "Customer", "Call", "why", undoes)


def plan(*records: RecordChange, tasks: tuple[TaskChange, ...] = (), removals: tuple[TaskRemoval, ...] = ()) -> Plan:
    return Plan(NOW, ENV, "settings", records, tasks, removals=removals)


def noted(ledger: Ledger, whole: Plan, *, held: bool = False, now: datetime = NOW) -> int:
    run_id = ledger.start_run("apply", now)
    ledger.note_plan(run_id, whole, now, held=held)
    return run_id


def sent(ledger: Ledger, whole: Plan, result: Result = "confirmed", now: datetime = NOW, message: str = "") -> int:
    """A whole run: noted, sent, and everything ended alike."""
    run_id = noted(ledger, whole, now=now)
    for changes in (
        [record.as_change(ENV) for record in whole.records],
        [one.as_change() for one in whole.tasks],
        [one.as_change() for one in whole.removals],
    ):
        if changes:
            batch = ledger.send_batch(run_id, changes, [], now)
            outcomes = [Outcome(c.key, result, f"id-{c.key[:4]}", message=message) for c in changes]
            ledger.settle_batch(batch, changes, outcomes, now)
    return run_id


def states(ledger: Ledger, run_id: int) -> list[str]:
    return [op.state for op in ledger.ops(run_id)]
