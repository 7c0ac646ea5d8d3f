"""The simulated Stripe held to the vendor's own fixtures and description, and its lists, events and refusals."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox.core import STRIPE_KEY, Sandbox, SandboxClock
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world
from tests.contracts import contract

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NEW, OLD = "2026-06-24.dahlia", "2023-10-16"
Get = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def world() -> Any:
    return make_world(seed=5, accounts=40, people_per_account=3, months=8, now=NOW)


@pytest.fixture
def box(world: Any) -> Sandbox:
    return Sandbox(world, SandboxClock(NOW), vendors=("stripe",))


@pytest.fixture
def get(box: Sandbox) -> Iterator[Get]:
    with requests.Session() as session:
        session.mount("http://", SandboxAdapter(box))

        def ask(path: str, version: str | None = NEW, key: str = STRIPE_KEY, **params: Any) -> requests.Response:
            headers = {"Authorization": f"Bearer {key}"} | ({"Stripe-Version": version} if version else {})
            return session.get(f"{box.base_urls()['stripe']}/v1/{path}", params=params, headers=headers)

        yield ask


def rows(get: Get, path: str, version: Any = NEW, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(path, version, **{"limit": 100, **params}).json()["data"]
    assert found
    return found


@pytest.mark.parametrize("kind", ["customer", "subscription", "invoice", "price", "coupon", "event"])
def test_objects_have_the_keys_of_the_fixtures(get: Get, kind: str) -> None:
    fixture = contract("stripe", "fixtures3.trimmed.json")["resources"][kind]
    later = {"subscription"} if kind == "invoice" else set()  # still in the fixture, gone from the version
    for row in rows(get, f"{kind}s", **({"status": "all"} if kind == "subscription" else {})):
        assert row.keys() - {"tiers"} == fixture.keys() - later, kind
        assert row["object"] == kind


def test_what_lies_within_has_the_keys_of_the_fixtures(get: Get) -> None:
    fixtures = contract("stripe", "fixtures3.trimmed.json")["resources"]
    expand = ["data.default_payment_method", "data.customer.default_source", "data.discounts"]
    seen = set()
    for row in rows(get, "subscriptions", status="all", **{"expand[]": expand}):
        for item in row["items"]["data"]:
            assert fixtures["subscription_item"].keys() - item.keys() <= {"quantity"}
            assert item.keys() <= fixtures["subscription_item"].keys()
        for found in (row["default_payment_method"], row["customer"].get("default_source"), *row["discounts"]):
            if found is not None and found.get("type") != "sepa_debit":
                kind = found["object"]
                assert found.keys() <= fixtures[kind].keys()
                seen.add(kind)
    assert seen == {"payment_method", "card", "discount"}


@pytest.mark.parametrize(
    ("kind", "file"), [("customer", "subscriptions"), ("subscription", "subscriptions"), ("invoice", "invoices")]
)
def test_old_objects_keep_to_the_old_description(get: Get, kind: str, file: str) -> None:
    described = contract("stripe", f"legacy-2023-10-16-{file}.openapi.yml")["components"]["schemas"][kind]
    for row in rows(get, f"{kind}s", OLD, **({"status": "all"} if kind == "subscription" else {})):
        assert set(described["required"]) <= row.keys()
        assert row.keys() <= described["properties"].keys(), kind


@pytest.mark.parametrize(("version", "moved"), [(OLD, True), (None, True), ("2025-03-31.basil", False), (NEW, False)])
def test_the_period_and_the_subscription_moved(get: Get, version: str | None, moved: bool) -> None:  # noqa: FBT001 - a case
    (subscription,) = get("subscriptions", version, limit=1).json()["data"]
    (invoice,) = get("invoices", version, limit=1).json()["data"]
    assert ("current_period_end" in subscription) is moved
    assert ("current_period_end" in subscription["items"]["data"][0]) is not moved
    assert ("discount" in subscription) is moved
    assert ("subscription" in invoice) is moved
    assert ("paid" in invoice) is moved
    if not moved:
        assert invoice["parent"]["subscription_details"]["subscription"].startswith("sub_")


def test_a_discount_no_longer_brings_its_coupon(get: Get) -> None:
    whole = [
        row["discounts"] for row in rows(get, "subscriptions", "2025-06-30.basil", **{"expand[]": "data.discounts"})
    ]
    (first, *_) = [found[0] for found in whole if found]
    assert first["coupon"]["object"] == "coupon"
    expand = "data.discounts.source.coupon"
    for version_expand, shown in (("data.discounts", str), (expand, dict)):
        found = [row["discounts"] for row in rows(get, "subscriptions", **{"expand[]": version_expand})]
        assert {type(one["source"]["coupon"]) for pair in found for one in pair} == {shown}


def test_lists_go_on_behind_an_id_newest_first(get: Get) -> None:
    whole: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = get("invoices", limit=30, **after).json()
        whole += page["data"]
        if not page["has_more"]:
            break
        after = {"starting_after": page["data"][-1]["id"]}
    assert len({row["id"] for row in whole}) == len(whole) > 60
    assert [row["created"] for row in whole] == sorted((row["created"] for row in whole), reverse=True)
    assert len(get("invoices").json()["data"]) == 10


def test_ended_subscriptions_come_only_when_asked_for(get: Get, box: Sandbox) -> None:
    number = rows(get, "subscriptions", status="active")[0]["id"]
    box.mutate("stripe", "cancel_subscription", id=number)
    assert number not in {row["id"] for row in rows(get, "subscriptions")}
    assert number in {row["id"] for row in rows(get, "subscriptions", status="all")}
    assert number in {row["id"] for row in rows(get, "subscriptions", status="canceled")}


def test_a_deleted_customer_is_200_and_says_so(get: Get, box: Sandbox) -> None:
    number = rows(get, "customers")[0]["id"]
    box.mutate("stripe", "delete_customer", id=number)
    fixture = contract("stripe", "fixtures3.trimmed.json")["resources"]["deleted_customer"]
    answer = get(f"customers/{number}")
    assert (answer.status_code, answer.json()) == (200, {**fixture, "id": number})
    assert number not in {row["id"] for row in rows(get, "customers")}
    assert get("subscriptions", customer=number).json()["error"]["param"] == "customer"


def test_events_live_for_thirty_days_in_the_accounts_own_version(get: Get, box: Sandbox) -> None:
    found = rows(get, "events")
    assert {row["api_version"] for row in found} == {OLD}
    first = min(row["created"] for row in rows(get, "events", **{"types[]": ["invoice.created"]}))
    assert first > (NOW - timedelta(days=30)).timestamp()
    late = found[0]["created"]
    assert all(row["created"] >= late for row in rows(get, "events", **{"created[gte]": late}))
    box.mutate("stripe", "edit_customer", id="cus_HF00000001", fields={"name": "X"}, late=60)
    assert get("events", limit=1).json()["data"][0]["type"] != "customer.updated"
    box.clock.advance(timedelta(seconds=60))
    assert get("events", limit=1).json()["data"][0]["data"]["object"]["name"] == "X"


@pytest.mark.parametrize(
    ("path", "params", "status", "words"),
    [
        ("customers", {"expand[]": "data.nothing"}, 400, "cannot be expanded (data.nothing)"),
        ("subscriptions", {"expand[]": "data.items.data.price.tiers"}, 400, "cannot expand more than 4 levels"),
        ("customers", {"updated": 1}, 400, "unknown parameter: updated"),
        ("customers", {"limit": 101}, 400, "Invalid integer: 101"),
        ("customers", {"starting_after": "cus_x"}, 400, "No such customer: 'cus_x'"),
        ("events", {"types[]": [f"a.{n}" for n in range(21)]}, 400, "Too many types"),
        ("events", {"starting_after": "evt_x"}, 400, "No such object"),
        ("customers/cus_HF99999999", {}, 404, "No such customer"),
        ("charges", {}, 404, "Unrecognized request URL"),
        ("account", {}, 403, "required permissions for this endpoint on account 'acct_1HFsandbox'"),
        ("customers", {"key": "rk_live_other"}, 401, "Invalid API Key"),
        ("customers", {"version": "yesterday"}, 400, "Invalid Stripe API version"),
    ],
)
def test_refusals(get: Get, path: str, params: dict[str, Any], status: int, words: str) -> None:
    answer = get(path, **params)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_too_many_calls_a_second_are_refused(world: Any) -> None:
    box = Sandbox(world, SandboxClock(NOW), vendors=("stripe",), options={"stripe": {"per_second": 2}})
    with requests.Session() as session:
        session.mount("http://", SandboxAdapter(box))
        session.headers["Authorization"] = f"Bearer {STRIPE_KEY}"
        url = f"{box.base_urls()['stripe']}/v1/customers"
        answers = [session.get(url) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].headers["Stripe-Should-Retry"] == "true"
        box.clock.advance(timedelta(seconds=1))
        assert session.get(url).status_code == 200


def test_people_do_only_what_is_known(box: Sandbox) -> None:
    with pytest.raises(ValueError, match="no action 'refund'; known: cancel_subscription"):
        box.mutate("stripe", "refund")
    number = "in_HF00000001"
    for action, status in (("fail_invoice", "open"), ("pay_invoice", "paid"), ("void_invoice", "void")):
        box.mutate("stripe", action, id=number)
        assert box.stripe.books.edits.of(number, int(NOW.timestamp()))["status"] == status


def test_truth_names_companies_and_people(box: Sandbox, world: Any) -> None:
    truth = box.truth()["stripe"]
    assert set(truth["account"].values()) <= {company.id for company in world.companies}
    assert truth["contact"].keys() <= truth["account"].keys()
    people = {person.id: person for person in world.people}
    assert all(people[n].company_id == truth["account"][number] for number, n in truth["contact"].items())
