"""The order in which anything is written down changes no byte of any result."""

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.engine import Engine, score
from scoring.inputs import Inputs
from tests.scoring.random_cards import cards_of
from tests.scoring.worlds import World, random_world, store, write_usage


def mixed(world: World, folder: Path, seed: int) -> Inputs:
    """The same world, rows and sources in another order, each day's usage in two files of the same source."""
    dice = random.Random(seed)
    usage = list(world["usage"])
    dice.shuffle(usage)
    feed = [{**row, "source": f"{dice.random()}"} for row in world["feed"]]
    inputs = store({**world, "usage": [], "feed": feed}, folder, shuffle=dice)
    files = []
    for part in range(2):
        (folder / str(part)).mkdir()
        files += write_usage(usage[part::2], folder / str(part))
    dice.shuffle(files)
    tables = list(inputs.tables.items())
    dice.shuffle(tables)
    return replace(inputs, tables=dict(tables), usage=files)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
@pytest.mark.requirement("R11")
def test_shuffling_rows_sources_and_files_changes_nothing(tmp_path: Path, seed: int) -> None:
    cards, world = cards_of(seed % 20), random_world(seed, fed=seed % 2 == 0)
    with tempfile.TemporaryDirectory(dir=tmp_path) as name:
        plain = repr(list(score(cards, store(world, Path(name) / "plain"))))
        other = repr(list(score(cards, mixed(world, Path(name) / "mixed", seed), engine=Engine(threads=1))))
    assert plain == other
    assert "ScoreRow" in plain
