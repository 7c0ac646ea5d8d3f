"""Mixpanel's raw events: which are there, when they show, and how they are written, a day at a time.

What the world does not know and an export still shows is added here, always the same way for the same event: about
one event in a hundred is sent twice, now and then an `$insert_id` is used again by somebody else, agency work carries
a list as group key, and what was sent before sign-in shows a device id until the device is merged with its user.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from sandbox.mixpanel_where import Bounds, Node, evaluate
from sandbox.model import World

DAY_MS = 86_400_000
MERGE_AFTER_MS = 2 * DAY_MS
RESENT_MS = 1_700
NEVER_MERGED = 3
CITIES = (("Berlin", "DE"), ("Paris", "FR"), ("Z\u00fcrich", "CH"), ("Austin", "US"), ("S\u00e3o Paulo", "BR"))
SYSTEMS = ("Windows", "Mac OS X", "iOS", "Android", "Linux")

Column = npt.NDArray[np.int64]


class Arrays(Protocol):
    """A day of the world's events as columns; see `sandbox.world_events.EventArrays`."""

    time_ms: Column
    arrived_ms: Column
    person: npt.NDArray[np.int32]
    company: npt.NDArray[np.int32]
    name: npt.NDArray[np.int8]
    insert: npt.NDArray[np.uint64]
    anonymous: npt.NDArray[np.bool_]


class ColumnarWorld(World, Protocol):
    """A world that hands out events as columns."""

    def event_arrays(self, day: date) -> Arrays:
        """The events of one UTC day."""
        ...


@dataclass(slots=True)
class Columns:
    """Events ready to be written; `time_ms` is shifted when the project's time is local."""

    time_ms: Column
    arrived_ms: Column
    person: npt.NDArray[Any]
    company: npt.NDArray[Any]
    name: npt.NDArray[Any]
    insert: npt.NDArray[np.uint64]
    anonymous: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time_ms)

    def where(self, wanted: npt.NDArray[Any] | slice) -> "Columns":
        """The rows of a mask, an index or a slice."""
        return Columns(*(getattr(self, f.name)[wanted] for f in fields(self)))

    @staticmethod
    def join(parts: list["Columns"]) -> "Columns":
        """One below the other."""
        return Columns(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Columns)))


