"""How many of the CRM's calls the writing of a run may take. The day's budget belongs to everyone who uses the CRM."""

from collections.abc import Iterator, Sequence
from math import ceil

from connectors.base import Crm, WriteSpec
from connectors.errors import ConnectorError, QuotaError
from sync.plan import Plan, RecordChange, TaskChange

BULK_JOB_CALLS = 14
"""Requests that a bulk job costs at most: made, filled, closed, three results, and eight looks at it, which last for as
long as Salesforce allows one batch of 10,000 rows to take."""
OBJECTS = ("account", "contact")


def sizes(count: int, spec: WriteSpec, *, bulk: bool = False) -> Iterator[int]:
    """How many records go together, batch after batch.

    With `bulk` as many as a bulk job takes, as long as that costs fewer calls than requests of their own.
    """
    while count:
        size = min(count, spec.update_batch)
        if bulk and spec.bulk_batch is not None:
            whole = min(count, spec.bulk_batch)
            if _job_calls(whole, spec) < _calls(whole, spec):
                size = whole
        yield size
        count -= size


def expected_calls(
    records: Sequence[RecordChange], tasks: Sequence[TaskChange], spec: WriteSpec, *, bulk: bool = False
) -> int:
    """Requests that applying costs at most when nothing fails.

    The fields are looked at first, every batch is read again before it is written, and every task is looked for.
    """
    if not records and not tasks:
        return 0
    calls = spec.opening_calls
    for obj in OBJECTS:
        count = sum(record.object == obj for record in records)
        for size in sizes(count, spec, bulk=bulk):
            calls += _calls(size, spec) if size <= spec.update_batch else _job_calls(size, spec)
    # Looking for a task is one read of the account's associations and one of the tasks found.
    return calls + 3 * ceil(len(tasks) / spec.create_batch)


def _calls(count: int, spec: WriteSpec) -> int:
    # Never a larger read than what is written next: the longer ago the read, the likelier somebody was quicker.
    return ceil(count / spec.update_batch) + ceil(count / min(spec.read_batch, spec.update_batch))


def _job_calls(count: int, spec: WriteSpec) -> int:
    return ceil(count / spec.read_batch) + BULK_JOB_CALLS


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
        """Whether updates must go by bulk jobs to stay within the budget, and such jobs would save calls."""
        single = expected_calls(records, tasks, self.crm.write)
        if expected_calls(records, tasks, self.crm.write, bulk=True) == single:
            return False
        allowed = self._ask()
        return allowed is not None and single > allowed

    def open(self, plan: Plan) -> None:
        """Start to count, and choose how to write the plan: at no greater cost than it says, whatever is left now."""
        self._allowed = self._ask()
        single = expected_calls(plan.records, plan.tasks, self.crm.write)
        most = plan.expected_calls or single
        self.bulk = single > (most if self._allowed is None else min(most, self._allowed))
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
        try:
            quota = self.crm.quota()
        except ConnectorError:
            return None  # if it is for good, the first request for writing says so, and nothing was sent
        if quota.limit is None:
            return quota.remaining
        share = int(quota.limit * self.share)
        return share if quota.remaining is None else min(share, quota.remaining)
