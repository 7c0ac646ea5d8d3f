"""`holdfast card`: presets, copies, lint. No config is needed, and no vendor."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.config import InvalidConfigError, load
from scoring.presets import PRESETS
from tests.cli.conftest import Said
from tests.cli.test_config import CRM, ENV, write

Run = Callable[..., Said]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_list_names_every_preset_without_a_config(run: Run) -> None:
    text = run("card", "list").out
    assert all(one.name in text for one in PRESETS)
    data = run("card", "list", "--json").data
    assert [one["preset"] for one in data["presets"]] == [one.name for one in PRESETS]
    assert data["used"] == []


def test_new_copies_a_preset_once_and_lint_finds_nothing(run: Run) -> None:
    first = run("card", "new", "small_b2b", "mine.toml")
    assert first.code == 0
    assert 'card = "mine.toml"' in first.out
    again = run("card", "new", "default", "mine.toml")
    assert again.code == 1
    assert "mine.toml exists; name a file that does not." in again.err
    clean = run("card", "lint", "mine.toml", "--strict")
    assert (clean.code, "Small B2B: nothing to remark." in clean.out) == (0, True)
    assert run("card", "new", "onboarding", "first.toml", "--json").data["preset"] == "onboarding"
    assert run("card", "lint", "first.toml", "mine.toml", "--json").data == {
        "cards": ["Onboarding", "Small B2B"],
        "remarks": [],
    }


@pytest.mark.requirement("R7", "R8")
def test_lint_names_card_and_key_and_is_strict_when_asked(run: Run) -> None:
    text = PRESETS[1].text
    Path("odd.toml").write_text(text.replace("weight = 30", "weight = 900", 1), "utf-8")
    found = run("card", "lint", "odd.toml")
    assert found.code == 0
    said = "account.signals.tickets.weight: is 92 % of the card: the score is this one signal"
    assert said in found.text.replace("\n", " ").replace("  ", " ")
    assert run("card", "lint", "odd.toml", "--strict").code == 1
    (remark,) = run("card", "lint", "odd.toml", "--json").data["remarks"]
    assert (remark["card"], remark["key"]) == ("Small B2B", "account.signals.tickets.weight")
    assert run("card", "lint", os.devnull).code == 2


def test_an_unknown_preset_names_the_nearest(run: Run) -> None:
    said = run("card", "new", "smal_b2b", "mine.toml")
    assert said.code == 2
    assert "did you mean 'small_b2b'?" in said.err


def test_the_config_names_cards_in_their_order(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBSPOT_TOKEN", ENV["HUBSPOT_TOKEN"])
    for name in ("onboarding", "small_b2b"):
        run("card", "new", name, f"{name}.toml")
    config = write(tmp_path, CRM + '[scoring]\ncards = ["onboarding.toml", "small_b2b.toml"]\n')
    loaded = load(config, ENV)
    assert loaded.card_paths == (tmp_path / "onboarding.toml", tmp_path / "small_b2b.toml")
    assert run("card", "lint", "--json").data["cards"] == ["Onboarding", "Small B2B"]
    assert run("card", "list", "--json").data["used"] == ["Onboarding", "Small B2B"]
    Path("small_b2b.toml").write_text(Path("small_b2b.toml").read_text("utf-8") + "\n# changed\n", "utf-8")
    assert load(config, ENV).hash != loaded.hash
    both = write(tmp_path, CRM + '[scoring]\ncard = "a.toml"\ncards = ["b.toml"]\n')
    with pytest.raises(InvalidConfigError, match="card and cards exclude each other"):
        load(both, ENV)
