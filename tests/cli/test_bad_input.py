"""Bad input of every kind: a clear message and the right exit code, or a quarantined record; never a lost row."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cli.trial import write_trial_config
from sandbox.core import HUBSPOT_TOKEN
from sandbox.faults import Fault
from sync.pull import THREADS
from tests.cli.conftest import FILL, Said, Site


@pytest.fixture
def other_host() -> Iterator[tuple[str, list[bytes]]]:
    """Another address on this machine, and everything that reached it."""
    import threading

    arrived: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    arrived.append(connection.recv(4096))

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", arrived
        ended.set()
        thread.join()


# -- the config ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[crm", "is not valid TOML"),
        ('[crm]\ntype = "hubspot"\ntoken = { file = "hubspot.token" }\n[writebck]\n', "Did you mean 'writeback'?"),
        ('[crm]\ntype = "hubspot"\ntoken = { env = "HOLDFAST_NO_SUCH" }\n', "HOLDFAST_NO_SUCH is not set"),
        ('[crm]\ntype = "hubspot"\ntoken = { file = "hubspot.token" }\nrelist_hours = "often"\n', "crm.relist_hours"),
        ('[crm]\ntype = "hubspot"\ntoken = { file = "hubspot.token" }\nbase_url = "ftp://x"\n', "https"),
        (
            '[crm]\ntype = "hubspot"\ntoken = { file = "hubspot.token" }\nbase_url = "http://example.com"\n',
            "crm: base_url must be https",
        ),
    ],
)
def test_a_config_that_cannot_be_used(run: Callable[..., Said], tmp_path: Path, text: str, said: str) -> None:
    config = write_trial_config(tmp_path, dict.fromkeys(("hubspot", "zendesk", "mixpanel"), "http://127.0.0.1:9"))
    config.write_text(text, encoding="utf-8")
    for command in (["check"], ["setup"], ["sync"], ["plan"], ["run"]):
        result = run(*command, "--config", str(config))
        assert result.code == 2, (command, result.text)
        assert said in result.err
        assert result.out == ""


def test_a_missing_config_says_what_to_do(site: Site) -> None:
    site.config.unlink()
    for command in ("check", "sync", "status", "run"):
        said = site.run(command)
        assert said.code == 2
        assert "`holdfast init` writes one" in said.err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('[crm.fields.compnies]\nplan = "properties.x"\n', "Did you mean 'companies'"),
        ('[crm.fields.companies]\nplam = "properties.x"\n', "plan"),
        ("[crm.fields.companies]\nplan = 5\n", "crm.fields.companies.plan"),
        ('[crm.fields.companies]\nplan = { path = "properties.x", as = "nosuch" }\n', "nosuch"),
        ("[crm.fields]\ncompanies = 7\n", "companies"),
        ('[writeback.fields]\n"account.halth" = "x"\n', "unknown field 'account.halth'"),
        (
            '[writeback.fields]\n"account.health" = "Holdfast_Health_Score"\n',
            "writeback.fields: 'account.health_score' and 'account.health' are both called 'Holdfast_Health_Score'",
        ),
        ('[identity]\nown_domain = ["a.example"]\n', "Did you mean 'own_domains'"),
        (
            '[identity]\npins = [{ source = "zendesk", kind = "account", source_id = "1", crm = "2" }]\n',
            "identity.pins.0.crm: unknown key. Did you mean 'crm_id'?",
        ),
        ("[run]\nevery = 1\n", "run.every"),
        ("[state]\ndir = 5\n", "state.dir"),
    ],
)
def test_an_override_that_cannot_be_used(site: Site, lines: str, said: str) -> None:
    site.change('[state]\ndir = "state"\n', "") if "[state]" in lines else None
    site.change('[identity]\nown_domains = ["holdfast.example"]\n', "") if "[identity]" in lines else None
    site.add(lines)
    result = site.run("sync", "--dry-run")
    assert result.code == 2, result.text
    assert said in result.err
    assert str(site.config) in result.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[bands]", "[bandz]", "bands"),
        ("weight = 15", 'weight = "heavy"', "account.signals.login.weight"),
        ('feature = "days_since_login"', 'feature = "days_since_logon"', "days_since_login"),
        ("red_below = 80", "red_below = 99", "red_below"),
        ("[bands]", "[bands", "not valid TOML"),
        ('rule = "customer_age_days < 30"', 'rule = "customer_age_days < (SELECT 1)"', "account.segments.new.rule"),
    ],
)
def test_a_scorecard_with_an_error(site: Site, old: str, new: str, said: str) -> None:
    card = site.config.parent / "card.toml"
    text = card.read_text(encoding="utf-8")
    assert old in text
    card.write_text(text.replace(old, new, 1), encoding="utf-8")
    for command in (["sync"], ["score", "--sql"], ["check"]):
        result = site.run(*command)
        assert result.code == 2, result.text
        assert said in result.err
        assert "card.toml" in result.err


def test_a_scorecard_that_is_not_there(site: Site) -> None:
    (site.config.parent / "card.toml").unlink()
    result = site.run(*FILL)
    assert result.code == 2
    assert "card.toml" in result.err


# -- the vendors' doors ------------------------------------------------------------------------------------------------


def test_a_missing_scope_is_named(site: Site) -> None:
    scopes = ["crm.objects.companies.read", "crm.objects.companies.write", "crm.schemas.companies.read"]
    site.sandbox.mutate("hubspot", "token", token="pat-narrow-canary", scopes=scopes)
    (site.config.parent / "hubspot.token").write_text("pat-narrow-canary")
    checked = site.run("check", "--json")
    assert checked.code == 3
    assert "crm.objects.contacts.read" in checked.out
    synced = site.run(*FILL, "--json")
    assert synced.code == 3
    assert synced.data["plan"] is None
    assert "contacts" in synced.err
    assert "canary" not in checked.text + synced.text


@pytest.mark.requirement("R36")
def test_a_right_to_write_taken_away_ends_the_run_in_one_line_and_nothing_lacks_its_task(site: Site) -> None:
    every = sorted(site.sandbox.hubspot.access.tokens[HUBSPOT_TOKEN].scopes)
    less = [scope for scope in every if scope != "crm.objects.contacts.write"]
    site.sandbox.mutate("hubspot", "token", token=HUBSPOT_TOKEN, scopes=less)
    checked = site.run("check")
    assert checked.code == 3
    assert checked.out.count("✗") == 1
    assert "may not write contacts and tasks (scope crm.objects.contacts.write)." in checked.out
    before = site.records("companies", "holdfast_health_band")
    ended = site.run(*FILL, "--json")
    assert ended.code == 3
    (line,) = [line for line in ended.err.splitlines() if line.startswith(("error", "warning"))]
    assert "Grant the token the scope crm.objects.contacts.write." in line
    assert "changes not sent; the next run plans them again." in line
    assert site.records("companies", "holdfast_health_band") == before, "a band is not written before its task"
    status = site.run("status")
    assert "is refused for want of a scope. Grant the token the scope crm.objects.contacts.write." in status.out
    assert " more  retry" in status.out, "one line for all tasks that were refused in the same words"
    assert site.run("report", "--out", str(site.config.parent / "report.html")).code == 0
    site.add("[writeback]\ntasks = false\ncontacts = false\n")
    assert "✗" not in site.run("check").out, "what is not written needs no right"
    site.change("tasks = false\ncontacts = false\n", "")
    site.sandbox.mutate("hubspot", "token", token=HUBSPOT_TOKEN, scopes=every)
    site.sandbox.clock.advance(timedelta(hours=1))
    made = site.run("sync", "--json").data["applied"]
    red = sum(
        row["holdfast_health_band"] == "red" for row in site.records("companies", "holdfast_health_band").values()
    )
    assert made["tasks"] == red > 1


def test_a_project_that_is_not_ours(site: Site) -> None:
    site.change("project_id = 4242", "project_id = 1")
    checked = site.run("check")
    assert checked.code in {2, 3}
    assert "mixpanel" in checked.out
    said = site.run(*FILL, "--json")
    assert said.code == 3
    assert {item["source"] for item in said.data["failed"]} == {"mixpanel"}
    assert said.data["applied"]["fields"] > 0


def test_an_unreachable_host_takes_only_its_own_source(site: Site) -> None:
    port = site.config.read_text().split("/zendesk")[0].rsplit(":", 1)[1]
    site.change(f"{port}/zendesk", "9/zendesk")
    said = site.run(*FILL, "--json")
    assert said.code == 1
    assert {item["source"] for item in said.data["failed"]} == {"zendesk"}
    assert "127.0.0.1" in said.err
    assert said.data["scored"]["account"] > 0


@pytest.mark.parametrize(
    ("vendor", "kind"),
    [
        ("hubspot", "html"),
        ("zendesk", "not_json"),
        ("mixpanel", "cut"),
    ],
)
def test_answers_that_are_none(site: Site, kind: str, vendor: str) -> None:
    """Time and again: the vendor fails, loudly, and no row of it is lost or made up."""
    counts = dict(rows(site))
    site.sandbox.faults.add(Fault(kind, vendor, every=1))  # type: ignore[arg-type]  # one of the kinds
    site.sandbox.clock.sleep(3600)
    said = site.run(*FILL, "--json")
    assert said.code == 1, said.text
    assert {item["source"] for item in said.data["failed"]} == {vendor}
    assert vendor in said.err
    assert dict(rows(site)) == counts


@pytest.mark.parametrize("kind", ["html", "cut"])
def test_answers_that_are_none_once(site: Site, kind: str) -> None:
    site.sandbox.faults.add(*[Fault(kind, vendor, nth=2) for vendor in ("hubspot", "zendesk", "mixpanel")])  # type: ignore[arg-type]  # one of the kinds
    site.sandbox.clock.sleep(3600)
    said = site.run(*FILL, "--json")
    assert said.code == 0, said.text
    assert said.data["applied"]["fields"] > 0


@pytest.mark.parametrize("vendor", ["hubspot", "zendesk", "mixpanel"])
def test_a_redirect_to_another_host_is_not_followed(
    site: Site, vendor: str, other_host: tuple[str, list[bytes]]
) -> None:
    url, arrived = other_host
    site.sandbox.faults.add(Fault("redirect", vendor, every=1, location=url))
    site.sandbox.clock.sleep(3600)
    said = site.run(*FILL, "--json")
    assert said.code == 2, said.text
    assert {item["source"] for item in said.data["failed"]} == {vendor}
    assert "Redirects are not followed" in said.err
    said_so = [line for line in said.err.splitlines() if line.startswith("error: ") and "302" in line]
    assert len(said_so) <= THREADS + 1, "streams that were under way, and what follows"
    assert arrived == []


# -- the vendors' rows -------------------------------------------------------------------------------------------------


def rows(site: Site) -> list[tuple[str, int]]:
    """Living records by kind, out of the state file."""
    with sqlite3.connect(f"file:{site.state / 'state.db'}?mode=ro", uri=True) as db:
        found = [
            (kind, db.execute(f"SELECT count(*) FROM {kind} WHERE valid_to IS NULL").fetchone()[0])
            for kind in ("account", "contact", "ticket", "deal")
        ]
    db.close()
    return found


def waiting(site: Site) -> list[tuple[str, int, str]]:
    return [(item["what"], item["count"], item["why"]) for item in site.run("status", "--json").data["waiting"]]


def test_records_without_an_id_are_quarantined_and_the_others_kept(site: Site) -> None:
    before = dict(rows(site))
    site.sandbox.mutate("hubspot", "touch", object="contacts", count=2)
    site.sandbox.clock.sleep(3600)
    site.sandbox.faults.add(Fault("drift", "hubspot", path="contacts/search", set={"id": None}))
    said = site.run(*FILL, "--json")
    assert said.code == 4, said.text
    assert said.data["rejected"] == 2
    assert "2 rows quarantined; see holdfast status" in said.err
    assert dict(rows(site)) == before
    (found,) = [item for item in waiting(site) if "quarantined" in item[0]]
    assert found[:2] == ("contacts row quarantined", 2)
    assert "id" in found[2]


def test_a_date_in_2056_never_ends_the_run(site: Site) -> None:
    before = site.run("sync", "--dry-run", "--json").data
    first, second = list(site.records("companies", "name"))[:2]
    for record_id, far in ((first, {"renewal_date": "2056-01-01"}), (second, {"createdate": "2056-01-01"})):
        site.sandbox.mutate("hubspot", "edit", object="companies", id=record_id, properties=far)
    site.sandbox.clock.sleep(3600)
    said = site.run(*FILL, "--json")
    assert said.code in {0, 4}, said.text
    assert said.data["scored"]["account"] == before["scored"]["account"]
    assert dict(rows(site))["account"] >= 12
    assert site.run("explain", first).code == 0
    assert site.run("explain", second).code == 0


def test_a_comment_of_three_megabytes(site: Site) -> None:
    long = "Überlang \u202e\x1b[31m " * 200_000
    ids = list(site.records("companies", "name"))
    site.sandbox.mutate("hubspot", "edit", object="companies", id=ids[0], properties={"name": long[:60_000]})
    site.sandbox.faults.add(
        Fault("drift", "zendesk", path="tickets/cursor", set={"description": long, "subject": long})
    )
    user = next(iter(site.sandbox.truth()["zendesk"]["contact"]))
    site.sandbox.mutate("zendesk", "create_ticket", user_id=user)
    site.sandbox.clock.sleep(3600)
    said = site.run("sync", "--dry-run", "--full")
    assert said.code in {0, 4}, said.text
    assert max(map(len, said.text.splitlines())) < 1000
    assert "\u202e" not in said.text
    assert "\x1b" not in said.text
    for command in (["status"], ["explain", ids[0]], ["score"], [*FILL]):
        again = site.run(*command)
        assert again.code in {0, 4}, again.text
        assert max(map(len, again.text.splitlines())) < 1000, command
    assert dict(rows(site))["account"] >= 12


def test_a_value_of_another_type_is_dropped_loudly_and_the_record_kept(site: Site) -> None:
    site.sandbox.mutate("hubspot", "touch", object="companies", count=4)
    site.sandbox.clock.sleep(3600)
    site.sandbox.faults.add(
        Fault("drift", "hubspot", path="companies/search", set={"properties.monthly_recurring_revenue": {"a": [1]}})
    )
    said = site.run(*FILL, "--json")
    assert said.code == 0, said.text
    assert "hubspot companies: 4 values not used: mrr" in said.err
    assert dict(rows(site))["account"] >= 12


def test_the_wrong_words_on_the_command_line(site: Site) -> None:
    for words in (["snyc"], ["sync", "--dryrun"], ["apply"], ["run", "--every", "soon"], ["score", "--as-of", "then"]):
        said = site.run(*words)
        assert said.code == 2, words
        assert said.out == ""
    assert "Did you mean 'sync'?" in site.run("snyc").err


def test_an_error_under_json_is_an_object_too(site: Site) -> None:
    site.config.write_text("[crm")
    said = site.run(*FILL, "--json")
    assert said.code == 2
    assert said.data["exit_code"] == 2
    assert "is not valid TOML" in said.data["error"]
