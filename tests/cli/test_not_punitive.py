"""Scores are for helping customers: nothing that is shown lists or ranks the people who look after them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CLI = Path(__file__).parents[2] / "cli"
PEOPLE = {"owner", "manager", "csm", "rep", "agent", "who", "assignee"}


def headings() -> Iterator[tuple[str, set[str]]]:
    """Every table that a command prints, by its headings."""
    for path in sorted(CLI.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "table":
                words = {one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)}
                yield f"{path.name}:{node.lineno}", {str(word).lower() for word in words}


@pytest.mark.requirement("R19")
def test_no_table_is_by_person_and_says_how_accounts_do() -> None:
    found = dict(headings())
    assert len(found) > 10
    about = {"score", "band", "health", "red", "accounts", "tasks", "overdue", "done", "share"}
    assert not {place: words for place, words in found.items() if words & PEOPLE and words & about}
