"""The ledger by itself: what each commit leaves."""

import sqlite3
from pathlib import Path

import pytest

from connectors.base import Change, Outcome, Result
from scoring.playbooks import BandState
from sync.guard import Verdict
from sync.ledger import MAX_ATTEMPTS, Ledger, LedgerError, Settled
from sync.plan import FieldChange, Plan, RecordChange, Skipped
from sync.store import Store
from tests.sync.ledger_plans import ENV, HOUR, NOW, noted, plan, removal, sent, states, task, update
from tests.sync.released import build


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)


# -- plans ----------------------------------------------------------------------------------------------------------


def test_a_plan_is_noted_with_an_operation_for_each_change(ledger: Ledger) -> None:
    whole = plan(update("1"), update("2"), tasks=(task(),), removals=(removal(undoes=7),))
    run_id = noted(ledger, whole)
    ops = ledger.ops(run_id)
    assert [(op.kind, op.object, op.record_id, op.state) for op in ops] == [
        ("field", "account", "1", "planned"),
        ("field", "account", "2", "planned"),
        ("task_create", "task", None, "planned"),
        ("task_remove", "task", "task-t1", "planned"),
    ]
    assert [op.before for op in ops] == [{"score": 10}, {"score": 10}, {}, {}]
    assert [op.undoes for op in ops] == [None, None, None, 7]
    assert all(op.sent_at is None and op.attempt == 0 for op in ops)
    (run,) = ledger.runs()
    assert (run.plan_hash, run.environment, run.config_hash) == (whole.hash, ENV, "settings")
    assert ledger.noted(run_id)
    assert not ledger.known_tasks()
    assert set(ledger.due(run_id)) == {op.key for op in ops}


def test_a_newer_plan_replaces_what_was_not_sent(ledger: Ledger) -> None:
    first = noted(ledger, plan(update("1"), update("2"), tasks=(task(),)))
    held = noted(ledger, plan(update("1")), held=True)
    last = noted(ledger, plan(update("1", after=60), tasks=(task(),)))
    assert ledger.counts(first) == {"superseded": 3}
    assert ledger.counts(held) == {"superseded": 1}
    assert ledger.counts(last) == {"planned": 2}
    assert ledger.counts() == {"superseded": 4, "planned": 2}
    assert not ledger.verify()


def test_what_is_unclear_is_never_replaced_and_its_record_waits(ledger: Ledger) -> None:
    first = sent(ledger, plan(update("1"), tasks=(task("t1"),)), "in_doubt")
    second = noted(ledger, plan(update("1", after=70), update("2"), tasks=(task("t1"), task("t2"))))
    assert states(ledger, first) == ["in_doubt", "in_doubt"]
    assert [(op.record_id, op.values.get("account_id")) for op in ledger.ops(second)] == [("2", None), (None, "1")]
    assert ledger.known_tasks() == {"t1"}


def test_the_same_change_twice_in_a_plan_is_one_operation(ledger: Ledger) -> None:
    assert len(ledger.ops(noted(ledger, plan(update(), update())))) == 1


def test_a_held_plan_is_not_sent_before_a_person_released_that_very_plan(ledger: Ledger) -> None:
    whole = plan(update())
    run_id = noted(ledger, whole, held=True)
    ledger.note_guard(
        run_id,
        [Verdict("band_changes", 63, 15, held=True, text="63 of 300"), Verdict("mean", 1, 4, held=False, text="")],
    )
    with pytest.raises(LedgerError, match="held in run 1"):
        ledger.send_batch(run_id, [update().as_change(ENV)], [], NOW)
    assert ledger.release("another plan", "Dana", NOW) == 0
    assert ledger.due(run_id) == {}
    assert ledger.release(whole.hash, "Dana", NOW + HOUR) == 1
    ledger.send_batch(run_id, [update().as_change(ENV)], [], NOW)
    rows = {row.check: row for row in ledger.guard_rows(run_id)}
    assert (rows["band_changes"].released_by, rows["band_changes"].released_at) == ("Dana", NOW + HOUR)
    assert rows["mean"].released_by is None
    assert ledger.guard_rows() == ledger.guard_rows(run_id)


