from collections.abc import Callable
from typing import Any

import pytest

from sandbox.core import hubspot_company_id, hubspot_contact_id

CONTACTS = "/crm/v3/objects/contacts"
COMPANIES = "/crm/v3/objects/companies"


def test_a_page_has_the_documented_shape(hubspot: Any) -> None:
    page = hubspot.get(CONTACTS)
    assert len(page["results"]) == 10
    first = page["results"][0]
    assert set(first) == {"id", "properties", "createdAt", "updatedAt", "archived"}
    assert set(first["properties"]) == {
        "createdate",
        "email",
        "firstname",
        "hs_object_id",
        "lastmodifieddate",
        "lastname",
    }
    assert first["createdAt"].endswith("Z")
    assert first["archived"] is False
    assert page["paging"]["next"]["link"].startswith(f"{hubspot.base}{CONTACTS}?after=")


def test_walking_gives_every_visible_record_once_and_no_paging_at_the_end(hubspot: Any) -> None:
    ids = [row["id"] for row in hubspot.walk(CONTACTS, limit=100)]
    expected = {
        str(hubspot_contact_id(p.id))
        for p in hubspot.world.people
        if p.in_crm and p.created_at <= hubspot.sandbox.clock.now()
    }
    assert len(ids) == len(set(ids))
    assert set(ids) == expected


def test_the_next_link_can_be_followed(hubspot: Any) -> None:
    page = hubspot.get(COMPANIES, limit=5, properties="plan_name")
    link = page["paging"]["next"]["link"].removeprefix(hubspot.base)
    following = hubspot.get(link)
    assert following["results"][0]["id"] == page["paging"]["next"]["after"]
    assert "plan_name" in following["results"][0]["properties"]
    assert len(following["results"]) == 5


@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_a_wrong_limit_is_refused(hubspot: Any, limit: str) -> None:
    assert hubspot.get(CONTACTS, 400, limit=limit)["category"] == "VALIDATION_ERROR"


def test_a_limit_over_50_is_refused_with_history(hubspot: Any) -> None:
    hubspot.get(CONTACTS, 400, limit=51, propertiesWithHistory="email")
    hubspot.get(CONTACTS, limit=50, propertiesWithHistory="email")


def test_a_wrong_cursor_is_refused(hubspot: Any) -> None:
    hubspot.get(CONTACTS, 400, after="abc")


def test_properties_may_be_repeated_or_joined_and_unknown_ones_are_ignored(hubspot: Any) -> None:
    joined = hubspot.get(COMPANIES, properties="plan_name,renewal_date,nonsense")
    repeated = hubspot.get(COMPANIES, properties=["plan_name", "renewal_date", "nonsense"])
    assert joined["results"] == repeated["results"]
    assert set(joined["results"][0]["properties"]) == {
        "plan_name",
        "renewal_date",
        "createdate",
        "hs_lastmodifieddate",
        "hs_object_id",
    }


def test_every_value_is_text_or_null(hubspot: Any) -> None:
    for kind in ("contacts", "companies", "deals", "tickets", "feedback_submissions"):
        names = [p["name"] for p in hubspot.get(f"/crm/v3/properties/{kind}")["results"]]
        for row in hubspot.get(f"/crm/v3/objects/{kind}", limit=100, properties=names)["results"]:
            assert all(value is None or isinstance(value, str) for value in row["properties"].values())


def test_a_company_shows_what_the_world_says(hubspot: Any) -> None:
    record_id, company = hubspot.company()
    names = ["name", "domain", "plan_name", "monthly_recurring_revenue", "mrr_currency", "customer_since"]
    shown = hubspot.record("companies", record_id, *names, "renewal_date", "product_account_id")
    assert shown["name"] == company.name
    assert shown["plan_name"] == company.plan
    assert float(shown["monthly_recurring_revenue"]) * 100 == company.mrr
    assert shown["mrr_currency"] == company.currency
    assert shown["customer_since"] == company.customer_since.isoformat()
    assert shown["renewal_date"] == company.renewal_date.isoformat()
    assert shown["product_account_id"] == (company.product_id if company.crm_has_product_id else None)


def test_a_contact_is_found_by_address_in_any_case(hubspot: Any) -> None:
    record_id, person = hubspot.contact()
    found = hubspot.get(f"{CONTACTS}/{person.email.upper()}", idProperty="email")
    assert found["id"] == record_id


def test_a_record_by_a_property_that_is_not_unique_is_refused(hubspot: Any) -> None:
    _, company = hubspot.company()
    refused = hubspot.get(f"{COMPANIES}/{company.name}", 400, idProperty="name")
    assert "non-unique 0-2 property name" in refused["message"]


