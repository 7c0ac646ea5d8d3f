"""Writes the reference pages that follow from the code: commands, settings, the schema. `make docs` runs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agent import COMMANDS, LazyGroup, cli
from cli import config
from connectors.registry import VENDORS
from mapping.identity import Settings as IdentitySettings
from mapping.schema import RECORDS

DOCS = Path(__file__).parent
MADE = "<!-- Made by docs/generate.py; run `make docs` after a change. -->\n\n"


def commands() -> str:
    """Every command with its help."""
    return MADE + "# Commands\n\n" + "\n".join(_command_pages())


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
        parts.append(f"## {table}: {vendor.title}\n\n{_table(vendor.load().Settings)}\n")
    sections: tuple[tuple[str, type[BaseModel]], ...] = (
        ("identity", IdentitySettings),
        ("scoring", config.Scoring),
        ("writeback", config.Writeback),
        ("run", config.Run),
        ("guard", config.Guard),
        ("state", config.State),
    )
    parts += [f"## [{name}]\n\n{_table(model)}\n" for name, model in sections]
    return "".join(parts)


def _table(model: type[BaseModel]) -> str:
    rows = [f"| `{name}` | {_default(info)} | {info.description or ''} |" for name, info in model.model_fields.items()]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows, ""])


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value: Any = info.get_default(call_default_factory=True)
    if value is None or value in ((), {}, []):
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


PAGES = {"commands.md": commands, "configuration.md": settings, "schema.md": schema}
"""Page -> what makes it."""


def main() -> None:
    """Write every page."""
    for name, make in PAGES.items():
        (DOCS / name).write_text(make().rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
