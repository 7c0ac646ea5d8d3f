"""What became of our tasks, and which actions were withheld: read back, kept, and given to the playbooks."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connectors.base import Crm, TaskState
from connectors.errors import ConnectorError
from scoring.playbooks import DesiredTask, Withheld, Work, base_name
from sync.store import Store
from sync.tables import epoch, instant

LOOK = timedelta(hours=24)
"""How often an open task is read back: a day's delay of an escalation costs less than calls on every hour."""
KEEP = timedelta(days=400)
"""How long withheld actions that are over are kept."""
SLACK = timedelta(days=1)
"""CRMs keep some due dates as days: only what was moved by more has been moved by somebody."""

_WORK = """
SELECT o.key, json_extract(o.payload, '$.account_id'), json_extract(o.payload, '$.owner_id'), o.updated_at,
  coalesce(o.sent_at, o.updated_at), o.state, f.playbook, f.due, f.state, f.moved_to, f.touched
FROM op o LEFT JOIN followup f ON f.key = o.key
WHERE o.kind = 'task_create'
  AND o.state IN ('confirmed', 'in_doubt', 'sending', 'parked', 'rolled_back', 'undo_skipped')
"""
_TO_LOOK_AT = """
SELECT o.remote_id, o.key FROM op o JOIN followup f ON f.key = o.key
WHERE o.kind = 'task_create' AND o.state IN ('confirmed', 'undo_skipped') AND o.remote_id IS NOT NULL
  AND f.state = 'open' AND coalesce(f.looked, o.updated_at) <= ?
ORDER BY o.op_id
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A withheld action as it is kept.

    Attributes:
        since: When it was first withheld.
        until: When it is looked at again, at the latest.
        ended: When it was no longer withheld; None while it is.
    """

    crm_id: str
    name: str
    playbook: str
    rule: str
    why: str
    since: datetime
    until: datetime
    ended: datetime | None


def work(store: Store) -> dict[str, Work]:
    """Every task of ours, by its key in the CRM, as last read back."""
    found = {}
    for key, account, owner, updated, sent, state, name, due, read, moved, touched in store.rows(_WORK):
        if account is None:  # its line was emptied, for somebody's sake
            continue
        gone = state == "rolled_back" or read == "gone"
        found[key] = Work(
            account,
            name or "",
            owner,
            instant(min(sent, updated)),
            instant(due) if due is not None else None,
            "gone" if gone else "done" if read == "done" else "open",
            instant(moved) if moved is not None else None,
            bool(touched),
        )
    return found


def note(store: Store, tasks: Iterable[tuple[str, DesiredTask]], bands: Mapping[str, str]) -> None:
    """Remember what planned tasks are for, by their keys in the CRM; what is known of one already stays.

    Args:
        store: The state.
        tasks: Key in the CRM, and the task.
        bands: Account -> band.
    """
    rows = [
        (
            key,
            task.crm_id,
            task.playbook,
            task.variant,
            bands.get(task.crm_id, ""),
            epoch(task.episode),
            epoch(task.due),
        )
        for key, task in tasks
    ]
    with store.transaction() as conn:
        conn.executemany(
            """INSERT INTO followup (key, crm_id, playbook, variant, band, event_at, due, state)
               VALUES (?, ?, ?, ?, ?, ?, ?, 'open')
               ON CONFLICT (key) DO UPDATE SET due = excluded.due WHERE looked IS NULL AND due <> excluded.due""",
            rows,
        )


def done_on(store: Store) -> dict[str, list[date]]:
    """Account -> the days on which one of our tasks there was done, as far as the CRM told."""
    found: dict[str, list[date]] = {}
    for crm_id, ended in store.rows("SELECT crm_id, ended FROM followup WHERE state = 'done' AND ended IS NOT NULL"):
        found.setdefault(crm_id, []).append(instant(ended).date())
    return found


def look(crm: Crm, store: Store, now: datetime) -> int:
    """Read open tasks back that were not looked at for a day; a CRM that does not answer is asked by the next run.

    Returns:
        How many were read.
    """
    due = store.rows(_TO_LOOK_AT, (epoch(now - LOOK),))
    read(crm, store, due, now)
    return len(due)


def read(crm: Crm, store: Store, wanted: Sequence[tuple[str, str]], now: datetime) -> dict[str, TaskState]:
    """Read tasks back, by their ids and keys, and keep what they say; by key, those that are still there."""
    seen: dict[str, TaskState] = {}
    size = crm.write.read_batch
    for start in range(0, len(wanted), size):
        batch = wanted[start : start + size]
        with suppress(ConnectorError):
            found = crm.read_tasks([task_id for task_id, _ in batch])
            _keep(store, [(key, found.get(task_id)) for task_id, key in batch], now)
            seen |= {key: found[task_id] for task_id, key in batch if task_id in found}
    return seen


def _keep(store: Store, seen: Sequence[tuple[str, TaskState | None]], now: datetime) -> None:
    with store.transaction() as conn:
        for key, task in seen:
            if task is None:
                conn.execute(
                    "UPDATE followup SET state = 'gone', looked = ?, ended = ? WHERE key = ?",
                    (epoch(now), epoch(now), key),
                )
                continue
            ended = epoch(task.modified_at or now) if task.closed else None
            planned = conn.execute("SELECT due FROM followup WHERE key = ?", (key,)).fetchone()[0]
            moved = task.due is not None and task.due > instant(planned) + SLACK
            conn.execute(
                "UPDATE followup SET state = ?, looked = ?, moved_to = ?, touched = ?, ended = ? WHERE key = ?",
                (
                    "done" if task.closed else "open",
                    epoch(now),
                    epoch(task.due) if moved and task.due is not None else None,
                    int(task.touched),
                    ended,
                    key,
                ),
            )


