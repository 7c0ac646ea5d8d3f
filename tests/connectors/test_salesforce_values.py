"""Salesforce's values and canonical ones."""

import csv
import io
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import FieldSpec, FieldType, Value
from connectors.salesforce_values import (
    active_values,
    fits_cell,
    from_json,
    instant,
    objection,
    own_values,
    short_id,
    to_cell,
    to_json,
)

NOON = datetime(2026, 11, 22, 12, 30, 15, 250_999, tzinfo=UTC)
TWO_EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "plain", "cell"),
    [
        (None, None, "#N/A"),
        ("", None, "#N/A"),
        ((), None, "#N/A"),
        (72, 72, "72"),
        (72.0, 72, "72"),
        (72.5, 72.5, "72.5"),
        (-0.25, -0.25, "-0.25"),
        (1e-7, 1e-7, "0.0000001"),
        (1e21, 10**21, "1000000000000000000000"),
        (True, True, "true"),
        (False, False, "false"),
        ('two\nlines, and a "quote"', 'two\nlines, and a "quote"', 'two\nlines, and a "quote"'),
        (("b", "a"), "a;b", "a;b"),
        (date(2026, 11, 22), "2026-11-22", "2026-11-22"),
        (NOON, "2026-11-22T12:30:15.250Z", "2026-11-22T12:30:15.250Z"),
        (datetime(2026, 11, 22, 1, 0, tzinfo=TWO_EAST), "2026-11-21T23:00:00.000Z", "2026-11-21T23:00:00.000Z"),
    ],
)
def test_values_are_written_as_salesforce_wants_them(value: Value, plain: Any, cell: str) -> None:
    assert to_json(value) == plain
    assert type(to_json(value)) is type(plain)
    assert to_cell(value) == cell


@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        ("number", 72, 72),
        ("number", 72.0, 72),
        ("number", "72.50", 72.5),
        ("number", True, True),
        ("number", "NaN", "NaN"),
        ("number", "many", "many"),
        ("boolean", True, True),
        ("boolean", "false", False),
        ("boolean", "perhaps", "perhaps"),
        ("multi_select", "b;a", ("a", "b")),
        ("multi_select", ";b;", ("b",)),
        ("select", "red", "red"),
        ("text", "", None),
        ("text", "a\r\nb", "a\nb"),
        ("long_text", 5, 5),
        ("text", ["odd"], "['odd']"),
        ("date", "2026-11-22", date(2026, 11, 22)),
        ("date", "2026-11-22T00:00:00.000+0000", date(2026, 11, 22)),
        ("date", "next week", "next week"),
        ("datetime", "2026-01-01T00:00:00.000+0000", datetime(2026, 1, 1, tzinfo=UTC)),
        ("datetime", "2026-01-01T02:00:00.000+02:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("datetime", "2026-01-01T00:00:00.000Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("datetime", "9", "9"),
        ("number", None, None),
    ],
)
def test_values_are_read_by_type_and_odd_ones_are_shown(kind: FieldType, sent: Any, value: Value) -> None:
    read = from_json(kind, sent)
    assert read == value
    assert type(read) is type(value)


def test_an_instant_without_a_zone_is_utc() -> None:
    assert instant("2026-01-01T00:00:00") == datetime(2026, 1, 1, tzinfo=UTC)


LETTERS = st.sampled_from("aZ09 ,;:'\"#/\n\t\u00e9\u4e2d\U0001f600")
VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    "number": st.integers(-(10**15), 10**15) | st.decimals(-1000, 1000, places=2).map(float),
    "text": st.text(LETTERS, min_size=1),
    "multi_select": st.sets(st.text("abc_ ", min_size=1), min_size=1).map(lambda names: tuple(sorted(names))),
    "boolean": st.booleans(),
    "date": st.dates(),
    "datetime": st.datetimes(timezones=st.just(UTC)).map(
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
    ),
}


@given(st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))
def test_what_is_written_is_what_is_read_in_json_and_in_a_file(drawn: tuple[FieldType, Value]) -> None:
    kind, value = drawn
    assert from_json(kind, to_json(value)) == value
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow([to_cell(value)])
    ((cell,),) = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert from_json(kind, cell) == value


@pytest.mark.parametrize("text", ["#N/A", " #n/a "])
def test_a_text_that_would_empty_a_field_does_not_fit_a_file(text: str) -> None:
    assert not fits_cell(text)
    assert fits_cell(None)
    assert fits_cell("N/A")


def test_our_fields_are_found_in_any_case_and_missing_ones_left_out() -> None:
    kinds: dict[str, FieldType] = {"Score__c": "number", "band__C": "select", "Gone__c": "text"}
    specs = {name: FieldSpec("account", name, name, kind) for name, kind in kinds.items()}
    row = {"Id": "x", "Score__c": 7.0, "Band__c": "red", "Name": "Acme"}
    assert own_values(specs, row) == {"Score__c": 7, "band__C": "red"}
    assert own_values({}, row) == {}


