from collections.abc import Callable
from typing import Any

import pytest

from sandbox.core import hubspot_company_id

COMPANIES = "/crm/v3/objects/companies"
CONTACTS = "/crm/v3/objects/contacts"


def two_companies(hubspot: Any) -> tuple[str, str]:
    first, second = (row["id"] for row in hubspot.get(COMPANIES, limit=2)["results"])
    return first, second


def test_a_merge_keeps_the_winner_and_leads_the_loser_to_it(hubspot: Any) -> None:
    winner, loser = two_companies(hubspot)
    contacts = f"/crm/v4/objects/companies/{loser}/associations/contacts"
    moved = {row["toObjectId"] for row in hubspot.walk(contacts)}
    body = {"primaryObjectId": winner, "objectIdToMerge": loser}
    assert hubspot.post(f"{COMPANIES}/merge", body)["id"] == winner
    found = hubspot.get(f"{COMPANIES}/{loser}", properties="hs_merged_object_ids,name")
    assert found["id"] == winner
    assert found["properties"]["hs_merged_object_ids"] == loser
    assert loser not in {row["id"] for row in hubspot.walk(COMPANIES)}
    assert hubspot.get(COMPANIES, archived="true")["results"] == []
    now_on = {row["toObjectId"] for row in hubspot.walk(f"/crm/v4/objects/companies/{winner}/associations/contacts")}
    assert moved
    assert moved <= now_on
    hubspot.later(10)
    assert hubspot.search("companies", ("hs_object_id", "EQ", loser))["total"] == 0
    truth = hubspot.sandbox.truth()["hubspot"]["account"]
    assert winner in truth
    assert loser not in truth


def test_a_merge_can_mint_a_new_id(make_client: Callable[..., Any]) -> None:
    client = make_client(merge_mints_id=True)
    winner, loser = two_companies(client)
    world_id = client.sandbox.truth()["hubspot"]["account"][winner]
    minted = client.post(f"{COMPANIES}/merge", {"primaryObjectId": winner, "objectIdToMerge": loser})
    assert minted["id"] not in {winner, loser}
    assert set(minted["properties"]["hs_merged_object_ids"].split(";")) == {winner, loser}
    assert client.get(f"{COMPANIES}/{winner}")["id"] == minted["id"]
    assert client.get(f"{COMPANIES}/{loser}")["id"] == minted["id"]
    assert client.sandbox.truth()["hubspot"]["account"][minted["id"]] == world_id
    third = client.get(COMPANIES, limit=1)["results"][0]["id"]
    again = client.mutate("merge", object="companies", winner=minted["id"], loser=third)
    assert client.get(f"{COMPANIES}/{winner}")["id"] == again
    assert client.sandbox.truth()["hubspot"]["account"][again] == world_id


def test_the_winner_takes_what_it_lacks(hubspot: Any) -> None:
    _, loser = two_companies(hubspot)
    made = hubspot.post(COMPANIES, {"properties": {"name": "Twin"}}, 201)["id"]
    domain = hubspot.record("companies", loser, "domain")["domain"]
    hubspot.mutate("merge", object="companies", winner=made, loser=loser)
    shown = hubspot.record("companies", made, "name", "domain")
    assert (shown["name"], shown["domain"]) == ("Twin", domain)


def test_a_merged_contact_keeps_one_primary_company(hubspot: Any) -> None:
    first, person = hubspot.contact(0)
    now = hubspot.world.now
    other = next(
        p for p in hubspot.world.people if p.in_crm and p.company_id != person.company_id and p.created_at <= now
    )
    hubspot.mutate("merge", object="contacts", winner=first, loser=50_000_000 + 13 * other.id)
    rows = hubspot.get(f"/crm/v4/objects/contacts/{first}/associations/companies")["results"]
    primaries = [row["toObjectId"] for row in rows if any(t["typeId"] == 1 for t in row["associationTypes"])]
    assert primaries == [str(hubspot_company_id(person.company_id))]
    assert str(hubspot_company_id(other.company_id)) in {row["toObjectId"] for row in rows}


@pytest.mark.parametrize("body", [{}, {"primaryObjectId": "a", "objectIdToMerge": "b"}])
def test_merges_that_make_no_sense(hubspot: Any, body: dict[str, str]) -> None:
    winner, loser = two_companies(hubspot)
    hubspot.post(f"{COMPANIES}/merge", body, 400)
    hubspot.post(f"{COMPANIES}/merge", {"primaryObjectId": winner, "objectIdToMerge": winner}, 400)
    hubspot.post(f"{COMPANIES}/merge", {"primaryObjectId": winner, "objectIdToMerge": "12"}, 404)
    hubspot.mutate("merge", object="companies", winner=winner, loser=loser)
    hubspot.post(f"{COMPANIES}/merge", {"primaryObjectId": winner, "objectIdToMerge": loser}, 400)
    assert hubspot.send("POST", "/crm/v3/objects/tasks/merge", json={}).status_code == 405


def test_a_human_edits_even_what_the_api_may_not(hubspot: Any) -> None:
    record_id, _ = hubspot.company()
    hubspot.later(7)
    hubspot.mutate(
        "edit", object="companies", id=record_id, properties={"name": "By hand", "hs_parent_company_id": "1"}
    )
    shown = hubspot.get(f"{COMPANIES}/{record_id}", propertiesWithHistory="name")
    assert shown["updatedAt"] == "2026-11-22T00:00:07.000Z"
    assert shown["propertiesWithHistory"]["name"][0]["sourceType"] == "CRM_UI"
    with pytest.raises(ValueError, match="no companies record 12"):
        hubspot.mutate("edit", object="companies", id="12", properties={})
    with pytest.raises(ValueError, match="does not exist"):
        hubspot.mutate("edit", object="companies", id=record_id, properties={"nonsense": "1"})


