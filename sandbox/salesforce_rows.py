"""Values on their way into a record: what a field takes, from JSON and from a bulk job's CSV.

Two steps, as at Salesforce. *Reading* turns what was sent into the field's Python form (`read_json`, `read_csv`);
a value of the wrong kind is refused here, in JSON before any record of the request is looked at. *Checking* (`check`)
holds the value against the field's length, range and picklist.

Stored forms are those of `sandbox.salesforce_store.Table`: datetimes as epoch milliseconds in whole seconds, dates as
"YYYY-MM-DD", multi-select picklists as texts joined with ";". Codes follow Salesforce's list of status codes, texts
what public threads quote. Not confirmed on a live org: that numbers are rounded half up to the field's scale, and that
a multi-select picklist comes back in the order of its definition.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from sandbox.salesforce_errors import SfError, json_error
from sandbox.salesforce_ids import canonical
from sandbox.salesforce_types import NUMBER_TYPES, TEXT_TYPES, FieldDef

MAX_CHOSEN = 100
"""Values that one multi-select picklist holds at most."""
MAX_DIGITS = 18
"""Of a number, before and after the point."""
CSV_NULL = "#N/A"
"""What clears a field in a bulk job's CSV; an empty cell leaves it alone."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)")
_EMAIL = re.compile(r"[^\s@;,<>()\"]+@[^\s@;,<>()\"]+\.[^\s@;,<>()\".]+")
_JSON_NAMES = {str: "VALUE_STRING", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}
_WORDS = {"textarea": "string", "longtextarea": "string", "phone": "string", "url": "string", "email": "string"}


class WrongKindError(ValueError):
    """The value is not of the field's kind."""


def read_json(definition: FieldDef, value: Any) -> Any:
    """A JSON value in the field's stored form; None for null, and for an empty text where the field holds text.

    Raises:
        SfError: 400 `JSON_PARSER_ERROR` for a value of another kind; an empty text is none for numbers and dates.
    """
    if value is None:
        return None
    try:
        read = _READERS[definition.type](value)
    except WrongKindError:
        raise json_error(_cannot(definition, value)) from None
    return None if read == "" else read


def _cannot(definition: FieldDef, value: Any) -> str:
    kind = _WORDS.get(definition.type, definition.type)
    if isinstance(value, list):
        return f"Cannot deserialize instance of {kind} from START_ARRAY value"
    if isinstance(value, dict):
        return f"Cannot deserialize instance of {kind} from START_OBJECT value"
    if isinstance(value, bool):
        return f"Cannot deserialize instance of {kind} from VALUE_{str(value).upper()} value {str(value).lower()}"
    name = _JSON_NAMES[type(value)]
    return f"Cannot deserialize instance of {kind} from {name} value {value} or request may be missing a required field"


def read_csv(definition: FieldDef, text: str) -> Any:
    """A CSV cell that is neither empty nor `#N/A` in the field's stored form.

    Raises:
        SfError: 400 `INVALID_TYPE_ON_FIELD_IN_RECORD` for a text that does not say such a value.
    """
    try:
        return _READERS[definition.type](text)
    except WrongKindError:
        raise wrong_type(definition, text) from None


def wrong_type(definition: FieldDef, value: object) -> SfError:
    """400: the value cannot be of the field's type."""
    message = f"{definition.label}: value not of required type: {value}"
    return SfError(400, "INVALID_TYPE_ON_FIELD_IN_RECORD", message, (definition.name,))


# ---- reading, by type ------------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongKindError
    return value.strip()


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false", "1", "0"}:
        return value.strip().lower() in {"true", "1"}
    raise WrongKindError


def _number(value: Any) -> float:
    """Numbers may come as texts."""
    if isinstance(value, str):
        try:
            value = float(Decimal(value.strip()))
        except InvalidOperation:
            raise WrongKindError from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WrongKindError
    return value


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise WrongKindError
    return int(number)


def _date(value: Any) -> str:
    text = _text(value)
    try:
        if not _DATE.fullmatch(text):
            raise WrongKindError
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise WrongKindError from None


