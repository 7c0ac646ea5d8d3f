"""Tasks addressed by a key of ours, archived, and seen late."""

from collections.abc import Callable
from typing import Any

import pytest

HubSpot = Any
TASKS = "/crm/v3/objects/tasks"
PROPERTIES = "/crm/v3/properties/tasks"
KEY = "our_key"
DEFINITION = {
    "name": KEY, "label": "Our key", "type": "string", "fieldType": "text", "groupName": "task_product_data",
    "hasUniqueValue": True,
}  # fmt: skip


def values(key: str, **more: str) -> dict[str, str]:
    return {KEY: key, "hs_timestamp": "2026-11-23T00:00:00Z", "hs_task_subject": f"Call {key}", **more}


def upsert(hubspot: HubSpot, *keys: str, status: int = 200, **more: str) -> Any:
    rows = [{"idProperty": KEY, "id": key, "properties": values(key, **more)} for key in keys]
    return hubspot.post(f"{TASKS}/batch/upsert", {"inputs": rows}, status)


@pytest.fixture
def keyed(make_client: Callable[..., HubSpot]) -> HubSpot:
    client = make_client(task_unique_properties="allowed", search_lag=10.0)
    assert client.post(PROPERTIES, DEFINITION, 201)["hasUniqueValue"] is True
    return client


def test_whether_tasks_take_unique_values_is_the_accounts_choice(make_client: Callable[..., HubSpot]) -> None:
    refused = make_client().post(PROPERTIES, DEFINITION, 400)
    assert refused["category"] == "VALIDATION_ERROR"
    assert make_client().post(PROPERTIES, {**DEFINITION, "hasUniqueValue": False}, 201)["hasUniqueValue"] is False
    lax = make_client(task_unique_properties="ignored")
    assert lax.post(PROPERTIES, DEFINITION, 201)["hasUniqueValue"] is False
    assert "non-unique 0-27 property" in upsert(lax, "a", status=400)["message"]
    companies = {**DEFINITION, "groupName": "company_product_data"}
    assert make_client().post("/crm/v3/properties/companies", companies, 201)["hasUniqueValue"] is True


def test_upsert_makes_a_task_once(keyed: HubSpot) -> None:
    first = {row["properties"][KEY]: row for row in upsert(keyed, "a", "b")["results"]}
    assert [row["new"] for row in first.values()] == [True, True]
    again = {row["properties"][KEY]: row for row in upsert(keyed, "b", "c", hs_task_priority="HIGH")["results"]}
    assert {key: row["new"] for key, row in again.items()} == {"b": False, "c": True}
    assert again["b"]["id"] == first["b"]["id"]
    assert len(keyed.get(TASKS, limit=100)["results"]) == 3
    assert upsert(keyed, "d", "D", status=409)["category"] == "CONFLICT"


def test_one_bad_value_refuses_the_whole_upsert(keyed: HubSpot) -> None:
    assert upsert(keyed, "a", "b", status=400, hs_task_status="ASLEEP")["category"] == "VALIDATION_ERROR"
    assert keyed.get(TASKS)["results"] == []


def test_a_taken_key_is_refused_also_within_one_batch(keyed: HubSpot) -> None:
    made = upsert(keyed, "a")["results"][0]["id"]
    taken = keyed.post(TASKS, {"properties": values("A")}, 400)
    assert "CONFLICTING_UNIQUE_VALUE" in taken["message"]
    rows = [{"properties": values("n")}, {"properties": values("N")}]
    twins = keyed.post(f"{TASKS}/batch/create", {"inputs": rows}, 400)
    assert "stands in several inputs" in twins["message"]
    other = upsert(keyed, "b")["results"][0]["id"]
    inputs = [{"id": one, "properties": {KEY: "same"}} for one in (made, other)]
    keyed.post(f"{TASKS}/batch/update", {"inputs": inputs}, 400)
    assert {row["properties"][KEY] for row in keyed.get(TASKS, properties=KEY)["results"]} == {"a", "b"}
    traced = [{**row, "objectWriteTraceId": str(n)} for n, row in enumerate(rows)]
    partial = keyed.post(f"{TASKS}/batch/create", {"inputs": traced}, 207)
    assert (len(partial["results"]), partial["numErrors"]) == (1, 1)
    assert upsert(keyed)["results"] == []


