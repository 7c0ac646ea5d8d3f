"""The frame every part of the world shares: its seed, its days, and one independent random stream per part."""

import calendar
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

Rng = np.random.Generator

DAY = 86_400
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What `make_world` was asked for, in days.

    Attributes:
        seed: Any integer from 0.
        accounts: Companies.
        people: People at companies, before duplicates, staff and test users are added.
        start: First day of the world.
        now: The day at whose UTC midnight the sandbox's clock starts.
        horizon: Last day whose events are known.
    """

    seed: int
    accounts: int
    people: int
    start: date
    now: date
    horizon: date

    @property
    def days(self) -> int:
        """How many days the world has, both ends included."""
        return (self.horizon - self.start).days + 1

    @property
    def now_index(self) -> int:
        """Day number of `now`, counted from `start`."""
        return (self.now - self.start).days

    @property
    def epoch(self) -> int:
        """Epoch seconds of midnight of `start`."""
        return int(datetime.combine(self.start, time(), UTC).timestamp())

    def day(self, index: int) -> date:
        """The day with this number."""
        return self.start + timedelta(days=int(index))

    def rng(self, part: str, index: int = 0) -> Rng:
        """A stream of its own for a part of the world, so that no part moves when another one draws more."""
        entropy = [self.seed, zlib.crc32(part.encode()), index]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def months_before(day: date, months: int) -> date:
    """The same day of the month so many months earlier, or the month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def at(seconds: float) -> datetime:
    """Epoch seconds as an aware UTC instant."""
    return datetime.fromtimestamp(seconds, UTC)
