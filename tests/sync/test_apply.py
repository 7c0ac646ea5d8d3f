"""Applying: exactly the plan, once, whatever happens in between."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import Outcome, Value, WriteSpec
from connectors.errors import QuotaError
from sync.apply import Applied, Applier
from sync.budget import Budget
from sync.ledger import HOLD_OFF, Ledger
from sync.plan import FieldChange, Plan, RecordChange, TaskChange
from sync.store import Store
from tests.sync.memory_crm import MemoryCrm, Trouble

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
ENV = "hubspot:STANDARD:1"


class StillClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Desk:
    """A CRM with three accounts, an empty state file, and the applier between them."""

    def __init__(self, store: Store) -> None:
        self.crm = MemoryCrm(records={("account", str(n)): {"score": 10} for n in range(1, 4)})
        self.store = store
        self.ledger = Ledger(store)
        self.clock = StillClock()

    def applier(self) -> Applier:
        return Applier(self.crm, self.store, self.ledger, self.clock)

    def apply(self, plan: Plan) -> list[Applied]:
        run_id = self.ledger.start_run("apply", self.clock.now())
        return list(self.applier().apply(plan, run_id))

    def scores(self) -> dict[str, Value]:
        return {record_id: values["score"] for (_, record_id), values in self.crm.records.items()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = Store.open(tmp_path / "state")
    yield Desk(store)
    store.close()


def update(record_id: str, before: Value = 10, after: Value = 50) -> RecordChange:
    return RecordChange("account", record_id, f"Customer {record_id}", (FieldChange("score", before, after),), "why")


def task(key: str = "t1", account: str = "1") -> TaskChange:
    return TaskChange(key, account, "Customer", "rescue", "Call", "Body", NOW, "high", "7", "Dana", "why")


def plan(*records: RecordChange, tasks: tuple[TaskChange, ...] = ()) -> Plan:
    return Plan(NOW, ENV, "hash", records, tasks)


def test_every_record_ends_with_its_own_outcome(desk: Desk) -> None:
    desk.crm.refuse = {"2"}
    done = desk.apply(plan(update("1"), update("2"), update("3"), update("404")))
    results = {item.change.record_id: item.result for item in done if isinstance(item.change, RecordChange)}
    assert results == {"1": "confirmed", "2": "rejected", "3": "confirmed", "404": "gone"}
    assert desk.scores() == {"1": 50, "2": 10, "3": 50}
    assert desk.ledger.counts() == {"confirmed": 2, "rejected": 1, "gone": 1}


def test_what_moved_since_the_plan_is_left_alone(desk: Desk) -> None:
    desk.crm.records["account", "1"]["score"] = 99
    (item,) = desk.apply(plan(update("1")))
    assert item.result == "conflict"
    assert "score" in item.message
    assert desk.scores()["1"] == 99


def test_what_the_crm_says_already_is_not_written(desk: Desk) -> None:
    desk.crm.records["account", "1"]["score"] = 50
    assert [item.result for item in desk.apply(plan(update("1")))] == ["already"]
    assert desk.crm.calls["write"] == 0


def test_the_calls_are_those_the_batches_need(desk: Desk) -> None:
    desk.apply(plan(update("1"), update("2"), update("3")))
    assert desk.crm.calls == {"read": 2, "write": 2}


def test_a_confirmed_write_is_remembered(desk: Desk) -> None:
    desk.apply(plan(update("1")))
    assert desk.ledger.written() == {("account", "1"): {"score": 50}}


def test_the_same_value_can_be_written_again_later(desk: Desk) -> None:
    desk.apply(plan(update("1")))
    desk.crm.records["account", "1"]["score"] = 10
    assert [item.result for item in desk.apply(plan(update("1")))] == ["confirmed"]


@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_answer_is_settled_by_asking(desk: Desk, *, applied: bool) -> None:
    desk.crm.trouble = [Trouble(lost=True, applied=applied)]
    assert [item.result for item in desk.apply(plan(update("1")))] == ["in_doubt"]
    assert desk.applier().recover() == ({"confirmed": 1} if applied else {"in_doubt": 1})
    desk.clock.at += HOLD_OFF
    assert desk.applier().recover() == ({} if applied else {"retry": 1})
    assert not desk.ledger.open_ops()
    assert [item.result for item in desk.apply(plan(update("1")))] == (["already"] if applied else ["confirmed"])
    assert desk.scores()["1"] == 50


@pytest.mark.parametrize("applied", [True, False])
def test_death_while_sending_is_settled_at_the_next_start(desk: Desk, *, applied: bool) -> None:
    desk.crm.trouble = [Trouble(error=KeyboardInterrupt(), applied=applied)]
    with pytest.raises(KeyboardInterrupt):
        desk.apply(plan(update("1"), tasks=(task(),)))
    assert [op.state for op in desk.ledger.open_ops()] == ["sending"]
    desk.clock.at += HOLD_OFF
    desk.applier().recover()
    desk.apply(plan(update("1"), tasks=(task(),)))
    assert desk.scores()["1"] == 50
    assert desk.crm.created == {"t1": 1}


def test_a_task_is_created_once_however_often_it_is_planned(desk: Desk) -> None:
    for _ in range(3):
        desk.apply(plan(tasks=(task(),)))
    assert desk.crm.created == {"t1": 1}


def test_a_task_that_a_lost_state_file_forgot_is_adopted(desk: Desk, tmp_path: Path) -> None:
    desk.apply(plan(tasks=(task(),)))
    other = Store.open(tmp_path / "new")
    try:
        fresh = Desk(other)
        fresh.crm = desk.crm
        assert [item.result for item in fresh.apply(plan(tasks=(task(),)))] == ["already"]
        assert fresh.ledger.known_tasks() == {"t1"}
    finally:
        other.close()
    assert desk.crm.created == {"t1": 1}


def test_an_unclear_task_waits_out_the_hold_off(desk: Desk) -> None:
    desk.crm.trouble = [Trouble(lost=True)]
    desk.apply(plan(tasks=(task(),)))
    assert desk.applier().recover() == {"in_doubt": 1}
    assert desk.apply(plan(tasks=(task(),))) == []
    desk.clock.at += HOLD_OFF
    assert desk.applier().recover() == {"retry": 1}
    assert [item.result for item in desk.apply(plan(tasks=(task(),)))] == ["confirmed"]
    assert desk.crm.created == {"t1": 1}


def test_a_task_that_arrived_late_is_found(desk: Desk) -> None:
    desk.crm.trouble = [Trouble(lost=True)]
    desk.apply(plan(tasks=(task(),)))
    desk.crm.tasks["t1"] = task().as_change().values
    assert desk.applier().recover() == {"confirmed": 1}
    assert desk.apply(plan(tasks=(task(),))) == []


def test_an_empty_quota_ends_the_work_with_nothing_in_doubt(desk: Desk) -> None:
    desk.crm.trouble = [Trouble(), Trouble(error=QuotaError("no calls left", vendor="hubspot"))]
    with pytest.raises(QuotaError):
        desk.apply(plan(update("1"), update("2"), update("3")))
    assert desk.ledger.counts() == {"confirmed": 2, "retry": 1}
    desk.applier().recover()
    assert [item.result for item in desk.apply(plan(update("3")))] == ["confirmed"]


def test_a_stop_ends_between_two_batches(desk: Desk) -> None:
    applier = Applier(desk.crm, desk.store, desk.ledger, desk.clock, stop=lambda: desk.crm.calls["write"] >= 1)
    run_id = desk.ledger.start_run("apply", NOW)
    done = list(applier.apply(plan(update("1"), update("2"), update("3"), tasks=(task(),)), run_id))
    assert [type(item.change) for item in done] == [TaskChange], "tasks are made first"
    assert not desk.ledger.open_ops()


def test_runs_and_problems_are_remembered(desk: Desk) -> None:
    desk.crm.refuse = {"1"}
    desk.apply(plan(update("1")))
    desk.ledger.end_run(1, "partial", {"planned_fields": 1}, NOW + timedelta(minutes=1))
    (run,) = desk.ledger.runs()
    assert (run.mode, run.status, run.counts) == ("apply", "partial", {"planned_fields": 1})
    assert desk.ledger.problems() == [("account", "1", "rejected", "not a valid value")]


def test_a_problem_is_told_once_and_only_until_it_is_solved(desk: Desk) -> None:
    desk.crm.refuse = {"1"}
    desk.apply(plan(update("1")))
    desk.apply(plan(update("1")))
    assert len(desk.ledger.problems()) == 1
    desk.crm.refuse = set()
    desk.apply(plan(update("1")))
    assert desk.ledger.counts() == {"rejected": 2, "confirmed": 1}
    assert desk.ledger.problems() == []
    run_id, lost = desk.ledger.start_run("apply", NOW), task("t1").as_change()
    desk.ledger.note_plan(run_id, plan(tasks=(task("t1"),)), NOW)
    batch = desk.ledger.send_batch(run_id, [lost], [], NOW)
    desk.ledger.settle_batch(batch, [lost], [Outcome("t1", "gone", message="entity is deleted")], NOW)
    assert desk.ledger.problems() == [("task", task("t1").subject, "gone", "entity is deleted")]


def test_contacts_follow_accounts(desk: Desk) -> None:
    desk.crm.records["contact", "9"] = {"score": 10}
    results = desk.apply(plan(replace(update("9"), object="contact"), update("1")))
    assert [item.change.object for item in results if isinstance(item.change, RecordChange)] == ["account", "contact"]


@pytest.mark.parametrize(("limit", "sends"), [(600, 10), (50, 1)])
def test_a_plan_that_costs_too_much_goes_by_bulk_in_one_send(desk: Desk, limit: int, sends: int) -> None:
    desk.crm.write = WriteSpec(update_batch=1, create_batch=1, read_batch=10, bulk_batch=10)
    desk.crm.limit = limit
    desk.crm.records = {("account", str(n)): {"score": 10} for n in range(10)}
    whole = plan(*(update(str(n)) for n in range(10)))
    budget = Budget(desk.crm, 0.10)
    budget.open(whole)
    run_id = desk.ledger.start_run("apply", desk.clock.now())
    applier = Applier(desk.crm, desk.store, desk.ledger, desk.clock, budget=budget)
    assert [item.result for item in applier.apply(whole, run_id)] == ["confirmed"] * 10
    assert desk.crm.calls["write"] == sends


def test_a_spent_budget_leaves_the_rest_for_the_next_run(desk: Desk) -> None:
    desk.crm.write = WriteSpec(update_batch=1, create_batch=1, read_batch=1)
    budget = Budget(desk.crm, 0.04)
    whole = plan(update("1"), update("2"), update("3"), tasks=(task(),))
    budget.open(whole)
    run_id = desk.ledger.start_run("apply", desk.clock.now())
    applier = Applier(desk.crm, desk.store, desk.ledger, desk.clock, budget=budget)
    done: list[Applied] = []
    with pytest.raises(QuotaError):
        done.extend(applier.apply(whole, run_id))
    assert [(type(item.change), item.result) for item in done] == [
        (TaskChange, "confirmed"),
        (RecordChange, "confirmed"),
    ]
    assert desk.ledger.open_ops() == []
    assert [record["score"] for record in desk.crm.records.values()].count(10) == 2
