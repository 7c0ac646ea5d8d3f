"""A plan as a person reads it: per record and field, old value → new value, and why."""

from collections import Counter

from cli.output import Output, count, styled
from sync.plan import HumanEdit, KeptWhy, Plan, RecordChange, Skipped, TaskChange, TaskRemoval
from sync.run_report import Conflict
from sync.values import show

SHORT = 20
"""Records shown on a terminal without `--full`."""

KEPT: dict[KeptWhy, str] = {
    "human": "changed by people and left alone: holdfast edits",
    "ask": "changed by somebody and waiting for an answer: holdfast edits",
    "parked": "taken back again and again, and not written any more: holdfast edits",
    "undone": "left as an undo put them back, until something else is to be written",
}
"""What the numbers below a plan say of fields that are left alone."""


def show_plan(out: Output, plan: Plan, *, full: bool) -> None:
    """Print a plan: accounts with their tasks first, then contacts, then what people changed, then totals."""
    tasks: dict[str, list[TaskChange]] = {}
    for task in plan.tasks:
        tasks.setdefault(task.account_id, []).append(task)
    limit = None if full or not out.terminal else SHORT
    for record in plan.records[:limit]:
        show_record(out, record)
        for task in tasks.pop(record.record_id, []) if record.object == "account" else ():
            show_task(out, task, record.why)
    if limit is None:
        for rest in tasks.values():
            out.line(rest[0].account_name, style="bold")
            for task in rest:
                show_task(out, task)
    elif len(plan.records) > limit:
        out.line(f"… and {count(len(plan.records) - limit, 'more record')}: --full shows all.", style="dim")
    _show_rest(out, plan, limit)
    totals(out, plan)


def _show_rest(out: Output, plan: Plan, limit: int | None) -> None:
    """What is taken away, and what is left alone."""
    for removal in plan.removals[:limit]:
        _removal(out, removal)
    for edit in plan.kept[:limit]:
        _kept(out, edit)
    for skipped in plan.skipped[:limit]:
        show_skipped(out, skipped)


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


def show_record(out: Output, record: RecordChange) -> None:
    """One record: every field with old and new value, and why."""
    weight = "" if record.undoes is not None else f"  severity {record.severity}, value {record.value}"
    out.line(styled((record.name, "bold"), (f"  {record.object} {record.record_id}{weight}", "dim")))
    width = max(len(change.field) for change in record.fields)
    for change in record.fields:
        out.line(
            styled(f"  {change.field:<{width}}  ", (show(change.before), "red"), " → ", (show(change.after), "green"))
        )
    if record.why:
        out.line(f"  why: {record.why}", style="dim")


def show_task(out: Output, task: TaskChange, said: str = "") -> None:
    """One task with what its priority comes from, and why unless that was just `said`."""
    weight = "" if task.undoes is not None else f" (risk {task.severity} x value {task.value})"
    out.line(
        styled(
            ("  + task ", "cyan"),
            task.subject,
            (f"  due {task.due:%Y-%m-%d %H:%M} UTC, for {task.owner_name}, {task.priority} priority{weight}", "dim"),
        )
    )
    if task.why != said:
        out.line(f"    why: {task.why}", style="dim")


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
    begin = styled((edit.name, "bold"), f"  {edit.field}: ")
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
    out.line(begin + rest)


def _removal(out: Output, removal: TaskRemoval) -> None:
    out.line(styled((removal.account_name, "bold"), ("  - task ", "red"), removal.subject, (f"  {removal.why}", "dim")))


def show_skipped(out: Output, skipped: Skipped) -> None:
    """What an undo leaves as it is, and why."""
    what = f"{skipped.what}: " if skipped.what else ""
    out.line(styled((skipped.name or skipped.record_id, "bold"), f"  {what}stays as it is: {skipped.why}"))
