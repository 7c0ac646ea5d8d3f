import json
from typing import Any

import pytest

COMPANIES = "/crm/v3/objects/companies"
CONTACTS = "/crm/v3/objects/contacts"
MISSING = "7999999999"


def ids_of(hubspot: Any, kind: str, count: int) -> list[str]:
    return [row["id"] for row in hubspot.walk(f"/crm/v3/objects/{kind}", limit=100)][:count]


def inputs(ids: list[str], **properties: str) -> dict[str, Any]:
    return {"inputs": [{"id": i, "properties": properties} for i in ids]}


def make_unique(hubspot: Any, kind: str = "companies") -> None:
    definition = {"name": "our_key", "label": "Key", "type": "string", "fieldType": "text", "hasUniqueValue": True}
    group = "companyinformation" if kind == "companies" else "contactinformation"
    hubspot.post(f"/crm/v3/properties/{kind}", {**definition, "groupName": group}, 201)


def test_read_gives_what_was_asked_in_no_particular_order(hubspot: Any) -> None:
    ids = ids_of(hubspot, "companies", 30)
    body = {"inputs": [{"id": i} for i in [*ids, ids[0]]], "properties": ["name"], "propertiesWithHistory": []}
    answer = hubspot.post(f"{COMPANIES}/batch/read", body)
    assert answer["status"] == "COMPLETE"
    assert {"startedAt", "completedAt"} <= set(answer)
    got = [row["id"] for row in answer["results"]]
    assert sorted(got) == sorted(ids)
    assert got not in (ids, ids[::-1])


