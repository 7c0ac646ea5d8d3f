"""What writing may cost: enough calls for everybody else, bulk jobs where they save some, and a clean end."""

from datetime import UTC, datetime

import pytest

from connectors.base import WriteSpec
from connectors.errors import QuotaError
from sync.budget import BULK_JOB_CALLS, Budget, expected_calls
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
        (HUBSPOT, 1_000, 0, True, 20),
    ],
)
def test_every_batch_is_read_again_and_written(
    spec: WriteSpec, accounts: int, contacts: int, bulk: int, calls: int
) -> None:
    assert expected_calls(records(accounts, contacts), [], spec, bulk=bool(bulk)) == calls


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


def test_where_nobody_knows_the_quota_nothing_ends() -> None:
    crm = MemoryCrm(limit=None, remaining=None)
    budget = Budget(crm, 0.05)
    budget.open(plan(2))
    crm.calls["write"] = 10_000
    budget.check()
