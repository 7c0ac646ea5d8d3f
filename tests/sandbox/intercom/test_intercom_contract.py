"""The simulated Intercom held to the vendor's description: shapes, refusals, days, versions, windows."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox.core import INTERCOM_TOKEN, Sandbox, SandboxClock
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world
from sandbox.world_conversations import conversations_of
from tests.contracts import contract

NOW = datetime(2026, 11, 22, tzinfo=UTC)
Ask = Callable[..., requests.Response]
KINDS = {
    "contact": ("POST", "contacts/search", "data"),
    "conversation": ("POST", "conversations/search", "conversations"),
    "company": ("GET", "companies/scroll", "data"),
    "deleted_conversation_item": ("GET", "conversations/deleted", "conversations"),
}


@pytest.fixture(scope="module")
def world() -> Any:
    return make_world(seed=5, accounts=40, people_per_account=3, months=8, now=NOW)


@pytest.fixture
def box(world: Any) -> Sandbox:
    return Sandbox(world, SandboxClock(NOW), vendors=("intercom",), options={"intercom": {"per_window": 40}})


@pytest.fixture
def ask(box: Sandbox) -> Iterator[Ask]:
    with requests.Session() as session:
        session.mount("http://", SandboxAdapter(box))

        def send(
            method: str, path: str, version: str | None = "2.16", token: str = INTERCOM_TOKEN, **parts: Any
        ) -> requests.Response:
            headers = {"Authorization": f"Bearer {token}"} | ({"Intercom-Version": version} if version else {})
            return session.request(method, f"{box.base_urls()['intercom']}/{path}", headers=headers, **parts)

        yield send


def body(operator: str = ">", value: Any = 0, field: str = "created_at", **more: Any) -> dict[str, Any]:
    return {"query": {"field": field, "operator": operator, "value": value}, **more}


def codes(response: requests.Response) -> tuple[int, list[str]]:
    return response.status_code, [one["code"] for one in response.json()["errors"]]


@pytest.mark.parametrize("version", ["2.14", "2.16"])
@pytest.mark.parametrize("kind", KINDS)
def test_records_have_the_keys_and_types_of_the_description(box: Sandbox, ask: Ask, kind: str, version: str) -> None:
    schemas = contract("intercom", f"api.intercom.io-{version}.yaml")["components"]["schemas"]
    if kind not in schemas:
        pytest.skip("2.16 alone has it")
    vendor: Any = box.vendors["intercom"]
    box.mutate("intercom", "delete", kind="conversations", id=min(vendor.truth()["ticket"]))
    method, path, key = KINDS[kind]
    rows = ask(method, path, version, json=body() if method == "POST" else None).json()[key]
    assert rows
    for row in rows:
        _held(schemas, schemas[kind], row, kind)


def _held(schemas: Any, schema: Any, value: Any, where: str) -> None:
    """Every key is described, and has the type that it is said to have."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    types = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
    if value is None:
        return
    if schema.get("type") in types:
        assert isinstance(value, types[schema["type"]]), (where, value)
    if "enum" in schema:
        assert value in schema["enum"], (where, value)
    if isinstance(value, dict) and schema.get("properties"):
        assert value.keys() <= schema["properties"].keys(), where
        for key, one in value.items():
            _held(schemas, schema["properties"][key], one, f"{where}.{key}")


def test_a_page_and_its_end(ask: Ask) -> None:
    first = ask("POST", "contacts/search", json=body(pagination={"per_page": 3})).json()
    place = first["pages"]["next"]["starting_after"]
    rest = ask("POST", "contacts/search", json=body(pagination={"per_page": 150, "starting_after": place})).json()
    assert "next" in ask("POST", "contacts/search", json=body(pagination={"per_page": 5})).json()["pages"]
    assert first["total_count"] == rest["total_count"]
    assert not {row["id"] for row in first["data"]} & {row["id"] for row in rest["data"]}
    everything = ask("POST", "conversations/search", json=body(pagination={"per_page": 150})).json()
    if everything["total_count"] <= 150:
        assert "next" not in everything["pages"]
    stamps = [row["updated_at"] for row in everything["conversations"]]
    assert stamps == sorted(stamps, reverse=True), "newest first, unless asked otherwise"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (body(sort={"field": "created_at", "order": "desc"}), "invalid_sort_order"),
        (body(">="), "parameter_invalid"),
        (body("IN", [1]), "parameter_invalid"),
        (body(value="soon"), "parameter_invalid"),
        (body(field="email"), "parameter_invalid"),
        ({}, "parameter_invalid"),
        (body(pagination={"per_page": 151}), "parameter_invalid"),
        (body(pagination={"starting_after": "none"}), "parameter_invalid"),
    ],
)
def test_what_a_search_refuses(ask: Ask, sent: Any, code: str) -> None:
    assert codes(ask("POST", "contacts/search", json=sent)) == (400, [code])


