"""How things read in a page: money, shares, days, and names that somebody else chose."""

import re
from collections.abc import Mapping
from datetime import date, datetime

from mapping.convert import MINOR_DIGITS

LONGEST = 200
"""Characters of a name; what vendors send may be megabytes."""

NONE = "\N{EN DASH}"
"""What stands where there is nothing to say."""

_UNSEEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f"  # control characters
    "\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"  # direction, other line ends, nothing to see
    "\\ud800-\\udfff]+"  # halves of characters, which no file takes
)


def tidy(text: str) -> str:
    """A text of somebody else's without what cannot be seen or turns its surroundings round; cut where endless."""
    found = _UNSEEN.sub(" ", text).strip()
    return found if len(found) <= LONGEST else found[: LONGEST - 1] + "…"


def major(minor: int, currency: str) -> float:
    """An amount in currency units."""
    return minor / float(10 ** MINOR_DIGITS.get(currency.upper(), 2))


def amounts(found: Mapping[str, int]) -> list[str]:
    """Currency -> minor units, as texts; nothing is converted, each stands for itself, the largest first."""
    said = sorted(
        ((major(minor, currency), tidy(currency)) for currency, minor in found.items() if minor), reverse=True
    )
    return [f"{amount:,.0f} {currency}".strip() for amount, currency in said]


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


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, in one unit."""
    if at is None:
        return "never"
    seconds = max(0, int((now - at).total_seconds()))
    for size, one in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {one}{'' if number == 1 else 's'} ago"
    return "just now"


def many(number: int, one: str, more: str = "") -> str:
    """A count with its noun."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"
