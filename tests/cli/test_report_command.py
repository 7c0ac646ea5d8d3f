"""`report`: a page out of what is stored, without a call, for its owner's eyes."""

import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import SECRETS, Site


@pytest.mark.requirement("R87", "R64")
def test_the_report_is_one_file_and_makes_no_call(filled: Site, tmp_path: Path) -> None:
    site = filled
    calls = site.sandbox.journal.calls()
    target = tmp_path / "monday.html"
    said = site.run("report", "--out", str(target), "--json")
    assert said.code == 0
    assert site.sandbox.journal.calls() == calls
    text = target.read_text("utf-8")
    assert said.data["accounts"] > 3
    assert said.data["bytes"] == len(text.encode())
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob("*monday*")) == ["monday.html"]
    assert not [secret for secret in SECRETS if secret in text]
    assert "Who needs a call today, and why" in text
    names = [row["name"] for row in site.run("score", "--json").data["rows"]]
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    assert sorted(row[1] for row in data["accounts"]) == sorted(names)
    assert f"{len(names)} accounts; opens in any browser" in site.run("report", "--out", str(target)).out


def test_a_folder_that_is_not_there_is_said(site: Site, tmp_path: Path) -> None:
    said = site.run("report", "--out", str(tmp_path / "missing" / "report.html"))
    assert said.code == 1
    assert "missing" in said.err


def test_a_report_of_nothing_is_refused(new_site: Site) -> None:
    said = new_site.run("report")
    assert said.code == 1
    assert "nothing is stored yet" in said.err


@pytest.mark.requirement("R75")
def test_targets_come_from_the_config(site: Site, tmp_path: Path) -> None:
    site.add("[report]\ntargets = { onboarding = 101 }\n")
    said = site.run("report", "--out", str(tmp_path / "report.html"))
    assert said.code == 2
    assert "report.targets.onboarding" in said.err
    site.change("onboarding = 101", "repeat = 33")
    assert site.run("report", "--out", str(tmp_path / "report.html")).code == 0
    assert "Stages against their targets (from the config)" in (tmp_path / "report.html").read_text("utf-8")
