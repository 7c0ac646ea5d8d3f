"""Held to the vendor's published shapes: what errors say, what logins and limits answer, which fields there are."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import salesforce_errors as errors
from sandbox.core import SALESFORCE_KEY
from sandbox.salesforce_catalogue import catalogue
from sandbox.salesforce_ids import PREFIXES

RECORD = "0015e00000AAAAAAA2"

MADE: dict[str, errors.SfError] = {
    "session_invalid": errors.session_invalid(),
    "session_not_valid_for_rest": errors.session_not_for_rest(),
    "daily_limit": errors.daily_limit(),
    "concurrent_limit": errors.concurrent_limit(),
    "api_disabled": errors.api_disabled_for_org(),
    "api_currently_disabled_for_user": errors.api_currently_disabled(),
    "write_no_such_field": errors.write_no_such_field("Health_Score__c", "Account"),
    "write_read_only_field": errors.field_read_only("Name"),
    "unknown_object": errors.invalid_type("Accountt"),
    "validation_rule": errors.validation_rule("Close date must be in the future", "CloseDate"),
    "trigger_failed": errors.trigger_failed(
        "TaskTrigger: execution of AfterInsert caused by: System.DmlException: Update failed."
    ),
    "row_lock": errors.row_locked("0015e00000AAAAAAA1"),
    "inactive_owner": errors.inactive_owner("0055e000000AAAAAAA", "Task"),
    "entity_deleted": errors.entity_deleted(),
    "get_missing": errors.not_found(),
    "patch_missing": errors.patch_missing(),
    "no_access": errors.no_access(),
    "read_only_user": errors.read_only_user(),
    "query_no_such_field": errors.query_no_such_field(
        "Health_Score__c",
        "Account",
        "\nSELECT Id, Health_Score__c FROM Account\n           ^\nERROR at Row:1:Column:12\n",
    ),
    "oauth_error": errors.oauth_error("invalid_grant", "authentication failure"),
    "oauth_client": errors.oauth_error("invalid_client", "invalid client credentials"),
    "oauth_no_run_as_user": errors.oauth_error("invalid_grant", "no client credentials user enabled"),
    "uri_too_long": errors.uri_too_long(),
    "headers_too_large": errors.headers_too_large(),
    "soap_login_fault": errors.soap_fault(
        "INVALID_LOGIN", "Invalid username, password, security token; or user locked out."
    ),
}


@pytest.fixture(scope="session")
def cases(contracts: Callable[[str], Any]) -> dict[str, Any]:
    return {case["name"]: case for case in contracts("response_shapes.json")["cases"]}


@pytest.mark.parametrize("name", MADE)
def test_errors_say_what_the_vendor_says(cases: dict[str, Any], name: str) -> None:
    wanted, made = cases[name], MADE[name]
    assert made.status == wanted["status"]
    assert made.body == wanted.get("body", wanted.get("body_text"))


def test_errors_inside_a_collection_have_another_key(cases: dict[str, Any]) -> None:
    assert errors.row_locked(RECORD).item == cases["collections_partial"]["body"][1]["errors"][0]
    line = errors.row_locked(RECORD).line
    assert f'"{line}"' in cases["bulk2_failed_results"]["body_text"]


Trigger = Callable[[Any], Any]


def daily(sf: Any) -> Any:
    sf.mutate("use_calls", calls=115_000)
    return sf.send("GET", "limits")


def switched(**options: Any) -> Trigger:
    def ask(sf: Any) -> Any:
        sf.mutate("options", **options)
        return sf.send("GET", "limits")

    return ask


def grant(**form: str) -> Trigger:
    return lambda sf: sf.send("POST", "/services/oauth2/token", data=form)


CLIENT = {"client_id": SALESFORCE_KEY, "client_secret": "wrong", "grant_type": "client_credentials"}
ASKED: dict[str, Trigger] = {
    "session_invalid": lambda sf: sf.send("GET", "limits", headers={"Authorization": "Bearer old"}),
    "session_not_valid_for_rest": switched(rest_refused=True),
    "daily_limit": daily,
    "concurrent_limit": switched(concurrent_limit=True),
    "api_disabled": switched(api_disabled="org"),
    "api_currently_disabled_for_user": switched(api_disabled="user"),
    "oauth_client": grant(**CLIENT),
    "uri_too_long": lambda sf: sf.send("GET", "query", params={"q": "x" * 17_000}),
    "headers_too_large": lambda sf: sf.send("GET", "limits", headers={"X-Long": "y" * 17_000}),
    "get_missing": lambda sf: sf.send("GET", "sobjects/Nothing/describe"),
}


@pytest.mark.parametrize("name", ASKED)
def test_answers_are_the_vendors(sf: Any, cases: dict[str, Any], name: str) -> None:
    answer, wanted = ASKED[name](sf), cases[name]
    assert answer.status_code == wanted["status"]
    assert (answer.json() if "body" in wanted else answer.text) == wanted.get("body", wanted.get("body_text"))
    assert re.fullmatch(r"api-usage=\d+/\d+", answer.headers["Sforce-Limit-Info"])


def shape(value: Any) -> Any:
    """Keys and types, without the values."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else type(value).__name__


