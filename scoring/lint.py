"""What is allowed on a scorecard but unwise: every remark names the key to change.

Errors, such as a band without a playbook, are none of this: a card that has one does not load.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from scoring.errors import nearest
from scoring.features import Feature, catalogue
from scoring.inputs import Band, Level
from scoring.playbooks.problems import TIMERS, named_roles
from scoring.playbooks.problems import warnings as playbook_warnings
from scoring.ranges import conjuncts, never_holds
from scoring.rules import NO_EVIDENCE
from scoring.segments import Segment, parse_rule
from scoring.signals import Signal
from scoring.verdict import score_of

if TYPE_CHECKING:
    from scoring.card import Scorecard
    from scoring.cards import AnyCards

FEWEST, MOST = 3, 7
"""Signals for accounts: fewer say little, more are hard to explain. Start with three to five."""
DOMINANT = 50
"""Percent of the weight above which one signal is the score."""
_LEVELS: tuple[Level, ...] = ("account", "contact")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is unwise.

    Attributes:
        key: Dotted place on the card.
        text: What is unwise, and what would be better.
        card: Name of the card; empty where there is but one.
    """

    key: str
    text: str
    card: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.card, self.key, self.text) if part)


def lint(cards: "AnyCards", roles: Collection[str] | None = None) -> list[Remark]:
    """Everything unwise on one card or several, in the order of the cards.

    Args:
        cards: To look at.
        roles: Names of the config's `[team.roles]` that somebody plays; None where there is no config to speak of.
    """
    from scoring.cards import Cards

    if not isinstance(cards, Cards):
        return list(_of_card(cards, roles))
    if len(cards.cards) == 1:
        return list(_of_card(cards.cards[0], roles))
    found = [Remark(one.key, one.text, card.name) for card in cards.cards for one in _of_card(card, roles)]
    for i, card in enumerate(cards.cards):
        earlier = [other for other in cards.cards[:i] if other.account.only in (None, card.account.only)]
        if earlier:
            text = f"scores nobody: {earlier[0].name} stands before it and takes everybody whom it would"
            found.append(Remark("account.only", text, card.name))
    return found


def _of_card(card: "Scorecard", roles: Collection[str] | None) -> Iterator[Remark]:
    if roles is not None:
        for key, role in named_roles(card):
            if role not in roles:
                text = f"{role!r} is nobody in [team.roles], so its tasks go to somebody else{nearest(role, roles)}"
                yield Remark(key, text)
    yield from _signals(card)
    yield from _bands(card)
    yield from _playbooks(card)
    for level in _LEVELS:
        yield from _rules(card, level)
        yield from _rivals(level, card.level(level).segments)
    for text in playbook_warnings(card):
        key, _, rest = text.partition(": ")
        yield Remark(key, rest)


# -- signals ------------------------------------------------------------------------------------------------------


def _signals(card: "Scorecard") -> Iterator[Remark]:
    for level in _LEVELS:
        signals, known = card.level(level).signals, catalogue(level)
        if len(signals) > MOST:
            yield Remark(f"{level}.signals", f"{len(signals)} signals; more than {MOST} are hard to explain")
        for name, signal in signals.items():
            yield from _signal(card, f"{level}.signals.{name}", signal)
        yield from _same_feature(level, signals)
        if level == "account":
            yield from _balance(card, known)


def _signal(card: "Scorecard", key: str, signal: Signal) -> Iterator[Remark]:
    points = {point for _, point in signal.knots}
    if len(points) == 1:
        yield Remark(f"{key}.curve", "gives everybody the same points: it says nothing")
    if not card.playbooks[signal.playbook].acts:
        text = f"{signal.playbook} asks nothing of anybody: each signal points to an intervention"
        yield Remark(f"{key}.playbook", text)


def _same_feature(level: Level, signals: Mapping[str, Signal]) -> Iterator[Remark]:
    for (one, a), (other, b) in combinations(signals.items(), 2):
        if a.feature == b.feature:
            yield Remark(f"{level}.signals.{other}.feature", f"counts {a.feature} a second time, beside {one}")


def _balance(card: "Scorecard", known: Mapping[str, Feature]) -> Iterator[Remark]:
    signals = card.account.signals
    if len(signals) < FEWEST:
        yield Remark("account.signals", f"{len(signals)} signals say little; start with three to five")
    total = sum(signal.weight for signal in signals.values())
    for name, signal in signals.items():
        if len(signals) > 1 and 100 * signal.weight > DOMINANT * total:
            share = 100 * signal.weight // total
            yield Remark(f"account.signals.{name}.weight", f"is {share} % of the card: the score is this one signal")
    families = {known[signal.feature].family for signal in signals.values()} - {NO_EVIDENCE}
    if len(families) < 2:
        text = "every signal is of one family; one kind of evidence makes false alarms"
        yield Remark("account.signals", text)


