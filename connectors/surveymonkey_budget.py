"""SurveyMonkey's few calls a day, shared out: what was spent, and how often a survey can be looked at.

The day is the vendor's, in UTC. What was spent is kept in the cursor, so that every run knows it.
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.errors import QuotaError
from connectors.http import Http
from connectors.place import State
from connectors.vendor_clock import VendorClock

SHARE = 0.9
"""What is planned with; the rest is for pages that are asked for again."""
LISTS = 0.2
"""Share of a day that may go into listing everything once more."""
EARLY = timedelta(minutes=5)
"""A run may come a little early."""


class Budget:
    """Counts calls against the day's.

    Args:
        daily: Calls a day.
        http: What sends them.
        clock: The vendor's.
        spent: `date` and `calls`, from the cursor; empty at the start.
    """

    def __init__(self, daily: int, http: Http, clock: VendorClock, spent: Mapping[str, Any]) -> None:
        self._daily = daily
        self._http = http
        self._clock = clock
        self._date, self._before = str(spent.get("date", "")), int(spent.get("calls", 0))
        self._base = sum(http.calls.values())

    def spent(self) -> State:
        """For the cursor."""
        today = self._clock.now().date().isoformat()
        if today != self._date:
            self._date, self._before, self._base = today, 0, sum(self._http.calls.values())
        return {"date": today, "calls": self._before + sum(self._http.calls.values()) - self._base}

    def ask(self) -> None:
        """Make sure that there is a call left.

        Raises:
            QuotaError: The day's are used up.
        """
        if self.spent()["calls"] >= self._daily:
            error = QuotaError(
                f"the {self._daily} calls that daily_calls allows for a day are used up.",
                vendor="surveymonkey",
                advice="Nothing is lost: it goes on after midnight, UTC.",
            )
            now = self._clock.now()
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            error.retry_after = (midnight - now).total_seconds()
            raise error


def list_every(daily: int, pages: int) -> timedelta:
    """How often everything can be listed that comes in so many pages: once a day, or less."""
    return timedelta(days=max(1, math.ceil(pages / (daily * LISTS))))


def look_every(daily: int, surveys: int, pages: int) -> timedelta:
    """How often each survey can be looked at, so that a day's calls suffice for all of them and for the listing."""
    listing = pages / list_every(daily, pages).days + surveys  # and a call for what each survey asks
    left = max(daily * SHARE - listing, surveys)
    return timedelta(days=surveys / left)


def due(last: datetime | None, now: datetime, every: timedelta) -> bool:
    """Whether it is time again. A clock that was put back makes it so."""
    return last is None or now < last or now - last >= every - min(EARLY, every / 4)
