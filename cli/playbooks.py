"""`playbooks` and `withheld`: what became of the tasks, and what was not done and why. Neither makes an API call."""

from dataclasses import asdict
from pathlib import Path

import click

from cli.app import wire
from cli.common import common, reading
from cli.errors import OK
from cli.output import Output, count
from sync import followups
from sync.followups import Result

COLUMNS = (
    "playbook", "variant", "impact/effort", "tasks", "in time", "late", "open", "overdue", "gone", "in 7 days",
    "better", "worse",
)  # fmt: skip


@click.command()
@common
def playbooks(config: Path, out: Output) -> int:
    """Show what became of each playbook's tasks: done in time or late, still open, and how the accounts do now.

    As of the last time the tasks were read back, which is once a day. Better and worse compare the accounts' bands with
    those they had when the task was made: what happened, not what the task achieved.

    Example: holdfast playbooks
    """
    card = wire(config).card
    with reading(config) as stored:
        found = followups.results(stored.store, stored.clock.now())
    made = {result.playbook for result in found}
    known = [*card.playbooks.values(), *(trigger.playbook for trigger in card.active_triggers)]
    ranks = {playbook.name: playbook.rank for playbook in known if playbook.acts}
    found += [Result(name, "") for name in ranks if name not in made]
    # What helps most for the least work comes first; a playbook that the card no longer has comes last.
    found.sort(key=lambda one: (-ranks.get(one.playbook, 0), one.playbook, one.variant))
    if out.as_json:
        rows = [asdict(one) | {"breaches": one.breaches, "rank": ranks.get(one.playbook)} for one in found]
        out.json({"playbooks": rows})
        return OK
    out.table(COLUMNS, [_cells(one, ranks.get(one.playbook)) for one in found])
    tasks, breaches = sum(one.tasks for one in found), sum(one.breaches for one in found)
    out.line()
    out.line(
        f"{count(tasks, 'task')}, {breaches:,} past their date; {_share(found)} acted on within 7 days.", style="bold"
    )
    return OK


def _cells(one: Result, rank: int | None) -> list[str]:
    rank_text = "-" if rank is None else f"{rank / 100:.1f}"
    numbers = (
        one.tasks, one.in_time, one.late, one.open, one.overdue, one.gone, one.within_week, one.better, one.worse,
    )  # fmt: skip
    return [one.playbook, one.variant or "-", rank_text, *(f"{number:,}" for number in numbers)]


def _share(found: list[Result]) -> str:
    """With the count beside: a share of few says little."""
    tasks, acted = sum(one.tasks for one in found), sum(one.within_week for one in found)
    return "none" if not tasks else f"{acted:,} of {tasks:,} ({100 * acted // tasks} %)"


@click.command()
@click.option("--ended", is_flag=True, help="What was withheld and is no longer.")
@common
def withheld(config: Path, out: Output, *, ended: bool) -> int:
    """List actions that are called for and wait: which rule withholds them, since when, and until when at the latest.

    Each is looked at again on every run.

    Example: holdfast withheld
    """
    with reading(config) as stored:
        found = followups.withheld(stored.store, ended=ended)
    if out.as_json:
        out.json({"withheld": found})
        return OK
    if not found:
        out.line("Nothing was withheld." if ended else "Nothing is withheld.", style="green")
        return OK
    rows = [
        (one.name, one.playbook, one.rule, f"{one.since:%Y-%m-%d}", f"{one.ended or one.until:%Y-%m-%d %H:%M}", one.why)
        for one in found
    ]
    out.table(("account", "action", "rule", "since", "ended" if ended else "until", "why"), rows)
    return OK
