"""When to stop asking a vendor that keeps failing: a budget for retries, and a circuit breaker, both for one host.

Retries double the load on a vendor that is already in trouble, and a run that reads six streams would wait for six
times a minute. So what one request learns counts for the next: retries draw on a budget that failures empty and
answers fill; and where even single attempts fail one after the other, nothing at all is sent for a while.
"""

import threading

from connectors.base import Clock

BUDGET = 10.0
"""Retries that may be made while nothing succeeds."""
REFILL = 60.0
"""Seconds in which one of them comes back."""
FAILURES = 5
"""Requests given up one after the other that open the circuit."""
COOL_DOWN = 60.0
"""Seconds for which an open circuit lets nothing through; doubles up to `COOL_DOWN_MOST` while it stays bad."""
COOL_DOWN_MOST = 600.0


class Circuit:
    """What is known about one host's health; safe to share between threads.

    Args:
        clock: For how long ago something was.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left = BUDGET
        self._at = 0.0
        self._failures = 0
        self._open_until = 0.0
        self._cool_down = COOL_DOWN

    def wait(self) -> float:
        """Seconds for which nothing may be sent; 0 when something may. Once they are over one request tries alone."""
        with self._lock:
            now = self._clock.monotonic()
            if now < self._open_until:
                return self._open_until - now
            if self._failures >= FAILURES:
                self._open_until = now + self._cool_down  # for everybody but the one who now tries
            return 0.0

    def may_retry(self) -> bool:
        """Take a retry from the budget; False when there is none left, or this is a try of an open circuit."""
        with self._lock:
            now = self._clock.monotonic()
            self._left = min(BUDGET, self._left + max(0.0, now - self._at) / REFILL)
            self._at = now
            if self._left < 1.0 or self._failures >= FAILURES:
                return False
            self._left -= 1.0
            return True

    def answered(self) -> None:
        """The host has answered, be it with a refusal: it is well."""
        with self._lock:
            self._failures, self._open_until, self._cool_down = 0, 0.0, COOL_DOWN
            self._left = min(BUDGET, self._left + 1.0)

    def gave_up(self) -> None:
        """A request was given up because the host did not answer as it should."""
        with self._lock:
            self._failures += 1
            self._left = max(0.0, self._left - BUDGET / 2)
            if self._failures >= FAILURES:
                again = self._failures > FAILURES
                self._cool_down = min(COOL_DOWN_MOST, self._cool_down * 2) if again else COOL_DOWN
                self._open_until = self._clock.monotonic() + self._cool_down
