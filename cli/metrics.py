"""`metrics`: numbers for monitoring, printed or as a file."""

from pathlib import Path

import click

from cli.app import common, current_clock
from cli.config import Config, load
from cli.errors import OK
from cli.look import require_state
from cli.output import Output
from connectors.base import Clock
from sync.files import write_whole
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
        write_whole(path, said, 0o644)  # node_exporter is another user
    if out.as_json:
        out.json({"samples": samples(found), "ill": ill(found, most_age(settings))})
    elif path is None:
        click.echo(said.decode(), nl=False)
    return OK


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
