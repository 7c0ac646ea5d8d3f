"""One comparison of a query as a test of a field's value: which operators and values a type takes, and what they mean.

Values are those of `sandbox.salesforce_store`: datetimes in epoch milliseconds, dates as ISO text. As in Salesforce,
text compares without regard to case, ids of 15 and 18 characters are the same, what is empty passes `!=`, NOT IN and
EXCLUDES, and date words mean whole days; the user's time zone is UTC here.
"""

import operator as op
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sandbox.salesforce_errors import SfError
from sandbox.salesforce_ids import canonical
from sandbox.salesforce_soql_tree import Comparison, Literal, pointed, refused
from sandbox.salesforce_types import NUMBER_TYPES, TEXT_TYPES, FieldDef

Test = Callable[[Any], bool]
"""A field's value -> whether it passes."""

_DAY_MS = 86_400_000
_LONGEST = 500_000
"""Days that a date word reaches at most, so that no year gets lost."""
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {"<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge}
_ANSWERED = frozenset({"=", "!=", "IN", "NOT IN"})
_WORDS = {"datetime": "dateTime", "reference": "reference", "combobox": "string", "longtextarea": "textarea"}
_KINDS = {"date": "date", "datetime": "datetime", "boolean": "boolean"}
_OPERATORS: Mapping[str, frozenset[str]] = {
    "boolean": frozenset({"=", "!=", "IN", "NOT IN"}),
    "multipicklist": frozenset({"=", "!=", "INCLUDES", "EXCLUDES"}),
    "id": frozenset({*_ANSWERED, *_COMPARE}),
    "reference": frozenset({*_ANSWERED, *_COMPARE}),
    "text": frozenset({*_ANSWERED, *_COMPARE, "LIKE"}),
    "other": frozenset({*_ANSWERED, *_COMPARE}),
}


def compile_test(field: FieldDef, comparison: Comparison, text: str, now: int) -> Test:
    """The comparison as a test of this field's values.

    Args:
        field: The field compared.
        comparison: How, and with what.
        text: The whole query, for refusals.
        now: Epoch milliseconds; date words start from it.

    Raises:
        SfError: 400, the field's type does not take the operator or a value.
    """
    if not field.filterable:
        message = f"field '{field.name}' can not be filtered in a query call"
        raise refused("INVALID_FIELD", pointed(text, comparison.field.at, message))
    _check_operator(field, comparison, text)
    for literal in comparison.values:
        _check_value(field, literal, text)
    if any(literal.kind == "word" for literal in comparison.values):
        return _word_test(field, comparison, now)
    return _TESTS.get(field.type, _plain_test)(field, comparison)


def _check_operator(field: FieldDef, comparison: Comparison, text: str) -> None:
    wanted = comparison.operator
    kind = "text" if field.type in TEXT_TYPES else field.type if field.type in _OPERATORS else "other"
    if wanted in _OPERATORS[kind]:
        return
    if wanted in {"INCLUDES", "EXCLUDES"}:
        message = "includes or excludes operator only valid on multipicklist field"
    else:
        message = f"invalid operator on {_WORDS.get(field.type, field.type)} field"
    raise refused("INVALID_QUERY_FILTER_OPERATOR", pointed(text, comparison.field.at, message))


def _check_value(field: FieldDef, literal: Literal, text: str) -> None:
    """A value must be of the field's type; null always is."""
    wanted = _KINDS.get(field.type, "number" if field.type in NUMBER_TYPES else "string")
    fits = literal.kind == wanted or (literal.kind == "word" and wanted in {"date", "datetime"})
    if literal.kind == "null":
        return
    if not fits:
        quotes = "should be enclosed" if wanted == "string" else "should not be enclosed"
        kind = _WORDS.get(field.type, "string" if wanted == "string" else field.type)
        message = f"value of filter criterion for field '{field.name}' must be of type {kind} and {quotes} in quotes"
        raise refused("INVALID_FIELD", pointed(text, literal.at, message))
    if field.type in {"id", "reference"} and literal.value and canonical(str(literal.value)) is None:
        raise _bad_id(literal, text)


def _bad_id(literal: Literal, text: str) -> SfError:
    return refused("INVALID_QUERY_FILTER_OPERATOR", pointed(text, literal.at, f"invalid ID field: {literal.value}"))


def _identity(value: Any) -> Any:
    return value


def _folded(value: Any) -> Any:
    return value.lower() if value else None


def _identity_or_none(value: Any) -> Any:
    return value or None


def _short_id(value: Any) -> Any:
    return value[:15] if value else None


def _never(_value: Any) -> bool:
    return False


def _plain_test(_field: FieldDef, comparison: Comparison, fold: Callable[[Any], Any] = _identity) -> Test:
    """Numbers, dates and datetimes as they are; other types after `fold`."""
    operator = comparison.operator
    wanted = [fold(literal.value) for literal in comparison.values]
    first = wanted[0]
    if operator in _COMPARE:
        compare = _COMPARE[operator]
        if first is None:
            return _never
        if fold is _identity:
            return lambda value: value is not None and compare(value, first)
        return lambda value: bool(value) and compare(fold(value), first)
    allowed = frozenset(wanted)
    negated = operator in {"!=", "NOT IN"}
    if len(allowed) == 1:
        return (lambda value: fold(value) != first) if negated else (lambda value: fold(value) == first)
    return (lambda value: fold(value) not in allowed) if negated else (lambda value: fold(value) in allowed)


def _text_test(field: FieldDef, comparison: Comparison) -> Test:
    if comparison.operator != "LIKE":
        return _plain_test(field, comparison, _identity_or_none if field.case_sensitive else _folded)
    literal = comparison.values[0]
    if literal.kind == "null":
        return lambda value: not value
    pattern = re.compile(_like(literal.raw), re.IGNORECASE | re.DOTALL)
    return lambda value: bool(value) and pattern.fullmatch(value) is not None


_LIKE_PART = re.compile(r"\\u([0-9A-Fa-f]{4})|\\(.)|(.)", re.DOTALL)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def _like(raw: str) -> str:
    """A LIKE pattern, still escaped, as a regular expression."""
    parts = []
    for code, escaped, plain in _LIKE_PART.findall(raw):
        if plain in {"%", "_"}:
            parts.append(".*" if plain == "%" else ".")
        else:
            parts.append(re.escape(chr(int(code, 16)) if code else _CONTROL.get(escaped, escaped or plain)))
    return "".join(parts)


def _id_test(field: FieldDef, comparison: Comparison) -> Test:
    return _plain_test(field, comparison, _short_id)


def _boolean_test(_field: FieldDef, comparison: Comparison) -> Test:
    allowed = frozenset(bool(literal.value) for literal in comparison.values)
    wanted = comparison.operator in {"=", "IN"}
    return lambda value: (bool(value) in allowed) is wanted


def _options(text: str | None) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in (text or "").split(";")) - {""}


