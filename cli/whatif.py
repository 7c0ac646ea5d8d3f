"""`what-if`: the past scored again by other cards."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.app import common, open_agent
from cli.errors import OK, CommandError
from cli.look import held_names, last_scored, past_of, require_state
from cli.output import Output, count
from mapping.normalise import crm_key
from scoring.measure import said

if TYPE_CHECKING:
    from scoring.card import Scorecard
    from scoring.whatif import Label, Measured, Run
    from sync.run import Agent

MOST = 400
"""Instants at most: more than seven years of weeks."""
LISTED = 20
"""Accounts that are listed; --json has them all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says besides the cards."""

    start: datetime | None
    end: datetime | None
    every: int
    against: Path | None
    calls: int


@click.command("what-if")
@click.argument("card", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--from", "start", type=click.DateTime(["%Y-%m-%d"]), help="First day; left out: 52 steps before the end."
)
@click.option("--to", "end", type=click.DateTime(["%Y-%m-%d"]), help="Last day; left out: that of the last run.")
@click.option("--every", default=7, show_default=True, type=click.IntRange(1, 92), help="Days from instant to instant.")
@click.option("--against", type=click.Path(path_type=Path), help="CSV of who left: account id, day of notice or lapse.")
@click.option(
    "--calls", default=25, show_default=True, type=click.IntRange(1), help="Accounts the team can call a quarter."
)
@common
def what_if(config: Path, out: Output, *, card: tuple[Path, ...], **options: Any) -> int:
    """Score the past again by CARD (or several that work together) beside the card of the config; writes nothing.

    CARD is a file, or the name of a preset as `holdfast card list` has it.

    Example: holdfast what-if new-card.toml --against churn.csv
    """
    from sync.followups import done_on

    require_state(config)
    asked = Asked(**options)
    with open_agent(config) as agent:
        until = asked.end.replace(tzinfo=UTC) + timedelta(days=1) - timedelta(seconds=1) if asked.end else None
        last = min(until, last_scored(agent.ledger)) if until else last_scored(agent.ledger)
        instants = _instants(asked.start, last, asked.every)
        labels = _labels(agent, asked.against)
        runs = _play(agent, card, instants)
        worked = done_on(agent.store)
        found = [_measured(run, labels, last.date(), asked.calls, worked) for run in runs]
        names = held_names(agent.store, agent.crm.name)
        strange = _strange(runs, asked.against) if asked.against else []
    _print(out, runs, found, names, (asked.calls, strange))
    if out.as_json:
        out.json(_data(runs, found, labels, names) | {"calls": asked.calls, "not_scored": strange})
    return OK


def _instants(start: datetime | None, last: datetime, every: int) -> list[datetime]:
    step = timedelta(days=every)
    first = start.replace(tzinfo=UTC) if start else last - 51 * step
    if first > last:
        raise CommandError(f"--from {first:%Y-%m-%d} lies after {last:%Y-%m-%d}, the last instant that can be scored.")
    number = (last - first) // step + 1
    if number > MOST:
        raise CommandError(f"{number:,} instants are too many; at most {MOST}: raise --every or --from.")
    return [last - step * i for i in reversed(range(number))]


def _labels(agent: "Agent", against: Path | None) -> "dict[str, Label]":
    """Who left, by the CRM ids of now."""
    from sync.churn import from_crm, from_csv

    return from_csv(against) if against else from_crm(agent.store, agent.crm.name)


def _card(file: Path) -> "Scorecard":
    """A card by its file, else by the name of a preset."""
    from scoring.card import Scorecard
    from scoring.presets import preset

    # A bare word that is no file can only be meant for a preset.
    return preset(str(file)).card() if str(file).isidentifier() and not file.exists() else Scorecard.load(file)


def _play(agent: "Agent", files: Sequence[Path], instants: Sequence[datetime]) -> "list[Run]":
    from scoring.cards import Cards
    from scoring.whatif import Run, measured_at
    from sync.replay import rerun

    cards = [agent.card, Cards([_card(file) for file in files], [str(file) for file in files])]
    runs = [Run("now", cards[0]), Run("what if", cards[1])]
    measured = set(measured_at(instants))
    with rerun(past_of(agent), cards, instants) as again:
        for at in instants:
            for run, rows in zip(runs, again.score(at), strict=True):
                run.step(rows, at, measured=at in measured)
    return runs


def _measured(
    run: "Run", labels: "dict[str, Label]", until: date, calls: int, worked: dict[str, list[date]]
) -> "Measured":
    from scoring.whatif import measure

    ids = {crm_id for scores in run.scores.values() for crm_id in scores}
    known = {one: labels[crm_key(one)] for one in ids if crm_key(one) in labels}
    return measure(run, known, until, calls, worked)


def _strange(runs: "Sequence[Run]", against: Path) -> list[str]:
    """The ids of a list of who left that are no account which was scored at any instant, as the list has them."""
    from sync.churn import ids_of

    known = {crm_key(crm_id) for run in runs for scores in run.scores.values() for crm_id in scores}
    return [one for one in ids_of(against) if crm_key(one) not in known]


def _print(
    out: Output,
    runs: "Sequence[Run]",
    found: "Sequence[Measured]",
    called: Mapping[str, str],
    told: tuple[int, Sequence[str]],
) -> None:
    from scoring.whatif import differing

    calls, strange = told
    now, new = runs
    last = now.weeks[-1].at
    moves = differing(now, new)
    out.heading(f"{now.cards.name} beside {new.cards.name}, {count(len(now.weeks), 'instant')} up to {last:%Y-%m-%d}")
    out.line(f"{count(len(moves), 'account')} would stand in another band at the end.")
    rows = [(called.get(one, ""), one, old, band) for one, (old, band) in moves.items()]
    if rows:
        out.table(("account", "id", "now", "what if"), rows[:LISTED])
        if len(rows) > LISTED:
            out.line(f"… and {count(len(rows) - LISTED, 'more account')}; --json has them all.", style="dim")
    out.heading("Bands and tasks")
    names = ("red", "yellow", "green", "unknown")
    pairs = [pair for pair in zip(now.weeks, new.weeks, strict=True) if any(any(week.bands.values()) for week in pair)]
    if blank := len(now.weeks) - len(pairs):
        out.line(f"{count(blank, 'instant')} left out, at which nothing was known yet.", style="dim")
    out.table(
        ("at", "card", *names, "moved", "opened", "closed"),
        [
            (
                f"{week.at:%Y-%m-%d}",
                run.name,
                *(f"{week.bands[name]:,}" for name in names),
                *(f"{number:,}" for number in (week.moved, week.opened, week.closed)),
            )
            for pair in pairs
            for run, week in zip(runs, pair, strict=True)
        ],
    )
    out.heading("Against who left")
    if strange:
        more = f" and {len(strange) - LISTED:,} more; --json has them all" if len(strange) > LISTED else ""
        text = f"not scored at any of these instants, of the ids in the list: {', '.join(strange[:LISTED])}{more}"
        out.line(f"{len(strange):,} {text}.", style="bold")
    for run, result in zip(runs, found, strict=True):
        out.line(f"{run.name}:", style="bold")
        for line in _lines(result, calls):
            out.line(f"  {line}")


def _lines(result: "Measured", calls: int) -> list[str]:
    called, lift = result.called, said(result.called.lift) or "unknown"
    alarms, changes = (said(number, 2) or "unknown" for number in (result.alarms, result.changes))
    nothing = "AUC unknown: nobody is known to have left, or nobody to have stayed"
    reached = f"{called.precision.words} left; {called.recall.words} of those who left found; lift {lift}"
    lines = [
        result.area.words if result.area else nothing,
        f"lowest {calls} of each quarter called: {reached}",
        f"of those who left, {result.lead.words}",
        f"{alarms} alarms and {changes} changes of band per account and year",
        f"left out: {result.dropped:,} with notice given or too near, {result.censored:,} not known yet",
        f"without a score: {result.unknown:,}",
    ]
    if result.worked_on.whole:
        alone = result.untouched_area.words if result.untouched_area else nothing
        lines.append(f"worked on meanwhile: {result.worked_on.words} left; not: {result.untouched.words} left, {alone}")
    return lines + [f"leak? {text}" for text in result.leaks]


def _data(
    runs: "Sequence[Run]", found: "Sequence[Measured]", labels: "dict[str, Label]", names: Mapping[str, str]
) -> dict[str, Any]:
    from scoring.whatif import differing

    return {
        "instants": [week.at for week in runs[0].weeks],
        "left": len(labels),
        "bands": {
            one: {"name": names.get(one), "now": old, "what_if": new} for one, (old, new) in differing(*runs).items()
        },
        "cards": [
            {
                "card": run.cards.name,
                "fingerprint": run.cards.fingerprint,
                "weeks": [
                    {
                        "at": week.at,
                        "bands": dict(week.bands),
                        "moved": week.moved,
                        "opened": week.opened,
                        "closed": week.closed,
                    }
                    for week in run.weeks
                ],
                "measured": _numbers(result),
            }
            for run, result in zip(runs, found, strict=True)
        ],
    }


def _numbers(result: "Measured") -> dict[str, Any]:
    called = result.called
    rates = {"precision": called.precision, "recall": called.recall, "found": result.lead.found}
    rates |= {"worked_on": result.worked_on, "untouched": result.untouched}
    return {
        "auc": asdict(result.area) if result.area else None,
        "untouched_auc": asdict(result.untouched_area) if result.untouched_area else None,
        "calls": called.calls,
        **{
            name: {"part": rate.part, "whole": rate.whole, "interval": rate.interval, "words": rate.words}
            for name, rate in rates.items()
        },
        "lift": None if said(called.lift) is None else called.lift,
        "lead_days": result.lead.quartiles,
        "alarms_per_account_year": None if said(result.alarms) is None else result.alarms,
        "band_changes_per_account_year": None if said(result.changes) is None else result.changes,
        "dropped": result.dropped,
        "censored": result.censored,
        "unknown": result.unknown,
        "leaks": result.leaks,
    }
