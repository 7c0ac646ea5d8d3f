import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

COMPANIES = "/crm/v3/objects/companies"
OAUTH = {
    "grant_type": "refresh_token",
    "client_id": "sandbox-client",
    "client_secret": "sandbox-client-secret",
    "refresh_token": "sandbox-refresh-token",
}
HEADERS = "X-HubSpot-RateLimit-"


def as_token(hubspot: Any, text: str) -> None:
    hubspot.session.headers["Authorization"] = f"Bearer {text}"


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer ", "Bearer pat-nobody"])
def test_without_a_known_token_nothing_opens(hubspot: Any, header: str) -> None:
    hubspot.session.headers["Authorization"] = header
    assert hubspot.get(COMPANIES, 401)["category"] == "INVALID_AUTHENTICATION"


def test_a_token_in_the_wrong_form_is_stopped_at_the_edge(hubspot: Any) -> None:
    as_token(hubspot, "what is this?")
    answer = hubspot.send("GET", COMPANIES)
    assert (answer.status_code, answer.headers["Content-Type"]) == (530, "text/html; charset=utf-8")
    hubspot.mutate("options", edge_530=False)
    hubspot.get(COMPANIES, 401)


def test_a_missing_scope_is_named(hubspot: Any) -> None:
    hubspot.mutate("token", token="pat-narrow", scopes=["crm.objects.contacts.read", "crm.objects.companies.read"])
    as_token(hubspot, "pat-narrow")
    hubspot.get(COMPANIES)
    hubspot.search("companies")
    hubspot.post(f"{COMPANIES}/batch/read", {"inputs": []})
    hubspot.get("/crm/v3/properties/companies")
    hubspot.get("/account-info/v3/details")
    needed = {
        ("POST", f"{COMPANIES}/batch/update"): "crm.objects.companies.write",
        ("DELETE", f"{COMPANIES}/1"): "crm.objects.companies.write",
        ("POST", "/crm/v3/objects/tasks"): "crm.objects.contacts.write",
        ("GET", "/crm/v3/objects/deals"): "crm.objects.deals.read",
        ("POST", "/crm/v3/objects/tickets/search"): "tickets",
        ("GET", "/crm/v3/objects/feedback_submissions"): "crm.objects.feedback_submissions.read",
        ("POST", "/crm/v3/properties/companies"): "crm.schemas.companies.write",
        ("POST", "/crm/v3/properties/tickets"): "tickets",
        ("GET", "/crm/v3/owners"): "crm.objects.owners.read",
        ("GET", "/crm/v3/pipelines/deals"): "crm.objects.deals.read",
        ("PUT", "/crm/v4/objects/contacts/1/associations/companies/2"): "crm.objects.contacts.write",
    }
    for (method, path), scope in needed.items():
        refused = hubspot.ask(method, path, 403, json={})
        assert refused["category"] == "MISSING_SCOPES"
        assert refused["errors"][0]["context"]["requiredGranularScopes"] == [scope]


def test_a_private_app_token_tells_its_scopes_to_whoever_has_it(hubspot: Any) -> None:
    """As HubSpot's page on private apps shows it: `tokenKey` there; back come user, account, app and scopes."""
    asked = "/oauth/v2/private-apps/get/access-token-info"
    hubspot.mutate("token", token="pat-narrow", scopes=["tickets", "crm.objects.companies.read"])
    as_token(hubspot, "")
    hubspot.sandbox.journal.clear()
    told = hubspot.ask("POST", asked, json={"tokenKey": "pat-narrow"})
    assert {name: type(value) for name, value in told.items()} == {
        "userId": int,
        "hubId": int,
        "appId": int,
        "scopes": list,
    }
    assert (told["hubId"], told["scopes"]) == (4_242_001, ["crm.objects.companies.read", "tickets"])
    assert hubspot.sandbox.journal.writes() == 0
    oauth = hubspot.ask("POST", "/oauth/v1/token", data=OAUTH)["access_token"]
    for key in ("pat-nobody", oauth):
        hubspot.ask("POST", asked, 401, json={"tokenKey": key})
    bodies: tuple[Any, ...] = ({}, [], {"tokenKey": 1})
    for body in bodies:
        hubspot.ask("POST", asked, 400, json=body)
    hubspot.mutate("options", legacy_paths=False)
    hubspot.ask("POST", asked, 404, json={"tokenKey": "pat-narrow"})


