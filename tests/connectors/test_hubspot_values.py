"""HubSpot's texts and canonical values."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import FieldSpec, FieldType, Value
from connectors.hubspot_values import from_text, instant, objection, own_values, to_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (72, "72"),
        (72.0, "72"),
        (72.5, "72.5"),
        (-0.25, "-0.25"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (True, "true"),
        (False, "false"),
        ("plain", "plain"),
        (("a", "b"), "a;b"),
        ((), ""),
        (date(2026, 11, 22), "2026-11-22"),
        (datetime(2026, 11, 22, 8, 30, tzinfo=UTC), "2026-11-22T08:30:00.000Z"),
        (datetime(2026, 11, 22, 8, 30, tzinfo=timezone(timedelta(hours=2))), "2026-11-22T06:30:00.000Z"),
    ],
)
def test_values_are_written_as_hubspot_wants_them(value: Value, text: str) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", "72", 72),
        ("number", "72.0", 72),
        ("number", "72.50", 72.5),
        ("number", "1E+3", 1000),
        ("number", "NaN", "NaN"),
        ("number", "many", "many"),
        ("boolean", "TRUE", True),
        ("boolean", "false", False),
        ("boolean", "perhaps", "perhaps"),
        ("multi_select", "b;a", ("a", "b")),
        ("multi_select", ";b;", ("b",)),
        ("select", "red", "red"),
        ("date", "2026-11-22", date(2026, 11, 22)),
        ("date", "1795305600000", date(2026, 11, 22)),
        ("date", "2026-11-22T00:00:00Z", date(2026, 11, 22)),
        ("date", "next week", "next week"),
        ("datetime", "99999999999999999999", "99999999999999999999"),
        ("text", "", None),
        ("number", None, None),
    ],
)
def test_texts_are_read_in_every_spelling(kind: FieldType, text: str | None, value: Value) -> None:
    assert from_text(kind, text) == value


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T08:30:00Z",
        "2026-11-22T08:30:00.000Z",
        "2026-11-22T10:30:00+02:00",
        "2026-11-22T08:30",
        "1795336200000",
    ],
)
def test_an_instant_has_many_spellings(text: str) -> None:
    assert instant(text) == datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS = st.text(st.characters(exclude_characters=";", exclude_categories=["Cs"]), min_size=1)
_VALUES: list[tuple[FieldType, st.SearchStrategy[Value]]] = [
    (
        "number",
        st.integers(-(10**15), 10**15) | st.floats(-1e9, 1e9),
    ),
    ("text", st.text(min_size=1)),
    ("multi_select", st.sets(_WORDS, min_size=1).map(lambda words: tuple(sorted(words)))),
    ("boolean", st.booleans()),
    ("date", st.dates(date(1000, 1, 1))),
    ("datetime", st.integers(0, 4 * 10**12).map(lambda ms: _EPOCH + timedelta(milliseconds=ms))),
]


@pytest.mark.parametrize(("kind", "values"), _VALUES)
def test_what_is_written_reads_back_the_same(kind: FieldType, values: st.SearchStrategy[Value]) -> None:
    @given(values)
    def holds(value: Value) -> None:
        assert from_text(kind, to_text(value)) == value

    holds()


def test_only_our_fields_and_only_those_that_came_are_read() -> None:
    specs = {name: FieldSpec("account", name, name, "number") for name in ("ours", "absent")}
    assert own_values(specs, {"ours": "1", "theirs": "2"}) == {"ours": 1}


def test_clearing_is_never_objected_to_but_in_what_cannot_be_written() -> None:
    assert objection({"type": "number"}, None) is None
    assert objection({"type": "enumeration", "options": []}, None) is None
    assert objection({"type": "number", "calculated": True}, None) == (
        "READ_ONLY_VALUE",
        "the property cannot be written",
    )
