"""A simulated Zendesk account with our source on it, for the tests of what is read from it."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors.base import Batch, Row
from connectors.zendesk import Settings, Zendesk, connect
from sandbox.core import ZENDESK_EMAIL, ZENDESK_TOKEN, Sandbox
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@cache
def _world() -> World:
    return make_world(seed=3, accounts=40, people_per_account=10, months=6, now=NOW)


class Desk:
    """A simulated account and our source on it, sharing one clock."""

    def __init__(self, **options: Any) -> None:
        self.sandbox = Sandbox(_world(), vendors=("zendesk",), options={"zendesk": options})
        self.source = self.connect()
        self.cursors: dict[str, str | None] = {}

    def connect(self, **settings: Any) -> Zendesk:
        values = {"subdomain": "acme", "email": ZENDESK_EMAIL, "token": ZENDESK_TOKEN} | settings
        made = Settings(base_url=self.sandbox.base_urls()["zendesk"], **values)
        return connect("zendesk", made, clock=self.sandbox.clock, adapter=SandboxAdapter(self.sandbox))

    def batches(self, name: str, cursor: str | None = None) -> list[Batch]:
        stream = next(stream for stream in self.source.streams if stream.name == name)
        return list(self.source.pull(stream, cursor))

    def next(self, name: str) -> list[Batch]:
        """Pull a stream from where it was."""
        got = self.batches(name, self.cursors.get(name))
        assert got[-1].cursor is not None
        self.cursors[name] = got[-1].cursor
        return got

    def rows(self, name: str) -> list[Row]:
        """The same, rows only."""
        return [row for batch in self.next(name) for row in batch.rows]

    def act(self, action: str, **args: Any) -> Any:
        return self.sandbox.mutate("zendesk", action, **args)

    def wait(self, **span: float) -> None:
        self.sandbox.clock.advance(timedelta(**span))

    def queries(self, path: str) -> list[dict[str, str]]:
        return [dict(parse_qsl(entry.query)) for entry in self.sandbox.journal.entries() if path in entry.path]


def ids(rows: list[Row]) -> list[Any]:
    return [row["id"] for row in rows]


def small_pages(monkeypatch: pytest.MonkeyPatch, export: int = 10, listing: int = 10) -> None:
    monkeypatch.setattr("connectors.zendesk_pages.EXPORT_PAGE", export)
    monkeypatch.setattr("connectors.zendesk_pages.LIST_PAGE", listing)
