"""What commands refuse, in words: a wrong name, a span that cannot be, a terminal or a machine that lacks a thing."""

import getpass
import io
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cli import explain, override, whatif
from cli.errors import CommandError
from sync.run import Agent
from tests.cli.conftest import Site

LAST = datetime(2026, 11, 22, tzinfo=UTC)


def test_instants_that_cannot_be_are_refused() -> None:
    with pytest.raises(CommandError, match="lies after 2026-11-22"):
        whatif._instants(datetime(2026, 12, 1), LAST, 7)  # noqa: DTZ001 - as click gives days
    with pytest.raises(CommandError, match="instants are too many; at most"):
        whatif._instants(datetime(2020, 1, 1), LAST, 1)  # noqa: DTZ001


def test_a_terminal_without_the_signs_gets_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("ascii", "no-such-encoding"):
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding=encoding, write=io.StringIO().write))
        assert not explain._can_show("▁█")
    monkeypatch.undo()
    assert explain._can_show("abc")


def test_a_machine_without_a_name_for_us_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert override._name(" Dana ") == "Dana"
    with pytest.raises(CommandError, match="say who says so: --by NAME"):
        override._name(None)


def test_what_is_refused_says_so(filled: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> None:
    site = filled
    said = site.run("features", "--sql", "open_tickts")
    assert said.code == 2
    assert "unknown feature 'open_tickts'" in said.err
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "mine.toml"
    said = site.run("card", "new", "small_b2b", str(elsewhere))
    assert said.code == 0
    assert f'card = "{elsewhere.resolve().as_posix()}"' in said.out

    def gone(*_: Any, **__: Any) -> Any:
        raise LookupError("the CRM does not show account 1")

    row = site.run("score", "--json").data["rows"][0]
    monkeypatch.setattr(Agent, "override", gone)
    said = site.run(
        "override", row["crm_id"], "--band", "green", "--until", "2030-01-01", "--reason", "so", "--by", "D"
    )
    assert said.code == 1
    assert "the CRM does not show account 1." in said.err
