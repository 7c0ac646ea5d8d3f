"""What holds of every score, on random cards and random facts: in plain Python, which the statement agrees with."""

import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.card import Scorecard
from scoring.explain import explain
from scoring.features import catalogue
from scoring.inputs import ScoreRow, SignalPoints
from scoring.signals import Signal
from tests.scoring.oracle import curve, verdict
from tests.scoring.random_cards import FEATURES, card_text

KINDS = ("usage", "ticket", "survey_response", "invoice", "activity")
BANDS = ("red", "yellow", "green")


@dataclass
class Case:
    """A card and the facts about one account."""

    card: Scorecard
    facts: dict[str, Any]
    fresh: dict[str, int]

    def row(self, **facts: Any) -> ScoreRow:
        """The account's row, with some facts replaced."""
        known = {**self.facts, **facts}
        values = tuple(verdict(self.card, "account", known, self.fresh, list(self.facts)))
        row = ScoreRow("account", 1, "A1", "Acme", None, *values)
        return row._replace(signals=tuple(SignalPoints(*signal) for signal in row.signals))

    def signals(self) -> list[Signal]:
        """Signals whose value is known and counts."""
        counted = {signal.name for signal in self.row().signals if signal.points is not None}
        return [
            s for s in self.card.account.signals.values() if s.name in counted and self.facts[s.feature] is not None
        ]


def case_of(seed: int, *, rules: bool = True) -> Case:
    dice = random.Random(seed)
    card = Scorecard.parse(card_text(dice, "Random", "TRUE"))
    if not rules:
        card = card.model_copy(update={"account": card.account.model_copy(update={"rules": {}})})
    facts: dict[str, Any] = {name: None for name, one in catalogue("account").items() if not one.internal}
    for name in (*FEATURES["account"], "is_detractor", "failed_payments", "mrr"):
        facts[name] = dice.choice([None, dice.randint(-60, 120), dice.randint(0, 10)])
    fresh = {kind: dice.choice([0, 40, 100, 100, 100]) for kind in KINDS if dice.random() < 0.9}
    return Case(card, facts, fresh)


seeds = st.integers(0, 10**9)
many = settings(max_examples=150, deadline=None)


@many
@given(seed=seeds)
@pytest.mark.requirement("R6", "R11")
def test_points_stay_between_1_and_5_and_the_band_is_one_of_four(seed: int) -> None:
    case = case_of(seed)
    row = case.row()
    assert 100 <= row.points <= 500
    assert all(100 <= signal.points <= 500 for signal in row.signals if signal.points is not None)
    assert (row.score is None) == (row.band == "unknown") == (row.coverage < case.card.bands.min_coverage)
    if row.score is not None and row.health is not None:
        assert 0 <= row.score <= 100
        assert 1 <= row.health <= 5
        assert abs(row.health * 100 - row.points) <= 50
        assert row.band in BANDS


@many
@given(seed=seeds)
@pytest.mark.requirement("R11")
def test_with_everything_known_it_is_the_weighted_mean(seed: int) -> None:
    case = case_of(seed)
    case.fresh = dict.fromkeys(KINDS, 100)
    case.facts |= {name: value or 0 for name, value in case.facts.items() if name in FEATURES["account"]}
    row = case.row()
    total = sum(signal.weight for signal in row.signals)
    assert row.coverage == 100
    assert row.points == sum(signal.weight * (signal.points or 0) for signal in row.signals) // total


@many
@given(seed=seeds, step=st.integers(1, 80))
@pytest.mark.requirement("R18")
def test_order_is_never_inverted(seed: int, step: int) -> None:
    case = case_of(seed, rules=False)
    before = case.row()
    for signal in case.signals():
        value = case.facts[signal.feature]
        for other in (value - step, value + step):
            after = case.row(**{signal.feature: other})
            if curve(signal.knots, signal.shape, other) >= curve(signal.knots, signal.shape, value):
                assert before.score is None or (after.score or 0) >= before.score
                assert before.band == "unknown" or BANDS.index(after.band) >= BANDS.index(before.band)


@many
@given(seed=seeds)
@pytest.mark.requirement("R18")
def test_parts_add_up_to_the_score(seed: int) -> None:
    case = case_of(seed)
    row = case.row()
    explained = explain(case.card, row)
    wanted = 0 if row.score is None else 10 * (row.score - 50)
    assert sum(part.tenths for part in explained.parts) == wanted
    assert len(row.reason) <= 255


@many
@given(seed=seeds)
@pytest.mark.requirement("R18")
def test_not_knowing_is_neither_good_nor_bad(seed: int) -> None:
    case = case_of(seed)
    before = case.row()
    points = {signal.name: signal.points for signal in before.signals}
    for signal in (one for one in case.signals() if one.missing == "unknown"):
        after = case.row(**{signal.feature: None})
        said = points[signal.name]
        if before.score is None or after.score is None or said is None:
            continue
        if before.points >= 300 and said >= before.points:
            rest = [s for s in before.signals if s.points is not None]
            mean = sum(s.weight * (s.points or 0) for s in rest) // sum(s.weight for s in rest)
            assert said < mean or after.points <= before.points
        if before.points <= 300 and said <= 300:
            rest = [s for s in before.signals if s.points is not None]
            mean = -(-sum(s.weight * (s.points or 0) for s in rest) // sum(s.weight for s in rest))
            assert said > mean or after.points >= before.points


@many
@given(seed=seeds)
@pytest.mark.requirement("R98")
def test_red_has_two_families_or_a_rule(seed: int) -> None:
    case = case_of(seed)
    row, known = case.row(), catalogue("account")
    low = {
        known[case.card.account.signals[signal.name].feature].family
        for signal in row.signals
        if signal.points is not None and signal.points < 300
    }
    if row.band == "red":
        needed = case.card.bands.red_families
        assert row.rule or needed == 1 or len(low - {"profile"}) >= needed, "with 1 the score alone decides"
    if row.rule:
        assert case.card.account.rules[row.rule].band == row.band
    elif row.score is not None and row.score >= case.card.bands.red_below:
        assert row.band == ("green" if row.score >= case.card.bands.green_from else "yellow")
