"""What a run came to: in words, in numbers for `--json`, and as an exit code."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from cli.app import DEFAULT_CONFIG
from cli.error_words import kind_named
from cli.errors import CONFLICTS, CREDENTIALS, ERROR, HELD, OK, STOPPED, USAGE
from cli.output import Output, count, styled
from cli.plan_choice import chosen_numbers
from cli.plan_view import show_conflict, show_plan, show_skipped, totals
from cli.pull_view import blocked, show_pulls
from cli.trial import program
from connectors.base import FieldDiff
from sync.apply import Applied
from sync.doubt import DoubtError
from sync.plan import AnyChange, Plan, RecordChange, TaskChange, TaskRemoval
from sync.plan_groups import Choice, Places
from sync.run import Agent
from sync.run_report import UNCLEAN, RunReport

ENDINGS = {"already": "already there"}
"""Endings whose name does not speak for itself."""

ALIKE = 3
"""Changes that ended in the same words and are named one by one; of more, one line says how many there are."""
LISTED = 10
"""Changes put off that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a run is to be shown.

    Attributes:
        dry_run: Nothing was to be written.
        full: Every record, also on a terminal.
        file: Where the plan was saved, None when it was not.
        previewed: What was read and the plan have been shown already, before it was written.
        choice: What to show of the plan.
    """

    dry_run: bool
    full: bool = False
    file: Path | None = None
    previewed: bool = False
    choice: Choice = field(default_factory=Choice)

    def saved_alone(self, out: Output) -> bool:
        """Whether numbers will do: a held plan lies in a file, and no person watches who asked to see it whole."""
        return not (self.dry_run or self.full or out.terminal or out.as_json or self.choice != Choice()) and bool(
            self.file
        )


def finish(agent: Agent, report: RunReport, out: Output, shown: Shown) -> int:
    """Say what the run came to, and return its exit code."""
    if not shown.previewed:
        show_pulls(out, report)
    plan, groups = report.plan, None
    if plan is not None and (shown.dry_run or report.held):
        places = Places.read(agent.store, agent.crm.name)
        if shown.saved_alone(out):  # such as in the mail that cron sends, hour after hour
            totals(out, plan)
        else:
            groups = show_plan(out, plan, full=shown.full, places=places, choice=shown.choice)
        show_verdicts(out, report, shown, only_approved=agent.policy.only_approved)
        _show_lacking(out, report.lacking)
    elif plan is not None:
        show_applied(out, report, previewed=shown.previewed)
    if report.blocked:
        out.fail(blocked(report))
    if report.halted:
        out.fail(f"{report.halted} {count(report.not_sent, 'change')} not sent; the next run plans them again.")
    elif report.stopped:
        rest = f", {count(report.not_sent, 'change')} not sent" if report.not_sent else ""
        out.warn(f"stopped at a batch boundary{rest}; the next run goes on from here.")
    code = code_of(report, dry_run=shown.dry_run)
    if out.as_json:
        out.json(numbers(agent, report, shown, code) | (chosen_numbers(groups, shown.choice) if groups else {}))
    return code


def command(*words: str) -> str:
    """A command as a person types it here, with the config that this one was given."""
    context = click.get_current_context(silent=True)
    config = context.params.get("config") if context is not None else None
    named = ["--config", str(config)] if config not in {None, DEFAULT_CONFIG} else []
    return shlex.join([program(), *words, *named])


def preview(agent: Agent, out: Output, report: RunReport, *, full: bool) -> None:
    """What a first fill that a person has started is about to write."""
    show_pulls(out, report)
    if report.plan is not None:
        show_plan(out, report.plan, full=full, places=Places.read(agent.store, agent.crm.name))
        _show_left_out(out, report)


# -- words --------------------------------------------------------------------------------------------------------


def show_verdicts(out: Output, report: RunReport, shown: Shown, *, only_approved: bool = False) -> None:
    """Why a plan waits for a person, and what that person types; where a saved plan lies.

    Args:
        out: Where to.
        report: With the plan.
        shown: How it is shown.
        only_approved: Every plan must be allowed by a person before it is written.
    """
    _show_left_out(out, report)
    if report.held and (shown.file is not None or not shown.dry_run):
        out.line()
        out.line("Held: a person decides first. Nothing was written.", style="bold yellow")
        for verdict in report.held:
            out.line(styled(("  • ", "yellow"), verdict.text))
    elif report.held:
        out.line()
        who = "An undo" if report.plan is not None and report.plan.kind == "undo" else "A sync"
        out.line(f"{who} would hold this plan until a person has decided:", style="yellow")
        for verdict in report.held:
            out.line(styled(("  • ", "yellow"), verdict.text))
    if shown.file is not None:
        out.line(styled("Saved as ", (str(shown.file), "bold")))
    for words, what in next_steps(report, shown.file, only_approved=only_approved):
        out.line(styled(("  # " + what, "dim")))
        out.line(f"  {words}")


def next_steps(report: RunReport, file: Path | None, *, only_approved: bool = False) -> list[tuple[str, str]]:
    """The commands that lead on from a plan, each to be copied whole, with what it does.

    Args:
        report: With the plan.
        file: Where the plan was saved, None when it was not.
        only_approved: Every plan must be allowed by a person before it is written.
    """
    if file is not None:
        look = (command("apply", str(file), "--dry-run"), "shows every change again")
        allow = (command("approve", str(file), "--by", "NAME"), "allows this plan and no other")
        write = (command("apply", str(file)), "writes exactly this plan")
        return [look, allow, write] if report.held or only_approved else [look, write]
    if any(verdict.check == "baseline" for verdict in report.held):
        tasks = len(report.plan.tasks) if report.plan else 0
        fields = (command("sync", "--initial"), f"writes the fields{', and no task' if tasks else ''}")
        everything = (command("sync", "--initial", "--tasks"), f"writes the fields and {count(tasks, 'task')}")
        return [fields, everything] if tasks else [fields]
    return [_saving(report)] if report.held else []


def _show_left_out(out: Output, report: RunReport) -> None:
    if report.left_out:
        out.line(f"Left out: {count(report.left_out, 'task')} for accounts in trouble already; --tasks adds them.")


def _show_lacking(out: Output, lacking: Sequence[FieldDiff]) -> None:
    """Which of our fields the CRM does not have as they should be: until it has, nothing can be written."""
    if not lacking:
        return
    are, them = ("is", "it") if len(lacking) == 1 else ("are", "them")
    out.warn(
        f"{count(len(lacking), 'field')} of ours {are} missing, hidden or different in the CRM, and nothing is written "
        f"before {command('setup')} has made {them}:"
    )
    for obj in dict.fromkeys(diff.spec.object for diff in lacking):
        names = (f"{d.spec.name}{f' ({d.detail})' if d.detail else ''}" for d in lacking if d.spec.object == obj)
        out.line(f"  {obj}: {', '.join(names)}")


def _saving(report: RunReport) -> tuple[str, str]:
    """What saves a held plan that was only shown, so that it can be allowed."""
    undoes = report.plan.kind == "undo" if report.plan else False
    run_id = click.get_current_context().params.get("run_id") if undoes else None
    words = ("undo", str(run_id)) if undoes else ("plan",)
    return command(*words), "saves this plan, so that a person can allow it"


def show_applied(out: Output, report: RunReport, *, previewed: bool = False) -> None:
    """What was written, and every change that did not end well; the plan's notes unless they were shown before."""
    assert report.plan is not None  # noqa: S101  # the caller asked
    endings = report.endings
    for skipped in report.plan.skipped:
        show_skipped(out, skipped)
    if report.plan.empty:
        totals(out, report.plan)
        return
    for line in _troubles(report):
        out.warn(line)
    for conflict in report.conflicts:
        show_conflict(out, conflict)
    for note in () if previewed else report.plan.notes:
        out.line(f"Note: {note}", style="yellow")
    removed = sum(isinstance(item.change, TaskRemoval) and item.result == "confirmed" for item in report.applied)
    records = endings["confirmed"] - written_tasks(report) - removed
    others = "".join(
        f"; {number:,} {ENDINGS.get(name, name)}" for name, number in sorted(endings.items()) if name != "confirmed"
    )
    taken = f", removed {count(removed, 'task')}" if removed else ""
    out.line(
        f"Wrote {count(written_fields(report), 'field')} on {count(records, 'record')} and "
        f"{count(written_tasks(report), 'task')}{taken}{others}.",
        style="bold",
    )
    _show_deferred(out, report)


