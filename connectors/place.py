"""A place in a stream as text: what a cursor is to the connectors that keep more than one thing in it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.errors import CursorExpiredError

State = dict[str, Any]


def load(cursor: str | None, vendor: str) -> State:
    """What a cursor stands for; empty at the start.

    Raises:
        CursorExpiredError: It is none of ours, so that the stream must start again.
    """
    if cursor is None:
        return {}
    try:
        state = json.loads(cursor)
    except ValueError:
        state = None
    if not isinstance(state, dict):
        raise CursorExpiredError("the saved place cannot be read.", vendor=vendor)
    return state


def dump(state: Mapping[str, Any]) -> str:
    """A place as text; what is None is left out."""
    known = {name: value for name, value in state.items() if value is not None}
    return json.dumps(known, separators=(",", ":"), sort_keys=True)


def marked(said: Mapping[str, Any]) -> str:
    """A short text that differs where what is said differs: kept in a place that is good for that alone."""
    return hashlib.sha256(dump(said).encode()).hexdigest()[:12]


def instant(text: object) -> datetime | None:
    """An instant that was written in ISO 8601, of UTC where it names no zone; None when it is none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
