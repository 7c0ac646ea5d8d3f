"""A company with every kind of source: all are read, and each may fail alone."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from cli.trial import MORE, OTHERS, vendors, write_trial_config
from sandbox.core import Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.serve import serve
from sandbox.world import SeededWorld, make_world
from tests.cli.conftest import NOW, Said, Site, compiling_once, quietly

OWN = ("visits", "telephone", "bookings")
"""Sources without a vendor: a folder, a database, a tap."""
DRY = ("sync", "--dry-run", "--json")


@pytest.fixture(scope="module")
def company() -> SeededWorld:
    return make_world(seed=8, accounts=15, people_per_account=5, months=4, now=NOW)


@contextmanager
def at_work(folder: Path, company: SeededWorld, at: SandboxClock, run: Callable[..., Said]) -> Iterator[Site]:
    sandbox = Sandbox(company, at, vendors("hubspot", everything=True), options={"typeform": {"per_second": 10**9}})
    with serve(sandbox) as running:
        config = write_trial_config(folder, running.base_urls, shelf=(company, at.now()))
        yield Site(sandbox, config, lambda *words: run(*words, "--config", str(config), clock=sandbox.clock))


def spent(site: Site) -> Counter[str]:
    """Requests of each vendor, by the sandbox's own journal."""
    return Counter(entry.vendor for entry in site.sandbox.journal.entries())


@pytest.fixture(scope="module")
def pulled_all(company: SeededWorld, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said, Counter[str]]:
    """A folder after its first dry run, what that said, and what it cost."""
    folder = tmp_path_factory.mktemp("all")
    with compiling_once(), at_work(folder, company, SandboxClock(NOW), quietly) as site:
        said = site.run(*DRY)
        calls = spent(site)
    return folder / "state", said, calls


@pytest.fixture
def all_sources(
    tmp_path: Path, company: SeededWorld, pulled_all: tuple[Path, Said, Counter[str]], run: Callable[..., Said]
) -> Iterator[Site]:
    """An hour after the first pull."""
    shutil.copytree(pulled_all[0], tmp_path / "state")
    with at_work(tmp_path, company, SandboxClock(NOW + timedelta(hours=1)), run) as site:
        yield site


def failed(said: Said) -> set[str]:
    """Sources of which a stream could not be read."""
    return {one["source"] for one in said.data["failed"]}


def test_every_source_is_read(pulled_all: tuple[Path, Said, Counter[str]]) -> None:
    _, said, _ = pulled_all
    assert said.code == 0, said.text
    assert (failed(said), said.data["rejected"]) == (set(), 0)
    pulled = said.data["pulled"]
    assert set(pulled) == {"hubspot", *OTHERS, *MORE, *OWN}
    assert all(sum(streams.values()) > 0 for streams in pulled.values()), pulled


def test_no_source_costs_more_calls_than_it_must(
    all_sources: Site, pulled_all: tuple[Path, Said, Counter[str]]
) -> None:
    """A page each here, so that every call is one that no page size saves: see benchmarks/bench_calls.py."""
    _, _, first = pulled_all
    assert {name: first[name] for name in ("hubspot", *OTHERS, *MORE)} == {
        "hubspot": 14, "zendesk": 7, "mixpanel": 4,
        "intercom": 5, "stripe": 6, "amplitude": 90, "typeform": 4, "surveymonkey": 4,
    }, "HubSpot: 6 streams, former owners, 2 pipelines, the account, our fields, archived ones"  # fmt: skip
    assert all_sources.run(*DRY).code == 0
    hour = spent(all_sources)
    assert {name: hour[name] for name in ("hubspot", *OTHERS, *MORE)} == {
        "hubspot": 10, "zendesk": 3, "mixpanel": 1,
        "intercom": 3, "stripe": 1, "amplitude": 1, "typeform": 2, "surveymonkey": 2,
    }, "HubSpot: 5 searches, the account at its new address, our fields, archived ones"  # fmt: skip


def down(site: Site, source: str) -> None:
    """Take a source away."""
    folder = site.config.parent
    if source == "visits":
        shutil.rmtree(folder / "drop")
    elif source == "telephone":
        (folder / "warehouse.db").unlink()
    elif source == "bookings":
        (folder / "bookings.json").unlink()
    else:
        site.sandbox.faults.add(Fault("status", vendor=source, status=503, times=10**6))


