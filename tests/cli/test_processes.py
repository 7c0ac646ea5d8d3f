"""The commands as processes of their own, with the machine's clock: what a person types in two shells."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import trial
from cli.trial import CRMS, vendors
from tests.cli.conftest import Said

ROOT = Path(__file__).parent.parent.parent


def holdfast(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "agent.py"), *args],
        capture_output=True,
        encoding=env.get("PYTHONIOENCODING") or "utf-8",
        env={**os.environ, **env},
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """`holdfast sandbox serve --json` in another process, and what it printed."""
    folder = tmp_path_factory.mktemp("trial")
    command = ["sandbox", "serve", "--accounts", "12", "--people", "5", "--months", "3", "--json"]
    with subprocess.Popen(
        [sys.executable, str(ROOT / "agent.py"), *command, "--write-config", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        first = server.stdout.readline()
        yield json.loads(first)
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=20)
        assert server.returncode == 0, err
        assert out == ""
        assert "Traceback" not in err


@pytest.fixture(scope="module")
def previewed(served: dict[str, Any]) -> dict[str, Any]:
    """What a first dry run said."""
    assert holdfast("setup", "--config", served["config"]).returncode == 0
    said = holdfast("sync", "--dry-run", "--config", served["config"], "--json")
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def test_every_command_from_another_shell(served: dict[str, Any], previewed: dict[str, Any], tmp_path: Path) -> None:
    config = ["--config", served["config"]]
    plan = str(tmp_path / "a.plan")
    done = {}
    for command in (
        ["plan", "--out", plan],
        ["approve", plan, "--by", "Dana"],
        ["apply", plan],
        ["score"],
    ):
        said = holdfast(*command, *config, "--json")
        assert said.returncode == 0, (command, said.stderr)
        assert "Traceback" not in said.stderr
        done[" ".join(command)] = json.loads(said.stdout)
    assert previewed["plan"]["fields"] == done[f"apply {plan}"]["applied"]["fields"] > 0
    assert len(done["score"]["rows"]) == previewed["scored"]["account"] > 0
    account = done["score"]["rows"][0]
    explained = holdfast("explain", account["crm_id"], *config)
    assert explained.returncode == 0
    assert (account["name"] or account["crm_id"])[:20] in explained.stdout
    with urllib.request.urlopen(f"{served['control']}/journal?limit=1") as answer:  # noqa: S310 - loopback
        assert json.load(answer)["counts"]["hubspot"]["writes"] > 0


def test_a_terminal_without_our_characters_is_no_reason_to_fail(
    served: dict[str, Any], previewed: dict[str, Any]
) -> None:
    said = holdfast("score", "--config", served["config"], PYTHONIOENCODING="ascii")
    assert said.returncode == 0, said.stderr
    assert "Söhne" not in said.stdout
    assert "accounts as of" in said.stdout


def test_a_reader_that_has_seen_enough(served: dict[str, Any], previewed: dict[str, Any]) -> None:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "agent.py"), "score", "--config", served["config"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=30)
    assert err == b""
    assert process.returncode == 0


def keys(data: Any) -> Any:
    """The shape of a JSON object: its keys, and theirs."""
    return {key: keys(value) for key, value in data.items()} if isinstance(data, dict) else None


def test_the_demo_ends_with_the_promised_object_whatever_the_crm() -> None:
    shapes = {}
    for crm in CRMS:
        said = holdfast("demo", "--accounts", "12", "--crm", crm, "--json")
        assert said.returncode == 0, said.stderr
        assert "Traceback" not in said.stderr
        data = json.loads(said.stdout.splitlines()[-1])
        assert data["accounts"] == 12
        assert data["scored"] > 0
        assert data["dry_run"]["writes"] == 0
        assert data["applied"]["fields"] == data["dry_run"]["fields"] > 0
        assert data["applied"]["tasks"] == data["dry_run"]["tasks"]
        assert data["second_run"] == {"changes": 0, "writes": 0}
        assert data.pop("api_calls").keys() == {crm, "zendesk", "mixpanel"}
        assert all(numbers["rows"] > 0 < numbers["calls"] for numbers in data.pop("sources").values())
        shapes[crm] = (keys(data), {name: data[name] for name in ("scored", "contacts_scored", "bands", "applied")})
    assert shapes["hubspot"] == shapes["salesforce"]


def test_the_demo_in_words_keeps_what_it_is_told_to(run: Callable[..., Said], tmp_path: Path) -> None:
    said = run("demo", "--all-sources", "--accounts", "5", "--keep", str(tmp_path / "kept"), "--json")
    assert said.code == 0, said.err
    own = {"visits", "telephone", "bookings"}
    assert set(said.data["sources"]) == {*vendors("hubspot", everything=True), *own}
    assert "Nothing to change." in said.text
    assert "sandbox serve --all-sources --write-config trial" in said.text
    assert said.text.count("Pulling what changed") == 3, "once for each of the three runs"
    told = run("check", "--config", str(tmp_path / "kept" / "config.toml"))  # nobody answers any more
    assert len(re.findall(r"· stripe: account links: \d+ by ", told.out)) == 1, told.out
    assert (tmp_path / "kept" / "config.toml").exists()
    assert (tmp_path / "kept" / "state" / "state.db").exists()


def test_the_demo_reads_large_kinds_by_bulk_jobs_though_no_time_passes(
    run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SALESFORCE", trial.SALESFORCE.replace("surveys =", "bulk_above = 3\nsurveys ="))
    said = run("demo", "--accounts", "5", "--crm", "salesforce")
    assert said.code == 0, said.err
    assert said.err == ""
    assert "Nothing to change." in said.out
    assert "sandbox serve --crm salesforce --write-config trial" in said.out


def test_a_demo_that_goes_wrong_says_why(run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SALESFORCE", trial.SALESFORCE.replace("Plan__c", "Plann__c"))
    said = run("demo", "--accounts", "5", "--crm", "salesforce")
    assert said.code == 1
    assert "salesforce could not be read (accounts: salesforce: Account has no Plann__c" in said.err
    assert "Not all went well" in said.out
