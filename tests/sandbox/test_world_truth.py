"""The world must be worth scoring: what can be seen runs ahead of who leaves, by weeks to months."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from sandbox.model import Company
from sandbox.world import EVENT_NAMES, SeededWorld, make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture(scope="module")
def world() -> SeededWorld:
    return make_world(seed=3, accounts=1500, people_per_account=12, now=NOW)


def active(world: SeededWorld, day: date) -> list[Company]:
    """Customers of that day who had been so for two months."""
    old = day - timedelta(days=60)
    return [c for c in world.companies if c.customer_since <= old and (c.churn_date is None or c.churn_date > day)]


def leaves(company: Company, day: date, days: int = 90) -> bool:
    return company.churn_date is not None and company.churn_date <= day + timedelta(days=days)


def auc(values: Sequence[float], labels: Sequence[bool]) -> float:
    """Chance that one who leaves has the higher value than one who stays; ties count half."""
    gone = np.asarray([value for value, label in zip(values, labels, strict=True) if label])
    stay = np.asarray([value for value, label in zip(values, labels, strict=True) if not label])
    assert len(gone) > 20
    above = (gone[:, None] > stay[None, :]).mean() + 0.5 * (gone[:, None] == stay[None, :]).mean()
    return float(above)


def counts(world: SeededWorld, days: Iterable[int]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    total = np.zeros(len(world.companies) + 1, dtype=np.int64)
    for back in days:
        total += np.bincount(world.event_arrays(TODAY - timedelta(days=back)).company, minlength=len(total))
    return total


@pytest.mark.parametrize("back", [0, 90, 180, 270])
def test_between_10_and_25_percent_leave_in_a_year(world: SeededWorld, back: int) -> None:
    day = TODAY - timedelta(days=back)
    customers = [c for c in world.companies if c.customer_since <= day and (c.churn_date is None or c.churn_date > day)]
    quarter = sum(leaves(c, day) for c in customers) / len(customers)
    assert 0.10 < 1 - (1 - quarter) ** (365 / 90) < 0.25


@pytest.mark.parametrize("lead", [7, 30, 60])
def test_health_runs_ahead_of_leaving(world: SeededWorld, lead: int) -> None:
    day = TODAY - timedelta(days=60)
    customers = active(world, day)
    low = [-world.health(c.id, day - timedelta(days=lead)) for c in customers]
    gone = [leaves(c, day) for c in customers]
    assert auc(low, gone) > 0.70
    assert auc(low, gone) < 0.97  # a world in which the score could be perfect would teach nothing


def test_every_regime_has_its_place(world: SeededWorld) -> None:
    by_regime: dict[str, list[Company]] = {}
    for company in world.companies:
        by_regime.setdefault(world.regime(company.id), []).append(company)
    gone = {name: float(np.mean([c.churn_date is not None for c in cs])) for name, cs in by_regime.items()}
    assert set(gone) == {"thriving", "steady", "decline", "shock", "onboarding"}
    assert gone["thriving"] < gone["steady"] < min(gone["decline"], gone["shock"], gone["onboarding"])


def test_usage_tells(world: SeededWorld) -> None:
    recent, before = counts(world, range(1, 29)), counts(world, range(29, 85))
    customers = active(world, TODAY)
    fall = [-(recent[c.id] + 1) / (before[c.id] / 2 + 1) for c in customers]
    assert auc(fall, [leaves(c, TODAY) for c in customers]) > 0.57


def test_nobody_works_in_a_tenant_that_left(world: SeededWorld) -> None:
    gone = [c.id for c in world.companies if c.churn_date and c.churn_date < TODAY - timedelta(days=1)]
    coming = [c.id for c in world.companies if c.customer_since > TODAY - timedelta(days=1)]
    assert counts(world, [1])[gone].sum() == 0
    assert counts(world, [1])[coming].sum() == 0


def test_tickets_come_one_or_two_a_month_and_more_when_things_go_badly(world: SeededWorld) -> None:
    months = (
        sum(
            (
                min(c.churn_date or world.horizon.date(), world.horizon.date())
                - max(c.customer_since, world.start.date())
            ).days
            for c in world.companies
        )
        / 30.4
    )
    assert 1 <= len(world.tickets) / months <= 2
    since = NOW - timedelta(days=60)
    seen = np.zeros(len(world.companies) + 1)
    for ticket in world.tickets:
        seen[ticket.company_id] += since < ticket.created_at < NOW
    customers = active(world, TODAY)
    size = np.bincount([p.company_id for p in world.people], minlength=len(seen))
    assert auc([seen[c.id] / size[c.id] ** 0.5 for c in customers], [leaves(c, TODAY) for c in customers]) > 0.55


def test_csat_and_nps_follow_health(world: SeededWorld) -> None:
    rated = [t for t in world.tickets if t.csat_rating is not None]
    assert 0.2 < len(rated) / len(world.tickets) < 0.45
    health = [world.health(t.company_id, t.created_at.date()) for t in rated]
    assert np.corrcoef(health, [t.csat == "good" for t in rated])[0, 1] > 0.2
    assert {t.csat for t in rated} == {"good", "neutral", "bad"}
    health = [world.health(a.company_id, a.at.date()) for a in world.nps]
    assert np.corrcoef(health, [a.score for a in world.nps])[0, 1] > 0.5


def test_a_shock_follows_a_streak_of_bad_tickets(world: SeededWorld) -> None:
    shocked = {c.id for c in world.companies if world.regime(c.id) == "shock"}
    bad = {True: 0, False: 0}
    rated = {True: 0, False: 0}
    for ticket in world.tickets:
        if ticket.csat is not None:
            bad[ticket.company_id in shocked] += ticket.csat == "bad"
            rated[ticket.company_id in shocked] += 1
    assert bad[True] / rated[True] > 1.5 * bad[False] / rated[False]


def test_august_and_year_end_are_quiet(world: SeededWorld) -> None:
    def mean(first: date) -> float:  # a whole week each, so that weekdays weigh alike
        return float(np.mean([len(world.event_arrays(first + timedelta(days=n))) for n in range(7)]))

    assert mean(date(2025, 12, 24)) < 0.5 * mean(date(2025, 12, 8))
    assert mean(date(2026, 8, 10)) < 0.9 * mean(date(2026, 9, 14))
    assert len(world.event_arrays(date(2026, 11, 15))) < 0.3 * len(world.event_arrays(date(2026, 11, 17)))


def test_events_and_arrays_are_the_same(world: SeededWorld) -> None:
    day = date(2026, 10, 6)
    arrays, events = world.event_arrays(day), list(world.events(day))
    assert len(arrays) == len(events) > 1000
    assert [e.person_id for e in events] == arrays.person.tolist()
    assert [int(e.time.timestamp() * 1000 + 0.5) for e in events] == arrays.time_ms.tolist()
    assert [EVENT_NAMES.index(e.name) for e in events] == arrays.name.tolist()
    assert [int(e.insert_id, 16) for e in events] == arrays.insert.tolist()
    assert np.all(np.diff(arrays.time_ms) >= 0)
    assert len(set(arrays.insert.tolist())) == len(arrays)
    assert not set(arrays.insert.tolist()) & set(world.event_arrays(date(2026, 10, 7)).insert.tolist())


def test_a_few_events_come_late_and_a_few_without_a_name(world: SeededWorld) -> None:
    arrays = world.event_arrays(date(2026, 10, 6))
    delay = (arrays.arrived_ms - arrays.time_ms) / 1000
    assert 0.01 < (delay > 60).mean() < 0.03
    assert 86_400 * 3 < delay.max() <= 86_400 * 5
    assert 0.005 < arrays.anonymous.mean() < 0.04
    assert set(arrays.name.tolist()) == set(range(len(EVENT_NAMES)))


def test_the_days_outside_the_world_are_empty(world: SeededWorld) -> None:
    for day in (world.start.date() - timedelta(days=1), world.horizon.date() + timedelta(days=1)):
        assert len(world.event_arrays(day)) == 0
        assert list(world.events(day)) == []


def test_agencies_work_mostly_elsewhere(world: SeededWorld) -> None:
    at_home = away = 0
    for back in range(1, 15):
        arrays = world.event_arrays(TODAY - timedelta(days=back))
        for person, company in zip(arrays.person.tolist(), arrays.company.tolist(), strict=True):
            if (who := world.people[person - 1]).other_company_ids and who.kind == "person":
                at_home += company == who.company_id
                away += company != who.company_id
    assert away > at_home > 0


def test_segments_have_members(world: SeededWorld) -> None:
    """Power users, dormant users and newcomers all exist on any day."""
    last = np.full(len(world.people) + 1, -1)
    month = np.zeros(len(world.people) + 1, dtype=np.int64)
    for back in range(120, 0, -1):
        arrays = world.event_arrays(TODAY - timedelta(days=back))
        last[arrays.person] = back
        if back <= 28:
            month += np.bincount(arrays.person, minlength=len(month))
    users = sum(p.product_user_id is not None for p in world.people)
    assert 0.4 < (month > 0).sum() / users < 0.8
    assert 0.03 < (last > 30).sum() / users < 0.3
    assert (month > 60).sum() / users > 0.01
    newcomers = [p for p in world.people if NOW - timedelta(days=30) < p.created_at <= NOW]
    assert newcomers
