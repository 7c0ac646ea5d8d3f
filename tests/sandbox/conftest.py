"""Worlds for the CRMs, and a vendor that only echoes, to test the sandbox around it."""

import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request, Response

from sandbox.core import Sandbox, SandboxClock, Vendor
from sandbox.model import Company, NpsAnswer, Owner, Person, ProductEvent, SalesDeal, SupportTicket, Touch, World
from sandbox.model_billing import Billing
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world
from tests.instants import START


class TinyWorld:
    """A world without anybody in it."""

    def __init__(self) -> None:
        self.seed = 1
        self.start = self.now = self.horizon = START
        self.owners: list[Owner] = []
        self.companies: list[Company] = []
        self.people: list[Person] = []
        self.tickets: list[SupportTicket] = []
        self.nps: list[NpsAnswer] = []
        self.deals: list[SalesDeal] = []
        self.touches: list[Touch] = []
        self.billing = Billing([], [], [])

    def events(self, day: Any) -> Iterator[ProductEvent]:
        return iter(())

    def health(self, company_id: int, day: Any) -> float:
        return 1.0


class EchoVendor(Vendor):
    """Answers with what it was asked, counts what it did."""

    name = "echo"

    def __init__(self, clock: SandboxClock) -> None:
        super().__init__(TinyWorld(), clock)
        self.done: list[str] = []
        self.ticks: list[datetime] = []

    def tick(self, now: datetime) -> None:
        self.ticks.append(now)

    def is_write(self, method: str, path: str) -> bool:
        return method != "GET" and not path.endswith("/search")

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        if action == "note":
            self.done.append(args["text"])
            return len(self.done)
        return super().mutate(action, args)

    def truth(self) -> dict[str, dict[str, int]]:
        return {"account": {"a1": 1}}

    def handle(self, request: Request) -> Response:
        self.done.append(f"{request.method} {request.path}")
        if request.path == "/lines":
            return Response((json.dumps({"n": n}) + "\n" for n in range(1000)), content_type="text/plain")
        if request.path == "/zip":
            return Response(gzip.compress(b'{"zip": true}'), headers={"Content-Encoding": "gzip"})
        rows = [{"id": n, "properties": {"email": f"p{n}@x.example"}} for n in range(3)]
        return Response(
            json.dumps(
                {
                    "results": rows,
                    "root": request.url_root,
                    "path": request.path,
                    "args": request.args.to_dict(),
                    "body": request.get_data(as_text=True),
                    "auth": request.headers.get("Authorization"),
                }
            ),
            content_type="application/json",
        )


@pytest.fixture(scope="session")
def small_world() -> World:
    return make_world(accounts=40, now=START)


@pytest.fixture(scope="session")
def wide_world() -> World:
    """Large enough to have what is rare."""
    return make_world(accounts=300, now=START)


@pytest.fixture
def echo_sandbox() -> Sandbox:
    clock = SandboxClock(START)
    return Sandbox(TinyWorld(), clock, vendors=[EchoVendor(clock)])


@pytest.fixture
def echo_session(echo_sandbox: Sandbox) -> requests.Session:
    session = requests.Session()
    session.mount("http://", SandboxAdapter(echo_sandbox))
    return session