def test_who_is_refused(box: Sandbox, ask: Ask) -> None:
    assert codes(ask("GET", "me", token="wrong")) == (401, ["unauthorized"])
    assert codes(ask("GET", "me", "1.0")) == (400, ["intercom_version_invalid"])
    assert codes(ask("GET", "conversations/deleted", None)) == (400, ["intercom_version_invalid"]), "the app's default"
    assert codes(ask("GET", "companies/none")) == (404, ["not_found"])
    assert codes(ask("PUT", "contacts/1")) == (404, ["not_found"])
    listed = ask("POST", "companies/list", params={"per_page": 2}, json={}).json()
    assert (len(listed["data"]), listed["pages"]["page"]) == (2, 1)
    with pytest.raises(ValueError, match="known: attach"):
        box.mutate("intercom", "none")


def test_days_are_those_of_the_workspace(box: Sandbox, ask: Ask) -> None:
    vendor: Any = box.vendors["intercom"]
    key = min(vendor.truth()["contact"])
    box.mutate("intercom", "edit", kind="contacts", id=key, fields={})  # on the 21st in Los Angeles, the 22nd in UTC

    def found(moment: datetime) -> bool:
        sent = body(value=int(moment.timestamp()), field="updated_at", pagination={"per_page": 150})
        return key in {row["id"] for row in ask("POST", "contacts/search", json=sent).json()["data"]}

    assert found(NOW - timedelta(hours=17)), "the 20th there: from the next day on"
    assert not found(NOW - timedelta(hours=1)), "the same day there"
    box.mutate("intercom", "options", zone="UTC")
    assert found(NOW - timedelta(hours=1))


def test_a_window_of_ten_seconds(box: Sandbox, ask: Ask) -> None:
    answers = [ask("GET", "me") for _ in range(41)]
    assert codes(answers[-1]) == (429, ["rate_limit_exceeded"])
    assert "Retry-After" not in answers[-1].headers
    reset = int(answers[-1].headers["X-RateLimit-Reset"])
    assert 0 < reset - NOW.timestamp() <= 10
    box.clock.advance(timedelta(seconds=10))
    assert ask("GET", "me").headers["X-RateLimit-Remaining"] == "39"


def test_a_scroll_dies_after_an_idle_minute(box: Sandbox, ask: Ask) -> None:
    box.mutate("intercom", "options", scroll_page=5)
    param = ask("GET", "companies/scroll").json()["scroll_param"]
    box.clock.advance(timedelta(seconds=59))
    first, second = (ask("GET", "companies/scroll", params={"scroll_param": param}).json()["data"] for _ in range(2))
    assert first[0]["id"] != second[0]["id"], "a page is served once"
    assert codes(ask("GET", "companies/scroll")) == (400, ["scroll_exists"])
    box.clock.advance(timedelta(seconds=60))
    assert codes(ask("GET", "companies/scroll", params={"scroll_param": param})) == (404, ["not_found"])
    assert ask("GET", "companies/scroll").ok


def test_unhappy_customers_ask_more_and_rate_worse(world: Any) -> None:
    talks = conversations_of(world)
    assert [talk.id for talk in talks] == list(range(1, len(talks) + 1))
    assert make_world(seed=5, accounts=40, people_per_account=3, months=8, now=NOW).conversations == talks
    rated = [(talk.rating, world.health(talk.company_id, talk.created_at.date())) for talk in talks if talk.rating]
    happy = [health for rating, health in rated if rating >= 4]
    unhappy = [health for rating, health in rated if rating <= 2]
    assert sum(happy) / len(happy) > sum(unhappy) / len(unhappy) + 0.15
