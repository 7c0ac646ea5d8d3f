"""`edits`, `history` and `undo` as an admin uses them."""

from datetime import timedelta
from pathlib import Path

from cli.errors import CONFLICTS, ERROR, HELD, LOCKED, OK, USAGE
from sync.store import Store
from tests.cli.conftest import Site

BAND = "holdfast_health_band"


def edit(site: Site, account: str, value: str, field: str = BAND, *, minutes: int = 20) -> None:
    """Somebody edits a field of ours, some time after a run and before the next."""
    site.sandbox.clock.advance(timedelta(minutes=minutes))
    site.sandbox.mutate("hubspot", "edit", object="companies", id=account, properties={field: value})
    site.sandbox.clock.advance(timedelta(minutes=minutes))


def accounts(site: Site) -> list[str]:
    return sorted(crm_id for crm_id, row in site.records("companies", BAND).items() if row[BAND])


def release(site: Site) -> None:
    """Let the guard pass whatever is asked for: what it holds is tested elsewhere."""
    site.add("[guard]\nenabled = false\n")


def test_before_anything_is_stored_there_is_nothing_to_show(new_site: Site) -> None:
    for command in (("history",), ("edits",), ("edits", "answer", "1", "account.health_band", "ours")):
        said = new_site.run(*command)
        assert said.code == ERROR
        assert "run `holdfast sync --dry-run` first" in said.err


def test_history_tells_runs_and_changes(filled: Site) -> None:
    site = filled
    said = site.run("history", "--json")
    runs = said.data["runs"]
    assert runs[0]["mode"] == "apply"
    run, number = runs[0]["run"], runs[0]["states"]["confirmed"]
    one = site.run("history", "--run", str(run), "--json").data
    assert len(one["changes"]) == number
    kinds = {change["kind"] for change in one["changes"]}
    assert kinds == {"field", "task_create"}
    text = site.run("history", "--run", str(run)).out
    assert "(empty) → red" in text
    assert "+ task " in text
    assert f"{number} confirmed" in site.run("history", "--all").out
    wrong = site.run("history", "--run", "999")
    assert (wrong.code, "there is no run 999" in wrong.err) == (USAGE, True)


def test_edits_are_listed_answered_and_used(filled: Site) -> None:
    site = filled
    assert "No field of ours is left alone." in site.run("edits").out
    site.add('[writeback.edits]\n"account.health_band" = "ask"\n')
    first, second, *_ = accounts(site)
    ours = site.records("companies", BAND)[first][BAND]
    for account in (first, second):
        edit(site, account, "unknown")
    site.run("sync")
    said = site.run("edits", "--json")
    assert {(e["record_id"], e["theirs"], e["why"]) for e in said.data["edits"]} == {
        (first, "unknown", "ask"),
        (second, "unknown", "ask"),
    }
    assert "it says unknown, we wrote" in said.err
    assert site.run("edits", "answer", first, "account.health_band", "ours", "--json").data["answered"] == 1
    assert "unknown stays" in site.run("edits", "answer", "all", BAND, "theirs").out
    assert "is written by the next run" in site.run("edits", "answer", first, BAND, "ours").out, "one may think again"
    assert site.run("sync").code == OK
    bands = site.records("companies", BAND)
    assert (bands[first][BAND], bands[second][BAND]) == (ours, "unknown")


def test_what_cannot_be_decided_is_refused_in_words(filled: Site) -> None:
    refused = {
        ("answer", "1", "account.helth_band", "ours"): (USAGE, "Did you mean 'account.health_band'?"),
        ("answer", "1", "account.health_band", "ours"): (USAGE, "is not left alone on 1"),
        ("answer", "all", "account.health_band", "ours"): (USAGE, "is not left alone on any record"),
        ("answer", "1", "account.health_band", "mine"): (USAGE, "'mine' is not one of"),
        ("release", "account.health_band"): (ERROR, "is not parked; `holdfast edits` lists"),
        ("release", "account.health_band", "--record", "7"): (ERROR, "is not parked on 7"),
        ("release", "zzz"): (USAGE, "no field of ours is called 'zzz'. Allowed: account.health_score"),
    }
    for words, (code, message) in refused.items():
        said = filled.run("edits", *words)
        assert (said.code, message in said.text) == (code, True), said.text


