"""What a field takes: reading from JSON and CSV, and the checks."""

from typing import Any

import pytest

from sandbox.salesforce_catalogue import make
from sandbox.salesforce_errors import SfError
from sandbox.salesforce_metadata import KINDS, parse, show, split_name
from sandbox.salesforce_rows import check, read_csv, read_json
from sandbox.salesforce_types import FieldDef

TEXT = make("Subject", "string", 10)
SCORE = make("Health_Score__c", "double", precision=5, scale=2)
WHOLE = make("NumberOfEmployees", "int", precision=8)
FLAG = make("Churned__c", "boolean")
DAY = make("Renewal_Date__c", "date")
AT = make("Scored_At__c", "datetime")
BAND = make("Band__c", "picklist", values=("Healthy", "At Risk"), restricted=True)
TYPE = make("Type", "picklist", values=("Prospect",))
SEGMENTS = make("Segments__c", "multipicklist", values=("One", "Two", "Three"))
LOCKED = make("Segments__c", "multipicklist", values=("One", "Two"), restricted=True)
EMAIL = make("Email", "email", 80)
OWNER = make("OwnerId", "reference", refers_to=("User",))


def refusal(call: Any, *args: Any) -> SfError:
    with pytest.raises(SfError) as caught:
        call(*args)
    return caught.value


@pytest.mark.parametrize(
    ("field", "sent", "stored"),
    [
        (TEXT, "  hello ", "hello"),
        (TEXT, "", None),
        (TEXT, "   ", None),
        (OWNER, "", None),
        (SEGMENTS, "", None),
        (SCORE, 72.5, 72.5),
        (SCORE, "72.5", 72.5),
        (SCORE, 0, 0),
        (WHOLE, 12.0, 12),
        (FLAG, False, False),
        (FLAG, "TRUE", True),
        (DAY, "2026-02-28", "2026-02-28"),
        (AT, "2026-01-01T00:00:00.987Z", 1_767_225_600_000),
        (AT, "2026-01-01T01:00:00.000+0100", 1_767_225_600_000),
        (AT, "2026-01-01T01:00+01:00", 1_767_225_600_000),
        (AT, None, None),
    ],
)
def test_json_becomes_the_stored_form(field: FieldDef, sent: Any, stored: Any) -> None:
    read = read_json(field, sent)
    assert read == stored
    assert type(read) is type(stored)


@pytest.mark.parametrize(
    ("field", "sent", "named"),
    [
        (SCORE, "N01", "double from VALUE_STRING value N01"),
        (SCORE, "", "double from VALUE_STRING value "),
        (SCORE, True, "double from VALUE_TRUE"),
        (SCORE, float("nan"), "double from VALUE_NUMBER_FLOAT value nan"),
        (SCORE, "Infinity", "double from VALUE_STRING"),
        (WHOLE, 1.5, "int from VALUE_NUMBER_FLOAT value 1.5"),
        (TEXT, 5, "string from VALUE_NUMBER_INT value 5"),
        (TEXT, False, "string from VALUE_FALSE"),
        (EMAIL, 1, "string from VALUE_NUMBER_INT"),
        (FLAG, "yes", "boolean from VALUE_STRING value yes"),
        (FLAG, 1, "boolean from VALUE_NUMBER_INT"),
        (DAY, "2026-02-30", "date from VALUE_STRING"),
        (DAY, "28.02.2026", "date from VALUE_STRING"),
        (AT, "2017-10-17 00:00:00", "datetime from VALUE_STRING value 2017-10-17 00:00:00"),
        (AT, "2026-01-01T00:00:00", "datetime from VALUE_STRING"),
        (AT, "2026-13-01T00:00:00Z", "datetime from VALUE_STRING"),
        (SEGMENTS, ["One"], "multipicklist from START_ARRAY"),
        (OWNER, {"x": 1}, "reference from START_OBJECT"),
    ],
)
def test_json_of_another_kind_is_not_parsed(field: FieldDef, sent: Any, named: str) -> None:
    refused = refusal(read_json, field, sent)
    assert (refused.status, refused.code) == (400, "JSON_PARSER_ERROR")
    assert f"Cannot deserialize instance of {named}" in refused.message


