"""Hard rules, and how many kinds of evidence red takes."""

from pathlib import Path
from typing import Any

import pytest

from scoring.card import Scorecard
from scoring.engine import score
from scoring.errors import CardError
from scoring.explain import customer_drivers
from scoring.inputs import ScoreRow
from tests.scoring.test_card import DEFAULT
from tests.scoring.test_score import answer, ticket, used, world_of
from tests.scoring.worlds import KINDS, NOW, World, feeds, store

SUPPORT_ONLY = "one kind of evidence, hence not red"


def scored(world: World, folder: Path, card: Scorecard) -> dict[int, ScoreRow]:
    return {row.key: row for row in score(card, store(world, folder), levels=["account"])}


def with_rule(**keys: Any) -> Scorecard:
    """The default card with one more rule, before those that it has."""
    values = {"when": "open_tickets >= 1", "band": "red", "reason": "{open_tickets}", "customer": "words", **keys}
    lines = [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in values.items()
    ]
    text = DEFAULT.read_text("utf-8")
    at = text.index("[account.rules.")
    return Scorecard.parse(f"{text[:at]}[account.rules.mine]\n" + "\n".join(lines) + f"\n\n{text[at:]}")


def thriving(accounts: int = 1, **values: Any) -> World:
    """Accounts of which everything known is good."""
    world = world_of(accounts, **values)
    for key in range(1, accounts + 1):
        world["usage"] += used(key, range(60), count=10)
        world["survey"] += [answer(key, "csat", 5, 5, 1)]
    return world


@pytest.mark.requirement("R129", "R103")
def test_large_with_open_tickets_falling_use_and_a_detractor_is_red_and_no_three_of_these_are(
    card: Scorecard, tmp_path: Path
) -> None:
    world = world_of(30)
    lacking = {1: "", 2: "large", 3: "tickets", 4: "drop", 5: "detractor", 6: "recent"}
    for row in world["account"]:
        row["mrr"] = 900_000 if row["account"] <= 6 and lacking[row["account"]] != "large" else 100 * row["account"]
    for key in range(1, 31):
        falls = key <= 6 and lacking[key] != "drop"
        world["usage"] += used(key, range(1, 29), count=6 if falls else 10) + used(key, range(29, 57), count=10)
        world["survey"] += [answer(key, "csat", 5, 5, 1)]
        if key <= 6:
            world["ticket"] += [ticket(key, ago) for ago in ((1,) if lacking[key] == "tickets" else (1, 2))]
            said = 9 if lacking[key] == "detractor" else 5
            world["survey"] += [answer(key, "nps", said, 10, None, ago=100 if lacking[key] == "recent" else 3)]
    rows = scored(world, tmp_path, card)
    assert {key: rows[key].rule for key in lacking} == {
        key: "large_and_unhappy" * (not lacking[key]) for key in lacking
    }
    assert rows[1].band == "red"
    assert rows[1].score is not None
    assert rows[1].score >= card.bands.red_below
    assert rows[1].reason.startswith(
        f"{rows[1].score}: large customer: 2 open tickets, usage down 40 %, would not recommend us; "
    )
    assert customer_drivers(card, rows[1]).startswith("several things that do not go as they should")
    assert card.answer(rows[1]).name == "rescue"
    assert all(rows[key].band != "red" for key in lacking if key > 1)


@pytest.mark.requirement("R128")
def test_daily_use_that_becomes_sporadic_is_marked_and_answered(card: Scorecard, tmp_path: Path) -> None:
    world = thriving(2)
    world["usage"] = [row for row in world["usage"] if row[1] != 1] + used(1, [2, 9, 20, 27]) + used(1, range(29, 57))
    rows = scored(world, tmp_path, card)
    assert (rows[1].rule, rows[1].band, rows[2].rule) == ("sporadic", "yellow", "")
    assert "use has become sporadic: 4 days of 28, 28 days before" in rows[1].reason
    assert card.answer(rows[1]).name == "check_in"


