"""The job with Salesforce as the CRM, from the command line: what goes right, and what is read when it does not."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.app import open_agent
from cli.trial import vendors
from sandbox.core import Sandbox, SandboxClock
from sandbox.model import World
from tests.cli.conftest import FILL, Pulled, Said, Site, serving

CRM = "salesforce"


@pytest.fixture(scope="module")
def pulled_org(tmp_path_factory: pytest.TempPathFactory, world: World, card_text: str) -> Pulled:
    """The state of an agent beside Salesforce after its first dry run."""
    folder = tmp_path_factory.mktemp("pulled-org")
    sandbox = Sandbox(world, vendors=vendors(CRM))
    with (
        serving(folder, sandbox, card_text, lambda: Said(0, "", "")) as site,
        open_agent(site.config, sandbox.clock) as it,
    ):
        report = it.run(dry_run=True)
        assert not report.blocked, report.blocked
        assert not report.failed
    return Pulled(folder / "state", sandbox.clock.now())


@pytest.fixture
def org(tmp_path: Path, world: World, card_text: str, pulled_org: Pulled, run: Callable[..., Said]) -> Iterator[Site]:
    """The fields are in the org, everything has been pulled once, nothing was written."""
    shutil.copytree(pulled_org.state, tmp_path / "state")
    sandbox = Sandbox(world, SandboxClock(pulled_org.at), vendors(CRM))
    with serving(tmp_path, sandbox, card_text, run) as site:
        assert site.run("setup").code == 0
        yield site


def do(site: Site, action: str, **args: Any) -> Any:
    """What people do in the org."""
    return site.sandbox.mutate(CRM, action, **args)


def accounts(site: Site) -> list[str]:
    """Every account's id."""
    return sorted(site.sandbox.truth()[CRM]["account"])


def scores(site: Site) -> dict[str, Any]:
    """What the org holds in our score field: account id -> score."""
    org = site.sandbox.salesforce.org
    table = org.tables["Account"]
    name = "Holdfast_Health_Score__c"
    return {table.id_at(place): table.value(place, name, org.now) for place in table.places(org.now)}


def tasks(site: Site) -> dict[str, dict[str, Any]]:
    """The org's tasks."""
    org = site.sandbox.salesforce.org
    table = org.tables["Task"]
    names = ("Subject", "WhatId", "OwnerId", "Status", "Holdfast_Task_Key__c", "IsClosed")
    return {
        table.id_at(place): {name: table.value(place, name, org.now) for name in names}
        for place in table.places(org.now)
    }


def test_the_job_from_nothing_to_nothing_left_to_do(
    tmp_path: Path, world: World, card_text: str, run: Callable[..., Said]
) -> None:
    with serving(tmp_path, Sandbox(world, vendors=vendors(CRM)), card_text, run) as site:
        missing = site.run("check", "--json")
        assert missing.code == 0, missing.text
        assert any(item["code"] == "missing_fields" for item in missing.data[CRM])
        blind = site.run(*FILL)
        assert blind.code != 0
        assert "run `holdfast setup`" in blind.err
        assert site.writes() == 0
        assert site.run("setup", "--dry-run").code == 0
        assert site.writes() == 0
        made = site.run("setup")
        assert made.code == 0
        assert "Holdfast_Task_Key__c" in made.out
        well = site.run("check", "--json")
        assert {item["code"] for item in well.data[CRM] if item["severity"] == "error"} == set()
        before = site.writes()
        dry = site.run("sync", "--dry-run")
        assert dry.code == 0, dry.err
        assert site.writes() == before
        wet = site.run(*FILL, "--json")
        assert wet.code == 0, wet.err
        assert sum(score is not None for score in scores(site).values()) > 3
        assert len(tasks(site)) > 3
        before = site.writes()
        again = site.run("sync")
        assert again.code == 0
        assert "Nothing to change." in again.out
        assert site.writes() == before


def test_a_task_that_somebody_did_shows_in_explain(org: Site) -> None:
    assert org.run(*FILL).code == 0
    made = tasks(org)
    task_id, task = next(iter(made.items()))
    assert task["Holdfast_Task_Key__c"]
    assert task["WhatId"] in accounts(org)
    org.sandbox.clock.advance(timedelta(hours=1))
    do(org, "complete_task", id=task_id)
    org.sandbox.clock.advance(timedelta(minutes=10))
    assert org.run(*FILL).code == 0
    said = org.run("explain", task["WhatId"])
    assert f"Task “{task['Subject']}”: done 2026-11-01." in said.out
    open_one = next(one for one in made.values() if one["WhatId"] != task["WhatId"])
    assert "open since 2026-11-01." in org.run("explain", open_one["WhatId"]).out
    assert len(tasks(org)) == len(made)


