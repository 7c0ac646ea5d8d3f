"""Damage to the ledger is found, whichever column it hits; taking away what is old or forgotten is none."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.base import Outcome
from sync import ledger_check, ledger_owned
from sync.database import DamagedError
from sync.integrity import begin_work
from sync.ledger import Ledger
from sync.seal import EVENT_COLUMNS, OP_COLUMNS, OWNED_COLUMNS
from sync.store import Store
from tests.sync.ledger_plans import ENV, NOW, noted, plan, sent, states, task, update

DAY = timedelta(days=1)
TRIGGERS = ("op_begin", "op_transition", "op_identity", "op_kept", "event_append", "event_kept")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with an update that was undone, one that failed, a task, and one under way."""
    folder = tmp_path_factory.mktemp("damage") / "state"
    store = Store.open(folder)
    ledger = Ledger(store)
    first = sent(ledger, plan(update("1"), tasks=(task(),)))
    sent(ledger, plan(update("1", 50, 10, undoes=ledger.ops(first)[0].op_id)))
    sent(ledger, plan(update("2")), "retry", message="locked")
    noted(ledger, plan(update("2")))
    store.close()
    return folder


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copytree(filled, tmp_path / "state")
    opened = Store.open(tmp_path / "state")
    yield opened
    opened.close()


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)


def tamper(store: Store, *statements: str) -> None:
    """Change the file as a broken disk would: past every trigger."""
    store.rows("PRAGMA foreign_keys = OFF")
    with store.transaction() as conn:
        for name in TRIGGERS:
            conn.execute(f"DROP TRIGGER {name}")
        conn.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            assert conn.execute(statement).rowcount == 1, statement


def test_an_unharmed_ledger_has_no_findings(ledger: Ledger) -> None:
    assert ledger.verify() == ledger.verify(deep=False) == []


def other(column: str) -> str:
    """SQL for another value of a column, of the same type where it has one."""
    return f"CASE typeof({column}) WHEN 'integer' THEN {column} + 1 WHEN 'text' THEN {column} || 'x' ELSE 1 END"


@pytest.mark.parametrize("column", [*OP_COLUMNS, "row_hash"])
def test_every_column_of_an_operation_is_covered(ledger: Ledger, store: Store, column: str) -> None:
    tamper(store, f"UPDATE op SET {column} = {other(column)} WHERE op_id = (SELECT max(op_id) FROM op)")
    assert any("not what was written" in finding for finding in ledger.verify())
    if column != "state":  # which takes it out of what the quick look looks at
        assert any("not what was written" in finding for finding in ledger.verify(deep=False))


@pytest.mark.parametrize("column", [*EVENT_COLUMNS, "hash"])
def test_every_column_of_an_event_is_covered(ledger: Ledger, store: Store, column: str) -> None:
    bump = f"{column} + 100" if column == "seq" else other(column)
    tamper(store, f"UPDATE op_event SET {column} = {bump} WHERE seq = 5")
    for deep in (True, False):
        assert any("chain of events is broken at event" in finding for finding in ledger.verify(deep=deep))


@pytest.mark.parametrize("column", [*OWNED_COLUMNS, "row_hash"])
def test_every_column_of_what_we_wrote_is_covered(ledger: Ledger, store: Store, column: str) -> None:
    tamper(store, f"UPDATE owned SET {column} = {other(column)} WHERE record_id = '1'")
    for deep in (True, False):
        assert any("has changed" in finding for finding in ledger.verify(deep=deep))
    with pytest.raises(DamagedError, match="state restore"):
        ledger.written()


def test_what_we_wrote_is_proved_once_where_work_begins_with_it(
    ledger: Ledger, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_owned, "sealed", lambda *_: False)
    with pytest.raises(DamagedError):
        ledger.written()
    begin_work(store, NOW, pytest.fail)
    assert ledger.written()


