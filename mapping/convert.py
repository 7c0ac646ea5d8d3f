"""Converters: one vendor value in, one value of the common schema out.

A converter returns None for "nothing there" (null, empty text) and raises `UnreadableError` for what it cannot read; it
raises nothing else, whatever it is given.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from mapping import normalise
from mapping.mapped import shorten

Converter = Callable[[Any], Any]

MAX_TEXT = 255
MAX_INT = 2**53
EARLIEST_YEAR = 1990
LATEST_YEAR = 2200
"""Years outside are typing errors or "not set" stamps, such as epoch 0."""

MAX_EPOCH_MS = 10**13
"""In the year 2286."""

_EPOCH_START = datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC)
_EPOCH_END = datetime(LATEST_YEAR, 12, 31, tzinfo=UTC)
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)

MINOR_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Digits after the point of currencies that do not have two (ISO 4217)."""


class UnreadableError(ValueError):
    """A value that a converter cannot read.

    Attributes:
        value: The value, shortened.
        allowed: What would be readable.
    """

    def __init__(self, value: object, allowed: str) -> None:
        self.value = shorten(value)
        self.allowed = allowed
        super().__init__(f"{self.value} is not {allowed}")


def to_id(value: Any) -> str | None:
    """An id as trimmed text, leading zeros kept. Whole numbers become text; a number with a fraction is no id."""
    if type(value) is str:
        text = value.strip()
        if len(text) <= MAX_TEXT:
            return text or None
    elif type(value) is int and abs(value) < 10**MAX_TEXT:
        return str(value)
    elif type(value) is float and value.is_integer() and abs(value) <= MAX_INT:
        return str(int(value))
    elif value is None:
        return None
    raise UnreadableError(value, "an id (text of at most 255 characters, or a whole number)")


def to_salesforce_id(value: Any) -> str | None:
    """A Salesforce id of 18 characters, also from the 15 that formulas and people write."""
    found = to_id(value)
    return None if found is None else normalise.full_salesforce_id(found)


def to_text(value: Any) -> str | None:
    """Trimmed text; numbers become text. Longer text than 255 is cut by the caller, who counts it."""
    if type(value) is str:
        return value.strip() or None
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return to_id(value) if isinstance(value, int) else _finite(value)
    raise UnreadableError(value, "text")


