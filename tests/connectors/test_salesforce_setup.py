"""Making our fields in a Salesforce org, granting them, and having them as files."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import responses

from connectors.base import FieldSpec
from connectors.errors import MissingPermissionError
from connectors.salesforce import Settings, connect
from connectors.salesforce_kinds import RECEIPT, RECEIPT_KEY
from connectors.salesforce_metadata import TASK_KEY_FIELD, XMLNS, definition
from connectors.salesforce_settings import API_VERSION
from connectors.salesforce_setup import compare
from sandbox.salesforce_base import ADMINISTRATOR

SCORE = FieldSpec("account", "Holdfast_Health_Score__c", "Health score", "number", description="0-100 & <more>.")
BAND = FieldSpec("account", "Holdfast_Health_Band__c", "Band", "select", ("green", "at_risk"))
REASON = FieldSpec("account", "Holdfast_Health_Reason__c", "Reason", "text")
NOTE = FieldSpec("account", "Holdfast_Note__c", "Note", "long_text", max_length=4000)
SEGMENTS = FieldSpec("contact", "Holdfast_Segments__c", "Segments", "multi_select", ("power", "dormant"))
FLAG = FieldSpec("contact", "Holdfast_Flag__c", "Flag", "boolean")
WHEN = FieldSpec("account", "Holdfast_Scored_At__c", "Scored at", "datetime")
DAY = FieldSpec("contact", "Holdfast_Day__c", "Day", "date")
FIELDS = (SCORE, SEGMENTS, BAND, REASON, NOTE, FLAG, WHEN, DAY)
KEY = TASK_KEY_FIELD
DATA = f"https://acme.my.salesforce.com/services/data/v{API_VERSION}"


def setup(
    org: Any, fields: Sequence[FieldSpec] = FIELDS, *, dry_run: bool = False, crm: Any = None
) -> dict[str, tuple[str, str]]:
    diffs = (crm or org.crm).setup(fields, dry_run=dry_run)
    assert [diff.spec for diff in diffs] == [*fields, KEY]
    return {diff.spec.name: (diff.action, diff.detail) for diff in diffs}


def actions(found: dict[str, tuple[str, str]]) -> set[str]:
    return {action for action, _ in found.values()}


def seen(org: Any, obj: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = org.crm._api.describe(obj, purpose="x", fresh=True)
    return found


def test_a_dry_run_writes_nothing_and_a_run_creates_then_finds_all_well(org: Any) -> None:
    assert actions(setup(org, dry_run=True)) == {"create"}
    assert org.box.journal.writes() == 0
    assert set(setup(org).values()) == {("create", "")}
    org.forget()
    assert set(setup(org).values()) == {("ok", "")}
    assert org.requests() == [f"GET sobjects/{obj}/describe" for obj in ("Account", "Contact", "Task")]


def test_fields_get_the_right_types_and_options_and_can_be_written(org: Any) -> None:
    setup(org)
    account, contact, task = (seen(org, obj) for obj in ("Account", "Contact", "Task"))
    assert all(account[spec.name]["updateable"] for spec in FIELDS if spec.object == "account")
    score = account[SCORE.name]
    assert (score["type"], score["precision"], score["scale"], score["label"]) == ("double", 18, 2, "Health score")
    band = account[BAND.name]
    assert (band["type"], band["restrictedPicklist"]) == ("picklist", False)
    assert [one["value"] for one in band["picklistValues"]] == ["green", "at_risk"]
    assert [one["label"] for one in definition(BAND)["valueSet"]["valueSetDefinition"]["value"]] == ["Green", "At risk"]
    assert (account[REASON.name]["type"], account[REASON.name]["length"]) == ("string", 255)
    assert (account[NOTE.name]["type"], account[NOTE.name]["length"]) == ("textarea", 32768)
    kinds = [contact[spec.name]["type"] for spec in (SEGMENTS, FLAG, DAY)]
    assert kinds == ["multipicklist", "boolean", "date"]
    assert (task[KEY.name]["type"], task[KEY.name]["length"]) == ("string", 64)


def test_a_permission_set_is_made_once_and_assigned_to_us(org: Any) -> None:
    setup(org, [SCORE])
    setup(org, [SCORE, BAND])
    api = org.crm._api
    (one,) = next(api.query("SELECT Id, Label FROM PermissionSet WHERE Name = 'Holdfast'", purpose="x"))["records"]
    assert one["Label"] == "Holdfast"
    soql = f"SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSetId = '{one['Id']}'"
    assert [row["AssigneeId"] for row in next(api.query(soql, purpose="x"))["records"]] == [api.who()]
    soql = f"SELECT Field, PermissionsEdit FROM FieldPermissions WHERE ParentId = '{one['Id']}'"
    granted = {row["Field"]: row["PermissionsEdit"] for row in next(api.query(soql, purpose="x"))["records"]}
    assert granted == {f"Account.{SCORE.name}": True, f"Account.{BAND.name}": True, f"Task.{KEY.name}": True}


def test_a_field_that_is_there_but_hidden_is_granted_and_not_made_again(org: Any) -> None:
    org.do("create_field", object="Account", name=SCORE.name, type="double", precision=18, scale=2)
    assert setup(org, [SCORE], dry_run=True)[SCORE.name] == (
        "create",
        "it is there and hidden from us; setup grants it",
    )
    org.forget()
    assert setup(org, [SCORE])[SCORE.name][0] == "create"
    assert org.requests().count("POST tooling/sobjects/CustomField") == 1, "the tasks' key"
    assert seen(org, "Account")[SCORE.name]["updateable"]


def test_a_field_that_we_may_only_read_is_granted_for_writing(org: Any) -> None:
    setup(org, [SCORE])
    org.do("hide_field", object="Account", field=SCORE.name, read_only=True)
    assert setup(org, [SCORE], dry_run=True)[SCORE.name] == ("create", "it is read-only for us; setup grants it")
    assert setup(org, [SCORE])[SCORE.name][0] == "create"
    assert setup(org, [SCORE])[SCORE.name][0] == "ok"


def test_missing_options_are_added_and_the_old_ones_kept(org: Any) -> None:
    setup(org)
    wider = replace(BAND, options=("green", "red"))
    assert setup(org, [wider], dry_run=True)[BAND.name] == ("add_options", "missing options: red")
    assert setup(org, [wider])[BAND.name][0] == "add_options"
    band = seen(org, "Account")[BAND.name]
    assert [one["value"] for one in band["picklistValues"] if one["active"]] == ["green", "at_risk", "red"]
    assert setup(org, [wider])[BAND.name] == ("ok", "")


@pytest.mark.parametrize(
    ("spec", "found", "detail"),
    [
        (SCORE, {"type": "string"}, "it is string in Salesforce and should be double"),
        (REASON, {"type": "picklist"}, "it is picklist in Salesforce and should be string or textarea"),
        (SCORE, {"type": "double", "calculated": True}, "it is a formula; its value cannot be written"),
        (SCORE, {"type": "double", "scale": 0}, "it keeps 0 decimals and needs 2"),
        (REASON, {"type": "string", "length": 80}, "it holds 80 characters and needs 255"),
    ],
)
def test_a_field_of_another_kind_is_left_alone(spec: FieldSpec, found: dict[str, Any], detail: str) -> None:
    diff = compare(spec, {"updateable": True, **found})
    assert (diff.action, diff.detail) == ("conflict", detail)


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("rATING", "it is spelled Rating in Salesforce, and capitals count"),
        ("csm_health", "it is not there, and a field that is to be made has a name of letters, digits and single _"),
        ("my health__c", "it is not there, and a field"),
        ("csm__health__c", "it is not there, and a field"),
    ],
)
def test_a_name_that_cannot_be_is_told_and_nothing_is_tried(org: Any, name: str, detail: str, *, dry_run: bool) -> None:
    setup(org, [SCORE])
    org.forget()
    org.do("create_field", object="Account", name="Rating", type="string", length=255, visible=True)
    found = setup(org, [replace(REASON, name=name), SCORE], dry_run=dry_run)
    assert found[name][0] == "conflict"
    assert found[name][1].startswith(detail)
    assert found[SCORE.name] == ("ok", "")
    assert not [one for one in org.requests() if one.startswith("POST")]


def test_a_conflict_is_told_and_the_rest_is_made(org: Any) -> None:
    org.do("create_field", object="Account", name=REASON.name, type="string", length=80, visible=True)
    found = setup(org, [REASON, SCORE])
    assert found[REASON.name] == ("conflict", "it holds 80 characters and needs 255")
    assert found[SCORE.name] == ("create", "")
    assert seen(org, "Account")[REASON.name]["length"] == 80


def test_a_full_object_is_told_field_by_field(open_org: Any, small_world: Any) -> None:
    custom = [one for one in seen(open_org(small_world), "Account").values() if one["custom"]]
    org = open_org(small_world, custom_field_limit=len(custom) + 1)
    found = setup(org, [SCORE, BAND])
    assert found[SCORE.name] == ("create", "")
    assert found[BAND.name][0] == "conflict"
    assert "maximum number of custom fields" in found[BAND.name][1]


# ---- rights ----------------------------------------------------------------------------------------------------------


def test_without_the_right_to_make_fields_an_admin_is_asked_for(org: Any) -> None:
    org.do("forbid", rights=["CustomizeApplication", "ViewSetup"])
    assert actions(setup(org, dry_run=True)) == {"create"}
    with pytest.raises(MissingPermissionError, match=r"admin_session_id .* or deploy the files") as caught:
        setup(org)
    assert caught.value.status == 403


def test_an_administrators_session_makes_the_fields_for_us(org: Any) -> None:
    org.do("forbid", rights=["CustomizeApplication"])
    session = org.vendor.access.mint(ADMINISTRATOR)
    crm = org.connect(admin_session_id=session)
    assert actions(setup(org, crm=crm)) == {"create"}
    assert actions(setup(org, dry_run=True)) == {"ok"}, "as the agent sees it, without the administrator"
    assert crm.calls["setup"] > org.crm.calls["setup"]


def test_fields_that_cannot_be_granted_are_told(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world)
    org.fault("status", "sobjects/PermissionSet", status=403, body=[{"errorCode": "X", "message": "No."}], times=9)
    found = setup(org, [SCORE])
    action, detail = found[SCORE.name]
    assert action == "conflict"
    assert "it was not granted to us" in detail
    assert detail.endswith("grant read and edit in field-level security")


# ---- files -----------------------------------------------------------------------------------------------------------


def xml(text: str) -> ET.Element:
    root = ET.fromstring(text)  # noqa: S314 - what we have just written ourselves
    assert root.tag.startswith(f"{{{XMLNS}}}")
    for one in root.iter():
        one.tag = one.tag.removeprefix(f"{{{XMLNS}}}")
    return root


def plain(element: ET.Element) -> Any:
    """An element as the Tooling API's JSON would say it."""
    if len(element) == 0:
        return element.text or ""
    found: dict[str, Any] = {}
    for child in element:
        name = {"fullName": "valueName"}.get(child.tag, child.tag)
        if name in found:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), plain(child)]
        else:
            found[name] = plain(child)
    return found


