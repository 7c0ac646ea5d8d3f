"""zenpy as released, against the simulator."""

import copy
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from zenpy import Zenpy
from zenpy.lib.exception import RecordNotFoundException

from sandbox.core import ZENDESK_EMAIL, ZENDESK_TOKEN, Sandbox
from sandbox.serve import Running, serve


class ToLoopback(HTTPAdapter):
    """Sends a copy of every request to the simulator and keeps the original on the answer, as zenpy compares URLs."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self.root = root

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        copied = copy.copy(request)
        copied.headers = request.headers.copy()
        copied.headers["X-Forwarded-Host"] = "acme.zendesk.com"
        copied.url = str(request.url).replace("https://acme.zendesk.com", self.root)
        response = super().send(copied, *args, **kwargs)
        response.request, response.url = request, str(request.url)
        return response


@pytest.fixture(scope="module")
def running(world: Any) -> Iterator[Running]:
    options = {"csat": "legacy", "export_per_minute": 1000}
    with serve(Sandbox(world, vendors=("zendesk",), options={"zendesk": options})) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Callable[..., Zenpy]:
    def make(token: str = ZENDESK_TOKEN) -> Zenpy:
        session = requests.Session()
        session.mount("https://acme.zendesk.com", ToLoopback(running.base_urls["zendesk"]))
        return Zenpy(subdomain="acme", email=ZENDESK_EMAIL, token=token, session=session, disable_cache=True)

    return make


def test_me(client: Callable[..., Zenpy]) -> None:
    me = client().users.me()
    assert (me.email, me.role) == (ZENDESK_EMAIL, "admin")
    assert client("wrong").users.me().id is None


def test_incremental_tickets(client: Callable[..., Zenpy], running: Running, world: Any) -> None:
    pages = client().tickets.incremental(start_time=1, include=["users", "metric_sets"], per_page=500)
    tickets = [ticket.to_dict() for ticket in pages]
    assert len({t["id"] for t in tickets}) == len(tickets) == sum(t.created_at <= world.now for t in world.tickets)
    assert pages.end_of_stream is True
    assert list(client().tickets.incremental(cursor=pages.after_cursor)) == []


def test_incremental_users_and_organizations(client: Callable[..., Zenpy], world: Any) -> None:
    users = list(client().users.incremental(start_time=1, per_page=100))
    assert len(users) == len({u.id for u in users}) > 100
    orgs = list(client().organizations.incremental(start_time=1, per_page=20))
    assert len({o.id for o in orgs}) == 60
    assert len(orgs) > 60


def test_time_based_tickets(client: Callable[..., Zenpy], world: Any) -> None:
    tickets = list(client().tickets.incremental(start_time=1, paginate_by_time=True, per_page=400))
    assert len({t.id for t in tickets}) == sum(t.created_at <= world.now for t in world.tickets)


def test_satisfaction_ratings(client: Callable[..., Zenpy]) -> None:
    ratings = list(client().satisfaction_ratings(score="received", start_time=datetime(2026, 6, 1)))  # noqa: DTZ001 - zenpy takes naive UTC
    assert len(ratings) > 100
    assert {r.score for r in ratings} == {"good", "bad"}


def test_lists_and_single_records(client: Callable[..., Zenpy]) -> None:
    zenpy = client()
    assert len(list(zenpy.groups())) == 3
    assert len(list(zenpy.organizations())) == 60
    ticket = zenpy.tickets(id=101)
    assert zenpy.users(id=ticket.requester_id).id == ticket.requester_id
    assert list(zenpy.users.identities(id=ticket.requester_id))
    assert len(list(zenpy.organization_memberships())) > 60
    with pytest.raises(RecordNotFoundException):
        zenpy.tickets(id=9_999_999)
    assert {t.status for t in zenpy.search(type="ticket", status="pending")} == {"pending"}


def test_forced_address(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENPY_FORCE_NETLOC", f"127.0.0.1:{running.port}/zendesk")
    monkeypatch.setenv("ZENPY_FORCE_SCHEME", "http")
    with requests.Session() as session:
        zenpy = Zenpy(subdomain="acme", email=ZENDESK_EMAIL, token=ZENDESK_TOKEN, session=session)
        assert zenpy.users.me().role == "admin"
        assert len(list(zenpy.users.incremental(start_time=1, per_page=100))) > 100
