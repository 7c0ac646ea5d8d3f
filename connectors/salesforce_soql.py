"""SOQL as text: every query of ours is put together here, and every value in one goes through `quoted` or `instant`.

Facts, from Salesforce's SOQL reference: text is in single quotes with backslash escapes, points in time are bare ISO
8601 with a zone, names are letters, digits and underscores, and a parent's field is `Parent.Field`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from connectors.base import Row
from connectors.errors import RequestError

_NAME = r"[A-Za-z][A-Za-z0-9_]{0,79}"
_PATH = re.compile(rf"{_NAME}(?:\.{_NAME}){{0,5}}")
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?")
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)


class Key(NamedTuple):
    """A row's place in the order of a walk: when it last changed, then its id."""

    stamp: datetime
    record_id: str


def quoted(text: str) -> str:
    """Text as a SOQL literal."""
    return f"'{text.translate(_ESCAPES)}'"


def instant(when: datetime) -> str:
    """A point in time as a SOQL literal, to the millisecond."""
    whole = when.astimezone(UTC)
    spec = "milliseconds" if whole.microsecond else "seconds"
    return whole.isoformat(timespec=spec).replace("+00:00", "Z")


def is_id(text: object) -> bool:
    """Whether a value has the form of a record id: 15 or 18 letters and digits."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def is_path(text: str) -> bool:
    """Whether a text may be a field's name, or that of a parent's field."""
    return _PATH.fullmatch(text) is not None


def one_of(field: str, values: Iterable[str]) -> str:
    """The condition that a field is one of some texts."""
    return f"{field} IN ({', '.join(quoted(value) for value in values)})"


def window(low: datetime | None, key: Key | None, until: datetime | None) -> list[str]:
    """The conditions of a walk over (SystemModstamp, Id).

    Args:
        low: From when on; None from the beginning.
        key: The last row that was passed, if any. Rows of its very second that come behind it belong to the rest.
        until: Up to when, exclusive; None without end.
    """
    found = []
    if key is not None and (low is None or key.stamp >= low):
        stamp, last = instant(key.stamp), quoted(key.record_id)
        found.append(f"SystemModstamp >= {stamp}")  # says nothing new, but lets Salesforce use its index
        found.append(f"((SystemModstamp = {stamp} AND Id > {last}) OR SystemModstamp > {stamp})")
    elif low is not None:
        found.append(f"SystemModstamp >= {instant(low)}")
    if until is not None:
        found.append(f"SystemModstamp < {instant(until)}")
    return found


def select(obj: str, fields: Sequence[str], conditions: Sequence[str] = (), *, ordered: bool = False) -> str:
    """A query.

    Args:
        obj: Object to read.
        fields: Names of fields, and paths to parents' fields.
        conditions: What must all hold.
        ordered: In the order of a walk.

    Raises:
        RequestError: A name is not one that Salesforce could know.
    """
    strange = [name for name in (obj, *fields) if not is_path(name)]
    if strange:
        message = f"{strange[0][:80]!r} cannot be the name of a field or object."
        raise RequestError(message, vendor="salesforce", advice="Correct the field map or the setting.")
    text = f"SELECT {', '.join(fields)} FROM {obj}"
    if conditions:
        text += " WHERE " + " AND ".join(conditions)
    return text + " ORDER BY SystemModstamp, Id" if ordered else text


def tidy(row: Mapping[str, Any]) -> Row:
    """A row without Salesforce's "attributes" at any level; a parent of whom nothing is known is None.

    So a row is the same whichever way it came: a CSV file cannot tell an empty parent from none.
    """
    return {
        name: (_parent(value) if isinstance(value, dict) else value)
        for name, value in row.items()
        if name != "attributes"
    }


def _parent(value: Mapping[str, Any]) -> Row | None:
    held = tidy(value)
    return held if any(one is not None for one in held.values()) else None