def test_read_names_missing_ids_with_207(hubspot: Any) -> None:
    (known,) = ids_of(hubspot, "companies", 1)
    answer = hubspot.post(f"{COMPANIES}/batch/read", inputs([known, MISSING, "abc"]), 207)
    assert [row["id"] for row in answer["results"]] == [known]
    assert answer["numErrors"] == 1
    assert answer["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert answer["errors"][0]["context"]["ids"] == [MISSING, "abc"]


def test_read_by_address_and_not_by_a_property_that_is_not_unique(hubspot: Any) -> None:
    record_id, person = hubspot.contact()
    body = {"idProperty": "email", "inputs": [{"id": person.email}, {"id": "nobody@x.example"}], "properties": []}
    answer = hubspot.post(f"{CONTACTS}/batch/read", body, 207)
    assert [row["id"] for row in answer["results"]] == [record_id]
    assert answer["errors"][0]["context"]["ids"] == ["nobody@x.example"]
    hubspot.post(f"{CONTACTS}/batch/read", {**body, "idProperty": "lastname"}, 400)
    by_id = {"idProperty": "hs_object_id", "inputs": [{"id": record_id}]}
    assert hubspot.post(f"{CONTACTS}/batch/read", by_id)["results"][0]["id"] == record_id


def test_read_of_archived_records_needs_the_flag(hubspot: Any) -> None:
    (record_id,) = ids_of(hubspot, "companies", 1)
    hubspot.mutate("archive", object="companies", id=record_id)
    hubspot.post(f"{COMPANIES}/batch/read", inputs([record_id]), 207)
    found = hubspot.post(f"{COMPANIES}/batch/read", inputs([record_id]), params={"archived": "True"})
    assert found["results"][0]["archived"] is True


def test_a_hundred_inputs_and_no_more_fifty_with_history(hubspot: Any) -> None:
    ids = ids_of(hubspot, "contacts", 101)
    assert len(hubspot.post(f"{CONTACTS}/batch/read", inputs(ids[:100]))["results"]) == 100
    for operation in ("read", "update", "create", "archive"):
        assert hubspot.post(f"{CONTACTS}/batch/{operation}", inputs(ids), 400)["category"] == "VALIDATION_ERROR"
    history = {**inputs(ids[:51]), "propertiesWithHistory": ["email"]}
    assert "property histories is 50" in hubspot.post(f"{CONTACTS}/batch/read", history, 400)["message"]
    answer = hubspot.post(f"{CONTACTS}/batch/read", {**history, "inputs": history["inputs"][:50]})
    assert answer["results"][0]["propertiesWithHistory"]["email"]


@pytest.mark.parametrize(("operation", "status"), [("read", 200), ("update", 200), ("create", 201), ("upsert", 200)])
def test_a_body_without_inputs_does_nothing_and_says_complete(hubspot: Any, operation: str, status: int) -> None:
    answer = hubspot.post(f"{COMPANIES}/batch/{operation}", {}, status)
    assert (answer["status"], answer["results"]) == ("COMPLETE", [])


def test_update_writes_and_echoes_trace_ids(hubspot: Any) -> None:
    ids = ids_of(hubspot, "companies", 3)
    body = inputs(ids, description="hello")
    for item in body["inputs"]:
        item["objectWriteTraceId"] = f"run1-{item['id']}"
    answer = hubspot.post(f"{COMPANIES}/batch/update", body)
    assert {row["objectWriteTraceId"] for row in answer["results"]} == {f"run1-{i}" for i in ids}
    assert all(row["properties"]["description"] == "hello" for row in answer["results"])
    assert hubspot.record("companies", ids[2], "description")["description"] == "hello"


def test_one_bad_value_refuses_the_whole_update(hubspot: Any) -> None:
    ids = ids_of(hubspot, "companies", 3)
    body = inputs(ids, description="x")
    body["inputs"][1]["properties"] = {"health_scor": "1"}
    refused = hubspot.post(f"{COMPANIES}/batch/update", body, 400)
    (detail,) = json.loads(refused["message"].partition(": ")[2])
    assert (detail["error"], detail["name"]) == ("PROPERTY_DOESNT_EXIST", "health_scor")
    assert all(hubspot.record("companies", i, "description")["description"] is None for i in ids)


def test_update_names_unknown_and_archived_ids_and_writes_the_rest(hubspot: Any) -> None:
    ids = ids_of(hubspot, "companies", 2)
    hubspot.mutate("archive", object="companies", id=ids[1])
    body = inputs([*ids, MISSING], description="y")
    body["inputs"][1]["objectWriteTraceId"] = "t-1"
    answer = hubspot.post(f"{COMPANIES}/batch/update", body, 207)
    assert [row["id"] for row in answer["results"]] == [ids[0]]
    assert answer["errors"][0]["context"] == {"ids": [ids[1], MISSING], "objectWriteTraceId": ["t-1"]}


def test_partial_answers_can_keep_the_plain_status(hubspot: Any) -> None:
    hubspot.mutate("options", plain_partial=True)
    assert hubspot.post(f"{COMPANIES}/batch/update", inputs([MISSING]), 200)["numErrors"] == 1


def test_a_merged_id_is_left_out_without_a_word(hubspot: Any) -> None:
    winner, loser, other = ids_of(hubspot, "companies", 3)
    hubspot.mutate("merge", object="companies", winner=winner, loser=loser)
    for operation in ("read", "update"):
        answer = hubspot.post(f"{COMPANIES}/batch/{operation}", inputs([loser, other], description="z"))
        assert [row["id"] for row in answer["results"]] == [other]
        assert "errors" not in answer


def test_an_id_in_the_wrong_form_changes_nothing_and_reports_success(hubspot: Any) -> None:
    answer = hubspot.post(f"{COMPANIES}/batch/update", inputs(["not-a-number"], description="q"))
    assert (answer["status"], answer["results"]) == ("COMPLETE", [])


def test_naming_the_record_id_as_id_property_is_refused(hubspot: Any) -> None:
    body = inputs(ids_of(hubspot, "companies", 1), description="q")
    body["inputs"][0]["idProperty"] = "hs_object_id"
    refused = hubspot.post(f"{COMPANIES}/batch/update", body, 400)
    assert refused["message"].startswith("Unable to perform update/upsert by non-unique 0-2 property hs_object_id")


def test_repeated_ids_and_mixed_id_properties_are_refused(hubspot: Any) -> None:
    (record_id,) = ids_of(hubspot, "companies", 1)
    assert "Duplicate IDs" in hubspot.post(f"{COMPANIES}/batch/update", inputs([record_id] * 2), 400)["message"]
    mixed = {"inputs": [{"id": record_id, "properties": {}}, {"id": "k", "idProperty": "our_key", "properties": {}}]}
    hubspot.post(f"{COMPANIES}/batch/update", mixed, 400)


def test_update_by_a_unique_property(hubspot: Any) -> None:
    make_unique(hubspot)
    first, second = ids_of(hubspot, "companies", 2)
    hubspot.post(f"{COMPANIES}/batch/update", inputs([first], our_key="k1"))
    body = {"inputs": [{"id": "k1", "idProperty": "our_key", "properties": {"description": "by key"}}]}
    assert hubspot.post(f"{COMPANIES}/batch/update", body)["results"][0]["id"] == first
    refused = hubspot.post(f"{COMPANIES}/batch/update", inputs([second], our_key="K1"), 400)
    assert "CONFLICTING_UNIQUE_VALUE" in refused["message"]
    body["inputs"][0]["id"] = "k2"
    assert hubspot.post(f"{COMPANIES}/batch/update", body, 207)["errors"][0]["context"]["ids"] == ["k2"]


def test_create_without_trace_ids_is_all_or_nothing(hubspot: Any) -> None:
    before = len(ids_of(hubspot, "companies", 10_000))
    bad = {"inputs": [{"properties": {"name": "a"}}, {"properties": {"missing": "b"}}]}
    hubspot.post(f"{COMPANIES}/batch/create", bad, 400)
    assert len(ids_of(hubspot, "companies", 10_000)) == before
    good = {"inputs": [{"properties": {"name": "a"}}, {"properties": {"name": "b"}}]}
    assert len(hubspot.post(f"{COMPANIES}/batch/create", good, 201)["results"]) == 2


def test_create_with_trace_ids_succeeds_in_part(hubspot: Any) -> None:
    _, person = hubspot.contact()
    rows = [{"firstname": "ok"}, {"missing": "x"}, {"email": person.email}, {"firstname": "fine"}]
    body = {"inputs": [{"properties": p, "objectWriteTraceId": f"t{n}"} for n, p in enumerate(rows)]}
    answer = hubspot.post(f"{CONTACTS}/batch/create", body, 207)
    assert {row["objectWriteTraceId"] for row in answer["results"]} == {"t0", "t3"}
    found = {e["context"]["objectWriteTraceId"][0]: e["category"] for e in answer["errors"]}
    assert found == {"t1": "VALIDATION_ERROR", "t2": "CONFLICT"}


def test_equal_trace_ids_do_not_count_as_trace_ids(hubspot: Any) -> None:
    body = {"inputs": [{"properties": {p: "x"}, "objectWriteTraceId": "same"} for p in ("name", "missing")]}
    hubspot.post(f"{COMPANIES}/batch/create", body, 400)


def test_upsert_says_what_is_new(hubspot: Any) -> None:
    make_unique(hubspot)
    body = {
        "inputs": [{"id": k, "idProperty": "our_key", "properties": {"description": k}} for k in ("k1", "k2")],
    }
    first = hubspot.post(f"{COMPANIES}/batch/upsert", body)
    assert [row["new"] for row in first["results"]] == [True, True]
    second = hubspot.post(f"{COMPANIES}/batch/upsert", body)
    assert [row["new"] for row in second["results"]] == [False, False]
    assert {r["id"] for r in first["results"]} == {r["id"] for r in second["results"]}


def test_upsert_refuses_the_whole_batch_for_one_conflict(hubspot: Any) -> None:
    _, one = hubspot.contact(0)
    _, two = hubspot.contact(1)
    rows = [("fresh@x.example", {}), (one.email, {"email": two.email})]
    body = {"inputs": [{"id": i, "idProperty": "email", "properties": p} for i, p in rows]}
    assert hubspot.post(f"{CONTACTS}/batch/upsert", body, 409)["category"] == "CONFLICT"
    hubspot.get(f"{CONTACTS}/fresh@x.example", 404, idProperty="email")
    twice: dict[str, Any] = {
        "inputs": [{"id": i, "idProperty": "email", "properties": {}} for i in ("a@x.example", "A@x.example")]
    }
    hubspot.post(f"{CONTACTS}/batch/upsert", twice, 409)


@pytest.mark.parametrize("name", [None, "hs_object_id", "domain"])
def test_upsert_needs_a_unique_property(hubspot: Any, name: str | None) -> None:
    item: dict[str, Any] = {"id": "1", "properties": {}}
    refused = hubspot.post(
        f"{COMPANIES}/batch/upsert", {"inputs": [item if name is None else {**item, "idProperty": name}]}, 400
    )
    assert "non-unique 0-2 property" in refused["message"]


def test_archive_takes_any_ids(hubspot: Any) -> None:
    ids = ids_of(hubspot, "companies", 2)
    hubspot.post(f"{COMPANIES}/batch/archive", {"inputs": [{"id": i} for i in [*ids, MISSING, "abc"]]}, 204)
    assert [row["id"] for row in hubspot.get(COMPANIES, archived="true")["results"]] == ids


@pytest.mark.parametrize("body", [{"inputs": "x"}, {"inputs": ["x"]}, [1], "text", {"inputs": [{"properties": [1]}]}])
def test_bodies_of_the_wrong_shape_are_refused(hubspot: Any, body: Any) -> None:
    assert hubspot.post(f"{COMPANIES}/batch/create", body, 400)["category"] == "VALIDATION_ERROR"


def test_a_body_that_is_not_json_is_refused(hubspot: Any) -> None:
    assert hubspot.send("POST", f"{COMPANIES}/batch/read", data=b"{").status_code == 400
