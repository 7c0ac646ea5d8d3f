"""The crash enumerator finds the harm in agents that are wrong on purpose: those that are quickly found."""

import os
import subprocess
import sys
from pathlib import Path

from tests.mutants.catalogue import MUTANTS

ROOT = Path(__file__).parents[2]


def test_there_are_two_naive_designs_and_ten_bugs() -> None:
    assert len(MUTANTS) == 12
    assert list(MUTANTS)[:2] == ["mark-then-send", "send-then-mark"]


def test_the_enumerator_catches_mutants() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--quick", "--jobs", "1"],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split("\n")[-2] == "mutants 4 of 4 caught"
