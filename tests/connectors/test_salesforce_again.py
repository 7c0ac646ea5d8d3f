"""What makes Salesforce be read again, whole or in part, before a list of it is taken for the truth."""

from typing import Any

import pytest

from tests.connectors.salesforce_reads import BY_NAME, deleted, ids, last, pull, rows

LATER_PAGE = "query/01g"


@pytest.mark.parametrize("changed", [{"wanted": {"accounts": ["Name", "Plan__c"]}}, {"currency": "EUR"}])
def test_a_field_map_that_wants_more_is_a_reason_to_list_everything(org: Any, changed: dict[str, Any]) -> None:
    crm = org.connect(wanted={"accounts": ["Name", "CurrencyIsoCode"]})
    cursor = last(pull(crm, "accounts"))
    org.pass_time(hours=1)
    crm = org.connect(**{"wanted": {"accounts": ["Name", "CurrencyIsoCode"]}, **changed})
    again = pull(crm, "accounts", cursor)
    assert again[-1].full
    assert sorted(rows(again)) == sorted(ids(org, "Account"))
    assert all("Plan__c" in row or row["_currency"] == "EUR" for row in rows(again).values())
    org.pass_time(hours=1)
    assert rows(pull(crm, "accounts", last(again))) == {}


def test_a_job_that_was_asked_for_less_is_left_alone(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, bulk_page_rows=20)
    pages = org.connect(bulk_above=50).pull(BY_NAME["contacts"], None)
    cursor = [next(pages).cursor for _ in range(2)][-1]
    pages.close()
    crm = org.connect(bulk_above=50, wanted={"contacts": ["Email", "Title", "FirstName"]})
    whole = pull(crm, "contacts", cursor)
    assert whole[-1].full
    assert sorted(rows(whole)) == sorted(ids(org, "Contact"))
    assert all(row["FirstName"] for row in rows(whole).values())


def test_a_list_by_the_job_of_a_pull_that_died_ends_with_what_changed_since(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, page_rows=2)
    crm = org.connect(bulk_above=50)
    cursor = last(pull(crm, "contacts"))
    everyone = ids(org, "Contact")
    org.do("purge", id=everyone[9])
    org.pass_time(hours=24)
    pages = crm.pull(BY_NAME["contacts"], cursor)
    cursor = next(pages).cursor
    next(pages)
    pages.close()
    org.pass_time(hours=5)
    org.do("mass_edit", object="Contact", ids=everyone[:3], values={"Title": "Since"})
    org.do("delete", id=everyone[3])
    org.pass_time(hours=1)
    org.forget()
    rest = pull(org.connect(bulk_above=50), "contacts", cursor)
    assert "POST jobs/query" not in org.requests()
    assert {rows(rest)[one]["Title"] for one in everyone[:3]} == {"Since"}
    assert deleted(rest) == {everyone[3]}
    assert [batch.full for batch in rest] == [False] * (len(rest) - 1) + [True]
    assert all(batch.cursor is None for batch in rest[:-1]), "given whole or made again"
    assert everyone[9] not in rows(rest)
    org.pass_time(hours=1)
    assert rows(pull(crm, "contacts", last(rest))) == {}


def test_an_empty_page_among_many_is_not_forgiven_though_it_lacks_little(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, page_rows=2)
    everyone = ids(org, "Contact")
    assert len(everyone) * 0.05 > 2
    for nth in (20, -(-len(everyone) // 2) - 1):
        org.fault("empty_page", LATER_PAGE, nth=nth)
        batches = pull(org.crm, "contacts")
        assert batches[-1].full
        assert sorted(rows(batches)) == everyone
        org.box.faults.clear()
