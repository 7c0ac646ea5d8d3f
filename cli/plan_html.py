"""The plan as a page for a browser: `--html FILE` of the commands that show a plan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.errors import USAGE, CommandError
from cli.output import Output, styled
from cli.run_view import command, next_steps
from sync.files import write_whole
from sync.plan_file import PlanFile
from sync.plan_groups import Places
from sync.run import Agent
from sync.run_report import RunReport

F = TypeVar("F", bound=Callable[..., Any])


def paged(function: F) -> F:
    """Add the option; the command gets `html: Path | None`."""
    return click.option("--html", type=click.Path(path_type=Path), help="Also write the plan as a page for a browser.")(
        function
    )


def only_dry(html: Path | None, *, writes: bool) -> None:
    """Refuse a page where something is written: it tells what would be, not what was.

    Raises:
        CommandError: When one was asked for.
    """
    if html is not None and writes:
        raise CommandError("--html goes with --dry-run: the page shows what would be written.", USAGE)


def save_run(agent: Agent, report: RunReport, out: Output, html: Path | None, file: Path | None) -> None:
    """Write the page of a plan that was just made, saved as `file` or not; nothing when there is no plan or no page."""
    if html is None or report.plan is None:
        return
    from report.plan_page import About, Step, plan_page

    steps = next_steps(report, file, only_approved=agent.policy.only_approved)
    about = About(
        Places.read(agent.store, agent.crm.name),
        report.verdicts,
        tuple(Step(what, words) for words, what in steps),
        str(file or ""),
        left_out=report.left_out,
    )
    _save(plan_page(report.plan, about), html, out)


def save_saved(saved: PlanFile, places: Places, out: Output, html: Path | None, file: Path) -> None:
    """Write the page of a plan file; nothing when no page was asked for."""
    if html is None:
        return
    from report.plan_page import About, Step, plan_page

    allow = Step(
        "allows this plan and no other, where that is asked for", command("approve", str(file), "--by", "NAME")
    )
    write = Step("writes exactly this plan", command("apply", str(file)))
    steps = (allow, write) if saved.approved is None else (write,)
    _save(plan_page(saved.plan, About(places, None, steps, str(file), saved.approved)), html, out)


def _save(text: str, path: Path, out: Output) -> None:
    write_whole(path, text)
    out.line(styled("Page: ", (str(path), "bold"), "  (opens in any browser; asks for nothing)"))
