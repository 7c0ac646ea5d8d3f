"""Salesforce's whole lists, by queries and by bulk jobs, and what is done without where an org lacks it."""

import json
from datetime import datetime
from typing import Any

import pytest

from connectors.base import Batch, FieldSpec
from connectors.errors import TransientError
from connectors.salesforce import Salesforce
from tests.connectors.salesforce_reads import BY_NAME, FIELD_MAP, OBJECTS, WANTED, asked, deleted, ids, last, pull, rows

OWN = [
    FieldSpec("account", "Holdfast_Health_Score__c", "Health score", "number"),
    FieldSpec("account", "Holdfast_Reasons__c", "Reasons", "long_text"),
    FieldSpec("account", "Holdfast_Segments__c", "Segments", "multi_select", options=("A", "B")),
    FieldSpec("account", "Holdfast_Scored_At__c", "Scored at", "datetime"),
]
OWN_TYPES: dict[str, dict[str, Any]] = {
    "Holdfast_Health_Score__c": {"type": "double", "precision": 18, "scale": 2},
    "Holdfast_Reasons__c": {"type": "longtextarea", "length": 32768},
    "Holdfast_Segments__c": {"type": "multipicklist", "values": ["A", "B"]},
    "Holdfast_Scored_At__c": {"type": "datetime"},
}


def own_fields(org: Any) -> None:
    for name, attributes in OWN_TYPES.items():
        org.do("create_field", object="Account", name=name, visible=True, **attributes)


def surveyed(org: Any, **settings: Any) -> Salesforce:
    crm: Salesforce = org.connect(surveys="NPS_Response__c", wanted=WANTED, **settings)
    return crm


# -- everything again --------------------------------------------------------------------------------------------------


def test_once_a_day_what_moved_no_stamp_or_left_no_trace_is_found(org: Any) -> None:
    crm = org.connect(wanted={"accounts": ["Name", "Plan__c"]})
    cursor = last(pull(crm, "accounts"))
    everyone = ids(org, "Account")
    org.pass_time(hours=1)
    org.do("purge", id=everyone[0])
    table = org.vendor.org.tables["Account"]
    table.write(table.place(everyone[1]), {"Plan__c": "Formula"}, org.vendor.org.now, by=everyone[0], stamp=False)
    hourly = pull(crm, "accounts", cursor)
    assert (rows(hourly), deleted(hourly), hourly[-1].full) == ({}, set(), False)
    org.do("delete", id=everyone[2])
    org.pass_time(hours=23)
    org.forget()
    daily = pull(crm, "accounts", last(hourly))
    assert daily[-1].full
    assert sorted(rows(daily)) == sorted([everyone[1], *everyone[3:]])
    assert deleted(daily) == {everyone[2]}
    assert rows(daily)[everyone[1]]["Plan__c"] == "Formula"
    assert asked(org) == ["GET queryAll"]
    org.pass_time(hours=1)
    assert not pull(crm, "accounts", last(daily))[-1].full


def test_a_walk_that_lay_broken_for_a_day_gives_way_to_a_whole_list(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, page_rows=20)
    cursor = last(pull(org.crm, "contacts"))
    org.pass_time(minutes=5)
    org.do("mass_edit", object="Contact", values={"Title": "Moved"})
    org.pass_time(minutes=55)
    pages = org.crm.pull(BY_NAME["contacts"], cursor)
    broken = next(pages).cursor
    pages.close()
    assert json.loads(broken)["stamp"]
    org.pass_time(hours=24)
    whole = pull(org.crm, "contacts", broken)
    assert whole[-1].full
    assert sorted(rows(whole)) == sorted(ids(org, "Contact"))


def test_a_list_far_shorter_than_before_makes_nothing_vanish(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, shared_rows=0.1)
    cursor = last(pull(org.crm, "contacts"))
    org.do("view_all", on=False, object="Contact")
    org.pass_time(hours=24)
    lost = pull(org.crm, "contacts", cursor)
    assert len(rows(lost)) < len(ids(org, "Contact")) / 2
    assert not lost[-1].full, "a right was lost, not the people"
    org.pass_time(hours=24)
    assert not pull(org.crm, "contacts", last(lost))[-1].full
    org.do("view_all", on=True, object="Contact")
    org.pass_time(hours=24)
    whole = pull(org.crm, "contacts", last(lost))
    assert whole[-1].full
    assert sorted(rows(whole)) == sorted(ids(org, "Contact"))


def test_a_user_who_never_sees_all_rows_is_served_all_the_same(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, shared_rows=0.1)
    org.do("view_all", on=False, object="Contact")
    first = pull(org.crm, "contacts")
    assert not first[-1].full
    org.pass_time(hours=24)
    assert pull(org.crm, "contacts", last(first))[-1].full, "about as many as last time"


# -- bulk jobs ---------------------------------------------------------------------------------------------------------