def test_no_work_begins_with_a_record_of_what_we_wrote_that_has_changed(store: Store) -> None:
    tamper(store, "UPDATE owned SET fields = '{}' WHERE record_id = '1'")
    with pytest.raises(DamagedError, match="has changed"):
        begin_work(store, NOW, pytest.fail)
    assert not store.proved


@pytest.mark.parametrize("seq", [1, 5, 6])
def test_an_event_that_is_missing_is_found(ledger: Ledger, store: Store, seq: int) -> None:
    tamper(store, f"DELETE FROM op_event WHERE seq = {seq}")
    assert any("chain of events is broken" in finding for finding in ledger.verify())


def test_the_newest_event_that_is_missing_is_found_by_what_it_said(ledger: Ledger, store: Store) -> None:
    tamper(store, "DELETE FROM op_event WHERE seq = (SELECT max(seq) FROM op_event)")
    assert any("tells how operation" in finding for finding in ledger.verify())
    sent(ledger, plan(update("7")))
    with store.transaction() as conn:
        conn.execute("DELETE FROM op_event WHERE seq = (SELECT max(seq) FROM op_event)")
    assert any("not as its newest event left it" in finding for finding in ledger.verify())


def test_an_operation_put_back_to_an_older_state_is_found(ledger: Ledger, store: Store) -> None:
    names = ", ".join([*OP_COLUMNS, "row_hash"])
    old = dict(zip(names.split(", "), store.rows(f"SELECT {names} FROM op WHERE op_id = 1")[0], strict=True))
    (older,) = store.rows("SELECT row_hash FROM op_event WHERE op_id = 1 AND to_state = 'confirmed'")
    assert old["state"] == "rolled_back"
    tamper(store, f"UPDATE op SET state = 'confirmed', row_hash = '{older[0]}' WHERE op_id = 1")
    assert "Operation 1 is not as its newest event left it." in ledger.verify()


def test_an_operation_that_is_missing_is_found(ledger: Ledger, store: Store) -> None:
    tamper(store, "DELETE FROM op WHERE op_id = 2")
    assert "Operation 2 is missing although events tell of it." in ledger.verify()


@pytest.mark.parametrize("value", ["CAST(x'80' AS TEXT)", "x'80'"])
def test_a_text_that_is_none_any_more_is_found(ledger: Ledger, store: Store, value: str) -> None:
    tamper(store, f"UPDATE op SET error = {value} WHERE op_id = (SELECT max(op_id) FROM op)")
    assert ledger.verify()
    assert ledger.verify(deep=False)


def test_other_trouble_with_the_file_is_not_taken_for_damage_to_the_ledger(ledger: Ledger, store: Store) -> None:
    with store.transaction() as conn:
        conn.execute("ALTER TABLE op_event RENAME TO lost")
    with pytest.raises(Exception, match="no such table"):
        ledger.verify()


def test_of_many_findings_some_are_named_and_the_rest_counted(ledger: Ledger, store: Store) -> None:
    sent(ledger, plan(*(update(str(n)) for n in range(30))))
    with store.transaction() as conn:
        conn.execute("UPDATE owned SET written_at = 0")
    assert ledger.verify()[-1] == "And 25 more like this."


def test_damage_is_not_hidden_by_writing_over_it(ledger: Ledger, store: Store) -> None:
    tamper(store, "UPDATE owned SET fields = '{}' WHERE record_id = '1'")
    with pytest.raises(DamagedError):
        sent(ledger, plan(update("1", 10, 99)))
    assert [op.state for op in ledger.open_ops()] == ["sending"]


def test_the_quick_look_follows_the_newest_events_only(
    ledger: Ledger, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_check, "NEWEST", 3)
    monkeypatch.setattr(ledger_check, "PAGE", 2)
    assert ledger.verify() == ledger.verify(deep=False) == []
    newest = store.rows("SELECT max(seq) FROM op_event")[0][0]
    tamper(store, "UPDATE op_event SET detail = 'x' WHERE seq = 2")
    assert ledger.verify(deep=False) == []
    assert ledger.verify() != []
    with store.transaction() as conn:
        conn.execute("DELETE FROM op_event WHERE seq = ?", (newest - 3,))
    assert ledger.verify(deep=False) == [f"Event {newest - 3} is missing."]


