"""Canonical values and HubSpot's texts: HubSpot holds every value as a string, and null for empty.

What each type looks like is from HubSpot's property documents: numbers and booleans as text, instants as ISO 8601 or
epoch milliseconds, dates as `YYYY-MM-DD` or midnight UTC, several choices joined by ";", and "" clears a value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.base import FieldSpec, FieldType, Value

TYPES: Mapping[FieldType, tuple[str, str]] = {
    "number": ("number", "number"),
    "text": ("string", "text"),
    "long_text": ("string", "textarea"),
    "select": ("enumeration", "select"),
    "multi_select": ("enumeration", "checkbox"),
    "datetime": ("datetime", "date"),
    "date": ("date", "date"),
    "boolean": ("bool", "booleancheckbox"),
}
"""Neutral type -> HubSpot's `type` and `fieldType`."""

ALIKE: Sequence[frozenset[str]] = (frozenset({"text", "textarea", "html"}), frozenset({"select", "radio"}))
"""Field types that differ in looks only."""

MOST_TEXT = 65_536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_text(value: Value) -> str:
    """A canonical value as HubSpot wants it written; "" clears the field."""
    if value is None:
        return ""
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return ";".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def from_text(kind: FieldType, text: Any) -> Value:
    """HubSpot's text as a canonical value; text that does not fit the type is given as it is, so that it shows."""
    if text is None or text == "":
        return None
    reader = _READERS.get(kind)
    try:
        return reader(str(text)) if reader else str(text)
    except (ValueError, OverflowError, InvalidOperation):
        return str(text)


def own_values(specs: Mapping[str, FieldSpec], properties: Mapping[str, Any]) -> dict[str, Value]:
    """Our fields among a record's properties; a field that HubSpot did not send is left out."""
    return {name: from_text(spec.type, properties[name]) for name, spec in specs.items() if name in properties}


def _number(text: str) -> Value:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return int(number) if number == number.to_integral_value() else float(number)


def _boolean(text: str) -> Value:
    return {"true": True, "false": False}[text.lower()] if text.lower() in {"true", "false"} else text


def _choices(text: str) -> Value:
    return tuple(sorted(filter(None, text.split(";"))))


def instant(text: str) -> datetime:
    """An instant in any of HubSpot's spellings: ISO 8601 with or without fraction and zone, or epoch milliseconds.

    Raises:
        ValueError: It is none of them.
    """
    if text.lstrip("-").isdigit():
        return _EPOCH + timedelta(milliseconds=int(text))
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def as_instant(value: Any) -> datetime | None:
    """The instant that a value tells; None for whatever tells none."""
    try:
        return instant(str(value))
    except (ValueError, OverflowError):
        return None


def _day(text: str) -> Value:
    return instant(text).date()


_READERS: Mapping[FieldType, Callable[[str], Value]] = {
    "number": _number,
    "boolean": _boolean,
    "multi_select": _choices,
    "datetime": instant,
    "date": _day,
}


def objection(definition: Mapping[str, Any] | None, value: Value) -> tuple[str, str] | None:
    """Why HubSpot would refuse a value for a property, as (code, words); None when it would not.

    One refused value fails a whole batch of 100, so that what can be known beforehand is kept out of it.
    """
    if definition is None:
        return "PROPERTY_DOESNT_EXIST", "the portal has no such property"
    metadata = definition.get("modificationMetadata") or {}
    if metadata.get("readOnlyValue") or definition.get("calculated"):
        return "READ_ONLY_VALUE", "the property cannot be written"
    if value is None:
        return None
    return _type_objection(str(definition.get("type")), definition, value)


def _type_objection(kind: str, definition: Mapping[str, Any], value: Value) -> tuple[str, str] | None:
    text = to_text(value)
    if kind == "number" and (isinstance(value, bool) or not _finite(text)):
        return "INVALID_INTEGER", f"{_short(text)} is not a number"
    if kind in {"date", "datetime"} and not isinstance(value, date):
        return "INVALID_DATE", f"{_short(text)} is not a date"
    if kind == "bool" and not isinstance(value, bool):
        return "INVALID_BOOLEAN", f"{_short(text)} is neither true nor false"
    if kind == "enumeration":
        allowed = {str(option.get("value")) for option in definition.get("options") or ()}
        wanted = value if isinstance(value, tuple) else (text,)
        if strange := sorted(set(wanted) - allowed):
            return "INVALID_OPTION", f"{_short(strange[0])} is not one of the property's options"
    if len(text) > MOST_TEXT:
        return "INVALID_LENGTH", f"the text is longer than {MOST_TEXT} characters"
    return None


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _short(text: str) -> str:
    return repr(text[:40])
