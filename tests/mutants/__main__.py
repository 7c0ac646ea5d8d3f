"""Is the crash enumerator any good? It must find the harm in each of twelve agents that are wrong on purpose.

python -m tests.mutants                    all of them
python -m tests.mutants --only no-fence    one

A point counts only where the agent as it is passes it. A mutant that nothing finds is a failure: of the harness.
"""

import argparse
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's helpers would be threads in a process that forks

from tests.crash.enumerator import command, tried
from tests.crash.points import Point, Start, forked
from tests.crash.scenarios import KINDS, SCENARIOS
from tests.mutants.catalogue import MUTANTS, Mutant

QUICK = ("mark-then-send", "send-then-mark", "random-key", "no-second-look")
SUSPECTS = 3
"""Points with harm that are tried on the agent as it is before the search is given up."""


def main() -> int:
    """0 when every mutant was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=list(MUTANTS), help="only this one, may be repeated")
    parser.add_argument("--quick", action="store_true", help="only those that are quickly found")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="points at a time")
    asked = parser.parse_args()
    mutants = [MUTANTS[name] for name in asked.only or (QUICK if asked.quick else MUTANTS)]
    sound: dict[tuple[str, str], Start] = {}
    caught = 0
    try:
        for mutant in mutants:
            begin = time.monotonic()
            place = (mutant.scenario, mutant.kind)
            if place not in sound:
                sound[place] = Start(SCENARIOS[mutant.scenario], KINDS[mutant.kind])
            proof = _caught(mutant, sound[place], asked.jobs)
            caught += bool(proof)
            _say(f"{mutant.name}: {proof or 'SURVIVES'} ({time.monotonic() - begin:.0f} s)")
    finally:
        for start in sound.values():
            start.close()
    _say(f"mutants {caught} of {len(mutants)} caught")
    return 0 if caught == len(mutants) else 1


def _caught(mutant: Mutant, sound: Start, jobs: int) -> str:
    """The point that shows the harm and does none to the agent as it is; empty when there is none."""
    for point, harm in forked(lambda: _suspects(mutant, jobs))():
        if sound.judge(point).good:
            return f"{harm}\n    {command(sound, point)}"
    return ""


def _suspects(mutant: Mutant, jobs: int) -> list[tuple[Point, str]]:
    """Points at which the mutant does harm, and what."""
    mutant.break_it()
    start = Start(SCENARIOS[mutant.scenario], KINDS[mutant.kind])
    found: list[tuple[Point, str]] = []

    def enough() -> bool:
        return len(found) >= SUSPECTS

    try:
        for verdict in tried(start, mutant.points(start.steps()), jobs, enough):
            harm = [line for line in verdict.lines() if mutant.harm in line]
            if harm:
                found.append((verdict.point, harm[0]))
    finally:
        start.close()
    return found


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
