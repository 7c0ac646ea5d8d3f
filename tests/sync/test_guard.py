"""Wall two: which plans wait for a person, in numbers, and how a hold ends."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench_guard import false_alarms
from cli.settings import Guard
from scoring.card import Scorecard
from scoring.inputs import Band, ScoreRow
from scoring.playbooks import BandState
from sync.guard import (
    Before,
    LastRun,
    Limits,
    Standing,
    Verdict,
    judge,
    most,
    remember,
    standing,
    worsened,
    written_before,
)
from sync.owned import owned_fields
from sync.plan import FieldChange, Plan, RecordChange, TaskChange
from sync.store import Store
from tests.scoring.worlds import random_world
from tests.scoring.worlds import store as scoring_store

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
LIMITS = Limits()


def row(number: int, band: Band = "green", score: int | None = 80) -> ScoreRow:
    return ScoreRow("account", number, f"A{number}", "Acme", "7", score, 4, 400, 100, band, (), "so", (), {})


def before(count: int, band: str = "green", score: int = 80) -> dict[str, Before]:
    return {f"A{number}": Before(band, score) for number in range(count)}


def plan(**more: Any) -> Plan:
    return Plan(NOW, "hubspot:1", "settings-1", **more)


def task(number: int, owner: str | None = "7") -> TaskChange:
    return TaskChange(f"k{number}", f"A{number}", "Acme", "rescue", "Call", "…", NOW, "high", owner, "Ann", "red")


def held(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    return {verdict.check: verdict for verdict in verdicts if verdict.held}


@pytest.mark.parametrize(
    ("total", "changed", "holds"), [(30, 10, False), (30, 11, True), (400, 20, False), (400, 21, True), (5, 5, False)]
)
def test_band_changes_pass_up_to_ten_or_five_per_cent(total: int, changed: int, *, holds: bool) -> None:
    rows = [row(n, "yellow" if n < changed else "red", 80) for n in range(total)]
    verdicts = held(judge(plan(), before(total, "red"), rows, LIMITS))  # to the better: only their number counts
    assert ("band_changes" in verdicts) is holds
    if holds:
        verdict = verdicts["band_changes"]
        assert (verdict.measured, verdict.allowed) == (changed, max(10, total // 20))
        assert f"{changed} of {total} accounts change their band" in verdict.text
        assert f"{changed} red to yellow" in verdict.text


def test_worse_bands_have_the_narrower_limit() -> None:
    rows = [row(n, "red" if n < 18 else "green", 80) for n in range(400)]
    found = held(judge(plan(), before(400), rows, LIMITS))
    assert found.keys() == {"worse"}
    assert found["worse"].text == "18 of 400 accounts get a worse band (4 %); 16 may."
    assert not held(judge(plan(), before(400), rows, replace(LIMITS, worse_share=0.05)))


def test_unknown_is_neither_worse_nor_better_but_a_change() -> None:
    rows = [row(n, "unknown", None) for n in range(30)]
    assert worsened(rows, before(30)) == set()
    assert held(judge(plan(), before(30), rows, LIMITS)).keys() == {"band_changes"}


def test_accounts_never_written_are_no_change() -> None:
    rows = [row(n, "red", 10) for n in range(100)]
    assert not held(judge(plan(), {}, rows, LIMITS))
    assert not held(judge(plan(), {f"A{n}": Before(None, None) for n in range(100)}, rows, LIMITS))


def test_scores_that_move_far_and_scores_that_move_together() -> None:
    rows = [row(n, score=90 if n < 21 else 80) for n in range(100)]
    assert held(judge(plan(), before(100), rows, LIMITS)).keys() == {"moved"}
    rows = [row(n, score=75) for n in range(100)]
    found = held(judge(plan(), before(100), rows, LIMITS))
    assert found.keys() == {"mean"}
    assert found["mean"].text == "The mean of 100 scores moves by -5.0 points; 4 may it be."
    assert not held(judge(plan(), before(10), rows[:10], LIMITS))  # too few for a mean


def test_tasks_in_all_and_for_one_person() -> None:
    texts = [verdict.text for verdict in judge(plan(tasks=(task(1),)), {}, [], LIMITS)]
    assert texts[-2:] == ["1 new task; 25 may there be.", "1 new task for Ann; 5 may one person get at once."]
    many = tuple(task(n, str(n)) for n in range(26))
    assert held(judge(plan(tasks=many), {}, [], LIMITS)).keys() == {"new_tasks"}
    assert not held(judge(plan(tasks=many[:25]), {}, [], LIMITS))
    found = held(judge(plan(tasks=tuple(task(n) for n in range(6))), {}, [], LIMITS))
    assert found["tasks_per_owner"].text == "6 new tasks for Ann; 5 may one person get at once."
    assert not held(judge(plan(tasks=tuple(task(n, None) for n in range(6))), {}, [], LIMITS))


def test_thousands_of_accounts_may_have_more_tasks() -> None:
    many = tuple(task(n, str(n)) for n in range(51))
    assert not held(judge(plan(tasks=many[:50]), before(5000), [], LIMITS))
    assert held(judge(plan(tasks=many), before(5000), [], LIMITS))["new_tasks"].allowed == 50


def test_several_runs_an_hour_have_the_limits_of_one() -> None:
    green = before(100)
    was = green | dict.fromkeys(list(green)[:8], Before("red", 30))  # written a quarter of an hour ago
    rows = [row(n, "red", 30) for n in range(11)]
    last = LastRun({"confirmed": 8}, earlier={name: green[name] for name in list(green)[:8]}, tasks={"7": 4, None: 20})
    assert not held(judge(plan(), was, rows, LIMITS))
    found = held(judge(plan(tasks=(task(50), task(51))), was, rows, LIMITS, last))
    assert found["band_changes"].measured == 11
    assert found["tasks_per_owner"].text.startswith("6 new tasks for Ann (4 of them earlier in this hour); ")
    assert found["new_tasks"].measured == 26
    assert not held(judge(plan(), was, rows[:8], LIMITS, last))


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        (80, None, "emptied"),
        (("new",), ("dormant",), "field"),
        (("new",), None, "field"),
        (None, 3, ""),
        (None, ("new",), ""),
        (80, 81, ""),
    ],
)
def test_fields_that_are_emptied_and_choices_that_change(old: Any, new: Any, check: str) -> None:
    change = FieldChange("holdfast_x", old, new)
    records = tuple(RecordChange("account", f"A{n}", "Acme", (change,), "so") for n in range(41))
    found = held(judge(plan(records=records), before(200), [], LIMITS))
    assert set(found) == ({check} if check else set())
    if check:
        assert "holdfast_x" in found[check].text
        assert "41 of 200 accounts" in found[check].text


def test_a_crm_that_refused_much_is_not_written_to_again_unseen() -> None:
    last = LastRun({"confirmed": 90, "rejected": 10})
    found = held(judge(plan(), {}, [], LIMITS, last))
    assert found["rejects"].text == "The CRM refused 10 of the 100 changes of the last run that wrote; 5 may it be."
    assert not held(judge(plan(), {}, [], LIMITS, LastRun({"confirmed": 95, "rejected": 5})))
    assert not held(judge(plan(), {}, [], LIMITS, LastRun()))


def test_changed_settings_are_named_as_the_likely_cause() -> None:
    rows = [row(n, "red") for n in range(30)]
    told = "The settings have changed since we last wrote."
    changed = judge(plan(), before(30), rows, LIMITS, LastRun({}, "settings-0"))
    assert all((told in verdict.text) is verdict.held for verdict in changed)
    assert not any(told in v.text for v in judge(plan(), before(30), rows, LIMITS, LastRun({}, "settings-1")))


def test_no_guard_and_a_first_fill_hold_nothing() -> None:
    rows = [row(n, "red") for n in range(30)]
    assert judge(plan(), before(30), rows, replace(LIMITS, enabled=False)) == []
    assert judge(plan(), before(30), rows, LIMITS, baseline=True) == []


def test_the_config_says_the_same_limits() -> None:
    given = Guard()
    assert Limits(**{field.name: getattr(given, field.name) for field in fields(Limits)}) == Limits()


def test_most_counts_whole_accounts() -> None:
    assert most(10, 0.05, 199) == 10
    assert most(10, 0.05, 240) == 12
    assert most(0, 0.29, 100) == 29  # 0.29 * 100 is a little less in binary


# -- a hold that stands -------------------------------------------------------------------------------------------


def test_a_hold_never_lets_its_accounts_through_one_by_one(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    old = before(300)
    rows = [row(n, "red" if n < 60 else "green") for n in range(300)]
    assert held(judge(plan(), old, rows, LIMITS, stands=standing(store))).keys() == {"band_changes", "worse"}
    stands = remember(store, held=True, worse=worsened(rows, old), now=NOW)
    assert stands == standing(store) == Standing(NOW, 1, frozenset(f"A{n}" for n in range(60)))

    # An hour later 59 of them have recovered, and another has become red by itself: one of the 60 is left.
    rows = [row(n, "red" if n in (5, 200) else "green") for n in range(300)]
    found = held(judge(plan(), old, rows, LIMITS, stands=standing(store)))
    assert found.keys() == {"standing"}
    assert found["standing"].text.startswith("1 of the 60 accounts that were held back since 2026-11-02 09:00 UTC")
    stands = remember(store, held=True, worse=worsened(rows, old), now=NOW + timedelta(hours=1))
    assert stands is not None
    assert (stands.since, stands.plans) == (NOW, 2)

    # Two hours later it has recovered too. The other, which was not part of the mass, waited with it.
    rows = [row(n, "red" if n == 200 else "green") for n in range(300)]
    assert "standing" in held(judge(plan(), old, rows, LIMITS, stands=standing(store)))
    rows = [row(n) for n in range(300)]
    assert not held(judge(plan(), old, rows, LIMITS, stands=standing(store)))
    assert remember(store, held=False, worse=(), now=NOW + timedelta(hours=3)) is None
    assert standing(store) is None
    assert remember(store, held=False, worse=(), now=NOW) is None
    store.close()


def test_what_was_approved_and_written_is_no_change_any_more(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    rows = [row(n, "red") for n in range(60)]
    remember(store, held=True, worse=worsened(rows, before(60)), now=NOW)
    assert not held(judge(plan(), before(60, "red"), rows, LIMITS, stands=standing(store)))
    store.close()


def test_before_is_what_was_written_and_else_the_remembered_band() -> None:
    everything = owned_fields(["new"], {})
    written: dict[tuple[str, str], dict[str, Any]] = {
        ("account", "1"): {"holdfast_health_band": "red", "holdfast_health_score": 12.0},
        ("account", "2"): {"holdfast_health_score": None},
        ("account", "3"): {},
        ("contact", "4"): {"holdfast_engagement": 3},
    }
    states = {"2": BandState("yellow", NOW, {})}
    found = written_before(written, states, everything)
    assert found == {"1": Before("red", 12), "2": Before("yellow", None), "3": Before(None, None)}
    without = owned_fields(["new"], {"account.health_band": "", "account.health_score": ""})
    assert written_before(written, states, without)["2"] == Before("yellow", None)


def test_ordinary_years_hold_nothing() -> None:
    """The short form of `python -m benchmarks guard`."""
    assert sum(false_alarms(accounts, seed)["days"] for accounts in (50, 200) for seed in (1, 2)) == 0


# -- bad settings -------------------------------------------------------------------------------------------------


def _swapped(text: str) -> str:
    """The weights in reverse order: what matters least now matters most."""
    parts = text.split("[contact.signals")
    lines = parts[0].split("\n")
    places = [n for n, line in enumerate(lines) if line.startswith("weight = ")]
    weights = sorted((lines[n] for n in places), key=lambda line: int(line.split()[-1]))
    by_size = sorted(places, key=lambda n: -int(lines[n].split()[-1]))
    for place, weight in zip(by_size, weights, strict=True):
        lines[place] = weight
    return "[contact.signals".join(["\n".join(lines), *parts[1:]])


def test_swapped_weights_and_moved_band_edges_are_held(tmp_path: Path) -> None:
    from importlib import resources

    from scoring.engine import score

    text = resources.files("scoring").joinpath("default.toml").read_text("utf-8")
    world = random_world(3, accounts=300, people=600, usage=8_000, fed=True)
    given = scoring_store(world, tmp_path / "state")
    first = [row for row in score(Scorecard.load(), given) if row.level == "account"]
    old = {row.crm_id: Before(row.band, row.score) for row in first}
    assert not held(judge(plan(), old, first, LIMITS))
    for changed in (_swapped(text), text.replace("red_below = 40", "red_below = 60")):
        assert changed != text
        card = tmp_path / "card.toml"
        card.write_text(changed, encoding="utf-8")
        found = held(judge(plan(), old, list(score(Scorecard.load(card), given)), LIMITS, LastRun({}, "settings-0")))
        assert {"band_changes", "worse", "moved", "mean"} & found.keys()
        assert all("settings have changed" in verdict.text for verdict in found.values())
