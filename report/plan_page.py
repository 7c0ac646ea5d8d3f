"""A plan as a page: every change by account, the worst first, with search and filters, and the way on from here.

The page shows a plan whole: nothing in it is cut, and its script counts what it was given and says so in red when that
is not what the plan's own numbers say. Only signs that would mislead the eye are replaced, by `�`: control characters,
halves of characters, and those that turn the direction of writing.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from report.page import STYLE, TABLE_SCRIPTS, page, render
from sync.guard import Verdict
from sync.plan import AnyChange, HumanEdit, KeptWhy, Plan, RecordChange, Skipped, TaskChange, TaskRemoval
from sync.plan_file import Approved
from sync.plan_groups import Group, Places, groups
from sync.values import count, shown

TITLES = {
    "sync": "What Holdfast would write",
    "undo": "What an undo would put back",
    "override": "What would be written for a person",
}
"""By the plan's kind."""

BANDS = ("red", "yellow", "unknown", "green")
"""In the order of the page's list: those that need somebody first."""

CHECKS = {
    "band_changes": "Accounts that change their band",
    "worse": "Accounts that get a worse band",
    "moved": "Scores that move far",
    "mean": "Move of the mean score",
    "new_tasks": "New tasks",
    "tasks_per_owner": "New tasks for one person",
    "field": "Records that one field changes on",
    "emptied": "Fields that are emptied",
    "rejects": "Changes that the CRM refused last time",
    "standing": "An earlier plan that is still held",
    "card": "The scorecard",
    "baseline": "The first fill of this CRM",
    "quality": "Data below its pass mark",
}
"""What the guard's checks measure, by their names; one that is not here goes by its own."""

KEPT: Mapping[KeptWhy, str] = {
    "human": "somebody changed it; left as it is",
    "ask": "somebody changed it; waits for an answer",
    "parked": "our values are taken back again and again; not written any more",
    "undone": "an undo put this back; left as it is",
}
"""Why a field is left alone."""

_MISLEADING = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ud800-\\udfff]"
)


@dataclass(frozen=True, slots=True)
class Step:
    """What one may type next.

    Attributes:
        what: What it does.
        command: As it is typed.
    """

    what: str
    command: str


@dataclass(frozen=True, slots=True)
class About:
    """What a page says beside the plan itself.

    Attributes:
        places: Whose every change is, as of the last scoring.
        verdicts: What the guard measured; None for a saved plan, which keeps only what holds it.
        steps: The way on from here.
        file: Where the plan is saved; empty when it is not.
        approved: Who allowed it.
        left_out: Tasks that a first fill without tasks does not create.
    """

    places: Places
    verdicts: Sequence[Verdict] | None = None
    steps: Sequence[Step] = ()
    file: str = ""
    approved: Approved | None = None
    left_out: int = 0


def plan_page(plan: Plan, about: About) -> str:
    """The page; the same plan and surroundings give the same text."""
    numbers = totals(plan)
    body = render(
        "plan.html",
        title=TITLES[plan.kind],
        plan=plan,
        lines=_lines(plan),
        checks=_checks(plan, about.verdicts),
        measured=about.verdicts is not None,
        expires=plan.made_at + timedelta(seconds=plan.max_age),
        about=about,
        left_out=count(about.left_out, "task"),
        legible=legible,
        hash=plan.hash,
    )
    data = {
        "totals": numbers,
        "bands": BANDS,
        "kept": KEPT,
        "groups": [_group(group) for group in groups(plan, about.places)],
    }
    return page(
        f"{TITLES[plan.kind]}, {plan.made_at:%Y-%m-%d %H:%M} UTC",
        body,
        data,
        scripts=(*TABLE_SCRIPTS, "plan.js"),
        styles=(STYLE, "table.css", "plan.css"),
    )


def totals(plan: Plan) -> dict[str, int]:
    """The plan's own numbers, which the page's script counts again in what it was given."""
    records = Counter(record.object for record in plan.records)
    return {
        "fields": plan.field_count,
        "accounts": records["account"],
        "contacts": records["contact"],
        "tasks": len(plan.tasks),
        "removals": len(plan.removals),
        "kept": len(plan.kept),
        "skipped": len(plan.skipped),
    }


