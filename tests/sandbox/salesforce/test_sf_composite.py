"""Collections: results by position, errors of the request and of single records, all or none, upserts, retrieval."""

from collections.abc import Callable
from typing import Any

from sandbox.salesforce_ids import record_id

Sf = Any
PATH = "composite/sobjects"
GONE_ACCOUNT = record_id("Account", 999_999)


def records(kind: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"attributes": {"type": kind}, **row} for row in rows]


def body(*rows: dict[str, Any], kind: str = "Account", all_or_none: bool = False) -> dict[str, Any]:
    return {"allOrNone": all_or_none, "records": records(kind, *rows)}


def codes(results: list[dict[str, Any]]) -> list[str | None]:
    """Each result's error code, None for a success."""
    return [None if row["success"] else row["errors"][0]["statusCode"] for row in results]


def shaped(contracts: Callable[[str], Any], name: str, results: list[dict[str, Any]]) -> None:
    """The results have the keys and codes of a published case."""
    case = next(c for c in contracts("response_shapes.json")["cases"] if c["name"] == name)["body"]
    assert [set(row) for row in results] == [set(row) for row in case]
    assert codes(results) == codes(case)
    for row, published in zip(results, case, strict=True):
        assert [set(error) for error in row["errors"]] == [set(error) for error in published["errors"]]
        assert [error["message"][:40] for error in row["errors"]] == [
            error["message"][:40] for error in published["errors"]
        ]


def external(sf: Sf, **extra: Any) -> None:
    given = {"name": "Ext_Id__c", "type": "string", "length": 20, "external_id": True, "unique": True, **extra}
    sf.mutate("create_field", object="Account", visible=True, **given)


def ids_of(sf: Sf, count: int) -> list[str]:
    return [row["Id"] for row in sf.query("SELECT Id FROM Account")][:count]


# ---- changing --------------------------------------------------------------------------------------------------------


def test_every_record_has_its_own_result_in_order(sf: Sf, contracts: Callable[[str], Any]) -> None:
    good, locked = ids_of(sf, 2)
    sf.mutate("lock", id=locked, tries=1)
    rows = ({"id": good, "Phone": "1"}, {"Id": locked, "Phone": "1"})
    shaped(contracts, "collections_partial", sf.patch(PATH, body(*rows)))
    assert (sf.value(good, "Phone"), sf.value(locked, "Phone")) == ("1", None)
    assert codes(sf.patch(PATH, body(rows[1]))) == [None]


def test_errors_of_records_leave_the_others_alone(sf: Sf) -> None:
    first, deleted, last = ids_of(sf, 3)
    sf.mutate("delete", id=deleted)
    contact, _ = sf.contact()
    results = sf.patch(
        PATH,
        body(
            {"id": first, "Phone": "1"},
            {"id": GONE_ACCOUNT},
            {"id": deleted},
            {"Phone": "1"},
            {"id": None},
            {"id": "nonsense"},
            {"id": contact},
            {"id": last, "Phone": "x" * 41},
            {"id": last, "Name": None},
            {"id": last, "Phone": "2"},
        ),
    )
    assert codes(results) == [
        None,
        "INVALID_CROSS_REFERENCE_KEY",
        "ENTITY_IS_DELETED",
        "MISSING_ARGUMENT",
        "MISSING_ARGUMENT",
        "MALFORMED_ID",
        "MALFORMED_ID",
        "STRING_TOO_LONG",
        "REQUIRED_FIELD_MISSING",
        None,
    ]
    assert all(("id" in row) is row["success"] for row in results)
    assert results[7]["errors"][0]["fields"] == ["Phone"]
    assert (sf.value(first, "Phone"), sf.value(last, "Phone")) == ("1", "2")


def test_a_request_that_cannot_be_understood_writes_nothing(sf: Sf) -> None:
    first, second = ids_of(sf, 2)
    good = {"id": first, "Phone": "1"}
    for bad, code in (
        ({"id": second, "Nope__c": 1}, "INVALID_FIELD"),
        ({"id": second, "AnnualRevenue": "much"}, "JSON_PARSER_ERROR"),
    ):
        assert sf.patch(PATH, body(good, bad), 400)[0]["errorCode"] == code
    for whole, code in (
        ([], "JSON_PARSER_ERROR"),
        ({}, "JSON_PARSER_ERROR"),
        ({"records": [1]}, "JSON_PARSER_ERROR"),
        ({"records": [good]}, "JSON_PARSER_ERROR"),
        ({"records": records("Accountt", good)}, "INVALID_TYPE"),
    ):
        assert sf.patch(PATH, whole, 400)[0]["errorCode"] == code
    assert sf.value(first, "Phone") is None


def test_what_cannot_be_read_may_be_the_records_own_error(sf: Sf) -> None:
    first, second = ids_of(sf, 2)
    sf.mutate("options", item_parse_errors=True)
    rows = ({"id": first, "Phone": "1"}, {"id": second, "Nope__c": 1}, {"id": second, "AnnualRevenue": "much"})
    assert codes(sf.patch(PATH, body(*rows))) == [None, "INVALID_FIELD", "JSON_PARSER_ERROR"]
    assert codes(sf.post(PATH, body({"Name": "x", "Nope__c": 1}, {"Name": "y"}))) == ["INVALID_FIELD", None]


