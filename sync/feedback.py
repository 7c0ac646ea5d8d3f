"""The feedback record: for every survey answer whether it was collected, analysed, acted on, and told.

Nothing is kept for it: all four states follow from the answer, from who is who, from the follow-up tasks and from the
calls and meetings that the CRM knows of. What people wrote is not here; of their words the themes are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from mapping.domains import Mailboxes
from mapping.themes import COMPLAINT
from scoring.playbooks import base_name
from scoring.playbooks.answers import Answering
from sync.feedback_rows import Row, Task, Touches, Waits, answers, tasks_of, touches, waits_of
from sync.store import Store
from sync.tables import epoch, instant

State = Literal["collected", "analysed", "acted", "told"]
STATES: tuple[State, ...] = ("collected", "analysed", "acted", "told")
Mood = Literal["promoter", "passive", "detractor", "satisfied", "neutral", "unsatisfied"]

PATIENCE: Mapping[State, timedelta] = {
    "collected": timedelta(days=2),
    "analysed": timedelta(days=2),
    "acted": timedelta(days=7),
}
"""How long an answer that calls for something may stay in a state before it counts as stuck."""
BEFORE, AFTER = timedelta(days=1, hours=1), timedelta(days=7)
"""An episode begins at the answer, which a rule knows in whole hours or days, or up to a week later: later it is
another matter."""
NEWS = timedelta(days=7)
"""An answer that was older when it was first read is history."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and what became of it.

    Attributes:
        source: Where it was given.
        source_id: Its id there.
        survey: nps, csat or ces.
        score: On its own scale, which goes to `top`.
        mood: promoter, passive, detractor; of other surveys satisfied, neutral, unsatisfied.
        themes: What its text speaks of.
        account: CRM id of the account; None where it is not matched.
        contact: CRM id of the person; None where they are not matched.
        person: The source's id of the person; None where it names nobody.
        answered: When it was given.
        state: How far it came.
        since: When it came there.
        needs: Whether it calls for a follow-up: an unhappy answer, or one that complains.
        history: Whether it was old already when it was first read: nobody waits for us to act on it.
        stuck: Whether it has waited too long for the next state.
        why: What it waits for, or why it is not matched; "" when there is nothing to say.
        playbook: What acted on it; "" when nothing did.
        owner: CRM id of whoever has the task.
        due: By when the task should be done.
        told: When they were told.
    """

    source: str
    source_id: str
    survey: str
    score: int
    top: int
    mood: Mood
    themes: tuple[str, ...]
    account: str | None
    name: str | None
    contact: str | None
    person: str | None
    answered: datetime
    state: State
    since: datetime
    needs: bool
    history: bool
    stuck: bool
    why: str = ""
    playbook: str = ""
    owner: str | None = None
    due: datetime | None = None
    told: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether something is still to be done about it."""
        open_ = self.state == "acted" or not self.matched
        return not self.history and (open_ or (self.needs and self.state != "told"))

    @property
    def matched(self) -> bool:
        """Whether it belongs to an account of the CRM."""
        return self.account is not None


@dataclass(frozen=True, slots=True)
class Desk:
    """What the states follow from, beside the answers.

    Attributes:
        crm: Name of the CRM's source.
        mailboxes: What addresses say.
        answering: Playbooks that go by answers, by name.
        now: The instant.
    """

    store: Store
    crm: str
    mailboxes: Mailboxes
    answering: Mapping[str, Answering]
    now: datetime
    tasks: Mapping[str, Sequence[Task]] = field(default_factory=dict)
    waits: Waits = field(default_factory=dict)
    touches: Touches = field(default_factory=dict)


def feedback(
    store: Store,
    crm: str,
    mailboxes: Mailboxes,
    playbooks: Mapping[str, Answering],
    now: datetime,
    *,
    days: int = 90,
) -> list[Answer]:
    """The answers of the last days: stuck ones first, then those that wait for something, each the newest first.

    Args:
        store: The state.
        crm: Name of the CRM's source.
        mailboxes: What addresses say, for those that are not matched.
        playbooks: What goes by answers, see `scoring.playbooks.answers.answering`.
        now: The instant of asking.
        days: How far back.
    """
    since = now - timedelta(days=days)
    kept = {
        account: [task for task in tasks if base_name(task.name) in playbooks]
        for account, tasks in tasks_of(store).items()
    }
    held = {place: why for place, why in waits_of(store).items() if base_name(place[1]) in playbooks}
    desk = Desk(store, crm, mailboxes, playbooks, now, kept, held, touches(store, since))
    found = [_answer(desk, row) for row in answers(store, crm, since, now)]
    return sorted(found, key=lambda one: (not one.stuck, not one.waits))


