"""The figures of the report, counted by hand on a few accounts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from report import cohorts, figures
from report.cohorts import Fate
from report.reading import LEFT, OUTSIDE, Account, Facts, Task, Version, along, standing, weeks
from scoring.inputs import SignalPoints
from sync.store import Store
from tests.scoring.rows import score_row

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def version(days_ago: float, until: float | None, band: str, *, score: int = 50, segments: str = "[]") -> Version:
    return Version(NOW - days_ago * DAY, None if until is None else NOW - until * DAY, score, band, segments)


def account(crm_id: str, *versions: Version, **more: Any) -> Account:
    last = versions[-1]
    values: dict[str, Any] = {
        "crm_id": crm_id,
        "name": f"No {crm_id}",
        "score": last.score,
        "band": last.band,
        "since": last.since,
        "trend": None,
        "coverage": 100,
        "reason": "so",
        "held": "",
        "stage": "repeat",
        "rfm": "",
        "segments": (),
        "owner": "",
        "plan": "",
        "channel": "",
        "mrr": None,
        "currency": "",
        "customer_since": None,
        "renewal": None,
        "versions": versions,
        "row": score_row(crm_id, "green"),
        "shares": {},
    }
    return Account(**(values | more))


def facts_of(*accounts: Account, tasks: tuple[Task, ...] = (), **gone: tuple[Version, ...]) -> Facts:
    return Facts(
        now=NOW,
        accounts=accounts,
        gone=gone,
        names={name: f"No {name}" for name in gone},
        tasks=tasks,
        waits=(),
        streams=(),
        run=None,
        by_id={one.crm_id: one for one in accounts},
    )


def task(crm_id: str, outcome: str, *, due: float, **more: Any) -> Task:
    values: dict[str, Any] = {
        "account_id": crm_id,
        "account": crm_id,
        "playbook": "rescue",
        "subject": "Call",
        "owner": "Ada",
        "band_then": "red",
        "band_now": "",
        "event": NOW - 3 * DAY,
        "made": NOW - 3 * DAY + timedelta(hours=2),
        "due": NOW + due * DAY,
        "ended": None,
        "outcome": outcome,
    }
    return Task(**(values | more))


def test_who_moved_is_told_against_a_week_ago_not_step_by_step() -> None:
    worse = account("A1", version(30, 3, "green"), version(3, None, "red"))
    back = account("A2", version(30, 5, "green"), version(5, 2, "red"), version(2, None, "green"))
    better = account("A3", version(30, 1, "red"), version(1, None, "yellow"))
    new = account("A4", version(2, None, "green"))
    known = account("A5", version(30, 1, "unknown"), version(1, None, "red"))
    facts = facts_of(worse, back, better, new, known, B1=(version(30, 4, "yellow"),), B2=(version(3, 1, "red"),))
    found = [(move.crm_id, move.before, move.after, move.way) for move in figures.moves(facts)]
    assert found == [
        ("B1", "yellow", LEFT, "worse"),
        ("A1", "green", "red", "worse"),
        ("A3", "red", "yellow", "better"),
        ("A4", OUTSIDE, "green", "other"),
        ("A5", "unknown", "red", "other"),
    ]
    assert ("green", "green") in figures.stays(facts)
    assert ("yellow", LEFT) in figures.stays(facts)
    assert figures.known_a_week_ago(facts)
    assert not figures.known_a_week_ago(facts_of(new))


def test_bands_over_time_know_gaps_and_those_who_left() -> None:
    gap = account("A1", version(30, 20, "green"), version(10, None, "red"))
    facts = facts_of(gap, B1=(version(30, 15, "yellow"), version(15, None, LEFT)))
    instants = [NOW - days * DAY for days in (40, 25, 17, 12, 0)]
    found = figures.bands_over(facts, instants)
    assert found["green"] == [0, 1, 0, 0, 0]
    assert found["yellow"] == [0, 1, 1, 0, 0]
    assert found["red"] == [0, 0, 0, 0, 1]
    assert along(gap.versions, instants) == [standing(gap.versions, at) for at in instants]
    assert weeks(facts) == [NOW - number * 7 * DAY for number in (4, 3, 2, 1, 0)]


def test_a_call_gathers_the_tasks_of_an_account_and_the_worst_come_first() -> None:
    red, green = account("A1", version(9, None, "red")), account("A2", version(9, None, "green"))
    tasks = (
        task("A2", "open", due=-5),
        task("A1", "open", due=0.4),
        task("A1", "open", due=-2),
        task("A1", "open", due=4),
        task("A2", "late", due=-9),
        task("A9", "open", due=-9),
    )
    today, soon = figures.to_do(facts_of(red, green, tasks=tasks))
    assert [(call.account.crm_id, len(call.tasks), call.late) for call in today] == [("A1", 2, 2), ("A2", 1, 5)]
    assert soon == []
    later = figures.to_do(facts_of(green, tasks=(task("A2", "open", due=4), task("A2", "open", due=30))))[1]
    assert [(call.account.crm_id, len(call.tasks), call.late) for call in later] == [("A2", 1, 0)]
    other = account("A3", version(9, None, "red", score=10))
    assert figures.untended(facts_of(red, green, other, tasks=tasks)) == [other]


@pytest.mark.requirement("R111", "R64")
def test_outcomes_tell_endings_the_band_after_and_how_long_it_took() -> None:
    up, down = account("A1", version(9, None, "yellow")), account("A2", version(9, None, "red"))
    tasks = (
        task("A1", "in_time", due=1),
        task("A2", "late", due=-1),
        task("A2", "open", due=-1),
        task("A2", "open", due=1),
        task("A2", "gone", due=1, made=NOW),
        task("B1", "in_time", due=1, made=None),
        task("A1", "in_time", due=1, band_then="unknown"),
        task("A2", "late", due=1, band_then="green", playbook="check_in"),
    )
    rescue, other = figures.outcomes(facts_of(up, down, tasks=tasks))
    assert rescue.made == 7
    assert rescue.states == {"in_time": 3, "late": 1, "overdue": 1, "open": 1, "gone": 1}
    assert rescue.ended == {"better": 1, "same": 1, LEFT: 1, "unknown": 1}
    assert other.ended == {"worse": 1}
    assert sorted(rescue.hours) == [2.0] * 5 + [72.0]
    assert figures.quantile(rescue.hours, 0.5) == 2.0
    assert figures.quantile(rescue.hours, 0.9) == 72.0
    assert figures.quantile([], 0.5) is None


@pytest.mark.requirement("R136")
def test_drivers_count_what_each_signal_takes() -> None:
    signals = (
        SignalPoints("login", 100, 20, 1),
        SignalPoints("usage", 200, 20, 1),
        SignalPoints("nps", None, 20, None),
    )
    row = score_row("A1", "red", signals=signals)
    low = account("A1", version(9, None, "red"), row=row, shares={"login": -200, "usage": -50}, mrr=900, currency="EUR")
    high = account("A2", version(9, None, "green"), row=row, shares={"login": 30, "usage": -10})
    login, usage, nps = figures.drivers(facts_of(low, high))
    assert (login.signal, login.down, login.up, login.lost, login.first) == ("login", 1, 1, 200, 1)
    assert login.value == {"EUR": 900}
    assert (usage.signal, usage.down, usage.lost, usage.first) == ("usage", 2, 60, 1)
    assert (nps.signal, nps.unknown, nps.down) == ("nps", 2, 0)


@pytest.mark.requirement("R88")
def test_retention_asks_who_of_a_segment_is_still_there() -> None:
    power = '["power"]'
    stays = account("A1", version(400, None, "green", segments=power))
    joined = account("A2", version(400, 100, "green"), version(100, None, "green", segments=power))
    left = (version(400, 20, "red", segments=power), version(20, None, LEFT, segments=power))
    found = figures.retention(facts_of(stays, joined, B1=left))
    assert figures.HORIZONS == (30, 90, 180, 365)
    assert found == {"power": [(3, 2), (3, 2), (2, 1), (2, 1)]}


@pytest.mark.requirement("R116")
def test_recoveries_are_told_by_the_segment_at_the_fall() -> None:
    risk = '["at_risk"]'
    back = account("A1", version(90, 60, "green"), version(60, 9, "red", segments=risk), version(9, None, "yellow"))
    down = account("A2", version(90, 60, "green"), version(60, None, "red", segments=risk))
    twice = account(
        "A3",
        version(90, 60, "green"),
        version(60, 50, "red", segments='["power"]'),
        version(50, 40, "yellow"),
        version(40, 30, "red", segments=risk),
        version(30, None, "green"),
    )
    long_ago = account("A4", version(900, 800, "green"), version(800, None, "red", segments=risk))
    lost = (version(90, 60, "yellow"), version(60, 30, "red", segments=risk), version(30, None, LEFT))
    assert figures.recoveries(facts_of(back, down, twice, long_ago, B1=lost)) == {"at_risk": (4, 2)}


def fate(began: int, ended: int | None = None, *, unknown: bool = False, **more: Any) -> Fate:
    values: dict[str, Any] = {"plan": "team", "channel": "", "mrr": 10_000, "currency": "EUR"}
    return Fate(began=began, ended=ended, unknown=unknown, **(values | more))


@pytest.mark.requirement("R138")
def test_cohorts_count_whole_months_and_late_losses() -> None:
    today = 2026 * 12 + 11
    start = today - 20
    group = [fate(start), fate(start, start + 3), fate(start, start + 9), fate(start, unknown=True), fate(today - 2)]
    old, young = cohorts.cohorts(group, today, cohorts.month_of)
    assert (old.name, young.name) == ("2025-03", "2026-09")
    assert (old.accounts, old.unknown) == (4, 1)
    assert old.kept[2] == (3, 3)
    assert old.kept[3] == (3, 2)
    assert old.kept[12] == (3, 1)
    assert old.kept[24] == (0, 0)
    assert old.late == (2, 1)
    assert young.kept[1] == (1, 1)
    assert young.kept[2] == (0, 0)
    both = cohorts.cohorts(group, today, lambda one: one.plan)
    assert [(one.name, one.kept[1], one.kept[12]) for one in both] == [("team", (4, 4), (3, 1))]


def test_cohorts_agree_with_the_view(lived: Store) -> None:
    fates, today = cohorts.read(lived)
    months = {one.name: one for one in cohorts.cohorts(fates, today, cohorts.month_of)}
    rows = lived.rows("SELECT start_month, months_since, accounts, retained FROM v_cohort")
    told = [row for row in rows if row[1] in cohorts.MONTHS]
    assert len(told) > 50
    assert any(accounts != retained for _, _, accounts, retained in told)
    for start, number, accounts, retained in told:
        assert months[start[:7]].kept[number] == (accounts, retained)


@pytest.mark.requirement("R139")
def test_lifetime_values_by_both_methods() -> None:
    today = 2026 * 12 + 11
    # Two customers of 100.00 a month for 24 months, one of whom left at the start of the current year's tenth month.
    group = [fate(today - 24), fate(today - 24, today - 1), fate(today - 24, mrr=None), fate(today, currency="USD")]
    (one,) = cohorts.lifetimes(group, today, "EUR", 50)
    assert (one.name, one.customers) == ("team", 1)
    assert one.past == 24 * 10_000 * 50 // 100
    assert one.churn == pytest.approx(1 / 24)
    assert one.expected == 24 * 10_000 * 50 // 100
    (stays,) = cohorts.lifetimes([fate(today - 24)], today, "EUR", 50)
    assert (stays.churn, stays.expected) == (0.0, None)
    assert cohorts.lifetimes([fate(today - 24, today - 1)], today, "EUR", 50) == []
    (fresh,) = cohorts.lifetimes([fate(today)], today, "EUR", 50)
    assert fresh.churn is None
