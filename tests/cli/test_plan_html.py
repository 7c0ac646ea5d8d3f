"""`--html`: the plan as a page, beside what the terminal shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import FILL, SECRETS, Site


def data(page: Path) -> dict[str, Any]:
    """What a page carries."""
    text = page.read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(
        text.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    )
    return found


@pytest.mark.requirement("R36")
def test_the_page_holds_exactly_the_plan(site: Site, tmp_path: Path) -> None:
    page, file = tmp_path / "plan.html", tmp_path / "monday.plan"
    said = site.run("plan", "--tasks", "--out", str(file), "--html", str(page), "--json")
    assert said.code == 0, said.text
    plan, found = said.data["plan"], data(page)
    numbers = found["totals"]
    assert (numbers["fields"], numbers["tasks"], numbers["kept"]) == (plan["fields"], plan["tasks"], plan["kept"])
    assert {"account": numbers["accounts"], "contact": numbers["contacts"]} == plan["records"]
    written = {
        (record["object"], record["record_id"], change["field"])
        for record in said.data["changes"]
        for change in record.get("fields", ())
    }
    shown = {
        (record["object"], record["id"], field)
        for group in found["groups"]
        for record in group.get("records", ())
        for field, _, _ in record["fields"]
    }
    assert shown == written
    text = page.read_text(encoding="utf-8")
    assert plan["hash"] in text
    assert "The first fill of this CRM" in text
    assert f"approve {file} --by NAME" in text
    assert page.stat().st_mode & 0o777 == 0o600
    assert not [secret for secret in SECRETS if secret in text]


def test_a_saved_plan_has_the_same_page_but_for_what_the_guard_measured(site: Site, tmp_path: Path) -> None:
    first, again, file = tmp_path / "first.html", tmp_path / "again.html", tmp_path / "monday.plan"
    site.run("plan", "--out", str(file), "--html", str(first))
    site.run("approve", str(file), "--by", "Dana <b>")
    said = site.run("apply", str(file), "--dry-run", "--html", str(again))
    assert said.code == 0, said.text
    assert f"Page: {again}" in said.out
    assert data(again) == data(first)
    text = again.read_text(encoding="utf-8")
    assert "Dana &lt;b&gt;" in text
    assert "This is the first fill of this CRM" in text
    assert "A saved plan keeps what holds it" in text
    assert f"apply {file}" in text
    assert f"approve {file}" not in text


def test_a_page_that_cannot_be_written_is_said_in_one_sentence(site: Site, tmp_path: Path) -> None:
    said = site.run("sync", "--dry-run", "--html", str(tmp_path / "nowhere" / "plan.html"))
    assert said.code == 1
    assert "nowhere" in said.err


def test_a_page_goes_with_what_is_only_shown(site: Site, tmp_path: Path) -> None:
    page, file = tmp_path / "plan.html", tmp_path / "monday.plan"
    assert site.run("plan", "--out", str(file)).code == 0
    before = site.writes()
    for words in ((*FILL,), ("sync",), ("apply", str(file))):
        said = site.run(*words, "--html", str(page))
        assert said.code == 2, said.text
        assert "--html goes with --dry-run" in said.err
    assert site.writes() == before
    assert not page.exists()
    assert site.run("sync", "--dry-run", "--html", str(page)).code == 0
    assert data(page)["totals"]["accounts"] > 0


def test_an_undo_has_a_page_of_what_it_would_put_back(filled: Site, tmp_path: Path) -> None:
    site, page = filled, tmp_path / "undo.html"
    tasks = len(site.records("tasks", "hs_task_subject"))
    assert tasks > 0
    run = str(site.run("history", "--json").data["runs"][0]["run"])
    said = site.run("undo", run, "--dry-run", "--html", str(page), "--json")
    assert said.code == 0, said.text
    totals = data(page)["totals"]
    assert totals["removals"] == said.data["plan"]["removals"] == tasks
    assert (totals["fields"], totals["skipped"]) == (said.data["plan"]["fields"], said.data["plan"]["skipped"])
    assert "What an undo would put back" in page.read_text(encoding="utf-8")
    assert site.run("undo", run, "--html", str(page)).code == 2
