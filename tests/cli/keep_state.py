"""Keeps the state file that a version leaves, as the text of its statements: run it with that version's code.

    git worktree add /tmp/that VERSION
    cd /tmp/that && PYTHONPATH=. python THIS_FILE tests/cli/states/NAME.sql

A small world is pulled, scored and written; then the state is written down. `test_kept_states.py` goes on from each.
"""

import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import agent
from cli.trial import write_trial_config
from sandbox.core import Sandbox, SandboxClock
from sandbox.serve import serve
from sandbox.world import make_world

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def main(target: Path) -> None:
    """Run the agent as this version does, and write its state down."""
    made = make_world(seed=6, accounts=3, people_per_account=1, months=1, now=NOW)
    with tempfile.TemporaryDirectory() as folder, serve(Sandbox(made, SandboxClock(NOW))) as running:
        config = write_trial_config(Path(folder), running.base_urls)
        text = resources.files("scoring").joinpath("default.toml").read_text("utf-8")
        strict = text.replace("red_below = 40", "red_below = 80").replace("green_from = 70", "green_from = 95")
        (Path(folder) / "card.toml").write_text(strict, "utf-8")
        with config.open("a", encoding="utf-8") as file:
            file.write('[scoring]\ncard = "card.toml"\n')
        for command in ("setup", "sync"):
            agent.cli.main([command, "--config", str(config)], standalone_mode=False, obj=SandboxClock(NOW))
        state = sqlite3.connect(Path(folder) / "state" / "state.db")
        number = state.execute("PRAGMA application_id").fetchone()[0]
        lines = [f"PRAGMA application_id = {number};", *state.iterdump()]
        state.close()
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
