"""A handful of accounts whose fields people, flows and our runs change, with a real ledger and no network."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.base import Outcome, Value
from scoring.inputs import ScoreRow
from sync.diff import Known
from sync.edits import Edits
from sync.kept import compare
from sync.ledger import Ledger
from sync.owned import default_fields
from sync.plan import FieldChange, HumanEdit, Plan, RecordChange
from sync.policy import HumanEdits, Policy
from sync.store import Store
from sync.values import same

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
ENV = "hubspot:STANDARD:1"
FIELDS = default_fields(["power"])
SCORE, BAND, REASON, AGENT = (
    "holdfast_health_score",
    "holdfast_health_band",
    "holdfast_health_reason",
    "holdfast_agent",
)
FOLLOWERS = frozenset(field.spec.name for field in FIELDS if not field.moves_alone)


def wish(record_id: str, score: int) -> ScoreRow:
    return ScoreRow(
        "account", int(record_id), record_id, f"Customer {record_id}", None, score, 1 + score // 25, 250, 90,
        "red" if score < 40 else "green", (), f"at {score}", (), {},
    )  # fmt: skip


class EditsDesk:
    """The CRM as a dictionary, runs that write into it through the ledger, and an hour between them."""

    def __init__(self, store: Store, accounts: int = 1) -> None:
        self.store = store
        self.ledger = Ledger(store)
        self.edits = Edits(store)
        self.now = NOW
        self.policy = Policy()
        self.crm: dict[str, dict[str, Value]] = {str(n): {} for n in range(1, accounts + 1)}
        self.scores = dict.fromkeys(self.crm, 50)
        self.flow: Callable[[dict[str, Value]], None] = lambda _: None
        self.runs = 0

    def rules(self, default: HumanEdits = "keep", **edits: HumanEdits) -> None:
        self.policy = Policy(default, edits={f"account.{name}": rule for name, rule in edits.items()})

    def known(self) -> dict[tuple[str, str], Known]:
        written = self.ledger.written()
        return {
            ("account", record_id): Known(f"Customer {record_id}", dict(says), written.get(("account", record_id), {}))
            for record_id, says in self.crm.items()
        }

    def compared(self) -> tuple[list[RecordChange], list[HumanEdit]]:
        """What a run would do now."""
        rows = [wish(record_id, score) for record_id, score in self.scores.items()]
        return compare(self.store, rows, self.known(), FIELDS, self.now, self.policy)

    def run(self) -> tuple[list[RecordChange], list[HumanEdit]]:
        """One run an hour later: what it wrote and what it left alone."""
        self.now += timedelta(hours=1)
        records, kept = self.compared()
        self.write(Plan(self.now, ENV, "hash", tuple(records), kept=tuple(kept)))
        return records, kept

    def write(self, plan: Plan) -> int:
        """Carry a plan out; the flow answers every write."""
        run_id = self.ledger.start_run(plan.kind, self.now)
        self.runs += 1
        self.ledger.note_plan(run_id, plan, self.now)
        changes = [record.as_change(ENV) for record in plan.records]
        if changes:
            batch = self.ledger.send_batch(run_id, changes, [], self.now)
            for change in changes:
                assert change.record_id is not None
                self.crm[change.record_id].update(change.values)
                self.flow(self.crm[change.record_id])
            outcomes = [Outcome(change.key, "confirmed", change.record_id) for change in changes]
            self.ledger.settle_batch(batch, changes, outcomes, self.now)
        self.ledger.end_run(run_id, "done", {"endings": {"confirmed": len(changes)}}, self.now)
        return run_id

    def undo(self, run_id: int) -> int:
        """What `undo` does to fields, without asking anybody."""
        records = []
        for op in self.ledger.ops(run_id):
            says = self.crm[op.record_id or ""]
            back = {name: op.before[name] for name, value in op.values.items() if same(says.get(name), value)}
            record = RecordChange("account", op.record_id or "", "C", (), "undo", undoes=op.op_id)
            changes = [(name, says.get(name), value) for name, value in back.items() if not same(says.get(name), value)]
            if op.state == "confirmed" and changes:
                records.append(replace(record, fields=_fields(changes)))
        return self.write(Plan(self.now, ENV, "hash", tuple(records), kind="undo"))


def _fields(changes: Sequence[tuple[str, Value, Value]]) -> tuple[FieldChange, ...]:
    return tuple(FieldChange(*change) for change in changes)
