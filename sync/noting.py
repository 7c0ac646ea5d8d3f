"""Keeps each run in the table of runs, however it ends, and tells whoever listens that it began and ended."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.run_report import RunReport, status_of, summary
from sync.store import StoreError

if TYPE_CHECKING:
    from sync.run import Agent


LONGEST = 500
"""Characters of an error that are kept with its run."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended.

    Attributes:
        run_id: Its number.
        mode: dry, apply, undo or override.
        status: As in the table of runs.
        report: What it came to; what it did not get to is empty.
        error: What broke it off; None when nothing did.
    """

    run_id: int
    mode: str
    status: str
    report: RunReport
    error: BaseException | None = None


@contextmanager
def noted(agent: "Agent", mode: str, report: RunReport) -> Iterator[int]:
    """Keep the run in the table of runs, however it ends; gives its number."""
    ledger, clock = agent.ledger, agent.clock
    environment = agent.store.environment(agent.crm.name) or ""
    run_id = ledger.start_run(mode, clock.now(), environment=environment, config_hash=agent.config_hash)
    agent.on_start(run_id, mode)
    try:
        yield run_id
    except BaseException as error:
        with suppress(StoreError):  # the error that is on its way says more
            ledger.end_run(run_id, "failed", numbers(agent, report, error), clock.now())
        agent.on_end(Ended(run_id, mode, "failed", report, error))
        raise
    status = status_of(report)
    ledger.end_run(run_id, status, numbers(agent, report), clock.now())
    agent.on_end(Ended(run_id, mode, status, report))


def numbers(agent: "Agent", report: RunReport, error: BaseException | None = None) -> dict[str, object]:
    """What is kept with a run: what it came to, the calls that it took, and in one sentence what broke it off."""
    error = error or report.halted
    calls = {source.name: sum(source.calls.values()) for source, _ in agent.sources}
    quota = agent.crm.seen_quota
    return {
        **summary(report),
        "calls": {name: number for name, number in calls.items() if number},
        "quota": {agent.crm.name: [quota.limit, quota.remaining]},
        **({"error": (str(error) or type(error).__name__)[:LONGEST]} if error is not None else {}),
    }
