"""What mapping a page of vendor rows gives: records, rejects and counts; and the error of a wrong field map."""

import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from mapping.schema import Record


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not become a record, kept so that nothing is lost.

    Attributes:
        source: Name of the source in the config.
        stream: The vendor's word for the kind of row.
        source_id: The row's id, None when it has no readable one.
        reason: For a person: the field, its value shortened, and what is allowed.
        row: JSON text of the mapped part of the row, at most 4 KB, without values of keys that name a secret.
    """

    source: str
    stream: str
    source_id: str | None
    reason: str
    row: str


@dataclass(slots=True)
class Mapped:
    """One page, mapped. Every row is in exactly one of `records`, `rejects`, `deleted` and `skipped`.

    Attributes:
        records: Common records, in the order of the rows.
        rejects: Rows without a usable value for a required field.
        deleted: Ids of rows by which the vendor says that the record is gone; the store deletes them.
        skipped: Rows that are no record by the vendor's own meaning (a survey offered but not answered), by reason.
        unknown: Vendor keys that the map neither reads nor knows to be unimportant, and how many rows had them.
        warnings: Optional values that were dropped or cut, by "field: what was wrong".
    """

    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class EventMap:
    """Where to find things in a line of an event export: dotted paths such as "properties.time", unless said otherwise.

    Attributes:
        name: The event's name.
        time: When it happened; see `times`.
        person: Product user id; absent on anonymous events, which are counted apart.
        distinct_id: The id the vendor de-duplicates by; together with name, time and insert_id it is the event's key.
        account: Group key: text, or a list of texts when it happened in several accounts.
        insert_id: The sender's id of the event; unique per distinct_id only.
        arrived: When the vendor received it; see `times`.
        device: Device id of anonymous events.
        device_prefix: A distinct_id that starts with this is a device, not a person. No path.
        times: How times are written. "epoch": seconds, or milliseconds when the number is 10**11 or more, and the
            arrival in milliseconds. "text": as "2026-11-22 07:00:00.000000", UTC where no zone is given.
        ignore: Names of events that nobody did: they are not counted at all.
    """

    name: str
    time: str
    person: str
    distinct_id: str
    account: str
    insert_id: str
    arrived: str
    device: str
    device_prefix: str
    times: Literal["epoch", "text"] = "epoch"
    ignore: tuple[str, ...] = ()


class FieldMapError(ValueError):
    """A field map, shipped or overridden, that cannot be used.

    Attributes:
        file: Where it stands.
        key: Dotted key inside the file.
        value: What stands there, shortened.
        allowed: What may stand there.
        nearest: The nearest right name, empty when nothing is near.
    """

    def __init__(self, *, file: str, key: str, value: object, allowed: str, names: Iterable[str] = ()) -> None:
        self.file = file
        self.key = key
        self.value = shorten(value)
        self.allowed = allowed
        self.nearest = next(iter(difflib.get_close_matches(str(value), sorted(names), n=1, cutoff=0.5)), "")
        hint = f" Did you mean {self.nearest!r}?" if self.nearest else ""
        super().__init__(f"{file}: {key} = {self.value}: {allowed}.{hint}")


def shorten(value: object, limit: int = 60) -> str:
    """A value as people can read it in a message: Python's notation, on one line, at most `limit` characters."""
    if isinstance(value, str):
        text = ascii(value[:limit]) if not value[:limit].isprintable() else repr(value[:limit])
        return text if len(value) <= limit else f"{text[:-1]}...' ({len(value):,} characters)"
    if isinstance(value, dict | list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    try:
        text = repr(value)
    except ValueError:  # an integer of more than 4,300 digits
        text = "a very long number"
    return text if len(text) <= limit else f"{text[:limit]}..."
