"""Saved plans and the first fill from the command line: what is refused, held, released and listed, by exit code."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.faults import Fault
from tests.cli.conftest import FILL, Site


def turn_red(site: Site) -> None:
    """Change the card so that nearly every account is red from now on."""
    card = site.config.parent / "card.toml"
    card.write_text(
        card.read_text().replace("red_below = 80", "red_below = 97").replace("green_from = 95", "green_from = 99")
    )
    site.add("[guard]\nband_changes = 1\nnew_tasks = 1\n")
    site.sandbox.clock.sleep(3600)


def test_the_first_sync_shows_everything_and_waits_for_a_person(site: Site) -> None:
    before = site.writes()
    held = site.run("sync", "--json")
    assert held.code == 5, held.text
    assert site.writes() == before
    assert held.data["plan"]["fields"] > 0
    assert held.data["plan"]["tasks"] > 0
    assert held.data["plan"]["baseline"]
    assert [verdict["check"] for verdict in held.data["held"]] == ["baseline"]
    assert "This is the first fill" in held.err
    assert "sync --initial --tasks" in held.err
    assert site.run("status", "--json").data["runs"][0]["status"] == "held"
    assert not list(site.state.glob("plans/*"))


def test_a_first_fill_without_tasks_starts_nothing_for_who_is_red_already(site: Site) -> None:
    said = site.run("sync", "--initial", "--json")
    assert said.code == 0, said.text
    assert said.data["applied"]["fields"] > 0
    assert said.data["applied"]["tasks"] == 0
    assert said.data["tasks_left_out"] > 3
    site.sandbox.clock.sleep(3600)
    again = site.run("sync", "--json")
    assert again.code == 0, again.text
    assert again.data["plan"]["tasks"] == 0
    assert not again.data["plan"]["baseline"]
    assert not site.records("tasks", "hs_task_subject")


def changes(text: str) -> list[str]:
    """The lines of a shown plan that say what a field says and what it will say."""
    return [line for line in text.splitlines() if " → " in line]


@pytest.mark.parametrize("refused", [False, True])
def test_a_first_fill_shows_its_plan_before_it_writes(site: Site, *, refused: bool) -> None:
    held = site.run("sync", "--full")
    if refused:
        site.sandbox.faults.add(Fault("status", "hubspot", path="batch/update", status=401, every=1))
    said = site.run("sync", "--initial", "--full")
    assert said.code == (3 if refused else 0), said.text
    before, after = said.out.split("Writing …")
    assert [line.split()[0] for line in changes(before)] == [line.split()[0] for line in changes(held.out)] != []
    assert "API calls" in before
    assert "tasks for accounts in trouble already" in before
    assert not changes(after)
    assert ("Wrote 0 fields" in after) == refused
    assert said.out.count("Health of ") == 1, "what was read is told once"


def test_the_preview_of_a_first_fill_leaves_json_alone(site: Site) -> None:
    said = site.run("sync", "--initial", "--json", "--full")
    assert said.code == 0, said.text
    assert len(said.out.splitlines()) == 1
    assert len(changes(said.err)) == said.data["plan"]["fields"] > 0
    assert sum(len(change["fields"]) for change in said.data["changes"]) == said.data["plan"]["fields"]


def test_a_preview_names_the_fields_that_are_missing(new_site: Site) -> None:
    previews = {("sync", "--dry-run"): 0, ("plan",): 0, ("sync",): 5}
    for words, code in previews.items():
        said = new_site.run(*words, "--json")
        assert said.code == code, said.text
        missing = said.data["missing_fields"]
        assert len(missing) > 5
        assert f"{len(missing)} fields of ours are missing" in said.err
        assert "holdfast setup" in said.err
        assert all(name in said.err for name in missing)
    assert new_site.run("sync", "--initial").code == 2
    assert new_site.run("setup").code == 0
    for words in previews:
        again = new_site.run(*words, "--json")
        assert again.data["missing_fields"] == []
        assert "of ours are missing" not in again.err


def test_a_preview_does_not_fail_where_fields_cannot_be_asked_for(site: Site) -> None:
    site.sandbox.faults.add(Fault("status", "hubspot", path="properties", status=500, every=1))
    said = site.run("sync", "--dry-run", "--json")
    assert said.code == 0, said.text
    assert said.data["missing_fields"] == []


def test_a_first_fill_that_was_cut_short_goes_on_by_itself(site: Site) -> None:
    site.sandbox.faults.add(Fault("status", "hubspot", path="contacts.*batch/update", status=401, every=1))
    assert site.run("sync", "--initial").code == 3
    site.sandbox.faults.clear()
    site.sandbox.clock.sleep(3600)
    rest = site.run("sync", "--json")
    assert rest.code == 0, rest.text
    assert rest.data["plan"]["baseline"]
    assert rest.data["applied"]["fields"] > 0
    assert rest.data["applied"]["tasks"] == 0
    site.sandbox.clock.sleep(3600)
    assert not site.run("sync", "--json").data["plan"]["baseline"]


def test_tasks_are_asked_for_with_the_first_fill_only(site: Site) -> None:
    said = site.run("sync", "--tasks")
    assert said.code == 2
    assert "--tasks goes with --initial" in said.err


def test_a_plan_of_the_first_fill_must_be_approved(site: Site, tmp_path: Path) -> None:
    file = str(tmp_path / "a.plan")
    made = site.run("plan", "--out", file, "--json")
    assert made.code == 0
    assert made.data["plan"]["tasks"] == 0
    assert made.data["tasks_left_out"] > 3
    before = site.writes()
    refused = site.run("apply", file)
    assert refused.code == 5
    assert "holdfast approve PLAN" in refused.err
    assert site.writes() == before
    assert site.run("approve", file, "--by", "Dana").code == 0
    done = site.run("apply", file, "--json")
    assert done.code == 0, done.text
    assert done.data["applied"]["fields"] == made.data["plan"]["fields"]
    site.sandbox.clock.sleep(3600)
    assert site.run("sync", "--json").data["plan"]["tasks"] == 0


def test_what_the_guard_holds_is_saved_and_released_by_name_for_that_plan_only(filled: Site) -> None:
    site = filled
    turn_red(site)
    before = site.writes()
    held = site.run("sync", "--json")
    assert held.code == 5, held.text
    assert site.writes() == before
    assert {verdict["check"] for verdict in held.data["held"]} >= {"band_changes", "worse"}
    assert "Held: a person decides first" in held.err
    texts = {verdict["text"] for verdict in held.data["held"]}
    told = site.run("status", "--json")
    assert set(told.data["held"]) == texts
    assert "plan held by the guard" in told.err
    file = held.data["plan_file"]
    assert site.run("apply", file).code == 5
    approved = site.run("approve", file, "--by", "Dana", "--json")
    assert approved.code == 0, approved.text
    assert approved.data["approved"]["by"] == "Dana"
    site.sandbox.clock.sleep(3600)
    again = site.run("sync")
    assert again.code == 5  # the release is for that plan, not for the next
    # What cron mails each hour is what it comes to and where to read it, not all of it again.
    assert "Saved as " in again.out
    assert " API calls" in again.out
    assert "→" not in again.out
    assert "→" in site.run("sync", "--full").out
    done = site.run("apply", file, "--json")
    assert done.code == 0, done.text
    assert done.data["applied"]["fields"] == held.data["plan"]["fields"]
    assert done.data["applied"]["tasks"] == held.data["plan"]["tasks"]
    assert site.run("status", "--json").data["held"] == []
    site.sandbox.clock.sleep(3600)
    assert site.run("sync", "--json").code == 0


def test_bands_that_an_undo_put_back_hold_no_later_plan(filled: Site) -> None:
    site = filled
    turn_red(site)
    red = site.run("sync", "--json").data["plan_file"]
    assert site.run("approve", red, "--by", "Dana").code == 0
    assert site.run("apply", red).code == 0
    run = str(site.run("history", "--json").data["runs"][0]["run"])
    site.sandbox.clock.sleep(3600)
    back = site.run("undo", run, "--json").data["plan_file"]
    assert site.run("approve", back, "--by", "Dana").code == 0
    assert site.run("apply", back).code == 0
    account = min(site.records("companies"))
    site.sandbox.clock.sleep(3600)
    site.sandbox.mutate("hubspot", "edit", object="companies", id=account, properties={"holdfast_health_coverage": ""})
    site.sandbox.clock.sleep(3600)
    said = site.run("sync", "--json")
    assert said.code == 0, said.text
    assert said.data["applied"]["fields"] > 0
    assert len([edit for edit in said.data["kept"] if edit["why"] == "undone"]) > 1


def test_a_stale_plan_is_refused(filled: Site, tmp_path: Path) -> None:
    file = str(tmp_path / "a.plan")
    assert filled.run("plan", "--out", file).code == 0
    filled.sandbox.clock.sleep(timedelta(hours=25).total_seconds())
    before = filled.writes()
    for command in (["apply", file], ["approve", file]):
        said = filled.run(*command)
        assert said.code == 2
        assert "stale" in said.err
    assert filled.writes() == before


def test_an_unsigned_plan_is_refused_where_approval_is_wanted(filled: Site, tmp_path: Path) -> None:
    file = str(tmp_path / "a.plan")
    filled.add('[writeback]\npolicy = "approve"\n')
    saved = filled.run("plan", "--out", file)
    assert saved.code == 0
    assert f"approve {file} --by NAME" in saved.out
    refused = filled.run("apply", file)
    assert refused.code == 2
    assert "not approved" in refused.err
    assert filled.run("approve", file, "--by", "Dana").code == 0
    shown = filled.run("apply", file, "--dry-run", "--json")
    assert shown.data["approved"]["by"] == "Dana"
    assert filled.run("apply", file).code == 0


def test_a_made_up_approval_is_refused(filled: Site, tmp_path: Path) -> None:
    file = tmp_path / "a.plan"
    assert filled.run("plan", "--out", str(file)).code == 0
    first, _, body = file.read_text().partition("\n")
    head = json.loads(first)
    head["approved"] = {"by": "Dana", "at": "2026-11-01T00:00:00+00:00", "signature": "0" * 64}
    file.write_text(json.dumps(head) + "\n" + body)
    said = filled.run("apply", str(file))
    assert said.code == 2
    assert "its approval was not made with" in said.err


def test_a_name_that_is_none(filled: Site, tmp_path: Path) -> None:
    file = str(tmp_path / "a.plan")
    assert filled.run("plan", "--out", file).code == 0
    for name in ("", " ", "a\nb", "x" * 101):
        said = filled.run("approve", file, "--by", name)
        assert said.code == 2
        assert "--by" in said.err


def test_calls_that_are_short_put_the_lightest_changes_off(site: Site) -> None:
    site.add("[writeback]\nbudget_share = 0.000012\n")
    said = site.run(*FILL, "--json")
    assert said.code == 4, said.text
    assert said.data["deferred"]
    assert "put off" in said.err
    weights = [item["severity"] * item["value"] for item in said.data["deferred"]]
    assert weights == sorted(weights, reverse=True)
    assert site.run("status", "--json").data["runs"][0]["status"] == "partial"


def test_an_unknown_field_in_the_rules_for_edits_is_named(site: Site) -> None:
    site.add('[writeback.edits]\n"account.helth_score" = "ask"\n')
    said = site.run("sync")
    assert said.code == 2
    assert "account.health_score" in said.err
