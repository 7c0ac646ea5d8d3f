"""What is spooled to disk on its way: exports of raw events, whom they speak of, rows that wait for their stream."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

WAITING = "waiting-*.json"
"""Files of a source's spool folder that hold rows of a stream until it hands them on: an object, vendor's id -> row.
Everything else in a spool may be removed between two runs."""


@dataclass(frozen=True, slots=True)
class EventPeople:
    """Whom the events of an export speak of, at a vendor that lists nobody: found by whoever counts the events.

    Everybody becomes one row: {person: id, properties: {name: value, ...}}, with what the last event to arrive says of
    those that say any of it; None is what it does not say.

    Attributes:
        person: Key of the id in a row. The id is that of the person for whom the events count.
        properties: Key of the object that describes the person, in an event as in a row.
        names: Its keys that are kept, one at least: what is not kept stays with the vendor.
        keep: Takes the rows, before the counts are committed: after a crash it may be given them again.
    """

    person: str
    properties: str
    names: tuple[str, ...]
    keep: Callable[[list[dict[str, Any]]], None]


@dataclass(frozen=True, slots=True)
class EventExport:
    """A finished download of raw events, spooled to disk as one JSON object a line.

    Attributes:
        path: The file; gzip when it ends in ".gz". It belongs to the receiver, who deletes it.
        first_day: First event day covered, in UTC unless the source says otherwise in its settings.
        last_day: Last event day covered, inclusive.
        replaces: True when the file holds *all* events of those days, so that counts are overwritten; False: added.
        anew: True on the first of a pull that reads all arrivals again: nothing adds to a day counted before it.
        repeats_until: What arrived before this was handed on before and is here again, to find what was missing then.
        people: Who is to be found in it; None where the vendor has a list of people.
    """

    path: Path
    first_day: date
    last_day: date
    replaces: bool
    anew: bool = False
    repeats_until: datetime | None = None
    people: EventPeople | None = None
