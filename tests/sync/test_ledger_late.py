"""What the ledger must not forget between runs: attempts, arrivals that come late, what an undo put back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import ObjectName, Outcome, Value
from sync.ledger import KEEP, MAX_ATTEMPTS, Ledger
from sync.plan import FieldChange, Plan, PlanError, RecordChange, TaskRemoval
from sync.store import Store
from sync.undo import require_known
from sync.undone import undone
from tests.sync.edits_desk import BAND, ENV, SCORE, EditsDesk

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def update(record_id: str, *, at: datetime, obj: ObjectName = "account", score: Value = 50) -> RecordChange:
    """As an account's update is: with the instant of scoring, which differs from hour to hour."""
    fields = (FieldChange("score", 10, score), FieldChange("scored_at", None, at))
    return RecordChange(obj, record_id, "Customer", fields, "why")


def sent(ledger: Ledger, record: RecordChange, outcome: Outcome, now: datetime) -> str:
    run_id = ledger.start_run("apply", now)
    ledger.note_plan(run_id, Plan(now, ENV, "hash", (record,)), now)
    change = record.as_change(ENV)
    batch = ledger.send_batch(run_id, [change], [], now)
    (state,) = ledger.settle_batch(batch, [change], [Outcome(change.key, outcome.result)], now)
    return state


def test_an_update_that_has_another_time_each_hour_is_the_same_effect(store: Store) -> None:
    ledger, now, states = Ledger(store), NOW, []
    for _ in range(MAX_ATTEMPTS):
        states.append(sent(ledger, update("1", at=now), Outcome("", "retry"), now))
        now += HOUR
    assert states == ["retry"] * (MAX_ATTEMPTS - 1) + ["parked"]
    assert {field for (field,) in store.rows("SELECT field FROM parked")} == {"score", "scored_at"}


def test_another_value_for_a_record_begins_to_count_anew(store: Store) -> None:
    ledger, now = Ledger(store), NOW
    for score in range(2 * MAX_ATTEMPTS):
        assert sent(ledger, update("1", at=now, score=score), Outcome("", "retry"), now) == "retry"
        now += HOUR


def test_a_contact_does_not_wait_for_the_account_with_the_same_number(store: Store) -> None:
    ledger = Ledger(store)
    assert sent(ledger, update("7", at=NOW), Outcome("", "in_doubt"), NOW) == "in_doubt"
    run_id = ledger.start_run("apply", NOW)
    records = (update("7", at=NOW, obj="account", score=60), update("7", at=NOW, obj="contact"))
    ledger.note_plan(run_id, Plan(NOW, ENV, "hash", records), NOW)
    assert [op.object for op in ledger.ops(run_id)] == ["contact"]


def _a_season_later(desk: EditsDesk) -> None:
    """Writes on another record, so that nothing else is the newest, and a pruning."""
    desk.now += KEEP + timedelta(days=1)
    for _ in range(2):
        desk.scores["2"] += 1
        desk.run()
        desk.ledger.prune(desk.now - KEEP)
    assert not desk.ledger.verify()
    held = {op for one in undone(desk.store.rows).values() for op in one.ops}
    old = desk.store.rows("SELECT op_id FROM op WHERE updated_at < ?", (int((desk.now - KEEP).timestamp()),))
    assert {op_id for (op_id,) in old} == held


@pytest.fixture
def desk(store: Store) -> EditsDesk:
    """Two accounts, scored and written."""
    desk = EditsDesk(store, accounts=2)
    desk.run()
    return desk


def test_what_an_undo_put_back_outlives_the_ledger(desk: EditsDesk) -> None:
    desk.scores["1"] = 20
    desk.run()
    desk.undo(desk.runs)
    before = desk.edits.undone()
    assert before["account", "1", SCORE] == 20
    for _ in range(2):
        _a_season_later(desk)
        assert desk.edits.undone() == before
        assert desk.run()[0] == []


def test_an_undo_that_is_over_in_part_does_not_come_back(desk: EditsDesk) -> None:
    desk.scores["1"] = 20
    desk.run()
    desk.undo(desk.runs)
    desk.scores["1"] = 21  # the band stays red, which was undone
    desk.run()
    before = desk.edits.undone()
    assert before.keys() == {("account", "1", BAND), ("account", "1", "holdfast_health")}
    _a_season_later(desk)
    assert desk.edits.undone() == before
    desk.scores["1"] = 20
    assert ("1", SCORE) in {(record.record_id, change.field) for record in desk.run()[0] for change in record.fields}


def test_an_undo_is_over_when_the_crm_says_already_what_is_wanted_now(desk: EditsDesk) -> None:
    desk.scores["1"] = 20
    desk.run()
    desk.undo(desk.runs)
    for score in (60, 20):  # the band is green again, as it was put back; then the account gets red for good
        desk.scores["1"] = score
        desk.run()
    assert (desk.crm["1"][SCORE], desk.crm["1"][BAND]) == (20, "red")
    assert desk.edits.undone() == {}
    _a_season_later(desk)
    assert desk.edits.undone() == {}


def test_pruning_ends_undos_of_undos_alike(desk: EditsDesk) -> None:
    desk.scores["1"] = 20
    desk.run()
    for _ in range(3):
        desk.undo(desk.runs)
    before = desk.edits.undone()
    assert before["account", "1", SCORE] == 20
    _a_season_later(desk)
    assert desk.edits.undone() == before


def test_an_answer_that_was_used_is_not_given_again_by_pruning(desk: EditsDesk) -> None:
    desk.rules("ask")
    for again in range(2):
        desk.crm["1"][SCORE] = 99
        records, kept = desk.run()
        assert "1" not in {record.record_id for record in records}
        assert SCORE in {edit.field for edit in kept}
        if not again:
            desk.edits.answer([edit for edit in kept if edit.field == SCORE], "ours")
            assert desk.run()[0]
            _a_season_later(desk)


def test_a_saved_undo_is_refused_when_its_numbers_mean_something_else(desk: EditsDesk) -> None:
    """An older copy of the state was put back, and numbers were given anew."""
    one, two = desk.ledger.ops(1)
    back = RecordChange("account", one.record_id or "", "C", (FieldChange(SCORE, 50, None),), "", undoes=one.op_id)
    removal = TaskRemoval("key", "task 7", "1", "C", "Call", "", one.op_id)
    require_known(desk.ledger, Plan(NOW, ENV, "hash", (back,), kind="undo"))
    for wrong in (
        Plan(NOW, ENV, "hash", (replace(back, undoes=two.op_id),), kind="undo"),
        Plan(NOW, ENV, "hash", (replace(back, undoes=99),), kind="undo"),
        Plan(NOW, ENV, "hash", removals=(removal,), kind="undo"),
    ):
        with pytest.raises(PlanError, match="does not know"):
            require_known(desk.ledger, wrong)
