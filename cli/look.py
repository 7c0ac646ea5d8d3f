"""`status`, `explain` and `score`: reading what the agent knows. None of them writes to the CRM."""

import difflib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click

from cli.app import Wiring, common, current_clock, open_agent, wire
from cli.errors import ERROR, OK, CommandError
from cli.output import Output, ago, band, count
from connectors.base import Clock
from mapping.normalise import crm_key
from scoring.inputs import ScoreRow
from sync import overview
from sync.kept import left_alone
from sync.ledger import Ledger
from sync.past import Past
from sync.people import waiting, words
from sync.run import Agent
from sync.store import Store
from sync.store_errors import DamagedError

LONGEST = 15
"""Lines of the waiting list that `status` shows."""

HELD_AMONG = 50
"""Runs among which the last one that was to write is looked for."""

_LEFT = {
    "ask": "fields waiting for an answer",
    "human": "fields changed by people",
    "parked": "parked fields",
}
"""Fields left alone that `status` speaks of; what an undo put back waits for nobody."""


def require_state(config: Path) -> Path:
    """The state folder of a config.

    Raises:
        CommandError: When nothing was ever stored.
    """
    from cli.config import load

    folder = load(config).state_dir
    if not (folder / "state.db").exists():
        raise CommandError(f"{folder}: nothing is stored yet; run `holdfast sync --dry-run` first.")
    return folder


def open_for_reading(config: Path) -> tuple[Store, Clock]:
    """The state file of a config, which must exist.

    Raises:
        CommandError: When nothing was ever stored.
    """
    return Store.open(require_state(config), readonly=True), current_clock()


@click.command()
@common
def status(config: Path, out: Output) -> int:
    """Show the last runs, the age of every source, the bands, and what waits for a person. Makes no API call.

    Example: holdfast status
    """
    store, clock = open_for_reading(config)
    wiring = wire(config)
    try:
        names = {source.name for source, _ in wiring.sources}
        _status(store, clock, out, names, _left_alone(store, wiring), _refused(store, wiring, clock))
    finally:
        store.close()
    return OK


def _refused(store: Store, wiring: Wiring, clock: Clock) -> list[overview.Waiting]:
    """Overrides in the CRM that are not applied."""
    crm = wiring.crm.name
    said = waiting(words(store, crm, wiring.people, clock.now()))
    return [overview.Waiting(crm, f"override of {one.name}", one.why, 1) for one in said]


def _status(
    store: Store,
    clock: Clock,
    out: Output,
    sources: Collection[str],
    left: Mapping[str, int],
    refused: Sequence[overview.Waiting] = (),
) -> None:
    now, ledger = clock.now(), Ledger(store)
    runs, streams = ledger.runs(), store.status()
    people = [*refused, *(item for item in overview.waiting(store) if item.source in sources)]
    held = _held(ledger)
    out.heading("Runs")
    out.table(
        ("run", "mode", "started", "status", ""),
        [(str(r.run_id), r.mode, ago(r.started, now), r.status, _run_line(dict(r.counts))) for r in runs],
    )
    out.heading("Sources")
    rows = []
    for s in streams:
        state = (s.off and "off") or (s.error and "failed") or "ok"
        why = s.off or s.error
        if s.source not in sources:
            state, why = "unused", "not in the config any more"
        rows.append((f"{s.source} {s.stream}", ago(s.complete, now), f"{s.total:,}", state, why))
    out.table(("stream", "complete", "records", "", ""), rows)
    bands = overview.band_counts(store)
    if bands:
        out.heading("Health")
        out.table(("band", "accounts"), [(band(name), f"{number:,}") for name, number in sorted(bands.items())])
    out.heading("Waiting for a person")
    lines = [("plan held by the guard", "", text) for text in held]
    lines += [(_LEFT[why], f"{number:,}", "holdfast edits") for why, number in sorted(left.items()) if why in _LEFT]
    lines += [(f"{item.source} {item.what}", f"{item.count:,}", item.why) for item in people]
    lines += [(f"{obj} {record}", state, error) for obj, record, state, error in ledger.problems()]
    out.table(("what", "how many", "why"), lines[:LONGEST] or [("nothing", "", "")])
    if len(lines) > LONGEST:
        out.line(f"… and {count(len(lines) - LONGEST, 'more line')}; --json has them all.", style="dim")
    if out.as_json:
        out.json(
            {
                "runs": runs,
                "sources": streams,
                "bands": bands,
                "held": held,
                "left_alone": left,
                "waiting": people,
                "operations": ledger.counts(),
                "problems": ledger.problems(),
            }
        )


def _held(ledger: Ledger) -> list[str]:
    """Why the guard holds the plan of the newest run that was to write; nothing when that one was let through."""
    ended = (run for run in ledger.runs(HELD_AMONG) if run.mode != "dry" and run.status in {"held", "done", "partial"})
    newest = next(ended, None)
    if newest is None or newest.status != "held":
        return []
    return [row.text for row in ledger.guard_rows(newest.run_id) if row.held and row.released_by is None]


def _left_alone(store: Store, wiring: Wiring) -> dict[str, int]:
    """Fields that are left alone, by why; nothing when the ledger is damaged, which the next run says."""
    try:
        return dict(Counter(edit.why for edit in left_alone(store, wiring.crm.name, wiring.fields, wiring.policy)))
    except DamagedError:
        return {}


def _run_line(counts: dict[str, object]) -> str:
    parts = [f"{counts.get('planned_fields', 0)} fields and {counts.get('planned_tasks', 0)} tasks planned"]
    endings = counts.get("endings")
    if isinstance(endings, dict):
        parts += [f"{number} {name}" for name, number in sorted(endings.items())]
    failed = counts.get("failed_streams")
    if isinstance(failed, list) and failed:
        parts.append("failed: " + ", ".join(failed))
    return ", ".join(parts)


