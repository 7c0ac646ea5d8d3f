"""`sync`, `plan`, `apply` and `run`: the hourly job and its parts."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress, TaskID

from cli.app import common, open_agent, stop_after, stop_on_signals
from cli.config import load
from cli.errors import CONFLICTS, CREDENTIALS, ERROR, OK, STOPPED, USAGE, CommandError
from cli.output import Output, count
from cli.plan_view import show_plan, totals
from sync.apply import Applied
from sync.lock import run_lock
from sync.plan import Plan, TaskChange
from sync.pull import PullProgress, PullReport
from sync.run import Agent
from sync.run_report import RunReport

WARNINGS = 3
"""Kinds of dropped values that are shown per stream."""

PHASES = {
    "recover": "Settling what an earlier run left unclear",
    "pull": "Pulling what changed",
    "resolve": "Matching accounts and people",
    "score": "Scoring",
    "plan": "Comparing with the CRM",
    "apply": "Writing",
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing to the CRM.")
@click.option("--full", is_flag=True, help="Show every record, also on a terminal.")
@click.option("--plan-out", type=click.Path(path_type=Path), help="Save the plan to this file.")
@common
def sync(config: Path, out: Output, *, dry_run: bool, full: bool, plan_out: Path | None) -> int:
    """Pull, score, and write what changed into the CRM.

    With --dry-run nothing is written: every field is shown with its old value, its new value and why.

    Example: holdfast sync --dry-run
    """
    settings = load(config)
    if not dry_run and settings.writeback.policy == "approve":
        raise CommandError(
            "writeback.policy is 'approve': use `holdfast plan`, look at it, then `holdfast apply PLAN`."
        )
    with open_agent(config) as agent, run_lock(agent.store.path):
        with stop_on_signals(agent.stop.set), stop_after(settings.run.deadline, agent.stop):
            report = watched(agent, out, lambda: agent.run(dry_run=dry_run))
        if plan_out is not None and report.plan is not None:
            report.plan.save(plan_out)
        return finish(agent, report, out, dry_run=dry_run, full=full)


@click.command()
@click.option(
    "--out", "path", type=click.Path(path_type=Path), help="File for the plan; left out: in the state folder."
)
@click.option("--full", is_flag=True, help="Show every record, also on a terminal.")
@common
def plan(config: Path, out: Output, *, path: Path | None, full: bool) -> int:
    """Pull, score, and save what would change as a plan file. Writes nothing to the CRM.

    Example: holdfast plan --out monday.plan
    """
    with open_agent(config) as agent, run_lock(agent.store.path), stop_on_signals(agent.stop.set):
        report = watched(agent, out, lambda: agent.run(dry_run=True))
        code = finish(agent, report, out, dry_run=True, full=full)
        if report.plan is not None:
            path = path or agent.store.path / "plans" / f"{report.as_of:%Y%m%dT%H%M%SZ}.plan"
            report.plan.save(path)
            out.line(f"Saved as {path}. To write it: holdfast apply {path}")
        return code


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the plan; write nothing.")
@click.option("--full", is_flag=True, help="Show every record, also on a terminal.")
@common
def apply(config: Path, out: Output, *, file: Path, dry_run: bool, full: bool) -> int:
    """Write a saved plan, exactly as it was shown, or refuse it.

    Every target is read again first; what moved since the plan was made is listed and left alone.

    Example: holdfast apply monday.plan
    """
    saved = Plan.load(file)
    if dry_run:
        show_plan(out, saved, full=full)
        if out.as_json:
            out.json(plan_numbers(saved))
        return OK
    with open_agent(config) as agent, run_lock(agent.store.path), stop_on_signals(agent.stop.set):
        report = watched(agent, out, lambda: agent.apply_saved(saved))
        return finish(agent, report, out, dry_run=False, full=full)


@click.command()
@click.option("--every", help='Time between two runs, such as "1h"; left out: run.every of the config.')
@click.option("--times", type=click.IntRange(min=1), help="Stop after this many runs.")
@common
def run(config: Path, out: Output, *, every: str | None, times: int | None) -> int:
    """Sync now and then every hour, until SIGTERM or Ctrl-C, which end at the next batch boundary.

    A run that fails is reported and the next one tries again. A run that is still going when the next is due is not
    doubled: the next is skipped. The exit code is 0 when told to stop, the last run's after --times.

    Example: holdfast run --every 1h
    """
    from cli.schedule import keep_running

    return keep_running(config, out, every=every, times=times)


def watched(agent: Agent, out: Output, work: Callable[[], RunReport]) -> RunReport:
    """Do the work while a person sees how far it is."""
    with ExitStack() as stack:
        progress = stack.enter_context(out.progress())
        watch = Watch(out, progress)
        agent.on_phase, agent.on_pull, agent.on_applied = watch.phase, watch.pull, watch.applied
        return work()


class Watch:
    """Turns progress into bars on a terminal and into a line a phase elsewhere."""

    def __init__(self, out: Output, progress: Progress | None) -> None:
        self.out = out
        self.progress = progress
        self.bars: dict[str, TaskID] = {}

    def phase(self, name: str) -> None:
        """A new part of the run begins."""
        self.out.line(f"{PHASES[name]} …", style="dim")

    def pull(self, event: PullProgress) -> None:
        """Rows arrived."""
        if self.progress is None:
            return
        key = f"{event.source} {event.stream.replace('_', ' ')}"
        if event.done:
            if key in self.bars:
                self.progress.remove_task(self.bars.pop(key))
            return
        if key not in self.bars:
            self.bars[key] = self.progress.add_task(key, total=None)
        self.progress.update(self.bars[key], completed=event.rows)

    def applied(self, item: Applied, total: int) -> None:
        """A change ended."""
        del item
        if self.progress is None:
            return
        if "write" not in self.bars:
            self.bars["write"] = self.progress.add_task("writing", total=total)
        self.progress.advance(self.bars["write"])


def finish(agent: Agent, report: RunReport, out: Output, *, dry_run: bool, full: bool) -> int:
    """Say what the run came to, and return its exit code."""
    show_pulls(out, report)
    if report.plan is not None and dry_run:
        show_plan(out, report.plan, full=full)
    elif report.plan is not None:
        show_applied(out, report)
    if report.blocked:
        out.fail(report.blocked)
    if report.halted:
        out.fail(f"{report.halted} {count(report.not_sent, 'change')} not sent; the next run plans them again.")
    elif report.stopped:
        rest = f", {count(report.not_sent, 'change')} not sent" if report.not_sent else ""
        out.warn(f"stopped at a batch boundary{rest}; the next run goes on from here.")
    code = code_of(report)
    if out.as_json:
        out.json(numbers(agent, report, dry_run=dry_run, code=code))
    return code


def show_pulls(out: Output, report: RunReport) -> None:
    """One line a source, and one a problem."""
    for source in dict.fromkeys(pull.source for pull in report.pulls):
        pulls = [pull for pull in report.pulls if pull.source == source]
        parts = ", ".join(f"{pull.rows:,} {pull.stream.replace('_', ' ')}" for pull in pulls if pull.rows)
        if parts or any(pull.ending == "ok" for pull in pulls):
            out.line(f"{source}: {parts or 'nothing new'}")
        for pull in pulls:
            _show_findings(out, pull)
        _show_failures(out, source, [pull for pull in pulls if pull.ending == "failed"], blocked=report.blocked)
    if report.recovered:
        settled = ", ".join(f"{number} {name}" for name, number in sorted(report.recovered.items()))
        out.line(f"Settled from an earlier run: {settled}.")
    if report.bands:
        bands = ", ".join(f"{report.bands[name]:,} {name}" for name in ("red", "yellow", "green", "unknown"))
        out.line(f"Health of {count(sum(report.bands.values()), 'account')}: {bands}.")


def _show_findings(out: Output, pull: PullReport) -> None:
    """What an admin should know of a stream that was read."""
    name = f"{pull.source} {pull.stream}"
    for note in pull.notes:
        out.line(f"  {pull.stream}: {note.removeprefix(f'{pull.source}: ')}", style="dim")
    if pull.counts.rejected:
        out.warn(f"{name}: {count(pull.counts.rejected, 'row')} quarantined; see holdfast status")
    for what, number in pull.warnings.most_common(WARNINGS):
        out.warn(f"{name}: {count(number, 'value')} not used: {what}")


def _show_failures(out: Output, source: str, failed: Sequence[PullReport], *, blocked: str) -> None:
    """One line an error, however many streams met it."""
    rest = "" if f"{source} could not be read" in blocked else "; the run goes on without it"
    for error in dict.fromkeys(pull.error for pull in failed):
        pulls = [pull for pull in failed if pull.error == error]
        streams = ", ".join(pull.stream for pull in pulls)
        complete = [pull.complete for pull in pulls if pull.complete]
        age = f"last complete {min(complete):%Y-%m-%d %H:%M} UTC" if len(complete) == len(pulls) else "never complete"
        out.fail(f"{source} {streams}: {error.removeprefix(f'{source}: ')} ({age}{rest})")


def show_applied(out: Output, report: RunReport) -> None:
    """What was written, and every change that did not end well."""
    assert report.plan is not None  # noqa: S101  # the caller asked
    endings = report.endings
    if report.plan.empty:
        totals(out, report.plan)
        return
    for item in report.applied:
        if item.result not in {"confirmed", "already"}:
            name = getattr(item.change, "name", None) or getattr(item.change, "account_name", "")
            out.warn(f"{name}: {item.result}: {item.message}")
    records = endings["confirmed"] - written_tasks(report)
    others = "".join(f"; {number} {name}" for name, number in sorted(endings.items()) if name != "confirmed")
    out.line(
        f"Wrote {count(written_fields(report), 'field')} on {count(records, 'record')} and "
        f"{count(written_tasks(report), 'task')}{others}.",
        style="bold",
    )


def written_fields(report: RunReport) -> int:
    """Fields that the CRM confirmed."""
    return sum(len(getattr(item.change, "fields", ())) for item in report.applied if item.result == "confirmed")


def written_tasks(report: RunReport) -> int:
    """Tasks that the CRM confirmed."""
    return sum(isinstance(item.change, TaskChange) and item.result == "confirmed" for item in report.applied)


def code_of(report: RunReport) -> int:
    """The exit code: the gravest thing that happened."""
    errors = {type(report.halted).__name__, *(pull.error_class for pull in report.failed)}
    if errors & {"CredentialsError", "MissingPermissionError"}:
        return CREDENTIALS
    if "ConfigError" in errors:
        return USAGE
    if report.failed or report.blocked or report.halted:
        return ERROR
    if report.stopped:
        return STOPPED
    unclean = {"conflict", "rejected", "gone", "in_doubt", "retry"} & report.endings.keys()
    rejects = any(pull.counts.rejected for pull in report.pulls)
    return CONFLICTS if unclean or rejects else OK


def plan_numbers(plan: Plan) -> dict[str, Any]:
    """A plan in numbers."""
    return {
        "hash": plan.hash,
        "fields": plan.field_count,
        "records": dict(Counter(record.object for record in plan.records)),
        "tasks": len(plan.tasks),
        "kept": len(plan.kept),
        "expected_calls": plan.expected_calls,
    }


def numbers(agent: Agent, report: RunReport, *, dry_run: bool, code: int) -> dict[str, Any]:
    """What `--json` prints after a run."""
    return {
        "as_of": report.as_of,
        "dry_run": dry_run,
        "exit_code": code,
        "pulled": {
            source.name: {pull.stream: pull.rows for pull in report.pulls if pull.source == source.name}
            for source, _ in agent.sources
        },
        "failed": [
            {"source": pull.source, "stream": pull.stream, "error": pull.error, "complete": pull.complete}
            for pull in report.failed
        ],
        "rejected": sum(pull.counts.rejected for pull in report.pulls),
        "scored": dict(report.scored),
        "bands": dict(report.bands),
        "plan": plan_numbers(report.plan) if report.plan else None,
        "changes": report.plan and [*report.plan.records, *report.plan.tasks],
        "kept": report.plan and report.plan.kept,
        "applied": {
            "fields": written_fields(report),
            "tasks": written_tasks(report),
            "endings": dict(report.endings),
        },
        "blocked": report.blocked,
        "halted": str(report.halted or ""),
        "not_sent": report.not_sent,
        "stopped": report.stopped,
        "api_calls": {source.name: sum(source.calls.values()) for source, _ in agent.sources},
    }
