"""Wall one by itself: which silences are believed, which are not, and what they do to clocks and scores."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.errors import ShapeError
from scoring.card import Scorecard
from scoring.inputs import ScoreRow, SignalPoints
from scoring.playbooks import BandState
from sync import frames
from sync.pulse import read_pulse
from sync.store import PullEnd, Store
from sync.tables import epoch, epoch_day
from sync.usage_doubt import require_believable
from sync.watch import Breach, hold_bands, watch

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def pulled(
    store: Store, source: str, stream: str, record: str, at: datetime, *, error: str = "", off: str = ""
) -> None:
    store.pull_started(source, stream, record, at)
    store.pull_finished(source, stream, record, PullEnd(error=error, off=off), at)


def tickets(store: Store, source: str, times: Iterable[datetime]) -> None:
    """Tickets opened at these times."""
    with store.transaction() as conn:
        key = conn.execute("SELECT id FROM source WHERE name = ?", (source,)).fetchone()[0]
        last = conn.execute("SELECT coalesce(max(key), 0) FROM ticket").fetchone()[0]
        conn.executemany(
            "INSERT INTO ticket (key, source, source_id, created_at, valid_from) VALUES (?, ?, ?, ?, 1)",
            [(last + n, key, f"T{last + n}", epoch(at)) for n, at in enumerate(times, 1)],
        )


def usage(store: Store, source: str, days: Iterable[tuple[datetime, int]], arrived: datetime | None = None) -> None:
    """Events by day, and when the newest arrived."""
    with store.transaction() as conn:
        key = conn.execute(
            "SELECT s.id FROM stream s JOIN source ON source.id = s.source WHERE source.name = ?", (source,)
        ).fetchone()[0]
        conn.executemany(
            "INSERT INTO usage_file VALUES (?, ?, 1, ?, ?, ?, 0, 1, 1)",
            [(key, epoch_day(day.date()), f"{day:%Y-%m-%d}", count, count) for day, count in days],
        )
        if arrived is not None:
            conn.execute("INSERT INTO usage_seen VALUES ('seen', ?, ?)", (key, epoch(arrived)))


def every(hours: float, start: datetime, end: datetime) -> Iterator[datetime]:
    while start <= end:
        yield start
        start += timedelta(hours=hours)


def office(store: Store, rhythm: Iterable[datetime], now: datetime = NOW) -> list[Breach]:
    pulled(store, "desk", "tickets", "ticket", now)
    tickets(store, "desk", rhythm)
    return watch(store, now)


def test_a_lively_source_is_believed_up_to_its_last_news(store: Store) -> None:
    assert [breach for breach in office(store, every(1, NOW - 8 * WEEK, NOW)) if breach.alarm] == []


def test_a_day_without_what_every_week_brought_is_an_alarm(store: Store) -> None:
    end = NOW - 26 * HOUR
    (breach,) = office(store, every(0.25, NOW - 8 * WEEK, end))
    # The clock went on to the end of the hour, and stopped when the next one brought nothing.
    assert (breach.kind, breach.alarm, breach.since, breach.last_good) == ("silent", True, end, end + HOUR)
    assert "nothing new since 2026-11-24 10:00 UTC" in breach.why
    assert breach.why.endswith("in the same hours of the weeks before it were 100, 100, 100, 100.")


def test_two_hours_without_it_only_stop_the_clock(store: Store) -> None:
    (breach,) = office(store, every(0.25, NOW - 8 * WEEK, NOW - 2 * HOUR))
    assert (breach.alarm, breach.last_good) == (False, NOW - HOUR)


def working_hours(end: datetime) -> Iterator[datetime]:
    return (at for at in every(1, NOW - 8 * WEEK, end) if at.weekday() < 5 and 8 <= at.hour < 18)


def test_nights_and_week_ends_of_a_small_team_pass_unnoticed(store: Store) -> None:
    monday = datetime(2026, 11, 23, 7, tzinfo=UTC)
    assert office(store, working_hours(monday), monday) == []


def test_the_clock_goes_on_over_a_week_end_and_stops_when_work_should_begin(store: Store) -> None:
    friday = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)
    monday = datetime(2026, 11, 23, 15, tzinfo=UTC)
    (breach,) = office(store, working_hours(friday), monday)
    assert (breach.alarm, breach.last_good) == (False, datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert breach.since == datetime(2026, 11, 20, 17, tzinfo=UTC)


def test_a_bank_holiday_of_a_small_team_is_no_alarm(store: Store) -> None:
    (breach,) = office(store, working_hours(NOW - 44 * HOUR), NOW + 6 * HOUR)
    assert not breach.alarm


def test_a_source_that_seldom_speaks_rests_for_a_fortnight_and_is_then_believed(store: Store) -> None:
    rare = [NOW - n * 5 * DAY for n in range(3, 20)]
    (breach,) = office(store, rare, NOW)
    assert (breach.kind, breach.alarm) == ("silent", False)
    later = NOW + 2 * WEEK
    pulled(store, "desk", "tickets", "ticket", later)
    assert all(not breach.alarm for breach in watch(store, later))


def test_a_long_silence_of_a_slow_source_is_an_alarm(store: Store) -> None:
    rhythm = every(7, NOW - 9 * WEEK, NOW - 6 * DAY)
    (breach,) = office(store, rhythm, NOW)
    assert breach.alarm


@pytest.mark.parametrize("history", [timedelta(0), DAY, 6 * DAY])
def test_a_brand_new_source_has_nothing_usual(store: Store, history: timedelta) -> None:
    assert office(store, every(0.1, NOW - 2 * DAY - history, NOW - 2 * DAY)) == []


def test_with_little_history_the_clock_stops_and_nobody_is_alarmed(store: Store) -> None:
    (breach,) = office(store, every(0.1, NOW - 2 * DAY - 10 * DAY, NOW - 2 * DAY))
    assert not breach.alarm


def test_an_old_change_is_no_news_and_a_new_one_is(store: Store) -> None:
    end = NOW - 26 * HOUR
    assert office(store, every(0.25, NOW - 8 * WEEK, end))[0].alarm
    with store.transaction() as conn:
        conn.execute("UPDATE ticket SET version = ? WHERE key = 1", (epoch(NOW) * 1_000_000 - 1,))
    assert not [breach for breach in watch(store, NOW) if breach.alarm]


def test_who_is_trusted_is_not_watched(store: Store) -> None:
    assert office(store, every(0.25, NOW - 8 * WEEK, NOW - 2 * DAY))
    assert watch(store, NOW, trusted=["desk"]) == watch(store, NOW, trusted=["desk/tickets"]) == []
    assert watch(store, NOW, sources=["other"]) == []


def test_a_quiet_source_does_not_stop_the_clock_of_a_lively_one(store: Store) -> None:
    office(store, every(1, NOW - 8 * WEEK, NOW - 20 * HOUR))
    pulled(store, "crm", "tickets", "ticket", NOW)
    tickets(store, "crm", every(0.5, NOW - 8 * WEEK, NOW - HOUR / 2))
    found = watch(store, NOW)
    assert [(breach.source, breach.alarm, breach.last_good) for breach in found] == [("desk", False, NOW - HOUR / 2)]


@pytest.mark.parametrize("hours", [5 * 24, 7, 0.5])
def test_the_days_of_bills_count_on_in_a_pause_but_not_in_an_alarm(store: Store, hours: float) -> None:
    pulled(store, "till", "bills", "invoice", NOW)
    times = [epoch(at) for at in every(hours, NOW - 9 * WEEK, NOW - 6 * DAY)]
    with store.transaction() as conn:
        conn.executemany(
            "INSERT INTO invoice (key, source, source_id, created_at, valid_from) VALUES (?1, 1, ?1, ?2, 1)",
            enumerate(times, 1),
        )
    assert [breach.alarm for breach in watch(store, NOW)] == [True] * (hours < 24)
    with store.transaction() as conn:
        conn.execute("UPDATE invoice SET paid_at = ? WHERE key = 1", (epoch(NOW - HOUR),))
    assert not [breach for breach in watch(store, NOW) if breach.alarm], "a bill that is paid is news"


# -- errors -------------------------------------------------------------------------------------------------------


def test_an_error_holds_what_was_known_before_it(store: Store) -> None:
    pulled(store, "mp", "events", "usage", NOW - 30 * HOUR)
    pulled(store, "mp", "events", "usage", NOW - 29 * HOUR, error="answered 503.")
    pulled(store, "mp", "events", "usage", NOW, error="answered 503.")
    (breach,) = watch(store, NOW)
    assert (breach.kind, breach.since, breach.last_good) == ("error", NOW - 29 * HOUR, NOW - 30 * HOUR)
    assert breach.why == "mp events cannot be read since 2026-11-24 07:00 UTC: answered 503."
    pulled(store, "mp", "events", "usage", NOW + HOUR)
    assert watch(store, NOW + HOUR) == []


def test_what_was_never_read_is_not_held(store: Store) -> None:
    pulled(store, "mp", "events", "usage", NOW, error="answered 503.")
    assert watch(store, NOW) == []


@pytest.mark.parametrize("delivered", [True, False])
def test_a_stream_that_is_closed_to_us_is_missed_only_when_it_once_delivered(store: Store, *, delivered: bool) -> None:
    pulled(store, "desk", "csat", "survey_response", NOW - DAY)
    pulled(store, "desk", "csat", "survey_response", NOW, off="no right")
    if delivered:
        with store.transaction() as conn:
            conn.execute("UPDATE stream SET total = 40")
    found = watch(store, NOW)
    assert [breach.kind for breach in found] == ["off"] * delivered
    given = frames.inputs(store, NOW, crm="crm", breaches=found)
    feed = store.rows(given.tables["feed"])
    assert feed == ([("survey_response", "desk", epoch(NOW - DAY), 1, epoch(NOW - DAY))] if delivered else [])


# -- usage --------------------------------------------------------------------------------------------------------


def weekly(end: datetime, amount: int, *, weeks: int = 8) -> list[tuple[datetime, int]]:
    days = [end - n * DAY for n in range(7 * weeks)]
    return [(day, amount if day.weekday() < 5 else amount // 10) for day in days]


def test_a_day_of_next_to_nothing_is_not_believed(store: Store) -> None:
    pulled(store, "mp", "events", "usage", NOW)
    counts = dict(weekly(NOW, 1000))
    counts[NOW - DAY] = 30
    usage(store, "mp", counts.items(), NOW)
    (breach,) = watch(store, NOW)
    yesterday = (NOW - DAY).replace(hour=0)
    assert (breach.kind, breach.alarm, breach.last_good) == ("few", True, yesterday)
    assert breach.why == "mp events tells of 30 events on 2026-11-24, where 1,000 are usual on that weekday."


def test_several_such_days_lead_back_to_the_first(store: Store) -> None:
    pulled(store, "mp", "events", "usage", NOW)
    counts = dict(weekly(NOW, 1000))
    counts |= {NOW - DAY: 30, NOW - 2 * DAY: 40}
    usage(store, "mp", counts.items(), NOW)
    (breach,) = watch(store, NOW)
    assert breach.last_good == (NOW - 2 * DAY).replace(hour=0)


@pytest.mark.parametrize(
    ("amount", "quiet"),
    [(1000, 300), (1000, 120), (100, 3)],
    ids=["summer", "Christmas Day", "a handful of users"],
)
def test_a_holiday_is_no_alarm(store: Store, amount: int, quiet: int) -> None:
    pulled(store, "mp", "events", "usage", NOW)
    counts = dict(weekly(NOW, amount))
    counts[NOW - DAY] = quiet
    usage(store, "mp", counts.items(), NOW)
    assert not any(breach.alarm for breach in watch(store, NOW))


def test_sundays_do_not_hide_that_it_began_before_them(store: Store) -> None:
    monday = datetime(2026, 11, 23, 9, tzinfo=UTC)
    pulled(store, "mp", "events", "usage", monday)
    counts = dict(weekly(monday, 1000))
    counts |= {monday - n * DAY: 3 for n in range(5)}  # since Thursday
    usage(store, "mp", counts.items(), monday)
    (breach,) = watch(store, monday)
    assert (breach.alarm, breach.last_good) == (True, datetime(2026, 11, 19, tzinfo=UTC))


@pytest.mark.parametrize(("days", "alarm"), [(1, False), (9, False), (10, True), (16, True)])
def test_half_of_the_people_missing_stops_the_clock_and_is_an_alarm_after_the_holidays(
    days: int, *, alarm: bool, store: Store
) -> None:
    pulled(store, "mp", "events", "usage", NOW)
    usage(store, "mp", [(NOW - n * DAY, 1000) for n in range(70)], NOW)
    with store.transaction() as conn:
        conn.execute("UPDATE usage_file SET rows = 400 WHERE day >= ?", (epoch_day((NOW - days * DAY).date()),))
    (breach,) = watch(store, NOW)
    begin = (NOW - days * DAY).replace(hour=0)
    assert (breach.kind, breach.alarm, breach.last_good) == ("few", alarm, begin)
    assert "400 combinations of person, account and event that day, where 1,000 are usual" in breach.why


def test_a_part_of_the_people_on_leave_is_believed(store: Store) -> None:
    pulled(store, "mp", "events", "usage", NOW)
    usage(store, "mp", [(NOW - n * DAY, 1000) for n in range(70)], NOW)
    with store.transaction() as conn:
        conn.execute("UPDATE usage_file SET rows = 600 WHERE day >= ?", (epoch_day((NOW - 5 * DAY).date()),))
    assert watch(store, NOW) == []


def test_a_customer_base_that_shrinks_is_no_alarm(store: Store) -> None:
    pulled(store, "mp", "events", "usage", NOW)
    usage(store, "mp", [(NOW - n * DAY, 500 + 40 * n) for n in range(60)], NOW)
    assert watch(store, NOW) == []


def test_silence_of_events_is_an_alarm_after_a_day(store: Store) -> None:
    pulled(store, "mp", "events", "usage", NOW)
    usage(store, "mp", weekly(NOW - DAY, 1000), NOW - 30 * HOUR)
    (breach,) = watch(store, NOW)
    assert (breach.kind, breach.alarm, breach.last_good) == ("silent", True, NOW - 30 * HOUR)


def test_without_arrival_stamps_the_last_day_counts(store: Store) -> None:
    pulled(store, "mp", "events", "usage", NOW)
    usage(store, "mp", weekly(NOW - 3 * DAY, 1000))
    (breach,) = watch(store, NOW)
    assert breach.since == (NOW - 2 * DAY).replace(hour=0) - timedelta(seconds=1)
    assert breach.alarm


def test_a_tenant_without_any_use_has_no_pulse(store: Store) -> None:
    pulled(store, "mp", "events", "usage", NOW)
    assert watch(store, NOW) == []
    assert read_pulse(store, 1, "usage", NOW).newest is None
    assert read_pulse(store, 1, "subscription", NOW).newest is None


# -- exports that are not believed --------------------------------------------------------------------------------


def flat(amount: int, days: Iterable[int]) -> dict[int, int]:
    return dict.fromkeys(days, amount)


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (flat(1, [104]), {}),
        (flat(100, range(100, 106)), flat(70, range(100, 106))),
        (flat(100, range(100, 106)), flat(100, range(100, 105))),
        (flat(30, range(60, 106)), flat(30, range(100, 103))),
    ],
    ids=["nothing at all", "a third less", "a day missing", "ends early"],
)
def test_an_export_that_says_much_less_is_not_believed(held: dict[int, int], found: dict[int, int]) -> None:
    with pytest.raises(ShapeError, match=r'not believed, what we hold stays.*"mp/events" to guard.trusted'):
        require_believable(held, found, range(100, 106), "mp/events")


def test_days_nobody_has_read_yet_must_come_up_to_their_weekdays() -> None:
    held = flat(30, range(60, 101))
    with pytest.raises(ShapeError, match="The export ends before 1970-04-13"):
        require_believable(held, flat(30, range(96, 102)), range(96, 106), "mp/events")
    require_believable(held, flat(30, range(96, 105)), range(96, 106), "mp/events")  # today may be empty
    seldom = {day: 30 for day in held if day % 7 in (1, 2)}
    require_believable(seldom, {99: 30, 100: 30}, range(96, 106), "mp/events")


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ({}, {}),
        ({}, flat(5, range(100, 106))),
        (flat(100, range(100, 106)), flat(95, range(100, 106))),
        (flat(3, range(100, 106)), flat(1, range(100, 106))),
        (flat(100, range(90, 96)), {}),
    ],
    ids=["new and empty", "new", "a few less", "a handful", "other days"],
)
def test_an_export_that_says_a_little_less_is_believed(held: dict[int, int], found: dict[int, int]) -> None:
    require_believable(held, found, range(100, 106), "mp/events")


# -- what a silence does to scores --------------------------------------------------------------------------------


def scored(number: int, coverage: int = 100) -> ScoreRow:
    signals = (
        SignalPoints("login", 400, 15, 5),
        SignalPoints("active_users", 300, 25, 75),
        SignalPoints("usage", None, 25, None),
        SignalPoints("tickets", 400, 15, 0),
        SignalPoints("satisfaction", None, 0, None),
    )
    reason = "38: no login for 5 days"
    return ScoreRow("account", number, f"A{number}", "Acme", "7", 38, 3, 250, coverage, "red", (), reason, signals, {})


def silence(hours: float, *, alarm: bool = True) -> list[Breach]:
    good = NOW - timedelta(hours=hours)
    return [Breach("mp", "events", "usage", "silent", good, good, "…", alarm)]


KNOWN = {"A1": BandState("red", NOW, {})}


@pytest.mark.parametrize(
    ("hours", "coverage", "said"),
    [(1, 68, ""), (24, 68, ""), (30, 43, "; mp silent since 2026-11-24"), (73, 18, "; mp silent since 2026-11-22")],
)
def test_coverage_falls_with_age_and_the_band_stays(hours: float, coverage: int, said: str) -> None:
    (row,) = hold_bands([scored(1, 68)], KNOWN, silence(hours), card=Scorecard.load(), as_of=NOW)
    assert (row.score, row.band, row.coverage) == (38, "red", coverage)
    assert row.reason == f"38: no login for 5 days{said}"


def test_a_pause_without_alarm_changes_nothing() -> None:
    rows = [scored(1)]
    assert hold_bands(rows, KNOWN, silence(40, alarm=False), card=Scorecard.load(), as_of=NOW) == rows


def test_an_account_never_seen_before_stays_unknown_while_a_source_is_silent() -> None:
    card = Scorecard.load()
    (row,) = hold_bands([scored(2)], KNOWN, silence(1), card=card, as_of=NOW)
    assert (row.score, row.health, row.band) == (None, None, "unknown")
    assert row.reason == "unknown: mp silent since 2026-11-25"
    assert hold_bands([scored(2)], {}, silence(1), card=card, as_of=NOW)[0].band == "red"  # the very first run


def test_who_does_not_need_the_source_is_left_alone_and_long_reasons_are_cut() -> None:
    other = scored(1)._replace(signals=(SignalPoints("tickets", 400, 15, 0),))
    long = scored(1)._replace(reason="x" * 255)
    rows = hold_bands([other, long], KNOWN, silence(30), card=Scorecard.load(), as_of=NOW)
    assert rows[0] == other
    assert len(rows[1].reason) == 255
    assert rows[1].reason.endswith("x; mp silent since 2026-11-24")
