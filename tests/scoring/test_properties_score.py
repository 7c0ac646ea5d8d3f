"""What holds for every card that comes with the program, whatever the values: thousands drawn at random for each.

The values go through each card's own statement, from the signals on.
"""

import random
from collections.abc import Iterator
from functools import cache

import pytest

from scoring.card import LEVELS
from scoring.explain import explain
from scoring.features import catalogue
from scoring.inputs import Level, ScoreRow
from scoring.presets import PRESETS
from scoring.rules import NO_EVIDENCE
from scoring.signals import Signal
from tests.scoring.given import Given, scored, values

ORDER = {"red": 0, "yellow": 1, "green": 2}
ROWS = 400
EVERY = [(one.name, level) for one in PRESETS for level in LEVELS]
FAR = 10**12

every_card = pytest.mark.parametrize(("name", "level"), EVERY)


@cache
def card_of(name: str) -> Given:
    card = Given.parse(next(one.text for one in PRESETS if one.name == name))
    assert isinstance(card, Given)
    return card


def drawn(name: str, level: Level, seed: int, count: int = ROWS, holes: float = 0.2) -> list[dict[str, int | None]]:
    card, dice = card_of(name), random.Random(f"{name} {level} {seed}")
    return [values(card, level, dice, holes=holes) for _ in range(count)]


def up(signal: Signal) -> int:
    """1 when more is better, -1 when less is."""
    return 1 if signal.knots[0][1] <= signal.knots[-1][1] else -1


def known_signals(name: str, level: Level, row: dict[str, int | None]) -> list[Signal]:
    return [s for s in card_of(name).level(level).signals.values() if row[s.feature] is not None]


@every_card
@pytest.mark.requirement("R11")
def test_improving_one_signal_never_lowers_score_or_band(name: str, level: Level) -> None:
    dice = random.Random(1)
    worse, better = [], []
    for row in drawn(name, level, 1):
        if known := known_signals(name, level, row):
            signal = dice.choice(known)
            moved = (row[signal.feature] or 0) + up(signal) * dice.choice([1, 3, 10, 1000])
            worse.append(row)
            better.append({**row, signal.feature: moved})
    before, after = scored(card_of(name), level, worse), scored(card_of(name), level, better)
    for low, high in zip(before, after, strict=True):
        assert high.points >= low.points
        assert (high.score is None) == (low.score is None)
        if low.score is not None and high.score is not None:
            assert high.score >= low.score
            assert ORDER[high.band] >= ORDER[low.band]
    assert sum(high.points > low.points for low, high in zip(before, after, strict=True)) > ROWS // 10


@every_card
@pytest.mark.requirement("R11")
def test_not_knowing_lies_between_the_worst_and_the_best(name: str, level: Level) -> None:
    """A value that becomes unknown never helps more than its best, and never hurts more than its worst."""
    dice = random.Random(2)
    cases: dict[str, list[dict[str, int | None]]] = {"unknown": [], "worst": [], "best": []}
    for row in drawn(name, level, 2, holes=0.1):
        signal = dice.choice(list(card_of(name).level(level).signals.values()))
        far = {"unknown": None, "worst": -up(signal) * FAR, "best": up(signal) * FAR}
        for case, value in far.items():
            cases[case].append({**row, signal.feature: value})
    rows = {case: scored(card_of(name), level, listed) for case, listed in cases.items()}
    compared = 0
    for unknown, worst, best in zip(rows["unknown"], rows["worst"], rows["best"], strict=True):
        assert unknown.coverage <= best.coverage
        if unknown.score is None:
            assert (unknown.band, unknown.points) == ("unknown", 300)
            continue
        assert worst.points <= unknown.points <= best.points
        compared += 1
    assert compared > ROWS // 10


@every_card
@pytest.mark.requirement("R78")
def test_what_grows_old_moves_a_score_towards_neutral_and_never_past_it(name: str, level: Level) -> None:
    dice = random.Random(3)
    rows = drawn(name, level, 3)
    kinds = [column for column in card_of(name).columns(level) if column.endswith("_fresh")]
    aged = [{**row, dice.choice(kinds): dice.randint(1, 99)} for row in rows]
    moved = 0
    for new, old in zip(scored(card_of(name), level, rows), scored(card_of(name), level, aged), strict=True):
        assert old.coverage <= new.coverage
        low, high = sorted((new.points, 300))
        assert low <= old.points <= high
        moved += old.score is not None and old.points != new.points
    assert moved


