"""How things read in a page: money, shares, days, and names that somebody else chose."""

from collections.abc import Mapping
from datetime import date, datetime

from sync.money import amount, major
from sync.words import clean

LONGEST = 200
"""Characters of a name."""

NONE = "\N{EN DASH}"
"""What stands where there is nothing to say."""


def tidy(text: str) -> str:
    """A text of somebody else's on one line, without what cannot be seen or turns its surroundings round."""
    return clean(text, LONGEST).strip()


def amounts(found: Mapping[str, int]) -> list[str]:
    """Currency -> minor units, as texts; nothing is converted, each stands for itself, the largest first."""
    order = sorted(found.items(), key=lambda item: -major(item[1], item[0]))
    return [amount(minor, tidy(currency)) for currency, minor in order if minor]


def money(found: Mapping[str, int]) -> str:
    """The same in one line."""
    return " + ".join(amounts(found)) or "0"


def percent(part: float, whole: float) -> str:
    """A share as whole percent; a dash of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else NONE


def day(at: date | datetime | None) -> str:
    """A day."""
    return f"{at:%Y-%m-%d}" if at else NONE


def minute(at: datetime | None) -> str:
    """An instant."""
    return f"{at:%Y-%m-%d %H:%M}" if at else NONE
