"""What goes first when calls are short, and what is put off then."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Value, WriteSpec
from mapping.schema import Account, Deal
from sync.budget import Budget, BudgetError, calls_of, fitting
from sync.order import Names, account_values, weigh
from sync.owned import default_fields
from sync.plan import FieldChange, Plan, RecordChange, TaskChange, TaskRemoval
from sync.store import Page, Store
from tests.sync.memory_crm import MemoryCrm

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
NAMES = Names("score", "band", "engagement")
SMALL = WriteSpec(update_batch=1, create_batch=1, read_batch=1)


def account(record_id: str, before: Value, after: Value, band: str | None = None) -> RecordChange:
    fields = [FieldChange("score", before, after)] + ([FieldChange("band", None, band)] if band else [])
    return RecordChange("account", record_id, f"Customer {record_id}", tuple(fields), "")


def contact(record_id: str, before: Value, after: Value) -> RecordChange:
    return RecordChange("contact", record_id, record_id, (FieldChange("engagement", before, after),), "")


def task(key: str, account_id: str, risk: int = 100) -> TaskChange:
    one = TaskChange(key, account_id, "Customer", "rescue", "Call", "Body", NOW, "high", "7", "Dana", "why")
    return replace(one, severity=risk)


def severity(record: RecordChange) -> int:
    return weigh([record], [], NAMES, {}, {})[0][0].severity


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (account("1", 80, 30, "red"), 90),
        (account("1", 80, 65, "yellow"), 35),
        (account("1", 80, None, "unknown"), 10),
        (account("1", 30, 80, "green"), 1),
        (account("1", None, 30, "red"), 100),
        (account("1", None, 95), 5),
        (account("1", 80, 79.6), 1),
        (contact("1", 90, 10), 8),
        (contact("1", None, 0), 10),
        (contact("1", 10, 90), 1),
        (contact("1", 10, None), 1),
        (RecordChange("account", "1", "Customer", (FieldChange("segments", None, ("a",)),), ""), 1),
    ],
)
def test_how_bad_a_change_is(record: RecordChange, expected: int) -> None:
    assert severity(record) == expected


@pytest.mark.requirement("R83")
def test_tasks_go_by_the_risk_of_their_account_and_its_value() -> None:
    _, tasks = weigh([], [task("a", "1", 31), task("b", "2", 82), task("c", "3", 61)], NAMES, {"1": 100}, {})
    assert [(one.key, one.severity, one.value) for one in tasks] == [("b", 82, 50), ("a", 31, 100), ("c", 61, 50)]


def test_the_worst_change_of_the_most_valuable_account_comes_first() -> None:
    records = [account("a", 80, 70), account("b", 80, 30, "red"), account("c", 80, 30, "red"), contact("d", 90, 10)]
    ordered, _ = weigh(records, [], NAMES, {"a": 100, "b": 10, "c": 60}, {"d": "c"})
    assert [record.record_id for record in ordered] == ["c", "a", "b", "d"]
    assert [record.weight for record in ordered] == [90 * 60, 10 * 100, 90 * 10, 8 * 60]


def test_contacts_of_one_account_stay_together() -> None:
    homes = {"1": "x", "2": "y", "3": "x", "4": "y", "5": ""}
    records = [contact("1", 90, 80), contact("2", 90, 40), contact("3", 90, 10), contact("4", 90, 90)]
    ordered, _ = weigh([*records, contact("5", 90, 10)], [], NAMES, {}, homes)
    assert [record.record_id for record in ordered] == ["5", "3", "1", "2", "4"]


@given(st.permutations(range(6)))
def test_the_order_does_not_depend_on_where_it_started(order: list[int]) -> None:
    records = [account(str(n), 80, 60) for n in range(3)] + [contact(str(n), 80, 60) for n in range(3)]
    shuffled = [records[place] for place in order]
    assert weigh(shuffled, [], NAMES, {}, {}) == weigh(records, [], NAMES, {}, {})


def test_fields_are_found_by_our_names_for_them() -> None:
    fields = default_fields([], "csm_{}".format)
    assert Names.of(fields) == Names("csm_health_score", "csm_health_band", "csm_engagement")
    assert Names.of([]) == Names("", "", "")


def test_an_account_is_worth_its_revenue_or_what_it_bought(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    accounts = [
        Account(source="hubspot", source_id=str(number), name="x", mrr=mrr)
        for number, mrr in enumerate([100, 9_000, 500, 500, None, None])
    ]
    bought = [
        Deal(
            source="hubspot",
            source_id="1",
            account_ref="4",
            won=True,
            closed=True,
            amount=12_000,
            close_date=NOW.date(),
        ),
        Deal(source="hubspot", source_id="2", account_ref="5", won=False, amount=99_000, close_date=NOW.date()),
    ]
    store.commit(Page("hubspot", "companies", "account", accounts), NOW)
    store.commit(Page("hubspot", "deals", "deal", bought), NOW)
    assert account_values(store, "hubspot", NOW) == {"0": 1, "1": 100, "2": 38, "3": 38, "4": 75, "5": 50}
    assert account_values(store, "salesforce", NOW) == {}
    store.close()


# -- putting off ----------------------------------------------------------------------------------------------------


def a_plan() -> Plan:
    heavy = [replace(account(str(n), 80, 30), severity=100 - n, value=50) for n in range(5)]
    light = [replace(contact(str(n), 80, 30), severity=1, value=50) for n in range(5)]
    tasks = [replace(task(f"t{n}", str(n)), severity=99, value=50 + n) for n in range(2)]
    away = TaskRemoval("r", "t", "1", "Customer", "Call", "why", 1)
    return Plan(NOW, "env", "hash", (*heavy, *light), tuple(tasks), removals=(away,))


@given(st.integers(0, 60))
def test_what_is_left_is_the_lightest_and_nothing_is_lost(allowed: int) -> None:
    whole = a_plan()
    part, rest = fitting(whole, allowed, SMALL)
    assert sorted([*part.changes, *rest], key=repr) == sorted(whole.changes, key=repr)
    assert calls_of(part, SMALL) <= allowed
    assert [change.weight for change in rest] == sorted((change.weight for change in rest), reverse=True)
    if rest:
        assert all(change.weight >= rest[0].weight for change in part.changes)
        more = {*part.changes, rest[0]}
        bigger = replace(
            whole,
            records=tuple(one for one in whole.records if one in more),
            tasks=tuple(one for one in whole.tasks if one in more),
            removals=tuple(one for one in whole.removals if one in more),
        )
        assert calls_of(bigger, SMALL) > allowed
    assert list(part.records) == [record for record in whole.records if record in part.records]


def test_a_budget_takes_what_it_can_pay_for() -> None:
    crm = MemoryCrm(write=SMALL, limit=100, remaining=90)
    part, rest = Budget(crm, 0.10).open(a_plan())
    assert calls_of(part, SMALL) == 9  # one more record would take two
    assert len(part.changes) + len(rest) == len(a_plan().changes)
    assert part.removals


def test_what_earlier_runs_of_the_day_have_taken_counts() -> None:
    crm = MemoryCrm(write=SMALL, limit=100, remaining=90)
    fresh = Budget(crm, 0.10, spent=0).open(a_plan())[0]
    later = Budget(crm, 0.10, spent=6).open(a_plan())[0]
    spent = Budget(crm, 0.10, spent=11).open(a_plan())[0]
    assert len(fresh.changes) > len(later.changes) > 0
    assert spent.empty


def test_a_budget_that_is_enough_changes_nothing() -> None:
    crm = MemoryCrm(write=SMALL, limit=10_000, remaining=9_000)
    assert Budget(crm, 0.10).open(a_plan()) == (a_plan(), ())


def test_what_costs_more_than_it_should_ends_between_two_batches() -> None:
    crm = MemoryCrm(write=SMALL, limit=100, remaining=90)
    budget = Budget(crm, 0.10)
    budget.open(a_plan())
    crm.calls["write"] = 9
    budget.check()
    crm.calls["write"] = 10
    with pytest.raises(BudgetError, match="10 calls"):
        budget.check()
