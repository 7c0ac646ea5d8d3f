"""A served sandbox, a config for it, and a way to run commands as a person would."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import agent
from cli.errors import exit_code
from cli.trial import write_trial_config
from sandbox.core import Sandbox
from sandbox.serve import serve
from sandbox.world import make_world

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object on the last line of standard output."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


@dataclass
class Site:
    """A sandbox on loopback, a config for it, and the command line."""

    sandbox: Sandbox
    config: Path
    run: Callable[..., Said]

    def writes(self) -> int:
        """Requests so far that meant to change something."""
        return sum(number for (_, write), number in self.sandbox.journal.counts.items() if write)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command line; `clock` replaces the machine's."""

    def invoke(*args: str, clock: object = None) -> Said:
        capsys.readouterr()
        code = exit_code(
            lambda: agent.cli.main(args=list(args), prog_name="holdfast", standalone_mode=False, obj=clock)
        )
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return invoke


@pytest.fixture
def site(tmp_path: Path, run: Callable[..., Said]) -> Iterator[Site]:
    """A small company with its tools."""
    sandbox = Sandbox(make_world(seed=3, accounts=25, people_per_account=6, months=6, now=NOW))
    with serve(sandbox) as running:
        config = write_trial_config(tmp_path, running.base_urls)

        def command(*args: str) -> Said:
            return run(*args, "--config", str(config), clock=sandbox.clock)

        yield Site(sandbox, config, command)
