"""`segments`: who is in which segment, stage and group, and who moved."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import click

from cli.app import wire
from cli.common import common, reading
from cli.errors import OK, CommandError
from cli.look import find_account
from cli.output import Output, count
from scoring.cards import Cards
from scoring.features.segments import RFM, STAGES
from sync import transitions
from sync.owned import BANDS
from sync.store import Store
from sync.transitions import LAYERS, LEFT, OUTSIDE, Move, Version, What

LONGEST = 40
"""Moves that are shown; --json has them all."""
ORDERS: Mapping[str, Sequence[str]] = {"stage": STAGES, "rfm": RFM, "band": BANDS}
HEADINGS: Mapping[str, str] = {"stage": "Stages", "rfm": "RFM groups", "band": "Bands"}


@click.command()
@click.option("--transitions", "listing", is_flag=True, help="List who moved, from where to where, and when.")
@click.option(
    "--matrix", is_flag=True, help="Count who went from which stage and band to which, and where they drop off."
)
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), help="From this day on (UTC); left out: of the last 30 days."
)
@click.option("--account", help="Only this account, by its CRM id or its name, over all that is known of it.")
@common
def segments(
    config: Path, out: Output, *, listing: bool, matrix: bool, since: datetime | None, account: str | None
) -> int:
    """Show how many accounts are in each segment, stage and RFM group, and who came and went. Makes no API call.

    Example: holdfast segments --matrix --since 2026-09-01
    """
    with reading(config) as stored:
        store, now = stored.store, stored.clock.now()
        begin = since.replace(tzinfo=UTC) if since else transitions.month_before(now)
        if begin > now:
            raise CommandError(f"--since {begin:%Y-%m-%d} is still to come: it is {now:%Y-%m-%d}.", 2)
        if account is not None:
            _of_account(store, out, account, begin if since else None)
        elif listing:
            _moves(transitions.moves(transitions.versions(store, begin), begin), out)
        elif matrix:
            _matrix(transitions.versions(store, begin), out, begin, now)
        else:
            _sizes(transitions.versions(store, begin), out, wire(config).card, (begin, now))
    return OK


def _sizes(history: Sequence[Version], out: Output, cards: Cards, span: tuple[datetime, datetime]) -> None:
    begin, now = span
    told = {name: segment for card in cards.cards for name, segment in card.account.segments.items()}
    flows = transitions.flows(history, told, begin, now)
    counts = {what: transitions.sizes(history, what, now) for what in LAYERS if what != "segments"}
    out.heading("Segments")
    head: tuple[str, ...] = ("segment", "label", "accounts", f"in since {begin:%Y-%m-%d}", "out")
    rows: list[tuple[str, ...]] = []
    for flow in flows:
        label = told[flow.name].label if flow.name in told else ""
        rows.append((flow.name, label, f"{flow.accounts:,}", f"{flow.entered:,}", f"{flow.left:,}"))
    out.table(head, rows)
    advice = [(name, one.cadence, one.offer) for name, one in sorted(told.items()) if one.cadence or one.offer]
    if advice:
        out.heading("What suits them")
        out.table(("segment", "cadence", "offer"), advice)
    for what, counted in counts.items():
        out.heading(HEADINGS[what])
        out.table((what, "accounts"), [(name, f"{counted[name]:,}") for name in _ordered(what, counted)])
    if out.as_json:
        out.json({"since": begin, "segments": flows, **counts})


def _ordered(what: str, names: Mapping[str, int]) -> list[str]:
    """The names that there are, in the order of their kind, what stands beside it last."""
    order = [OUTSIDE, *ORDERS[what]]
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name == LEFT, name))


def _moves(moves: Sequence[Move], out: Output) -> None:
    rows = [
        (f"{move.at:%Y-%m-%d %H:%M}", move.name, move.what, _words(move.before), _words(move.after)) for move in moves
    ]
    out.heading("Moves")
    out.table(("when", "account", "what", "from", "to"), rows[-LONGEST:] or [("none", "", "", "", "")])
    if len(rows) > LONGEST:
        out.line(f"… and {count(len(rows) - LONGEST, 'earlier move')}; --json has them all.", style="dim")
    if out.as_json:
        out.json({"moves": moves})


def _words(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _of_account(store: Store, out: Output, wanted: str, begin: datetime | None) -> None:
    row = find_account(list(store.latest_scores("account")), wanted, part=True)
    history = [one for one in transitions.versions(store, begin) if one.crm_id == row.crm_id]
    _moves(transitions.moves(history, begin or datetime.fromtimestamp(0, UTC)), out)


def _matrix(history: Sequence[Version], out: Output, begin: datetime, now: datetime) -> None:
    told: dict[str, Any] = {"since": begin}
    kinds: tuple[Literal["stage", "band"], ...] = ("stage", "band")
    for what in kinds:
        found = transitions.matrix(history, what, begin, now)
        told[what] = [{"from": old, "to": new, "accounts": number} for (old, new), number in sorted(found.items())]
        _matrix_table(out, what, found, begin)
    drops = transitions.drops(transitions.matrix(history, "stage", begin, now))
    out.heading("Where accounts drop off")
    head = ("stage", "accounts", "still there", "moved on", "now at risk", "churned")
    listed = sorted(drops, key=lambda drop: [*STAGES, drop.stage].index(drop.stage))
    numbers = ((drop.accounts, drop.kept, drop.moved, drop.at_risk, drop.churned) for drop in listed)
    rows = [(drop.stage, *(f"{n:,}" for n in row)) for drop, row in zip(listed, numbers, strict=True)]
    out.table(head, rows or [("none", *[""] * 5)])
    if out.as_json:
        out.json({**told, "drops": drops})


def _matrix_table(out: Output, what: What, found: Mapping[tuple[str, str], int], begin: datetime) -> None:
    out.heading(f"{HEADINGS[what]}: from {begin:%Y-%m-%d} (down) to now (across)")
    old = _ordered(what, {name: 1 for name, _ in found})
    new = _ordered(what, {name: 1 for _, name in found} | {LEFT: 1})
    rows = [(name, *(f"{found.get((name, to), 0):,}" for to in new)) for name in old]
    out.table(("", *new), rows or [("nothing yet", *[""] * len(new))])
