"""`explain`: why an account has its score, what changed it, and how it got there."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.app import common, open_agent
from cli.errors import OK
from cli.look import find_account, held_names, last_scored, past_of, require_state, scored_rows, task_lines
from cli.output import Output
from cli.people import Family, family_of, people_data, people_lines
from scoring.change import Change, sparkline, split
from scoring.inputs import ScoreRow
from sync.eras import breaches_at
from sync.past import Kept, Past, kept_scores, last_score_before

if TYPE_CHECKING:
    from scoring.explain import Explanation
    from sync.people import Note
    from sync.run import Agent

SHOWN = 52
"""Weeks of history at most."""

WEEK = timedelta(days=7)

_WITHHELD = "SELECT playbook, rule, until, why FROM withheld WHERE crm_id = ? AND ended IS NULL ORDER BY playbook, rule"


@dataclass(frozen=True, slots=True)
class Story:
    """What there is to tell about one account.

    Attributes:
        now: As of the last run.
        kept: What runs made of it, the oldest first.
        weeks: Week's end and score, the oldest first, up to now.
        changes: What changed since last week and since the last run that scored it otherwise.
        notes: What people noted.
        tasks: What became of our tasks.
        withheld: Actions that wait: playbook, rule, until when, why.
        family: Its people by role, and the accounts below it.
    """

    now: ScoreRow
    kept: Sequence[Kept]
    weeks: Sequence[tuple[datetime, int | None]]
    changes: Mapping[str, Change]
    notes: Sequence["Note"]
    tasks: Sequence[str]
    withheld: Sequence[Mapping[str, object]] = field(default_factory=list)
    family: Family = field(default_factory=Family)


@click.command()
@click.argument("account")
@common
def explain(config: Path, out: Output, *, account: str) -> int:
    """Say why ACCOUNT (a CRM id or a name) has its score, what changed it since last week, and how it got there.

    Example: holdfast explain "Acme GmbH"
    """
    from scoring.explain import Explanation
    from scoring.explain import explain as explain_row
    from scoring.settle import FROZEN

    require_state(config)
    with open_agent(config) as agent:
        as_of = last_scored(agent)
        story = _story(agent, as_of, account)
    now = story.now
    # Of a frozen account only the last words are left.
    card = agent.card.card_of(now)
    explanation = Explanation(now, (), (now.reason,)) if now.held.startswith(FROZEN) else explain_row(card, now)
    _print(out, story, explanation, as_of)
    if out.as_json:
        out.json(_data(story, explanation, as_of))
    return OK


def _story(agent: "Agent", as_of: datetime, account: str) -> Story:
    from sync.people import notes_of
    from sync.standings import as_kept

    rows = scored_rows(agent, as_of)
    accounts = as_kept(agent.store, [row for row in rows if row.level == "account"])
    now = find_account(accounts, account, held_names(agent))
    kept = kept_scores(agent.store, as_of, now.key).get(now.key, [])
    waits = agent.store.rows(_WITHHELD, (now.crm_id,))
    return Story(
        now=now,
        kept=kept,
        weeks=_weeks(kept, as_of),
        changes=_changes(agent, now, kept, as_of),
        notes=notes_of(agent.store, now.crm_id),
        tasks=task_lines(agent, now.crm_id),
        withheld=[
            {"playbook": playbook, "rule": rule, "until": datetime.fromtimestamp(until, UTC), "why": why}
            for playbook, rule, until, why in waits
        ],
        family=family_of(agent, now, accounts, (row for row in rows if row.level == "contact")),
    )


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


def _changes(agent: "Agent", now: ScoreRow, kept: Sequence[Kept], as_of: datetime) -> dict[str, Change]:
    """The change since a week ago, and since what the last run but this one found, where those are there."""
    past = past_of(agent)
    instants = {"week": as_of - WEEK, "run": _last_run_before(agent, as_of)}
    found = {}
    for name, at in instants.items():
        if at is None or last_score_before({0: kept}, 0, at) is None:
            continue
        if (change := change_of(agent, past, now, at, as_of)) is not None:
            found[name] = change
    return found


def _last_run_before(agent: "Agent", as_of: datetime) -> datetime | None:
    for run in agent.ledger.runs(limit=20):
        at = run.counts.get("as_of")
        if run.counts.get("scored") and isinstance(at, str) and datetime.fromisoformat(at) < as_of:
            return datetime.fromisoformat(at)
    return None


def change_of(agent: "Agent", past: Past, now: ScoreRow, at: datetime, as_of: datetime) -> Change | None:
    """What changed an account's score since an instant; None when it was not scored then."""
    old = past.cards_at(at)
    breaches = breaches_at(agent.store, at)

    def row(rows: Sequence[ScoreRow]) -> ScoreRow | None:
        return next((one for one in rows if one.key == now.key), None)

    before = row(past.computed(at, cards=old, levels=["account"], breaches=breaches))
    same = old.fingerprint == agent.card.fingerprint
    configured = before if same else row(past.computed(at, cards=agent.card, levels=["account"], breaches=breaches))
    corrected = row(past.computed(at, cards=agent.card, levels=["account"], breaches=breaches, known=as_of))
    if before is None or configured is None:
        return None
    return split(at, agent.card.card_of(now), before, (configured, corrected or configured, now))


def _print(out: Output, story: Story, explanation: "Explanation", as_of: datetime) -> None:
    from scoring.settle import standing_lines

    now = story.now
    out.line(f"{now.name or now.crm_id}  ({now.crm_id}), as of {as_of:%Y-%m-%d %H:%M} UTC", style="bold")
    for line in (*explanation.sentences, *standing_lines(now)):
        out.line(line)
    for name, change in story.changes.items():
        if name == "week" or change.total or len(story.changes) == 1:
            out.line(change.sentence)
            moved = [f"{signal} {_points(old)} to {_points(new)}" for signal, (old, new) in change.signals.items()]
            if moved:
                out.line(f"  moved: {', '.join(moved)}", style="dim")
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
                "since": change.since,
                "before": change.before,
                "after": change.after,
                "tenths": {
                    "total": change.total,
                    "behaviour": change.behaviour,
                    "data": change.data,
                    "configuration": change.configuration,
                },
                "signals": change.signals,
                "sentence": change.sentence,
            }
            for name, change in story.changes.items()
        },
        "history": [{"at": at, "score": score} for at, score in story.weeks],
        "tasks": story.tasks,
        "withheld": story.withheld,
        **people_data(story.family),
    }
