"""Canonical values and Salesforce's: JSON values in REST, text in the CSV of bulk jobs.

What each type looks like is from Salesforce's public field reference and REST and Bulk API guides: instants as
`2026-01-01T00:00:00.000+0000`, dates as `YYYY-MM-DD`, several choices joined by ";", JSON null for empty; in the CSV of
a bulk job an empty cell leaves a field as it is and `#N/A` empties it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.base import FieldSpec, FieldType, ObjectName, Value

OBJECTS: Mapping[ObjectName, str] = {"account": "Account", "contact": "Contact", "task": "Task"}
"""Neutral kind of record -> Salesforce's name for it."""

PREFIXES: Mapping[str, str] = {"Account": "001", "Contact": "003", "Task": "00T"}
"""How the ids of each kind begin, in every org."""

EMPTY_CELL = "#N/A"
"""What empties a field in a bulk job's CSV; an empty cell would leave it as it is."""

MOST_CHOICES = 100
"""Most values selected at once in a multi-select picklist."""

_ID = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?")
_NUMBERS = frozenset({"double", "currency", "percent", "int", "long"})
_TEXTS = frozenset({"string", "textarea", "url", "email", "phone", "combobox", "encryptedstring", "reference", "id"})
_EARLIEST = date(1700, 1, 1)
_LATEST = date(4000, 12, 31)

Objection = tuple[str, str]
"""Why Salesforce would refuse a value: its code for that, and words."""


def short_id(text: str | None, kind: str = "") -> str | None:
    """The 15 characters that tell records apart, of an id in its short or long form.

    None when the text does not look like an id, or not like one of a record of this kind. The long form's three last
    characters say again which letters are capitals; that they are right is left to Salesforce.
    """
    if text is None or not _ID.fullmatch(text) or not text.startswith(PREFIXES.get(kind, "")):
        return None
    return text[:15]


def to_json(value: Value) -> Any:
    """A canonical value as Salesforce wants it in JSON; null empties the field."""
    if value in ("", ()):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return ";".join(sorted(value))
    return value


def to_cell(value: Value) -> str:
    """A canonical value as text of a bulk job's CSV; `#N/A` empties the field.

    The text "#N/A" itself cannot be said in such a file, see `fits_cell`.
    """
    plain = to_json(value)
    if plain is None:
        return EMPTY_CELL
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, float):
        return format(Decimal(repr(plain)), "f")
    return str(plain)


def fits_cell(value: Value) -> bool:
    """Whether a bulk job would take a value for what it is: the text "#N/A" would empty the field."""
    return not (isinstance(value, str) and value.strip().upper() == EMPTY_CELL)


def from_json(kind: FieldType, value: Any) -> Value:
    """Salesforce's value, from JSON or from CSV text, as a canonical one.

    What does not fit the type is given as it is, so that it shows.
    """
    if value is None or value == "":
        return None
    reader = _READERS.get(kind)
    try:
        return reader(value) if reader else _plain(value)
    except (ValueError, OverflowError, InvalidOperation):
        return _plain(value)


def own_values(specs: Mapping[str, FieldSpec], row: Mapping[str, Any]) -> dict[str, Value]:
    """Our fields among a row's; a field that Salesforce did not send is left out.

    Salesforce spells names as the org does and takes them in any case, so that ours may differ from a row's in case.
    """
    found: dict[str, Value] = {}
    folded: Mapping[str, str] | None = None
    for name, spec in specs.items():
        there = name
        if name not in row:
            if folded is None:
                folded = {known.lower(): known for known in row}
            there = folded.get(name.lower(), "")
        if there in row:
            found[name] = from_json(spec.type, row[there])
    return found


def _plain(value: Any) -> Value:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _text(value: Any) -> Value:
    return value.replace("\r\n", "\n") if isinstance(value, str) else _plain(value)


def _number(value: Any) -> Value:
    if isinstance(value, bool):
        return value
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(value)
    return int(number) if number == number.to_integral_value() else float(number)


def _boolean(value: Any) -> Value:
    return {"true": True, "false": False}.get(str(value).lower(), _plain(value))


def _choices(value: Any) -> Value:
    return tuple(sorted(filter(None, str(value).split(";"))))


def instant(text: str) -> datetime:
    """An instant as Salesforce writes it, with or without fraction; without a zone it is UTC.

    Raises:
        ValueError: It is not one.
    """
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _day(value: Any) -> Value:
    return instant(str(value)).date()


