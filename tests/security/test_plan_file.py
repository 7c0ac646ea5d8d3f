"""A plan file in hostile hands never gets an operation past a person, and always ends in one sentence and exit 2."""

import csv
import io
import sys
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import pytest

from sync import plan_file
from sync.plan import PlanError
from sync.plan_file import PlanFile
from tests.cli.conftest import Site
from tests.security.fuzz import runs, volume
from tests.security.plans import disturbed, forged, sealed, shaped, wrongly_taken


@pytest.fixture
def genuine(tmp_path: Path) -> tuple[Path, str]:
    """A sealed and approved plan file, and its text."""
    path = sealed(tmp_path)
    return path, path.read_text(encoding="utf-8")


def test_every_edit_of_every_field_of_every_line_is_refused(genuine: tuple[Path, str], tmp_path: Path) -> None:
    path, text = genuine
    tries = list(forged(text))
    assert len(tries) > 2500
    assert wrongly_taken(path, tmp_path, iter(tries)) == []


def test_files_whose_form_is_the_attack_are_refused(genuine: tuple[Path, str], tmp_path: Path) -> None:
    path, text = genuine
    assert wrongly_taken(path, tmp_path, shaped(text)) == []


def test_hostile_text_and_lost_bytes_anywhere_are_refused(genuine: tuple[Path, str], tmp_path: Path) -> None:
    path, text = genuine
    assert wrongly_taken(path, tmp_path, disturbed(text, volume(1500), 7)) == []


def test_deep_json_is_refused_also_where_the_stack_is_nearly_used_up(genuine: tuple[Path, str]) -> None:
    path, text = genuine
    for what, content in shaped(text):
        if what.startswith("deep"):
            path.write_text(content, encoding="utf-8")
            with pytest.raises(PlanError, match="is not a plan file"):
                _deeper(path, sys.getrecursionlimit() // 2)


def _deeper(path: Path, levels: int) -> PlanFile:
    return PlanFile.load(path) if levels == 0 else _deeper(path, levels - 1)


def test_a_huge_file_is_not_read(genuine: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = genuine
    monkeypatch.setattr(plan_file, "MAX_FILE", 1000)
    path.write_text("x" * 1001)
    with pytest.raises(PlanError, match="larger than"):
        PlanFile.load(path)


def attacks(text: str) -> Iterator[tuple[str, str]]:
    """Some of each sort, for the slower way through the command line."""
    return chain(islice(shaped(text), 5), islice(forged(text), 0, 60, 12), disturbed(text, 1, 8))


@pytest.mark.parametrize("policy", ["apply", "approve"])
def test_the_command_line_refuses_them_in_one_sentence(site: Site, tmp_path: Path, policy: str) -> None:
    site.add(f'[writeback]\npolicy = "{policy}"\n')
    path = tmp_path / "a.plan"
    assert site.run("plan", "--out", str(path), "--json").code == 0
    genuine = path.read_text(encoding="utf-8")
    before = site.writes()
    for number, (what, text) in enumerate(attacks(genuine) if policy == "approve" else islice(attacks(genuine), 3)):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        for command in ("apply", "approve") if number < 3 else ("apply",):
            said = site.run(command, str(path))
            assert said.code == 2, (what, said.text)
            assert len(said.err.splitlines()) == 1, (what, said.text)
            assert said.err.startswith("error: ")
    assert site.writes() == before
    path.write_text(genuine, encoding="utf-8")
    if policy == "approve":
        said = site.run("apply", str(path))
        assert (said.code, site.writes()) == (5, before), "held, and nobody has approved it"


def test_a_plan_as_a_table_holds_what_the_plan_writes_and_runs_nothing(site: Site, tmp_path: Path) -> None:
    first = next(iter(site.records("companies", "name")))
    evil = '=HYPERLINK("http://evil.example";"x")'
    site.sandbox.mutate("hubspot", "edit", object="companies", id=first, properties={"name": evil})
    site.sandbox.clock.sleep(3600)
    sheet = tmp_path / "monday.csv"
    said = site.run("plan", "--out", str(tmp_path / "monday.plan"), "--tasks", "--csv", str(sheet), "--json")
    assert said.code == 0, said.text
    assert sheet.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8-sig"), newline="")))
    assert sum(row["field"] != "task" for row in rows) == said.data["plan"]["fields"]
    assert sum(row["field"] == "task" for row in rows) == said.data["plan"]["tasks"]
    assert f"'{evil}" in {row["name"] for row in rows}
    text = ("name", "record", "field", "why", "object")
    assert not any(runs(row[column]) for row in rows for column in text)
    assert {row["object"] for row in rows} == {"account", "contact", "task"}
    assert site.run("plan", "--csv", "/proc/holdfast/x.csv").code == 1
