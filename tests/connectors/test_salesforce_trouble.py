"""Reading Salesforce when it answers late, half, wrongly or not at all."""

from typing import Any

import pytest

from connectors.base import Batch
from connectors.errors import (
    CursorExpiredError,
    MissingPermissionError,
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
)
from tests.connectors.salesforce_reads import BY_NAME, ids, last, pull, rows

LATER_PAGE = "query/01g"
TIMEOUT = [{"errorCode": "QUERY_TIMEOUT", "message": "Your query request was running for too long."}]
EXPIRED = [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}]


@pytest.fixture
def paged(open_org: Any, small_world: Any) -> Any:
    """An org whose pages are short, so that a list of contacts has several."""
    return open_org(small_world, page_rows=20)


# -- rights ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bulk_above", [2000, 0])
def test_every_hidden_field_that_the_map_needs_is_named_at_once(org: Any, bulk_above: int) -> None:
    for name in ("Website", "Type"):
        org.do("hide_field", object="Account", field=name)
    crm = org.connect(wanted={"accounts": ["Name", "Website", "Nonsense__c", "Type"]}, bulk_above=bulk_above)
    with pytest.raises(MissingPermissionError) as caught:
        pull(crm, "accounts")
    text = str(caught.value)
    assert "Account has no Website, Nonsense__c, Type, or field-level security hides them" in text
    assert "[crm.fields.accounts]" in text
    org.do("show_field", object="Account", field="Website")
    with pytest.raises(MissingPermissionError, match=r"Account has no Nonsense__c, Type,"):
        pull(crm, "accounts")


def test_a_field_hidden_overnight_stops_the_stream_instead_of_reading_as_empty(org: Any) -> None:
    cursor = last(pull(org.crm, "contacts"))
    org.do("hide_field", object="Contact", field="Title")
    org.pass_time(hours=1)
    with pytest.raises(MissingPermissionError, match="Contact has no Title"):
        pull(org.crm, "contacts", cursor)
    assert pull(org.crm, "accounts")


@pytest.mark.parametrize("bulk_above", [2000, 0])
def test_a_hidden_field_of_a_parent_is_named_with_its_path(org: Any, bulk_above: int) -> None:
    org.do("hide_field", object="Opportunity", field="AccountId")
    with pytest.raises(MissingPermissionError, match=r"OpportunityContactRole has no Opportunity\.AccountId"):
        pull(org.connect(bulk_above=bulk_above), "contact_roles")
    with pytest.raises(MissingPermissionError, match=r"Contact has no Nobody\.Name"):
        pull(org.connect(wanted={"contacts": ["Nobody.Name"]}, bulk_above=bulk_above), "contacts")


@pytest.mark.parametrize("bulk_above", [2000, 0])
def test_an_object_that_is_closed_to_us_is_named(org: Any, bulk_above: int) -> None:
    org.do("revoke", object="Contract", rights=["Read"])
    with pytest.raises(MissingPermissionError, match="Contract"):
        pull(org.connect(bulk_above=bulk_above), "contracts")
    assert BY_NAME["contracts"].optional


def test_an_org_without_shared_contacts_lacks_an_optional_stream(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, contacts_to_multiple_accounts=False)
    with pytest.raises(MissingPermissionError, match="AccountContactRelation"):
        pull(org.crm, "account_contacts")
    assert BY_NAME["account_contacts"].optional


@pytest.mark.parametrize(("status", "code"), [(400, "INVALID_FIELD"), (403, "INSUFFICIENT_ACCESS")])
def test_a_refusal_that_a_description_cannot_explain_is_passed_on(org: Any, status: int, code: str) -> None:
    body = [{"errorCode": code, "message": "SystemModstamp can not be filtered on"}]
    org.fault("status", "queryAll", status=status, body=body)
    with pytest.raises(MissingPermissionError, match="can not be filtered on"):
        pull(org.crm, "accounts")


def test_a_name_that_is_none_never_reaches_salesforce(org: Any) -> None:
    crm = org.connect(wanted={"accounts": ["Name FROM Account--"]})
    with pytest.raises(MissingPermissionError, match="Account has no Name FROM Account--"):
        pull(crm, "accounts")
    org.fault("status", "composite", status=403, body=[{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}])
    with pytest.raises(RequestError, match="cannot be the name of a field"):
        pull(org.connect(wanted={"accounts": ["Name FROM Account--"]}), "accounts")
    assert not [request for request in org.requests() if "queryAll" in request]


def test_capitals_that_differ_from_salesforce_s_are_pointed_out(org: Any) -> None:
    crm = org.connect(wanted={"accounts": ["name"]})
    with pytest.raises(ShapeError, match=r"rows of Account came without name\. Names in the field map"):
        pull(crm, "accounts")


