"""How many of the CRM's calls writing may take. The day's budget belongs to everyone who uses the CRM.

The share is hard: what 24 hours of runs have written counts together, and what a plan needs beyond it is put off, the
lightest changes first (`sync.order`). Budgets of seconds and minutes are kept by the connectors, which pace themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import TypeVar

from connectors.base import Crm, Quota, WriteSpec
from connectors.errors import ConnectorError, QuotaError
from sync.plan import AnyChange, Plan, RecordChange, TaskChange, TaskRemoval

T = TypeVar("T")

BULK_JOB_CALLS = 14
"""Requests that a bulk job costs at most: made, filled, closed, three results, and eight looks at it, which last for as
long as Salesforce allows one batch of 10,000 rows to take."""
OBJECTS = ("account", "contact")

SHORT = {"s", "min", "minute"}
"""Periods, without their number, that connectors pace themselves for."""


class BudgetError(QuotaError):
    """The calls that writing may take are used up; raised between two batches."""


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """So many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


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
    records: Sequence[RecordChange],
    tasks: Sequence[TaskChange],
    spec: WriteSpec,
    *,
    removals: Sequence[TaskRemoval] = (),
    bulk: bool = False,
) -> int:
    """Requests that applying costs at most when nothing fails.

    The fields are looked at first, every batch is read again before it is written, every task is looked for, and what
    is written first is read once more.
    """
    if not records and not tasks and not removals:
        return 0
    calls = spec.opening_calls
    for obj in OBJECTS:
        count = sum(record.object == obj for record in records)
        for size in sizes(count, spec, bulk=bulk):
            calls += _calls(size, spec) if size <= spec.update_batch else _job_calls(size, spec)
    # Looking for a task is one read of the account's associations and one of the tasks found.
    return calls + 3 * ceil(len(tasks) / spec.create_batch) + 2 * ceil(len(removals) / spec.create_batch)


def calls_of(plan: Plan, spec: WriteSpec, *, bulk: bool = False) -> int:
    """`expected_calls` of a whole plan."""
    return expected_calls(plan.records, plan.tasks, spec, removals=plan.removals, bulk=bulk)


def fitting(plan: Plan, allowed: int, spec: WriteSpec, *, bulk: bool = False) -> tuple[Plan, tuple[AnyChange, ...]]:
    """The part of a plan that so many calls suffice for, the heaviest changes, in the plan's order; and the rest."""
    changes = plan.changes
    ranked = sorted(range(len(changes)), key=lambda place: (-changes[place].weight, place))

    def part(most: int) -> Plan:
        chosen = set(ranked[:most])
        first, second = len(plan.records), len(plan.records) + len(plan.removals)
        return replace(
            plan,
            records=tuple(item for place, item in enumerate(plan.records) if place in chosen),
            removals=tuple(item for place, item in enumerate(plan.removals, first) if place in chosen),
            tasks=tuple(item for place, item in enumerate(plan.tasks, second) if place in chosen),
        )

    low, high = 0, len(changes)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if calls_of(part(middle), spec, bulk=bulk) <= allowed else (low, middle - 1)
    chosen = set(ranked[:low])
    return part(low), tuple(changes[place] for place in ranked if place not in chosen)


def _calls(count: int, spec: WriteSpec) -> int:
    # Never a larger read than what is written next: the longer ago the read, the likelier somebody was quicker.
    return ceil(count / spec.update_batch) + ceil(count / min(spec.read_batch, spec.update_batch))


def _job_calls(count: int, spec: WriteSpec) -> int:
    return ceil(count / spec.read_batch) + BULK_JOB_CALLS


class Budget:
    """What one run may still spend on writing.

    Args:
        crm: Where it is written to.
        share: Part of a day's calls, and of those of any shorter period from an hour on, that writing may take.
        spent: Calls that writing took in the 24 hours before.
    """

    def __init__(self, crm: Crm, share: float, spent: int = 0) -> None:
        self.crm = crm
        self.share = share
        self.spent = spent
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

    def open(self, plan: Plan) -> tuple[Plan, tuple[AnyChange, ...]]:
        """Start to count, and choose what of the plan is written, and how: at no greater cost than it says.

        Returns:
            What there are calls for, and what must wait for the next run.
        """
        self._allowed = self._ask()
        single = calls_of(plan, self.crm.write)
        most = plan.expected_calls or single
        self.bulk = single > (most if self._allowed is None else min(most, self._allowed))
        self._before = sum(self.crm.calls.values())
        if self._allowed is None or calls_of(plan, self.crm.write, bulk=self.bulk) <= self._allowed:
            return plan, ()
        return fitting(plan, self._allowed, self.crm.write, bulk=self.bulk)

    def check(self) -> None:
        """Raise `BudgetError` when the budget is spent; asked between batches, so that nothing is left half-sent."""
        spent = sum(self.crm.calls.values()) - self._before
        if self._allowed is not None and spent >= self._allowed:
            message = f"the {self._allowed:,} calls that this run may spend on writing are used up."
            advice = "The next run goes on. writeback.budget_share says how large a part of the day's calls it is."
            raise BudgetError(message, vendor=self.crm.name, advice=advice)

    def _ask(self) -> int | None:
        """Calls that a run may take now: its share of each period's, and never the last ones. None: nobody knows."""
        try:
            quotas = self.crm.quotas()
        except ConnectorError:
            return None  # if it is for good, the first request for writing says so, and nothing was sent
        known = [most for quota in quotas if (most := self._most(quota)) is not None]
        return min(known) if known else None

    def _most(self, quota: Quota) -> int | None:
        if quota.period.split()[-1] in SHORT:
            return None
        if quota.limit is None:
            return quota.remaining
        spent = self.spent if quota.period == "day" else 0
        share = max(0, int(quota.limit * self.share) - spent)
        return share if quota.remaining is None else min(share, quota.remaining)
