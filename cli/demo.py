"""`demo`: a whole hourly job against the built-in sandbox, over real HTTP on loopback."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import click

from cli.app import open_agent
from cli.errors import ERROR, OK
from cli.output import Output, band, count
from cli.plan_view import show_record, show_task, totals
from cli.progress import watched
from cli.pull_view import show_pulls
from cli.run_view import written_fields, written_tasks
from cli.trial import CRMS, MORE, program, vendors, write_trial_config
from connectors.registry import VENDORS
from sandbox.core import Sandbox, SandboxClock
from sync.run import Agent
from sync.run_report import RunReport

if TYPE_CHECKING:
    from sandbox.world import SeededWorld

SHOWN = 4
"""Records of the preview that the demo prints."""


NO_LIMITS: dict[str, dict[str, Any]] = {
    "hubspot": {"burst_limit": None, "search_limit": None},
    "zendesk": {"account_per_minute": 10**9, "export_per_minute": 10**9},
    "mixpanel": {"export_per_second": 10**9, "export_per_hour": 10**9, "query_per_hour": 10**9},
    "salesforce": {"bulk_seconds_per_10k": 0},
    "intercom": {"per_window": 10**9},
    "stripe": {"per_second": 10**9},
    "typeform": {"per_second": 10**9},
    "surveymonkey": {"per_minute": 10**9},
}
"""What would wait for a clock, since the one of the demo's vendors stands still: they do not count requests, and their
bulk jobs are done at once. The agent keeps its limits anyway."""


class DemoClock:
    """The sandbox's instant, and waiting that takes no time.

    The agent keeps the vendors' rate limits as ever, without anybody having to wait for it; and since the sandbox's own
    clock stands still, its customers do nothing between two runs.
    """

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._waited = 0.0
        self._lock = Lock()

    def now(self) -> datetime:
        """The sandbox's instant."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds waited so far, on top of real ones."""
        return self._waited + time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let that much time have passed for whoever measures durations."""
        with self._lock:
            self._waited += max(0.0, seconds)


@dataclass(frozen=True, slots=True)
class Steps:
    """What each step came to."""

    fields_created: int
    dry: RunReport
    dry_writes: int
    wet: RunReport
    again: RunReport
    again_writes: int
    calls: dict[str, int]

    @property
    def clean(self) -> bool:
        """Whether every step did what it promises."""
        reports = (self.dry, self.wet, self.again)
        if self.again.plan is None or not self.again.plan.empty:
            return False
        return not (self.dry_writes or self.again_writes or any(one.blocked or one.failed for one in reports))


@click.command()
@click.option("--accounts", type=click.IntRange(min=1), default=300, show_default=True, help="Companies in the world.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another seed, another world.")
@click.option("--crm", type=click.Choice(CRMS), default=CRMS[0], show_default=True, help="Which CRM the company runs.")
@click.option("--all-sources", is_flag=True, help="With billing, surveys, a second product, files and more.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder that keeps config, state and plan afterwards.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def demo(accounts: int, seed: int, crm: str, keep: Path | None, *, all_sources: bool, as_json: bool) -> int:
    """Watch customers being pulled, scored, previewed and written back, on a built-in sandbox. Touches nothing else.

    Example: holdfast demo --accounts 100 --crm salesforce
    """
    from sandbox.world import make_world

    out = Output(as_json=as_json)
    started = time.monotonic()
    with _folder(keep) as folder:
        steps = _walk(out, folder, make_world(seed, accounts), crm, everything=all_sources)
        _summary(out, steps, time.monotonic() - started, keep, crm)
    if as_json:
        out.json(_numbers(steps, accounts))
    return OK if steps.clean else ERROR


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as name:
        yield Path(name)


def _walk(out: Output, folder: Path, world: "SeededWorld", crm: str, *, everything: bool) -> Steps:
    from sandbox.serve import serve

    out.heading("1. A software company with its tools, simulated on this machine")
    sandbox = Sandbox(world, vendors=vendors(crm, everything=everything), options=NO_LIMITS)
    out.line(
        f"{count(len(world.companies), 'customer')} with {len(world.people):,} people, "
        f"{count(len(world.tickets), 'ticket')}, 18 months of product usage."
    )
    with serve(sandbox) as running:
        for name, url in running.base_urls.items():
            out.line(f"  {name:<12} {url}", style="dim")
        shelf = (world, sandbox.clock.now()) if everything else None
        config = write_trial_config(folder, running.base_urls, shelf=shelf)
        with open_agent(config, clock=DemoClock(sandbox.clock)) as agent:
            return _steps(out, agent, sandbox)


def _steps(out: Output, agent: Agent, sandbox: Sandbox) -> Steps:
    out.heading(f"2. holdfast setup: the agent's own fields in {VENDORS[agent.crm.name].title}")
    diffs = agent.crm.setup([field.spec for field in agent.fields], dry_run=False)
    created = sum(diff.action == "create" for diff in diffs)
    out.line(f"{count(created, 'field')} created; no field of anybody else's is ever touched.")

    out.heading("3. holdfast sync --dry-run: what would change, and why")
    before = writes(sandbox)
    dry = watched(agent, out, lambda: agent.run(dry_run=True))
    dry_writes = writes(sandbox) - before
    show_pulls(out, dry)
    _trouble(out, dry)
    _preview(out, dry)
    out.line(f"Requests that wrote anything, by the sandbox's own journal: {dry_writes}.")

    out.heading("4. holdfast sync --initial --tasks: the same walk, and now it fills the CRM for the first time")
    wet = watched(agent, out, lambda: agent.run(dry_run=False, initial=True, with_tasks=True))
    _trouble(out, wet)
    for verdict in wet.held:
        out.fail(verdict.text)
    out.line(
        f"Wrote {count(written_fields(wet), 'field')} and {count(written_tasks(wet), 'task')}; "
        f"{count(len(wet.applied) - wet.endings['confirmed'], 'change')} not confirmed."
    )

    out.heading("5. holdfast sync again: nothing has changed, so nothing is written")
    before = writes(sandbox)
    again = watched(agent, out, lambda: agent.run(dry_run=False))
    again_writes = writes(sandbox) - before
    _trouble(out, again)
    if again.plan is not None:
        totals(out, again.plan)
    calls = {source.name: sum(source.calls.values()) for source, _ in agent.sources}
    return Steps(created, dry, dry_writes, wet, again, again_writes, calls)


def _trouble(out: Output, report: RunReport) -> None:
    """Why nothing was planned, or not all of it was written."""
    for text in (report.blocked, report.halted):
        if text:
            out.fail(str(text))


def writes(sandbox: Sandbox) -> int:
    """Requests so far that meant to change something."""
    return sum(number for (_, write), number in sandbox.journal.counts.items() if write)


def _preview(out: Output, report: RunReport) -> None:
    if report.plan is None:
        return
    for record in report.plan.records[:SHOWN]:
        show_record(out, record)
        for task in report.plan.tasks:
            if task.account_id == record.record_id:
                show_task(out, task, record.why)
    out.line(f"… and {count(max(0, len(report.plan.records) - SHOWN), 'more record')}.", style="dim")
    totals(out, report.plan)


def _summary(out: Output, steps: Steps, seconds: float, keep: Path | None, crm: str) -> None:
    out.heading(f"{'Done' if steps.clean else 'Not all went well: ended'} in {seconds:.0f} s")
    bands = steps.wet.bands
    out.table(("health", "accounts"), [(band(n), f"{bands[n]:,}") for n in ("red", "yellow", "green", "unknown")])
    calls = ", ".join(f"{number:,} to {name}" for name, number in steps.calls.items())
    out.line(f"API calls for everything above: {calls}.")
    out.heading("What to try next")
    name = program()
    same = ("" if crm == CRMS[0] else f" --crm {crm}") + (" --all-sources" if set(MORE) & set(steps.calls) else "")
    steps_to_try = [
        (f"{name} sandbox serve{same} --write-config trial", "the same sandbox, for your own commands"),
        (f"{name} init", "your own tools: a few questions, each credential tried"),
    ]
    if keep is None:
        steps_to_try.insert(0, (f"{name} demo{same} --keep trial", "keep config, state and plans to look into"))
    else:
        config = keep / "config.toml"
        steps_to_try.insert(0, (f"{name} status --config {config}", "what was done; explain and score work too"))
    width = max(len(command) for command, _ in steps_to_try)
    for command, what in steps_to_try:
        out.line(f"  {command:<{width}}    {what}")


def _numbers(steps: Steps, accounts: int) -> dict[str, Any]:
    second = steps.again.plan
    return {
        "accounts": accounts,
        "scored": steps.wet.scored["account"],
        "contacts_scored": steps.wet.scored["contact"],
        "bands": dict(steps.wet.bands),
        "setup": {"created": steps.fields_created},
        "dry_run": {
            "writes": steps.dry_writes,
            "fields": steps.dry.plan.field_count if steps.dry.plan else 0,
            "tasks": len(steps.dry.plan.tasks) if steps.dry.plan else 0,
        },
        "applied": {
            "fields": written_fields(steps.wet),
            "tasks": written_tasks(steps.wet),
            "endings": dict(steps.wet.endings),
        },
        "second_run": {
            "changes": (second.field_count + len(second.tasks)) if second else 0,
            "writes": steps.again_writes,
        },
        "failed_streams": [f"{pull.source}/{pull.stream}" for pull in steps.wet.failed],
        "api_calls": steps.calls,
        "sources": _by_source(steps),
    }


def _by_source(steps: Steps) -> dict[str, dict[str, int]]:
    """Rows and calls of each source: of the first pull, of the one after, and of everything together."""
    first, last = (_rows(report) for report in (steps.dry, steps.again))
    return {
        name: {"rows": first.get(name, 0), "rows_again": last.get(name, 0), "calls": calls}
        for name, calls in steps.calls.items()
    }


def _rows(report: RunReport) -> dict[str, int]:
    rows: dict[str, int] = {}
    for pull in report.pulls:
        rows[pull.source] = rows.get(pull.source, 0) + pull.rows
    return rows
