"""Which ways lead through the states of an operation, and that what was written down stays."""

import sqlite3
from typing import get_args

import pytest

from sync.ledger import Ledger, State
from sync.store import Store, StoreError
from tests.sync.ledger_plans import noted, plan, sent, task, update

STATES = get_args(State)
LEGAL = {
    "planned": {"sending", "confirmed", "conflict", "gone", "superseded"},
    "held": {"planned", "superseded"},
    "sending": {"confirmed", "retry", "rejected", "gone", "conflict", "in_doubt"},
    "in_doubt": {"confirmed", "retry", "gone", "parked"},
    "retry": {"sending", "confirmed", "conflict", "gone", "superseded", "parked"},
    "confirmed": {"rolled_back", "undo_skipped"},
}
WAY = {
    "planned": (),
    "held": (),
    "sending": ("sending",),
    "in_doubt": ("sending", "in_doubt"),
    "retry": ("sending", "retry"),
    "confirmed": ("confirmed",),
    "rejected": ("sending", "rejected"),
    "gone": ("gone",),
    "conflict": ("conflict",),
    "parked": ("sending", "in_doubt", "parked"),
    "superseded": ("superseded",),
    "rolled_back": ("confirmed", "rolled_back"),
    "undo_skipped": ("confirmed", "undo_skipped"),
}
"""How an operation gets into each state."""


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)


@pytest.mark.parametrize("before", STATES)
def test_the_database_lets_through_what_is_legal_and_nothing_else(ledger: Ledger, store: Store, before: str) -> None:
    noted(ledger, plan(update()), held=before == "held")
    for state in WAY[before]:
        with store.transaction() as conn:
            conn.execute("UPDATE op SET state = ?", (state,))
    refused = {after for after in STATES if after != before and "illegal" in step(store, after)}
    assert set(STATES) - refused - {before} == LEGAL.get(before, set())


def step(store: Store, state: str) -> str:
    """What the database says to a step, which is taken back."""
    conn = store.db.conn
    conn.execute("BEGIN")
    try:
        conn.execute("UPDATE op SET state = ?", (state,))
    except sqlite3.IntegrityError as error:
        return str(error)
    finally:
        conn.rollback()
    return ""


@pytest.mark.parametrize("state", sorted(set(STATES) - {"planned", "held"}))
def test_an_operation_begins_as_planned_or_held(ledger: Ledger, store: Store, state: str) -> None:
    noted(ledger, plan(update()))
    with pytest.raises(StoreError, match="begins as planned or held"), store.transaction() as conn:
        conn.execute(
            """INSERT INTO op SELECT 99, run_id, kind, object, record_id, 'other', payload, before_image, ?, attempt,
               not_before, batch_id, remote_id, error_code, error, undoes, row_hash, created, sent_at, updated_at
               FROM op""",
            (state,),
        )


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("UPDATE op_event SET detail = 'x'", "only appended"),
        ("DELETE FROM op_event", "only below the anchor"),
        ("UPDATE op SET key = 'x'", "never changes"),
        ("UPDATE op SET record_id = '9'", "never changes"),
        ("DELETE FROM op WHERE state = 'planned'", "never deleted"),
        ("DELETE FROM op WHERE kind = 'task_create' AND state = 'confirmed'", "never deleted"),
        ("UPDATE op SET state = 'anything'", "illegal transition"),
    ],
)
def test_what_was_written_down_cannot_be_taken_back(ledger: Ledger, store: Store, sql: str, message: str) -> None:
    sent(ledger, plan(tasks=(task(),)))
    noted(ledger, plan(update()))
    with pytest.raises(StoreError, match=message), store.transaction() as conn:
        conn.execute(sql)
    assert not ledger.verify()
