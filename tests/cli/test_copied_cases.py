"""An org into which an integration copies the help desk's tickets: they count once, and nothing else changes."""

from pathlib import Path
from typing import Any

import pytest

from cli.app import open_agent
from cli.look import scored_rows
from cli.trial import vendors, write_trial_config
from sandbox.core import Sandbox
from sandbox.serve import serve
from sandbox.world import SeededWorld, make_world
from tests.cli.conftest import NOW

COPY_OF = '\n[crm.fields.cases]\ncopy_of = "Zendesk_Ticket_Id__c"\n'


@pytest.fixture(scope="module")
def company() -> SeededWorld:
    return make_world(seed=5, accounts=40, people_per_account=5, months=5, now=NOW)


def scores(company: SeededWorld, folder: Path, share: float, more: str = "") -> tuple[int, dict[Any, Any]]:
    """Copies in the state, and what every account and contact scores."""
    sandbox = Sandbox(company, vendors=vendors("salesforce"), options={"salesforce": {"zendesk_cases": share}})
    with serve(sandbox) as running:
        config = write_trial_config(folder, running.base_urls)
        with config.open("a", encoding="utf-8") as file:
            file.write(more)
        with open_agent(config, sandbox.clock) as agent:
            report = agent.run(dry_run=True)
            assert not report.failed
            copies = agent.store.rows("SELECT count(copy_of) FROM ticket")[0][0]
            rows = scored_rows(agent, report.as_of)
    return copies, {(row.level, row.crm_id): row._replace(key=0) for row in rows}


def test_copied_tickets_count_once(company: SeededWorld, tmp_path: Path) -> None:
    none, plain = scores(company, tmp_path / "plain", 0.0)
    copies, once = scores(company, tmp_path / "once", 0.7, COPY_OF)
    unsaid, twice = scores(company, tmp_path / "twice", 0.7)
    assert (none, unsaid) == (0, 0)
    assert copies > 50
    assert {key: (plain[key], once[key]) for key in plain if plain[key] != once[key]} == {}
    assert plain != twice
