"""Setting the org up over the API: custom fields, and the permission sets that show them."""

from typing import Any

import pytest

from sandbox import salesforce_tooling

Sf = Any
PATH = "tooling/sobjects/CustomField"
SCORE = {"FullName": "Account.Score__c", "Metadata": {"type": "Number", "label": "Score", "precision": 5, "scale": 2}}
BANDS = ["Healthy", "At Risk"]


def picklist(*values: str, restricted: bool = True, label: str = "Band") -> dict[str, Any]:
    rows = [{"fullName": value, "label": value, "default": False} for value in values]
    value_set = {"restricted": restricted, "valueSetDefinition": {"sorted": False, "value": rows}}
    return {"type": "Picklist", "label": label, "valueSet": value_set}


def text(name: str, **more: Any) -> dict[str, Any]:
    return {"FullName": name, "Metadata": {"type": "Text", "label": "Key", "length": 64, **more}}


def set_id(sf: Sf, name: str = "CRM_Integration") -> str:
    return str(sf.query(f"SELECT Id FROM PermissionSet WHERE Name = '{name}'")[0]["Id"])


def grant(sf: Sf, field: str, *, edit: bool = True, status: int = 201, **more: Any) -> Any:
    owner = field.partition(".")[0]
    row = {"ParentId": set_id(sf), "SobjectType": owner, "Field": field, "PermissionsRead": True}
    return sf.post("sobjects/FieldPermissions", {**row, "PermissionsEdit": edit, **more}, status)


def code(answer: Any) -> str:
    return str(answer[0]["errorCode"])


# ---- fields ----------------------------------------------------------------------------------------------------------


def test_a_new_field_is_hidden_until_it_is_granted(sf: Sf) -> None:
    account, _ = sf.account()
    made = sf.post(PATH, SCORE, 201)
    assert made == {"id": made["id"], "success": True, "errors": [], "warnings": [], "infos": []}
    assert made["id"].startswith("00N")
    assert "Score__c" not in sf.describe("Account")
    assert code(sf.patch(f"sobjects/Account/{account}", {"Score__c": 1}, 400)) == "INVALID_FIELD"
    assert code(sf.get("query", 400, q="SELECT Score__c FROM Account")) == "INVALID_FIELD"
    row = grant(sf, "Account.score__c", edit=False)["id"]
    described = sf.describe("Account")["Score__c"]
    assert (described["type"], described["precision"], described["scale"]) == ("double", 5, 2)
    assert described["updateable"] is False
    assert code(sf.patch(f"sobjects/Account/{account}", {"Score__c": 1}, 400)) == "INVALID_FIELD_FOR_INSERT_UPDATE"
    sf.patch(f"sobjects/FieldPermissions/{row}", {"PermissionsEdit": True}, 204)
    sf.patch(f"sobjects/Account/{account}", {"Score__c": 71.5}, 204)
    assert sf.query(f"SELECT Score__c FROM Account WHERE Id = '{account}'") == [{"Score__c": 71.5}]
    stored = sf.query(f"SELECT Field, SobjectType FROM FieldPermissions WHERE Id = '{row}'")
    assert stored == [{"Field": "Account.Score__c", "SobjectType": "Account"}]


