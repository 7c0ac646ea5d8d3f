"""What a score promises, on small worlds made for the purpose."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scoring.card import Scorecard
from scoring.engine import score
from scoring.inputs import ScoreRow
from tests.scoring.rows import fixed_card
from tests.scoring.worlds import KINDS, NOW, TODAY, World, account, contact, empty, feeds, random_world, store


@pytest.fixture(scope="module")
def card() -> Scorecard:
    return fixed_card()


def by_key(card: Scorecard, world: World, folder: Path, **more: Any) -> dict[int, ScoreRow]:
    return {row.key: row for row in score(card, store(world, folder), levels=("account",), **more)}


def used(key: int, days: range | list[int], count: int = 5) -> list[tuple[int, int, int, str, int]]:
    """Usage of account `key`'s only person on the days so many days ago."""
    return [(TODAY - ago, key, key, "open", count) for ago in days]


def world_of(accounts: int, **values: Any) -> World:
    """Accounts 1..n, each with one person in the product; every source is there and fresh."""
    world = empty()
    world["account"] = [account(key, **values) for key in range(1, accounts + 1)]
    world["contact"] = [contact(key, key) for key in range(1, accounts + 1)]
    world["usage_person"] = [{"person": k, "contact": k, "account": k} for k in range(1, accounts + 1)]
    world["usage_group"] = [{"grp": k, "account": k} for k in range(1, accounts + 1)]
    world["feed"] = feeds(*KINDS)
    # Somebody outside keeps the history long: without it nothing is known of earlier weeks.
    world["usage"] = [(TODAY - 89, 10**6, None, "open", 1)]
    return world


def ticket(key: int, ago: int, status: str = "open") -> dict[str, Any]:
    blank = dict.fromkeys(("priority", "solved_at", "first_reply_minutes", "reopens", "contact"))
    return {**blank, "account": key, "status": status, "created_at": NOW - ago * 86400 - 3600}


def answer(key: int, kind: str, score: int, top: int, satisfied: int | None, ago: int = 1) -> dict[str, Any]:
    values = {"survey": kind, "score": score, "scale_min": 0, "scale_max": top, "satisfied": satisfied}
    return {"account": key, "contact": None, "responded_at": NOW - ago * 86400, **values}


def test_the_reason_names_the_lowest_drivers_in_words(card: Scorecard, tmp_path: Path) -> None:
    world = world_of(1)
    world["usage"] += used(1, range(41, 57), count=10) + used(1, range(57, 85), count=10)
    world["ticket"] = [ticket(1, ago) for ago in (40, 50, 60)]
    row = by_key(card, world, tmp_path)[1]
    assert row.reason == (
        "15: no login for 41 days; 0 % of recent users active; usage down 100 %, down 100 % against peers"
    )
    assert (row.score, row.health, row.band, row.segments) == (15, 2, "red", ("dormant",))
    assert row.features["open_tickets"] == 3


def test_a_thriving_account_is_green_and_says_so(card: Scorecard, tmp_path: Path) -> None:
    world = world_of(1)
    world["usage"] += used(1, range(60))
    world["survey"] = [answer(1, "csat", 5, 5, 1), answer(1, "nps", 10, 10, 1)]
    row = by_key(card, world, tmp_path)[1]
    assert row.band == "green"
    assert row.reason == f"{row.score}: nothing pulls it down"
    assert row.segments == ("power",)


@pytest.mark.parametrize("level", ["account", "contact"])
def test_dormant_from_thirty_days_and_new_below_thirty(card: Scorecard, tmp_path: Path, level: Any) -> None:
    """R30, R32, R33: each boundary at 29, 30 and 31 days; new outranks dormant; exactly as old as the days say."""
    cases = [(quiet, age) for quiet in (29, 30, 31) for age in (29, 30, 31, 300)]
    world = world_of(len(cases))
    for key, (quiet, age) in enumerate(cases, start=1):
        world["usage"] += used(key, [quiet])
        world["account"][key - 1] |= {"customer_since": TODAY - age}
        world["contact"][key - 1] |= {"created_at": NOW - age * 86400}
    rows = {row.key: row for row in score(card, store(world, tmp_path), levels=(level,))}
    for key, (quiet, age) in enumerate(cases, start=1):
        wanted = {"new"} if age < 30 else {"dormant"} if quiet >= 30 else set()
        assert set(rows[key].segments) & {"new", "dormant"} == wanted, (quiet, age)
        assert rows[key].features["days_since_login"] == quiet


