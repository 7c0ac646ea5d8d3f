"""How many of the CRM's calls the writing of a run may take. The day's budget belongs to everyone who uses the CRM."""

from collections.abc import Sequence
from math import ceil

from connectors.base import Crm, WriteSpec
from connectors.errors import QuotaError
from sync.plan import Plan, RecordChange, TaskChange

BULK_JOB_CALLS = 12
"""Requests that a bulk job costs at most as a rule: made, filled, closed, looked at a few times, and three results."""
OBJECTS = ("account", "contact")


def expected_calls(
    records: Sequence[RecordChange], tasks: Sequence[TaskChange], spec: WriteSpec, *, bulk: bool = False
) -> int:
    """Requests that applying costs: every batch is read again before it is written, every task looked for first."""
    calls = 0
    for obj in OBJECTS:
        count = sum(record.object == obj for record in records)
        calls += _bulk_calls(count, spec) if bulk else _calls(count, spec)
    # Looking for a task is one read of the account's associations and one of the tasks found.
    return calls + 3 * ceil(len(tasks) / spec.create_batch)


def _calls(count: int, spec: WriteSpec) -> int:
    # Never a larger read than what is written next: the longer ago the read, the likelier somebody was quicker.
    return ceil(count / spec.update_batch) + ceil(count / min(spec.read_batch, spec.update_batch))


def _bulk_calls(count: int, spec: WriteSpec) -> int:
    if spec.bulk_batch is None or count <= spec.update_batch:
        return _calls(count, spec)
    return ceil(count / spec.read_batch) + BULK_JOB_CALLS * ceil(count / spec.bulk_batch)


class Budget:
    """What one run may still spend on writing.

    Args:
        crm: Where it is written to.
        share: Part of the day's calls that one run may take.
    """

    def __init__(self, crm: Crm, share: float) -> None:
        self.crm = crm
        self.share = share
        self.bulk = False
        self._allowed: int | None = None
        self._before = 0

    def needs_bulk(self, records: Sequence[RecordChange], tasks: Sequence[TaskChange]) -> bool:
        """Whether updates must go by bulk jobs to stay within the budget, where the CRM has such jobs."""
        spec = self.crm.write
        if spec.bulk_batch is None or len(records) <= spec.update_batch:
            return False
        allowed = self._ask()
        return allowed is not None and expected_calls(records, tasks, spec) > allowed

    def open(self, plan: Plan) -> None:
        """Start to count, and choose how to write the plan."""
        self.bulk = self.needs_bulk(plan.records, plan.tasks)
        self._allowed = self._ask()
        self._before = sum(self.crm.calls.values())

    def check(self) -> None:
        """Raise `QuotaError` when the budget is spent; asked between two batches, so that nothing is left half-sent."""
        spent = sum(self.crm.calls.values()) - self._before
        if self._allowed is not None and spent >= self._allowed:
            message = f"the {self._allowed:,} calls that this run may spend on writing are used up."
            advice = "The next run goes on. writeback.budget_share says how large a part of the day's calls it is."
            raise QuotaError(message, vendor=self.crm.name, advice=advice)

    def _ask(self) -> int | None:
        """Calls that a run may take now: its share of the day's, and never the last ones. None when nobody knows."""
        quota = self.crm.quota()
        if quota.limit is None:
            return quota.remaining
        share = int(quota.limit * self.share)
        return share if quota.remaining is None else min(share, quota.remaining)