# -- queries that end early --------------------------------------------------------------------------------------------


def test_a_query_that_takes_too_long_is_asked_in_shorter_stretches_of_time(org: Any) -> None:
    endless = r"queryAll\?q=(?!.*SystemModstamp\+%3C\+)"
    org.fault("status", endless, status=400, body=TIMEOUT, nth=range(1, 3))
    batches = pull(org.crm, "contacts")
    assert sorted(rows(batches)) == ids(org, "Contact")
    assert len(batches) > 1
    assert [batch.full for batch in batches] == [False] * (len(batches) - 1) + [True]
    cursor = last(batches)
    org.pass_time(minutes=30)
    org.do("mass_edit", object="Contact", values={"Title": "Moved"})
    org.pass_time(minutes=30)
    org.fault("status", endless, status=400, body=TIMEOUT, nth=range(1, 5))
    assert sorted(rows(pull(org.crm, "contacts", cursor))) == ids(org, "Contact")


def test_a_query_that_takes_too_long_even_for_a_minute_is_no_empty_answer(org: Any) -> None:
    cursor = last(pull(org.crm, "contacts"))
    org.pass_time(hours=1)
    org.options(query_timeout=True)
    org.forget()
    with pytest.raises(TransientError, match="running for too long"):
        pull(org.crm, "contacts", cursor)
    assert len(org.requests()) < 20


def test_a_place_that_salesforce_forgot_is_found_again(paged: Any) -> None:
    paged.fault("status", LATER_PAGE, status=400, body=EXPIRED, nth=2)
    batches = pull(paged.crm, "contacts")
    assert sorted(rows(batches)) == ids(paged, "Contact")
    assert sum(len(batch.rows) for batch in batches) == len(ids(paged, "Contact")), "nothing twice"
    assert batches[-1].full
    assert paged.requests().count("GET queryAll") == 2


def test_a_cursor_of_salesforce_s_that_expired_between_two_pages_does_no_harm(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, page_rows=20, cursor_hours=0.5)
    pages = org.crm.pull(BY_NAME["contacts"], None)
    first = next(pages)
    org.pass_time(hours=1)
    batches = [first, *pages]
    assert sorted(rows(batches)) == ids(org, "Contact")
    assert batches[-1].full


def test_a_place_that_is_forgotten_again_and_again_costs_a_query_each_time(paged: Any) -> None:
    paged.fault("status", LATER_PAGE, status=400, body=EXPIRED, nth=range(1, 100))
    batches = pull(paged.crm, "contacts")
    assert sorted(rows(batches)) == ids(paged, "Contact")
    assert paged.requests().count("GET queryAll") == 5


def test_a_place_that_cannot_be_found_again_is_left_to_the_next_pull(paged: Any) -> None:
    cursor = last(pull(paged.crm, "contacts"))
    paged.pass_time(minutes=59)
    paged.do("mass_edit", object="Contact", values={"Title": "Moved"})
    paged.pass_time(minutes=1)
    paged.fault("status", LATER_PAGE, status=400, body=EXPIRED, nth=range(1, 100))
    seen: list[Batch] = []
    with pytest.raises(TransientError, match="forgotten twice"):
        seen.extend(paged.crm.pull(BY_NAME["contacts"], cursor))
    paged.box.faults.clear()
    rest = pull(paged.crm, "contacts", last(seen))
    assert sorted(rows(rest)) == ids(paged, "Contact"), "rows so young may still move: none was taken for passed"


def test_a_page_without_rows_in_the_middle_or_at_the_end_is_not_believed(paged: Any) -> None:
    for nth in (1, 3):
        paged.fault("empty_page", LATER_PAGE, nth=nth)
        batches = pull(paged.crm, "contacts")
        assert sorted(rows(batches)) == ids(paged, "Contact")
        paged.box.faults.clear()


def test_a_list_that_ends_early_is_no_mass_deletion(paged: Any) -> None:
    cursor = last(pull(paged.crm, "contacts"))
    paged.pass_time(hours=25)
    cut = {"totalSize": 86, "done": True, "records": []}
    paged.fault("status", LATER_PAGE, status=200, body=cut, nth=range(1, 1000))
    seen: list[Batch] = []
    with pytest.raises(ShapeError, match=r"ended after \d+ of 86; it was not believed"):
        seen.extend(paged.crm.pull(BY_NAME["contacts"], cursor))
    assert not any(batch.full for batch in seen)
    assert all(batch.cursor is None for batch in seen), "the pass is made again"


