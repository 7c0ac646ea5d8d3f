"""One comparison: what each type of field takes, and which values pass."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.salesforce_errors import SfError
from sandbox.salesforce_ids import record_id
from sandbox.salesforce_soql import parse
from sandbox.salesforce_soql_tree import Comparison
from sandbox.salesforce_soql_where import compile_test
from sandbox.salesforce_types import FieldDef

NOW = int(datetime(2026, 3, 10, 15, 30, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000
ACCOUNT = record_id("Account", 70)
OTHER = record_id("Account", 71)
FIELDS: dict[str, FieldDef] = {
    "text": FieldDef("X", "string"),
    "pick": FieldDef("X", "picklist"),
    "combo": FieldDef("X", "combobox"),
    "long": FieldDef("X", "longtextarea", filterable=False),
    "multi": FieldDef("X", "multipicklist"),
    "number": FieldDef("X", "double"),
    "flag": FieldDef("X", "boolean"),
    "day": FieldDef("X", "date"),
    "moment": FieldDef("X", "datetime"),
    "id": FieldDef("X", "id"),
    "ref": FieldDef("X", "reference"),
}


def passes(kind: str, condition: str) -> Callable[[Any], bool]:
    text = f"SELECT Id FROM Y WHERE X {condition}"
    where = parse(text).where
    assert isinstance(where, Comparison)
    return compile_test(FIELDS[kind], where, text, NOW)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("kind", "condition", "passing", "failing"),
    [
        ("text", "= 'Acme'", ["acme", "ACME"], ["Acm", None, ""]),
        ("text", "!= 'Acme'", ["x", None, ""], ["ACME"]),
        ("text", "= null", [None, ""], ["x"]),
        ("text", "= ''", [None, ""], ["x"]),
        ("text", "!= null", ["x"], [None, ""]),
        ("text", "> 'b'", ["C", "ba"], ["A", "b", None]),
        ("text", "<= 'B'", ["b", "a"], ["c", None]),
        ("text", "< null", [], ["a", None]),
        ("text", "IN ('a', 'B')", ["A", "b"], ["c", None]),
        ("text", "IN ('a', null)", ["A", None, ""], ["c"]),
        ("text", "NOT IN ('a', 'b')", ["c", None], ["A"]),
        ("text", "LIKE 'ac%'", ["Acme", "AC"], ["xac", None, ""]),
        ("text", "LIKE 'a_c'", ["abc", "A%C"], ["ac", "abbc"]),
        ("text", "LIKE 'a\\_c'", ["a_c"], ["abc"]),
        ("text", "LIKE '100\\%'", ["100%"], ["1000"]),
        ("text", "LIKE 'a.c'", ["a.c"], ["abc"]),
        ("text", "LIKE '\\u0061\\n%'", ["A\nb"], ["a", "b"]),
        ("text", "LIKE null", [None], ["x"]),
        ("pick", "= 'Closed Won'", ["closed won"], ["Closed"]),
        ("combo", "LIKE 'C%'", ["Call"], ["x"]),
        ("multi", "= 'b;A'", ["A;B"], ["A", None]),
        ("multi", "!= null", ["A"], [None, ""]),
        ("multi", "INCLUDES ('a;b', 'C')", ["A;B;D", "c"], ["A", "B;D", None]),
        ("multi", "INCLUDES (null)", [None, ""], ["A"]),
        ("multi", "EXCLUDES ('A')", ["B", None], ["a;b"]),
        ("number", "= 5", [5, 5.0], [4, None]),
        ("number", "!= 5", [4, None], [5]),
        ("number", ">= 2.5", [2.5, 3], [2, None]),
        ("number", "IN (1, 2)", [1.0], [3, None]),
        ("number", "< null", [], [1, None]),
        ("flag", "= true", [True], [False, None]),
        ("flag", "!= true", [False, None], [True]),
        ("flag", "IN (true, false)", [True, False, None], []),
        ("flag", "= null", [False, None], [True]),
        ("day", "= 2026-03-10", ["2026-03-10"], ["2026-03-11", None]),
        ("day", "> 2026-03-10", ["2026-03-11"], ["2026-03-10", None]),
        ("day", "= TODAY", ["2026-03-10"], ["2026-03-11", "2026-03-09", None]),
        ("day", "< TODAY", ["2026-03-09"], ["2026-03-10", None]),
        ("day", "<= TODAY", ["2026-03-10"], ["2026-03-11"]),
        ("day", "> TODAY", ["2026-03-11"], ["2026-03-10"]),
        ("day", ">= TOMORROW", ["2026-03-11"], ["2026-03-10"]),
        ("day", "= LAST_N_DAYS:2", ["2026-03-08", "2026-03-10"], ["2026-03-07", "2026-03-11"]),
        ("day", "= NEXT_N_DAYS:2", ["2026-03-11", "2026-03-12"], ["2026-03-10", "2026-03-13"]),
        ("day", "= N_DAYS_AGO:1", ["2026-03-09"], ["2026-03-10"]),
        ("day", "!= TODAY", ["2026-03-09", None], ["2026-03-10"]),
        ("day", "IN (YESTERDAY, 2026-01-01)", ["2026-03-09", "2026-01-01"], ["2026-03-10", None]),
        ("day", "NOT IN (YESTERDAY, 2026-01-01)", ["2026-03-10", None], ["2026-03-09", "2026-01-01"]),
        ("day", "= LAST_N_DAYS:999999999", ["2026-03-10", "1000-01-01"], ["2026-03-11"]),
        ("moment", ">= 2026-03-10T00:00:00Z", [at("2026-03-10T00:00:00")], [at("2026-03-09T23:59:59"), None]),
        ("moment", "= 2026-03-10T01:00:00+01:00", [at("2026-03-10T00:00:00")], [at("2026-03-10T01:00:00")]),
        ("moment", "= TODAY", [NOW, NOW // DAY * DAY], [NOW - DAY, NOW // DAY * DAY + DAY, None]),
        ("id", f"= '{ACCOUNT}'", [ACCOUNT], [OTHER, None]),
        ("id", f"= '{ACCOUNT[:15]}'", [ACCOUNT], [OTHER]),
        ("id", f"> '{ACCOUNT[:15]}'", [OTHER], [ACCOUNT, None]),
        ("ref", f"IN ('{ACCOUNT[:15]}', '{OTHER}')", [ACCOUNT, OTHER], [None]),
        ("ref", f"!= '{ACCOUNT}'", [OTHER, None], [ACCOUNT]),
        ("ref", "= null", [None], [ACCOUNT]),
        ("ref", "= ''", [None], [ACCOUNT]),
    ],
)
def test_what_passes(kind: str, condition: str, passing: list[Any], failing: list[Any]) -> None:
    test = passes(kind, condition)
    assert [value for value in passing if not test(value)] == []
    assert [value for value in failing if test(value)] == []


@pytest.mark.parametrize(
    ("kind", "condition", "code", "words"),
    [
        ("long", "= 'x'", "INVALID_FIELD", "field 'X' can not be filtered in a query call"),
        ("text", "= 5", "INVALID_FIELD", "must be of type string and should be enclosed in quotes"),
        ("text", "= TODAY", "INVALID_FIELD", "must be of type string"),
        ("number", "= '5'", "INVALID_FIELD", "must be of type double and should not be enclosed in quotes"),
        ("flag", "= 'true'", "INVALID_FIELD", "must be of type boolean"),
        ("day", "= '2026-01-01'", "INVALID_FIELD", "must be of type date and should not be enclosed in quotes"),
        ("day", "= 2026-01-01T00:00:00Z", "INVALID_FIELD", "must be of type date "),
        ("moment", "= 2026-01-01", "INVALID_FIELD", "must be of type dateTime"),
        ("moment", "> '2026-01-01T00:00:00Z'", "INVALID_FIELD", "must be of type dateTime"),
        ("id", "= 'nope'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: nope"),
        ("ref", "IN ('nope')", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: nope"),
        ("id", "LIKE '001%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on id field"),
        ("flag", "> true", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on boolean field"),
        ("number", "LIKE '5'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on double field"),
        ("moment", "LIKE '5'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on dateTime field"),
        ("multi", "LIKE 'a%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on multipicklist field"),
        ("multi", "IN ('a')", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on multipicklist field"),
        ("text", "INCLUDES ('a')", "INVALID_QUERY_FILTER_OPERATOR", "only valid on multipicklist field"),
    ],
)
def test_what_is_refused(kind: str, condition: str, code: str, words: str) -> None:
    with pytest.raises(SfError, match=re.escape(words)) as caught:
        passes(kind, condition)
    assert (caught.value.status, caught.value.code) == (400, code)
    assert "ERROR at Row:1:Column:" in caught.value.message


TEXT = st.text(alphabet="aAbB%_.\\'é\n", max_size=6)


@given(TEXT, st.none() | TEXT)
def test_like_without_wildcards_is_equality(wanted: str, value: str | None) -> None:
    plain = wanted.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    pattern = plain.replace("%", "\\%").replace("_", "\\_")
    like, equal = passes("text", f"LIKE '{pattern}'"), passes("text", f"= '{plain}'")
    assert like(value) == (bool(value) and equal(value))


@given(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(-3, 3), st.none() | st.integers(-3, 3))
def test_an_operator_and_its_opposite(operator: str, wanted: int, value: int | None) -> None:
    """NOT turns everything round, so that what is empty passes exactly one of the two."""
    opposite = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}[operator]
    one, other = passes("number", f"{operator} {wanted}"), passes("number", f"{opposite} {wanted}")
    if value is None and operator not in {"=", "!="}:
        assert not one(value)
        assert not other(value)
    else:
        assert one(value) != other(value)


@given(st.lists(st.sampled_from("abc"), max_size=3), st.lists(st.sampled_from("abcd"), min_size=1, max_size=3))
def test_includes_wants_every_option_of_one_value(chosen: list[str], wanted: list[str]) -> None:
    value = ";".join(chosen) or None
    assert passes("multi", f"INCLUDES ('{';'.join(wanted)}')")(value) == (set(wanted) <= set(chosen))
    each = ", ".join(f"'{one}'" for one in wanted)
    assert passes("multi", f"INCLUDES ({each})")(value) == bool(set(wanted) & set(chosen))
    assert passes("multi", f"EXCLUDES ({each})")(value) != passes("multi", f"INCLUDES ({each})")(value)
