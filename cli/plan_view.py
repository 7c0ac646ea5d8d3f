"""A plan as a person reads it: like a diff, by account, old value → new value, and why."""

from collections import Counter

from cli.output import BAND_STYLES, Output, count, styled
from cli.plan_choice import say_chosen
from sync.plan import HumanEdit, KeptWhy, Plan, RecordChange, Skipped, TaskChange
from sync.plan_groups import Choice, Group, Places, chosen, groups
from sync.run_report import Conflict
from sync.values import show

SHORT = 20
"""Accounts shown on a terminal without `--full`."""

SHORT_CONTACTS = 3
"""Contacts of one account shown there."""

EMPTY = show(None)

SIGNS = {"+": "green", "-": "red", "~": "yellow"}
"""Signs before a field, in their colours."""

KEPT: dict[KeptWhy, str] = {
    "human": "changed by people and left alone: holdfast edits",
    "ask": "changed by somebody and waiting for an answer: holdfast edits",
    "parked": "taken back again and again, and not written any more: holdfast edits",
    "undone": "left as an undo put them back, until something else is to be written",
}
"""What the numbers below a plan say of fields that are left alone."""


def show_plan(
    out: Output, plan: Plan, *, full: bool, places: Places | None = None, choice: Choice | None = None
) -> list[Group]:
    """Print a plan like a diff: by account, the worst change first, then totals. Gives the groups that were chosen.

    Args:
        out: Where to; a terminal gets the first accounts and contacts, unless `full`.
        plan: The whole plan, which the totals count.
        full: Everything, also on a terminal.
        places: Whose each record is; left out: what the plan itself says.
        choice: What to show of it; left out: all.
    """
    every = groups(plan, places or Places())
    shown = chosen(every, choice or Choice())
    short = out.terminal and not full
    for group in shown[:SHORT] if short else shown:
        show_group(out, group, contacts=SHORT_CONTACTS if short else None)
    if short and len(shown) > SHORT:
        out.line(f"… and {count(len(shown) - SHORT, 'more account')}: --full shows all.", style="dim")
    say_chosen(out, every, shown, choice or Choice())
    totals(out, plan)
    return shown


def show_group(out: Output, group: Group, *, contacts: int | None = None) -> None:
    """One account: its own fields, its tasks, its contacts, and what is left alone.

    Args:
        out: Where to.
        group: The account.
        contacts: How many contacts at most; None for all.
    """
    own, people = group.own, group.contacts
    alone = own is None and len(people) == 1 and people[0].record_id == group.place.account_id
    if not alone:  # a contact whose account is not known speaks for itself
        _head(out, group)
    if own is not None:
        show_fields(out, own, indent=2)
    for task in group.tasks:
        show_task(out, task, own.why if own is not None else "")
    for removal in group.removals:
        out.item(styled(("- task ", "red"), removal.subject, (f"  {removal.why}", "dim")), 2)
    for record in people[:contacts]:
        show_record(out, record, indent=0 if alone else 2)
    if contacts is not None and len(people) > contacts:
        out.item(f"… and {count(len(people) - contacts, 'more contact')}: --full shows all.", 2, style="dim")
    for edit in group.kept:
        _kept(out, edit)
    for skipped in group.skipped:
        show_skipped(out, skipped, indent=2)


def _head(out: Output, group: Group) -> None:
    place, own = group.place, group.own
    parts: list[str | tuple[str, str]] = [(place.name, "bold"), (f"  account {place.account_id}", "dim")]
    if place.band:
        parts += ["  ", (place.band, BAND_STYLES.get(place.band, ""))]
    if place.owner:
        parts.append((f"  {place.owner}", "dim"))
    if own is not None and own.undoes is None:
        parts.append((f"  severity {own.severity}, value {own.value}", "dim"))
    out.item(styled(*parts), 0)


