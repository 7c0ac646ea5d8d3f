"""docs/cards.md: what it shows loads, and what it tells of presets and keys is so."""

import re
import tomllib
from decimal import Decimal
from pathlib import Path

from scoring.card import Scorecard
from scoring.presets import PRESETS
from scoring.rules import Rule

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "cards.md").read_text("utf-8")


def test_the_fragments_load_on_top_of_the_default_card() -> None:
    rules, bands, config = (
        tomllib.loads(b, parse_float=Decimal) for b in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    )
    data = tomllib.loads((ROOT / "scoring" / "default.toml").read_text("utf-8"), parse_float=Decimal)
    data["account"]["rules"] |= rules["account"]["rules"]
    data["bands"] |= bands["bands"]
    card = Scorecard.from_data(data, "docs/cards.md")
    assert card.account.rules["cancelling"].bypass
    assert len(config["scoring"]["cards"]) == 3
    told = set(rules["account"]["rules"]["cancelling"])
    assert told == set(Rule.model_fields) - {"name"}


def test_every_preset_is_told_with_its_number_of_signals() -> None:
    for one in PRESETS:
        assert f"| `{one.name}` | {len(one.card().account.signals)} |" in TEXT


def test_the_rules_of_the_default_card_are_told() -> None:
    assert all(f"`{name}`" in TEXT for name in Scorecard.load().account.rules)
