"""A clock whose waiting ends when the work is to stop: rate limits and retries must not hold up a shutdown."""

from datetime import datetime
from threading import Event

from connectors.base import Clock, SystemClock
from connectors.errors import TransientError


class StoppedError(TransientError):
    """The wait was ended because the work is to stop; what was waited for has not been sent."""


class StoppableClock:
    """The machine's clock, with a sleep that an event ends.

    Args:
        stop: Ends every sleep when it is set.
    """

    def __init__(self, stop: Event) -> None:
        self._system = SystemClock()
        self._stop = stop

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        return self._system.now()

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return self._system.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            StoppedError: As soon as the work is to stop.
        """
        if self._stop.wait(seconds):
            raise StoppedError("stopped while waiting for the vendor.")


def stoppable(clock: Clock, stop: Event) -> Clock:
    """The machine's clock becomes one that can be stopped; any other is steered by whoever made it."""
    return StoppableClock(stop) if isinstance(clock, SystemClock) else clock
