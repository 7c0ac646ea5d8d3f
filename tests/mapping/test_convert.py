import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping import convert
from mapping.convert import CONVERTERS, Converter, UnreadableError

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["", " ", "NaN", "1e999"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
BAD = [float("nan"), float("inf"), True, [], {}, [1], {"a": 1}, 10**5000, "x" * 3_000_000, object()]


def said(converter: Converter, value: Any) -> str | None:
    """The complaint about a value, None when there is none; anything but `UnreadableError` fails the test."""
    try:
        converter(value)
    except UnreadableError as error:
        return str(error)
    return None


@settings(deadline=None)
@given(ANYTHING, st.sampled_from(sorted(CONVERTERS)))
def test_converters_give_a_value_or_say_unreadable(value: Any, name: str) -> None:
    complaint = said(CONVERTERS[name], value)
    assert complaint is None or 0 < len(complaint) < 300


@settings(deadline=None)
@given(ANYTHING)
def test_lists_and_tables_raise_nothing_else_either(value: Any) -> None:
    for converter in (convert.many(convert.to_email, ";"), convert.by_table({"a": 1}), convert.by_table({}, "x")):
        assert said(converter, value) != ""


@pytest.mark.parametrize("name", ["id", "email", "domain", "int", "money", "currency", "instant", "date"])
@pytest.mark.parametrize("value", BAD, ids=lambda v: type(v).__name__)
def test_nonsense_is_unreadable(name: str, value: Any) -> None:
    with pytest.raises(UnreadableError):
        CONVERTERS[name](value)


@pytest.mark.parametrize("name", sorted(set(CONVERTERS) - {"stage_closed", "stage_won"}))
@pytest.mark.parametrize("value", [None, "", "  "])
def test_nothing_is_none(name: str, value: Any) -> None:
    assert CONVERTERS[name](value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(" 007 ", "007"), (42, "42"), (12.0, "12"), (-3, "-3"), (2**60, str(2**60))],
)
def test_ids_keep_leading_zeros_and_numbers_become_text(value: Any, expected: str) -> None:
    assert convert.to_id(value) == expected


@pytest.mark.parametrize("value", [1.5, "y" * 256, True, 1e300])
def test_what_cannot_be_an_id(value: Any) -> None:
    with pytest.raises(UnreadableError):
        convert.to_id(value)


def test_text_takes_numbers_too() -> None:
    assert [convert.to_text(v) for v in (" a ", 3, 1.5)] == ["a", "3", "1.5"]


@pytest.mark.parametrize(("value", "expected"), [("12", 12), (12.0, 12), (" -3 ", -3), ("12.0", 12), (0, 0)])
def test_whole_numbers(value: Any, expected: int) -> None:
    assert convert.to_int(value) == expected


@pytest.mark.parametrize("value", ["12.5", "1_000", "twelve", "0x1F", 2**53 + 1, "9" * 41])
def test_no_whole_numbers(value: Any) -> None:
    with pytest.raises(UnreadableError):
        convert.to_int(value)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("1250.5", "USD", 125050),
        ("1250.5", None, 125050),
        ("1250", "JPY", 1250),
        ("1250.4", "jpy", 1250),
        ("1.2345", "KWD", 1234),
        ("0.125", "EUR", 12),
        (19.99, "EUR", 1999),
        ("-5", "EUR", -500),
    ],
)
def test_amounts_become_minor_units_of_their_currency(amount: Any, currency: str | None, minor: int) -> None:
    value = convert.to_money(amount)
    assert value is not None
    assert convert.minor_units(value, currency) == minor


def test_floats_are_read_as_they_are_written() -> None:
    assert convert.to_money(0.1) == Decimal("0.1")


