"""What the tests of writing to HubSpot have in common: our properties, changes, and what was sent."""

from datetime import UTC, date, datetime
from typing import Any

from connectors.base import Change, FieldSpec, Outcome, Value

SPECS = (
    FieldSpec("account", "holdfast_score", "Score", "number"),
    FieldSpec("account", "holdfast_reason", "Reason", "text"),
    FieldSpec("account", "holdfast_band", "Band", "select", ("green", "yellow", "red")),
    FieldSpec("account", "holdfast_segments", "Segments", "multi_select", ("power", "at_risk", "dormant")),
    FieldSpec("account", "holdfast_scored_at", "Scored at", "datetime"),
    FieldSpec("account", "holdfast_day", "Day", "date"),
    FieldSpec("account", "holdfast_flag", "Flag", "boolean"),
    FieldSpec("contact", "holdfast_engagement", "Engagement", "number"),
)
FULL: dict[str, Value] = {
    "holdfast_score": 72.5,
    "holdfast_reason": "Logins fell <b>by half</b> & more; 100 %",
    "holdfast_band": "red",
    "holdfast_segments": ("at_risk", "power"),
    "holdfast_scored_at": datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
    "holdfast_day": date(2026, 11, 30),
    "holdfast_flag": False,
}
LEAST = [
    *(f"crm.objects.{kind}.read" for kind in ("companies", "contacts", "deals", "owners", "feedback_submissions")),
    *("tickets", "crm.objects.companies.write", "crm.objects.contacts.write"),
    *("crm.schemas.companies.write", "crm.schemas.contacts.write"),
]
"""What docs/vendors/hubspot.md asks for."""
DUE = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


def update(record_id: str, values: dict[str, Value] | None = None, key: str = "") -> Change:
    return Change("account", record_id, values or {"holdfast_score": 50}, key or f"key-{record_id}")


def task(account_id: str, key: str, **values: Value) -> Change:
    given: dict[str, Value] = {"subject": "Call them", "body": "Ask how it goes.", "due": DUE, "priority": "high"}
    return Change("task", None, {**given, "account_id": account_id, **values}, key)


def results(outcomes: list[Outcome]) -> list[str]:
    return [outcome.result for outcome in outcomes]


def posts(portal: Any, end: str) -> int:
    return sum(request.startswith("POST") and request.endswith(end) for request in portal.requests())


def prepare(portal: Any) -> Any:
    """A portal with our properties."""
    portal.crm = portal.connect(own_fields=SPECS)
    portal.crm.setup(SPECS, dry_run=False)
    portal.forget()
    return portal
