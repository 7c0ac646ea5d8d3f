"""CRM values survive being stored, and compare as the CRM would show them."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Value
from sync.values import dumps, from_json, loads, same, show, to_json

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
    st.lists(st.text(min_size=1), min_size=1).map(tuple),
)


@given(st.dictionaries(st.text(min_size=1), VALUES))
def test_values_survive_json(values: dict[str, Value]) -> None:
    assert loads(dumps(values)) == values


@given(VALUES)
def test_a_value_is_the_same_as_itself(value: Value) -> None:
    assert same(value, from_json(to_json(value)))


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (38, 38.0, True),
        (None, "", True),
        (None, "  ", True),
        ("cut at a space ", "cut at a space", True),
        ("two  spaces", "two spaces", False),
        (None, (), True),
        (("a", "b"), ("b", "a"), True),
        (("a",), ("a", "b"), False),
        (0, None, False),
        ("red", "yellow", False),
        (datetime(2026, 1, 1, 0, 0, 0, 999, UTC), datetime(2026, 1, 1, tzinfo=UTC), True),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), False),
    ],
)
def test_same_as_the_crm_shows_it(left: Value, right: Value, equal: bool) -> None:  # noqa: FBT001  # a table column
    assert same(left, right) is equal


@pytest.mark.parametrize("data", [{"other": 1}, {"at": "x", "day": "y"}, object()])
def test_foreign_json_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="not a stored value"):
        from_json(data)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "(empty)"),
        ("", "(empty)"),
        (38.0, "38"),
        (38.5, "38.5"),
        (("b", "a"), "a, b"),
        (date(2026, 2, 3), "2026-02-03"),
        (datetime(2026, 2, 3, 4, 5, tzinfo=UTC), "2026-02-03 04:05 UTC"),
    ],
)
def test_shown_to_a_person(value: Value, text: str) -> None:
    assert show(value) == text
