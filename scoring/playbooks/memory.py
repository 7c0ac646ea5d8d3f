"""What playbooks remember, what they are told besides the score rows, and what they answer."""

import hashlib
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from scoring.inputs import Band, ScoreRow
from scoring.playbooks.model import Priority
from scoring.playbooks.team import Team

if TYPE_CHECKING:
    from scoring.card import Scorecard

KNOWN: tuple[Band, ...] = ("green", "yellow", "red")
SECOND, ESCALATION = "@2", "!late"
"""What follows a step's name in the key of its second assignee's task, and of the task that it escalates to."""


class Chooser(Protocol):
    """One card, or several of which each row has one."""

    def card_of(self, row: ScoreRow) -> "Scorecard":
        """The card of a row."""
        ...


@dataclass(frozen=True, slots=True)
class BandState:
    """What must be remembered of an account between runs.

    Attributes:
        band: Last known band; `unknown` never replaces a known one, so a data outage does not start an episode.
        since: When that band was entered.
        episodes: Playbook or trigger -> start of its latest episode.
        holding: Trigger -> whether it held when it was last known. One that is not there was never looked at, so that
            what holds at first sight is not taken for what has just begun.
    """

    band: Band
    since: datetime
    episodes: Mapping[str, datetime]
    holding: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Work:
    """A task of ours that the CRM has, as last read back.

    Attributes:
        crm_id: The account.
        name: Playbook and step, as `DesiredTask.playbook`; empty when a task was taken over and nobody knows.
        owner_id: Who was given it.
        made_at: When it was made.
        due: As it was planned.
        state: "open", "done", or "gone" when it was deleted.
        moved_to: Its due date in the CRM, where somebody has moved it to a later one: it is snoozed until then.
        touched: Somebody has changed it, or something hangs on it.
    """

    crm_id: str
    name: str
    owner_id: str | None
    made_at: datetime
    due: datetime | None
    state: Literal["open", "done", "gone"] = "open"
    moved_to: datetime | None = None
    touched: bool = False


@dataclass(frozen=True, slots=True)
class Freeze:
    """A person's word that nothing automated goes to an account.

    Attributes:
        why: In words.
        until: Until when; None until it is taken back.
        all: True when tasks for people wait too.
        rule: What the ledger of withheld actions calls it.
    """

    why: str
    until: datetime | None = None
    all: bool = False
    rule: str = "note"


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides about tasks besides score rows and states.

    Attributes:
        fallback_owner: CRM user for accounts without a usable owner.
        active_owners: CRM users who may be given tasks; None means all.
        team: Working time and roles.
        values: Account -> its value beside the others, 1 to 100; 50 for those that are not there.
        work: Tasks that exist or did, by their key as the CRM has it.
        waiting: Actions withheld until now, by account and name.
        freezes: Account -> a person's word.
        outer_key: Makes the key that the CRM has out of `DesiredTask.key`.
    """

    fallback_owner: str | None = None
    active_owners: Container[str] | None = None
    team: Team = field(default_factory=Team)
    values: Mapping[str, int] = field(default_factory=dict)
    work: Mapping[str, Work] = field(default_factory=dict)
    waiting: Container[tuple[str, str]] = frozenset()
    freezes: Mapping[str, Freeze] = field(default_factory=dict)
    outer_key: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class DesiredTask:
    """A task that should exist in the CRM.

    Attributes:
        key: Derived from account, playbook and episode start: the same key is the same task, on every host.
        crm_id: The account.
        playbook: Its name on the card; of a later step `playbook/step`, of a second assignee's task `...@2`, of the
            task that an overdue one escalates to `...!late`.
        subject: One line in words a customer may read.
        body: The text in words a customer may read.
        due: By when.
        owner_id: CRM user to assign; None when neither the account nor the config names one.
        priority: How urgent.
        episode: When the episode started.
        why: The reason line, for the plan; not for the CRM.
        risk: How bad what it answers is, 1 to 100.
        value: The account's value beside the others, 1 to 100. Risk times value says which task goes first.
        variant: Which wording; empty when there is only one.
    """

    key: str
    crm_id: str
    playbook: str
    subject: str
    body: str
    due: datetime
    owner_id: str | None
    priority: Priority
    episode: datetime
    why: str
    risk: int = 1
    value: int = 50
    variant: str = ""

    @property
    def weight(self) -> int:
        """Risk times value."""
        return self.risk * self.value


@dataclass(frozen=True, slots=True)
class Withheld:
    """An action that is called for and not taken.

    Attributes:
        crm_id: The account.
        playbook: As `DesiredTask.playbook`.
        rule: What withholds it: a suppression of the card, a person's word ("note", "hold", "event", "frozen"),
            "snoozed", "stale_source", "account_cap", "owner_cap", "first_sight", "done", "cooldown" or "no_task".
        until: When it is looked at again, at the latest.
        why: In words, for colleagues.
    """

    crm_id: str
    playbook: str
    rule: str
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Clear:
    """An open task that nobody touched and nobody needs any more.

    Attributes:
        key: As the CRM has it.
    """

    key: str
    crm_id: str
    playbook: str
    why: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """What playbooks say about one run.

    Attributes:
        tasks: That should exist, done ones included, by account in the order of the rows.
        withheld: By account and name.
        enrolled: Account -> segments that auto steps put it into.
        clear: Tasks to be taken away.
        states: What to remember of each account of known band; see `next_states`.
        nobodys: Red accounts for which nobody answers: no active owner, no role, no fallback owner.
    """

    tasks: tuple[DesiredTask, ...]
    withheld: tuple[Withheld, ...]
    enrolled: Mapping[str, tuple[str, ...]]
    clear: tuple[Clear, ...]
    states: Mapping[str, BandState]
    nobodys: tuple[str, ...] = ()


def task_key(crm_id: str, playbook: str, episode: datetime) -> str:
    """The idempotency key of a task: 32 hex digits."""
    text = f"{crm_id}\n{playbook}\n{int(episode.timestamp())}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def first_of(task: DesiredTask) -> str:
    """Key of the task beside which one for a second person stands; "" for any other task."""
    name = task.playbook.removesuffix(SECOND)
    return "" if name == task.playbook else task_key(task.crm_id, name, task.episode)
