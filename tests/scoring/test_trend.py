"""Trend: the slope and its interval against a naive reading of the papers, and how often chance makes one."""

import random
from fractions import Fraction
from itertools import combinations, permutations
from math import factorial
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.trend import PARTS, WEEKS, critical_value, interval, trend

POINTS = st.lists(st.one_of(st.none(), st.integers(0, 100)), max_size=WEEKS)


def slopes_of(points: list[int | None]) -> list[Fraction]:
    known = [(week, score) for week, score in enumerate(points) if score is not None]
    return sorted(Fraction(y - z, v - w) for (w, z), (v, y) in combinations(known, 2))


def kendall(order: tuple[int, ...]) -> int:
    return sum((later > earlier) - (later < earlier) for earlier, later in combinations(order, 2))


@pytest.mark.parametrize("n", range(2, 8))
def test_the_critical_value_is_that_of_all_orders(n: int) -> None:
    found = critical_value(n)
    reached = [kendall(order) for order in permutations(range(n))]
    rare = [s for s in sorted(set(reached)) if 40 * sum(one >= s for one in reached) <= factorial(n)]
    assert found == (rare[0] if rare else None)


def test_the_tables_in_print() -> None:
    """The upper 2.5 % points of Kendall's S, as tables in print have them."""
    assert [critical_value(n) for n in (4, 5, 6, 7, 8)] == [None, 10, 13, 15, 18]


@settings(deadline=None)
@given(POINTS)
def test_the_interval_holds_the_median_and_leaves_out_as_much_at_either_end(points: list[int | None]) -> None:
    between, slopes = interval(points), slopes_of(points)
    critical = critical_value(sum(point is not None for point in points))
    assert (between is None) == (critical is None)
    if between is not None and critical is not None:
        cut = (len(slopes) - critical) // 2
        low, high = slopes[cut], slopes[-cut - 1]
        assert (Fraction(between[0], PARTS), Fraction(between[1], PARTS)) == (low, high)
        assert low <= median(slopes) <= high


@settings(deadline=None)
@given(POINTS)
def test_a_trend_is_the_median_slope_where_the_interval_excludes_zero(points: list[int | None]) -> None:
    between, found = interval(points), trend(points)
    if between is None:
        assert found is None
    elif between[0] <= 0 <= between[1]:
        assert found == 0
    else:
        middle = median(slopes_of(points))
        assert found
        assert abs(found - 10 * middle) <= Fraction(1, 2)
        assert (found > 0) == (middle > 0)


@settings(deadline=None)
@given(POINTS)
def test_turned_around_it_is_the_opposite(points: list[int | None]) -> None:
    found, mirrored = trend(points), trend([None if point is None else 100 - point for point in points])
    assert mirrored == (None if found is None else -found)
    assert trend(points[::-1]) == mirrored


def test_one_odd_week_makes_no_trend_and_hides_none() -> None:
    assert trend([80, 80, 80, 20, 80, 80, 80, 80]) == 0
    assert trend([80, 76, 72, 99, 64, 60, 56, 52]) == -40
    assert trend([50, 50, 50, 50, 40]) == 0, "four of five points say nothing"
    assert trend([50, 49, 48, 47]) is None, "four points never suffice"
    assert trend([None, None, None, 50, 48, 46, 44, 42]) == -20


def test_more_points_than_a_trend_looks_at_are_refused() -> None:
    with pytest.raises(ValueError, match="9 points; a trend looks at 8"):
        trend([1] * 9)


def test_chance_seldom_makes_a_trend() -> None:
    """Flat scores with noise: at most one in twenty by the interval's promise; whole numbers tie, so fewer."""
    draw = random.Random(7)
    found = sum(trend([round(draw.gauss(55, 8)) for _ in range(WEEKS)]) != 0 for _ in range(4000))
    assert 0.015 < found / 4000 < 0.05
