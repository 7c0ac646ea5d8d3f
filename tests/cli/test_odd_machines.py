"""Machines that lack what one takes for granted: a name for who works on them, an encoding for every letter."""

import getpass
import io
import json
import sys

import pytest

from cli.approve import _name
from cli.errors import CommandError
from cli.output import Output


@pytest.mark.parametrize("problem", [KeyError("getpwuid(): uid not found: 4711"), OSError("No username set")])
def test_who_has_no_name_here_gives_one(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def getuser() -> str:
        raise problem

    monkeypatch.setattr(getpass, "getuser", getuser)
    with pytest.raises(CommandError, match="--by"):
        _name(None)
    assert _name(" Ann ") == "Ann"


def test_json_is_escaped_where_the_output_has_no_such_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    Output(as_json=True).json({"name": "Zoë"})
    assert json.loads(raw.getvalue()) == {"name": "Zoë"}
    assert raw.getvalue().isascii()
