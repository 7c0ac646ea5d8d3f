import json
from typing import Any

import pytest

PATH = "/crm/v3/properties/companies"
COMPANIES = "/crm/v3/objects/companies"


def definition(name: str, type_: str = "string", field_type: str = "text", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "label": name,
        "type": type_,
        "fieldType": field_type,
        "groupName": "company_product_data",
        **more,
    }


def options(*values: str) -> list[dict[str, Any]]:
    return [{"label": v.upper(), "value": v, "hidden": False} for v in values]


def make(hubspot: Any, name: str, *args: Any, **more: Any) -> Any:
    return hubspot.post(PATH, definition(name, *args, **more), 201)


def write(hubspot: Any, status: int = 200, **values: Any) -> Any:
    record_id, _ = hubspot.company()
    return hubspot.ask("PATCH", f"{COMPANIES}/{record_id}", status, json={"properties": values})


def codes(refused: Any) -> list[str]:
    return [item["error"] for item in json.loads(refused["message"].partition(": ")[2])]


def stored(hubspot: Any, name: str) -> str | None:
    record_id, _ = hubspot.company()
    value: str | None = hubspot.record("companies", record_id, name)[name]
    return value


def test_definitions_are_listed_and_shown(hubspot: Any) -> None:
    listed = hubspot.get(PATH)["results"]
    by_name = {row["name"]: row for row in listed}
    assert by_name["hs_object_id"]["modificationMetadata"]["readOnlyValue"] is True
    assert by_name["hs_object_id"]["hubspotDefined"] is True
    assert by_name["plan_name"]["groupName"] == "company_product_data"
    assert hubspot.get(f"{PATH}/lifecyclestage")["options"][5]["value"] == "customer"
    assert hubspot.get(f"{PATH}/nonsense", 404)["category"] == "OBJECT_NOT_FOUND"


def test_a_new_property_can_be_written_and_read(hubspot: Any) -> None:
    made = make(hubspot, "our_score", "number", "number", description="0-100")
    assert made["modificationMetadata"] == {
        "archivable": True,
        "readOnlyDefinition": False,
        "readOnlyOptions": False,
        "readOnlyValue": False,
    }
    assert stored(hubspot, "our_score") is None
    write(hubspot, our_score=72.5)
    assert stored(hubspot, "our_score") == "72.5"
    write(hubspot, our_score="")
    assert stored(hubspot, "our_score") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Our Score"},
        {"name": "1st"},
        {"label": ""},
        {"type": "percent"},
        {"fieldType": "checkbox"},
        {"groupName": "nonsense"},
        {"options": [{"label": "A"}]},
        {"options": options("a", "a")},
    ],
)
def test_definitions_that_make_no_sense_are_refused(hubspot: Any, wrong: dict[str, Any]) -> None:
    assert hubspot.post(PATH, {**definition("our_x"), **wrong}, 400)["category"] == "VALIDATION_ERROR"


def test_names_are_taken_for_ever(hubspot: Any) -> None:
    make(hubspot, "our_x")
    assert hubspot.post(PATH, definition("our_x"), 409)["category"] == "OBJECT_ALREADY_EXISTS"
    write(hubspot, our_x="kept")
    hubspot.ask("DELETE", f"{PATH}/our_x", 204)
    hubspot.post(PATH, definition("our_x"), 409)
    hubspot.get(f"{PATH}/our_x", 404)
    gone = hubspot.get(f"{PATH}/our_x", archived="true")
    assert gone["archived"] is True
    assert gone["archivedAt"]
    assert [row["name"] for row in hubspot.get(PATH, archived="true")["results"]] == ["our_x"]
    assert codes(write(hubspot, 400, our_x="y")) == ["PROPERTY_DOESNT_EXIST"]
    hubspot.mutate("restore_property", object="companies", name="our_x")
    assert stored(hubspot, "our_x") == "kept"


def test_what_hubspot_defines_cannot_be_changed_or_archived(hubspot: Any) -> None:
    hubspot.ask("DELETE", f"{PATH}/name", 400)
    hubspot.ask("PATCH", f"{PATH}/name", 400, json={"label": "Firma"})
    hubspot.ask("DELETE", f"{PATH}/nonsense", 404)


