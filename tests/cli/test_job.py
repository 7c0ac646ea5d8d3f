"""The whole job from the command line, against the sandbox over real HTTP, as an admin would run it."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import FILL, Site


@pytest.mark.requirement("R12")
def test_the_job_from_nothing_to_nothing_left_to_do(new_site: Site) -> None:
    site = new_site
    missing = site.run("check", "--json")
    assert missing.code == 0
    assert any(item["code"] == "missing_fields" for item in missing.data["hubspot"])

    preview = site.run("setup", "--dry-run", "--json")
    assert {field["action"] for field in preview.data["fields"]} == {"create"}
    assert site.writes() == 0

    blind = site.run(*FILL)
    assert blind.code == 2
    assert "run `holdfast setup`" in blind.err

    assert site.run("setup").code == 0
    before = site.writes()
    dry = site.run("sync", "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert site.writes() == before
    assert dry.data["plan"]["fields"] > 0

    wet = site.run(*FILL, "--json")
    assert wet.code == 0, wet.err
    assert wet.data["applied"]["fields"] == dry.data["plan"]["fields"]
    assert wet.data["applied"]["tasks"] == dry.data["plan"]["tasks"] > 0
    assert wet.data["scored"]["account"] > 0

    before = site.writes()
    again = site.run("sync", "--json")
    assert again.code == 0, again.err
    assert again.data["plan"]["fields"] == 0
    assert again.data["plan"]["tasks"] == 0
    assert site.writes() == before

    ready = site.run("check", "--json")
    assert ready.code == 0
    assert any(item["code"] == "fields" and item["severity"] == "ok" for item in ready.data["hubspot"])
    assert [item for item in ready.data["state"] if item["code"] == "identity"]


def test_a_dry_run_shows_old_value_new_value_and_why(site: Site) -> None:
    said = site.run("sync", "--dry-run")
    assert "holdfast_health_band" in said.out
    assert "(empty) → " in said.out
    assert "why: " in said.out
    assert "+ task " in said.out
    assert "API call" in said.out


def test_a_saved_plan_is_applied_exactly(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "monday.plan"
    planned = site.run("plan", "--out", str(file), "--tasks", "--json")
    assert planned.code == 0, planned.err
    assert planned.data["plan"]["tasks"] > 0
    assert site.run("approve", str(file), "--by", "Dana").code == 0
    shown = site.run("apply", str(file), "--dry-run", "--json")
    assert shown.data["hash"] == planned.data["plan"]["hash"]
    applied = site.run("apply", str(file), "--json")
    assert applied.code == 0, applied.err
    assert applied.data["applied"]["fields"] == planned.data["plan"]["fields"]
    twice = site.run("apply", str(file), "--json")
    assert twice.data["applied"] == {
        "fields": 0,
        "tasks": 0,
        "endings": {"already": planned.data["plan"]["records"]["account"] + planned.data["plan"]["records"]["contact"]},
    }


def test_a_changed_plan_is_refused(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "a.plan"
    site.run("plan", "--out", str(file))
    file.write_text(file.read_text().replace("unknown", "green").replace("red", "green"))
    before = site.writes()
    refused = site.run("apply", str(file))
    assert refused.code == 2
    assert "was changed after it was saved" in refused.err
    assert site.writes() == before


def test_a_plan_made_under_other_settings_is_refused(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "a.plan"
    site.run("plan", "--out", str(file))
    with site.config.open("a") as config:
        config.write("[writeback]\ncontacts = false\n")
    refused = site.run("apply", str(file))
    assert refused.code == 2
    assert "settings have changed" in refused.err


def test_a_policy_of_approval_keeps_sync_from_writing(site: Site) -> None:
    with site.config.open("a") as config:
        config.write('[writeback]\npolicy = "approve"\n')
    before = site.writes()
    said = site.run("sync")
    assert said.code == 2
    assert "holdfast plan" in said.err
    assert site.writes() == before


def test_what_a_person_changed_stays(site: Site) -> None:
    first = site.run(*FILL, "--json").data
    change = next(item for item in first["changes"] if item.get("object") == "account")
    site.sandbox.mutate(
        "hubspot", "edit", object="companies", id=change["record_id"], properties={"holdfast_health_score": "99"}
    )
    site.sandbox.clock.sleep(3600)
    said = site.run("sync", "--json")
    kept = [edit for edit in said.data["kept"] if edit["record_id"] == change["record_id"]]
    assert [(edit["field"], edit["theirs"]) for edit in kept] == [("holdfast_health_score", 99)]


def test_a_source_that_is_down_leaves_its_age_behind_and_the_run_goes_on(site: Site) -> None:
    from sandbox.faults import Fault

    site.sandbox.faults.add(Fault("status", "zendesk", path="/api/v2/.*", status=503, every=1))
    said = site.run(*FILL, "--json")
    assert said.code == 1
    assert {item["source"] for item in said.data["failed"]} == {"zendesk"}
    assert said.data["scored"]["account"] > 0
    assert said.data["applied"]["fields"] > 0
    assert "the run goes on without it" in said.err
    status = site.run("status")
    assert "failed" in status.out


def test_a_crm_that_is_down_means_nothing_is_planned(site: Site) -> None:
    from sandbox.faults import Fault

    site.sandbox.faults.add(Fault("status", "hubspot", path="/crm/.*companies.*", status=503, every=1))
    said = site.run(*FILL, "--json")
    assert said.code == 1
    assert said.data["plan"] is None
    assert "nothing was planned" in said.err
    assert "goes on without it" not in said.err


def test_status_explain_and_score(site: Site) -> None:
    synced = site.run(*FILL, "--json")
    assert synced.code == 0
    status = site.run("status", "--json")
    assert status.code == 0
    assert status.data["runs"][0]["status"] == "done"
    assert sum(status.data["bands"].values()) == synced.data["scored"]["account"]
    assert "hubspot companies" in site.run("status", "--full").out

    account = next(item for item in synced.data["changes"] if item.get("object") == "account")
    by_id = site.run("explain", account["record_id"], "--json")
    assert by_id.code == 0, by_id.err
    assert by_id.data["crm_id"] == account["record_id"]
    assert by_id.data["signals"]
    task = next(item for item in synced.data["changes"] if item.get("playbook"))
    said = site.run("explain", task["account_id"])
    assert f"Task “{task['subject']}”: made 2026-11-01." in said.out
    nobody = site.run("explain", "no such customer")
    assert nobody.code == 1
    assert "no scored account" in nobody.err

    scored = site.run("score", "--json")
    lead = next(iter(set(site.records("companies", "name")) - {row["crm_id"] for row in scored.data["rows"]}))
    assert "in the CRM but not scored" in site.run("explain", lead).err
    assert {row["crm_id"]: row["score"] for row in scored.data["rows"]}[account["record_id"]] == by_id.data["score"]
    sql = site.run("score", "--sql")
    assert sql.out.lstrip().upper().startswith(("WITH", "SELECT"))
    assert site.run("score", "--sql", "--dialect", "spark", "--level", "contact").code == 0


def test_nothing_to_look_at_yet(new_site: Site) -> None:
    site = new_site
    for command in (["status"], ["explain", "x"], ["score"]):
        said = site.run(*command)
        assert said.code == 1
        assert "sync --dry-run" in said.err
    assert not site.state.exists()


@pytest.mark.parametrize(
    ("file", "secret", "said"),
    [
        ("hubspot.token", "pat-wrong-canary", "hubspot"),
        ("zendesk.token", "zd-wrong-canary", "zendesk"),
        ("mixpanel.secret", "mp-wrong-canary", "mixpanel"),
    ],
)
def test_a_wrong_token_is_said_and_never_shown(site: Site, file: str, secret: str, said: str) -> None:
    (site.config.parent / file).write_text(secret)
    for command in (["check"], ["sync", "--dry-run"]):
        result = site.run(*command)
        assert result.code == 3, result.err
        assert said in result.out + result.err
        assert "Traceback" not in result.err
        assert secret not in result.out + result.err
    # One line, however many requests were refused, and the end does not say it again.
    assert result.err.count("401") <= 2
    assert f"{said}: nothing new" not in result.out


@pytest.mark.parametrize("command", [["sync"], ["sync", "--dry-run"]])
def test_another_account_behind_the_same_state_is_refused(site: Site, command: list[str]) -> None:
    site.sandbox.mutate("hubspot", "options", portal_id=999)
    site.sandbox.clock.sleep(86400)
    before, read = site.writes(), site.sandbox.journal.calls("hubspot")
    said = site.run(*command)
    assert said.code == 2
    assert "'hubspot:STANDARD:999'" in said.err
    assert "another [state] dir" in said.err
    assert site.writes() == before
    assert site.sandbox.journal.calls("hubspot") == read + 1


def test_who_the_crm_is_gets_asked_once_for_each_credential(site: Site) -> None:
    def asked() -> int:
        entries = site.sandbox.journal.entries("hubspot")
        return sum("account-info" in entry.path and "details" in entry.path for entry in entries)

    site.run("sync", "--dry-run")
    first = asked()
    site.run("sync", "--dry-run")
    assert (first, asked()) == (1, 1)
    scopes = sorted(site.sandbox.hubspot.access.tokens["pat-sandbox-full"].scopes)
    site.sandbox.mutate("hubspot", "token", token="pat-another", scopes=scopes)
    (site.config.parent / "hubspot.token").write_text("pat-another")
    site.run("sync", "--dry-run")
    assert asked() == 2


def test_a_host_that_is_not_there(site: Site) -> None:
    text = site.config.read_text()
    site.config.write_text(re.sub(r'base_url = "http://127[^"]*/zendesk"', 'base_url = "http://127.0.0.1:9"', text))
    said = site.run("check")
    assert said.code == 1
    assert "zendesk" in said.out
    assert "Traceback" not in said.err


def test_setup_can_be_had_as_files_and_asks_nobody(new_site: Site, tmp_path: Path) -> None:
    done = new_site.run("setup", "--files", str(tmp_path / "deploy"), "--json")
    assert done.code == 0
    assert [Path(name).name for name in done.data["files"]] == ["companies.json", "contacts.json", "tasks.json"]
    body = json.loads((tmp_path / "deploy" / "properties" / "companies.json").read_text("utf-8"))
    assert "holdfast_health_score" in {one["name"] for one in body["inputs"]}
    printed = new_site.run("setup", "--files", "-")
    assert "==> properties/contacts.json <==" in printed.out
    assert '"name": "holdfast_engagement"' in printed.out
    assert len(list(new_site.sandbox.journal)) == 0
