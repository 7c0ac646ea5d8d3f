from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from scoring.card import LEVELS, Scorecard
from scoring.engine import COLUMNS, load
from scoring.inputs import Level
from scoring.statement import _Builder
from tests.scoring.worlds import NOW, random_world, store

SHARED = {
    "ABS", "AND", "BITWISE_OR_AGG", "BIT_COUNT", "CASE", "CAST", "COALESCE", "COUNT", "DATEDIFF", "IF", "LEAD", "LOWER",
    "MAX", "MIN", "OR", "REPLACE", "ROW_NUMBER", "SUBSTRING", "SUM",
}  # fmt: skip
"""What DuckDB and Spark both have, with the same meaning, by SQLGlot's names."""


def names(tree: exp.Expr) -> set[str]:
    """Functions of a statement; SQLGlot passes one that it does not model (BIT_COUNT) through by name."""
    return {f.name.upper() if isinstance(f, exp.Anonymous) else f.sql_name() for f in tree.find_all(exp.Func)}


@pytest.mark.parametrize("level", LEVELS)
def test_it_keeps_to_what_both_engines_share(wide_card: Scorecard, level: Level) -> None:
    tree = wide_card.statement(level)
    assert names(tree) <= SHARED
    assert not list(tree.find_all(exp.Qualify, exp.Lateral, exp.Unnest, exp.Array, exp.Div, exp.Parameter))


@pytest.mark.parametrize("level", LEVELS)
def test_it_can_be_put_into_sparks_dialect(wide_card: Scorecard, level: Level) -> None:
    text = wide_card.compile(level, dialect="spark")
    trees = sqlglot.parse(text, read="spark")
    assert len(trees) == 1
    assert isinstance(trees[0], exp.Select)
    # How SQLGlot calls Spark's own casts, dates and bit_count.
    assert names(trees[0]) <= SHARED | {"BITWISE_COUNT", "TRY_CAST", "TS_OR_DS_TO_DATE"}
    assert not list(trees[0].find_all(exp.Command))
    for only_in_duckdb in ("//", "$", "::", "<<", " AS TEXT)", "AS HUGEINT"):
        assert only_in_duckdb not in text
    assert " DIV " in text
    assert "SHIFTLEFT(" in text
    assert ":as_of" in text
    # Reading Spark's text back gives the same calculation.
    assert trees[0].sql("spark", pretty=True) == text


@pytest.mark.parametrize("level", LEVELS)
def test_the_instant_is_a_parameter_or_a_literal(card: Scorecard, level: Level) -> None:
    assert card.compile(level).count("$as_of") == 1
    text = card.compile(level, as_of=datetime.fromtimestamp(NOW, UTC))
    assert "$as_of" not in text
    assert f"CAST({NOW} AS BIGINT) AS now" in text
    assert not list(sqlglot.parse_one(text, read="duckdb").find_all(exp.CurrentDate, exp.CurrentTimestamp, exp.Rand))
    with pytest.raises(ValueError, match="aware"):
        card.compile(level, as_of=datetime(2026, 1, 1))  # noqa: DTZ001  # the mistake under test


@pytest.mark.parametrize("level", LEVELS)
def test_results_are_whole_numbers_and_text(wide_card: Scorecard, tmp_path: Path, level: Level) -> None:
    with load(wide_card, store(random_world(3), tmp_path)) as con:
        answer = con.execute(wide_card.compile(level), {"as_of": NOW})
        types = {name: str(kind) for name, kind, *_ in answer.description or ()}
    assert tuple(types)[: len(COLUMNS)] == COLUMNS
    assert set(types.values()) <= {"NUMBER", "STRING", "BIGINT", "INTEGER", "VARCHAR"}, types


def test_it_is_the_same_text_every_time(card: Scorecard) -> None:
    assert Scorecard.load().compile("account") == card.compile("account")
    assert Scorecard.load().compile("contact", dialect="spark") == card.compile("contact", dialect="spark")


def test_the_printed_text_runs_by_itself(card: Scorecard, tmp_path: Path) -> None:
    """What `score --sql` prints gives the same answer when somebody runs it by hand."""
    inputs = store(random_world(3), tmp_path)
    with load(card, inputs) as con:
        bound = con.execute(card.compile("account"), {"as_of": NOW}).fetchall()
        literal = con.execute(card.compile("account", as_of=inputs.as_of)).fetchall()
    assert bound == literal
    assert bound


def test_only_what_the_card_uses_is_computed() -> None:
    small = """
        name = "small"
        [bands.playbooks]
        red = "none"
        yellow = "none"
        green = "none"
        unknown = "none"
        [playbooks.none]
        task = false
        reason = "quiet"
        """
    for level in LEVELS:
        small += f"""
        [{level}.signals.tickets]
        feature = "open_tickets"
        weight = 1
        curve = [[0, 5], [9, 1]]
        reason = "{{open_tickets}}"
        customer = "questions"
        playbook = "none"
        """
    card = Scorecard.parse(small)
    text = card.compile("contact")
    assert "usage" not in text
    assert "survey" not in text
    assert "segments" in text
    # Stage and RFM are there for every account.
    assert set(card.features("account")) == {"open_tickets", "stage", "rfm"}
    assert "activity" not in card.compile("account")


def test_only_a_select_becomes_a_part_of_the_statement(card: Scorecard) -> None:
    builder = _Builder([card], "account")
    assert builder._add("own", "SELECT 1 AS key") == "own"
    with pytest.raises(TypeError, match="other is not a SELECT"):
        builder._add("other", "DROP TABLE account")


def test_an_answer_has_words_and_numbers_that_arrays_hold_as_they_are(wide_card: Scorecard, tmp_path: Path) -> None:
    inputs = store(random_world(3, accounts=5, people=9), tmp_path)
    with load(wide_card, inputs) as con:
        for level in LEVELS:
            answer = con.execute(wide_card.compile(level), {"as_of": int(inputs.as_of.timestamp())})
            assert {str(column[1]) for column in answer.description} == {"BIGINT", "INTEGER", "VARCHAR"}
            called = [column[0] for column in answer.description]
            assert len(called) == len(set(called))
