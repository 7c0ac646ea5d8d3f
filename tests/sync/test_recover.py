"""Whatever a run left unclear is settled by asking, never by sending; what cannot be settled is left to a person."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.base import Change, Outcome, Value
from connectors.errors import ShapeError, TransientError, UnclearError
from sync.apply import Applied, Applier
from sync.canary import CanaryError
from sync.guard import Limits
from sync.ledger import HOLD_OFF, PATIENCE, LedgerError
from sync.plan import FieldChange, Plan, RecordChange
from sync.recover import Recovery
from sync.store import Store, StoreError
from tests.sync.ledger_plans import ENV, NOW, plan, removal, task, update
from tests.sync.memory_crm import Trouble
from tests.sync.test_apply import Desk

DOWN = TransientError("the service does not answer", vendor="hubspot")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = Store.open(tmp_path / "state")
    yield Desk(store)
    store.close()


def in_doubt(desk: Desk, whole: Plan, *, effect: bool = False) -> None:
    """A run whose every answer is lost."""
    desk.crm.trouble = [Trouble(lost=True, applied=effect) for _ in range(5)]
    desk.apply(whole)
    desk.crm.trouble = []


def state(desk: Desk) -> list[str]:
    return [row[0] for row in desk.store.rows("SELECT state FROM op ORDER BY op_id")]


# -- every finding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waited", [True, False])
@pytest.mark.parametrize("effect", [True, False])
def test_absence_proves_nothing_before_the_hold_off(desk: Desk, *, effect: bool, waited: bool) -> None:
    desk.apply(plan(tasks=(task("t0"),)))
    whole = Plan(NOW, ENV, "h", (update("1"),), (task("t1"),), removals=(removal("task-t0"),))
    in_doubt(desk, whole, effect=effect)
    desk.clock.at += HOLD_OFF if waited else HOLD_OFF - timedelta(seconds=1)
    expected = "confirmed" if effect else "retry" if waited else "in_doubt"
    writes = desk.crm.calls["write"]
    assert desk.applier().recover() == {expected: 3}
    assert state(desk)[1:] == [expected] * 3
    assert desk.crm.calls["write"] == writes
    assert not desk.ledger.verify()


def test_a_record_with_an_unclear_write_is_left_alone_until_it_is_settled(desk: Desk) -> None:
    in_doubt(desk, plan(update("1")))
    desk.applier().recover()
    results = {item.change: item.result for item in desk.apply(plan(update("1", after=60), update("2")))}
    assert results == {update("1", after=60): "in_doubt", update("2"): "confirmed"}
    desk.clock.at += HOLD_OFF
    desk.applier().recover()
    assert [item.result for item in desk.apply(plan(update("1", after=60)))] == ["confirmed"]


def test_a_record_that_is_gone_ends_its_operation(desk: Desk) -> None:
    in_doubt(desk, plan(update("1")))
    del desk.crm.records["account", "1"]
    assert desk.applier().recover() == {"gone": 1}


def test_somebody_elses_value_is_no_proof_that_ours_arrived(desk: Desk) -> None:
    in_doubt(desk, plan(update("1")))
    desk.crm.records["account", "1"]["score"] = 99
    desk.clock.at += HOLD_OFF
    assert desk.applier().recover() == {"retry": 1}
    assert not desk.ledger.written()
    assert desk.store.rows('SELECT "values" FROM crm_value') == [('{"score":99}',)]


@pytest.mark.parametrize(
    ("score", "band", "settled", "owned"),
    [
        (99, "red", "confirmed", {"score": 50, "band": "red"}),  # written, then one of the two was edited
        (10, "red", "retry", {"band": "red"}),  # somebody put one back, or typed the other: what is ours is ours
        (10, "green", "retry", {}),
        (99, "blue", "retry", {}),
        (50, "red", "confirmed", {"score": 50, "band": "red"}),
    ],
)
def test_a_person_who_was_quicker_than_the_question_does_not_hide_that_we_wrote(
    desk: Desk, score: int, band: str, settled: str, owned: dict[str, Value]
) -> None:
    fields = (FieldChange("score", 10, 50), FieldChange("band", "green", "red"))
    desk.crm.records["account", "1"] = {"score": 10, "band": "green"}
    in_doubt(desk, plan(RecordChange("account", "1", "Customer", fields, "why")))
    desk.crm.records["account", "1"] = {"score": score, "band": band}
    desk.clock.at += HOLD_OFF
    assert desk.applier().recover() == {settled: 1}
    assert desk.ledger.written().get(("account", "1"), {}) == owned
    assert json.loads(desk.store.rows('SELECT "values" FROM crm_value')[0][0]) == {"score": score, "band": band}


def test_a_task_that_stands_there_twice_is_left_to_a_person(desk: Desk) -> None:
    in_doubt(desk, plan(tasks=(task(),)), effect=True)
    desk.crm.twins = {"t1"}
    assert desk.applier().recover() == {"parked": 1}
    assert desk.ledger.problems() == [("task", "Call", "parked", "it stands there 2 times: tasks task-t1, twin-t1")]
    assert desk.apply(plan(tasks=(task(),))) == []


def test_sending_found_at_the_start_is_unclear(desk: Desk) -> None:
    desk.crm.trouble = [Trouble(error=KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        desk.apply(plan(update("1")))
    assert state(desk) == ["sending"]
    assert desk.applier().recover() == {"in_doubt": 1}
    assert state(desk) == ["in_doubt"]


def test_nothing_unclear_asks_nothing(desk: Desk) -> None:
    desk.apply(plan(update("1")))
    calls = Counter(desk.crm.calls)
    assert desk.applier().recover() == {}
    assert desk.crm.calls == calls


# -- a CRM that does not answer -------------------------------------------------------------------------------------


def test_what_the_crm_cannot_be_asked_about_for_a_day_is_left_to_a_person(desk: Desk) -> None:
    in_doubt(desk, plan(update("1"), update("2"), tasks=(task(),)))
    desk.clock.at += 3 * PATIENCE  # a machine that slept has not asked in vain
    desk.crm.unasked = DOWN
    for _ in range(24):
        with pytest.raises(TransientError):
            desk.applier().recover()
        assert state(desk) == ["in_doubt"] * 3
        desk.clock.at += timedelta(hours=1)
    assert desk.applier().recover() == {"parked": 3}
    assert {row[:3] for row in desk.store.rows("SELECT object, record_id, field FROM parked")} == {
        ("account", "1", "score"),
        ("account", "2", "score"),
    }
    assert "for 24 hours the CRM did not say" in desk.ledger.problems()[0][3]
    assert not desk.ledger.verify()


def test_one_that_cannot_be_asked_about_takes_no_other_along(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    in_doubt(desk, plan(update("1"), update("2")))
    read = desk.crm.read

    def picky(obj: object, ids: object, fields: object) -> object:
        if "1" in ids:  # type: ignore[operator]
            raise DOWN
        return read(obj, ids, fields)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.crm, "read", picky)
    with pytest.raises(TransientError):
        desk.applier().recover()
    desk.clock.at += PATIENCE
    assert desk.applier().recover() == {"parked": 1, "retry": 1}
    assert state(desk) == ["parked", "retry"]


@pytest.mark.parametrize("old", [True, False])
def test_a_question_that_we_broke_off_ourselves_parks_nothing(desk: Desk, *, old: bool) -> None:
    in_doubt(desk, plan(update("1"), update("2")))
    desk.crm.unasked = DOWN
    if old:
        with pytest.raises(TransientError):
            desk.applier().recover()
        desk.clock.at += PATIENCE
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return not old or len(asked) > 1

    with pytest.raises(TransientError):
        Recovery(desk.crm, desk.store, desk.ledger, desk.clock, stop=stop).run()
    assert state(desk) == ["in_doubt"] * 2


# -- the two commits ------------------------------------------------------------------------------------------------


def commits(desk: Desk, whole: Plan) -> int:
    """COMMITs while a noted plan is applied."""
    run_id = desk.ledger.start_run("apply", NOW)
    desk.ledger.note_plan(run_id, whole, NOW)
    seen: list[str] = []
    desk.store.db.conn.set_trace_callback(seen.append)
    list(desk.applier().apply(whole, run_id))
    desk.store.db.conn.set_trace_callback(None)
    return sum(sql == "COMMIT" for sql in seen)


def test_a_batch_costs_two_commits_and_one_that_needs_no_write_costs_one(desk: Desk) -> None:
    assert commits(desk, plan(update("1"), update("2"))) == 2
    assert commits(desk, plan(update("1"), update("2"))) == 1
    desk.crm.records["account", "2"]["score"] = 99  # somebody edits one of two
    assert commits(desk, plan(update("1", 50, 60), update("2", 50, 60))) == 2
    assert commits(desk, plan(tasks=(task("t1"), task("t2")))) == 2
    assert commits(desk, plan(tasks=(task("t3"),), removals=(removal("task-t1"), removal("task-t2")))) == 4


@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize("effect", [True, False])
def test_death_at_any_commit_is_settled_by_the_next_run(desk: Desk, at: int, *, effect: bool) -> None:
    """The process dies as a commit begins, or in the middle of the request that follows it."""
    desk.apply(plan(tasks=(task("t0"),)))
    whole = Plan(NOW, ENV, "h", (update("1"),), (task("t1"),), removals=(removal("task-t0"),))
    run_id = desk.ledger.start_run("apply", NOW)
    desk.ledger.note_plan(run_id, whole, NOW)
    if effect:
        desk.crm.trouble = [
            *(Trouble() for _ in range((at - 1) // 2)),
            Trouble(error=KeyboardInterrupt(), applied=True),
        ]
    seen = 0

    def die(sql: str) -> None:
        nonlocal seen
        seen += re.match("BEGIN", sql) is not None
        if not effect and seen == at:
            desk.store.db.conn.interrupt()

    desk.store.db.conn.set_trace_callback(die)
    with pytest.raises((KeyboardInterrupt, StoreError)):
        list(desk.applier().apply(whole, run_id))
    desk.store.db.conn.set_trace_callback(None)
    desk.crm.trouble = []
    desk.clock.at += HOLD_OFF
    desk.applier().recover()
    desk.apply(whole)
    assert desk.scores()["1"] == 50
    assert desk.crm.created == {"t0": 1, "t1": 1}
    assert set(desk.crm.tasks) == {"t1"}
    assert not desk.ledger.open_ops()
    assert not desk.ledger.verify()


@pytest.mark.parametrize("error", [UnclearError("no answer"), ShapeError("not JSON")])
def test_a_connector_that_does_not_know_leaves_a_question(desk: Desk, error: Exception) -> None:
    desk.crm.trouble = [Trouble(error=error, applied=True)]
    with pytest.raises(type(error)):
        desk.apply(plan(update("1")))
    assert state(desk) == ["in_doubt"]
    assert desk.applier().recover() == {"confirmed": 1}


def test_what_was_locked_is_not_sent_again_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(changes: list[Change]) -> list[Outcome]:
        return [Outcome(change.key, "retry", message="locked") for change in changes]

    with monkeypatch.context() as patched:
        patched.setattr(desk.crm, "send", locked)
        desk.apply(plan(update("1"), tasks=(task(),)))
    again = desk.apply(plan(update("1"), tasks=(task(),)))
    assert [(item.result, item.message) for item in again] == [
        ("retry", "It is not sent again before 2026-11-01 06:01 UTC.")
    ] * 2
    desk.clock.at += timedelta(minutes=1)
    assert [item.result for item in desk.apply(plan(update("1"), tasks=(task(),)))] == ["confirmed"] * 2


def test_a_held_plan_is_refused(desk: Desk) -> None:
    run_id = desk.ledger.start_run("apply", NOW)
    desk.ledger.note_plan(run_id, plan(update("1")), NOW, held=True)
    with pytest.raises(LedgerError, match="guard holds"):
        list(desk.applier().apply(plan(update("1")), run_id))


# -- removing tasks -------------------------------------------------------------------------------------------------


def test_a_task_is_removed_only_if_nobody_took_it_up(desk: Desk) -> None:
    desk.apply(plan(tasks=tuple(task(key) for key in ("t1", "t2", "t3", "t4"))))
    made = {op.key: op.op_id for op in desk.ledger.ops(1)}
    desk.crm.touched = {"task-t2"}
    desk.crm.tasks["t3"] = {**desk.crm.tasks["t3"], "closed": True}
    del desk.crm.tasks["t4"]
    done = desk.apply(plan(removals=tuple(removal(f"task-{key}", made[key]) for key in made)))
    results = {
        item.change.key.removeprefix("remove-task-"): item.result
        for item in done
        if not isinstance(item.change, RecordChange)
    }
    assert results == {"t1": "confirmed", "t2": "conflict", "t3": "conflict", "t4": "already"}
    assert set(desk.crm.tasks) == {"t2", "t3"}
    ends = {op.key: op.state for op in desk.ledger.ops(1)}
    assert ends == {"t1": "rolled_back", "t2": "undo_skipped", "t3": "undo_skipped", "t4": "rolled_back"}
    assert desk.apply(plan(tasks=(task("t1"),))) == []


# -- what is written first ------------------------------------------------------------------------------------------

MANY = 40


def many(after: Value = 50) -> Plan:
    return plan(*(update(str(n), after=after) for n in range(MANY)))


def guarded(desk: Desk, whole: Plan, limits: Limits | None) -> tuple[list[Applied], str]:
    """What was applied, and why it ended early."""
    desk.crm.records = {("account", str(n)): {"score": 10} for n in range(MANY)}
    desk.crm.write = desk.crm.write.__class__(update_batch=10, create_batch=10, read_batch=10)
    desk.crm.asked.clear()
    applier = Applier(desk.crm, desk.store, desk.ledger, desk.clock, limits=limits)
    done: list[Applied] = []
    try:
        done.extend(applier.apply(whole, desk.ledger.start_run("apply", NOW)))
    except CanaryError as error:
        return done, str(error)
    return done, ""


def test_a_few_are_written_first_and_read_back_with_the_next_batch(desk: Desk) -> None:
    done, why = guarded(desk, many(), Limits())
    assert (Counter(item.result for item in done), why) == ({"confirmed": MANY}, "")
    reads = [[int(one) for one in ids] for ids in desk.crm.asked]
    assert reads[:3] == [[0, 1, 2, 3, 4], [*range(10)], [*range(10, 20)]]
    assert len(reads) == desk.crm.calls["write"] == 2 + 3


@pytest.mark.parametrize("limits", [None, Limits(enabled=False)])
def test_without_a_guard_nothing_goes_first(desk: Desk, limits: Limits | None) -> None:
    desk.crm.flow = {"score": 1}
    done, why = guarded(desk, many(), limits)
    assert (len(done), why) == (MANY, "")
    assert desk.crm.asked[0] == tuple(str(n) for n in range(10))


def test_a_small_plan_needs_no_canary(desk: Desk) -> None:
    desk.crm.flow = {"score": 1}
    done, why = guarded(desk, plan(*(update(str(n)) for n in range(20))), Limits())
    assert (len(done), why) == (20, "")


def test_a_value_that_does_not_stay_ends_the_writing(desk: Desk) -> None:
    desk.crm.flow = {"score": 1}
    done, why = guarded(desk, many(), Limits())
    assert len(done) == 5
    assert why == (
        "5 of the 5 records written first do not say what was written: score of account 0 says 1 instead of 50."
    )
    assert desk.ledger.counts() == {"confirmed": 5, "planned": 35}
    assert sum(values["score"] == 10 for values in desk.crm.records.values()) == 35


def test_one_written_first_that_was_deleted_meanwhile_ends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    send = desk.crm.send

    def then_delete(changes: list[Change]) -> list[Outcome]:
        outcomes = send(changes)
        desk.crm.records.pop(("account", "0"), None)
        return outcomes

    monkeypatch.setattr(desk.crm, "send", then_delete)
    assert guarded(desk, many(), Limits())[1] == ""


@pytest.mark.parametrize(("refused", "sent"), [(2, MANY), (3, 5)])
def test_a_batch_that_goes_badly_ends_the_writing(desk: Desk, refused: int, sent: int) -> None:
    desk.crm.refuse = {str(n) for n in range(refused)}
    done, why = guarded(desk, many(), Limits())
    assert len(done) == sent
    assert why == ("" if refused == 2 else "3 of 5 changes of one batch failed, allowed are 2.")


def test_a_lost_answer_or_a_lock_does_not_end_the_writing(desk: Desk) -> None:
    desk.crm.trouble = [Trouble(lost=True)]
    done, why = guarded(desk, many(), Limits())
    assert [item.result for item in done[:6]] == ["in_doubt"] * 5 + ["confirmed"]
    assert (len(done), why) == (MANY, "")


def test_each_kind_of_record_has_its_own_canary(desk: Desk) -> None:
    contacts = [RecordChange("contact", f"c{n}", "Person", update().fields, "why") for n in range(8)]
    desk.apply(plan())
    desk.crm.records = {}
    whole = plan(*many().records[:14], *contacts)
    done, _ = guarded(desk, whole, Limits())
    assert {item.result for item in done} == {"confirmed", "gone"}
    contact_reads = [ids for ids in desk.crm.asked if ids[0].startswith("c")]
    assert [len(ids) for ids in contact_reads] == [5, 3]
