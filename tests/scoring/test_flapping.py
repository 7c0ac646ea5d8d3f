"""The figures of `benchmarks/bench_flapping.py`, on fewer accounts."""

import random
from datetime import timedelta

import pytest

from benchmarks import bench_flapping as bench
from scoring.card import Scorecard

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
    assert found["margin and days"][0] <= 1.2
    assert found["margin and days"][1] <= 0.3
    assert found["no rule"][0] > found["margin only"][0] > found["margin and days"][0]
    assert found["no rule"][0] > found["days only"][0] > found["margin and days"][0]


@pytest.mark.requirement("R14", "R38")
@pytest.mark.parametrize(
    ("a_week", "accounts", "weeks"), [(7, 300, 52), (42, 120, 26)], ids=["daily", "every four hours"]
)
def test_so_it_is_however_often_the_agent_looks(a_week: int, accounts: int, weeks: int) -> None:
    dice = random.Random(21)
    years = [bench.year(dice, a_week * weeks + 1, bench.CARRY ** (1 / a_week)) for _ in range(accounts)]
    found = bench.by_account(bench.settled(Scorecard.load(), years, WEEK / a_week))
    assert 0 < sum(map(bench.changes, found)) / accounts * 52 / weeks <= 1.2


def test_the_benchmark_measures_the_default() -> None:
    bands = Scorecard.load().bands
    assert (bands.margin, bands.confirm_days) == list(bench.RULES.values())[-1]


def test_a_slide_is_seen_two_weeks_later_at_most() -> None:
    slide = [80 - 55 * min(week, 6) // 6 for week in range(20)]
    red = {
        name: bench.delay(bench.by_account(bench.settled(bench.card(*rule), [slide], WEEK))[0])
        for name, rule in bench.RULES.items()
    }
    assert red["no rule"] == 5
    assert red["margin and days"] <= red["no rule"] + 2


def test_the_guard_is_not_called_by_noise() -> None:
    dice = random.Random(4)
    years = [bench.year(dice) for _ in range(300)]
    held = {
        name: bench.alarms(bench.settled(bench.card(*bench.RULES[name]), years, WEEK))
        for name in ("no rule", "margin and days")
    }
    assert held["no rule"] > 40
    assert held["margin and days"] <= 2
