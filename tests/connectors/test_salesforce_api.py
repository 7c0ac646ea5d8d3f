"""What Salesforce's refusals mean, the org's budget, paging and descriptions."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    NotFoundError,
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
)
from connectors.http import refused_with
from connectors.salesforce import Settings, connect
from connectors.salesforce_api import MOST_URI, Api
from connectors.salesforce_rules import DAY_LIMIT, is_not_there
from connectors.salesforce_settings import API_VERSION
from tests.connectors.salesforce_web import DATA, given, open_api, refusal, sent
from tests.contracts import contract

# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("session_not_valid_for_rest", CredentialsError),
        ("daily_limit", QuotaError),
        ("concurrent_limit", TransientError),
        ("api_disabled", CredentialsError),
        ("api_currently_disabled_for_user", CredentialsError),
        ("query_no_such_field", MissingPermissionError),
        ("write_no_such_field", MissingPermissionError),
        ("write_read_only_field", RequestError),
        ("malformed_query", RequestError),
        ("unknown_object", MissingPermissionError),
        ("query_timeout", TransientError),
        ("query_cursor_expired", CursorExpiredError),
        ("required_missing", RequestError),
        ("row_lock", TransientError),
        ("inactive_owner", RequestError),
        ("get_missing", NotFoundError),
        ("patch_missing", NotFoundError),
        ("no_access", MissingPermissionError),
        ("read_only_user", MissingPermissionError),
        ("external_id_many", ConfigError),
        ("uri_too_long", RequestError),
        ("headers_too_large", RequestError),
        ("unavailable", TransientError),
        ("bulk2_unsupported_entity", RequestError),
    ],
)
def test_every_documented_refusal_has_its_meaning(
    clock: Any, web: responses.RequestsMock, case: str, error: type[ConnectorError]
) -> None:
    shapes = contract("salesforce", "response_shapes.json")["cases"]
    shape = next(one for one in shapes if one["name"] == case)
    body = shape["body_text"] if "body_text" in shape else json.dumps(shape["body"])
    web.get(f"{DATA}/thing", status=shape["status"], body=body)
    with pytest.raises(ConnectorError) as caught:
        open_api(clock, domain="acme.my", session_id="00D5e!given").json("GET", "thing", purpose="x")
    assert type(caught.value) is error
    if isinstance(shape.get("body"), list) and isinstance(shape["body"][0], dict):
        assert refused_with(caught.value, shape["body"][0]["errorCode"])


@pytest.mark.parametrize(
    ("code", "message", "error", "tries"),
    [
        (DAY_LIMIT, "TotalRequests Limit exceeded.", QuotaError, 1),
        (DAY_LIMIT, "ConcurrentPerOrgLongTxn Limit exceeded.", TransientError, 8),
        ("QUERY_TIMEOUT", "too long", TransientError, 2),
        ("UNABLE_TO_LOCK_ROW", "locked", TransientError, 3),
        ("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL", ConfigError, 1),
        ("INSUFFICIENT_ACCESS", "no", MissingPermissionError, 1),
    ],
)
def test_the_code_decides_whatever_the_status_and_even_for_writes(
    clock: Any, web: responses.RequestsMock, code: str, message: str, error: type[ConnectorError], tries: int
) -> None:
    for status in (400, 403):
        web.reset()
        web.patch(f"{DATA}/thing", status=status, json=refusal(code, message))
        api = given(clock)
        with pytest.raises(error) as caught:
            api.json("PATCH", "thing", purpose="x", body={}, repeatable=False)
        assert type(caught.value) is error
        assert api.calls["x"] == tries


def test_what_is_not_there_or_hidden_can_be_told(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/thing", status=400, json=refusal("INVALID_FIELD", "No such column"))
    with pytest.raises(MissingPermissionError) as caught:
        given(clock).json("GET", "thing", purpose="x")
    assert is_not_there(caught.value)
    assert not is_not_there(RequestError("other", detail=refusal("MALFORMED_QUERY")))


# ---- the org's budget ------------------------------------------------------------------------------------------------


def used(share: float, more: str = "") -> dict[str, str]:
    return {"Sforce-Limit-Info": f"api-usage={round(share * 1000)}/1000{more}"}


def test_the_budget_is_read_off_every_answer(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits", json={}, headers=used(0.25, "; per-app-api-usage=17/250(appName=Other app)"))
    web.get(f"{DATA}/limits", json={}, headers={"Sforce-Limit-Info": "something new"})
    api = given(clock)
    assert api.usage.share is None
    api.json("GET", "limits", purpose="x")
    api.json("GET", "limits", purpose="x")
    assert (api.daily.limit, api.daily.remaining, api.daily.period) == (1000, 750, "day")
    assert api.usage.apps == {"Other app": (17, 250)}
    assert api.usage.share == 0.25


def test_beyond_its_share_nothing_is_sent_until_the_news_is_old(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits", json={}, headers=used(0.5))
    api = open_api(clock, domain="acme.my", session_id="00D5e!given", stop_at=0.5)
    api.json("GET", "limits", purpose="x")
    calls = (
        lambda: api.json("GET", "limits", purpose="x"),
        lambda: api.raw("GET", "limits", purpose="x"),
        lambda: list(api.query("SELECT Id FROM Account", purpose="x")),
        lambda: api.call(api.client.limits, purpose="x"),
    )
    for call in calls:
        with pytest.raises(QuotaError, match=r"50% of the org's calls .* stop at 50%\. .*raise stop_at") as caught:
            call()
        assert caught.value.code == "stop_at"
    assert api.calls == {"x": 1}
    api.json("GET", "limits", purpose="check")
    clock.sleep(901)
    api.json("GET", "limits", purpose="x")
    with pytest.raises(QuotaError):
        api.json("GET", "limits", purpose="x")
    assert api.calls == {"x": 2, "check": 1}


def test_a_stop_at_of_one_leaves_the_limit_to_salesforce(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits", json={}, headers=used(1.0))
    api = open_api(clock, domain="acme.my", session_id="00D5e!given", stop_at=1)
    for _ in range(2):
        api.json("GET", "limits", purpose="x")
    assert api.calls == {"x": 2}


def test_what_is_left_is_asked_only_while_no_answer_has_told(org: Any) -> None:
    org.crm.environment()
    asked = dict(org.crm.calls)
    quota = org.crm.quota()
    assert (quota.limit, quota.remaining) == (115_000, 92_000 - 1), "up to stop_at"
    assert org.crm.calls == asked


def test_what_is_left_by_the_list_of_limits(clock: Any, web: responses.RequestsMock) -> None:
    keys = Settings(domain="acme.my", session_id="00D5e!given")
    crm = connect("salesforce", keys, clock=clock)
    web.get(f"{DATA}/limits/", status=403, json=refusal("INSUFFICIENT_ACCESS"))
    assert crm.quota().remaining is None
    web.reset()
    web.get(f"{DATA}/limits/", json={"DailyApiRequests": {"Max": "?", "Remaining": 3}})
    assert crm.quota().remaining is None
    web.reset()
    web.get(f"{DATA}/limits/", json={"DailyApiRequests": {"Max": 15000, "Remaining": 12340}})
    assert (crm.quota().limit, crm.quota().remaining) == (15000, 9340), "up to stop_at"


# ---- queries and descriptions ----------------------------------------------------------------------------------------


def page(*ids: str, link: Any = None) -> dict[str, Any]:
    body: dict[str, Any] = {"totalSize": 9, "done": link is None, "records": [{"Id": one} for one in ids]}
    return body if link is None else {**body, "nextRecordsUrl": link}


def test_pages_are_followed_below_the_base_url(clock: Any, web: responses.RequestsMock) -> None:
    base = "http://127.0.0.1:8642/salesforce"
    link = f"/services/data/v{API_VERSION}/query/01g-2000"
    web.get(f"{base}/services/data/v{API_VERSION}/queryAll", json=page("a", link=link))
    web.get(f"{base}{link}", json=page())
    api = open_api(clock, base_url=base, session_id="00D5e!given")
    pages = list(api.query("SELECT Id FROM Account", purpose="accounts", all_rows=True, batch=200))
    assert [[row["Id"] for row in one["records"]] for one in pages] == [["a"], []]
    assert [call.request.headers["Sforce-Query-Options"] for call in web.calls] == ["batchSize=200"] * 2
    assert api.calls == {"accounts": 2}


@pytest.mark.parametrize("link", [f"/services/data/v{API_VERSION}/query/01g-1", 7, "https://evil.example/x"])
def test_paging_that_goes_nowhere_is_noticed(clock: Any, web: responses.RequestsMock, link: Any) -> None:
    web.get(f"{DATA}/query", json=page("a", link=link))
    web.get(f"{DATA}/query/01g-1", json=page("a", link=link))
    with pytest.raises(ShapeError):
        list(given(clock).query("SELECT Id FROM Account", purpose="x"))
    assert len(web.calls) <= 2


@pytest.mark.parametrize("body", [[], {"done": True}, {"records": {}}])
def test_what_is_not_a_page_is_noticed(clock: Any, web: responses.RequestsMock, body: Any) -> None:
    web.get(f"{DATA}/query", json=body)
    with pytest.raises(ShapeError, match="without a list of records"):
        next(given(clock).query("SELECT Id FROM Account", purpose="x"))


def test_a_query_that_is_too_long_for_an_address_goes_in_a_body(clock: Any, web: responses.RequestsMock) -> None:
    names = "', '".join(["x" * 18] * (MOST_URI // 24))
    soql = f"SELECT Id FROM Account WHERE Id IN ('{names}')"
    answer = {"compositeResponse": [{"body": page("a"), "httpStatusCode": 200, "referenceId": "q", "httpHeaders": {}}]}
    web.post(f"{DATA}/composite", json=answer)
    assert [one["records"] for one in given(clock).query(soql, purpose="x")] == [[{"Id": "a"}]]
    asked = urlsplit(json.loads(sent(web).body)["compositeRequest"][0]["url"])
    assert (asked.path, parse_qs(asked.query)["q"]) == (f"/services/data/v{API_VERSION}/query", [soql])


def test_a_body_as_it_is_goes_up_and_comes_down(clock: Any, web: responses.RequestsMock) -> None:
    web.put(f"{DATA}/jobs/ingest/1/batches", status=201)
    web.get(f"{DATA}/jobs/query/1/results", body="Id\n1\n", headers={"Sforce-Locator": "null"})
    api = given(clock)
    headers = {"Content-Type": "text/csv"}
    api.raw("PUT", "jobs/ingest/1/batches", purpose="x", data="Id,N\n1,ä\n", headers=headers)
    assert (sent(web).body, sent(web).headers["Content-Type"]) == ("Id,N\n1,ä\n".encode(), "text/csv")
    answer = api.raw("GET", "jobs/query/1/results", purpose="x", stream=True)
    assert (answer.headers["Sforce-Locator"], answer.content) == ("null", b"Id\n1\n")


def test_a_description_is_remembered_for_an_hour(org: Any) -> None:
    api: Api = org.crm._api
    fields = api.describe("Account", purpose="x")
    assert fields["Name"]["updateable"] is True
    assert api.describe("Account", purpose="x") == fields
    assert api.calls["x"] == 1
    api.describe("Account", purpose="x", fresh=True)
    org.pass_time(hours=1, seconds=1)
    api.describe("Account", purpose="x")
    assert api.calls["x"] == 3


def test_several_objects_are_described_for_one_call(org: Any) -> None:
    api = org.crm._api
    api.learn(["Account", "Contact", "Nonesuch__c"])
    api.learn(["Account", "Contact"])
    assert "Website" in api.describe("Account", purpose="x")
    assert "Email" in api.describe("Contact", purpose="x")
    assert org.requests()[-1].startswith("POST ")
    assert sum("composite" in request for request in org.requests()) == 1
    with pytest.raises(MissingPermissionError, match="Nonesuch__c"):
        api.describe("Nonesuch__c", purpose="x")
    assert set(api.record_counts(["Account", "Contact", "Nonesuch__c"])) == {"Account", "Contact"}
    assert not [request for request in org.requests() if request.endswith("recordCount")]


@pytest.mark.parametrize("answer", [{}, {"compositeResponse": [{"httpStatusCode": 200, "body": {}}, 7]}])
def test_what_cannot_be_described_together_is_asked_for_singly(
    clock: Any, web: responses.RequestsMock, answer: Any
) -> None:
    web.add("POST", f"{DATA}/composite", json=answer)
    web.add("GET", f"{DATA}/sobjects/Account/describe", json={"fields": [{"name": "Name"}]})
    api = given(clock)
    api.learn(["Account", "Contact"])
    assert list(api.describe("Account", purpose="x")) == ["Name"]


def test_where_requests_in_one_are_refused_each_is_made(clock: Any, web: responses.RequestsMock) -> None:
    web.add("POST", f"{DATA}/composite", status=403, json=refusal("INSUFFICIENT_ACCESS"))
    web.add("GET", f"{DATA}/sobjects/Account/describe", json={"fields": [{"name": "Name"}]})
    api = given(clock)
    api.learn(["Account", "Contact"])
    assert list(api.describe("Account", purpose="x")) == ["Name"]


def test_an_object_that_is_not_there_is_a_missing_right(org: Any) -> None:
    with pytest.raises(MissingPermissionError, match="Nothing__c is not there, or the run-as user has no right"):
        org.crm._api.describe("Nothing__c", purpose="x")


def test_a_description_without_fields_is_noticed(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/sobjects/Account/describe", json={"name": "Account"})
    with pytest.raises(ShapeError, match="lists no fields"):
        given(clock).about("Account", purpose="x")


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_a_description_that_is_no_json_is_noticed(org: Any, kind: str) -> None:
    org.fault("status", "describe", status=200, body="upstream: ok", headers={"Content-Type": kind})
    with pytest.raises(ShapeError, match="not complete, sane JSON"):
        org.crm._api.about("Account", purpose="describe")
    assert org.crm._api.about("Account", purpose="describe")["name"] == "Account"


def test_the_library_runs_on_our_session(clock: Any, web: responses.RequestsMock) -> None:
    base = "http://127.0.0.1:8642/salesforce"
    where = f"{base}/services/data/v{API_VERSION}/"
    web.get(f"{where}sobjects", json={"sobjects": []})
    web.post(f"{where}sobjects/Account/", status=201, json={"id": "001", "success": True})
    web.patch(f"{where}sobjects/Account/001", status=401, json=refusal("INVALID_SESSION_ID"))
    api = open_api(clock, base_url=base, session_id="00D5e!given")
    assert api.client is api.client
    assert api.call(api.client.describe, purpose="x") == {"sobjects": []}
    assert api.call(api.client.Account.create, {"Name": "ä"}, purpose="x")["id"] == "001"
    assert json.loads(sent(web, 1).body) == {"Name": "ä"}
    assert {call.request.headers["Authorization"] for call in web.calls} == {"Bearer 00D5e!given"}
    with pytest.raises(CredentialsError, match="has ended"):
        api.call(api.client.Account.update, "001", {"Name": "b"}, purpose="x")
    assert api.calls == {"x": 3}
    api.client.describe()
    assert api.calls == {"x": 3, "other": 1}


def test_counts_of_records_are_asked_for_once(clock: Any, web: responses.RequestsMock) -> None:
    rows = [{"count": 3, "name": "Account"}, {"count": "?", "name": "Case"}, 5]
    web.get(f"{DATA}/limits/recordCount", json={"sObjects": rows})
    api = given(clock)
    assert api.record_counts(["Account", "Case"]) == {"Account": 3}
    assert api.record_counts(["Account"]) == {"Account": 3}
    assert sent(web).params == {"sObjects": "Account,Case"}
    assert len(web.calls) == 1


def test_counts_may_be_kept_from_us(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits/recordCount", status=403, json=refusal("INSUFFICIENT_ACCESS"))
    assert given(clock).record_counts(["Account"]) == {}


def test_salesforces_clock_is_the_one_of_its_answers(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits", json={}, headers={"Date": "Sun, 22 Nov 2026 08:20:00 GMT"})
    api = given(clock)
    assert api.server_now() == clock.now()
    api.json("GET", "limits", purpose="x")
    assert api.server_now() == datetime.fromisoformat("2026-11-22T08:20:00Z")
