"""One crash point from start to verdict, in a process of its own that is a copy of the prepared start."""

import gc
import os
import pickle
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, TypeVar

from tests.crash.desk import Desk, Kind
from tests.crash.life import LATE, Flight, Life, in_process, live
from tests.crash.scenarios import (
    HOUR,
    PAST_HOLD_OFF,
    Scenario,
    carried_on,
    edit_someone,
    empty_crm,
    resumed,
    run,
    wishes,
)
from tests.crash.steps import power_lost
from tests.crash.verdict import Found

T = TypeVar("T")

SHORTLY = timedelta(minutes=1)
"""A restart right after a crash: the hold-off is not over."""
GAPS = {"soon": SHORTLY, "later": PAST_HOLD_OFF, "hour": HOUR}


@dataclass(frozen=True, slots=True)
class Point:
    """Where and how an agent is killed, and when the next one starts.

    Attributes:
        step: The number of the step in the first life.
        flight: What becomes of the request that has just left, if the step is one of sending.
        second: A step at which the life after is killed as well; 0 for none.
        gap: How long after the crash the next life starts, see `GAPS`.
        power: Whether the machine lost its power, so that what was not synced is gone.
        human: Whether somebody edits a field right after the crash.
        state: What becomes of the state folder: it is "kept", "lost", or the "old" one from before is put back.
    """

    step: int
    flight: Flight = "arrives"
    second: int = 0
    gap: str = "hour"
    power: bool = False
    human: bool = True
    state: str = "kept"

    def __str__(self) -> str:
        marks = [str(self.step), self.flight, str(self.second), self.gap]
        return ",".join([*marks, "power" if self.power else "", "human" if self.human else "", self.state])

    @classmethod
    def parse(cls, text: str) -> "Point":
        """What `str` made."""
        step, flight, second, gap, power, human, state = text.split(",")
        return cls(int(step), flight, int(second), gap, bool(power), bool(human), state)  # type: ignore[arg-type]  # one of them


@dataclass(frozen=True, slots=True)
class Verdict(Found):
    """What came of a point."""

    point: Point


class Start:
    """A prepared start, kept in memory and in a folder; every point works on a copy."""

    def __init__(self, scenario: Scenario, kind: Kind) -> None:
        self.scenario = scenario
        self.kind = kind
        self.home = Path(tempfile.mkdtemp(prefix="holdfast-crash-", dir=fast_disk()))
        self.desk = Desk(self.home / "state", kind, accounts=scenario.accounts, batch=scenario.batch)
        _warm_up(Desk(self.home / "warm", kind))
        scenario.prepare(self.desk)
        self.desk_folder = self.desk.folder
        self.others = self.desk.others()
        gc.collect()
        gc.disable()  # the copies live for less than a second
        gc.freeze()  # what is here stays; the copies need not look through it

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.home, ignore_errors=True)

    def steps(self) -> tuple[str, ...]:
        """Every step of the undisturbed work."""
        return rehearsed(self.desk, self.scenario.act)

    def judge(self, point: Point) -> Verdict:
        """Try a point, in a copy of everything."""
        return apart(self.desk, lambda desk: try_point(self, desk, point))


