"""What people, administrators and workflows do between two of our requests, and how it shows."""

from collections.abc import Callable
from typing import Any

import pytest

HubSpot = Any
TASKS = "/crm/v3/objects/tasks"
COMPANIES = "/crm/v3/objects/companies"


@pytest.fixture
def task(hubspot: HubSpot) -> str:
    properties = {"hs_timestamp": "2026-11-23T00:00:00Z", "hs_task_subject": "Call", "hs_task_body": "<p>why</p>"}
    made: str = hubspot.post(TASKS, {"properties": properties}, 201)["id"]
    return made


def make_property(hubspot: HubSpot, **more: Any) -> str:
    definition = {
        "name": "ours", "label": "Ours", "type": "string", "fieldType": "text", "groupName": "company_product_data",
        **more,
    }  # fmt: skip
    name: str = hubspot.post("/crm/v3/properties/companies", definition, 201)["name"]
    return name


def put(hubspot: HubSpot, record: str, status: int = 200, **properties: str) -> Any:
    return hubspot.ask("PATCH", f"{COMPANIES}/{record}", status, json={"properties": properties})


def history(hubspot: HubSpot, path: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = hubspot.get(path, propertiesWithHistory=name)["propertiesWithHistory"][name]
    return rows


def test_a_persons_doings_show_on_a_task(hubspot: HubSpot, task: str) -> None:
    owner = hubspot.get("/crm/v3/owners")["results"][0]["id"]
    before = hubspot.get(f"{TASKS}/{task}", properties="hs_updated_by_user_id")
    assert before["properties"]["hs_updated_by_user_id"] is None
    hubspot.later(60)
    hubspot.mutate("comment_task", id=task, text="spoke to them", user=77)
    hubspot.mutate("reassign_task", id=task, owner=owner)
    hubspot.mutate("close_task", id=task)
    hubspot.mutate("edit_task", id=task, properties={"hs_task_priority": "HIGH"}, user=78)
    names = "hs_task_body,hubspot_owner_id,hs_task_status,hs_task_priority,hs_updated_by_user_id"
    after = hubspot.get(f"{TASKS}/{task}", properties=names)
    assert after["updatedAt"] > before["updatedAt"]
    properties = after["properties"]
    assert properties["hs_task_body"] == "<p>why</p><p>spoke to them</p>"
    assert (properties["hubspot_owner_id"], properties["hs_task_status"]) == (owner, "COMPLETED")
    assert properties["hs_updated_by_user_id"] == "78"
    body = history(hubspot, f"{TASKS}/{task}", "hs_task_body")
    assert [(row["sourceType"], row["sourceId"], row.get("updatedByUserId")) for row in body] == [
        ("CRM_UI", "userId:77", 77),
        ("INTEGRATION", "1", None),
    ]
    with pytest.raises(ValueError, match="no tasks record 5"):
        hubspot.mutate("close_task", id=5)


def test_history_by_batch_read_names_the_source_of_the_last_change(hubspot: HubSpot) -> None:
    record = hubspot.company()[0]
    hubspot.mutate("flow", object="companies", when="description", set="description", value="theirs", delay=60)
    put(hubspot, record, description="ours")
    hubspot.later(61)
    body = {"inputs": [{"id": record}], "propertiesWithHistory": ["description"]}
    (row,) = hubspot.post(f"{COMPANIES}/batch/read", body)["results"]
    newest, ours = row["propertiesWithHistory"]["description"][:2]
    assert (newest["value"], newest["sourceType"]) == ("theirs", "AUTOMATION_PLATFORM")
    assert newest["sourceId"].startswith("enrollmentId:")
    assert (ours["value"], ours["sourceType"]) == ("ours", "INTEGRATION")
    assert hubspot.get(f"{COMPANIES}/{record}")["updatedAt"] == "2026-11-22T00:01:00.000Z"


def test_a_workflow_may_clear_what_we_write_until_it_is_switched_off(hubspot: HubSpot) -> None:
    record = hubspot.company()[0]
    hubspot.mutate("flow", object="companies", when="description", set="description", value="")
    put(hubspot, record, description="ours")
    assert hubspot.record("companies", record, "description")["description"] is None
    hubspot.mutate("clear_flows")
    put(hubspot, record, description="ours")
    assert hubspot.record("companies", record, "description")["description"] == "ours"


def test_a_validation_rule_refuses_what_the_api_writes(hubspot: HubSpot, task: str) -> None:
    hubspot.mutate("rule", object="tasks", property="hs_task_priority", message="Only managers set a priority")
    body = {"properties": {"hs_task_priority": "HIGH"}}
    refused = hubspot.ask("PATCH", f"{TASKS}/{task}", 400, json=body)
    assert "Only managers set a priority" in refused["message"]
    hubspot.mutate("edit_task", id=task, properties={"hs_task_priority": "LOW"})
    hubspot.ask("PATCH", f"{TASKS}/{task}", json={"properties": {"hs_task_subject": "x"}})
    hubspot.mutate("rule", object="tasks", message="Closed for the night")
    hubspot.ask("PATCH", f"{TASKS}/{task}", 400, json={"properties": {"hs_task_subject": "y"}})
    put(hubspot, hubspot.company()[0], description="z")
    hubspot.mutate("clear_rules")
    hubspot.ask("PATCH", f"{TASKS}/{task}", json=body)


def test_a_renamed_property_is_a_new_one_with_the_old_ones_values(hubspot: HubSpot) -> None:
    record, name = hubspot.company()[0], make_property(hubspot)
    put(hubspot, record, ours="kept")
    hubspot.mutate("rename_property", object="companies", name=name, new_name="theirs")
    assert "PROPERTY_DOESNT_EXIST" in put(hubspot, record, 400, ours="x")["message"]
    assert hubspot.record("companies", record, "theirs")["theirs"] == "kept"
    assert hubspot.get("/crm/v3/properties/companies/ours", archived="true")["archived"] is True
    put(hubspot, record, theirs="new")
    for name, new_name, words in (
        ("theirs", "ours", "already has a property 'ours'"),
        ("name", "title", "companies.name is HubSpot's own"),
        ("nothing", "title", "no property 'nothing' of companies"),
    ):
        with pytest.raises(ValueError, match=words):
            hubspot.mutate("rename_property", object="companies", name=name, new_name=new_name)


def test_a_shortened_property_refuses_what_is_longer_now(hubspot: HubSpot) -> None:
    record, name = hubspot.company()[0], make_property(hubspot)
    put(hubspot, record, ours="x" * 100)
    hubspot.mutate("shorten_property", object="companies", name=name, length=40)
    assert "INVALID_LENGTH" in put(hubspot, record, 400, ours="x" * 41)["message"]
    put(hubspot, record, ours="x" * 40)


def test_a_retyped_property_refuses_what_it_took_before(hubspot: HubSpot) -> None:
    record, name = hubspot.company()[0], make_property(hubspot)
    put(hubspot, record, ours="text")
    changes = {"type": "number", "fieldType": "number"}
    hubspot.mutate("change_property", object="companies", name=name, changes=changes)
    assert hubspot.get("/crm/v3/properties/companies/ours")["type"] == "number"
    assert "INVALID_INTEGER" in str(put(hubspot, record, 400, ours="text"))
    put(hubspot, record, ours="12")


def test_an_option_taken_away_is_refused_and_kept_where_it_is(hubspot: HubSpot) -> None:
    options = [{"label": value, "value": value} for value in ("red", "green")]
    record = hubspot.company()[0]
    name = make_property(hubspot, type="enumeration", fieldType="select", options=options)
    put(hubspot, record, ours="red")
    hubspot.mutate("drop_option", object="companies", name=name, value="red")
    assert "INVALID_OPTION" in put(hubspot, record, 400, ours="red")["message"]
    assert hubspot.record("companies", record, "ours")["ours"] == "red"
    with pytest.raises(ValueError, match="has no option 'blue'"):
        hubspot.mutate("drop_option", object="companies", name=name, value="blue")


def test_owners_who_left_are_refused_where_the_account_says_so(
    make_client: Callable[..., HubSpot], hubspot: HubSpot, task: str
) -> None:
    owner = hubspot.get("/crm/v3/owners")["results"][0]["id"]
    body = {"properties": {"hubspot_owner_id": owner}}
    hubspot.mutate("deactivate_owner", id=owner)
    hubspot.ask("PATCH", f"{TASKS}/{task}", json=body)
    strict = make_client(refuse_inactive_owners=True)
    made = strict.post(TASKS, {"properties": {"hs_timestamp": "2026-11-23T00:00:00Z"}}, 201)["id"]
    strict.ask("PATCH", f"{TASKS}/{made}", json=body)
    strict.mutate("deactivate_owner", id=owner)
    assert "INVALID_OPTION" in strict.ask("PATCH", f"{TASKS}/{made}", 400, json=body)["message"]
