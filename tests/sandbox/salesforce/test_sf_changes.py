"""What administrators and flows do between two of our requests."""

from typing import Any

import pytest

Sf = Any


@pytest.fixture
def field(sf: Sf) -> str:
    sf.mutate("create_field", object="Account", name="Ours__c", type="string", length=255, visible=True)
    return "Ours__c"


def put(sf: Sf, record: str, status: int = 204, **values: Any) -> Any:
    return sf.patch(f"sobjects/Account/{record}", values, status)


def test_a_renamed_field_takes_values_and_rights_along(sf: Sf, field: str) -> None:
    record = sf.account()[0]
    put(sf, record, Ours__c="kept")
    assert sf.query("SELECT Id FROM Account WHERE Ours__c = 'kept'")
    sf.mutate("rename_field", object="Account", field=field, name="Theirs__c")
    assert put(sf, record, 400, Ours__c="x")[0]["errorCode"] == "INVALID_FIELD"
    assert sf.get(f"sobjects/Account/{record}")["Theirs__c"] == "kept"
    assert [row["Id"] for row in sf.query("SELECT Id FROM Account WHERE Theirs__c = 'kept'")] == [record]
    put(sf, record, Theirs__c="new")
    with pytest.raises(ValueError, match="is taken"):
        sf.mutate("rename_field", object="Account", field="Theirs__c", name="MRR__c")
    with pytest.raises(ValueError, match="no custom field 'Name'"):
        sf.mutate("rename_field", object="Account", field="Name", name="Title__c")


def test_an_existing_custom_field_of_the_world_can_be_renamed(sf: Sf) -> None:
    record = sf.account()[0]
    before = sf.get(f"sobjects/Account/{record}")["MRR__c"]
    sf.query("SELECT Id FROM Account WHERE MRR__c = 1")
    sf.mutate("rename_field", object="Account", field="MRR__c", name="Revenue__c")
    assert sf.get(f"sobjects/Account/{record}")["Revenue__c"] == before