# -- withheld actions ---------------------------------------------------------------------------------------------


def waiting(store: Store, now: datetime) -> frozenset[tuple[str, str]]:
    """Actions that are withheld, or were until a day ago and may not have been written since, by account and name."""
    sql = "SELECT crm_id, playbook FROM withheld WHERE ended IS NULL OR ended > ?"
    return frozenset(store.rows(sql, (epoch(now - LOOK),)))


def save_withheld(store: Store, found: Iterable[Withheld], now: datetime) -> None:
    """Make the ledger of withheld actions say what is withheld now; what is not any more has ended."""
    at = epoch(now)
    wanted = {(one.crm_id, one.playbook, one.rule): one for one in found}
    rows = "SELECT crm_id, playbook, rule, since, until, why FROM withheld WHERE ended IS NULL"
    with store.transaction() as conn:
        held = {row[:3]: row[3:] for row in conn.execute(rows)}
        conn.executemany(
            "UPDATE withheld SET ended = ? WHERE crm_id = ? AND playbook = ? AND rule = ? AND ended IS NULL",
            [(at, *place) for place in held.keys() - wanted.keys()],
        )
        conn.executemany(
            "UPDATE withheld SET until = ?, why = ? WHERE crm_id = ? AND playbook = ? AND rule = ? AND ended IS NULL",
            [
                (epoch(one.until), one.why, *place)
                for place, one in wanted.items()
                if place in held and held[place][1:] != (epoch(one.until), one.why)
            ],
        )
        conn.executemany(
            "INSERT OR REPLACE INTO withheld (crm_id, playbook, rule, since, until, why) VALUES (?, ?, ?, ?, ?, ?)",
            [(*place, at, epoch(one.until), one.why) for place, one in wanted.items() if place not in held],
        )
        conn.execute("DELETE FROM withheld WHERE ended < ?", (epoch(now - KEEP),))


def withheld(store: Store, *, ended: bool = False) -> list[Kept]:
    """What is withheld now, or what was and is no longer, by account's name; the soonest first for each."""
    rows = store.rows(
        f"""SELECT w.crm_id, coalesce(a.name, w.crm_id), w.playbook, w.rule, w.why, w.since, w.until, w.ended
            FROM withheld w LEFT JOIN (SELECT crm_id, max(name) AS name FROM score WHERE level = 'account'
            GROUP BY crm_id) a ON a.crm_id = w.crm_id
            WHERE w.ended IS {"NOT " if ended else ""}NULL ORDER BY 2, w.until, w.playbook"""
    )
    return [
        Kept(crm_id, name, playbook, rule, why, instant(since), instant(until), None if end is None else instant(end))
        for crm_id, name, playbook, rule, why, since, until, end in rows
    ]


# -- outcomes -----------------------------------------------------------------------------------------------------

RANK = {"red": 0, "yellow": 1, "green": 2}


@dataclass(slots=True)
class Result:
    """What became of a playbook's tasks.

    Attributes:
        playbook: Its name.
        variant: Which wording; empty when it has but one.
        tasks: How many were made.
        in_time: Done by their date.
        late: Done later.
        open: Not done, the date yet to come.
        overdue: Not done although the date has passed.
        gone: Taken away or deleted.
        within_week: Done within seven days of what they were made for.
        better: Accounts in a better band now than when the task was made. A figure, not proof of an effect.
        worse: Accounts in a worse one.
    """

    playbook: str
    variant: str
    tasks: int = 0
    in_time: int = 0
    late: int = 0
    open: int = 0
    overdue: int = 0
    gone: int = 0
    within_week: int = 0
    better: int = 0
    worse: int = 0

    @property
    def breaches(self) -> int:
        """Tasks whose date passed before they were done."""
        return self.late + self.overdue


_OUTCOMES = """
SELECT f.playbook, f.variant, f.band, f.event_at, coalesce(f.moved_to, f.due),
  CASE o.state WHEN 'rolled_back' THEN 'gone' ELSE f.state END, f.ended, s.band
FROM followup f JOIN op o ON o.key = f.key AND o.kind = 'task_create'
LEFT JOIN score s ON s.level = 'account' AND s.crm_id = f.crm_id
WHERE o.state IN ('confirmed', 'rolled_back', 'undo_skipped') ORDER BY f.playbook, f.variant
"""
WEEK = 7 * 86400


def results(store: Store, now: datetime) -> list[Result]:
    """What became of the tasks of each playbook, by name."""
    found: dict[tuple[str, str], Result] = {}
    for name, variant, band, event, due, state, ended, band_now in store.rows(_OUTCOMES):
        place = (base_name(name), variant)
        result = found.setdefault(place, Result(*place))
        result.tasks += 1
        if state == "done":
            result.in_time += ended <= due
            result.late += ended > due
            result.within_week += ended <= event + WEEK
        elif state == "gone":
            result.gone += 1
        else:
            result.open += due >= epoch(now)
            result.overdue += due < epoch(now)
        if band in RANK and band_now in RANK:
            result.better += RANK[band_now] > RANK[band]
            result.worse += RANK[band_now] < RANK[band]
    return list(found.values())
