"""Lays a plan before the guard, with what it must know of the past."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from connectors.base import Value
from scoring.inputs import Band, ScoreRow
from sync.card_change import CardChange
from sync.guard import Before, LastRun, Verdict, judge, standing, worsened, written_before
from sync.owned import OwnedField
from sync.plan import Plan
from sync.tables import epoch
from sync.values import loads

if TYPE_CHECKING:
    from sync.run import Agent

LOOK_BACK = 50
"""Runs among which the last one that wrote something is looked for."""

HOUR = timedelta(minutes=50)
"""Runs that began so short a time ago are of the same hour; an hourly run that is a little early is not."""

_WRITTEN = """
SELECT kind, record_id, payload, before_image FROM op WHERE state = 'confirmed'
AND (kind = 'task_create' OR (kind = 'field' AND object = 'account')) AND run_id IN (
  SELECT run_id FROM run WHERE started >= ? AND EXISTS (SELECT 1 FROM guard WHERE guard.run_id = run.run_id)
) ORDER BY op_id DESC
"""
"""What runs wrote that the guard let through; what a person allowed is not among it."""


def judged(
    agent: "Agent",
    plan: Plan,
    rows: Sequence[ScoreRow],
    written: Mapping[tuple[str, str], Mapping[str, Value]],
    changed: CardChange | None = None,
) -> tuple[list[Verdict], set[str]]:
    """What the guard finds in a plan; nothing where there is no guard or nothing to write.

    `changed` is what other cards do than those by which we last wrote.

    Returns:
        A verdict for each check, and the CRM ids of the accounts that get a worse band.
    """
    limits = agent.policy.guard
    if limits is None or plan.empty:
        return [], set()
    before = written_before(written, agent.ledger.band_states(), agent.fields)
    rows = _left_alone(plan, rows, before, agent.fields)
    last = last_run(agent) or LastRun()
    if plan.kind != "undo":  # what it takes back is a change of its own, however lately that was written
        last = written_lately(agent, before, last)
    verdicts = judge(plan, before, rows, limits, last, standing(agent.store))
    if changed is not None and limits.enabled:
        verdicts = sorted([*verdicts, changed.verdict(limits)], key=lambda verdict: not verdict.held)
    return verdicts, worsened(rows, before)


def _left_alone(
    plan: Plan, rows: Sequence[ScoreRow], before: Mapping[str, Before], fields: Sequence[OwnedField]
) -> list[ScoreRow]:
    """The scores as the plan writes them: where it leaves a band or a score alone, what we last wrote there stays."""
    names = {owned.spec.name: owned.logical for owned in fields}
    kept = {(edit.record_id, names.get(edit.field)) for edit in plan.kept if edit.object == "account"}

    def left(row: ScoreRow) -> ScoreRow:
        old = before.get(row.crm_id)
        if row.level != "account" or old is None:
            return row
        if (row.crm_id, "account.health_band") in kept and old.band is not None:
            row = row._replace(band=cast("Band", old.band))
        return row._replace(score=old.score) if (row.crm_id, "account.health_score") in kept else row

    return [left(row) for row in rows] if kept else list(rows)


def written_lately(agent: "Agent", before: Mapping[str, Before], last: LastRun) -> LastRun:
    """Add what was written within this hour, so that four runs an hour may not do four times as much as one.

    Args:
        agent: With the ledger.
        before: What we last wrote on each account.
        last: How the last run that wrote something ended.
    """
    names = {owned.logical: owned.spec.name for owned in agent.fields}
    band, score = names.get("account.health_band", ""), names.get("account.health_score", "")
    earlier: dict[str, Before] = {}
    tasks: Counter[str | None] = Counter()
    for kind, record, payload, image in agent.store.rows(_WRITTEN, (epoch(agent.clock.now() - HOUR),)):
        after = loads(payload)
        if kind == "task_create":
            tasks[_text(after.get("owner_id"))] += 1
            continue
        old, was = loads(image), earlier.get(record) or before.get(record) or Before(None, None)
        if band in after and band in old:
            was = replace(was, band=_text(old[band]))
        if score in after and score in old:
            number = old[score]
            was = replace(was, score=int(number) if isinstance(number, int | float) else None)
        earlier[record] = was
    return replace(last, earlier=earlier, tasks=tasks)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def last_run(agent: "Agent") -> LastRun | None:
    """How the last run that wrote something ended; None when there is none to speak of."""
    for run in agent.ledger.runs(LOOK_BACK):
        if endings := run.counts.get("endings"):
            return LastRun(endings, run.config_hash)
    return None
