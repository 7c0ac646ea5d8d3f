"""Plans for the tests of pages: one with a line of every kind, and long ones."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sync.guard import Verdict
from sync.plan import FieldChange, HumanEdit, Plan, RecordChange, Skipped, TaskChange, TaskRemoval
from sync.plan_groups import Place, Places

MADE = datetime(2026, 11, 1, 6, tzinfo=UTC)
OWNERS = ("Dana Reyes", "Ömer Kaya", "Li Wei")
BANDS = ("red", "yellow", "green", "unknown")
VERDICTS = (
    Verdict("band_changes", 120, 50, held=True, text="120 of 400 accounts change their band (30.0%); 50 may."),
    Verdict("moved", 3, 50, held=False, text="3 of 400 scores move by 20 points or more (0.8%); 50 may."),
)


def score(record_id: str, name: str, before: int | None, after: int, *, severity: int, value: int) -> RecordChange:
    """An account whose score, band and reason change."""
    band = "red" if after < 40 else "green"
    fields = (
        FieldChange("holdfast_health_score", before, after),
        FieldChange("holdfast_health_band", "yellow", band),
        FieldChange("holdfast_health_reason", None, f"usage down to {after}"),
    )
    return RecordChange("account", record_id, name, fields, f"usage down to {after}", severity, value)


def task(record_id: str, name: str, owner: str = "Dana Reyes") -> TaskChange:
    """A call to make."""
    due = MADE + timedelta(days=1)
    body = f"Why now: usage of {name} fell.\n- ask about the team\n- offer a review"
    return TaskChange(
        f"k{record_id}", record_id, name, "rescue", f"Call {name}", body, due, "high", "7", owner, "newly red",
        severity=100, value=40,
    )  # fmt: skip


def every_kind() -> tuple[Plan, Places]:
    """Three accounts, a person, a task to create and one to remove, fields left alone, and an effect that stays."""
    acme, basalt, cobalt = ("1", "Acme Süd"), ("2", "Basalt 10"), ("3", "Cobalt 9")
    records = (
        score(*acme, 70, 31, severity=79, value=90),
        score(*basalt, 50, 38, severity=52, value=10),
        RecordChange(
            "contact",
            "31",
            "Ines Ó Briain",
            (FieldChange("holdfast_engagement", 40, 10),),
            "no login for 21 days",
            3,
            20,
        ),
    )
    kept = (
        HumanEdit("account", *cobalt, "holdfast_health_band", "red", "green", "yellow", "ask"),
        HumanEdit("account", *basalt, "holdfast_segments", ("new",), ("vip",), ("at_risk", "new"), "human"),
    )
    removals = (TaskRemoval("r", "900", *cobalt, "Call Cobalt 8", "the account recovered", 5),)
    skipped = (Skipped("account", *cobalt, "holdfast_health_score", "somebody wrote 50 since", 6),)
    plan = Plan(
        MADE, "env", "cfg", records, (task(*acme),), kept, 12, ("Updates go by bulk jobs.",),
        held=("120 of 400 accounts change their band (30.0%); 50 may.",), removals=removals, skipped=skipped,
    )  # fmt: skip
    places = Places(
        {
            "1": Place("1", "Acme Süd", "Dana Reyes", "red", ("at_risk", "vip")),
            "2": Place("2", "Basalt 10", "Li Wei", "red", ("at_risk",)),
            "3": Place("3", "Cobalt 9", "Li Wei", "green"),
        },
        {"31": "3"},
    )
    return plan, places


def long(accounts: int, seed: int = 1) -> tuple[Plan, Places]:
    """A plan with many accounts, one person and now and then a task each; the same seed, the same plan."""
    draw = random.Random(seed)
    records, tasks, places, homes = [], [], {}, {}
    for number in range(accounts):
        crm_id, name = str(1000 + number), f"{draw.choice(('Orchard', 'Kestrel', 'Harbor'))} {number}"
        change = score(crm_id, name, draw.randint(0, 100), draw.randint(0, 100), severity=draw.randint(1, 100), value=7)
        records.append(change)
        places[crm_id] = Place(crm_id, name, draw.choice(OWNERS), draw.choice(BANDS), ("new",) if number % 3 else ())
        homes[f"9{crm_id}"] = crm_id
        fields = (FieldChange("holdfast_engagement", 50, draw.randint(0, 49)),)
        records.append(RecordChange("contact", f"9{crm_id}", f"Person {number}", fields, "no login", 2, 7))
        tasks += [task(crm_id, name)] if number % 10 == 0 else []
    return Plan(MADE, "env", "cfg", tuple(records), tuple(tasks), expected_calls=accounts), Places(places, homes)


def hostile(texts: Sequence[str]) -> tuple[Plan, Places]:
    """A plan in which every text that anybody may choose is one of these, turn by turn."""
    records, tasks, removals, kept, skipped, places = [], [], [], [], [], {}
    for number, text in enumerate(texts):
        crm_id = str(number)
        fields = (
            FieldChange("holdfast_health_reason", text, text + text),
            FieldChange("holdfast_segments", (text,), None),
        )
        records.append(RecordChange("account", crm_id, text, fields, text))
        tasks.append(
            TaskChange(f"k{number}", crm_id, text, text, text, text, MADE, "high", "7", text, text + "?", severity=9)
        )
        removals.append(TaskRemoval(f"r{number}", text, crm_id, text, text, text))
        kept.append(HumanEdit("contact", f"c{number}", text, "holdfast_engagement", text, text, text))
        skipped.append(Skipped("account", crm_id, text, "holdfast_health", text, number))
        places[crm_id] = Place(crm_id, text, text, "red", (text,))
    plan = Plan(
        MADE, "env", "cfg", tuple(records), tuple(tasks), tuple(kept), notes=tuple(texts), held=tuple(texts),
        removals=tuple(removals), skipped=tuple(skipped),
    )  # fmt: skip
    return plan, Places(places)
