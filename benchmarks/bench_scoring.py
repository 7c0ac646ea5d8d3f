"""Scoring 10,000 accounts with 200,000 people, a million tickets and 12 million usage rows.

Measured side by side in one run: from state file and Parquet files to score rows, and the same statements on tables
already in DuckDB's memory. The second is what the first could be at best; their ratio is what reading costs.
"""

import gc
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks import peak_megabytes
from benchmarks.scoring_data import Size, make
from scoring.card import LEVELS, Scorecard
from scoring.engine import load, run, score
from scoring.features import catalogue
from scoring.inputs import Engine, Inputs

ROUNDS = 3


def main(size: Size | None = None) -> list[dict[str, Any]]:
    size = size or Size()
    card, every = Scorecard.load(), every_feature()
    with tempfile.TemporaryDirectory() as folder:
        inputs = make(Path(folder), size)
        rows = sum(1 for _ in score(card, inputs))
        assert rows == size.accounts + size.people
        peak = peak_megabytes()  # before anything is held on purpose
        whole, held = _interleaved(lambda: _whole(card, inputs), lambda: _held(card, inputs))
        used = sum(len(every.features(level)) for level in LEVELS)
        wide, wide_peak = _interleaved(lambda: _whole(every, inputs))[0], _own_peak(Path(folder), size)
    return [
        _result("state file and Parquet to score rows", whole, "s"),
        _result("same statements, tables in memory", held, "s"),
        _result("reading included / tables in memory", whole / held, "x"),
        _result("accounts and contacts scored a second", rows / whole, "rows/s"),
        _result("peak memory of the process after one run", peak, "MB"),
        _result("features of the catalogue, over both levels", used, ""),
        _result("state file and Parquet to score rows, every feature on", wide, "s"),
        _result("peak memory of a process that does that", wide_peak, "MB"),
    ]


def every_feature() -> Scorecard:
    """The card that comes with the program, with rules that use every feature of the catalogue."""
    data = tomllib.loads(
        (Path(__file__).parents[1] / "scoring" / "default.toml").read_text("utf-8"), parse_float=Decimal
    )
    data["segment_limit"] = 100
    steps = ["open", "report"]
    data["product"] = dict.fromkeys(("key_actions", "daily", "weekly", "monthly", "onboarding", "content"), steps)
    data["product"]["plans"] = {"team": ["open"], "business": steps}
    data["product"]["sessions"] = {"start": "open", "beat": "report", "minutes": 5}
    for level in LEVELS:
        public = [feature for feature in catalogue(level).values() if not feature.internal]
        for i in range(0, len(public), 5):
            tests = (f"{f.name} = 'x'" if f.is_text else f"{f.name} > 1000000" for f in public[i : i + 5])
            data[level]["segments"][f"uses_{i}"] = {"label": "uses them", "rule": " OR ".join(tests)}
    return Scorecard.from_data(data)


def _own_peak(folder: Path, size: Size) -> float:
    """Peak memory of a process of its own that scores with every feature."""
    code = (
        "import sys; from pathlib import Path; from benchmarks import peak_megabytes; "
        "from benchmarks.bench_scoring import _whole, every_feature; from benchmarks.scoring_data import Size, make; "
        f"_whole(every_feature(), make(Path({str(folder)!r}), {size!r})); print(peak_megabytes())"
    )
    # Not by -c, which DuckDB takes for a person at a prompt: it would print a progress bar among the figures.
    done = subprocess.run([sys.executable, "-"], input=code, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _result(metric: str, value: float, unit: str) -> dict[str, Any]:
    return {"name": metric, "value": round(value, 3), "unit": unit}


def _interleaved(*jobs: Callable[[], float]) -> list[float]:
    """The best of some rounds for each job, the jobs taking turns so that a busy machine hits all alike."""
    taken: list[list[float]] = [[] for _ in jobs]
    for _ in range(ROUNDS):
        for job, times in zip(jobs, taken, strict=True):
            gc.collect()
            times.append(job())
    return [min(times) for times in taken]


def _whole(card: Scorecard, inputs: Inputs) -> float:
    start = time.perf_counter()
    deque(score(card, inputs), maxlen=0)
    return time.perf_counter() - start


def _held(card: Scorecard, inputs: Inputs) -> float:
    """Only the statements and their rows are on the clock."""
    with load(card, inputs, engine=Engine(memory="3GB")) as con:
        con.execute("CREATE TABLE held AS FROM usage")
        con.execute("DROP VIEW usage")
        con.execute("ALTER TABLE held RENAME TO usage")
        start = time.perf_counter()
        for level in LEVELS:
            deque(run(con, card, level, inputs.as_of), maxlen=0)
        return time.perf_counter() - start


if __name__ == "__main__":
    for line in main(Size() if len(sys.argv) < 2 else Size(*map(int, sys.argv[1:]))):
        print(line)