def parse_datetime(text: str) -> int:
    """An ISO 8601 instant with its zone as epoch milliseconds; fractions of a second are dropped.

    Raises:
        WrongKindError: For anything else, a text without zone included.
    """
    try:
        if not _DATETIME.fullmatch(text):
            raise WrongKindError
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1000
    except (ValueError, OverflowError):
        raise WrongKindError from None


def _datetime(value: Any) -> int:
    return parse_datetime(_text(value))


_READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(TEXT_TYPES, _text),
    **dict.fromkeys(NUMBER_TYPES, _number),
    "int": _whole,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "id": _text,
    "reference": _text,
    "multipicklist": _text,
}


# ---- checking --------------------------------------------------------------------------------------------------------


def check(definition: FieldDef, value: Any) -> Any:
    """The value as the record keeps it (numbers rounded, choices in order, ids at full length).

    Raises:
        SfError: 400 naming the field.
    """
    if value is None:
        if definition.type == "boolean":
            raise wrong_type(definition, "")
        return None
    if definition.type in NUMBER_TYPES:
        return _check_number(definition, value)
    if definition.type == "multipicklist":
        return _check_choices(definition, value)
    if definition.type == "reference":
        return _check_reference(definition, value)
    if definition.type in TEXT_TYPES:
        return _check_text(definition, value)
    return value


def too_long(definition: FieldDef, value: str) -> SfError:
    """400: more characters than the field has."""
    message = f"{definition.label}: data value too large: {value} (max length={definition.length})"
    return SfError(400, "STRING_TOO_LONG", message, (definition.name,))


def bad_choice(definition: FieldDef, value: str) -> SfError:
    """400: a restricted picklist does not offer the value."""
    message = f"{definition.label}: bad value for restricted picklist field: {value}"
    return SfError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, (definition.name,))


def _check_text(definition: FieldDef, value: str) -> str:
    if definition.length and len(value) > definition.length:
        raise too_long(definition, value)
    if definition.type == "email" and not _EMAIL.fullmatch(value):
        message = f"{definition.label}: invalid email address: {value}"
        raise SfError(400, "INVALID_EMAIL_ADDRESS", message, (definition.name,))
    if definition.type == "picklist" and definition.restricted and value not in definition.values:
        raise bad_choice(definition, value)
    return value


def _check_number(definition: FieldDef, value: float) -> float:
    """Too many digits before the point are refused, those after it rounded."""
    limit = 10.0 ** ((definition.precision or MAX_DIGITS) - definition.scale)
    if abs(value) < limit:
        step = Decimal(1).scaleb(-definition.scale)
        rounded = Decimal(str(value)).quantize(step, rounding=ROUND_HALF_UP)
        if abs(rounded) < limit:
            return int(rounded) if definition.type == "int" else float(rounded)
    message = f"{definition.label}: value outside of valid range on numeric field: {float(value)}"
    raise SfError(400, "NUMBER_OUTSIDE_VALID_RANGE", message, (definition.name,))


def _check_choices(definition: FieldDef, value: str) -> str | None:
    """Each value once; those that the field offers in its own order, others after them."""
    chosen = list(dict.fromkeys(text.strip() for text in value.split(";") if text.strip()))
    unknown = [text for text in chosen if text not in definition.values]
    if unknown and definition.restricted:
        raise bad_choice(definition, unknown[0])
    if len(chosen) > MAX_CHOSEN or any(len(text) > 255 for text in chosen) or len(value) > definition.length:
        raise too_long(definition, value)
    return ";".join([text for text in definition.values if text in chosen] + unknown) or None


def _check_reference(definition: FieldDef, value: str) -> str:
    """The form of the id alone; whether the record exists is the org's business."""
    found = canonical(value)
    if found is None:
        raise malformed_id(definition.label, value, definition.name)
    return found


def malformed_id(label: str, value: str, field: str, code: str = "MALFORMED_ID") -> SfError:
    """400: not an id, or one of another kind of record."""
    return SfError(400, code, f"{label}: id value of incorrect type: {value}", (field,))