def test_tokens_can_be_given_and_revoked(make_client: Callable[..., Any]) -> None:
    client = make_client(token="pat-mine", tokens={"pat-mine": ["crm.objects.companies.read"]})
    client.get(COMPANIES)
    client.mutate("revoke_token", token="pat-mine")
    client.get(COMPANIES, 401)


def test_an_oauth_token_lives_for_half_an_hour(hubspot: Any) -> None:
    answer = hubspot.ask("POST", "/oauth/v1/token", data=OAUTH)
    assert answer["expires_in"] == 1800
    assert (answer["token_type"], answer["refresh_token"]) == ("bearer", "sandbox-refresh-token")
    as_token(hubspot, answer["access_token"])
    hubspot.later(1799)
    page = hubspot.send("GET", COMPANIES)
    assert page.status_code == 200
    assert f"{HEADERS}Daily" not in page.headers
    described = hubspot.ask("GET", f"/oauth/v1/access-tokens/{answer['access_token']}")
    assert described["expires_in"] == 1
    hubspot.later(8)
    refused = hubspot.get(COMPANIES, 401)
    assert refused["category"] == "EXPIRED_AUTHENTICATION"
    assert refused["message"].endswith("expired 7 second(s) ago.")
    assert refused["context"] == {"expire time": ["2026-11-22T00:30:00Z"]}
    as_token(hubspot, hubspot.ask("POST", "/oauth/2026-09/token", data=OAUTH)["access_token"])
    hubspot.get(COMPANIES)
    hubspot.mutate("expire_tokens")
    hubspot.get(COMPANIES, 401)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"refresh_token": "x"}, "BAD_REFRESH_TOKEN"),
        ({"client_secret": "x"}, "BAD_CLIENT_ID"),
        ({"grant_type": "password"}, "BAD_GRANT_TYPE"),
        ({"grant_type": "client_credentials"}, "BAD_GRANT_TYPE"),
    ],
)
def test_wrong_grants_are_refused(hubspot: Any, changes: dict[str, str], status: str) -> None:
    assert hubspot.ask("POST", "/oauth/v1/token", 400, data={**OAUTH, **changes})["status"] == status


def test_dated_oauth_knows_client_credentials_introspection_and_revocation(hubspot: Any) -> None:
    form = {**OAUTH, "grant_type": "client_credentials"}
    text = hubspot.ask("POST", "/oauth/2026-09/token", data=form)["access_token"]
    assert hubspot.ask("POST", "/oauth/2026-09/token/introspect", data={"token": text})["token_type"] == "access"
    hubspot.ask("POST", "/oauth/2026-09/token/revoke", data={"token": text})
    hubspot.ask("POST", "/oauth/2026-09/token/introspect", 404, data={"token": text})
    hubspot.ask("POST", "/oauth/2026-09/token/revoke", 401, data={"token": text})
    assert hubspot.get("/oauth/v1/refresh-tokens/sandbox-refresh-token")["client_id"] == "sandbox-client"
    hubspot.ask("DELETE", "/oauth/v1/refresh-tokens/sandbox-refresh-token", 204)
    hubspot.ask("POST", "/oauth/v1/token", 400, data=OAUTH)


def test_success_headers_count_down(make_client: Callable[..., Any]) -> None:
    client = make_client(burst_limit=190, daily_limit=625_000)
    client.get(COMPANIES)
    headers = client.send("GET", COMPANIES).headers
    assert {name.removeprefix(HEADERS): value for name, value in headers.items() if name.startswith(HEADERS)} == {
        "Daily": "625000",
        "Daily-Remaining": "624998",
        "Interval-Milliseconds": "10000",
        "Max": "190",
        "Remaining": "188",
        "Secondly": "19",
        "Secondly-Remaining": "18",
    }


def test_the_burst_limit_rolls_over_ten_seconds_per_token(make_client: Callable[..., Any]) -> None:
    client = make_client(burst_limit=5)
    client.mutate("token", token="pat-other", scopes=["crm.objects.companies.read"])
    for _ in range(5):
        client.get(COMPANIES)
        client.later(1)
    answer = client.send("GET", COMPANIES)
    body = answer.json()
    assert answer.status_code == 429
    assert (body["policyName"], body["errorType"]) == ("TEN_SECONDLY_ROLLING", "RATE_LIMIT")
    assert answer.headers["Retry-After"] == "10"
    client.search("companies")
    client.later(5)
    client.get(COMPANIES)
    client.get(COMPANIES, 429)
    as_token(client, "pat-other")
    client.get(COMPANIES)


def test_retry_after_may_be_missing(make_client: Callable[..., Any]) -> None:
    client = make_client(burst_limit=0, retry_after=False)
    answer = client.send("GET", COMPANIES)
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers


