"""`sandbox serve`: the simulated vendors on loopback, for trying things out from another shell."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import click

from cli.app import stop_on_signals
from cli.errors import OK
from cli.output import Output, count
from cli.trial import CRMS, program, vendors, write_trial_config
from sandbox.model import World

EXPORTS = 30
"""Zendesk exports a minute: the served account has the high-volume add-on, so that nobody waits for a first sync."""


@click.group()
def sandbox() -> None:
    """The vendors, simulated on loopback over one seeded world."""


@sandbox.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another seed, another world.")
@click.option("--accounts", type=click.IntRange(min=1), default=300, show_default=True, help="Companies.")
@click.option("--people", type=click.IntRange(min=1), default=20, show_default=True, help="People per company.")
@click.option("--crm", type=click.Choice(CRMS), default=CRMS[0], show_default=True, help="Which CRM is served.")
@click.option("--months", type=click.IntRange(min=1), default=18, show_default=True, help="How much past there is.")
@click.option("--now", type=click.DateTime(), help="Start of the sandbox's clock (UTC); left out: the real time.")
@click.option("--all-sources", is_flag=True, help="Serve billing, surveys and a second product too.")
@click.option("--write-config", type=click.Path(path_type=Path), help="Folder to write a fitting config.toml into.")
@click.option("--json", "as_json", is_flag=True, help="Print the base URLs as one JSON line, then serve.")
def serve(  # noqa: PLR0913, PLR0917  # one argument an option
    port: int,
    seed: int,
    accounts: int,
    people: int,
    crm: str,
    months: int,
    now: datetime | None,
    write_config: Path | None,
    *,
    all_sources: bool,
    as_json: bool,
) -> int:
    """Serve a CRM, Zendesk and Mixpanel on 127.0.0.1 until Ctrl-C or SIGTERM.

    The same seed and options give the same world on the same day; --now makes it the same on every day.

    Example: holdfast sandbox serve --port 8700 --crm salesforce --write-config trial
    """
    from sandbox.core import Sandbox, SandboxClock
    from sandbox.serve import serve as serve_app
    from sandbox.world import make_world

    out = Output(as_json=as_json)
    start = now.replace(tzinfo=UTC) if now else datetime.now(UTC)
    world = make_world(seed, accounts, people, months, start)
    clock = SandboxClock(start, ticking=True)
    served = vendors(crm, everything=all_sources)
    app = Sandbox(world, clock, served, options={"zendesk": {"export_per_minute": EXPORTS}})
    stop = Event()
    with stop_on_signals(stop.set), serve_app(app, port) as running:
        shelf = (world, start) if all_sources else None
        config = _write_config(write_config, running.base_urls, shelf) if write_config else None
        if as_json:
            out.json({**running.base_urls, "control": f"{running.root}/_sandbox", "config": config})
        out.line(f"{count(len(world.companies), 'account')}, {len(world.people):,} people; seed {seed}.")
        for name, url in running.base_urls.items():
            out.line(f"  {name:<12} {url}")
        out.line(f"  controls     {running.root}/_sandbox")
        if config:
            out.line("Try, in another shell:")
            out.line(f"  {program()} setup --config {config}")
            out.line(f"  {program()} sync --dry-run --config {config}")
        out.line("Ctrl-C ends it.", style="dim")
        stop.wait()
    return OK


def _write_config(folder: Path, base_urls: Mapping[str, str], shelf: tuple[World, datetime] | None) -> Path:
    return write_trial_config(folder, base_urls, exports_per_minute=EXPORTS, shelf=shelf)
