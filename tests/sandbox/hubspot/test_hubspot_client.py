"""The vendor's own client, unmodified, over real HTTP: the proof that the simulator speaks its language."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.core import HUBSPOT_TOKEN, Sandbox
from sandbox.serve import serve


@pytest.fixture
def sandbox(small_world: Any) -> Sandbox:
    return Sandbox(small_world, vendors=("hubspot",), options={"hubspot": {"search_limit": None}})


@pytest.fixture
def host(sandbox: Sandbox) -> Iterator[str]:
    with serve(sandbox) as running:
        yield running.base_urls["hubspot"]


@pytest.fixture
def client(host: str) -> Any:
    import urllib3
    from hubspot import HubSpot

    logging.getLogger("urllib3").setLevel(logging.WARNING)
    retry = urllib3.util.Retry(total=0, raise_on_status=False)
    return HubSpot(access_token=HUBSPOT_TOKEN, host=host, retry=retry)


def test_contacts_and_companies_are_listed_to_the_end(client: Any, sandbox: Sandbox) -> None:
    contacts = client.crm.contacts.get_all(properties=["email", "jobtitle"], associations=["companies"])
    now = sandbox.clock.now()
    assert len(contacts) == sum(p.in_crm and p.created_at <= now for p in sandbox.world.people)
    assert contacts[0].created_at.tzinfo is not None
    assert contacts[0].associations["companies"].results[0].type.startswith("contact_to_company")
    page = client.crm.companies.basic_api.get_page(limit=5, properties=["plan_name"], archived=False)
    assert page.paging.next.after
    assert page.results[0].properties["plan_name"]


def test_search(client: Any) -> None:
    body = {
        "filterGroups": [{"filters": [{"propertyName": "plan_name", "operator": "EQ", "value": "team"}]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": ["plan_name"],
        "limit": 200,
    }
    found = client.crm.companies.search_api.do_search(public_object_search_request=body)
    assert found.total == len(found.results) > 0
    assert {row.properties["plan_name"] for row in found.results} == {"team"}


def test_properties_are_made_and_written_in_batches(client: Any) -> None:
    from hubspot.crm.properties.exceptions import ApiException

    groups = client.crm.properties.groups_api
    groups.create(object_type="companies", property_group_create={"name": "our_health", "label": "Health"})
    definition = {
        "name": "our_score",
        "label": "Score",
        "type": "number",
        "fieldType": "number",
        "groupName": "our_health",
    }
    made = client.crm.properties.batch_api.create(
        object_type="companies", batch_input_property_create={"inputs": [definition]}
    )
    assert made.results[0].name == "our_score"
    with pytest.raises(ApiException) as caught:
        client.crm.properties.core_api.create(object_type="companies", property_create=definition)
    assert caught.value.status == 409
    shown = client.crm.properties.core_api.get_by_name(object_type="companies", property_name="our_score")
    assert shown.modification_metadata.read_only_value is False

    ids = [row.id for row in client.crm.companies.basic_api.get_page(limit=20).results]
    inputs = [{"id": i, "properties": {"our_score": "72.5"}} for i in ids]
    answer = client.crm.companies.batch_api.update(batch_input_simple_public_object_batch_input={"inputs": inputs})
    assert (answer.status, len(answer.results)) == ("COMPLETE", 20)
    partial = client.crm.companies.batch_api.update(
        batch_input_simple_public_object_batch_input={"inputs": [*inputs[:1], {"id": "12", "properties": {}}]}
    )
    assert partial.num_errors == 1
    assert partial.errors[0].context["ids"] == ["12"]
    read = client.crm.companies.batch_api.read(
        batch_read_input_simple_public_object_id={
            "inputs": [{"id": i} for i in ids],
            "properties": ["our_score"],
            "propertiesWithHistory": [],
        }
    )
    assert {row.properties["our_score"] for row in read.results} == {"72.5"}


def test_tasks_are_made_with_associations_and_found_again(client: Any) -> None:
    company = client.crm.companies.basic_api.get_page(limit=1).results[0].id
    specs = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}]
    item = {
        "properties": {"hs_timestamp": "2026-12-01T00:00:00Z", "hs_task_subject": "Call"},
        "associations": [{"to": {"id": company}, "types": specs}],
    }
    made = client.crm.objects.tasks.batch_api.create(
        batch_input_simple_public_object_batch_input_for_create={"inputs": [item]}
    )
    links = client.crm.associations.v4.batch_api.get_page(
        from_object_type="companies",
        to_object_type="tasks",
        batch_input_public_fetch_associations_batch_request={"inputs": [{"id": company}]},
    )
    assert links.results[0].to[0].to_object_id == made.results[0].id
    assert links.results[0].to[0].association_types[0].type_id == 191
    listed = client.crm.associations.v4.basic_api.get_page(
        object_type="tasks", object_id=made.results[0].id, to_object_type="companies"
    )
    assert listed.results[0].to_object_id == company


def test_associations_are_written(client: Any) -> None:
    contact = client.crm.contacts.basic_api.get_page(limit=1).results[0].id
    company = client.crm.companies.basic_api.create(
        simple_public_object_input_for_create={"properties": {"name": "New"}, "associations": []}
    ).id
    specs = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]
    made = client.crm.associations.v4.basic_api.create(
        object_type="contacts",
        object_id=contact,
        to_object_type="companies",
        to_object_id=company,
        association_spec=specs,
    )
    assert made.labels == ["Primary"]
    assert (
        client.crm.contacts.basic_api.get_by_id(contact, properties=["associatedcompanyid"]).properties[
            "associatedcompanyid"
        ]
        == company
    )


def test_owners_pipelines_and_feedback(client: Any) -> None:
    owners = client.crm.owners.owners_api.get_page(limit=100, archived=False)
    assert owners.results[0].user_id
    stages = client.crm.pipelines.pipelines_api.get_all(object_type="deals").results[0].stages
    assert {stage.metadata["isClosed"] for stage in stages} == {"true", "false"}
    ticket_stages = client.crm.pipelines.pipeline_stages_api.get_all(object_type="tickets", pipeline_id="0")
    assert [stage.metadata["ticketState"] for stage in ticket_stages.results].count("CLOSED") == 1
    answers = client.crm.objects.feedback_submissions.basic_api.get_page(properties=["hs_value"])
    assert 0 <= int(answers.results[0].properties["hs_value"]) <= 10


def test_merge_and_archive(client: Any) -> None:
    winner, loser = (row.id for row in client.crm.companies.basic_api.get_page(limit=2).results)
    merged = client.crm.companies.basic_api.merge(
        public_merge_input={"primaryObjectId": winner, "objectIdToMerge": loser}
    )
    assert merged.id == winner
    assert client.crm.companies.basic_api.get_by_id(loser).id == winner
    client.crm.companies.basic_api.archive(winner)
    gone = client.crm.companies.basic_api.get_page(archived=True).results
    assert [(row.id, row.archived) for row in gone] == [(winner, True)]
    assert gone[0].archived_at is not None


def test_oauth(client: Any) -> None:
    answer = client.oauth.tokens_api.create(
        grant_type="refresh_token",
        client_id="sandbox-client",
        client_secret="sandbox-client-secret",
        refresh_token="sandbox-refresh-token",
    )
    assert answer.expires_in == 1800


def test_errors_reach_the_client_with_status_body_and_headers(client: Any) -> None:
    from hubspot.crm.companies.exceptions import ApiException

    with pytest.raises(ApiException) as caught:
        client.crm.companies.basic_api.get_by_id("12")
    assert caught.value.status == 404
    assert '"category": "OBJECT_NOT_FOUND"' in caught.value.body
    assert caught.value.headers["X-HubSpot-RateLimit-Max"] == "190"


def test_account_info_over_the_same_port(host: str) -> None:
    session = requests.Session()
    session.trust_env = False
    headers = {"Authorization": f"Bearer {HUBSPOT_TOKEN}"}
    answer = session.get(f"{host}/account-info/v3/details", headers=headers, timeout=5)
    assert answer.json()["accountType"] == "STANDARD"
    session.close()
