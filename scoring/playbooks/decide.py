"""From score rows to actions: what should be done, by whom and by when, and what is withheld and why.

A pure function of rows, states and situation: asking twice gives the same tasks with the same keys, and whoever writes
them leaves out the keys that are already done.
"""

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from scoring.inputs import ScoreRow
from scoring.playbooks.episodes import advance, words_of
from scoring.playbooks.memory import (
    ESCALATION,
    KNOWN,
    SECOND,
    BandState,
    Chooser,
    Clear,
    Decisions,
    DesiredTask,
    Situation,
    Withheld,
    Work,
    first_of,
    task_key,
)
from scoring.playbooks.model import URGENCY, Playbook, Step
from scoring.playbooks.owners import accountable, owner_by
from scoring.playbooks.risk import risk
from scoring.playbooks.rules import Words, holds
from scoring.playbooks.text import fill
from scoring.playbooks.waiting import again, held_back, whole_day

if TYPE_CHECKING:
    from scoring.card import Scorecard


def desired_tasks(
    card: Chooser,
    rows: Iterable[ScoreRow],
    previous: Mapping[str, BandState],
    now: datetime,
    *,
    fallback_owner: str | None = None,
    active_owners: Container[str] | None = None,
) -> list[DesiredTask]:
    """The tasks that should exist, done ones included, for accounts that call for one.

    Accounts of unknown band get none. An account seen for the first time gets one only where the playbook says
    `on_first_sight` (by default the red one), so that a first run does not flood the team.

    Args:
        card: Bands, triggers and playbooks: one card, or several of which each row has one.
        rows: Score rows; contacts are skipped.
        previous: States kept from the last run, by CRM id. Passing the states of this run instead gives the same tasks.
        now: The instant of this run.
        fallback_owner: CRM user for accounts without a usable owner.
        active_owners: CRM users who may be given tasks; None means all.
    """
    situation = Situation(fallback_owner=fallback_owner, active_owners=active_owners)
    return list(decide(card, rows, previous, now, situation).tasks)


def decide(
    card: Chooser, rows: Iterable[ScoreRow], previous: Mapping[str, BandState], now: datetime, situation: Situation
) -> Decisions:
    """What should be done and what is withheld; states as for `desired_tasks`."""
    desk = _Desk(situation, now)
    for row in rows:
        if row.level == "account":
            desk.account(card.card_of(row), row, previous.get(row.crm_id))
    return desk.decisions()


@dataclass(frozen=True, slots=True)
class _Case:
    """One account as its playbooks see it."""

    card: "Scorecard"
    row: ScoreRow
    state: BandState
    words: Words
    value: int