@dataclass(frozen=True, slots=True)
class Extra:
    """An event that a test put in."""

    time_ms: int
    arrived_ms: int
    person: int
    company: int
    name: int
    insert: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What one export asks for, and what was true when it was asked; safe to use while the sandbox goes on.

    Attributes:
        now_ms: Events that arrived later do not show.
        names: Event names asked for; None for all.
        bounds: Limits on arrival and event time.
        rest: What of `where` must be evaluated row by row.
        millis: Whether `time` is to be in milliseconds.
        extras: Events put in by tests.
        merged: Devices merged by hand, as (person, UTC day number).
    """

    now_ms: int
    names: frozenset[str] | None = None
    bounds: Bounds = field(default_factory=Bounds)
    rest: Node | None = None
    millis: bool = False
    extras: tuple[Extra, ...] = ()
    merged: frozenset[tuple[int, int]] = frozenset()


class EventBook:
    """Writes the events of the project.

    Args:
        world: Where they come from.
        names: Event names by index; grows when a test puts in a new one.
        zone: The project's time zone.
        legacy_time: Whether, as in projects made before 2023, days and `time` are those of the zone.
    """

    def __init__(self, world: World, names: list[str], zone: tzinfo, *, legacy_time: bool) -> None:
        self.world = cast("ColumnarWorld", world)
        self.names = names
        self.zone = zone
        self.legacy_time = legacy_time
        self._people: list[str | None] = [None] * (len(world.people) + 1)
        self._companies: list[str | None] = [None] * (len(world.companies) + 1)
        self._homes = np.array([0, *(p.company_id for p in world.people)], dtype=np.int64)

    def columns(self, day: date, selection: Selection) -> Columns:
        """The day's events that show, with resent ones, in the project's own time."""
        if not self.legacy_time:
            return self._shown(self._of_utc_day(day, selection), selection)
        parts = [self._of_utc_day(day + timedelta(days=n), selection) for n in (-1, 0, 1)]
        rows = Columns.join(parts)
        rows.time_ms = rows.time_ms + self._offsets(rows.time_ms)
        first = _utc_ms(day)
        return self._shown(rows.where((rows.time_ms >= first) & (rows.time_ms < first + DAY_MS)), selection)

    def _offsets(self, time_ms: Column) -> Column:
        """Milliseconds between UTC and local time, hour by hour."""
        hours, place = np.unique(time_ms // 3_600_000, return_inverse=True)
        moments = (datetime.fromtimestamp(int(hour) * 3600, self.zone) for hour in hours)
        offsets = [(m.utcoffset() or timedelta()) // timedelta(milliseconds=1) for m in moments]
        return np.array(offsets, dtype=np.int64)[place] if len(time_ms) else time_ms

    def _of_utc_day(self, day: date, selection: Selection) -> Columns:
        arrays = self.world.event_arrays(day)
        rows = Columns(*(getattr(arrays, f.name) for f in fields(Columns)))
        reused = np.flatnonzero(rows.insert % np.uint64(5003) == 11)
        reused = reused[(reused > 0) & (rows.person[reused] != rows.person[reused - 1])]
        if len(reused):
            rows.insert = rows.insert.copy()
            rows.insert[reused] = rows.insert[reused - 1]
        resent = rows.where(rows.insert % np.uint64(101) == 7)
        resent.arrived_ms = resent.arrived_ms + RESENT_MS
        return Columns.join([rows, resent, self._extras(day, selection)])

    @staticmethod
    def _extras(day: date, selection: Selection) -> Columns:
        first = _utc_ms(day)
        mine = [e for e in selection.extras if first <= e.time_ms < first + DAY_MS]
        return Columns(
            time_ms=np.array([e.time_ms for e in mine], dtype=np.int64),
            arrived_ms=np.array([e.arrived_ms for e in mine], dtype=np.int64),
            person=np.array([e.person for e in mine], dtype=np.int32),
            company=np.array([e.company for e in mine], dtype=np.int32),
            name=np.array([e.name for e in mine], dtype=np.int16),
            insert=np.array([e.insert for e in mine], dtype=np.uint64),
            anonymous=np.zeros(len(mine), dtype=np.bool_),
        )

    def _shown(self, rows: Columns, selection: Selection) -> Columns:
        bounds, seconds = selection.bounds, rows.time_ms // 1000
        wanted = (rows.arrived_ms <= selection.now_ms) & (rows.arrived_ms >= bounds.arrived_from)
        wanted &= (rows.arrived_ms <= bounds.arrived_to) & (seconds >= bounds.time_from) & (seconds <= bounds.time_to)
        if selection.names is not None:
            wanted &= np.isin(rows.name, [i for i, name in enumerate(self.names) if name in selection.names])
        return rows.where(wanted)

    def lines(self, day: date, selection: Selection, chunk: int = 4000) -> Iterator[list[str]]:
        """The day's events as JSON lines, some thousand at a time."""
        rows = self.columns(day, selection)
        for start in range(0, len(rows), chunk):
            part = rows.where(slice(start, start + chunk))
            written = self._write(part, selection)
            if selection.rest is not None:
                rest = selection.rest
                written = [line for line in written if evaluate(rest, json.loads(line)["properties"])]
            yield written

    def _write(self, rows: Columns, selection: Selection) -> list[str]:
        people, companies = self._fragments(rows)
        heads = [f'{{"event":{json.dumps(name)},"properties":{{"time":' for name in self.names]
        times = (rows.time_ms if selection.millis else rows.time_ms // 1000).tolist()
        digits = rows.insert.astype(">u8").tobytes().hex()
        columns = zip(
            rows.name.tolist(),
            times,
            rows.person.tolist(),
            rows.arrived_ms.tolist(),
            rows.company.tolist(),
            strict=True,
        )
        lines = [
            f'{heads[name]}{time}{people[person]}{digits[n : n + 16]}","mp_processing_time_ms":{arrived}'
            f"{companies[company]}}}}}\n"
            for n, (name, time, person, arrived, company) in zip(range(0, len(digits), 16), columns, strict=True)
        ]
        for n in np.flatnonzero(rows.anonymous).tolist():
            lines[n] = self._anonymous(rows, n, selection, lines[n])
        visits = (rows.company != self._homes[rows.person]) & (rows.insert % np.uint64(10) == 3)
        for n in np.flatnonzero(visits).tolist():
            head, _, _ = lines[n].rpartition(',"company_id":')
            keys = [self._group(int(rows.company[n])), self._group(int(self._homes[rows.person[n]]))]
            lines[n] = f'{head},"company_id":{json.dumps(keys)}}}}}\n'
        return lines

    def _anonymous(self, rows: Columns, n: int, selection: Selection, line: str) -> str:
        """Rewrite a line sent before sign-in: without a user until the device was merged."""
        person, utc_day = int(rows.person[n]), int(rows.time_ms[n]) // DAY_MS
        user = self._user(person)
        device = device_id(person, utc_day)
        by_itself = person % NEVER_MERGED and rows.time_ms[n] + MERGE_AFTER_MS <= selection.now_ms
        merged = by_itself or (person, utc_day) in selection.merged
        head, _, tail = line.partition(_identity(user, device_id(person, 0)))
        return head + (_identity(user, device) if merged else _unknown(device)) + tail

    def _fragments(self, rows: Columns) -> tuple[list[str | None], list[str | None]]:
        for person in np.unique(rows.person).tolist():
            if self._people[person] is None:
                self._people[person] = self._person(person)
        for company in np.unique(rows.company).tolist():
            if self._companies[company] is None:
                self._companies[company] = f',"company_id":{json.dumps(self._group(company))}'
        return self._people, self._companies

    def _user(self, person: int) -> str:
        return str(self.world.people[person - 1].product_user_id)

    def _group(self, company: int) -> str:
        return self.world.companies[company - 1].product_id

    def _person(self, person: int) -> str:
        """Everything between the time and the `$insert_id` of a person's events.

        Some cities hold a raw line or paragraph separator, as text pasted by people does: a reader that takes them
        for line ends cuts the JSON in two.
        """
        city, country = CITIES[person % len(CITIES)]
        if person % 97 == 5:
            city = f"{city}\N{LINE SEPARATOR}North\u0085East"
        place = {"$city": city, "mp_country_code": country, "$os": SYSTEMS[person % 5], "$lib_version": "2.56.0"}
        rest = json.dumps(place, ensure_ascii=False, separators=(",", ":"))[1:-1]
        return f'{_identity(self._user(person), device_id(person, 0))},{rest},"$insert_id":"'


def _identity(user: str, device: str) -> str:
    quoted = json.dumps(user)
    return f',"distinct_id":{quoted},"$user_id":{quoted},"$device_id":"{device}"'


def _unknown(device: str) -> str:
    return f',"distinct_id":"$device:{device}","$device_id":"{device}"'


def device_id(person: int, utc_day: int) -> str:
    """A device: day 0 is the one a person usually works with; signing out makes a new one, known by its day."""
    return f"d{person * 2654435761 % 0xFFFFFFFF:08x}-{person:x}-{utc_day:x}"


def parse_device(text: str) -> tuple[int, int]:
    """Person and UTC day number of a device id. Raises `ValueError`."""
    parts = text.removeprefix("$device:").split("-")
    if len(parts) != 3:
        raise ValueError(f"no device {text!r}")
    return int(parts[1], 16), int(parts[2], 16)


def _utc_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
