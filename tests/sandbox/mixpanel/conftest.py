"""One small project, and a client that speaks to it as a bare HTTP client would."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox.core import MIXPANEL_PROJECT, MIXPANEL_SECRET, MIXPANEL_USER, Sandbox
from sandbox.mount import SandboxAdapter
from sandbox.world import SeededWorld, make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="session")
def world() -> SeededWorld:
    return make_world(accounts=150, now=NOW, months=3)


class Project:
    """The simulator behind a session."""

    def __init__(self, world: SeededWorld, **options: Any) -> None:
        free = {"export_per_hour": 10_000, "export_per_second": 10_000, "query_per_hour": 10_000}
        self.world = world
        self.sandbox = Sandbox(world, vendors=("mixpanel",), options={"mixpanel": free | options})
        self.session = requests.Session()
        self.session.mount("http://", SandboxAdapter(self.sandbox))
        self.session.auth = (MIXPANEL_USER, MIXPANEL_SECRET)
        self.base = self.sandbox.base_urls()["mixpanel"] + "/api/"

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(self.base + path, params={"project_id": MIXPANEL_PROJECT, **params}, timeout=60)

    def export(self, first: str, last: str = "", **params: Any) -> requests.Response:
        return self.get("2.0/export", from_date=first, to_date=last or first, **params)

    def events(self, first: str, last: str = "", **params: Any) -> list[dict[str, Any]]:
        response = self.export(first, last, **params)
        assert response.status_code == 200, response.text
        return [json.loads(line) for line in response.content.split(b"\n") if line]

    def engage(self, *, path: str = "query/engage", **data: Any) -> requests.Response:
        return self.session.post(self.base + path, params={"project_id": MIXPANEL_PROJECT}, data=data, timeout=60)

    def profiles(self, **data: Any) -> list[dict[str, Any]]:
        page = self.engage(**data).json()
        rows: list[dict[str, Any]] = page["results"]
        while len(page["results"]) == page["page_size"]:
            page = self.engage(**data, page=page["page"] + 1, session_id=page["session_id"]).json()
            rows += page["results"]
        return rows

    def act(self, action: str, **args: Any) -> Any:
        return self.sandbox.mutate("mixpanel", action, **args)

    def pass_time(self, **span: float) -> None:
        self.sandbox.clock.advance(timedelta(**span))

    def now_ms(self) -> int:
        return int(self.sandbox.clock.now().timestamp() * 1000)

    def true_events(self, day: str) -> list[Any]:
        """What the world says happened on that UTC day and has arrived."""
        now = self.sandbox.clock.now()
        return [e for e in self.world.events(date.fromisoformat(day)) if e.arrived_at <= now]


@pytest.fixture
def make(world: SeededWorld) -> Callable[..., Project]:
    return lambda **options: Project(world, **options)


@pytest.fixture
def project(make: Callable[..., Project]) -> Project:
    return make()