@pytest.mark.parametrize(
    "value",
    [
        *("2026-03-01T10:00:00Z", "2026-03-01T10:00:00.000Z", "2026-03-01T11:00:00+01:00", "2026-03-01T10:00:00"),
        *(1772359200, 1772359200000, "1772359200", "1772359200000", 1772359200.0, " 2026-03-01 10:00:00 "),
    ],
)
def test_instants_in_every_notation(value: Any) -> None:
    assert convert.to_instant(value) == datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    ["banana", "2026-W10-1", "20260301", 0, -1, "0", "1969-12-31T00:00:00Z", "9999-12-31T23:59:59-01:00", "²", 10**15],
)
def test_no_instants(value: Any) -> None:
    with pytest.raises(UnreadableError, match="point in time"):
        convert.to_instant(value)


@settings(deadline=None)
@given(st.datetimes(datetime(1990, 1, 2), datetime(2200, 1, 1)))  # noqa: DTZ001 - the zone is added below
def test_instants_survive_iso_and_epoch(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
    assert convert.to_instant(moment.isoformat()) == moment
    if moment.timestamp() >= 10**8:
        assert convert.to_instant(round(moment.timestamp() * 1000)) == moment


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01", date(2026, 3, 1)),
        ("2026-03-01T23:30:00-01:00", date(2026, 3, 2)),
        (1772323200000, date(2026, 3, 1)),
        ("2056-01-01", date(2056, 1, 1)),
    ],
)
def test_dates(value: Any, expected: date) -> None:
    assert convert.to_date(value) == expected


@pytest.mark.parametrize("value", ["2026-02-30", "1066-10-14", "2300-01-01", "01/02/2026"])
def test_no_dates(value: Any) -> None:
    with pytest.raises(UnreadableError):
        convert.to_date(value)


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("TRUE", True), (0, False), ("no", False), (1, True)])
def test_booleans(value: Any, expected: bool) -> None:  # noqa: FBT001 - a parameter of the table above
    assert convert.to_bool(value) is expected


@pytest.mark.parametrize("value", ["maybe", 2, [], math.nan])
def test_no_booleans(value: Any) -> None:
    with pytest.raises(UnreadableError):
        convert.to_bool(value)


def test_several_values_leave_out_the_unreadable() -> None:
    emails = convert.many(convert.to_email, ";")
    assert emails("A@b.example;;nonsense; a@B.example;c@d.example") == ("a@b.example", "c@d.example")
    assert emails(["a@b.example", None]) == ("a@b.example",)
    assert emails("") is None
    assert emails(";") is None
    with pytest.raises(UnreadableError):
        emails("nonsense")
    with pytest.raises(UnreadableError):
        emails({"a": 1})


def test_without_separator_a_text_is_one_value() -> None:
    ids = convert.many(convert.to_id, "")
    assert ids("a;b") == ("a;b",)
    assert ids(7) == ("7",)


@pytest.mark.parametrize(
    ("stage", "closed", "won"),
    [
        ({"isClosed": "true", "probability": "1.0"}, True, True),
        ({"isClosed": True, "probability": 0}, True, False),
        ({"isClosed": "false", "probability": "0.4"}, False, None),
        ({"probability": "1"}, True, True),
        ({"isClosed": "false", "probability": "1"}, False, None),
        ({}, False, None),
        (None, None, None),
    ],
)
def test_stages_of_deals(stage: Any, closed: bool | None, won: bool | None) -> None:  # noqa: FBT001 - the table above
    assert convert.stage_closed(stage) is closed
    assert convert.stage_won(stage) is won


def test_tables_compare_without_case_and_name_what_is_allowed() -> None:
    table = convert.by_table({"HIGH": "high", "true": 1, "none": ""})
    assert [table(v) for v in ("HIGH", "high", True, "None", None, "")] == ["high", "high", 1, None, None, None]
    with pytest.raises(UnreadableError, match="'odd' is not one of HIGH, none, true"):
        table("odd")
    with pytest.raises(UnreadableError):
        table(["HIGH"])


@pytest.mark.parametrize("convert_one", [convert.to_email, convert.to_domain])
def test_addresses_and_domains_refuse_other_types(convert_one: Callable[[Any], Any]) -> None:
    with pytest.raises(UnreadableError):
        convert_one(7)
