"""The simulator against the vendor's own descriptions; they are no part of this repository."""

import json
from typing import Any

from tests.contracts import contract

VALUES = {
    "project_id": "4242",
    "from_date": "2026-11-18",
    "to_date": "2026-11-18",
    "limit": "10",
    "event": '["Signed in"]',
    "where": 'properties["$os"] == "iOS"',
    "time_in_ms": "true",
}
KINDS = {"integer": (int,), "string": (str,), "array": (list,), "object": (dict,)}


def test_export_takes_every_described_parameter(project: Any) -> None:
    described = contract("mixpanel", "export.openapi.yaml")["paths"]["/export"]["get"]["parameters"]
    names = {p["name"] for p in described if p["in"] == "query"}
    assert names == set(VALUES)
    response = project.session.get(project.base + "2.0/export", params={name: VALUES[name] for name in names})
    assert response.status_code == 200
    required = {p["name"] for p in described if p.get("required")}
    for name in required | {"project_id"}:
        assert (
            project.session.get(project.base + "2.0/export", params={n: VALUES[n] for n in names - {name}}).status_code
            == 400
        )


def test_events_have_the_properties_of_the_example(project: Any) -> None:
    content = contract("mixpanel", "export.openapi.yaml")["paths"]["/export"]["get"]["responses"]["200"]["content"]
    (kind, body), *_ = content.items()
    theirs = [json.loads(line) for line in body["schema"]["example"].split("\n") if line]
    assert project.export("2026-11-18").headers["Content-Type"].startswith(kind)
    for ours in project.events("2026-11-18"):
        assert set(theirs[0]) == set(ours)
        assert set(theirs[0]["properties"]) <= set(ours["properties"])


def test_engage_answers_as_described(project: Any) -> None:
    engage = contract("mixpanel", "query.openapi.yaml")["paths"]["/engage"]["post"]
    answer = engage["responses"]["200"]["content"]["application/json"]
    page = project.engage().json()
    for name, schema in answer["schema"]["properties"].items():
        assert isinstance(page[name], KINDS[schema["type"]]), name
    example = answer["examples"]["example"]["value"]
    assert set(example) <= set(page)
    assert set(example["results"][0]) == set(page["results"][0])
    assert page["page_size"] == example["page_size"]
    example_keys = set(example["results"][0]["$properties"])
    assert example_keys <= {key for row in page["results"] for key in row["$properties"]}


def test_engage_understands_the_described_form(project: Any) -> None:
    form = contract("mixpanel", "query.openapi.yaml")["paths"]["/engage"]["post"]["requestBody"]["content"]
    names = set(form["application/x-www-form-urlencoded"]["schema"]["properties"])
    understood = {
        "distinct_id", "distinct_ids", "data_group_id", "where", "output_properties", "session_id", "page",
        "filter_by_cohort", "include_all_users",
    }  # fmt: skip
    assert names - understood == {"behaviors", "as_of_timestamp"}


def test_cohorts_answer_as_described(project: Any) -> None:
    cohorts = contract("mixpanel", "query.openapi.yaml")["paths"]["/cohorts/list"]["post"]
    schema = cohorts["responses"]["200"]["content"]["application/json"]["schema"]["items"]["properties"]
    for cohort in project.engage(path="query/cohorts/list").json():
        for name, described in schema.items():
            assert isinstance(cohort[name], KINDS[described["type"]]), name


def test_service_accounts_of_a_project_are_listed_as_described(project: Any) -> None:
    schemas = contract("mixpanel", "service-accounts.openapi.yaml")["components"]["schemas"]
    described = schemas["ListServiceAccountsForProjectResponse"]["properties"]["results"]["items"]["allOf"][1]
    wanted = {**schemas["ServiceAccountRead"]["properties"], **described["properties"]}
    project.sandbox.mutate("mixpanel", "member", role="consumer")
    answer = project.get("app/projects/4242/service-accounts").json()
    assert answer["status"] == "ok"
    for row in answer["results"]:
        assert set(row) == set(wanted)
        assert row["role"] in schemas["RoleEnum"]["enum"]
        assert row["target_type"] in described["properties"]["target_type"]["enum"]
    project.sandbox.mutate("mixpanel", "member", listed=False)
    refused = project.get("app/projects/4242/service-accounts")
    assert (refused.status_code, refused.json()["status"]) == (403, "error")
