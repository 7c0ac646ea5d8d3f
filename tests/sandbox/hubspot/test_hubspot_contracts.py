"""Held to the vendor's published shapes: every answer carries what the client's models require, in the right types."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import pytest

from sandbox.hubspot_activities import KINDS
from sandbox.hubspot_paths import DATED_VERSIONS, match
from sandbox.hubspot_types import LINK_TYPES, OBJECTS

SCALARS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": (int, float),
    "object": object,
}


class Model:
    """Checks JSON against one package's models; nothing but the declared keys may appear."""

    def __init__(self, models: dict[str, Any]) -> None:
        self.models = models

    def check(self, kind: str, value: Any, where: str) -> None:
        if kind.startswith("list["):
            assert isinstance(value, list), where
            for n, item in enumerate(value):
                self.check(kind[5:-1], item, f"{where}[{n}]")
        elif kind.startswith("dict["):
            assert isinstance(value, dict), where
            inner = kind[5:-1].partition(", ")[2]
            for key, item in value.items():
                # Property values are text or null whatever the declaration says.
                if item is not None or inner != "str":
                    self.check(inner, item, f"{where}.{key}")
        elif kind == "datetime":
            assert datetime.fromisoformat(value).tzinfo is not None, where
        elif kind in SCALARS:
            assert isinstance(value, SCALARS[kind]), f"{where}: {value!r} is not {kind}"
            assert kind == "bool" or not isinstance(value, bool) or kind == "object", where
        else:
            self.record(kind, value, where)

    def record(self, kind: str, value: Any, where: str) -> None:
        fields = self.models[kind]
        assert isinstance(value, dict), where
        missing = {name for name, field in fields.items() if field.get("required")} - set(value)
        assert not missing, f"{where}: {kind} lacks {missing}"
        unknown = set(value) - set(fields)
        assert not unknown, f"{where}: {kind} knows no {unknown}"
        for name, item in value.items():
            if item is None and not fields[name].get("required"):
                continue
            if "enum" in fields[name]:
                assert item in fields[name]["enum"], f"{where}.{name}"
            self.check(fields[name]["type"], item, f"{where}.{name}")


GROUP = {"name": "our_group", "label": "Ours"}
PROPERTY = {"name": "our_x", "label": "X", "type": "string", "fieldType": "text", "groupName": "our_group"}
ONE = {"inputs": [{"id": "{id}", "properties": {}}]}
TWO = {"inputs": [{"id": "{id}", "properties": {}}, {"id": "12", "properties": {}}]}
TASK = {"properties": {"hs_timestamp": "1"}, "associations": []}

Ask = tuple[str, str, str, dict[str, Any] | None, int]
"""Package, client call, path, body, status."""

