"""The views of the state file: what other programs read says what the agent itself says."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mapping.schema import Deal
from scoring.inputs import FROZEN
from scoring.settle import freeze
from sync import migrations_views, transitions
from sync.catalogue import tables
from sync.columns import Type
from sync.describe import INTERNAL
from sync.store import Page, Store
from sync.tables import KINDS
from tests.scoring.rows import score_row
from tests.sync.states import NOW, account

DAY = timedelta(days=1)


def at(days: float) -> datetime:
    return NOW + days * DAY


def row(key: int, stage: str | None, band: Any = "green", *segments: str, **more: Any) -> Any:
    named = {"key": key, "name": f"No {key}", "segments": segments, "features": {"stage": stage, "rfm": "loyal"}}
    return score_row(f"A{key}", band, **named, **more)


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ran(store: Store, moment: datetime) -> None:
    """Note a run that ended at an instant."""
    sql = "INSERT INTO run (run_id, mode, started, ended, status, counts) VALUES (9, 'apply', ?1, ?1, 'done', '{}')"
    with store.transaction() as conn:
        conn.execute(sql, (int(moment.timestamp()),))


def read(store: Store, select: str) -> list[dict[str, Any]]:
    cursor = store.db.execute(select)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


@pytest.fixture
def lived(store: Store) -> Store:
    """Five weeks of six accounts: moved, frozen, gone from the CRM, gone and back, begun late, never known."""
    store.save_scores(1, [row(1, "first_time"), row(2, "repeat", "green", "power"), row(3, "renewal"),
                          row(4, None, "unknown"), row(6, "repeat", "green", "power")], at(0))  # fmt: skip
    later = [row(1, "at_risk", "red", "at_risk"), row(2, "repeat", "green"), row(3, "renewal"), row(4, None, "unknown")]
    store.save_scores(2, later, at(7))
    frozen = freeze(row(2, "repeat", "green"), at(14))
    last = [row(1, "at_risk", "yellow", "dormant", "at_risk"), frozen, row(4, None, "unknown"), row(5, "onboarding")]
    store.save_scores(3, last, at(14))
    store.save_scores(4, [*last, row(6, "repeat", "yellow", "power", "dormant")], at(21))
    return store


@pytest.mark.requirement("R38")
@pytest.mark.parametrize("what", ["band", "stage"])
def test_moves_are_those_that_the_agent_tells(lived: Store, what: Any) -> None:
    told = {
        (iso(move.at), move.crm_id, move.name, move.before[0], move.after[0])
        for move in transitions.moves(transitions.versions(lived), at(-1), [what])
    }
    rows = lived.rows(f"SELECT at, account_id, account_name, {what}_before, {what}_after FROM v_{what}_change")
    assert len(rows) == len(told) > 8
    assert set(rows) == told


@pytest.mark.requirement("R38")
def test_segments_are_entered_and_left_as_the_agent_counts_it(lived: Store) -> None:
    flows = transitions.flows(transitions.versions(lived), ["power", "dormant", "at_risk"], at(-1), at(22))
    counts = {
        (segment, change): number
        for segment, change, number in lived.rows(
            "SELECT segment, change, count(*) FROM v_segment_change GROUP BY 1, 2"
        )
    }
    for flow in flows:
        assert counts.get((flow.name, "entered"), 0) == flow.entered, flow
        assert counts.get((flow.name, "left"), 0) == flow.left, flow
    now = lived.rows("SELECT account_id, segment FROM v_segment ORDER BY 1, 2")
    assert now == [("A1", "at_risk"), ("A1", "dormant"), ("A6", "dormant"), ("A6", "power")]


def test_history_and_months_say_how_an_account_stood(lived: Store) -> None:
    ran(lived, at(21))
    stood = read(lived, "SELECT * FROM v_score_history WHERE account_id = 'A1' ORDER BY valid_from")
    assert [(one["band"], one["valid_from"], one["valid_to"]) for one in stood] == [
        ("green", iso(at(0)), iso(at(7))),
        ("red", iso(at(7)), iso(at(14))),
        ("yellow", iso(at(14)), None),
    ]
    assert json.loads(stood[-1]["segments"]) == ["dormant", "at_risk"]
    _keep(lived, *(account(f"A{key}", mrr=100 * key, currency="EUR") for key in range(1, 7)))
    months = read(lived, "SELECT * FROM v_account_month ORDER BY month, account_id")
    found = [(one["month"], one["complete"], one["account_id"], one["band"]) for one in months]
    assert found == [
        ("2026-11-01", 1, "A1", "red"),
        ("2026-11-01", 1, "A2", "green"),
        ("2026-11-01", 1, "A3", "green"),
        ("2026-11-01", 1, "A4", "unknown"),
        ("2026-12-01", 0, "A1", "yellow"),
        ("2026-12-01", 0, "A4", "unknown"),
        ("2026-12-01", 0, "A5", "green"),
        ("2026-12-01", 0, "A6", "yellow"),
    ]
    assert [one["mrr_minor"] for one in months] == [100, 200, 300, 400, 100, 400, 500, 600]


def _keep(store: Store, *records: Any, moment: datetime = NOW, kind: str = "account") -> None:
    store.commit(Page("crm", f"{kind}s", kind, records=records), moment)


def _cohorts(store: Store) -> Store:
    """Four customers of January 2026: one stays, one lost its renewal in March, one ceased in May, one is not known."""
    names = ("stays", "lost", "ceased", "unknown")
    _keep(
        store,
        *(account(one, name=one, customer_since=date(2026, 1, 15), plan="pro", channel="partner") for one in names),
    )
    keys = dict(store.rows("SELECT source_id, key FROM account"))
    lost = Deal(source="crm", source_id="d3", updated_at=NOW, account_ref="lost", closed=True, won=False, renewal=True,
                close_date=date(2026, 3, 10), created_at=NOW)  # fmt: skip
    kept = [lost.model_copy(update={"source_id": f"d{n}", "won": won, "close_date": date(2026, n, 1)})
            for n, won in ((2, True), (1, False))]  # fmt: skip
    _keep(store, lost, *kept, kind="deal")
    early, late = datetime(2026, 4, 2, tzinfo=UTC), datetime(2026, 5, 20, tzinfo=UTC)
    first = [score_row(one, "green", key=keys[one]) for one in ("stays", "ceased")]
    store.save_scores(1, first, early)
    store.save_scores(2, first[:1], late)
    ran(store, datetime(2026, 7, 3, tzinfo=UTC))
    return store


@pytest.mark.requirement("R138")
def test_cohorts_count_who_was_still_a_customer_when_a_month_was_over(store: Store) -> None:
    _cohorts(store)
    rows = store.rows("SELECT start_month, months_since, accounts, retained, end_unknown FROM v_cohort ORDER BY 2")
    assert rows == [
        ("2026-01-01", 0, 3, 3, 1),
        ("2026-01-01", 1, 3, 3, 1),
        ("2026-01-01", 2, 3, 2, 1),  # March: lost
        ("2026-01-01", 3, 3, 2, 1),
        ("2026-01-01", 4, 3, 1, 1),  # May: ceased
        ("2026-01-01", 5, 3, 1, 1),  # June is over, July is not
    ]
    assert store.rows("SELECT start_month, months_since, accounts, retained, end_unknown FROM v_cohort_detail "
                      "WHERE plan = 'pro' AND channel = 'partner' ORDER BY 2") == rows  # fmt: skip


def test_a_renewal_won_later_takes_back_one_that_was_lost(store: Store) -> None:
    _cohorts(store)
    won = Deal(source="crm", source_id="d9", updated_at=NOW, account_ref="lost", closed=True, won=True, renewal=True,
               close_date=date(2026, 6, 1), created_at=NOW)  # fmt: skip
    _keep(store, won, kind="deal")
    assert store.rows("SELECT accounts, end_unknown FROM v_cohort WHERE months_since = 0") == [(2, 2)]


def test_the_words_of_a_frozen_account_are_those_of_the_schema() -> None:
    assert migrations_views.FROZEN == FROZEN


@pytest.mark.parametrize("name", [name for name, table in tables().items() if table.view])
def test_every_column_of_a_view_is_described_in_its_order(store: Store, name: str) -> None:
    described = [column.name for column in tables()[name].columns]
    assert [column[1] for column in store.rows(f"PRAGMA table_info({name})")] == described
    assert set(tables()[name].key) | set(tables()[name].stamps) <= set(described)


def test_every_table_of_the_file_is_an_interface_or_internal(store: Store) -> None:
    records = set(KINDS) | {f"{kind}_history" for kind in KINDS}
    assert not records & set(INTERNAL)
    made = {name for (name,) in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert made == records | set(INTERNAL)
    views = {name for (name,) in store.rows("SELECT name FROM sqlite_master WHERE type = 'view'")}
    assert {name for name in views if name.startswith("v_")} == {t.name for t in tables().values() if t.view}


_SHAPES: dict[Type, str] = {
    "text": r".*",
    "integer": r"-?\d+",
    "boolean": r"[01]",
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "day": r"\d{4}-\d\d-\d\d",
    "json": r"[\[{].*",
}


def check_types(store: Store) -> int:
    """Compare every value of every table with the type of its column; gives how many there were."""
    seen = 0
    for table in tables().values():
        for values in store.rows(table.query(people=True)):
            for column, value in zip(table.columns, values, strict=True):
                if value is not None:
                    seen += 1
                    kind = int if column.type in {"integer", "boolean"} else str
                    assert isinstance(value, kind), (table.name, column.name, value)
                    assert re.fullmatch(_SHAPES[column.type], str(value), re.DOTALL), (table.name, column.name, value)
    return seen


def test_values_have_the_types_of_their_columns(lived: Store) -> None:
    assert check_types(_cohorts(lived)) > 500


def test_views_are_quick_with_ten_thousand_accounts(store: Store, tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine, so that a busy computer changes nothing: no view compares all with all."""
    rows = [row(key, "repeat", "green", "power") for key in range(1, 1001)]
    _keep(store, *(account(f"A{key}", name=f"No {key}", customer_since=date(2026, 1, 15)) for key in range(1, 1001)))
    store.save_scores(1, rows, at(0))
    store.save_scores(2, [one._replace(score=1, band="red") for one in rows], at(1))
    ran(store, at(2))
    for name in (name for name, table in tables().items() if table.view):
        steps = [0]

        def tick(counted: list[int] = steps) -> int:
            counted[0] += 1000
            return 0

        store.db.conn.set_progress_handler(tick, 1000)
        found = len(store.rows(f"SELECT * FROM {name}"))
        store.db.conn.set_progress_handler(None, 0)
        assert steps[0] <= 400 * max(found, 2000), f"{name}: {steps[0]:,} steps for {found:,} rows"
