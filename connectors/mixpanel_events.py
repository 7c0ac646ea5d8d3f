"""Which days of Mixpanel's event export to ask for.

The export selects by the day an event happened, but events arrive up to five days late. Two ways to catch them:

- *whole*: all events of the last days, replacing what is held of those days. The first pull does this for the history,
  a slice of days a call (again, when it brought nothing at all), and once a day it repairs the last days.
- *new*: of the same days only what arrived since the cursor, by the arrival stamp that Mixpanel puts on every event,
  with ten minutes of overlap. This is what an hour costs: one call. A project whose events lack the stamp is read
  whole each time.

The cursor is the newest arrival stamp seen, never our own clock. A day is a UTC day; in projects made before 2023 it is
a day in the project's own zone, and event times are local times written as if they were UTC (setting `legacy_time`).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.base import Batch, EventExport
from connectors.errors import RequestError
from connectors.mixpanel_export import Download, Exporter
from connectors.place import State, dump, load
from connectors.vendor_clock import VendorClock

LATE = timedelta(days=5)
"""How late Mixpanel's own clients may deliver an event."""
SLICE = timedelta(days=30)
"""Days asked for in one call: few enough to be made again when it breaks off, many enough for 60 calls an hour."""
OVERLAP_MS = 600_000
REPAIR = timedelta(hours=23)
DAY = timedelta(days=1)


class Events:
    """Reads the events stream.

    Args:
        exporter: Makes downloads.
        clock: The vendor's.
        zone: The project's time zone.
        legacy: Whether days are days in that zone.
        history: Days of the first pull.
    """

    def __init__(self, exporter: Exporter, clock: VendorClock, *, zone: ZoneInfo, legacy: bool, history: int) -> None:
        self._exporter = exporter
        self._clock = clock
        self._zone = zone
        self._days_in = zone if legacy else UTC
        self._history = timedelta(days=history - 1)

    def today(self) -> date:
        """The last day that may be asked for: the export refuses one that has not begun in the project's zone."""
        now = self._clock.now()
        return min(now.astimezone(self._days_in).date(), now.astimezone(self._zone).date())

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield exports of what is new since `cursor`."""
        state = load(cursor, "mixpanel")
        self._exporter.clean()
        if "through" not in state:
            yield from self._whole(self.today() - self._history, state)
            return
        first = date.fromisoformat(state["through"]) - LATE
        if state.get("filling") or state.get("arrived") is None or self._repair_due(state):
            yield from self._whole(first, state)
        else:
            yield from self._new(first, state)

    def _repair_due(self, state: State) -> bool:
        last = state.get("repaired")
        return last is None or self._clock.now() - datetime.fromisoformat(last) >= REPAIR

    def _whole(self, first: date, state: State) -> Iterator[Batch]:
        """All events from a day on, slice by slice, each to be committed as a whole."""
        began = self._clock.now()
        lines, stamped, newest = 0, 0, 0
        done = False
        while not done:
            got, last = self._download(first, first + SLICE - DAY)
            lines, stamped = lines + got.lines.count, stamped + got.lines.stamped
            newest = max(newest, got.lines.newest)
            done = last >= self.today()
            place: State = {**state, "through": last.isoformat(), "filling": True}
            if done:
                arrived = self._arrived(last, newest) if lines else state.get("arrived")
                place = {"through": last.isoformat(), "repaired": began.isoformat()}
                place |= {"arrived": arrived} if arrived is not None and stamped >= lines else {}
                if not lines and "through" not in state:
                    # A history without any event looks like an outage: it is asked for again, whole.
                    del place["through"]
            yield self._batch(got, first, last, place, replaces=True)
            first = last + DAY

    def _new(self, first: date, state: State) -> Iterator[Batch]:
        """What arrived since the cursor; everything, where the answer shows that events carry no arrival stamp."""
        since = int(state["arrived"]) - OVERLAP_MS
        where = f'number(properties["mp_processing_time_ms"]) >= {since}'
        got, last = self._download(first, self.today(), where)
        if got.lines.stamped < got.lines.count:
            got.path.unlink(missing_ok=True)
            yield from self._whole(first, state)
            return
        arrived = max(int(state["arrived"]), self._arrived(last, got.lines.newest))
        place = {**state, "through": last.isoformat(), "arrived": arrived}
        if got.lines.count:
            yield self._batch(got, first, last, place, replaces=False)
            return
        got.path.unlink(missing_ok=True)
        yield Batch(cursor=dump(place), server_time=self._clock.now())

    def _batch(self, got: Download, first: date, last: date, place: State, *, replaces: bool) -> Batch:
        export = EventExport(got.path, first, last, replaces=replaces)
        return Batch(cursor=dump(place), export=export, server_time=self._clock.now())

    def _arrived(self, last: date, newest: int) -> int:
        """How far arrivals are known, epoch milliseconds: not beyond the last day asked for, nor the vendor's now."""
        end = datetime.combine(last + DAY, time(), tzinfo=self._days_in)
        return min(newest, _milliseconds(end), _milliseconds(self._clock.now()))

    def _download(self, first: date, last: date, where: str = "") -> tuple[Download, date]:
        """Download some days; where our clock is ahead of the vendor's, up to the vendor's today."""
        last = min(last, self.today())
        first = min(first, last)
        try:
            return self._exporter.download(first, last, where), last
        except RequestError as error:
            today = self.today()
            if error.status != 400 or not first <= today < last:
                raise
        return self._exporter.download(first, today, where), today


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
