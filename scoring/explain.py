"""From points to sentences: which signal gives and takes how much, and what would raise a score most.

Parts are tenths of a score point around the neutral 50 and add up to the score exactly: each is its exact share rounded
down, and the tenths left over go to the largest remainders.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoring.features import catalogue
from scoring.inputs import ScoreRow, SignalPoints
from scoring.signals import BEST, NEUTRAL, PLACEHOLDER
from scoring.verdict import NAMED, points_of, root, score_of

if TYPE_CHECKING:
    from scoring.card import Scorecard

NEUTRAL_SCORE = 50


@dataclass(frozen=True, slots=True)
class Part:
    """What one signal does to the score.

    Attributes:
        signal: Its name.
        words: What it says about this account, with figures: for colleagues, not for customers.
        meaning: What its feature measures.
        points: Hundredths, 100-500; None when not known.
        weight: Percent of the card's weight in this tenant, rounded down.
        tenths: Tenths of a score point it adds to the neutral 50 (negative: takes away). 0 when the score is None.
        gain: Score points that its best value would add; 0 when not known.
        playbook: The playbook that answers it.
    """

    signal: str
    words: str
    meaning: str
    points: int | None
    weight: int
    tenths: int
    gain: int
    playbook: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score taken apart.

    Attributes:
        row: What is explained.
        parts: Every signal of the tenant's card: lowest first, unknown ones last.
        sentences: The same as text, one line each.
    """

    row: ScoreRow
    parts: tuple[Part, ...]
    sentences: tuple[str, ...]

    @property
    def best_move(self) -> Part | None:
        """The known signal whose best value would raise the score most; None when none would raise it."""
        movable = [part for part in self.parts if part.gain > 0]
        return max(movable, key=lambda part: part.gain, default=None)


def explain(card: "Scorecard", row: ScoreRow) -> Explanation:
    """Take a score apart."""
    signals = [signal for signal in row.signals if signal.weight > 0]
    share = shares(row)
    total = sum(signal.weight for signal in signals)
    parts = [_part(card, row, signal, total, share.get(signal.name, 0)) for signal in signals]
    parts.sort(key=lambda part: (part.points is None, part.tenths))
    explanation = Explanation(row, tuple(parts), ())
    return Explanation(row, tuple(parts), tuple(_sentences(explanation)))


def drivers(row: ScoreRow) -> list[SignalPoints]:
    """The signals that pull the score down, the strongest first, at most three: those that the reason line names."""
    low = [(i, s, s.points) for i, s in enumerate(row.signals) if s.points is not None and s.points < NEUTRAL]
    low.sort(key=lambda item: (item[1].weight * (item[2] - NEUTRAL), item[0]))
    return [signal for _, signal, _ in low[:NAMED]]


def shares(row: ScoreRow) -> dict[str, int]:
    """Signal -> tenths of a score point around the neutral 50, for the known ones; they add up to the score exactly."""
    known = [signal for signal in row.signals if signal.weight > 0 and signal.points is not None]
    return dict(zip((signal.name for signal in known), _tenths(row, known), strict=True))


def customer_drivers(card: "Scorecard", row: ScoreRow) -> str:
    """The hard rule and the drivers in words a customer may read, each once; never a figure."""
    signals, rule = card.level(row.level).signals, card.rules(row.level).get(row.rule)
    words = dict.fromkeys([rule.customer] if rule else [])
    words |= dict.fromkeys(signals[driver.name].customer for driver in drivers(row))
    return ", ".join(words) or "nothing in particular"


def _part(card: "Scorecard", row: ScoreRow, signal: SignalPoints, total: int, tenths: int) -> Part:
    on_card, known = card.level(row.level).signals[signal.name], catalogue(row.level)

    def filled(found: re.Match[str]) -> str:
        return known[found[1]].unit.text(row.features[found[1]])

    return Part(
        signal=signal.name,
        words=PLACEHOLDER.sub(filled, on_card.reason),
        meaning=known[on_card.feature].meaning,
        points=signal.points,
        weight=100 * signal.weight // total,
        tenths=tenths,
        gain=_gain(row, signal),
        playbook=on_card.playbook,
    )


def _tenths(row: ScoreRow, known: Sequence[SignalPoints]) -> list[int]:
    """Whole tenths by signal that add up to the score's distance from 50, each near its exact share."""
    if row.score is None or not known:  # a row that an older version kept may have no signals
        return [0] * len(known)
    # Exact share: 1000 tenths x w x (p - 300) / 400 / W x r / 1000, kept as a fraction of `whole`.
    whole = 400 * sum(signal.weight for signal in known)
    exact = [signal.weight * ((signal.points or 0) - NEUTRAL) * root(row.coverage) for signal in known]
    parts = [share // whole for share in exact]
    left = 10 * (row.score - NEUTRAL_SCORE) - sum(parts)
    order = sorted(range(len(known)), key=lambda i: (-(exact[i] % whole), i))
    for step in range(left):
        parts[order[step % len(order)]] += 1
    for step in range(-left):
        parts[order[-1 - step % len(order)]] -= 1
    return parts


def _gain(row: ScoreRow, signal: SignalPoints) -> int:
    if row.score is None or signal.points is None:
        return 0
    known = [other for other in row.signals if other.points is not None]
    weight = sum(other.weight for other in known)
    mass = sum(other.weight * (other.points or 0) for other in known) + signal.weight * (BEST - signal.points)
    return score_of(points_of(row.coverage, weight, mass)) - row.score


def _sentences(explanation: Explanation) -> Iterator[str]:
    row = explanation.row
    yield row.reason
    if row.score is not None:
        yield f"Starts at {NEUTRAL_SCORE}, the neutral score; {row.coverage} % of the data is there and fresh."
    for part in explanation.parts:
        if part.points is None:
            yield f"  unknown  {part.signal} ({part.weight} % of the card)"
        elif row.score is not None:
            yield f"  {_signed(part.tenths):>7}  {part.signal}: {part.words}"
    best = explanation.best_move
    if best:
        yield f"What would raise it most: {best.signal} at its best, +{best.gain}."


def _signed(tenths: int) -> str:
    return f"{'-' if tenths < 0 else '+'}{abs(tenths) // 10}.{abs(tenths) % 10}"
