"""People edit our fields at random instants of runs: which edits are overwritten, and how long nothing can tell.

An instant is a moment between two requests: the CRM's state and ours meet nowhere else. Every edit is another value in
another field, so that each can be told. An edit is overwritten when, after the run that it met and the one after that,
the CRM says something else. That is forgivable only between the look at a record right before it is written, and the
write: neither CRM takes a condition along with a batch.
"""

import random
from dataclasses import dataclass, field
from datetime import timedelta

from sync.values import same
from tests.crash.desk import Desk, Kind
from tests.crash.scenarios import go
from tests.faults.line import LOOK, UPDATE, Line
from tests.faults.start import SCENARIOS, Start, go_on

EACH = 8
"""Edits in one run."""
HOUR = timedelta(hours=1)


@dataclass
class Measured:
    """What came of many edits.

    Attributes:
        in_window: Overwritten between the look and the write.
        unseen: Overwritten at any other time; none, or something is wrong.
        named: Listed by a run as a conflict or as left alone.
        requests: For each write, how many requests left between the look and it, itself included.
        seconds: For each write, our own work between the two.
    """

    edits: int = 0
    in_window: int = 0
    unseen: int = 0
    named: int = 0
    requests: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    first: str = ""

    def line(self) -> str:
        """The result in one line."""
        seconds, requests = sorted(self.seconds), sorted(self.requests)
        place = int(0.95 * (len(seconds) - 1))
        return (
            f"edits {self.edits} overwritten unseen {self.unseen} in the window {self.in_window}; "
            f"window p95 {requests[int(0.95 * (len(requests) - 1))]} requests, "
            f"{1000 * seconds[place]:.1f} ms of our own work{self.first}"
        )


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit: before which request, in which field, and what."""

    number: int
    level: str
    record_id: str
    name: str
    value: float


def measure(kind: Kind, edits: int, seed: str) -> Measured:
    """Let people make so many edits of numbers, a few in each run."""
    measured = Measured()
    chance = random.Random(f"{seed} {kind.name}")
    with Start(SCENARIOS["run"], kind) as start:
        count = len(start.requests())
        while measured.edits < edits:
            with start.again() as desk:
                _one_run(desk, start.line, _drawn(desk, chance, count), measured)
        measured.seconds = start.line.windows
    return measured


def _drawn(desk: Desk, chance: random.Random, count: int) -> list[Edit]:
    fields = [
        (row.level, row.crm_id, owned.spec.name)
        for row in desk.rows
        for owned in desk.fields
        if owned.spec.object == row.level and owned.spec.type == "number"
    ]
    values = iter(range(1_000, 2_000))
    return [Edit(chance.randint(1, count + 1), *one, next(values)) for one in chance.sample(fields, EACH)]


def _one_run(desk: Desk, line: Line, edits: list[Edit], measured: Measured) -> None:
    last_look: dict[int, bool] = {}

    def always(number: int) -> None:
        for edit in edits:
            if edit.number == number:
                desk.inside.edit(edit.level, edit.record_id, edit.name, edit.value)
                last_look[int(edit.value)] = _in_window(line.log)

    line.always = always
    with desk.agent() as agent:
        first = go(agent)
    line.always = lambda _: None
    measured.requests += _lengths(line.log)
    for edit in edits:
        if int(edit.value) not in last_look:  # after the last request
            desk.inside.edit(edit.level, edit.record_id, edit.name, edit.value)
    desk.box.clock.sleep(HOUR.total_seconds())
    line.begin()
    with desk.agent() as agent:
        second = go_on(agent)
    measured.named += len(first.conflicts) + len(second.conflicts)
    there = {level: desk.inside.ours(level) for level in ("account", "contact")}
    for edit in edits:
        measured.edits += 1
        now = there[edit.level][edit.record_id][edit.name]
        if same(now, edit.value):
            continue
        if last_look.get(int(edit.value)):
            measured.in_window += 1
        else:
            measured.unseen += 1
            measured.first = measured.first or f"; the first: {edit}, it says {now!r}"


def _in_window(log: list[str]) -> bool:
    """Whether the request that is about to leave, or one right after it, writes what was looked at before."""
    return bool(UPDATE.search(log[-1]))


def _lengths(log: list[str]) -> list[int]:
    lengths, since = [], 0
    for name in log:
        since = 0 if LOOK.search(name) and not UPDATE.search(name) else since + 1
        if UPDATE.search(name) and not name.startswith("GET"):
            lengths.append(since)
    return lengths
