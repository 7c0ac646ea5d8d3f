"""Bulk ingest jobs: their states by the clock, the fate of each row, what fails a job, and the results as CSV."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import salesforce_ingest, salesforce_ingest_work
from sandbox.salesforce_base import INTEGRATION_USER
from sandbox.salesforce_ids import record_id

Sf = Any
JOBS = "jobs/ingest"
GONE_ACCOUNT = record_id("Account", 999_999)


def open_job(sf: Sf, operation: str = "update", kind: str = "Account", **more: Any) -> str:
    return str(sf.post(JOBS, {"object": kind, "operation": operation, **more})["id"])


def upload(sf: Sf, job: str, data: str | bytes, status: int = 201, kind: str = "text/csv; charset=UTF-8") -> Any:
    body = data.encode() if isinstance(data, str) else data
    return sf.ask("PUT", f"{JOBS}/{job}/batches", status, data=body, headers={"Content-Type": kind})


def close(sf: Sf, job: str, status: int = 200) -> Any:
    return sf.patch(f"{JOBS}/{job}", {"state": "UploadComplete"}, status)


def run(sf: Sf, data: str | bytes, operation: str = "update", kind: str = "Account", **more: Any) -> dict[str, Any]:
    """The job's information once it is over."""
    job = open_job(sf, operation, kind, **more)
    upload(sf, job, data)
    close(sf, job)
    sf.later(60)
    info: dict[str, Any] = sf.get(f"{JOBS}/{job}")
    return info


def rows(sf: Sf, job: dict[str, Any] | str, which: str) -> list[dict[str, str]]:
    name = job if isinstance(job, str) else job["id"]
    text = sf.send("GET", f"{JOBS}/{name}/{which}").text
    return list(csv.DictReader(io.StringIO(text)))


def counts(info: dict[str, Any]) -> tuple[str, int, int]:
    return info["state"], info["numberRecordsProcessed"], info["numberRecordsFailed"]


