"""Measures of a forecast against published values and against counting by hand."""

from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.measure import Rate, area, at_capacity, lead_of, quantile, said, wilson

SCORES = st.lists(st.integers(0, 20).map(float), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17, 1998, table I, method 3 (score method without continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_as_published(part: int, whole: int, low: float, high: float) -> None:
    assert wilson(part, whole) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson(whole - part, whole)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_a_rate_is_never_a_bare_percentage() -> None:
    assert Rate(3, 7).words == "3 of 7 (43 %, 16-75 %)"
    assert Rate(0, 0).words == "none of 0"
    assert isnan(Rate(0, 0).share)
    assert Rate(0, 0).interval == (0.0, 1.0)
    with pytest.raises(ValueError, match="no rate"):
        wilson(3, 2)


@given(left=SCORES, stayed=SCORES)
def test_the_area_is_the_share_of_pairs_in_order(left: list[float], stayed: list[float]) -> None:
    pairs = [1.0 if a < b else 0.5 if a == b else 0.0 for a in left for b in stayed]
    found = area(left, stayed)
    assert found is not None
    assert found.auc == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= found.low <= found.auc + 1e-12
    assert found.auc - 1e-12 <= found.high <= 1
    turned = area(stayed, left)
    assert turned is not None
    assert turned.auc == pytest.approx(1 - found.auc)
    assert (turned.left, turned.stayed) == (len(stayed), len(left))


@given(left=st.lists(st.integers(0, 20).map(float), min_size=2, max_size=9), stayed=SCORES.filter(lambda s: len(s) > 1))
def test_the_variance_is_that_of_delong(left: list[float], stayed: list[float]) -> None:
    def before(a: float, b: float) -> float:
        return 1.0 if a < b else 0.5 if a == b else 0.0

    found = area(left, stayed)
    assert found is not None
    m, n = len(left), len(stayed)
    v10 = [sum(before(a, b) for b in stayed) / n for a in left]
    v01 = [sum(before(a, b) for a in left) / m for b in stayed]
    s10 = sum((v - found.auc) ** 2 for v in v10) / (m - 1)
    s01 = sum((v - found.auc) ** 2 for v in v01) / (n - 1)
    half = 1.959963984540054 * (s10 / m + s01 / n) ** 0.5
    if half:
        assert found.low == pytest.approx(max(0.0, found.auc - half))
        assert found.high == pytest.approx(min(1.0, found.auc + half))


def test_a_perfect_ranking_of_few_is_not_certain() -> None:
    found = area([1.0] * 10, [2.0] * 100)
    assert found is not None
    assert (found.auc, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.7)
    assert found.words == "AUC 1.00 (0.70-1.00; 10 left, 100 stayed)"
    assert area([], [1.0]) is None
    assert area([1.0], []) is None


@pytest.mark.requirement("R131")
def test_calling_the_lowest_finds_so_many() -> None:
    cases = [(10.0, True), (20.0, False), (30.0, True), (40.0, False), (None, True), (50.0, False)]
    found = at_capacity(cases, 3)
    assert (found.calls, found.precision, found.recall) == (3, Rate(2, 3), Rate(2, 3))
    assert found.lift == pytest.approx((2 / 3) / (3 / 6))
    assert at_capacity(cases, 99).recall == Rate(3, 3)
    assert at_capacity([(5.0, True), (5.0, False), (5.0, False), (5.0, True)], 2).precision == Rate(1, 2)
    assert isnan(at_capacity([], 3).lift)
    assert at_capacity([(1.0, False)], 1).recall.words == "none of 0"


@given(
    cases=st.lists(st.tuples(st.none() | st.integers(0, 5).map(float), st.booleans()), max_size=20),
    calls=st.integers(0, 25),
)
def test_calls_never_exceed_what_is_there(cases: list[tuple[float | None, bool]], calls: int) -> None:
    found = at_capacity(cases, calls)
    assert found.calls == min(calls, len(cases))
    assert found.precision.part == found.recall.part <= min(found.calls, found.recall.whole)
    assert at_capacity(cases[::-1], calls).precision == found.precision


@pytest.mark.requirement("R72", "R131")
def test_lead_times_are_given_with_who_had_none() -> None:
    found = lead_of([10, 20, 30, 40, None])
    assert (found.found, found.quartiles) == (Rate(4, 5), (17.5, 25.0, 32.5))
    assert found.words == "4 of 5 (80 %, 38-96 %) had been red, 25 days ahead (half of them 18 to 32)"
    assert lead_of([None]).quartiles is None
    assert lead_of([None]).words == "0 of 1 (0 %, 0-79 %) had been red"


def test_quantiles_are_on_straight_lines() -> None:
    # R: quantile(c(1, 2, 4, 8), c(.25, .5, .75)) gives 1.75, 3, 5.
    assert [quantile([1, 2, 4, 8], share) for share in (0, 0.25, 0.5, 0.75, 1)] == [1, 1.75, 3, 5, 8]
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_what_is_no_number_is_not_said() -> None:
    assert said(nan) is None
    assert said(2.25, 1) == "2.2"
    assert said(3.0, 2) == "3.00"
