from typing import Any

import pytest

from sandbox.core import hubspot_company_id, hubspot_contact_id

V4 = "/crm/v4/objects"
TASKS = "/crm/v3/objects/tasks"


def spec(*type_ids: int, category: str = "HUBSPOT_DEFINED") -> list[dict[str, Any]]:
    return [{"associationCategory": category, "associationTypeId": i} for i in type_ids]


def types_of(hubspot: Any, kind: str, record_id: str, to: str) -> dict[str, list[int]]:
    rows = hubspot.walk(f"{V4}/{kind}/{record_id}/associations/{to}")
    return {row["toObjectId"]: [t["typeId"] for t in row["associationTypes"]] for row in rows}


def agency_person(hubspot: Any) -> Any:
    now = hubspot.world.now
    return next(p for p in hubspot.world.people if p.in_crm and p.other_company_ids and p.created_at <= now)


def test_lists_carry_one_row_a_type(hubspot: Any, make_client: Any, wide_world: Any) -> None:
    client = make_client(world=wide_world)
    person = agency_person(client)
    path = f"/crm/v3/objects/contacts/{hubspot_contact_id(person.id)}"
    rows = client.get(path, associations="companies")["associations"]["companies"]["results"]
    home, other = hubspot_company_id(person.company_id), hubspot_company_id(person.other_company_ids[0])
    assert {"id": str(home), "type": "contact_to_company"} in rows
    assert {"id": str(home), "type": "contact_to_company_unlabeled"} in rows
    assert {"id": str(other), "type": "contact_to_company_unlabeled"} in rows
    assert {"id": str(other), "type": "contact_to_company"} not in rows


def test_every_world_association_is_seen_from_both_sides(hubspot: Any) -> None:
    pairs = [("contacts", "companies"), ("deals", "companies"), ("feedback_submissions", "contacts")]
    for kind, to in [*pairs, ("feedback_submissions", "companies")]:
        forth = {
            (row["id"], target["id"])
            for row in hubspot.walk(f"/crm/v3/objects/{kind}", limit=100, associations=to)
            for target in row.get("associations", {}).get(to, {"results": []})["results"]
        }
        back = {
            (target, row["id"])
            for row in hubspot.walk(f"/crm/v3/objects/{to}", limit=100)
            for target in types_of(hubspot, to, row["id"], kind)
        }
        assert forth == back
        assert forth


def test_an_unknown_association_is_refused_and_an_impossible_one_is_empty(hubspot: Any) -> None:
    hubspot.get("/crm/v3/objects/contacts", 400, associations="spaceships")
    assert "associations" not in hubspot.get("/crm/v3/objects/deals", associations="notes")["results"][0]


def test_long_lists_are_cut_at_a_hundred_with_a_link(hubspot: Any) -> None:
    company, _ = hubspot.company()
    people = [row["id"] for row in hubspot.walk("/crm/v3/objects/contacts", limit=100)][:150]
    body = {"inputs": [{"from": {"id": company}, "to": {"id": i}} for i in people]}
    hubspot.post("/crm/v4/associations/companies/contacts/batch/associate/default", body)
    entry = hubspot.get(f"/crm/v3/objects/companies/{company}", associations="contacts")["associations"]["contacts"]
    assert len({row["id"] for row in entry["results"]}) == 100
    rest = hubspot.get(entry["paging"]["next"]["link"].removeprefix(hubspot.base))
    listed = {row["id"] for row in entry["results"]} | {row["toObjectId"] for row in rest["results"]}
    assert set(people) <= listed


