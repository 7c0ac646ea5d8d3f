"""Due dates in working time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scoring.playbooks import Team

OFFICE = Team(
    timezone="Europe/Berlin",
    workdays=("mon", "tue", "wed", "thu", "fri"),
    hours=("09:00", "17:00"),
    holidays=(date(2026, 12, 25),),
)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2026-11-23 10:00", 1, "2026-11-24 10:00"),
        ("2026-11-27 10:00", 1, "2026-11-30 10:00"),  # over the weekend
        ("2026-12-24 10:00", 1, "2026-12-28 10:00"),  # a holiday, then the weekend
        ("2026-11-28 11:00", 0, "2026-11-30 09:00"),  # a Saturday is no time to begin
        ("2026-11-23 20:00", 1, "2026-11-25 09:00"),
        ("2026-11-23 06:00", 1, "2026-11-24 09:00"),
        ("2026-03-27 10:00", 1, "2026-03-30 10:00"),  # the clocks change in between
    ],
)
def test_days_are_working_days(start: str, days: int, due: str) -> None:
    assert OFFICE.add_days(berlin(start), days) == berlin(due)


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-23 10:00", 4, "2026-11-23 14:00"),
        ("2026-11-23 15:00", 4, "2026-11-24 11:00"),
        ("2026-11-27 16:00", 2, "2026-11-30 10:00"),
        ("2026-11-23 09:00", 8, "2026-11-23 17:00"),
        ("2026-11-23 05:00", 16, "2026-11-24 17:00"),
    ],
)
def test_hours_are_working_hours(start: str, hours: int, due: str) -> None:
    assert OFFICE.add_hours(berlin(start), hours) == berlin(due)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"], ids=["forward", "back"])
def test_a_change_of_the_clocks_neither_loses_nor_gains_an_hour_of_work(day: str) -> None:
    night = Team(timezone="Europe/Berlin", hours=("01:00", "24:00"))
    start = berlin(f"{day} 01:30")
    assert night.add_hours(start, 4) - start == timedelta(hours=4)


def test_without_a_word_every_hour_counts_as_before() -> None:
    start = datetime(2026, 11, 28, 3, 14, 15, 926, tzinfo=UTC)
    assert Team().add_days(start, 3) == start + timedelta(days=3)
    assert Team().add_hours(start, 30) == start + timedelta(hours=30)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("timezone", "Mars/Olympus", "no time zone"),
        ("timezone", "/etc/passwd", "no time zone"),
        ("workdays", (), "at least 1"),
        ("workdays", ("monday",), "mon"),
        ("hours", ("17:00", "09:00"), "begin before it ends"),
        ("hours", ("9", "17:00"), "times of day"),
        ("hours", ("09:00", "25:00"), "between 00:00 and 24:00"),
        ("holidays", tuple(date(2020, 1, 1) + timedelta(days=i) for i in range(1001)), "1,000 holidays"),
    ],
)
def test_nonsense_is_refused_in_words(key: str, value: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Team.model_validate({key: value})


def test_a_team_that_never_works_in_three_years_still_gets_a_date() -> None:
    idle = Team(workdays=("mon",), holidays=tuple(date(2026, 11, 23) + timedelta(weeks=i) for i in range(400)))
    assert idle.add_days(datetime(2026, 11, 22, tzinfo=UTC), 1) > datetime(2029, 1, 1, tzinfo=UTC)


MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware


@given(MOMENTS, st.integers(0, 30))
def test_what_is_due_is_due_in_working_time(start: datetime, number: int) -> None:
    for due in (OFFICE.add_days(start, number), OFFICE.add_hours(start, number)):
        local = due.astimezone(OFFICE.zone)
        assert due >= start.replace(microsecond=0)
        assert OFFICE.works_on(local.date())
        assert 9 <= local.hour < 17 or (local.hour, local.minute) == (17, 0)


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=9)), st.integers(0, 30))
def test_who_begins_later_is_never_due_earlier(start: datetime, later: timedelta, number: int) -> None:
    start = start.replace(microsecond=0)
    assert OFFICE.add_hours(start, number) <= OFFICE.add_hours(start + later, number)
