"""A simulated Mixpanel project, and our source on it."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from connectors.base import Batch, Row
from connectors.mixpanel import Mixpanel, Settings, connect
from sandbox.core import MIXPANEL_PROJECT, MIXPANEL_SECRET, MIXPANEL_USER, Sandbox, SandboxClock
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CREDENTIALS = {"project_id": MIXPANEL_PROJECT, "username": MIXPANEL_USER, "secret": MIXPANEL_SECRET}


@cache
def world() -> World:
    return make_world(seed=5, accounts=8, people_per_account=6, months=2, now=NOW)


def opened(
    sandbox: Sandbox, spool: Path, *, clock: SandboxClock | None = None, wanted: Any = None, **settings: Any
) -> Mixpanel:
    """A source with these settings on the project in this sandbox."""
    chosen = Settings(base_url=sandbox.base_urls()["mixpanel"], **(CREDENTIALS | settings))
    adapter = SandboxAdapter(sandbox)
    return connect("product", chosen, clock=clock or sandbox.clock, adapter=adapter, spool=spool, wanted=wanted)


def pull(source: Mixpanel, name: str, cursor: str | None = None) -> list[Batch]:
    stream = next(stream for stream in source.streams if stream.name == name)
    return list(source.pull(stream, cursor))


def rows(batches: list[Batch]) -> list[Row]:
    return [row for batch in batches for row in batch.rows]


def ids(batches: list[Batch]) -> list[str]:
    return [row["$distinct_id"] for row in rows(batches)]