def test_batch_read_shows_labels_and_names_records_without_any(hubspot: Any) -> None:
    contact, person = hubspot.contact()
    lonely = hubspot.post("/crm/v3/objects/contacts", {"properties": {"firstname": "L"}}, 201)["id"]
    body = {"inputs": [{"id": contact}, {"id": lonely}, {"id": "12"}]}
    answer = hubspot.post("/crm/v4/associations/contacts/companies/batch/read", body, 207)
    (row,) = answer["results"]
    assert row["from"] == {"id": contact}
    home = next(t for t in row["to"] if t["toObjectId"] == str(hubspot_company_id(person.company_id)))
    assert home["associationTypes"] == [
        {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"},
        {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None},
    ]
    assert [e["context"]["fromObjectId"] for e in answer["errors"]] == [[lonely], ["12"]]
    assert answer["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"


def test_batch_read_takes_a_thousand_and_pages_by_500(hubspot: Any) -> None:
    path = "/crm/v4/associations/companies/tasks/batch/read"
    hubspot.post(path, {"inputs": [{"id": "1"}] * 1001}, 400)
    company, _ = hubspot.company()
    made = []
    for _ in range(6):
        item = {
            "properties": {"hs_timestamp": "2026-12-01"},
            "associations": [{"to": {"id": company}, "types": spec(192)}],
        }
        made += [r["id"] for r in hubspot.post(f"{TASKS}/batch/create", {"inputs": [item] * 100}, 201)["results"]]
    (first,) = hubspot.post(path, {"inputs": [{"id": company}]})["results"]
    assert len(first["to"]) == 500
    (second,) = hubspot.post(path, {"inputs": [{"id": company, "after": first["paging"]["next"]["after"]}]})["results"]
    assert {t["toObjectId"] for t in first["to"] + second["to"]} == set(made)
    assert "paging" not in second
    pages = list(hubspot.walk(f"{V4}/companies/{company}/associations/tasks", limit=250))
    assert len(pages) == 600
    hubspot.get(f"{V4}/companies/{company}/associations/tasks", 400, limit=501)
    hubspot.get(f"{V4}/companies/{company}/associations/tasks", 400, after="x")


def test_a_contact_has_one_primary_company(hubspot: Any) -> None:
    contact, person = hubspot.contact()
    old = str(hubspot_company_id(person.company_id))
    new = next(row["id"] for row in hubspot.get("/crm/v3/objects/companies")["results"] if row["id"] != old)
    answer = hubspot.ask("PUT", f"{V4}/contacts/{contact}/associations/companies/{new}", 201, json=spec(1))
    assert answer["labels"] == ["Primary"]
    assert (answer["fromObjectTypeId"], answer["toObjectTypeId"]) == ("0-1", "0-2")
    shown = types_of(hubspot, "contacts", contact, "companies")
    assert (shown[new], shown[old]) == ([1, 279], [279])
    assert types_of(hubspot, "companies", old, "contacts")[contact] == [280]
    assert hubspot.record("contacts", contact, "associatedcompanyid")["associatedcompanyid"] == new
    hubspot.ask("PUT", f"{V4}/companies/{old}/associations/contacts/{contact}", 201, json=spec(2))
    assert types_of(hubspot, "contacts", contact, "companies")[old] == [1, 279]


@pytest.mark.parametrize(
    "body",
    [spec(2), spec(192), spec(1, category="USER_DEFINED"), [], [{"x": 1}], {"a": 1}],
)
def test_types_are_checked_for_direction_and_category(hubspot: Any, body: Any) -> None:
    contact, _ = hubspot.contact()
    company, _ = hubspot.company()
    hubspot.ask("PUT", f"{V4}/contacts/{contact}/associations/companies/{company}", 400, json=body)


def test_default_association_and_removal(hubspot: Any) -> None:
    contact, _ = hubspot.contact()
    made = hubspot.post("/crm/v3/objects/companies", {"properties": {"name": "x"}}, 201)["id"]
    answer = hubspot.ask("PUT", f"{V4}/contacts/{contact}/associations/default/companies/{made}")
    assert [r["associationSpec"]["associationTypeId"] for r in answer["results"]] == [279, 280]
    assert types_of(hubspot, "contacts", contact, "companies")[made] == [279]
    hubspot.ask("DELETE", f"{V4}/contacts/{contact}/associations/companies/{made}", 204)
    assert made not in types_of(hubspot, "contacts", contact, "companies")
    hubspot.ask("PUT", f"{V4}/contacts/{contact}/associations/default/companies/12", 404)
    hubspot.ask("PUT", f"{V4}/notes/1/associations/default/tasks/12", 400)
    deal = hubspot.get("/crm/v3/objects/deals")["results"][0]["id"]
    hubspot.ask("PUT", f"{V4}/deals/{deal}/associations/default/contacts/{contact}")
    assert types_of(hubspot, "contacts", contact, "deals") == {deal: [4]}


def test_batches_write_take_labels_off_and_remove(hubspot: Any) -> None:
    contact, _ = hubspot.contact()
    made = hubspot.post("/crm/v3/objects/companies", {"properties": {"name": "x"}}, 201)["id"]
    path = "/crm/v4/associations/contacts/companies/batch"
    link = {"from": {"id": contact}, "to": {"id": made}}
    hubspot.post(f"{path}/create", {"inputs": [{**link, "types": spec(1)}]}, 201)
    assert types_of(hubspot, "contacts", contact, "companies")[made] == [1, 279]
    hubspot.post(f"{path}/labels/archive", {"inputs": [{**link, "types": spec(1)}]}, 204)
    assert types_of(hubspot, "contacts", contact, "companies")[made] == [279]
    hubspot.post(f"{path}/archive", {"inputs": [{"from": {"id": contact}, "to": [{"id": made}]}]}, 204)
    assert made not in types_of(hubspot, "contacts", contact, "companies")
    hubspot.post(f"{path}/create", {"inputs": [{"from": {"id": contact}}]}, 400)
    hubspot.post(f"{path}/archive", {"inputs": [link]}, 400)


def test_labels_name_the_types_of_a_direction(hubspot: Any) -> None:
    rows = hubspot.get("/crm/v4/associations/companies/contacts/labels")["results"]
    assert [(row["typeId"], row["label"]) for row in rows] == [(2, "Contact with Primary Company"), (280, None)]


def test_a_task_is_made_with_its_associations_and_found_through_them_at_once(hubspot: Any) -> None:
    company, _ = hubspot.company()
    contact, _ = hubspot.contact()
    body = {
        "properties": {
            "hs_timestamp": "2026-11-25T12:00:00Z",
            "hs_task_subject": "Call <them>",
            "hs_task_body": "<p>why</p>",
            "hs_task_status": "NOT_STARTED",
            "hs_task_priority": "HIGH",
            "hs_task_type": "TODO",
        },
        "associations": [
            {"to": {"id": company}, "types": spec(192)},
            {"to": {"id": int(contact)}, "types": spec(204)},
        ],
    }
    made = hubspot.post(TASKS, body, 201)
    assert made["properties"]["hs_timestamp"] == "2026-11-25T12:00:00Z"
    read = hubspot.post("/crm/v4/associations/companies/tasks/batch/read", {"inputs": [{"id": company}]})
    assert [t["toObjectId"] for t in read["results"][0]["to"]] == [made["id"]]
    assert read["results"][0]["to"][0]["associationTypes"][0]["typeId"] == 191
    shown = hubspot.get(f"{TASKS}/{made['id']}", associations=["companies", "contacts"])
    assert shown["associations"]["contacts"]["results"] == [{"id": contact, "type": "task_to_contact"}]
    assert hubspot.search("tasks", ("hs_task_subject", "CONTAINS_TOKEN", "call"))["total"] == 0
    hubspot.later(10)
    assert hubspot.search("tasks", ("associations.company", "EQ", company))["total"] == 1


def test_a_task_needs_a_due_date(hubspot: Any) -> None:
    refused = hubspot.post(TASKS, {"properties": {"hs_task_subject": "x"}}, 400)
    assert refused["context"] == {"properties": ["hs_timestamp"]}
    assert "INVALID_OPTION" in hubspot.post(TASKS, {"properties": {"hs_task_status": "DONE"}}, 400)["message"]


@pytest.mark.parametrize(
    "association",
    [
        {"to": {"id": "8000000017"}, "types": spec(191)},
        {"to": {"id": "8000000017"}, "types": spec(192, 204)},
        {"to": {"id": "8000000017"}, "types": spec(192, category="USER_DEFINED")},
        {"to": {"id": "12"}, "types": spec(192)},
        {"to": {"id": "x"}, "types": spec(192)},
        {"to": {}, "types": spec(192)},
        {"to": {"id": "8000000017"}, "types": []},
        "text",
    ],
)
def test_wrong_associations_refuse_the_create(hubspot: Any, association: Any) -> None:
    before = len(hubspot.get(TASKS)["results"])
    hubspot.post(TASKS, {"properties": {"hs_timestamp": "1"}, "associations": [association]}, 400)
    assert len(hubspot.get(TASKS)["results"]) == before


@pytest.mark.parametrize(("status", "category"), [(400, "VALIDATION_ERROR"), (404, "OBJECT_NOT_FOUND")])
def test_a_task_on_a_record_that_is_gone_is_refused(hubspot: Any, status: int, category: str) -> None:
    hubspot.mutate("options", association_error=status)
    company, _ = hubspot.company()
    hubspot.mutate("archive", object="companies", id=company)
    item = {"properties": {"hs_timestamp": "1"}, "associations": [{"to": {"id": company}, "types": spec(192)}]}
    assert hubspot.post(TASKS, item, status)["category"] == category
    partial = hubspot.post(f"{TASKS}/batch/create", {"inputs": [{**item, "objectWriteTraceId": "a"}]}, 207)
    assert partial["errors"][0]["context"]["objectWriteTraceId"] == ["a"]


def test_archived_records_vanish_from_associations(hubspot: Any) -> None:
    contact, person = hubspot.contact()
    company = str(hubspot_company_id(person.company_id))
    assert company in types_of(hubspot, "contacts", contact, "companies")
    hubspot.mutate("archive", object="companies", id=company)
    assert company not in types_of(hubspot, "contacts", contact, "companies")
    hubspot.get(f"{V4}/companies/{company}/associations/contacts", 404)


def test_people_associate_and_take_apart(hubspot: Any) -> None:
    contact, _ = hubspot.contact()
    made = hubspot.mutate("create", object="companies", properties={"name": "By hand"})
    hubspot.mutate("associate", object="contacts", id=contact, to="companies", to_id=made, types=[1])
    assert types_of(hubspot, "contacts", contact, "companies")[made] == [1, 279]
    hubspot.mutate("disassociate", object="contacts", id=contact, to="companies", to_id=made, types=[1])
    assert types_of(hubspot, "contacts", contact, "companies")[made] == [279]
    hubspot.mutate("disassociate", object="contacts", id=contact, to="companies", to_id=made)
    assert made not in types_of(hubspot, "contacts", contact, "companies")
    deal = hubspot.mutate(
        "create",
        object="deals",
        properties={"dealname": "d"},
        associations=[{"object": "companies", "id": made, "types": [5]}],
    )
    assert types_of(hubspot, "deals", deal, "companies") == {made: [5, 341]}
