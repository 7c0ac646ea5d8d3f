"""What the playbooks call for in one run: their situation read out of the state and the CRM, their answer kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.base import Crm
from scoring.inputs import ScoreRow
from scoring.playbooks import (
    Clear,
    Decisions,
    DesiredTask,
    Freeze,
    Situation,
    Team,
    decide,
    enrolled,
)
from scoring.playbooks.episodes import words_of
from scoring.playbooks.memory import Chooser
from scoring.playbooks.problems import auto_segments
from scoring.playbooks.waiting import tags
from scoring.settle import Pause
from sync import followups
from sync.accountable import active_users
from sync.family import homes
from sync.frames import CrmRecord
from sync.ledger import Ledger
from sync.order import account_values
from sync.plan import TaskChange, TaskRemoval, derive_key
from sync.store import Store

_NOTES = "SELECT crm_id, text FROM note WHERE until IS NULL"
_MADE = """
SELECT key, op_id, remote_id, coalesce(json_extract(payload, '$.subject'), '') FROM op
WHERE kind = 'task_create' AND state = 'confirmed' AND remote_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What playbooks work on.

    Attributes:
        card: One card, or several of which each row has one.
        environment: Fingerprint of the CRM account, part of every task's key.
        team: Working time and roles.
        fallback_owner: CRM user for accounts without a usable owner.
    """

    crm: Crm
    store: Store
    ledger: Ledger
    card: Chooser
    environment: str
    team: Team
    fallback_owner: str | None = None

    def outer_key(self, key: str) -> str:
        """The key that a task has in the CRM."""
        return derive_key(self.environment, "task", key)

    def situation(self, now: datetime, paused: Mapping[str, Pause]) -> Situation:
        """What decides about tasks besides score rows and states."""
        freezes = {
            crm_id: Freeze("a note stands on the account: read it first") for crm_id, _ in self.store.rows(_NOTES)
        }
        freezes |= {
            crm_id: Freeze(pause.why, _end(pause, now), all=True, rule=pause.rule) for crm_id, pause in paused.items()
        }
        return Situation(
            fallback_owner=self.fallback_owner,
            active_owners=active_users(self.store, self.crm.name),
            team=self.team,
            values=account_values(self.store, self.crm.name, now),
            work=followups.work(self.store),
            waiting=followups.waiting(self.store, now),
            freezes=freezes,
            outer_key=self.outer_key,
        )

    def enrol(self, rows: Sequence[ScoreRow], now: datetime, paused: Mapping[str, Pause]) -> list[ScoreRow]:
        """Rows with the segments that auto steps put their accounts into, and suppressions the people of these.

        Remembers nothing.
        """
        cards = {row.card: self.card.card_of(row) for row in rows if row.level == "account"}
        found = list(rows)
        if any(map(auto_segments, cards.values())):
            decisions = decide(self.card, rows, self.ledger.band_states(), now, self.situation(now, paused))
            found = enrolled(rows, decisions.enrolled)
        if any(each.tag is not None for card in cards.values() for each in card.suppress.values()):
            found = self._tagged(found, now)
        return found

    def _tagged(self, rows: Sequence[ScoreRow], now: datetime) -> list[ScoreRow]:
        states, values = self.ledger.band_states(), account_values(self.store, self.crm.name, now)
        accounts = (row for row in rows if row.level == "account")
        words = ((row, words_of(row, states.get(row.crm_id), now, values.get(row.crm_id, 50))) for row in accounts)
        said = {row.key: tags(self.card.card_of(row), about, now) for row, about in words}
        at_home = homes(self.store, self.crm.name) if any(said.values()) else {}
        more = {person: said[home] for person, home in at_home.items() if said.get(home)}
        return [
            row._replace(segments=tuple(sorted({*row.segments, *more[row.key]})))
            if row.level == "contact" and row.key in more
            else row
            for row in rows
        ]

    def play(self, rows: Sequence[ScoreRow], now: datetime, paused: Mapping[str, Pause]) -> Decisions:
        """Read back what became of earlier tasks, decide, and remember what was decided.

        An account that a person or a known event has paused starts no episode.
        """
        followups.look(self.crm, self.store, now)
        before = self.ledger.band_states()
        decisions = decide(self.card, rows, before, now, self.situation(now, paused))
        moving = {crm_id: state for crm_id, state in decisions.states.items() if crm_id not in paused}
        with self.store.transaction():
            self.ledger.save_band_states({**before, **moving})
            followups.note(
                self.store,
                [(self.outer_key(task.key), task) for task in decisions.tasks],
                {row.crm_id: row.band for row in rows if row.level == "account"},
            )
            followups.save_withheld(self.store, decisions.withheld, now)
        return decisions

    def removals(self, clear: Sequence[Clear], accounts: Mapping[str, CrmRecord], now: datetime) -> list[TaskRemoval]:
        """Tasks to take away again, into the CRM's recycle bin: those that nobody has touched, as it says just now."""
        if not clear:
            return []
        made = {key: (op_id, task_id, subject) for key, op_id, task_id, subject in self.store.rows(_MADE)}
        wanted = [one for one in clear if one.key in made and one.crm_id in accounts]
        seen = followups.read(self.crm, self.store, [(made[one.key][1], one.key) for one in wanted], now)
        return [
            TaskRemoval(
                key=derive_key(self.environment, "clear", one.key),
                task_id=made[one.key][1],
                account_id=one.crm_id,
                account_name=accounts[one.crm_id].name,
                subject=made[one.key][2],
                why=one.why,
                undoes=made[one.key][0],
                severity=1,
                value=1,
            )
            for one in wanted
            if (task := seen.get(one.key)) is not None and not (task.touched or task.closed)
        ]

    def change(self, task: DesiredTask, account: CrmRecord) -> TaskChange:
        """A task as the plan has it."""
        return TaskChange(
            key=self.outer_key(task.key),
            account_id=task.crm_id,
            account_name=account.name,
            playbook=task.playbook,
            subject=task.subject,
            body=f"{task.body.rstrip()}\n",
            due=task.due,
            priority=task.priority,
            owner_id=task.owner_id,
            owner_name=account.owner_name if task.owner_id == account.owner_id else (task.owner_id or "nobody"),
            why=task.why,
            fallback_owner_id=self.fallback_owner,
            severity=task.risk,
        )


def _end(pause: Pause, now: datetime) -> datetime | None:
    if pause.until is None:
        return None
    return max(now, datetime.combine(pause.until + timedelta(days=1), datetime.min.time(), UTC))
