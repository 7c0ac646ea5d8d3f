"""Runs each case over every vendor of its suite: `rig` for sources, `crm` for CRMs, and `stream` for each stream."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance import words
from sandbox.model import World
from sandbox.world import make_world
from tests.conformance import table
from tests.conformance.rigs.base import Held, Rig
from tests.conformance.rigs.crm import CrmRig
from tests.conformance.rigs.known import CRMS, SOURCES

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HERE = Path(__file__).parent


def suite_of(names: Iterable[str]) -> str | None:
    """Which suite a test belongs to, by the fixtures that it asks for."""
    return "crm" if {"crm", "large_crm"} & set(names) else "source" if "rig" in names else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    suite = suite_of(metafunc.fixturenames)
    if suite is not None:
        streams = "stream" in metafunc.fixturenames
        found = [(v, s) for v, rig in table.rigs(suite).items() for s in (rig.streams if streams else ("",))]
        metafunc.parametrize("opened", found, ids=["-".join(filter(None, pair)) for pair in found], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    used = config.stash.setdefault(table.USED, set())
    for item in items:
        if item.path.parent != HERE or not isinstance(item, pytest.Function):
            continue  # this hook sees the items of all folders
        if (suite := suite_of(item.fixturenames)) is not None:
            opened: Any = item.callspec.params["opened"]
            vendor, stream = opened
            exceptions = table.rigs(suite)[vendor].exceptions
            parts = item.callspec.id.removeprefix(vendor).removeprefix("-")
            key = next((key for key in words.keys(item.originalname[5:], parts, stream) if key in exceptions), None)
            if key is not None:
                used.add((suite, vendor, key))
                item.add_marker(words.mark(exceptions[key]))


@pytest.fixture(scope="session")
def small_world() -> World:
    return make_world(seed=3, accounts=24, people_per_account=3, months=3, horizon_days=0, now=NOW)


@pytest.fixture(scope="session")
def large_world() -> World:
    return make_world(seed=3, accounts=40, people_per_account=8, months=2, horizon_days=0, now=NOW)


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
def crm(opened: tuple[str, str], small_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrmRig:
    """A vendor as a CRM, with small pages."""
    made = CRMS[opened[0]]
    made.small_pages(monkeypatch)
    return made(small_world, tmp_path / "spool")


@pytest.fixture
def large_crm(opened: tuple[str, str], large_world: World, tmp_path: Path) -> CrmRig:
    """One with more contacts than fit into a request, and pages as they are."""
    return CRMS[opened[0]](large_world, tmp_path / "spool")


@pytest.fixture
def stream(opened: tuple[str, str]) -> str:
    return opened[1]


@pytest.fixture
def held(rig: Rig, stream: str) -> Held:
    """Nothing yet."""
    return Held(rig, stream)