def test_a_retyped_field_keeps_what_it_can_hold(sf: Sf, field: str) -> None:
    one, two = sf.account(0)[0], sf.account(1)[0]
    put(sf, one, Ours__c="12.5")
    put(sf, two, Ours__c="many")
    sf.mutate("retype_field", object="Account", field=field, type="double", length=0, precision=10, scale=2)
    assert sf.describe("Account")[field]["type"] == "double"
    assert [sf.get(f"sobjects/Account/{one}")[field], sf.get(f"sobjects/Account/{two}")[field]] == [12.5, None]
    assert put(sf, one, 400, Ours__c="text")[0]["errorCode"] == "JSON_PARSER_ERROR"
    sf.mutate("retype_field", object="Account", field=field, type="string", length=3)
    assert sf.get(f"sobjects/Account/{one}")[field] == "12."
    sf.mutate("retype_field", object="Account", field=field, type="picklist", length=255, values=["A"], restricted=True)
    assert put(sf, one, 400, Ours__c="B")[0]["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    sf.mutate("retype_field", object="Account", field=field, type="date")
    assert sf.get(f"sobjects/Account/{one}")[field] is None


def test_a_shortened_field_refuses_what_is_longer_now(sf: Sf, field: str) -> None:
    record = sf.account()[0]
    put(sf, record, Ours__c="x" * 200)
    sf.mutate("shorten_field", object="Account", field=field, length=40)
    assert put(sf, record, 400, Ours__c="x" * 41)[0]["errorCode"] == "STRING_TOO_LONG"
    assert len(sf.get(f"sobjects/Account/{record}")[field]) == 200
    assert sf.describe("Account")[field]["length"] == 40


def test_a_value_taken_off_a_picklist_is_refused_and_kept_where_it_is(sf: Sf) -> None:
    record = sf.account()[0]
    sf.mutate("create_field", object="Account", name="Band__c", type="picklist", values=["Red", "Green"], visible=True)
    put(sf, record, Band__c="Red")
    sf.mutate("drop_value", object="Account", field="Band__c", value="Red")
    assert put(sf, record, 400, Band__c="Red")[0]["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert sf.get(f"sobjects/Account/{record}")["Band__c"] == "Red"
    assert [v["value"] for v in sf.describe("Account")["Band__c"]["picklistValues"]] == ["Green"]
    with pytest.raises(ValueError, match="has no value 'Blue'"):
        sf.mutate("drop_value", object="Account", field="Band__c", value="Blue")


def test_a_dropped_field_leaves_the_others_writable(sf: Sf, field: str) -> None:
    record = sf.account()[0]
    sf.mutate("drop_field", object="Account", field=field)
    assert put(sf, record, 400, Ours__c="x", Description="y")[0]["errorCode"] == "INVALID_FIELD"
    put(sf, record, Description="y")


def test_a_flow_overrules_a_field_whenever_it_is_written(sf: Sf, field: str) -> None:
    record = sf.account()[0]
    sf.mutate("flow", object="Account", when=field, set=field, value=None)
    put(sf, record, Ours__c="ours")
    assert sf.get(f"sobjects/Account/{record}")[field] is None
    sf.mutate("clear_flows")
    put(sf, record, Ours__c="ours")
    assert sf.get(f"sobjects/Account/{record}")[field] == "ours"


def test_a_flow_may_wait_some_minutes_and_others_stay(sf: Sf, field: str) -> None:
    record = sf.account()[0]
    sf.mutate("flow", object="Account", when=field, set=field, value="theirs", delay=300)
    sf.mutate("flow", object="Account", when="Description", set="Phone", value="1")
    put(sf, record, Ours__c="ours")
    sf.later(299)
    assert sf.get(f"sobjects/Account/{record}")[field] == "ours"
    sf.mutate("clear_flows")
    sf.later(2)
    shown = sf.get(f"sobjects/Account/{record}")
    assert shown[field] == "theirs"
    assert shown["LastModifiedDate"] == "2026-11-22T00:05:00.000+0000"
    put(sf, record, Description="x")
    assert sf.get(f"sobjects/Account/{record}")["Phone"] != "1"


def test_rules_on_tasks_and_owners_who_left(sf: Sf) -> None:
    owner = sf.query("SELECT Id FROM User WHERE IsActive = true AND UserType = 'Standard' LIMIT 3")[-1]["Id"]
    sf.mutate("rule", object="Task", field="Priority", message="Only managers set a priority")
    refused = sf.post("sobjects/Task", {"Subject": "x", "Priority": "High"}, 400)
    assert (refused[0]["errorCode"], refused[0]["fields"]) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", ["Priority"])
    sf.mutate("clear_obstacles")
    made = sf.post("sobjects/Task", {"Subject": "x", "OwnerId": owner}, 201)["id"]
    sf.mutate("deactivate_user", id=owner)
    assert sf.post("sobjects/Task", {"Subject": "x", "OwnerId": owner}, 400)[0]["errorCode"] == "INACTIVE_OWNER_OR_USER"
    sf.patch(f"sobjects/Task/{made}", {"Subject": "still"}, 204)


def test_custom_objects_by_hand(sf: Sf) -> None:
    sf.mutate("create_object", name="Proof__c", visible=True)
    sf.mutate("create_field", object="Proof__c", name="Key__c", type="string", length=64, visible=True,
              unique=True, external_id=True, id_lookup=True)  # fmt: skip
    assert sf.patch("sobjects/Proof__c/Key__c/a", {}, 201)["created"]
    assert sf.query("SELECT Name, Key__c FROM Proof__c") == [{"Name": "N-00001", "Key__c": "a"}]
    sf.mutate("drop_object", object="Proof__c")
    sf.get("query", 400, q="SELECT Id FROM Proof__c")
    with pytest.raises(ValueError, match="Account is a standard object"):
        sf.mutate("drop_object", object="Account")
