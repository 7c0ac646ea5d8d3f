"""Machines, people and states that lack what one takes for granted: a name, an encoding, patience, a score."""

import getpass
import io
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cli.approve import _name
from cli.config import load
from cli.errors import STOPPED, CommandError, exit_code
from cli.look import find_account, last_scored
from cli.output import Output
from scoring.inputs import ScoreRow
from tests.cli.conftest import Site


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


def test_ctrl_c_before_any_work_has_begun_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert exit_code(interrupted) == STOPPED
    assert "stopped." in capsys.readouterr().err


def test_a_state_that_was_never_scored_says_what_to_run() -> None:
    ledger: Any = SimpleNamespace(runs=lambda limit: [])
    with pytest.raises(CommandError, match="holdfast sync --dry-run"):
        last_scored(ledger)


def test_of_two_accounts_with_one_name_both_ids_are_told() -> None:
    rows = [ScoreRow("account", n, f"80{n}", "Acme", None, 50, 3, 300, 90, "yellow", (), "", (), {}) for n in (1, 2)]
    with pytest.raises(CommandError, match=r"2 accounts are called 'acme': name one by its id \(801, 802\)"):
        find_account(rows, "acme")


def test_a_part_of_a_name_will_do_when_no_other_account_of_the_crm_has_it() -> None:
    rows = [ScoreRow("account", 1, "801", "Acme GmbH", None, 50, 3, 300, 90, "yellow", (), "", (), {})]
    assert find_account(rows, "acme", lambda: {"801": "Acme GmbH"}, part=True).crm_id == "801"
    with pytest.raises(CommandError, match=r"has the id or name 'acme'\. Did you mean Acme GmbH"):
        find_account(rows, "acme", lambda: {"801": "Acme GmbH", "802": "Acme Labs"}, part=True)


def test_a_state_file_that_a_run_was_killed_over_before_it_held_anything_is_not_called_old(new_site: Site) -> None:
    folder = load(new_site.config).state_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "state.db").touch(mode=0o600)
    said = new_site.run("status")
    assert said.code == 1
    assert "Nothing is stored in it yet. Run `holdfast sync --dry-run` first." in said.err
