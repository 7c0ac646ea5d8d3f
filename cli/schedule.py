"""The schedule of `holdfast run`: one sync after the other, with jitter, never two at once."""

import random
import time
from pathlib import Path
from threading import Event

from cli.app import open_agent, stop_after, stop_on_signals
from cli.config import Config, InvalidConfigError, load, parse_duration
from cli.errors import OK, USAGE, CommandError, explain
from cli.output import Output
from cli.sync import finish, watched
from sync.lock import run_lock

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


def keep_running(config: Path, out: Output, *, every: str | None, times: int | None) -> int:
    """Sync until told to stop.

    Raises:
        CommandError: When the period cannot be read.
    """
    settings = load(config)
    period = _period(settings, every)
    stopping = Stopping()
    runs = 0
    with stop_on_signals(stopping):
        due = time.monotonic()
        while not stopping.for_good.is_set():
            _once(config, out, stopping, settings)
            runs += 1
            if times is not None and runs >= times:
                break
            due = _next(due, time.monotonic(), period)
            # The wait ends at once when a signal sets the event.
            stopping.for_good.wait(due + random.uniform(0, JITTER * period) - time.monotonic())
    return OK


def _period(settings: Config, every: str | None) -> float:
    if every is None:
        return settings.run.every
    try:
        return parse_duration(every)
    except ValueError as error:
        raise CommandError(f"--every: {error}.", USAGE) from None


def _next(due: float, now: float, period: float) -> float:
    """The next due time after now; those that passed during a long run are skipped, not queued."""
    while due <= now:
        due += period
    return due


def _once(config: Path, out: Output, stopping: Stopping, settings: Config) -> None:
    try:
        with open_agent(config) as agent, run_lock(agent.store.path):
            agent.stop = stopping.run = Event()
            dry_run = settings.writeback.policy == "approve"
            with stop_after(settings.run.deadline, agent.stop):
                report = watched(agent, out, lambda: agent.run(dry_run=dry_run))
            if dry_run and report.plan is not None and not report.plan.empty:
                path = agent.store.path / "plans" / f"{report.as_of:%Y%m%dT%H%M%SZ}.plan"
                report.plan.save(path)
                out.line(f"Waiting for approval: holdfast apply {path}")
            finish(agent, report, out, dry_run=dry_run, full=False)
    except InvalidConfigError:
        raise
    except Exception as error:  # noqa: BLE001  # the next hour tries again; what went wrong is said
        out.fail(explain(error)[0])