def _finite(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    raise UnreadableError(value, "text")


def to_email(value: Any) -> str | None:
    """A normalised e-mail address."""
    if type(value) is str:
        found = normalise.email(value)
        if found is not None:
            return found
        if not value.strip():
            return None
    elif value is None:
        return None
    raise UnreadableError(value, "an e-mail address")


def to_domain(value: Any) -> str | None:
    """A normalised domain."""
    if type(value) is str:
        found = normalise.domain(value)
        if found is not None:
            return found
        if not value.strip():
            return None
    elif value is None:
        return None
    raise UnreadableError(value, "a domain or web address")


def to_int(value: Any) -> int | None:
    """A whole number, also when written as "12" or 12.0."""
    if type(value) is int and -MAX_INT <= value <= MAX_INT:
        return value
    number = _decimal(value, "a whole number")
    if number is None:
        return None
    if number != number.to_integral_value():
        raise UnreadableError(value, "a whole number")
    return int(number)


def _decimal(value: Any, allowed: str) -> Decimal | None:
    """A finite number of moderate size, from a number or from text with a decimal point."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnreadableError(value, allowed)
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if len(value) > 40 or "_" in value:
            raise UnreadableError(value, allowed)
    elif isinstance(value, float):
        value = repr(value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise UnreadableError(value, allowed) from None
    if not number.is_finite() or abs(number) > MAX_INT:
        raise UnreadableError(value, allowed)
    return number


def to_money(value: Any) -> Decimal | None:
    """An amount in currency units; `minor_units` turns it into cents once its currency is known."""
    return _decimal(value, "an amount such as 1250.50")


def minor_units(amount: Decimal, currency: str | None) -> int:
    """Whole minor units, half to even. A currency we do not know, or None, has two digits after the point."""
    return round(amount.scaleb(MINOR_DIGITS.get((currency or "").upper(), 2)))


def to_currency(value: Any) -> str | None:
    """An ISO 4217 code: three letters, upper case."""
    text = to_text(value)
    if text is None:
        return None
    if len(text) == 3 and text.isascii() and text.isalpha():
        return text.upper()
    raise UnreadableError(value, "a currency code of three letters")


def to_bool(value: Any) -> bool | None:
    """True or false, also as text or as 1 and 0."""
    if isinstance(value, bool):
        return value
    found = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}.get(
        str(value).strip().lower() if isinstance(value, str) or value in (0, 1) else ""
    )
    if found is not None:
        return found
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    raise UnreadableError(value, "true or false")


_INSTANT = "a point in time (ISO 8601, or epoch seconds or milliseconds, from 1990 to 2200)"


def to_instant(value: Any) -> datetime | None:
    """An aware UTC datetime, from ISO 8601 or from epoch seconds or milliseconds; a stamp without zone is UTC."""
    if type(value) is str:
        found = _iso(value) if not value.isdigit() else _epoch(value)
        if found is None and not value.strip():
            return None
    elif value is None:
        return None
    else:
        found = _epoch(value)
    if found is None or not _EPOCH_START <= found <= _EPOCH_END:
        raise UnreadableError(value, _INSTANT)
    return found


def _iso(text: str) -> datetime | None:
    text = text.strip()
    if len(text) < 10 or len(text) > 40 or text[4] != "-" or text[7] != "-":
        return None  # week and basic formats are more likely something else
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is UTC:
            return found
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _epoch(value: Any) -> datetime | None:
    """Epoch seconds, or milliseconds from 10**11 on: seconds reach that in the year 5138, milliseconds did in 1973."""
    try:
        number = _decimal(value, _INSTANT)
    except UnreadableError:
        return None
    if number is None or abs(number) > MAX_EPOCH_MS:
        return None
    return _ZERO + timedelta(milliseconds=float(number if abs(number) >= 10**11 else number * 1000))


def to_date(value: Any) -> date | None:
    """A calendar day; of a point in time its UTC day."""
    if type(value) is str and len(value) == 10 and value[4] == "-":
        try:
            found = date.fromisoformat(value)
        except ValueError:
            raise UnreadableError(value, "a date such as 2026-01-31") from None
        if EARLIEST_YEAR <= found.year <= LATEST_YEAR:
            return found
        raise UnreadableError(value, f"a date from {EARLIEST_YEAR} to {LATEST_YEAR}")
    instant = to_instant(value)
    return instant.date() if instant else None


def split(value: Any, separator: str) -> list[Any]:
    """The parts of a text, or the elements of a list."""
    if isinstance(value, str):
        return value.split(separator) if separator else [value]
    if isinstance(value, list):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value]
    raise UnreadableError(value, "text or a list")


def many(one: Converter, separator: str) -> Converter:
    """A converter for several values: unreadable ones are left out unless nothing else is there; no value twice."""

    def convert(value: Any) -> tuple[Any, ...] | None:
        if value is None or value == "":
            return None
        found: dict[Any, None] = {}
        problem: UnreadableError | None = None
        for part in split(value, separator):
            try:
                item = one(part)
            except UnreadableError as error:
                problem = error
                continue
            if item is not None:
                found[item] = None
        if not found and problem is not None:
            raise problem
        return tuple(found) or None

    return convert


def _stage(value: Any) -> tuple[bool, Decimal | None] | None:
    """(closed, probability) of a deal stage's metadata."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise UnreadableError(value, "a pipeline stage")
    return bool(to_bool(value.get("isClosed"))), to_money(value.get("probability"))


def stage_closed(value: Any) -> bool | None:
    """Whether a HubSpot deal stage is closed: metadata `isClosed`, or probability 0 or 1 where that is missing."""
    stage = _stage(value)
    if stage is None:
        return None
    return stage[0] or (value.get("isClosed") is None and stage[1] in (0, 1))


def stage_won(value: Any) -> bool | None:
    """Whether a closed HubSpot deal stage is the won one (probability 1); None while open."""
    stage = _stage(value)
    return None if stage is None or not stage_closed(value) else stage[1] == 1


def words(value: Any) -> str:
    """A value as the text that maps compare it with: "true", "3", "good"; a list or object is only named."""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else shorten(value)


def by_table(values: Mapping[str, Any], otherwise: Any = None) -> Converter:
    """A converter by table. Keys are compared exactly, then without case; an empty result means None."""
    folded = {key.casefold(): result for key, result in values.items()}
    allowed = "one of " + ", ".join(sorted(values))

    def convert(value: Any) -> Any:
        if value is None or value == "":
            return None
        key = words(value).strip()
        result = values[key] if key in values else folded.get(key.casefold(), otherwise)
        if result is None:
            raise UnreadableError(value, allowed)
        return None if result == "" else result

    return convert


CONVERTERS: dict[str, Converter] = {
    "id": to_id,
    "salesforce_id": to_salesforce_id,
    "text": to_text,
    "email": to_email,
    "domain": to_domain,
    "int": to_int,
    "money": to_money,
    "minor": to_int,
    "currency": to_currency,
    "bool": to_bool,
    "instant": to_instant,
    "date": to_date,
    "stage_closed": stage_closed,
    "stage_won": stage_won,
    "by_score": to_money,
}
