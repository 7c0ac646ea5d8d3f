"""What `explain` says of people by role and of the accounts below."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cli.people import Family, family_of, people_data, people_lines
from scoring.card import Scorecard
from scoring.cards import Cards
from scoring.inputs import ScoreRow
from sync.store import Store
from tests.cli.conftest import FILL, Site
from tests.scoring.rows import score_row
from tests.sync.frame_tables import put
from tests.sync.states import account, contact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: "Path") -> "Iterator[Store]":
    """A holding H with the subsidiaries A and B, two people at H and one at A; X is its own parent."""
    store = Store.open(tmp_path / "state")
    put(store, account("H"), account("A", parent_id="H"), account("B", parent_id="H"), account("X", parent_id="X"))
    put(store, contact("1", account_ref="H"), contact("2", account_ref="H"), contact("3", account_ref="A"))
    yield store
    store.close()


def told(store: Store, crm_id: str) -> Family:
    accounts = [row(store, "account", "H", 90), row(store, "account", "A", 20), row(store, "account", "B", None)]
    accounts.append(row(store, "account", "X", 50))
    scores: list[tuple[str, int | None, str | None]] = [
        ("1", 5, "executive_sponsor"),
        ("2", None, None),
        ("3", 9, None),
    ]
    contacts = [row(store, "contact", who, score, role=role) for who, score, role in scores]
    now = next(one for one in accounts if one.crm_id == crm_id)
    store.save_scores(1, [*accounts, *contacts], datetime(2026, 11, 1, tzinfo=UTC))
    return family_of(store, "crm", now, Cards.of_card(Scorecard.load()), "children")


def row(store: Store, level: Any, crm_id: str, score: int | None, **features: Any) -> ScoreRow:
    ((key,),) = store.rows(f"SELECT key FROM {level} WHERE source_id = ?", (crm_id,))
    band = "unknown" if score is None else "red" if score < 40 else "yellow" if score < 70 else "green"
    return score_row(crm_id, band, level=level, key=key, score=score, features=features)  # type: ignore[arg-type]


@pytest.mark.requirement("R71")
def test_levels_and_roll_up_stand_beside_the_score(store: Store) -> None:
    family = told(store, "H")
    assert people_lines(family) == [
        "People, executive sponsor: 1, lowest 5, mean 5.",
        "Roll-up of 2 accounts below: 20 (red); 100 % red by number of accounts; left out: 1 without a score.",
    ]
    data = people_data(family)
    assert data["people"] == [
        {"role": "executive_sponsor", "people": 1, "scored": 1, "lowest": 5, "mean": 5},
        {"role": None, "people": 1, "scored": 0, "lowest": None, "mean": None},
    ]
    assert data["rollup"] == {
        "score": 20,
        "band": "red",
        "accounts": 2,
        "without_score": 1,
        "without_value": 0,
        "by": "children",
        "shares": {"red": 100},
        "sentence": people_lines(family)[1],
    }


@pytest.mark.requirement("R71")
def test_an_account_without_accounts_below_has_no_roll_up(store: Store) -> None:
    family = told(store, "A")
    assert (family.rollup, people_lines(family)) == (None, ["People, role not known: 1, lowest 9, mean 9."])
    assert people_data(Family()) == {"people": [], "rollup": None, "hierarchy_note": None}


@pytest.mark.requirement("R71")
def test_a_circle_is_said(store: Store) -> None:
    assert people_lines(told(store, "X")) == [
        "It is its own ancestor in the CRM: that circle of parents is not followed."
    ]


@pytest.mark.requirement("R71")
def test_what_the_config_switches_on_is_written(new_site: Site) -> None:
    """Titles of the sandbox's people tell roles; its companies have parents."""
    new_site.add('[hierarchy]\nwrite = true\nroll_down = ["user", "team", "economic_buyer", "executive_sponsor"]\n')
    assert new_site.run("setup").code == 0
    assert new_site.run(*FILL).code == 0
    companies = new_site.records("companies", "holdfast_rollup_score", "holdfast_rollup_band", "holdfast_health_score")
    groups = {key: says for key, says in companies.items() if says["holdfast_rollup_band"]}
    scores = {says["holdfast_health_score"] for says in companies.values()}
    written = (
        says["holdfast_account_score"] for says in new_site.records("contacts", "holdfast_account_score").values()
    )
    people = {score for score in written if score}
    assert groups
    assert people
    assert people <= scores
    for crm_id, says in groups.items():
        rollup = new_site.run("explain", crm_id, "--json").data["rollup"]
        assert (str(rollup["score"]), rollup["band"]) == (says["holdfast_rollup_score"], says["holdfast_rollup_band"])
    assert new_site.run("sync", "--json").data["plan"]["records"] == {}