# -- what is old, and what must be forgotten ------------------------------------------------------------------------


def test_old_operations_go_keys_of_tasks_stay_and_the_chain_holds(ledger: Ledger, store: Store) -> None:
    later = NOW + 100 * DAY
    noted(ledger, plan(update("2")), now=later)
    sent(ledger, plan(update("3")), now=later)
    before = ledger.known_tasks()
    assert ledger.prune(later - 90 * DAY) == 0  # the run did it when it began
    assert ledger.verify() == ledger.verify(deep=False) == []
    assert ledger.known_tasks() == before == {"t1"}
    assert {op.key for run in ledger.runs(50) for op in ledger.ops(run.run_id)} >= {"t1"}
    assert store.rows("SELECT count(*) FROM op WHERE updated_at < ?", (int(later.timestamp()),)) == [
        (3,)  # the task, and an undo that holds, with what it took back
    ]
    assert store.rows("SELECT count(*) FROM op_event WHERE at < ?", (int(later.timestamp()),)) == [(0,)]
    assert store.rows("SELECT count(*) FROM batch") == [(4,)]
    sent(ledger, plan(update("4")), now=later)
    assert ledger.verify() == []


def test_a_run_prunes_once_a_day(ledger: Ledger, store: Store) -> None:
    def old() -> int:
        return int(store.rows("SELECT count(*) FROM op WHERE kind = 'field'")[0][0])

    before = old()
    for hours, left in ((0, before), (23, before), (25, 3)):  # the newest stays, and an undo that holds
        noted(ledger, plan(), now=NOW + 90 * DAY - timedelta(minutes=1) + timedelta(hours=hours))
        assert old() == left
    assert ledger.known_tasks() == {"t1"}
    assert ledger.verify() == []


def test_pruning_everything_keeps_what_is_open_and_the_newest(ledger: Ledger, store: Store) -> None:
    noted(ledger, plan(update("2"), update("5")))
    newest = store.rows("SELECT max(op_id) FROM op")[0][0]
    assert ledger.prune(NOW + DAY) == 2
    assert store.rows("SELECT count(*) FROM op_event") == [(1,)]
    assert ledger.counts() == {"confirmed": 2, "rolled_back": 1, "planned": 2}
    noted(ledger, plan(update("9")))
    assert store.rows("SELECT max(op_id) FROM op")[0][0] == newest + 1
    assert ledger.verify() == []


def test_an_empty_ledger_is_pruned_and_proved(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "new")
    ledger = Ledger(store)
    assert ledger.prune(NOW) == 0
    assert ledger.verify() == []
    store.close()


def test_an_event_cut_off_below_the_anchor_is_found(ledger: Ledger, store: Store) -> None:
    noted(ledger, plan(update("9")), now=NOW + 100 * DAY)
    ledger.prune(NOW + DAY)
    with store.transaction() as conn:
        conn.execute("UPDATE meta SET value = 'x' WHERE key = 'event_anchor'")
    assert any("chain of events is broken" in finding for finding in ledger.verify())


def test_a_forgotten_record_leaves_no_value_and_every_proof(ledger: Ledger, store: Store) -> None:
    batch = ledger.send_batch(4, [update("2").as_change(ENV)], [], NOW + DAY)
    change = update("2").as_change(ENV)
    ledger.settle_batch(batch, [change], [Outcome(change.key, "rejected", message="2 is no number")], NOW + DAY)
    assert ledger.forget("account", "2", NOW + 2 * DAY) == 2
    assert ledger.verify() == []
    assert states(ledger, 4) == ["rejected"]
    assert [(op.values, op.before, op.error) for op in ledger.ops(4)] == [({}, {}, "")]
    assert ledger.forget("account", "1", NOW) == 2
    assert ledger.written() == {}
    assert ledger.forget("contact", "1", NOW) == 0
