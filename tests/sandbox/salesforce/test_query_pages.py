"""Pages and cursors: how many rows, how to go on, and when that is over."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.model import World
from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER

CONTACTS = "SELECT Id, SystemModstamp, Account.Name FROM Contact ORDER BY SystemModstamp, Id"


@pytest.fixture
def wide(make_client: Callable[..., Any], wide_world: World) -> Any:
    return make_client(wide_world)


def ids(page: Any) -> list[str]:
    return [row["Id"] for row in page["records"]]


def walk(sf: Any, page: Any) -> list[str]:
    """Ids of this page and of all that follow."""
    found = ids(page)
    while not page["done"]:
        page = sf.get(page["nextRecordsUrl"])
        found += ids(page)
    return found


def test_pages_of_two_thousand(wide: Any) -> None:
    page = wide.get("queryAll", q=CONTACTS)
    assert len(page["records"]) == 2000
    assert page["done"] is False
    assert page["nextRecordsUrl"].startswith("/services/data/v64.0/query/01g")
    assert page["nextRecordsUrl"].endswith("-2000")
    found = walk(wide, page)
    assert len(found) == len(set(found)) == page["totalSize"]
    rows = {row["Id"]: row["SystemModstamp"] for row in wide.query("SELECT Id, SystemModstamp FROM Contact")}
    assert found == sorted(rows, key=lambda one: (rows[one], one))


@pytest.mark.parametrize(
    ("asked", "rows"), [("batchSize=250", 250), ("batchSize=50", 200), ("BATCHSIZE = 9999", 2000), ("nonsense", 2000)]
)
def test_the_client_asks_for_a_size(wide: Any, asked: str, rows: int) -> None:
    page = wide.ask("GET", "query", params={"q": CONTACTS}, headers={"sforce-query-options": asked})
    assert len(page["records"]) == rows
    assert page["nextRecordsUrl"].endswith(f"-{rows}")


def test_the_server_may_give_fewer(wide: Any) -> None:
    wide.mutate("options", page_rows=300)
    page = wide.get("query", q="SELECT Id FROM Contact LIMIT 700")
    assert len(page["records"]) == 300
    assert page["totalSize"] == 700
    following = wide.get(page["nextRecordsUrl"])
    last = wide.get(following["nextRecordsUrl"] + "/")
    assert [len(p["records"]) for p in (following, last)] == [300, 100]
    assert last["done"]
    assert "nextRecordsUrl" not in last


def test_a_page_can_be_asked_for_again_and_by_queryall_too(wide: Any) -> None:
    page = wide.get("query", q=CONTACTS)
    again = [wide.get(page["nextRecordsUrl"].replace("query", path)) for path in ("query", "queryAll", "query")]
    assert again[0] == again[1] == again[2]


def test_a_cursor_keeps_its_records_and_shows_them_as_they_are(wide: Any) -> None:
    page = wide.get("query", q="SELECT Id, Title FROM Contact")
    rest = walk(wide, wide.get(page["nextRecordsUrl"]))
    wide.mutate("edit", id=rest[0], values={"Title": "changed since"})
    wide.mutate("delete", id=rest[1])
    wide.mutate("purge", id=rest[2])
    wide.mutate("create", object="Contact", values={"LastName": "made since"})
    now = wide.get(page["nextRecordsUrl"])
    assert now["records"][0]["Title"] == "changed since"
    assert walk(wide, now) == [rest[0], *rest[3:]]
    assert now["totalSize"] == page["totalSize"]


def test_a_cursor_of_queryall_keeps_what_was_deleted(wide: Any) -> None:
    page = wide.get("queryAll", q="SELECT Id FROM Contact")
    rest = walk(wide, wide.get(page["nextRecordsUrl"]))
    wide.mutate("delete", id=rest[0])
    wide.mutate("purge", id=rest[1])
    assert walk(wide, wide.get(page["nextRecordsUrl"])) == [rest[0], *rest[2:]]


def expired(sf: Any, url: str) -> bool:
    answer = sf.send("GET", url)
    if answer.status_code == 200:
        return False
    assert answer.status_code == 400
    assert answer.json() == [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]
    return True


def test_a_cursor_lives_for_two_days(wide: Any) -> None:
    url = wide.get("query", q=CONTACTS)["nextRecordsUrl"]
    wide.later(2 * 86_400 - 1)
    wide.mutate("options", page_rows=500)
    wide.user(INTEGRATION_USER)
    assert not expired(wide, url)
    wide.later(1)
    assert expired(wide, url)
    assert not expired(wide, wide.get("query", q=CONTACTS)["nextRecordsUrl"])


def test_cursors_can_be_made_to_expire(wide: Any) -> None:
    url = wide.get("query", q=CONTACTS)["nextRecordsUrl"]
    assert wide.mutate("expire_cursors") == 1
    assert expired(wide, url)
    wide.mutate("options", cursor_hours=0)
    assert expired(wide, wide.get("query", q=CONTACTS)["nextRecordsUrl"])


def test_what_is_no_locator(wide: Any) -> None:
    url = wide.get("query", q=CONTACTS)["nextRecordsUrl"]
    assert expired(wide, url.removesuffix("-2000"))
    assert expired(wide, url.removesuffix("2000") + "999999")
    assert expired(wide, "query/01gHf0000000999-2000")
    assert expired(wide, "query/nonsense")
    assert not expired(wide, re.sub(r"(01g\w{12})\w{3}-", r"\1-", url))
    wide.user(ADMINISTRATOR)
    assert expired(wide, url)


def test_a_field_hidden_in_between_is_missing_on_the_next_page(wide: Any) -> None:
    page = wide.get("query", q="SELECT Id, Title FROM Contact")
    wide.mutate("hide_field", object="Contact", field="Title")
    assert wide.get(page["nextRecordsUrl"], 400)[0]["errorCode"] == "INVALID_FIELD"


def test_every_answer_counts_as_a_call(sf: Any) -> None:
    used = [sf.send("GET", "query", params={"q": "SELECT Id FROM User"}).headers["Sforce-Limit-Info"] for _ in "ab"]
    first, second = (int(text.split("=")[1].split("/")[0]) for text in used)
    assert second == first + 1
