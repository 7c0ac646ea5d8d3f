"""Levels of people, roll-ups of parents, and scores handed down to people."""

import random

import pytest
from pydantic import ValidationError

from scoring.card import Scorecard
from scoring.hierarchy import Hierarchy, Node, RolledUp, Share, _percent, by_role, roll_down, roll_up, with_scores
from scoring.inputs import FROZEN, Band, ScoreRow


def row(key: int, score: int | None, *, role: str | None = None, held: str = "") -> ScoreRow:
    """An account, or a contact when a role is given ("" for one that is not known)."""
    band: Band = "unknown" if score is None else "red" if score < 40 else "green" if score >= 70 else "yellow"
    level, features = ("account", {}) if role is None else ("contact", {"role": role or None})
    return ScoreRow(
        level,  # type: ignore[arg-type]  # one of both, see above
        key,
        f"{level[0].upper()}{key}",
        None,
        None,
        score,
        None,
        300,
        100,
        band,
        (),
        "",
        (),
        features,
        held=held,
    )


def rolled(card: Scorecard, rows: list[ScoreRow], nodes: list[Node], share: Share = "children") -> RolledUp:
    return roll_up(rows, nodes, lambda _: card, share)


def chain(*parents: int | None) -> list[Node]:
    """Accounts from 1 on with their parents."""
    return [Node(key, parent) for key, parent in enumerate(parents, 1)]


@pytest.mark.requirement("R71")
def test_a_silent_sponsor_does_not_hide_behind_keen_users() -> None:
    people = [row(i, 90, role="user") for i in range(1, 6)]
    views = by_role([*people, row(7, 10, role="executive_sponsor"), row(8, None, role="user"), row(9, None, role="")])
    assert [(v.role, v.people, v.scored, v.lowest, v.mean) for v in views] == [
        ("executive_sponsor", 1, 1, 10, 10),
        ("user", 6, 5, 90, 90),
        ("", 1, 0, None, None),
    ]
    assert [view.line for view in views] == [
        "executive sponsor: 1, lowest 10, mean 10",
        "user: 6, 5 with engagement, lowest 90, mean 90",
        "role not known: 1, engagement not known",
    ]


@pytest.mark.requirement("R71")
def test_a_parent_by_share_of_children(card: Scorecard) -> None:
    rows = [row(1, 100), row(2, 20), row(3, 75), row(4, 74)]
    found = rolled(card, rows, chain(None, 1, 1, 1)).parents
    assert list(found) == [1]
    assert (found[1].score, found[1].band, found[1].accounts) == (56, "yellow", 3)
    assert found[1].line == "Roll-up of 3 accounts below: 56 (yellow); 67 % green, 33 % red by number of accounts."
    assert rows[0].score == 100


@pytest.mark.requirement("R71")
def test_a_parent_by_contract_value(card: Scorecard) -> None:
    nodes = [Node(1, None), Node(2, 1, 900, "EUR"), Node(3, 1, 100, "EUR"), Node(4, 1)]
    rows = [row(1, 50), row(2, 20), row(3, 100), row(4, 100)]
    found = rolled(card, rows, nodes, "value").parents[1]
    assert (found.score, found.band, found.unvalued) == (28, "red", 1)
    assert found.line.endswith("by contract value; left out: 1 without a contract value.")
    mixed = [*nodes[:2], Node(3, 1, 100, "USD"), Node(4, 1)]
    other = rolled(card, rows, mixed, "value").parents[1]
    assert (other.score, other.share, other.unvalued) == (73, "children", 0)
    assert "several currencies, hence each counts the same" in other.line
    assert "no contract value" in rolled(card, rows, chain(None, 1, 1, 1), "value").parents[1].line


@pytest.mark.requirement("R71")
def test_unknown_children_are_left_out_and_said(card: Scorecard) -> None:
    rows = [row(1, 50), row(2, 80), row(3, None), row(4, 10, held=f"{FROZEN} 2026-01-01")]
    found = rolled(card, rows, chain(None, 1, 1, 1)).parents[1]
    assert (found.score, found.accounts, found.unknown) == (80, 2, 1)
    assert "left out: 1 without a score" in found.line
    few = rolled(card, [row(1, 50), row(2, 80), row(3, None), row(4, None)], chain(None, 1, 1, 1)).parents[1]
    assert (few.score, few.band) == (None, "unknown")
    assert "not known" in few.line


@pytest.mark.requirement("R71")
def test_every_account_below_counts_once_at_any_depth(card: Scorecard) -> None:
    # 1 above 2 above 3 and 4; 2 has a score of its own, and 5 stands in between without one.
    rows = [row(1, 0), row(2, 30), row(3, 60), row(4, 90), row(6, 100)]
    found = rolled(card, rows, chain(None, 1, 2, 2, 1, 5)).parents
    assert {key: (rollup.score, rollup.accounts) for key, rollup in found.items()} == {1: (70, 4), 2: (75, 2)}
    deep = rolled(card, [row(key, 50) for key in range(1, 20_001)], chain(None, *range(1, 20_000))).parents
    assert deep[1].accounts == 19_999