def legible(text: str) -> str:
    """Text in which every sign that would mislead the eye is `�`; line ends and tabs stay."""
    return _MISLEADING.sub("\ufffd", text)


def _lines(plan: Plan) -> list[tuple[int, str]]:
    """The plan in numbers, each with what it counts; what there is none of is left out, but for what always counts."""
    n = totals(plan)
    told = (
        (n["fields"], ("field to write", "fields to write"), True),
        (n["accounts"], ("account", "accounts"), True),
        (n["contacts"], ("contact", "contacts"), False),
        (n["tasks"], ("new task", "new tasks"), plan.kind == "sync"),
        (n["removals"], ("task to remove", "tasks to remove"), False),
        (n["kept"], ("field left alone", "fields left alone"), False),
        (n["skipped"], ("effect that stays", "effects that stay"), False),
        (plan.expected_calls, ("API call at most", "API calls at most"), True),
    )
    return [(number, nouns[number != 1]) for number, nouns, always in told if number or always]


def _checks(plan: Plan, verdicts: Sequence[Verdict] | None) -> list[dict[str, Any]]:
    """What the guard found: a name, what it said, and whether it holds the plan."""
    if verdicts is None:
        return [{"name": "", "held": True, "text": legible(text)} for text in plan.held]
    return [{"name": CHECKS.get(one.check, one.check), "held": one.held, "text": legible(one.text)} for one in verdicts]


# -- the data ------------------------------------------------------------------------------------------------------


def _group(group: Group) -> dict[str, Any]:
    """Everything of one account; parts that are empty are left out, for there are many accounts."""
    changes: tuple[AnyChange, ...] = (*group.records, *group.tasks, *group.removals)
    worst = max(changes, key=lambda one: one.weight, default=None)
    plain: dict[str, Any] = {
        "id": legible(group.place.account_id),
        "name": legible(group.place.name),
        "owner": legible(group.place.owner or ", ".join(sorted({task.owner_name for task in group.tasks}))),
        "band": group.place.band,
        "segments": [legible(name) for name in group.place.segments],
        "weight": group.weight,
        "worst": [worst.severity, worst.value] if worst is not None and worst.undoes is None else None,
        "records": [_record(record) for record in group.records],
        "tasks": [_task(task) for task in group.tasks],
        "removals": [_removal(removal) for removal in group.removals],
        "kept": [_kept(edit) for edit in group.kept],
        "skipped": [_skipped(one) for one in group.skipped],
    }
    return {name: value for name, value in plain.items() if value not in ("", [], None)}


def _record(record: RecordChange) -> dict[str, Any]:
    return {
        "object": record.object,
        "id": legible(record.record_id),
        "name": legible(record.name),
        "why": legible(record.why),
        "fields": [
            [change.field, _shown(shown(change.before)), _shown(shown(change.after))] for change in record.fields
        ],
    }


def _task(task: TaskChange) -> dict[str, Any]:
    return {
        "subject": legible(task.subject),
        "body": legible(task.body),
        "due": f"{task.due:%Y-%m-%d %H:%M} UTC",
        "priority": task.priority,
        "owner": legible(task.owner_name),
        "playbook": legible(task.playbook),
        "why": legible(task.why),
    }


def _removal(removal: TaskRemoval) -> dict[str, Any]:
    return {"id": legible(removal.task_id), "subject": legible(removal.subject), "why": legible(removal.why)}


def _kept(edit: HumanEdit) -> dict[str, Any]:
    return {
        "object": edit.object,
        "id": legible(edit.record_id),
        "name": legible(edit.name),
        "field": edit.field,
        "ours": _shown(shown(edit.ours)),
        "theirs": _shown(shown(edit.theirs)),
        "wanted": _shown(shown(edit.wanted)),
        "why": edit.why,
    }


def _skipped(one: Skipped) -> dict[str, Any]:
    return {
        "object": one.object,
        "id": legible(one.record_id),
        "name": legible(one.name or one.record_id),
        "what": legible(one.what),
        "why": legible(one.why),
    }


def _shown(text: str | None) -> str | None:
    """What `shown` made of a value, fit to be looked at."""
    return None if text is None else legible(text)