@pytest.mark.requirement("R125")
def test_high_use_with_falling_satisfaction_is_caught(card: Scorecard, tmp_path: Path) -> None:
    world = thriving(2)
    world["survey"] += [answer(1, "csat", 5, 5, 1, ago=120), answer(1, "csat", 5, 5, 1, ago=130)]
    world["survey"] += [answer(1, "csat", 1, 5, 0, ago=3)]
    rows = scored(world, tmp_path, card)
    assert (rows[1].rule, rows[1].band, rows[2].band) == ("busy_but_unhappy", "yellow", "green")
    assert card.answer(rows[1]).name == "workflow_review"
    # Somebody's own band stands above the rule: then the band's playbook answers.
    assert card.answer(rows[1]._replace(band="red")).name == "rescue"


@pytest.mark.requirement("R98")
def test_red_takes_two_kinds_of_evidence_or_a_rule(card: Scorecard, tmp_path: Path) -> None:
    world = world_of(2)
    world["usage"] += used(1, range(41, 85), count=10) + used(2, range(41, 85), count=10)
    world["ticket"] = [ticket(2, ago) for ago in (1, 2, 3)]
    rows = scored(world, tmp_path / "a", card)
    assert rows[1].score is not None
    assert rows[1].score < card.bands.red_below
    assert (rows[1].band, rows[1].rule, rows[2].band) == ("yellow", "", "red")
    assert rows[1].reason.startswith(f"{rows[1].score}: {SUPPORT_ONLY}; ")
    one = Scorecard.parse(DEFAULT.read_text("utf-8").replace("green_from = 70", "green_from = 70\nred_families = 1"))
    assert scored(world, tmp_path / "b", one)[1].band == "red"
    ruled = with_rule(when="days_since_login >= 30", reason="gone")
    row = scored(world, tmp_path / "c", ruled)[1]
    assert (row.band, row.rule) == ("red", "mine")
    assert row.reason.startswith(f"{row.score}: gone; ")


def test_a_rule_is_a_floor_and_never_makes_a_band_better(tmp_path: Path) -> None:
    world = thriving(2)
    world["ticket"] = [ticket(1, 1)]
    rows = scored(world, tmp_path / "a", with_rule(band="yellow"))
    assert [(rows[key].band, rows[key].rule) for key in (1, 2)] == [("yellow", "mine"), ("green", "")]
    bad = world_of(1)
    bad["usage"] += used(1, range(41, 85), count=10)
    bad["ticket"] = [ticket(1, ago) for ago in (1, 2, 3)]
    row = scored(bad, tmp_path / "b", with_rule(band="yellow"))[1]
    assert (row.band, row.rule) == ("red", "")


def test_without_a_score_and_on_old_facts_no_rule_holds(tmp_path: Path) -> None:
    card, world = with_rule(), thriving()
    world["ticket"] = [ticket(1, 1)]
    assert scored(world, tmp_path / "a", card)[1].rule == "mine"
    kinds = [row for row in world["feed"] if row["record"] != "ticket"]
    world["feed"] = kinds + feeds("ticket", as_of=NOW - 8 * 86400)
    world["ticket"] = [ticket(1, 9)]
    row = scored(world, tmp_path / "b", card)[1]
    assert row.features["open_tickets"] == 1
    assert (row.rule, row.band) == ("", "green")
    world["feed"] = feeds("ticket") + feeds(*(kind for kind in KINDS if kind != "ticket"), as_of=None)
    row = scored(world, tmp_path / "c", card)[1]
    assert (row.band, row.rule, row.score) == ("unknown", "", None)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"when": "open_ticket >= 1"}, "account.rules.mine.when: unknown feature 'open_ticket'; did you mean"),
        ({"when": "open_tickets"}, "account.rules.mine.when: 'open_tickets' is not a condition"),
        ({"band": "green"}, "account.rules.mine.band: Input should be 'red' or 'yellow'"),
        ({"reason": "{opened}"}, "account.rules.mine.reason: unknown feature 'opened'"),
        ({"reason": "{open_tickets"}, "account.rules.mine.reason: a brace without its partner"),
        ({"customer": "3 tickets"}, "account.rules.mine.customer: must be a class of behaviour in plain words"),
        ({"playbook": "rescu"}, "account.rules.mine.playbook: unknown playbook 'rescu'; did you mean 'rescue'?"),
        ({"bypas": True}, "account.rules.mine.bypas: unknown key; did you mean 'bypass'?"),
    ],
)
def test_a_rule_that_cannot_be_used_says_where_and_why(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(CardError) as raised:
        with_rule(**keys)
    assert said in str(raised.value)
