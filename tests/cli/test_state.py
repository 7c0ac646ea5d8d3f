"""`state` and `forget`, as an admin uses them, with damaged files too."""

import json
import shutil
import sqlite3
from pathlib import Path

from sync.forget import Person
from tests.cli.conftest import Site


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def tasks(site: Site) -> int:
    return len(site.records("tasks", "hs_task_subject"))


def test_a_damaged_state_is_refused_shown_and_restored(filled: Site) -> None:
    site = filled
    made = site.run("state", "backup", "--json")
    assert made.code == 0
    assert Path(made.data["path"]).stat().st_size == made.data["bytes"]
    assert site.run("state", "check", "--json").data["whole"]
    refused = site.run("state", "restore")
    assert refused.code == 2
    assert "name the copy" in refused.err
    flip(site.state / "state.db")
    before = site.sandbox.journal.calls()
    for command in (["sync"], ["plan"], ["state", "backup"], ["state", "adopt"], ["forget", "x"]):
        said = site.run(*command)
        assert said.code == 1, said.text
        assert "holdfast state restore" in said.err
    assert site.sandbox.journal.calls() == before, "nobody was asked anything"
    said = site.run("state", "check", "--json")
    assert said.code == 1
    assert said.data["problems"]
    assert [copy["problem"] for copy in said.data["copies"]] == ["", ""]
    restored = site.run("state", "restore", "--json")
    assert restored.code == 0, restored.text
    assert Path(restored.data["aside"], "state.db").exists()
    number = tasks(site)
    again = site.run("sync", "--json")
    assert again.code == 0, again.text
    assert again.data["plan"]["fields"] == 0
    assert tasks(site) == number


def test_a_lost_state_is_taken_over_from_the_crm(filled: Site) -> None:
    site, number = filled, tasks(filled)
    shutil.rmtree(site.state)
    said = site.run("state", "adopt", "--json")
    assert said.code == 0, said.text
    assert said.data["adopted"]["tasks"] == number > 0
    again = site.run("sync", "--json")
    assert again.code == 0, again.text
    assert tasks(site) == number
    assert again.data["adopted"] is None


def test_a_first_run_on_a_lost_state_takes_over_by_itself_and_is_no_first_fill(filled: Site) -> None:
    site, number = filled, tasks(filled)
    shutil.rmtree(site.state)
    said = site.run("sync", "--json")
    assert said.code == 0, said.text
    assert said.data["adopted"]["why"] == "lost"
    assert "Taken over from the CRM" in said.err
    assert tasks(site) == number


def test_an_empty_crm_has_nothing_to_take_over(site: Site) -> None:
    said = site.run("state", "adopt")
    assert said.code == 0, said.text
    assert "nothing of ours" in said.out


def test_a_crm_that_does_not_answer_cannot_be_taken_over(filled: Site) -> None:
    filled.sandbox.mutate("hubspot", "revoke_token", token="pat-sandbox-full")
    said = filled.run("state", "adopt", "--json")
    assert said.code == 1
    assert filled.run("history", "--json").data["runs"][0]["status"] == "blocked"


def test_a_copy_by_name_to_a_file_and_never_over_one(filled: Site, tmp_path: Path) -> None:
    site = filled
    target = tmp_path / "safe" / "holdfast.db"
    assert site.run("state", "backup", str(target)).code == 0
    assert site.run("state", "backup", str(target)).code == 2
    name = next((site.state / "copies").glob("*.db")).name
    assert site.run("state", "restore", name).code == 0
    assert site.run("state", "restore", str(target)).code == 0
    missing = site.run("state", "restore", "nowhere.db")
    assert missing.code == 1
    assert "no such file" in missing.err
    assert site.run("sync").code == 0


def test_a_file_changed_by_hand_is_accepted_when_asked(filled: Site) -> None:
    site = filled
    theirs = sqlite3.connect(site.state / "state.db")
    theirs.execute("UPDATE contact SET title = 'by hand' WHERE key = 1")
    theirs.commit()
    theirs.close()
    assert site.run("sync").code == 1
    assert site.run("state", "check").code == 1
    assert site.run("state", "check", "--accept").code == 0
    assert site.run("sync").code == 0
    (site.state / "state.db").write_bytes(b"nonsense" * 2000)
    refused = site.run("state", "check", "--accept")
    assert refused.code == 1
    assert "cannot be taken" in refused.err


