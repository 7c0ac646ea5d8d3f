"""What was sent, what became of it, and what we last wrote: the memory that makes each effect happen once.

| state | meaning | next |
|---|---|---|
| sending | committed before the first byte leaves | confirmed, retry, rejected, gone, in_doubt |
| in_doubt | sent, outcome unknown, or found in `sending` at start | confirmed, retry |
| retry | certainly nothing happened | sending, dropped |
| confirmed | the CRM says so | - |
| rejected | the CRM will never take it | - |
| gone | the record was deleted or merged away | - |
| dropped | a later plan wants something else | - |

A trigger in the database refuses every other transition.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from connectors.base import Change, ObjectName, Outcome, Value
from scoring.playbooks import BandState
from sync.store import Store
from sync.tables import epoch, instant
from sync.values import dumps, loads

State = Literal["sending", "in_doubt", "retry", "confirmed", "rejected", "gone", "dropped"]

HOLD_OFF = timedelta(minutes=15)
"""How long after an unclear request the CRM may still apply it; before that its absence proves nothing."""


@dataclass(frozen=True, slots=True)
class Op:
    """One effect on one record."""

    op_id: int
    key: str
    object: ObjectName
    record_id: str | None
    values: Mapping[str, Value]
    state: State
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One finished or interrupted run, for `status`."""

    run_id: int
    mode: str
    started: datetime
    ended: datetime | None
    status: str
    counts: Mapping[str, Any]


