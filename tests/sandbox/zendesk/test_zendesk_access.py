from collections.abc import Callable
from typing import Any

import pytest

from sandbox.core import ZENDESK_TOKEN
from sandbox.faults import Fault
from sandbox.zendesk import OAUTH_SCOPES, OAUTH_TOKEN
from sandbox.zendesk_desk import AGENT_EMAIL
from tests.contracts import contract

ADMIN_PATHS = (
    "incremental/tickets/cursor.json?start_time=0",
    "incremental/organizations.json?start_time=0",
    "satisfaction_ratings.json",
)


def test_the_admin_is_recognised(desk: Any) -> None:
    user = desk.json("users/me.json")["user"]
    assert user["id"] > 0
    assert (user["role"], user["email"]) == ("admin", "admin@holdfast.example")


@pytest.mark.parametrize(
    "auth", [None, ("admin@holdfast.example/token", "wrong"), ("nobody@x.example/token", ZENDESK_TOKEN)]
)
def test_a_bad_token_is_an_anonymous_user_with_status_200(desk: Any, auth: Any) -> None:
    desk.session.auth = auth
    response = desk.get("users/me.json")
    assert response.status_code == 200
    assert response.json()["user"]["id"] is None
    assert response.json()["user"]["name"] == "Anonymous user"


def test_a_bad_token_is_refused_everywhere_else(desk: Any) -> None:
    desk.session.auth = ("admin@holdfast.example/token", "wrong")
    for path in (*ADMIN_PATHS, "groups.json"):
        response = desk.get(path)
        assert (response.status_code, response.json()) == (401, {"error": "Couldn't authenticate you"})


def test_a_password_is_not_a_token(desk: Any) -> None:
    desk.session.auth = ("admin@holdfast.example", ZENDESK_TOKEN)
    assert desk.get("groups.json").status_code == 401


def test_oauth_works_as_the_admin(desk: Any) -> None:
    desk.session.auth = None
    desk.session.headers["Authorization"] = f"Bearer {OAUTH_TOKEN}"
    assert desk.json("users/me")["user"]["role"] == "admin"
    desk.session.headers["Authorization"] = "Bearer something-else"
    assert desk.json("users/me")["user"]["id"] is None


def test_an_agent_may_read_lists_but_no_exports(desk: Any) -> None:
    desk.session.auth = (f"{AGENT_EMAIL}/token", ZENDESK_TOKEN)
    assert desk.json("users/me.json")["user"]["role"] == "agent"
    for path in ADMIN_PATHS:
        response = desk.get(path)
        assert response.status_code == 403
        assert response.json()["error"]["title"] == "Forbidden"
    assert desk.get("groups.json").status_code == 200


def test_guide_has_its_own_envelope(desk: Any) -> None:
    desk.session.auth = None
    refused = desk.get("guide/survey_responses")
    assert refused.status_code == 401
    assert refused.json() == {
        "errors": [{"code": "Unauthorized", "status": "401", "title": "Unauthorized to access the resource"}]
    }
    desk.session.auth = (f"{AGENT_EMAIL}/token", ZENDESK_TOKEN)
    assert desk.get("guide/survey_responses").json()["errors"][0]["code"] == "Forbidden"


def test_unknown_paths_and_records_are_not_found(desk: Any) -> None:
    for path in ("nonsense.json", "tickets/99999999.json", "users/5.json"):
        response = desk.get(path)
        assert (response.status_code, response.json()["error"]) == (404, "RecordNotFound")
    outside = desk.session.get(desk.base.replace("/api/v2/", "/api/v1/") + "groups")
    assert outside.status_code == 404


def test_nothing_can_be_written(desk: Any) -> None:
    assert desk.session.post(desk.base + "tickets.json", json={}).status_code == 405
    assert [entry.write for entry in desk.sandbox.journal.entries()] == [True]