def test_archived_tasks_are_in_the_list_of_archived_ones(hubspot: HubSpot) -> None:
    properties = {"hs_timestamp": "2026-11-23T00:00:00Z"}
    ids = [hubspot.post(TASKS, {"properties": properties}, 201)["id"] for _ in range(4)]
    hubspot.ask("DELETE", f"{TASKS}/{ids[0]}", 204)
    hubspot.ask("DELETE", f"{TASKS}/{ids[0]}", 204)
    hubspot.post(f"{TASKS}/batch/archive", {"inputs": [{"id": ids[1]}, {"id": ids[2]}, {"id": "9"}]}, 204)
    assert [row["id"] for row in hubspot.get(TASKS)["results"]] == ids[3:]
    archived = hubspot.get(TASKS, archived="true")["results"]
    assert [row["id"] for row in archived] == ids[:3]
    assert all(row["archived"] and row["archivedAt"] for row in archived)
    hubspot.get(f"{TASKS}/{ids[0]}", 404)
    assert hubspot.get(f"{TASKS}/{ids[0]}", archived="true")["archived"] is True
    read = hubspot.post(f"{TASKS}/batch/read", {"inputs": [{"id": i} for i in ids]}, 207)
    assert [row["id"] for row in read["results"]] == ids[3:]
    hubspot.ask("PATCH", f"{TASKS}/{ids[0]}", 404, json={"properties": {"hs_task_subject": "x"}})
    hubspot.mutate("restore", object="tasks", id=ids[0])
    assert [row["id"] for row in hubspot.get(TASKS)["results"]] == [ids[0], ids[3]]


def test_the_search_knows_a_task_later_than_the_list_does(keyed: HubSpot) -> None:
    upsert(keyed, "a")
    assert keyed.search("tasks", (KEY, "EQ", "a"))["total"] == 0
    assert len(keyed.get(TASKS)["results"]) == 1
    keyed.later(10)
    assert keyed.search("tasks", (KEY, "EQ", "a"))["total"] == 1


def linked(client: HubSpot, company: str, task: str) -> list[bool]:
    """Whether the task shows: in the company's list, in a batch read, on the task itself, in a search."""
    rows = client.get(f"/crm/v4/objects/companies/{company}/associations/tasks")["results"]
    batch = client.send("POST", "/crm/v4/associations/companies/tasks/batch/read", json={"inputs": [{"id": company}]})
    listed = [one["toObjectId"] for row in batch.json()["results"] for one in row["to"]]
    shown = client.get(f"{TASKS}/{task}", associations="companies")
    found = client.search("tasks", ("associations.company", "EQ", company))["total"]
    return [task in {row["toObjectId"] for row in rows}, task in listed, "associations" in shown, found == 1]


def test_associations_may_show_late(make_client: Callable[..., HubSpot]) -> None:
    for lag in (0.0, 30.0):
        client = make_client(association_lag=lag, search_lag=0.0)
        company = client.company()[0]
        link = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}
        body = {
            "properties": {"hs_timestamp": "2026-11-23T00:00:00Z"},
            "associations": [{"to": {"id": company}, "types": [link]}],
        }
        task = client.post(TASKS, body, 201)["id"]
        assert linked(client, company, task) == [lag == 0] * 4
        client.later(29)
        assert linked(client, company, task) == [lag == 0] * 4
        client.later(1)
        assert linked(client, company, task) == [True] * 4


def test_answers_tell_what_is_left_of_the_day_and_the_ten_seconds(make_client: Callable[..., HubSpot]) -> None:
    client = make_client(burst_limit=100, daily_limit=1000)
    client.mutate("use_quota", calls=400)
    headers = client.send("GET", TASKS).headers
    expected = {"Daily": "1000", "Daily-Remaining": "599", "Max": "100", "Remaining": "99"}
    expected["Interval-Milliseconds"] = "10000"
    assert {name: headers[f"X-HubSpot-RateLimit-{name}"] for name in expected} == expected
