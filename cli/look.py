"""`score`, and what several commands ask of the stored state. Nothing here writes to the CRM."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from cli.common import common, stored
from cli.errors import ERROR, OK, CommandError
from cli.output import Output, band, count
from mapping.normalise import crm_key
from scoring.inputs import ScoreRow
from sync import overview
from sync.ledger_reads import LedgerReads
from sync.past import Past
from sync.store import Store

if TYPE_CHECKING:
    from sync.run import Agent

INSTANTS = [
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S.%f%z",
]
"""How --as-of may be written; the last two as our own JSON writes an instant."""


def require_state(config: Path) -> Path:
    """The state folder of a config.

    Raises:
        CommandError: When nothing was ever stored.
    """
    from cli.config import load

    return stored(load(config))


def task_lines(store: Store, crm: str, crm_id: str) -> list[str]:
    """What became of our tasks on an account, as far as the CRM tells."""
    known = {task.task_key: task for task in overview.own_tasks(store, crm, crm_id)}
    lines = []
    for key, (subject, sent) in LedgerReads(store).tasks_on([crm_id]).items():
        task = known.get(key)
        word, at = ("made", sent) if task is None else (_became(task), task.at)
        lines.append(f"Task “{subject}”: {word} {at:%Y-%m-%d}.")
    return lines


def _became(task: overview.OwnTask) -> str:
    if task.deleted:
        return "deleted"
    return "done" if task.closed else "open since"


def last_scored(ledger: LedgerReads) -> datetime:
    """The instant of the newest run that scored.

    Raises:
        CommandError: When none did.
    """
    for run in ledger.runs(limit=100):
        if run.counts.get("scored") and isinstance(run.counts.get("as_of"), str):
            return datetime.fromisoformat(run.counts["as_of"])
    raise CommandError("nothing has been scored yet; run `holdfast sync --dry-run` first.")


def scored_rows(agent: "Agent", as_of: datetime) -> list[ScoreRow]:
    """Every account and contact, scored as of an instant by the cards of the config, out of what is stored."""
    return past_of(agent).computed(as_of, cards=agent.card)


def past_of(agent: "Agent") -> Past:
    """What scores the past."""
    return Past(agent.store, agent.crm.name, [source.name for source, _ in agent.sources], agent.card)


def held_names(store: Store, crm: str) -> dict[str, str]:
    """CRM id -> name of every account the CRM has, scored or not."""
    return dict(store.rows(_NAMES, (crm,)))


_NAMES = """
SELECT t.source_id, coalesce(t.name, t.source_id) FROM account t JOIN source ON source.id = t.source
WHERE source.name = ? AND t.valid_from IS NOT NULL AND t.valid_to IS NULL ORDER BY t.key
"""


class Named(Protocol):
    """What an account is found by."""

    @property
    def crm_id(self) -> str:
        """The CRM's id."""

    @property
    def name(self) -> str | None:
        """As the CRM says."""


Found = TypeVar("Found", bound=Named)


def find_account(
    rows: Sequence[Found], wanted: str, held: Callable[[], Mapping[str, str]] = dict, *, part: bool = False
) -> Found:
    """The scored account with this CRM id or name.

    Args:
        rows: Every scored account.
        wanted: Id or name. Salesforce's reports show ids without the last three characters; both forms will do.
        held: Gives id -> name of every account in the CRM, to say so where one is not scored.
        part: Also the one account whose name has it in it will do; one of the CRM that is not scored counts as another.

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
    names = held()
    for crm_id, held_name in names.items():
        if key == crm_key(crm_id) or name == held_name.casefold():
            text = f"{held_name} ({crm_id}) is in the CRM but not scored: no customer by the card's rule, yet."
            raise CommandError(text)
    having = [row for row in rows if part and name and name in (row.name or "").casefold()]
    others = {crm_key(crm_id) for crm_id, held_name in names.items() if name and name in held_name.casefold()}
    if len(having) == 1 and others <= {crm_key(having[0].crm_id)}:
        return having[0]
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
@click.option(
    "--as-of",
    type=click.DateTime(INSTANTS),
    metavar="INSTANT",
    help="Score as of this instant instead of now: 2026-11-01 or 2026-11-01T10:00:00 (UTC), or with an offset, +01:00.",
)
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

    from cli.app import open_agent

    require_state(config)
    with open_agent(config) as agent:
        now = agent.clock.now()
        at = now if as_of is None else (as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)).astimezone(UTC)
        if at > now:
            raise CommandError(f"--as-of {at:%Y-%m-%d %H:%M} UTC is still to come; it is {now:%Y-%m-%d %H:%M} UTC.", 2)
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
    blank = "" if rows or not as_of else "; nothing was known then"
    out.line(f"{count(len(rows), level)} as of {at:%Y-%m-%d %H:%M} UTC{blank}.", style="bold")
    if out.as_json:
        out.json({"as_of": at, "rows": [row._asdict() for row in rows]})
    return OK if rows else ERROR


def _print_sql(config: Path, out: Output, level: str, dialect: str) -> int:
    from cli.app import wire
    from scoring.cards import Cards

    # Without a config it is the card that comes with Holdfast: the statement can be read before anything is set up.
    card = wire(config).card if config.exists() else Cards.load()
    statement = card.compile("contact" if level == "contact" else "account", dialect=dialect)
    if out.as_json:
        out.json({"level": level, "dialect": dialect, "sql": statement})
    else:
        click.echo(statement)
    return OK