@pytest.mark.parametrize("source", [*OTHERS, *MORE, *OWN])
def test_a_source_that_is_down_is_named_and_no_other_notices(all_sources: Site, source: str) -> None:
    down(all_sources, source)
    said = all_sources.run(*DRY)
    assert failed(said) == {source}, said.text
    assert f"error: {source} " in said.text
    assert said.data["scored"]["account"] > 5
    assert said.data["plan"]["fields"] > 20, "the others' news are planned all the same"
    why = said.data["failed"][0]["error"]
    assert all_sources.run("status").text.count(why[:60]) == 1, "streams that fail alike are told of together"


def late(site: Site, source: str) -> None:
    """Every answer is of yesterday."""
    site.sandbox.faults.add(Fault("stale", vendor=source, seconds=86_400))


def wrong(site: Site, source: str) -> None:
    """Every answer is nonsense."""
    site.sandbox.faults.add(Fault("not_json", vendor=source, times=10**6))


@pytest.mark.parametrize("trouble", [late, wrong])
def test_a_vendor_that_is_late_or_wrong_disturbs_no_other(
    all_sources: Site, trouble: Callable[[Site, str], None]
) -> None:
    for source in MORE:
        trouble(all_sources, source)
        said = all_sources.run(*DRY)
        assert failed(said) == ({source} if trouble is wrong else set()), said.text
        assert said.data["scored"]["account"] > 5
        all_sources.sandbox.faults.clear()
        all_sources.sandbox.clock.advance(timedelta(hours=1))


def scores(site: Site) -> dict[str, Any]:
    return {row["crm_id"]: row for row in site.run("score", "--json").data["rows"]}


def test_a_misspelt_table_costs_its_own_stream_alone(all_sources: Site) -> None:
    config = all_sources.config
    config.write_text(config.read_text().replace('table = "calls"', 'table = "callz"'))
    said = all_sources.run(*DRY)
    assert [(one["source"], one["stream"]) for one in said.data["failed"]] == [("telephone", "calls")]
    assert "customers" in said.data["pulled"]["telephone"]


def test_a_customer_who_stops_paying_falls_and_the_reason_says_so(all_sources: Site) -> None:
    site = all_sources
    before = scores(site)
    books, now = site.sandbox.stripe.books, int(site.sandbox.clock.now().timestamp())
    for number in islice(books.newest_first("invoices", now), 12):
        site.sandbox.mutate("stripe", "fail_invoice", id=number)
        site.sandbox.mutate("stripe", "edit_invoice", id=number, fields={"due_date": now - 45 * 86_400})
    assert site.run(*DRY).code == 0
    after = scores(site)
    late = {account for account, row in after.items() if "overdue" in row["reason"]}
    assert len(late) > 3
    assert all(after[account]["score"] < before[account]["score"] - 5 for account in late)
    assert any(after[account]["band"] != before[account]["band"] for account in late)


def test_check_tells_a_wrong_address_a_locked_database_and_payers_from_trouble(
    all_sources: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> dict[str, list[dict[str, Any]]]:
        return dict(all_sources.run("check", "--json").data)

    good = found()
    warned = {one["code"] for findings in good.values() for one in findings if one["severity"] in {"warning", "error"}}
    assert warned <= {"missing_fields", "no_fallback_owner"}
    (payers,) = (one for one in good["state"] if "stripe" in one["message"] and "contacts linked" in one["message"])
    assert payers["severity"] == "ok"
    assert "more are not in it, but their accounts are" in payers["message"]
    with sqlite3.connect(all_sources.config.parent / "state" / "state.db") as state:
        state.execute("DELETE FROM link WHERE kind = 'home'")
    text = all_sources.config.read_text()
    for vendor in ("mixpanel", "surveymonkey", "hubspot"):
        text = text.replace(f'/{vendor}"', f'/{vendor}/v0"')
    all_sources.config.write_text(text)
    monkeypatch.setattr("connectors.sql_database.CONNECT_SECONDS", 0)
    with closing(sqlite3.connect(all_sources.config.parent / "warehouse.db")) as held:
        held.execute("BEGIN EXCLUSIVE")
        bad = found()
    for vendor in ("mixpanel", "surveymonkey", "hubspot"):
        (lost,) = bad[vendor]
        assert (lost["code"], lost["advice"].rpartition(": ")[2]) == (
            "unreachable",
            "see base_url in this source's settings.",
        )
    (locked,) = (one for one in bad["telephone"] if one["severity"] == "error")
    assert "the database says: database is locked" in locked["message"]
    assert "Another program holds it" in locked["advice"]
    assert any("stripe" in one["message"] and one["severity"] == "warning" for one in bad["state"])
