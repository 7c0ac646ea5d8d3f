"""`approve` and `apply`: a saved plan is allowed by a person, and then written exactly or not at all."""

import getpass
from pathlib import Path

import click

from cli.app import agent_at_work, common, current_clock, stop_after, stop_on_signals
from cli.config import Config, load
from cli.errors import OK, USAGE, CommandError
from cli.output import Output, styled
from cli.plan_choice import choosing, chosen_numbers, only_shown
from cli.plan_html import only_dry, paged, save_saved
from cli.plan_view import show_plan, totals
from cli.progress import watched
from cli.run_view import Shown, command, finish, plan_numbers
from sync import approval
from sync.ledger import Ledger
from sync.plan_file import PlanFile
from sync.plan_groups import Choice, Places
from sync.store import Store

LONGEST_NAME = 100


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", help="Who allows it; left out: the name you are logged in with.")
@common
def approve(config: Path, out: Output, *, file: Path, by: str | None) -> int:
    """Allow a saved plan, this one and no other, and sign it with the state folder's key.

    It releases a plan that the guard holds. Look at it first: `holdfast apply PLAN --dry-run`.

    Example: holdfast approve monday.plan --by Dana
    """
    settings = load(config)
    name = _name(by)
    clock = current_clock()
    made = approval.load(file, settings.state_dir).plan
    store = Store.open(settings.state_dir)
    try:
        approval.require_current(
            made,
            config_hash=settings.hash,
            environment=store.environment(settings.crm.name),
            max_age=settings.writeback.plan_max_age,
            now=clock.now(),
        )
        saved = approval.approve(file, name, settings.state_dir, clock.now())
        Ledger(store).release(made.hash, name, clock.now())
    finally:
        store.close()
    totals(out, saved.plan)
    _show_held(out, saved)
    out.line(styled("Approved by ", (name, "bold"), f". To write it: {command('apply', str(file))}"))
    if out.as_json:
        out.json({**plan_numbers(saved.plan), "file": file, "approved": _approval(saved)})
    return OK


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the plan; write nothing.")
@click.option("--full", is_flag=True, help="Show every record, also on a terminal.")
@choosing
@paged
@common
def apply(
    config: Path, out: Output, *, file: Path, dry_run: bool, full: bool, html: Path | None, choice: Choice
) -> int:
    """Write a saved plan, exactly as it was shown, or refuse it.

    Refused is a plan that was changed, is too old, was made elsewhere, under other settings or for another CRM, and one
    that must be approved first. Every target is read again; what moved since is listed with both values and left alone.

    Example: holdfast apply monday.plan
    """
    only_shown(choice, writes=not dry_run)
    only_dry(html, writes=not dry_run)
    settings = load(config)
    saved = approval.load(file, settings.state_dir)
    if dry_run:
        places = _places(settings)
        shown = show_plan(out, saved.plan, full=full, places=places, choice=choice)
        _show_held(out, saved)
        save_saved(saved, places, out, html, file)
        if saved.approved is not None:
            out.line(f"Approved by {saved.approved.by}, {saved.approved.at}.")
        if out.as_json:
            out.json({**plan_numbers(saved.plan), "approved": _approval(saved), **chosen_numbers(shown, choice)})
        return OK
    with agent_at_work(config, out) as agent:
        by = saved.approved.by if saved.approved is not None else ""
        with stop_on_signals(agent.stop.set), stop_after(settings.run.deadline, agent.stop):
            report = watched(agent, out, lambda: agent.apply_saved(saved.plan, by))
        return finish(agent, report, out, Shown(dry_run=False, full=full))


def _places(settings: Config) -> Places:
    """Whose the records are; what the plan itself says must do where nothing is stored any more."""
    if not (settings.state_dir / "state.db").exists():
        return Places()
    store = Store.open(settings.state_dir, readonly=True)
    try:
        return Places.read(store, settings.crm.name)
    finally:
        store.close()


def _name(by: str | None) -> str:
    try:
        name = (by if by is not None else getpass.getuser()).strip()
    except (OSError, KeyError):  # there is nobody of that number, as in some containers
        name = ""
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise CommandError(f"--by: write a name of 1 to {LONGEST_NAME} printable characters.", USAGE)
    return name


def _show_held(out: Output, saved: PlanFile) -> None:
    if saved.plan.held:
        out.line("The guard held this plan:", style="yellow")
        for text in saved.plan.held:
            out.line(styled(("  • ", "yellow"), text))


def _approval(saved: PlanFile) -> dict[str, str] | None:
    return None if saved.approved is None else {"by": saved.approved.by, "at": saved.approved.at}
