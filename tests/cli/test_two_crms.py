"""The same company with one CRM and with the other: the same scores, and the same job from the command line."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.app import open_agent
from cli.look import scored_rows
from cli.trial import CRMS, vendors, write_trial_config
from sandbox.core import Sandbox, SandboxClock
from sandbox.model import World
from sandbox.serve import serve
from sandbox.world import SeededWorld, make_world
from scoring.inputs import ScoreRow
from sync.run_report import RunReport
from tests.cli.conftest import FILL, NOW, Pulled, Said, serving


@dataclass(frozen=True)
class Seen:
    """What one CRM's run came to: its report, and the scores of every account and contact by world id.

    Somebody who is in the CRM twice has two scores.
    """

    report: RunReport
    scores: dict[tuple[str, int], list[ScoreRow]]


@pytest.fixture(scope="module")
def company() -> SeededWorld:
    return make_world(seed=11, accounts=150, people_per_account=8, months=7, now=NOW)


def look(company: SeededWorld, crm: str, folder: Path, **options: Any) -> Seen:
    sandbox = Sandbox(company, vendors=vendors(crm), options={crm: options})
    with serve(sandbox) as running:
        config = write_trial_config(folder, running.base_urls)
        with open_agent(config, sandbox.clock) as agent:
            report = agent.run(dry_run=True)
            rows = scored_rows(agent, report.as_of)
    assert not report.blocked
    assert not report.failed, [(pull.stream, pull.error) for pull in report.failed]
    truth = sandbox.truth()[crm]
    scores: dict[tuple[str, int], list[ScoreRow]] = {}
    for row in rows:
        scores.setdefault((row.level, truth[row.level][row.crm_id]), []).append(row)
    return Seen(report, scores)


@pytest.fixture(scope="module")
def seen(company: SeededWorld, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    return {crm: look(company, crm, tmp_path_factory.mktemp(crm)) for crm in CRMS}


def test_the_same_state_with_the_other_crm_starts_afresh_and_says_so(
    tmp_path: Path, world: World, card_text: str, pulled: Pulled, run: Callable[..., Said]
) -> None:
    shutil.copytree(pulled.state, tmp_path / "state")
    with serving(tmp_path, Sandbox(world, SandboxClock(pulled.at), vendors("salesforce")), card_text, run) as site:
        assert site.run("setup").code == 0
        first = site.run(*FILL, "--json")
        assert first.code == 0, first.err
        assert all(
            change.get("record_id", change.get("account_id"))[:3] in {"001", "003"} for change in first.data["changes"]
        )
        assert "Nothing to change." in site.run("sync").out
        checked = site.run("check")
        assert "hubspot: not in the config any more; what was read of it is kept and not used." in checked.out
        assert "! hubspot" not in checked.out
        status = site.run("status", "--full")
        lines = [line for line in status.out.splitlines() if line.startswith("hubspot ")]
        assert len(lines) > 4
        assert all(line.endswith("unused  not in the config any more") for line in lines)
        assert all(row["crm_id"].startswith("001") for row in site.run("score", "--json").data["rows"])


def told(rows: list[ScoreRow]) -> list[dict[str, Any]]:
    """Everything about scores but the CRM's own ids, and the parts in deals, which only Salesforce tells."""
    apart = [row._replace(features={k: v for k, v in row.features.items() if k != "role"}) for row in rows]
    plain = [{k: v for k, v in row._asdict().items() if k not in {"key", "crm_id", "owner_id"}} for row in apart]
    return sorted(plain, key=repr)


def test_every_account_and_contact_scores_the_same(seen: dict[str, Seen]) -> None:
    one, other = (seen[crm].scores for crm in CRMS)
    accounts = {key for key in one if key[0] == "account"}
    assert len(accounts) > 100
    assert one.keys() == other.keys()
    differing = {key: (told(one[key]), told(other[key])) for key in one if told(one[key]) != told(other[key])}
    assert not differing, (len(differing), next(iter(differing.items())))


def test_the_comparison_is_not_of_empty_hands(seen: dict[str, Seen]) -> None:
    for crm in CRMS:
        rows = [row for (level, _), both in seen[crm].scores.items() for row in both if level == "account"]
        assert len({row.band for row in rows}) >= 3
        assert {segment for row in rows for segment in row.segments}
        assert {signal.name for row in rows for signal in row.signals if signal.points} >= {
            "login",
            "active_users",
            "usage",
            "tickets",
            "satisfaction",
        }


def test_the_plans_change_as_many_fields_and_create_as_many_tasks(seen: dict[str, Seen]) -> None:
    plans = [seen[crm].report.plan for crm in CRMS]
    assert plans[0] is not None
    assert plans[1] is not None
    assert plans[0].field_count == plans[1].field_count
    assert len(plans[0].tasks) == len(plans[1].tasks)
    assert sorted(task.subject for task in plans[0].tasks) == sorted(task.subject for task in plans[1].tasks)
