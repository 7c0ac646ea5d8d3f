"""What can be asked of the ledger, without changing it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.base import Value
from sync.ledger_check import findings
from sync.ledger_journal import OPEN, SELECT_OPS
from sync.ledger_owned import SELECT_OWNED, written
from sync.ledger_rows import GuardRow, Op, OpRow, RunRecord, shown
from sync.store import Store
from sync.tables import epoch, instant

if TYPE_CHECKING:
    from scoring.playbooks import BandState

IN_VAIN = "asked in vain"
"""Begins the detail of an event that tells of a question without an answer."""

_PENDING = "('planned', 'held', 'retry', 'superseded')"


class LedgerReads:
    """The ledger's tables in the state file, as they are."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # -- runs ---------------------------------------------------------------------------------------------------

    def runs(self, limit: int = 5) -> list[RunRecord]:
        """The newest runs first."""
        rows = self._rows(
            """SELECT run_id, mode, started, ended, status, counts, environment, config_hash, plan_hash
               FROM run ORDER BY run_id DESC LIMIT ?""",
            (limit,),
        )
        return [
            RunRecord(
                run_id, mode, instant(started), instant(ended) if ended else None, status, json.loads(counts), *rest
            )
            for run_id, mode, started, ended, status, counts, *rest in rows
        ]

    def scored_before(self, at: datetime, *, or_at: bool = False) -> datetime | None:
        """The instant of the last run that scored before another instant (or at it); None when none did."""
        found = self._rows(
            f"""SELECT json_extract(counts, '$.as_of') FROM run WHERE json_extract(counts, '$.scored') <> '{{}}'
                AND CAST(strftime('%s', json_extract(counts, '$.as_of')) AS INTEGER) {"<=" if or_at else "<"} ?
                ORDER BY run_id DESC LIMIT 1""",
            (epoch(at),),
        )
        return datetime.fromisoformat(found[0][0]) if found else None

    def noted(self, run_id: int) -> bool:
        """Whether a plan was noted for this run."""
        return bool(self._rows("SELECT 1 FROM run WHERE run_id = ? AND plan_hash <> ''", (run_id,)))

    def guard_rows(self, run_id: int | None = None) -> list[GuardRow]:
        """What the guard found, of one run or of all, the newest run first."""
        where, parameters = ("WHERE run_id = ?", (run_id,)) if run_id is not None else ("", ())
        rows = self._rows(
            f"""SELECT run_id, check_name, measured, allowed, verdict = 'held', text, released_by, released_at
                FROM guard {where} ORDER BY run_id DESC, check_name""",
            parameters,
        )
        return [
            GuardRow(run, name, measured, allowed, bool(held), text, by, instant(at) if at else None)
            for run, name, measured, allowed, held, text, by, at in rows
        ]

    # -- operations ---------------------------------------------------------------------------------------------

    def open_ops(self) -> list[Op]:
        """Every operation whose outcome is unknown, oldest first."""
        return self._ops(f"{OPEN} AND state IN ('sending', 'in_doubt')")

    def asked_since(self, ops: Iterable[Op]) -> dict[int, datetime]:
        """When the CRM was first asked in vain about these operations, by number."""
        rows = self._rows(
            """SELECT op_id, min(at) FROM op_event
               WHERE op_id IN (SELECT value FROM json_each(?)) AND detail LIKE ? GROUP BY op_id""",
            (json.dumps([op.op_id for op in ops]), f"{IN_VAIN}%"),
        )
        return {op_id: instant(at) for op_id, at in rows}

    def ops(self, run_id: int) -> list[Op]:
        """Every operation of a run, in the order of the plan."""
        return self._ops("run_id = ?", (run_id,))

    def due(self, run_id: int) -> dict[str, datetime | None]:
        """Keys of what a run may send -> before when it must not, None when at once."""
        rows = self._rows(
            "SELECT key, not_before FROM op WHERE run_id = ? AND state IN ('planned', 'retry')", (run_id,)
        )
        return {key: instant(at) if at else None for key, at in rows}

    def known_tasks(self) -> frozenset[str]:
        """Keys of tasks that need no creating: created, refused for good, parked, or still unclear."""
        rows = self._rows(f"SELECT key FROM op WHERE kind = 'task_create' AND state NOT IN {_PENDING}")
        return frozenset(key for (key,) in rows)

    def unconfirmed(self, since: datetime) -> dict[tuple[str, str], list[Mapping[str, Value]]]:
        """What we sent since then and never heard of again, by (object, record id): it may have arrived late."""
        found: dict[tuple[str, str], list[Mapping[str, Value]]] = {}
        states = "('in_doubt', 'retry', 'superseded', 'parked')"
        for op in self._ops(f"state IN {states} AND kind = 'field' AND sent_at >= ?", (epoch(since),)):
            found.setdefault((op.object, op.record_id or ""), []).append(op.values)
        return found

    def tasks_on(self, account_ids: Iterable[str]) -> dict[str, tuple[str, datetime]]:
        """Tasks made on these accounts, the oldest first: key -> subject, and when it was sent or found."""
        wanted = set(account_ids)
        ops = self._ops("kind = 'task_create' AND state IN ('confirmed', 'undo_skipped')")
        return {
            op.key: (str(op.values.get("subject", "")), op.sent_at or op.updated_at)
            for op in ops
            if op.values.get("account_id") in wanted
        }

    def counts(self, run_id: int | None = None) -> dict[str, int]:
        """Operations by state, of one run or of all."""
        where, parameters = ("WHERE run_id = ?", (run_id,)) if run_id is not None else ("", ())
        return dict(self._rows(f"SELECT state, count(*) FROM op {where} GROUP BY state", parameters))

    def problems(self, limit: int = 20) -> list[tuple[str, str, str, str]]:
        """(object, record or a task's subject, state, error) of the newest operations that did not end well.

        What a later operation on the same record put right is no problem any more.
        """
        return self._rows(
            """SELECT object, coalesce(record_id, json_extract(payload, '$.subject'), ''), state, error FROM op
               WHERE state IN ('rejected', 'gone', 'in_doubt', 'retry', 'parked')
                 AND op_id IN (SELECT max(op_id) FROM op WHERE state NOT IN ('planned', 'held', 'superseded')
                               GROUP BY object, coalesce(record_id, key))
               ORDER BY op_id DESC LIMIT ?""",
            (limit,),
        )

    # -- what we wrote, and episodes ----------------------------------------------------------------------------

    def written(self) -> dict[tuple[str, str], dict[str, Value]]:
        """What we last wrote, by (object, record id).

        Raises:
            DamagedError: When a row is not what was written there. Not looked at again where the work began with it.
        """
        from mapping.identity import collector_paused

        with collector_paused():
            return written(self.store.file, self._rows(SELECT_OWNED), proved=self.store.proved)

    def band_states(self) -> dict[str, "BandState"]:
        """Which band each account is in since when, when its playbooks last started, what triggers said, by CRM id."""
        from scoring.playbooks import BandState

        rows = self._rows("SELECT crm_id, band, since, episodes, holding FROM band_state")
        return {
            crm_id: BandState(
                band,
                instant(since),
                {name: instant(start) for name, start in json.loads(episodes).items()},
                {name: bool(said) for name, said in json.loads(holding).items()},
            )
            for crm_id, band, since, episodes, holding in rows
        }

    def verify(self, *, deep: bool = True) -> list[str]:
        """What is damaged, a sentence each; empty when every hash is right.

        Args:
            deep: Look at every operation and every event; else at what can still do harm: what we last wrote,
                operations that are open or make tasks, and the newest events.
        """
        return findings(self.store, deep=deep)

    # -- plumbing -----------------------------------------------------------------------------------------------

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self.store.rows(sql, parameters)

    def _ops(self, where: str, parameters: Sequence[Any] = ()) -> list[Op]:
        rows = self._rows(f"{SELECT_OPS} WHERE {where} ORDER BY +op_id", parameters)
        return [shown(OpRow(*row)) for row in rows]
