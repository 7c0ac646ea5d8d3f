"""The crash-point enumerator: an agent is killed at every step of its work, and the next one must put it right.

python -m tests.crash                  every point and 10,000 sampled pairs
python -m tests.crash --short          every point of a small plan, for each CRM
python -m tests.crash --scenario run --kind hubspot-marker --point 12,late,0,hour,,human      one point again
"""

import argparse
import os
import random
import re
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's helpers would be threads in a process that forks

from tests.crash.enumerator import Tally, every_point, every_step, go_through, some_pairs
from tests.crash.points import Point, Start, Verdict
from tests.crash.scenarios import KINDS, SCENARIOS

PAIRS_OF = "run"
SHOWN = 20


def main() -> int:
    """0 when nothing was lost, doubled or left unfinished."""
    asked = _arguments()
    scenarios = [SCENARIOS[name] for name in asked.scenario or (["small"] if asked.short else SCENARIOS)]
    kinds = [KINDS[name] for name in asked.kind or KINDS]
    singles, pairs = Tally(), Tally()
    for kind in kinds:
        for scenario in scenarios:
            if scenario.kinds and kind.name not in scenario.kinds:
                continue
            start = Start(scenario, kind)
            try:
                if asked.point:
                    return _one(start, Point.parse(asked.point))
                steps = start.steps()
                if not asked.only_pairs:
                    points = every_step(steps) if asked.short else every_point(steps)
                    singles.include(go_through(start, points, jobs=asked.jobs))
                if scenario.name == PAIRS_OF and asked.pairs and not asked.short:
                    share = -(-asked.pairs // len(kinds))
                    points = some_pairs(steps, random.Random(f"{asked.seed} {kind.name}"))
                    pairs.include(go_through(start, points, jobs=asked.jobs, most=share))
            finally:
                start.close()
    _show([*singles.wrong, *pairs.wrong])
    if pairs.points:
        _say(f"seed {asked.seed}")
        _say(pairs.line("pairs"))
    if singles.points:
        _say(singles.line("points"))
    return 1 if singles.wrong or pairs.wrong else 0


def _show(wrong: list[tuple[str, Verdict]]) -> None:
    """Two points of each way of being wrong, the most frequent first."""
    ways: dict[str, list[str]] = {}
    for command, verdict in wrong:
        way = re.sub(r"[0-9a-f]{4,}|\w*\d\w*", "#", " ".join(line[:60] for line in verdict.lines()))
        ways.setdefault(way, []).append("\n    ".join([command, *verdict.lines()]))
    for found in sorted(ways.values(), key=len, reverse=True)[:SHOWN]:
        _say("\n".join([f"{len(found)} like this:", *found[:2]]))


def _one(start: Start, point: Point) -> int:
    steps = start.steps()
    name = steps[point.step - 1] if point.step <= len(steps) else "beyond the end"
    verdict = start.judge(point)
    result = "good" if verdict.good else "wrong"
    _say("\n".join([f"step {point.step} of {len(steps)}: {name}", *verdict.lines(), result]))
    return 0 if verdict.good else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="only this one, may be repeated")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this CRM and strategy")
    parser.add_argument("--short", action="store_true", help="every step of a small plan")
    parser.add_argument("--pairs", type=int, default=10_000, help="how many pairs; 0 for none")
    parser.add_argument("--only-pairs", action="store_true", help="no single points")
    parser.add_argument("--seed", default="1", help="what pairs are drawn from")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="points at a time")
    parser.add_argument("--point", help="this point again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
