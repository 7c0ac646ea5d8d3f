"""Text of strangers stays text: in tables, in SOQL, in HTML, on a terminal, in links.

`make fuzz` sends a million payloads through the same; these tests a few thousand each, or HOLDFAST_FUZZ.
"""
# ruff: noqa: RUF001 - look-alikes are the point

from datetime import UTC, date, datetime

import pytest

from cli.cells import COLUMNS, LONGEST, cell, table
from tests.security.fuzz import FUZZERS, runs, volume


@pytest.mark.parametrize("name", FUZZERS)
def test_nothing_escapes(name: str) -> None:
    assert FUZZERS[name](volume(5000)) == []


@pytest.mark.parametrize("text", ["=1", " =1", "\u00a0+1", "＝1", '"=1', "\t1", "\u200b-1", "\ufeff@x", "\ufc61＝1"])
def test_the_reader_of_cells_knows_a_formula(text: str) -> None:
    assert runs(text)
    assert not runs(str(cell(text)))


def test_cells_of_every_type() -> None:
    when = datetime(2026, 11, 1, 6, tzinfo=UTC)
    given = (None, "", -5, 2.5, True, date(2026, 1, 2), when, ("b", "=a"), ("-a", "b"), "plain", "x" * 100_000)
    shown = [cell(one) for one in given]
    assert shown[:7] == ["", "", -5, 2.5, "True", "2026-01-02", "2026-11-01 06:00 UTC"]
    assert shown[7:10] == ["'=a, b", "'-a, b", "plain"]
    assert len(str(shown[10])) == LONGEST


def test_a_text_that_is_harmless_is_not_touched() -> None:
    for text in ("Müller & Söhne", "a = b", "a; b", "3-4", "mail@example.com", "O'Brien"):
        assert cell(text) == text


def test_a_table_is_quoted_throughout_and_one_line_a_row() -> None:
    text = table(COLUMNS[:3], [("a\r\nb", 'say "x"', 5)])
    assert text == '"object","record","name"\r\n"a b","say ""x""",5\r\n'