@pytest.mark.parametrize("change", [Change("account", "9", {"score": 1}, "k"), update().as_change(ENV)])
def test_nothing_is_sent_that_this_run_has_not_planned(ledger: Ledger, change: Change) -> None:
    noted(ledger, plan(update()))
    other = ledger.start_run("apply", NOW)
    with pytest.raises(LedgerError, match="is not planned"):
        ledger.send_batch(other, [change], [], NOW)
    assert ledger.counts() == {"planned": 1}
    assert ledger.store.rows("SELECT count(*) FROM batch") == [(0,)]


# -- the two commits of a batch -------------------------------------------------------------------------------------


def test_a_batch_is_marked_before_it_leaves(ledger: Ledger, store: Store) -> None:
    run_id = noted(ledger, plan(update("1"), update("2"), update("3")))
    first, second, third = (update(n).as_change(ENV) for n in "123")
    settled = [Settled(second.key, "conflict", "score changed", said={"score": 77}), Settled(third.key, "gone")]
    batch = ledger.send_batch(run_id, [first], settled, NOW + HOUR)
    assert states(ledger, run_id) == ["sending", "conflict", "gone"]
    (op,) = ledger.open_ops()
    assert (op.sent_at, op.attempt) == (NOW + HOUR, 1)
    assert store.rows("SELECT batch_id, object, size, ended_at FROM batch") == [(batch, "account", 1, None)]
    assert store.rows('SELECT record_id, "values" FROM crm_value') == [("2", '{"score":77}')]


def test_what_the_crm_says_already_is_ours_though_we_never_sent_it(ledger: Ledger) -> None:
    run_id = noted(ledger, plan(update()))
    assert ledger.send_batch(run_id, [], [Settled(update().as_change(ENV).key, "confirmed")], NOW) == 0
    (op,) = ledger.ops(run_id)
    assert (op.state, op.sent_at, op.attempt) == ("confirmed", None, 0)
    assert ledger.written() == {("account", "1"): {"score": 50}}


@pytest.mark.parametrize(
    ("result", "state", "owned"),
    [
        ("confirmed", "confirmed", True),
        ("retry", "retry", False),
        ("rejected", "rejected", False),
        ("gone", "gone", False),
        ("in_doubt", "in_doubt", False),
    ],
)
def test_every_outcome_leads_to_its_state(ledger: Ledger, result: Result, state: str, *, owned: bool) -> None:
    run_id = sent(ledger, plan(update()), result, message="told so")
    (op,) = ledger.ops(run_id)
    assert (op.state, op.error) == (state, "told so")
    assert bool(ledger.written()) is owned
    assert bool(ledger.store.rows("SELECT 1 FROM crm_value")) is owned
    assert not ledger.verify()


def test_what_was_written_before_on_other_fields_stays_ours(ledger: Ledger, store: Store) -> None:
    sent(ledger, plan(update()))
    band = RecordChange("account", "1", "Customer", (FieldChange("band", None, "red"),), "why")
    sent(ledger, plan(band), now=NOW + HOUR)
    assert ledger.written() == {("account", "1"): {"score": 50, "band": "red"}}
    at = int(NOW.timestamp())
    assert store.rows("SELECT times, written_at FROM owned") == [(f'{{"band":{at + 3600},"score":{at}}}', at + 3600)]


def test_what_had_no_effect_keeps_its_attempts_waits_longer_each_time_and_is_parked_in_the_end(ledger: Ledger) -> None:
    now, waits = NOW, []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        run_id = sent(ledger, plan(update(), tasks=(task(),)), "retry", now, "row is locked")
        op, made = ledger.ops(run_id)
        assert op.attempt == made.attempt == attempt
        waits.append((op.not_before - now).total_seconds() / 60 if op.not_before else None)
        assert op.state == made.state == ("parked" if attempt == MAX_ATTEMPTS else "retry")
        now += HOUR
    assert waits == [1, 2, 4, 8, 16]
    assert ledger.known_tasks() == {"t1"}
    assert ledger.store.rows("SELECT object, record_id, field, why, flips FROM parked") == [
        ("account", "1", "score", "sent 5 times without effect: row is locked", 0)
    ]
    assert ("account", "1", "parked", "row is locked") in ledger.problems()
    assert not ledger.verify()


