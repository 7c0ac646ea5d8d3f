"""Single records over the API: rights, checks, external ids, obstacles, and what changed lately."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.salesforce_base import INTEGRATION_USER
from sandbox.salesforce_ids import record_id

Sf = Any
GONE_ACCOUNT = record_id("Account", 999_999)
DENIED_CREATE = (403, "INSUFFICIENT_ACCESS_OR_READONLY")


def refused(answer: Any) -> tuple[str, list[str] | None]:
    """Code and fields of the one error of an answer."""
    (error,) = answer
    assert set(error) <= {"message", "errorCode", "fields"}
    return error["errorCode"], error.get("fields")


def shaped(contracts: Callable[[str], Any], name: str, answer: Any) -> None:
    """The answer has the keys, code and status of a published case."""
    case = next(c for c in contracts("response_shapes.json")["cases"] if c["name"] == name)
    body = answer.json()
    assert answer.status_code == case["status"], answer.text
    assert [set(row) for row in body] == [set(row) for row in case["body"]]
    assert [row["errorCode"] for row in body] == [row["errorCode"] for row in case["body"]]


def owners(sf: Sf) -> list[str]:
    """Ids of the account owners, most accounts first."""
    rows = sf.query("SELECT OwnerId FROM Account")
    names = [row["OwnerId"] for row in rows]
    return sorted(set(names), key=lambda name: -names.count(name))


def external(sf: Sf, kind: str = "Account", name: str = "Ext_Id__c", **extra: Any) -> None:
    """An external id, granted to everybody who asks here."""
    given = {"object": kind, "name": name, "type": "string", "length": 20, "external_id": True, "unique": True}
    sf.mutate("create_field", visible=True, **{**given, **extra})


# ---- making, changing, deleting --------------------------------------------------------------------------------------


def test_a_record_is_made_read_changed_and_deleted(sf: Sf, contracts: Callable[[str], Any]) -> None:
    answer = sf.send("POST", "sobjects/Account", json={"name": "Acme", "Phone": " 1 ", "Website": ""})
    assert answer.status_code == 201
    made = answer.json()["id"]
    assert answer.json() == {"id": made, "success": True, "errors": []}
    assert answer.headers["Location"] == f"/services/data/v64.0/sobjects/Account/{made}"
    row = sf.get(f"sobjects/Account/{made[:15]}")
    assert row["attributes"] == {"type": "Account", "url": f"/services/data/v64.0/sobjects/Account/{made}"}
    assert (row["Id"], row["Name"], row["Phone"], row["Website"]) == (made, "Acme", "1", None)
    assert (row["OwnerId"], row["CreatedById"], row["CurrencyIsoCode"]) == (INTEGRATION_USER, INTEGRATION_USER, "USD")
    assert row["SystemModstamp"] == row["CreatedDate"] == "2026-11-22T00:00:00.000+0000"
    assert sf.send("PATCH", f"sobjects/account/{made}", json={"AnnualRevenue": 12.5}).status_code == 204
    assert sf.get(f"sobjects/Account/{made}", fields="AnnualRevenue") == {
        "attributes": row["attributes"],
        "Id": made,
        "AnnualRevenue": 13.0,
    }
    assert sf.send("DELETE", f"sobjects/Account/{made}").status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        shaped(contracts, "entity_deleted", sf.send(method, f"sobjects/Account/{made}", json={}))


def test_what_is_not_there_differs_by_method(sf: Sf, contracts: Callable[[str], Any]) -> None:
    shaped(contracts, "get_missing", sf.send("GET", f"sobjects/Account/{GONE_ACCOUNT}"))
    shaped(contracts, "patch_missing", sf.send("PATCH", f"sobjects/Account/{GONE_ACCOUNT}", json={}))
    shaped(contracts, "patch_missing", sf.send("DELETE", f"sobjects/Account/{GONE_ACCOUNT}"))
    for method in ("GET", "PATCH", "DELETE"):
        assert refused(sf.ask(method, "sobjects/Account/nonsense", 404, json={}))[0] == "NOT_FOUND"
        assert refused(sf.ask(method, "sobjects/Nothing/001", 404, json={}))[0] == "NOT_FOUND"
    contact, _ = sf.contact()
    assert refused(sf.patch(f"sobjects/Account/{contact}", {}, 400)) == ("MALFORMED_ID", ["Id"])


def test_a_write_that_changes_nothing_moves_the_stamp(sf: Sf) -> None:
    account, company = sf.account()
    before = sf.value(account, "SystemModstamp")
    sf.later(60)
    assert sf.send("PATCH", f"sobjects/Account/{account}", json={"Name": company.name}).status_code == 204
    assert sf.value(account, "SystemModstamp") > before
    assert sf.value(account, "LastModifiedById") == INTEGRATION_USER


@pytest.mark.parametrize(
    ("case", "kind", "values"),
    [
        ("write_no_such_field", "Account", {"Health_Score__c": 1}),
        ("write_read_only_field", "Contact", {"Name": "x"}),
        ("required_missing", "Account", {"Name": None}),
        ("string_too_long", "Task", {"Subject": "x" * 256}),
        ("bad_picklist", "Contract", {"Status": "Nope"}),
        ("number_too_big", "Account", {"MRR__c": 1e17}),
    ],
)
def test_refusals_look_as_published(
    sf: Sf, contracts: Callable[[str], Any], case: str, kind: str, values: dict[str, Any]
) -> None:
    kinds = {"Account": sf.account()[0], "Contact": sf.contact()[0]}
    if kind in kinds:
        shaped(contracts, case, sf.send("PATCH", f"sobjects/{kind}/{kinds[kind]}", json=values))
    else:
        whole = values | ({"AccountId": kinds["Account"]} if kind == "Contract" else {})
        shaped(contracts, case, sf.send("POST", f"sobjects/{kind}", json=whole))


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"Id": GONE_ACCOUNT, "Name": "x"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Phone": "1"}, "REQUIRED_FIELD_MISSING"),
        ({"Name": "x", "AnnualRevenue": "much"}, "JSON_PARSER_ERROR"),
        ({"Name": "x", "Nope": 1}, "INVALID_FIELD"),
        ({"Name": "x", "ParentId": "nonsense"}, "MALFORMED_ID"),
        ({"Name": "x", "ParentId": record_id("Contact", 1)}, "FIELD_INTEGRITY_EXCEPTION"),
        ({"Name": "x", "ParentId": GONE_ACCOUNT}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"Name": "x", "Days_To_Renewal__c": 1}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_records_that_cannot_be_made(sf: Sf, values: dict[str, Any], code: str) -> None:
    assert refused(sf.post("sobjects/Account", values, 400))[0] == code


def test_bodies_that_are_no_objects_and_ids_in_them(sf: Sf) -> None:
    account, _ = sf.account()
    assert refused(sf.post("sobjects/Account", [1], 400))[0] == "JSON_PARSER_ERROR"
    assert refused(sf.ask("POST", "sobjects/Account", 400, data="{"))[0] == "JSON_PARSER_ERROR"
    assert refused(sf.patch(f"sobjects/Account/{account}", {"id": account}, 400)) == ("INVALID_FIELD", ["Id"])
    assert refused(sf.get(f"sobjects/Account/{account}", 400, fields="Name,Nope"))[0] == "INVALID_FIELD"


def test_references_to_deleted_records_name_the_field(sf: Sf) -> None:
    (parent, _), (other, _) = sf.account(0), sf.account(1)
    sf.mutate("delete", id=parent)
    assert refused(sf.patch(f"sobjects/Account/{other}", {"ParentId": parent}, 400)) == (
        "ENTITY_IS_DELETED",
        ["ParentId"],
    )


# ---- who may ---------------------------------------------------------------------------------------------------------


def test_hidden_fields_are_absent_and_read_only_ones_refuse(sf: Sf) -> None:
    account, _ = sf.account()
    sf.mutate("hide_field", object="Account", field="Plan__c")
    sf.mutate("hide_field", object="Account", field="Phone", read_only=True)
    row = sf.get(f"sobjects/Account/{account}")
    assert "Plan__c" not in row
    assert "Phone" in row
    assert refused(sf.patch(f"sobjects/Account/{account}", {"Plan__c": "free"}, 400))[0] == "INVALID_FIELD"
    assert refused(sf.patch(f"sobjects/Account/{account}", {"Phone": "1", "Website": "x"}, 400)) == (
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        ["Phone"],
    )


@pytest.mark.parametrize(
    ("right", "method", "body"), [("Create", "POST", {"Name": "x"}), ("Edit", "PATCH", {}), ("Delete", "DELETE", None)]
)
def test_rights_on_the_object_count(
    sf: Sf, contracts: Callable[[str], Any], right: str, method: str, body: dict[str, Any] | None
) -> None:
    account, _ = sf.account()
    path = "sobjects/Account" if method == "POST" else f"sobjects/Account/{account}"
    sf.mutate("revoke", object="Account", rights=[right, "Delete", "ModifyAllRecords"])
    shaped(contracts, "read_only_user", sf.send(method, path, json=body))
    sf.mutate("revoke", object="Account", rights=["Read"])
    assert refused(sf.ask(method, path, 404, json=body))[0] == "NOT_FOUND"


def test_kinds_that_nobody_makes(sf: Sf) -> None:
    answer = sf.send("POST", "sobjects/Organization", json={})
    assert (answer.status_code, refused(answer.json())[0]) == DENIED_CREATE
    user = sf.query("SELECT Id FROM User")[0]["Id"]
    assert sf.send("DELETE", f"sobjects/User/{user}").status_code == 403


def test_rows_that_sharing_hides(sf: Sf, contracts: Callable[[str], Any]) -> None:
    ids = {row["Id"] for row in sf.query("SELECT Id FROM Account")}
    sf.mutate("view_all", on=False)
    seen = {row["Id"] for row in sf.query("SELECT Id FROM Account")}
    hidden = min(ids - seen)
    shaped(contracts, "get_missing", sf.send("GET", f"sobjects/Account/{hidden}"))
    shaped(contracts, "no_access", sf.send("PATCH", f"sobjects/Account/{hidden}", json={}))
    shaped(contracts, "no_access", sf.send("DELETE", f"sobjects/Account/{hidden}"))
    contact = {"LastName": "x", "AccountId": hidden}
    shaped(contracts, "no_access", sf.send("POST", "sobjects/Contact", json=contact))


# ---- owners ----------------------------------------------------------------------------------------------------------


def test_an_inactive_owner_is_refused(sf: Sf, contracts: Callable[[str], Any]) -> None:
    account, _ = sf.account()
    owner, other = owners(sf)[:2]
    sf.mutate("deactivate_user", id=owner)
    task = {"Subject": "Call", "OwnerId": owner, "WhatId": account}
    answer = sf.send("POST", "sobjects/Task", json=task)
    shaped(contracts, "inactive_owner", answer)
    assert answer.json()[0]["message"] == f"operation performed with inactive user [{owner[:15]}] as owner of task"
    assert answer.json()[0]["fields"] == ["OwnerId"]
    sf.post("sobjects/Task", {**task, "OwnerId": other}, 201)
    assert refused(sf.patch(f"sobjects/Account/{account}", {"OwnerId": None}, 400)) == (
        "INVALID_CROSS_REFERENCE_KEY",
        ["OwnerId"],
    )


def test_accounts_of_people_who_left_refuse_changes_where_the_org_says_so(sf: Sf) -> None:
    owner, other = owners(sf)[:2]
    account = sf.query(f"SELECT Id FROM Account WHERE OwnerId = '{owner}'")[0]["Id"]
    sf.mutate("deactivate_user", id=owner)
    assert sf.send("PATCH", f"sobjects/Account/{account}", json={"Phone": "1"}).status_code == 204
    sf.mutate("options", update_inactive_owners=False)
    assert refused(sf.patch(f"sobjects/Account/{account}", {"Phone": "1"}, 400))[0] == "INACTIVE_OWNER_OR_USER"
    assert sf.send("PATCH", f"sobjects/Account/{account}", json={"OwnerId": other}).status_code == 204
    assert sf.send("PATCH", f"sobjects/Account/{account}", json={"Phone": "1"}).status_code == 204


# ---- tasks -----------------------------------------------------------------------------------------------------------


def test_a_task_gets_its_defaults_and_its_account(sf: Sf) -> None:
    contact, _ = sf.contact()
    account = sf.value(contact, "AccountId")
    task = sf.post("sobjects/Task", {"WhoId": contact, "Subject": "Call", "ActivityDate": "2026-12-01"}, 201)["id"]
    row = sf.get(f"sobjects/Task/{task}")
    assert (row["Status"], row["Priority"], row["OwnerId"]) == ("Not Started", "Normal", INTEGRATION_USER)
    assert (row["AccountId"], row["IsClosed"], row["ActivityDate"]) == (account, False, "2026-12-01")
    deal = sf.query("SELECT Id, AccountId FROM Opportunity")[0]
    sf.patch(f"sobjects/Task/{task}", {"WhatId": deal["Id"], "Status": "Completed", "Priority": "High"}, 204)
    row = sf.get(f"sobjects/Task/{task}", fields="AccountId,IsClosed,IsHighPriority")
    assert (row["AccountId"], row["IsClosed"], row["IsHighPriority"]) == (deal["AccountId"], True, True)
    derived = sf.patch(f"sobjects/Task/{task}", {"AccountId": account}, 400)
    assert refused(derived) == ("INVALID_FIELD_FOR_INSERT_UPDATE", ["AccountId"])
    assert refused(sf.patch(f"sobjects/Task/{task}", {"Status": None}, 400))[0] == "REQUIRED_FIELD_MISSING"


def test_what_a_task_may_be_about(sf: Sf) -> None:
    account, _ = sf.account()
    lead = "00QHf0000000001MAA"
    for values, code in (
        ({"WhoId": account}, "FIELD_INTEGRITY_EXCEPTION"),
        ({"WhatId": sf.contact()[0]}, "FIELD_INTEGRITY_EXCEPTION"),
        ({"WhoId": lead}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"WhoId": lead, "WhatId": account}, "FIELD_INTEGRITY_EXCEPTION"),
        ({"OwnerId": "00GHf0000000001MAA"}, "INVALID_CROSS_REFERENCE_KEY"),
    ):
        assert refused(sf.post("sobjects/Task", {"Subject": "x", **values}, 400))[0] == code


# ---- what stands in the way ------------------------------------------------------------------------------------------


def test_a_locked_account_locks_what_hangs_on_it_for_so_many_tries(sf: Sf, contracts: Callable[[str], Any]) -> None:
    account, _ = sf.account()
    sf.mutate("lock", id=account, tries=2)
    shaped(contracts, "row_lock", sf.send("PATCH", f"sobjects/Account/{account}", json={}))
    shaped(contracts, "row_lock", sf.send("POST", "sobjects/Task", json={"Subject": "x", "WhatId": account}))
    sf.post("sobjects/Task", {"Subject": "x", "WhatId": account}, 201)


def test_rules_and_triggers_of_the_org(sf: Sf, contracts: Callable[[str], Any]) -> None:
    account, _ = sf.account()
    sf.mutate("rule", object="Account", field="Phone", message="No phones")
    sf.mutate("trigger", object="Task", message="TaskTrigger: failed")
    shaped(contracts, "validation_rule", sf.send("PATCH", f"sobjects/Account/{account}", json={"Phone": "1"}))
    assert sf.send("PATCH", f"sobjects/Account/{account}", json={"Website": "x"}).status_code == 204
    shaped(contracts, "trigger_failed", sf.send("POST", "sobjects/Task", json={"Subject": "x"}))


def test_a_duplicate_rule_that_only_warns(sf: Sf, contracts: Callable[[str], Any]) -> None:
    _, person = sf.contact()
    twin = {"LastName": "Twin", "Email": str(person.email).upper()}
    sf.post("sobjects/Contact", {**twin, "Email": "new@x.example"}, 201)
    sf.mutate("options", duplicate_rule=True)
    header = "Sforce-Duplicate-Rule-Header"
    shaped(contracts, "duplicates_detected", sf.send("POST", "sobjects/Contact", json=twin))
    shaped(contracts, "duplicates_detected", sf.send("POST", "sobjects/Contact", json=twin, headers={header: "x=1"}))
    sf.post("sobjects/Contact", twin, 201, headers={header: "allowSave=TRUE"})
    sf.post("sobjects/Contact", {"LastName": "Other"}, 201)


def test_a_flow_answers_a_write_with_one_of_its_own(sf: Sf) -> None:
    (account, _), (other, _) = sf.account(0), sf.account(1)
    sf.mutate("flow", object="Account", when="Phone", set="Website", value="by-flow.example")
    sf.mutate("flow", object="Account", when="Website", set="Phone", value="never", delay=30)
    sf.mutate("flow", object="Account", when="Phone", set="AnnualRevenue", value=5, delay=30)
    sf.patch(f"sobjects/Account/{account}", {"Phone": "1"}, 204)
    sf.patch(f"sobjects/Account/{other}", {"Phone": "1"}, 204)
    assert (sf.value(account, "Website"), sf.value(account, "AnnualRevenue")) == ("by-flow.example", None)
    stamp = sf.value(account, "SystemModstamp")
    sf.mutate("delete", id=other)
    sf.later(60)
    assert (sf.value(account, "Phone"), sf.value(account, "AnnualRevenue")) == ("1", 5.0)
    assert sf.value(account, "SystemModstamp") == stamp + 30_000
    assert sf.value(other, "AnnualRevenue") is None
    assert sf.value(sf.post("sobjects/Account", {"Name": "x", "Phone": "1"}, 201)["id"], "Website") == "by-flow.example"


def test_assignment_rules_run_unless_the_call_says_not_to(sf: Sf) -> None:
    account, _ = sf.account()
    before = sf.value(account, "OwnerId")
    after = next(owner for owner in owners(sf) if owner != before)
    sf.mutate("assignment_rule", object="Account", owner=after)
    sf.patch(f"sobjects/Account/{account}", {"Phone": "1"}, 204, headers={"Sforce-Auto-Assign": "FALSE"})
    assert sf.value(account, "OwnerId") == before
    made = sf.post("sobjects/Account", {"Name": "x"}, 201, headers={"Sforce-Auto-Assign": "false"})["id"]
    assert sf.value(made, "OwnerId") == INTEGRATION_USER
    sf.patch(f"sobjects/Account/{account}", {"Phone": "2"}, 204)
    assert sf.value(account, "OwnerId") == after
    assert sf.value(sf.post("sobjects/Account", {"Name": "x"}, 201)["id"], "OwnerId") == after
    sf.post("sobjects/Task", {"Subject": "x"}, 201)


# ---- external ids ----------------------------------------------------------------------------------------------------


def test_upsert_makes_then_updates(sf: Sf) -> None:
    external(sf)
    made = sf.patch("sobjects/Account/Ext_Id__c/A-1", {"Name": "One"}, 201)
    assert made == {"id": made["id"], "success": True, "errors": [], "created": True}
    assert sf.patch("sobjects/Account/ext_id__c/a-1", {"Name": "Two"}) == {**made, "created": False}
    old = "/services/data/v45.0/sobjects/Account/Ext_Id__c/A-1"
    assert sf.send("PATCH", old, json={"Name": "Three"}).status_code == 204
    row = sf.get("sobjects/Account/Ext_Id__c/A-1", fields="Name,Ext_Id__c")
    assert (row["Id"], row["Name"], row["Ext_Id__c"]) == (made["id"], "Three", "A-1")
    twice = sf.patch("sobjects/Account/Ext_Id__c/A-1", {"Name": "x", "Ext_Id__c": "A-1"}, 400)
    assert refused(twice) == ("INVALID_FIELD", ["Ext_Id__c"])
    sf.ask("DELETE", "sobjects/Account/Ext_Id__c/A-1", 204)
    for method in ("GET", "DELETE"):
        assert refused(sf.ask(method, "sobjects/Account/Ext_Id__c/A-1", 404))[0] == "NOT_FOUND"
    update_only = {"params": {"updateOnly": "true"}}
    assert refused(sf.patch("sobjects/Account/Ext_Id__c/A-1", {"Name": "x"}, 404, **update_only))[0] == "NOT_FOUND"


def test_upsert_by_a_key_that_several_records_have(sf: Sf, contracts: Callable[[str], Any]) -> None:
    external(sf, unique=False)
    (one, _), (two, _) = sf.account(0), sf.account(1)
    for account in (one, two):
        sf.patch(f"sobjects/Account/{account}", {"Ext_Id__c": "K"}, 204)
    case = next(c for c in contracts("response_shapes.json")["cases"] if c["name"] == "external_id_many")
    for method in ("GET", "PATCH", "DELETE"):
        body = sf.ask(method, "sobjects/Account/Ext_Id__c/K", case["status"], json={})
        assert body == [f"/services/data/v64.0/sobjects/Account/{account}" for account in (one, two)]


def test_a_unique_value_is_anothers(sf: Sf, contracts: Callable[[str], Any]) -> None:
    external(sf)
    (one, _), (two, _) = sf.account(0), sf.account(1)
    sf.patch(f"sobjects/Account/{one}", {"Ext_Id__c": "K"}, 204)
    sf.patch(f"sobjects/Account/{one}", {"Ext_Id__c": "k"}, 204)
    answer = sf.send("PATCH", f"sobjects/Account/{two}", json={"Ext_Id__c": "K"})
    shaped(contracts, "duplicate_value", answer)
    assert one in answer.json()[0]["message"]
    sf.mutate("delete", id=one)
    sf.patch(f"sobjects/Account/{two}", {"Ext_Id__c": "K"}, 204)


def test_fields_that_are_no_external_ids(sf: Sf, contracts: Callable[[str], Any]) -> None:
    external(sf, name="Hidden__c", external_id=True)
    sf.mutate("hide_field", object="Account", field="Hidden__c")
    for name in ("Phone", "Nope__c", "Hidden__c"):
        shaped(contracts, "external_id_not_found", sf.send("PATCH", f"sobjects/Account/{name}/x", json={"Name": "x"}))
    account, _ = sf.account()
    assert sf.patch(f"sobjects/Account/Id/{account}", {"Phone": "1"})["created"] is False
    assert refused(sf.patch(f"sobjects/Account/Id/{GONE_ACCOUNT}", {}, 404))[0] == "NOT_FOUND"
