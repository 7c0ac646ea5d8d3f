"""The day on which the tests' worlds begin: theirs, so that no test depends on the day on which it runs."""

from datetime import UTC, datetime

START = datetime(2026, 11, 22, tzinfo=UTC)