_READERS: Mapping[FieldType, Callable[[Any], Value]] = {
    "number": _number,
    "text": _text,
    "long_text": _text,
    "boolean": _boolean,
    "multi_select": _choices,
    "datetime": lambda value: instant(str(value)),
    "date": _day,
}


def objection(definition: Mapping[str, Any] | None, value: Value) -> Objection | None:
    """Why Salesforce would refuse a value for a field, by its own description of the field; None when it would not.

    A field that is missing from the description is missing for everybody or hidden from us: both look alike. A value
    with more decimals than the field keeps is refused here, because Salesforce would round it and it would look
    changed for ever after.

    Args:
        definition: The field in the answer of `describe`; None when it is not there.
        value: What is to be written.
    """
    if definition is None:
        return "INVALID_FIELD", "the field does not exist or field-level security hides it"
    if definition.get("calculated") or not definition.get("updateable", True):
        return "INVALID_FIELD_FOR_INSERT_UPDATE", "the field cannot be written, or field-level security forbids it"
    if value in (None, "", ()):
        if definition.get("nillable", True) and definition.get("type") != "boolean":
            return None
        return "REQUIRED_FIELD_MISSING", "the field cannot be empty"
    kind = str(definition.get("type"))
    check = _CHECKS.get(kind)
    return check(definition, value) if check is not None else None


def _number_objection(definition: Mapping[str, Any], value: Value) -> Objection | None:
    try:
        number = Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        number = Decimal("nan")
    if isinstance(value, bool | date | tuple) or not number.is_finite():
        return "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{_short(value)} is not a number"
    whole = definition.get("type") in {"int", "long"}
    scale = 0 if whole else _count(definition, "scale")
    digits = _count(definition, "digits") if whole else _count(definition, "precision")
    if digits and abs(number) >= Decimal(10) ** (digits - (scale or 0)):
        return "NUMBER_OUTSIDE_VALID_RANGE", f"{_short(value)} has more digits than the field's {digits - (scale or 0)}"
    if scale is not None and number != round(number, scale):
        return "NUMBER_OUTSIDE_VALID_RANGE", f"{_short(value)} has more decimals than the field's {scale}"
    return None


def _text_objection(definition: Mapping[str, Any], value: Value) -> Objection | None:
    text = str(to_json(value))
    length = _count(definition, "length")
    if length and len(text) > length:
        return "STRING_TOO_LONG", f"data value too large: {len(text)} characters (max length={length})"
    return None


def _choice_objection(definition: Mapping[str, Any], value: Value) -> Objection | None:
    text = str(to_json(value))
    several = definition.get("type") == "multipicklist"
    wanted = text.split(";") if several else [text]
    if several and len(set(wanted)) > MOST_CHOICES:
        return "STRING_TOO_LONG", f"more than {MOST_CHOICES} values are selected"
    if not definition.get("restrictedPicklist"):
        return None if several else _text_objection(definition, value)
    allowed = {one.casefold() for one in active_values(definition)}
    if strange := sorted(one for one in wanted if one.casefold() not in allowed):
        return "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f"{_short(strange[0])} is not one of the field's values"
    return None


def _boolean_objection(_: Mapping[str, Any], value: Value) -> Objection | None:
    if isinstance(value, bool):
        return None
    return "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{_short(value)} is neither true nor false"


def _date_objection(definition: Mapping[str, Any], value: Value) -> Objection | None:
    if not isinstance(value, date) or isinstance(value, datetime) != (definition.get("type") == "datetime"):
        wanted = "an instant" if definition.get("type") == "datetime" else "a date"
        return "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{_short(value)} is not {wanted}"
    day = value.date() if isinstance(value, datetime) else value
    if not _EARLIEST <= day <= _LATEST:
        return "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{_short(value)} is outside the years that Salesforce knows"
    return None


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], Value], Objection | None]] = {
    **dict.fromkeys(_NUMBERS, _number_objection),
    **dict.fromkeys(_TEXTS, _text_objection),
    "picklist": _choice_objection,
    "multipicklist": _choice_objection,
    "boolean": _boolean_objection,
    "date": _date_objection,
    "datetime": _date_objection,
}


def active_values(definition: Mapping[str, Any]) -> list[str]:
    """The values of a picklist that may be chosen, in the org's order."""
    return [
        str(entry.get("value"))
        for entry in definition.get("picklistValues") or ()
        if isinstance(entry, dict) and entry.get("active", True)
    ]


def _count(definition: Mapping[str, Any], name: str) -> int | None:
    number = definition.get(name)
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _short(value: Value) -> str:
    return repr(str(to_json(value))[:40])
