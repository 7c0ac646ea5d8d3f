"""Lets pytest run the suite over the rigs of a test module: `pytest_plugins = ["conformance.plugin"]` in conftest.py.

The module names its rigs in `RIGS`, and imports the cases: `from conformance.cases import *`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.held import Held
from conformance.rig import Rig
from conformance.words import keys, mark
from sandbox.model import World
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def rigs_of(module: Any) -> Mapping[str, type[Rig]]:
    """The rigs that a test module names."""
    found = getattr(module, "RIGS", None)
    return found if isinstance(found, dict) else {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each case for every rig of its module, and where it asks for a stream, for each."""
    rigs = rigs_of(metafunc.module)
    if rigs and "rig" in metafunc.fixturenames:
        streams = "stream" in metafunc.fixturenames
        found = [(name, one) for name, rig in rigs.items() for one in (rig.streams if streams else ("",))]
        metafunc.parametrize("opened", found, ids=["-".join(filter(None, pair)) for pair in found], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what a rig says is not applicable; what it calls a gap must fail."""
    for item in items:
        if not isinstance(item, pytest.Function) or "rig" not in item.fixturenames:
            continue
        rigs = rigs_of(item.module)
        if rigs and hasattr(item, "callspec"):
            opened: Any = item.callspec.params["opened"]
            name, stream = opened
            parts = item.callspec.id.removeprefix(name).removeprefix("-")
            exceptions = rigs[name].exceptions
            key = next((key for key in keys(item.originalname[5:], parts, stream) if key in exceptions), None)
            if key is not None:
                item.add_marker(mark(exceptions[key]))


@pytest.fixture(scope="session")
def small_world() -> World:
    """What is true: a few companies, their people and what those did."""
    return make_world(seed=3, accounts=24, people_per_account=3, months=3, horizon_days=0, now=NOW)


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Any:
    """The name of a rig, and a stream."""
    return request.param


@pytest.fixture
def rig(
    opened: tuple[str, str],
    request: pytest.FixtureRequest,
    small_world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Rig:
    """A vendor as a source, with small pages."""
    name, stream = opened
    made = rigs_of(request.module)[name]
    made.small_pages(monkeypatch)
    return made(small_world, tmp_path / "spool", stream)


@pytest.fixture
def stream(opened: tuple[str, str]) -> str:
    """The stream that a case is about."""
    return opened[1]


@pytest.fixture
def held(rig: Rig, stream: str) -> Held:
    """Nothing yet."""
    return Held(rig, stream)
