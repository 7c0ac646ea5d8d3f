"""A clock that stands still until somebody sleeps, a network that says what it is told to, and simulated vendors."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import responses

from connectors import salesforce
from connectors.hubspot import HubSpot, Settings, connect
from connectors.mixpanel import Mixpanel
from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET, Sandbox
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world
from tests.connectors.mixpanel_project import opened, world
from tests.instants import START


class FakeClock:
    """Sleeping takes no time and moves the clock."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self._start = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
        self._passed = 0.0
        self.tick = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        self._passed += self.tick
        return self._passed

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self._passed += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    """The network."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


class Portal:
    """A simulated HubSpot account, and our connector to it."""

    def __init__(self, world: World, **options: Any) -> None:
        self.box = Sandbox(world, vendors=("hubspot",), options={"hubspot": options})
        self.vendor: Any = self.box.vendors["hubspot"]
        self.crm = self.connect()

    def connect(self, **settings: Any) -> HubSpot:
        given = dict(settings)
        settings.setdefault("token", "pat-sandbox-full")
        extra = {name: settings.pop(name) for name in ("clock", "own_fields", "wanted") if name in given}
        return connect(
            "hubspot",
            Settings(base_url=self.box.base_urls()["hubspot"], **settings),
            adapter=SandboxAdapter(self.box),
            **{"clock": self.box.clock, **extra},
        )

    def do(self, action: str, **args: Any) -> Any:
        """What people do in HubSpot's own pages."""
        self.vendor.tick(self.box.clock.now())
        return self.vendor.mutate(action, args)

    def fault(self, kind: Any, path: str = "", **rule: Any) -> None:
        self.box.faults.add(Fault(kind, vendor="hubspot", path=path, **rule))

    def ids(self, kind: str) -> list[str]:
        """Ids of all records that exist by now, in order."""
        self.vendor.tick(self.box.clock.now())
        table = self.vendor.portal.tables[kind]
        return sorted((str(table.ids[place]) for place in table.living(0, self.vendor.portal.now)), key=int)

    def pass_time(self, **delta: float) -> None:
        self.box.clock.advance(timedelta(**delta))

    def requests(self) -> list[str]:
        """Every request so far, as "METHOD path"."""
        return [f"{entry.method} {entry.path}" for entry in self.box.journal]

    def forget(self) -> None:
        self.box.journal.clear()


class Org:
    """A simulated Salesforce org, and our connector to it."""

    def __init__(self, world: World, **options: Any) -> None:
        self.box = Sandbox(world, vendors=("salesforce",), options={"salesforce": options})
        self.vendor: Any = self.box.vendors["salesforce"]
        self.crm = self.connect()

    def connect(self, **settings: Any) -> salesforce.Salesforce:
        """A connector with these settings; without a way to log in among them, by client credentials."""
        names = ("clock", "own_fields", "wanted")
        extra = {name: settings.pop(name) for name in names if name in settings}
        if not salesforce.LOGIN_KEYS & set(settings):
            settings |= {"consumer_key": SALESFORCE_KEY, "consumer_secret": SALESFORCE_SECRET}
        return salesforce.connect(
            "salesforce",
            salesforce.Settings(**{"base_url": self.box.base_urls()["salesforce"], **settings}),
            adapter=SandboxAdapter(self.box),
            **{"clock": self.box.clock, **extra},
        )

    def do(self, action: str, **args: Any) -> Any:
        """What people do in Salesforce's own pages."""
        self.vendor.tick(self.box.clock.now())
        return self.vendor.mutate(action, args)

    def options(self, **values: Any) -> None:
        """Turn switches of the simulated org."""
        self.do("options", **values)

    def fault(self, kind: Any, path: str = "", **rule: Any) -> None:
        self.box.faults.add(Fault(kind, vendor="salesforce", path=path, **rule))

    def pass_time(self, **delta: float) -> None:
        self.box.clock.advance(timedelta(**delta))

    def requests(self) -> list[str]:
        """Every request so far, as "METHOD path"; paths of the versioned API without what they have in common."""
        return [
            f"{entry.method} {entry.path.removeprefix(f'/services/data/v{salesforce.API_VERSION}/')}"
            for entry in self.box.journal
        ]

    def forget(self) -> None:
        self.box.journal.clear()


@pytest.fixture(scope="session")
def small_world() -> World:
    return make_world(seed=3, accounts=12, people_per_account=8, months=6, horizon_days=0, now=START)


@pytest.fixture(scope="session")
def large_world() -> World:
    return make_world(seed=3, accounts=560, people_per_account=20, months=6, horizon_days=0, now=START)


@pytest.fixture
def portal(small_world: World) -> Portal:
    return Portal(small_world)


@pytest.fixture
def open_portal() -> type[Portal]:
    return Portal


@pytest.fixture
def org(small_world: World) -> Org:
    return Org(small_world)


@pytest.fixture
def open_org() -> type[Org]:
    return Org


@pytest.fixture
def mixpanel_box() -> Sandbox:
    return Sandbox(world(), vendors=("mixpanel",))


@pytest.fixture
def make_mixpanel(mixpanel_box: Sandbox, tmp_path: Path) -> Callable[..., Mixpanel]:
    return partial(opened, mixpanel_box, tmp_path)


@pytest.fixture
def mixpanel(make_mixpanel: Callable[..., Mixpanel]) -> Mixpanel:
    return make_mixpanel()