def test_patch_replaces_the_options(hubspot: Any) -> None:
    make(hubspot, "our_band", "enumeration", "select", options=options("green", "red"))
    write(hubspot, our_band="green")
    changed = hubspot.ask("PATCH", f"{PATH}/our_band", json={"options": options("red", "grey"), "label": "Band"})
    assert [o["value"] for o in changed["options"]] == ["red", "grey"]
    assert changed["label"] == "Band"
    refused = write(hubspot, 400, our_band="green")
    assert codes(refused) == ["INVALID_OPTION"]


def test_multi_selects_replace_or_add_and_check_each_value(hubspot: Any) -> None:
    make(hubspot, "our_tags", "enumeration", "checkbox", options=options("a", "b", "c"))
    write(hubspot, our_tags="c;a")
    assert stored(hubspot, "our_tags") == "a;c"
    write(hubspot, our_tags=";b")
    assert stored(hubspot, "our_tags") == "a;b;c"
    write(hubspot, our_tags="b")
    assert stored(hubspot, "our_tags") == "b"
    assert codes(write(hubspot, 400, our_tags="b;z")) == ["INVALID_OPTION"]


@pytest.mark.parametrize(
    ("type_", "field_type", "value", "kept"),
    [
        ("number", "number", "72.50", "72.50"),
        ("number", "number", 7, "7"),
        ("number", "number", "-1e3", "-1e3"),
        ("date", "date", "2026-11-22", "2026-11-22"),
        ("date", "date", "1795305600000", "2026-11-22"),
        ("datetime", "date", "2026-11-22T10:11:12.5+01:00", "2026-11-22T09:11:12.500Z"),
        ("datetime", "date", 1795305600000, "2026-11-22T00:00:00Z"),
        ("datetime", "date", "2026-11-22", "2026-11-22T00:00:00Z"),
        ("bool", "booleancheckbox", True, "true"),
        ("bool", "booleancheckbox", "false", "false"),
        ("string", "textarea", "ü\n" * 100, "ü\n" * 100),
        ("string", "text", None, None),
    ],
)
def test_values_that_fit(hubspot: Any, type_: str, field_type: str, value: Any, kept: str | None) -> None:
    make(hubspot, "our_x", type_, field_type)
    write(hubspot, our_x=value)
    assert stored(hubspot, "our_x") == kept


@pytest.mark.parametrize(
    ("type_", "field_type", "value", "code"),
    [
        ("date", "date", "1635535865", "INVALID_DATE"),
        ("date", "date", "tomorrow", "INVALID_DATE"),
        ("date", "date", "9" * 20, "INVALID_DATE"),
        ("datetime", "date", "soon", "INVALID_DATE"),
        ("datetime", "date", "9" * 20, "INVALID_DATE"),
        ("bool", "booleancheckbox", "yes", "INVALID_OPTION"),
        ("string", "textarea", "x" * 65_537, "INVALID_LENGTH"),
    ],
)
def test_values_that_do_not_fit(hubspot: Any, type_: str, field_type: str, value: Any, code: str) -> None:
    make(hubspot, "our_x", type_, field_type)
    assert codes(write(hubspot, 400, our_x=value)) == [code]
    assert stored(hubspot, "our_x") is None


def test_a_date_that_is_not_midnight_says_when_it_is(hubspot: Any) -> None:
    refused = write(hubspot, 400, renewal_date="1635535865")
    assert "1635535865 is at 22:18:55.865 UTC, not midnight!" in refused["message"]


@pytest.mark.parametrize("value", ["many", "nan", "inf", "1,5"])
def test_numbers_are_refused_as_a_detail_list(hubspot: Any, value: str) -> None:
    refused = write(hubspot, 400, numberofemployees=value)
    (detail,) = refused["errors"]
    assert detail["code"] == "INVALID_INTEGER"
    assert detail["context"] == {"propertyName": ["numberofemployees"]}
    assert refused["message"] == "Property values were not valid"


def test_read_only_values_and_unknown_owners_are_refused(hubspot: Any) -> None:
    assert codes(write(hubspot, 400, hs_object_id="5")) == ["READ_ONLY_VALUE"]
    assert codes(write(hubspot, 400, hubspot_owner_id="5")) == ["INVALID_OPTION"]
    owner = hubspot.get("/crm/v3/owners")["results"][0]["id"]
    write(hubspot, hubspot_owner_id=owner)


