"""`card`: write a scorecard without guessing. No command of these makes an API call."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.app import common
from cli.config import load
from cli.errors import ERROR, OK, CommandError
from cli.output import Output, count

if TYPE_CHECKING:
    from scoring.card import Scorecard
    from scoring.cards import Cards


@click.group()
def card() -> None:
    """Write scorecards: list those to start from, copy one, and say what is unwise on one."""


@card.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit with 1 when there is any remark.")
@common
def lint(config: Path, out: Output, *, files: tuple[Path, ...], strict: bool) -> int:
    """Say what is unwise on the scorecards in FILES, in their order; without FILES on those of the config.

    Example: holdfast card lint mine.toml
    """
    from scoring.lint import lint as lint_cards

    cards = _cards(config, files)
    # The roles are those of the config, which cards that it does not name have nothing to do with.
    roles = None if files else [name for name, users in load(config).team.roles.items() if users]
    remarks = lint_cards(cards, roles)
    for remark in remarks:
        out.line(f"! {remark}", style="yellow")
    what = f"{cards.name}: {count(len(remarks), 'remark')}." if remarks else f"{cards.name}: nothing to remark."
    out.line(what, style="bold")
    if out.as_json:
        rows = [{"card": one.card or cards.name, "key": one.key, "text": one.text} for one in remarks]
        out.json({"cards": [one.name for one in cards.cards], "remarks": rows})
    return ERROR if strict and remarks else OK


@card.command(name="list")
@common
def list_(config: Path, out: Output) -> int:
    """List the scorecards to start from, and those that the config names.

    Example: holdfast card list
    """
    from scoring.presets import PRESETS

    rows = [(one.name, one.card(), one.meant) for one in PRESETS]
    used = _cards(config, ()) if config.exists() else None
    out.table(
        ("preset", "signals", "segments", "rules", "for"),
        [(name, *_sizes(one), meant) for name, one, meant in rows],
    )
    if used is not None:
        out.line()
        out.line(f"The config uses {used.name}.", style="bold")
    if out.as_json:
        presets = [{"preset": name, "name": one.name, "for": meant} for name, one, meant in rows]
        out.json({"presets": presets, "used": [one.name for one in used.cards] if used else []})
    return OK


@card.command()
@click.argument("preset")
@click.argument("file", type=click.Path(path_type=Path))
@common
def new(config: Path, out: Output, *, preset: str, file: Path) -> int:
    """Write the scorecard PRESET into FILE, to be changed; a file that exists is left alone.

    Example: holdfast card new small_b2b mine.toml
    """
    from scoring.presets import preset as preset_of

    text = preset_of(preset).text
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError:
        raise CommandError(f"{file} exists; name a file that does not.") from None
    try:
        named = file.resolve().relative_to(config.resolve().parent)
    except ValueError:
        named = file.resolve()
    out.line(f"{file} is written. Change it, then name it in the config:", style="bold")
    out.line("  [scoring]")
    out.line(f'  card = "{named.as_posix()}"')
    if out.as_json:
        out.json({"preset": preset, "file": file})
    return OK


def _cards(config: Path, files: tuple[Path, ...]) -> "Cards":
    from scoring.cards import Cards

    return Cards.load(files or load(config).card_paths)


def _sizes(one: "Scorecard") -> tuple[str, str, str]:
    part = one.account
    return str(len(part.signals)), str(len(one.segment_names())), str(len(part.rules))
