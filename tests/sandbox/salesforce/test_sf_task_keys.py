"""Tasks addressed by a key of ours, deleted, and touched by people."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER

Sf = Any
KEY = "Our_Key__c"


def make_key(sf: Sf, **metadata: Any) -> None:
    wanted = {"type": "Text", "label": "Our Key", "length": 64, "externalId": True, "unique": True, **metadata}
    sf.post("tooling/sobjects/CustomField", {"FullName": f"Activity.{KEY}", "Metadata": wanted}, 201)
    sf.mutate("show_field", object="Task", field=KEY)


def task(sf: Sf, **values: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Task"}, "WhatId": sf.account()[0], "Subject": "Call", **values}


def upsert(sf: Sf, *records: dict[str, Any], whole: bool = False) -> list[dict[str, Any]]:
    body = {"allOrNone": whole, "records": list(records)}
    found: list[dict[str, Any]] = sf.patch(f"composite/sobjects/Task/{KEY}", body)
    return found


def test_describe_says_what_the_org_allows(sf: Sf, make_client: Callable[..., Sf]) -> None:
    make_key(sf)
    field = sf.describe("Task")[KEY]
    assert (field["externalId"], field["unique"], field["idLookup"], field["caseSensitive"]) == (
        True,
        True,
        True,
        False,
    )
    strict = make_client(activity_external_ids=False)
    metadata = {"type": "Text", "label": "K", "length": 64, "externalId": True}
    body = {"FullName": f"Activity.{KEY}", "Metadata": metadata}
    assert "externalId" in strict.post("tooling/sobjects/CustomField", body, 400)[0]["message"]
    metadata["externalId"] = False
    strict.post("tooling/sobjects/CustomField", body, 201)
    strict.mutate("show_field", object="Task", field=KEY)
    plain = strict.describe("Task")[KEY]
    assert (plain["externalId"], plain["unique"], plain["idLookup"]) == (False, False, False)
    missing = strict.patch(f"sobjects/Task/{KEY}/a", {"Subject": "x"}, 404)
    assert missing[0]["errorCode"] == "NOT_FOUND"


def test_one_task_is_made_and_then_updated(sf: Sf) -> None:
    make_key(sf)
    first = sf.patch(f"sobjects/Task/{KEY}/k1", {"Subject": "Call"}, 201)
    again = sf.patch(f"sobjects/Task/{KEY}/k1", {"Subject": "Call them"}, 200)
    assert (first["created"], again["created"], again["id"]) == (True, False, first["id"])
    assert sf.query("SELECT Subject FROM Task") == [{"Subject": "Call them"}]


def test_a_collection_says_of_each_whether_it_was_made(sf: Sf) -> None:
    make_key(sf)
    assert [row["created"] for row in upsert(sf, task(sf, **{KEY: "a"}), task(sf, **{KEY: "b"}))] == [True, True]
    mixed = upsert(sf, task(sf, **{KEY: "b"}), task(sf, **{KEY: "c"}), task(sf, **{KEY: "d"}, Status="No such"))
    assert [row["success"] for row in mixed] == [True, True, True]
    assert [row.get("created") for row in mixed] == [False, True, True]
    twins = upsert(sf, task(sf, **{KEY: "e"}), task(sf, **{KEY: "E"}))
    assert {row["errors"][0]["statusCode"] for row in twins} == {"DUPLICATE_VALUE"}
    assert sf.get("query", q="SELECT COUNT() FROM Task")["totalSize"] == 4
    # With allOrNone one bad record keeps the others out.
    bad = upsert(sf, task(sf, **{KEY: "f"}), task(sf, **{KEY: "g"}, Subject="x" * 256), whole=True)
    assert [row["errors"][0]["statusCode"] for row in bad] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "STRING_TOO_LONG",
    ]
    assert sf.get("query", q="SELECT COUNT() FROM Task")["totalSize"] == 4


def test_a_plain_create_with_a_taken_key_is_refused(sf: Sf) -> None:
    make_key(sf)
    made = upsert(sf, task(sf, **{KEY: "a"}))[0]["id"]
    refused = sf.post("sobjects/Task", {"Subject": "Call", KEY: "A"}, 400)
    assert refused[0]["errorCode"] == "DUPLICATE_VALUE"
    assert made in refused[0]["message"]


def test_capitals_count_where_the_field_says_so(sf: Sf) -> None:
    make_key(sf, caseSensitive=True)
    assert sf.describe("Task")[KEY]["caseSensitive"]
    assert [row["created"] for row in upsert(sf, task(sf, **{KEY: "a"}), task(sf, **{KEY: "A"}))] == [True, True]
    assert sf.patch(f"sobjects/Task/{KEY}/A", {"Subject": "big"}, 200)["created"] is False
    assert sf.query(f"SELECT Subject FROM Task WHERE {KEY} = 'A'") == [{"Subject": "big"}]
    assert sf.query(f"SELECT Subject FROM Task WHERE {KEY} IN ('a', 'b')") == [{"Subject": "Call"}]
    assert sf.query(f"SELECT Id FROM Task WHERE {KEY} = null") == []
    wanted = {"type": "Text", "label": "K", "length": 9, "caseSensitive": True}
    refused = sf.post("tooling/sobjects/CustomField", {"FullName": "Account.Plain__c", "Metadata": wanted}, 400)
    assert "caseSensitive" in refused[0]["message"]


def test_deleted_tasks_lie_in_the_bin_and_free_their_key(sf: Sf) -> None:
    make_key(sf)
    one, two, three = (row["id"] for row in upsert(sf, *(task(sf, **{KEY: key}) for key in "abc")))
    sf.ask("DELETE", f"sobjects/Task/{one}", 204)
    assert sf.ask("DELETE", f"sobjects/Task/{one}", 404)[0]["errorCode"] == "ENTITY_IS_DELETED"
    answers = sf.ask("DELETE", "composite/sobjects", params={"ids": f"{two},{one}", "allOrNone": "true"})
    assert [row["errors"][0]["statusCode"] for row in answers] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "ENTITY_IS_DELETED",
    ]
    assert sf.there(two)
    answers = sf.ask("DELETE", "composite/sobjects", params={"ids": f"{two},{one},{three}"})
    assert [row["success"] for row in answers] == [True, False, True]
    assert sf.query("SELECT Id FROM Task") == []
    rows = sf.query("SELECT Id, IsDeleted FROM Task", everything=True)
    assert [row["IsDeleted"] for row in rows] == [True] * 3
    assert sf.patch(f"sobjects/Task/{one}", {"Subject": "x"}, 404)[0]["errorCode"] == "ENTITY_IS_DELETED"
    assert upsert(sf, task(sf, **{KEY: "a"}))[0]["created"] is True
    sf.mutate("undelete", id=two)
    assert sf.there(two)


def test_whoever_touches_a_task_signs_it(sf: Sf) -> None:
    made = sf.post("sobjects/Task", {"Subject": "Call", "Description": "why"}, 201)["id"]
    colleague = sf.query("SELECT Id FROM User WHERE IsActive = true AND UserType = 'Standard' LIMIT 3")[-1]["Id"]

    def seen() -> dict[str, Any]:
        row: dict[str, Any] = sf.query(
            f"SELECT Status, OwnerId, Description, LastModifiedById, LastModifiedDate, CreatedById FROM Task "
            f"WHERE Id = '{made}'"
        )[0]
        return row

    first = seen()
    assert first["LastModifiedById"] == first["CreatedById"] == INTEGRATION_USER
    sf.later(60)
    sf.mutate("comment_task", id=made, text="spoke to them", user=colleague)
    commented = seen()
    assert commented["Description"] == "why\nspoke to them"
    assert commented["LastModifiedById"] == colleague
    assert commented["LastModifiedDate"] > first["LastModifiedDate"]
    sf.mutate("reassign_task", id=made, owner=colleague)
    sf.mutate("close_task", id=made)
    sf.mutate("edit_task", id=made, values={"Priority": "High"})
    last = seen()
    assert (last["Status"], last["OwnerId"], last["LastModifiedById"]) == ("Completed", colleague, ADMINISTRATOR)
    with pytest.raises(ValueError, match="is no task"):
        sf.mutate("edit_task", id=sf.account()[0], values={})
    with pytest.raises(ValueError, match="no record 'nobody'"):
        sf.mutate("reassign_task", id=made, owner="nobody")
