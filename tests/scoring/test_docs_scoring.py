"""docs/scoring.md: every TOML block loads, and every feature, key and limit is told."""

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from scoring.card import Bands, Freshness, Scorecard
from scoring.features import CATALOGUE
from scoring.product import Product, Sessions
from scoring.segments import FUNCTIONS, Segment
from scoring.signals import Signal

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "scoring.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def merged(base: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A fragment laid over the default card."""
    both = dict(base)
    for key, value in part.items():
        both[key] = merged(base[key], value) if isinstance(value, dict) and key in base else value
    return both


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block).splitlines()[0])
def test_every_card_in_the_docs_loads_and_compiles(block: str) -> None:
    part = tomllib.loads(block, parse_float=Decimal)
    default = tomllib.loads((ROOT / "scoring" / "default.toml").read_text("utf-8"), parse_float=Decimal)
    card = Scorecard.from_data(part if "name" in part else merged(default, part), "docs/scoring.md")
    assert card.compile("account")
    assert card.compile("contact")


def test_there_are_blocks_for_every_part() -> None:
    assert len(BLOCKS) == 6
    assert sum("name =" in block for block in BLOCKS) == 1


@pytest.mark.parametrize(
    "model", [Bands, Freshness, Product, Sessions, Signal, Segment], ids=lambda model: model.__name__
)
def test_every_key_is_told(model: Any) -> None:
    blocks = "\n".join(BLOCKS)
    told = [name for name in model.model_fields if re.search(rf"^(\[.*)?{name}\b", blocks, re.MULTILINE)]
    assert set(model.model_fields) - set(told) <= {"name", "playbooks"}


def test_the_catalogue_is_told_line_by_line() -> None:
    text = (ROOT / "docs" / "features.md").read_text("utf-8")
    for feature in CATALOGUE:
        part = text.partition(f"\n## {feature.family.capitalize()}\n")[2].partition("\n## ")[0]
        line = f"| `{feature.name}` | {', '.join(feature.levels)} | {feature.unit.label} |"
        assert (line in part and f"| {feature.meaning} |" in part) != feature.internal, feature.name
        sql = re.sub(r"{(\w+)}", r":\1", feature.sql)  # what the card fills in
        assert f"\n{feature.name} = {sql}\n" in part, feature.name


def test_the_allowed_functions_are_told() -> None:
    assert all(f"`{name}`" in TEXT for name in FUNCTIONS)
