"""Works out a plan: what every scored record should say, compared with what the CRM says, under the admin's policy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from connectors.base import Clock, Crm, ObjectName, Value, WriteSpec
from scoring.cards import AnyCards
from scoring.inputs import ScoreRow
from sync import accountable, baseline, frames, mirror
from sync.budget import Budget, expected_calls
from sync.diff import Known, sweeps
from sync.kept import compare
from sync.ledger import Ledger
from sync.order import Names, account_values, weigh
from sync.owned import FOLLOWERS, OwnedField
from sync.plan import Plan, RecordChange, TaskChange, TaskRemoval
from sync.playing import Stage
from sync.policy import Policy
from sync.standings import Outcome
from sync.store import Store
from sync.tables import epoch
from sync.values import same

OBJECTS: tuple[ObjectName, ...] = ("account", "contact")

BULK_NOTE = "Updates go by bulk jobs: in requests of their own they would take more calls than a run may spend."


LATE = timedelta(days=1)
"""How long what we sent without hearing of it again counts as ours when it turns up: a bulk job goes on without us."""


@dataclass(slots=True)
class Planner:
    """Everything that a plan is made from.

    Attributes:
        written: What we last wrote, by (object, record id); known once a plan was made.
        settled: Which accounts get no task for now, and which overrides wait for a person.
        nobodys: Red accounts for which nobody answers; known once a plan was made.
    """

    crm: Crm
    store: Store
    ledger: Ledger
    card: AnyCards
    fields: Sequence[OwnedField]
    policy: Policy
    clock: Clock
    config_hash: str
    written: Mapping[tuple[str, str], Mapping[str, Value]] = field(default_factory=dict)
    settled: Outcome | None = None
    nobodys: tuple[str, ...] = ()

    def make(self, rows: Sequence[ScoreRow], as_of: datetime, environment: str) -> Plan:
        """Desired minus current. Remembers which band each account is in, so that an episode starts once."""
        written = self.written = self.ledger.written()
        accounts = {record.crm_id: record for record in frames.accounts_for_plan(self.store, crm=self.crm.name)}
        known = self._known("account", accounts.values())
        if self.policy.contacts:
            known |= self._known("contact", frames.contacts_for_plan(self.store, crm=self.crm.name))
        wanted = [f for f in self.fields if self.policy.contacts or f.spec.object != "contact"]
        self._confirm_edits(known, wanted)
        records, kept = compare(self.store, rows, known, wanted, as_of, self.policy)
        tasks, removals = self._tasks(rows, accounts, environment, as_of) if self.policy.tasks else ([], [])
        records, tasks = self._weigh(records, tasks, known, as_of)
        bulk = Budget(self.crm, self.policy.budget_share).needs_bulk(records, tasks)
        refused = [one.line for one in self.settled.waiting] if self.settled else []
        nobodys = accountable.lines(self.nobodys, {crm_id: one.name for crm_id, one in accounts.items()})
        notes = ((BULK_NOTE,) if bulk else ()) + (*nobodys, *sweeps(records, kept, written), *refused)
        return Plan(
            as_of,
            environment,
            self.config_hash,
            tuple(records),
            tuple(tasks),
            tuple(kept),
            expected_calls(records, tasks, self.crm.write, removals=removals, bulk=bulk),
            notes,
            max_age=self.policy.plan_max_age,
            removals=tuple(removals),
        )

    def _known(self, obj: str, records: Iterable[frames.CrmRecord]) -> dict[tuple[str, str], Known]:
        """What the CRM says of records, and what we wrote there."""
        first = baseline.stand(self.store).open
        marks = [f.spec.name for f in self.fields if f.spec.object == obj and f.logical.partition(".")[2] in FOLLOWERS]
        known: dict[tuple[str, str], Known] = {}
        for record in records:
            wrote = self.written.get((obj, record.crm_id), {})
            over = first or any(record.values.get(name) is not None for name in marks)
            known[obj, record.crm_id] = Known(record.name, record.values, wrote, record.account_id or "", over)
        return known

    def _weigh(
        self,
        records: list[RecordChange],
        tasks: list[TaskChange],
        known: Mapping[tuple[str, str], Known],
        as_of: datetime,
    ) -> tuple[list[RecordChange], list[TaskChange]]:
        """Put what matters most first."""
        if not records and not tasks:
            return records, tasks
        values = account_values(self.store, self.crm.name, as_of)
        homes = {record_id: record.account_id for (obj, record_id), record in known.items() if obj == "contact"}
        return weigh(records, tasks, Names.of(self.fields), values, homes)

    def _confirm_edits(self, known: dict[tuple[str, str], Known], fields: Sequence[OwnedField]) -> None:
        """Ask the CRM itself about values that look edited: what a search index says may be a minute old."""
        names: dict[str, list[str]] = {obj: [f.spec.name for f in fields if f.spec.object == obj] for obj in OBJECTS}
        suspects: dict[str, list[str]] = {}
        for (kind, record_id), record in known.items():
            # Most records say exactly what we wrote, which is quickly seen.
            if record.current != record.written and any(record.edited(name) for name in names[kind]):
                suspects.setdefault(kind, []).append(record_id)
        now = self.clock.now()
        late = self.ledger.unconfirmed(now - LATE) if suspects else {}
        for obj in OBJECTS:
            ids = suspects.get(obj, [])
            for start in range(0, len(ids), self.crm.write.read_batch):
                batch = ids[start : start + self.crm.write.read_batch]
                found = self.crm.read(obj, batch, names[obj])
                ours = {record_id: _late(values, late.get((obj, record_id), ())) for record_id, values in found.items()}
                with self.store.transaction() as conn:
                    mirror.write_many(conn, obj, found, epoch(now))
                    # Known for ours from now on, however long it stands there.
                    self.ledger.adopt_values(obj, {key: values for key, values in ours.items() if values}, now)
                for record_id, values in found.items():
                    old = known[obj, record_id]
                    written = {**old.written, **ours[record_id]}
                    known[obj, record_id] = replace(old, current=values, written=written)

    def _tasks(
        self,
        rows: Sequence[ScoreRow],
        accounts: Mapping[str, frames.CrmRecord],
        environment: str,
        as_of: datetime,
    ) -> tuple[list[TaskChange], list[TaskRemoval]]:
        """What the playbooks call for: tasks to be made, and tasks that nobody needs any more."""
        policy = self.policy
        stage = Stage(self.crm, self.store, self.ledger, self.card, environment, policy.team, policy.fallback_owner)
        decisions = stage.play(rows, as_of, self.settled.paused if self.settled else {})
        done, self.nobodys = self.ledger.known_tasks(), decisions.nobodys
        wanted = [stage.change(task, accounts[task.crm_id]) for task in decisions.tasks if task.crm_id in accounts]
        return [change for change in wanted if change.key not in done], stage.removals(decisions.clear, accounts, as_of)


def _late(says: Mapping[str, Value], sent: Iterable[Mapping[str, Value]]) -> dict[str, Value]:
    """What a record says that we sent and never heard of again."""
    return {name: value for values in sent for name, value in values.items() if same(value, says.get(name))}


def without_tasks(plan: Plan, spec: WriteSpec) -> Plan:
    """The same plan, with nothing for anybody to do."""
    calls = expected_calls(plan.records, (), spec, removals=plan.removals, bulk=BULK_NOTE in plan.notes)
    return replace(plan, tasks=(), expected_calls=calls)
