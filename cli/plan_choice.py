"""The options that choose what is shown of a plan; what is saved or written is always the whole plan."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from cli.errors import USAGE, CommandError
from cli.output import Output, count
from sync.plan_groups import Choice, Group, values_of

F = TypeVar("F", bound=Callable[..., Any])

LISTED = 8
"""Values named when nothing matches."""

BANDS = ("red", "yellow", "green", "unknown")

_OPTIONS = {
    "account": "Show only this account: a CRM id, or part of a name.",
    "field": "Show only this field: part of its name.",
    "segment": "Show only accounts in this segment.",
    "owner": "Show only accounts of this owner: part of a name.",
    "band": "Show only accounts whose health is in this band.",
}


def choosing(function: F) -> F:
    """Add the options; the command gets `choice: Choice`. Each may be given several times, and any of them will do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, choice=Choice(**{name: kwargs.pop(name) for name in _OPTIONS}), **kwargs)

    command: Any = wrapper
    for name, text in reversed(_OPTIONS.items()):
        kind = click.Choice(BANDS) if name == "band" else str
        command = click.option(f"--{name}", name, multiple=True, type=kind, help=text)(command)
    return command  # type: ignore[no-any-return]  # click's decorators keep the function's use, not its type


def only_shown(choice: Choice, *, writes: bool) -> None:
    """Refuse a choice where something is written, which would be written whole.

    Raises:
        CommandError: With the option that was given.
    """
    if choice and writes:
        raise CommandError(
            f"{choice.text}: this chooses what is shown, and a write is always of the whole plan; add --dry-run.", USAGE
        )


def say_chosen(out: Output, every: Sequence[Group], shown: Sequence[Group], choice: Choice) -> None:
    """How much of a plan a choice leaves, and what else there is where it leaves nothing."""
    if not choice:
        return
    out.line()
    out.line(
        f"Shown by {choice.text}: {len(shown):,} of {count(len(every), 'account')}. The numbers below are of the whole "
        "plan, and that is what is saved and written.",
        style="cyan",
    )
    for name in choice.__slots__ if not shown else ():
        there = values_of(every, name) if getattr(choice, name) else []
        if there:
            more = f" and {len(there) - LISTED:,} more" if len(there) > LISTED else ""
            out.line(f"  {name} in this plan: {', '.join(there[:LISTED])}{more}", style="dim")


def chosen_numbers(shown: Sequence[Group], choice: Choice) -> dict[str, Any]:
    """What `--json` says instead of the whole plan's changes where there is a choice; nothing without one."""
    if not choice:
        return {}
    return {
        "shown": {"by": choice.text, "accounts": len(shown)},
        "changes": [change for group in shown for change in (*group.records, *group.removals, *group.tasks)],
        "kept": [edit for group in shown for edit in group.kept],
        "skipped": [skipped for group in shown for skipped in group.skipped],
    }
