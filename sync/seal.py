"""Hashes that show when a row of the ledger is not what was written, and the chain that shows when one is missing.

SQLite finds a torn page, but a flipped bit inside a value reads like any other value. So each operation, each record
of what we last wrote and each event carries a hash of its own columns, and each event's hash covers the one before.
This finds accidents. Somebody who may write the file can also compute hashes: against people there are file modes.
"""

import hashlib
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

op_values = attrgetter(*OP_COLUMNS)
"""The columns of an operation in the order in which they are hashed."""


def seal(values: Iterable[Any]) -> str:
    """Hash of a row's columns: 128 bits as 32 hexadecimal digits.

    Over the columns as `ascii` writes them: it tells a number from a text and nothing from both, is the same on every
    version of Python, and takes a third of the time of JSON.
    """
    return hashlib.sha256(ascii(tuple(values)).encode()).hexdigest()[:32]


def link(previous: str, event: Iterable[Any]) -> str:
    """Hash of an event, given the hash of the one before and its columns; "" before the first one ever."""
    return seal((previous, *event))


def sealed(values: Iterable[Any], claimed: Any) -> bool:
    """Whether a row read from the file has the hash that it claims."""
    return bool(seal(values) == claimed)


def broken_link(events: Iterable[Sequence[Any]], previous: str) -> int | None:
    """The first event that does not follow from the one before, by its number; None when all do.

    Args:
        events: Columns and hash of each, in order.
        previous: The hash before the first of them.
    """
    for *columns, claimed in events:
        if link(previous, columns) != claimed:
            return int(columns[0])
        previous = claimed
    return None
