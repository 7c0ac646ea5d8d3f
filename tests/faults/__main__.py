"""The fault matrix: every disturbance at every request of an agent's work, and the next run must put it right.

python -m tests.faults                  every disturbance at every request, for each CRM, and 10,000 edits
python -m tests.faults --short          each disturbance at one request that writes and at one other
python -m tests.faults --scenario run --kind hubspot-marker --disturbance late --number 9      one case again
"""

import argparse
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tests.faults.edits import measure
from tests.faults.kinds import DISTURBANCES
from tests.faults.start import KINDS, SCENARIOS, Start
from tests.faults.tally import Tally, matrix


def main() -> int:
    """0 when nothing was lost, doubled or left unfinished, and no edit overwritten that could have been seen."""
    asked = _arguments()
    scenarios = asked.scenario or list(SCENARIOS)
    kinds = asked.kind or list(KINDS)
    if asked.number:
        return _one(asked)
    tally, unseen = Tally(), 0
    if not asked.only_edits:
        for name, part in matrix(
            scenarios, kinds, asked.disturbance or list(DISTURBANCES), short=asked.short, jobs=asked.jobs
        ):
            tally.include(part)
            _say(f"{name}: {part.line()} in {part.seconds:.0f} s")
        for command, lines in tally.shown():
            _say("\n    ".join([command, *lines]))
    if asked.edits and not asked.short:
        for kind in kinds:
            measured = measure(KINDS[kind], asked.edits // len(kinds) + 1, asked.seed)
            unseen += measured.unseen
            _say(f"{kind}: {measured.line()}")
    if tally.cases:
        _say(tally.line())
    return 1 if tally.wrong or unseen else 0


def _one(asked: argparse.Namespace) -> int:
    with Start(SCENARIOS[asked.scenario[0]], KINDS[asked.kind[0]]) as start:
        requests = start.requests()
        verdict = start.judge(asked.disturbance[0], asked.number)
        name = requests[asked.number - 1] if asked.number <= len(requests) else "beyond the end"
        _say("\n".join([f"request {asked.number} of {len(requests)}: {name}", *verdict.lines()]))
        _say("good" if verdict.good else "wrong")
        return 0 if verdict.good else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="only this one, may be repeated")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this CRM and strategy")
    parser.add_argument("--disturbance", action="append", choices=list(DISTURBANCES), help="only this one")
    parser.add_argument("--number", type=int, default=0, help="only this request, counted from 1")
    parser.add_argument("--short", action="store_true", help="each disturbance at two requests of the usual run")
    parser.add_argument("--edits", type=int, default=10_000, help="how many edits at random instants; 0 for none")
    parser.add_argument("--only-edits", action="store_true", help="no matrix")
    parser.add_argument("--seed", default="1", help="what the instants are drawn from")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="starts at a time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
