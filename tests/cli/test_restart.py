"""Crashes, signals, and a CRM that moves: every task once, nothing lost, nothing left open."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors import wire
from sandbox.core import Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.model import World
from tests.cli.conftest import FILL, Pulled, Said, Site, serving

ROOT = Path(__file__).parent.parent.parent
OURS = (
    "holdfast_health_score",
    "holdfast_health_band",
    "holdfast_health_reason",
    "holdfast_health_coverage",
    "holdfast_segments",
)


OF_THEN = """
import sys
from datetime import datetime
import agent
from cli.errors import exit_code
from sandbox.core import SandboxClock
now, *args = sys.argv[1:]
clock = SandboxClock(datetime.fromisoformat(now))
sys.exit(exit_code(lambda: agent.cli.main(args=args, standalone_mode=False, obj=clock)))
"""


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory, world: World, card_text: str, pulled: Pulled) -> dict[str, Any]:
    """What the CRM holds after a sync that nothing disturbed."""
    from cli.app import open_agent

    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(pulled.state, folder / "state")
    sandbox = Sandbox(world, SandboxClock(pulled.at))
    with (
        serving(folder, sandbox, card_text, lambda: Said(0, "", "")) as site,
        open_agent(site.config, sandbox.clock) as it,
    ):
        it.crm.setup([field.spec for field in it.fields], dry_run=False)
        assert set(it.run(dry_run=False, initial=True, with_tasks=True).endings) == {"confirmed"}
        return in_crm(site)


def in_crm(site: Site) -> dict[str, Any]:
    """Our fields on every company and contact, and how often each task is there."""
    tasks = Counter(row["hs_task_subject"] for row in site.records("tasks", "hs_task_subject").values())
    return {
        "companies": site.records("companies", *OURS),
        "contacts": site.records("contacts", "holdfast_engagement", "holdfast_contact_segments"),
        "tasks": tasks,
    }


def open_operations(site: Site) -> dict[str, int]:
    counts: dict[str, int] = site.run("status", "--json").data["operations"]
    return {state: number for state, number in counts.items() if state in {"sending", "in_doubt", "retry"}}


@contextmanager
def child(site: Site, *args: str, clock: bool = False) -> Iterator[subprocess.Popen[str]]:
    """The command line as a process of its own, with the machine's clock, or from the sandbox's time on."""
    program = [str(ROOT / "agent.py")] if clock else ["-c", OF_THEN, site.sandbox.clock.now().isoformat()]
    command = [sys.executable, *program, *args, "--config", str(site.config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def until_write(site: Site, number: int, process: subprocess.Popen[str]) -> None:
    """Wait until the n-th write has arrived, or the process has ended."""
    before = site.writes()
    while site.writes() - before < number and process.poll() is None:
        time.sleep(0.001)


def settled(site: Site) -> None:
    """Run once more, late enough for an unclear task to be created again: nothing is left open."""
    site.sandbox.clock.sleep(16 * 60)
    last = site.run(*FILL, "--json")
    assert last.code == 0, last.text
    assert open_operations(site) == {}


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an answer a third of a second, not a minute."""
    transmit = wire.Session.transmit
    monkeypatch.setattr(
        wire.Session, "transmit", lambda self, request, timeout: transmit(self, request, (timeout[0], 0.3))
    )


@pytest.mark.parametrize("number", [1, 3])
def test_killed_at_any_write_the_next_run_ends_the_same(site: Site, wanted: dict[str, Any], number: int) -> None:
    with child(site, *FILL) as process:
        until_write(site, number, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    settled(site)
    assert in_crm(site) == wanted
    assert max(in_crm(site)["tasks"].values()) == 1
    assert "killed" in site.run("status").out or process.returncode == 0


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("companies.*batch/update", "timeout_after"),
        ("contacts.*batch/update", "cut"),
        ("tasks.*batch/create", "timeout_after"),
        ("tasks.*batch/create", "cut"),
    ],
)
def test_an_answer_that_is_lost_makes_no_double_and_no_loss(
    site: Site, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch, kind: str, path: str
) -> None:
    impatient(monkeypatch)
    site.sandbox.faults.add(Fault(kind, "hubspot", path=path, effect=kind in {"timeout_after", "cut"}))  # type: ignore[arg-type]  # one of the kinds
    said = site.run(*FILL, "--json")
    assert said.code == 4, said.text
    assert said.data["applied"]["endings"]["in_doubt"] > 0
    assert "in_doubt" in said.err
    settled(site)
    assert in_crm(site) == wanted


