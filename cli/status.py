"""`status`: how things stand, on one screen. Reads the state file alone, and does not disturb a sync that runs."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import Reading, common, reading
from cli.errors import OK
from cli.output import BAND_STYLES, Output, ago, count, styled
from sync import overview
from sync.ledger_reads import LedgerReads

if TYPE_CHECKING:
    from sync.ledger_rows import RunRecord
    from sync.streams import StreamStatus

LONGEST = 6
"""Lines of the waiting list without `--full`."""

PROBLEMS = 1_000
"""Newest changes that did not end well which are counted; `--json` lists the first `LISTED` of them."""
LISTED = 20

HELD_AMONG = 50
"""Runs among which the last one that was to write, or to plan, is looked for."""

_LEFT = {
    "ask": "fields waiting for an answer",
    "human": "fields changed by people",
    "parked": "parked fields",
}
"""Fields left alone that `status` speaks of; what an undo put back waits for nobody."""

_QUEUE = ("planned", "sending", "retry", "in_doubt")
"""States of changes that are not settled yet: a run is writing them, or was broken off."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is to show.

    Attributes:
        runs: The newest first, up to `HELD_AMONG`.
        streams: Every stream that was ever read.
        waiting: What only a person can decide, of the configured sources.
        left: Fields left alone by the newest plan, by why.
        withheld: Actions that wait, by the rule that withholds them.
        operations: Changes in the ledger by state.
        problems: Changes that did not end well.
        held: Why the newest plan is held.
    """

    runs: Sequence["RunRecord"]
    streams: Sequence["StreamStatus"]
    bands: Mapping[str, int]
    waiting: Sequence[overview.Waiting]
    left: Mapping[str, int]
    withheld: Mapping[str, int]
    operations: Mapping[str, int]
    problems: Sequence[tuple[str, str, str, str]]
    held: Sequence[str]


@click.command()
@click.option("--full", is_flag=True, help="Every stream, and everything that waits.")
@common
def status(config: Path, out: Output, *, full: bool) -> int:
    """Show the last runs, the age of every source, the bands, and what waits for a person. Makes no API call.

    Example: holdfast status
    """
    with reading(config) as stored:
        standing, now = _standing(stored), stored.clock.now()
        _runs(out, standing, now)
        (_streams if full else _sources)(out, standing.streams, stored.sources, now)
        _numbers(out, standing, stored, now)
        _waiting(out, standing, full=full)
        if out.as_json:
            out.json(_data(standing, stored))
    return OK


def _standing(stored: Reading) -> Standing:
    store, ledger = stored.store, LedgerReads(stored.store)
    runs = ledger.runs(HELD_AMONG)
    people = [*_refused(stored), *(item for item in overview.waiting(store) if item.source in stored.sources)]
    people += overview.untold(store, stored.clock.now())
    # Every plan of a sync says what it left alone; comparing all records again takes seconds.
    left: Mapping[str, int] = next(
        (run.counts["left_alone"] for run in runs if run.mode != "undo" and "left_alone" in run.counts), {}
    )
    return Standing(
        runs,
        store.status(),
        overview.band_counts(store),
        people,
        left,
        dict(store.rows("SELECT rule, count(*) FROM withheld WHERE ended IS NULL GROUP BY rule ORDER BY 2 DESC")),
        ledger.counts(),
        ledger.problems(PROBLEMS),
        held(ledger, runs),
    )


def _refused(stored: Reading) -> list[overview.Waiting]:
    """Overrides in the CRM that are not applied."""
    from connectors.outside import known_vendor
    from sync.people import people_fields, waiting, words

    config, crm = stored.config, stored.crm
    fields = people_fields(config.writeback.fields, known_vendor(config.crm.type).own_field)
    said = waiting(words(stored.store, crm, fields, stored.clock.now()))
    return [overview.Waiting(crm, f"override of {one.name}", one.why, 1) for one in said]


def held(ledger: LedgerReads, runs: Sequence["RunRecord"]) -> list[str]:
    """Why the guard holds the plan of the newest run that was to write; nothing when that one was let through."""
    ended = (run for run in runs if run.mode != "dry" and run.status in {"held", "done", "partial"})
    newest = next(ended, None)
    if newest is None or newest.status != "held":
        return []
    return [row.text for row in ledger.guard_rows(newest.run_id) if row.held and row.released_by is None]


# -- on the screen ------------------------------------------------------------------------------------------------


def _runs(out: Output, standing: Standing, now: datetime) -> None:
    out.line("Runs", style="bold")
    rows = [(str(r.run_id), r.mode, ago(r.started, now), r.status, run_line(r.counts)) for r in standing.runs[:4]]
    out.table(("run", "mode", "started", "status", ""), rows)


def _sources(out: Output, streams: Sequence["StreamStatus"], sources: Sequence[str], now: datetime) -> None:
    """A line a source, as old as the oldest of its streams that are read, with what is wrong with any."""
    rows = []
    for name in sources:
        mine = [stream for stream in streams if stream.source == name]
        read = [stream for stream in mine if not stream.off]
        failed = [stream for stream in read if stream.error]
        oldest = (
            None
            if any(s.complete is None for s in read)
            else min((s.complete for s in read if s.complete), default=None)
        )
        state = "failed" if failed else "ok" if read else "never read"
        told: dict[str, list[str]] = {}
        for stream in failed:
            told.setdefault(stream.error, []).append(stream.stream)
        why = [f"{', '.join(together)}: {error}" for error, together in told.items()]
        why += [f"{stream.stream}: off, {stream.off}" for stream in mine if stream.off]
        rows.append((name, ago(oldest, now), f"{sum(s.total for s in mine):,}", state, "; ".join(why)))
    unused = sorted({stream.source for stream in streams} - set(sources))
    rows += [(name, "", "", "unused", "not in the config any more") for name in unused]
    out.heading("Sources")
    out.table(("source", "complete", "records", "", ""), rows)


def _streams(out: Output, streams: Sequence["StreamStatus"], sources: Collection[str], now: datetime) -> None:
    out.heading("Sources")
    rows = []
    for s in streams:
        state = (s.off and "off") or (s.error and "failed") or "ok"
        why = s.off or s.error
        if s.source not in sources:
            state, why = "unused", "not in the config any more"
        rows.append((f"{s.source} {s.stream}", ago(s.complete, now), f"{s.total:,}", state, why))
    out.table(("stream", "complete", "records", "", ""), rows)


def _numbers(out: Output, standing: Standing, stored: Reading, now: datetime) -> None:
    """Health, queue, withheld, quota, next run: a line each."""
    out.line()
    bands = [(f"{number:,} {name}", BAND_STYLES.get(name, "")) for name, number in sorted(standing.bands.items())]
    between = [part for one in bands for part in (one, ", ")][:-1]
    out.item(styled("Health    ", *(between or ["nothing scored yet"])), 0)
    queue = {state: standing.operations[state] for state in _QUEUE if standing.operations.get(state)}
    out.item(f"Queue     {_listed(queue) or 'empty: nothing is being written'}", 0)
    withheld = sum(standing.withheld.values())
    rules = f" ({_listed(standing.withheld)}): holdfast withheld" if withheld else ""
    out.item(f"Withheld  {count(withheld, 'action')}{rules}", 0)
    out.item(f"API calls {_calls(standing.runs, now)}{_quota(standing.runs, now)}", 0)
    out.item(f"Next run  {_next(standing.runs, timedelta(seconds=stored.config.run.every), now)}", 0)


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in numbers.items())


def _calls(runs: Sequence["RunRecord"], now: datetime) -> str:
    """Calls of the last 24 hours by source, as far as the shown runs reach back."""
    spent: Counter[str] = Counter()
    for run in runs:
        if now - run.started <= timedelta(days=1):
            spent.update(run.counts.get("calls", {}))
    return f"{_listed(dict(sorted(spent.items())))} in the last 24 hours" if spent else "none in the last 24 hours"


def _quota(runs: Sequence["RunRecord"], now: datetime) -> str:
    """What the newest run of the last 24 hours that was told by the CRM was told to be left of the day's calls."""
    for run in runs:
        if now - run.started > timedelta(days=1):
            break
        for name, (limit, remaining) in run.counts.get("quota", {}).items():
            if remaining is not None:
                most = f" of {limit:,}" if limit is not None else ""
                return f"; {name} had {remaining:,}{most} a day left {ago(run.started, now)}"
    return ""