OBJECT_CALLS: list[tuple[str, str, Any, int]] = [
    ("BasicApi.get_page", "", None, 200),
    ("BasicApi.get_by_id", "/{id}", None, 200),
    ("BatchApi.read", "/batch/read", ONE, 200),
    ("BatchApi.read", "/batch/read", TWO, 207),
    ("SearchApi.do_search", "/search", {"limit": 3}, 200),
]
WRITE_CALLS: list[tuple[str, str, Any, int]] = [
    ("BasicApi.update", "/{id}", {"properties": {}}, 200),
    ("BatchApi.update", "/batch/update", ONE, 200),
    ("BatchApi.update", "/batch/update", TWO, 207),
    ("BatchApi.archive", "/batch/archive", {"inputs": []}, 204),
    ("BasicApi.archive", "/{id}", None, 204),
]
OTHER_CALLS: list[Ask] = [
    ("tasks", "BasicApi.create", "/crm/v3/objects/tasks", TASK, 201),
    ("tasks", "BatchApi.create", "/crm/v3/objects/tasks/batch/create", {"inputs": [TASK]}, 201),
    (
        "tasks",
        "BatchApi.create",
        "/crm/v3/objects/tasks/batch/create",
        {"inputs": [{**TASK, "objectWriteTraceId": "a"}, {"properties": {"x": "1"}, "objectWriteTraceId": "b"}]},
        207,
    ),
    (
        "contacts",
        "BatchApi.upsert",
        "/crm/v3/objects/contacts/batch/upsert",
        {"inputs": [{"id": "a@x.example", "idProperty": "email", "properties": {}}]},
        200,
    ),
    ("properties", "GroupsApi.create", "/crm/v3/properties/deals/groups", GROUP, 201),
    ("properties", "GroupsApi.get_all", "/crm/v3/properties/deals/groups", None, 200),
    ("properties", "GroupsApi.get_by_name", "/crm/v3/properties/deals/groups/our_group", None, 200),
    ("properties", "CoreApi.create", "/crm/v3/properties/deals", PROPERTY, 201),
    ("properties", "CoreApi.get_all", "/crm/v3/properties/deals", None, 200),
    ("properties", "CoreApi.get_by_name", "/crm/v3/properties/deals/our_x", None, 200),
    ("properties", "CoreApi.update", "/crm/v3/properties/deals/our_x", {"label": "Y"}, 200),
    ("properties", "BatchApi.read", "/crm/v3/properties/deals/batch/read", {"inputs": [{"name": "our_x"}]}, 200),
    ("properties", "BatchApi.read", "/crm/v3/properties/deals/batch/read", {"inputs": [{"name": "no"}]}, 207),
    ("properties", "BatchApi.create", "/crm/v3/properties/deals/batch/create", {"inputs": [PROPERTY]}, 207),
    ("properties", "CoreApi.archive", "/crm/v3/properties/deals/our_x", None, 204),
    ("properties", "CoreApi.get_all", "/crm/v3/properties/deals?archived=True", None, 200),
    ("owners", "OwnersApi.get_page", "/crm/v3/owners/?limit=2", None, 200),
    ("owners", "OwnersApi.get_page", "/crm/v3/owners/?archived=True", None, 200),
    ("pipelines", "PipelinesApi.get_all", "/crm/v3/pipelines/deals", None, 200),
    ("pipelines", "PipelinesApi.get_by_id", "/crm/v3/pipelines/tickets/0", None, 200),
    ("pipelines", "PipelineStagesApi.get_all", "/crm/v3/pipelines/tickets/0/stages", None, 200),
    ("pipelines", "PipelineStagesApi.get_by_id", "/crm/v3/pipelines/tickets/0/stages/4", None, 200),
    ("associations_v4", "BasicApi.get_page", "/crm/v4/objects/contacts/{contact}/associations/companies", None, 200),
    (
        "associations_v4",
        "BasicApi.create",
        "/crm/v4/objects/contacts/{contact}/associations/companies/{company}",
        [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}],  # type: ignore[list-item]  # a list body
        201,
    ),
    (
        "associations_v4",
        "BasicApi.create_default",
        "/crm/v4/objects/contacts/{contact}/associations/default/companies/{company}",
        {},
        200,
    ),
    (
        "associations_v4",
        "BatchApi.get_page",
        "/crm/v4/associations/contacts/companies/batch/read",
        {"inputs": [{"id": "{contact}"}, {"id": "12"}]},
        207,
    ),
    (
        "associations_v4_schema",
        "DefinitionsApi.get_all",
        "/crm/v4/associations/contacts/companies/labels",
        None,
        200,
    ),
]


def fill(value: Any, **ids: str) -> Any:
    """Put ids into a path or body."""
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], value)
    if isinstance(value, dict):
        return {key: fill(item, **ids) for key, item in value.items()}
    return [fill(item, **ids) for item in value] if isinstance(value, list) else value


def check_call(contract: Any, hubspot: Any, ask: Ask, **ids: str) -> None:
    package, call, path, body, status = ask
    operations = contract["packages"][package]["operations"]
    operation = next(o for o in operations if o["client_call"] == call)
    answer = hubspot.send(operation["method"], fill(path, **ids), json=fill(body, **ids))
    assert answer.status_code == status, answer.text
    model = operation["responses"].get(str(status))
    assert (model is None) == (status == 204), f"{call} declares {operation['responses']}"
    if model is not None:
        Model(contract["packages"][package]["models"]).check(model, answer.json(), call)


@pytest.fixture(scope="module")
def contract(contracts: Callable[[str], Any]) -> Any:
    return contracts("client_contract_v3_v4.json")


@pytest.mark.parametrize("kind", ["contacts", "companies", "deals", "tasks", "notes", "tickets"])
def test_records_have_the_declared_shape(contract: Any, make_client: Any, wide_world: Any, kind: str) -> None:
    client = make_client(world=wide_world)
    path = f"/crm/v3/objects/{kind}"
    for _ in range(2):
        needed = {"hs_timestamp": "1"} if kind in {"tasks", "notes"} else {}
        client.mutate("create", object=kind, properties=needed)
    record_id = client.get(path)["results"][0]["id"]
    for call, tail, body, status in [*OBJECT_CALLS, *WRITE_CALLS]:
        check_call(contract, client, (kind, call, path + tail, body, status), id=record_id)
    for query in ("?archived=True", "?associations=companies&propertiesWithHistory=hubspot_owner_id"):
        check_call(contract, client, (kind, "BasicApi.get_page", path + query, None, 200))


