"""Several requests in one call: composite and batch."""

from typing import Any

import pytest

Sf = Any
ROOT = "/services/data/v64.0"


def step(name: str, method: str, url: str, body: Any = None, **more: Any) -> dict[str, Any]:
    return {"referenceId": name, "method": method, "url": f"{ROOT}/{url}", "body": body, **more}


def compose(sf: Sf, *steps: dict[str, Any], whole: bool = False, status: int = 200) -> Any:
    answer = sf.post("composite", {"allOrNone": whole, "compositeRequest": list(steps)}, status)
    return answer["compositeResponse"] if status == 200 else answer


def statuses(rows: list[dict[str, Any]]) -> list[int]:
    return [row["httpStatusCode"] for row in rows]


def used(sf: Sf) -> int:
    answer = sf.send("GET", "limits/")
    return int(answer.headers["Sforce-Limit-Info"].partition("=")[2].partition("/")[0])


def test_later_requests_refer_to_earlier_answers(sf: Sf) -> None:
    before = used(sf)
    rows = compose(
        sf,
        step("acme", "POST", "sobjects/Account", {"Name": "Acme"}),
        step("boss", "POST", "sobjects/Contact", {"LastName": "Boss", "AccountId": "@{acme.id}"}),
        step("found", "GET", "query?q=SELECT+Id,Name+FROM+Account+WHERE+Id='@{acme.id}'"),
        step("again", "PATCH", "sobjects/Account/@{found.records[0].Id}", {"Phone": "1"}),
    )
    assert statuses(rows) == [201, 201, 200, 204]
    assert [row["referenceId"] for row in rows] == ["acme", "boss", "found", "again"]
    account = rows[0]["body"]["id"]
    assert rows[0]["httpHeaders"] == {"Location": f"{ROOT}/sobjects/Account/{account}"}
    assert sf.value(rows[1]["body"]["id"], "AccountId") == account
    assert rows[2]["body"]["records"][0]["Name"] == "Acme"
    assert sf.value(account, "Phone") == "1"
    assert used(sf) == before + 2


def test_failures_stay_with_their_request(sf: Sf) -> None:
    rows = compose(
        sf,
        step("bad", "POST", "sobjects/Account", {}),
        step("lost", "POST", "sobjects/Contact", {"LastName": "x", "AccountId": "@{bad.id}"}),
        step("none", "POST", "sobjects/Contact", {"LastName": "x", "AccountId": "@{nobody}"}),
        step("path", "GET", "tooling/query?q=SELECT+Id+FROM+CustomField"),
        step("verb", "PUT", "sobjects/Account"),
        {"referenceId": "url", "method": "GET", "url": "https://elsewhere.example/"},
        step("good", "POST", "sobjects/Account", {"Name": "x"}),
    )
    assert statuses(rows) == [400, 400, 400, 404, 405, 404, 201]
    assert rows[0]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert [row["body"][0]["errorCode"] for row in rows[1:3]] == ["PROCESSING_HALTED"] * 2


def test_all_or_none_takes_everything_back(sf: Sf) -> None:
    (kept, _), (gone, _) = sf.account(0), sf.account(1)
    contacts = sf.query(f"SELECT Id FROM Contact WHERE AccountId = '{gone}'")
    sf.patch(f"sobjects/Account/{kept}", {"Phone": "1"}, 204)
    stamp = sf.value(kept, "SystemModstamp")
    sf.later(60)
    rows = compose(
        sf,
        step("one", "PATCH", f"sobjects/Account/{kept}", {"Phone": "2"}),
        step("two", "DELETE", f"sobjects/Account/{gone}"),
        step("three", "POST", "sobjects/Account", {"Name": "New"}),
        step("four", "POST", "sobjects/Account", {}),
        step("five", "GET", f"sobjects/Account/{kept}"),
        whole=True,
    )
    assert statuses(rows) == [400] * 5
    codes = [row["body"][0]["errorCode"] for row in rows]
    assert codes == [*["PROCESSING_HALTED"] * 3, "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"]
    assert (sf.value(kept, "Phone"), sf.value(kept, "SystemModstamp")) == ("1", stamp)
    assert sf.there(gone)
    assert sf.query(f"SELECT Id FROM Contact WHERE AccountId = '{gone}'") == contacts
    assert sf.query("SELECT Id FROM Account WHERE Name = 'New'", everything=True) == []


def test_all_or_none_reaches_into_collections(sf: Sf) -> None:
    records = [{"attributes": {"type": "Account"}, **row} for row in ({"Name": "New"}, {})]
    collection = step("many", "POST", "composite/sobjects", {"records": records})
    rows = compose(sf, step("one", "POST", "sobjects/Account", {"Name": "New"}), collection, whole=True)
    assert statuses(rows) == [400, 400]
    assert sf.query("SELECT Id FROM Account WHERE Name = 'New'") == []
    rows = compose(sf, step("one", "POST", "sobjects/Account", {"Name": "New"}), collection)
    assert statuses(rows) == [201, 200]
    assert len(sf.query("SELECT Id FROM Account WHERE Name = 'New'")) == 2
    fine = [{**records[0], "Name": "Fine"}]
    rows = compose(sf, step("many", "POST", "composite/sobjects", {"records": fine}), whole=True)
    assert statuses(rows) == [200]


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([], "JSON_PARSER_ERROR"),
        (["x"], "JSON_PARSER_ERROR"),
        ([{"method": "GET", "url": "x"}], "JSON_PARSER_ERROR"),
        ([step("a", "GET", "limits"), step("a", "GET", "limits")], "JSON_PARSER_ERROR"),
        ([step(f"a{n}", "GET", "limits") for n in range(26)], "LIMIT_EXCEEDED"),
    ],
)
def test_composites_that_are_refused(sf: Sf, requests: Any, expected: str) -> None:
    assert compose(sf, *requests, status=400)[0]["errorCode"] == expected


def test_each_request_of_a_batch_counts(sf: Sf) -> None:
    account, _ = sf.account()
    before = used(sf)
    url = f"v64.0/sobjects/Account/{account}"
    requests = [
        {"method": "PATCH", "url": url, "richInput": {"Phone": "1"}},
        {"method": "GET", "url": f"{url}?fields=Phone"},
        {"method": "GET", "url": "v64.0/sobjects/Account/nonsense"},
        {"method": "GET", "url": url},
    ]
    answer = sf.post("composite/batch", {"batchRequests": requests})
    assert answer["hasErrors"] is True
    assert [row["statusCode"] for row in answer["results"]] == [204, 200, 404, 200]
    assert answer["results"][1]["result"]["Phone"] == "1"
    assert used(sf) == before + len(requests) + 1
    halted = sf.post("composite/batch", {"batchRequests": requests, "haltOnError": True})
    assert [row["statusCode"] for row in halted["results"]] == [204, 200, 404, 412]
    assert halted["results"][3]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"
    assert sf.post("composite/batch", {"batchRequests": requests[:1]})["hasErrors"] is False
