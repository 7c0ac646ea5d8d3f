"""Takes over what the CRM shows of our work, when the state does not know it: it was lost, or is an old copy.

What we last wrote is taken from our fields as they are. The band of an account is the one that stands there, so that no
episode begins a second time. Tasks that carry our key count as made. The start of a task's episode is found again by
its key: the key is derived from it, so only the right instant gives the same key.

Somebody's edit of one of our fields cannot be told from our own writing once we have forgotten what we wrote: it counts
as ours, and is replaced by the next value that differs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from connectors.base import Change, Crm, TaskState, Value
from connectors.errors import ConnectorError
from scoring.cards import AnyCards
from scoring.playbooks import KNOWN, BandState, base_name
from sync.episodes import episode_of, key_of, read_all
from sync.heartbeat import agent_id
from sync.ledger import Ledger
from sync.owned import AGENT, SCORED_AT, OwnedField
from sync.standings import forget_standings
from sync.store import Store
from sync.values import count, loads

if TYPE_CHECKING:
    from sync.run import Agent
    from sync.run_report import RunReport

BAND = "account.health_band"

SLACK = timedelta(seconds=2)
"""CRMs round instants: what is later by less is not later."""

LATE = timedelta(days=1)
"""What we sent within that time without hearing of it again may have arrived: that is no sign of an old state."""


_WHY = {
    "lost": "because this state knows of no writing",
    "older": "because this state is older than what stands in the CRM",
    "asked": "as you asked",
}


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was taken over.

    Attributes:
        why: "lost": the state knew nothing of having written. "older": it is an old copy. "asked": somebody wanted it.
        accounts: Accounts whose fields and band were taken over.
        contacts: Contacts whose fields were taken over.
        tasks: Tasks that are known from now on.
        newest: When our fields were last written, as far as they tell.
        agents: Ids of the agents that wrote them.
    """

    why: Literal["lost", "older", "asked"]
    accounts: int
    contacts: int
    tasks: int
    newest: datetime | None = None
    agents: tuple[str, ...] = ()

    def __str__(self) -> str:
        when = f", last written {self.newest:%Y-%m-%d %H:%M} UTC" if self.newest else ""
        return (
            f"Taken over from the CRM, {_WHY[self.why]}: our fields on {count(self.accounts, 'account')} and "
            f"{count(self.contacts, 'contact')}{when}, and {count(self.tasks, 'task')}. "
            "Values found there count as ours."
        )


