"""Every point of a small plan, for each CRM: nothing lost, nothing doubled, nothing left unfinished."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["hubspot-marker", "salesforce-marker"])
def test_a_kill_at_any_step_of_a_small_plan_is_put_right(kind: str) -> None:
    # In a process of its own: the enumerator forks, and this one has threads.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", "--short", "--kind", kind, "--jobs", "1"],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    name, number, *rest = done.stdout.split("\n")[-2].split()
    assert name == "points"
    assert int(number) > 80
    assert rest == ["lost", "0", "doubled", "0", "unfinished", "0"]
