"""Which way a score goes: the Theil-Sen slope over eight weekly points, said only when chance hardly explains it.

The slope is the median of the slopes of all pairs of points (Theil 1950), so that one odd week does not make a trend.
Its interval is Sen's: the slopes are sorted, and as many are cut off at either end as Kendall's S allows (P. K. Sen,
"Estimates of the regression coefficient based on Kendall's tau", Journal of the American Statistical Association 63,
1968, 1379-1389; worked out in Hollander and Wolfe, "Nonparametric Statistical Methods", section 9.3). With so few
points S is not taken for normal: how many of the n! orders reach a value is counted (Kendall, "A new measure of rank
correlation", Biometrika 30, 1938). Ties make the interval wider than it need be, never narrower.

Whole numbers only: slopes are in 420ths of a point a week, which every distance of one to seven weeks divides.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import factorial

WEEKS = 8
"""Points that a trend looks at: today and the same day of the seven weeks before."""
PARTS = 420
"""Least common multiple of 1 to 7."""
CHANCE = 20
"""One in so many flat scores may be said to rise or fall: an interval of 95 %."""


def trend(points: Sequence[int | None]) -> int | None:
    """Tenths of a point a week, 0 when that is not surely another number; None while fewer than five points are known.

    Args:
        points: Scores a week apart, the oldest first; at most `WEEKS`. None where none is known.

    Raises:
        ValueError: There are more.
    """
    if len(points) > WEEKS:
        raise ValueError(f"{len(points)} points; a trend looks at {WEEKS}")
    return _trend(tuple(points))


def interval(points: Sequence[int | None]) -> tuple[int, int] | None:
    """Sen's interval of the slope in `PARTS` of a point a week; None when there are too few points for one."""
    known = [(week, score) for week, score in enumerate(points) if score is not None]
    critical = critical_value(len(known))
    if critical is None:
        return None
    slopes = _slopes(known)
    cut = (len(slopes) - (critical - 2)) // 2
    return slopes[cut - 1], slopes[len(slopes) - cut]


@lru_cache(maxsize=4096)
def _trend(points: tuple[int | None, ...]) -> int | None:
    between = interval(points)
    if between is None:
        return None
    if between[0] <= 0 <= between[1]:
        return 0
    slopes = _slopes([(week, score) for week, score in enumerate(points) if score is not None])
    half = len(slopes) // 2
    twice = slopes[half] + slopes[-half - 1]  # both are the middle one when their number is odd
    tenths = (10 * abs(twice) + PARTS) // (2 * PARTS)
    return tenths if twice > 0 else -tenths


def _slopes(known: Sequence[tuple[int, int]]) -> list[int]:
    """The slopes of all pairs, sorted."""
    return sorted(
        PARTS * (later - earlier) // (week - before)
        for i, (before, earlier) in enumerate(known)
        for week, later in known[i + 1 :]
    )


@lru_cache(maxsize=WEEKS)
def critical_value(n: int) -> int | None:
    """The smallest S of Kendall's that n points in random order reach in at most one of 2 x `CHANCE` cases.

    Returns:
        None when even all pairs in order are not that rare: below five points.
    """
    orders = [1]
    for size in range(2, n + 1):  # an order of one more point has its inversions, and 0 to size - 1 new ones
        wider = [0] * (len(orders) + size - 1)
        for inversions, count in enumerate(orders):
            for new in range(size):
                wider[inversions + new] += count
        orders = wider
    pairs, tail, found = n * (n - 1) // 2, 0, None
    for inversions, count in enumerate(orders):
        tail += count
        if 2 * CHANCE * tail > factorial(n):
            break
        found = pairs - 2 * inversions
    return found