def task_lines(agent: Agent, crm_id: str) -> list[str]:
    """What became of our tasks on an account, as far as the CRM tells."""
    known = {task.task_key: task for task in overview.own_tasks(agent.store, agent.crm.name, crm_id)}
    lines = []
    for key, (subject, sent) in agent.ledger.tasks_on([crm_id]).items():
        task = known.get(key)
        word, at = ("made", sent) if task is None else (_became(task), task.at)
        lines.append(f"Task “{subject}”: {word} {at:%Y-%m-%d}.")
    return lines


def _became(task: overview.OwnTask) -> str:
    if task.deleted:
        return "deleted"
    return "done" if task.closed else "open since"


def last_scored(agent: Agent) -> datetime:
    """The instant of the newest run that scored.

    Raises:
        CommandError: When none did.
    """
    for run in agent.ledger.runs(limit=100):
        if run.counts.get("scored") and isinstance(run.counts.get("as_of"), str):
            return datetime.fromisoformat(run.counts["as_of"])
    raise CommandError("nothing has been scored yet; run `holdfast sync --dry-run` first.")


def scored_rows(agent: Agent, as_of: datetime) -> list[ScoreRow]:
    """Every account and contact, scored as of an instant by the cards of the config, out of what is stored."""
    return past_of(agent).computed(as_of, cards=agent.card)


def past_of(agent: Agent) -> Past:
    """What scores the past."""
    return Past(agent.store, agent.crm.name, [source.name for source, _ in agent.sources], agent.card)


def held_names(agent: Agent) -> dict[str, str]:
    """CRM id -> name of every account the CRM has, scored or not."""
    from sync import frames

    return {record.crm_id: record.name for record in frames.accounts_for_plan(agent.store, crm=agent.crm.name)}


def find_account(rows: Sequence[ScoreRow], wanted: str, held: Mapping[str, str]) -> ScoreRow:
    """The scored account with this CRM id or name.

    Args:
        rows: Every scored account.
        wanted: Id or name. Salesforce's reports show ids without the last three characters; both forms will do.
        held: Id -> name of every account in the CRM, to say so where one is not scored.

    Raises:
        CommandError: When there is none, or several share the name; lists the nearest.
    """
    key, name = crm_key(wanted), wanted.strip().casefold()
    by_id = [row for row in rows if crm_key(row.crm_id) == key]
    found = by_id or [row for row in rows if (row.name or "").casefold() == name]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(row.crm_id for row in found[:10])
        raise CommandError(f"{len(found)} accounts are called {wanted!r}: name one by its id ({ids}).")
    for crm_id, held_name in held.items():
        if key == crm_key(crm_id) or name == held_name.casefold():
            text = f"{held_name} ({crm_id}) is in the CRM but not scored: no customer by the card's rule, yet."
            raise CommandError(text)
    near = _nearest_names(name, [row.name for row in rows if row.name])
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise CommandError(f"no scored account has the id or name {wanted!r}.{hint}")


def _nearest_names(wanted: str, names: Sequence[str]) -> list[str]:
    """Up to three names that may be meant: those that have it in them, else those spelled like it."""
    having = sorted(
        {name for name in names if wanted and wanted in name.casefold()}, key=lambda name: (len(name), name)
    )
    if having:
        return having[:3]
    folded = {name.casefold(): name for name in names}
    return [folded[near] for near in difflib.get_close_matches(wanted, list(folded), n=3)]


@click.command()
@click.option("--sql", is_flag=True, help="Print the one SQL statement and stop.")
@click.option("--level", type=click.Choice(["account", "contact"]), default="account", show_default=True)
@click.option("--as-of", type=click.DateTime(), help="Score as of this instant (UTC) instead of now.")
@click.option("--dialect", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
@common
def score(config: Path, out: Output, *, sql: bool, level: str, as_of: datetime | None, dialect: str) -> int:
    """Score what is stored and print it; nothing is pulled, kept or written.

    With --as-of by the cards of then, out of what was known then: the same whenever it is asked.

    Example: holdfast score --as-of 2026-11-01
    """
    if sql:
        return _print_sql(config, out, level, dialect)
    from datetime import UTC

    require_state(config)
    with open_agent(config) as agent:
        at = as_of.replace(tzinfo=UTC) if as_of else agent.clock.now()
        scored = past_of(agent).score(at) if as_of else scored_rows(agent, at)
        rows = [row for row in scored if row.level == level]
    rows.sort(key=lambda row: (row.score is None, row.score or 0, row.crm_id))
    out.table(
        ("id", "score", "band", "coverage", "segments", "name", "why"),
        [
            (
                row.crm_id,
                "-" if row.score is None else str(row.score),
                band(row.band),
                f"{row.coverage} %",
                ", ".join(row.segments),
                row.name or "",
                row.reason,
            )
            for row in rows
        ],
    )
    out.line(f"{count(len(rows), level)} as of {at:%Y-%m-%d %H:%M} UTC.", style="bold")
    if out.as_json:
        out.json({"as_of": at, "rows": [row._asdict() for row in rows]})
    return OK if rows else ERROR


def _print_sql(config: Path, out: Output, level: str, dialect: str) -> int:
    from scoring.cards import Cards

    # Without a config it is the card that comes with Holdfast: the statement can be read before anything is set up.
    card = wire(config).card if config.exists() else Cards.load()
    statement = card.compile("contact" if level == "contact" else "account", dialect=dialect)
    if out.as_json:
        out.json({"level": level, "dialect": dialect, "sql": statement})
    else:
        click.echo(statement)
    return OK