def test_fields_of_activity_show_on_tasks(sf: Sf) -> None:
    sf.post(PATH, text("Activity.Task_Key__c", externalId=True, unique=True), 201)
    grant(sf, "Task.Task_Key__c")
    described = sf.describe("Task")["Task_Key__c"]
    assert (described["length"], described["externalId"]) == (64, True)
    made = sf.post("sobjects/Task", {"Subject": "x", "Task_Key__c": "k-1"}, 201)["id"]
    assert sf.query("SELECT Id FROM Task WHERE Task_Key__c = 'k-1'") == [{"Id": made}]
    assert code(sf.post("sobjects/Task", {"Subject": "y", "Task_Key__c": "K-1"}, 400)) == "DUPLICATE_VALUE"
    assert code(sf.post(PATH, text("Task.Other__c"), 400)) == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    sf.mutate("options", activity_external_ids=False)
    assert code(sf.post(PATH, text("Activity.Second__c", externalId=True), 400)) == "FIELD_INTEGRITY_EXCEPTION"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"Metadata": SCORE["Metadata"]}, "REQUIRED_FIELD_MISSING"),
        ({"FullName": "Account.Score__c"}, "REQUIRED_FIELD_MISSING"),
        ({**SCORE, "FullName": "Nothing.Score__c"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({**SCORE, "FullName": "User.Score__c"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({**SCORE, "FullName": "Account.plan__c"}, "DUPLICATE_DEVELOPER_NAME"),
        ([], "JSON_PARSER_ERROR"),
    ],
)
def test_fields_that_are_refused(sf: Sf, body: Any, expected: str) -> None:
    assert code(sf.post(PATH, body, 400)) == expected


def test_an_object_has_room_for_so_many_fields(sf: Sf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_tooling, "MAX_EXTERNAL_IDS", 2)
    for name in ("One__c", "Two__c"):
        sf.post(PATH, text(f"Account.{name}", externalId=True), 201)
    full = sf.post(PATH, text("Account.Three__c", externalId=True), 400)
    assert code(full) == "LIMIT_EXCEEDED"
    assert full[0]["fields"] == ["externalId"]
    sf.post(PATH, text("Account.Three__c"), 201)
    here = sum(one.custom for one in sf.org.objects["Account"])
    sf.mutate("options", custom_field_limit=here)
    assert code(sf.post(PATH, text("Account.Four__c"), 400)) == "LIMIT_EXCEEDED"
    sf.post(PATH, text("Contact.Four__c"), 201)


def test_setting_up_needs_the_right_to(sf: Sf) -> None:
    field = sf.post(PATH, SCORE, 201)["id"]
    sf.mutate("forbid", rights=["CustomizeApplication"])
    for method, path in (
        ("POST", PATH),
        ("GET", f"{PATH}/{field}"),
        ("PATCH", f"{PATH}/{field}"),
        ("DELETE", f"{PATH}/{field}"),
    ):
        answer = sf.send(method, path, json=SCORE)
        assert (answer.status_code, code(answer.json())) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert grant(sf, "Account.Score__c", status=403)[0]["errorCode"] == "INSUFFICIENT_ACCESS_OR_READONLY"
    soql = "SELECT Id FROM CustomField WHERE TableEnumOrId = 'Account' AND DeveloperName = 'Score'"
    assert [row["Id"] for row in sf.get("tooling/query", q=soql)["records"]] == [field]
    sf.mutate("forbid", rights=["ViewSetup"])
    assert code(sf.get("tooling/query", 400, q="SELECT Id FROM CustomField")) == "INVALID_TYPE"


def test_a_field_is_shown_changed_and_deleted(sf: Sf) -> None:
    account, _ = sf.account()
    body = {"FullName": "Account.Band__c", "Metadata": picklist(*BANDS)}
    made = sf.post(PATH, body, 201)["id"]
    grant(sf, "Account.Band__c")
    sf.patch(f"sobjects/Account/{account}", {"Band__c": "At Risk"}, 204)
    assert code(sf.patch(f"sobjects/Account/{account}", {"Band__c": "Lost"}, 400)) == (
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    )
    shown = sf.get(f"{PATH}/{made[:15]}")
    assert (shown["Id"], shown["FullName"], shown["DeveloperName"]) == (made, "Account.Band__c", "Band")
    values = shown["Metadata"]["valueSet"]["valueSetDefinition"]["value"]
    assert [row["valueName"] for row in values] == BANDS
    values.append({"valueName": "Lost", "label": "Lost", "default": False})
    sf.patch(f"{PATH}/{made}", {"Metadata": shown["Metadata"]}, 204)
    sf.patch(f"sobjects/Account/{account}", {"Band__c": "Lost"}, 204)
    offered = sf.describe("Account")["Band__c"]["picklistValues"]
    assert [row["value"] for row in offered if row["active"]] == [*BANDS, "Lost"]
    renamed = {"FullName": "Account.Other__c", "Metadata": picklist(*BANDS)}
    assert code(sf.patch(f"{PATH}/{made}", renamed, 400)) == "FIELD_INTEGRITY_EXCEPTION"
    assert code(sf.patch(f"{PATH}/{made}", {"Metadata": SCORE["Metadata"]}, 400)) == "FIELD_INTEGRITY_EXCEPTION"
    sf.ask("DELETE", f"{PATH}/{made}", 204)
    assert "Band__c" not in sf.describe("Account")
    assert sf.query("SELECT Id FROM FieldPermissions WHERE Field = 'Account.Band__c'") == []
    assert code(sf.get(f"{PATH}/{made}", 404)) == "NOT_FOUND"


def test_fields_made_by_hand_are_known_too(sf: Sf) -> None:
    rows = sf.get("tooling/query", q="SELECT Id, DeveloperName, TableEnumOrId FROM CustomField ORDER BY DeveloperName")
    assert rows["records"][0]["attributes"]["url"].startswith("/services/data/v64.0/tooling/sobjects/CustomField/00N")
    assert {"Domains", "Plan", "MRR", "Other_Emails"} <= {row["DeveloperName"] for row in rows["records"]}
    sf.mutate("create_field", object="Account", name="Flag__c", type="boolean", default=False)
    sf.mutate("create_field", object="Account", name="Many__c", type="multipicklist", values=["a"], length=4099)
    for row in sf.get("tooling/query", q="SELECT Id FROM CustomField")["records"]:
        shown = sf.get(f"{PATH}/{row['Id']}")
        status = 400 if shown["Metadata"]["type"] == "Lookup" else 204
        sf.ask("PATCH", f"{PATH}/{row['Id']}", status, json={"Metadata": shown["Metadata"]})
    assert sf.org.objects["Account"].fields["Days_To_Renewal__c"].calculated


def test_whole_definitions_are_queried_one_at_a_time(sf: Sf) -> None:
    soql = "SELECT Id, FullName, Metadata FROM CustomField WHERE TableEnumOrId = 'Account'"
    assert code(sf.get("tooling/query", 400, q=soql)) == "MALFORMED_QUERY"
    (row,) = sf.get("tooling/query", q=f"{soql} AND DeveloperName = 'Plan'")["records"]
    assert (row["FullName"], row["Metadata"]["type"]) == ("Account.Plan__c", "Picklist")
    assert code(sf.get("tooling/query", 400, q="SELECT Nope FROM CustomField")) == "INVALID_FIELD"
    assert code(sf.get("tooling/query", 400, q="SELECT Id FROM Account")) == "INVALID_TYPE"


# ---- permission sets -------------------------------------------------------------------------------------------------


def test_custom_fields_are_described_to_who_may_see_set_up(sf: Sf) -> None:
    assert [one["name"] for one in sf.get("tooling/sobjects/")["sobjects"]] == ["CustomField", "CustomObject"]
    short = sf.get(PATH)["objectDescribe"]
    assert (short["keyPrefix"], short["updateable"], short["urls"]["describe"]) == (
        "00N", True, f"/services/data/v64.0/{PATH}/describe",
    )  # fmt: skip
    fields = {one["name"]: one for one in sf.get(f"{PATH}/describe/")["fields"]}
    assert [name for name, one in fields.items() if one["updateable"]] == ["FullName", "Metadata"]
    assert fields["Metadata"]["type"] == "complexvalue"
    sf.mutate("forbid", rights=["CustomizeApplication"])
    assert sf.get(PATH)["objectDescribe"]["updateable"] is False
    sf.mutate("forbid", rights=["ViewSetup"])
    assert code(sf.get(f"{PATH}/describe", 404)) == "NOT_FOUND"


def test_grants_that_are_refused(sf: Sf) -> None:
    sf.post(PATH, SCORE, 201)
    sf.post(PATH, text("Account.Required__c", required=True), 201)
    for field, more, expected in (
        ("Account.Nope__c", {}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Account.Name", {}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Account.Required__c", {}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Account.Score__c", {"SobjectType": "Contact"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Account.Score__c", {"SobjectType": "User"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Account.Score__c", {"PermissionsRead": False}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Account.Score__c", {"PermissionsRead": False, "PermissionsEdit": False}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Account.LastActivityDate", {}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Account.Score__c", {"ParentId": "0PSHf0000009999AAA"}, "INVALID_CROSS_REFERENCE_KEY"),
        ("Account.Score__c", {"ParentId": None}, "REQUIRED_FIELD_MISSING"),
    ):
        assert code(grant(sf, field, status=400, **more)) == expected
    grant(sf, "Account.Score__c")
    assert code(grant(sf, "account.Score__c", SobjectType="Account", status=400)) == "DUPLICATE_VALUE"


def test_a_grant_that_grants_nothing_any_more_is_gone(sf: Sf) -> None:
    sf.post(PATH, SCORE, 201)
    row = grant(sf, "Account.Score__c")["id"]
    refused = sf.patch(f"sobjects/FieldPermissions/{row}", {"PermissionsRead": False}, 400)
    assert code(refused) == "FIELD_INTEGRITY_EXCEPTION"
    nothing = {"PermissionsRead": False, "PermissionsEdit": False}
    sf.patch(f"sobjects/FieldPermissions/{row}", nothing, 204)
    assert code(sf.get(f"sobjects/FieldPermissions/{row}", 404)) == "NOT_FOUND"
    again = grant(sf, "Account.Score__c")["id"]
    sf.ask("DELETE", f"sobjects/FieldPermissions/{again}", 204)
    assert "Score__c" not in sf.describe("Account")


def test_a_permission_set_is_made_filled_and_assigned(sf: Sf) -> None:
    user = sf.org.tables["User"].id_at(5)
    sf.user(user)
    assert code(sf.post("sobjects/PermissionSet", {"Name": "Holdfast", "Label": "Holdfast"}, 404)) == "NOT_FOUND"
    sf.user(sf.org.tables["User"].id_at(0))
    made = sf.post("sobjects/PermissionSet", {"Name": "Holdfast", "Label": "Holdfast"}, 201)["id"]
    assert sf.get(f"sobjects/PermissionSet/{made}", fields="IsCustom")["IsCustom"] is True
    assert code(sf.post("sobjects/PermissionSet", {"Name": "holdfast", "Label": "x"}, 400)) == "DUPLICATE_VALUE"
    sf.post(PATH, SCORE, 201)
    grant(sf, "Account.Score__c", ParentId=made)
    assignment = {"AssigneeId": user, "PermissionSetId": made}
    row = sf.post("sobjects/PermissionSetAssignment", assignment, 201)["id"]
    assert code(sf.post("sobjects/PermissionSetAssignment", assignment, 400)) == "DUPLICATE_VALUE"
    assert sf.query(f"SELECT IsActive FROM PermissionSetAssignment WHERE Id = '{row}'") == [{"IsActive": True}]
    sf.user(user)
    assert "Score__c" in sf.describe("Account")
    sf.org.permissions.assignments.purge(sf.org.permissions.assignments.place(row))
    assert "Score__c" not in sf.describe("Account")


def test_object_rights_depend_on_each_other(sf: Sf) -> None:
    made = sf.post("sobjects/PermissionSet", {"Name": "Extra", "Label": "Extra"}, 201)["id"]
    row = {"ParentId": made, "SobjectType": "Account", "PermissionsRead": True}
    for more in (
        {"PermissionsDelete": True},
        {"PermissionsRead": False, "PermissionsCreate": True},
        {"PermissionsRead": False},
        {"PermissionsModifyAllRecords": True},
    ):
        refused = sf.post("sobjects/ObjectPermissions", {**row, **more}, 400)
        assert code(refused) == "FIELD_INTEGRITY_EXCEPTION"
    assert code(sf.post("sobjects/ObjectPermissions", {**row, "SobjectType": "User"}, 400)) == (
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    )
    grants = sf.post("sobjects/ObjectPermissions", {**row, "PermissionsEdit": True}, 201)["id"]
    assert code(sf.post("sobjects/ObjectPermissions", row, 400)) == "DUPLICATE_VALUE"
    sf.patch(f"sobjects/ObjectPermissions/{grants}", {"PermissionsDelete": True}, 204)
    refused = sf.patch(f"sobjects/ObjectPermissions/{grants}", {"PermissionsEdit": False}, 400)
    assert code(refused) == "FIELD_INTEGRITY_EXCEPTION"
