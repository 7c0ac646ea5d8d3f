"""Bulk query jobs: their states by the clock, their results as CSV, and what they do not take."""

import base64
import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.salesforce_base import INTEGRATION_USER

CONTACTS = "SELECT Id, LastName, AccountId, Account.Name, IsDeleted, CreatedDate FROM Contact ORDER BY Id"


def start(sf: Any, soql: str = CONTACTS, **body: Any) -> str:
    made = sf.post("jobs/query", {"operation": "query", "query": soql, **body})
    assert made["state"] == "UploadComplete"
    return str(made["id"])


def finished(sf: Any, soql: str = CONTACTS, **body: Any) -> str:
    job = start(sf, soql, **body)
    sf.later(60)
    assert sf.get(f"jobs/query/{job}")["state"] == "JobComplete"
    return job


def page(sf: Any, job: str, **params: Any) -> tuple[list[list[str]], dict[str, str]]:
    """Rows of one page, header included, and the answer's headers."""
    answer = sf.send("GET", f"jobs/query/{job}/results", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv"
    return list(csv.reader(io.StringIO(answer.content.decode(), newline=""))), dict(answer.headers)


def refusal(sf: Any, body: Any, status: int = 400) -> tuple[str, str]:
    (error,) = sf.post("jobs/query", body, status)
    return error["errorCode"], error["message"]


def test_states_follow_the_clock(sf: Any) -> None:
    made = sf.post("jobs/query", {"operation": "queryAll", "query": "SELECT Id FROM Account", "contentType": "CSV"})
    assert made["id"].startswith("750")
    assert made == {
        "id": made["id"],
        "operation": "queryAll",
        "object": "Account",
        "createdById": INTEGRATION_USER,
        "createdDate": "2026-11-22T00:00:00.000+0000",
        "systemModstamp": "2026-11-22T00:00:00.000+0000",
        "state": "UploadComplete",
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": 64.0,
        "lineEnding": "LF",
        "columnDelimiter": "COMMA",
    }
    path = f"jobs/query/{made['id']}"
    assert sf.get(path)["state"] == "UploadComplete"
    sf.later(1)
    working = sf.get(path)
    assert (working["state"], working["numberRecordsProcessed"]) == ("InProgress", 0)
    assert sf.send("GET", f"{path}/results").status_code == 204
    sf.later(1)
    done = sf.get(path[:-3] + "/")
    assert (done["state"], done["jobType"], done["numberRecordsProcessed"]) == ("JobComplete", "V2Query", 40)
    assert done["systemModstamp"] == "2026-11-22T00:00:02.000+0000"
    assert sf.get("limits")["DailyBulkV2QueryJobs"]["Remaining"] == 9999
    sf.later(86_400)
    sf.user(INTEGRATION_USER)
    assert sf.get("limits")["DailyBulkV2QueryJobs"]["Remaining"] == 10_000


def test_a_larger_table_takes_longer(make_client: Callable[..., Any]) -> None:
    sf = make_client(bulk_seconds_per_10k=30)
    job = start(sf)
    sf.later(29)
    assert sf.get(f"jobs/query/{job}")["state"] == "InProgress"
    sf.later(1)
    assert sf.get(f"jobs/query/{job}")["state"] == "JobComplete"
    sf.mutate("options", bulk_seconds_per_10k=0)
    assert sf.get(f"jobs/query/{start(sf)}")["state"] == "JobComplete"


def test_results_are_the_same_rows_as_over_rest(sf: Any) -> None:
    rows, headers = page(sf, finished(sf))
    assert headers["Sforce-Locator"] == "null"
    assert headers["Sforce-NumberOfRecords"] == str(len(rows) - 1)
    assert rows[0] == ["Id", "LastName", "AccountId", "Account.Name", "IsDeleted", "CreatedDate"]
    wanted = [
        [
            row["Id"],
            row["LastName"],
            row["AccountId"] or "",
            row["Account"]["Name"] if row["Account"] else "",
            "true" if row["IsDeleted"] else "false",
            row["CreatedDate"].replace("+0000", "Z"),
        ]
        for row in sf.query(CONTACTS)
    ]
    assert rows[1:] == wanted


def test_pages_by_locator(sf: Any) -> None:
    job = finished(sf)
    whole, _ = page(sf, job)
    found, locator, sizes = [whole[0]], "", []
    while locator != "null":
        rows, headers = page(sf, job, maxRecords=300, **({"locator": locator} if locator else {}))
        assert rows[0] == whole[0]
        found += rows[1:]
        sizes.append(int(headers["Sforce-NumberOfRecords"]))
        locator = headers["Sforce-Locator"]
    assert found == whole
    assert sizes == [300, 300, len(whole) - 601]
    second = base64.b64encode(b"300").decode().rstrip("=")
    assert page(sf, job, locator=second)[0][1:] == whole[301:]
    sf.mutate("options", bulk_page_rows=10)
    assert page(sf, job)[1]["Sforce-NumberOfRecords"] == "10"


@pytest.mark.parametrize("params", [{"locator": "!"}, {"locator": "eA"}, {"locator": "MA"}, {"locator": "OTk5OTk5OTk"}])
def test_what_is_no_locator(sf: Any, params: dict[str, str]) -> None:
    answer = sf.send("GET", f"jobs/query/{finished(sf)}/results", params=params)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


@pytest.mark.parametrize("most", ["0", "x", "-5"])
def test_a_page_has_at_least_one_row(sf: Any, most: str) -> None:
    assert sf.send("GET", f"jobs/query/{finished(sf)}/results", params={"maxRecords": most}).status_code == 400


def test_parameters_without_a_value_are_as_if_not_given(sf: Any) -> None:
    answer = sf.send("GET", f"jobs/query/{finished(sf)}/results?locator=&maxRecords=")
    assert (answer.status_code, answer.headers["Sforce-Locator"]) == (200, "null")


def test_any_text_survives_the_csv(sf: Any) -> None:
    record_id, _ = sf.account()
    text = 'a "quoted", text;\r\nwith\tlines and \u010capek \u7f8e'
    sf.mutate("edit", id=record_id, values={"Domains__c": text, "MRR__c": 1200.5, "NumberOfEmployees": 12})
    soql = f"SELECT Domains__c, MRR__c, NumberOfEmployees, Website, Phone FROM Account WHERE Id = '{record_id}'"
    (row,) = sf.query(soql)
    for delimiter, mark in (("COMMA", ","), ("TAB", "\t"), ("SEMICOLON", ";"), ("PIPE", "|"), ("CARET", "^")):
        for name, end in (("LF", "\n"), ("CRLF", "\r\n")):
            job = finished(sf, soql, columnDelimiter=delimiter, lineEnding=name)
            raw = sf.send("GET", f"jobs/query/{job}/results").content.decode()
            assert raw.startswith(f'"Domains__c"{mark}"MRR__c"')
            assert raw.endswith(f'""{end}')
            rows = list(csv.reader(io.StringIO(raw, newline=""), delimiter=mark))
            assert rows[1] == [text, "1200.5", "12", row["Website"], ""]


def test_the_result_is_what_was_true_when_the_job_was_done(sf: Any) -> None:
    first, second = sf.contact(0)[0], sf.contact(1)[0]
    job = start(sf, "SELECT Id, Title FROM Contact")
    sf.mutate("edit", id=first, values={"Title": "before"})
    sf.later(60)
    sf.mutate("edit", id=first, values={"Title": "after"})
    sf.mutate("delete", id=second)
    titles = {row[0]: row[1] for row in page(sf, job)[0]}
    assert titles[first] == "before"
    assert second in titles


def test_all_rows_with_deleted_ones(sf: Any) -> None:
    record_id, _ = sf.contact()
    sf.mutate("delete", id=record_id)
    soql = f"SELECT Id, IsDeleted FROM Contact WHERE Id = '{record_id}'"
    assert page(sf, finished(sf, soql))[0][1:] == []
    assert page(sf, finished(sf, soql, operation="queryAll"))[0][1:] == [[record_id, "true"]]


def test_results_are_kept_for_a_week(sf: Any) -> None:
    job = finished(sf)
    sf.later(7 * 86_400 - 61)
    sf.user(INTEGRATION_USER)
    assert page(sf, job)[0]
    assert [one["id"] for one in sf.get("jobs/query")["records"]] == [job]
    sf.later(10)
    assert sf.get(f"jobs/query/{job}", 404)[0]["errorCode"] == "NOT_FOUND"
    assert sf.get(f"jobs/query/{job}/results", 404)[0]["errorCode"] == "NOT_FOUND"
    assert sf.get("jobs/query")["records"] == []
    assert sf.get("jobs/query/750Hq0000000099", 404)
    assert sf.get("jobs/query/nonsense", 404)


def test_abort_and_delete(sf: Any) -> None:
    path = f"jobs/query/{start(sf)}"
    (error,) = sf.ask("DELETE", path, 400)
    assert error == {
        "message": "Error encountered when deleting the job because the job is not terminated",
        "errorCode": "API_ERROR",
    }
    assert sf.patch(path, {"state": "JobComplete"}, 400)[0]["errorCode"] == "INVALIDJOBSTATE"
    assert sf.patch(path, {"state": "Aborted"})["state"] == "Aborted"
    sf.later(60)
    stopped = sf.get(path)
    assert (stopped["state"], stopped["totalProcessingTime"]) == ("Aborted", 0)
    assert sf.send("GET", f"{path}/results").status_code == 204
    assert sf.patch(path, {"state": "Aborted"}, 400)[0]["message"] == "Aborting already Completed Job not allowed"
    assert sf.ask("DELETE", path, 204) is None
    assert sf.get(path, 404)
    assert sf.ask("DELETE", f"jobs/query/{finished(sf)}", 204) is None
    assert sf.get("jobs/query") == {"done": True, "records": [], "nextRecordsUrl": None}


def test_jobs_that_fail(sf: Any) -> None:
    job = start(sf, "SELECT Id, Plan__c FROM Account")
    sf.mutate("hide_field", object="Account", field="Plan__c")
    sf.later(60)
    failed = sf.get(f"jobs/query/{job}")
    assert failed["state"] == "Failed"
    assert failed["errorMessage"].startswith("InvalidBatch : Failed to process query: INVALID_FIELD: ")
    assert sf.send("GET", f"jobs/query/{job}/results").status_code == 204
    sf.mutate("options", bulk_fail="InternalServerError : sorry")
    job = start(sf)
    sf.later(60)
    assert sf.get(f"jobs/query/{job}")["errorMessage"] == "InternalServerError : sorry"
    assert sf.ask("DELETE", f"jobs/query/{job}", 204) is None


def test_results_in_another_version(sf: Any) -> None:
    job = finished(sf)
    (error,) = sf.get(f"/services/data/v63.0/jobs/query/{job}/results", 409)
    assert "64.0" in error["message"]
    assert sf.get(f"/services/data/v63.0/jobs/query/{job}")["apiVersion"] == 64.0


@pytest.mark.parametrize(
    ("soql", "code", "words"),
    [
        ("SELECT Id FROM TaskStatus", "INVALIDENTITY", "Entity 'TaskStatus' is not supported by the Bulk API."),
        ("SELECT Id FROM Nope", "INVALID_TYPE", "sObject type 'Nope'"),
        ("SELECT Nope FROM Account", "INVALID_FIELD", "No such column 'Nope' on entity 'Account'"),
        ("SELECT Id FROM Account WHERE Nope = 1", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Id FROM Account ORDER BY Nope", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Id FORM Account", "MALFORMED_QUERY", "unexpected token: FORM"),
        ("SELECT COUNT() FROM Account", "FUNCTIONALITY_NOT_ENABLED", "Aggregate"),
        ("SELECT COUNT(Id) FROM Account", "FUNCTIONALITY_NOT_ENABLED", "Aggregate"),
        ("SELECT Plan__c FROM Account GROUP BY Plan__c", "FUNCTIONALITY_NOT_ENABLED", "Aggregate"),
        ("SELECT Id FROM Account OFFSET 1", "FUNCTIONALITY_NOT_ENABLED", "OFFSET"),
        ("SELECT FIELDS(ALL) FROM Account LIMIT 1", "MALFORMED_QUERY", "unbounded set of fields"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY", "queries inside queries"),
    ],
)
def test_queries_that_bulk_does_not_take(sf: Any, soql: str, code: str, words: str) -> None:
    found, message = refusal(sf, {"operation": "query", "query": soql})
    assert found == code
    assert words in message


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"query": "SELECT Id FROM Account"},
        {"operation": "insert", "query": "SELECT Id FROM Account"},
        {"operation": "query"},
        {"operation": "query", "query": "SELECT Id FROM Account", "object": "Account"},
        {"operation": "query", "query": "SELECT Id FROM Account", "contentType": "JSON"},
        {"operation": "query", "query": "SELECT Id FROM Account", "columnDelimiter": ","},
        {"operation": "query", "query": "SELECT Id FROM Account", "lineEnding": "CR"},
    ],
)
def test_jobs_that_are_not_described_rightly(sf: Any, body: Any) -> None:
    assert refusal(sf, body)[0] in {"JSON_PARSER_ERROR", "API_ERROR"}


def test_query_jobs_change_nothing(sf: Any) -> None:
    sf.ask("DELETE", f"jobs/query/{finished(sf)}", 204)
    job = start(sf)
    sf.patch(f"jobs/query/{job}", {"state": "Aborted"})
    assert not [entry for entry in sf.sandbox.journal.entries() if entry.write]


def test_the_published_headers(sf: Any, contracts: Callable[[str], Any]) -> None:
    cases = {case["name"]: case for case in contracts("response_shapes.json")["cases"]}
    wanted = cases["bulk2_query_results"]
    answer = sf.send("GET", f"jobs/query/{finished(sf, 'SELECT Id, Name FROM Account')}/results?maxRecords=1")
    assert set(wanted["headers"]) <= set(answer.headers)
    assert answer.headers["Content-Type"] == wanted["content_type"]
    assert answer.text.splitlines()[0] == wanted["body_text"].splitlines()[0]
    unsupported = cases["bulk2_unsupported_entity"]
    (error,) = sf.post("jobs/query", {"operation": "query", "query": "SELECT Id FROM TaskStatus"}, 400)
    assert error["errorCode"] == unsupported["body"][0]["errorCode"]