def _multi_test(_field: FieldDef, comparison: Comparison) -> Test:
    """`=` wants exactly these options; each value of INCLUDES is a set of options that must all be chosen."""
    wanted = [_options(None if literal.value is None else str(literal.value)) for literal in comparison.values]
    if comparison.operator in {"=", "!="}:
        equal = comparison.operator == "="
        return lambda value: (_options(value) == wanted[0]) is equal
    included = comparison.operator == "INCLUDES"

    def test(value: Any) -> bool:
        chosen = _options(value)
        return any(part <= chosen if part else not chosen for part in wanted) is included

    return test


_TESTS: Mapping[str, Callable[[FieldDef, Comparison], Test]] = {
    **dict.fromkeys(TEXT_TYPES, _text_test),
    "id": _id_test,
    "reference": _id_test,
    "boolean": _boolean_test,
    "multipicklist": _multi_test,
}


def days_of(word: str, number: int, now: int) -> tuple[date, date]:
    """What a date word means: its first day and the first day after it."""
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    number = min(number, _LONGEST)
    start, length = {
        "TODAY": (0, 1),
        "YESTERDAY": (-1, 1),
        "TOMORROW": (1, 1),
        "LAST_N_DAYS": (-number, number + 1),
        "NEXT_N_DAYS": (1, number),
        "N_DAYS_AGO": (-number, 1),
    }[word]
    first = today + timedelta(days=start)
    return first, first + timedelta(days=length)


def span_of(field: FieldDef, literal: Literal, now: int) -> tuple[Any, Any]:
    """The values, from and up to without, that a date word or an exact moment covers, as the field keeps them."""
    if isinstance(literal.value, tuple):
        first, after = days_of(*literal.value, now)
        if field.type == "date":
            return first.isoformat(), after.isoformat()
        return _midnight(first), _midnight(after)
    return literal.value, literal.value


def _midnight(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY_MS


def _word_test(field: FieldDef, comparison: Comparison, now: int) -> Test:
    """Comparisons with a span of days: `<` is before it, `>` after it, `=` within."""
    spans = [span_of(field, literal, now) for literal in comparison.values if literal.kind == "word"]
    exact = frozenset(literal.value for literal in comparison.values if literal.kind != "word")
    low, high = spans[0]
    simple: dict[str, Test] = {
        "<": lambda value: value is not None and value < low,
        "<=": lambda value: value is not None and value < high,
        ">": lambda value: value is not None and value >= high,
        ">=": lambda value: value is not None and value >= low,
    }
    if comparison.operator in simple:
        return simple[comparison.operator]
    wanted = comparison.operator in {"=", "IN"}

    def test(value: Any) -> bool:
        inside = value is not None and any(start <= value < end for start, end in spans)
        return (inside or value in exact) is wanted

    return test