def _troubles(report: RunReport) -> Iterator[str]:
    """Changes that did not end well: each by name, or, where many ended in the same words, how many and the first."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for item in report.applied:
        if item.result not in {"confirmed", "already"} and not _both_values(report, item):
            kind: str = item.change.object if isinstance(item.change, RecordChange) else "task"
            alike.setdefault((kind, item.result, item.message), []).append(_name(item.change))
    for (what, result, message), names in alike.items():
        ending = f"{result.replace('_', ' ')}: {message}"
        if len(names) <= ALIKE:
            yield from (f"{name}: {ending}" for name in names)
        else:
            yield f"{count(len(names), what)} ({', '.join(names[:ALIKE])}, …): {ending}"


def _both_values(report: RunReport, item: Applied) -> bool:
    """Whether a conflict is shown with what both sides say."""
    change = item.change
    return isinstance(change, RecordChange) and any(
        (conflict.object, conflict.record_id) == (change.object, change.record_id) for conflict in report.conflicts
    )


def _show_deferred(out: Output, report: RunReport) -> None:
    if not report.deferred:
        return
    out.warn(
        f"{count(len(report.deferred), 'change')} put off: the calls that writing may take (writeback.budget_share) do "
        "not suffice. The worst changes of the most valuable accounts went first; the next run goes on."
    )
    for change in report.deferred[:LISTED]:
        out.line(f"  put off: {_name(change)}", style="dim")
    if len(report.deferred) > LISTED:
        out.line(f"  … and {len(report.deferred) - LISTED:,} more.", style="dim")


def _name(change: AnyChange) -> str:
    return change.name if isinstance(change, RecordChange) else change.account_name


def written_fields(report: RunReport) -> int:
    """Fields that the CRM confirmed."""
    return sum(len(getattr(item.change, "fields", ())) for item in report.applied if item.result == "confirmed")


def written_tasks(report: RunReport) -> int:
    """Tasks that the CRM confirmed."""
    return sum(isinstance(item.change, TaskChange) and item.result == "confirmed" for item in report.applied)


# -- numbers ------------------------------------------------------------------------------------------------------


def code_of(report: RunReport, *, dry_run: bool = False) -> int:
    """The exit code: the gravest thing that happened."""
    errors = {type(report.halted).__name__, *(pull.error_class for pull in report.failed)}
    if errors & {"CredentialsError", "MissingPermissionError"}:
        return CREDENTIALS
    if "ConfigError" in errors:
        return USAGE
    if "CanaryError" in errors or (report.held and not dry_run):
        return HELD
    if errors - {"NoneType", "", DoubtError.__name__} or report.blocked:
        return ERROR
    return HELD if DoubtError.__name__ in errors else _code_at_the_end(report, dry_run=dry_run)


def _code_at_the_end(report: RunReport, *, dry_run: bool) -> int:
    """The exit code of a run that nothing broke off."""
    if report.stopped:
        return STOPPED
    rejects = any(pull.counts.rejected for pull in report.pulls)
    skipped = report.plan is not None and report.plan.skipped and not dry_run
    return CONFLICTS if report.endings.keys() & UNCLEAN or report.deferred or rejects or skipped else OK


def plan_numbers(plan: Plan) -> dict[str, Any]:
    """A plan in numbers."""
    return {
        "hash": plan.hash,
        "kind": plan.kind,
        "made_at": plan.made_at,
        "baseline": plan.baseline,
        "fields": plan.field_count,
        "records": dict(Counter(record.object for record in plan.records)),
        "tasks": len(plan.tasks),
        "removals": len(plan.removals),
        "kept": len(plan.kept),
        "skipped": len(plan.skipped),
        "expected_calls": plan.expected_calls,
        "held": list(plan.held),
        "notes": list(plan.notes),
    }


def numbers(agent: Agent, report: RunReport, shown: Shown, code: int) -> dict[str, Any]:
    """What `--json` prints after a run."""
    plan = report.plan
    return {
        "as_of": report.as_of,
        "dry_run": shown.dry_run,
        "exit_code": code,
        "pulled": {
            source.name: {pull.stream: pull.rows for pull in report.pulls if pull.source == source.name}
            for source, _ in agent.sources
        },
        "failed": [
            {
                "source": pull.source,
                "stream": pull.stream,
                "error": pull.error,
                # None where it only waits for another of these.
                "kind": kind_named(pull.error_class) if pull.error_class else None,
                "complete": pull.complete,
            }
            for pull in report.failed
        ],
        "rejected": sum(pull.counts.rejected for pull in report.pulls),
        "breaches": list(report.breaches),
        "recovered": dict(report.recovered),
        "adopted": report.adopted,
        "scored": dict(report.scored),
        "bands": dict(report.bands),
        "plan": plan_numbers(plan) if plan else None,
        "plan_file": shown.file,
        "changes": plan and plan.changes,
        "kept": plan and plan.kept,
        "skipped": plan and plan.skipped,
        "guard": list(report.verdicts),
        "held": list(report.held),
        "tasks_left_out": report.left_out,
        "missing_fields": [diff.spec.name for diff in report.lacking],
        "applied": {
            "fields": written_fields(report),
            "tasks": written_tasks(report),
            "endings": dict(report.endings),
        },
        "conflicts": list(report.conflicts),
        "deferred": [
            {"name": _name(change), "severity": change.severity, "value": change.value} for change in report.deferred
        ],
        "blocked": report.blocked,
        "halted": str(report.halted or ""),
        "not_sent": report.not_sent,
        "stopped": report.stopped,
        "api_calls": {source.name: sum(source.calls.values()) for source, _ in agent.sources},
    }