def test_a_large_first_list_is_made_by_a_job(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, bulk_page_rows=40)
    crm = org.connect(bulk_above=85)
    batches = pull(crm, "contacts")
    everyone = ids(org, "Contact")
    assert sorted(rows(batches)) == sorted(everyone)
    assert [len(batch.rows) for batch in batches] == [0, 40, 40, 6]
    assert [batch.full for batch in batches] == [False, False, False, True]
    assert all(batch.cursor for batch in batches), "every page is a place to go on from"
    job = next(request for request in asked(org) if "jobs/query/" in request)
    assert asked(org) == [
        "POST composite",
        "POST jobs/query",
        job,
        *[f"{job}/results"] * 3,
    ]
    org.pass_time(hours=1)
    org.forget()
    assert rows(pull(crm, "contacts", last(batches))) == {}
    assert asked(org) == ["GET queryAll"]


def as_records(name: str, batches: list[Batch]) -> list[Any]:
    given = [row for batch in batches for row in batch.rows]
    found = FIELD_MAP.apply("salesforce", name, given, datetime.fromisoformat("2026-11-22T00:00:00Z"))
    assert not found.rejects
    return sorted(found.records, key=lambda record: record.source_id)


def test_rows_and_own_values_are_the_same_by_query_and_by_job(org: Any) -> None:
    own_fields(org)
    for number, account in enumerate(ids(org, "Account")[:6]):
        values = {
            "Holdfast_Health_Score__c": number * 12.5,
            "Holdfast_Reasons__c": 'Says "no",\nand then\u2028nothing; ünï',
            "Holdfast_Segments__c": "B;A",
            "Holdfast_Scored_At__c": "2026-11-01T10:00:00Z",
        }
        org.do("edit", id=account, values=values)
    org.pass_time(minutes=1)
    by_query = surveyed(org, own_fields=OWN)
    by_job = surveyed(org, own_fields=OWN, bulk_above=0)
    for name in OBJECTS:
        queried, bulked = pull(by_query, name), pull(by_job, name)
        assert rows(queried) == rows(bulked), name
        assert as_records(name, queried) == as_records(name, bulked), name
        if name == "accounts":
            ours: dict[str, Any] = {one: by_query.own_values(BY_NAME[name], row) for one, row in rows(queried).items()}
            assert ours == {one: by_job.own_values(BY_NAME[name], row) for one, row in rows(bulked).items()}
            assert sorted(value["Holdfast_Health_Score__c"] or 0 for value in ours.values())[-2:] == [50, 62.5]
            assert {value["Holdfast_Segments__c"] for value in ours.values()} == {None, ("A", "B")}
    assert sum("/results" in request for request in asked(org)) == len(OBJECTS) - 1, "all that had a row"


def test_a_pull_that_died_with_its_job_made_goes_on_with_it(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, bulk_page_rows=20, bulk_seconds_per_10k=600)
    everyone = ids(org, "Contact")
    pages = org.connect(bulk_above=50).pull(BY_NAME["contacts"], None)
    cursor = next(pages).cursor
    pages.close()
    assert json.loads(cursor)["job"]
    org.pass_time(minutes=30)
    org.forget()
    org.fault("status", "results.*locator", status=503, nth=range(2, 100))
    crm = org.connect(bulk_above=50)
    seen: list[Batch] = []
    with pytest.raises(TransientError):
        seen.extend(crm.pull(BY_NAME["contacts"], cursor))
    org.box.faults.clear()
    assert "POST jobs/query" not in asked(org)
    assert len(rows(seen)) == 40
    org.pass_time(hours=1)
    org.do("edit", id=everyone[0], values={"Title": "Meanwhile"})
    rest = pull(org.connect(bulk_above=50), "contacts", last(seen))
    assert "POST jobs/query" not in asked(org)
    assert sorted(rows(seen) | rows(rest)) == sorted(everyone)
    assert rows(seen).keys() & rows(rest).keys() == {everyone[0]}
    assert rows(rest)[everyone[0]]["Title"] == "Meanwhile", "as true now as if the job had not been left behind"
    assert not any(batch.full for batch in rest), "this pull alone has not seen everything"


def test_a_daily_list_by_a_job_that_broke_is_read_again_from_its_start_and_counts_as_whole(
    open_org: Any, small_world: Any
) -> None:
    org = open_org(small_world, bulk_page_rows=20)
    crm = org.connect(bulk_above=50)
    cursor = last(pull(crm, "contacts"))
    gone = ids(org, "Contact")[0]
    org.do("purge", id=gone)
    org.pass_time(hours=24)
    org.forget()
    org.fault("status", "results.*locator", status=503, nth=range(1, 100))
    seen: list[Batch] = []
    with pytest.raises(TransientError):
        seen.extend(crm.pull(BY_NAME["contacts"], cursor))
    org.box.faults.clear()
    assert not any(batch.full for batch in seen)
    again = pull(org.connect(bulk_above=50), "contacts", last(seen))
    assert asked(org).count("POST jobs/query") == 1
    assert again[-1].full
    assert sorted(rows(again)) == sorted(ids(org, "Contact"))


