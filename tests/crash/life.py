"""Lives of an agent: each one is a process forked from the one that holds the sandbox, and may be killed at any step.

The process that forks must run no other thread, so nothing here may start DuckDB or a pool before the fork; the agent
may, since nothing is forked from it.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Literal

from requests.adapters import HTTPAdapter

from sandbox.core import Sandbox
from sync import pull
from tests.crash.steps import Steps
from tests.crash.wire import Answered, Asked, answer, keep_pace, plug_in

Flight = Literal["arrives", "lost", "late", "unheard", "overtaken"]
"""What becomes of the request that has left when the agent is killed: it is carried out, it never arrives, or it is
carried out `LATE` later. "unheard": the agent is not killed but hears nothing until its patience ends, and the request
is carried out `LATE` later. "overtaken": it is not killed either, but before it gets its answer another agent has done
all of the work."""

LATE = timedelta(minutes=10)
"""How long a late request may be under way: the hold-off is longer, as the agent's promise asks."""


@dataclass(frozen=True, slots=True)
class Life:
    """How one process ended.

    Attributes:
        steps: What it did; empty when it was killed.
        value: What its work gave back.
        error: The traceback of an error that ended it; empty for none.
        durable: For each database the bytes of its log that were synced last.
    """

    killed: bool
    steps: tuple[str, ...] = ()
    value: Any = None
    error: str = ""
    durable: tuple[tuple[str, int], ...] = ()


@dataclass
class Crm:
    """The CRM's side: a sandbox, and requests that are still on their way to it.

    Attributes:
        sandbox: Moved on by every request to the agent's time.
        late: Requests that arrive later: when, by the sandbox's monotonic time, and what.
        asked: Requests that reached the sandbox, in their order.
        meanwhile: What happens while an agent that is "overtaken" waits.
        overtaken_at: How many requests had written by then.
    """

    sandbox: Sandbox
    late: list[tuple[float, Asked]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] | None = None
    overtaken_at: int | None = None

    def answer(self, asked: Asked, flight: Flight = "arrives") -> Answered:
        """Answer a request, or let it go astray."""
        clock = self.sandbox.clock
        keep_pace(clock, asked.at)
        self.arrive()
        if flight in {"arrives", "overtaken"}:
            self.asked.append(asked.method)
            answered = answer(self.sandbox, asked)
            if flight == "overtaken" and self.meanwhile is not None:
                self.meanwhile()
                self.overtaken_at = self.sandbox.journal.writes()
            return answered
        if flight != "lost":
            self.late.append((clock.monotonic() + LATE.total_seconds(), asked))
        if asked.patience:
            clock.sleep(asked.patience)
        return Answered(0, "", (), b"", clock.monotonic(), timed_out=True)

    def arrive(self) -> None:
        """Carry out the late requests that are due."""
        now = self.sandbox.clock.monotonic()
        due = [asked for at, asked in self.late if at <= now]
        self.late = [(at, asked) for at, asked in self.late if at > now]
        for asked in due:
            answer(self.sandbox, asked)

    def pass_time(self, span: timedelta) -> None:
        """Let time go by; what was on its way arrives when it is due."""
        clock = self.sandbox.clock
        end = clock.monotonic() + span.total_seconds()
        for at, _ in sorted(self.late, key=lambda one: one[0]):
            if clock.monotonic() < at <= end:
                keep_pace(clock, at)
                self.arrive()
        keep_pace(clock, end)
        self.arrive()


def live(crm: Crm, work: Callable[[], Any], end_at: int | None = None, flight: Flight = "arrives") -> Life:
    """Let an agent work in a process of its own; it is killed at step `end_at`, unless it has ended by then.

    Args:
        crm: Answers its requests. The clock that `work` uses must be the sandbox's: the copy in the other process.
        work: What is done there; its value must be fit for pickling.
        end_at: See `Steps`.
        flight: What becomes of the request that has left at that step.
    """
    ours, theirs = Pipe()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _agent(theirs, crm.sandbox, work, None if flight in {"unheard", "overtaken"} else end_at)
    theirs.close()
    try:
        return _serve(crm, ours, flight, end_at)
    finally:
        ours.close()
        os.waitpid(pid, 0)


def _serve(crm: Crm, line: Connection, flight: Flight, end_at: int | None) -> Life:
    durable: dict[str, int] = {}
    while True:
        try:
            said = line.recv()
        except (EOFError, ConnectionResetError):
            return Life(killed=True, durable=tuple(durable.items()))
        if isinstance(said, Life):
            return said
        if isinstance(said, tuple):
            durable[said[0]] = said[1]
            continue
        answered = crm.answer(said, flight if said.step + 1 == end_at else "arrives")
        try:
            line.send(answered)
        except OSError:
            continue  # killed while it waited: the next `recv` says so


def _agent(line: Connection, sandbox: Sandbox, work: Callable[[], Any], end_at: int | None) -> None:
    """The life of the other process; never returns."""
    steps = Steps(end_at)
    steps.durable = lambda file, size: line.send((file, size))
    code = 1
    try:
        one_by_one()
        steps.watch()
        plug_in(line, sandbox.clock, steps)
        try:
            value, error = work(), ""
        except BaseException:  # noqa: BLE001 - whatever it is, the other process is told
            value, error = None, traceback.format_exc()
        steps.end_at = None
        line.send(Life(killed=False, steps=tuple(steps.names), value=value, error=error))
        code = 0
    except BaseException:  # noqa: BLE001 - it must not go on as the process that it was forked from
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


class Inline:
    """A pool that does everything at once, in its caller's thread: so that steps come in the same order every time."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.shut = False

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except BaseException as error:  # noqa: BLE001 - as a pool does
            future.set_exception(error)
        return future

    def shutdown(self, **_: Any) -> None:
        """Nothing is left to do."""
        self.shut = True


class Direct:
    """A line to a CRM in the same process."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.answered: Answered | None = None

    def send(self, asked: Asked) -> None:
        """Ask."""
        self.answered = self.crm.answer(asked)

    def recv(self) -> Answered:
        """The answer."""
        assert self.answered is not None
        return self.answered


@contextmanager
def in_process(crm: Crm) -> Iterator[None]:
    """Let what is done inside the block, in this process, reach the CRM; nobody counts steps, and nobody is killed."""
    send, pool = HTTPAdapter.send, vars(pull)["ThreadPoolExecutor"]
    plug_in(Direct(crm), crm.sandbox.clock, Steps())
    one_by_one()
    try:
        yield
    finally:
        setattr(HTTPAdapter, "send", send)  # noqa: B010 - as it was
        vars(pull)["ThreadPoolExecutor"] = pool


def one_by_one() -> None:
    """Read the streams of all sources one after the other, in this process and for good."""
    vars(pull)["ThreadPoolExecutor"] = Inline