def table(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def ids_of(sf: Sf, count: int) -> list[str]:
    return [row["Id"] for row in sf.query("SELECT Id FROM Account")][:count]


def code(answer: Any) -> str:
    return str(answer[0]["errorCode"])


def published(contracts: Callable[[str], Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in contracts("response_shapes.json")["cases"] if c["name"] == name)
    return found


# ---- states ----------------------------------------------------------------------------------------------------------


def test_a_job_goes_its_way_by_the_clock(sf: Sf, contracts: Callable[[str], Any]) -> None:
    first, second = ids_of(sf, 2)
    sf.mutate("lock", id=second, tries=1)
    made = sf.post(JOBS, {"object": "Account", "operation": "update", "contentType": "CSV", "lineEnding": "LF"})
    assert set(made) == set(published(contracts, "bulk2_ingest_job")["body"])
    assert made["contentUrl"] == f"services/data/v64.0/jobs/ingest/{made['id']}/batches"
    assert (made["state"], made["apiVersion"]) == ("Open", 64.0)
    job = made["id"]
    assert upload(sf, job, table("Id,Phone", f"{first},1", f"{second},2")) is None
    assert close(sf, job)["state"] == "UploadComplete"
    assert code(sf.get(f"{JOBS}/{job}/failedResults", 400)) == "INVALIDJOBSTATE"
    sf.later(0.5)
    assert sf.get(f"{JOBS}/{job}")["state"] == "InProgress"
    assert sf.value(first, "Phone") is None
    sf.later(2)
    info = sf.get(f"{JOBS}/{job}")
    assert set(published(contracts, "bulk2_ingest_job_done")["body"]) <= set(info)
    assert counts(info) == ("JobComplete", 2, 1)
    assert info["totalProcessingTime"] == 2000
    assert sf.value(first, "Phone") == "1"
    good, bad = (sf.send("GET", f"{JOBS}/{job}/{which}") for which in ("successfulResults", "failedResults"))
    for answer, name in ((good, "bulk2_successful_results"), (bad, "bulk2_failed_results")):
        case = published(contracts, name)
        assert answer.headers["Content-Type"] == case["content_type"]
        assert answer.text.split(",")[:2] == case["body_text"].split(",")[:2]
    assert good.text == table('"sf__Id","sf__Created","Id","Phone"', f'"{first}","false","{first}","1"')
    assert bad.text == table(
        '"sf__Id","sf__Error","Id","Phone"',
        f'"","UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: {second}:--",'
        f'"{second}","2"',
    )
    assert sf.send("GET", f"{JOBS}/{job}/unprocessedrecords").text == '"Id","Phone"\n'


def test_all_rows_of_a_batch_carry_one_stamp(sf: Sf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_ingest_work, "BATCH", 4)
    ids = ids_of(sf, 10)
    job = open_job(sf)
    upload(sf, job, table("Id,Phone", *(f"{one},1" for one in ids)))
    close(sf, job)
    sf.later(2.5)
    assert counts(sf.get(f"{JOBS}/{job}")) == ("InProgress", 4, 0)
    sf.later(10)
    assert counts(sf.get(f"{JOBS}/{job}")) == ("JobComplete", 10, 0)
    stamps = [sf.value(one, "SystemModstamp") for one in ids]
    assert [stamps.count(stamp) for stamp in sorted(set(stamps))] == [4, 4, 2]
    assert sf.get("limits/")["DailyBulkApiBatches"]["Remaining"] == 15_000 - 3


def test_one_csv_and_only_while_open(sf: Sf) -> None:
    job = open_job(sf)
    upload(sf, job, "Id\n")
    upload(sf, job, "Id\n")
    refused = close(sf, job, 400)
    assert code(refused) == "INVALIDJOB"
    assert job[:15] in refused[0]["message"]
    other = open_job(sf)
    upload(sf, other, table("Id,Phone", f"{ids_of(sf, 1)[0]},1"))
    close(sf, other)
    assert code(upload(sf, other, "Id\n", 400)) == "INVALIDJOBSTATE"
    assert code(close(sf, other, 400)) == "INVALIDJOBSTATE"
    sf.later(60)
    assert code(sf.patch(f"{JOBS}/{other}", {"state": "Aborted"}, 400)) == "INVALIDJOBSTATE"
    assert code(sf.patch(f"{JOBS}/{other}", {"state": "JobComplete"}, 400)) == "INVALIDJOBSTATE"


def test_uploads_that_are_refused(sf: Sf, monkeypatch: pytest.MonkeyPatch) -> None:
    job = open_job(sf)
    assert code(upload(sf, job, "Id\n", 415, "application/json")) == "UNSUPPORTED_MEDIA_TYPE"
    assert code(upload(sf, record_id("Account", 1), "Id\n", 404)) == "NOT_FOUND"
    monkeypatch.setattr(salesforce_ingest, "MAX_UPLOAD", 15)
    upload(sf, job, "x" * 10)
    assert code(upload(sf, job, "x" * 11, 400)) == "CLIENTINPUTERROR"


def test_an_aborted_job_leaves_the_rest_alone(sf: Sf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_ingest_work, "BATCH", 2)
    ids = ids_of(sf, 5)
    job = open_job(sf)
    upload(sf, job, table("Id,Phone", *(f"{one},1" for one in ids)))
    close(sf, job)
    sf.later(2.5)
    assert sf.patch(f"{JOBS}/{job}", {"state": "Aborted"})["state"] == "Aborted"
    sf.later(60)
    assert counts(sf.get(f"{JOBS}/{job}")) == ("Aborted", 2, 0)
    assert [row["Id"] for row in rows(sf, job, "successfulResults")] == ids[:2]
    assert [row["Id"] for row in rows(sf, job, "unprocessedRecords")] == ids[2:]
    waiting = open_job(sf)
    upload(sf, waiting, table("Id,Phone", f"{ids[4]},1"))
    close(sf, waiting)
    sf.patch(f"{JOBS}/{waiting}", {"state": "Aborted"})
    sf.later(60)
    assert counts(sf.get(f"{JOBS}/{waiting}")) == ("Aborted", 0, 0)


def test_jobs_are_listed_deleted_and_forgotten_after_a_week(sf: Sf) -> None:
    job, other = open_job(sf), open_job(sf)
    assert [row["id"] for row in sf.get(JOBS)["records"]] == [other, job]
    assert code(sf.ask("DELETE", f"{JOBS}/{job}", 400)) == "INVALIDJOBSTATE"
    close(sf, job)
    sf.ask("DELETE", f"{JOBS}/{job}", 204)
    assert code(sf.get(f"{JOBS}/{job}", 404)) == "NOT_FOUND"
    sf.patch(f"{JOBS}/{other}", {"state": "Aborted"})
    sf.later(8 * 86_400)
    sf.vendor.tick(sf.sandbox.clock.now())
    sf.user(INTEGRATION_USER)
    assert sf.get(JOBS)["records"] == []
    assert code(sf.get(f"{JOBS}/{other}", 404)) == "NOT_FOUND"


# ---- rows ------------------------------------------------------------------------------------------------------------


def test_an_empty_cell_keeps_and_n_a_clears(sf: Sf) -> None:
    first, second = ids_of(sf, 2)
    for account in (first, second):
        sf.patch(f"sobjects/Account/{account}", {"Phone": "1", "Website": "x"}, 204)
    info = run(sf, table("Id,Phone,Website,AnnualRevenue", f"{first},#N/A,,12", f"{second},,y,"))
    assert counts(info) == ("JobComplete", 2, 0)
    assert [sf.value(first, name) for name in ("Phone", "Website", "AnnualRevenue")] == [None, "x", 12.0]
    assert [sf.value(second, name) for name in ("Phone", "Website", "AnnualRevenue")] == ["1", "y", None]


def test_rows_fail_one_by_one(sf: Sf) -> None:
    first, deleted = ids_of(sf, 2)
    sf.mutate("delete", id=deleted)
    lines = [f"{first},much", f"{GONE_ACCOUNT},1", f"{deleted},1", ",1", f"{first},1e30", f"{first},7"]
    info = run(sf, table("Id,AnnualRevenue", *lines))
    assert counts(info) == ("JobComplete", 6, 5)
    errors = [row["sf__Error"].partition(":")[0] for row in rows(sf, info, "failedResults")]
    assert errors == [
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "INVALID_CROSS_REFERENCE_KEY",
        "ENTITY_IS_DELETED",
        "MISSING_ARGUMENT",
        "NUMBER_OUTSIDE_VALID_RANGE",
    ]
    assert rows(sf, info, "failedResults")[0]["sf__Error"].endswith(":AnnualRevenue")
    assert sf.value(first, "AnnualRevenue") == 7.0


def test_quotes_line_breaks_and_other_delimiters_survive(sf: Sf) -> None:
    account = ids_of(sf, 1)[0]
    text = 'Say "hi"; then\nleave, please'
    data = 'Id;Description\r\n{};"{}"\r\n'.format(account, text.replace('"', '""'))
    info = run(sf, data, columnDelimiter="SEMICOLON", lineEnding="CRLF")
    assert counts(info) == ("JobComplete", 1, 0)
    assert sf.value(account, "Description") == text
    answer = sf.send("GET", f"{JOBS}/{info['id']}/successfulResults").content.decode()
    assert answer.startswith('"sf__Id";"sf__Created";"Id";"Description"\r\n')
    (row,) = csv.DictReader(io.StringIO(answer, newline=""), delimiter=";")
    assert row["Description"] == text


def test_inserts_and_upserts_say_what_they_made(sf: Sf, monkeypatch: pytest.MonkeyPatch) -> None:
    field = {"name": "Ext__c", "type": "string", "length": 20, "external_id": True, "unique": True}
    sf.mutate("create_field", object="Account", visible=True, **field)
    info = run(sf, table("Name,Ext__c", "One,A", ",B"), "insert")
    assert counts(info) == ("JobComplete", 2, 1)
    (made,) = rows(sf, info, "successfulResults")
    assert (made["sf__Created"], sf.value(made["sf__Id"], "Ext__c")) == ("true", "A")
    monkeypatch.setattr(salesforce_ingest_work, "CHUNK", 3)
    lines = ["a,One again", "C,Third", "D,Twice", "D,Later", ",Nobody"]
    info = run(sf, table("Ext__c,Name", *lines), "upsert", externalIdFieldName="ext__c")
    assert info["externalIdFieldName"] == "Ext__c"
    assert [(row["Ext__c"], row["sf__Created"]) for row in rows(sf, info, "successfulResults")] == [
        ("a", "false"),
        ("C", "true"),
        ("D", "true"),
        ("D", "false"),
    ]
    assert rows(sf, info, "failedResults")[0]["sf__Error"].startswith("MISSING_ARGUMENT:")
    monkeypatch.setattr(salesforce_ingest_work, "CHUNK", 200)
    info = run(sf, table("Ext__c,Name", "E,1", "e,2"), "upsert", externalIdFieldName="Ext__c")
    assert [row["sf__Error"] for row in rows(sf, info, "failedResults")] == [
        "DUPLICATE_VALUE:Duplicate external id specified: E:Ext__c",
        "DUPLICATE_VALUE:Duplicate external id specified: e:Ext__c",
    ]


def test_deleting_for_a_while_and_for_good(sf: Sf) -> None:
    first, second = ids_of(sf, 2)
    info = run(sf, table("Id", first, GONE_ACCOUNT), "delete")
    assert counts(info) == ("JobComplete", 2, 1)
    deleted = sf.query(f"SELECT IsDeleted FROM Account WHERE Id = '{first}'", everything=True)
    assert deleted == [{"IsDeleted": True}]
    body = {"object": "Account", "operation": "hardDelete"}
    assert code(sf.post(JOBS, body, 400)) == "FEATURENOTENABLED"
    sf.mutate("permit", rights=["BulkApiHardDelete"])
    assert counts(run(sf, table("Id", second), "hardDelete")) == ("JobComplete", 1, 0)
    assert sf.query(f"SELECT Id FROM Account WHERE Id = '{second}'", everything=True) == []


def test_bulk_jobs_assign_owners_only_when_they_name_a_rule(sf: Sf) -> None:
    account = ids_of(sf, 1)[0]
    before = sf.value(account, "OwnerId")
    after = next(row["OwnerId"] for row in sf.query("SELECT OwnerId FROM Account") if row["OwnerId"] != before)
    sf.mutate("assignment_rule", object="Account", owner=after)
    run(sf, table("Id,Phone", f"{account},1"))
    assert sf.value(account, "OwnerId") == before
    run(sf, table("Id,Phone", f"{account},1"), assignmentRuleId="01QHf0000000001")
    assert sf.value(account, "OwnerId") == after


# ---- jobs that fail --------------------------------------------------------------------------------------------------


def test_an_unknown_column_fails_the_job(sf: Sf, contracts: Callable[[str], Any]) -> None:
    account = ids_of(sf, 1)[0]
    info = run(sf, table("Id,Health_Score__c", f"{account},1"))
    case = published(contracts, "bulk2_ingest_job_failed")["body"]
    assert {key: info[key] for key in case if key != "id"} == {key: case[key] for key in case if key != "id"}
    assert [row["Id"] for row in rows(sf, info, "unprocessedrecords")] == [account]


@pytest.mark.parametrize(
    ("data", "operation", "more", "reason"),
    [
        ("", "update", {}, "no header"),
        (b"Id,Phone\n\xff\xfe,1\n", "update", {}, "not UTF-8"),
        ("Id,Phone\r\nx,1\r\n", "update", {}, "ClientInputError : LineEnding is invalid on user data"),
        ("Id,Phone\nx,1\n", "update", {"lineEnding": "CRLF"}, "Current LineEnding setting is CRLF"),
        ("Id,Phone\nx\n", "update", {}, "more or fewer columns"),
        ('Id,Phone\nx,"1"2\n', "update", {}, "Failed to parse CSV"),
        ("Id;Phone\nx;1\n", "update", {}, "Field name not found : Id;Phone"),
        ("Id,Phone,phone\nx,1,1\n", "update", {}, "Duplicate field name"),
        ("Id,Phone\nx,1\n", "delete", {}, "must contain only ids"),
    ],
)
def test_data_that_fail_the_job(sf: Sf, data: str | bytes, operation: str, more: dict[str, str], reason: str) -> None:
    info = run(sf, data, operation, **more)
    assert counts(info) == ("Failed", 0, 0)
    assert reason in info["errorMessage"]


def test_a_job_that_fails_midway_leaves_rows_unprocessed(sf: Sf) -> None:
    ids = ids_of(sf, 5)
    sf.mutate("options", bulk_fail="InternalServerError : out of order")
    info = run(sf, table("Id,Phone", *(f"{one},1" for one in ids)))
    assert counts(info) == ("Failed", 2, 0)
    assert info["errorMessage"] == "InternalServerError : out of order"
    assert [row["Id"] for row in rows(sf, info, "successfulResults")] == ids[:2]
    assert [row["Id"] for row in rows(sf, info, "unprocessedrecords")] == ids[2:]
    assert [sf.value(one, "Phone") for one in ids] == ["1", "1", None, None, None]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], "JSON_PARSER_ERROR"),
        ({"object": "Account"}, "JSON_PARSER_ERROR"),
        ({"object": "Account", "operation": "update", "contentType": "XML"}, "JSON_PARSER_ERROR"),
        ({"object": "Account", "operation": "update", "rows": 1}, "JSON_PARSER_ERROR"),
        ({"object": "Nothing", "operation": "update"}, "INVALID_TYPE"),
        ({"object": "TaskStatus", "operation": "update"}, "INVALIDENTITY"),
        ({"object": "Account", "operation": "upsert"}, "INVALIDJOB"),
        ({"object": "Account", "operation": "upsert", "externalIdFieldName": "Phone"}, "INVALIDJOB"),
    ],
)
def test_jobs_that_are_refused(sf: Sf, body: Any, expected: str) -> None:
    assert code(sf.post(JOBS, body, 400)) == expected
