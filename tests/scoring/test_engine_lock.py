"""The state file may be in another program's hands for a moment: reading waits for it."""

import subprocess
import sys
from pathlib import Path
from threading import Timer

from scoring.card import Scorecard
from scoring.engine import score
from tests.scoring.worlds import account, empty, store

HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
db.execute("COMMIT")
"""


def test_a_locked_state_file_is_waited_for(card: Scorecard, tmp_path: Path) -> None:
    world = empty()
    world["account"] = [account(1)]
    inputs = store(world, tmp_path)
    assert len(list(score(card, inputs))) == 1
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(inputs.state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        release = Timer(0.5, holder.stdin.close)
        release.start()
        assert len(list(score(card, inputs))) == 1
        release.join()
    assert holder.returncode == 0
