import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.card import LEVELS, Scorecard
from scoring.engine import score
from scoring.inputs import ScoreRow
from tests.scoring.oracle import oracle
from tests.scoring.worlds import NOW, World, empty, random_world, store


def both(card: Scorecard, world: World, folder: Path, now: int = NOW) -> tuple[list[ScoreRow], list[object]]:
    got = list(score(card, store(world, folder, now=now)))
    return got, [row for level in LEVELS for row in oracle(card, level, world, now)]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_statement_and_plain_python_agree(card: Scorecard, tmp_path: Path, seed: int) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        got, wanted = both(card, random_world(seed), Path(folder))
    assert got == wanted


@pytest.mark.parametrize("seed", range(4))
def test_they_agree_on_every_feature(wide_card: Scorecard, tmp_path: Path, seed: int) -> None:
    got, wanted = both(wide_card, random_world(seed), tmp_path)
    assert got == wanted


def test_they_agree_on_a_large_world(card: Scorecard, wide_card: Scorecard, tmp_path: Path) -> None:
    world = random_world(1, accounts=150, people=600, usage=12_000, fed=True)
    got, wanted = both(card, world, tmp_path / "default")
    assert got == wanted
    assert len({row.band for row in got}) == 4
    assert {"new", "dormant", "at_risk"} <= {name for row in got for name in row.segments}
    got, wanted = both(wide_card, world, tmp_path / "wide")
    assert got == wanted


def test_they_agree_about_the_past(card: Scorecard, tmp_path: Path) -> None:
    got, wanted = both(card, random_world(5), tmp_path, now=NOW - 20 * 86400)
    assert got == wanted


def test_an_empty_world_has_no_scores(card: Scorecard, tmp_path: Path) -> None:
    assert both(card, empty(), tmp_path) == ([], [])


def test_order_of_rows_does_not_matter(card: Scorecard, tmp_path: Path) -> None:
    world = random_world(7)
    plain = list(score(card, store(world, tmp_path / "a")))
    mixed = list(score(card, store(world, tmp_path / "b", shuffle=random.Random(1))))
    assert plain == mixed