def test_a_job_that_is_gone_or_old_is_made_again(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world)
    crm = org.connect(bulk_above=50)
    pages = crm.pull(BY_NAME["contacts"], None)
    cursor = next(pages).cursor
    pages.close()
    org.fault("status", "jobs/query/750", status=404, body=[{"errorCode": "NOT_FOUND", "message": "gone"}])
    assert len(rows(pull(crm, "contacts", cursor))) == len(ids(org, "Contact"))
    assert asked(org).count("POST jobs/query") == 2
    org.pass_time(hours=25)
    assert len(rows(pull(crm, "contacts", cursor))) == len(ids(org, "Contact"))
    assert asked(org).count("POST jobs/query") == 3


def test_where_jobs_fail_queries_do(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, bulk_fail="InternalServerError")
    crm = org.connect(bulk_above=50)
    batches = pull(crm, "contacts")
    assert sorted(rows(batches)) == sorted(ids(org, "Contact"))
    assert batches[-1].full
    org.pass_time(hours=24)
    org.forget()
    assert pull(crm, "contacts", last(batches))[-1].full
    assert asked(org) == ["GET queryAll"], "not tried again by this process"


def test_without_counts_the_first_page_tells_that_a_list_is_large(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, page_rows=20)
    crm = org.connect(bulk_above=50)
    for path in ("recordCount", "composite"):
        org.fault("status", path, status=403, body=[{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}])
    batches = pull(crm, "contacts")
    assert sorted(rows(batches)) == sorted(ids(org, "Contact"))
    assert batches[-1].full
    assert asked(org).count("GET queryAll") == 1
    assert asked(org).count("POST jobs/query") == 1


# -- fields that may be missing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("described", "calls"), [(True, 1), (False, 3)], ids=["known before", "refused first"])
def test_our_own_fields_come_along_once_they_are_there(org: Any, described: object, calls: int) -> None:
    if not described:
        org.fault("status", "composite", status=403, body=[{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}])
    crm = org.connect(own_fields=OWN)
    first = pull(crm, "accounts")
    assert crm.calls["accounts"] == calls, "once, or: refused, described, asked again"
    assert crm.own_values(BY_NAME["accounts"], next(iter(rows(first).values()))) == {}
    org.pass_time(hours=1)
    hourly = pull(crm, "accounts", last(first))
    assert crm.calls["accounts"] == calls + 1
    own_fields(org)
    org.do("edit", id=ids(org, "Account")[0], values={"Holdfast_Health_Score__c": 72.5})
    org.pass_time(hours=1)
    crm = org.connect(own_fields=OWN)  # as after `setup`: a new process
    (row,) = rows(pull(crm, "accounts", last(hourly))).values()
    assert crm.calls["accounts"] == 1
    assert crm.own_values(BY_NAME["accounts"], row) == {
        "Holdfast_Health_Score__c": 72.5,
        "Holdfast_Reasons__c": None,
        "Holdfast_Segments__c": None,
        "Holdfast_Scored_At__c": None,
    }


def test_a_field_that_went_since_it_was_described_is_left_out_of_a_job_too(org: Any) -> None:
    own_fields(org)
    crm = org.connect(own_fields=OWN, bulk_above=0)
    assert "Holdfast_Reasons__c" in next(iter(rows(pull(crm, "accounts")).values()))
    org.do("drop_field", object="Account", field="Holdfast_Reasons__c")
    found = rows(pull(crm, "accounts"))
    assert sorted(found) == sorted(ids(org, "Account"))
    assert "Holdfast_Reasons__c" not in next(iter(found.values()))


def test_an_org_with_one_currency_is_asked_for_it_once_a_day(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, multi_currency=False)
    crm = org.connect()
    cursor = last(pull(crm, "opportunities"))
    assert crm.calls["opportunities"] == 1
    org.pass_time(hours=1)
    crm = org.connect()
    cursor = last(pull(crm, "opportunities", cursor))
    assert crm.calls["opportunities"] == 1
    crm = org.connect(currency="EUR")
    row = next(iter(rows(pull(crm, "opportunities")).values()))
    assert (row["_currency"], "CurrencyIsoCode" in row) == ("EUR", False)
    assert crm.calls["opportunities"] == 1
    org.pass_time(hours=24)
    crm = org.connect()
    pull(crm, "opportunities", cursor)
    assert crm.calls["opportunities"] == 3


def test_pages_may_be_as_short_as_salesforce_likes(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, page_rows=7)
    batches = pull(org.crm, "contacts")
    everyone = ids(org, "Contact")
    assert [len(batch.rows) for batch in batches[:-1]] == [7] * (len(batches) - 1)
    assert sorted(rows(batches)) == sorted(everyone)
