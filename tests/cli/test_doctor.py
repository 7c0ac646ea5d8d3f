"""`check` as a doctor: the pass mark, readiness, upkeep, and that every finding is explained."""

import ast
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.doctor_words import MEANS, page
from tests.cli.conftest import FILL, Site

ROOT = Path(__file__).parents[2]
LOW = "[quality]\nfewest = 1\nowners = 1.0\nidentified = 1.0\nscored = 1.0\n"


def codes(site: Site, section: str) -> dict[str, dict[str, Any]]:
    return {item["code"]: item for item in site.run("check", "--json").data[section]}


@pytest.mark.requirement("R36", "R54", "R58")
def test_the_first_fill_waits_for_the_pass_mark_or_a_name(site: Site) -> None:
    site.change('card = "card.toml"\n', f'card = "card.toml"\n{LOW}')
    said = site.run("check", "--json")
    assert said.code == 1
    data = {item["code"]: item for item in said.data["data"]}
    bad = sorted(code.removeprefix("quality_") for code, item in data.items() if item["severity"] == "error")
    assert "quality" in bad
    names = [name for name in bad if name != "quality"]
    assert names
    assert all(item["means"] and item["docs"] for item in data.values())
    before = site.writes()
    held = site.run(*FILL, "--json")
    assert held.code == 5
    assert [verdict["check"] for verdict in held.data["held"]] == ["quality"]
    assert site.writes() == before
    assert f"--accept {names[0]}" in held.data["held"][0]["text"]
    accepted = site.run(*FILL, *(word for name in names for word in ("--accept", name)))
    assert accepted.code == 0, accepted.text
    assert site.writes() > before
    after = codes(site, "data")
    assert after["quality"]["severity"] == "warning", "later runs are not held"
    assert site.run("sync").code == 0


def test_accepting_goes_with_the_first_fill(site: Site) -> None:
    assert site.run("sync", "--accept", "linked").code == 2


def test_the_mark_can_be_off_or_accepted_in_the_config(site: Site) -> None:
    site.add("[quality]\nenabled = false\nscored = 1.0\nfewest = 1\nidentified = 1.0\n")
    assert "is off" in codes(site, "data")["quality"]["message"]
    assert site.run(*FILL).code == 0


@pytest.mark.requirement("R54")
def test_the_four_questions_before_a_start(site: Site) -> None:
    found = codes(site, "readiness")
    assert set(found) == {"ready_data", "ready_capacity", "ready_cause", "ready_base"}
    assert "trust people who know them" in found["ready_base"]["advice"]
    with sqlite3.connect(site.state / "state.db") as state:
        state.execute("UPDATE score SET owner_id = NULL")
    assert codes(site, "readiness")["ready_capacity"]["severity"] == "warning"


def test_a_state_that_cannot_be_read_on_is_a_finding(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr("cli.prepare.examine", torn)
    (found,) = site.run("check", "--json").data["state"]
    assert (found["severity"], found["message"]) == ("error", "database disk image is malformed")
    assert "holdfast state check" in found["advice"]


@pytest.mark.requirement("R51")
def test_a_card_that_nobody_looked_at_for_a_quarter(site: Site) -> None:
    assert "card_age" in codes(site, "upkeep")
    site.sandbox.clock.advance(timedelta(days=91))
    stale = codes(site, "upkeep")["stale_card"]
    assert "scoring.reviewed = 20" in stale["advice"]
    today = site.sandbox.clock.now().date()
    site.change('card = "card.toml"', f'card = "card.toml"\nreviewed = {today - timedelta(days=3)}')
    assert "looked at 3 days ago" in codes(site, "upkeep")["card_age"]["message"]
    site.change(f"reviewed = {today - timedelta(days=3)}", f"reviewed = {today + timedelta(days=3)}")
    assert codes(site, "upkeep")["reviewed_later"]["severity"] == "warning"


def test_the_state_file_its_copies_and_the_clocks(site: Site) -> None:
    found = codes(site, "upkeep")
    assert "whole" in found["state_file"]["message"]
    assert "no_copy" in found
    assert site.run("state", "backup").code == 0
    assert "the newest of" in codes(site, "upkeep")["copies"]["message"]
    with sqlite3.connect(site.state / "state.db") as state:
        state.execute("UPDATE stream SET skew = 500 WHERE name = 'organizations'")
    said = codes(site, "upkeep")
    assert "500 s ahead" in said["clock"]["message"]
    site.sandbox.clock.advance(timedelta(days=5))
    assert codes(site, "upkeep")["old_copy"]["severity"] == "warning"


def test_segments_that_nobody_is_in_are_named(site: Site) -> None:
    with sqlite3.connect(site.state / "state.db") as state:
        state.execute("""UPDATE score SET segments = '["new"]'""")
    assert codes(site, "upkeep")["unused_segments"]["severity"] == "info"


def written_codes(file: Path) -> Iterator[str]:
    """Codes that a module gives its findings."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
            code = node.args[1] if len(node.args) > 1 else None
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield code.value


def test_every_finding_is_explained() -> None:
    files = [file for folder in ("connectors", "cli", "sync") for file in (ROOT / folder).glob("*.py")]
    found = {code for file in files for code in written_codes(file)}
    assert len(found) > 40
    assert found <= set(MEANS)
    assert all(f"### {code}\n" in page() for code in found)
