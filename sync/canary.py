"""Wall three of the guard: a few records are written first and read back; a batch that goes badly ends the writing."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor

from connectors.base import Value
from sync.guard import Limits
from sync.plan import Plan, RecordChange
from sync.values import same, show

ABOVE = 20
"""Records in a plan from which on some are written first."""

BAD = frozenset({"rejected", "parked"})
"""Endings that count as errors of a batch: the CRM will not take these values.

A locked record or a lost answer says nothing about what is written: the first is tried again, the second asked about.
"""

SPARED = 2
"""So many errors never end the writing, however small the batch: single records may always be locked or invalid."""


class CanaryError(Exception):
    """Writing stopped because what was written first went wrong. What was not sent stays planned."""


class Canary:
    """Decides how many records go first, and when to stop.

    Args:
        limits: The guard's; None or switched off lets everything through.
        plan: What is written.
    """

    def __init__(self, limits: Limits | None, plan: Plan) -> None:
        self.limits = limits if limits is not None and limits.enabled and len(plan.records) > ABOVE else None

    def size(self, count: int) -> int:
        """How many of so many records of one kind are written first; 0 when they need no canary."""
        if self.limits is None:
            return 0
        first = max(self.limits.canary_min, ceil(count * self.limits.canary_share))
        return first if first < count else 0

    def compare(self, written: Sequence[RecordChange], found: Mapping[str, Mapping[str, Value]]) -> None:
        """Make sure that the CRM says what was written first.

        A record that is there no more was deleted meanwhile, which says nothing about our writing.

        Raises:
            CanaryError: Naming the first field that says something else.
        """
        wrong = list(_wrong(written, found))
        if wrong:
            record, name, ours, theirs = wrong[0]
            raise CanaryError(
                f"{len({item[0].record_id for item in wrong})} of the {len(written)} records written first do not say "
                f"what was written: {name} of {record.object} {record.record_id} says {show(theirs)} "
                f"instead of {show(ours)}."
            )

    def judge(self, results: Sequence[str]) -> None:
        """Stop when too much of a batch went wrong.

        Raises:
            CanaryError: With the numbers.
        """
        if self.limits is None:
            return
        bad = sum(result in BAD for result in results)
        if bad > max(SPARED, floor(len(results) * self.limits.batch_errors)):
            raise CanaryError(
                f"{bad} of {len(results)} changes of one batch failed, allowed are "
                f"{max(SPARED, floor(len(results) * self.limits.batch_errors))}."
            )


def _wrong(
    written: Sequence[RecordChange], found: Mapping[str, Mapping[str, Value]]
) -> Iterator[tuple[RecordChange, str, Value, Value]]:
    for record in written:
        values = found.get(record.record_id)
        for change in record.fields if values is not None else ():
            theirs = (values or {}).get(change.field)
            if not same(theirs, change.after):
                yield record, change.field, change.after, theirs
