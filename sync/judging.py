"""Lays a plan before the guard, with what it must know of the past."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connectors.base import Value
from scoring.inputs import ScoreRow
from sync.guard import LastRun, Verdict, judge, standing, worsened, written_before
from sync.plan import Plan

if TYPE_CHECKING:
    from sync.run import Agent

LOOK_BACK = 50
"""Runs among which the last one that wrote something is looked for."""


def judged(
    agent: "Agent",
    plan: Plan,
    rows: Sequence[ScoreRow],
    written: Mapping[tuple[str, str], Mapping[str, Value]],
) -> tuple[list[Verdict], set[str]]:
    """What the guard finds in a plan; nothing where there is no guard or nothing to write.

    Returns:
        A verdict for each check, and the CRM ids of the accounts that get a worse band.
    """
    limits = agent.policy.guard
    if limits is None or plan.empty:
        return [], set()
    before = written_before(written, agent.ledger.band_states(), agent.fields)
    return judge(plan, before, rows, limits, last_run(agent), standing(agent.store)), worsened(rows, before)


def last_run(agent: "Agent") -> LastRun | None:
    """How the last run that wrote something ended; None when there is none to speak of."""
    for run in agent.ledger.runs(LOOK_BACK):
        if endings := run.counts.get("endings"):
            return LastRun(endings, run.config_hash)
    return None
