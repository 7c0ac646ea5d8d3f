"""`report`: how the customers are doing, as one file for a browser."""

import os
from pathlib import Path

import click

from cli.app import common
from cli.errors import OK
from cli.look import open_for_reading
from cli.output import Output, count, styled


@click.command()
@click.option(
    "--out",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="The file; replaced when it is there.",
)
@common
def report(config: Path, out: Output, *, file: Path) -> int:
    """Write how all customers are doing as one page for a browser. Makes no API call; works while the agent runs.

    The page asks no network for anything: it can be printed, archived, or handed to whoever may see customers' names.

    Example: holdfast report --out monday.html
    """
    from cli.config import load
    from report.build import report as build
    from scoring.cards import Cards

    settings = load(config)
    store, clock = open_for_reading(config)
    try:
        made = build(store, Cards.load(settings.card_paths), clock.now(), settings.report)
    finally:
        store.close()
    _save(made.text, file)
    out.line(styled("Report: ", (str(file), "bold"), f"  ({count(made.accounts, 'account')}; opens in any browser)"))
    if not made.accounts:
        out.line("No account is scored yet: run `holdfast sync --dry-run` first.", style="dim")
    if out.as_json:
        out.json({"file": str(file), "bytes": len(made.text.encode()), "accounts": made.accounts, "as_of": made.as_of})
    return OK


def _save(text: str, path: Path) -> None:
    """Write the page, whole or not at all, for its owner's eyes only: it names customers."""
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