def test_searches_are_five_a_second_for_all_tokens_together(make_client: Callable[..., Any]) -> None:
    client = make_client(search_limit=5)
    client.mutate("token", token="pat-other", scopes=["crm.objects.companies.read"])
    for _ in range(5):
        client.search("companies")
    as_token(client, "pat-other")
    refused = client.search("companies", status=429)
    assert refused["policyName"] == "SECONDLY"
    client.later(1)
    client.search("companies")


@pytest.mark.parametrize(
    ("start", "midnight"),
    [
        ("2026-11-22T00:00:00+00:00", "2026-11-22T05:00:00+00:00"),
        ("2026-11-22T06:00:00+00:00", "2026-11-23T05:00:00+00:00"),
        ("2026-07-01T12:00:00+00:00", "2026-07-02T04:00:00+00:00"),
        ("2027-03-14T05:30:00+00:00", "2027-03-15T04:00:00+00:00"),
    ],
)
def test_the_daily_limit_ends_at_the_account_s_own_midnight(
    make_client: Callable[..., Any], start: str, midnight: str
) -> None:
    client = make_client(daily_limit=2)
    client.sandbox.clock.set(datetime.fromisoformat(start))
    client.get(COMPANIES)
    client.search("companies")
    answer = client.send("GET", COMPANIES)
    assert (answer.status_code, answer.json()["policyName"]) == (429, "DAILY")
    wait = int(answer.headers["Retry-After"])
    assert wait == (datetime.fromisoformat(midnight) - datetime.fromisoformat(start)).total_seconds()
    client.later(wait - 1)
    client.get(COMPANIES, 429)
    client.later(1)
    client.get(COMPANIES)


def test_usage_of_the_day(make_client: Callable[..., Any]) -> None:
    client = make_client(daily_limit=1000)
    client.mutate("use_quota", calls=500)
    (row,) = client.get("/account-info/v3/api-usage/daily/private-apps")["results"]
    assert (row["usageLimit"], row["currentUsage"]) == (1000, 501)
    assert row["resetsAt"] == "2026-11-22T05:00:00.000Z"


def test_account_details(hubspot: Any) -> None:
    details = hubspot.get("/account-info/v3/details")
    assert details["portalId"] == 4_242_001
    assert (details["timeZone"], details["utcOffset"]) == ("America/New_York", "-05:00")
    assert details["utcOffsetMilliseconds"] == -18_000_000
    hubspot.sandbox.clock.set(datetime(2027, 6, 1, tzinfo=UTC))
    assert hubspot.get("/account-info/v3/details")["utcOffset"] == "-04:00"


def test_a_burst_of_updates_locks_for_two_seconds(make_client: Callable[..., Any]) -> None:
    client = make_client(lock_after=3)
    ids = [row["id"] for row in client.get(COMPANIES, limit=4)["results"]]
    body = {"inputs": [{"id": i, "properties": {"phone": "1"}} for i in ids]}
    assert client.post(f"{COMPANIES}/batch/update", body, 423)["category"] == "LOCKED"
    assert client.record("companies", ids[0], "phone")["phone"] is None
    one = {"json": {"properties": {"phone": "2"}}}
    client.later(1.9)
    client.ask("PATCH", f"{COMPANIES}/{ids[0]}", 423, **one)
    client.later(0.1)
    for _ in range(3):
        client.ask("PATCH", f"{COMPANIES}/{ids[0]}", **one)
    client.later(1)
    client.ask("PATCH", f"{COMPANIES}/{ids[0]}", **one)


def test_an_account_being_moved_answers_477(hubspot: Any) -> None:
    hubspot.mutate("options", migrating=86_400)
    answer = hubspot.send("GET", COMPANIES)
    assert (answer.status_code, answer.headers["Retry-After"]) == (477, "86400")
    hubspot.mutate("options", migrating=None)
    hubspot.get(COMPANIES)


def test_a_long_uri_is_refused_as_plain_text(hubspot: Any) -> None:
    names = [f"property_number_{n}" for n in range(400)]
    answer = hubspot.send("GET", COMPANIES, params={"properties": names})
    assert (answer.status_code, answer.headers["Content-Type"]) == (414, "text/plain; charset=utf-8")


def test_every_error_has_its_own_correlation_id(hubspot: Any) -> None:
    numbers = {hubspot.get(f"{COMPANIES}/{n}", 404)["correlationId"] for n in range(1, 20)}
    assert len(numbers) == 19
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", n) for n in numbers)
