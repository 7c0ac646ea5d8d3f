"""Writes the reference pages that follow from the code: commands, settings, the schema. `make docs` runs it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlglot import parse_one

from agent import COMMANDS, LazyGroup, cli
from cli.doctor_words import page
from cli.errors import EXIT_CODES
from cli.features import needs
from cli.settings import tables
from connectors.config_streams import StreamSettings
from connectors.registry import VENDORS
from docs.card_page import cards
from docs.data_page import data
from docs.reference_pages import errors, fields
from mapping.schema import RECORDS
from notify.settings import CHANNELS
from scoring.events import KnownEvent
from scoring.features import CATALOGUE, Feature
from scoring.sources import SOURCES

DOCS = Path(__file__).parent
MADE = "<!-- Made by docs/generate.py; run `make docs` after a change. -->\n\n"


def commands() -> str:
    """Every exit code, and every command with its help."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    table = f"## Exit codes\n\nThe same for every command.\n\n| code | meaning |\n|---|---|\n{codes}"
    return "\n".join([f"{MADE}# Commands\n", *_command_pages(), table])


def _command_pages() -> Iterator[str]:
    # As the entry point makes it, or the pages would not show the help that people see.
    root = click.Context(cli, info_name="holdfast", terminal_width=100, **cli.context_settings)
    assert isinstance(cli, LazyGroup)
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        yield from _command(command, root, name)


def _command(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=name, terminal_width=100)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from _command(found, context, child)
        return
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"


def settings() -> str:
    """Every key of the config file."""
    parts = [MADE, "# Configuration\n\n"]
    parts.append(
        "One TOML file, `config.toml` unless `--config` or `HOLDFAST_CONFIG` names another. "
        "`config.example.toml` is a complete one. Unknown keys are errors. "
        'Secrets are references: `{ env = "NAME" }` or `{ file = "path" }` (mode 0600).\n\n'
    )
    for name, vendor in VENDORS.items():
        table = "[crm]" if vendor.is_crm else f"[sources.{name}]"
        parts.append(f"## {table}: {vendor.title}\n\n{_table(vendor.settings())}\n")
        if issubclass(vendor.settings(), StreamSettings):
            own = get_args(vendor.settings().model_fields["streams"].annotation)[1]
            parts.append(f"## [sources.{name}.streams.NAME]\n\n{_table(own)}\n")
    for name, model in tables().items():
        parts.append(f"## [{name}]\n\n{_table(model)}\n")
        if name == "notify":
            parts += [f"## [notify.channels.NAME]: {kind}\n\n{_table(one)}\n" for kind, one in CHANNELS.items()]
    parts.append(
        f"## [[events]]\n\nKnown events, any number of them ([stability](stability.md)).\n\n{_table(KnownEvent)}"
    )
    return "".join(parts)


def _table(model: type[BaseModel]) -> str:
    rows = [
        f"| `{info.alias or name}` | {_default(info)} | {info.description or ''} |"
        for name, info in model.model_fields.items()
    ]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows, ""])


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value: Any = info.get_default(call_default_factory=True)
    if value is None or value in ((), {}, [], ""):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def schema() -> str:
    """The common records."""
    parts = [
        MADE,
        "# The common schema\n\nWhat every vendor's records become. A field without a star may be empty.\n\n",
    ]
    for kind, model in RECORDS.items():
        rows = [
            f"| `{name}`{'*' if info.is_required() else ''} | {info.description} |"
            for name, info in model.model_fields.items()
        ]
        doc = (model.__doc__ or "").strip().splitlines()[0]
        parts.append("\n".join([f"## {kind}\n", f"{doc}\n", "| field | meaning |", "|---|---|", *rows, "", ""]))
    return "".join(parts)


def features() -> str:
    """The catalogue, by family, and where its rows come from."""
    return MADE + "\n".join([_FEATURES_INTRO, *map(_family, FAMILIES), _SOURCES_INTRO, *_source_rows(), ""])


_AS_SQL = r":\1"
_PARAMETER = re.compile(r"\{(\w+)\}")
FAMILIES = ("usage", "support", "survey", "commercial", "relationship", "profile")
_FEATURES_INTRO = """# Features

Every fact about an account or contact that signals, segments and playbooks may use; `holdfast features` lists them,
`holdfast features --sql NAME` prints the whole statement behind one. A card pays only for those that it uses.

All values are whole numbers or words. *Needs* lists the kinds of record without which a tenant does not have the
feature, and the key of the card's [`[product]` table](scoring.md#the-meaning-of-events) that must say which events
count. Counts of things that a source would know of are 0 when there are none; everything else without a value is
unknown, and unknown is never bad. Nothing after the last complete pull of a source counts. A 28-day usage window is the
last 28 complete days.

What the agent sees only by watching (moved closing days, changes of plan, revenue and owner, people who left) begins on
the day on which it first read the CRM completely. What it has seen counts at once; that nothing of the kind happened is
known only after as many days of reading as *needs* says, and unknown until then. Usage of a year ago is read once it is
on file: the first pull of events reaches back as far as the source's `history_days` says. E-mail features need a source
that tells whether mails were opened. Length of sessions comes only from an event that repeats during a session, named
in the card: counts by day do not hold it.
"""
_SOURCES_INTRO = """## Rows behind the aggregates

Each source is these rows for one account (`key`); for contacts the key is the contact. `clock` has one row: for every
kind of record the instant and the day up to which it is known. Usage is aggregated in a chain of its own
(`scoring/usage_chain.py`): one row per account and person.
"""


def _family(family: str) -> str:
    known = [feature for feature in CATALOGUE if feature.family == family]
    rows = [
        f"| `{f.name}` | {', '.join(f.levels)} | {f.unit.label} | {needs(f)} | {f.meaning} |"
        for f in known
        if not f.internal
    ]
    # What the card's [product] table fills in is shown as SQL shows parameters.
    sql = [f"-- {_from(f)}\n{f.name} = {_PARAMETER.sub(_AS_SQL, f.sql)}" for f in known]
    head = [f"## {family.capitalize()}\n", "| feature | level | unit | needs | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, "\n```sql", *sql, "```", ""])


def _from(feature: Feature) -> str:
    by = {"": "from features", "self": "column of the record", "median": "over all accounts: the median of",
          "quintile": "over all accounts: the fifth (1-5) of"}  # fmt: skip
    return by.get(feature.source, f"rows of `{feature.source}`") + (", a step on the way" if feature.internal else "")


def _source_rows() -> Iterator[str]:
    for name, source in SOURCES.items():
        statement = parse_one(source.select("account", source.columns), read="duckdb")
        yield f"### {name}\n\n```sql\n{statement.sql('duckdb', pretty=True)}\n```\n"


def made(page: Callable[[], str]) -> Callable[[], str]:
    """A page with the note that it is made."""
    return lambda: MADE + page()


PAGES = {
    "features.md": features,
    "commands.md": commands,
    "configuration.md": settings,
    "schema.md": schema,
    "data.md": made(data),
    "check.md": made(page),
    "errors.md": made(errors),
    "fields.md": made(fields),
    "signals.md": made(cards),
}
"""Page -> what makes it."""


def main() -> None:
    """Write every page."""
    for name, make in PAGES.items():
        (DOCS / name).write_text(make().rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
