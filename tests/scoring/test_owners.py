"""Each red account is somebody's: the owner in the CRM, else a role, else the fallback owner; else it is said."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scoring.inputs import ScoreRow
from scoring.playbooks import Situation, Team, Work, accountable
from scoring.playbooks.owners import owner_by
from tests.scoring.player import START, Player, card_with
from tests.scoring.rows import score_row

pytestmark = pytest.mark.requirement("R74")

SUCCESS = Team(roles={"success": ("S1", "S2"), "manager": ("M1",)}, accountable="success")


def row(owner: str | None = "O1") -> ScoreRow:
    return score_row("A1", "red")._replace(owner_id=owner)


def situation(**values: Any) -> Situation:
    return Situation(**{"active_owners": frozenset({"O1", "S1", "S2", "M1", "F"}), "team": SUCCESS, **values})


@pytest.mark.parametrize(
    ("owner", "values", "who"),
    [
        ("O1", {"fallback_owner": "F"}, "O1"),
        ("gone", {"fallback_owner": "F"}, "S1"),
        (None, {"fallback_owner": "F"}, "S1"),
        (None, {"fallback_owner": "F", "active_owners": frozenset({"S2", "F"})}, "S2"),
        (None, {"fallback_owner": "F", "active_owners": frozenset({"F"})}, "F"),
        (None, {"fallback_owner": "F", "team": Team()}, "F"),
        (None, {"team": Team()}, None),
        ("gone", {"team": Team()}, None),
        (None, {"fallback_owner": "left", "team": Team()}, None),
        (None, {"fallback_owner": "F", "team": Team(), "active_owners": frozenset()}, "F"),
        ("any", {"active_owners": None, "team": Team()}, "any"),
    ],
)
def test_the_owner_answers_else_a_role_else_the_fallback(owner: str | None, values: dict[str, Any], who: str) -> None:
    assert accountable(row(owner), situation(**values)) == who


@pytest.mark.parametrize(
    ("rule", "owner", "fallback", "who"),
    [
        ("account_owner", None, "F", "S2"),  # the one with fewer open tasks
        ("role:manager", "O1", "F", "M1"),
        ("role:executive", "O1", "F", "F"),
        ("role:executive", "O1", None, "O1"),
        ("role:executive", None, None, "S2"),
        ("least_loaded:success", "O1", "F", "S2"),
        ("fallback", "O1", "F", "F"),
        ("fallback", "O1", None, "O1"),
        ("fallback", None, None, "S2"),
    ],
)
def test_every_rule_ends_at_somebody(rule: str, owner: str | None, fallback: str | None, who: str) -> None:
    assert owner_by(rule, row(owner), situation(fallback_owner=fallback), {"S1": 3}) == who


@given(
    rule=st.sampled_from(["account_owner", "fallback", "role:success", "role:nobody", "least_loaded:manager"]),
    owner=st.sampled_from([None, "O1", "gone"]),
    fallback=st.sampled_from([None, "F"]),
    active=st.sets(st.sampled_from(["O1", "S1", "S2", "M1", "F"])),
    named=st.sampled_from(["", "success"]),
)
def test_a_task_is_nobodys_only_where_nobody_can_be_found(
    rule: str, owner: str | None, fallback: str | None, active: set[str], named: str
) -> None:
    team = SUCCESS.model_copy(update={"accountable": named})
    at_hand = situation(fallback_owner=fallback, active_owners=frozenset(active), team=team)
    chosen, answers = owner_by(rule, row(owner), at_hand, {}), accountable(row(owner), at_hand)
    assert chosen is None or chosen in active | {"F"}
    if answers is not None:
        assert chosen is not None
    if fallback is None:
        assert answers is None or answers in active


def test_a_red_account_that_is_nobodys_is_named_until_somebody_has_its_task() -> None:
    card = card_with("")
    player = Player(card, situation(team=Team(), active_owners=frozenset({"O1"})))
    assert player.look(0, row()).nobodys == ()
    assert player.look(0, row(None)).nobodys == ("A1",)
    assert player.look(0, score_row("A1", "yellow")._replace(owner_id=None)).nobodys == ()
    work = {"k": Work("A1", "rescue", "O1", START, None)}
    player.situation = replace(player.situation, work=work)
    assert player.look(0, row(None)).nobodys == ()
    for other in (
        replace(work["k"], owner_id="gone"),
        replace(work["k"], state="done"),
        replace(work["k"], crm_id="B"),
    ):
        player.situation = replace(player.situation, work={"k": other})
        assert player.look(0, row(None)).nobodys == ("A1",)


def test_the_role_that_answers_has_people() -> None:
    with pytest.raises(ValidationError, match="which is nobody in"):
        Team(roles={"success": ("S1",)}, accountable="succes")
    assert Team(roles={"success": ("S1",)}, accountable="success").accountable == "success"
