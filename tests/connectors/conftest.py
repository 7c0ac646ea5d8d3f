"""A clock that stands still until somebody sleeps, and remembers every wait."""

from datetime import UTC, datetime, timedelta

import pytest


class FakeClock:
    """Sleeping takes no time and moves the clock."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self._start = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
        self._passed = 0.0
        self.tick = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        self._passed += self.tick
        return self._passed

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self._passed += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