def test_a_workflow_rewrites_after_a_write_over_the_api_only(hubspot: Any) -> None:
    record_id, _ = hubspot.company()
    flow = {"object": "companies", "when": "description", "set": "phone", "value": "rewritten", "delay": 5}
    hubspot.mutate("flow", **flow)
    hubspot.mutate("edit", object="companies", id=record_id, properties={"description": "by hand"})
    hubspot.later(10)
    assert hubspot.record("companies", record_id, "phone")["phone"] is None
    hubspot.ask("PATCH", f"{COMPANIES}/{record_id}", json={"properties": {"description": "by us"}})
    hubspot.later(4)
    assert hubspot.record("companies", record_id, "phone")["phone"] is None
    hubspot.later(3600)
    shown = hubspot.get(f"{COMPANIES}/{record_id}", properties="phone")
    assert shown["properties"]["phone"] == "rewritten"
    assert shown["updatedAt"] == "2026-11-22T00:00:15.000Z"


def test_a_workflow_without_delay_runs_in_the_same_call_and_spares_the_dead(hubspot: Any) -> None:
    first, second = two_companies(hubspot)
    hubspot.mutate("flow", object="companies", when="description", set="description", value="theirs")
    hubspot.ask("PATCH", f"{COMPANIES}/{first}", json={"properties": {"description": "ours"}})
    assert hubspot.record("companies", first, "description")["description"] == "theirs"
    hubspot.mutate("flow", object="companies", when="phone", set="phone", value="1", delay=1)
    hubspot.ask("PATCH", f"{COMPANIES}/{second}", json={"properties": {"phone": "2"}})
    hubspot.ask("DELETE", f"{COMPANIES}/{second}", 204)
    hubspot.later(5)
    assert hubspot.get(f"{COMPANIES}/{second}", archived="true", properties="phone")["properties"]["phone"] == "2"


def test_a_mass_update_gives_all_the_same_stamp(hubspot: Any) -> None:
    assert hubspot.mutate("touch", object="contacts", count=30, properties={"phone": "5"}) == 30
    rows = hubspot.get(CONTACTS, limit=40, properties="phone")["results"]
    assert {row["updatedAt"] for row in rows[:30]} == {"2026-11-22T00:00:00.000Z"}
    assert [row["properties"]["phone"] for row in rows] == ["5"] * 30 + [None] * 10
    assert hubspot.mutate("touch", object="contacts", ids=[rows[35]["id"]]) == 1
    assert hubspot.get(f"{CONTACTS}/{rows[35]['id']}")["updatedAt"] == "2026-11-22T00:00:00.000Z"


def test_owners_leave_and_need_a_second_pass(hubspot: Any) -> None:
    path = "/crm/v3/owners/"
    active = hubspot.get(path)["results"]
    leaver = active[0]
    assert leaver["id"] != str(leaver["userId"])
    hubspot.mutate("deactivate_owner", id=leaver["id"])
    assert leaver["id"] not in {row["id"] for row in hubspot.get(path)["results"]}
    gone = hubspot.get(path, archived="true")["results"]
    assert leaver["id"] in {row["id"] for row in gone}
    assert all(row["archived"] and "archivedAt" not in row and "userId" not in row for row in gone)
    hubspot.get(f"{path}{leaver['id']}", 404)
    assert hubspot.get(f"{path}{leaver['id']}", archived="true")["email"] == leaver["email"]
    hubspot.mutate("set_owner", id=leaver["id"], active=True)
    assert hubspot.get(f"{path}{leaver['id']}")["archived"] is False
    with pytest.raises(ValueError, match="no owner 5"):
        hubspot.mutate("deactivate_owner", id="5")


def test_owners_page_and_filter(hubspot: Any) -> None:
    every = hubspot.get("/crm/v3/owners")["results"]
    assert list(hubspot.walk("/crm/v3/owners", limit=2)) == every
    one = every[1]
    assert hubspot.get("/crm/v3/owners", email=one["email"].upper())["results"] == [one]
    assert hubspot.get(f"/crm/v3/owners/{one['userId']}", idProperty="userId") == one
    hubspot.get("/crm/v3/owners", 400, limit=501)


def test_unknown_actions_and_options_say_what_is_known(hubspot: Any) -> None:
    with pytest.raises(ValueError, match="no action 'explode'; known: edit"):
        hubspot.mutate("explode")
    with pytest.raises(ValueError, match="unknown option 'lag'; known: search_lag"):
        hubspot.mutate("options", lag=1)
    with pytest.raises(ValueError, match="Unable to infer object type"):
        hubspot.mutate("archive", object="spaceships", id=1)


def test_pipelines_exist_for_deals_and_tickets_only(hubspot: Any) -> None:
    hubspot.get("/crm/v3/pipelines/contacts", 400)
    hubspot.get("/crm/v3/pipelines/deals/nonsense", 404)
    stage = hubspot.get("/crm/v3/pipelines/deals/default/stages/closedwon")
    assert stage["metadata"] == {"isClosed": "true", "probability": "1.0"}
    used = {row["properties"]["dealstage"] for row in hubspot.walk("/crm/v3/objects/deals", limit=100)}
    known = {s["id"] for p in hubspot.get("/crm/v3/pipelines/deals")["results"] for s in p["stages"]}
    assert used <= known