@dataclass(slots=True)
class _Desk:
    """Collects what the accounts call for, then lets the caps choose."""

    situation: Situation
    now: datetime
    wanted: list[DesiredTask] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    enrolled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    needed: dict[str, set[str]] = field(default_factory=dict)
    """Account -> playbooks whose condition holds."""
    cards: dict[str, "Scorecard"] = field(default_factory=dict)
    states: dict[str, BandState] = field(default_factory=dict)
    nobodys: list[str] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    """Keys, as the CRM has them, of open outreach that would wait if it had not been made."""
    given: Counter[str] = field(default_factory=Counter)
    """Open tasks by owner, those of this run included."""

    def __post_init__(self) -> None:
        open_work = (work.owner_id for work in self.situation.work.values() if work.state == "open")
        self.given.update(owner for owner in open_work if owner)

    def account(self, card: "Scorecard", row: ScoreRow, old: BandState | None) -> None:
        """Everything that one account calls for."""
        if row.band not in KNOWN:
            return
        state = advance(card, row, old, self.now)
        value = self.situation.values.get(row.crm_id, 50)
        case = _Case(card, row, state, words_of(row, state, self.now, value), value)
        self.cards[row.crm_id], self.states[row.crm_id] = card, state
        self.needed[row.crm_id] = set()
        before = len(self.wanted) + len(self.withheld)
        for playbook in _called_for(case):
            self.needed[row.crm_id].add(playbook.name)
            episode = state.episodes.get(playbook.name)
            if playbook.acts and episode is not None:
                self._steps(case, playbook, episode)
        if row.band == "red" and self._is_nobodys(row):
            self.nobodys.append(row.crm_id)
        if row.band == "red" and before == len(self.wanted) + len(self.withheld):
            self._no_task(case, card.answer(row))

    def _steps(self, case: _Case, playbook: Playbook, episode: datetime) -> None:
        for name, step in playbook.sequence:
            begin = self.situation.team.add_days(episode, step.after_days) if step.after_days else episode
            if begin > self.now or (step.when is not None and holds(step.when, case.words) is not True):
                continue
            row = case.row
            freeze = self.situation.freezes.get(row.crm_id)
            wait = held_back(case.card, row, (name, step), case.words, self.now, freeze)
            if step.kind == "auto":
                if wait is None and step.segment is not None:
                    self.enrolled[row.crm_id] = (*self.enrolled.get(row.crm_id, ()), step.segment)
            else:
                wait = self._task(case, playbook, (name, step), (episode, begin), wait)
            if wait is not None:
                self.withheld.append(wait)

    def _task(
        self,
        case: _Case,
        playbook: Playbook,
        named: tuple[str, Step],
        times: tuple[datetime, datetime],
        wait: Withheld | None,
    ) -> Withheld | None:
        """Note the tasks of a step; gives why nothing is done about the account where that needs a word."""
        name, step = named
        episode, begin = times
        key = task_key(case.row.crm_id, name, episode)
        work = self._work(key)
        if work is None:
            wait = wait or self._snoozed(case, playbook, name, episode)
            if wait is not None:
                return wait
            if (case.row.crm_id, name) in self.situation.waiting:
                begin = self.now.replace(microsecond=0)  # it could not be done before
        first = self._make(case, playbook, named, (key, episode, begin))
        self.wanted.append(first)
        if step.second_owner is not None:
            owner = self._owner(
                case.row, step.second_owner, self._work(task_key(case.row.crm_id, name + SECOND, episode))
            )
            if owner is not None and owner != first.owner_id:
                second = task_key(case.row.crm_id, name + SECOND, episode)
                self.wanted.append(replace(first, key=second, playbook=name + SECOND, owner_id=owner))
        if work is None:
            return None
        if work.state == "open":
            if wait is not None and wait.rule in case.card.suppress:
                self.stopped.add(self.situation.outer_key(key))
            return self._escalate(case, playbook, first, work)
        return self._ended(case, playbook, (name, episode), work)

    def _make(
        self, case: _Case, playbook: Playbook, named: tuple[str, Step], about: tuple[str, datetime, datetime]
    ) -> DesiredTask:
        from scoring.explain import customer_drivers

        (name, step), (key, episode, begin), row = named, about, case.row
        variant = _variant(playbook, row.crm_id) if name == playbook.name else ""
        texts = playbook.variants.get(variant, step)
        words = {
            "account": row.name or row.crm_id,
            "band": row.band,
            "drivers": customer_drivers(case.card, row),
            "link": fill(playbook.link, {"account_id": quote(row.crm_id, safe="")}),
        }
        trigger, work = case.card.triggers.get(playbook.name), self._work(key)
        return DesiredTask(
            key=key,
            crm_id=row.crm_id,
            playbook=name,
            subject=fill(texts.subject, words)[:255],
            body=fill(texts.body, words),
            due=work.due if work is not None and work.due is not None else self._due(step, begin),
            owner_id=self._owner(row, step.owner, work),
            priority=step.priority,
            episode=episode,
            why=row.reason if trigger is None else f"{trigger.reason} ({row.reason})",
            risk=risk(case.card.bands, row, "low" if trigger is None else step.priority),
            value=case.value,
            variant=variant,
        )

    def _due(self, step: Step, begin: datetime) -> datetime:
        team = self.situation.team
        due = team.add_days(begin, step.due_days) if step.due_hours is None else team.add_hours(begin, step.due_hours)
        return due if step.within_hours is None else min(due, begin + timedelta(hours=step.within_hours))

    def _work(self, key: str) -> Work | None:
        return self.situation.work.get(self.situation.outer_key(key))

    # -- owners -------------------------------------------------------------------------------------------------

    def _owner(self, row: ScoreRow, rule: str, work: Work | None) -> str | None:
        """Who gets it: whoever has it already, else by the rule, else the fallback owner."""
        if work is not None:
            return work.owner_id
        chosen = owner_by(rule, row, self.situation, self.given)
        if chosen is not None and chosen != self.situation.fallback_owner:
            self.given[chosen] += 1
        return chosen

    def _is_nobodys(self, row: ScoreRow) -> bool:
        """Whether nobody answers for an account: neither an owner, nor whoever has an open task on it."""
        if accountable(row, self.situation) is not None:
            return False
        active = self.situation.active_owners
        work = (one for one in self.situation.work.values() if one.crm_id == row.crm_id and one.state == "open")
        have = (one.owner_id for one in work)
        return not any(one is not None and (active is None or one in active) for one in have)

    # -- what follows from tasks that exist ---------------------------------------------------------------------

    def _snoozed(self, case: _Case, playbook: Playbook, name: str, episode: datetime) -> Withheld | None:
        """A later step waits while somebody has put off an earlier one of the same episode."""
        for other, _ in playbook.sequence:
            work = self._work(task_key(case.row.crm_id, other, episode))
            if other == name or work is None or work.state != "open" or work.moved_to is None:
                continue
            if work.moved_to > self.now:
                why = "somebody has put the earlier task off"
                return Withheld(case.row.crm_id, name, "snoozed", work.moved_to, why)
        return None

    def _escalate(self, case: _Case, playbook: Playbook, task: DesiredTask, work: Work) -> Withheld | None:
        days, due = playbook.escalate_after_days, work.moved_to or work.due
        if days is None or due is None:
            return None
        late = self.situation.team.add_days(due, days)
        if late > self.now:
            return None
        key = task_key(case.row.crm_id, task.playbook + ESCALATION, task.episode)
        owner = self._owner(case.row, playbook.escalate_to, self._work(key))
        begin = late.replace(microsecond=0)
        escalated = replace(
            task,
            key=key,
            playbook=task.playbook + ESCALATION,
            subject=f"Overdue: {task.subject}"[:255],
            body=f"This follow-up is still open, and its date has passed.\n\n{task.body}",
            due=self.situation.team.add_days(begin, 1),
            owner_id=owner,
            priority="high",
            risk=risk(case.card.bands, case.row, "high"),
        )
        self.wanted.append(escalated)
        return None

    def _ended(self, case: _Case, playbook: Playbook, of: tuple[str, datetime], work: Work) -> Withheld | None:
        """An account still in trouble whose follow-up has ended: why there is no other one, and until when."""
        name, episode = of
        if case.row.band != "red" or name != playbook.name:
            return None
        until = max(whole_day(episode + timedelta(days=playbook.cooldown_days)), again(self.now))
        why = "its follow-up was done" if work.state == "done" else "its follow-up was taken away"
        return Withheld(case.row.crm_id, name, "done" if work.state == "done" else "cooldown", until, why)

    def _no_task(self, case: _Case, playbook: Playbook) -> None:
        """Every red account has a task or a recorded reason."""
        if playbook.acts and playbook.name not in case.state.episodes:
            rule, why = "first_sight", "it was there already when the agent first saw it, or at the first fill"
        else:
            rule, why = "no_task", playbook.reason or "no step of its playbook is due"
        until = max(whole_day(case.state.since + timedelta(days=playbook.cooldown_days)), again(self.now))
        self.withheld.append(Withheld(case.row.crm_id, playbook.name, rule, until, why))

    # -- caps ---------------------------------------------------------------------------------------------------

    def decisions(self) -> Decisions:
        """Let the caps choose, the weightiest first, and say what there is to do."""
        new = [task for task in self.wanted if self._work(task.key) is None]
        per_account, per_owner = self._counts()
        barred: set[str] = set()
        for task in sorted(new, key=lambda one: (-one.weight, URGENCY.index(one.priority), one.crm_id, one.playbook)):
            caps = self.cards[task.crm_id].caps
            touches = not task.playbook.endswith((SECOND, ESCALATION))
            owner = task.owner_id
            if first_of(task) in barred:
                pass  # the two work on it together
            elif touches and len(per_account.get(task.crm_id, ())) >= caps.account_tasks:
                dates = sorted(per_account[task.crm_id])
                until = dates[-caps.account_tasks] + timedelta(days=caps.account_days)
                self._cap(task, "account_cap", until, f"{caps.account_tasks} tasks in {caps.account_days} days")
            elif owner is not None and per_owner[owner] >= caps.owner_per_day:
                self._cap(task, "owner_cap", self._tomorrow(), f"{caps.owner_per_day} tasks for one person today")
            else:
                per_owner[owner or ""] += 1
                if touches:
                    per_account.setdefault(task.crm_id, []).append(self.now)
                continue
            barred.add(task.key)
        tasks = tuple(task for task in self.wanted if task.key not in barred)
        withheld = tuple(sorted(self.withheld, key=lambda one: (one.crm_id, one.playbook, one.rule)))
        enrolled = {crm_id: tuple(sorted(set(names))) for crm_id, names in self.enrolled.items()}
        return Decisions(tasks, withheld, enrolled, tuple(self._clear()), self.states, tuple(self.nobodys))

    def _cap(self, task: DesiredTask, rule: str, until: datetime, why: str) -> None:
        why = f"{why}; risk {task.risk} x value {task.value}"
        self.withheld.append(Withheld(task.crm_id, task.playbook, rule, max(until, self.now), why))

    def _counts(self) -> tuple[dict[str, list[datetime]], Counter[str]]:
        """When tasks were made on each account lately, and how many each person got today."""
        today = self.situation.team.local_day(self.now)
        per_account: dict[str, list[datetime]] = {}
        per_owner: Counter[str] = Counter()
        for work in self.situation.work.values():
            touches = work.crm_id in self.cards and not work.name.endswith((SECOND, ESCALATION))
            if touches and self.now - work.made_at < timedelta(days=self.cards[work.crm_id].caps.account_days):
                per_account.setdefault(work.crm_id, []).append(work.made_at)
            if self.situation.team.local_day(work.made_at) == today:
                per_owner[work.owner_id or ""] += 1
        return per_account, per_owner

    def _tomorrow(self) -> datetime:
        team = self.situation.team
        midnight: date = team.local_day(self.now) + timedelta(days=1)
        return datetime.combine(midnight, datetime.min.time(), team.zone)

    # -- what nobody needs any more -----------------------------------------------------------------------------

    def _clear(self) -> Iterator[Clear]:
        for key, work in sorted(self.situation.work.items()):
            card, needed = self.cards.get(work.crm_id), self.needed.get(work.crm_id)
            if card is None or needed is None or work.state != "open" or work.touched or not work.name:
                continue
            name = base_name(work.name)
            playbook = card.playbook_named(name)
            if playbook is not None and playbook.close_when_clear and (name not in needed or key in self.stopped):
                yield Clear(key, work.crm_id, work.name, "What it was made for is over, and nobody had begun with it.")


