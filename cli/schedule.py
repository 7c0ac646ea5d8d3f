"""The schedule of `holdfast run`: one sync after the other, with jitter, never two at once."""

import random
from collections.abc import Callable
from pathlib import Path
from threading import Event

from cli.app import agent_at_work, current_clock, stop_after, stop_on_signals, wire
from cli.clock import StoppedError, stoppable
from cli.config import Config, load
from cli.errors import OK, USAGE, CommandError, failure
from cli.listening import listening
from cli.output import Output, count
from cli.progress import watched
from cli.run_view import Shown, finish
from cli.sync import plan_path, save_held
from connectors.base import Clock
from sync import approval
from sync.duration import parse_duration

JITTER = 0.05
"""Share of the period by which a run is moved, so that many agents do not call one vendor in the same second."""


class Stopping:
    """Ends the schedule for good, and the run that is going on with it. A run's own deadline ends that run alone."""

    def __init__(self) -> None:
        self.for_good = Event()
        self.run = Event()

    def __call__(self) -> None:
        """End both."""
        self.for_good.set()
        self.run.set()


class Schedule:
    """Calls something every period until told to stop. Its clock may be one that does not take real time.

    Args:
        period: Seconds from one start to the next.
        clock: For waiting; `sleep` may raise `StoppedError`.
        stopped: Asked between two runs.
        jitter: Gives a number from 0 to 1.
        say: Is told what happens between two runs.
    """

    def __init__(
        self,
        period: float,
        clock: Clock,
        stopped: Callable[[], bool],
        *,
        jitter: Callable[[], float] = random.random,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.period = period
        self.clock = clock
        self.stopped = stopped
        self.jitter = jitter
        self.say = say

    def keep(self, work: Callable[[], int], times: int | None = None) -> int:
        """Work, wait, work again; gives what the last run gave, 0 when told to stop."""
        due = self.clock.monotonic()
        runs = 0
        while not self.stopped():
            code = work()
            runs += 1
            if times is not None and runs >= times and not self.stopped():
                return code
            due = self._next(due)
            try:
                self.clock.sleep(max(0.0, due + JITTER * self.period * self.jitter() - self.clock.monotonic()))
            except StoppedError:
                break
        return OK

    def _next(self, due: float) -> float:
        """The next due time after now; those that passed during a long run are skipped, not queued."""
        now = self.clock.monotonic()
        missed = max(0, int((now - due) // self.period))
        if missed:
            self.say(f"The run took longer than the time between two: {count(missed, 'run')} skipped.")
        return due + (missed + 1) * self.period


def keep_running(config: Path, out: Output, *, every: str | None, times: int | None, listen: str | None = None) -> int:
    """Sync until told to stop, and serve numbers beside it where `listen` or the config says where.

    Raises:
        CommandError: When the period cannot be read.
    """
    settings = wire(config).config  # what is wrong with the settings is said now, not every hour
    stopping = Stopping()
    clock = current_clock()
    period = _period(settings, every)
    schedule = Schedule(
        period,
        stoppable(clock, stopping.for_good),
        stopping.for_good.is_set,
        say=out.warn,
    )
    where = settings.run.listen if listen is None else listen
    with stop_on_signals(stopping), listening(where, settings, clock, out, period):
        return schedule.keep(lambda: _once(config, out, stopping, clock), times)


def _period(settings: Config, every: str | None) -> float:
    if every is None:
        return settings.run.every
    try:
        return parse_duration(every)
    except ValueError as error:
        raise CommandError(f"--every: {error}.", USAGE) from None


def _once(config: Path, out: Output, stopping: Stopping, clock: Clock) -> int:
    """One run, by the settings as they are now. Whatever goes wrong is said, and the next hour tries again."""
    try:
        settings = load(config)
        stopping.run = Event()
        with agent_at_work(config, out, clock, stopping.run) as agent:
            if stopping.for_good.is_set():
                return OK
            only_plan = settings.writeback.policy == "approve"
            with stop_after(settings.run.deadline, agent.stop):
                report = watched(
                    agent, out, lambda: agent.run(dry_run=only_plan, with_tasks=False if only_plan else None)
                )
            file = save_held(agent, report)
            if only_plan and report.plan is not None and not report.plan.empty:
                file = plan_path(agent, report.plan)
                approval.save(report.plan, file, agent.store.path)
            return finish(agent, report, out, Shown(only_plan, file=file))
    except Exception as error:  # noqa: BLE001  # the next hour tries again; what went wrong is said
        said = failure(error)
        out.fail(said["error"])
        if out.as_json:
            out.json(said)
        return int(said["exit_code"])