def test_at_risk_is_a_trend_and_power_a_level(card: Scorecard, tmp_path: Path) -> None:
    """R31: steady low use is not at risk, falling high use is; R30: steady high use is power."""
    world = world_of(3)
    world["usage"] += used(1, list(range(1, 57, 4)), count=2)
    world["usage"] += used(2, range(1, 29), count=2) + used(2, range(29, 57), count=9)
    world["usage"] += used(3, range(1, 57))
    rows = by_key(card, world, tmp_path)
    assert [rows[key].segments for key in (1, 2, 3)] == [(), ("at_risk",), ("power",)]


def test_a_season_is_not_a_decline(card: Scorecard, tmp_path: Path) -> None:
    """Everybody halves over the holidays; only who halves twice is told apart."""
    world = world_of(40)
    for key in range(1, 41):
        world["usage"] += used(key, range(29, 57), count=8) + used(key, range(1, 29), count=2 if key == 1 else 4)
    rows = by_key(card, world, tmp_path)
    assert [rows[key].features["usage_change"] for key in (1, 2)] == [-75, -50]
    assert [rows[key].features["usage_vs_peers"] for key in (1, 2)] == [-50, 0]
    assert [rows[key].segments for key in (1, 2)] == [("at_risk",), ("power",)]


def test_few_peers_leave_the_change_plain(card: Scorecard, tmp_path: Path) -> None:
    world = world_of(29)
    for key in range(1, 30):
        world["usage"] += used(key, range(29, 57), count=8) + used(key, range(1, 29), count=4)
    assert by_key(card, world, tmp_path)[1].features["usage_vs_peers"] == -50


STEPS = 12


def people(world: World, key: int, active: int) -> None:
    """Twelve people were active 40 days ago, so many of them still are."""
    for i in range(STEPS):
        person = 1000 * key + i
        world["usage_person"].append({"person": person, "contact": None, "account": key})
        days = (40, 3) if i < active else (40,)
        world["usage"] += [(TODAY - ago, person, None, "open", 5) for ago in days]


def bill(key: int, overdue: int) -> dict[str, Any]:
    values = {"status": "open", "amount_due": 1, "due_date": TODAY - overdue, "paid_at": None, "failed_attempts": 0}
    return {"account": key, "created_at": NOW - 40 * 86400, **values}


IMPROVEMENTS: dict[str, Callable[[World, int, int], None]] = {
    "login": lambda world, key, step: world["contact"][key - 1].update(last_login_at=NOW - (60 - 5 * step) * 86400),
    "active users": people,
    "usage": lambda world, key, step: world["usage"].extend(used(key, range(1, 28), count=1 + step)),
    "tickets": lambda world, key, step: world["ticket"].extend(ticket(key, ago) for ago in range(STEPS - step)),
    "nps": lambda world, key, step: world["survey"].append(answer(key, "nps", max(step - 1, 0), 10, None)),
    "csat": lambda world, key, step: world["survey"].extend(
        answer(key, "csat", 1, 1, int(i < step)) for i in range(STEPS)
    ),
    "payment": lambda world, key, step: world["invoice"].append(bill(key, 36 - 3 * step)),
}


@pytest.mark.parametrize("fact", IMPROVEMENTS)
def test_a_better_fact_never_lowers_the_score(card: Scorecard, tmp_path: Path, fact: str) -> None:
    """Twelve accounts in a row, each like the one before but for one better fact."""
    world = world_of(STEPS)
    for key in range(1, STEPS + 1):
        world["usage"] += used(key, range(62, 80)) if fact == "login" else used(key, range(28, 57))
        IMPROVEMENTS[fact](world, key, key - 1)
    rows = by_key(card, world, tmp_path)
    points = [rows[key].points for key in range(1, STEPS + 1)]
    assert points == sorted(points)
    assert points[0] < points[-1]


def test_a_missing_signal_is_neither_worst_nor_best(card: Scorecard, tmp_path: Path) -> None:
    world = world_of(3)
    for key in range(1, 4):
        world["usage"] += used(key, range(1, 57))
    world["survey"] = [answer(1, "nps", 0, 10, 0), answer(3, "nps", 10, 10, 1)]
    rows = by_key(card, world, tmp_path)
    low, missing, high = (rows[key].points for key in (1, 2, 3))
    assert low < missing < high
    assert rows[2].coverage < rows[1].coverage
    assert next(s for s in rows[2].signals if s.name == "satisfaction").points is None


def test_less_known_means_nearer_to_neutral(card: Scorecard, tmp_path: Path) -> None:
    """The same facts, with one source after the other growing stale."""
    points, coverages = [], []
    for hours in (1, 48, 72, 96, 120):
        world = world_of(1)
        world["feed"] = feeds(*KINDS, as_of=NOW - hours * 3600)
        late = TODAY - (NOW - hours * 3600) // 86400
        world["usage"] += used(1, range(late + 5, late + 80))
        row = by_key(card, world, tmp_path / str(hours))[1]
        points.append(row.points)
        coverages.append(row.coverage)
    assert all(a > b for a, b in pairwise(coverages))
    assert points[-1] == 300
    assert all(abs(b - 300) <= abs(a - 300) for a, b in pairwise(points))


