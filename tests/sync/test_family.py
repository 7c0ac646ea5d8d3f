"""Parents, homes and roles out of the state, and the fields that the config switches on."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mapping.schema import ContactRole
from scoring.card import Scorecard
from scoring.cards import Cards
from scoring.engine import score
from scoring.hierarchy import Hierarchy, Node
from scoring.inputs import ScoreRow
from sync import frames
from sync.family import homes, tree, with_family
from sync.owned import OwnedFieldError, default_fields, on_demand_fields, owned_fields
from sync.run import Agent
from sync.store import Store
from tests.scoring.rows import score_row
from tests.sync.frame_tables import put, table
from tests.sync.states import NOW, account, contact

ON = ("account.rollup_score", "account.rollup_band", "contact.account_score")


@pytest.fixture
def group(store: Store) -> Store:
    """A holding H with two subsidiaries and a person at each of these; records of another source beside them."""
    put(store, account("H"), account("A", parent_id="H", mrr=100, currency="EUR"), account("B", parent_id="H"))
    put(store, contact("1", account_ref="A", title="CEO"), contact("2", account_ref="B"))
    put(store, account("org", source="desk", parent_id="up"), contact("u", source="desk", account_ref="org"))
    put(store, ContactRole(source="crm", source_id="r", contact_ref="2", account_ref="B", role="Economic Buyer"))
    return store


def keys(store: Store, kind: str) -> dict[str, int]:
    return dict(
        store.rows(f"SELECT source_id, key FROM {kind} WHERE source = (SELECT id FROM source WHERE name='crm')")
    )


def agent(store: Store, **settings: Any) -> Agent:
    crm, policy = SimpleNamespace(name="crm"), SimpleNamespace(hierarchy=Hierarchy(**settings))
    return cast("Agent", SimpleNamespace(store=store, crm=crm, policy=policy, card=Cards.of_card(Scorecard.load())))


@pytest.mark.requirement("R71")
def test_the_tree_is_that_of_the_crm(group: Store) -> None:
    key = keys(group, "account")
    assert sorted(tree(group, "crm")) == sorted(
        [Node(key["H"], None), Node(key["A"], key["H"], 100, "EUR"), Node(key["B"], key["H"])]
    )
    person = keys(group, "contact")
    assert homes(group, "crm") == {person["1"]: key["A"], person["2"]: key["B"]}


@pytest.mark.requirement("R71")
def test_parts_in_deals_reach_the_role(group: Store) -> None:
    assert table(group, "contact_role") == [{"contact": "2", "role": "Economic Buyer"}]
    given = frames.inputs(group, NOW, crm="crm")
    with group.released():
        rows = list(score(Scorecard.load(), given))
    said = {row.crm_id: row.features["role"] for row in rows if row.level == "contact"}
    assert said == {"1": "executive_sponsor", "2": "economic_buyer"}


@pytest.mark.requirement("R71")
def test_what_is_written_comes_out_of_the_rows(group: Store) -> None:
    key, person = keys(group, "account"), keys(group, "contact")
    rows: list[ScoreRow] = [
        score_row("H", "green", key=key["H"]),
        score_row("A", "red", key=key["A"]),
        score_row("B", "green", key=key["B"], score=70),
        score_row("1", "green", level="contact", key=person["1"], features={"role": "executive_sponsor"}),
        score_row("2", "green", level="contact", key=person["2"], features={"role": "economic_buyer"}),
    ]
    assert with_family(agent(group), rows) == rows
    done = with_family(agent(group, write=True, roll_down=("executive_sponsor",)), rows)
    fields = {field.logical: field for field in on_demand_fields()}
    assert tuple(fields) == ON
    says = {
        row.crm_id: {name: field.value(row, NOW) for name, field in fields.items() if field.spec.object == row.level}
        for row in done
    }
    assert says["H"] == {ON[0]: 45, ON[1]: "yellow"}
    assert says["A"] == {ON[0]: None, ON[1]: None}
    assert (says["1"], says["2"]) == ({ON[2]: 20}, {ON[2]: None})
    assert [row.score for row in done] == [row.score for row in rows]
    by_value = with_family(agent(group, write=True, rollup="value"), rows)
    assert by_value[0].features == {"rollup_score": 20, "rollup_band": "red"}


@pytest.mark.requirement("R71")
def test_the_fields_are_off_until_the_config_asks() -> None:
    assert [field.logical for field in owned_fields([], {})] == [field.logical for field in default_fields([])]
    more = owned_fields([], {ON[0]: "group_health"}, wanted=ON)
    assert [field.spec.name for field in more[-3:]] == [
        "group_health",
        "holdfast_rollup_band",
        "holdfast_account_score",
    ]
    assert len(owned_fields([], {ON[0]: "group_health"})) == len(default_fields([]))
    with pytest.raises(OwnedFieldError, match=r"account\.rollup_score"):
        owned_fields([], {"account.rolup_score": "x"})


@pytest.mark.requirement("R71")
def test_the_page_names_every_field() -> None:
    text = (Path(__file__).parents[2] / "docs" / "hierarchy.md").read_text("utf-8")
    assert not [name for name in ON if name not in text]
