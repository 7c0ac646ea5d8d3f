"""One small account, and a client that speaks to it as a bare HTTP client would."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox.core import ZENDESK_EMAIL, ZENDESK_TOKEN, Sandbox
from sandbox.mount import SandboxAdapter
from sandbox.world import SeededWorld, make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)
Json = dict[str, Any]


@pytest.fixture(scope="session")
def world() -> SeededWorld:
    return make_world(accounts=60, now=NOW, months=12)


class Desk:
    """The simulator behind a session; paths are relative to the API."""

    def __init__(self, world: SeededWorld, **options: Any) -> None:
        free = {"export_per_minute": 10_000, "account_per_minute": 10_000}
        self.sandbox = Sandbox(world, vendors=("zendesk",), options={"zendesk": free | options})
        self.session = requests.Session()
        self.session.mount("http://", SandboxAdapter(self.sandbox))
        self.session.auth = (f"{ZENDESK_EMAIL}/token", ZENDESK_TOKEN)
        self.base = self.sandbox.base_urls()["zendesk"] + "/api/v2/"

    def get(self, path: str, **params: Any) -> requests.Response:
        url = path if path.startswith("http") else self.base + path
        return self.session.get(url, params={k: str(v) for k, v in params.items()}, timeout=60)

    def json(self, path: str, **params: Any) -> Json:
        response = self.get(path, **params)
        assert response.status_code == 200, response.text
        value: Json = response.json()
        return value

    def act(self, action: str, **args: Any) -> Any:
        return self.sandbox.mutate("zendesk", action, **args)

    def pass_time(self, seconds: float) -> None:
        self.sandbox.clock.advance(timedelta(seconds=seconds))

    def now(self) -> int:
        return int(self.sandbox.clock.now().timestamp())

    def chain(self, kind: str, **params: Any) -> Iterator[Json]:
        """Pages of an export by cursor, to the end of the stream."""
        page = self.json(f"incremental/{kind}/cursor.json", **params)
        yield page
        while not page["end_of_stream"]:
            page = self.json(page["after_url"])
            yield page

    def all(self, kind: str) -> list[Json]:
        return [row for page in self.chain(kind, start_time=0) for row in page[kind]]

    def since(self, kind: str, cursor: str) -> list[Json]:
        return [row for page in self.chain(kind, cursor=cursor) for row in page[kind]]

    def end(self, kind: str) -> str:
        """The cursor at the end of the stream."""
        return str([page["after_cursor"] for page in self.chain(kind, start_time=0)][-1])


@pytest.fixture
def make(world: SeededWorld) -> Callable[..., Desk]:
    return lambda **options: Desk(world, **options)


@pytest.fixture
def desk(make: Callable[..., Desk]) -> Desk:
    return make()
