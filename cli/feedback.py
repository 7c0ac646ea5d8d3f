"""`feedback`: what became of every survey answer: collected, analysed, acted on, told. Makes no API call."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TypedDict, Unpack

import click

from cli.app import wire
from cli.common import common, reading
from cli.errors import OK
from cli.output import Output, count
from mapping.domains import Mailboxes
from scoring.playbooks.answers import answering
from sync.feedback import STATES, Answer, Counts, counted, feedback, waited

MOST = 50
"""Lines that a person is shown without `--full`."""
NEXT = {
    "collected": "waits to be matched",
    "analysed": "matched and sorted",
    "acted": "somebody has a task for it",
    "told": "they were told",
}


class _Asked(TypedDict):
    """What the options say."""

    state: str | None
    unmatched: bool
    stuck: bool
    theme: str | None
    account: str | None


@click.command("feedback")
@click.option("--state", type=click.Choice(STATES), help="Only answers that came so far and no further.")
@click.option("--unmatched", is_flag=True, help="Only answers that belong to no CRM account, with why.")
@click.option("--stuck", is_flag=True, help="Only answers that have waited too long.")
@click.option("--theme", help="Only answers whose text speaks of it, such as price or complaint.")
@click.option("--account", help="Only answers of one account, by its CRM id or its name.")
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How far back.")
@click.option("--full", is_flag=True, help="Every line, however many.")
@common
def feedback_command(config: Path, out: Output, *, days: int, full: bool, **asked: Unpack[_Asked]) -> int:
    """Show what became of survey answers: collected, analysed, acted on or told, and which wait too long.

    Example: holdfast feedback --stuck
    """
    cards = wire(config).card.cards
    with reading(config) as stored:
        now, boxes = stored.clock.now(), Mailboxes(stored.config.identity)
        everything = feedback(stored.store, stored.crm, boxes, answering(cards), now, days=days)
    found = [one for one in everything if _wanted(one, asked)]
    counts = counted(everything)
    if out.as_json:
        rows = [asdict(one) | {"matched": one.matched, "days_in_state": waited(one, now)} for one in found]
        out.json({"days": days, "counts": asdict(counts) | {"match_percent": counts.match_percent}, "answers": rows})
        return OK
    shown = found if full else found[:MOST]
    if asked["unmatched"]:
        _list_unmatched(out, shown)
    else:
        _list(out, shown, now)
    if len(shown) < len(found):
        out.line(f"{len(found) - len(shown):,} more; --full shows them.", style="dim")
    _sum_up(out, counts, days)
    return OK


def _wanted(one: Answer, asked: _Asked) -> bool:
    name = (asked["account"] or "").casefold()
    return (
        asked["state"] in (None, one.state)
        and not (asked["unmatched"] and one.matched)
        and not (asked["stuck"] and not one.stuck)
        and (asked["theme"] is None or asked["theme"] in one.themes)
        and (not name or name in ((one.account or "").casefold(), (one.name or "").casefold()))
    )


def _list(out: Output, found: Sequence[Answer], now: datetime) -> None:
    rows = [
        (
            f"{one.answered:%Y-%m-%d}",
            one.name or one.account or f"{one.source} {one.source_id}",
            _said(one),
            ", ".join(one.themes) or "-",
            one.state,
            f"{waited(one, now)} d{' !' if one.stuck else ''}",
            one.playbook or "-",
            one.why or "-",
        )
        for one in found
    ]
    columns = ("answered", "account", "answer", "themes", "state", "for", "follow-up", "waits for")
    out.table(columns, rows or [("none", *[""] * (len(columns) - 1))])


def _list_unmatched(out: Output, found: Sequence[Answer]) -> None:
    rows = [
        (f"{one.answered:%Y-%m-%d}", one.source, one.source_id, one.person or "-", _said(one), one.why) for one in found
    ]
    columns = ("answered", "source", "answer's id", "person's id", "answer", "why it is not matched")
    out.table(columns, rows or [("none", *[""] * (len(columns) - 1))])


def _said(one: Answer) -> str:
    return f"{one.survey.upper()} {one.score}/{one.top}, {one.mood}"


def _sum_up(out: Output, counts: Counts, days: int) -> None:
    out.line()
    share = "" if counts.match_percent is None else f" ({counts.match_percent} %)"
    out.line(
        f"{count(counts.total, 'answer')} in {days} days; {counts.matched:,} matched to the CRM{share}.", style="bold"
    )
    for state in STATES:
        late = counts.stuck[state]
        waiting = f", {late:,} for too long" if late else ""
        out.line(f"  {state:<10} {counts.states[state]:>6,}  {NEXT[state]}{waiting}", style="yellow" if late else None)
    if counts.needs:
        out.line(f"{counts.in_time:,} of {counts.needs:,} that call for a follow-up were acted on within 7 days.")
    if counts.themes:
        most = ", ".join(f"{theme} {number:,}" for theme, number in list(counts.themes.items())[:8])
        out.line(f"Themes: {most}.", style="dim")
