"""Who moved between segments, stages and bands, read out of the history of the scores."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from scoring.inputs import Band
from scoring.settle import freeze
from sync import transitions
from sync.store import Store
from sync.transitions import Move, drops, flows, matrix, moves, sizes, standing, versions
from tests.scoring.rows import score_row
from tests.sync.states import NOW

DAY = timedelta(days=1)


def at(days: float) -> datetime:
    return NOW + days * DAY


def row(key: int, stage: str | None, band: Band = "green", *segments: str, **more: Any) -> Any:
    layers = {"stage": stage, "rfm": "loyal"}
    named = {"key": key, "name": f"No {key}", "segments": segments, "features": layers}
    return score_row(f"A{key}", band, **named, **more)


@pytest.fixture
def lived(store: Store) -> Store:
    """Three weeks in the life of five accounts."""
    first = [row(1, "first_time"), row(2, "repeat", "green", "power"), row(3, "renewal"), row(4, None, "unknown")]
    store.save_scores(1, first, at(0))
    later = [row(1, "at_risk", "red", "at_risk"), row(2, "repeat", "green"), row(3, "renewal"), row(4, None, "unknown")]
    store.save_scores(2, later, at(7))
    # The third is gone from the CRM, the second is frozen, a fifth begins.
    frozen = freeze(row(2, "repeat", "green"), at(14))
    last = [row(1, "at_risk", "yellow", "dormant", "at_risk"), frozen, row(4, None, "unknown"), row(5, "onboarding")]
    store.save_scores(3, last, at(14))
    return store


@pytest.mark.requirement("R38")
def test_every_move_has_from_to_and_time(lived: Store) -> None:
    found = moves(versions(lived), at(0))
    assert found[0] == Move(at(7), "A1", "No 1", "segments", (), ("at_risk",))
    told = {(move.crm_id, move.what): [] for move in found}  # type: ignore[var-annotated]
    for move in found:
        told[move.crm_id, move.what].append(((move.at - NOW).days, *move.before, "->", *move.after))
    assert told == {
        ("A1", "segments"): [(7, "->", "at_risk"), (14, "at_risk", "->", "at_risk", "dormant")],
        ("A1", "stage"): [(7, "first_time", "->", "at_risk")],
        ("A1", "band"): [(7, "green", "->", "red"), (14, "red", "->", "yellow")],
        ("A2", "segments"): [(7, "power", "->"), (14, "->", "churned")],
        ("A2", "stage"): [(14, "repeat", "->", "churned")],
        ("A2", "rfm"): [(14, "loyal", "->", "churned")],
        ("A2", "band"): [(14, "green", "->", "churned")],
        ("A3", "segments"): [(14, "->", "churned")],
        ("A3", "stage"): [(14, "renewal", "->", "churned")],
        ("A3", "rfm"): [(14, "loyal", "->", "churned")],
        ("A3", "band"): [(14, "green", "->", "churned")],
        ("A5", "segments"): [(14, "not scored", "->")],
        ("A5", "stage"): [(14, "not scored", "->", "onboarding")],
        ("A5", "rfm"): [(14, "not scored", "->", "loyal")],
        ("A5", "band"): [(14, "not scored", "->", "green")],
    }
    assert found == sorted(found, key=lambda move: move.at)


@pytest.mark.requirement("R38")
def test_only_what_came_after_the_instant_is_told(lived: Store) -> None:
    assert moves(versions(lived, at(14)), at(14)) == []
    late = moves(versions(lived, at(7)), at(7))
    assert {move.at for move in late} == {at(14)}
    assert late == [move for move in moves(versions(lived), at(0)) if move.at > at(7)]


@pytest.mark.requirement("R38")
def test_a_run_that_changes_nothing_is_no_move(lived: Store) -> None:
    before = moves(versions(lived), at(-1))
    same = [
        row(1, "at_risk", "yellow", "at_risk", "dormant", points=280),
        row(4, None, "unknown"),
        row(5, "onboarding"),
    ]
    frozen = freeze(row(2, "repeat", "green"), at(14))
    lived.save_scores(4, [*same, frozen], at(15))
    assert moves(versions(lived), at(-1)) == before


def test_who_comes_back_comes_from_outside(lived: Store) -> None:
    old = [row(1, "at_risk", "yellow", "at_risk", "dormant"), row(4, None, "unknown"), row(5, "onboarding")]
    lived.save_scores(4, [*old, row(2, "repeat"), row(3, "first_time")], at(20))
    back = [(m.crm_id, *m.before, *m.after) for m in moves(versions(lived), at(14)) if m.what == "stage"]
    assert back == [("A2", "churned", "repeat"), ("A3", "not scored", "first_time")]


@pytest.mark.requirement("R109")
def test_the_matrix_counts_who_went_where_and_who_left(lived: Store) -> None:
    history = versions(lived)
    assert matrix(history, "stage", at(0), at(14)) == {
        ("first_time", "at_risk"): 1, ("repeat", "churned"): 1, ("renewal", "churned"): 1, ("unknown", "unknown"): 1,
        ("not scored", "onboarding"): 1,
    }  # fmt: skip
    assert matrix(history, "band", at(0), at(7)) == {
        ("green", "red"): 1, ("green", "green"): 2, ("unknown", "unknown"): 1,
    }  # fmt: skip
    # Before the first run nobody was scored; whoever has left already is in no row.
    assert set(matrix(history, "stage", at(-1), at(0))) == {
        ("not scored", stage) for stage in ("first_time", "repeat", "renewal", "unknown")
    }
    assert ("churned", "churned") not in matrix(history, "stage", at(15), at(16))


@pytest.mark.requirement("R109")
def test_every_account_is_in_one_field_of_the_matrix(lived: Store) -> None:
    history = versions(lived)
    for begin, end in ((0, 7), (0, 14), (7, 14), (7, 20)):
        found = matrix(history, "stage", at(begin), at(end))
        there = [one for one in standing(history, at(begin)).values() if not one.left]
        assert sum(number for (old, _), number in found.items() if old != "not scored") == len(there)


@pytest.mark.requirement("R47")
def test_by_stage_is_told_where_accounts_drop_off(lived: Store) -> None:
    found = {drop.stage: drop for drop in drops(matrix(versions(lived), "stage", at(0), at(14)))}
    assert set(found) == {"first_time", "repeat", "renewal", "unknown"}
    one = found["first_time"]
    assert (one.accounts, one.kept, one.moved, one.at_risk, one.churned) == (1, 0, 0, 1, 0)
    assert (found["renewal"].churned, found["unknown"].kept) == (1, 1)
    for drop in found.values():
        assert drop.accounts == drop.kept + drop.moved + drop.at_risk + drop.churned
    stayed = {drop.stage: drop for drop in drops(matrix(versions(lived), "stage", at(7), at(14)))}["at_risk"]
    assert (stayed.kept, stayed.at_risk) == (1, 0)


def test_sizes_and_flows_leave_out_who_has_left(lived: Store) -> None:
    history = versions(lived)
    assert sizes(history, "stage", at(14)) == {"at_risk": 1, "unknown": 1, "onboarding": 1}
    assert sizes(history, "band", at(0)) == {"green": 3, "unknown": 1}
    told = {flow.name: (flow.accounts, flow.entered, flow.left) for flow in flows(history, ["new"], at(0), at(14))}
    assert told == {"new": (0, 0, 0), "at_risk": (1, 1, 0), "dormant": (1, 1, 0), "power": (0, 0, 1)}
    assert transitions.month_before(at(30)) == at(0)


def test_stage_and_group_are_read_back(lived: Store) -> None:
    latest = {row.crm_id: row for row in lived.latest_scores("account")}
    assert latest["A5"].features == {"stage": "onboarding", "rfm": "loyal"}
    assert latest["A4"].features == {"rfm": "loyal"}