def line_of(said: Said, field: str) -> str:
    """The line that begins with a field's name."""
    return next(line for line in said.out.splitlines() if line.startswith(f"{field} ")).rstrip()


def test_check_tells_what_we_may_not_fill_from_what_is_not_there(org: Site) -> None:
    do(org, "revoke", object="Contact", rights=["Edit"])
    do(org, "drop_field", object="Account", field="Holdfast_Health__c")
    said = org.run("check")
    assert said.code == 3
    assert "We may not edit Contact records." in said.out
    assert "Fields to create or extend: Holdfast_Health__c." in said.out
    assert "Fields that we cannot fill: Holdfast_Engagement__c (it is read-only for us; setup grants it), " in said.out
    assert "missing, hidden or different in the CRM (Holdfast_Health__c, " in org.run(*FILL).err
    do(org, "grant", object="Contact", rights=["Edit"])
    do(org, "hide_field", object="Account", field="Holdfast_Health_Band__c")
    hidden = "it is there and hidden from us; setup grants it"
    assert line_of(org.run("setup", "--dry-run"), "Holdfast_Health_Band__c").endswith(f"would be granted  {hidden}")
    setup = org.run("setup")
    assert line_of(setup, "Holdfast_Health_Band__c").endswith("granted")
    assert line_of(setup, "Holdfast_Health__c").endswith("created")


def test_tasks_that_may_not_be_made_end_the_run_before_a_band_is_written(org: Site) -> None:
    do(org, "revoke", object="Task", rights=["Create", "Edit"])
    ended = org.run(*FILL)
    assert ended.code == 3
    (line,) = [line for line in ended.err.splitlines() if line.startswith(("error", "warning"))]
    assert "tasks cannot be made: Task.Subject is hidden or may not be written. Grant Create and Edit on tasks" in line
    assert set(scores(org).values()) == {None}
    assert "tasks cannot be made" in org.run("status").out
    do(org, "grant", object="Task", rights=["Create", "Edit"])
    do(org, "hide_field", object="Account", field="Holdfast_Health_Band__c")
    failed = org.run("sync")
    assert failed.code == 2
    assert "(Holdfast_Health_Band__c: it is there and hidden from us; setup grants it)" in failed.err
    assert "Holdfast_Health_Band__c: it is there and hidden" in org.run("status").out, "why the last run failed"
    found = [item for item in org.run("check", "--json").data[CRM] if item["severity"] == "error"]
    assert [(item["code"], item["docs"]) for item in found] == [
        ("missing_permission", "docs/check.md#missing_permission")
    ]
    do(org, "show_field", object="Account", field="Holdfast_Health_Band__c")
    assert org.run("sync").code == 0
    assert tasks(org)


def test_check_says_once_that_nobody_answers(org: Site) -> None:
    do(org, "options", api_disabled="user")
    said = org.run("check", "--json")
    assert said.code == 3
    (only,) = said.data[CRM]
    assert only["advice"] == "Give the run-as user the permission 'API Enabled'."


def test_explain_takes_the_id_as_reports_show_it_and_guesses_at_names(org: Site) -> None:
    row = org.run("score", "--json").data["rows"][0]
    whole = org.run("explain", row["crm_id"], "--json").data
    assert len(row["crm_id"]) == 18
    assert org.run("explain", f" {row['crm_id'][:15]} ", "--json").data == whole
    lead = next(
        one for one in accounts(org) if one not in {r["crm_id"] for r in org.run("score", "--json").data["rows"]}
    )
    assert f"({lead}) is in the CRM but not scored" in org.run("explain", lead[:15]).err
    part = row["name"].split()[0].lower()
    assert row["name"] in org.run("explain", part).text, "as the one that has it, or as one of those that do"
    upper = org.run("explain", row["crm_id"][:15].swapcase())
    assert upper.code == 1
    assert "no scored account" in upper.err