@pytest.mark.parametrize(
    ("text", "kind", "short"),
    [
        ("0015e00000AAAAA", "", "0015e00000AAAAA"),
        ("0015e00000AAAAA", "Account", "0015e00000AAAAA"),
        ("0015e00000AAAAAAA5", "Account", "0015e00000AAAAA"),
        ("0015e00000AAAAAAA5", "Contact", None),
        ("0015e00000AAAAAAAf", "Account", None),
        ("0015e00000AAAAAAA55", "", None),
        ("0035e00000AAAAA", "Account", None),
        ("0015e00000AAAA", "", None),
        ("0015e00000AAAA\uff10", "", None),
        ("0015e00000AAA'A", "", None),
        ("0015e00000AAAAA\n", "", None),
        ("", "", None),
        (None, "", None),
    ],
)
def test_an_id_is_told_from_what_is_none(text: str | None, kind: str, short: str | None) -> None:
    assert short_id(text, kind) == short


NUMBER = {"type": "double", "precision": 5, "scale": 2, "updateable": True}
WHOLE = {"type": "int", "digits": 3, "updateable": True}
TEXT = {"type": "string", "length": 5, "updateable": True}
BAND = {
    "type": "picklist",
    "length": 255,
    "restrictedPicklist": True,
    "picklistValues": [{"value": "red"}, {"value": "Green", "active": True}, {"value": "old", "active": False}],
}
FREE = {**BAND, "restrictedPicklist": False, "length": 8}
SEGMENTS = {**BAND, "type": "multipicklist"}


@pytest.mark.parametrize(
    ("definition", "value", "code"),
    [
        (None, 1, "INVALID_FIELD"),
        ({"type": "double", "updateable": False}, 1, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"type": "double", "updateable": True, "calculated": True}, None, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (NUMBER, 999.99, None),
        (NUMBER, -999.99, None),
        (NUMBER, 1000, "NUMBER_OUTSIDE_VALID_RANGE"),
        (NUMBER, 0.125, "NUMBER_OUTSIDE_VALID_RANGE"),
        (NUMBER, None, None),
        (NUMBER, True, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (NUMBER, "many", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (NUMBER, float("inf"), "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (NUMBER, ("a",), "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({"type": "double"}, 1.23456, None),
        (WHOLE, 999, None),
        (WHOLE, 1000, "NUMBER_OUTSIDE_VALID_RANGE"),
        (WHOLE, 1.5, "NUMBER_OUTSIDE_VALID_RANGE"),
        (TEXT, "12345", None),
        (TEXT, "123456", "STRING_TOO_LONG"),
        (TEXT, 123456, "STRING_TOO_LONG"),
        ({**TEXT, "length": 0}, "123456", None),
        ({**TEXT, "nillable": False}, "", "REQUIRED_FIELD_MISSING"),
        (BAND, "red", None),
        (BAND, "GREEN", None),
        (BAND, "old", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (BAND, "purple", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (FREE, "purple", None),
        (FREE, "far too long", "STRING_TOO_LONG"),
        (SEGMENTS, ("red", "Green"), None),
        (SEGMENTS, ("red", "blue"), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (SEGMENTS, (), None),
        ({**SEGMENTS, "restrictedPicklist": False}, ("new",), None),
        ({**SEGMENTS, "restrictedPicklist": False}, tuple(map(str, range(101))), "STRING_TOO_LONG"),
        ({"type": "boolean", "nillable": False}, False, None),
        ({"type": "boolean"}, None, "REQUIRED_FIELD_MISSING"),
        ({"type": "boolean"}, "yes", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({"type": "datetime"}, NOON, None),
        ({"type": "datetime"}, date(2026, 1, 1), "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({"type": "date"}, date(2026, 1, 1), None),
        ({"type": "date"}, NOON, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({"type": "date"}, date(1600, 1, 1), "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({"type": "date"}, "tomorrow", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({"type": "location"}, "anything", None),
    ],
)
def test_what_salesforce_would_refuse_is_known_beforehand(
    definition: dict[str, Any] | None, value: Value, code: str | None
) -> None:
    found = objection(definition, value)
    assert (found[0] if found else None) == code


def test_a_long_value_is_not_shown_whole() -> None:
    found = objection(BAND, "x" * 300)
    assert found is not None
    assert len(found[1]) < 100


def test_values_that_were_switched_off_are_not_offered() -> None:
    assert active_values(BAND) == ["red", "Green"]
    assert active_values({}) == []
