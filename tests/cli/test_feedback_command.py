"""`feedback` over a site, and `check` and the plan on who answers for red accounts."""

import json
import sqlite3
from typing import Any

import pytest

from tests.cli.conftest import Site


def told(site: Site, *args: str) -> Any:
    said = site.run("feedback", "--json", *args)
    assert said.code == 0
    return json.loads(said.out)


def change_state(site: Site, *statements: str) -> None:
    conn = sqlite3.connect(site.state / "state.db")
    with conn:
        for statement in statements:
            conn.execute(statement)
    conn.close()


@pytest.mark.requirement("R20", "R22", "R67")
def test_every_answer_is_told_of_with_its_state_and_its_themes(site: Site) -> None:
    everything = told(site, "--days", "365")
    answers, counts = everything["answers"], everything["counts"]
    assert len(answers) == counts["total"] == sum(counts["states"].values()) > 10
    assert {one["state"] for one in answers} <= {"collected", "analysed", "acted", "told"}
    assert counts["themes"]["praise"] > 0
    assert any(one["themes"] for one in answers)
    praising = told(site, "--days", "365", "--theme", "praise")["answers"]
    assert len(praising) == counts["themes"]["praise"]
    name = next(one["name"] for one in answers if one["name"])
    of_one = told(site, "--days", "365", "--account", name.upper())["answers"]
    assert {one["name"] for one in of_one} == {name}
    text = site.run("feedback", "--days", "365", "--full").out
    assert f"{len(answers):,} answers in 365 days" in " ".join(text.split())
    assert "Best support" not in text  # words of an answer


@pytest.mark.requirement("R22")
def test_unmatched_answers_are_listed_with_why(site: Site) -> None:
    assert "none" in site.run("feedback", "--unmatched").out
    change_state(site, "UPDATE survey_response SET contact = NULL, account = NULL, email = 'billing@acme.example'")
    found = told(site, "--days", "365", "--unmatched")
    assert found["counts"]["match_percent"] == 0
    assert {one["why"] for one in found["answers"]} == {"a shared address, such as support@, is nobody's"}
    assert {one["state"] for one in found["answers"]} == {"collected"}
    out = " ".join(site.run("feedback", "--days", "365", "--unmatched").out.split())
    assert "0 matched to the CRM (0 %)" in out
    assert "why it is not matched" in out
    assert "billing@" not in out
    assert told(site, "--state", "told")["answers"] == []


@pytest.mark.requirement("R20")
def test_what_is_stuck_is_marked(site: Site) -> None:
    change_state(
        site,
        "UPDATE survey_response SET responded_at = valid_from - 3600, satisfied = 0, survey = 'csat', version = 1",
    )
    assert told(site, "--stuck")["answers"] == []
    site.sandbox.clock.sleep(3 * 86400)
    stuck = told(site, "--stuck")
    assert len(stuck["answers"]) == stuck["counts"]["stuck"]["analysed"] > 0
    out = site.run("feedback").out
    assert "for too long" in out
    assert "3 d !" in out
    assert "more; --full shows them." in out or len(stuck["answers"]) <= 50


def test_the_words_to_look_for_come_from_the_config(site: Site) -> None:
    site.add('[themes.lists.complaint]\nwords = ["bad"]\n')
    said = site.run("check")
    assert said.code == 2
    assert "no theme can be called 'complaint'" in said.text


# -- red and nobody's ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("R74", "R76")
def test_every_red_account_has_a_task_with_an_owner(site: Site) -> None:
    owner = next(
        row["hubspot_owner_id"]
        for row in site.records("companies", "hubspot_owner_id").values()
        if row["hubspot_owner_id"]
    )
    site.add(f'[writeback]\nfallback_owner = "{owner}"\n')
    assert site.run("sync", "--initial", "--tasks").code in {0, 4}
    conn = sqlite3.connect(site.state / "state.db")
    red = {row[0] for row in conn.execute("SELECT crm_id FROM score WHERE level = 'account' AND band = 'red'")}
    tasks = conn.execute("SELECT json_extract(payload, '$.account_id'), json_extract(payload, '$.owner_id') FROM op "
                         "WHERE kind = 'task_create' AND state = 'confirmed'").fetchall()  # fmt: skip
    conn.close()
    assert len(red) > 3
    assert red <= {account for account, _ in tasks}
    assert all(owner for _, owner in tasks)
    assert "Somebody answers for every red account" in site.run("check").out


@pytest.mark.requirement("R74")
def test_a_red_account_that_is_nobodys_is_named_in_the_plan_and_by_check(site: Site) -> None:
    assert "No fallback owner: a task on an account without an active owner belongs to nobody." in site.run("check").out
    for company in site.records("companies"):
        site.sandbox.mutate("hubspot", "edit", object="companies", id=company, properties={"hubspot_owner_id": ""})
    site.sandbox.clock.sleep(3600)
    said = site.run("sync", "--dry-run")
    assert "Red and nobody's:" in said.out
    advice = "name a role in team.accountable, or set writeback.fallback_owner"
    assert advice in " ".join(said.out.split())
    checked = site.run("check")
    assert checked.code == 0, "runs work all the same"
    assert "! Red and nobody's:" in checked.out
    site.add('[writeback]\nfallback_owner = "999"\n')
    assert "The fallback owner 999 is no active user of the CRM." in site.run("check").out