@pytest.mark.requirement("R71")
def test_circles_and_missing_parents_stand_alone(card: Scorecard) -> None:
    # 1 and 2 are each other's parents, 3 hangs below them, 4 is its own, the parent of 5 is not there.
    rows = [row(key, 50) for key in range(1, 6)]
    found = rolled(card, rows, chain(2, 1, 2, 4, 99))
    assert (found.circular, found.missing) == ((1, 2, 4), (5,))
    assert {key: rollup.accounts for key, rollup in found.parents.items()} == {2: 1}


@pytest.mark.requirement("R71")
@pytest.mark.parametrize("seed", range(20))
def test_roll_ups_agree_with_a_walk_over_all_ancestors(card: Scorecard, seed: int) -> None:
    dice = random.Random(seed)
    rows = [row(key, dice.choice([None, dice.randint(0, 100)])) for key in range(1, 41)]
    parents = [dice.choice([None, dice.randint(1, key)]) if key > 1 else None for key in range(1, 41)]
    nodes = [Node(key, parent if parent != key else None) for key, parent in enumerate(parents, 1)]
    below: dict[int, list[int | None]] = {}
    for node in nodes:
        above = node.parent
        while above is not None:
            below.setdefault(above, []).append(rows[node.key - 1].score)
            above = nodes[above - 1].parent
    wanted = {}
    for key, scores in below.items():
        known = [score for score in scores if score is not None]
        enough = 100 * len(known) >= card.bands.min_coverage * len(scores)
        wanted[key] = (2 * sum(known) + len(known)) // (2 * len(known)) if known and enough else None
    dice.shuffle(nodes)
    assert {key: rollup.score for key, rollup in rolled(card, rows, nodes).parents.items()} == wanted


@pytest.mark.requirement("R71")
def test_scores_go_down_to_the_most_senior_and_most_active() -> None:
    settings = Hierarchy(roll_down=("economic_buyer", "executive_sponsor"), roll_down_cap=3)
    people = [
        row(1, 99, role="user"),
        row(2, 10, role="economic_buyer"),
        row(3, 80, role="economic_buyer"),
        row(4, None, role="economic_buyer"),
        row(5, 0, role="executive_sponsor"),
        row(6, 5, role="executive_sponsor"),
        row(7, 5, role="executive_sponsor"),
        row(8, 5, role="executive_sponsor"),
    ]
    homes = dict.fromkeys(range(1, 7), 1) | {7: 2, 8: 3}
    accounts = [row(1, 42), row(2, None), row(3, 7, held=f"{FROZEN} 2026-01-01")]
    assert roll_down(accounts, people, homes, settings) == {6: 42, 5: 42, 3: 42}
    assert roll_down(accounts, people, homes, Hierarchy()) == {}


@pytest.mark.requirement("R71")
def test_rows_keep_their_own_score(card: Scorecard) -> None:
    rows = [row(1, 100), row(2, 20), row(1, 5, role="user")]
    up = rolled(card, rows, chain(None, 1)).parents
    parent, child, person = with_scores(rows, up, {1: 100}, {1: 2})
    assert (parent.score, parent.features) == (100, {"rollup_score": 20, "rollup_band": "red"})
    assert child is rows[1]
    assert (person.score, person.features["account_score"]) == (5, 100)
    assert person.features["account_reason"] == f"from the account {child.name or child.crm_id}, {child.reason}"


@pytest.mark.requirement("R71")
def test_nothing_is_written_unless_asked() -> None:
    assert Hierarchy().fields == ()
    assert Hierarchy(write=True).fields == ("account.rollup_score", "account.rollup_band")
    assert Hierarchy(roll_down=("user",)).fields == ("contact.account_score",)
    with pytest.raises(ValidationError, match="economic_buyer"):
        Hierarchy.model_validate({"roll_down": ["boss"]})


@pytest.mark.parametrize("amounts", [(1, 1, 1), (94, 6, 900), (177_250, 11_200, 1), (0, 7, 0), (5, 0, 3)])
def test_shares_add_up(amounts: tuple[int, ...]) -> None:
    names: tuple[Band, ...] = ("green", "yellow", "red")
    shares = _percent(dict(zip(names, amounts, strict=True)))
    assert sum(shares.values()) == 100
    assert all(
        abs(shares[name] * sum(amounts) - 100 * of) < sum(amounts) for name, of in zip(names, amounts, strict=True)
    )
