"""`explain`: why an account has its score, what changed it, and how it got there."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from cli.common import Reading, common, reading
from cli.completion import accounts
from cli.errors import OK
from cli.look import find_account, held_names, last_scored, task_lines
from cli.output import Output
from cli.people import Family, family_of, people_data, people_lines
from mapping.normalise import crm_key
from scoring.change import Change, moved, since_words, sparkline, tenths_of
from scoring.change import split as split_change
from scoring.inputs import ScoreRow
from sync.eras import breaches_at, cards_at, passed
from sync.facts import facts_of
from sync.ledger_reads import LedgerReads
from sync.moves import change_since
from sync.past import Kept, Past, kept_scores, last_score_before
from sync.results import signals_at
from sync.tables import epoch

if TYPE_CHECKING:
    from scoring.card import Scorecard
    from scoring.cards import Cards
    from scoring.explain import Explanation
    from sync.people import Note
    from sync.store import Store

SHOWN = 52
"""Weeks of history at most."""

WEEK = timedelta(days=7)

_NAMES = "SELECT key, crm_id, name FROM score WHERE level = 'account' ORDER BY key"

_NAMED = """
SELECT s.key, s.crm_id, s.name FROM json_each(?) j JOIN score s ON s.level = 'account' AND s.key = j.value
ORDER BY s.key
"""

_WITHHELD = "SELECT playbook, rule, until, why FROM withheld WHERE crm_id = ? AND ended IS NULL ORDER BY playbook, rule"


# In the order of the table: by the index of sources each row would be looked up.
_HELD = """
SELECT t.key, t.source_id, coalesce(t.name, '') FROM account t JOIN source ON source.id = +t.source
WHERE source.name = ? AND t.valid_from IS NOT NULL
"""


class _Name(NamedTuple):
    key: int
    crm_id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """How the score came from an instant to now.

    Attributes:
        since: The earlier instant.
        before: The score then; None when too little was known.
        after: The score now.
        moved: Signal -> hundredths then and now, where they differ; None for not known.
        change: The same split into what configuration, data and behaviour did; None where runs did not keep it.
    """

    since: datetime
    before: int | None
    after: int | None
    moved: Mapping[str, tuple[int | None, int | None]]
    change: Change | None = None

    @property
    def sentence(self) -> str:
        """One line."""
        if self.change is not None:
            return self.change.sentence
        return f"{since_words(self.since, self.before, self.after)}."

    @property
    def total(self) -> int:
        """Tenths of a point; a score that is not known counts as the neutral 50."""
        return tenths_of(self.after) - tenths_of(self.before)


@dataclass(frozen=True, slots=True)
class Story:
    """What there is to tell about one account.

    Attributes:
        now: As of the last run.
        card: That scored it.
        kept: What runs made of it, the oldest first.
        weeks: Week's end and score, the oldest first, up to now.
        steps: What changed since last week and since the last run that scored it otherwise.
        notes: What people noted.
        tasks: What became of our tasks.
        withheld: Actions that wait: playbook, rule, until when, why.
        family: Its people by role, and the accounts below it.
    """

    now: ScoreRow
    card: "Scorecard"
    kept: Sequence[Kept]
    weeks: Sequence[tuple[datetime, int | None]]
    steps: Mapping[str, Step]
    notes: Sequence["Note"]
    tasks: Sequence[str]
    withheld: Sequence[Mapping[str, object]] = field(default_factory=list)
    family: Family = field(default_factory=Family)


@click.command()
@click.argument("account", shell_complete=accounts)
@click.option(
    "--split",
    is_flag=True,
    help="Split each change by scoring the past again instead of by what runs kept of it: takes seconds.",
)
@common
def explain(config: Path, out: Output, *, account: str, split: bool) -> int:
    """Say why ACCOUNT (a CRM id or a name) has its score, what changed it since last week, and how it got there.

    Answers out of what the last run kept, fit to be pasted into a ticket. After a change of the scorecard the account
    is scored by the new one.

    Example: holdfast explain "Acme GmbH"
    """
    from scoring.explain import Explanation
    from scoring.explain import explain as explain_row
    from scoring.inputs import FROZEN

    with reading(config) as stored:
        as_of = last_scored(LedgerReads(stored.store))
        story = _story(stored, as_of, account, split=split)
    now = story.now
    # Of a frozen account only the last words are left.
    frozen = now.held.startswith(FROZEN)
    explanation = Explanation(now, (), (now.reason,)) if frozen else explain_row(story.card, now)
    _print(out, story, explanation, as_of)
    if out.as_json:
        out.json(_data(story, explanation, as_of))
    return OK


def _story(stored: Reading, as_of: datetime, account: str, *, split: bool) -> Story:
    from scoring.cards import Cards
    from sync.people import notes_of

    store, crm = stored.store, stored.crm
    cards = Cards.load(stored.config.card_paths, passed(store))
    found = _found(store, crm, account)
    past = Past(store, crm, stored.sources, cards)
    now = _kept_row(store, cards, as_of, found.key) or _scored_again(past, as_of, found.key)
    kept = kept_scores(store, as_of, now.key).get(now.key, [])
    waits = store.rows(_WITHHELD, (now.crm_id,))
    return Story(
        now=now,
        card=cards.card_of(now),
        kept=kept,
        weeks=_weeks(kept, as_of),
        steps=_steps(past, now, kept, as_of, split=split),
        notes=notes_of(store, now.crm_id),
        tasks=task_lines(store, crm, now.crm_id),
        withheld=[
            {"playbook": playbook, "rule": rule, "until": datetime.fromtimestamp(until, UTC), "why": why}
            for playbook, rule, until, why in waits
        ],
        family=family_of(store, crm, now, cards, stored.config.hierarchy.rollup),
    )


def _found(store: "Store", crm: str, account: str) -> _Name:
    """The scored account that is meant: looked for by what the CRM holds, which reads far less than the scores do."""
    id_, name = crm_key(account), account.strip().casefold()
    keys = [key for key, held, called in store.rows(_HELD, (crm,)) if crm_key(held) == id_ or called.casefold() == name]
    named = [_Name(*row) for row in store.rows(_NAMED, (json.dumps(keys),))]
    rows = named or [_Name(*row) for row in store.rows(_NAMES)]
    return find_account(rows, account, lambda: held_names(store, crm), part=True)


def _kept_row(store: "Store", cards: "Cards", as_of: datetime, key: int) -> ScoreRow | None:
    """What the last run kept of an account with its features; None when the cards are others now, or kept none."""
    if cards_at(store, as_of, cards) is not cards:
        return None
    row, facts = store.latest_score("account", key), facts_of(store, key)
    if row is None or facts is None:
        return None
    return row._replace(features=dict.fromkeys(cards.features("account")) | facts)


def _scored_again(past: Past, as_of: datetime, key: int) -> ScoreRow:
    """An account scored anew, with what runs made of it as far as that still holds."""
    from sync.standings import as_kept

    rows = as_kept(past.store, past.computed(as_of, cards=past.cards, levels=["account"]))
    return next(row for row in rows if row.key == key)


def _weeks(kept: Sequence[Kept], as_of: datetime) -> list[tuple[datetime, int | None]]:
    """The score at the end of each week, from the first that there is."""
    found: list[tuple[datetime, int | None]] = []
    for week in range(SHOWN):
        at = as_of - week * WEEK
        one = last_score_before({0: kept}, 0, at)
        if one is None and kept and at < kept[0].since:
            break
        found.append((at, one.score if one else None))
    return found[::-1]


def _steps(past: Past, now: ScoreRow, kept: Sequence[Kept], as_of: datetime, *, split: bool) -> dict[str, Step]:
    """The change since the last run a week ago, and since the run before this one, where those are there."""
    ledger, store = LedgerReads(past.store), past.store
    instants = {"week": ledger.scored_before(as_of - WEEK, or_at=True), "run": ledger.scored_before(as_of)}
    found: dict[str, Step] = {}
    for name, at in instants.items():
        then = None if at is None else last_score_before({0: kept}, 0, at)
        if at is None or then is None or any(step.since == at for step in found.values()):
            continue
        change = change_of(past, now, at, as_of) if split else change_since(store, at, then.score, now, as_of)
        if change is not None:
            found[name] = Step(at, change.before, change.after, change.signals, change)
        elif not split:
            before = signals_at(store, now.key, epoch(at))
            found[name] = Step(at, then.score, now.score, moved(before, now.signals))
    return found


def change_of(past: Past, now: ScoreRow, at: datetime, as_of: datetime) -> Change | None:
    """What changed an account's score since an instant; None when it was not scored then."""
    old, cards = past.cards_at(at), past.cards
    breaches = breaches_at(past.store, at)

    def row(rows: Sequence[ScoreRow]) -> ScoreRow | None:
        return next((one for one in rows if one.key == now.key), None)

    before = row(past.computed(at, cards=old, levels=["account"], breaches=breaches))
    same = old.fingerprint == cards.fingerprint
    configured = before if same else row(past.computed(at, cards=cards, levels=["account"], breaches=breaches))
    corrected = row(past.computed(at, cards=cards, levels=["account"], breaches=breaches, known=as_of))
    if before is None or configured is None:
        return None
    return split_change(at, cards.card_of(now), before, (configured, corrected or configured, now))