def _answer(desk: Desk, row: Row) -> Answer:
    mood = mood_of(row)
    unhappy = mood in ("detractor", "unsatisfied")
    needs = unhappy or (COMPLAINT in row.themes and mood not in ("promoter", "satisfied"))
    collected = instant(row.collected)
    answered = instant(row.answered)
    state: State = "collected" if row.account is None else "analysed"
    since = collected if row.account is None else instant(max(row.collected, row.linked or 0))
    why, playbook, owner, due, told = "", "", None, None, None
    if row.account is None:
        why = why_unmatched(row, desk.mailboxes)
    else:
        tasks = _tasks(desk, row, answered, needs=needs, happy=mood in ("promoter", "satisfied"))
        told = _told(desk, row, tasks)
        if tasks:
            state, since = "acted", tasks[0].made
            playbook, owner, due = base_name(tasks[0].name), tasks[0].owner, tasks[0].due
            late = told is None and due is not None and due < desk.now
            why = "its task is past its date" if late else "its task is open" if told is None else ""
        elif needs and told is None:
            why = "it was old when it was first read" if collected - answered > NEWS else _waits(desk, row)
        if told is not None:
            state, since = "told", told
    history = collected - answered > NEWS
    who = (row.account, row.name, row.contact, row.person)
    one = Answer(
        row.source, row.source_id, row.survey, row.score, row.top, mood, row.themes, *who, answered, state, since,
        needs, history, stuck=False, why=why, playbook=playbook, owner=owner, due=due, told=told,
    )  # fmt: skip
    return replace(one, stuck=one.waits and desk.now - since > PATIENCE.get(state, timedelta.max))


def mood_of(row: Row) -> Mood:
    """How content somebody is: NPS as everybody cuts it, others by what the source or the scale says."""
    if row.survey == "nps":
        return "passive" if row.satisfied is None else "promoter" if row.satisfied else "detractor"
    return "neutral" if row.satisfied is None else "satisfied" if row.satisfied else "unsatisfied"


def _tasks(desk: Desk, row: Row, answered: datetime, *, needs: bool, happy: bool) -> list[Task]:
    """The tasks that answer it, the earliest first: help where it calls for help, a request where they are happy."""
    found = []
    for task in desk.tasks.get(row.account or "", ()):
        purpose = desk.answering[base_name(task.name)].purpose
        fits = happy if purpose == "request" else needs
        if fits and task.state != "gone" and answered - BEFORE <= task.event <= answered + AFTER:
            found.append(task)
    return sorted(found, key=lambda task: (task.made, task.name))


def _told(desk: Desk, row: Row, tasks: Iterable[Task]) -> datetime | None:
    """When they were told: the closing task was done, or somebody spoke with them after the answer."""
    ends = [
        task.ended
        for task in tasks
        if task.state == "done"
        and task.ended is not None
        and desk.answering[base_name(task.name)].closing in ("", task.name)
    ]
    person = ("contact", row.contact_key) if row.contact_key is not None else ("account", row.account_key)
    spoke = [at for at in desk.touches.get(person, ()) if at > row.answered]
    return min([*ends, *map(instant, spoke[:1])], default=None)


def _waits(desk: Desk, row: Row) -> str:
    """Why nobody acts."""
    held = [why for (account, _), why in desk.waits.items() if account == row.account]
    return held[0] if held else "no playbook that goes by answers has acted on it"


def why_unmatched(row: Row, mailboxes: Mailboxes) -> str:
    """Why an answer belongs to no account of the CRM, in words that say what to do about it."""
    email = row.email or ""
    kind = mailboxes.kind(email)
    reasons = (
        (bool(row.review), row.review),
        (row.person is None and not email and row.company, "its company is not linked to a CRM account"),
        (row.person is None and not email, "the source names nobody"),
        (row.staff or kind == "staff", "one of your own people answered"),
        (row.in_crm, "the person is in the CRM, and belongs to no account there"),
        (not email, "the source has not told who that is"),
        (kind == "shared_inbox", "a shared address, such as support@, is nobody's"),
        (
            mailboxes.nobody(email.rpartition("@")[2]),
            "no CRM contact has this address, and its domain is free mail or shared",
        ),
    )
    last = "no CRM contact has this address, and no CRM account alone has its domain"
    return next((words for holds, words in reasons if holds), last)


# -- counts -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Counts:
    """A list of answers in figures.

    Attributes:
        states: State -> answers.
        stuck: State -> answers that have waited too long.
        matched: Answers that belong to an account.
        needs: Answers that call for a follow-up, are matched, and were not old when they were first read.
        in_time: Of these, acted on or told within seven days of the answer.
        themes: Theme -> answers, most first.
    """

    total: int = 0
    states: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    stuck: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    matched: int = 0
    needs: int = 0
    in_time: int = 0
    themes: dict[str, int] = field(default_factory=dict)

    @property
    def match_percent(self) -> int | None:
        """Percent of the answers that are matched; None without answers."""
        return 100 * self.matched // self.total if self.total else None


def counted(found: Iterable[Answer]) -> Counts:
    """How many are where."""
    counts = Counts()
    themes: dict[str, int] = {}
    for one in found:
        counts.total += 1
        counts.states[one.state] += 1
        counts.stuck[one.state] += one.stuck
        counts.matched += one.matched
        due = one.needs and one.matched and not one.history
        counts.needs += due
        counts.in_time += due and one.state in ("acted", "told") and one.since - one.answered <= AFTER
        for theme in one.themes:
            themes[theme] = themes.get(theme, 0) + 1
    counts.themes = dict(sorted(themes.items(), key=lambda item: (-item[1], item[0])))
    return counts


def waited(one: Answer, now: datetime) -> int:
    """Whole days in its state."""
    return max(0, (epoch(now) - epoch(one.since)) // 86400)
