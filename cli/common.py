"""What every command has, and what little it takes: `--config`, `--json`, the clock, the state file to read from."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.errors import CommandError, failure
from cli.output import Output
from connectors.base import Clock, SystemClock

if TYPE_CHECKING:
    from cli.config import Config
    from sync.store import Store

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_CONFIG = Path("config.toml")


def common(function: F) -> F:
    """Add `--config` and `--json`; the command gets `config: Path` and `out: Output`.

    With `--json` a command that fails prints an object with `error`, `exit_code` and `kind`.
    """

    @click.option(
        "--config",
        type=click.Path(path_type=Path),
        default=DEFAULT_CONFIG,
        show_default=True,
        envvar="HOLDFAST_CONFIG",
        help="The config file.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
    @functools.wraps(function)
    def wrapper(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        out = Output(as_json=as_json)
        try:
            return function(*args, out=out, **kwargs)
        except Exception as error:
            if as_json and not isinstance(error, BrokenPipeError):
                out.json(failure(error))
            raise

    return wrapper  # type: ignore[return-value]  # click's decorators keep the function's use, not its type


def current_clock() -> Clock:
    """The clock handed in as click's context object (the demo and the tests do), else the machine's."""
    context = click.get_current_context(silent=True)
    clock = context.find_object(object) if context is not None else None
    return clock if isinstance(clock, Clock) else SystemClock()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a command has that only reads what is stored; no connector is made for it.

    Attributes:
        config: As it is now.
        store: The state file, read-only: a sync may be running.
    """

    config: "Config"
    store: "Store"
    clock: Clock

    @property
    def crm(self) -> str:
        """Name of the CRM's source."""
        return self.config.crm.name

    @property
    def sources(self) -> list[str]:
        """Names of the configured sources, the CRM first."""
        return [self.crm, *(vendor.name for vendor in self.config.sources)]


@contextmanager
def reading(path: Path) -> Iterator[Reading]:
    """The stored state of a config, to look at.

    Raises:
        CommandError: When nothing was ever stored.
        InvalidConfigError: And its kin.
    """
    from cli.config import load
    from sync.store import Store

    config = load(path)
    store = Store.open(stored(config), readonly=True)
    try:
        yield Reading(config, store, current_clock())
    finally:
        store.close()


def stored(config: "Config") -> Path:
    """The state folder of a config.

    Raises:
        CommandError: When nothing was ever stored.
    """
    if not (config.state_dir / "state.db").exists():
        raise CommandError(f"{config.state_dir}: nothing is stored yet; run `holdfast sync --dry-run` first.")
    return config.state_dir