def _print(out: Output, story: Story, explanation: "Explanation", as_of: datetime) -> None:
    from scoring.settle import standing_lines

    now = story.now
    out.line(f"{now.name or now.crm_id}  ({now.crm_id}): {now.band}, as of {as_of:%Y-%m-%d %H:%M} UTC", style="bold")
    for line in (*explanation.sentences, *standing_lines(now)):
        out.line(line)
    said = set[str]()
    for name, step in story.steps.items():
        # Last week's run may have been the last: the same change is told once.
        if step.sentence not in said and (name == "week" or step.total or len(story.steps) == 1):
            said.add(step.sentence)
            out.line(step.sentence)
            changed = [f"{signal} {_points(old)} to {_points(new)}" for signal, (old, new) in step.moved.items()]
            if changed:
                out.item(f"moved: {', '.join(changed)}", 2, style="dim")
    if len(story.weeks) > 1:
        line = sparkline([score for _, score in story.weeks], _can_show)
        out.line(f"History, a mark a week since {story.weeks[0][0]:%Y-%m-%d}: {line}")
    held = [f"In segment {name} since {since:%Y-%m-%d}." for name, since in _segments_since(story.kept)]
    for line in (*people_lines(story.family), *held):
        out.line(line)
    for note in story.notes:
        out.line(f"Note since {note.since:%Y-%m-%d}: {note.text}", style="dim")
    for line in story.tasks:
        out.line(line, style="dim")
    for one in story.withheld:
        out.line(f"Waits: {one['playbook']} until {one['until']:%Y-%m-%d}, {one['why']}", style="dim")


