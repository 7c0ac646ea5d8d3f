"""How long one waits for `--help`, `status` and `explain`, as ratios to `python -c pass` on the same machine.

The state file is that of 10,000 accounts with 200,000 people, scored as a run scores them, while another process writes
into it as a sync does. Each command is a process of its own, so that imports count. Set HOLDFAST_BENCH_ACCOUNTS for
another size.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench_state import fill
from benchmarks.scoring_data import AS_OF, Size, make
from cli.trial import vendors, write_trial_config
from scoring.cards import Cards
from scoring.engine import score
from sync import frames
from sync.eras import keep_era
from sync.tables import epoch

ACCOUNTS = int(os.environ.get("HOLDFAST_BENCH_ACCOUNTS", "10000"))
TIMES = 5

WRITER = """
import sys, time
from pathlib import Path
from sync.store import Store
store = Store.open(Path(sys.argv[1]))
print("writing", flush=True)
while True:
    with store.transaction() as conn:
        conn.execute("UPDATE account SET version = coalesce(version, 0) + 1 WHERE key % 10 = 0")
    time.sleep(0.2)
"""
"""Writes a page of records a few times a second, as a sync does between waiting for the vendors."""


def prepare(folder: Path, size: Size) -> Path:
    """A state folder as a run leaves it, with its config; gives the config."""
    (folder / "plain").mkdir()
    store = fill(folder / "state", make(folder / "plain", size))
    cards = Cards.load([])
    given = frames.inputs(store, AS_OF, crm="hubspot")
    with store.released():
        rows = list(score(cards, given))
    keep_era(store, cards, [], AS_OF)
    counts = json.dumps({"scored": {"account": size.accounts}, "as_of": AS_OF.isoformat()})
    with store.transaction() as conn:
        conn.execute("UPDATE run SET counts = ?, ended = ? WHERE run_id = 1", (counts, epoch(AS_OF)))
    store.save_scores(1, rows, AS_OF)
    store.close()
    return write_trial_config(folder, {name: f"http://127.0.0.1:9/{name}" for name in vendors("hubspot")})


def quickest(*commands: Sequence[str]) -> list[float]:
    """Seconds of each command, the best of some turns: what else the machine does only ever adds."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    best = [float("inf")] * len(commands)
    for turn in range(TIMES + 1):
        for at, command in enumerate(commands):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)  # noqa: S603  # ours
            if turn:  # the first turn writes bytecode and fills the machine's caches, as an installed program has them
                best[at] = min(best[at], time.perf_counter() - start)
    return best


def main(size: Size | None = None) -> list[dict[str, Any]]:
    shrink = ACCOUNTS / 10_000
    full = Size()
    size = size or Size(
        ACCOUNTS, int(full.people * shrink), int(full.tickets * shrink), int(full.usage_rows * shrink), full.days
    )
    agent = [sys.executable, str(Path(__file__).parent.parent / "agent.py")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = ["--config", str(prepare(folder, size))]
        writer = subprocess.Popen(  # noqa: S603  # ours
            [sys.executable, "-c", WRITER, str(folder / "state")], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        try:
            writer.stdout.readline()
            bare, shown, status, explain = quickest(
                [sys.executable, "-c", "pass"],
                [*agent, "--help"],
                [*agent, "status", *config],
                [*agent, "explain", "A6", *config],
            )
        finally:
            writer.kill()
            writer.wait()
    timed = {"--help": (shown, 0.25), "status": (status, 0.5), "explain": (explain, 0.5)}
    rows: list[dict[str, Any]] = [{"name": "python -c pass", "value": bare, "unit": "s"}]
    for name, (seconds, limit) in timed.items():
        rows.append({"name": f"holdfast {name}", "value": seconds, "unit": f"s (limit {limit})"})
        rows.append({"name": f"holdfast {name} / python -c pass", "value": seconds / bare, "unit": "x"})
    return rows


if __name__ == "__main__":
    for line in main():
        print(line)
