"""What the tests of writing to Salesforce have in common: our fields, changes, and what was sent."""

import json
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pytest
import requests

from connectors.base import Change, FieldSpec, Outcome, Value
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world
from tests.contracts import contract
from tests.instants import START

SPECS = (
    FieldSpec("account", "Holdfast_Score__c", "Score", "number"),
    FieldSpec("account", "Holdfast_Reason__c", "Reason", "text"),
    FieldSpec("account", "Holdfast_Band__c", "Band", "select", ("green", "yellow", "red")),
    FieldSpec("account", "Holdfast_Segments__c", "Segments", "multi_select", ("power", "at_risk", "dormant")),
    FieldSpec("account", "Holdfast_Scored_At__c", "Scored at", "datetime"),
    FieldSpec("account", "Holdfast_Day__c", "Day", "date"),
    FieldSpec("account", "Holdfast_Flag__c", "Flag", "boolean"),
    FieldSpec("contact", "Holdfast_Engagement__c", "Engagement", "number"),
)
FIELDS: dict[str, dict[str, Any]] = {
    "Holdfast_Score__c": {"type": "double", "precision": 18, "scale": 2},
    "Holdfast_Reason__c": {"type": "string", "length": 255},
    "Holdfast_Band__c": {"type": "picklist", "values": ["green", "yellow", "red"], "restricted": True},
    "Holdfast_Segments__c": {"type": "multipicklist", "values": ["power", "at_risk", "dormant"], "restricted": True},
    "Holdfast_Scored_At__c": {"type": "datetime"},
    "Holdfast_Day__c": {"type": "date"},
    "Holdfast_Flag__c": {"type": "boolean", "default": False},
}
FULL: dict[str, Value] = {
    "Holdfast_Score__c": 72.5,
    "Holdfast_Reason__c": 'Logins fell <b>by half</b> & more; 100 % "really"',
    "Holdfast_Band__c": "red",
    "Holdfast_Segments__c": ("at_risk", "power"),
    "Holdfast_Scored_At__c": datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
    "Holdfast_Day__c": date(2026, 11, 30),
    "Holdfast_Flag__c": True,
}
SCORE = "Holdfast_Score__c"
COLLECTIONS = "composite/sobjects"
HIDDEN = [{"errorCode": "INVALID_FIELD", "message": f"No such column '{SCORE}' on sobject of type Account"}]
MALFORMED = [{"errorCode": "JSON_PARSER_ERROR", "message": "Unexpected character"}]
LIMIT = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]


def prepare(org: Any) -> Any:
    for name, definition in FIELDS.items():
        org.do("create_field", object="Account", name=name, visible=True, **definition)
    org.do("create_field", object="Contact", name="Holdfast_Engagement__c", type="double", scale=0, visible=True)
    org.crm = org.connect(own_fields=SPECS)
    org.forget()
    return org


def published(name: str) -> dict[str, Any]:
    """One of Salesforce's published answers."""
    cases: list[dict[str, Any]] = contract("salesforce", "response_shapes.json")["cases"]
    return next(case for case in cases if case["name"] == name)


@cache
def wide_world() -> World:
    """Some more accounts than fit in one request, and next to nobody in them."""
    return make_world(seed=3, accounts=260, people_per_account=1, months=2, horizon_days=0, now=START)


def ids(org: Any, kind: str = "Account") -> list[str]:
    """Ids of all records that exist by now, in order."""
    org.vendor.tick(org.box.clock.now())
    table = org.vendor.org.tables[kind]
    return [table.id_at(place) for place in table.places(org.vendor.org.now)]


def update(record_id: str, values: dict[str, Value] | None = None, key: str = "") -> Change:
    return Change("account", record_id, values or {SCORE: 50}, key or f"key-{record_id}")


def results(outcomes: list[Outcome]) -> list[str]:
    return [outcome.result for outcome in outcomes]


def sent(org: Any, what: str = f"PATCH {COLLECTIONS}") -> int:
    return sum(request.rstrip("/") == what for request in org.requests())


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[requests.PreparedRequest]:
    """Every request from now on, as it leaves."""
    seen: list[requests.PreparedRequest] = []
    usual = SandboxAdapter.send

    def send(self: SandboxAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        seen.append(request)
        return usual(self, request, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", send)
    return seen


def rows(request: requests.PreparedRequest) -> list[dict[str, Any]]:
    """The records of a collections request."""
    found: list[dict[str, Any]] = json.loads(request.body or b"{}")["records"]
    return found


def score(org: Any, record_id: str) -> Value:
    found: dict[str, dict[str, Value]] = org.crm.read("account", [record_id], [SCORE])
    return found[record_id][SCORE]