def test_a_source_that_stopped_makes_nobody_worse(card: Scorecard, tmp_path: Path) -> None:
    """Two days without delivery: the facts are two days old, not two days quieter."""
    fresh, stale = world_of(1), world_of(1)
    fresh["usage"] += used(1, range(58))
    stale["usage"] += used(1, range(2, 60))
    stale["feed"] = feeds("usage", as_of=NOW - 2 * 86400) + feeds(*(kind for kind in KINDS if kind != "usage"))
    now, then = by_key(card, fresh, tmp_path / "a")[1], by_key(card, stale, tmp_path / "b")[1]
    assert now.features == then.features
    assert then.coverage < now.coverage


def test_what_the_tenant_has_no_source_for_is_not_part_of_the_card(card: Scorecard, tmp_path: Path) -> None:
    with_billing, without = world_of(1), world_of(1)
    for world in (with_billing, without):
        world["usage"] += used(1, range(60))
        world["survey"] = [answer(1, "csat", 5, 5, 1)]
    without["feed"] = [feed for feed in without["feed"] if feed["record"] != "invoice"]
    there, absent = by_key(card, with_billing, tmp_path / "a")[1], by_key(card, without, tmp_path / "b")[1]
    assert {s.name: s.weight for s in there.signals}["payment"] == 15
    assert {s.name: s.weight for s in absent.signals}["payment"] == 0
    assert (there.coverage, absent.coverage) == (86, 100)


def test_no_source_at_all_is_unknown(card: Scorecard, tmp_path: Path) -> None:
    world = world_of(1)
    world["feed"] = []
    row = by_key(card, world, tmp_path)[1]
    assert (row.score, row.health, row.band, row.coverage) == (None, None, "unknown", 0)
    assert row.reason == "unknown: 0 % of the data is there and fresh"


def test_an_unknown_says_what_is_missing(card: Scorecard, tmp_path: Path) -> None:
    world = world_of(1)
    world["usage_person"], world["usage_group"], world["usage"] = [], [], []
    row = by_key(card, world, tmp_path)[1]
    assert row.reason == (
        "unknown: 13 % of the data is there and fresh; missing login, active users, usage, satisfaction, payment"
    )


def test_nothing_after_the_instant_counts(card: Scorecard, tmp_path: Path) -> None:
    """A score as of an earlier instant sees what was known then."""
    world = world_of(1)
    world["usage"] += used(1, range(60))
    world["ticket"] = [ticket(1, 1), ticket(1, 40)]
    inputs = store(world, tmp_path / "now", now=NOW - 30 * 86400)
    row = next(iter(score(card, inputs, levels=("account",))))
    assert row.features["open_tickets"] == 1
    assert row.features["days_since_login"] == 0
    assert row.features["active_days_28d"] == 28


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_bounds_hold_whatever_the_data(card: Scorecard, tmp_path: Path, seed: int) -> None:
    rows = list(score(card, store(random_world(seed), tmp_path)))
    for row in rows:
        assert 100 <= row.points <= 500
        assert 0 <= row.coverage <= 100
        assert row.score is None or 0 <= row.score <= 100
        assert row.health is None or 1 <= row.health <= 5
        assert 1 <= len(row.reason) <= 255
        assert (row.band == "unknown") == (row.score is None) == (row.coverage < 50)
        assert all(s.points is None or 100 <= s.points <= 500 for s in row.signals)
        assert row.segments == tuple(sorted(row.segments))
        assert all(value is None or isinstance(value, int | str) for value in row.features.values())


def test_an_agency_counts_for_the_account_it_works_in(card: Scorecard, tmp_path: Path) -> None:
    """The group of the event decides, not the home of the person."""
    world = world_of(2)
    world["usage"] += [(TODAY - 3, 1, 2, "open", 1)]
    rows = by_key(card, world, tmp_path)
    assert rows[2].features["days_since_login"] == 3
    assert rows[1].features["days_since_login"] != 3


def test_one_person_in_two_sources_is_one_person(wide_card: Scorecard, tmp_path: Path) -> None:
    world = world_of(1)
    world["usage_person"] += [{"person": 50, "contact": 1, "account": 1}]
    world["usage"] += [(TODAY - 3, 1, 1, "open", 1), (TODAY - 4, 50, 1, "open", 1)]
    assert by_key(wide_card, world, tmp_path)[1].features["active_users_28d"] == 1
