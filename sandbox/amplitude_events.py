"""Amplitude's raw events: which rows an upload hour holds, and how they are written.

What the world does not know and an export still shows is added here, always the same way for the same event: one row
in a hundred is delivered again an hour later under the same `uuid`, some people have two phones whose Amplitude ids are
merged one day (rows from before keep the old id for ever), what was sent before sign-in has no user id, and each
morning brings rows of advertising costs that nobody did.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.model import World
from sandbox.world_mobile import LATEST_DAYS, MOBILE_EVENTS, mobile

APP = 271828
"""The project's number, which stands in every row."""
HOUR_MS = 3_600_000
GROUP_TYPE = "company"
ADS = "Daily Ad Metrics"
ADS_HOUR = 6
RESENT, RESENT_AT = 101, 7
"""One row in so many is delivered twice."""
TWO_PHONES = 7
WITHOUT_EMAIL = 4
WITHOUT_GROUP = 29
PLATFORMS = ("iOS", "Android")


@dataclass(frozen=True, slots=True)
class Raw:
    """An event before it is written."""

    time_ms: int
    uploaded_ms: int
    person: int
    company: int
    name: str
    number: int
    anonymous: bool


class EventBook:
    """Writes the rows of the project.

    Args:
        world: Where they come from.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.extras: list[Raw] = []
        self.edits: dict[int, list[tuple[int, dict[str, Any]]]] = {}
        """World id of a person -> user properties set by hand, each with the upload time from which rows show them."""

    def rows(self, first: datetime, last: datetime) -> list[dict[str, Any]]:
        """The rows uploaded in these hours, both included, hour by hour, by time of upload."""
        begin, end = _ms(first), _ms(last) + HOUR_MS
        found = [raw for raw in self.extras if begin <= raw.uploaded_ms < end]
        day = (first - timedelta(hours=1)).date() - timedelta(days=LATEST_DAYS)
        while day <= last.date():
            found += self._of_day(day, begin, end)
            day += timedelta(days=1)
        found.sort(key=lambda raw: (raw.uploaded_ms, raw.number))
        rows = [self._written(raw) for raw in found]
        hour = first
        while hour <= last:
            rows += [self._cost(hour)] if hour.hour == ADS_HOUR else []
            hour += timedelta(hours=1)
        return rows

    def _of_day(self, day: Any, begin: int, end: int) -> list[Raw]:
        arrays = mobile(self.world).arrays(day)
        columns = (
            arrays.time_ms, arrays.uploaded_ms, arrays.person, arrays.company, arrays.name, arrays.number,
            arrays.anonymous,
        )  # fmt: skip
        wanted = (arrays.uploaded_ms >= begin - HOUR_MS) & (arrays.uploaded_ms < end)
        found = []
        for time, uploaded, person, company, name, number, anonymous in zip(
            *(column[wanted].tolist() for column in columns), strict=True
        ):
            raw = Raw(time, uploaded, person, company, MOBILE_EVENTS[name], number, anonymous)
            if uploaded >= begin:
                found.append(raw)
            if number % RESENT == RESENT_AT and begin <= uploaded + HOUR_MS < end:
                found.append(Raw(time, uploaded + HOUR_MS, person, company, raw.name, number, anonymous))
        return found

    def _written(self, raw: Raw) -> dict[str, Any]:
        person = self.world.people[raw.person - 1]
        second = raw.person % TWO_PHONES == 0 and raw.number % 2 == 1
        happened, uploaded = stamp(raw.time_ms), stamp(raw.uploaded_ms)
        grouped = raw.anonymous or raw.number % WITHOUT_GROUP != 3
        return {
            "$insert_id": f"{raw.number:x}",
            "uuid": uuid(raw.number),
            "event_id": raw.number % 100_000,
            "event_type": raw.name,
            "user_id": None if raw.anonymous else person.product_user_id,
            "device_id": device_id(raw.person, second=second),
            "amplitude_id": amplitude_id(raw.person, second=second and raw.uploaded_ms < self.merged_ms(raw.person)),
            "event_time": happened,
            "client_event_time": happened,
            "client_upload_time": uploaded,
            "server_received_time": uploaded,
            "server_upload_time": uploaded,
            "processed_time": uploaded,
            "session_id": raw.time_ms - raw.time_ms % HOUR_MS if raw.number % 11 else -1,
            "event_properties": {"screen": f"s{raw.number % 13}"},
            "user_properties": {} if raw.anonymous else self._properties(raw),
            "groups": {GROUP_TYPE: [self.world.companies[raw.company - 1].product_id]} if grouped else {},
            "group_properties": {},
            "platform": PLATFORMS[raw.person % 2],
            "app": APP,
            "data": {},
            "library": "amplitude-swift/1.9.1",
        }

    def _properties(self, raw: Raw) -> dict[str, Any]:
        """What the app says about its user; not every version of it says the address."""
        known = self.world.people[raw.person - 1]
        properties: dict[str, Any] = {"language": "English"}
        if known.email is not None and raw.person % WITHOUT_EMAIL:
            properties["email"] = known.email
        for since, edited in self.edits.get(raw.person, ()):
            properties |= edited if raw.uploaded_ms >= since else {}
        return properties

    def merged_ms(self, person: int) -> int:
        """When Amplitude found out that a person's two phones are one user."""
        return _ms(self.world.now - timedelta(days=person % 30))

    @staticmethod
    def _cost(hour: datetime) -> dict[str, Any]:
        """A row of advertising costs, which an ad network reports and nobody did."""
        at = stamp(_ms(hour) + 60_000)
        number = (1 << 62) + _ms(hour) // HOUR_MS
        times = dict.fromkeys(("event_time", "client_event_time", "client_upload_time", "server_upload_time"), at)
        return {
            "uuid": uuid(number),
            "event_type": ADS,
            "user_id": None,
            "device_id": None,
            "amplitude_id": 0,
            **times,
            "event_properties": {"ad_network": "searchads", "cost": 41.5},
            "user_properties": {},
            "groups": {},
            "group_properties": {},
            "app": APP,
            "data": {},
        }


def written(rows: list[dict[str, Any]]) -> bytes:
    """Rows as JSON lines."""
    return b"".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for row in rows)


def uuid(number: int) -> str:
    """A row's id, unique in the project."""
    mixed = (number * 0x9E3779B97F4A7C15) % (1 << 64)
    digits = f"{mixed:016x}{number:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def device_id(person: int, *, second: bool) -> str:
    """A phone."""
    return f"{person * 2654435761 % 0xFFFFFFFF:08X}-{'B' if second else 'A'}"


def amplitude_id(person: int, *, second: bool) -> int:
    """Amplitude's own number for a user; a phone that is not known to be the same user's has one of its own."""
    return 900_000_000_000 + person * 2 + second


def stamp(ms: int) -> str:
    """An instant as Amplitude writes it: UTC, without saying so."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
