"""The example in docs/vendors/files.md is carried out: its files are read by its config, and end where it says."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.config import load
from cli.field_maps import field_map_of
from connectors.clock import SystemClock
from connectors.files import connect
from sync.pull import pull_all
from sync.store import Store
from tests.pages.blocks import ROOT

PAGE = (ROOT / "docs" / "vendors" / "files.md").read_text("utf-8")
FOLDER = "/srv/drop/helpdesk"


class Noon(SystemClock):
    """The day of the example."""

    def now(self) -> datetime:
        return datetime(2026, 11, 22, 12, tzinfo=UTC)


def block(start: str, language: str) -> str:
    """The first block after some words."""
    found = re.search(rf"{re.escape(start)}.*?```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found, start
    return found[1]


@pytest.fixture
def pulled(tmp_path: Path) -> Iterator[tuple[Path, Store, list[Any], Any]]:
    drop = tmp_path / "drop"
    drop.mkdir()
    names = re.findall(r"^`(\S+\.(?:csv|jsonl))` ", PAGE, re.MULTILINE)
    assert len(names) == 4
    for age, name in enumerate(reversed(names)):
        (drop / name).write_text(block(f"`{name}` ", "text"), encoding="utf-8")
        os.utime(drop / name, (time.time() - 600 - age, time.time() - 600 - age))
    config = tmp_path / "config.toml"
    text = block("The config says", "toml").replace(FOLDER, str(drop))
    config.write_text('[crm]\ntype = "hubspot"\ntoken = { env = "TOKEN" }\n' + text)
    (one,) = load(config, {"TOKEN": "pat"}).sources
    source = connect(one.name, one.settings, clock=Noon(), spool=tmp_path / "spool")
    with closing(Store.open(tmp_path / "state")) as store:
        reports = pull_all([(source, field_map_of(one, "config.toml", "sources.helpdesk"))], store, Noon())
        yield drop, store, reports, source


def test_the_example_does_what_the_page_says(pulled: tuple[Path, Store, list[Any], Any]) -> None:
    drop, store, reports, source = pulled
    counts = {report.stream: (report.ending, report.rows, report.counts.rejected) for report in reports}
    assert counts == {"companies": ("ok", 3, 1), "tickets": ("ok", 3, 0), "logins": ("failed", 3, 0)}
    reasons = store.rows("SELECT reason FROM quarantine")
    assert reasons == [("companies.csv, line 4: 2 cells where the header has 4",)]
    accounts = store.rows("SELECT name FROM account WHERE name IS NOT NULL ORDER BY name")
    assert accounts == [("=Acme",), ("Müller GmbH",)]
    assert store.rows("SELECT status FROM ticket WHERE status IS NOT NULL ORDER BY status") == [("open",), ("solved",)]
    assert store.rows("SELECT sum(events) FROM usage_file") == [(3,)]
    left = sorted(str(path.relative_to(drop)) for path in drop.rglob("*") if path.is_file())
    assert left == block("the files are here", "text").split()
    said = (drop / "failed" / "logins-2026-11-20.csv.why.txt").read_text("utf-8")
    assert said.startswith(block("why and what to do", "text").replace(FOLDER, str(drop)))
    assert "failed_files" in {finding.code for finding in source.check()}
