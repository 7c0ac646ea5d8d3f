"""Decisions, parking and what an undo left, over runs with a real ledger."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Outcome, Value
from sync.edits import EVERY, FIELD_RECORDS, FLIPS, WINDOW
from sync.plan import HumanEdit, Plan, RecordChange
from sync.store import Store
from sync.values import same
from tests.sync.edits_desk import AGENT, BAND, ENV, FOLLOWERS, REASON, SCORE, EditsDesk


@pytest.fixture
def desk(store: Store) -> EditsDesk:
    made = EditsDesk(store)
    made.run()
    return made


def named(kept: list[HumanEdit], why: str) -> list[tuple[str, str]]:
    return [(edit.record_id, edit.field) for edit in kept if edit.why == why]


def written(records: list[RecordChange]) -> set[tuple[str, str]]:
    return {(record.record_id, change.field) for record in records for change in record.fields}


def empties(says: dict[str, Value]) -> None:
    says[SCORE] = None


# -- parking ------------------------------------------------------------------------------------------------------


def test_a_flow_that_empties_our_field_is_parked_after_three_times(desk: EditsDesk) -> None:
    desk.flow = empties
    desk.crm["1"][SCORE] = None
    for _ in range(FLIPS):
        records, kept = desk.run()
        assert ("1", SCORE) in written(records)
        assert not kept
    for _ in range(2):
        records, kept = desk.run()
        assert records == [], "what goes along is not written alone"
        assert named(kept, "parked") == [("1", SCORE)]
        assert (kept[0].ours, kept[0].theirs, kept[0].wanted) == (50, None, 50)
    (parked,) = desk.edits.parked()
    assert (parked.record_id, parked.field, parked.flips) == ("1", SCORE, FLIPS)
    assert "3 times within 24 hours" in parked.why


def test_other_fields_of_the_record_go_on(desk: EditsDesk) -> None:
    desk.flow = empties
    desk.crm["1"][SCORE] = None
    for _ in range(FLIPS):
        desk.run()
    desk.scores["1"] = 20
    records, kept = desk.run()
    assert {field for _, field in written(records)} >= {BAND, REASON}
    assert named(kept, "parked") == [("1", SCORE)]
    assert SCORE not in {field for _, field in written(records)}


def test_what_is_taken_back_once_a_day_is_no_fight(desk: EditsDesk) -> None:
    for _ in range(2 * FLIPS):
        desk.now += WINDOW / 2
        desk.crm["1"][SCORE] = None
        records, _ = desk.run()
        assert ("1", SCORE) in written(records)
    assert desk.edits.parked() == []


def test_a_score_that_moves_every_hour_is_no_fight(desk: EditsDesk) -> None:
    for score in range(20, 40):
        desk.scores["1"] = score
        assert ("1", SCORE) in written(desk.run()[0])
    assert desk.edits.parked() == []


def test_overwriting_people_ends_too(desk: EditsDesk) -> None:
    desk.rules("overwrite")
    desk.flow = lambda says: says.update({SCORE: 99})
    desk.crm["1"][SCORE] = 99
    for _ in range(FLIPS):
        assert ("1", SCORE) in written(desk.run()[0])
    assert named(desk.run()[1], "parked") == [("1", SCORE)]


def test_five_records_park_the_field_everywhere(store: Store) -> None:
    desk = EditsDesk(store, FIELD_RECORDS + 1)
    desk.run()

    def on_most(says: dict[str, Value]) -> None:
        if says is not desk.crm["6"]:
            empties(says)

    desk.flow = on_most
    for _ in range(FLIPS + 1):
        desk.crm.update({n: {**says, SCORE: None} for n, says in desk.crm.items() if n != "6"})
        desk.run()
    assert [one.record_id for one in desk.edits.parked()] == [EVERY, "1", "2", "3", "4", "5"]
    desk.scores["6"] = 20
    records, kept = desk.run()
    assert ("6", SCORE) in named(kept, "parked")
    assert ("6", BAND) in written(records)
    assert desk.edits.release("account", SCORE) == FIELD_RECORDS + 1
    desk.flow = lambda _: None
    records, kept = desk.run()
    assert {record_id for record_id, field in written(records) if field == SCORE} == set(desk.crm)
    assert not kept


def test_a_release_starts_the_count_anew(desk: EditsDesk) -> None:
    desk.flow = empties
    desk.crm["1"][SCORE] = None
    for _ in range(FLIPS + 1):
        desk.run()
    assert desk.edits.release("account", SCORE, "2") == 0
    assert desk.edits.release("account", SCORE, "1") == 1
    for _ in range(FLIPS):
        assert ("1", SCORE) in written(desk.run()[0])
    assert named(desk.run()[1], "parked") == [("1", SCORE)]


def test_what_the_ledger_gave_up_is_parked_and_released_alike(desk: EditsDesk) -> None:
    desk.scores["1"] = 20
    records, _ = desk.compared()
    run_id = desk.ledger.start_run("apply", desk.now)
    desk.ledger.note_plan(run_id, Plan(desk.now, ENV, "hash", tuple(records)), desk.now)
    changes = [record.as_change(ENV) for record in records]
    batch = desk.ledger.send_batch(run_id, changes, [], desk.now)
    desk.ledger.settle_batch(batch, changes, [Outcome(change.key, "in_doubt") for change in changes], desk.now)
    desk.ledger.park(desk.ledger.open_ops(), "nobody could say", desk.now)
    records, kept = desk.compared()
    assert SCORE in {edit.field for edit in kept if edit.why == "parked"}
    assert SCORE not in {field for _, field in written(records)}
    desk.edits.release("account", SCORE)
    assert ("1", SCORE) in written(desk.compared()[0])


# -- answers ------------------------------------------------------------------------------------------------------


def test_an_answer_of_ours_is_used_once(desk: EditsDesk) -> None:
    desk.rules(health_score="ask")
    desk.crm["1"][SCORE] = 99
    _, kept = desk.run()
    assert named(kept, "ask") == [("1", SCORE)]
    desk.edits.answer(kept, "ours")
    assert ("1", SCORE) in written(desk.run()[0])
    assert desk.crm["1"][SCORE] == 50
    desk.crm["1"][SCORE] = 99  # the very same value again
    _, kept = desk.run()
    assert named(kept, "ask") == [("1", SCORE)]


def test_an_answer_of_theirs_lasts_while_the_value_does(desk: EditsDesk) -> None:
    desk.rules(health_score="ask")
    desk.crm["1"][SCORE] = 99
    desk.edits.answer(desk.run()[1], "theirs")
    for score in (20, 30):
        desk.scores["1"] = score
        assert named(desk.run()[1], "human") == [("1", SCORE)]
    desk.crm["1"][SCORE] = 98
    _, kept = desk.run()
    assert named(kept, "ask") == [("1", SCORE)]
    desk.edits.answer(kept, "ours")
    assert ("1", SCORE) in written(desk.run()[0])


def test_an_answer_under_keep(desk: EditsDesk) -> None:
    desk.crm["1"][SCORE] = 99
    _, kept = desk.run()
    desk.edits.answer(kept, "ours")
    assert ("1", SCORE) in written(desk.run()[0])


def test_forgetting_a_record_forgets_what_was_decided_on_it(desk: EditsDesk) -> None:
    desk.crm["1"][SCORE] = 99
    desk.edits.answer(desk.run()[1], "theirs")
    desk.ledger.forget("account", "1", desk.now)
    assert desk.store.rows("SELECT * FROM decision") == []


# -- undone -------------------------------------------------------------------------------------------------------


def test_what_an_undo_put_back_is_written_again_only_when_something_else_is_wanted(desk: EditsDesk) -> None:
    desk.scores["1"] = 20
    desk.run()
    desk.undo(desk.runs)
    assert (desk.crm["1"][SCORE], desk.crm["1"][BAND]) == (50, "green")
    for _ in range(3):
        records, kept = desk.run()
        assert records == []
        assert {field for _, field in named(kept, "undone")} == {SCORE, BAND, REASON, "holdfast_health"}
    desk.scores["1"] = 21
    records, kept = desk.run()
    assert {SCORE, REASON, AGENT} & {field for _, field in written(records)} == {SCORE, REASON}
    assert BAND in {field for _, field in named(kept, "undone")}
    desk.scores["1"] = 20
    assert ("1", SCORE) in written(desk.run()[0]), "once written again, the undo is over"


def test_an_undone_first_write_stays_empty(store: Store) -> None:
    desk = EditsDesk(store)
    desk.run()
    desk.undo(1)
    assert not [value for value in desk.crm["1"].values() if value is not None]
    assert desk.run()[0] == []


def test_an_undo_of_an_undo_brings_back_and_a_third_takes_back(desk: EditsDesk) -> None:
    desk.scores["1"] = 20
    desk.run()
    desk.undo(desk.runs)
    desk.undo(desk.runs)
    assert desk.crm["1"][SCORE] == 20
    assert desk.edits.undone() == {}
    assert desk.run() == ([], [])
    desk.undo(desk.runs - 1)
    assert desk.crm["1"][SCORE] == 50
    assert desk.edits.undone()["account", "1", SCORE] == 20
    assert desk.run()[0] == []


def test_a_person_after_an_undo_is_a_person(desk: EditsDesk) -> None:
    desk.scores["1"] = 20
    desk.run()
    desk.undo(desk.runs)
    desk.crm["1"][SCORE] = 77
    assert ("1", SCORE) in named(desk.run()[1], "human")


def test_an_answer_lifts_an_undo(desk: EditsDesk) -> None:
    desk.scores["1"] = 20
    desk.run()
    desk.undo(desk.runs)
    _, kept = desk.run()
    desk.edits.answer([edit for edit in kept if edit.field == SCORE], "ours")
    assert ("1", SCORE) in written(desk.run()[0])


# -- no human value is ever lost without a word ---------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32))
def test_no_human_value_is_written_over_unless_the_admin_said_so(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Random edits, emptied fields, score moves, undos, answers and releases between runs."""
    rng = random.Random(seed)
    store = Store.open(tmp_path_factory.mktemp("edits") / "state")
    try:
        _interleave(EditsDesk(store, 3), rng)
    finally:
        store.close()


