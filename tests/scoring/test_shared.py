"""Statements that run together share their pass over usage; alone, each counts for itself."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlglot import exp

from scoring.card import LEVELS, Scorecard
from scoring.engine import connect, load, run, run_together, score
from scoring.errors import ScoringError
from scoring.inputs import Engine
from scoring.shared import Together, together
from tests.scoring.worlds import random_world, store


def test_levels_score_together_as_each_does_alone(card: Scorecard, tmp_path: Path) -> None:
    """With every feature on, `test_oracle.py` shows it."""
    inputs = store(random_world(1, usage=900), tmp_path)
    with load(card, inputs) as con:
        alone = [row for level in LEVELS for row in run(con, card, level, inputs.as_of)]
    assert list(score(card, inputs)) == alone


def test_usage_is_read_once_for_all(wide_card: Scorecard) -> None:
    statements = [wide_card.statement(level) for level in LEVELS]
    both = together(statements, [wide_card.compile(level) for level in LEVELS])
    assert both.first.count("FROM usage ") == 1
    assert [text.count("FROM usage ") - text.count("MIN(usage.day)") for text in both.texts] == [0, 0]


def test_statements_that_mean_something_else_by_a_column_count_for_themselves(card: Scorecard) -> None:
    one = card.statement("account")
    other = one.copy()
    for column in other.find_all(exp.Column):
        if column.name == "hits":
            column.replace(exp.Literal.number(1))
    assert together([one, other], ["1", "2"]) == Together("", ("1", "2"))
    assert together([one, one], ["1", "2"]).first


def test_a_statement_without_usage_stays_as_it_is(card: Scorecard) -> None:
    for level in LEVELS:
        only = together([card.statement(level)], [card.compile(level)])
        assert (only.first, only.texts) == ("", (card.compile(level),))


def test_usage_that_is_not_there_is_an_error_in_words(card: Scorecard) -> None:
    with connect(Engine()) as con, pytest.raises(ScoringError, match="usage: Catalog Error"):
        run_together(con, [(card, level) for level in LEVELS], datetime(2026, 11, 1, tzinfo=UTC))
