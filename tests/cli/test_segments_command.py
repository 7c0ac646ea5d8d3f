"""`segments`: sizes, moves, matrix and one account, and the fields that carry the layers into the CRM."""

import json
import re
from datetime import timedelta

import pytest

from connectors.registry import VENDORS
from scoring.features.segments import RFM, STAGES
from sync.owned import default_fields
from tests.cli.conftest import NOW, Site
from tests.scoring.rows import score_row


def test_before_anything_is_stored_there_is_nothing_to_show(new_site: Site) -> None:
    said = new_site.run("segments")
    assert said.code == 1
    assert "nothing is stored yet" in said.err


@pytest.mark.requirement("R105", "R108")
def test_sizes_of_segments_stages_and_groups(site: Site) -> None:
    assert site.run("sync", "--initial", "--tasks").code == 0
    found = json.loads(site.run("segments", "--json").out)
    stages, groups = found["stage"], found["rfm"]
    assert sum(stages.values()) == sum(groups.values()) == sum(found["band"].values()) > 5
    assert set(stages) <= {*STAGES, "unknown"}
    assert set(groups) <= {*RFM, "unknown"}
    assert len(groups) > 2
    names = [flow["name"] for flow in found["segments"]]
    assert names == sorted(names)
    assert {"new", "dormant", "at_risk", "power", "expansion"} <= set(names)
    text = site.run("segments").out
    for heading in ("Segments", "Stages", "RFM groups", "Bands"):
        assert heading in text
    assert re.search(r"expansion +Ready to expand +\d+ +\d+ +\d+", text)
    assert "cadence" not in text


def test_a_span_that_has_not_begun_is_refused(filled: Site) -> None:
    said = filled.run("segments", "--since", "2031-01-01")
    assert (said.code, "--since 2031-01-01 is still to come: it is 2026-" in said.err) == (2, True)


@pytest.mark.requirement("R118")
def test_both_crms_get_the_same_words() -> None:
    row = score_row("A1", "green", segments=("power",), features={"stage": "repeat", "rfm": "cannot_lose"})
    of_hubspot, of_salesforce = (
        {field.logical: field for field in default_fields(["new", "power"], VENDORS[vendor].own_field)}
        for vendor in ("hubspot", "salesforce")
    )
    assert of_hubspot["account.rfm"].spec.name != of_salesforce["account.rfm"].spec.name
    for name in ("account.segments", "account.lifecycle_stage", "account.rfm", "account.health_band"):
        ours, theirs = of_hubspot[name], of_salesforce[name]
        assert ours.spec.options == theirs.spec.options
        assert ours.value(row, NOW) == theirs.value(row, NOW)
        assert ours.value(row, NOW) in (*ours.spec.options, ("power",))
    assert (of_hubspot["account.lifecycle_stage"].value(row, NOW), of_hubspot["account.rfm"].value(row, NOW)) == (
        "repeat",
        "cannot_lose",
    )


@pytest.mark.requirement("R34")
def test_cadence_and_offer_are_shown_where_the_card_gives_them(site: Site) -> None:
    card = site.config.parent / "card.toml"
    card.write_text(card.read_text("utf-8").replace("[account]\n", '[account]\nuse = ["plateau"]\n'), encoding="utf-8")
    text = site.run("segments").out
    assert re.search(r"plateau +once a quarter +a workshop on what they could do next", text)


@pytest.mark.requirement("R38", "R109", "R47", "R29")
def test_moves_and_matrix(site: Site) -> None:
    assert site.run("sync", "--initial", "--tasks").code == 0
    site.sandbox.clock.sleep(40 * 86400)
    assert site.run("sync").code in (0, 4, 5)
    since = f"{NOW + timedelta(days=2):%Y-%m-%d}"
    moves = json.loads(site.run("segments", "--transitions", "--since", since, "--json").out)["moves"]
    assert moves
    assert all(move["at"] > since and move["before"] != move["after"] for move in moves)
    told = site.run("segments", "--transitions", "--since", since).out
    assert moves[-1]["name"] in told
    one = json.loads(site.run("segments", "--account", moves[0]["crm_id"], "--json").out)["moves"]
    assert {move["crm_id"] for move in one} == {moves[0]["crm_id"]}
    assert any(move["before"] == ["not scored"] for move in one)
    found = json.loads(site.run("segments", "--matrix", "--since", since, "--json").out)
    assert sum(row["accounts"] for row in found["stage"]) == sum(row["accounts"] for row in found["band"]) > 5
    assert sum(drop["accounts"] for drop in found["drops"]) == sum(row["accounts"] for row in found["stage"])
    text = site.run("segments", "--matrix", "--since", since).out
    assert "Where accounts drop off" in text
    assert "churned" in text


def test_an_unknown_account_is_said_to_be_unknown(site: Site) -> None:
    said = site.run("segments", "--account", "Nobody & Sons")
    assert said.code == 1
    assert "Nobody & Sons" in said.err
