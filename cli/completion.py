"""`completion`, and what the shell is offered for an account: its id, with its name where the shell shows help."""

import sqlite3
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from cli.common import common
from cli.errors import OK
from cli.output import Output, clean

SHELLS = ("bash", "zsh", "fish")

DEFAULT_STATE = "~/.local/state/holdfast"
"""Where the state is when the config does not say."""

MOST = 30
"""Accounts that are offered."""

_LIKE = """
SELECT crm_id, coalesce(name, '') FROM score WHERE level = 'account' AND (crm_id LIKE ?1 ESCAPE '\\'
  OR name LIKE ?1 ESCAPE '\\') ORDER BY name LIMIT ?2
"""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@common
def completion(config: Path, out: Output, *, shell: str) -> int:
    """Print the script by which SHELL completes commands, options and, for `explain`, accounts.

    Example: holdfast completion zsh >> ~/.zshrc
    """
    del config
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # click has one for each of SHELLS
    root = click.get_current_context().find_root()
    script = kind(root.command, {}, "holdfast", "_HOLDFAST_COMPLETE").source()
    if out.as_json:
        out.json({"shell": shell, "script": script})
    else:
        click.echo(script)
    return OK


def accounts(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Accounts whose id or name begins like this; none where nothing can be read: a shell has no place for errors."""
    del parameter
    try:
        file = _state_file(Path(context.params.get("config") or "config.toml"))
        with sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2) as conn:
            rows = conn.execute(_LIKE, (_escaped(incomplete) + "%", MOST)).fetchall()
        conn.close()
    except (OSError, ValueError, sqlite3.Error):
        return []
    return [CompletionItem(crm_id, help=clean(name)) for crm_id, name in rows if clean(crm_id) == crm_id]


def _state_file(config: Path) -> Path:
    # Read by itself: checking the whole config takes longer than one wants to wait for a key.
    import tomllib

    state = tomllib.loads(config.read_text(encoding="utf-8")).get("state", {})
    folder = state.get("dir") if isinstance(state, dict) else None
    return config.parent / Path(folder if isinstance(folder, str) else DEFAULT_STATE).expanduser() / "state.db"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
