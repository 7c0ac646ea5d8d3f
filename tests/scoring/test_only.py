"""Who is scored at all."""

from pathlib import Path

import pytest

from scoring.card import Scorecard
from scoring.engine import score
from scoring.errors import CardError
from tests.scoring.worlds import random_world, store

DEFAULT = (Path(__file__).parents[2] / "scoring" / "default.toml").read_text("utf-8")
(ONLY,) = [line for line in DEFAULT.splitlines() if line.startswith("only = ")]


def test_only_those_the_card_names_are_scored(tmp_path: Path) -> None:
    world = random_world(11, accounts=40, people=60)
    for row in world["account"][::3]:
        row["lifecycle"] = "lead"
    inputs = store(world, tmp_path)
    everybody = {
        row.crm_id: row for row in score(Scorecard.parse(DEFAULT.replace(ONLY, "")), inputs, levels=["account"])
    }
    some = {row.crm_id: row for row in score(Scorecard.parse(DEFAULT), inputs, levels=["account"])}
    assert len(everybody) == 40
    assert set(some) == {row["crm_id"] for row in world["account"] if row["lifecycle"] in (None, "customer")}
    assert len(some) == 26
    assert {name: row.score for name, row in some.items()} == {name: everybody[name].score for name in some}


def test_it_is_a_rule_like_any_other() -> None:
    with pytest.raises(CardError, match=r"account\.only.*lifecycle"):
        Scorecard.parse(DEFAULT.replace("(lifecycle,", "(lifecicle,"))