def test_an_unclear_task_is_not_sent_again_before_the_crm_has_had_its_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.sandbox.faults.add(Fault("reset", "hubspot", path="tasks.*batch/create"))
    assert site.run(*FILL).code == 4
    site.sandbox.clock.sleep(60)
    assert site.run("sync", "--json").data["applied"]["tasks"] == 0
    assert in_crm(site)["tasks"] == {}
    settled(site)
    assert len(in_crm(site)["tasks"]) > 3


def test_sigterm_ends_a_sync_at_a_batch_boundary_and_the_next_goes_on(site: Site, wanted: dict[str, Any]) -> None:
    with child(site, *FILL, "--json") as process:
        until_write(site, 1, process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert '"stopped": true' in out
    assert "stopped at a batch boundary" in err
    assert "Traceback" not in err
    status = site.run("status", "--json").data
    assert status["runs"][0]["status"] == "stopped"
    assert set(status["operations"]) == {"confirmed", "planned"}
    settled(site)
    assert in_crm(site) == wanted


def test_sigterm_ends_run_with_success(site: Site) -> None:
    site.add("[guard]\nenabled = false\n")  # nobody is there to start the first fill
    with child(site, "run", "--every", "1h", clock=True) as process:
        until_write(site, 3, process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "Traceback" not in err


def test_sigterm_ends_waiting_for_a_rate_limit(site: Site) -> None:
    site.sandbox.faults.add(
        Fault("status", "hubspot", path="companies/search", status=429, headers={"Retry-After": "120"}, every=1)
    )
    with child(site, *FILL, clock=True) as process:
        while not any("companies/search" in entry.path for entry in site.sandbox.journal) and process.poll() is None:
            time.sleep(0.005)
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err


def test_a_second_agent_at_once_is_refused(site: Site) -> None:
    handle = os.open(site.state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(handle, b"4711", 0)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        before = site.sandbox.journal.calls()
        for command in (["sync"], ["sync", "--dry-run"], ["plan"]):
            said = site.run(*command)
            assert said.code == 6
            assert "process 4711" in said.err
        assert site.sandbox.journal.calls() == before
        assert site.run("status").code == 0
    finally:
        os.close(handle)
    assert site.run("sync", "--dry-run").code == 0


def test_a_token_revoked_while_writing(site: Site, wanted: dict[str, Any]) -> None:
    site.sandbox.faults.add(Fault("status", "hubspot", path="contacts.*batch/update", status=401, every=1))
    said = site.run(*FILL, "--json")
    assert said.code == 3, said.text
    assert said.data["applied"]["fields"] > 0
    assert said.data["not_sent"] > 0
    assert "the next run plans them again" in said.err
    site.sandbox.faults.clear()
    settled(site)
    assert in_crm(site) == wanted


def test_a_token_revoked_before_the_run(site: Site) -> None:
    site.sandbox.mutate("hubspot", "revoke_token", token="pat-sandbox-full")
    said = site.run(*FILL, "--json")
    assert said.code == 3
    assert said.data["plan"] is None
    assert "Check the credentials in the config" in said.err


def test_the_quota_used_up_while_writing(site: Site, wanted: dict[str, Any]) -> None:
    refusal = {"status": "error", "policyName": "DAILY", "errorType": "RATE_LIMIT", "message": "daily limit"}
    site.sandbox.faults.add(
        Fault("status", "hubspot", path="contacts.*batch/update", status=429, body=refusal, every=1)
    )
    said = site.run(*FILL, "--json")
    assert said.code == 1, said.text
    assert said.data["halted"]
    assert said.data["applied"]["fields"] > 0
    site.sandbox.faults.clear()
    settled(site)
    assert in_crm(site) == wanted


def test_the_quota_used_up_before_the_run(site: Site, wanted: dict[str, Any]) -> None:
    site.sandbox.mutate("hubspot", "use_quota", calls=625_000)
    said = site.run(*FILL, "--json")
    assert said.code == 1, said.text
    assert said.data["plan"] is None
    assert "nothing was planned" in said.err
    site.sandbox.clock.sleep(86_400)
    assert site.run(*FILL, "--json").data["applied"]["fields"] > 0


def test_the_crm_is_down_while_something_is_unclear(site: Site, wanted: dict[str, Any]) -> None:
    site.sandbox.faults.add(Fault("reset", "hubspot", path="companies.*batch/update"))
    assert site.run(*FILL).code == 4
    site.sandbox.faults.add(Fault("status", "hubspot", status=503, every=1))
    said = site.run("sync", "--json")
    assert said.code == 1
    assert "What an earlier run left unclear waits" in said.err
    assert said.data["pulled"]["zendesk"]["organizations"] >= 0
    assert {item["source"] for item in said.data["failed"]} == {"hubspot"}
    site.sandbox.faults.clear()
    settled(site)
    assert in_crm(site) == wanted


# -- between plan and apply --------------------------------------------------------------------------------------------


@pytest.fixture
def plan(site: Site, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """A saved plan and what it says."""
    file = str(tmp_path / "a.plan")
    said = site.run("plan", "--tasks", "--out", file, "--json")
    assert said.code == 0, said.text
    assert site.run("approve", file, "--by", "Dana").code == 0
    return file, said.data


def planned(plan: tuple[str, dict[str, Any]]) -> tuple[str, str]:
    """Two accounts that the plan writes to and makes tasks for."""
    ids = [item["account_id"] for item in plan[1]["changes"] if "playbook" in item]
    return ids[0], ids[1]


def test_a_person_was_quicker(site: Site, plan: tuple[str, dict[str, Any]]) -> None:
    first, _ = planned(plan)
    site.sandbox.mutate(
        "hubspot", "edit", object="companies", id=first, properties={"holdfast_health_reason": "I know better"}
    )
    said = site.run("apply", plan[0], "--json")
    assert said.code == 4, said.text
    assert said.data["applied"]["endings"]["conflict"] == 1
    assert "holdfast_health_reason: said (empty) when the plan was made, now says I know better" in said.err
    conflict = said.data["conflicts"][0]
    assert (conflict["record_id"], conflict["theirs"]) == (first, "I know better")
    assert conflict["ours"]
    assert site.records("companies", "holdfast_health_reason")[first]["holdfast_health_reason"] == "I know better"


def test_accounts_deleted_or_merged_before_the_plan_is_applied(site: Site, plan: tuple[str, dict[str, Any]]) -> None:
    deleted, merged = planned(plan)
    winner = next(i for i in site.records("companies", "name") if i not in {deleted, merged})
    site.sandbox.mutate("hubspot", "archive", object="companies", id=deleted)
    site.sandbox.mutate("hubspot", "merge", object="companies", winner=winner, loser=merged)
    said = site.run("apply", plan[0], "--json")
    assert said.code == 4, said.text
    assert said.data["applied"]["endings"]["gone"] >= 2
    tasks = len(site.records("tasks", "hs_task_subject"))
    assert tasks == said.data["applied"]["tasks"]
    site.sandbox.clock.sleep(3600)
    again = site.run(*FILL, "--json")
    assert again.code in {0, 4}, again.text
    assert not [c for c in again.data["changes"] if c.get("record_id") in {deleted, merged}]


def test_an_owner_who_left(site: Site) -> None:
    owners = {i: row["hubspot_owner_id"] for i, row in site.records("companies", "hubspot_owner_id").items()}
    for owner in {owner for owner in owners.values() if owner}:
        site.sandbox.mutate("hubspot", "deactivate_owner", id=owner)
    site.sandbox.clock.sleep(25 * 3600)  # colleagues are listed once a day
    dry = site.run("sync", "--dry-run")
    assert "for nobody" in dry.out
    wet = site.run(*FILL, "--json")
    assert wet.code == 0, wet.text
    assert wet.data["applied"]["tasks"] > 3
    assert {row["hubspot_owner_id"] for row in site.records("tasks", "hubspot_owner_id").values()} <= {None, ""}


def test_tasks_of_an_owner_who_left_go_to_the_fallback(site: Site) -> None:
    owners = sorted(
        {str(r["hubspot_owner_id"]) for r in site.records("companies", "hubspot_owner_id").values()} - {"None"}
    )
    for owner in owners[1:]:
        site.sandbox.mutate("hubspot", "deactivate_owner", id=owner)
    site.add(f'[writeback]\nfallback_owner = "{owners[0]}"\n')
    site.sandbox.clock.sleep(25 * 3600)  # colleagues are listed once a day
    wet = site.run(*FILL, "--json")
    assert wet.code == 0, wet.text
    assert {row["hubspot_owner_id"] for row in site.records("tasks", "hubspot_owner_id").values()} == {owners[0]}


def test_a_second_dry_run_writes_nothing_and_says_the_same(site: Site) -> None:
    before = site.writes()
    one, two = (site.run("sync", "--dry-run", "--json") for _ in range(2))
    assert site.writes() == before
    assert one.data["plan"]["fields"] == two.data["plan"]["fields"] > 0
    assert one.data["plan"]["tasks"] == two.data["plan"]["tasks"] > 0