def test_an_empty_list_where_there_were_many_is_no_mass_deletion(org: Any) -> None:
    cursor = last(pull(org.crm, "contacts"))
    org.pass_time(hours=25)
    org.fault("status", "queryAll", status=200, body={"totalSize": 0, "done": True, "records": []})
    assert not pull(org.crm, "contacts", cursor)[-1].full


def test_rows_that_come_twice_do_no_harm(paged: Any) -> None:
    paged.fault("duplicate_rows", "query", nth=range(1, 9))
    assert sorted(rows(pull(paged.crm, "contacts"))) == ids(paged, "Contact")


def test_a_bulk_job_that_gives_too_little_is_not_believed_and_not_asked_again(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world)
    crm = org.connect(bulk_above=0)
    header = '"Id","SystemModstamp","IsDeleted","MasterRecordId","Email","AccountId","OwnerId","Title","CreatedDate",'
    header += '"HasOptedOutOfEmail","DoNotCall"\n'
    ends = {"Sforce-Locator": "null", "Sforce-NumberOfRecords": "0"}
    org.fault("status", "results", status=200, body=header, headers=ends)
    seen: list[Batch] = []
    with pytest.raises(ShapeError, match="gave 0 of 86 contacts"):
        seen.extend(crm.pull(BY_NAME["contacts"], None))
    again = pull(crm, "contacts", last(seen))
    assert sorted(rows(again)) == ids(org, "Contact")
    assert again[-1].full
    assert org.requests().count("POST jobs/query") == 2


def test_two_bulk_jobs_whose_results_are_lost_are_enough(org: Any) -> None:
    gone = [{"errorCode": "NOT_FOUND", "message": "gone"}]
    org.fault("status", "results", status=404, body=gone, nth=range(1, 9))
    with pytest.raises(ShapeError, match="two bulk jobs were lost"):
        pull(org.connect(bulk_above=0), "contacts")
    assert org.requests().count("POST jobs/query") == 2


def test_the_quota_being_used_up_ends_the_pull_at_once(org: Any) -> None:
    org.options(api_limit=1000)
    org.do("use_calls", calls=1000)
    with pytest.raises(QuotaError):
        pull(org.crm, "accounts")


# -- shapes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drift", [{"SystemModstamp": None}, {"SystemModstamp": "x"}, {"Id": 7}, {"IsDeleted": "no"}])
def test_rows_of_another_shape_are_passed_on_for_mapping_to_judge(paged: Any, drift: dict[str, Any]) -> None:
    paged.fault("drift", "query", set=drift, nth=range(1, 99))
    batches = pull(paged.crm, "contacts")
    assert sum(len(batch.rows) for batch in batches) == len(ids(paged, "Contact"))


def test_a_row_that_is_no_record_is_passed_on_too(org: Any) -> None:
    body = {"totalSize": 2, "done": True, "records": [None, "text"]}
    org.fault("status", "queryAll", status=200, body=body)
    (batch,) = pull(org.crm, "accounts")
    assert batch.rows == [{"unreadable": None}, {"unreadable": "text"}]


@pytest.mark.parametrize("body", [[], {"rows": []}, {"records": None}, {"records": [], "done": False}, "text"])
def test_an_answer_of_another_shape_ends_the_pull_and_keeps_the_place(org: Any, body: Any) -> None:
    cursor = last(pull(org.crm, "accounts"))
    org.pass_time(minutes=30)
    changed = ids(org, "Account")[0]
    org.do("edit", id=changed, values={"Name": "New"})
    org.pass_time(minutes=30)
    org.fault("status", "queryAll", status=200, body=body, nth=range(1, 9))
    seen: list[Batch] = []
    with pytest.raises(ShapeError):
        seen.extend(org.crm.pull(BY_NAME["accounts"], cursor))
    org.box.faults.clear()
    assert changed in rows(pull(org.crm, "accounts", last(seen) if seen else cursor))


def test_numbers_that_are_none_are_refused(org: Any) -> None:
    text = '{"totalSize": 1, "done": true, "records": [{"Id": "1", "AnnualRevenue": NaN}]}'
    org.fault("status", "queryAll", status=200, body=text, nth=range(1, 9))
    with pytest.raises(ShapeError, match="sane JSON"):
        pull(org.crm, "accounts")


@pytest.mark.parametrize("cursor", ["{", '{"high": "x"}', '{"unknown": 1}', "[]", '{"high": 7, "stamp": {}}'])
def test_a_cursor_that_is_not_ours_starts_the_stream_again(org: Any, cursor: str) -> None:
    for name in ("users", "accounts"):
        with pytest.raises(CursorExpiredError):
            pull(org.crm, name, cursor)
