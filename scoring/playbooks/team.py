"""When a team works and who plays which part in it: due dates in working time, and owners by role."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FAR = 3 * 366
"""Days that are looked through for a working one."""


class Team(BaseModel):
    """Working time and roles. Left out, every day and hour counts, in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    timezone: str = Field("UTC", description='Time zone of working hours by its IANA name, such as "Europe/Berlin".')
    workdays: tuple[Day, ...] = Field(DAYS, min_length=1, description='Days that count, such as ["mon", "tue"].')
    hours: tuple[str, str] = Field(
        ("00:00", "24:00"), description='When work begins and ends on each of them, such as ["09:00", "17:30"].'
    )
    holidays: tuple[date, ...] = Field((), description="Days that do not count, such as [2026-12-25].")
    roles: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description='Who plays a part, by CRM user id, such as manager = ["0055g0000001"]; playbooks name the part.',
    )
    accountable: str = Field(
        "",
        description="The part that answers for accounts without an active owner, such as success, before "
        "`writeback.fallback_owner` does; whoever of it has the fewest open tasks.",
    )

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no time zone; write an IANA name such as Europe/Berlin") from None
        return name

    @field_validator("hours")
    @classmethod
    def _hours(cls, hours: tuple[str, str]) -> tuple[str, str]:
        begin, end = map(_minutes, hours)
        if begin >= end:
            raise ValueError("work must begin before it ends, on the same day")
        return hours

    @model_validator(mode="after")
    def _works(self) -> "Team":
        if len(self.holidays) > 1000:
            raise ValueError("more than 1,000 holidays")
        if self.accountable and not self.roles.get(self.accountable):
            raise ValueError(f"accountable names {self.accountable!r}, which is nobody in [team.roles]")
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @cached_property
    def always(self) -> bool:
        """Whether every instant is working time."""
        return set(self.workdays) == set(DAYS) and self.hours == ("00:00", "24:00") and not self.holidays

    def works_on(self, day: date) -> bool:
        """Whether a day counts."""
        return DAYS[day.weekday()] in self.workdays and day not in self.holidays

    def local_day(self, at: datetime) -> date:
        """The day that an instant lies on for the team."""
        return at.astimezone(self.zone).date()

    def add_days(self, start: datetime, days: int) -> datetime:
        """The instant so many working days later, at the same time of day as far as that is within working hours.

        What starts outside of working time starts when work next begins. Where every instant is working time, a day is
        24 hours.
        """
        if self.always:
            return start + timedelta(days=days)
        at = self._open(start)
        day, clock = at.date(), at.time()
        for _ in range(days):
            day = self._next(day)
        return self._instant(day, clock.hour * 60 + clock.minute, clock.second)

    def add_hours(self, start: datetime, hours: int) -> datetime:
        """The instant so many working hours later; real hours, also over a change of the clocks."""
        if self.always:
            return start + timedelta(hours=hours)
        at, left = self._open(start).astimezone(UTC), timedelta(hours=hours)
        day = self.local_day(at)
        while at + left > (end := self._instant(day, _minutes(self.hours[1]))):
            left -= max(timedelta(0), end - at)
            day = self._next(day)
            at = self._instant(day, _minutes(self.hours[0]))
        return at + left

    def _open(self, start: datetime) -> datetime:
        """The instant in local time, or when work next begins where it lies outside of it."""
        at = start.astimezone(self.zone)
        minute = at.hour * 60 + at.minute
        if self.works_on(at.date()) and minute < _minutes(self.hours[1]):
            begin = self._instant(at.date(), _minutes(self.hours[0])).astimezone(self.zone)
            return max(at, begin, key=lambda one: one.astimezone(UTC))
        return self._instant(self._next(at.date()), _minutes(self.hours[0])).astimezone(self.zone)

    def _next(self, day: date) -> date:
        for _ in range(_FAR):
            day += timedelta(days=1)
            if self.works_on(day):
                return day
        return day

    def _instant(self, day: date, minute: int, second: int = 0) -> datetime:
        """A local time of day as an instant; one that the clocks skip is as much later as they are put forward."""
        more, minute = divmod(minute, 24 * 60)
        clock = time(minute // 60, minute % 60, second)
        return datetime.combine(day + timedelta(days=more), clock, self.zone).astimezone(UTC)


def _minutes(text: str) -> int:
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdigit() and minute.isdigit() and len(hour) <= 2 and len(minute) == 2):
        raise ValueError('must be times of day such as "09:00"')
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > 24 * 60:
        raise ValueError("must lie between 00:00 and 24:00")
    return found