def test_an_unknown_kind_is_worded_as_published(sf: Sf, contracts: Callable[[str], Any]) -> None:
    case = next(c for c in contracts("response_shapes.json")["cases"] if c["name"] == "unknown_object")
    assert sf.post(PATH, body({"Name": "x"}, kind="Accountt"), case["status"]) == case["body"]


def test_200_records_and_ten_chunks(sf: Sf) -> None:
    account, contact = ids_of(sf, 1)[0], sf.contact()[0]
    assert sf.patch(PATH, body(*[{"id": account}] * 201), 400)[0]["errorCode"] == "EXCEEDED_ID_LIMIT"
    assert codes(sf.patch(PATH, body(*[{"id": account}] * 200))) == [None] * 200
    mixed = [*records("Account", {"id": account}), *records("Contact", {"id": contact})]
    assert codes(sf.patch(PATH, {"records": mixed * 5})) == [None] * 10
    assert sf.patch(PATH, {"records": [*mixed * 5, mixed[0]]}, 400)[0]["errorCode"] == "LIMIT_EXCEEDED"
    assert sf.patch(PATH, {"records": []}) == []


def test_all_or_none_takes_good_ones_back(sf: Sf, contracts: Callable[[str], Any]) -> None:
    first, second = ids_of(sf, 2)
    bad: list[dict[str, Any]] = [{"id": first, "Phone": "1"}, {"id": second, "Name": None}]
    shaped(contracts, "collections_all_or_none", sf.patch(PATH, body(*bad, all_or_none=True)))
    assert sf.value(first, "Phone") is None
    good = [{"id": first, "Phone": "1"}, {"id": second, "Phone": "2"}]
    assert codes(sf.patch(PATH, body(*good, all_or_none=True))) == [None, None]
    assert (sf.value(first, "Phone"), sf.value(second, "Phone")) == ("1", "2")
    made = sf.post(PATH, body({"Name": "x"}, {}, all_or_none=True))
    assert codes(made) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert "id" not in made[0]


# ---- making ----------------------------------------------------------------------------------------------------------


def test_tasks_are_made_in_order(sf: Sf) -> None:
    account = ids_of(sf, 1)[0]
    rows = [{"Subject": f"Task {n}", "WhatId": account} for n in range(3)]
    rows[1]["WhatId"] = GONE_ACCOUNT
    results = sf.post(PATH, body(*rows, kind="Task"))
    assert codes(results) == [None, "INVALID_CROSS_REFERENCE_KEY", None]
    assert results[0] == {"id": results[0]["id"], "success": True, "errors": []}
    assert [sf.value(results[n]["id"], "Subject") for n in (0, 2)] == ["Task 0", "Task 2"]
    assert sf.value(results[0]["id"], "AccountId") == account


def test_one_unique_value_twice_in_one_call(sf: Sf) -> None:
    external(sf)
    rows = [{"Name": "x", "Ext_Id__c": "K"}, {"Name": "y", "Ext_Id__c": "k"}]
    both = sf.post(PATH, body(*rows, all_or_none=True))
    assert codes(both) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "DUPLICATE_VALUE"]
    assert codes(sf.post(PATH, body(*rows))) == [None, "DUPLICATE_VALUE"]
    sf.mutate("rule", object="Account", field="Phone", message="No phones")
    retried = [{"Name": "x", "Ext_Id__c": "L", "Phone": "1"}, {"Name": "y", "Ext_Id__c": "L"}]
    assert codes(sf.post(PATH, body(*retried))) == ["FIELD_CUSTOM_VALIDATION_EXCEPTION", None]


# ---- upserting -------------------------------------------------------------------------------------------------------


def test_upserts_say_whether_they_made_a_record(sf: Sf, contracts: Callable[[str], Any]) -> None:
    external(sf)
    path = f"{PATH}/Account/Ext_Id__c"
    made = sf.patch(path, body({"Ext_Id__c": "A", "Name": "One"}, {"Ext_Id__c": "B"}))
    assert codes(made) == [None, "REQUIRED_FIELD_MISSING"]
    assert made[0]["created"] is True
    assert "created" not in made[1]
    again = sf.patch(path, body({"ext_id__c": "a", "Name": "Two"}))
    shaped(contracts, "collections_upsert_ok", again)
    assert again[0] == {**made[0], "created": False}
    assert sf.value(made[0]["id"], "Name") == "Two"


def test_two_upserts_of_one_key_both_fail(sf: Sf) -> None:
    external(sf)
    rows = [{"Ext_Id__c": "A", "Name": "1"}, {"Ext_Id__c": "B", "Name": "2"}, {"Ext_Id__c": "a", "Name": "3"}]
    results = sf.patch(f"{PATH}/Account/Ext_Id__c", body(*rows, {"Name": "4"}, {"Name": "5"}))
    assert codes(results) == ["DUPLICATE_VALUE", None, "DUPLICATE_VALUE", "MISSING_ARGUMENT", "MISSING_ARGUMENT"]