@pytest.mark.parametrize("record_id", ["1", "abc", "999999999999"])
def test_a_missing_record_is_404(hubspot: Any, record_id: str) -> None:
    refused = hubspot.get(f"{COMPANIES}/{record_id}", 404)
    assert refused["category"] == "OBJECT_NOT_FOUND"
    assert refused["correlationId"]


def test_singular_names_and_type_ids_work_and_unknown_kinds_do_not(hubspot: Any) -> None:
    one = hubspot.get("/crm/v3/objects/company")
    assert one["results"] == hubspot.get("/crm/v3/objects/0-2")["results"]
    hubspot.get("/crm/v3/objects/spaceships", 400)


def test_create_answers_201_and_the_record_is_there_at_once(hubspot: Any) -> None:
    made = hubspot.post(CONTACTS, {"properties": {"email": "new@one.example", "firstname": "Nö"}}, 201)
    assert made["properties"]["firstname"] == "Nö"
    assert hubspot.record("contacts", made["id"], "email")["email"] == "new@one.example"


def test_a_contact_with_a_known_address_is_a_conflict(hubspot: Any) -> None:
    record_id, person = hubspot.contact()
    refused = hubspot.post(CONTACTS, {"properties": {"email": person.email.upper()}}, 409)
    assert refused["message"] == f"Contact already exists. Existing ID: {record_id}"
    assert refused["category"] == "CONFLICT"


def test_an_address_that_was_given_up_is_free_again(hubspot: Any) -> None:
    record_id, person = hubspot.contact()
    hubspot.ask("PATCH", f"{CONTACTS}/{record_id}", json={"properties": {"email": "elsewhere@one.example"}})
    made = hubspot.post(CONTACTS, {"properties": {"email": person.email}}, 201)
    assert made["id"] != record_id


def test_update_moves_the_modified_stamp_even_when_nothing_differs(hubspot: Any) -> None:
    record_id, company = hubspot.company()
    hubspot.later(60)
    answer = hubspot.ask("PATCH", f"{COMPANIES}/{record_id}", json={"properties": {"name": company.name}})
    assert answer["updatedAt"] == "2026-11-22T00:01:00.000Z"
    assert answer["properties"]["hs_lastmodifieddate"] == "2026-11-22T00:01:00Z"
    assert hubspot.record("companies", record_id, "name")["name"] == company.name


def test_contacts_and_companies_name_their_stamp_differently(hubspot: Any) -> None:
    assert "lastmodifieddate" in hubspot.get(CONTACTS)["results"][0]["properties"]
    assert "hs_lastmodifieddate" in hubspot.get(COMPANIES)["results"][0]["properties"]


def test_archived_records_leave_the_list_and_enter_the_other_one(hubspot: Any) -> None:
    record_id, _ = hubspot.company()
    hubspot.ask("DELETE", f"{COMPANIES}/{record_id}", 204)
    hubspot.ask("DELETE", f"{COMPANIES}/{record_id}", 204)
    hubspot.get(f"{COMPANIES}/{record_id}", 404)
    assert record_id not in {row["id"] for row in hubspot.walk(COMPANIES, limit=100)}
    for text in ("true", "True", "TRUE"):
        (gone,) = hubspot.get(COMPANIES, archived=text)["results"]
        assert (gone["id"], gone["archived"], gone["archivedAt"]) == (record_id, True, "2026-11-22T00:00:00.000Z")
    assert hubspot.get(f"{COMPANIES}/{record_id}", archived="true")["archived"] is True
    hubspot.ask("DELETE", f"{COMPANIES}/123", 404)


def test_the_recycle_bin_pages_and_forgets_after_90_days(hubspot: Any) -> None:
    ids = [row["id"] for row in hubspot.get(COMPANIES, limit=3)["results"]]
    for record_id in ids:
        hubspot.mutate("archive", object="companies", id=record_id)
    assert [row["id"] for row in hubspot.walk(COMPANIES, limit=2, archived="true")] == ids
    hubspot.later(91 * 86400)
    assert hubspot.get(COMPANIES, archived="true")["results"] == []


def test_people_can_restore_and_purge(hubspot: Any) -> None:
    record_id, _ = hubspot.company()
    hubspot.mutate("archive", object="companies", id=record_id)
    hubspot.mutate("restore", object="companies", id=record_id)
    hubspot.get(f"{COMPANIES}/{record_id}")
    hubspot.mutate("purge", object="companies", id=record_id)
    hubspot.get(f"{COMPANIES}/{record_id}", 404)
    assert hubspot.get(COMPANIES, archived="true")["results"] == []


