"""What the report is made of, read out of the views of the state file (docs/data.md) in a few queries.

Nothing is scored and nobody is asked: the same state file and the same instant give the same report.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter

from scoring.explain import shares
from scoring.inputs import FROZEN, ScoreRow
from sync.store import Store

BANDS = ("red", "yellow", "green", "unknown")
"""In the order in which they are looked at."""
WEEK = timedelta(days=7)
WEEKS = 52
"""Weeks of history at most."""
LEFT, OUTSIDE = "left", "new"
"""Where an account went that is no customer any more; where one came from that was not scored before."""

_ACCOUNTS = """
SELECT account_id, account_name, score, band, band_since, trend, coverage, reason, held, stage, rfm, segments,
  owner_name, owner_id, plan, channel, mrr_minor, currency, customer_since, renewal_date,
  left_at FROM v_account ORDER BY account_id
"""
_HISTORY = """
SELECT account_id, valid_from, valid_to, score, band, held, segments FROM v_score_history
ORDER BY account_id, valid_from
"""
_TASKS = """
SELECT account_id, account_name, playbook, subject, owner_name, owner_id, band_then, band_now, event_at, created_at,
  coalesce(moved_to, due_at), ended_at, outcome FROM v_task ORDER BY coalesce(moved_to, due_at), account_id
"""
_WITHHELD = """
SELECT account_id, account_name, playbook, rule, why, since, until FROM v_withheld WHERE ended_at IS NULL
ORDER BY rule, account_name
"""
_SOURCES = "SELECT source, stream, state, complete_at, records, problem FROM v_source ORDER BY source, stream"
_RUN = "SELECT run_id, mode, started_at, status FROM v_run ORDER BY run_id DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Version:
    """How one account stood for a while.

    Attributes:
        band: `LEFT` while it is no customer.
        segments: Its segments as JSON, as the state file has them.
    """

    since: datetime
    until: datetime | None
    score: int | None
    band: str
    segments: str


@dataclass(frozen=True, slots=True)
class Account:
    """One customer.

    Attributes:
        score: 0 to 100; None when not known.
        since: When it came into its band; None when that is not known.
        mrr: Monthly recurring revenue in minor units of `currency`.
        versions: Its history, the oldest first; there may be gaps.
        row: The score with its signals.
        shares: Signal -> tenths of a point around 50; they add up to the score.
    """

    crm_id: str
    name: str
    score: int | None
    band: str
    since: datetime | None
    trend: int | None
    coverage: int
    reason: str
    held: str
    stage: str
    rfm: str
    segments: tuple[str, ...]
    owner: str
    plan: str
    channel: str
    mrr: int | None
    currency: str
    customer_since: date | None
    renewal: date | None
    versions: tuple[Version, ...]
    row: ScoreRow
    shares: Mapping[str, int]

    def at(self, instant: datetime) -> Version | None:
        """How it stood at an instant; None when it was not scored then."""
        return standing(self.versions, instant)


@dataclass(frozen=True, slots=True)
class Task:
    """A follow-up that was made, as last read back.

    Attributes:
        event: What it answers: when the account came into the band, or the trigger began to hold.
        outcome: `open`, `in_time`, `late` or `gone`.
    """

    account_id: str
    account: str
    playbook: str
    subject: str
    owner: str
    band_then: str
    band_now: str
    event: datetime | None
    made: datetime | None
    due: datetime | None
    ended: datetime | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Waits:
    """An action that is withheld now."""

    account_id: str
    account: str
    playbook: str
    rule: str
    why: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Stream:
    """How fresh one kind of record of one source is."""

    source: str
    stream: str
    state: str
    complete: datetime | None
    records: int
    problem: str


@dataclass(frozen=True, slots=True)
class Run:
    """The newest run."""

    number: int
    mode: str
    started: datetime | None
    status: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it.

    Attributes:
        now: The instant of the report.
        accounts: Customers of now.
        gone: Id -> history of those that were scored once and are no customers now.
        names: Id -> name of those.
    """

    now: datetime
    accounts: tuple[Account, ...]
    gone: Mapping[str, tuple[Version, ...]]
    names: Mapping[str, str]
    tasks: tuple[Task, ...]
    waits: tuple[Waits, ...]
    streams: tuple[Stream, ...]
    run: Run | None
    by_id: Mapping[str, Account] = field(default_factory=dict)


