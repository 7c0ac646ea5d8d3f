"""`report`: how the customers are doing, as one file for a browser."""

from pathlib import Path

import click

from cli.common import common, reading
from cli.errors import OK
from cli.output import Output, count, styled
from sync.files import write_whole


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
    from report.build import report as build
    from scoring.cards import Cards

    with reading(config) as stored:
        settings = stored.config
        made = build(stored.store, Cards.load(settings.card_paths), stored.clock.now(), settings.report)
    write_whole(file, made.text)
    out.line(styled("Report: ", (str(file), "bold"), f"  ({count(made.accounts, 'account')}; opens in any browser)"))
    if not made.accounts:
        out.line("No account is scored yet: run `holdfast sync --dry-run` first.", style="dim")
    if out.as_json:
        out.json({"file": str(file), "bytes": len(made.text.encode()), "accounts": made.accounts, "as_of": made.as_of})
    return OK