def test_feedback_has_the_declared_shape(contract: Any, hubspot: Any) -> None:
    path = "/crm/v3/objects/feedback_submissions"
    record_id = hubspot.get(path)["results"][0]["id"]
    for call, tail, body, status in OBJECT_CALLS:
        check_call(contract, hubspot, ("feedback_submissions", call, path + tail, body, status), id=record_id)


def test_everything_else_has_the_declared_shape(contract: Any, hubspot: Any) -> None:
    ids = {"contact": hubspot.contact()[0], "company": hubspot.company(3)[0]}
    for ask in OTHER_CALLS:
        check_call(contract, hubspot, ask, **ids)
    body = {"primaryObjectId": hubspot.company(0)[0], "objectIdToMerge": hubspot.company(1)[0]}
    check_call(contract, hubspot, ("companies", "BasicApi.merge", "/crm/v3/objects/companies/merge", body, 200))
    owner = hubspot.get("/crm/v3/owners")["results"][0]["id"]
    check_call(contract, hubspot, ("owners", "OwnersApi.get_by_id", f"/crm/v3/owners/{owner}", None, 200))


def test_every_operation_of_the_client_we_serve_is_routed(contract: Any) -> None:
    # The contract holds no packages of their own for activities: the generic one stands for them.
    served = [
        "crm_objects_generic",
        *(kind for kind in OBJECTS if kind not in KINDS),
        "properties",
        "owners",
        "associations_v4",
        "oauth",
    ]
    left_out = re.compile(r"gdpr-delete|high-usage-report")
    for package in served:
        for operation in contract["packages"][package]["operations"]:
            path = re.sub(r"\{\w+\}", "1", operation["path"])
            found = match(path)
            assert left_out.search(path) or (found and operation["method"] in found.operations), operation["path"]


def test_association_types_are_the_published_ones(contracts: Callable[[str], Any]) -> None:
    published = contracts("association_types.json")["types"]
    for (kind, to), types in LINK_TYPES.items():
        one, other = OBJECTS[kind].singular, OBJECTS[to].singular
        for link in types:
            if link.category == "HUBSPOT_DEFINED":
                name = f"{'primary_' if link.label else ''}{one}_to_{other}"
                assert published[name] == link.id


def expand(path: str) -> Iterable[str]:
    """The paths that a line of the path map stands for."""
    first = path.partition(" and ")[0]
    texts = [first]
    if " and " in path:
        texts.append(path.partition(" and ")[2].removeprefix("DELETE "))
    for text in texts:
        found = re.search(r"\[(.*?)\]", text)
        yield text.replace(found[0], "") if found else text
        if found and found[1] != "/...":
            yield text.replace(found[0], found[1])


def filled(path: str, op: str, version: str) -> str:
    """A path template with something in every place."""
    kinds = {"from": "contacts", "fromObjectType": "contacts", "to": "companies", "kind": "custom-properties"}
    return re.sub(r"\{(\w+)\}", lambda found: {**kinds, "op": op, "v": version}.get(found[1], "1"), path)


def test_every_mapped_path_is_served_in_both_families(contracts: Callable[[str], Any]) -> None:
    for row in contracts("path_map_dated_versions.json")["map"]:
        if row["what"].startswith("lists"):
            continue
        ops = re.search(r"batch ([\w|/]+)", row["what"])
        for op in ops[1].split("|") if ops else [""]:
            legacy = [filled(path, op, "") for path in expand(row["legacy"])]
            dated = [filled(path, op, version) for path in expand(row["dated"]) for version in DATED_VERSIONS]
            assert not [path for path in legacy + dated if match(path) is None]