@dataclass(slots=True)
class Adopter:
    """Everything that taking over needs. Our fields must have been pulled before."""

    crm: Crm
    store: Store
    ledger: Ledger
    card: AnyCards
    fields: Sequence[OwnedField]
    environment: str
    _names: Mapping[str, str] = field(init=False)
    _begun: dict[str, tuple[str, datetime] | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._names = {one.logical: one.spec.name for one in self.fields}

    def adopt(self, run_id: int, now: datetime, *, everything: bool = False) -> Adopted | None:
        """Take over what the state does not know; None when it knows all, which costs one look at the accounts.

        Args:
            run_id: The run to which the tasks are booked.
            now: The instant.
            everything: An admin wants all that stands in our fields taken over, whatever the state says.
        """
        lost = not self._ever_wrote()
        if not (everything or (lost and self._stands_there()) or self._is_ahead(now)):
            return None
        written = self.ledger.written()
        said = self._said(written)
        new = {key for key, values in said.items() if everything or self._unknown(values, written.get(key))}
        accounts = {record_id: said["account", record_id] for kind, record_id in new if kind == "account"}
        tasks = self._tasks(sorted(accounts))  # asked for before anything is noted
        booked = [change for task in tasks for change in self._changes(task, accounts)]
        with self.store.transaction():  # all or nothing: what was noted by half would not be looked for again
            for obj in ("account", "contact"):
                values = {record_id: said[kind, record_id] for kind, record_id in new if kind == obj}
                self.ledger.adopt_values(obj, values, now)
            number = self.ledger.adopt_tasks(run_id, booked, now)
            self._adopt_bands(accounts, tasks, now)
        times = [at for at in map(self._scored_at, accounts.values()) if at]
        return Adopted(
            "asked" if everything else "lost" if lost else "older",
            len(accounts),
            len(new) - len(accounts),
            number,
            max(times, default=None),
            tuple(sorted({str(values[name]) for values in accounts.values() for name in self._agent(values)})),
        )

    # -- whether ------------------------------------------------------------------------------------------------

    def _ever_wrote(self) -> bool:
        sql = "SELECT EXISTS (SELECT 1 FROM owned) OR EXISTS (SELECT 1 FROM op WHERE state = 'confirmed')"
        return bool(self.store.rows(sql)[0][0])

    def _stands_there(self) -> bool:
        """Whether an account carries a band that an agent has written: one with the instant, or where none is kept."""
        path = _path(self._names.get(SCORED_AT) or self._names.get(BAND) or "")
        sql = """SELECT EXISTS (SELECT 1 FROM crm_value WHERE object = 'account' AND json_extract("values", ?) <> '')"""
        return bool(self.store.rows(sql, (path,))[0][0])

    def _is_ahead(self, now: datetime) -> bool:
        """Whether an account was written by this very agent later than the state remembers of any."""
        name = self._names.get(SCORED_AT)
        if name is None:
            return False
        rows = self.store.rows(
            "SELECT max(json_extract(fields, ?)) FROM owned WHERE object = 'account'", (f"{_path(name)}.at",)
        )
        newest = datetime.fromisoformat(rows[0][0]) if rows[0][0] else None
        if newest is None:
            return False
        found = self.store.rows(
            'SELECT record_id, "values" FROM crm_value WHERE object = \'account\' AND json_extract("values", ?) > ?',
            (f"{_path(name)}.at", (newest + SLACK).isoformat()),
        )
        if not found:
            return False
        late = self.ledger.unconfirmed(now - LATE)
        own, agent = agent_id(self.store), self._names.get(AGENT)
        return any(
            ("account", record_id) not in late and (agent is None or loads(text).get(agent) == own)
            for record_id, text in found
        )

    # -- what ---------------------------------------------------------------------------------------------------

    def _said(self, written: Mapping[tuple[str, str], Mapping[str, Value]]) -> dict[tuple[str, str], dict[str, Value]]:
        """What the CRM says in our fields; None where it no longer says what is remembered. Empty ones are left out."""
        ours = {(one.spec.object, one.spec.name) for one in self.fields}
        said = {}
        for obj, record_id, text in self.store.rows('SELECT object, record_id, "values" FROM crm_value'):
            values: dict[str, Value] = dict.fromkeys(written.get((obj, record_id), ()))
            values |= {name: value for name, value in loads(text).items() if (obj, name) in ours}
            if values:
                said[obj, record_id] = values
        return said

    def _unknown(self, values: Mapping[str, Value], written: Mapping[str, Value] | None) -> bool:
        """Whether what stands there was written after what the state remembers."""
        if written is None:
            return True
        at, before = self._scored_at(values), self._scored_at(written)
        if at is None:  # a contact: nothing says when
            return any(written.get(name) != value for name, value in values.items())
        return before is None or at > before + SLACK

    def _scored_at(self, values: Mapping[str, Value]) -> datetime | None:
        at = values.get(self._names.get(SCORED_AT, ""))
        return at if isinstance(at, datetime) else None

    def _agent(self, values: Mapping[str, Value]) -> list[str]:
        name = self._names.get(AGENT, "")
        return [name] if values.get(name) else []

    # -- tasks and episodes -------------------------------------------------------------------------------------

    def _tasks(self, account_ids: Sequence[str]) -> list[TaskState]:
        found = self.crm.find_tasks(account_ids) if account_ids else {}
        return [task for task in read_all(self.crm, found.values()) if task.key in found and task.account_id]

    def _changes(self, task: TaskState, accounts: Mapping[str, Mapping[str, Value]]) -> Iterator[tuple[Change, str]]:
        """The task as an effect of ours; where its episode is not found, also under the key that we go on with."""
        values: dict[str, Value] = {
            "subject": task.subject,
            "account_id": task.account_id,
            "owner_id": task.owner_id,
            "due": task.due,
        }
        yield Change("task", None, values, task.key), task.task_id
        if self._episode(task) is None and (stand_in := self._stand_in(task, accounts)):
            playbook, start = stand_in
            yield Change("task", None, values, key_of(task, playbook, start, self.environment)), task.task_id

    def _episode(self, task: TaskState) -> tuple[str, datetime] | None:
        """Playbook and start of the episode that a task was made for; None when no instant gives its key."""
        if task.task_id not in self._begun:
            self._begun[task.task_id] = episode_of(task, self.card, self.environment)
        return self._begun[task.task_id]

    def _stand_in(self, task: TaskState, accounts: Mapping[str, Mapping[str, Value]]) -> tuple[str, datetime] | None:
        """The playbook of the account's band, begun when the task was made."""
        band = accounts.get(task.account_id or "", {}).get(self._names.get(BAND, ""))
        if band not in KNOWN or task.created_at is None:
            return None
        playbook = self.card.playbook_of(band)  # type: ignore[arg-type]  # one of the known ones
        return (playbook.name, task.created_at.replace(microsecond=0)) if playbook.task else None

    def _adopt_bands(
        self, accounts: Mapping[str, Mapping[str, Value]], tasks: Sequence[TaskState], now: datetime
    ) -> None:
        held = self.ledger.band_states()
        episodes: dict[str, dict[str, datetime]] = {}
        for task in tasks:
            if found := self._episode(task) or self._stand_in(task, accounts):
                starts = episodes.setdefault(task.account_id or "", {})
                playbook = base_name(found[0])
                starts[playbook] = max(found[1], starts.get(playbook, found[1]))
        states = {}
        for crm_id, values in accounts.items():
            band = values.get(self._names.get(BAND, ""))
            old = held.get(crm_id)
            starts = {**(old.episodes if old else {}), **episodes.get(crm_id, {})}
            if band in KNOWN:
                states[crm_id] = BandState(band, self._scored_at(values) or now, starts)  # type: ignore[arg-type]  # as above
        self.ledger.save_band_states(states)
        with self.store.transaction() as conn:
            forget_standings(conn, states)


def _path(name: str) -> str:
    return f"$.{json.dumps(name)}"


def take_over(agent: "Agent", report: "RunReport", run_id: int, *, everything: bool = False) -> None:
    """Have an agent that has just pulled take over what the CRM shows of its work and its state does not know.

    Where the CRM cannot be asked, the report is blocked: what is not known to be ours might be made twice.
    """
    if report.blocked or report.stopped:
        return
    try:
        environment = agent.store.environment(agent.crm.name) or agent.check_environment()
        adopter = Adopter(agent.crm, agent.store, agent.ledger, agent.card, agent.fields, environment)
        report.adopted = adopter.adopt(run_id, agent.clock.now(), everything=everything)
    except ConnectorError as error:
        report.blocked = f"{error} Which tasks there are of ours could not be found out, so nothing was planned."
