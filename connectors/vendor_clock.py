"""What time it is at a vendor: our clock, set by the `Date` of the vendor's last answer."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from connectors.base import Clock, Finding
from connectors.retry import http_date

TOLERANCE = timedelta(minutes=2)
"""How far the two clocks may be apart before `check` speaks up."""


class VendorClock:
    """A vendor's time. Cursors are made from it, so that a wrong clock on our side loses nothing.

    Args:
        vendor: Its name in messages.
        clock: Ours; what counts until the vendor has answered for the first time.
    """

    def __init__(self, vendor: str, clock: Clock) -> None:
        self.vendor = vendor
        self._clock = clock
        self._ahead = timedelta()

    def now(self) -> datetime:
        """The vendor's current instant, aware, UTC."""
        return self._clock.now() + self._ahead

    def saw(self, headers: Mapping[str, str]) -> None:
        """Take the time from an answer's headers; good to the second."""
        date = http_date(headers.get("Date", ""))
        if date is not None:
            ahead = date - self._clock.now()
            self._ahead = ahead if abs(ahead) > timedelta(seconds=1) else timedelta()

    def check(self) -> Iterator[Finding]:
        """Yield a warning when the clocks are too far apart."""
        if abs(self._ahead) > TOLERANCE:
            text = f"This machine's clock differs from {self.vendor}'s by {-self._ahead.total_seconds():+.0f} seconds."
            yield Finding("warning", "clock", text, "Synchronise the clock (NTP).")
