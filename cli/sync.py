"""`sync`, `plan` and `run`: the hourly job and its parts."""

from datetime import datetime, timedelta
from pathlib import Path

import click

from cli import cells
from cli.app import agent_at_work, common, stop_after, stop_on_signals
from cli.config import load
from cli.errors import USAGE, CommandError
from cli.output import Output
from cli.plan_choice import choosing, only_shown
from cli.plan_html import only_dry, paged, save_run
from cli.progress import watched
from cli.run_view import Shown, finish, preview
from sync import approval
from sync.plan import Plan
from sync.plan_groups import Choice
from sync.policy import accepting
from sync.quality import NAMES, Name
from sync.run import Agent
from sync.run_report import RunReport

KEEP_PLANS = timedelta(days=7)
"""How long plans lie in the state folder: they hold customers' names, and none can be applied after so long."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing to the CRM.")
@click.option("--initial", is_flag=True, help="Start the first fill of a CRM that Holdfast has not written to yet.")
@click.option("--tasks", is_flag=True, help="With --initial: also create tasks for accounts in trouble already.")
@click.option(
    "--accept",
    multiple=True,
    type=click.Choice(NAMES),
    help="With --initial: start although this measure of the data is below its pass mark.",
)
@click.option("--full", is_flag=True, help="Show every record, also on a terminal.")
@click.option("--plan-out", type=click.Path(path_type=Path), help="Save the plan to this file.")
@choosing
@paged
@common
def sync(
    config: Path,
    out: Output,
    *,
    plan_out: Path | None,
    accept: tuple[Name, ...],
    choice: Choice,
    html: Path | None,
    **flags: bool,
) -> int:
    """Pull, score, and write what changed into the CRM.

    With --dry-run nothing is written: every field is shown with its old value, its new value and why. The first sync of
    all only shows the same, until --initial says that the CRM may be filled; that shows it once more, then writes. It
    is held while the data is below its pass mark ([quality] in the config), as `holdfast check` says beforehand.

    Example: holdfast sync --dry-run
    """
    dry_run, initial, tasks, full = (flags[name] for name in ("dry_run", "initial", "tasks", "full"))
    only_shown(choice, writes=not dry_run)
    only_dry(html, writes=not dry_run)
    settings = load(config)
    if tasks and not initial:
        raise CommandError(
            "--tasks goes with --initial; later runs create tasks whenever an account gets there.", USAGE
        )
    if accept and not initial:
        raise CommandError("--accept goes with --initial; later runs do not ask for the pass mark of the data.", USAGE)
    if not dry_run and settings.writeback.policy == "approve":
        raise CommandError(
            "writeback.policy is 'approve': make a plan with `holdfast plan`, look at it, allow it with "
            "`holdfast approve PLAN`, and write it with `holdfast apply PLAN`.",
            USAGE,
        )
    previewed: list[RunReport] = []

    def first_fill(report: RunReport) -> None:
        preview(agent, out, report, full=full)
        previewed.append(report)

    with agent_at_work(config, out) as agent:
        agent.on_first_fill = first_fill
        agent.policy = accepting(agent.policy, accept)
        with stop_on_signals(agent.stop.set), stop_after(settings.run.deadline, agent.stop):
            report = watched(agent, out, lambda: agent.run(dry_run=dry_run, initial=initial, with_tasks=tasks or None))
        file = None if dry_run else save_held(agent, report)
        if plan_out is not None and report.plan is not None:
            file = plan_out
            approval.save(report.plan, file, agent.store.path)
        save_run(agent, report, out, html, file)
        return finish(agent, report, out, Shown(dry_run, full, file, bool(previewed), choice))


@click.command()
@click.option(
    "--out", "path", type=click.Path(path_type=Path), help="File for the plan; left out: in the state folder."
)
@click.option("--csv", "sheet", type=click.Path(path_type=Path), help="Also write a table for spreadsheets.")
@click.option("--tasks", is_flag=True, help="On the first fill: also create tasks for accounts in trouble already.")
@click.option("--full", is_flag=True, help="Show every record, also on a terminal.")
@choosing
@paged
@common
def plan(
    config: Path,
    out: Output,
    *,
    path: Path | None,
    sheet: Path | None,
    html: Path | None,
    choice: Choice,
    **flags: bool,
) -> int:
    """Pull, score, and save what would change as a plan file. Writes nothing to the CRM.

    The file is bound to this state folder, these settings and this CRM; `holdfast apply` refuses it when it is too old
    or was touched, and writes nothing that is not in it.

    Example: holdfast plan --out monday.plan
    """
    settings = load(config)
    with agent_at_work(config, out) as agent:
        with stop_on_signals(agent.stop.set), stop_after(settings.run.deadline, agent.stop):
            report = watched(agent, out, lambda: agent.run(dry_run=True, with_tasks=flags["tasks"]))
        file = None
        if report.plan is not None:
            file = path or plan_path(agent, report.plan)
            approval.save(report.plan, file, agent.store.path)
            if sheet is not None:
                cells.save(report.plan, sheet)
        save_run(agent, report, out, html, file)
        return finish(agent, report, out, Shown(True, flags["full"], file, choice=choice))


@click.command()
@click.option("--every", help='Time between two runs, such as "1h"; left out: run.every of the config.')
@click.option("--times", type=click.IntRange(min=1), help="Stop after this many runs.")
@click.option("--listen", help="Serve /metrics and /healthz here, such as 127.0.0.1:9464; left out: run.listen.")
@common
def run(config: Path, out: Output, *, every: str | None, times: int | None, listen: str | None) -> int:
    """Sync now and then every hour, until SIGTERM or Ctrl-C, which end at the next batch boundary.

    A run that fails is reported and the next one tries again. A run that is still going when the next is due is not
    doubled: the next is skipped. The exit code is 0 when told to stop, the last run's after --times.

    Example: holdfast run --every 1h
    """
    from cli.schedule import keep_running

    return keep_running(config, out, every=every, times=times, listen=listen)


def plan_path(agent: Agent, made: Plan) -> Path:
    """Where a plan without a name of its own is kept; those too old to be applied make room."""
    folder = agent.store.path / "plans"
    tidy(folder, agent.clock.now())
    return folder / f"{made.made_at:%Y%m%dT%H%M%SZ}-{made.hash[:8]}.plan"


def tidy(folder: Path, now: datetime) -> None:
    """Remove plans from the state folder that nobody can apply any more."""
    for file in folder.glob("*.plan"):
        if now.timestamp() - file.stat().st_mtime > KEEP_PLANS.total_seconds():
            file.unlink(missing_ok=True)


def save_held(agent: Agent, report: RunReport) -> Path | None:
    """Save a plan that the guard holds, so that a person can release it; a first fill has commands of its own.

    Plans that are too old to be applied go, also when there is none to save.
    """
    tidy(agent.store.path / "plans", agent.clock.now())
    made = report.plan
    if made is None or not report.held or made.baseline:
        return None
    file = plan_path(agent, made)
    approval.save(made, file, agent.store.path)
    return file
