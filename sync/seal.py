"""Hashes that show when a row of the ledger is not what was written, and the chain that shows when one is missing.

SQLite finds a torn page, but a flipped bit inside a value reads like any other value. So each operation, each record
of what we last wrote and each event carries a hash of its own columns, and each event's hash covers the one before.
This finds accidents. Somebody who may write the file can also compute hashes: against people there are file modes.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

OP_COLUMNS = (
    "op_id",
    "run_id",
    "kind",
    "object",
    "record_id",
    "key",
    "payload",
    "before_image",
    "state",
    "attempt",
    "not_before",
    "batch_id",
    "remote_id",
    "error_code",
    "error",
    "undoes",
    "created",
    "sent_at",
    "updated_at",
)
"""What the hash of an operation covers, in this order: everything but the hash."""

EVENT_COLUMNS = ("seq", "op_id", "at", "from_state", "to_state", "detail", "row_hash")
"""What the hash of an event covers, after the hash before it."""

OWNED_COLUMNS = ("object", "record_id", "fields", "times", "written_at")
"""What the hash of a record of what we wrote covers."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
op_values = attrgetter(*OP_COLUMNS)
"""The columns of an operation in the order in which they are hashed."""


def seal(values: Sequence[Any]) -> str:
    """Hash of a row's columns: 128 bits as 32 hexadecimal digits, the same on every version of Python."""
    return hashlib.sha256(_encode(values).encode()).hexdigest()[:32]


def link(previous: str, event: Sequence[Any]) -> str:
    """Hash of an event, given the hash of the one before and its columns; "" before the first one ever."""
    return hashlib.sha256((previous + _encode(event)).encode()).hexdigest()[:32]


def sealed(values: Sequence[Any], claimed: Any) -> bool:
    """Whether a row read from the file has the hash that it claims."""
    try:
        return bool(seal(values) == claimed)
    except TypeError:  # a flipped bit has turned a text into bytes
        return False


def broken_link(events: Iterable[Sequence[Any]], previous: str) -> int | None:
    """The first event that does not follow from the one before, by its number; None when all do.

    Args:
        events: Columns and hash of each, in order.
        previous: The hash before the first of them.
    """
    for *columns, claimed in events:
        try:
            if link(previous, columns) != claimed:
                return int(columns[0])
        except TypeError:
            return int(columns[0])
        previous = claimed
    return None