def test_a_token_answer_has_what_the_vendors_has(sf: Any, cases: dict[str, Any]) -> None:
    made, wanted = sf.token(), cases["token_ok"]["body"]
    assert shape(wanted) == {key: shape(made[key]) for key in wanted}
    assert "expires_in" not in made
    assert re.fullmatch(r".*/id/00D\w{15}/005\w{15}", made["id"])


def test_limits_name_what_the_vendors_do(sf: Any, cases: dict[str, Any]) -> None:
    made, wanted = sf.get("limits"), cases["limits"]["body"]
    assert shape(wanted) == {key: shape(made[key]) for key in wanted}


def test_a_soap_fault_has_the_vendors_elements(sf: Any, cases: dict[str, Any]) -> None:
    sf.mutate("options", soap_login=True)
    answer = sf.send("POST", "/services/Soap/u/64.0", data="<username>a</username><password>b</password>")
    assert answer.status_code == cases["soap_login_fault"]["status"]
    assert answer.text == cases["soap_login_fault"]["body_text"]
    assert answer.headers["Content-Type"].startswith(cases["soap_login_fault"]["content_type"])


@pytest.mark.parametrize(
    "kind",
    [
        "Account",
        "Contact",
        "Opportunity",
        "Case",
        "Task",
        "Contract",
        "OpportunityContactRole",
        "AccountContactRelation",
        "User",
        "Organization",
    ],
)
def test_standard_objects_have_their_fields(sf: Any, contracts: Callable[[str], Any], kind: str) -> None:
    wanted = contracts("objects_subset.json")["objects"][kind]
    found = sf.get(f"sobjects/{kind}/describe")
    assert found["keyPrefix"] == wanted["prefix"] == PREFIXES[kind]
    fields = {field["name"]: field for field in found["fields"]}
    for name, rule in wanted["fields"].items():
        made = fields[name]
        assert made["type"] == rule["type"], name
        if "length" in rule:
            assert made["length"] == rule["length"], name
        for flag in ("createable", "updateable"):
            assert rule.get(flag) is not False or made[flag] is False, f"{name}.{flag}"
        if rule.get("required"):
            assert made["nillable"] is False, name
        if rule.get("defaulted"):
            assert made["defaultedOnCreate"] is True, name
        if "precision" in rule:
            assert (made["precision"], made["scale"]) == (rule["precision"], rule["scale"]), name
        known = {target for target in rule.get("to", ()) if target in wanted or target in PREFIXES}
        assert known <= set(made["referenceTo"]), name


def test_every_kind_of_record_has_a_prefix_of_its_own() -> None:
    kinds = catalogue(multi_currency=True, multiple_accounts=True, person_accounts=True)
    prefixes = [kind.prefix for kind in kinds.values()]
    assert len(set(prefixes)) == len(prefixes)
    for name, prefix in PREFIXES.items():
        assert name not in kinds or kinds[name].prefix == prefix