def base_name(name: str) -> str:
    """The playbook or trigger of a task's name."""
    return name.partition("/")[0].removesuffix(ESCALATION).removesuffix(SECOND)


def enrolled(rows: Iterable[ScoreRow], names: Mapping[str, tuple[str, ...]]) -> list[ScoreRow]:
    """Rows with the segments that auto steps put their accounts into."""
    return [
        row._replace(segments=tuple(sorted({*row.segments, *names[row.crm_id]})))
        if row.level == "account" and row.crm_id in names
        else row
        for row in rows
    ]


def unanswered(rows: Iterable[ScoreRow], decisions: Decisions) -> list[str]:
    """Red accounts with neither a task nor a recorded reason: always none."""
    answered = {task.crm_id for task in decisions.tasks} | {one.crm_id for one in decisions.withheld}
    return [row.crm_id for row in rows if row.level == "account" and row.band == "red" and row.crm_id not in answered]


def _called_for(case: _Case) -> Iterator[Playbook]:
    """The playbook of the band or its hard rule, then those of triggers that hold, or last held where nobody knows."""
    yield case.card.answer(case.row)
    for trigger in case.card.active_triggers if case.state.holding else ():
        if case.state.holding.get(trigger.name):
            yield trigger.playbook


def _variant(playbook: Playbook, crm_id: str) -> str:
    """Which wording an account gets, for good; "" is the playbook's own text, one of the wordings."""
    if not playbook.variants:
        return ""
    names = ["", *sorted(playbook.variants)]
    digest = hashlib.sha256(f"variant\n{playbook.name}\n{crm_id}".encode()).digest()
    return names[int.from_bytes(digest[:8]) % len(names)]
