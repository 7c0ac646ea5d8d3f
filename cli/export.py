"""`export`: what the agent knows, as files for spreadsheets, BI tools and notebooks."""

import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click

from cli.common import Reading, common, reading
from cli.errors import OK, USAGE, CommandError
from cli.output import Output, count
from sync import export as exporting
from sync.catalogue import tables
from sync.columns import Table

MODELS = ("lookml", "datasette")
"""Formats that describe the tables and hold no rows."""


@click.command()
@click.option("--table", "names", multiple=True, metavar="NAME", help="Only this table; may be given again.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "parquet", "singer", *MODELS]),
    default="csv",
    show_default=True,
    help="csv, parquet, singer: the rows; lookml: views for Looker; datasette: metadata for Datasette.",
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder; Singer messages without it go to the standard output, for a target.",
)
@click.option("--since", metavar="TIME", help="Only rows that came or changed since, such as 2026-11-01 (UTC).")
@click.option("--people", is_flag=True, help="Also what tells who somebody is: names, addresses, rows on people.")
@click.option("--raw", is_flag=True, help="CSV without the ' before what a spreadsheet may take for a formula.")
@common
def export(
    config: Path,
    out: Output,
    *,
    names: tuple[str, ...],
    kind: str,
    folder: Path | None,
    **more: bool | str | None,
) -> int:
    """Write scores, history, cohorts, tasks and records as files. Makes no API call; works while the agent runs.

    docs/data.md lists the tables and what every column means. Files are replaced only when all of them are whole.

    Example: holdfast export --table v_account --table v_score_history --format parquet --out warehouse
    """
    people, raw = bool(more["people"]), bool(more["raw"])
    chosen = choose(names, people=people)
    if folder is None and kind == "singer" and not out.as_json:
        with reading(config) as stored:
            _stream(stored, exporting.Wanted(chosen, people, _instant(str(more["since"] or ""))))
        return OK
    if folder is None:
        raise CommandError("name the folder: --out FOLDER.", USAGE)
    if kind in MODELS:
        return _model(out, chosen, kind, folder, people=people)
    if raw and kind != "csv":
        raise CommandError("--raw is about CSV; the other formats are always as they are.", USAGE)
    since = _instant(str(more["since"] or ""))
    with reading(config) as stored:
        wanted = exporting.Wanted(chosen, people, since, raw)
        done = exporting.export(stored.store, wanted, folder, cast("exporting.Format", kind), stored.clock.now())
    out.table(("table", "rows", "file"), [(one.table, f"{one.rows:,}", str(one.path)) for one in done.files])
    if done.next_since:
        out.line(f"Next time, for what is new: --since {done.next_since}", style="dim")
    if out.as_json:
        out.json({"files": done.files, "next_since": done.next_since, "people": people})
    return OK


def _stream(stored: Reading, wanted: exporting.Wanted) -> None:
    """Singer messages to the standard output: made first and sent then, so that a slow target holds nothing up."""
    with tempfile.TemporaryDirectory(prefix="holdfast-") as name:
        done = exporting.export(stored.store, wanted, Path(name), "singer", stored.clock.now())
        with done.files[0].path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def choose(names: tuple[str, ...], *, people: bool) -> list[Table]:
    """The tables that are meant; without names all, those on people only when they are asked for.

    Raises:
        CommandError: When there is no such table, or people were not asked for.
    """
    known = tables()
    for name in names:
        if name not in known:
            raise CommandError(f"there is no table {name!r}; there are {', '.join(known)}.", USAGE)
        if known[name].personal and not people:
            raise CommandError(f"{name} is on people: add --people to export it.", USAGE)
    return [table for table in known.values() if (table.name in names if names else people or not table.personal)]


def _instant(text: str) -> str:
    """The instant as the columns have it.

    Raises:
        CommandError: When it is none.
    """
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"--since {text!r}: write a day such as 2026-11-01 or 2026-11-01T06:00:00Z.", USAGE
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _model(out: Output, chosen: list[Table], kind: str, folder: Path, *, people: bool) -> int:
    from sync import describe

    files = describe.lookml(chosen, people=people) if kind == "lookml" else describe.datasette(chosen)
    paths = exporting.put(folder, files)
    out.line(f"Wrote {count(len(paths), 'file')} into {folder}: {', '.join(path.name for path in paths)}.")
    if out.as_json:
        out.json({"files": paths})
    return OK
