"""CRM values as JSON text and back, and how they are shown to a person."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from connectors.base import Value

_AS_IT_IS = frozenset({str, int, float, bool, type(None)})
"""Types that JSON has as well; most values are of these."""

# Values hold no circles; looking for them takes a quarter of the time.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode


def to_json(value: Value) -> Any:
    """A value as plain JSON that `from_json` reads back exactly."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, datetime):
        return {"at": value.astimezone(UTC).isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    if isinstance(value, tuple):
        return list(value)
    return value


def from_json(data: Any) -> Value:
    """The value that `to_json` wrote.

    Raises:
        ValueError: When the data was not written by `to_json`.
    """
    if isinstance(data, dict):
        if set(data) == {"at"}:
            return datetime.fromisoformat(data["at"])
        if set(data) == {"day"}:
            return date.fromisoformat(data["day"])
        raise ValueError(f"not a stored value: {data!r}")
    if isinstance(data, list):
        return tuple(str(item) for item in data)
    if data is None or isinstance(data, bool | int | float | str):
        return data
    raise ValueError(f"not a stored value: {data!r}")


def dumps(values: Mapping[str, Value]) -> str:
    """A mapping of values as canonical JSON text: equal mappings give equal text."""
    return _canonical({name: to_json(value) for name, value in values.items()})


def loads(text: str) -> dict[str, Value]:
    """The mapping that `dumps` wrote."""
    return {name: value if type(value) in _AS_IT_IS else from_json(value) for name, value in json.loads(text).items()}


def same(left: Value, right: Value) -> bool:
    """Whether the CRM would show the same: 38 and 38.0 are, None and an empty text are, spaces at the ends are none."""
    return _plain(left) == _plain(right)


def _plain(value: Value) -> Value:
    if value in ("", ()):
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, tuple):
        return tuple(sorted(value))
    if isinstance(value, datetime):
        # CRMs keep milliseconds; anything finer would never compare equal again.
        return value.astimezone(UTC).replace(microsecond=value.microsecond // 1000 * 1000)
    return value


def show(value: Value) -> str:
    """The value as a person reads it in a plan; "(empty)" when there is none."""
    text = shown(value)
    return "(empty)" if text is None else text


def shown(value: Value) -> str | None:
    """The value as a person reads it; None when there is none, for those who say that in a way of their own."""
    if _plain(value) is None:
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, tuple):
        return ", ".join(sorted(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def count(number: int, noun: str) -> str:
    """Put a number before its noun, as in "1 task", "1,234 tasks" and "2 companies"."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"
    return f"{number:,} {plural}"