def totals(out: Output, plan: Plan) -> None:
    """The last lines of a plan."""
    accounts = sum(record.object == "account" for record in plan.records)
    contacts = len(plan.records) - accounts
    out.line()
    for note in plan.notes:
        out.line(f"Note: {note}", style="yellow")
    if plan.empty:
        out.line("Nothing to take back." if plan.kind == "undo" else "Nothing to change.", style="green")
    else:
        what = [f"{count(plan.field_count, 'field')} on {count(accounts, 'account')} and {count(contacts, 'contact')}"]
        what += [f"{count(len(plan.tasks), 'new task')}"] if plan.tasks or not plan.removals else []
        what += [f"{count(len(plan.removals), 'task')} removed"] if plan.removals else []
        out.line(f"{', '.join(what)}; at most {count(plan.expected_calls, 'API call')}.", style="bold")
    for why, number in Counter(edit.why for edit in plan.kept).items():
        out.line(f"{count(number, 'field')} {KEPT[why]}.", style="yellow")
    if plan.skipped:
        stay = "stays as it is" if len(plan.skipped) == 1 else "stay as they are"
        out.line(f"{count(len(plan.skipped), 'effect')} {stay}.", style="yellow")


def show_record(out: Output, record: RecordChange, *, indent: int = 0) -> None:
    """One record: every field with old and new value, and why."""
    weight = "" if record.undoes is not None else f"  severity {record.severity}, value {record.value}"
    out.item(styled((record.name, "bold"), (f"  {record.object} {record.record_id}{weight}", "dim")), indent)
    show_fields(out, record, indent=indent + 2)


def show_fields(out: Output, record: RecordChange, *, indent: int) -> None:
    """The fields of one record, marked as in a diff: + was empty, - becomes empty, ~ changes; then why."""
    width = max(len(change.field) for change in record.fields)
    for change in record.fields:
        before, after = show(change.before), show(change.after)
        sign = "+" if before == EMPTY else "-" if after == EMPTY else "~"
        out.item(
            styled((f"{sign} ", SIGNS[sign]), f"{change.field:<{width}}  ", (before, "red"), " → ", (after, "green")),
            indent,
        )
    if record.why:
        out.item(f"why: {record.why}", indent + 2, style="dim")


def show_task(out: Output, task: TaskChange, said: str = "") -> None:
    """One task with what its priority comes from, and why unless that was just `said`."""
    weight = "" if task.undoes is not None else f" (risk {task.severity} x value {task.value})"
    out.item(
        styled(
            ("+ task ", "cyan"),
            task.subject,
            (f"  due {task.due:%Y-%m-%d %H:%M} UTC, for {task.owner_name}, {task.priority} priority{weight}", "dim"),
        ),
        2,
    )
    if task.why != said:
        out.item(f"why: {task.why}", 4, style="dim")


def show_conflict(out: Output, conflict: Conflict) -> None:
    """A field that moved between plan and writing, with both values."""
    out.line(
        styled(
            (conflict.name, "bold"),
            f"  {conflict.field}: said {show(conflict.before)} when the plan was made, now says ",
            (show(conflict.theirs), "yellow"),
            f"; left as it is (the plan: {show(conflict.ours)})",
        )
    )


def _kept(out: Output, edit: HumanEdit) -> None:
    whose = "" if edit.object == "account" else f"{edit.name}  "
    begin = styled(("= ", "yellow"), whose, f"{edit.field}: ")
    theirs, ours, wanted = (show(edit.theirs), "yellow"), show(edit.ours), show(edit.wanted)
    match edit.why:
        case "human":
            rest = styled("somebody wrote ", theirs, f" over our {ours}; left as it is (we would write {wanted})")
        case "ask":
            rest = styled("somebody wrote ", theirs, f" over our {ours}; waits for an answer (we would write {wanted})")
        case "parked":
            rest = styled("our values are taken back again and again; left at ", theirs, f" (we would write {wanted})")
        case "undone":
            rest = styled("an undo put ", theirs, f" back in place of our {wanted}; left as it is")
    out.item(begin + rest, 2)


def show_skipped(out: Output, skipped: Skipped, *, indent: int = 0) -> None:
    """What an undo leaves as it is, and why."""
    what = f"{skipped.what}: " if skipped.what else ""
    out.item(styled((skipped.name or skipped.record_id, "bold"), f"  {what}stays as it is: {skipped.why}"), indent)