def test_what_was_not_sent_at_all_is_no_attempt(ledger: Ledger) -> None:
    for _ in range(2 * MAX_ATTEMPTS):
        run_id = noted(ledger, plan(update()))
        change = update().as_change(ENV)
        batch = ledger.send_batch(run_id, [change], [], NOW)
        assert ledger.settle_batch(batch, [change], [Outcome(change.key, "retry")], NOW, tried=False) == ["retry"]
    (op,) = ledger.ops(run_id)
    assert (op.state, op.attempt, op.not_before) == ("retry", 0, None)


def test_words_that_no_file_can_hold_do_not_lose_an_outcome(ledger: Ledger) -> None:
    run_id = sent(ledger, plan(update()), "rejected", message="half a pair \ud83d " + "x" * 600)
    (op,) = ledger.ops(run_id)
    assert op.state == "rejected"
    assert op.error.startswith("half a pair ?")
    assert len(op.error) == 500


def test_ten_thousand_effects_cost_a_constant_number_of_statements_a_batch(ledger: Ledger, store: Store) -> None:
    def statements(count: int) -> int:
        whole = plan(*(update(str(n), after=count) for n in range(count)))
        run_id = noted(ledger, whole)
        seen: list[str] = []
        changes = [record.as_change(ENV) for record in whole.records]
        store.db.conn.set_trace_callback(seen.append)
        batch = ledger.send_batch(run_id, changes, [], NOW)
        ledger.settle_batch(batch, changes, [Outcome(c.key, "confirmed") for c in changes], NOW)
        store.db.conn.set_trace_callback(None)
        return sum(sql.lstrip().startswith(("SELECT", "BEGIN", "COMMIT")) for sql in seen)

    assert statements(10) == statements(200) < 25


# -- undo -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "end"),
    [("confirmed", "rolled_back"), ("rejected", "undo_skipped"), ("gone", "undo_skipped"), ("in_doubt", "confirmed")],
)
def test_the_end_of_an_undo_marks_what_it_took_back(ledger: Ledger, result: Result, end: str) -> None:
    first = sent(ledger, plan(update(), tasks=(task(),)))
    done, made = (op.op_id for op in ledger.ops(first))
    sent(ledger, plan(update(before=50, after=10, undoes=done), removals=(removal(undoes=made),)), result)
    assert states(ledger, first) == [end, end]


def test_an_undo_that_finds_another_value_can_be_asked_for_again(ledger: Ledger) -> None:
    """All fields of the record were left because one had moved: the next undo names that one and takes the others."""
    first = sent(ledger, plan(update()))
    back = update(before=50, after=10, undoes=ledger.ops(first)[0].op_id)
    run_id = noted(ledger, plan(back))
    ledger.send_batch(run_id, [], [Settled(back.as_change(ENV).key, "conflict", "score changed")], NOW)
    assert states(ledger, run_id) == ["conflict"]
    assert states(ledger, first) == ["confirmed"]


def test_what_an_undo_leaves_out_is_marked_when_its_plan_may_be_sent(ledger: Ledger) -> None:
    first = sent(ledger, plan(update("1"), update("2"), update("3")))
    one, two, three = ledger.ops(first)
    skip = (
        Skipped("account", "1", "Customer", "score", "changed since", one.op_id),
        Skipped("account", "2", "Customer", "other", "changed since", two.op_id),
    )
    undo = Plan(NOW, ENV, "settings", (update("2", 50, 10, undoes=two.op_id),), kind="undo", skipped=skip)
    noted(ledger, undo, held=True)
    assert states(ledger, first) == ["confirmed"] * 3
    noted(ledger, undo)
    assert states(ledger, first) == ["undo_skipped", "confirmed", "confirmed"]
    rest = Skipped("account", "3", "Customer", "score", "touched", three.op_id)
    noted(ledger, Plan(NOW, ENV, "settings", kind="undo", skipped=(*skip, rest)))
    assert states(ledger, first) == ["undo_skipped", "undo_skipped", "undo_skipped"]
    assert not ledger.verify()


# -- a new or restored state ----------------------------------------------------------------------------------------