def test_upserts_that_match_several_and_by_id(sf: Sf) -> None:
    external(sf, unique=False)
    one, two = ids_of(sf, 2)
    sf.patch(PATH, body({"id": one, "Ext_Id__c": "K"}, {"id": two, "Ext_Id__c": "K"}))
    assert codes(sf.patch(f"{PATH}/Account/Ext_Id__c", body({"Ext_Id__c": "K"}))) == ["DUPLICATE_EXTERNAL_ID"]
    results = sf.patch(f"{PATH}/Account/Id", body({"Id": one, "Phone": "1"}, {"Id": GONE_ACCOUNT}, {"Name": "New"}))
    assert codes(results) == [None, "INVALID_CROSS_REFERENCE_KEY", None]
    assert [row.get("created") for row in results] == [False, None, True]


def test_upserts_into_other_kinds_and_by_other_fields(sf: Sf) -> None:
    external(sf)
    path = f"{PATH}/Account/Ext_Id__c"
    assert sf.patch(path, body({"Ext_Id__c": "A"}, kind="Contact"), 400)[0]["errorCode"] == "INVALID_TYPE"
    assert sf.patch(f"{PATH}/Account/Phone", body({"Phone": "1"}), 404)[0]["errorCode"] == "NOT_FOUND"
    assert sf.patch(f"{PATH}/Nothing/Id", body({"Id": "1"}), 404)[0]["errorCode"] == "NOT_FOUND"


# ---- deleting and retrieving -----------------------------------------------------------------------------------------


def test_deleting_many(sf: Sf) -> None:
    first, second, third = ids_of(sf, 3)
    ids = ",".join([first, GONE_ACCOUNT, "nonsense", second])
    results = sf.ask("DELETE", PATH, params={"ids": ids})
    assert codes(results) == [None, "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID", None]
    assert not sf.there(first)
    assert not sf.there(second)
    kept = sf.ask("DELETE", PATH, params={"ids": f"{third},{first}", "allOrNone": "true"})
    assert codes(kept) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "ENTITY_IS_DELETED"]
    assert kept[0]["id"] == third
    assert sf.there(third)
    assert sf.ask("DELETE", PATH, 400)[0]["errorCode"] == "MISSING_ARGUMENT"
    many = {"ids": ",".join([third[:15]] * 201)}
    assert sf.ask("DELETE", PATH, 400, params=many)[0]["errorCode"] == "EXCEEDED_ID_LIMIT"


def test_retrieval_keeps_the_order_and_says_null(sf: Sf) -> None:
    first, second, deleted = ids_of(sf, 3)
    sf.mutate("delete", id=deleted)
    wanted = [second, GONE_ACCOUNT, deleted, "nonsense", first[:15]]
    rows = sf.post(f"{PATH}/Account", {"ids": wanted, "fields": ["name", "SystemModstamp"]})
    assert [row and row["Id"] for row in rows] == [second, None, None, None, first]
    assert set(rows[0]) == {"attributes", "Id", "Name", "SystemModstamp"}
    assert rows[0]["SystemModstamp"].endswith(".000+0000")
    assert sf.get(f"{PATH}/Account", ids=",".join(wanted), fields="Name,SystemModstamp") == rows


def test_retrieval_that_is_refused(sf: Sf) -> None:
    account = ids_of(sf, 1)[0]
    path = f"{PATH}/Account"
    for whole, code in (
        ({"ids": [account]}, "JSON_PARSER_ERROR"),
        ({"ids": [account], "fields": []}, "JSON_PARSER_ERROR"),
        ({"ids": [account], "fields": ["Nope"]}, "INVALID_FIELD"),
        ({"ids": [account] * 2001, "fields": ["Id"]}, "EXCEEDED_ID_LIMIT"),
    ):
        assert sf.post(path, whole, 400)[0]["errorCode"] == code
    assert sf.get(path, 400, ids=account)[0]["errorCode"] == "MISSING_ARGUMENT"
    assert len(sf.post(path, {"ids": [account] * 2000, "fields": ["Id"]})) == 2000


def test_retrieval_leaves_out_what_sharing_hides(sf: Sf) -> None:
    ids = ids_of(sf, 30)
    sf.mutate("view_all", on=False)
    seen = {row["Id"] for row in sf.query("SELECT Id FROM Account")}
    rows = sf.post(f"{PATH}/Account", {"ids": ids, "fields": ["Id"]})
    assert [row is not None for row in rows] == [one in seen for one in ids]
    assert None in rows


def test_reading_by_post_is_no_write(sf: Sf) -> None:
    account = ids_of(sf, 1)[0]
    sf.sandbox.journal.clear()
    sf.post(f"{PATH}/Account", {"ids": [account], "fields": ["Id"]})
    assert sf.sandbox.journal.writes() == 0
    sf.patch(PATH, body({"id": account}))
    assert sf.sandbox.journal.writes() == 1
