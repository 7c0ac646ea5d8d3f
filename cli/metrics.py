"""`metrics`: numbers for monitoring, printed or as a file."""

import os
import tempfile
from pathlib import Path

import click

from cli.app import common, current_clock
from cli.config import Config, load
from cli.errors import OK
from cli.look import require_state
from cli.output import Output
from connectors.base import Clock
from sync.measures import Measures, ill, measure
from sync.store import Store


@click.command()
@click.option("--out", "path", type=click.Path(path_type=Path), help="File to write; it is replaced at once.")
@common
def metrics(config: Path, out: Output, *, path: Path | None) -> int:
    """Print numbers for monitoring in Prometheus' text format: runs, sources, calls, operations, bands, the ledger.

    With --out for the textfile collector of node_exporter. `holdfast run --listen` serves the same.

    Example: holdfast metrics --out /var/lib/node_exporter/holdfast.prom
    """
    from cli.metrics_text import samples, text

    settings = load(config)
    require_state(config)
    found = read(settings, current_clock(), prove=True)
    said = text(found)
    if path is not None:
        _replace(path, said)
    if out.as_json:
        out.json({"samples": samples(found), "ill": ill(found, most_age(settings))})
    elif path is None:
        click.echo(said.decode(), nl=False)
    return OK


def _replace(path: Path, content: bytes) -> None:
    """Write a file that readers see whole or not at all."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".holdfast-")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(settings: Config, clock: Clock, *, prove: bool) -> Measures:
    """The numbers as they are now."""
    modes = ("apply", "dry") if settings.writeback.policy == "approve" else ("apply",)
    names = [settings.crm.name, *(source.name for source in settings.sources)]
    if not (settings.state_dir / "state.db").exists():
        return Measures(clock.now())
    store = Store.open(settings.state_dir, readonly=True)
    try:
        return measure(store, clock.now(), names, modes=modes, prove=prove)
    finally:
        store.close()


def most_age(settings: Config, every: float | None = None) -> float:
    """Seconds that a run may lie back: two periods and the time that a run may take."""
    return 2 * (every if every is not None else settings.run.every) + settings.run.deadline
