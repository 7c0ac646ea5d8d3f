"""What is planned, what was sent, what became of it: the memory that makes each effect happen once.

docs/ledger.md tells of the states, and of what a crash leaves.

A trigger in the database refuses every transition that is not listed there, and every change of an event.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.base import Change, ObjectName, Outcome, Value
from mapping.identity import collector_paused
from scoring.playbooks import BandState
from sync import ledger_keep, mirror
from sync import ledger_settle as settle
from sync.guard import Verdict
from sync.ledger_journal import OPEN, Journal
from sync.ledger_owned import LedgerError, remember
from sync.ledger_reads import IN_VAIN, LedgerReads
from sync.ledger_rows import (
    HOLD_OFF,
    KEEP,
    MAX_ATTEMPTS,
    PATIENCE,
    GuardRow,
    Kind,
    Op,
    OpRow,
    RunRecord,
    Settled,
    State,
)
from sync.plan import Plan
from sync.seal import seal
from sync.tables import epoch
from sync.values import dumps, loads

__all__ = [
    "HOLD_OFF",
    "KEEP",
    "MAX_ATTEMPTS",
    "PATIENCE",
    "GuardRow",
    "Kind",
    "Ledger",
    "LedgerError",
    "Op",
    "RunRecord",
    "Settled",
    "State",
]

_DEFECT = "This is a defect; please report it with this line."


class Ledger(LedgerReads):
    """The ledger's tables in the state file. Every method is one transaction, and joins one that is open."""

    # -- runs ---------------------------------------------------------------------------------------------------

    def start_run(self, mode: str, now: datetime, *, environment: str = "", config_hash: str = "") -> int:
        """Open a run and return its number. A run that is still open was killed: only one runs at a time.

        Once a day what is older than `KEEP` is pruned.
        """
        with self.store.transaction() as conn:
            if ledger_keep.due(conn, epoch(now)):
                ledger_keep.prune(conn, epoch(now - KEEP))
            conn.execute("UPDATE run SET status = 'killed' WHERE status = 'running'")
            cursor = conn.execute(
                """INSERT INTO run (mode, started, status, counts, environment, config_hash, fence)
                   VALUES (?, ?, 'running', '{}', ?, ?, ?)""",
                (mode, epoch(now), environment, config_hash, self.store.fence or 0),
            )
            return int(cursor.lastrowid or 0)

    def end_run(self, run_id: int, status: str, counts: Mapping[str, Any], now: datetime) -> None:
        """Close a run with its result."""
        with self.store.transaction() as conn:
            conn.execute(
                "UPDATE run SET ended = ?, status = ?, counts = ? WHERE run_id = ?",
                (epoch(now), status, json.dumps(counts, sort_keys=True), run_id),
            )

    # -- plans --------------------------------------------------------------------------------------------------

    def note_plan(self, run_id: int, plan: Plan, now: datetime, *, held: bool = False) -> None:
        """Commit a plan: its hash, and one operation per change.

        Whatever earlier plans have not sent is superseded; an effect that had to be sent again keeps its attempts.
        Left out are updates of records to which an earlier write is still unclear, and tasks whose key is taken.

        Args:
            run_id: The run that will send it.
            plan: What to send.
            now: When.
            held: The guard holds the plan: nothing of it can be sent before `release`.
        """
        with self.store.transaction() as conn, collector_paused():
            conn.execute(
                "UPDATE run SET plan_hash = ?, environment = ?, config_hash = ? WHERE run_id = ?",
                (plan.hash, plan.environment, plan.config_hash, run_id),
            )
            journal = Journal(conn, epoch(now))
            earlier: dict[tuple[str, ...], OpRow] = {}
            for row in journal.ops(f"{OPEN} AND state IN ('planned', 'held', 'retry')"):
                earlier[_effect(row)] = row
                journal.move(row, "superseded", f"by run {run_id}")
            journal.write()  # which frees the keys
            unclear = journal.ops(f"{OPEN} AND state IN ('sending', 'in_doubt')")
            waits = {(row.object, row.record_id) for row in unclear if row.kind == "field"}
            keys = json.dumps([task.key for task in plan.tasks])
            taken = {row.key for row in unclear} | {key for (key,) in conn.execute(_TAKEN_TASKS, (keys,))}
            for draft in _drafts(plan, run_id, journal.at, held=held):
                if draft.key not in taken and (draft.object, draft.record_id) not in waits:
                    taken.add(draft.key)
                    if earlier and (before := earlier.get(_effect(draft))):
                        draft.attempt, draft.not_before = before.attempt, before.not_before
                    journal.begin(draft)
            if not held:
                dealt_with = {change.undoes for change in plan.changes}
                skipped = {one.undoes: one.why for one in plan.skipped if one.undoes not in dealt_with}
                settle.end_undone(journal, {op_id: ("undo_skipped", why) for op_id, why in skipped.items()})
            journal.write()

    def release(self, plan_hash: str, by: str, now: datetime) -> int:
        """Let a held plan pass: this one and no other.

        Returns:
            How many operations may be sent now; none when a later plan has replaced it already.
        """
        with self.store.transaction() as conn:
            runs = "SELECT run_id FROM run WHERE plan_hash = ?"
            conn.execute(
                f"""UPDATE guard SET released_by = ?, released_at = ?
                    WHERE verdict = 'held' AND released_by IS NULL AND run_id IN ({runs})""",
                (by, epoch(now), plan_hash),
            )
            journal = Journal(conn, epoch(now))
            rows = journal.ops(f"{OPEN} AND state = 'held' AND run_id IN ({runs})", (plan_hash,))
            for row in rows:
                journal.move(row, "planned", f"released by {by}")
            journal.write()
        return len(rows)

    def note_guard(self, run_id: int, verdicts: Iterable[Verdict]) -> None:
        """Keep what the guard found on a run's plan."""
        with self.store.transaction() as conn:
            conn.executemany(
                """INSERT OR REPLACE INTO guard (run_id, check_name, measured, allowed, verdict, text)
                   VALUES (?, ?, ?, ?, ?, ?)""",
                [(run_id, v.check, v.measured, v.allowed, "held" if v.held else "passed", v.text) for v in verdicts],
            )

    # -- batches ------------------------------------------------------------------------------------------------

    def send_batch(self, run_id: int, changes: Sequence[Change], settled: Sequence[Settled], now: datetime) -> int:
        """Commit one of two: what reading again has settled, and that `changes` are about to leave.

        Nothing is sent unless this returned.

        Returns:
            The number of the batch; 0 when nothing is left to send.

        Raises:
            LedgerError: When a change is not planned in this run, or the guard holds it. Nothing was committed.
        """
        at = epoch(now)
        with self.store.transaction() as conn:
            journal = Journal(conn, at)
            rows = journal.open_by_key([change.key for change in changes] + [item.key for item in settled])
            leaving = [self._leaving(rows.get(change.key), change, run_id) for change in changes]
            batch_id = self._open_batch(conn, run_id, leaving, at) if leaving else 0
            for row in leaving:
                row.attempt += 1
                row.batch_id, row.sent_at, row.not_before = batch_id, at, None
                journal.move(row, "sending")
            self._note_settled(conn, journal, rows, settled)
            journal.write()
        return batch_id

    def _leaving(self, row: OpRow | None, change: Change, run_id: int) -> OpRow:
        if row is not None and row.run_id == run_id and row.state in ("planned", "retry"):
            return row
        state = "unknown" if row is None else f"{row.state} in run {row.run_id}"
        raise LedgerError(self.store.file, f"{change.object} {change.record_id} is not planned but {state}.", _DEFECT)

    @staticmethod
    def _open_batch(conn: sqlite3.Connection, run_id: int, leaving: Sequence[OpRow], at: int) -> int:
        request = seal((row.key, row.payload) for row in leaving)
        cursor = conn.execute(
            "INSERT INTO batch (run_id, object, size, request_hash, sent_at) VALUES (?, ?, ?, ?, ?)",
            (run_id, leaving[0].object, len(leaving), request, at),
        )
        return int(cursor.lastrowid or 0)

    def _note_settled(
        self, conn: sqlite3.Connection, journal: Journal, rows: Mapping[str, OpRow], settled: Sequence[Settled]
    ) -> None:
        ended = []
        said: dict[ObjectName, dict[str, Mapping[str, Value]]] = {}
        for item in settled:
            row = rows[item.key]
            row.remote_id, row.error = item.remote_id or row.remote_id, settle.clean(item.message)
            journal.move(row, item.state)
            ended.append(row)
            if item.said is not None and row.record_id is not None:
                said.setdefault(row.object, {})[row.record_id] = item.said
        for obj, values in said.items():
            mirror.write_many(conn, obj, values, journal.at)
        settle.after(conn, self.store.file, journal, ended)

    def settle_batch(
        self,
        batch_id: int,
        changes: Sequence[Change],
        outcomes: Sequence[Outcome],
        now: datetime,
        *,
        tried: bool = True,
    ) -> list[State]:
        """Commit two of two: what became of each change, what we now own, and what the CRM says now.

        Args:
            batch_id: As `send_batch` gave it.
            changes: What was sent.
            outcomes: What became of each, in the same order.
            now: When the answer was there.
            tried: False when nothing at all was sent: it counts as no attempt.

        Returns:
            The state of each: one that was tried too often is parked.
        """
        with self.store.transaction() as conn:
            journal = Journal(conn, epoch(now))
            rows = journal.open_by_key(change.key for change in changes)
            pairs = [(rows[change.key], outcome) for change, outcome in zip(changes, outcomes, strict=True)]
            settle.settle(conn, self.store.file, journal, pairs, tried=tried)
            conn.execute("UPDATE batch SET ended_at = ? WHERE batch_id = ?", (journal.at, batch_id))
        return [row.state for row, _ in pairs]

    # -- recovery -----------------------------------------------------------------------------------------------

    def doubt(self, ops: Iterable[Op], now: datetime) -> None:
        """Mark operations found in `sending` after a crash as unclear."""
        with self.store.transaction() as conn:
            journal = Journal(conn, epoch(now))
            for row in journal.by_id(op.op_id for op in ops).values():
                journal.move(row, "in_doubt", "found in sending")
            journal.write()

    def resolve(self, ops: Sequence[Op], outcomes: Sequence[Outcome], now: datetime) -> list[State]:
        """Commit what asking the CRM has shown about unclear operations; gives the state of each."""
        with self.store.transaction() as conn:
            journal = Journal(conn, epoch(now))
            rows = journal.by_id(op.op_id for op in ops)
            settle.settle(
                conn, self.store.file, journal, [(rows[op.op_id], end) for op, end in zip(ops, outcomes, strict=True)]
            )
        return [rows[op.op_id].state for op in ops]

    def asked(self, ops: Iterable[Op], why: str, now: datetime) -> None:
        """Note that the CRM did not say what became of unclear operations."""
        with self.store.transaction() as conn:
            journal = Journal(conn, epoch(now))
            for row in journal.by_id(op.op_id for op in ops).values():
                journal.move(row, "in_doubt", settle.clean(f"{IN_VAIN}: {why}"))
            journal.write()

    def park(self, ops: Iterable[Op], why: str, now: datetime) -> None:
        """Leave unclear operations to a person; the fields they were about are not written until released."""
        with self.store.transaction() as conn:
            journal = Journal(conn, epoch(now))
            for row in journal.by_id(op.op_id for op in ops).values():
                settle.park(conn, journal, row, why)
            journal.write()

    # -- what a new or restored state learns from the CRM -------------------------------------------------------

    def adopt_tasks(self, run_id: int, tasks: Iterable[tuple[Change, str]], now: datetime) -> int:
        """Enter tasks that the CRM shows, although we never made them or forgot that we did: change and task id.

        Returns:
            How many were not known before.
        """
        given = {change.key: (change, task_id) for change, task_id in tasks}
        with self.store.transaction() as conn:
            journal = Journal(conn, epoch(now))
            known = {key for (key,) in conn.execute(_TAKEN_TASKS, (json.dumps(list(given)),))}
            new = [item for key, item in given.items() if key not in known]
            for change, task_id in new:
                row = _draft(run_id, change, journal.at)
                journal.begin(row, "found in the CRM")
                journal.write()  # it must be there before it can move
                row.remote_id = task_id
                journal.move(row, "confirmed", "found in the CRM")
            journal.write()
        return len(new)

    def adopt_values(self, obj: ObjectName, said: Mapping[str, Mapping[str, Value]], now: datetime) -> None:
        """Take what the CRM says in our fields (record id -> field -> value) for what we last wrote."""
        with self.store.transaction() as conn:
            wrote = {record_id: json.loads(dumps(values)) for record_id, values in said.items()}
            remember(conn, self.store.file, obj, wrote, epoch(now))

    # -- keeping and forgetting ---------------------------------------------------------------------------------

    def prune(self, before: datetime) -> int:
        """Remove closed operations on fields, events, batches and empty runs of before an instant.

        Keys of tasks stay for ever, and the chain of what is left stays whole.

        Returns:
            How many operations were removed.
        """
        with self.store.transaction() as conn:
            return ledger_keep.prune(conn, epoch(before))

    def forget(self, obj: ObjectName, record_id: str, now: datetime) -> int:
        """Empty what the ledger says of a record; its operations, their states and the chain stay.

        Returns:
            How many operations were emptied.
        """
        with self.store.transaction() as conn:
            return ledger_keep.forget(conn, obj, record_id, epoch(now))

    # -- episodes -----------------------------------------------------------------------------------------------

    def save_band_states(self, states: Mapping[str, BandState]) -> None:
        """Keep what `band_states` returns next time; rows that say the same are not rewritten."""
        rows = [
            (
                crm_id,
                state.band,
                epoch(state.since),
                json.dumps({name: epoch(start) for name, start in sorted(state.episodes.items())}),
                json.dumps({name: int(said) for name, said in sorted(state.holding.items())}),
            )
            for crm_id, state in states.items()
        ]
        with self.store.transaction() as conn:
            conn.executemany(
                """INSERT INTO band_state (crm_id, band, since, episodes, holding) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (crm_id) DO UPDATE SET
                     band = excluded.band, since = excluded.since, episodes = excluded.episodes,
                     holding = excluded.holding
                   WHERE (band, since, episodes, holding)
                     IS NOT (excluded.band, excluded.since, excluded.episodes, excluded.holding)""",
                rows,
            )