def _next(runs: Sequence["RunRecord"], every: timedelta, now: datetime) -> str:
    newest = next(iter(runs), None)
    if newest is not None and newest.status == "running":
        return f"run {newest.run_id} began {ago(newest.started, now)} and has not ended"
    if newest is None:
        return "none yet: holdfast sync --dry-run"
    due = newest.started + every
    late = f", which was {ago(due, now)}: is `holdfast run`, a timer or cron at work?" if due < now else ""
    return f"due {due:%Y-%m-%d %H:%M} UTC, by run.every{late}"


def _waiting(out: Output, standing: Standing, *, full: bool) -> None:
    lines = [("plan held by the guard", "", text) for text in standing.held]
    lines += [(_LEFT[w], f"{number:,}", "holdfast edits") for w, number in sorted(standing.left.items()) if w in _LEFT]
    lines += [(f"{item.source} {item.what}", f"{item.count:,}", item.why) for item in standing.waiting]
    lines += _problems(standing.problems)
    shown = lines if full else lines[:LONGEST]
    out.heading("Waiting for a person")
    out.table(("what", "how many", "why"), shown or [("nothing", "", "")])
    if len(lines) > len(shown):
        out.line(f"… and {count(len(lines) - len(shown), 'more line')}: --full shows all.", style="dim")


def _problems(problems: Sequence[tuple[str, str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Changes that did not end well, a line each; those of one kind that ended in the same words share one."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for obj, record, state, error in problems:
        alike.setdefault((obj, state, error), []).append(record)
    for (obj, state, error), records in alike.items():
        others = f" and {len(records) - 1:,} more" if len(records) > 1 else ""
        yield f"{obj} {records[0]}{others}", state, error


def run_line(counts: Mapping[str, object]) -> str:
    """What a run came to, in a few words."""
    parts = [f"{counts.get('planned_fields', 0):,} fields and {counts.get('planned_tasks', 0):,} tasks planned"]
    endings = counts.get("endings")
    if isinstance(endings, dict):
        parts += [f"{number:,} {name}" for name, number in sorted(endings.items())]
    failed = counts.get("failed_streams")
    if isinstance(failed, list) and failed:
        parts.append("failed: " + ", ".join(failed))
    words = ", ".join(parts)
    return f"{words}; {counts['error']}" if counts.get("error") else words


def _data(standing: Standing, stored: Reading) -> dict[str, object]:
    return {
        "runs": standing.runs[:5],
        "sources": standing.streams,
        "bands": standing.bands,
        "held": standing.held,
        "left_alone": standing.left,
        "waiting": standing.waiting,
        "withheld": standing.withheld,
        "operations": standing.operations,
        "problems": standing.problems[:LISTED],
        "every": stored.config.run.every,
    }