def fast_disk() -> str | None:
    """Memory, where there is some to be had: syncing takes no time there."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of our own is made in it


def _warm_up(desk: Desk) -> None:
    """Do in this process, once, what every copy would do again: import modules, compile patterns, fill caches."""
    with in_process(desk.crm):
        empty_crm(desk)
        run(desk)
        desk.rows = wishes(desk, 1)
        run(desk)
    threads = len(list(Path("/proc/self/task").iterdir()))
    assert threads == 1, f"{threads} threads: a fork would copy only this one"


def rehearsed(desk: Desk, work: Callable[[Desk], Any]) -> tuple[str, ...]:
    """The steps of some work, done in a copy of everything."""

    def count(copy: Desk) -> tuple[str, ...]:
        life = live(copy.crm, lambda: work(copy))
        assert not life.error, life.error
        return life.steps

    return apart(desk, count)


def apart(desk: Desk, work: Callable[[Desk], T]) -> T:
    """Work on a copy of a desk, sandbox and folder: a forked process has the one, and copies the other."""
    return begun(desk, work)()


def begun(desk: Desk, work: Callable[[Desk], T]) -> Callable[[], T]:
    """The same, begun; the result waits for the function that is returned."""

    def on_a_copy() -> T:
        with _copied(desk):
            return work(desk)

    return forked(on_a_copy)


def forked(work: Callable[[], T]) -> Callable[[], T]:
    """Begin some work in a process of its own; the function that is returned waits for its value.

    Raises:
        RuntimeError: That function, when the work ended with an error, or the process without a word.
    """
    ours, theirs = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        ours.close()
        code = 1
        try:
            value, error = None, ""
            try:
                value = work()
            except BaseException:  # noqa: BLE001 - whoever asked is told
                error = traceback.format_exc()
            theirs.send_bytes(pickle.dumps((value, error)))
            code = 0
        finally:
            os._exit(code)
    theirs.close()

    def result() -> T:
        try:
            value, error = pickle.loads(ours.recv_bytes())  # noqa: S301 - our own process wrote it
        except EOFError:
            value, error = None, "the process has died"
        finally:
            ours.close()
            os.waitpid(pid, 0)
        if error:
            raise RuntimeError(error)
        found: T = value
        return found

    return result


@contextmanager
def _copied(desk: Desk) -> Iterator[None]:
    start = desk.folder
    with tempfile.TemporaryDirectory(prefix="case-", dir=start.parent) as home:
        if start.exists():
            shutil.copytree(start, Path(home) / "state")
        desk.folder = Path(home) / "state"
        yield


def try_point(start: Start, desk: Desk, point: Point) -> Verdict:
    """Kill, carry on, look."""
    scenario = start.scenario
    desk.crm.meanwhile = lambda: _overtake(desk)
    first = live(desk.crm, lambda: scenario.act(desk), point.step, point.flight)
    verdict = Verdict(point, reached=first.killed)
    written = desk.box.journal.writes()
    if desk.crm.overtaken_at is not None and written > desk.crm.overtaken_at:
        verdict = replace(verdict, other=(f"wrote {written - desk.crm.overtaken_at} times after it was overtaken",))
    if point.power:
        power_lost(desk.folder, first.durable)
    if point.state != "kept":
        desk.forget()
    if point.state == "lost":
        scenario.lost(desk)
    if point.state == "old" and start.desk_folder.exists():  # before the first run there is none
        shutil.copytree(start.desk_folder, desk.folder)
    gap = GAPS[point.gap]
    if desk.crm.late and gap > LATE:
        # What a request on its way overwrites when it arrives, nobody can save.
        desk.crm.pass_time(LATE)
        gap -= LATE
    if point.human and scenario.human and not desk.crm.late:
        edit_someone(desk, point.step)
    desk.crm.pass_time(gap)
    if point.second:
        second = live(desk.crm, lambda: carried_on(desk, scenario.resume), point.second)
        verdict = replace(verdict, reached=verdict.reached and second.killed)
        desk.crm.pass_time(PAST_HOLD_OFF)
    elif point.gap == "soon":
        live(desk.crm, lambda: resumed(desk, scenario.resume))
        desk.crm.pass_time(PAST_HOLD_OFF)
    rest = live(desk.crm, lambda: carried_on(desk, scenario.resume))
    return _judged(verdict, start, desk, first, rest)


def _overtake(desk: Desk) -> None:
    """Another agent takes the work over while the first one waits: the lock was lost, as on a bad disk.

    It has newer scores: were the first one to go on, it would write old ones over them.
    """
    desk.rows = [row._replace(score=(row.score or 0) + 1) for row in desk.rows]
    (desk.folder / "lock").unlink()
    life = live(replace(desk.crm, meanwhile=None), lambda: run(desk))
    assert not life.error, life.error


def _judged(verdict: Verdict, start: Start, desk: Desk, first: Life, rest: Life) -> Verdict:
    other = [f"the first life: {first.error}"] if first.error and not _fenced(first) else []
    other += [f"the life after: {rest.error}"] if rest.error else []
    unfinished: list[str] = []
    forgotten: list[str] = []
    if rest.value is not None:
        clean, last = rest.value
        unfinished += [f"open after one more run: {clean.open}"] if clean.open else []
        unfinished += [f"open in the end: {last.open}"] if last.open else []
        unfinished += [] if last.empty else [f"the last run found something to do: {dict(last.endings)}"]
        other += [f"the run after: {clean.trouble}"] if clean.trouble else []
        other += [f"the last run: {last.trouble}"] if last.trouble else []
        other += [f"the ledger: {text}" for text in last.broken]
        forgotten += [*desk.forgotten(last.wrote), *desk.unseen(last.mirror)]
    return replace(
        verdict,
        lost=(*desk.lost(), *forgotten, *desk.missing_tasks()),
        doubled=tuple(desk.doubled()),
        unfinished=tuple(unfinished),
        other=(*verdict.other, *other, *_outside(start.others, desk.others()), *start.scenario.check(desk)),
    )


def _fenced(life: Life) -> bool:
    return "FencedError" in life.error


def _outside(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for record_id, row in before.items():
        changed = {name for name, value in row.items() if after.get(record_id, {}).get(name) != value}
        if changed:
            yield f"{record_id}: {sorted(changed)} changed, which is not ours"


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """A result and the seconds it took."""
    begin = time.perf_counter()
    return work(), time.perf_counter() - begin
