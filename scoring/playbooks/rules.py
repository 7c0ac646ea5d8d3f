"""What playbooks' rules may name: the features of a row, and what is known of the account besides."""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache

from scoring.features import Feature, catalogue
from scoring.inputs import Level
from scoring.matching import asked
from scoring.segments import words_of
from scoring.units import DAYS, TEXT, Unit, things

Words = Mapping[str, int | str | None]


def _word(name: str, unit: Unit, meaning: str) -> Feature:
    return Feature(name, unit, meaning, "", "row")


ROW_WORDS: tuple[Feature, ...] = (
    _word("band", TEXT, "The account's band: green, yellow or red."),
    _word("score", things("point"), "The score, 0-100."),
    _word("trend", things("tenth"), "Tenths of a point a week, 0 unless surely another; unknown in the first weeks."),
    _word("value", things("point"), "The account's place among all by revenue, 1 to 100; 50 where nothing is known."),
    _word("days_in_band", DAYS, "Days since the account came into its band."),
)
"""What playbooks' rules may name besides the features of the catalogue."""
_BY_NAME = {feature.name: feature for feature in ROW_WORDS}


@cache
def vocabulary(level: Level = "account") -> Mapping[str, Feature]:
    """What playbooks' rules may name, by name."""
    return {**catalogue(level), **_BY_NAME}


def features_of(rule: str) -> set[str]:
    """Features of the catalogue that a checked rule names."""
    return words_of(rule) & catalogue("account").keys()


@lru_cache(maxsize=1024)
def _asked(rule: str) -> Callable[[Words], bool | None]:
    return asked(rule, vocabulary())


def holds(rule: str, words: Words) -> bool | None:
    """Whether a rule holds for these words; None where that cannot be known."""
    return _asked(rule)(words)
