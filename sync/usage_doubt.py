"""When an export that replaces days is not believed: it would overwrite what people did with next to nothing."""

from collections.abc import Mapping

from sync.doubt import DoubtError
from sync.tables import instant

DAY = 86400
LOST_SHARE = 0.2
"""An export may take away this share of the events of its days, or `LOST_ALWAYS`, but never all of them."""
LOST_ALWAYS = 20
LOST_OF_A_DAY = 0.5
"""And this share of one day that had more than `LOST_ALWAYS`: a stale copy lacks the newest days and no others."""
ANONYMOUS, ANONYMOUS_SHARE = 50, 0.5
"""So many events in a row may name no user, or no account, where this share always did."""
WEEKS, MIN_WEEKS = 4, 2
"""So many weeks back a weekday is looked at, and so many must be known."""


def require_believable(
    held: Mapping[int, int], found: Mapping[int, int], days: range, where: str, what: str = "events"
) -> None:
    """Compare an export with the days that it would replace.

    Args:
        held: Epoch day -> how many `what` we hold.
        found: Epoch day -> how many are in the export.
        days: The epoch days that it replaces.
        where: Source and stream, as in `guard.trusted`.
        what: What is counted.

    Raises:
        DoubtError: It says so much less that it is rather an outage than the truth; what we hold stays.
    """
    lost = {day: held[day] - found.get(day, 0) for day in days if held.get(day, 0) > found.get(day, 0)}
    before = sum(held.get(day, 0) for day in days)
    after = sum(found.get(day, 0) for day in days)
    gone = sum(lost.values())
    emptied = [day for day, less in lost.items() if less >= LOST_ALWAYS and less > LOST_OF_A_DAY * held[day]]
    if before and (not after or emptied or (gone >= LOST_ALWAYS and gone > LOST_SHARE * before)):
        worst = max(lost, key=lost.__getitem__)
        raise DoubtError(
            f"The export tells of {after:,} {what} where we hold {before:,} (on {instant(worst * DAY):%Y-%m-%d} of "
            f"{found.get(worst, 0):,} for {held[worst]:,}): not believed, what we hold stays.",
            advice=f'If it is right, add "{where}" to guard.trusted.',
        )
    missing = _missing_end(held, found, days)
    if missing is not None:
        raise DoubtError(
            f"The export ends before {instant(missing * DAY):%Y-%m-%d}, although that weekday was never empty before: "
            "not believed, what we hold stays.",
            advice=f'If it is right, add "{where}" to guard.trusted.',
        )


def _missing_end(held: Mapping[int, int], found: Mapping[int, int], days: range) -> int | None:
    """The first of the empty days at the end of an export, today left out, where they never were empty before."""
    last = max((day for day in days if found.get(day)), default=days.start - 1)
    empty = range(last + 1, days.stop - 1)
    first, usual = min(held, default=days.stop), 0
    for day in empty:
        before = [held.get(day - 7 * week, 0) for week in range(1, WEEKS + 1) if first <= day - 7 * week < days.start]
        if len(before) < MIN_WEEKS or not all(before):
            return None
        usual += min(before)
    return empty.start if usual >= LOST_ALWAYS else None