def test_tasks_and_values_found_in_the_crm_are_taken_over_once(ledger: Ledger) -> None:
    run_id = ledger.start_run("adopt", NOW)
    found = [(task(key).as_change(), f"task-{key}") for key in ("t1", "t2")]
    assert ledger.adopt_tasks(run_id, found, NOW) == 2
    assert ledger.adopt_tasks(run_id, found, NOW) == 0
    assert ledger.known_tasks() == {"t1", "t2"}
    assert ledger.tasks_on(["1"]) == {"t1": ("Call", NOW), "t2": ("Call", NOW)}
    assert [(op.state, op.remote_id, op.sent_at) for op in ledger.ops(run_id)] == [
        ("confirmed", "task-t1", None),
        ("confirmed", "task-t2", None),
    ]
    ledger.adopt_values("account", {"1": {"score": 50, "at": NOW}}, NOW)
    assert ledger.written() == {("account", "1"): {"score": 50, "at": NOW}}
    assert not ledger.verify()


@pytest.mark.parametrize("number", [2, 3])
def test_the_ledger_of_an_older_state_file_is_taken_over(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "old"
    build(folder, number)
    conn = sqlite3.connect(folder / "state.db")
    conn.execute("INSERT INTO run VALUES (1, 'apply', 100, 200, 'done', '{}')")
    rows = [
        (1, "account", "1", '{"score":50}', "confirmed", "a"),
        (2, "account", "2", '{"score":50}', "dropped", "b"),
        (3, "account", "3", '{"score":50}', "sending", "c"),
        (4, "task", None, '{"account_id":"1","subject":"Call"}', "in_doubt", "t1"),
        (5, "task", None, '{"account_id":"1","subject":"Call"}', "confirmed", "t2"),
    ]
    conn.executemany(
        """INSERT INTO op (op_id, run_id, object, record_id, fields, state, key, attempt, sent_at, updated_at)
           VALUES (?, 1, ?, ?, ?, ?, ?, 1, 150, 160)""",
        rows,
    )
    conn.execute("INSERT INTO owned VALUES ('account', '1', '{\"score\":50}', 160)")
    conn.commit()
    conn.close()
    store = Store.open(folder)
    ledger = Ledger(store)
    assert not ledger.verify()
    assert [(op.kind, op.state) for op in ledger.ops(1)] == [
        ("field", "confirmed"),
        ("field", "superseded"),
        ("field", "sending"),
        ("task_create", "in_doubt"),
        ("task_create", "confirmed"),
    ]
    assert ledger.written() == {("account", "1"): {"score": 50}}
    assert ledger.known_tasks() == {"t1", "t2"}
    sent(ledger, plan(update("2")))
    assert not ledger.verify()
    store.close()


# -- what can be asked ----------------------------------------------------------------------------------------------


def test_what_was_sent_and_never_heard_of_again_may_still_arrive(ledger: Ledger) -> None:
    sent(ledger, plan(update("1", after=51)), "in_doubt", NOW - 2 * HOUR)
    sent(ledger, plan(update("2", after=52)), "in_doubt", NOW)
    sent(ledger, plan(update("3", after=53)), "retry", NOW)
    sent(ledger, plan(update("3", after=54)), "confirmed", NOW)
    assert ledger.unconfirmed(NOW - HOUR) == {("account", "2"): [{"score": 52}], ("account", "3"): [{"score": 53}]}


def test_bands_and_episodes_are_kept(ledger: Ledger) -> None:
    states = {"1": BandState("red", NOW, {"rescue": NOW - HOUR}), "2": BandState("green", NOW, {})}
    ledger.save_band_states(states)
    ledger.save_band_states({"2": BandState("yellow", NOW + HOUR, {})})
    assert ledger.band_states() == {**states, "2": BandState("yellow", NOW + HOUR, {})}


def test_a_run_that_never_ended_was_killed(ledger: Ledger) -> None:
    first = ledger.start_run("apply", NOW, environment=ENV, config_hash="settings")
    second = ledger.start_run("dry", NOW + HOUR)
    ledger.end_run(second, "done", {"rows": 3}, NOW + 2 * HOUR)
    newest, killed = ledger.runs()
    assert (killed.run_id, killed.status, killed.ended, killed.environment) == (first, "killed", None, ENV)
    assert (newest.status, newest.ended, newest.counts, newest.config_hash) == ("done", NOW + 2 * HOUR, {"rows": 3}, "")
    assert not ledger.noted(first)
