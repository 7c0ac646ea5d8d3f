"""Tasks in Salesforce: their shape, who gets them, and how ours are found again."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Change, Outcome, Value
from connectors.salesforce_kinds import TASK_KEY
from connectors.salesforce_outcomes import Refusal
from connectors.salesforce_tasks import Form, cut, key_of, marked, owners, stepped_down

ACCOUNT = "0015e00000AAAAAAA5"
CONTACT = "0035e00000AAAAAAA5"
ANN, BOB = "0055e00000AAAAAAA5", "0055e00000AAAABAA5"
DUE = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


def picklist(*values: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    entries = [{"value": value, "label": (labels or {}).get(value, value), "active": True} for value in values]
    return {"type": "picklist", "createable": True, "picklistValues": entries}


FIELDS: dict[str, dict[str, Any]] = {
    "subject": {"name": "Subject", "type": "combobox", "length": 255, "createable": True},
    "description": {"name": "Description", "type": "textarea", "length": 32_000, "createable": True},
    "activitydate": {"name": "ActivityDate", "type": "date", "createable": True},
    "whatid": {"name": "WhatId", "type": "reference", "createable": True},
    "priority": picklist("High", "Normal", "Low"),
}
KEY = {"name": TASK_KEY, "type": "string", "length": 64, "createable": True}
PLAIN = Form(FIELDS, "Not Started")
KEYED = Form({**FIELDS, TASK_KEY.lower(): KEY}, "Not Started")


LETTERS = st.sampled_from("aZ09 []:\n\u00e9\u4e2d\U0001f600")


def task(**values: Value) -> Change:
    given: dict[str, Value] = {"subject": "Call them", "body": "Ask how it goes.", "due": DUE, "priority": "high"}
    return Change("task", None, {**given, "account_id": ACCOUNT, **values}, "the-key")


def test_a_task_has_everything_people_need() -> None:
    assert PLAIN.refusal(task()) is None
    assert PLAIN.row(task(owner_id=ANN, contact_id=CONTACT)) == {
        "attributes": {"type": "Task"},
        "Subject": "Call them",
        "Description": "Ask how it goes.\n\n[holdfast:the-key]",
        "ActivityDate": "2026-11-30",
        "WhatId": ACCOUNT,
        "WhoId": CONTACT,
        "OwnerId": ANN,
        "Status": "Not Started",
        "Priority": "High",
    }


def test_the_key_stands_in_its_own_field_too_where_there_is_one() -> None:
    row = KEYED.row(task())
    assert row[TASK_KEY] == "the-key"
    assert row["Description"] == "Ask how it goes.\n\n[holdfast:the-key]"


@pytest.mark.parametrize("change", [{"createable": False}, {"length": 6}])
def test_a_field_that_cannot_hold_the_key_leaves_it_in_the_description(change: dict[str, Any]) -> None:
    row = Form({**FIELDS, TASK_KEY.lower(): {**KEY, **change}}).row(task())
    assert TASK_KEY not in row
    assert row["Description"].endswith("[holdfast:the-key]")


@pytest.mark.parametrize(
    ("due", "day"),
    [
        (datetime(2026, 11, 30, 0, 0, tzinfo=UTC), "2026-11-30"),
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), "2026-11-30"),
        (datetime(2026, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2026-11-30"),
    ],
)
def test_the_due_day_is_that_of_utc(due: datetime, day: str) -> None:
    assert PLAIN.row(task(due=due))["ActivityDate"] == day


@pytest.mark.parametrize(
    ("priority", "field", "value"),
    [
        ("high", picklist("High", "Normal", "Low"), "High"),
        ("medium", picklist("High", "Normal", "Low"), "Normal"),
        ("medium", picklist("P2", "P1", labels={"P2": "Medium", "P1": "High"}), "P2"),
        ("low", picklist("1 - High", "3 - Low"), "3 - Low"),
        ("low", picklist("Below par", "Low"), "Low"),
        ("medium", picklist("Urgent", "Whenever"), None),
        ("urgent", picklist("Urgent"), None),
        ("high", {**picklist("High"), "createable": False}, None),
        ("high", {"createable": True, "picklistValues": [{"value": "High", "active": False}, "odd"]}, None),
        ("high", None, None),
    ],
)
def test_the_closest_priority_is_taken_and_none_is_made_up(
    priority: str, field: dict[str, Any] | None, value: str | None
) -> None:
    form = Form({"priority": field} if field else {})
    assert form.priority(priority) == value


def test_what_the_org_does_not_tell_is_left_to_it() -> None:
    row = Form({}).row(task())
    assert not {"Status", "Priority", "OwnerId", "WhoId"} & set(row)
    assert row["Description"].endswith("[holdfast:the-key]")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"due": None}, "REQUIRED_FIELD_MISSING"),
        ({"account_id": None}, "MALFORMED_ID"),
        ({"account_id": CONTACT}, "MALFORMED_ID"),
        ({"account_id": "12"}, "MALFORMED_ID"),
    ],
)
def test_a_task_that_nobody_could_use_is_refused_here(values: dict[str, Value], code: str) -> None:
    refusal = PLAIN.refusal(task(**values))
    assert refusal is not None
    assert (refusal.code, refusal.result) == (code, "rejected")


def test_a_field_of_tasks_that_is_hidden_is_named() -> None:
    for name in ("Subject", "ActivityDate", "WhatId"):
        hidden = {known: field for known, field in FIELDS.items() if known != name.lower()}
        refusal = Form(hidden).refusal(task())
        assert refusal is not None
        assert name in refusal.message


def test_a_hidden_description_matters_only_where_the_key_would_stand_there() -> None:
    hidden = {name: field for name, field in FIELDS.items() if name != "description"}
    assert Form(hidden).refusal(task()) is not None
    keyed = Form({**hidden, TASK_KEY.lower(): KEY})
    assert keyed.refusal(task()) is None
    assert "Description" not in keyed.row(task())


def test_texts_are_cut_to_what_salesforce_holds_and_the_key_is_kept() -> None:
    row = PLAIN.row(task(subject="A line\nand " + "x" * 400, body="y" * 40_000))
    assert len(row["Subject"]) == 255
    assert row["Subject"].startswith("A line and xx")
    assert len(row["Description"]) == 32_000
    assert key_of(row) == "the-key"


def test_a_shorter_description_field_is_respected() -> None:
    form = Form({**FIELDS, "description": {**FIELDS["description"], "length": 30}})
    row = form.row(task(body="y" * 100))
    assert len(row["Description"]) == 30
    assert key_of(row) == "the-key"


@given(st.text(LETTERS), st.integers(1, 40))
def test_a_text_is_cut_by_utf_16_units_and_never_in_the_middle_of_a_character(text: str, most: int) -> None:
    short = cut(text, most)
    units = len(text.encode("utf-16-le", "replace")) // 2
    assert len(short.encode("utf-16-le", "replace")) // 2 <= most
    assert (short == text) == (units <= most)


@given(st.text(LETTERS), st.text("0123456789abcdef", min_size=1, max_size=64))
def test_whatever_a_task_says_its_key_is_read_back(text: str, key: str) -> None:
    assert key_of({"Description": marked(text, key)}) == key


def test_a_marker_inside_the_text_is_not_ours_and_the_field_comes_first() -> None:
    text = marked("They wrote [holdfast:forged] and more", "real")
    assert text.split("\n")[-1] == "[holdfast:real]"
    assert key_of({"Description": text}) == "real"
    assert key_of({"Description": text, "holdfast_task_key__c": " field "}) == "field"
    assert key_of({"Description": text, TASK_KEY: None}) == "real"
    assert key_of({"Description": "nothing"}) is None
    assert key_of({}) is None


def test_only_ids_are_owners() -> None:
    assert owners({"owner_id": ANN, "fallback_owner_id": BOB}) == [ANN, BOB]
    assert owners({"owner_id": "999", "fallback_owner_id": BOB}) == [BOB]
    assert owners({"owner_id": ANN, "fallback_owner_id": ANN}) == [ANN]
    assert owners({}) == []


INACTIVE = Refusal("INACTIVE_OWNER_OR_USER", "operation performed with inactive user", ("OwnerId",))


def test_a_refused_owner_gives_way_to_the_fallback_and_then_to_nobody() -> None:
    change = task(owner_id=ANN, fallback_owner_id=BOB)
    first = PLAIN.row(change)
    second = stepped_down(first, change, INACTIVE)
    assert second == {**first, "OwnerId": BOB}
    third = stepped_down(second, change, INACTIVE)
    assert third == {name: value for name, value in first.items() if name != "OwnerId"}
    assert stepped_down(third, change, INACTIVE) is None


def test_an_owner_that_never_was_is_no_better_than_one_who_left() -> None:
    change = task(owner_id=ANN)
    unknown = Refusal("INVALID_CROSS_REFERENCE_KEY", "Owner ID: owner cannot be blank", ("OwnerId",))
    assert unknown.result == "rejected"
    lesser = stepped_down(PLAIN.row(change), change, unknown)
    assert lesser is not None
    assert "OwnerId" not in lesser


@pytest.mark.parametrize(
    ("refusal", "helps"),
    [
        (Refusal("ENTITY_IS_DELETED", "entity is deleted"), True),
        (Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ("WhoId",)), True),
        (Refusal("FIELD_INTEGRITY_EXCEPTION", "who", ("WhoId",)), True),
        (Refusal("ENTITY_IS_DELETED", "entity is deleted", ("WhatId",)), False),
        (Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", "no tasks today"), False),
    ],
)
def test_a_contact_that_is_gone_does_not_cost_the_account_its_task(refusal: Refusal, helps: bool) -> None:  # noqa: FBT001 - a parameter of the test
    change = task(contact_id=CONTACT)
    row = PLAIN.row(change)
    without = {name: value for name, value in row.items() if name != "WhoId"}
    assert stepped_down(row, change, refusal) == (without if helps else None)
    assert stepped_down(without, change, refusal) is None


def test_an_account_that_is_gone_takes_its_task_with_it() -> None:
    refusal = Refusal("ENTITY_IS_DELETED", "entity is deleted", ("WhatId",))
    assert refusal.outcome(task()) == Outcome("the-key", "gone", None, "ENTITY_IS_DELETED", "entity is deleted")
