"""A plan as a person reads it: per record and field, old value → new value, and why."""

from cli.output import Output, count, styled
from sync.plan import HumanEdit, Plan, RecordChange, TaskChange
from sync.values import show

SHORT = 20
"""Records shown on a terminal without `--full`."""


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
    for edit in plan.kept[:limit]:
        _kept(out, edit)
    totals(out, plan)


def totals(out: Output, plan: Plan) -> None:
    """The last lines of a plan."""
    accounts = sum(record.object == "account" for record in plan.records)
    contacts = len(plan.records) - accounts
    out.line()
    for note in plan.notes:
        out.line(f"Note: {note}", style="yellow")
    if plan.empty:
        out.line("Nothing to change.", style="green")
    else:
        out.line(
            f"{count(plan.field_count, 'field')} on {count(accounts, 'account')} and {count(contacts, 'contact')}, "
            f"{count(len(plan.tasks), 'new task')}; at most {count(plan.expected_calls, 'API call')}.",
            style="bold",
        )
    if plan.kept:
        out.line(f"{count(len(plan.kept), 'field')} changed by people and left as they are.", style="yellow")


def show_record(out: Output, record: RecordChange) -> None:
    """One record: every field with old and new value, and why."""
    out.line(styled((record.name, "bold"), (f"  {record.object} {record.record_id}", "dim")))
    width = max(len(change.field) for change in record.fields)
    for change in record.fields:
        out.line(
            styled(f"  {change.field:<{width}}  ", (show(change.before), "red"), " → ", (show(change.after), "green"))
        )
    if record.why:
        out.line(f"  why: {record.why}", style="dim")


def show_task(out: Output, task: TaskChange, said: str = "") -> None:
    """One task, and why unless that was just `said`."""
    out.line(
        styled(
            ("  + task ", "cyan"),
            task.subject,
            (f"  due {task.due:%Y-%m-%d %H:%M} UTC, for {task.owner_name}, {task.priority} priority", "dim"),
        )
    )
    if task.why != said:
        out.line(f"    why: {task.why}", style="dim")


def _kept(out: Output, edit: HumanEdit) -> None:
    out.line(
        styled(
            (edit.name, "bold"),
            f"  {edit.field}: somebody wrote ",
            (show(edit.theirs), "yellow"),
            f" over our {show(edit.ours)}; left as it is (we would write {show(edit.wanted)})",
        )
    )