def test_several_problems_come_together(hubspot: Any) -> None:
    refused = write(hubspot, 400, nonsense="1", numberofemployees="x")
    assert codes(refused) == ["PROPERTY_DOESNT_EXIST", "INVALID_INTEGER"]


def test_nested_values_are_refused(hubspot: Any) -> None:
    assert "Invalid input JSON" in write(hubspot, 400, name=["a"])["message"]


def test_batches_of_properties(hubspot: Any) -> None:
    body = {"inputs": [definition("our_a"), definition("our_b", "number", "number")]}
    made = hubspot.post(f"{PATH}/batch/create", body, 201)
    assert [row["name"] for row in made["results"]] == ["our_a", "our_b"]
    again = hubspot.post(f"{PATH}/batch/create", {"inputs": [definition("our_a"), definition("our_c")]}, 207)
    assert [row["name"] for row in again["results"]] == ["our_c"]
    assert again["errors"][0]["category"] == "OBJECT_ALREADY_EXISTS"
    hubspot.post(f"{PATH}/batch/create", {"inputs": [definition("our_d"), definition("Our D")]}, 400)
    hubspot.get(f"{PATH}/our_d", 404)
    read = {"inputs": [{"name": "our_a"}, {"name": "nonsense"}], "archived": False}
    answer = hubspot.post(f"{PATH}/batch/read", read, 207)
    assert answer["errors"][0]["context"] == {"name": ["nonsense"]}
    hubspot.post(f"{PATH}/batch/archive", {"inputs": [{"name": "our_a"}, {"name": "nonsense"}]}, 204)
    hubspot.get(f"{PATH}/our_a", 404)
    assert hubspot.post(f"{PATH}/batch/read", {"inputs": [{"name": "our_a"}], "archived": True})["results"]


def test_groups(hubspot: Any) -> None:
    path = f"{PATH}/groups"
    made = hubspot.post(path, {"name": "our_group", "label": "Ours"}, 201)
    assert made == {"archived": False, "name": "our_group", "displayOrder": -1, "label": "Ours"}
    assert hubspot.post(path, {"name": "our_group", "label": "Ours"}, 409)["category"] == "OBJECT_ALREADY_EXISTS"
    hubspot.post(path, {"name": "our_other"}, 400)
    assert hubspot.ask("PATCH", f"{path}/our_group", json={"label": "Health", "displayOrder": 3})["label"] == "Health"
    assert hubspot.get(f"{path}/our_group")["displayOrder"] == 3
    assert "our_group" in [row["name"] for row in hubspot.get(path)["results"]]
    hubspot.post(PATH, {**definition("our_x"), "groupName": "our_group"}, 201)
    hubspot.ask("DELETE", f"{path}/our_group", 400)
    hubspot.ask("DELETE", f"{PATH}/our_x", 204)
    hubspot.ask("DELETE", f"{path}/our_group", 204)
    hubspot.get(f"{path}/our_group", 404)


def test_room_for_custom_properties(hubspot: Any) -> None:
    before = hubspot.get("/crm/v3/limits/custom-properties")
    companies = next(row for row in before["byObjectType"] if row["objectTypeId"] == "0-2")
    hubspot.mutate("options", property_limit=companies["usage"] + 1)
    make(hubspot, "our_a")
    hubspot.post(PATH, definition("our_b"), 400)
    after = hubspot.get("/crm/v3/limits/custom-properties")
    assert after["overallUsage"] == before["overallUsage"] + 1


def test_ten_unique_properties_and_no_more(hubspot: Any) -> None:
    for n in range(10):
        make(hubspot, f"our_key{n}", hasUniqueValue=True)
    hubspot.post(PATH, definition("our_key10", hasUniqueValue=True), 400)


def test_people_change_properties_too(hubspot: Any) -> None:
    band = definition("our_band", "enumeration", "select", options=options("a"))
    hubspot.mutate("create_property", object="companies", definition=band)
    hubspot.mutate("change_property", object="companies", name="our_band", changes={"options": options("b")})
    assert hubspot.get(f"{PATH}/our_band")["options"][0]["value"] == "b"
    hubspot.mutate("delete_property", object="companies", name="our_band")
    with pytest.raises(ValueError, match="no property 'our_band'"):
        hubspot.mutate("delete_property", object="companies", name="our_band")
    with pytest.raises(ValueError, match="refuses create_property"):
        hubspot.mutate("create_property", object="companies", definition=band)
