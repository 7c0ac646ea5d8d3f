"""Goes through the cases of the matrix, several starts at a time, and counts what came of them."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.crash.verdict import Found
from tests.faults.line import UPDATE
from tests.faults.start import KINDS, SCENARIOS, Start

SHOWN = 20
WRITES = re.compile(rf"{UPDATE.pattern}|POST .*/tasks/batch/(?!read)|POST composite/sobjects$|POST composite/tree")


@dataclass
class Tally:
    """What came of many cases.

    Attributes:
        wrong: Those that were not good: the command that repeats each, and what is wrong.
        kinds: How many cases had something lost, doubled, unfinished or otherwise wrong.
        unreached: Cases whose disturbance met no request.
        seconds: Wall time.
    """

    cases: int = 0
    wrong: list[tuple[str, list[str]]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    unreached: int = 0
    seconds: float = 0.0

    def add(self, verdict: Found, command: str) -> None:
        """Count one more."""
        self.cases += 1
        self.unreached += not verdict.reached
        self.kinds.update(verdict.ways)
        if not verdict.good:
            self.wrong.append((command, list(verdict.lines())))

    def include(self, other: "Tally") -> None:
        """Count another's too."""
        self.cases += other.cases
        self.wrong += other.wrong
        self.kinds += other.kinds
        self.unreached += other.unreached
        self.seconds += other.seconds

    def line(self) -> str:
        """The result in one line."""
        kinds = self.kinds
        astray = f" otherwise wrong {kinds['other']}" if kinds["other"] else ""
        missed = f" not reached {self.unreached}" if self.unreached else ""
        return (
            f"cases {self.cases} lost {kinds['lost']} doubled {kinds['doubled']} "
            f"unfinished {kinds['unfinished']}{astray}{missed}"
        )

    def shown(self) -> Iterator[tuple[str, list[str]]]:
        """One case of each way of being wrong, the most frequent first."""
        ways: dict[str, list[tuple[str, list[str]]]] = {}
        for command, lines in self.wrong:
            way = re.sub(r"\w*\d\w*", "#", " ".join(line[:60] for line in lines[:3]))
            ways.setdefault(way, []).append((command, lines))
        for found in sorted(ways.values(), key=len, reverse=True)[:SHOWN]:
            command, lines = found[0]
            yield f"{len(found)} like this: {command}", [line[:400] for line in lines[:8]]


def pairs(requests: Sequence[str], disturbances: Sequence[str], *, short: bool) -> Iterator[tuple[str, int]]:
    """Disturbance, and number of the request: every one, or for each disturbance one write in turn and one other."""
    numbers = range(1, len(requests) + 1)
    writes = [number for number in numbers if WRITES.search(requests[number - 1])]
    others = [number for number in numbers if number not in writes]
    for turn, name in enumerate(disturbances):
        chosen: Iterable[int] = (writes[turn % len(writes)], others[turn % len(others)]) if short else numbers
        yield from ((name, number) for number in chosen)


def of_start(scenario: str, kind: str, disturbances: Sequence[str], *, short: bool = False) -> Tally:
    """All cases of one start."""
    begin, tally = time.perf_counter(), Tally()
    with Start(SCENARIOS[scenario], KINDS[kind]) as start:
        for name, number in pairs(start.requests(), disturbances, short=short):
            command = (
                f"python -m tests.faults --scenario {scenario} --kind {kind} --disturbance {name} --number {number}"
            )
            tally.add(start.judge(name, number), command)
    tally.seconds = time.perf_counter() - begin
    return tally


def matrix(
    scenarios: Iterable[str], kinds: Iterable[str], disturbances: Sequence[str], *, short: bool, jobs: int
) -> Iterator[tuple[str, Tally]]:
    """The tally of each start, as they end; the cases of one are spread over several processes."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        parts = {}
        for kind in kinds:
            for scenario in scenarios:
                some = max(1, len(disturbances) // 4)
                for first in range(0, len(disturbances), some):
                    work = pool.submit(of_start, scenario, kind, disturbances[first : first + some], short=short)
                    parts[work] = f"{kind} {scenario} {first // some + 1}"
        for done in as_completed(parts):
            yield parts[done], done.result()
