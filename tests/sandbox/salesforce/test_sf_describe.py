"""Describe, field-level security, object rights, sharing."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER


def test_the_org_lists_what_the_user_may_read(sf: Any) -> None:
    found = sf.get("sobjects/")
    names = [row["name"] for row in found["sobjects"]]
    assert {"Account", "Contact", "Opportunity", "Case", "Task", "Contract", "User", "NPS_Response__c"} <= set(names)
    account = found["sobjects"][names.index("Account")]
    assert (account["keyPrefix"], account["updateable"], account["mergeable"]) == ("001", True, True)
    assert account["urls"]["describe"] == "/services/data/v64.0/sobjects/Account/describe"
    sf.mutate("revoke", object="Case", rights=["Read"])
    assert "Case" not in [row["name"] for row in sf.get("sobjects")["sobjects"]]
    assert sf.get("sobjects/Case/describe", 404)[0]["errorCode"] == "NOT_FOUND"
    assert sf.get("sobjects/Nothing/describe", 404)[0]["errorCode"] == "NOT_FOUND"
    assert sf.get("sobjects/Account")["objectDescribe"]["label"] == "Account"


def test_fields_tell_their_type_and_limits(sf: Any) -> None:
    fields = sf.describe("account")
    assert (fields["Name"]["type"], fields["Name"]["length"], fields["Name"]["nillable"]) == ("string", 255, False)
    assert (fields["Domains__c"]["type"], fields["Domains__c"]["filterable"]) == ("textarea", False)
    assert (fields["MRR__c"]["type"], fields["MRR__c"]["precision"], fields["MRR__c"]["scale"]) == ("currency", 18, 2)
    assert (fields["NumberOfEmployees"]["type"], fields["NumberOfEmployees"]["digits"]) == ("int", 8)
    assert fields["OwnerId"]["referenceTo"] == ["User"]
    assert fields["OwnerId"]["relationshipName"] == "Owner"
    assert fields["OwnerId"]["defaultedOnCreate"]
    assert fields["Days_To_Renewal__c"]["calculated"]
    assert not fields["Days_To_Renewal__c"]["updateable"]
    assert not fields["SystemModstamp"]["createable"]
    plan = fields["Plan__c"]
    assert (plan["custom"], plan["restrictedPicklist"], plan["picklistValues"][0]["value"]) == (True, False, "free")
    status = sf.describe("Task")["Status"]
    assert [v["value"] for v in status["picklistValues"] if v["defaultValue"]] == ["Not Started"]
    assert sf.describe("Contact")["LastName"]["nillable"] is False


@pytest.mark.parametrize("field", ["Website", "Plan__c"])
def test_a_hidden_field_is_absent_and_a_read_only_one_says_so(sf: Any, field: str) -> None:
    assert sf.describe("Account")[field]["updateable"]
    sf.mutate("hide_field", object="Account", field=field)
    assert field not in sf.describe("Account")
    sf.user(ADMINISTRATOR)
    assert field in sf.describe("Account"), "only that user lost it"
    sf.user(INTEGRATION_USER)
    sf.mutate("show_field", object="Account", field=field)
    assert sf.describe("Account")[field]["updateable"]
    sf.mutate("hide_field", object="Account", field=field, read_only=True)
    shown = sf.describe("Account")[field]
    assert (shown["updateable"], shown["createable"]) == (False, False)
    sf.mutate("show_field", object="Account", field=field)
    assert sf.describe("Account")[field]["updateable"]


def test_system_and_required_fields_cannot_be_hidden(sf: Any) -> None:
    with pytest.raises(ValueError, match="always visible"):
        sf.mutate("hide_field", object="Account", field="Name")
    with pytest.raises(ValueError, match="no field"):
        sf.mutate("hide_field", object="Account", field="Nothing")


def test_a_new_custom_field_is_hidden_from_everybody_until_granted(sf: Any) -> None:
    sf.mutate("create_field", object="Account", name="Holdfast_Score__c", type="double", precision=18, scale=2)
    for user in (INTEGRATION_USER, ADMINISTRATOR):
        sf.user(user)
        assert "Holdfast_Score__c" not in sf.describe("Account")
    permissions = sf.org.permissions
    set_id = permissions.home_set(INTEGRATION_USER)
    permissions.grant_field(set_id, "Account", "Holdfast_Score__c", edit=False)
    assert "Holdfast_Score__c" not in sf.describe("Account"), "the administrator is not in that set"
    sf.user(INTEGRATION_USER)
    assert not sf.describe("Account")["Holdfast_Score__c"]["updateable"]
    permissions.grant_field(set_id, "Account", "Holdfast_Score__c")
    assert sf.describe("Account")["Holdfast_Score__c"]["updateable"]


def test_a_field_can_be_made_visible_changed_and_dropped(sf: Any) -> None:
    sf.mutate("create_field", object="Account", name="Band__c", type="picklist", values=["Good"], visible=True)
    sf.mutate(
        "change_field", object="Account", field="band__c", changes={"values": ["Good", "Bad"], "restricted": True}
    )
    band = sf.describe("Account")["Band__c"]
    assert [v["label"] for v in band["picklistValues"]] == ["Good", "Bad"]
    assert band["restrictedPicklist"]
    sf.mutate("drop_field", object="Account", field="Band__c")
    assert "Band__c" not in sf.describe("Account")
    assert sf.org.permissions.field_rows_for("Account", "Band__c") == []
    assert not sf.org.readable(INTEGRATION_USER, "Account", "Band__c")
    assert not sf.org.editable(INTEGRATION_USER, "Account", "Band__c")
    with pytest.raises(ValueError, match="standard field"):
        sf.mutate("drop_field", object="Account", field="Website")


def test_object_rights_show_in_describe(sf: Any) -> None:
    sf.mutate("revoke", object="Account", rights=["Edit", "Create"])
    found = sf.get("sobjects/Account/describe")
    assert (found["updateable"], found["createable"], found["deletable"]) == (False, False, False), (
        "whoever may not edit may not delete"
    )
    assert not any(field["updateable"] for field in found["fields"])
    sf.mutate("grant", object="Account", rights=["Edit"])
    assert sf.get("sobjects/Account/describe")["updateable"]
    assert sf.describe("Account")["Website"]["updateable"]
    with pytest.raises(ValueError, match="unknown right"):
        sf.mutate("grant", object="Account", rights=["Fly"])


def test_describe_names_children_that_the_user_sees(sf: Any) -> None:
    found = sf.get("sobjects/Account/describe")["childRelationships"]
    assert ("Contact", "AccountId") in {(row["childSObject"], row["field"]) for row in found}
    assert ("NPS_Response__c", "Account__c") in {(row["childSObject"], row["field"]) for row in found}
    sf.mutate("hide_field", object="NPS_Response__c", field="Account__c")
    again = sf.get("sobjects/Account/describe")["childRelationships"]
    assert len(again) == len(found) - 1


def test_set_up_needs_rights_of_its_own(make_client: Callable[..., Any]) -> None:
    org = make_client().org
    assert org.may(INTEGRATION_USER, "CustomizeApplication")
    assert org.can(INTEGRATION_USER, "FieldPermissions", "Create")
    assert org.can(INTEGRATION_USER, "PermissionSetAssignment", "Create")
    assert not org.can(INTEGRATION_USER, "User", "Edit")
    assert org.can(ADMINISTRATOR, "User", "Edit")
    narrow = make_client(customize=False)
    assert not narrow.org.can(INTEGRATION_USER, "FieldPermissions", "Create")
    assert not narrow.org.can(INTEGRATION_USER, "PermissionSetAssignment", "Create")
    assert narrow.org.can(INTEGRATION_USER, "PermissionSet", "Read"), "it may still view the set-up"
    assert narrow.org.can(INTEGRATION_USER, "User", "Read")
    assert not narrow.org.can(INTEGRATION_USER, "Nothing", "Read")
    narrow.mutate("forbid", rights=["ViewSetup"])
    assert not narrow.org.can(INTEGRATION_USER, "PermissionSet", "Read")


def test_sharing_hides_rows_without_view_all(make_client: Callable[..., Any]) -> None:
    sf = make_client(shared_rows=0.4)
    org = sf.org
    assert org.rows(INTEGRATION_USER, "Account") is None
    sf.mutate("view_all", on=False)
    seen = org.rows(INTEGRATION_USER, "Account")
    accounts = org.tables["Account"]
    shown = [p for p in accounts.places(org.now) if seen(p)]
    assert 0 < len(shown) < len(accounts)
    contacts = org.tables["Contact"]
    mine = {accounts.id_at(p) for p in shown}
    for place in contacts.places(org.now):
        assert org.sees(INTEGRATION_USER, "Contact", place) == (contacts.value(place, "AccountId", org.now) in mine)
    roles = org.tables["OpportunityContactRole"]
    assert {org.sees(INTEGRATION_USER, "OpportunityContactRole", p) for p in roles.places(org.now)} == {True, False}
    assert org.rows(INTEGRATION_USER, "User") is None
    assert org.rows(ADMINISTRATOR, "Account") is None
    hidden = next(p for p in accounts.places(org.now) if not seen(p))
    sf.mutate("edit", id=accounts.id_at(hidden), values={"OwnerId": INTEGRATION_USER})
    assert org.sees(INTEGRATION_USER, "Account", hidden), "one's own records are visible"
    sf.mutate("view_all", on=True, object="Account")
    assert org.rows(INTEGRATION_USER, "Account") is None
    assert org.rows(INTEGRATION_USER, "Contact") is not None


def test_a_task_without_an_account_is_seen_by_its_owner_alone(sf: Any) -> None:
    task = sf.mutate("create", object="Task", values={"Subject": "Alone"})
    place = sf.org.tables["Task"].place(task)
    assert sf.org.sees(INTEGRATION_USER, "Task", place)
    sf.mutate("view_all", on=False, object="Task")
    assert not sf.org.sees(INTEGRATION_USER, "Task", place)
    assert sf.org.sees(ADMINISTRATOR, "Task", place)


@pytest.mark.parametrize(
    ("option", "kind", "field"),
    [
        ({"multi_currency": False}, "Account", "CurrencyIsoCode"),
        ({"multi_currency": False}, "Organization", "DefaultCurrencyIsoCode"),
        ({"person_accounts": False}, "Contact", "IsPersonAccount"),
    ],
)
def test_features_of_the_org_decide_on_fields(
    make_client: Callable[..., Any], option: dict[str, Any], kind: str, field: str
) -> None:
    assert field not in make_client(**option).describe(kind)
    (name, value), *_ = option.items()
    assert field in make_client(**{name: not value}).describe(kind)


def test_without_contacts_to_multiple_accounts_there_are_no_relations(make_client: Callable[..., Any]) -> None:
    sf = make_client(contacts_to_multiple_accounts=False)
    sf.get("sobjects/AccountContactRelation/describe", 404)
    contact, _ = sf.contact()
    sf.mutate("edit", id=contact, values={"AccountId": sf.account(3)[0]})
    assert sf.value(contact, "AccountId") == sf.account(3)[0]


def test_counts_of_records(sf: Any) -> None:
    found = {row["name"]: row["count"] for row in sf.get("limits/recordCount")["sObjects"]}
    assert found["Account"] == len([c for c in sf.world.companies if c.created_at <= sf.world.now])
    assert found["Task"] == 0
    sf.mutate("options", record_count_factor=2.0)
    rows = sf.get("limits/recordCount", sObjects="account, Nothing")["sObjects"]
    assert rows == [{"count": 2 * found["Account"], "name": "Account"}]
