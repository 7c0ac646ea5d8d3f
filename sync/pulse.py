"""What each source's data says about itself: when it last told of anything new, and how much it used to tell.

The times are those of the data - when an event arrived, a ticket was opened or changed - and not those of our pulls: a
stale copy that is read every hour has no news, and a source that was connected today already has months of history.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from sync.store import Store
from sync.tables import epoch

HOUR, DAY, WEEK = 3600, 86400, 7 * 86400
WEEKS = 4
"""So many weeks back the same hours of the week are looked at."""
REACH = timedelta(days=100)
"""How far back amounts are counted."""

BORN = {
    "ticket": ("created_at",),
    "survey_response": ("responded_at",),
    "deal": ("created_at",),
    "invoice": ("created_at", "paid_at"),
}
"""Kinds of record that happen, and when: their number in a week says what a usual week is. A bill that is paid is news,
and says so itself."""

_RECORDS = """
SELECT CASE WHEN born BETWEEN ?2 AND ?3 THEN born / {hour} END AS hour, count(*),
  max(CASE WHEN born <= ?3 THEN born END), max(CASE WHEN version <= ?3 * 1000000 THEN version / 1000000 END)
FROM ({news}) GROUP BY hour
"""
_NEWS = "SELECT {born} AS born, version FROM {kind} WHERE source = ?1 AND valid_from IS NOT NULL"

_DAYS = """
SELECT day, sum(events), sum(usage_file.rows) FROM usage_file JOIN stream ON stream.id = usage_file.stream
WHERE source = ?1 AND day BETWEEN ?2 AND ?3 GROUP BY day
"""

_ARRIVED = """
SELECT max(newest) FROM usage_seen JOIN stream ON stream.id = usage_seen.stream WHERE source = ?
"""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The life of one kind of record at one source.

    Attributes:
        newest: When it last told of anything new, epoch seconds; None when it never did.
        step: Length of a bucket in seconds: an hour for records, a day for usage.
        amounts: Start of a bucket -> how many happened in it.
        people: Usage only: start of a day -> how many people did how many kinds of things for how many accounts.
    """

    newest: int | None
    step: int
    amounts: Mapping[int, int] = field(default_factory=dict)
    people: Mapping[int, int] = field(default_factory=dict)

    def amount(self, start: int, end: int) -> float:
        """How many happened from `start` to `end`, epoch seconds; of a bucket that they cut, a part of its number."""
        found = 0.0
        for bucket in range(start // self.step * self.step, end, self.step):
            inside = min(end, bucket + self.step) - max(start, bucket)
            found += self.amounts.get(bucket, 0) * inside / self.step
        return found

    def usual(self, start: int, end: int) -> list[float]:
        """The amounts of the same hours of the week in the weeks before `start`, as far as there is data, newest first.

        Of a stretch longer than a week only one week is looked at.
        """
        stop = min(end, start + WEEK)
        return [self.amount(self._whole(begin), begin + stop - start) for begin in self._earlier(start)]

    def usually_silent(self, start: int) -> int:
        """For how many seconds after `start` nothing ever happened in the same hours of the weeks before."""
        begins = [self._whole(begin) // self.step * self.step for begin in self._earlier(start)]
        ahead = self._whole(start) // self.step * self.step
        for later in range(0, WEEK, self.step):
            if any(self.amounts.get(begin + later) for begin in begins):
                return max(0, ahead + later - start)
        return WEEK

    def _whole(self, start: int) -> int:
        """The next full hour: what came earlier in the hour of the last news is no sign that more was to come.

        Of usage only days are known, so that the day of the last news has to count.
        """
        return start if self.step == DAY else start // self.step * self.step + self.step

    def _earlier(self, start: int) -> Iterator[int]:
        """The same instant of the weeks before, as far as there is data."""
        first = min(self.amounts, default=start)
        return (start - week * WEEK for week in range(1, WEEKS + 1) if start - week * WEEK >= first)


def read_pulse(store: Store, source: int, record: str, known: datetime) -> Pulse:
    """The pulse of one kind of record at one source, as of the instant up to which it is known."""
    oldest, at = epoch(known - REACH), epoch(known)
    if record == "usage":
        return _usage(store, source, oldest, at)
    if record not in BORN:
        return Pulse(None, HOUR)
    news = " UNION ALL ".join(_NEWS.format(kind=record, born=born) for born in BORN[record])
    rows = store.rows(_RECORDS.format(news=news, hour=HOUR), (source, oldest, at))
    evidence = [moment for row in rows for moment in row[2:] if moment is not None]
    amounts = {hour * HOUR: count for hour, count, _, _ in rows if hour is not None}
    return Pulse(max(evidence, default=None), HOUR, amounts)


def _usage(store: Store, source: int, oldest: int, at: int) -> Pulse:
    found = [row for row in store.rows(_DAYS, (source, oldest // DAY, at // DAY)) if row[1]]
    days, people = {day * DAY: events for day, events, _ in found}, {day * DAY: rows for day, _, rows in found}
    arrived = store.rows(_ARRIVED, (source,))[0][0] or 0
    # Arrival stamps may be missing; the last day with events says at least the day.
    last = max((min(day + DAY - 1, at) for day in days if day + DAY <= arrived or not arrived), default=None)
    newest = min(arrived, at) if arrived else last
    return Pulse(newest, DAY, days, people)


@dataclass(frozen=True, slots=True)
class Short:
    """Days of less than usual in a row, up to the last complete one.

    Attributes:
        first: Start of the first of them.
        days: How many days that is until now, those included on which little is usual.
        amount: What came on the first.
        usual: What is usual on its weekday.
    """

    first: int
    days: int
    amount: int
    usual: float


def short_since(amounts: Mapping[int, int], until: int, *, share: float, least: int) -> Short | None:
    """Complete days on which less than usual came; None when the last one that says anything was as ever.

    A day is compared with the same weekdays of eight weeks, so that an outage of weeks does not become the measure.

    Args:
        amounts: Start of a day -> how many.
        until: Days that end after this instant are not complete.
        share: Less than this part of the usual is too few.
        least: Days on which fewer are usual, such as Sundays, say nothing.
    """
    first, last, found = min(amounts, default=until), until // DAY * DAY, None
    for day in range(last - DAY, first + 2 * WEEK, -DAY):
        usual = [amounts.get(day - week * WEEK, 0) for week in range(1, 2 * WEEKS + 1) if day - week * WEEK >= first]
        if len(usual) < 3:
            break
        middle, amount = median(usual), amounts.get(day, 0)
        if middle < least:
            continue
        spread = 1.4826 * median(abs(one - middle) for one in usual)
        if amount >= share * middle or amount >= middle - 4 * spread:
            break
        found = Short(day, (last - day) // DAY, amount, middle)
    return found
