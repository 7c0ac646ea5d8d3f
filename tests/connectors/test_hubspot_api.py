"""The client library on our session, paths of all versions, and the error shapes that the vendor documents."""

import threading
from typing import Any

import pytest
import responses

from connectors.base import SystemClock
from connectors.errors import (
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    NotFoundError,
    QuotaError,
    RequestError,
    TransientError,
)
from connectors.http import Http
from connectors.hubspot import BASE_URL, Settings, connect
from connectors.hubspot_api import RULES, Api, Paths
from connectors.registry import VENDORS
from tests.contracts import contract


def api(portal: Any, version: str = "2026-09") -> Api:
    found: Api = portal.connect(api_version=version)._api
    return found


def test_the_library_keeps_one_object_for_each_api(portal: Any) -> None:
    client = api(portal).client
    assert client.crm.objects.batch_api is client.crm.objects.batch_api
    assert client.crm.objects.batch_api is not client.crm.objects.basic_api


def test_the_library_s_calls_take_our_way(portal: Any) -> None:
    ours = api(portal)
    portal.fault("status", "owners", status=503)
    page = ours.call(ours.client.crm.owners.owners_api.get_page, limit=100, archived=False, purpose="owners")
    assert page["results"]
    assert ours.http.calls == {"owners": 2}
    assert portal.requests() == ["GET /crm/owners/2026-09"] * 2


def test_the_library_s_own_models_still_work(portal: Any) -> None:
    page = api(portal).client.crm.companies.basic_api.get_page(limit=1)
    assert page.results[0].id in portal.ids("companies")


def test_the_library_s_errors_are_ours(portal: Any) -> None:
    with pytest.raises(NotFoundError):
        api(portal).client.crm.companies.basic_api.get_by_id("404")


def test_threads_share_one_account(portal: Any) -> None:
    ours = api(portal)
    problems: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(5):
                ours.call(ours.client.crm.properties.core_api.get_all, "companies", purpose="properties")
        except ConnectorError as error:
            problems.append(error)

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert ours.http.calls["properties"] == 30


def test_limits_are_learnt_from_headers(portal: Any) -> None:
    ours = api(portal)
    portal.do("options", burst_limit=250, daily_limit=5000)
    ours.json("GET", "/account-info/v3/details", purpose="check")
    assert ours.http.buckets["default"].limit == 200
    assert ours.http.buckets["search"].limit == 4
    assert (ours.daily.limit, ours.daily.remaining) == (5000, 4999)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/crm/v3/objects/contacts", "/crm/objects/2026-09/contacts"),
        ("/crm/v3/objects/contacts/batch/read", "/crm/objects/2026-09/contacts/batch/read"),
        ("/crm/v3/objects/feedback_submissions/search", "/crm/objects/2026-03/feedback_submissions/search"),
        ("/crm/v4/associations/a/b/batch/read", "/crm/associations/2026-09/a/b/batch/read"),
        ("/crm/v3/owners/", "/crm/owners/2026-09"),
        ("/account-info/v3/details", "/account-info/2026-09/details"),
        ("/crm/v3/objectsx/contacts", "/crm/v3/objectsx/contacts"),
    ],
)
def test_paths_are_translated_in_one_place(path: str, sent: str) -> None:
    assert Paths("2026-09").of(path) == sent
    assert Paths("legacy").of(path) == path


def test_every_path_family_is_the_vendors() -> None:
    table = contract("hubspot", "path_map_dated_versions.json")
    paths = Paths("2026-09")
    used = (
        *("records", "search", "associations batch", "properties", "property groups", "owners", "pipelines"),
        *("CRM data limits", "account details", "daily API usage"),
    )
    for row in table["map"]:
        if row["what"].startswith(used):
            legacy, dated = (row[key].partition("[")[0] for key in ("legacy", "dated"))
            assert paths.of(legacy) == dated.replace("{v}", "2026-09")


def test_every_documented_error_means_what_to_do_next() -> None:
    expected: dict[str, type[ConnectorError]] = {
        "auth_missing": CredentialsError,
        "auth_expired": CredentialsError,
        "bad_token_format": CredentialsError,
        "missing_scopes": MissingPermissionError,
        "not_found": NotFoundError,
        "locked": TransientError,
        "gateway": TransientError,
        "cloudflare_timeout": TransientError,
        "migration": QuotaError,
        "rate_ten_secondly": QuotaError,
        "rate_search_secondly": QuotaError,
        "rate_daily": QuotaError,
    }
    cases = contract("hubspot", "error_shapes.json")["cases"]
    for case in (case for case in cases if case["status"] >= 300):
        http = Http("hubspot", BASE_URL, clock=_Frozen(), auth={}, secrets=[], rules=RULES, deadline=1.0)
        with responses.RequestsMock() as web:
            body = (
                {"json": case["body"]} if "body" in case else {"body": case["body_text"], "content_type": "text/html"}
            )
            web.get(f"{BASE_URL}/x", status=case["status"], headers=case.get("headers"), **body)
            with pytest.raises(ConnectorError) as caught:
                http.request("GET", "/x")
        assert type(caught.value) is expected.get(case["name"], RequestError), case["name"]
        assert caught.value.status == case["status"]


class _Frozen(SystemClock):
    """Every wait is too long for it."""

    def sleep(self, seconds: float) -> None:
        del seconds


def test_the_host_is_hubspots_or_this_machine() -> None:
    for good in ("https://api.hubapi.com", "https://api-eu1.hubapi.com", "http://127.0.0.1:1/hubspot"):
        connect("hubspot", Settings(token="t" * 8, base_url=good), clock=SystemClock())
    with pytest.raises(ConnectorError, match="base_url"):
        connect("hubspot", Settings(token="t" * 8, base_url="https://hubapi.com.evil.example"), clock=SystemClock())


def test_settings_hide_the_token_and_refuse_what_they_do_not_know() -> None:
    settings = Settings(token="pat-na1-secret-token")
    assert "secret-token" not in repr(settings)
    assert settings.base_url is None
    for wrong in (
        {"token": "x", "tokken": "y"},
        {"token": "x", "api_version": "v5"},
        {"token": "x", "deletes_hours": 0},
    ):
        with pytest.raises(ValueError, match="validation error"):
            Settings.model_validate(wrong)


def test_the_registry_loads_it() -> None:
    module = VENDORS["hubspot"].load()
    assert VENDORS["hubspot"].is_crm
    assert module.connect is connect
    assert {name for name, vendor in VENDORS.items() if vendor.is_crm} == {"hubspot", "salesforce"}