# -- bands --------------------------------------------------------------------------------------------------------


def _bands(card: "Scorecard") -> Iterator[Remark]:
    bands, floors = card.bands, {rule.band for rule in card.account.rules.values()}
    worst, best = _reach(card, worst=True), _reach(card, worst=False)
    known = catalogue("account")
    families = {known[signal.feature].family for signal in card.account.signals.values()} - {NO_EVIDENCE}
    if worst >= bands.red_below and "red" not in floors:
        yield Remark("bands.red_below", f"nobody can be red: the lowest score that the curves allow is {worst}")
    elif len(families) < bands.red_families and "red" not in floors:
        text = (
            f"nobody can be red: that takes {bands.red_families} families of signals, and the card has {len(families)}"
        )
        yield Remark("bands.red_families", text)
    no_middle = bands.red_below == bands.green_from or worst >= bands.green_from or best < bands.red_below
    if no_middle and "yellow" not in floors:
        yield Remark("bands.green_from", "nobody can be yellow: no score lies between red_below and green_from")
    if best < bands.green_from:
        yield Remark("bands.green_from", f"nobody can be green: the highest score that the curves allow is {best}")


def _reach(card: "Scorecard", *, worst: bool) -> int:
    """The lowest or the highest score that the account's curves allow when everything is known."""
    signals = card.account.signals.values()
    choose = min if worst else max
    mass = sum(signal.weight * choose(points for _, points in signal.knots) for signal in signals)
    return score_of(mass // sum(signal.weight for signal in signals))


def _playbooks(card: "Scorecard") -> Iterator[Remark]:
    of_bands: tuple[Band, ...] = ("red", "yellow")
    for band in of_bands:
        if not card.playbook_of(band).acts:
            yield Remark(f"bands.playbooks.{band}", f"{card.playbook_of(band).name} asks nothing of anybody")
    used = {name for _, name in card.bands.playbooks} | {rule.playbook for rule in card.account.rules.values()}
    used |= {signal.playbook for level in _LEVELS for signal in card.level(level).signals.values()}
    for name in sorted(card.playbooks.keys() - used):
        yield Remark(f"playbooks.{name}", "answers no band, signal or rule")


# -- rules --------------------------------------------------------------------------------------------------------


def _rules(card: "Scorecard", level: Level) -> Iterator[Remark]:
    """Hard rules and segments that can never hold, that say the same twice, or that are a mere timer."""
    features = catalogue(level)
    only = card.level(level).scored
    if only is not None and (why := never_holds(only, features)):
        yield Remark(f"{level}.only", f"scores nobody: {why}")
    segments = {f"{level}.segments.{name}": one.rule for name, one in card.level(level).segments.items()}
    rules = {f"{level}.rules.{name}": one.when for name, one in card.rules(level).items()}
    for key, text in {**segments, **rules}.items():
        place = f"{key}.{'when' if key in rules else 'rule'}"
        if why := never_holds(text, features):
            yield Remark(place, f"can never hold: {why}")
    for key, text in rules.items():
        if _names(text, features) <= set(TIMERS):
            yield Remark(f"{key}.when", "goes by nothing but time: add a condition on use, tickets or answers")
    yield from _overlaps({key: conjuncts(text, features) for key, text in segments.items()}, "rule")
    for band in ("red", "yellow"):
        same = [f"{level}.rules.{name}" for name, one in card.rules(level).items() if one.band == band]
        yield from _overlaps({key: conjuncts(rules[key], features) for key in same}, "when", hidden=True)


def _rivals(level: Level, segments: Mapping[str, Segment]) -> Iterator[Remark]:
    """Segments that give way to each other, so that those who are in both rules are in neither segment."""
    for one, segment in segments.items():
        if one in segment.outranks:
            yield Remark(f"{level}.segments.{one}.outranks", "names itself, which does nothing")
    for one, other in combinations(segments, 2):
        if other in segments[one].outranks and one in segments[other].outranks:
            text = f"gives way to {one}, which gives way to it: whoever is in both is in neither"
            yield Remark(f"{level}.segments.{other}.outranks", text)


def _overlaps(parts: Mapping[str, frozenset[str]], last: str, *, hidden: bool = False) -> Iterator[Remark]:
    """Conditions that are the same as an earlier one or, with `hidden`, hold only where an earlier one does."""
    for one, other in combinations(parts, 2):
        if parts[one] == parts[other]:
            yield Remark(f"{other}.{last}", f"says the same as {one}")
        elif hidden and parts[one] < parts[other]:
            yield Remark(f"{other}.{last}", f"is never heard: {one} stands before it and holds wherever it does")


def _names(text: str, features: Mapping[str, Feature]) -> set[str]:
    from sqlglot import exp

    return {column.name for column in parse_rule(text, features).find_all(exp.Column)}
