"""`explain` and `status` answer out of what the last run kept: quickly, and the same as scoring again would."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli import explain
from cli.common import reading
from cli.look import last_scored
from sync.ledger_reads import LedgerReads
from sync.past import Past
from tests.cli.conftest import FILL, Site

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.requirement("R18")
def test_what_is_kept_says_what_scoring_again_says(site: Site) -> None:
    from scoring.cards import Cards

    assert site.run(*FILL).code == 0
    with reading(site.config) as stored:
        cards = Cards.load(stored.config.card_paths)
        as_of = last_scored(LedgerReads(stored.store))
        past = Past(stored.store, stored.crm, stored.sources, cards)
        keys = [row.key for row in stored.store.latest_scores("account")][:5]
        for key in keys:
            kept = explain._kept_row(stored.store, cards, as_of, key)
            assert kept is not None
            again = explain._scored_again(past, as_of, key)
            assert kept.signals == again.signals
            assert (kept.score, kept.band, kept.reason, kept.segments) == (
                again.score, again.band, again.reason, again.segments
            )  # fmt: skip
            known = {name: value for name, value in again.features.items() if value is not None}
            assert {name: kept.features[name] for name in known} == known
        assert explain._kept_row(stored.store, cards, as_of, -1) is None


def test_a_split_is_told_when_asked_for_and_pasted_lines_have_no_frames(site: Site) -> None:
    assert site.run(*FILL).code == 0
    account = site.run("score", "--json").data["rows"][0]["crm_id"]
    text = site.run("explain", account).out
    assert "behaviour" not in text
    assert not set(text) & set("│┃━─╭╮\x1b")
    assert site.run("explain", account, "--json").data["parts"]


def test_a_part_of_a_name_will_do_where_it_is_of_one_account_alone(filled: Site) -> None:
    rows = filled.run("score", "--json").data["rows"]
    name = rows[0]["name"]
    assert [row for row in rows if name[1:].casefold() in row["name"].casefold()] == rows[:1]
    said = filled.run("explain", name[1:].upper())
    assert said.code == 0
    assert said.out.startswith(name)
    many = filled.run("explain", "e")
    assert (many.code, "no scored account has the id or name 'e'. Did you mean" in many.err) == (1, True)
    assert filled.run("explain", " ").code == 1


def test_the_band_stands_on_top_and_the_same_change_is_told_once(site: Site) -> None:
    assert site.run(*FILL).code == 0
    site.sandbox.clock.sleep(7 * 86400 + 60)  # last week's run is the last one, and a minute apart
    assert site.run("sync").code == 0
    for row in site.run("score", "--json").data["rows"][:4]:
        lines = site.run("explain", row["crm_id"]).out.splitlines()
        assert f"({row['crm_id']}): {row['band']}, as of 2026-11-08" in lines[0]
        assert len([line for line in lines if line.startswith("Since ")]) == 1


@pytest.mark.parametrize("command", [["status"], ["explain", "X"]])
def test_reading_imports_no_engine_and_no_numbers(site: Site, command: list[str]) -> None:
    assert site.run(*FILL).code == 0
    if command[0] == "explain":
        command = ["explain", site.run("score", "--json").data["rows"][0]["crm_id"]]
    code = (
        "import sys, agent\n"
        f"try: agent.main({[*command, '--config', str(site.config)]!r})\n"
        "except SystemExit as done: assert done.code == 0, done.code\n"
        "print(','.join({m.partition('.')[0] for m in sys.modules} | set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(done.stdout.splitlines()[-1].split(","))
    assert not loaded & {"duckdb", "pyarrow", "numpy", "adbc_driver_sqlite", "sqlite_utils", "tldextract", "sqlglot"}
    assert not loaded & {"requests", "urllib3", "zenpy", "mixpanel_utils", "hubspot", "simple_salesforce"}
    assert not loaded & {"mapping.schema", "rich.progress"}
