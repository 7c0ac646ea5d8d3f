"""Queries by simple-salesforce, as it is: the proof that the simulator speaks its language."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def salesforce(library: Any) -> Any:
    return library.open()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, sf: Any) -> None:
    """The client's own waiting moves the sandbox's clock instead."""
    monkeypatch.setattr("simple_salesforce.bulk2.sleep", sf.later)


def test_query_and_parents(salesforce: Any, sf: Any) -> None:
    record_id, person = sf.contact()
    found = salesforce.query(f"SELECT Id, Email, Account.Name FROM Contact WHERE Id = '{record_id}'")
    assert (found["totalSize"], found["done"]) == (1, True)
    assert found["records"][0]["Email"] == person.email
    assert found["records"][0]["Account"]["attributes"]["type"] == "Account"
    assert salesforce.api_usage["api-usage"].total == 115_000


def test_paging(salesforce: Any, sf: Any) -> None:
    sf.mutate("options", page_rows=300)
    page = salesforce.query("SELECT Id FROM Contact")
    assert not page["done"]
    further = salesforce.query_more(page["nextRecordsUrl"], identifier_is_url=True)
    locator = page["nextRecordsUrl"].rsplit("/", 1)[1]
    assert salesforce.query_more(locator) == further
    every = [row["Id"] for row in salesforce.query_all_iter("SELECT Id FROM Contact")]
    assert len(every) == len(set(every)) == page["totalSize"]
    assert every[300:302] == [row["Id"] for row in further["records"][:2]]
    assert salesforce.query_all("SELECT Id FROM Contact")["records"][-1]["Id"] == every[-1]


def test_deleted_rows(salesforce: Any, sf: Any) -> None:
    record_id, _ = sf.contact()
    sf.mutate("delete", id=record_id)
    soql = f"SELECT Id, IsDeleted FROM Contact WHERE Id = '{record_id}'"
    assert salesforce.query(soql)["totalSize"] == 0
    assert salesforce.query(soql, include_deleted=True)["records"][0]["IsDeleted"] is True
    assert next(salesforce.query_all_iter(soql, include_deleted=True))["Id"] == record_id


def test_its_way_of_writing_values(salesforce: Any, sf: Any) -> None:
    from simple_salesforce import format_soql

    name = 'O\'Neil \\ "quoted" 100%\nnext'
    made = sf.mutate("create", object="Contact", values={"LastName": name})
    since = sf.sandbox.clock.now()
    soql = format_soql(
        "SELECT Id FROM Contact WHERE LastName = {} AND SystemModstamp >= {} AND IsDeleted = {} AND Id IN {}",
        name, since, False, [made],
    )  # fmt: skip
    assert [row["Id"] for row in salesforce.query(soql)["records"]] == [made]
    like = format_soql("SELECT Id FROM Contact WHERE LastName LIKE '%{:like}%'", "100%\nnext")
    assert [row["Id"] for row in salesforce.query(like)["records"]] == [made]


def test_refusals_are_its_exceptions(salesforce: Any) -> None:
    from simple_salesforce.exceptions import SalesforceMalformedRequest

    with pytest.raises(SalesforceMalformedRequest) as caught:
        salesforce.query("SELECT Nope FROM Account")
    assert caught.value.content[0]["errorCode"] == "INVALID_FIELD"


def test_bulk_query(salesforce: Any, quick: None, sf: Any) -> None:
    soql = "SELECT Id, LastName, IsDeleted FROM Contact ORDER BY Id"
    texts = list(salesforce.bulk2.Contact.query(soql, max_records=300))
    assert len(texts) == 3
    assert all(text.startswith('"Id","LastName","IsDeleted"\n') for text in texts)
    found = [line.split(",")[0].strip('"') for text in texts for line in text.splitlines()[1:]]
    assert found == [row["Id"] for row in sf.query("SELECT Id FROM Contact ORDER BY Id")]


def test_bulk_query_of_deleted_rows(salesforce: Any, quick: None, sf: Any) -> None:
    record_id, _ = sf.contact()
    sf.mutate("delete", id=record_id)
    texts = list(salesforce.bulk2.Contact.query_all("SELECT Id, IsDeleted FROM Contact WHERE IsDeleted = true"))
    assert texts == [f'"Id","IsDeleted"\n"{record_id}","true"\n']


def test_bulk_download(salesforce: Any, quick: None, sf: Any, tmp_path: Path) -> None:
    files = salesforce.bulk2.Account.download("SELECT Id, Name FROM Account", path=str(tmp_path), max_records=25)
    assert [one["number_of_records"] for one in files] == [25, 15]
    assert Path(files[0]["file"]).read_text(encoding="utf-8").splitlines()[0] == '"Id","Name"'


def test_a_bulk_query_that_fails(salesforce: Any, quick: None, sf: Any) -> None:
    from simple_salesforce.exceptions import SalesforceOperationError

    sf.mutate("options", bulk_fail="InvalidBatch : no such luck")
    with pytest.raises(SalesforceOperationError, match="no such luck"):
        list(salesforce.bulk2.Contact.query("SELECT Id FROM Contact"))