def test_history_lists_values_newest_first(hubspot: Any) -> None:
    record_id, company = hubspot.company()
    hubspot.later(5)
    hubspot.ask("PATCH", f"{COMPANIES}/{record_id}", json={"properties": {"name": "Renamed"}})
    shown = hubspot.get(f"{COMPANIES}/{record_id}", propertiesWithHistory="name")
    newest, oldest = shown["propertiesWithHistory"]["name"]
    source = {"sourceType": "INTEGRATION", "sourceId": "1"}
    assert newest == {"value": "Renamed", "timestamp": "2026-11-22T00:00:05.000Z", **source}
    assert (oldest["value"], oldest["sourceType"]) == (company.name, "CRM_UI")


def test_the_world_goes_on_with_the_clock(hubspot: Any) -> None:
    before = {row["id"] for row in hubspot.walk(CONTACTS, limit=100)}
    hubspot.later(60 * 86400)
    after = {row["id"] for row in hubspot.walk(CONTACTS, limit=100)}
    assert before < after


def test_a_deal_closes_when_the_world_says_so(hubspot: Any) -> None:
    now = hubspot.world.now
    deal = next(d for d in hubspot.world.deals if d.created_at < now and d.closed_at and d.closed_at > now)
    record_id = str(10_000_000_000 + 11 * deal.id)
    before = hubspot.record("deals", record_id, "dealstage", "hs_is_closed", "closedate")
    assert before["hs_is_closed"] == "false"
    hubspot.sandbox.clock.set(deal.closed_at)
    after = hubspot.record("deals", record_id, "dealstage", "hs_is_closed", "hs_is_closed_won")
    assert after["hs_is_closed"] == "true"
    assert after["dealstage"].endswith("closedwon" if deal.won else "closedlost")
    assert after["hs_lastmodifieddate"] > before["hs_lastmodifieddate"]


def test_feedback_submissions_are_read_only(hubspot: Any) -> None:
    path = "/crm/v3/objects/feedback_submissions"
    names = "hs_survey_type,hs_value,hs_response_group,hs_submission_timestamp,hs_contact_id"
    rows = list(hubspot.walk(path, limit=100, properties=names))
    assert len(rows) == sum(a.at <= hubspot.world.now for a in hubspot.world.nps)
    for row in rows[:20]:
        value = row["properties"]
        assert value["hs_survey_type"] == "NPS"
        assert value["hs_response_group"] == (
            "PROMOTER" if int(value["hs_value"]) >= 9 else "PASSIVE" if int(value["hs_value"]) >= 7 else "DETRACTOR"
        )
    record = rows[0]["id"]
    assert hubspot.send("POST", path, json={"properties": {}}).status_code == 405
    assert hubspot.send("PATCH", f"{path}/{record}", json={"properties": {}}).status_code == 405
    assert hubspot.send("POST", f"{path}/batch/update", json={"inputs": []}).status_code == 405
    assert hubspot.send("DELETE", f"{path}/{record}").status_code == 405


def test_hand_made_tickets_have_stages_and_a_company(make_client: Callable[..., Any], wide_world: Any) -> None:
    client = make_client(world=wide_world)
    names = "hs_pipeline_stage,closed_date"
    rows = list(client.walk("/crm/v3/objects/tickets", properties=names, associations="companies"))
    companies = {row["associations"]["companies"]["results"][0]["id"] for row in rows}
    assert 0.005 < len(companies) / len(wide_world.companies) < 0.05
    assert {row["properties"]["hs_pipeline_stage"] == "4" for row in rows} == {True, False}
    for row in rows:
        closed = row["properties"]["hs_pipeline_stage"] == "4"
        assert closed == (row["properties"]["closed_date"] is not None)
        assert row["associations"]["companies"]["results"][0]["type"] == "ticket_to_company"


def test_fields_are_left_out_at_random_but_never_ids(make_client: Callable[..., Any]) -> None:
    client = make_client(leave_out=0.5)
    rows = client.get(CONTACTS, limit=100, properties="jobtitle,product_user_id")["results"]
    assert all({"id", "properties"} <= set(row) for row in rows)
    assert 0 < sum("updatedAt" in row for row in rows) < len(rows)
    again = make_client(leave_out=0.5).get(CONTACTS, limit=100, properties="jobtitle,product_user_id")["results"]
    assert rows == again
    assert all("email" in owner for owner in client.get("/crm/v3/owners")["results"])


def test_the_truth_names_every_living_record(hubspot: Any) -> None:
    truth = hubspot.sandbox.truth()["hubspot"]
    assert set(truth["contact"]) == {row["id"] for row in hubspot.walk(CONTACTS, limit=100)}
    record_id, company = hubspot.company()
    assert truth["account"][record_id] == company.id
    duplicate = next(p for p in hubspot.world.people if p.in_crm and p.duplicate_of)
    if duplicate.created_at <= hubspot.world.now:
        assert truth["contact"][str(hubspot_contact_id(duplicate.id))] == duplicate.duplicate_of
    assert hubspot_company_id(company.id) == int(record_id)
