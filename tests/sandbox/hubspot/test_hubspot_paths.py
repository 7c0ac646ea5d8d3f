from typing import Any

import pytest

from sandbox.hubspot_paths import DATED_VERSIONS, match

SAME: list[tuple[str, str, str, Any]] = [
    ("GET", "/crm/v3/objects/companies", "/crm/objects/{v}/companies", None),
    ("POST", "/crm/v3/objects/contacts/search", "/crm/objects/{v}/contacts/search", {"limit": 3}),
    ("POST", "/crm/v3/objects/deals/batch/read", "/crm/objects/{v}/deals/batch/read", {"inputs": []}),
    (
        "POST",
        "/crm/v4/associations/contacts/companies/batch/read",
        "/crm/associations/{v}/contacts/companies/batch/read",
        {"inputs": [{"id": "50000013"}]},
    ),
    ("GET", "/crm/v4/associations/tasks/companies/labels", "/crm/associations/{v}/tasks/companies/labels", None),
    ("GET", "/crm/v3/properties/companies", "/crm/properties/{v}/companies", None),
    ("GET", "/crm/v3/properties/companies/groups", "/crm/properties/{v}/companies/groups", None),
    ("GET", "/crm/v3/owners", "/crm/owners/{v}", None),
    ("GET", "/crm/v3/pipelines/deals", "/crm/pipelines/{v}/deals", None),
    ("GET", "/crm/v3/limits/custom-properties", "/crm/limits/{v}/custom-properties", None),
    ("GET", "/account-info/v3/details", "/account-info/{v}/details", None),
]


@pytest.mark.parametrize("version", DATED_VERSIONS)
def test_both_families_answer_alike(hubspot: Any, version: str) -> None:
    for method, legacy, dated, body in SAME:
        old = hubspot.send(method, legacy, json=body)
        new = hubspot.send(method, dated.replace("{v}", version), json=body)
        assert old.status_code == new.status_code < 300
        assert new.text.replace(dated.replace("{v}", version), legacy) == old.text


def test_the_old_paths_can_be_switched_off(hubspot: Any) -> None:
    hubspot.mutate("options", legacy_paths=False)
    for method, legacy, dated, body in SAME:
        assert hubspot.ask(method, legacy, 404, json=body)["category"] == "OBJECT_NOT_FOUND"
        assert hubspot.send(method, dated.replace("{v}", "2026-09"), json=body).status_code < 300
    hubspot.ask("POST", "/oauth/v1/token", 404)


@pytest.mark.parametrize("path", ["/", "/crm/v3", "/crm/objects/2024-01/companies", "/crm/v5/objects/contacts"])
def test_other_paths_are_not_found(hubspot: Any, path: str) -> None:
    hubspot.get(path, 404)


def test_a_known_path_with_another_method_is_405(hubspot: Any) -> None:
    assert hubspot.send("PUT", "/crm/v3/objects/companies").status_code == 405
    assert hubspot.send("GET", "/crm/v3/objects/companies/search").status_code == 405


def test_a_trailing_slash_makes_no_difference(hubspot: Any) -> None:
    assert hubspot.get("/crm/v3/owners/") == hubspot.get("/crm/v3/owners")


def test_groups_of_paths_are_told_apart() -> None:
    found = match("/crm/objects/2026-09/contacts/5/associations/default/companies/6")
    assert found is not None
    assert (found.operations, found.version, found.legacy) == ({"PUT": "links.put_default"}, "2026-09", False)
    assert found.params == {"kind": "contacts", "id": "5", "to": "companies", "to_id": "6"}
    old = match("/oauth/v1/token")
    assert old is not None
    assert old.version == "v1"


@pytest.mark.parametrize(
    ("method", "path", "write"),
    [
        ("GET", "/crm/v3/objects/companies", False),
        ("POST", "/crm/v3/objects/companies/search", False),
        ("POST", "/crm/objects/2026-09/companies/batch/read", False),
        ("POST", "/crm/v4/associations/companies/tasks/batch/read", False),
        ("POST", "/crm/v3/properties/companies/batch/read", False),
        ("POST", "/oauth/v1/token", False),
        ("POST", "/crm/v3/objects/companies", True),
        ("POST", "/crm/v3/objects/companies/batch/update", True),
        ("POST", "/crm/v3/properties/companies/groups", True),
        ("PATCH", "/crm/v3/objects/companies/1", True),
        ("DELETE", "/crm/v3/objects/companies/1", True),
        ("PUT", "/crm/v4/objects/tasks/1/associations/companies/2", True),
        ("POST", "/somewhere/else", True),
    ],
)
def test_the_journal_knows_what_writes(hubspot: Any, method: str, path: str, write: Any) -> None:
    hubspot.send(method, path, json={})
    (entry,) = hubspot.sandbox.journal.entries("hubspot")
    assert entry.write is write