def _interleave(desk: EditsDesk, rng: random.Random) -> None:
    rule = rng.choice(["keep", "ask"])
    desk.rules("keep", health_score="ask" if rule == "ask" else "keep")
    human: dict[tuple[str, str], Value] = {}
    allowed: set[tuple[str, str]] = set()
    kept: list[HumanEdit] = []
    for _ in range(rng.randint(3, 14)):
        record = rng.choice(list(desk.crm))
        match rng.choice(["edit", "edit", "clear", "score", "run", "run", "undo", "answer"]):
            case "edit":
                said: dict[str, Value] = {SCORE: rng.randint(101, 199), BAND: "vip", REASON: f"call {rng.random()}"}
                field, value = rng.choice(list(said.items()))
                # The same value again is no edit that anybody could see.
                allowed -= set() if same(desk.crm[record].get(field), value) else {(record, field)}
                desk.crm[record][field] = value
                human[record, field] = value
            case "clear":
                desk.crm[record][SCORE] = None
                human.pop((record, SCORE), None)
            case "score":
                desk.scores[record] = rng.randint(0, 100)
            case "undo" if desk.runs:
                desk.undo(rng.randint(1, desk.runs))
            case "answer" if kept:
                edit = rng.choice(kept)
                if edit.why != "parked" and same(desk.crm[edit.record_id].get(edit.field), edit.theirs):
                    desk.edits.answer([edit], "ours")
                    allowed.add((edit.record_id, edit.field))
            case _:
                ours = desk.ledger.written()
                records, kept = desk.run()
                over = {
                    place
                    for place in written(records) & human.keys()
                    if place[1] in ours.get(("account", place[0]), {})  # before our first word there is no conflict
                }
                assert over <= allowed, "a human value was written over"
                left = {(edit.record_id, edit.field) for edit in kept}
                for place, value in human.items():
                    if place not in over and place[1] in ours.get(("account", place[0]), {}):
                        assert same(desk.crm[place[0]].get(place[1]), value)
                        assert place in left or same(value, _wanted(desk, place)), "left alone without a word"
                human = {place: value for place, value in human.items() if place not in written(records)}
                allowed -= written(records)
        assert desk.ledger.verify() == []
    assert FOLLOWERS


def _wanted(desk: EditsDesk, place: tuple[str, str]) -> Value:
    from tests.sync.edits_desk import FIELDS, wish

    (field,) = (field for field in FIELDS if field.spec.name == place[1])
    return field.value(wish(place[0], desk.scores[place[0]]), desk.now)
