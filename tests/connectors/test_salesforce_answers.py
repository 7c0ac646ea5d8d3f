"""Answers that no simulator gives: pages that repeat, links that lead elsewhere, queries too long for an address."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from connectors.base import Row
from connectors.errors import (
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
)
from connectors.salesforce import Salesforce, Settings, connect
from tests.connectors.salesforce_reads import pull, rows

DATA = "https://acme.my.salesforce.com/services/data/v64.0"


@pytest.fixture
def scripted(clock: Any, web: responses.RequestsMock) -> tuple[Salesforce, responses.RequestsMock]:
    """A connector to an org that says what it is told to."""
    web.post(f"{DATA}/composite", json={})
    web.get(f"{DATA}/limits/recordCount", json={"sObjects": []})
    return connect("salesforce", Settings(domain="acme.my", session_id="00D!x"), clock=clock), web


def answer(*numbers: int, link: str | None = None, total: int | None = None) -> dict[str, Any]:
    usual = dict.fromkeys(("AccountId", "Status", "StartDate", "EndDate"))
    stamp = "2026-01-01T00:00:{:02d}.000+0000"
    records: list[Row] = [
        {
            "attributes": {},
            "Id": f"800Hf00000000{n:02d}",
            "SystemModstamp": stamp.format(n),
            "IsDeleted": False,
            **usual,
        }
        for n in numbers
    ]
    body = {"totalSize": total, "done": link is None, "records": records}
    return body if link is None else {**body, "nextRecordsUrl": link}


def test_empty_pages_in_the_middle_are_walked_over(scripted: tuple[Salesforce, responses.RequestsMock]) -> None:
    crm, web = scripted
    link = "/services/data/v64.0/query/01g-{}"
    web.get(f"{DATA}/queryAll", json=answer(1, link=link.format(1), total=2))
    web.get(f"{DATA}/query/01g-1", json=answer(link=link.format(2), total=2))
    web.get(f"{DATA}/query/01g-2", json=answer(2, total=2))
    batches = pull(crm, "contracts")
    assert [[row["Id"][-2:] for row in batch.rows] for batch in batches] == [["01"], [], ["02"]]


def test_pages_that_repeat_themselves_are_noticed(scripted: tuple[Salesforce, responses.RequestsMock]) -> None:
    crm, web = scripted
    link = "/services/data/v64.0/query/01g-{}"
    web.get(f"{DATA}/queryAll", json=answer(1, 2, link=link.format(1)))
    web.get(f"{DATA}/query/01g-1", json=answer(1, 2, link=link.format(2)))
    with pytest.raises(ShapeError, match="go in circles"):
        pull(crm, "contracts")
    web.replace(responses.GET, f"{DATA}/query/01g-1", json=answer(3, link=link.format(1)))
    with pytest.raises(ShapeError, match="do not come to an end"):
        pull(crm, "contracts")


def test_a_paging_link_to_another_host_is_never_followed(scripted: tuple[Salesforce, responses.RequestsMock]) -> None:
    crm, web = scripted
    for link in ("https://evil.example/x", "//evil.example/x"):
        web.upsert(responses.GET, f"{DATA}/queryAll", json=answer(1, link=link))
        with pytest.raises((ShapeError, RequestError, TransientError)):
            pull(crm, "contracts")
    assert not [call for call in web.calls if "evil" in str(call.request.url).partition("/services/")[0]]


WIDE = [f"Field_With_A_Long_Name_{number}__c" for number in range(600)]


@pytest.fixture
def wide(scripted: tuple[Salesforce, responses.RequestsMock], clock: Any) -> tuple[Salesforce, responses.RequestsMock]:
    """The same with more fields than fit into an address."""
    settings = Settings(domain="acme.my", session_id="00D!x")
    return connect("salesforce", settings, clock=clock, wanted={"contracts": WIDE}), scripted[1]


def test_a_query_too_long_for_an_address_goes_in_a_body(wide: tuple[Salesforce, responses.RequestsMock]) -> None:
    crm, web = wide
    first = answer(1, link="/services/data/v64.0/query/01g-1")
    page = {**first, "records": [{**first["records"][0], **dict.fromkeys(WIDE, "x")}]}
    part = {"body": page, "httpHeaders": {}, "httpStatusCode": 200, "referenceId": "rows"}
    web.post(f"{DATA}/composite", json={"compositeResponse": [part]})
    second = answer(2)
    web.get(f"{DATA}/query/01g-1", json={**second, "records": [{**second["records"][0], **dict.fromkeys(WIDE, "y")}]})
    batches = pull(crm, "contracts")
    assert [row[WIDE[-1]] for row in rows(batches).values()] == ["x", "y"]
    assert [call.request.method for call in web.calls] == ["POST", "GET", "POST", "GET"]
    (sent,) = json.loads(web.calls[2].request.body or "")["compositeRequest"]
    soql = parse_qs(urlsplit(sent["url"]).query)["q"][0]
    assert sent["method"] == "GET"
    assert sent["url"].startswith("/services/data/v64.0/queryAll?q=SELECT")
    assert soql.endswith(f"{WIDE[-1]} FROM Contract ORDER BY SystemModstamp, Id")


def test_a_query_in_a_body_is_refused_as_any_query(wide: tuple[Salesforce, responses.RequestsMock]) -> None:
    crm, web = wide
    refused = [{"errorCode": "QUERY_TIMEOUT", "message": "too long"}]
    for part, error in (
        ({"httpStatusCode": 400, "body": refused}, TransientError),
        ({"httpStatusCode": 403, "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "x"}]}, QuotaError),
        ({"httpStatusCode": 418, "body": None}, RequestError),
        ({"body": []}, ShapeError),
        (None, ShapeError),
    ):
        web.upsert(responses.POST, f"{DATA}/composite", json={"compositeResponse": [part]})
        with pytest.raises(error):
            pull(crm, "contracts")