def test_every_answer_tells_the_limits(desk: Any) -> None:
    for path in ("users/me.json", "nonsense"):
        headers = desk.get(path).headers
        assert headers["x-rate-limit"] == "10000"
        assert {"x-rate-limit-remaining", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(headers)
        assert headers["Date"] == "Sun, 22 Nov 2026 00:00:00 GMT"


def test_exports_are_limited_to_ten_a_minute(make: Callable[..., Any]) -> None:
    desk = make(export_per_minute=10)
    path = "incremental/organizations.json?start_time=0"
    for left in range(9, -1, -1):
        assert desk.get(path).headers["ratelimit-remaining"] == str(left)
        desk.pass_time(1)
    refused = desk.get(path)
    assert refused.status_code == 429
    assert refused.json()["error"] == "APIRateLimitExceeded"
    assert refused.headers["Retry-After"] == "50"
    assert desk.get("groups.json").status_code == 200
    desk.pass_time(50)
    assert desk.get(path).status_code == 200
    assert desk.get(path).status_code == 429


def test_the_account_has_a_limit_too(make: Callable[..., Any]) -> None:
    desk = make(account_per_minute=3)
    assert [desk.get("groups.json").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = desk.get("users/me.json")
    assert refused.status_code == 429
    assert refused.headers["x-rate-limit-remaining"] == "0"
    desk.pass_time(float(refused.headers["Retry-After"]))
    assert desk.get("groups.json").status_code == 200


def test_a_gateway_may_answer_in_html(desk: Any) -> None:
    desk.sandbox.faults.add(Fault("html", vendor="zendesk", path="incremental"))
    response = desk.get(ADMIN_PATHS[0])
    assert response.status_code == 502
    assert response.headers["Content-Type"].startswith("text/html")
    assert desk.get(ADMIN_PATHS[0]).status_code == 200


def test_links_follow_the_address_the_client_used(desk: Any) -> None:
    page = desk.json("incremental/tickets/cursor.json", start_time=0, per_page=1)
    assert page["after_url"].startswith(desk.base + "incremental/tickets/cursor.json?")
    assert page["tickets"][0]["url"].startswith(desk.base)
    plain = desk.json("incremental/tickets/cursor", start_time=0, per_page=1)
    assert plain["after_url"].startswith(desk.base + "incremental/tickets/cursor?")
    desk.session.headers["X-Forwarded-Host"] = "acme.zendesk.com"
    forwarded = desk.json("incremental/tickets.json", start_time=0, per_page=1)
    assert forwarded["next_page"].startswith("https://acme.zendesk.com/api/v2/incremental/tickets.json?")


@pytest.mark.parametrize("option", [{"csat": "both"}, {"inactive_csat": "gone"}, {"nonsense": 1}])
def test_unknown_options_are_refused(make: Callable[..., Any], option: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        make(**option)


def test_unknown_actions_are_refused(desk: Any) -> None:
    with pytest.raises(ValueError, match="merge_users"):
        desk.act("nonsense")
    with pytest.raises(ValueError, match="no ticket 1"):
        desk.act("delete_ticket", id=1)


def test_truth_is_about_organizations_and_active_end_users(desk: Any, world: Any) -> None:
    truth = desk.sandbox.truth()["zendesk"]
    users = {str(u["id"]): u for u in desk.all("users")}
    expected = {i for i, u in users.items() if u["active"] and u["role"] == "end-user"}
    assert set(truth["contact"]) == expected
    for vendor_id, world_id in truth["contact"].items():
        assert users[vendor_id]["name"] == world.people[world_id - 1].name
    assert {world.companies[i - 1].id for i in truth["account"].values()} == set(truth["account"].values())


def test_an_oauth_token_tells_its_scopes_as_described(desk: Any) -> None:
    path = "oauth/tokens/current.json"
    assert (
        path
        in contract("zendesk", "oauth.openapi.yml")["paths"]["/api/v2/oauth/tokens/{oauth_token_id}"]["get"][
            "description"
        ]
    )
    assert desk.get(path).status_code == 404, "an API token is none"
    desk.session.auth = None
    described = {
        *("client_id", "created_at", "expires_at", "id", "refresh_token", "refresh_token_expires_at", "scopes"),
        *("token", "url", "used_at", "user_id"),
    }  # Zendesk's reference, "OAuth Tokens"
    for token, scopes in OAUTH_SCOPES.items():
        desk.session.headers["Authorization"] = f"Bearer {token}"
        shown = desk.json(path)["token"]
        assert set(shown) == set(described)
        assert (shown["scopes"], shown["token"]) == (list(scopes), token[:10])