def texts(value: Any) -> Any:
    """JSON values as text, the way XML has them; a list of one as its only item."""
    if isinstance(value, dict):
        return {name: texts(one) for name, one in value.items()}
    if isinstance(value, list):
        return [texts(one) for one in value] if len(value) > 1 else texts(value[0])
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_files_say_what_setup_makes(org: Any) -> None:
    files = org.crm.setup_files(FIELDS)
    assert org.requests() == []
    for spec in (*FIELDS, KEY):
        folder = {"account": "Account", "contact": "Contact", "task": "Activity"}[spec.object]
        root = xml(files[f"main/default/objects/{folder}/fields/{spec.name}.field-meta.xml"])
        assert root.tag == "CustomField"
        assert plain(root) == {"valueName": spec.name, **texts(definition(spec))}


def test_every_file_is_well_formed_and_named_in_the_manifest(org: Any) -> None:
    files = org.crm.setup_files(FIELDS)
    assert json.loads(files.pop("sfdx-project.json"))["sourceApiVersion"] == API_VERSION
    assert len(files) == len(FIELDS) + 5
    assert all(text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n') for text in files.values())
    package = xml(files["package.xml"])
    members = {t.findtext("name"): [m.text for m in t.findall("members")] for t in package.findall("types")}
    named = {"account": "Account", "contact": "Contact", "task": "Activity"}
    assert members["CustomField"] == sorted(
        [f"{named[spec.object]}.{spec.name}" for spec in (*FIELDS, KEY)] + [f"{RECEIPT}.{RECEIPT_KEY}"]
    )
    assert members["CustomObject"] == [RECEIPT]
    assert members["PermissionSet"] == ["Holdfast"]
    assert package.findtext("version") == API_VERSION


def test_the_permission_set_grants_what_the_agent_needs_and_no_more(org: Any) -> None:
    crm = org.connect(permission_set="Agent_Rights", surveys="NPS_Response__c")
    root = xml(crm.setup_files([SCORE])["main/default/permissionsets/Agent_Rights.permissionset-meta.xml"])
    fields = {one.findtext("field"): one.findtext("editable") for one in root.findall("fieldPermissions")}
    # Field-level security of tasks and events is one; a file that names one of them takes it from the other.
    receipt = f"{RECEIPT}.{RECEIPT_KEY}"
    named = (f"Account.{SCORE.name}", f"Event.{KEY.name}", f"Task.{KEY.name}", receipt)
    assert fields == dict.fromkeys(named, "true")
    rights = {
        one.findtext("object"): {child.tag for child in one if child.text == "true"}
        for one in root.findall("objectPermissions")
    }
    assert rights["Account"] == rights["Contact"] == {"allowRead", "allowEdit", "viewAllRecords"}
    assert rights["NPS_Response__c"] == rights["Case"] == {"allowRead", "viewAllRecords"}
    assert {one.findtext("name") for one in root.findall("userPermissions")} == {"ApiEnabled", "EditTask"}


def test_a_permission_set_must_have_a_name_that_salesforce_allows() -> None:
    with pytest.raises(ValueError, match="permission_set"):
        Settings(domain="acme.my", session_id="x", permission_set="Holdfast' OR Name != '")


# ---- answers that other orgs give ------------------------------------------------------------------------------------


@pytest.fixture
def web() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        key = {"name": KEY.name, "type": "string", "length": 64, "updateable": True}
        mock.get(f"{DATA}/sobjects/Task/describe", json={"fields": [key]})
        yield mock


def account(web: responses.RequestsMock, **found: Any) -> None:
    body = {"fields": [{"name": BAND.name, "updateable": True, **found}] if found else []}
    web.get(f"{DATA}/sobjects/Account/describe", json=body)


def run(clock: Any, spec: FieldSpec) -> tuple[str, str]:
    crm = connect("salesforce", Settings(domain="acme.my", session_id="00D5e!x", task_receipts=False), clock=clock)
    diff = crm.setup([spec], dry_run=False)[0]
    return diff.action, diff.detail


def rows(*records: Any) -> dict[str, Any]:
    return {"done": True, "records": list(records)}


@pytest.mark.parametrize(
    ("metadata", "detail"),
    [
        ({"valueSet": {"valueSetName": "Bands"}}, "its values come from a global value set: add them there"),
        (None, "its values come from a global value set: add them there"),
    ],
)
def test_options_of_a_global_value_set_are_left_to_the_admin(
    clock: Any, web: responses.RequestsMock, metadata: Any, detail: str
) -> None:
    account(web, type="picklist", picklistValues=[{"value": "green", "active": True}])
    web.get(f"{DATA}/tooling/query", json=rows({"Id": "00N1"}))
    web.get(f"{DATA}/tooling/sobjects/CustomField/00N1", json={"Metadata": metadata})
    assert run(clock, BAND) == ("conflict", detail)


def test_options_of_a_field_whose_definition_is_not_shown(clock: Any, web: responses.RequestsMock) -> None:
    account(web, type="picklist", picklistValues=[])
    web.get(f"{DATA}/tooling/query", json=rows())
    assert run(clock, BAND) == ("conflict", "its definition cannot be seen")


def test_options_that_do_not_show_afterwards(clock: Any, web: responses.RequestsMock) -> None:
    account(web, type="picklist", picklistValues=[])
    web.get(f"{DATA}/tooling/query", json=rows({"Id": "00N1"}))
    metadata = {"valueSet": {"valueSetDefinition": {"sorted": False, "value": []}}}
    web.get(f"{DATA}/tooling/sobjects/CustomField/00N1", json={"Metadata": metadata})
    web.patch(f"{DATA}/tooling/sobjects/CustomField/00N1", status=204)
    assert run(clock, BAND) == ("conflict", "missing options: green, at_risk")


def test_a_field_that_somebody_made_at_the_same_time_is_granted(clock: Any, web: responses.RequestsMock) -> None:
    account(web)
    account(web, type="picklist", picklistValues=[{"value": one} for one in BAND.options])
    web.get(f"{DATA}/tooling/query", json=rows())
    taken = [{"errorCode": "DUPLICATE_DEVELOPER_NAME", "message": "There is already a field named so."}]
    web.post(f"{DATA}/tooling/sobjects/CustomField", status=400, json=taken)
    web.get("https://acme.my.salesforce.com/services/oauth2/userinfo", status=404)
    web.get(f"{DATA}/", json={"identity": "https://login.salesforce.com/id/00D5e000000AAAAEAQ/0055e000000AAAAEAQ"})
    granted = [{"Id": "01k1", "Field": f"Account.{spec.name}", "PermissionsEdit": True} for spec in (BAND, SCORE)]
    web.get(f"{DATA}/query", json=rows({"Id": "0PS1"}), match=[_asks("FROM PermissionSet WHERE")])
    web.get(f"{DATA}/query", json=rows({"Id": "0Pa1"}), match=[_asks("FROM PermissionSetAssignment")])
    web.get(f"{DATA}/query", json=rows(*granted), match=[_asks("FROM FieldPermissions")])
    assert run(clock, BAND) == ("create", "")


def _asks(text: str) -> Any:
    return lambda request: (text in request.params["q"], text)


def test_a_field_that_is_refused_in_the_answer(clock: Any, web: responses.RequestsMock) -> None:
    account(web)
    web.get(f"{DATA}/tooling/query", status=400, json=[{"errorCode": "MALFORMED_QUERY", "message": "no"}])
    web.post(f"{DATA}/tooling/sobjects/CustomField", json={"success": False, "errors": ["too many"]})
    assert run(clock, BAND) == ("conflict", "Salesforce refused it: ['too many']")


def test_a_field_that_nobody_can_be_granted(clock: Any, web: responses.RequestsMock) -> None:
    account(web)
    web.get(f"{DATA}/tooling/query", json=rows())
    web.post(f"{DATA}/tooling/sobjects/CustomField", status=201, json={"success": True, "id": "00N1"})
    web.get("https://acme.my.salesforce.com/services/oauth2/userinfo", status=404)
    web.get(f"{DATA}/", status=404)
    action, detail = run(clock, BAND)
    assert (action, "our own user is not known" in detail) == ("conflict", True)