def _points(points: int | None) -> str:
    return "unknown" if points is None else f"{points / 100:.2f}".rstrip("0").rstrip(".")


def _can_show(marks: str) -> bool:
    """Whether the terminal has these signs."""
    try:
        marks.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _segments_since(kept: Sequence[Kept]) -> list[tuple[str, datetime]]:
    """The segments of the last state with the instant from which on it has been in them without a break."""
    found = []
    for name in kept[-1].segments if kept and kept[-1].until is None else ():
        since = kept[-1].since
        for later, earlier in zip(reversed(kept), list(reversed(kept))[1:], strict=False):
            if name not in earlier.segments or earlier.until != later.since:
                break
            since = earlier.since
        found.append((name, since))
    return found


def _data(story: Story, explanation: "Explanation", as_of: datetime) -> dict[str, object]:
    now = story.now
    return {
        "crm_id": now.crm_id,
        "name": now.name,
        "as_of": as_of,
        "score": now.score,
        "health": now.health,
        "band": now.band,
        "computed": now.computed,
        "held": now.held,
        "trend": now.trend,
        "notes": story.notes,
        "coverage": now.coverage,
        "segments": now.segments,
        "segments_since": dict(_segments_since(story.kept)),
        "reason": now.reason,
        "signals": [signal._asdict() for signal in now.signals],
        "features": now.features,
        "parts": explanation.parts,
        "changes": {
            name: {
                "since": step.since,
                "before": step.before,
                "after": step.after,
                "tenths": {"total": step.total, **_parts(step.change)},
                "signals": step.moved,
                "sentence": step.sentence,
            }
            for name, step in story.steps.items()
        },
        "history": [{"at": at, "score": score} for at, score in story.weeks],
        "tasks": story.tasks,
        "withheld": story.withheld,
        **people_data(story.family),
    }


def _parts(change: Change | None) -> dict[str, int]:
    if change is None:
        return {}
    return {"behaviour": change.behaviour, "data": change.data, "configuration": change.configuration}