class Ledger:
    """The ledger's tables in the state file. Every method is one transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # -- runs ---------------------------------------------------------------------------------------------------

    def start_run(self, mode: str, now: datetime) -> int:
        """Open a run and return its number. A run that is still open was killed: only one runs at a time."""
        with self.store.transaction() as conn:
            conn.execute("UPDATE run SET status = 'killed' WHERE status = 'running'")
            cursor = conn.execute(
                "INSERT INTO run (mode, started, status, counts) VALUES (?, ?, 'running', '{}')", (mode, epoch(now))
            )
            return int(cursor.lastrowid or 0)

    def end_run(self, run_id: int, status: str, counts: Mapping[str, Any], now: datetime) -> None:
        """Close a run with its result."""
        with self.store.transaction() as conn:
            conn.execute(
                "UPDATE run SET ended = ?, status = ?, counts = ? WHERE run_id = ?",
                (epoch(now), status, json.dumps(counts, sort_keys=True), run_id),
            )

    def runs(self, limit: int = 5) -> list[RunRecord]:
        """The newest runs first."""
        rows = self._rows(
            "SELECT run_id, mode, started, ended, status, counts FROM run ORDER BY run_id DESC LIMIT ?", (limit,)
        )
        return [
            RunRecord(run_id, mode, instant(started), instant(ended) if ended else None, status, json.loads(counts))
            for run_id, mode, started, ended, status, counts in rows
        ]

    # -- operations ---------------------------------------------------------------------------------------------

    def sending(self, run_id: int, changes: Sequence[Change], now: datetime) -> None:
        """Commit that these changes are about to leave. Nothing is sent unless this returned."""
        with self.store.transaction() as conn:
            conn.executemany(
                """INSERT INTO op (run_id, key, object, record_id, fields, state, attempt, sent_at, updated_at)
                   VALUES (?, ?, ?, ?, ?, 'sending', 1, ?, ?)
                   ON CONFLICT (key) WHERE state IN ('sending', 'in_doubt', 'retry') OR object = 'task'
                   DO UPDATE SET run_id = excluded.run_id, state = 'sending', attempt = attempt + 1,
                     sent_at = excluded.sent_at, updated_at = excluded.updated_at""",
                [(run_id, c.key, c.object, c.record_id, dumps(c.values), epoch(now), epoch(now)) for c in changes],
            )

    def settle(self, changes: Iterable[Change], outcomes: Iterable[Outcome], now: datetime) -> None:
        """Commit what became of changes in `sending` or `in_doubt`; remembers what a confirmed update wrote."""
        with self.store.transaction() as conn:
            for change, outcome in zip(changes, outcomes, strict=True):
                conn.execute(
                    """UPDATE op SET state = ?, remote_id = coalesce(?, remote_id), error_code = ?, error = ?,
                         updated_at = ?
                       WHERE key = ? AND state IN ('sending', 'in_doubt')""",
                    (
                        outcome.result,
                        outcome.remote_id,
                        outcome.error_code,
                        outcome.message[:500],
                        epoch(now),
                        change.key,
                    ),
                )
                if outcome.result == "confirmed" and change.record_id is not None:
                    self._wrote(conn, change.object, change.record_id, change.values, now)

    def adopt(self, run_id: int, change: Change, remote_id: str, now: datetime) -> None:
        """Record an effect that the CRM already shows although we never sent it (or forgot that we did)."""
        self.sending(run_id, [change], now)
        self.settle([change], [Outcome(change.key, "confirmed", remote_id)], now)

    def open_ops(self) -> list[Op]:
        """Every operation whose outcome is unknown, oldest first."""
        return self._ops("state IN ('sending', 'in_doubt')")

    def stale_updates(self) -> list[Op]:
        """Updates that had no effect: the next plan works out afresh what is wanted."""
        return self._ops("state = 'retry' AND object <> 'task'")

    def known_tasks(self) -> frozenset[str]:
        """Keys of tasks that need no creating: created, refused for good, or still unclear."""
        rows = self._rows("SELECT key FROM op WHERE object = 'task' AND state NOT IN ('retry', 'dropped')", ())
        return frozenset(key for (key,) in rows)

    def unconfirmed(self, since: datetime) -> dict[tuple[str, str], list[Mapping[str, Value]]]:
        """What we sent since then and never heard of again, by (object, record id): it may have arrived late."""
        found: dict[tuple[str, str], list[Mapping[str, Value]]] = {}
        where = f"state IN ('in_doubt', 'retry', 'dropped') AND object <> 'task' AND sent_at >= {epoch(since)}"
        for op in self._ops(where):
            found.setdefault((op.object, op.record_id or ""), []).append(op.values)
        return found

    def tasks_on(self, account_ids: Iterable[str]) -> dict[str, tuple[str, datetime]]:
        """Tasks made on these accounts, the oldest first: key -> subject, and when it was sent."""
        wanted = set(account_ids)
        ops = self._ops("object = 'task' AND state = 'confirmed'")
        return {op.key: (str(op.values["subject"]), op.sent_at) for op in ops if op.values.get("account_id") in wanted}

    def doubt(self, ops: Iterable[Op], now: datetime) -> None:
        """Mark operations found in `sending` after a crash as unclear."""
        self._move(ops, "in_doubt", now)

    def drop(self, ops: Iterable[Op], now: datetime) -> None:
        """Give operations up that a later plan replaces."""
        self._move(ops, "dropped", now)

    def counts(self) -> dict[str, int]:
        """Operations by state."""
        return dict(self._rows("SELECT state, count(*) FROM op GROUP BY state", ()))

    def problems(self, limit: int = 20) -> list[tuple[str, str, str, str]]:
        """(object, record or a task's subject, state, error) of the newest operations that did not end well.

        What a later operation on the same record put right is no problem any more.
        """
        return self._rows(
            """SELECT object, coalesce(record_id, json_extract(fields, '$.subject'), ''), state, error FROM op
               WHERE state IN ('rejected', 'gone', 'in_doubt', 'retry')
                 AND op_id IN (SELECT max(op_id) FROM op GROUP BY object, coalesce(record_id, key))
               ORDER BY op_id DESC LIMIT ?""",
            (limit,),
        )

    # -- what we wrote ------------------------------------------------------------------------------------------

    def written(self) -> dict[tuple[str, str], dict[str, Value]]:
        """What we last wrote, by (object, record id)."""
        rows = self._rows("SELECT object, record_id, fields FROM owned", ())
        return {(obj, record_id): loads(fields) for obj, record_id, fields in rows}

    @staticmethod
    def _wrote(conn: sqlite3.Connection, obj: str, record_id: str, values: Mapping[str, Value], now: datetime) -> None:
        row = conn.execute("SELECT fields FROM owned WHERE object = ? AND record_id = ?", (obj, record_id)).fetchone()
        merged = {**(loads(row[0]) if row else {}), **values}
        conn.execute(
            """INSERT INTO owned (object, record_id, fields, written_at) VALUES (?, ?, ?, ?)
               ON CONFLICT (object, record_id)
               DO UPDATE SET fields = excluded.fields, written_at = excluded.written_at""",
            (obj, record_id, dumps(merged), epoch(now)),
        )

    # -- episodes -----------------------------------------------------------------------------------------------

    def band_states(self) -> dict[str, BandState]:
        """Which band each account is in since when, and when its playbooks were last started, by CRM id."""
        rows = self._rows("SELECT crm_id, band, since, episodes FROM band_state", ())
        return {
            crm_id: BandState(
                band, instant(since), {name: instant(start) for name, start in json.loads(episodes).items()}
            )
            for crm_id, band, since, episodes in rows
        }

    def save_band_states(self, states: Mapping[str, BandState]) -> None:
        """Keep what `band_states` returns next time; rows that say the same are not rewritten."""
        rows = [
            (
                crm_id,
                state.band,
                epoch(state.since),
                json.dumps({name: epoch(start) for name, start in sorted(state.episodes.items())}),
            )
            for crm_id, state in states.items()
        ]
        with self.store.transaction() as conn:
            conn.executemany(
                """INSERT INTO band_state (crm_id, band, since, episodes) VALUES (?, ?, ?, ?)
                   ON CONFLICT (crm_id)
                   DO UPDATE SET band = excluded.band, since = excluded.since, episodes = excluded.episodes
                   WHERE (band, since, episodes) IS NOT (excluded.band, excluded.since, excluded.episodes)""",
                rows,
            )

    # -- plumbing -----------------------------------------------------------------------------------------------

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        return self.store.rows(sql, parameters)

    def _ops(self, where: str) -> list[Op]:
        rows = self._rows(
            f"SELECT op_id, key, object, record_id, fields, state, sent_at FROM op WHERE {where} ORDER BY op_id", ()
        )
        return [
            Op(op_id, key, obj, record_id, loads(fields), state, instant(sent_at))
            for op_id, key, obj, record_id, fields, state, sent_at in rows
        ]

    def _move(self, ops: Iterable[Op], state: State, now: datetime) -> None:
        with self.store.transaction() as conn:
            conn.executemany(
                "UPDATE op SET state = ?, updated_at = ? WHERE op_id = ?",
                [(state, epoch(now), op.op_id) for op in ops],
            )
