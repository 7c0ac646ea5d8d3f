"""The parts of a change add up to it exactly, and each is nothing where nothing of its kind happened."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.change import Change, as_known, signed, sparkline, split, split_kept
from scoring.inputs import ScoreRow
from scoring.verdict import points_of, score_of
from tests.scoring.rows import fixed_card, row_of

CARD = fixed_card()
SINCE = datetime(2026, 11, 15, tzinfo=UTC)
POINTS = st.fixed_dictionaries({name: st.none() | st.integers(100, 500) for name in CARD.account.signals})
FRESH = st.fixed_dictionaries({name: st.integers(0, 100) for name in CARD.account.signals})
NAMES = tuple(CARD.account.signals)


def row(points: dict[str, int | None], fresh: dict[str, int], card: str = "SaaS default") -> ScoreRow:
    """A row as the statement would make it of these points and freshnesses."""
    made = row_of(CARD, dict.fromkeys(points, 300), 100)
    signals = tuple(one._replace(points=points[one.name], fresh=fresh[one.name], value=None) for one in made.signals)
    weight = sum(one.weight for one in signals)
    known = [one for one in signals if one.points is not None]
    coverage = sum(one.weight * one.fresh for one in known) // weight
    enough = coverage >= CARD.bands.min_coverage
    mass = sum(one.weight * (one.points or 0) for one in known)
    mean = points_of(coverage, sum(one.weight for one in known), mass) if enough else 300
    score = score_of(mean) if enough else None
    return made._replace(signals=signals, coverage=coverage, points=mean, score=score, card=card)


ROWS = st.builds(row, POINTS, FRESH, st.sampled_from(["SaaS default", "SaaS default", "other"]))


def tenths(score: int | None) -> int:
    return 10 * (50 if score is None else score)


@given(before=ROWS, configured=ROWS, corrected=ROWS, after=ROWS)
def test_the_parts_add_up_to_the_change(
    before: ScoreRow, configured: ScoreRow, corrected: ScoreRow, after: ScoreRow
) -> None:
    change = split(SINCE, CARD, before, (configured, corrected, after))
    assert change.configuration + change.data + change.behaviour == tenths(after.score) - tenths(before.score)
    assert change.total == tenths(after.score) - tenths(before.score)
    assert change.configuration == tenths(configured.score) - tenths(before.score)


@given(one=ROWS)
def test_a_row_as_well_known_as_itself_has_its_own_score(one: ScoreRow) -> None:
    assert as_known(CARD, one, one) == one.score
    assert split(SINCE, CARD, one, (one, one, one)) == Change(SINCE, one.score, one.score, 0, 0, 0, {})


@given(points=POINTS, fresh=FRESH, other=FRESH)
def test_growing_old_is_data_and_no_behaviour(
    points: dict[str, int | None], fresh: dict[str, int], other: dict[str, int]
) -> None:
    old, new = row(points, fresh), row(points, other)
    change = split(SINCE, CARD, old, (old, old, new))
    assert (change.behaviour, change.configuration) == (0, 0)
    assert change.data == tenths(new.score) - tenths(old.score)


@given(points=POINTS, fresh=FRESH, gone=st.sets(st.sampled_from(NAMES)))
def test_becoming_unknown_is_data_and_no_behaviour(
    points: dict[str, int | None], fresh: dict[str, int], gone: set[str]
) -> None:
    old, new = row(points, fresh), row({n: None if n in gone else p for n, p in points.items()}, fresh)
    for change in (split(SINCE, CARD, old, (old, old, new)), split(SINCE, CARD, new, (new, new, old))):
        assert (change.behaviour, change.configuration) == (0, 0)


@given(points=POINTS, fresh=FRESH, moved=POINTS)
def test_values_that_move_are_behaviour_and_no_data(
    points: dict[str, int | None], fresh: dict[str, int], moved: dict[str, int | None]
) -> None:
    there = {name: (moved[name] or 300) if points[name] else None for name in points}
    old, new = row(points, fresh), row(there, fresh)
    change = split(SINCE, CARD, old, (old, old, new))
    assert (change.data, change.configuration) == (0, 0)
    assert change.behaviour == tenths(new.score) - tenths(old.score)


def test_late_records_are_data_and_a_new_card_configuration() -> None:
    full = dict.fromkeys(NAMES, 100)
    old, late, new = (row(dict.fromkeys(NAMES, points), full) for points in (300, 260, 200))
    change = split(SINCE, CARD, old, (old, late, new))
    assert (change.configuration, change.data, change.behaviour) == (0, -100, -150)
    by_card = split(SINCE, CARD, old, (late, late, late))
    assert (by_card.configuration, by_card.data, by_card.behaviour) == (-100, 0, 0)
    assert change.signals["login"] == (300, 200)
    assert change.sentence == ("Since 2026-11-15: 50 to 25, -25.0 (behaviour -15.0, data -10.0, configuration 0.0).")


@given(before=ROWS, unchanged=ROWS, after=ROWS, late=st.sets(st.sampled_from(NAMES)))
def test_the_parts_that_a_run_keeps_add_up_to_the_change(
    before: ScoreRow, unchanged: ScoreRow, after: ScoreRow, late: set[str]
) -> None:
    change = split_kept(SINCE, CARD, (before, unchanged, after), late)
    assert change.configuration + change.data + change.behaviour == tenths(after.score) - tenths(before.score)
    assert change.configuration == tenths(after.score) - tenths(unchanged.score)
    same = split_kept(SINCE, CARD, (before, before, before), late)
    assert same == Change(SINCE, before.score, before.score, 0, 0, 0, {})


@given(points=POINTS, fresh=FRESH, moved=POINTS, other=FRESH)
def test_a_run_keeps_what_age_and_late_records_did_as_data(
    points: dict[str, int | None], fresh: dict[str, int], moved: dict[str, int | None], other: dict[str, int]
) -> None:
    old, aged = row(points, fresh), row(points, other)
    assert split_kept(SINCE, CARD, (old, aged, aged), ()).data == tenths(aged.score) - tenths(old.score)
    there = {name: (moved[name] or 300) if points[name] else None for name in points}
    new = row(there, fresh)
    assert split_kept(SINCE, CARD, (old, new, new), ()).behaviour == tenths(new.score) - tenths(old.score)
    assert split_kept(SINCE, CARD, (old, new, new), NAMES).data == tenths(new.score) - tenths(old.score)


def test_an_account_of_another_card_moved_by_its_own_doing() -> None:
    full = dict.fromkeys(NAMES, 100)
    old, new = row(dict.fromkeys(NAMES, 300), full), row(dict.fromkeys(NAMES, 200), full, "other")
    assert split_kept(SINCE, CARD, (old, new, new), NAMES[:1]).behaviour == tenths(new.score) - tenths(old.score)


def test_a_score_that_came_back_to_where_it_was_says_what_cancelled_out() -> None:
    assert Change(SINCE, 39, 39, 0, 0, 0, {}).sentence == "Since 2026-11-15: 39, no change."
    parts = "(behaviour +2.0, data -2.0, configuration 0.0)"
    assert Change(SINCE, 39, 39, 0, -20, 20, {}).sentence == f"Since 2026-11-15: 39, no change {parts}."


@pytest.mark.parametrize(("number", "text"), [(0, "0.0"), (-5, "-0.5"), (35, "+3.5"), (-120, "-12.0")])
def test_tenths_are_said_with_their_sign(number: int, text: str) -> None:
    assert signed(number) == text


def test_a_history_is_drawn_in_one_line() -> None:
    assert sparkline([0, 12, 13, 50, None, 99, 100]) == "▁▁▂▅ ██"
    assert sparkline([0, 50, None, 100], lambda _: False) == "_= #"
    assert sparkline([]) == ""