def test_parked_fields_are_listed_and_released(filled: Site) -> None:
    site = filled
    account = accounts(site)[0]
    edit(site, account, "unknown")
    site.run("sync")
    store = Store.open(site.state)
    with store.transaction() as conn:
        conn.execute("INSERT INTO parked VALUES ('account', ?, ?, 0, 'taken back 3 times', 3)", (account, BAND))
    store.close()
    said = site.run("edits")
    assert "Parked fields" in said.out
    assert "taken back 3 times" in said.out
    refused = site.run("edits", "answer", account, BAND, "ours")
    assert (refused.code, f"is parked on {account}" in refused.err) == (ERROR, True)
    assert site.run("edits", "release", BAND, "--record", account, "--json").data["released"] == 1
    assert "Parked" not in site.run("edits").out


def test_an_undo_from_the_command_line(filled: Site) -> None:
    site = filled
    release(site)
    run = str(site.run("history", "--json").data["runs"][0]["run"])
    seen = site.run("undo", run, "--dry-run", "--json")
    assert seen.code == OK
    assert seen.data["plan"]["kind"] == "undo"
    writes = site.writes()
    account = accounts(site)[0]
    edit(site, account, "unknown", minutes=0)
    said = site.run("undo", run, "--json")
    assert said.code == CONFLICTS
    assert site.writes() > writes
    (skipped,) = said.data["skipped"]
    assert (skipped["record_id"], skipped["what"]) == (account, BAND)
    assert "somebody wrote unknown over our" in said.err
    left = site.records("companies", BAND, "holdfast_health_score")
    assert {crm_id for crm_id, row in left.items() if row[BAND]} == {account}
    assert not [row for row in left.values() if row["holdfast_health_score"]]
    last = site.run("history", "--json").data["runs"][0]
    assert last["mode"] == "undo"
    assert "- task " in site.run("history", "--run", str(last["run"])).out
    again = site.run("sync", "--json")
    undone = {c["record_id"]: c["values"] for c in site.run("history", "--run", run, "--json").data["changes"]}
    back = [
        (change["record_id"], field["field"])
        for change in again.data["changes"]
        for field in change.get("fields", ())
        if undone[change["record_id"]].get(field["field"]) == field["after"] and field["field"] != "holdfast_agent"
    ]
    assert back == [], "only what has changed since is written again"
    assert "undone" in {edit["why"] for edit in again.data["kept"]}
    assert site.records("companies", BAND)[account][BAND] == "unknown"
    assert "As an undo left it" in site.run("edits").out
    assert site.run("undo", "999").code == USAGE
    assert site.run("undo", "nine").code == USAGE


def test_a_large_undo_is_held_and_goes_by_approval(filled: Site) -> None:
    site = filled
    run = str(site.run("history", "--json").data["runs"][0]["run"])
    site.add("[guard]\nband_changes = 1\nemptied_share = 0.01\n")
    writes = site.writes()
    assert "An undo would hold this plan" in site.run("undo", run, "--dry-run").out
    said = site.run("undo", run, "--json")
    assert said.code == HELD
    assert site.writes() == writes
    plan = said.data["plan_file"]
    assert site.run("apply", plan).code == HELD
    assert site.run("approve", plan, "--by", "Dana").code == OK
    assert site.run("apply", plan).code == OK
    assert not accounts(site)
    assert site.run("history", "--json").data["runs"][0]["mode"] == "undo"


def test_where_every_plan_is_approved_an_undo_is_too(filled: Site) -> None:
    site = filled
    release(site)
    site.add('[writeback]\npolicy = "approve"\n')
    run = str(site.run("history", "--json").data["runs"][0]["run"])
    said = site.run("undo", run, "--json")
    assert said.code == OK
    assert accounts(site)
    plan = said.data["plan_file"]
    assert Path(plan).exists()
    assert site.run("apply", plan).code != OK
    assert site.run("approve", plan, "--by", "Dana").code == OK
    assert site.run("apply", plan).code == OK
    assert not accounts(site)


def test_a_second_agent_is_exit_6_and_can_be_taken_over(filled: Site) -> None:
    site = filled
    account = accounts(site)[0]
    edit(site, account, "0badcafe", "holdfast_agent")
    writes = site.writes()
    said = site.run("sync", "--json")
    assert said.code == LOCKED
    assert "another agent (0badcafe) writes into this CRM" in said.data["error"]
    assert site.writes() == writes
    assert "goes on alone" in site.run("edits", "release", "account.agent").out
    assert site.run("sync").code == OK
