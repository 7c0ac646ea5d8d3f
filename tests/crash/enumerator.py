"""Goes through the crash points of a start: each one alone, or sampled in pairs, several at a time."""

import itertools
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tests.crash.points import GAPS, Point, Start, Verdict, begun, try_point

FLIGHTS = ("arrives", "lost", "late", "unheard", "overtaken")
EVERY_SECONDS = 10.0
"""How often a word about the progress is said."""


@dataclass
class Tally:
    """What came of many points.

    Attributes:
        wrong: Those that were not good, with the command that repeats each.
        kinds: How many points had something lost, doubled, unfinished or otherwise wrong.
        seconds: Wall time.
    """

    points: int = 0
    wrong: list[tuple[str, Verdict]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, verdict: Verdict, command: str) -> None:
        """Count one more."""
        self.points += 1
        self.kinds.update(verdict.ways)
        if not verdict.good:
            self.wrong.append((command, verdict))

    def include(self, other: "Tally") -> None:
        """Count another's too."""
        self.points += other.points
        self.wrong += other.wrong
        self.kinds += other.kinds
        self.seconds += other.seconds

    def line(self, name: str) -> str:
        """The result in one line."""
        kinds = self.kinds
        astray = f" otherwise wrong {kinds['other']}" if kinds["other"] else ""
        return (
            f"{name} {self.points} lost {kinds['lost']} doubled {kinds['doubled']} "
            f"unfinished {kinds['unfinished']}{astray}"
        )


def every_step(steps: Iterable[str]) -> Iterator[Point]:
    """Every step once: what becomes of a request that has just left goes round."""
    flights = itertools.cycle(FLIGHTS[:3])
    for number, name in enumerate(steps, 1):
        sent = name.startswith("sent")
        flight = next(flights) if sent else FLIGHTS[0]
        yield Point(number, flight, gap="later", power=name == "after commit" and number % 2 == 0)  # type: ignore[arg-type]  # one of them


def every_point(steps: Iterable[str]) -> Iterator[Point]:
    """Every step; where a request has just left, each thing that may become of it; after a commit, also a power loss.
    At some of them the state folder is lost, or an old one is put back.

    How long after it the next process starts goes round, and so does whether somebody has edited a field meanwhile.
    """
    gaps = tuple(GAPS)
    turn = 0
    for number, name in enumerate(steps, 1):
        flights = FLIGHTS if name.startswith("sent") else FLIGHTS[:1]
        for flight in flights:
            yield Point(number, flight, gap=gaps[turn % 3], human=turn % 4 != 0)  # type: ignore[arg-type]  # one of them
            turn += 1
        if name == "after commit":
            yield Point(number, gap=gaps[turn % 3], power=True, human=False)
            turn += 1
        if turn % 5 == 0:
            yield Point(number, human=False, state=("lost", "old")[turn % 2])
            turn += 1


def some_pairs(steps: tuple[str, ...], chance: random.Random) -> Iterator[Point]:
    """Pairs of steps at which an agent, and then the next one, is killed; without end."""
    gaps = tuple(GAPS)
    while True:
        first = chance.randint(1, len(steps))
        sent = steps[first - 1].startswith("sent")
        flight = chance.choice(FLIGHTS[:3]) if sent else "arrives"
        # The next one has less to write the later the first was killed, and more to ask.
        second = chance.randint(1, len(steps) - first + 30)
        yield Point(first, flight, second, chance.choice(gaps), chance.random() < 0.1, chance.random() < 0.5)  # type: ignore[arg-type]  # as above


def tried(start: Start, points: Iterable[Point], jobs: int, enough: Callable[[], bool]) -> Iterator[Verdict]:
    """The verdicts in the order of the points, `jobs` of them under way at a time; ends when `enough` says so."""
    under_way: deque[Callable[[], Verdict]] = deque()
    for point in points:
        if enough():
            break
        under_way.append(begun(start.desk, lambda desk, point=point: try_point(start, desk, point)))  # type: ignore[misc]  # a lambda's default
        if len(under_way) >= jobs:
            yield under_way.popleft()()
    while under_way:
        yield under_way.popleft()()


def fit(start: Start, points: Iterable[Point]) -> Iterator[Point]:
    """Those points that make sense for a scenario."""
    return (point for point in points if start.scenario.overtaken or point.flight != "overtaken")


def go_through(start: Start, points: Iterable[Point], *, jobs: int, most: int | None = None) -> Tally:
    """Try points until there are none left, or `most` have been reached."""
    tally = Tally()
    name = f"{start.scenario.name} {start.kind.name}"
    begin = said = time.monotonic()
    for verdict in tried(start, fit(start, points), jobs, lambda: most is not None and tally.points >= most):
        if not verdict.reached and verdict.point.second:
            continue  # the second process had ended before that step
        tally.add(verdict, command(start, verdict.point))
        if time.monotonic() - said > EVERY_SECONDS:
            said = time.monotonic()
            _say(f"{name}: {tally.points} so far, {len(tally.wrong)} wrong")
    tally.seconds = time.monotonic() - begin
    _say(f"{name}: {tally.line('points')}, {1000 * tally.seconds / max(1, tally.points):.0f} ms a point")
    return tally


def command(start: Start, point: Point) -> str:
    """What repeats a point."""
    return f"python -m tests.crash --scenario {start.scenario.name} --kind {start.kind.name} --point {point}"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
