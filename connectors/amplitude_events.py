"""Which hours of Amplitude's event export to ask for.

The export selects by the hour in which an event was *uploaded*, so that an hour, once complete, never changes: the
cursor is the last hour that was read, and what phones deliver days later comes with the hour in which they do. An hour
can be had two hours after its end. So a pull asks for what is complete since the cursor, in ranges of at most a day:
once an hour this is one call, and the first pull makes one for each day of the history. A range that Amplitude finds
too large (400) or that takes too long (504) is asked for in smaller ones, down to an hour.

An answer may say 200 and lack half of an hour. So once a day the hours that were read since the last such repair are
asked for again: who counts knows the events again by their ids, and counts those that were missing. A call holds a day,
so that this costs none where pulls are made several times a day; pulls a day apart make one more.

A range without events is answered with 404. An hour is passed over as empty when a later one has events, which is three
hours after its end at the earliest; at the end, where nothing later proves it, only after a day. Until then it is asked
for once more with every pull, at no further call: an outage that looks like silence, or a stale answer, loses nothing.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from connectors.amplitude_export import HOUR, Download, Exporter, TooWideError
from connectors.amplitude_people import Kept
from connectors.base import Batch, EventExport
from connectors.errors import CursorExpiredError
from connectors.place import dump, load
from connectors.vendor_clock import VendorClock

LAG = 2 * HOUR
"""How long after its end an hour can be exported."""
SETTLED = 3 * HOUR
"""How long after its end an hour is believed to be whole where events do not say when they were uploaded."""
SILENT = 24 * HOUR
"""How long after its end an hour without events is believed when no later one has some."""
WIDEST = 24
"""Hours asked for in one call."""
REPAIR = 24
"""Hours that are asked for again at most: so far back events are known again."""
OLDEST = timedelta(days=365)
"""How long before its upload an event may have happened."""
DAY = timedelta(days=1)


class Events:
    """Reads the events stream.

    Args:
        exporter: Makes downloads.
        kept: Keeps the users that the events speak of.
        clock: The vendor's.
        history: Days of uploads that the first pull reads.
        properties: User properties to keep.
    """

    def __init__(
        self, exporter: Exporter, kept: Kept, clock: VendorClock, *, history: int, properties: tuple[str, ...]
    ) -> None:
        self._exporter = exporter
        self._kept = kept
        self._clock = clock
        self._history = timedelta(days=history - 1)
        self._properties = properties

    def ready(self) -> datetime:
        """The last hour that is complete."""
        return _hour(self._clock.now() - LAG) - HOUR

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield what was uploaded since `cursor`; everything when None. See `Source.pull`.

        Raises:
            CursorExpiredError: It is no cursor of ours.
        """
        done, repaired = _loaded(cursor)
        self._exporter.clean()
        self._kept.clean()
        if done is None:
            today = self.ready().date()
            start = datetime.combine(today - self._history, time(), UTC) - HOUR
            yield from self._since(start, start, None, anew=True)
        else:
            yield from self._since(done - self._again(done, repaired) * HOUR, done, repaired, anew=False)

    def _again(self, done: datetime, repaired: datetime | None) -> int:
        """How many of the hours that were read to ask for again: those since the last repair, when it is time.

        That is when a call, the next time, would not hold them any more beside as many new hours as now.
        """
        new = (self.ready() - done) // HOUR
        once = min((done - (repaired or done)) // HOUR, REPAIR)
        return once if new > 0 and once + 2 * new > WIDEST else 0

    def _since(self, at: datetime, done: datetime, repaired: datetime | None, *, anew: bool) -> Iterator[Batch]:
        """Yield what was uploaded after the hour `at`; what was up to `done` was read before."""
        before = done
        committed = None if anew else done
        widest, handed_on = WIDEST, False
        while at < (ready := self.ready()):
            last = min(at + widest * HOUR, ready)
            try:
                got = self._exporter.download(at + HOUR, last)
            except TooWideError:
                widest = (last - at) // HOUR // 2
                continue
            if got is not None:
                committed = self._through(done, last, got)
                if anew or at < before <= last:
                    repaired = committed if anew else before
                export = self._export(got.path, at, last, anew=anew and not handed_on)
                export = replace(export, people=self._kept.people(committed, self._properties))
                export = replace(export, repeats_until=before + HOUR) if at < before else export
                yield self._batch(export, committed, repaired)
                handed_on = True
            at, done = last, max(done, last)
            if last == ready:
                break
        silent = min(done, _hour(self._clock.now() - SILENT) - HOUR)
        if committed is not None and silent > committed:
            yield self._batch(self._export(self._exporter.empty(), committed, silent), silent, repaired)
        elif not handed_on:
            # A history without any event looks like an outage: it is asked for again.
            yield Batch(cursor=_dumped(committed, repaired), server_time=self._clock.now())

    def _through(self, done: datetime, last: datetime, got: Download) -> datetime:
        """The last hour of a range that need not be asked for again.

        The answer may have shown that our clock was ahead: then not all that was asked for was complete.
        """
        last = min(last, self.ready())
        settled = _hour(self._clock.now() - SETTLED) - HOUR
        return max(done, min(got.newest or settled, last))

    def _batch(self, export: EventExport, through: datetime, repaired: datetime | None) -> Batch:
        return Batch(cursor=_dumped(through, repaired), export=export, server_time=self._clock.now())

    @staticmethod
    def _export(path: Path, after: datetime, last: datetime, *, anew: bool = False) -> EventExport:
        return EventExport(path, (after - OLDEST).date(), (last + DAY).date(), replaces=False, anew=anew)


def _hour(instant: datetime) -> datetime:
    """The beginning of its hour."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _dumped(hour: datetime | None, repaired: datetime | None) -> str:
    places = {"hour": hour, "repaired": repaired}
    return dump({name: f"{place:%Y-%m-%dT%H}" for name, place in places.items() if place is not None})


def _loaded(cursor: str | None) -> tuple[datetime | None, datetime | None]:
    """The last hour that a cursor says was read, and the last that was read again; None at the start."""
    state = load(cursor, "amplitude")
    try:
        hour, repaired = (
            datetime.strptime(str(state[name]), "%Y-%m-%dT%H").replace(tzinfo=UTC) if name in state else None
            for name in ("hour", "repaired")
        )
    except ValueError:
        raise CursorExpiredError("the saved place cannot be read.", vendor="amplitude") from None
    return hour, repaired