_TAKEN_TASKS = """
SELECT key FROM op WHERE kind = 'task_create' AND state <> 'superseded' AND key IN (SELECT value FROM json_each(?))
"""


def _effect(row: OpRow) -> tuple[str, ...]:
    """What makes an operation the same effect as an earlier one: all but instants, such as when it was scored."""
    if row.kind != "field":
        return (row.key,)
    values = {name: value for name, value in loads(row.payload).items() if not isinstance(value, datetime)}
    return (row.object, row.record_id or "", dumps(values))


def _drafts(plan: Plan, run_id: int, at: int, *, held: bool) -> Iterator[OpRow]:
    """An operation for each change of a plan, in the order in which they are sent."""
    state: State = "held" if held else "planned"
    for record in plan.records:
        row = _draft(run_id, record.as_change(plan.environment), at, state)
        row.before_image = dumps({change.field: change.before for change in record.fields})
        row.undoes = record.undoes
        yield row
    for task in plan.tasks:
        row = _draft(run_id, task.as_change(), at, state)
        row.undoes = task.undoes
        yield row
    for removal in plan.removals:
        row = _draft(run_id, removal.as_change(), at, state)
        row.undoes = removal.undoes
        yield row


def _draft(run_id: int, change: Change, at: int, state: State = "planned") -> OpRow:
    kind: Kind = "field" if change.object != "task" else "task_create" if change.record_id is None else "task_remove"
    payload = dumps(change.values)
    return OpRow(
        0, run_id, kind, change.object, change.record_id, change.key, payload, "{}", state, 0,
        None, None, None, "", "", None, at, None, at,
    )  # fmt: skip
