"""`playbooks` and `withheld`, and the team of the config."""

import json
from datetime import timedelta

import pytest

from sync import followups
from sync.store import Store
from tests.cli.conftest import Site


def test_before_anything_is_stored_there_is_nothing_to_show(new_site: Site) -> None:
    for command in ("playbooks", "withheld"):
        said = new_site.run(command)
        assert said.code == 1
        assert "nothing is stored yet" in said.err


@pytest.mark.requirement("R134", "R25", "R50")
def test_playbooks_tells_what_became_of_the_tasks(site: Site) -> None:
    assert site.run("sync", "--initial", "--tasks").code == 0
    site.sandbox.clock.sleep(60)
    found = json.loads(site.run("playbooks", "--json").out)["playbooks"]
    rescue = next(row for row in found if row["playbook"] == "rescue")
    assert rescue["tasks"] == rescue["open"] > 3
    assert (rescue["breaches"], rescue["rank"]) == (0, 100)
    ranks = [row["rank"] for row in found]
    assert ranks == sorted(ranks, reverse=True)
    said = site.run("playbooks")
    assert said.code == 0
    assert "impact/effort" in said.out
    assert (
        f"{rescue['tasks']} tasks, 0 past their date; 0 of {rescue['tasks']} (0 %) acted on within 7 days." in said.out
    )
    site.sandbox.clock.sleep(5 * 86400)
    late = json.loads(site.run("playbooks", "--json").out)["playbooks"]
    assert next(row for row in late if row["playbook"] == "rescue")["breaches"] == rescue["tasks"]


@pytest.mark.requirement("R76")
def test_withheld_names_account_rule_and_end(site: Site) -> None:
    assert "Nothing is withheld." in site.run("withheld").out
    card = site.config.parent / "card.toml"
    silent = '[playbooks.rescue]\ntask = false\nreason = "the team calls every week anyway"\n'
    card.write_text(card.read_text("utf-8").replace("[playbooks.rescue]\n", silent), encoding="utf-8")
    assert site.run("sync", "--initial", "--tasks").code == 0
    found = json.loads(site.run("withheld", "--json").out)["withheld"]
    assert found
    assert {row["rule"] for row in found} == {"no_task"}
    assert all(row["until"] > row["since"] and row["ended"] is None and row["name"] for row in found)
    said = site.run("withheld")
    assert "no_task" in said.out
    assert "the team calls every week anyway" in said.out
    store = Store.open(site.state)
    followups.save_withheld(store, [], site.sandbox.clock.now() + timedelta(hours=1))
    store.close()
    assert "Nothing is withheld." in site.run("withheld").out
    assert "no_task" in site.run("withheld", "--ended").out


def test_a_team_that_cannot_be_is_refused_with_its_key(site: Site) -> None:
    site.add('\n[team]\ntimezone = "Europe/Berlln"\n')
    said = site.run("sync", "--dry-run")
    assert said.code == 2
    assert "team.timezone = 'Europe/Berlln': is no time zone" in said.err


def test_the_team_decides_when_tasks_are_due(site: Site) -> None:
    site.add('\n[team]\nworkdays = ["wed"]\nhours = ["10:00", "11:00"]\n')
    plan = json.loads(site.run("sync", "--dry-run", "--json").out)
    store = Store.open(site.state, readonly=True)
    days = {row[0] for row in store.rows("SELECT strftime('%w %H', due, 'unixepoch') FROM followup")}
    store.close()
    assert plan
    assert days in ({"3 10"}, {"3 11"})
