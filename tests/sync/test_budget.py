"""What writing may cost: enough calls for everybody else, bulk jobs where they save some, and a clean end."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.base import Quota, WriteSpec
from connectors.errors import QuotaError, TransientError
from sync.budget import BULK_JOB_CALLS, Budget, expected_calls, sizes
from sync.plan import FieldChange, Plan, RecordChange, TaskChange
from tests.sync.memory_crm import MemoryCrm

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
HUBSPOT = WriteSpec(update_batch=100, create_batch=100, read_batch=100)
SALESFORCE = WriteSpec(update_batch=200, create_batch=200, read_batch=2000, bulk_batch=10_000)
TASK = TaskChange("t1", "1", "Customer", "rescue", "Call", "Body", NOW, "high", "7", "Dana", "why")


def records(accounts: int, contacts: int = 0) -> list[RecordChange]:
    change = (FieldChange("score", 1, 2),)
    return [
        RecordChange("account" if n < accounts else "contact", str(n), "Customer", change, "")
        for n in range(accounts + contacts)
    ]


def plan(count: int) -> Plan:
    return Plan(NOW, "env", "hash", tuple(records(count)))


@pytest.mark.parametrize(
    ("spec", "accounts", "contacts", "bulk", "calls"),
    [
        (HUBSPOT, 0, 0, 0, 0),
        (HUBSPOT, 101, 0, 0, 4),
        (SALESFORCE, 10_000, 0, False, 100),
        (SALESFORCE, 10_000, 0, True, 5 + BULK_JOB_CALLS),
        (SALESFORCE, 10_000, 150, True, 5 + BULK_JOB_CALLS + 2),
        (SALESFORCE, 10_600, 1_400, True, 5 + BULK_JOB_CALLS + 6 + 14),
        (SALESFORCE, 0, 1_401, True, 1 + BULK_JOB_CALLS),
        (HUBSPOT, 1_000, 0, True, 20),
    ],
)
def test_every_batch_is_read_again_and_written(
    spec: WriteSpec, accounts: int, contacts: int, bulk: int, calls: int
) -> None:
    assert expected_calls(records(accounts, contacts), [], spec, bulk=bool(bulk)) == calls


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (200, [200]),
        (201, [200, 1]),
        (1_400, [200] * 7),
        (1_401, [1_401]),
        (11_000, [10_000, *[200] * 5]),
        (13_000, [10_000, 3_000]),
    ],
)
def test_a_bulk_job_is_taken_only_where_it_saves_calls(count: int, expected: list[int]) -> None:
    assert list(sizes(count, SALESFORCE, bulk=True)) == expected
    assert set(sizes(count, HUBSPOT, bulk=True)) <= {100, count % 100}


def test_what_comes_before_the_first_batch_counts_too_unless_there_is_none() -> None:
    opening = WriteSpec(200, 200, 2_000, 10_000, opening_calls=7)
    assert expected_calls(records(200), [], opening) == 7 + 2
    assert expected_calls([], [], opening) == 0


def test_tasks_are_looked_for_before_they_are_made() -> None:
    assert expected_calls([], [TASK], HUBSPOT) == 3


@pytest.mark.parametrize(
    ("limit", "remaining", "share", "bulk"),
    [
        (100_000, 90_000, 0.10, False),
        (500, 400, 0.10, True),
        (100_000, 60, 0.10, True),
        (None, None, 0.10, False),
        (None, 60, 0.10, True),
        (500, None, 0.10, True),
    ],
)
def test_updates_go_by_bulk_only_when_requests_of_their_own_cost_too_much(
    limit: int | None, remaining: int | None, share: float, bulk: int
) -> None:
    crm = MemoryCrm(write=SALESFORCE, limit=limit, remaining=remaining)
    assert Budget(crm, share).needs_bulk(records(10_000), []) == bool(bulk)


def test_no_bulk_job_where_it_would_cost_more_than_it_saves() -> None:
    crm = MemoryCrm(write=SALESFORCE, limit=100, remaining=1)
    budget = Budget(crm, 0.01)
    assert not budget.needs_bulk(records(1_000, 1_000), [])
    budget.open(plan(1_000))
    assert list(sizes(1_000, SALESFORCE, bulk=budget.bulk)) == [200] * 5


def test_applying_costs_no_more_than_the_plan_said_whatever_is_left_now() -> None:
    whole = plan(10_000)
    crm = MemoryCrm(write=SALESFORCE, limit=1_000_000, remaining=900_000)
    for said, bulk in ((expected_calls(whole.records, [], SALESFORCE, bulk=True), True), (100, False), (0, False)):
        budget = Budget(crm, 0.1)
        budget.open(replace(whole, expected_calls=said))
        assert budget.bulk == bulk


def test_a_quota_that_cannot_be_asked_for_stops_nothing() -> None:
    crm = MemoryCrm(write=SALESFORCE, unwilling=TransientError("no answer", vendor="salesforce"))
    budget = Budget(crm, 0.1)
    assert not budget.needs_bulk(records(10_000), [])
    budget.open(plan(10_000))
    crm.calls["write"] = 10_000
    budget.check()


def test_a_crm_without_bulk_jobs_and_a_small_plan_ask_for_no_quota() -> None:
    few = MemoryCrm(write=SALESFORCE, limit=None)
    assert not Budget(few, 0.1).needs_bulk(records(200), [])
    none = MemoryCrm(write=HUBSPOT, limit=None)
    assert not Budget(none, 0.1).needs_bulk(records(10_000), [])
    assert not few.calls + none.calls


def test_the_budget_ends_the_writing_between_two_batches() -> None:
    crm = MemoryCrm(limit=100, remaining=90)
    budget = Budget(crm, 0.05)
    crm.calls["pull"] = 1_000  # what was read before does not count
    budget.open(plan(2))
    crm.calls["write"] = 4
    budget.check()
    crm.calls["write"] = 5
    with pytest.raises(QuotaError, match=r"5 calls .* used up.*budget_share"):
        budget.check()


class Telling(MemoryCrm):
    """A CRM that tells of several budgets."""

    told: tuple[Quota, ...] = ()

    def quotas(self) -> tuple[Quota, ...]:
        return self.told


@pytest.mark.parametrize(
    ("quotas", "batches"),
    [
        ((Quota(190, 100, "10 s"), Quota(1_000, 900, "day")), 50),  # the connector paces itself within seconds
        ((Quota(100, 90, "hour"), Quota(1_000, 900, "day")), 5),
        ((Quota(1_000, 20, "hour"), Quota(1_000, 900, "day")), 10),
        ((Quota(1_000, 900, "hour"), Quota(100, 90, "day")), 5),
        ((Quota(None, 8, "day"),), 4),
        ((Quota(None, None, "hour"), Quota(None, None, "day")), 100),
        ((), 100),
    ],
)
def test_the_scarcest_budget_decides(quotas: tuple[Quota, ...], batches: int) -> None:
    crm = Telling(write=WriteSpec(update_batch=1, create_batch=1, read_batch=1))
    crm.told = quotas
    part, rest = Budget(crm, 0.10).open(plan(100))
    assert (len(part.records), len(rest)) == (batches, 100 - batches)


def test_where_nobody_knows_the_quota_nothing_ends() -> None:
    crm = MemoryCrm(limit=None, remaining=None)
    budget = Budget(crm, 0.05)
    budget.open(plan(2))
    crm.calls["write"] = 10_000
    budget.check()