def extremes(name: str, level: Level) -> Iterator[dict[str, int | None]]:
    """Far beyond everything, and all and nothing known."""
    dice = random.Random(4)
    yield {}
    for row in drawn(name, level, 4, count=200, holes=0.5):
        number = {feature: value for feature, value in row.items() if isinstance(value, int)}
        yield {**row, **{feature: dice.choice([-FAR, -1, 0, 1, FAR, value]) for feature, value in number.items()}}


@every_card
@pytest.mark.requirement("R11", "R18", "R6")
def test_results_stay_within_their_bounds(name: str, level: Level) -> None:
    card = card_of(name)
    for row in scored(card, level, [*extremes(name, level), *drawn(name, level, 5, count=200)]):
        assert 100 <= row.points <= 500
        assert 0 <= row.coverage <= 100
        assert row.score is None or 0 <= row.score <= 100
        assert row.health is None or 1 <= row.health <= 5
        assert row.band in ("green", "yellow", "red", "unknown")
        assert 1 <= len(row.reason) <= 255
        assert "\n" not in row.reason
        assert (row.band == "unknown") == (row.score is None) == (row.coverage < card.bands.min_coverage)


@pytest.mark.parametrize("name", [one.name for one in PRESETS])
@pytest.mark.requirement("R76")
def test_unknown_is_answered_by_nobody(name: str) -> None:
    card = card_of(name)
    rows = scored(card, "account", drawn(name, "account", 6, holes=0.6))
    unknown = [row for row in rows if row.band == "unknown"]
    assert unknown
    for row in unknown:
        assert row.rule == ""
        assert not card.answer(row).acts


@pytest.mark.parametrize("name", [one.name for one in PRESETS])
@pytest.mark.requirement("R98")
def test_red_by_the_average_rests_on_several_kinds_of_signs(name: str) -> None:
    card, known = card_of(name), catalogue("account")
    rows = scored(card, "account", drawn(name, "account", 9))
    for row in rows:
        low = {signal.name for signal in row.signals if signal.points is not None and signal.points < 300}
        families = {known[card.account.signals[signal].feature].family for signal in low} - {NO_EVIDENCE}
        if row.band == "red" and not row.rule:
            assert len(families) >= card.bands.red_families
        elif row.score is not None and row.score < card.bands.red_below and not row.rule:
            assert (row.band, len(families) < card.bands.red_families) == ("yellow", True)
    assert any(row.band == "red" for row in rows)


@every_card
@pytest.mark.requirement("R11", "R18")
def test_the_parts_of_every_score_add_up_to_it_exactly(name: str, level: Level) -> None:
    rows = scored(card_of(name), level, drawn(name, level, 7))
    told = [row for row in rows if row.score is not None]
    assert len(told) > ROWS // 10
    for row in told:
        assert row.score is not None
        assert 500 + sum(part.tenths for part in explain(card_of(name), row).parts) == 10 * row.score


def red_share(rows: list[ScoreRow]) -> float:
    known = [row.band for row in rows if row.band != "unknown"]
    return 100 * known.count("red") / len(known)


def value_of(signal: Signal, points: float) -> int:
    """The value that has about so many points."""
    best = min(range(len(signal.knots) - 1), key=lambda i: _off(signal, i, points))
    (x0, p0), (x1, p1) = signal.knots[best : best + 2]
    share = min(1.0, max(0.0, (points - p0) / ((p1 - p0) or 1)))
    return round(x0 + (x1 - x0) * share)


def _off(signal: Signal, i: int, points: float) -> float:
    low, high = sorted((signal.knots[i][1], signal.knots[i + 1][1]))
    return max(low - points, points - high, 0.0)


@pytest.mark.parametrize(("mean", "alike"), [(270, 0.3), (300, 0.0), (300, 0.3), (330, 0.0)])
def test_missing_signals_turn_nobody_red(mean: int, alike: float) -> None:
    """Two fifths of all values missing: fewer reds rather than more, whereas missing taken as worst makes most red."""
    card, dice = card_of("default"), random.Random(8)
    whole, holed, worst = [], [], []
    for _ in range(ROWS):
        common = dice.gauss(0, alike**0.5)
        points = {
            s: min(500, max(100, mean + 130 * (common + dice.gauss(0, (1 - alike) ** 0.5))))
            for s in card.account.signals.values()
        }
        gone = {s.feature for s in points if dice.random() < 0.4}
        whole.append({s.feature: value_of(s, p) for s, p in points.items()})
        holed.append({feature: None if feature in gone else value for feature, value in whole[-1].items()})
        worst.append({s.feature: value_of(s, 100 if s.feature in gone else p) for s, p in points.items()})
    true, missing, bad = (red_share(scored(card, "account", rows)) for rows in (whole, holed, worst))
    assert missing <= true + 3
    assert bad > true + 30
