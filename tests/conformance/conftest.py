"""Runs each case over every vendor of its suite: `rig` for sources, `crm` for CRMs, and `stream` for each stream."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.model import World
from sandbox.world import make_world
from tests.conformance import table
from tests.conformance.rigs.base import Held, Rig
from tests.conformance.rigs.known import SOURCES

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.fixturenames
    suite = "crm" if "crm" in names else "source" if "rig" in names else None
    if suite is not None:
        name, values = table.parameters(suite, names, metafunc.function.__name__.removeprefix("test_"))
        metafunc.parametrize(name, values, indirect=True)


@pytest.fixture(scope="session")
def small_world() -> World:
    return make_world(seed=3, accounts=24, people_per_account=3, months=3, horizon_days=0, now=NOW)


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def rig(opened: tuple[str, str], small_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A vendor as a source, with small pages."""
    vendor, stream = opened
    made = SOURCES[vendor]
    made.small_pages(monkeypatch)
    return made(small_world, tmp_path / "spool", stream)


@pytest.fixture
def stream(opened: tuple[str, str]) -> str:
    return opened[1]


@pytest.fixture
def held(rig: Rig, stream: str) -> Held:
    """Nothing yet."""
    return Held(rig, stream)
