"""A small HubSpot account, asked by plain requests through the in-process adapter."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import requests

from sandbox.core import HUBSPOT_TOKEN, Sandbox, hubspot_company_id, hubspot_contact_id
from sandbox.hubspot import HubSpotVendor
from sandbox.model import Company, Person, World
from sandbox.mount import SandboxAdapter
from tests.contracts import contract

NO_LIMITS: dict[str, Any] = {"burst_limit": None, "search_limit": None, "daily_limit": None}


class Client:
    """Plain requests against one account."""

    def __init__(self, sandbox: Sandbox, token: str = HUBSPOT_TOKEN) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.mount("http://", SandboxAdapter(sandbox))
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.base = sandbox.base_urls()["hubspot"]

    @property
    def vendor(self) -> HubSpotVendor:
        vendor = self.sandbox.vendors["hubspot"]
        assert isinstance(vendor, HubSpotVendor)
        return vendor

    @property
    def world(self) -> World:
        return self.sandbox.world

    def send(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, self.base + path, **kwargs)

    def ask(self, method: str, path: str, status: int = 200, **kwargs: Any) -> Any:
        """The JSON of an answer that must have this status."""
        answer = self.send(method, path, **kwargs)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str, status: int = 200, **params: Any) -> Any:
        return self.ask("GET", path, status, params=params)

    def post(self, path: str, body: Any, status: int = 200, **kwargs: Any) -> Any:
        return self.ask("POST", path, status, json=body, **kwargs)

    def search(self, kind: str, *filters: tuple[str, str, Any], status: int = 200, **body: Any) -> Any:
        """One group of (property, operator, value); a list is `values`."""
        if filters:
            rows = [
                {"propertyName": n, "operator": o, ("values" if isinstance(v, list) else "value"): v}
                for n, o, v in filters
            ]
            body["filterGroups"] = [{"filters": rows}]
        return self.post(f"/crm/v3/objects/{kind}/search", body, status)

    def walk(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every result of a paged list."""
        while True:
            page = self.get(path, **params)
            yield from page["results"]
            if "paging" not in page:
                return
            params["after"] = page["paging"]["next"]["after"]

    def mutate(self, action: str, **args: Any) -> Any:
        return self.sandbox.mutate("hubspot", action, **args)

    def later(self, seconds: float) -> None:
        self.sandbox.clock.advance(timedelta(seconds=seconds))

    def record(self, kind: str, record_id: str, *names: str) -> dict[str, str | None]:
        """A record's properties."""
        found: dict[str, str | None] = self.get(f"/crm/v3/objects/{kind}/{record_id}", properties=",".join(names))[
            "properties"
        ]
        return found

    def company(self, n: int = 0) -> tuple[str, Company]:
        company = [c for c in self.world.companies if c.created_at <= self.world.now][n]
        return str(hubspot_company_id(company.id)), company

    def contact(self, n: int = 0) -> tuple[str, Person]:
        people = [p for p in self.world.people if p.in_crm and p.email and p.created_at <= self.world.now]
        return str(hubspot_contact_id(people[n].id)), people[n]


@pytest.fixture
def make_client(small_world: World) -> Callable[..., Client]:
    def make(token: str = HUBSPOT_TOKEN, world: World = small_world, **options: Any) -> Client:
        chosen = {**NO_LIMITS, **options}
        return Client(Sandbox(world, vendors=("hubspot",), options={"hubspot": chosen}), token)

    return make


@pytest.fixture
def hubspot(make_client: Callable[..., Client]) -> Client:
    return make_client()


@pytest.fixture(scope="session")
def contracts() -> Callable[[str], Any]:
    """Loads a file of the vendor's published descriptions; skips where they are not at hand."""
    return partial(contract, "hubspot")
