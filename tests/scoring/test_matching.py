"""Rules answered in Python say what DuckDB says of them, with NULL neither true nor false."""

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import CardError
from scoring.features import catalogue
from scoring.matching import asked, matcher, named

FEATURES = catalogue("account")
NUMBERS, TEXTS = ("open_tickets", "mrr", "days_to_renewal"), ("plan", "lifecycle")

number: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(NUMBERS),
        st.integers(0, 5).map(str),
        st.tuples(number, st.sampled_from("+-"), number).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        number.map(lambda one: f"ABS({one})"),
        st.tuples(number, number).map(lambda p: f"COALESCE({p[0]}, {p[1]})"),
        st.sampled_from(NUMBERS).map(lambda one: f"2 * {one}"),
        st.sampled_from(NUMBERS).map(lambda one: f"(-{one})"),
    )
)
text = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(["'pro'", "'Pro'", "''"]),
    st.sampled_from(TEXTS).map(lambda one: f"LOWER({one})"),
    st.sampled_from(TEXTS).map(lambda one: f"COALESCE({one}, 'pro')"),
)
SIGNS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
rule: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.tuples(number, SIGNS, number).map(" ".join),
        st.tuples(text, SIGNS, text).map(" ".join),
        st.tuples(number, number, number).map(lambda p: f"{p[0]} BETWEEN {p[1]} AND {p[2]}"),
        st.tuples(number, number, number).map(lambda p: f"{p[0]} IN ({p[1]}, {p[2]})"),
        st.tuples(text, text, text).map(lambda p: f"{p[0]} NOT IN ({p[1]}, {p[2]})"),
        st.one_of(number, text).map(lambda one: f"{one} IS NULL"),
        st.one_of(number, text).map(lambda one: f"{one} IS NOT NULL"),
        st.sampled_from(["TRUE", "FALSE"]),
        rule.map(lambda one: f"NOT ({one})"),
        st.tuples(rule, st.sampled_from(["AND", "OR"]), rule).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
    )
)
ROWS = st.fixed_dictionaries(
    {
        **{name: st.one_of(st.none(), st.integers(-3, 5)) for name in NUMBERS},
        **{name: st.one_of(st.none(), st.sampled_from(["pro", "Pro", ""])) for name in TEXTS},
    }
)


@pytest.fixture(scope="module")
def db() -> Any:
    with duckdb.connect() as con:
        columns = [f"{name} BIGINT" for name in NUMBERS] + [f"{name} VARCHAR" for name in TEXTS]
        con.execute(f"CREATE TABLE one ({', '.join(columns)})")
        yield con


@settings(deadline=None)
@given(rule, ROWS)
def test_it_says_what_the_engine_says(db: Any, words: str, row: dict[str, Any]) -> None:
    try:
        answer = asked(words, FEATURES)(row)
    except CardError:
        return  # too deep for a rule
    db.execute("DELETE FROM one")
    db.execute("INSERT INTO one VALUES (?, ?, ?, ?, ?)", [row[name] for name in (*NUMBERS, *TEXTS)])
    ((engine,),) = db.execute(f"SELECT {words} FROM one").fetchall()
    assert answer == engine, words
    assert matcher(words, FEATURES)(row) is (engine is True)


def test_the_features_that_a_rule_names() -> None:
    assert named("open_tickets > 2 AND COALESCE(plan, 'x') <> 'x'", FEATURES) == {"open_tickets", "plan"}
    with pytest.raises(CardError, match="unknown feature"):
        named("open_tickts > 2", FEATURES)
