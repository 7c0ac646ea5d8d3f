"""`edits`: values of ours that somebody else changed, and what people decide about them."""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import click

from cli.app import common, wire
from cli.errors import OK, USAGE, CommandError
from cli.look import require_state
from cli.output import Output, count, styled
from sync.edits import Choice, Edits, Parked
from sync.heartbeat import take_over
from sync.kept import left_alone
from sync.lock import run_lock
from sync.owned import AGENT, OwnedField
from sync.plan import HumanEdit
from sync.policy import Policy
from sync.store import Store
from sync.values import show

EVERYWHERE = "all"
"""In place of a record's id."""

WHY = {
    "human": "Changed by somebody, and left as it is",
    "ask": "Waiting for an answer (holdfast edits answer RECORD FIELD ours|theirs)",
    "parked": "Parked: something takes back what is written there (holdfast edits release FIELD)",
    "undone": "As an undo left it, until something else is wanted",
}


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the commands below work on."""

    store: Store
    edits: Edits
    fields: tuple[OwnedField, ...]
    kept: Sequence[HumanEdit]


@contextmanager
def _desk(config: Path, *, readonly: bool) -> Iterator[_Desk]:
    wiring = wire(config)
    folder = require_state(config)
    writeback = wiring.config.writeback
    policy = Policy(writeback.human_edits, writeback.contacts, edits=writeback.edits)
    # Decisions are made between two runs: one that is under way would not see them all alike.
    with nullcontext() if readonly else run_lock(folder):
        store = Store.open(folder, readonly=readonly, locked=not readonly)
        try:
            kept = left_alone(store, wiring.crm.name, wiring.fields, policy, answered=readonly)
            yield _Desk(store, Edits(store), wiring.fields, kept)
        finally:
            store.close()


@click.group(invoke_without_command=True)
@common
@click.pass_context
def edits(ctx: click.Context, config: Path, out: Output) -> int:
    """List fields of ours that somebody else changed: what they say, what we wrote, what we would write.

    As of the last time the CRM was read; makes no API call.

    Example: holdfast edits
    """
    if ctx.invoked_subcommand is not None:
        return OK
    with _desk(config, readonly=True) as desk:
        _list(out, desk.kept, desk.edits.parked())
    return OK


def _list(out: Output, kept: Sequence[HumanEdit], parked: Sequence[Parked]) -> None:
    for why, title in WHY.items():
        chosen = [edit for edit in kept if edit.why == why]
        if not chosen:
            continue
        out.heading(f"{title}: {count(len(chosen), 'field')}")
        for edit in chosen:
            out.line(
                styled(
                    (edit.name, "bold"),
                    (f"  {edit.object} {edit.record_id}", "dim"),
                    f"  {edit.field}: it says ",
                    (show(edit.theirs), "yellow"),
                    f", we wrote {show(edit.ours)}, we would write {show(edit.wanted)}",
                )
            )
    if any(edit.why in {"human", "ask"} for edit in kept):
        out.line()
        out.line("To decide: holdfast edits answer RECORD FIELD ours|theirs", style="dim")
    if parked:
        out.heading("Parked fields")
        rows = [
            (one.field, one.object, one.record_id or "every record", f"{one.since:%Y-%m-%d %H:%M} UTC", one.why)
            for one in parked
        ]
        out.table(("field", "object", "record", "since", "why"), rows)
    if not kept and not parked:
        out.line("No field of ours is left alone.", style="green")
    if out.as_json:
        out.json({"edits": kept, "parked": parked})


@edits.command()
@click.argument("field")
@click.option("--record", "record_id", help="Only on the record with this CRM id.")
@common
def release(config: Path, out: Output, *, field: str, record_id: str | None) -> int:
    """Write a parked field again. FIELD is our name for it, such as account.health_score, or the CRM's.

    With account.agent: go on after another agent wrote into this CRM, and take what it wrote for ours.

    Example: holdfast edits release account.health_score
    """
    from cli.app import current_clock

    with _desk(config, readonly=False) as desk:
        owned = _field(desk, field)
        released = desk.edits.release(owned.spec.object, owned.spec.name, record_id)
        if owned.logical == AGENT and record_id is None:
            take_over(desk.store, current_clock().now())
            out.line("From here on this agent goes on alone; one that still writes is noticed again.")
        elif not released:
            where = f" on {record_id}" if record_id else ""
            raise CommandError(f"{owned.spec.name} is not parked{where}; `holdfast edits` lists what is.")
        else:
            out.line(f"{owned.spec.name} is written again from the next run on.")
    if out.as_json:
        out.json({"field": owned.logical, "released": released})
    return OK


@edits.command()
@click.argument("record")
@click.argument("field")
@click.argument("choice", type=click.Choice(["ours", "theirs"]))
@common
def answer(config: Path, out: Output, *, record: str, field: str, choice: Choice) -> int:
    """Decide about a value that is not ours: "ours" is written by the next run, "theirs" stays.

    RECORD is a CRM id, or "all" for every record on which the field is left alone. An answer is about the value that
    the CRM shows now: when somebody changes it again, the question is a new one.

    Example: holdfast edits answer 0014x00001 account.health_band ours
    """
    with _desk(config, readonly=False) as desk:
        owned = _field(desk, field)
        about = [edit for edit in desk.kept if (edit.object, edit.field) == (owned.spec.object, owned.spec.name)]
        chosen = [edit for edit in about if record in {EVERYWHERE, edit.record_id}]
        if not chosen:
            where = "any record" if record == EVERYWHERE else record
            raise CommandError(
                f"{owned.spec.name} is not left alone on {where}; `holdfast edits` lists what is.", USAGE
            )
        if parked := [edit for edit in chosen if edit.why == "parked"]:
            raise CommandError(
                f"{owned.spec.name} is parked on {parked[0].record_id}: release it with "
                f"`holdfast edits release {owned.logical}`."
            )
        desk.edits.answer(chosen, choice)
    for edit in chosen:
        says = f"{show(edit.wanted)} is written by the next run" if choice == "ours" else f"{show(edit.theirs)} stays"
        out.line(f"{edit.name}  {edit.field}: {says}.")
    if out.as_json:
        out.json({"answered": len(chosen), "choice": choice})
    return OK


def _field(desk: _Desk, text: str) -> OwnedField:
    for owned in desk.fields:
        if text in {owned.logical, owned.spec.name}:
            return owned
    names = [owned.logical for owned in desk.fields]
    near = difflib.get_close_matches(text, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise CommandError(f"no field of ours is called {text!r}.{hint} Allowed: {', '.join(names)}.", USAGE)
