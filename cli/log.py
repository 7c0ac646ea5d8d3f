"""Structured logs: a JSON object a line, with the run's number; counts and times, never a name, a text or a record."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from cli.settings import Log
from connectors.base import Clock
from sync.ledger_rows import FAILED
from sync.noting import Ended
from sync.plan import RecordChange, TaskChange
from sync.run import Agent
from sync.run_report import UNCLEAN, RunReport

Level = Literal["info", "warning", "error"]


class RunLog:
    """Writes what happens in a run.

    Args:
        write: Takes one line without its end.
        clock: For times.
    """

    def __init__(self, write: Callable[[str], None], clock: Clock) -> None:
        self.write = write
        self.clock = clock
        self.run_id = 0
        self._began = clock.monotonic()
        self._phase = ""
        self._phase_began = self._began

    def event(self, event: str, level: Level = "info", **facts: Any) -> None:
        """One line."""
        line = {"time": self.clock.now().isoformat(), "level": level, "run": self.run_id, "event": event, **facts}
        self.write(json.dumps(line, separators=(",", ":")))

    def started(self, run_id: int, mode: str) -> None:
        """A run begins."""
        self.run_id = run_id
        self._began, self._phase = self.clock.monotonic(), ""
        self.event("run_started", mode=mode)

    def phase(self, name: str) -> None:
        """A part of a run begins, and the one before it has ended."""
        now = self.clock.monotonic()
        if self._phase:
            self.event("phase_ended", phase=self._phase, seconds=round(now - self._phase_began, 3))
        self._phase, self._phase_began = name, now

    def ended(self, agent: Agent, end: Ended) -> None:
        """A run has ended: what was read, asked, judged and written, in numbers."""
        self.phase("")
        report = end.report
        self._pulls(report)
        for source, _ in agent.sources:
            for purpose, calls in sorted(source.calls.items()):
                self.event("requests", source=source.name, purpose=purpose, calls=calls)
        for verdict in report.held:
            self.event("held", "warning", check=verdict.check, measured=verdict.measured, allowed=verdict.allowed)
        self._outcomes(report)
        error = end.error if end.error is not None else report.halted
        self.event(
            "run_ended",
            "error" if end.status in FAILED else "warning" if end.status != "done" else "info",
            mode=end.mode,
            status=end.status,
            seconds=round(self.clock.monotonic() - self._began, 3),
            error=type(error).__name__ if error is not None else "",
            scored=dict(report.scored),
            bands=dict(report.bands),
            fields=report.plan.field_count if report.plan else 0,
            tasks=len(report.plan.tasks) if report.plan else 0,
            deferred=len(report.deferred),
        )

    def _pulls(self, report: RunReport) -> None:
        for pull in report.pulls:
            self.event(
                "pulled",
                "error" if pull.ending == "failed" else "info",
                source=pull.source,
                stream=pull.stream,
                ending=pull.ending,
                rows=pull.rows,
                batches=pull.batches,
                quarantined=pull.counts.rejected,
                dropped_values=sum(pull.warnings.values()),
                error=pull.error_class,
            )
        for breach in report.breaches:
            self.event(
                "not_believed",
                "warning" if breach.alarm else "info",
                source=breach.source,
                stream=breach.stream,
                kind=breach.kind,
                last_good=breach.last_good.isoformat(),
            )

    def _outcomes(self, report: RunReport) -> None:
        found: Counter[tuple[str, str]] = Counter()
        for item in report.applied:
            change = item.change
            what: str = change.object if isinstance(change, RecordChange) else "task"
            found["task_made" if isinstance(change, TaskChange) else what, item.result] += 1
        for (what, result), number in sorted(found.items()):
            self.event("outcome", "warning" if result in UNCLEAN else "info", what=what, result=result, count=number)


@contextmanager
def logged(agent: Agent, log: Log, folder: Path) -> Iterator[RunLog | None]:
    """Log every run of an agent; nothing where no log is wanted.

    The file is opened anew by each command, so that logrotate may move it between two of them.

    Args:
        agent: Whose runs.
        log: Where to.
        folder: Of the config file.
    """
    if not log.file:
        yield None
        return
    with _writer(log, folder) as write:
        made = RunLog(write, agent.clock)
        phase, start, end = agent.on_phase, agent.on_start, agent.on_end

        def on_start(run_id: int, mode: str) -> None:
            start(run_id, mode)
            made.started(run_id, mode)

        def on_end(ended: Ended) -> None:
            end(ended)
            made.ended(agent, ended)

        def on_phase(name: Any) -> None:
            phase(name)
            made.phase(name)

        agent.on_start, agent.on_end, agent.on_phase = on_start, on_end, on_phase
        yield made


@contextmanager
def _writer(log: Log, folder: Path) -> Iterator[Callable[[str], None]]:
    if log.file == "stderr":
        yield lambda line: print(line, file=sys.stderr, flush=True)  # noqa: T201  # journald reads it there
        return
    path = folder / Path(log.file).expanduser()
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # One write a line: lines of two programs never mix.
        yield lambda line: _write(number, line)
    finally:
        os.close(number)


def _write(number: int, line: str) -> None:
    try:
        os.write(number, f"{line}\n".encode())
    except OSError:
        # A full disk must not end a run that the ledger still has room for.
        return