def test_a_session_that_ends_is_renewed_and_one_that_stays_bad_ends_the_run(org: Site) -> None:
    do(org, "expire_tokens")
    assert org.run("sync", "--dry-run").code == 0
    do(org, "options", bad_new_tokens=True)
    do(org, "expire_tokens")
    org.sandbox.journal.clear()
    dead = org.run(*FILL)
    assert dead.code == 3, dead.text
    assert "salesforce" in dead.err
    assert len(org.sandbox.journal.entries(CRM)) < 40
    assert org.sandbox.journal.writes(CRM) == 0
    assert org.run("check").code == 3


def test_a_hidden_field_is_named_and_nothing_is_written(org: Site) -> None:
    do(org, "hide_field", object="Account", field="Plan__c")
    do(org, "hide_field", object="Account", field="Renewal_Date__c")
    before = org.writes()
    said = org.run(*FILL)
    assert said.code != 0
    assert "Plan__c" in said.text
    assert "Renewal_Date__c" in said.text
    assert "nothing was planned" in said.text
    assert org.writes() == before
    found = [item for item in org.run("check", "--json").data[CRM] if "Plan__c" in item["message"]]
    assert [item["severity"] for item in found] == ["error"]
    do(org, "show_field", object="Account", field="Plan__c")
    do(org, "show_field", object="Account", field="Renewal_Date__c")
    assert org.run(*FILL).code == 0


def test_our_own_field_hidden_stops_before_anything_is_sent(org: Site) -> None:
    do(org, "hide_field", object="Account", field="Holdfast_Health_Band__c")
    before = org.writes()
    said = org.run(*FILL)
    assert said.code != 0
    assert "Holdfast_Health_Band__c" in said.err
    assert org.writes() == before


def test_locked_rows_are_tried_again_and_those_that_stay_locked_next_time(org: Site) -> None:
    brief, stubborn = [one for one, _ in sorted(scores(org).items())][:2]
    plan = org.run("sync", "--dry-run", "--json").data
    wanted = [item["record_id"] for item in plan["changes"] if item.get("object") == "account"]
    brief, stubborn = wanted[:2]
    do(org, "lock", id=brief, tries=2)
    do(org, "lock", id=stubborn, tries=1000)
    said = org.run(*FILL, "--json")
    assert said.code in {0, 4}, said.text
    assert scores(org)[brief] is not None
    assert scores(org)[stubborn] is None
    do(org, "clear_obstacles")
    org.sandbox.clock.sleep(60)  # a record that was locked is not sent again at once
    assert org.run(*FILL).code == 0
    assert scores(org)[stubborn] is not None


def test_a_validation_rule_costs_only_its_own_record(org: Site) -> None:
    plan = org.run("sync", "--dry-run", "--json").data
    wanted = [item["record_id"] for item in plan["changes"] if item.get("object") == "account"]
    do(org, "rule", object="Account", message="Close date must be in the future", id=wanted[0])
    said = org.run(*FILL, "--json")
    assert said.code == 4, said.text
    assert "Close date must be in the future" in said.text
    held = scores(org)
    assert held[wanted[0]] is None
    assert all(held[one] is not None for one in wanted[1:] if one in held)


def test_a_spent_quota_is_said_and_the_next_day_goes_on(org: Site) -> None:
    do(org, "use_calls", calls=115_000)
    spent = org.run(*FILL)
    assert spent.code != 0
    assert "calls" in spent.err
    assert "Traceback" not in spent.text
    assert all(score is None for score in scores(org).values())
    org.sandbox.clock.advance(timedelta(hours=25))
    assert org.run(*FILL).code == 0
    assert any(score is not None for score in scores(org).values())


def test_a_plan_too_large_for_the_budget_goes_by_a_bulk_job(org: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("connectors.salesforce", "connectors.salesforce_write"):
        monkeypatch.setattr(f"{module}.BATCH", 2)
    org.add("[writeback]\nbudget_share = 0.0006\n")
    dry = org.run("sync", "--dry-run")
    assert "bulk job" in dry.text
    org.sandbox.journal.clear()
    wet = org.run(*FILL, "--json")
    assert wet.code == 0, wet.text
    paths = {entry.path.partition("/v64.0/")[2].partition("/")[0] + "/" + entry.method for entry in org.sandbox.journal}
    assert "jobs/PUT" in paths
    assert sum(score is not None for score in scores(org).values()) > 3
    assert "Nothing to change." in org.run("sync").out


def test_the_wrong_secret_is_an_error_in_words(org: Site) -> None:
    (org.config.parent / "salesforce.secret").write_text("not it\n", encoding="utf-8")
    said = org.run(*FILL)
    assert said.code == 3
    assert "consumer_secret" in said.err
