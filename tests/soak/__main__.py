"""The soak: months of hourly runs of the whole agent beside small moving companies, with everything going wrong.

python -m tests.soak                                  90 simulated days, half of them beside each CRM
python -m tests.soak --runs 200 --crm salesforce      fewer, beside one
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tests.soak.life import Outcome, Terms, growth, live, say

CRMS = ("hubspot", "salesforce")


def main() -> int:
    """0 when nothing drifted, doubled, stayed open or was wrong otherwise."""
    asked = _arguments()
    crms = CRMS if asked.crm == "both" else (asked.crm,)
    runs = asked.runs // len(crms)
    with ProcessPoolExecutor(len(crms)) as pool:
        terms = [Terms(crm, asked.seed, runs, asked.step, asked.keep_days, asked.seconds) for crm in crms]
        lives = [pool.submit(live, one) for one in terms]
        outcomes = [one.result() for one in lives]
    for outcome in outcomes:
        _tell(outcome)
    done = sum(outcome.runs for outcome in outcomes)
    memory = max(growth(outcome.memory) for outcome in outcomes)
    # Until that day nothing was old enough to go.
    database = max(growth(outcome.database[asked.keep_days :]) for outcome in outcomes)
    numbers = {kind: sum(outcome.number(kind) for outcome in outcomes) for kind in ("drift", "doubled", "open")}
    told = " ".join(f"{kind} {number}" for kind, number in numbers.items())
    say(f"runs {done} {told} memory x{memory:.2f} database x{database:.2f}")
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


def _tell(outcome: Outcome) -> None:
    codes = dict(sorted(outcome.codes.items()))
    say(f"{outcome.crm}: {outcome.runs} runs in {outcome.seconds:.0f} s, exit codes {codes}")
    say("  " + ", ".join(f"{number} {name}" for name, number in outcome.seen.most_common()))
    series: dict[str, Sequence[float]] = {
        "MiB": outcome.memory,
        "KiB of state": outcome.database,
        "KiB of history": outcome.history,
        "files": outcome.files,
    }
    for name, days in series.items():
        say(f"  {name}: {' '.join(f'{day:.0f}' for day in days)}")
    say("  rows: " + ", ".join(f"{name} {number}" for name, number in sorted(outcome.tables.items()) if number))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=2160, help="hourly runs in all")
    parser.add_argument("--crm", choices=(*CRMS, "both"), default="both", help="beside which CRM; both: half each")
    parser.add_argument("--seed", type=int, default=1, help="what the company and its troubles are drawn from")
    parser.add_argument("--step", type=int, default=1, help="hours from one run to the next")
    parser.add_argument("--keep-days", type=int, default=10, help="days that closed operations and pulls are kept")
    parser.add_argument("--seconds", type=float, default=10**6, help="end after so long, wherever it is")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
