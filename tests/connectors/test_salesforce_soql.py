"""The text of queries: no value can leave its quotes, and a walk's conditions miss no row."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import RequestError
from connectors.salesforce_soql import Key, instant, is_id, is_path, one_of, quoted, select, tidy, window

MORNING = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@given(st.text())
def test_no_text_leaves_its_quotes(text: str) -> None:
    literal = quoted(text)
    inside = literal[1:-1]
    assert literal[0] == literal[-1] == "'"
    assert not any(one in inside for one in "\n\r\t\b\f")
    at = 0
    while at < len(inside):  # every quote is escaped, and every escape has its character
        assert inside[at] != "'"
        at += 2 if inside[at] == "\\" else 1
    assert at == len(inside)


def test_literals_look_as_the_soql_reference_says() -> None:
    assert quoted('O\'Neil \\ "Sons"\n') == "'O\\'Neil \\\\ \\\"Sons\\\"\\n'"
    assert one_of("Name", ["a", "b'"]) == "Name IN ('a', 'b\\'')"
    assert instant(MORNING) == "2026-11-22T08:00:00Z"
    assert instant(MORNING + timedelta(milliseconds=5)) == "2026-11-22T08:00:00.005Z"


@pytest.mark.parametrize("name", ["Name FROM Account", "Id,Name", "", "1a", "a-b", "A.", "COUNT()", "Straße", "A" * 90])
def test_what_cannot_be_a_name_never_gets_into_a_query(name: str) -> None:
    assert not is_path(name)
    with pytest.raises(RequestError, match="cannot be the name"):
        select("Account", ["Id", name])
    with pytest.raises(RequestError, match="cannot be the name"):
        select(name, ["Id"])


def test_a_query_in_the_order_of_a_walk() -> None:
    assert select("Task", ["Id", "Account.Name"]) == "SELECT Id, Account.Name FROM Task"
    soql = select("Task", ["Id"], ["A = 1", "(B = 2 OR C = 3)"], ordered=True)
    assert soql == "SELECT Id FROM Task WHERE A = 1 AND (B = 2 OR C = 3) ORDER BY SystemModstamp, Id"


def test_ids_are_15_or_18_letters_and_digits() -> None:
    assert is_id("001Hf000000001MIAQ")
    assert is_id("001Hf000000001M")
    for text in ("001Hf000000001MI", "001Hf000000001M'--", None, 7, "001Hf000000001Miaq"):
        assert not is_id(text)


def holds(conditions: list[str], stamp: datetime, record_id: str) -> bool:
    """Evaluate the conditions as SOQL would."""
    text = " and ".join(conditions) or "True"
    for soql, python in ((" AND ", " and "), (" OR ", " or "), (" = ", " == ")):
        text = text.replace(soql, python)
    for when in {stamp, *STAMPS}:
        text = text.replace(f" {instant(when)}", f" '{instant(when)}'")
    return bool(eval(text, {}, {"SystemModstamp": instant(stamp), "Id": record_id}))  # noqa: S307 - our own text


STAMPS = [MORNING + timedelta(minutes=minute) for minute in range(4)]
ROWS = [(stamp, record_id) for stamp in STAMPS for record_id in ("001A", "001B", "001C")]


@given(st.sampled_from([None, *STAMPS]), st.sampled_from([None, *ROWS]), st.sampled_from([None, *STAMPS]))
def test_the_rest_of_a_walk_is_every_row_behind_the_place(
    low: datetime | None, passed: tuple[datetime, str] | None, until: datetime | None
) -> None:
    conditions = window(low, Key(*passed) if passed else None, until)
    expected = [
        row
        for row in ROWS
        if (low is None or row[0] >= low) and (passed is None or row > passed) and (until is None or row[0] < until)
    ]
    assert [row for row in ROWS if holds(conditions, *row)] == expected


MANAGED = {"Owner": {"attributes": {}, "Name": "A", "Manager": {"attributes": {}, "Name": None}}}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"attributes": {"type": "Account"}, "Id": "1", "Name": None}, {"Id": "1", "Name": None}),
        (MANAGED, {"Owner": {"Name": "A", "Manager": None}}),
        ({"Owner": {"attributes": {}, "Name": None}}, {"Owner": None}),
        ({"Owner": None}, {"Owner": None}),
    ],
)
def test_rows_are_tidied_at_every_level(row: dict[str, Any], expected: dict[str, Any]) -> None:
    assert tidy(row) == expected
