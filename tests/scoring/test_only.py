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


SEGMENTS = """
[account.segments.rich]
label = "Rich (or 'rich')"
rule = "mrr >= 50000 OR plan = 'rich' -- or so it's said"
[account.segments.rich_and_open]
label = "Rich, with tickets"
rule = "mrr >= 50000 AND open_tickets > 0"
outranks = ["rich"]
"""


def test_a_segment_of_the_card_may_be_asked_for_by_its_name(tmp_path: Path) -> None:
    world = random_world(11, accounts=40, people=60, fed=True)
    inputs = store(world, tmp_path)

    def rows(only: str) -> dict[str, tuple[str, ...]]:
        card = Scorecard.parse(DEFAULT.replace(ONLY, f'only = "{only}"') + SEGMENTS)
        return {row.crm_id: row.segments for row in score(card, inputs, levels=["account"])}

    everybody = rows("TRUE")
    of = {name: {key for key, said in everybody.items() if name in said} for name in ("rich", "rich_and_open")}
    assert all(of.values())
    assert not of["rich"] & of["rich_and_open"]
    assert set(rows("rich")) == of["rich"], "one that gives way is no member"
    assert set(rows("NOT rich -- rich")) == everybody.keys() - of["rich"]
    assert set(rows("rich OR rich_and_open")) == of["rich"] | of["rich_and_open"]
    assert set(rows("rich AND plan = 'rich'")) == set(), "a text is a text"


def test_a_name_that_is_a_segment_and_a_feature_is_not_guessed() -> None:
    text = DEFAULT.replace(ONLY, 'only = "mrr"') + SEGMENTS.replace("segments.rich]", "segments.mrr]")
    with pytest.raises(CardError, match=r"account\.only: mrr is a feature and a segment of this card; rename"):
        Scorecard.parse(text.replace('["rich"]', '["mrr"]'))
