"""A change of a score, split exactly into what configuration, data and behaviour did.

The split goes by scoring again, one thing after the other exchanged:

    before      the facts of then, by the card of then
    configured  the facts of then, by the card of now                      - before      = configuration
    corrected   those facts with what came late, by the card of now        - configured  = data, first half
    moved       the values of now, as well known and fresh as then         - corrected   = behaviour
    after       the facts of now, by the card of now                       - moved       = data, second half

Each part is the difference of two scores, so that the parts add up to the change exactly. A score that is not known
counts as the neutral 50 here. The order matters where two things changed at once (a changed weight on a value that
changed too): it is always this one, the card first because somebody decided that, and what is said of customers last.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from scoring.inputs import ScoreRow, SignalPoints
from scoring.verdict import points_of, score_of

if TYPE_CHECKING:
    from scoring.card import Scorecard

NEUTRAL_SCORE = 50


@dataclass(frozen=True, slots=True)
class Change:
    """How a score came from one instant to another.

    Attributes:
        since: The earlier instant.
        before: The score then; None when too little was known.
        after: The score now; None when too little is known.
        configuration: Tenths of a point that the changed card did.
        data: Tenths that came of what is known: records that came late, sources that fell silent or came back.
        behaviour: Tenths that came of the customer.
        signals: Signal -> points of its value then and now in hundredths, where they differ; None for not known.
    """

    since: datetime
    before: int | None
    after: int | None
    configuration: int
    data: int
    behaviour: int
    signals: Mapping[str, tuple[int | None, int | None]]

    @property
    def total(self) -> int:
        """Tenths in all: the three parts together."""
        return self.configuration + self.data + self.behaviour

    @property
    def sentence(self) -> str:
        """One line, such as `Since 2026-11-15: 61 to 54, -7.0 (behaviour -5.0, data -2.0, configuration 0.0).`."""
        parts = ("behaviour", self.behaviour), ("data", self.data), ("configuration", self.configuration)
        said = ", ".join(f"{name} {signed(tenths)}" for name, tenths in parts)
        return f"{since_words(self.since, self.before, self.after)}{f' ({said})' if any(t for _, t in parts) else ''}."


def since_words(since: datetime, before: int | None, after: int | None) -> str:
    """`Since 2026-11-15: 61 to 54, -7.0`; where the score is the same `Since 2026-11-15: 61, no change`."""
    old, new = ("unknown" if one is None else str(one) for one in (before, after))
    way = f"{old}, no change" if old == new else f"{old} to {new}, {signed(tenths_of(after) - tenths_of(before))}"
    return f"Since {since:%Y-%m-%d}: {way}"


def split(since: datetime, card: "Scorecard", before: ScoreRow, rows: tuple[ScoreRow, ScoreRow, ScoreRow]) -> Change:
    """Split the change of one account's score.

    Args:
        since: The earlier instant.
        card: The card that scores the account now.
        before: As it was scored then.
        rows: By the cards of now: the facts of then, the same with what came late, and the facts of now.
    """
    configured, corrected, after = rows
    was, first, second, last = (tenths_of(row.score) for row in (before, configured, corrected, after))
    taken = tenths_of(as_known(card, after, corrected)) if after.card == corrected.card else last
    return Change(
        since=since,
        before=before.score,
        after=after.score,
        configuration=first - was,
        data=(second - first) + (last - taken),
        behaviour=taken - second,
        signals=moved(before.signals, after.signals),
    )


def split_kept(
    since: datetime, card: "Scorecard", rows: tuple[ScoreRow, ScoreRow, ScoreRow], late: Collection[str]
) -> Change:
    """Split the change that one run made of an account's score, out of what is kept of the run before.

    Nothing of then is scored again, hence another order than that of `split`: the facts first, the card last.

        before      as the run before kept it
        corrected   with the values of now of the signals about which late records came    - before     = data
        moved       all values of now, as well known and fresh as then                      - corrected  = behaviour
        unchanged   the facts of now, by the card of then                                   - moved      = data
        after       the facts of now, by the card of now                                    - unchanged  = configuration

    Args:
        since: The instant of the run before.
        card: The card of then.
        rows: As the run before kept it; the facts of now by the card of then, and by that of now.
        late: Signals about which late records came. What moves them is data, all of it: how much of it the customer did
            meanwhile, only scoring the past again tells.
    """
    before, unchanged, after = rows
    was, last = tenths_of(before.score), tenths_of(unchanged.score)
    corrected, taken = was, last
    if unchanged.card == before.card:
        taken = tenths_of(as_known(card, unchanged, before))
        corrected = tenths_of(as_known(card, unchanged, before, late)) if late else was
    return Change(
        since=since,
        before=before.score,
        after=after.score,
        configuration=tenths_of(after.score) - last,
        data=(corrected - was) + (last - taken),
        behaviour=taken - corrected,
        signals=moved(before.signals, after.signals),
    )


def as_known(card: "Scorecard", row: ScoreRow, other: ScoreRow, names: Collection[str] | None = None) -> int | None:
    """The score of a row's values, had they been as well known and fresh as those of another row by the same card.

    What is known in one of the two alone counts as in the other.

    Args:
        card: That card.
        row: With the values.
        other: How well they are known.
        names: Signals whose values are taken, the others as in the other row; left out: all.

    Returns:
        None when too little would be known.
    """
    now = {signal.name: signal for signal in row.signals if names is None or signal.name in names}
    taken = [_value(signal, now.get(signal.name)) for signal in other.signals]
    weight = sum(signal.weight for signal in other.signals)
    known = [(one.weight, points, one.fresh) for one, points in zip(other.signals, taken, strict=True) if points]
    coverage = sum(w * fresh for w, _, fresh in known) // weight if weight else 0
    if coverage < card.bands.min_coverage or not known:
        return None
    return score_of(points_of(coverage, sum(w for w, _, _ in known), sum(w * points for w, points, _ in known)))


def _value(then: SignalPoints, now: SignalPoints | None) -> int | None:
    if then.points is None or then.weight == 0:
        return None
    return then.points if now is None or now.points is None else now.points


def moved(before: Sequence[SignalPoints], after: Sequence[SignalPoints]) -> dict[str, tuple[int | None, int | None]]:
    """Signal -> points of its value then and now in hundredths, where they differ; None for not known."""
    old, new = ({signal.name: signal.points for signal in signals} for signals in (before, after))
    names = [*old, *(name for name in new if name not in old)]
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def tenths_of(score: int | None) -> int:
    """A score in tenths; the neutral 50 where too little is known for one."""
    return 10 * (NEUTRAL_SCORE if score is None else score)


def signed(tenths: int) -> str:
    """`-7.0`, `+3.5`, `0.0`."""
    sign = "-" if tenths < 0 else "+" if tenths > 0 else ""
    return f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10}"


BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-~=+*#"
"""What a sparkline is drawn with on a terminal that has no blocks."""


def sparkline(scores: "list[int | None]", can_show: Callable[[str], bool] = lambda _: True) -> str:
    """Scores from 0 to 100 as a line of blocks, the oldest first; a gap where none was known."""
    marks = BLOCKS if can_show(BLOCKS) else PLAIN
    return "".join(" " if one is None else marks[min(len(marks) - 1, one * len(marks) // 100)] for one in scores)
