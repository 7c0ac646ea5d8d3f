"""Search filters: checked as HubSpot checks them, then turned into predicates over the index."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sandbox.hubspot_errors import bad_request, validation
from sandbox.hubspot_schema import Schema, parse_instant

MAX_GROUPS = 5
MAX_FILTERS_PER_GROUP = 6
MAX_FILTERS = 18
OPERATORS = frozenset(
    {
        "EQ",
        "NEQ",
        "LT",
        "LTE",
        "GT",
        "GTE",
        "BETWEEN",
        "IN",
        "NOT_IN",
        "HAS_PROPERTY",
        "NOT_HAS_PROPERTY",
        "CONTAINS_TOKEN",
        "NOT_CONTAINS_TOKEN",
    }
)
_NUMERIC = frozenset({"number", "date", "datetime"})
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "LT": lambda a, b: bool(a < b),
    "LTE": lambda a, b: bool(a <= b),
    "GT": lambda a, b: bool(a > b),
    "GTE": lambda a, b: bool(a >= b),
}
_STAMPS = frozenset({"lastmodifieddate", "hs_lastmodifieddate"})
"""Asking for the modified stamp of another kind of record is no error: it silently finds nothing."""
Test = Callable[[str | None], bool]
"""A property's value -> whether it passes."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One checked filter; `type` is the property's type, "association" for `associations.X`."""

    name: str
    operator: str
    type: str
    value: str = ""
    high: str = ""
    values: tuple[str, ...] = ()

    def number(self, text: str | None = None) -> float:
        """The value, or another text, as a number: epoch milliseconds for dates."""
        return as_number(self.type, self.value if text is None else text)


def as_number(kind: str, text: str) -> float:
    """A number or an instant as something to compare. Raises `ValueError`."""
    return float(text) if kind == "number" else float(parse_instant(text))


def parse_groups(body: Mapping[str, Any], schema: Schema) -> list[list[Filter]]:
    """Check the filters of a search body. Raises 400 as HubSpot does."""
    groups = body.get("filterGroups") or []
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
        raise validation(f"Too many filter groups: at most {MAX_GROUPS} are allowed")
    parsed = [[_filter(item, schema) for item in _items(group)] for group in groups]
    if any(len(group) > MAX_FILTERS_PER_GROUP for group in parsed):
        raise validation(f"Too many filters in a group: at most {MAX_FILTERS_PER_GROUP} are allowed")
    if sum(map(len, parsed)) > MAX_FILTERS:
        raise validation(f"Too many filters: at most {MAX_FILTERS} are allowed")
    return parsed


def _items(group: Any) -> list[Any]:
    items = group.get("filters") if isinstance(group, dict) else None
    if not isinstance(items, list):
        raise bad_request()
    return items


def _filter(item: Any, schema: Schema) -> Filter:
    if not isinstance(item, dict) or item.get("operator") not in OPERATORS:
        raise bad_request()
    name, operator = str(item.get("propertyName", "")), str(item["operator"])
    kind = _type_of(name, schema)
    parsed = Filter(
        name=name,
        operator=operator,
        type=kind,
        value=str(item.get("value", "")),
        high=str(item.get("highValue", "")),
        values=tuple(map(str, item.get("values") or ())),
    )
    _check(parsed, item)
    return parsed


def _type_of(name: str, schema: Schema) -> str:
    if name.startswith("associations."):
        return "association"
    definition = schema.properties.get(name)
    if definition is None:
        if name in _STAMPS:
            return "datetime"
        raise bad_request()
    return definition.type


def _check(parsed: Filter, item: Mapping[str, Any]) -> None:
    """A filter must carry what its operator needs, and numbers must be numbers."""
    operator = parsed.operator
    needs_values = operator in {"IN", "NOT_IN"}
    needs_value = not needs_values and not operator.endswith("HAS_PROPERTY")
    if (needs_values and not parsed.values) or (needs_value and item.get("value") is None):
        raise validation(f"operator {operator} requires a value")
    if operator == "BETWEEN" and item.get("highValue") is None:
        raise validation("operator BETWEEN requires a high value")
    if parsed.type in _NUMERIC and needs_value:
        try:
            parsed.number()
            parsed.number(parsed.high or "0")
        except ValueError:
            raise bad_request() from None


def compile_test(filter_: Filter) -> Test:
    """A filter as a predicate over the stored text.

    Text compares without regard to case, enumerations exactly; `IN` and `NOT_IN` on text want lower-case values. A
    record without a value passes only `NOT_HAS_PROPERTY`.
    """
    operator = filter_.operator
    if operator == "HAS_PROPERTY":
        return bool
    if operator == "NOT_HAS_PROPERTY":
        return lambda text: not text
    if filter_.type in _NUMERIC and operator not in {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}:
        return _numeric_test(filter_)
    return _text_test(filter_)


def _numeric_test(filter_: Filter) -> Test:
    kind, operator = filter_.type, filter_.operator
    if operator in {"IN", "NOT_IN"}:
        wanted = {as_number(kind, value) for value in filter_.values}
        return lambda text: bool(text) and (as_number(kind, text or "") in wanted) == (operator == "IN")
    low = filter_.number()
    if operator == "BETWEEN":
        high = filter_.number(filter_.high)
        return lambda text: bool(text) and low <= as_number(kind, text or "") <= high
    if operator in {"EQ", "NEQ"}:
        return lambda text: bool(text) and (as_number(kind, text or "") == low) == (operator == "EQ")
    compare = _COMPARE[operator]
    return lambda text: bool(text) and compare(as_number(kind, text or ""), low)


def _text_test(filter_: Filter) -> Test:
    operator, exact = filter_.operator, filter_.type in {"enumeration", "bool"}
    fold: Callable[[str], str] = str if exact else str.lower
    if operator in {"IN", "NOT_IN"}:
        wanted = frozenset(filter_.values)
        return lambda text: (
            bool(text) and (not wanted.isdisjoint(_parts(fold(text or ""), split=exact))) == (operator == "IN")
        )
    value = fold(filter_.value)
    if operator in {"EQ", "NEQ"}:
        return lambda text: bool(text) and (value in _parts(fold(text or ""), split=exact)) == (operator == "EQ")
    if operator in {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}:
        pattern = filter_.value.lower()
        return lambda text: bool(text) and _has_token(text or "", pattern) == (operator == "CONTAINS_TOKEN")
    if operator == "BETWEEN":
        high = fold(filter_.high)
        return lambda text: bool(text) and value <= fold(text or "") <= high
    compare = _COMPARE[operator]
    return lambda text: bool(text) and compare(fold(text or ""), value)


def _parts(text: str, *, split: bool) -> Iterable[str]:
    """A multi-select's options one by one; any other value as it is."""
    return text.split(";") if split else (text,)


def _has_token(text: str, pattern: str) -> bool:
    """Whole words, or with `*` a pattern over words or over the whole value."""
    lowered = text.lower()
    words = re.findall(r"\w+", lowered)
    if "*" in pattern:
        return fnmatchcase(lowered, pattern) or any(fnmatchcase(word, pattern) for word in words)
    wanted = re.findall(r"\w+", pattern)
    return bool(wanted) and set(wanted) <= set(words)


def query_test(query: str) -> Callable[[Sequence[str | None]], bool]:
    """The `query` text: found anywhere in one of the searchable properties, without regard to case."""
    needle = query.lower()
    return lambda values: any(needle in value.lower() for value in values if value)
