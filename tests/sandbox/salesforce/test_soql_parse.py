"""The query language: what is read, what is refused, and where a refusal points."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.salesforce_errors import SfError
from sandbox.salesforce_soql import MAX_LENGTH, parse
from sandbox.salesforce_soql_tree import Aggregate, Chain, Comparison, FieldSet, Literal, Not, Path, pointed


def only(text: str) -> Comparison:
    """The one comparison of a condition."""
    where = parse(f"SELECT Id FROM Account WHERE {text}").where
    assert isinstance(where, Comparison)
    return where


def value(text: str) -> Any:
    return only(f"X = {text}").values[0].value


def refusal(text: str) -> tuple[str, str]:
    with pytest.raises(SfError) as caught:
        parse(text)
    assert caught.value.status == 400
    return caught.value.code, caught.value.message


def test_every_clause() -> None:
    query = parse(
        "select Id, account.Owner.Name\n FROM contact where Name LIKE 'A%' group by Title "
        "order by SystemModstamp desc nulls last, Id limit 10 offset 20"
    )
    assert [str(field) for field in query.selected] == ["Id", "account.Owner.Name"]
    assert query.object == "contact"
    assert query.group is not None
    assert str(query.group) == "Title"
    assert [(str(key.field), key.descending, key.nulls_last) for key in query.order] == [
        ("SystemModstamp", True, True),
        ("Id", False, False),
    ]
    assert (query.limit, query.offset) == (10, 20)
    assert not query.counts
    assert query.aggregates


def test_count_and_aggregates() -> None:
    assert parse("SELECT COUNT() FROM Account").counts
    query = parse("SELECT Type, Count(Id) n, MAX(SystemModstamp) FROM Account GROUP BY Type")
    assert query.selected[1] == Aggregate("COUNT", Path(("Id",), 19), "n")
    assert isinstance(query.selected[2], Aggregate)
    assert query.selected[2].alias is None
    assert parse("SELECT FIELDS(all) FROM Account LIMIT 200").selected == (FieldSet("ALL", 7),)


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("X = 1", "="),
        ("X != 1", "!="),
        ("X <> 1", "!="),
        ("X<1", "<"),
        ("X <= 1", "<="),
        ("X>1", ">"),
        ("X >= 1", ">="),
        ("X like '1'", "LIKE"),
        ("X in (1, 2)", "IN"),
        ("X not in (1)", "NOT IN"),
        ("X includes ('a;b', 'c')", "INCLUDES"),
        ("X excludes ('a')", "EXCLUDES"),
    ],
)
def test_operators(text: str, operator: str) -> None:
    assert only(text).operator == operator


@pytest.mark.parametrize(
    ("text", "kind", "wanted"),
    [
        ("null", "null", None),
        ("TRUE", "boolean", True),
        ("false", "boolean", False),
        ("-12", "number", -12),
        ("+1.5", "number", 1.5),
        (".5", "number", 0.5),
        ("2e3", "number", 2000.0),
        ("2026-01-02", "date", "2026-01-02"),
        ("1970-01-01T00:00:01Z", "datetime", 1000),
        ("1970-01-01T00:00:01.500Z", "datetime", 1500),
        ("1970-01-01T01:00:00+01:00", "datetime", 0),
        ("1969-12-31T16:00:00.000-0800", "datetime", 0),
        ("today", "word", ("TODAY", 0)),
        ("LAST_N_DAYS:30", "word", ("LAST_N_DAYS", 30)),
    ],
)
def test_literals(text: str, kind: str, wanted: Any) -> None:
    literal = only(f"X = {text}").values[0]
    assert (literal.kind, literal.value) == (kind, wanted)


def test_escapes() -> None:
    literal = only(r"X LIKE 'O\'Neil \\ \"q\" 5\% a\_b \u00e9\n'").values[0]
    assert literal.value == 'O\'Neil \\ "q" 5% a_b é\n'
    assert literal.raw == r"O\'Neil \\ \"q\" 5\% a\_b \u00e9\n"


def test_conditions_nest() -> None:
    where = parse("SELECT Id FROM A WHERE (A = 1 OR (NOT B = 2)) AND C = 3 AND D = 4").where
    assert isinstance(where, Chain)
    assert (where.word, len(where.terms)) == ("AND", 3)
    first = where.terms[0]
    assert isinstance(first, Chain)
    assert first.word == "OR"
    assert isinstance(first.terms[1], Not)
    assert isinstance(parse("SELECT Id FROM A WHERE NOT (B = 2 AND C = 1)").where, Not)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("SELECT Id FORM Account", "FORM"),
        ("SELECT FROM Account", "FROM"),
        ("SELECT Id FROM", "'<EOF>'"),
        ("SELECT Id FROM WHERE X = 1", "WHERE"),
        ("", "'<EOF>'"),
        ("DELETE FROM Account", "DELETE"),
        ("SELECT Id FROM A WHERE X = 1 AND Y = 2 OR Z = 3", "OR"),
        ("SELECT Id FROM A WHERE X = 1 OR Y = 2 AND Z = 3", "AND"),
        ("SELECT Id FROM A WHERE X = 1 AND NOT Y = 2", "NOT"),
        ("SELECT Id FROM A WHERE X IS NULL", "IS"),
        ("SELECT Id FROM A WHERE X = Y", "Y"),
        ("SELECT Id FROM A WHERE X = )", ")"),
        ("SELECT Id FROM A WHERE X IN 'a'", "'a'"),
        ("SELECT Id FROM A WHERE X NOT LIKE 'a'", "NOT"),
        ("SELECT Id FROM A WHERE (X = 1", "'<EOF>'"),
        ("SELECT Id FROM A WHERE X = LAST_N_DAYS", "'<EOF>'"),
        ("SELECT Id FROM A LIMIT x", "x"),
        ("SELECT Id FROM A LIMIT -1", "-1"),
        ("SELECT Id FROM A LIMIT 1.5", "1.5"),
        ("SELECT Id FROM A ORDER BY Id NULLS", "NULLS"),
        ("SELECT Id FROM A FOR VIEW", "FOR"),
        ("SELECT Id FROM A HAVING X = 1", "HAVING"),
        ("SELECT Id FROM A a", "a"),
        ("SELECT Id FROM A OFFSET 1 LIMIT 1", "LIMIT"),
        ("SELECT FIELDS(SOME) FROM A LIMIT 1", "SOME"),
        ("SELECT Id, FROM A", "FROM"),
    ],
)
def test_unexpected(text: str, token: str) -> None:
    assert refusal(text) == ("MALFORMED_QUERY", f"unexpected token: {token}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "queries inside queries"),
        ("SELECT Id FROM A WHERE Id IN (SELECT AccountId FROM Contact)", "queries inside queries"),
        ("SELECT toLabel(Type) FROM A", "toLabel"),
        ("SELECT Id FROM A WHERE X = :name", "Bind variables only allowed in Apex code"),
        ("SELECT Id FROM A WHERE X = 'open", "expecting '''"),
        ("SELECT Id FROM A WHERE X = 'a\\q'", "Illegal character sequence"),
        ("SELECT Id FROM A WHERE X = #1", "no viable alternative at character '#'"),
        ("SELECT Id FROM A WHERE X = 12ab", "no viable alternative"),
        ("SELECT Id FROM A WHERE " + "(" * 60 + "X = 1" + ")" * 60, "maximum depth"),
        ("SELECT Id FROM A WHERE X = '" + "a" * MAX_LENGTH + "'", "cannot be longer"),
    ],
)
def test_refused_with_reason(text: str, words: str) -> None:
    code, message = refusal(text)
    assert code == "MALFORMED_QUERY"
    assert words in message


def test_plus_sign_that_became_a_blank() -> None:
    """A datetime whose `+` was not percent-encoded arrives with a blank in its place."""
    text = "SELECT Id FROM Account WHERE SystemModstamp >= 2026-01-01T00:00:00.000 0000"
    code, message = refusal(text)
    assert code == "MALFORMED_QUERY"
    assert message.endswith("no viable alternative at character ' '")
    assert f"ERROR at Row:1:Column:{text.index(' 0000') + 1}\n" in message
    assert "character '<EOF>'" in refusal("SELECT Id FROM A WHERE X > 2026-01-01T00:00:00")[1]


@pytest.mark.parametrize("text", ["2026-02-30", "2026-01-01T25:00:00Z", "0001-01-01T00:00:00+10:00"])
def test_days_that_no_calendar_has(text: str) -> None:
    assert refusal(f"SELECT Id FROM A WHERE X = {text}")[0] == "INVALID_FIELD"


def test_offset_has_an_end() -> None:
    assert refusal("SELECT Id FROM A OFFSET 2001") == (
        "NUMBER_OUTSIDE_VALID_RANGE",
        "Maximum SOQL offset allowed is 2000",
    )
    assert parse("SELECT Id FROM A LIMIT 1 OFFSET 2000").offset == 2000


def test_pointing_into_lines() -> None:
    text = "SELECT Id,\n  Nope FROM Account"
    assert pointed(text, text.index("Nope"), "bad") == (
        "\nSELECT Id,   Nope FROM Account\n             ^\nERROR at Row:2:Column:3\nbad"
    )
    long = "SELECT " + "Id, " * 100 + "Nope FROM Account"
    _, line, caret, *_ = pointed(long, long.index("Nope"), "bad").split("\n")
    assert line[caret.index("^") :].startswith("Nope")
    assert len(line) < 150


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,10}__c", fullmatch=True)


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r") + "'"


@given(st.text())
def test_any_text_survives_quoting(text: str) -> None:
    assert value(quoted(text)) == text


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_survives(number: float) -> None:
    assert value(repr(number)) == number


@given(st.dates())
def test_any_date_survives(day: date) -> None:
    assert value(day.isoformat()) == day.isoformat()


@given(st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(4000, 12, 31)))  # noqa: DTZ001
def test_any_instant_survives(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    wanted = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert value(aware.strftime("%Y-%m-%dT%H:%M:%S.%fZ")) == wanted
    assert value(aware.isoformat(timespec="milliseconds")) == wanted


@given(st.lists(NAMES, min_size=1, max_size=5), st.text(max_size=20), st.integers(0, 2000))
def test_a_query_reads_back(names: list[str], text: str, limit: int) -> None:
    query = parse(f"SELECT {', '.join(names)} FROM X__c WHERE {names[0]} = {quoted(text)} LIMIT {limit}")
    assert [str(item) for item in query.selected] == names
    assert isinstance(query.where, Comparison)
    assert query.where.values == (Literal("string", text, query.where.values[0].at, quoted(text)[1:-1]),)
    assert query.limit == limit


@given(st.text(alphabet="SELECT FROM WHERE Id='()<>,.:2026-\\ANDORNOT", max_size=80))
def test_anything_else_is_refused_and_nothing_breaks(text: str) -> None:
    try:
        parse(text)
        code = None
    except SfError as refused:
        code = refused.code
    assert code in {None, "MALFORMED_QUERY", "INVALID_FIELD", "NUMBER_OUTSIDE_VALID_RANGE"}