def read(store: Store, now: datetime) -> Facts:
    """Everything the report tells."""
    history = _history(store)
    accounts = tuple(_accounts(store, history))
    here = {one.crm_id for one in accounts}
    gone = {crm_id: versions for crm_id, versions in history.items() if crm_id not in here}
    names = dict(store.rows("SELECT DISTINCT account_id, account_name FROM v_score_history")) if gone else {}
    runs = store.rows(_RUN)
    return Facts(
        now=now,
        accounts=accounts,
        gone=gone,
        names={crm_id: names[crm_id] for crm_id in gone},
        tasks=tuple(_task(row) for row in store.rows(_TASKS)),
        waits=tuple(_waits(*row) for row in store.rows(_WITHHELD)),
        streams=tuple(
            Stream(source, stream, state, _instant(complete), records or 0, problem or "")
            for source, stream, state, complete, records, problem in store.rows(_SOURCES)
        ),
        run=Run(runs[0][0], runs[0][1], _instant(runs[0][2]), runs[0][3]) if runs else None,
        by_id={one.crm_id: one for one in accounts},
    )


def standing(versions: Sequence[Version], instant: datetime) -> Version | None:
    """The one of several versions, the oldest first, that held at an instant."""
    place = bisect_right(versions, instant, key=lambda one: one.since)
    found = versions[place - 1] if place else None
    return found if found and (found.until is None or instant < found.until) else None


def along(versions: Sequence[Version], instants: Sequence[datetime]) -> list[Version | None]:
    """The same for many instants, the oldest first, in one walk."""
    place, found = -1, []
    for at in instants:
        while place + 1 < len(versions) and versions[place + 1].since <= at:
            place += 1
        one = versions[place] if place >= 0 else None
        found.append(one if one and (one.until is None or at < one.until) else None)
    return found


def weeks(facts: Facts) -> list[datetime]:
    """The instants at which history is shown: a week apart, the last is now; none before the first score."""
    every = [one.versions for one in facts.accounts] + list(facts.gone.values())
    first = min((versions[0].since for versions in every if versions), default=facts.now)
    found = [facts.now - number * WEEK for number in range(WEEKS)]
    return [at for at in reversed(found) if at >= first]


def _history(store: Store) -> dict[str, tuple[Version, ...]]:
    rows = store.rows(_HISTORY)
    return {crm_id: tuple(map(_version, one)) for crm_id, one in groupby(rows, itemgetter(0))}


def _version(row: Sequence[object]) -> Version:
    _, since, until, score, band, held, segments = row
    left = str(held or "").startswith(FROZEN)
    begin, known = datetime.fromisoformat(str(since)), score if isinstance(score, int) else None
    return Version(begin, _instant(until), known, LEFT if left else str(band), str(segments or "[]"))


def _accounts(store: Store, history: Mapping[str, tuple[Version, ...]]) -> Iterable[Account]:
    rows = {row.crm_id: row for row in store.latest_scores("account")}
    for found in store.rows(_ACCOUNTS):
        (crm_id, name, score, band, since, trend, coverage, reason, held, stage, rfm, segments, owner, owner_id, plan,
         channel, mrr, currency, began, renewal, left) = found  # fmt: skip
        if left is not None or str(held or "").startswith(FROZEN) or crm_id not in rows:
            continue
        yield Account(
            crm_id=crm_id,
            name=name,
            score=score,
            band=band,
            since=_instant(since),
            trend=trend,
            coverage=coverage or 0,
            reason=reason or "",
            held=held or "",
            stage=stage or "",
            rfm=rfm or "",
            segments=tuple(json.loads(segments or "[]")),
            owner=owner or owner_id or "",
            plan=plan or "",
            channel=channel or "",
            mrr=mrr,
            currency=currency or "",
            customer_since=date.fromisoformat(began) if began else None,
            renewal=date.fromisoformat(renewal) if renewal else None,
            versions=history.get(crm_id, ()),
            row=rows[crm_id],
            shares=shares(rows[crm_id]),
        )


def _waits(*row: str | None) -> Waits:
    crm_id, name, playbook, rule, why, since, until = row
    return Waits(crm_id or "", name or "", playbook or "", rule or "", why or "", _instant(since), _instant(until))


def _task(row: Sequence[str | None]) -> Task:
    account_id, account, playbook, subject, owner, owner_id, then, band, event, made, due, ended, outcome = row
    return Task(
        account_id=account_id or "",
        account=account or "",
        playbook=playbook or "",
        subject=subject or "",
        owner=owner or owner_id or "",
        band_then=then or "",
        band_now=band or "",
        event=_instant(event),
        made=_instant(made),
        due=_instant(due),
        ended=_instant(ended),
        outcome=outcome or "",
    )


def _instant(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
