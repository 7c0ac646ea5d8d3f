"""The simulator against the vendor's own descriptions; they are no part of this repository."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts import contract

EXAMPLES = {
    "incremental/tickets.json": "TimeBasedExportIncrementalTicketsResponse",
    "incremental/tickets/cursor.json": "CursorBasedExportIncrementalTicketsResponse",
    "incremental/users.json": "TimeBasedExportIncrementalUsersResponse",
    "incremental/users/cursor.json": "CursorBasedExportIncrementalUsersResponse",
    "incremental/organizations.json": "ExportIncrementalOrganizationsResponse",
}


def differences(example: Any, ours: list[Any], path: str = "") -> Iterator[str]:
    """Keys that the example has and we have not, and values of another JSON type; null goes with everything."""
    present = [value for value in ours if value is not None]
    if isinstance(example, dict):
        for key, value in example.items():
            if not all(key in item for item in present if isinstance(item, dict)):
                yield f"{path}.{key}: missing"
            yield from differences(value, [item[key] for item in present if key in item], f"{path}.{key}")
    elif isinstance(example, list):
        items = [item for value in present for item in value]
        for value in example[:1]:
            yield from differences(value, items, f"{path}[]")
    elif example is not None:
        kinds = {kind_of(value) for value in present}
        if not kinds <= {kind_of(example)}:
            yield f"{path}: {kinds} instead of {kind_of(example)}"


def kind_of(value: Any) -> str:
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


FREE = (".custom_fields[].value", ".user_fields.", ".organization_fields.")
"""What every account decides for itself."""


@pytest.mark.parametrize(("path", "schema"), EXAMPLES.items())
def test_exports_have_the_keys_and_types_of_the_examples(desk: Any, path: str, schema: str) -> None:
    example = contract("zendesk", "incremental.openapi.yml")["components"]["schemas"][schema]["example"]
    ours = desk.json(path, start_time=0)
    optional = {"chat_only", "satisfaction_rating.comment", "satisfaction_rating.id"}
    found = [d for d in differences(example, [ours]) if not any(free in d for free in FREE)]
    found = [d for d in found if not any(name in d for name in optional)]
    assert found == []


def test_the_example_cursor_is_ours(desk: Any) -> None:
    schemas = contract("zendesk", "incremental.openapi.yml")["components"]["schemas"]
    schema = schemas["CursorBasedExportIncrementalTicketsResponse"]
    page = desk.json("incremental/tickets/cursor.json", cursor=schema["example"]["after_cursor"])
    assert page["tickets"]


def test_survey_responses_look_like_the_example(desk: Any) -> None:
    example = contract("zendesk", "csat-survey-responses.list.example.json")
    page = desk.json("guide/survey_responses")
    assert set(example) <= set(page)
    assert set(example["meta"]) == set(page["meta"])
    theirs = example["survey_responses"][0]
    for ours in page["survey_responses"]:
        assert set(ours) == set(theirs)
        assert set(ours["survey"]) == set(theirs["survey"])
        assert set(ours["subjects"][0]) == set(theirs["subjects"][0])
    shapes = {(a["type"], frozenset(a), frozenset(a["question"])) for a in theirs["answers"]}
    mine = {(a["type"], frozenset(a), frozenset(a["question"])) for r in page["survey_responses"] for a in r["answers"]}
    assert mine <= shapes


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("satisfaction-ratings", "satisfaction_ratings"),
        ("organization-memberships", "organization_memberships"),
        ("users", "users/me"),
        ("users", "users/{user_id}/identities"),
        ("organizations", "organizations"),
        ("tickets", "tickets"),
        ("search", "search/export"),
        ("ticket-metrics", "ticket_metrics"),
    ],
)
def test_paths_are_the_vendor_s(make: Any, name: str, path: str) -> None:
    described = contract("zendesk", f"{name}.openapi.yml")["paths"]
    assert f"/api/v2/{path}" in described
    desk = make(csat="legacy")
    user = desk.json("users/me.json")["user"]["id"]
    params = {"filter[type]": "ticket", "query": ""} if "search" in path else {}
    assert desk.get(path.replace("{user_id}", str(user)), **params).status_code == 200
