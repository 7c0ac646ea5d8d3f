"""From score rows to tasks: who does what by when, once per account, playbook and episode.

An *episode* starts when an account enters a band whose playbook carries a task. Everything here is a pure function of
score rows and the states kept from the last run, so asking twice gives the same tasks with the same keys: whoever
writes them leaves out the keys that are already done.
"""

import hashlib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, field_validator, model_validator

from scoring.inputs import Band, ScoreRow
from scoring.signals import PLACEHOLDER, Name

if TYPE_CHECKING:
    from scoring.card import Scorecard

Priority = Literal["low", "medium", "high"]
WORDS = ("account", "band", "drivers")
"""What a task's text may ask for."""
KNOWN: tuple[Band, ...] = ("green", "yellow", "red")


class Playbook(BaseModel):
    """What happens when an account enters a band."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="The heading of its table.")
    task: StrictBool = Field(True, description="False for a playbook that asks nothing of anybody.")
    reason: str = Field("", max_length=255, description="Why there is no task; required when there is none.")
    owner: Literal["account_owner", "fallback"] = Field(
        "account_owner", description="Who gets it: the account's owner, else the fallback owner of the config."
    )
    due_days: StrictInt = Field(1, ge=0, le=365, description="Days from the start of the episode.")
    priority: Priority = Field("medium", description="How urgent.")
    subject: str = Field("", max_length=120, description="One line; {account}, {band} and {drivers} are filled in.")
    body: str = Field("", max_length=4000, description="The text, in words a customer may read; same placeholders.")
    cooldown_days: StrictInt = Field(14, ge=0, le=365, description="Coming back sooner goes on with the old episode.")
    on_first_sight: StrictBool = Field(False, description="Also for accounts that already are there on the first run.")

    @field_validator("subject", "body")
    @classmethod
    def _template(cls, text: str) -> str:
        for found in PLACEHOLDER.finditer(text):
            if found[1] not in WORDS:
                raise ValueError(f"unknown placeholder {found[0]}; allowed are {', '.join(f'{{{w}}}' for w in WORDS)}")
        if "{" in PLACEHOLDER.sub("", text) or "}" in PLACEHOLDER.sub("", text):
            raise ValueError("a brace without its partner")
        return text

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.task and not (self.subject.strip() and self.body.strip()):
            raise ValueError("a playbook with a task needs subject and body")
        if not self.task and not self.reason.strip():
            raise ValueError("a playbook without a task needs a reason")
        return self


@dataclass(frozen=True, slots=True)
class BandState:
    """What must be remembered of an account between runs.

    Attributes:
        band: Last known band; `unknown` never replaces a known one, so a data outage does not start an episode.
        since: When that band was entered.
        episodes: Playbook -> start of its latest episode.
    """

    band: Band
    since: datetime
    episodes: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class DesiredTask:
    """A task that should exist in the CRM.

    Attributes:
        key: Derived from account, playbook and episode start: the same key is the same task, on every host.
        crm_id: The account.
        playbook: Its name on the card.
        subject: One line in words a customer may read.
        body: The text in words a customer may read.
        due: Episode start plus the playbook's days.
        owner_id: CRM user to assign; None when neither the account nor the config names one.
        priority: How urgent.
        episode: When the episode started.
        why: The score's reason line, for the plan; not for the CRM.
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


def task_key(crm_id: str, playbook: str, episode: datetime) -> str:
    """The idempotency key of a task: 32 hex digits."""
    text = f"{crm_id}\n{playbook}\n{int(episode.timestamp())}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def next_states(
    card: "Scorecard", rows: Iterable[ScoreRow], previous: Mapping[str, BandState], now: datetime
) -> dict[str, BandState]:
    """What to remember after this run; accounts without a row keep what they had."""
    states = dict(previous)
    for row in rows:
        if row.level == "account" and row.band in KNOWN:
            states[row.crm_id] = _advance(card, row, previous.get(row.crm_id), now)
    return states


def desired_tasks(
    card: "Scorecard",
    rows: Iterable[ScoreRow],
    previous: Mapping[str, BandState],
    now: datetime,
    *,
    fallback_owner: str | None = None,
    active_owners: Container[str] | None = None,
) -> list[DesiredTask]:
    """The tasks that should exist, done ones included, for accounts now in a band that carries a task.

    Accounts of unknown band get none. An account seen for the first time gets one only where the playbook says
    `on_first_sight` (by default the red one), so that a first run does not flood the team.

    Args:
        card: Bands and playbooks.
        rows: Score rows; contacts are skipped.
        previous: States kept from the last run, by CRM id. Passing the states of this run instead gives the same tasks.
        now: The instant of this run.
        fallback_owner: CRM user for accounts without a usable owner.
        active_owners: CRM users who may be given tasks; None means all.
    """
    tasks = []
    for row in rows:
        if row.level == "account" and row.band in KNOWN:
            state = _advance(card, row, previous.get(row.crm_id), now)
            playbook = card.playbook_of(row.band)
            episode = state.episodes.get(playbook.name)
            if playbook.task and episode is not None:
                owner = _owner(row, playbook, fallback_owner, active_owners)
                tasks.append(_task(card, row, playbook, episode, owner))
    return tasks


def _advance(card: "Scorecard", row: ScoreRow, old: BandState | None, now: datetime) -> BandState:
    if old is not None and old.band == row.band:
        return old
    playbook = card.playbook_of(row.band)
    episodes = dict(old.episodes) if old else {}
    if playbook.task and (old is not None or playbook.on_first_sight):
        last = episodes.get(playbook.name)
        # Coming back within the cool-down goes on with the earlier episode: same key, hence no second task.
        if last is None or now - last >= timedelta(days=playbook.cooldown_days):
            episodes[playbook.name] = now.replace(microsecond=0)
    return BandState(row.band, now, episodes)


def _owner(row: ScoreRow, playbook: Playbook, fallback: str | None, active: Container[str] | None) -> str | None:
    usable = row.owner_id is not None and (active is None or row.owner_id in active)
    return row.owner_id if playbook.owner == "account_owner" and usable else fallback


def _task(card: "Scorecard", row: ScoreRow, playbook: Playbook, episode: datetime, owner: str | None) -> DesiredTask:
    from scoring.explain import customer_drivers

    words = {"account": row.name or row.crm_id, "band": row.band, "drivers": customer_drivers(card, row)}
    return DesiredTask(
        key=task_key(row.crm_id, playbook.name, episode),
        crm_id=row.crm_id,
        playbook=playbook.name,
        subject=fill(playbook.subject, words)[:255],
        body=fill(playbook.body, words),
        due=episode + timedelta(days=playbook.due_days),
        owner_id=owner,
        priority=playbook.priority,
        episode=episode,
        why=row.reason,
    )


def fill(template: str, words: Mapping[str, str]) -> str:
    """Replace `{name}` by its word, in one pass: braces inside a word stay what they are."""
    return PLACEHOLDER.sub(lambda found: words[found[1]], template)