# -- forget -------------------------------------------------------------------------------------------------------


def somebody(site: Site) -> Person:
    """A person whom three sources know, who has been active, and whose address nobody shares."""
    conn = sqlite3.connect(f"file:{site.state / 'state.db'}?mode=ro", uri=True)
    rows = conn.execute(
        "SELECT c.key, h.key, lower(h.email) FROM link l JOIN contact c ON c.key = l.key "
        "JOIN contact h ON h.key = l.crm JOIN source s ON s.id = c.source "
        "WHERE l.kind = 'contact' AND s.name = 'mixpanel' AND h.email IS NOT NULL ORDER BY c.key"
    ).fetchall()
    for mixpanel, hubspot, email in rows:
        ids = conn.execute(
            "SELECT s.name, c.source_id FROM contact c JOIN source s ON s.id = c.source WHERE lower(email) = ?",
            (email,),
        ).fetchall()
        if len(ids) == 3:
            conn.close()
            return Person((mixpanel, hubspot), tuple(ids), (email,))
    raise AssertionError("nobody")


def holding(site: Site, *words: str) -> list[str]:
    """Files of the state folder that hold one of these words."""
    return [
        path.name
        for path in site.state.rglob("*")
        if path.is_file() and any(word.encode() in path.read_bytes() for word in words)
    ]


def test_a_person_is_forgotten_everywhere_and_stays_away(filled: Site) -> None:
    site, person = filled, somebody(filled)
    ids = dict(person.ids)
    words = (*person.emails, *ids.values())
    site.run("state", "backup")
    site.run("plan")
    hubspot_id = ids["hubspot"]
    site.sandbox.mutate("hubspot", "archive", object="contacts", id=hubspot_id)
    assert holding(site, *words)
    said = site.run("forget", person.emails[0].upper(), "--json")
    assert said.code == 0, said.text
    assert {(item["source"], item["id"]) for item in said.data["records"]} == set(person.ids)
    assert said.data["operations"] > 0
    assert said.data["usage_files"] > 0
    assert said.data["copies"] > 0
    assert said.data["still_in_crm"] is True, "as far as we knew"
    assert "delete them there" in said.err
    assert set(holding(site, *person.emails, ids["mixpanel"], ids["zendesk"])) == set()
    assert set(holding(site, hubspot_id)) <= {"state.db", *(path.name for path in (site.state / "copies").iterdir())}
    assert site.run("state", "check").code == 0, "the ledger is whole"
    site.sandbox.clock.sleep(26 * 3600)
    assert site.run("sync").code in {0, 4}
    shutil.rmtree(site.state / "copies")
    assert holding(site, *person.emails, ids["mixpanel"], ids["zendesk"]) == []
    assert site.run("forget", hubspot_id).code == 2


def test_the_crm_brings_a_person_back(filled: Site) -> None:
    site, person = filled, somebody(filled)
    ids = dict(person.ids)
    assert site.run("forget", f"hubspot:{ids['hubspot']}").code == 0
    site.sandbox.mutate("hubspot", "edit", object="contacts", id=ids["hubspot"], properties={"jobtitle": "Back again"})
    site.sandbox.clock.sleep(3600)
    assert site.run("sync").code == 0
    conn = sqlite3.connect(site.state / "state.db")
    assert conn.execute("SELECT title FROM contact WHERE source_id = ?", (ids["hubspot"],)).fetchall() == [
        ("Back again",)
    ]
    conn.close()


def test_nobody_is_forgotten_by_a_name_nobody_has(filled: Site) -> None:
    said = filled.run("forget", "nobody@nowhere.example", "--json")
    assert said.code == 2
    assert "nobody is known by" in json.loads(said.out)["error"]


def test_a_key_that_is_gone_stops_the_pull(filled: Site) -> None:
    site, person = filled, somebody(filled)
    assert site.run("forget", person.emails[0]).code == 0
    (site.state / "key").unlink()
    said = site.run("sync")
    assert said.code == 1
    assert "The key is gone" in said.err
