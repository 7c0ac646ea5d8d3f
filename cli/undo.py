"""`history` and `undo`: what earlier runs did, and taking one back."""

from pathlib import Path
from typing import Any

import click

from cli.app import agent_at_work, stop_after, stop_on_signals
from cli.common import common, reading
from cli.config import load
from cli.errors import OK
from cli.output import Output, ago, styled
from cli.plan_html import only_dry, paged, save_run
from cli.progress import watched
from cli.run_view import Shown, finish
from cli.sync import plan_path, save_held
from connectors.base import Clock
from sync import approval
from sync.ledger import Ledger, Op, RunRecord
from sync.store import Store
from sync.undo import record_names, require_run, undone_tasks
from sync.values import show, to_json

SHORT = 20
"""Runs listed without `--all`."""


@click.command()
@click.option("--run", "run_id", type=click.IntRange(min=1), help="Show every effect of this run.")
@click.option("--all", "everything", is_flag=True, help=f"Show every run, not only the last {SHORT}.")
@common
def history(config: Path, out: Output, *, run_id: int | None, everything: bool) -> int:
    """Show the runs and what became of their changes. Makes no API call.

    Example: holdfast history --run 12
    """
    with reading(config) as stored:
        if run_id is None:
            _runs(stored.store, stored.clock, out, -1 if everything else SHORT)
        else:
            _run(stored.store, out, run_id, stored.crm)
    return OK


def _runs(store: Store, clock: Clock, out: Output, limit: int) -> None:
    ledger = Ledger(store)
    runs = [(run, ledger.counts(run.run_id)) for run in ledger.runs(limit)]
    rows = [
        (
            str(run.run_id),
            run.mode,
            f"{run.started:%Y-%m-%d %H:%M}",
            ago(run.started, clock.now()),
            run.status,
            _states(c),
        )
        for run, c in runs
    ]
    out.table(("run", "mode", "started (UTC)", "", "status", "changes"), rows or [("none yet", "", "", "", "", "")])
    if out.as_json:
        out.json({"runs": [{**_plain(run), "states": counts} for run, counts in runs]})


def _run(store: Store, out: Output, run_id: int, crm: str) -> None:
    ledger = Ledger(store)
    run = require_run(ledger, run_id)
    ops, counts = ledger.ops(run_id), ledger.counts(run_id)
    out.line(f"Run {run_id} ({run.mode}) of {run.started:%Y-%m-%d %H:%M} UTC: {run.status}. {_states(counts)}")
    names, tasks = record_names(store, crm, ops), undone_tasks(store, ops)
    for op in ops:
        _, task = tasks.get(op.undoes or 0, ("", {}))
        values = op.values or task
        name = names.get(str(values.get("account_id") or op.record_id), "")
        _show_op(out, op, name, str(values.get("subject") or ""))
    if out.as_json:
        out.json({**_plain(run), "states": counts, "changes": [_op(op) for op in ops]})


def _show_op(out: Output, op: Op, name: str, subject: str) -> None:
    words = {"field": "", "task_create": "  + task ", "task_remove": "  - task "}
    place = f"  {op.object} {op.record_id or op.remote_id or ''}".rstrip()
    out.line(styled((name, "bold"), (place, "dim"), f"{words[op.kind]}{subject}", f"  {op.state.replace('_', ' ')}"))
    if op.kind == "field":
        for field, value in sorted(op.values.items()):
            out.line(styled(f"  {field}  ", (show(op.before.get(field)), "red"), " → ", (show(value), "green")))
    if op.error:
        out.line(f"  {op.error}", style="dim")


def _states(counts: Any) -> str:
    return (
        ", ".join(f"{number:,} {state.replace('_', ' ')}" for state, number in sorted(counts.items())) or "no changes"
    )


def _plain(run: RunRecord) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "mode": run.mode,
        "started": run.started,
        "ended": run.ended,
        "status": run.status,
        "counts": dict(run.counts),
    }


def _op(op: Op) -> dict[str, Any]:
    return {
        "op": op.op_id,
        "kind": op.kind,
        "object": op.object,
        "record_id": op.record_id,
        "remote_id": op.remote_id,
        "state": op.state,
        "before": {name: to_json(value) for name, value in op.before.items()},
        "values": {name: to_json(value) for name, value in op.values.items()},
        "undoes": op.undoes,
        "error": op.error,
    }


@click.command()
@click.argument("run_id", metavar="RUN", type=click.IntRange(min=1))
@click.option("--dry-run", is_flag=True, help="Show what would be put back; write nothing.")
@click.option("--full", is_flag=True, help="Show every record, also on a terminal.")
@paged
@common
def undo(config: Path, out: Output, *, run_id: int, dry_run: bool, full: bool, html: Path | None) -> int:
    """Put back what a run changed, as far as nobody has touched it since.

    Fields get their old value where the CRM still says what the run wrote, tasks go if nobody has worked on them. The
    rest stays and is listed with why. An undo is a run like any other: it can be undone by its own number.

    Example: holdfast undo 12 --dry-run
    """
    only_dry(html, writes=not dry_run)
    settings = load(config)
    only_approved = settings.writeback.policy == "approve"
    with agent_at_work(config, out) as agent:
        with stop_on_signals(agent.stop.set), stop_after(settings.run.deadline, agent.stop):
            report = watched(agent, out, lambda: agent.undo(run_id, dry_run=dry_run or only_approved))
        file = None if dry_run else save_held(agent, report)
        if only_approved and not dry_run and file is None and report.plan is not None:
            file = plan_path(agent, report.plan)
            approval.save(report.plan, file, agent.store.path)
        save_run(agent, report, out, html, file)
        return finish(agent, report, out, Shown(dry_run or only_approved, full, file))
