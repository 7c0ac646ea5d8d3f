"""Undo: a plan that puts back what one run found, as far as nobody has touched it since.

This is compensation, not time travel. A field gets its old value only where the CRM still says what the run wrote; a
task goes only if nobody has laid a hand on it. Everything else stays as it is and is named, with why. The plan is
shown, judged, sent and remembered like any other, so that an undo can be undone, and one that was killed goes on when
it is asked for again: the ledger knows which effects were taken back already.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.base import Crm, TaskState, Value
from scoring.inputs import ScoreRow
from sync.budget import batches, expected_calls
from sync.ledger import Ledger, Op, RunRecord
from sync.owned import BANDS, OwnedField
from sync.plan import FieldChange, Plan, PlanError, RecordChange, Skipped, TaskChange, TaskRemoval, derive_key
from sync.store import Store
from sync.values import loads, same, show

OPEN = frozenset({"sending", "in_doubt"})
EFFECTLESS = frozenset({"planned", "held", "retry", "rejected", "gone", "conflict", "parked", "superseded"})
"""States of operations that changed nothing in the CRM: there is nothing to take back."""

UNDER_WAY = "An earlier undo tried, and nobody knows yet whether the CRM did it; try again in a quarter of an hour."

_NAMES = """
SELECT r.source_id, {name} FROM {kind} r JOIN source s ON s.id = r.source
WHERE s.name = ? AND r.source_id IN (SELECT value FROM json_each(?))
"""


class UndoError(Exception):
    """A run cannot be undone; the message says why."""


def require_run(ledger: Ledger, run_id: int) -> RunRecord:
    """The run of that number.

    Raises:
        UndoError: When there is none.
    """
    for run in ledger.runs(limit=-1):
        if run.run_id == run_id:
            return run
    raise UndoError(f"there is no run {run_id}; `holdfast history` lists them.")


def require_known(ledger: Ledger, plan: Plan) -> None:
    """Make sure that what a saved plan takes back is what this state knows under those numbers.

    After an older copy was put back, numbers are given anew.

    Raises:
        PlanError: When it is not.
    """
    places = {
        **{record.undoes: (record.object, record.record_id) for record in plan.records},
        **{removal.undoes: ("task", removal.task_id) for removal in plan.removals},
    }
    wanted = [number for number in places if number is not None]
    rows = ledger.store.rows(
        "SELECT op_id, object, coalesce(record_id, remote_id) FROM op WHERE op_id IN (SELECT value FROM json_each(?))",
        (json.dumps(wanted),),
    )
    known = {op_id: (obj, record_id) for op_id, obj, record_id in rows}
    if any(known.get(number) != places[number] for number in wanted):
        raise PlanError("the plan takes back changes that this state does not know; make it again: `holdfast undo`.")


@dataclass(slots=True)
class _Parts:
    """What the plan is put together from."""

    records: list[RecordChange] = field(default_factory=list)
    removals: list[TaskRemoval] = field(default_factory=list)
    tasks: list[TaskChange] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    done: int = 0
    back: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Undoer:
    """Everything that the plan of an undo is made from.

    Attributes:
        fields: Ours; those that follow others are not put back alone.
        environment: Fingerprint of the CRM account.
    """

    crm: Crm
    store: Store
    ledger: Ledger
    fields: Sequence[OwnedField]
    environment: str
    config_hash: str

    def plan(self, run_id: int, now: datetime) -> Plan:
        """Ask the CRM what it says now, and work out what to put back. Writes nothing.

        Raises:
            UndoError: When there is no such run.
        """
        run = require_run(self.ledger, run_id)
        ops = [op for op in self.ledger.ops(run_id) if op.state not in EFFECTLESS and _sent(op)]
        names = self._names(ops)
        parts = _Parts(done=sum(op.state == "rolled_back" for op in ops))
        for op in ops:
            if op.state in OPEN:
                parts.skipped.append(_skip(op, names, "", "Nobody knows yet whether the CRM took it; try again later."))
            elif op.state == "undo_skipped":
                parts.skipped.append(_skip(op, names, "", op.error or "An earlier undo left it as it is."))
        unclear = {op.undoes: op for op in self.ledger.open_ops() if op.undoes is not None}
        sure = []
        for op in ops:
            if op.op_id in unclear:
                parts.skipped.append(_skip(unclear[op.op_id], names, "", UNDER_WAY))
            elif op.state == "confirmed":
                sure.append(op)
        self._fields_back([op for op in sure if op.kind == "field"], names, parts)
        self._tasks_away([op for op in sure if op.kind == "task_create"], names, parts)
        self._tasks_back([op for op in sure if op.kind == "task_remove"], names, parts)
        parts.lost = max(0, _confirmed(run) - sum(op.state not in OPEN for op in ops))
        return self._put_together(run_id, now, parts)

    def _put_together(self, run_id: int, now: datetime, parts: _Parts) -> Plan:
        notes = [f"Takes back run {run_id}."]
        if parts.done:
            notes.append(f"{parts.done:,} of its changes were taken back before.")
        if parts.back:
            notes.append(f"{parts.back:,} of its changes say again what they said before: they count as taken back.")
        if parts.lost:
            notes.append(f"{parts.lost:,} of its changes are so old that they are not kept any more: they stay.")
        calls = expected_calls(parts.records, parts.tasks, self.crm.write, removals=parts.removals)
        return Plan(
            now,
            self.environment,
            self.config_hash,
            tuple(parts.records),
            tuple(parts.tasks),
            expected_calls=calls,
            notes=tuple(notes),
            kind="undo",
            removals=tuple(parts.removals),
            skipped=tuple(parts.skipped),
        )

    # -- fields -------------------------------------------------------------------------------------------------

    def _fields_back(self, ops: Sequence[Op], names: Mapping[str, str], parts: _Parts) -> None:
        written = self.ledger.written()
        for obj in ("account", "contact"):
            members = [op for op in ops if op.object == obj]
            for batch in batches(members, self.crm.write.read_batch):
                asked = sorted({name for op in batch for name in op.values})
                found = self.crm.read(obj, [op.record_id or "" for op in batch], asked)
                for op in batch:
                    says = found.get(op.record_id or "")
                    if says is None:
                        reason = "The record is not in the CRM any more: it was deleted or merged."
                        parts.skipped.append(_skip(op, names, "", reason))
                        continue
                    ours = written.get((op.object, op.record_id or ""), {})
                    self._field_back(op, says, ours, names.get(op.record_id or "", ""), parts)

    def _field_back(
        self, op: Op, says: Mapping[str, Value], ours: Mapping[str, Value], name: str, parts: _Parts
    ) -> None:
        changes, back, skipped = [], [], []
        for field_name, wrote in sorted(op.values.items()):
            if field_name not in op.before:
                why = "What it said before the run is not known: an earlier version wrote it."
                skipped.append(Skipped(op.object, op.record_id or "", name, field_name, why, op.op_id))
                continue
            before, now = op.before[field_name], says.get(field_name)
            if same(now, before):
                back.append(FieldChange(field_name, now, before))
                continue
            if same(now, wrote):
                changes.append(FieldChange(field_name, now, before))
                continue
            who = "a later run wrote" if same(now, ours.get(field_name)) else "somebody wrote"
            why = f"{who} {show(now)} over our {show(wrote)}; before the run it said {show(before)}."
            skipped.append(Skipped(op.object, op.record_id or "", name, field_name, why, op.op_id))
        followers = {owned.spec.name for owned in self.fields if not owned.moves_alone}
        if not any(change.field not in followers for change in changes):
            # It was put back by an undo that this state does not know any more, or by a person: nothing has to be
            # sent for it, but it must be remembered as taken back, or the next run would write it again.
            changes = back
            parts.back += any(change.field not in followers for change in back)
        if any(change.field not in followers for change in changes):
            why = f"as before run {op.run_id}"
            parts.records.append(
                RecordChange(op.object, op.record_id or "", name, tuple(changes), why, undoes=op.op_id)
            )
            parts.skipped += skipped
        else:
            # Nothing of substance can be put back, so what goes along with it stays too.
            parts.skipped += [one for one in skipped if one.what not in followers]

    # -- tasks --------------------------------------------------------------------------------------------------

    def _tasks_away(self, ops: Sequence[Op], names: Mapping[str, str], parts: _Parts) -> None:
        for batch in batches(ops, self.crm.write.read_batch):
            found = self.crm.read_tasks([op.remote_id for op in batch if op.remote_id])
            for op in batch:
                task = found.get(op.remote_id or "")
                subject = str(op.values["subject"])
                if task is None:
                    reason = "It is not in the CRM any more: somebody deleted it."
                elif not (reason := touched(task, op.values)):
                    account = str(op.values["account_id"])
                    key = derive_key(self.environment, "remove", op.key)
                    why = f"as before run {op.run_id}"
                    name = names.get(account, "")
                    parts.removals.append(TaskRemoval(key, task.task_id, account, name, subject, why, op.op_id))
                    continue
                parts.skipped.append(_skip(op, names, subject, reason))

    def _tasks_back(self, ops: Sequence[Op], names: Mapping[str, str], parts: _Parts) -> None:
        """Make tasks again that an undo took away: with a new key, because the CRM may still hold the old one."""
        made = undone_tasks(self.store, ops)
        there: set[str] = set()
        for batch in batches(ops, self.crm.write.read_batch):
            there |= self.crm.read_tasks([op.record_id for op in batch if op.record_id]).keys()
        for op in ops:
            key, values = made.get(op.undoes or 0, ("", {}))
            if not values:
                parts.skipped.append(_skip(op, names, "", "What the task said is not kept any more."))
            elif op.record_id in there:
                reason = "It is there again: somebody brought it back."
                parts.skipped.append(_skip(op, names, str(values["subject"]), reason))
            else:
                parts.tasks.append(self._again(key, values, op, names))

    def _again(self, key: str, values: Mapping[str, Value], removal: Op, names: Mapping[str, str]) -> TaskChange:
        due, account = values["due"], str(values["account_id"])
        assert isinstance(due, datetime)  # noqa: S101  # tells the type checker what every task has
        owner, fallback = values.get("owner_id"), values.get("fallback_owner_id")
        return TaskChange(
            key=derive_key(self.environment, "again", key, str(removal.op_id)),
            account_id=account,
            account_name=names.get(account, ""),
            playbook="",
            subject=str(values["subject"]),
            body=str(values["body"]),
            due=due,
            priority=str(values["priority"]),
            owner_id=None if owner is None else str(owner),
            owner_name="nobody" if owner is None else str(owner),
            why=f"as before run {removal.run_id}",
            fallback_owner_id=None if fallback is None else str(fallback),
            undoes=removal.op_id,
        )

    # -- names --------------------------------------------------------------------------------------------------

    def _names(self, ops: Iterable[Op]) -> dict[str, str]:
        """CRM id -> what people call the record, for accounts and contacts that these operations are about."""
        return record_names(self.store, self.crm.name, ops)


def record_names(store: Store, crm: str, ops: Iterable[Op]) -> dict[str, str]:
    """CRM id -> what people call the record: the account's name, the contact's e-mail address.

    Args:
        store: The state file.
        crm: Name of the CRM's source.
        ops: What the records are asked for.
    """
    ids: dict[str, set[str]] = {"account": set(), "contact": set()}
    tasks = undone_tasks(store, ops := list(ops))
    for op in ops:
        values = op.values or tasks.get(op.undoes or 0, ("", {}))[1]
        if op.kind == "field":
            ids[op.object].add(op.record_id or "")
        elif "account_id" in values:
            ids["account"].add(str(values["account_id"]))
    found: dict[str, str] = {}
    for kind, column in (("account", "r.name"), ("contact", "r.email")):
        rows = store.rows(_NAMES.format(kind=kind, name=column), (crm, json.dumps(sorted(ids[kind]))))
        found.update({record_id: name for record_id, name in rows if name})
    return found


def undone_tasks(store: Store, ops: Iterable[Op]) -> dict[int, tuple[str, dict[str, Value]]]:
    """The tasks that these operations took back: number of the operation that made one -> key, and what was sent."""
    rows = store.rows(
        "SELECT op_id, key, payload FROM op WHERE kind = 'task_create' AND op_id IN (SELECT value FROM json_each(?))",
        (json.dumps([op.undoes for op in ops if op.undoes is not None]),),
    )
    return {op_id: (key, loads(payload)) for op_id, key, payload in rows}


def touched(task: TaskState, made: Mapping[str, Value]) -> str:
    """What somebody has done to a task of ours since it was made, in words; empty when nobody has.

    Args:
        task: As the CRM has it now.
        made: As it was sent.
    """
    owners = {made.get("owner_id"), made.get("fallback_owner_id")}
    due = made.get("due")
    if task.closed:
        return "Somebody has closed it."
    if task.owner_id not in owners and owners != {None}:
        return "Somebody has given it to another owner."
    if not same(task.subject, made.get("subject")):
        return "Somebody has changed its subject."
    if " ".join(task.body.split()) != " ".join(str(made.get("body") or "").split()):
        return "Somebody has changed its text."
    if task.due is not None and isinstance(due, datetime) and task.due.date() != due.date():
        return "Somebody has moved its due date."
    return "Somebody has worked on it." if task.touched else ""


def _confirmed(run: RunRecord) -> int:
    """How many changes the CRM took from a run while it ran."""
    endings = run.counts.get("endings")
    return int(endings.get("confirmed", 0)) if isinstance(endings, dict) else 0


def _sent(op: Op) -> bool:
    """Whether the run itself sent it; what the CRM said or had before is no effect of the run."""
    return op.sent_at is not None


def _skip(op: Op, names: Mapping[str, str], what: str, why: str) -> Skipped:
    record_id = op.record_id or op.remote_id or ""
    place = str(op.values.get("account_id") or record_id)
    what = what or (str(op.values.get("subject") or "task") if op.object == "task" else ", ".join(sorted(op.values)))
    return Skipped(op.object, record_id, names.get(place, ""), what, why, op.op_id)


def outcome(
    plan: Plan, written: Mapping[tuple[str, str], Mapping[str, Value]], fields: Sequence[OwnedField]
) -> list[ScoreRow]:
    """What records will say once an undo is done, in the form in which the guard knows what is wanted.

    Args:
        plan: Of the undo.
        written: What we last wrote, by object and record id.
        fields: Ours.
    """
    after: dict[tuple[str, str], dict[str, Value]] = {
        (record.object, record.record_id): {change.field: change.after for change in record.fields}
        for record in plan.records
    }
    names = {field.logical: field.spec.name for field in fields}
    rows = []
    for (obj, crm_id), values in written.items():
        says = {**values, **after.get((obj, crm_id), {})}
        score, band = says.get(names.get("account.health_score", "")), says.get(names.get("account.health_band", ""))
        rows.append(
            ScoreRow(
                level="contact" if obj == "contact" else "account",
                key=0,
                crm_id=crm_id,
                name=None,
                owner_id=None,
                score=int(score) if isinstance(score, int | float) else None,
                health=None,
                points=0,
                coverage=0,
                band=next((known for known in BANDS if known == band), "unknown"),
                segments=(),
                reason="",
                signals=(),
                features={},
            )
        )
    return rows