def cases(hubspot: Any) -> dict[str, Callable[[], Any]]:
    """Name of an error shape -> how to provoke it."""
    company, _ = hubspot.company()
    _, person = hubspot.contact()
    record, companies = f"/crm/v3/objects/companies/{company}", "/crm/v3/objects/companies"

    def wide() -> Any:
        rows = [{"id": str(n)} for n in range(51)]
        return hubspot.send("POST", f"{companies}/batch/read", json={"inputs": rows, "propertiesWithHistory": ["name"]})

    def write(**values: Any) -> Any:
        return hubspot.send("PATCH", record, json={"properties": values})

    def with_options(method: str, path: str, **options: Any) -> Any:
        hubspot.mutate("options", **options)
        return hubspot.send(method, path, json={})

    def with_token(header: str) -> Any:
        return hubspot.send("GET", companies, headers={"Authorization": header})

    def expired() -> Any:
        form = {"grant_type": "refresh_token", "client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}
        answer = hubspot.ask("POST", "/oauth/v1/token", data={**form, "refresh_token": "sandbox-refresh-token"})
        hubspot.later(1807)
        return with_token(f"Bearer {answer['access_token']}")

    def scopeless() -> Any:
        hubspot.mutate("token", token="pat-none", scopes=[])
        return with_token("Bearer pat-none")

    def batch(operation: str, *items: dict[str, Any]) -> Any:
        return hubspot.send("POST", f"{companies}/batch/{operation}", json={"inputs": list(items)})

    upsert = {"id": company, "idProperty": "hs_object_id", "properties": {}}
    plan = {"name": "plan_name", "label": "P", "type": "string", "fieldType": "text", "groupName": "companyinformation"}
    return {
        "validation_single": lambda: write(health_scor="1"),
        "validation_detail_list": lambda: write(annualrevenue="x"),
        "validation_date": lambda: write(renewal_date="1635535865"),
        "upsert_by_non_unique_property": lambda: batch("upsert", upsert),
        "history_batch_too_large": wide,
        "search_past_10000": lambda: hubspot.send("POST", f"{companies}/search", json={"after": "10000"}),
        "auth_missing": lambda: with_token(""),
        "auth_expired": expired,
        "missing_scopes": scopeless,
        "not_found": lambda: hubspot.send("GET", f"{companies}/12"),
        "contact_conflict": lambda: hubspot.send(
            "POST", "/crm/v3/objects/contacts", json={"properties": {"email": person.email}}
        ),
        "property_exists": lambda: hubspot.send("POST", "/crm/v3/properties/companies", json=plan),
        "uri_too_long": lambda: hubspot.send("GET", companies, params={"properties": "x" * 9000}),
        "locked": lambda: with_options("PATCH", record, lock_after=0),
        "migration": lambda: with_options("GET", companies, migrating=86_400),
        "rate_ten_secondly": lambda: with_options("GET", companies, burst_limit=0),
        "rate_search_secondly": lambda: with_options("POST", f"{companies}/search", search_limit=0),
        "rate_daily": lambda: with_options("GET", companies, daily_limit=0),
        "bad_token_format": lambda: with_token("Bearer ???"),
        "batch_partial_read_or_update": lambda: batch("read", {"id": company}, {"id": "999"}),
        "batch_partial_create": lambda: batch("create", {"properties": {"missing": "1"}, "objectWriteTraceId": "a"}),
        "batch_without_inputs_key": lambda: hubspot.send("POST", f"{companies}/batch/read", json={}),
    }


def same_keys(expected: Any, got: Any, where: str) -> None:
    """Everything the example shows is there, with the same JSON types."""
    assert type(got) is type(expected), where
    if isinstance(expected, dict):
        assert set(expected) <= set(got), f"{where}: lacks {set(expected) - set(got)}"
        for key, item in expected.items():
            same_keys(item, got[key], f"{where}.{key}")
    if isinstance(expected, list) and expected:
        assert got, where
        same_keys(expected[0], got[0], where)


GENERIC = {"gateway", "cloudflare_timeout"}
"""Answers of the network in between: injected as faults of the sandbox."""


def test_every_error_has_the_described_shape(contracts: Callable[[str], Any], make_client: Any) -> None:
    described = [case for case in contracts("error_shapes.json")["cases"] if case["name"] not in GENERIC]
    assert {case["name"] for case in described} == set(cases(make_client()))
    for case in described:
        answer = cases(make_client())[case["name"]]()
        assert answer.status_code == case["status"], case["name"]
        for name, value in case.get("headers", {}).items():
            assert answer.headers[name] == value
        if "body" not in case:
            assert "json" not in answer.headers["Content-Type"]
            continue
        body = answer.json()
        same_keys(case["body"], body, case["name"])
        for key in ("category", "policyName", "status"):
            assert body.get(key) == case["body"].get(key), case["name"]


def test_success_headers_are_the_described_ones(contracts: Callable[[str], Any], make_client: Any) -> None:
    described = contracts("error_shapes.json")["success_headers"]
    client = make_client(burst_limit=190, daily_limit=625_000)
    headers = client.send("GET", "/crm/v3/owners").headers
    assert set(described) <= set(headers)
    fixed = ("Interval-Milliseconds", "Max", "Daily")
    for name in fixed:
        assert headers[f"X-HubSpot-RateLimit-{name}"] == described[f"X-HubSpot-RateLimit-{name}"]
