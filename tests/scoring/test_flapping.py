"""The figures of `benchmarks/bench_flapping.py`, on fewer accounts."""

import random
from datetime import timedelta

import pytest

from benchmarks import bench_flapping as bench

WEEK = timedelta(days=7)


@pytest.mark.requirement("R14", "R38")
def test_noise_moves_a_band_at_most_1_2_times_a_year_where_it_would_6_5_times() -> None:
    dice = random.Random(3)
    years = [bench.year(dice) for _ in range(300)]
    found = {}
    for name, (margin, days) in bench.RULES.items():
        bands = bench.by_account(bench.settled(bench.card(margin, days), years, WEEK))
        found[name] = sum(map(bench.changes, bands)) / len(bands), sum(map(bench.flips, bands)) / len(bands)
    assert 5.5 < found["no rule"][0] < 7.5
    assert found["margin and two readings"][0] <= 1.2
    assert found["margin and two readings"][1] <= 0.3
    assert found["no rule"][0] > found["margin only"][0] > found["margin and two readings"][0]
    assert found["no rule"][0] > found["two readings only"][0] > found["margin and two readings"][0]


def test_a_slide_is_seen_two_weeks_later_at_most() -> None:
    slide = [80 - 55 * min(week, 6) // 6 for week in range(20)]
    red = {
        name: bench.delay(bench.by_account(bench.settled(bench.card(*rule), [slide], WEEK))[0])
        for name, rule in bench.RULES.items()
    }
    assert red["no rule"] == 5
    assert red["margin and two readings"] <= red["no rule"] + 2


def test_the_guard_is_not_called_by_noise() -> None:
    dice = random.Random(4)
    years = [bench.year(dice) for _ in range(300)]
    held = {
        name: bench.alarms(bench.settled(bench.card(*bench.RULES[name]), years, WEEK))
        for name in ("no rule", "margin and two readings")
    }
    assert held["no rule"] > 40
    assert held["margin and two readings"] <= 2