@pytest.mark.parametrize(
    ("field", "cell", "stored"),
    [(SCORE, "61", 61.0), (FLAG, "1", True), (FLAG, "false", False), (AT, "2026-01-01T00:00:00Z", 1_767_225_600_000)],
)
def test_csv_cells_become_the_stored_form(field: FieldDef, cell: str, stored: Any) -> None:
    assert read_csv(field, cell) == stored


@pytest.mark.parametrize(("field", "cell"), [(SCORE, "much"), (DAY, "2026/1/1"), (AT, "now"), (FLAG, "yes")])
def test_csv_cells_of_another_kind_are_refused_by_field(field: FieldDef, cell: str) -> None:
    refused = refusal(read_csv, field, cell)
    assert (refused.code, refused.fields) == ("INVALID_TYPE_ON_FIELD_IN_RECORD", (field.name,))
    assert refused.line == f"INVALID_TYPE_ON_FIELD_IN_RECORD:{refused.message}:{field.name}"


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        (TEXT, "0123456789", "0123456789"),
        (SCORE, 999.994, 999.99),
        (SCORE, 0.125, 0.13),
        (SCORE, -999.99, -999.99),
        (WHOLE, 99_999_999, 99_999_999),
        (make("Free", "double"), 1e17, 1e17),
        (BAND, "At Risk", "At Risk"),
        (TYPE, "Anything else", "Anything else"),
        (SEGMENTS, "Three; One;One", "One;Three"),
        (SEGMENTS, "New;Two", "Two;New"),
        (SEGMENTS, " ; ", None),
        (EMAIL, "a.b@x.example", "a.b@x.example"),
        (OWNER, "005Hf0000000001", "005Hf0000000001IAA"),
        (DAY, "2026-01-01", "2026-01-01"),
        (TEXT, None, None),
    ],
)
def test_good_values_are_kept(field: FieldDef, value: Any, kept: Any) -> None:
    assert check(field, value) == kept


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        (TEXT, "01234567890", "STRING_TOO_LONG"),
        (TYPE, "x" * 256, "STRING_TOO_LONG"),
        (SCORE, 1000, "NUMBER_OUTSIDE_VALID_RANGE"),
        (SCORE, 999.995, "NUMBER_OUTSIDE_VALID_RANGE"),
        (SCORE, -1e300, "NUMBER_OUTSIDE_VALID_RANGE"),
        (WHOLE, 100_000_000, "NUMBER_OUTSIDE_VALID_RANGE"),
        (make("Free", "double"), 1e18, "NUMBER_OUTSIDE_VALID_RANGE"),
        (BAND, "Nope", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (LOCKED, "One;Nope", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (SEGMENTS, ";".join(str(n) for n in range(101)), "STRING_TOO_LONG"),
        (SEGMENTS, "x" * 256, "STRING_TOO_LONG"),
        (EMAIL, "nobody", "INVALID_EMAIL_ADDRESS"),
        (OWNER, "nobody", "MALFORMED_ID"),
        (FLAG, None, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
    ],
)
def test_bad_values_are_refused_by_field(field: FieldDef, value: Any, code: str) -> None:
    refused = refusal(check, field, value)
    assert (refused.status, refused.code, refused.fields) == (400, code, (field.name,))


# ---- definitions of custom fields ------------------------------------------------------------------------------------

VALUE_SET = {"restricted": True, "valueSetDefinition": {"sorted": False, "value": [{"fullName": "a", "label": "a"}]}}
FULL: dict[str, dict[str, Any]] = {
    "Number": {"precision": 18, "scale": 2},
    "Percent": {"precision": 5, "scale": 2},
    "Currency": {"precision": 16, "scale": 2},
    "Text": {"length": 255, "externalId": True, "unique": True},
    "LongTextArea": {"length": 32768, "visibleLines": 3},
    "Html": {"length": 32768, "visibleLines": 25},
    "Checkbox": {"defaultValue": "false"},
    "Picklist": {"valueSet": VALUE_SET},
    "MultiselectPicklist": {"valueSet": VALUE_SET, "visibleLines": 4},
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_type_makes_a_field_and_is_shown_again(kind: str) -> None:
    given = {"type": kind, "label": "Our field", **FULL.get(kind, {})}
    field, cleaned = parse("Our_Field__c", given)
    assert (field.name, field.type, field.label, field.custom) == (
        "Our_Field__c",
        KINDS[kind].stored,
        "Our field",
        True,
    )
    assert field.filterable is (field.type not in {"textarea", "longtextarea"})
    assert field.external_id is field.unique is field.id_lookup is (kind == "Text")
    shown = show(field, cleaned)
    assert parse("Our_Field__c", shown)[0] == field
    if "valueSet" in given:
        assert shown["valueSet"]["valueSetDefinition"]["value"][0]["valueName"] == "a"
    else:
        assert "valueSet" not in shown


@pytest.mark.parametrize("kind", sorted(FULL))
def test_what_a_type_needs_must_be_there_and_nothing_else(kind: str) -> None:
    for key in KINDS[kind].needs:
        given = {"type": kind, "label": "x", **FULL[kind]}
        del given[key]
        assert f"Must specify '{key}' for a CustomField of type {kind}" in refusal(parse, "X__c", given).message
    foreign = next(key for key in ("length", "scale", "valueSet") if key not in KINDS[kind].needs)
    given = {"type": kind, "label": "x", **FULL[kind], foreign: 1}
    assert f"Can not specify '{foreign}'" in refusal(parse, "X__c", given).message


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        (None, "REQUIRED_FIELD_MISSING"),
        ({"type": "Date"}, "REQUIRED_FIELD_MISSING"),
        ({"type": "Date", "label": "x" * 41}, "STRING_TOO_LONG"),
        ({"type": "Datum", "label": "x"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"type": "Date", "label": "x", "lenght": 3}, "JSON_PARSER_ERROR"),
        ({"type": "Date", "label": "x", "externalId": True}, "FIELD_INTEGRITY_EXCEPTION"),
        ({"type": "Text", "label": "x", "length": 256}, "FIELD_INTEGRITY_EXCEPTION"),
        ({"type": "Text", "label": "x", "length": "many"}, "JSON_PARSER_ERROR"),
        ({"type": "Number", "label": "x", "precision": 2, "scale": 3}, "FIELD_INTEGRITY_EXCEPTION"),
        ({"type": "Picklist", "label": "x", "valueSet": {}}, "REQUIRED_FIELD_MISSING"),
    ],
)
def test_definitions_that_do_not_hold_together(metadata: Any, code: str) -> None:
    assert refusal(parse, "X__c", metadata).code == code


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([{"fullName": "a"}, {"fullName": "A"}], "DUPLICATE_VALUE"),
        ([{"label": ""}], "REQUIRED_FIELD_MISSING"),
        ([{"fullName": "x" * 256}], "STRING_TOO_LONG"),
        ([{"fullName": str(n)} for n in range(1001)], "LIMIT_EXCEEDED"),
        (["a"], "REQUIRED_FIELD_MISSING"),
    ],
)
def test_picklist_values_are_checked(rows: Any, code: str) -> None:
    metadata = {"type": "Picklist", "label": "x", "valueSet": {"valueSetDefinition": {"value": rows}}}
    assert refusal(parse, "X__c", metadata).code == code


def test_inactive_values_are_not_offered() -> None:
    rows = [{"fullName": "a", "isActive": False}, {"valueName": "b", "isActive": None}, {"label": "c"}]
    metadata = {"type": "Picklist", "label": "x", "valueSet": {"valueSetDefinition": {"value": rows}}}
    assert parse("X__c", metadata)[0].values == ("b", "c")


def test_full_names_are_object_and_field() -> None:
    assert split_name("Account.Our_Field__c") == ("Account", "Our_Field")
    assert refusal(split_name, "").code == "REQUIRED_FIELD_MISSING"
    assert refusal(split_name, f"Account.{'x' * 41}__c").code == "STRING_TOO_LONG"
    for bad in ("Our_Field__c", "Account.Our_Field", "Account.1st__c", "Account.a__b__c", "Account.a b__c", "A.a___c"):
        assert refusal(split_name, bad).code == "FIELD_INTEGRITY_EXCEPTION"
