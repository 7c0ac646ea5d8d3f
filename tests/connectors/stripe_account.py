"""A simulated Stripe account with our source on it, for the tests of what is read from it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from connectors.base import Batch, Row
from connectors.stripe import Stripe, connect
from connectors.stripe_settings import Settings
from mapping.fields import FieldMap
from sandbox.core import STRIPE_KEY, Sandbox, SandboxClock
from sandbox.mount import SandboxAdapter
from sandbox.world import SeededWorld, make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STREAMS = ("customers", "addresses", "subscriptions", "invoices")
MAP = FieldMap.load("stripe")


@cache
def world() -> SeededWorld:
    return make_world(seed=5, accounts=70, people_per_account=3, months=12, now=NOW)


class Account:
    """A simulated account and our source on it, sharing one clock."""

    def __init__(self, **settings: Any) -> None:
        self.box = Sandbox(world(), SandboxClock(NOW), vendors=("stripe",))
        self.settings = settings
        self.source = self.connect()
        self.cursors: dict[str, str | None] = {}

    def connect(self, **settings: Any) -> Stripe:
        """A connector as a new process would make it."""
        chosen = Settings(
            **{"key": STRIPE_KEY, "base_url": self.box.base_urls()["stripe"], **self.settings, **settings}
        )
        self.source = connect("stripe", chosen, clock=self.box.clock, adapter=SandboxAdapter(self.box))
        return self.source

    def next(self, name: str) -> list[Batch]:
        """Pull a stream from where it was."""
        stream = next(stream for stream in self.source.streams if stream.name == name)
        got = list(self.source.pull(stream, self.cursors.get(name)))
        assert got[-1].cursor is not None
        self.cursors[name] = got[-1].cursor
        return got

    def rows(self, name: str) -> list[Row]:
        """The same, rows only."""
        return [row for batch in self.next(name) for row in batch.rows]

    def run(self, **span: float) -> Counter[str]:
        """Time passes, then a new process pulls everything; gives its calls."""
        self.box.clock.advance(timedelta(**span))
        self.connect()
        for name in STREAMS:
            self.next(name)
        return Counter(self.source.calls)

    def records(self, name: str, rows: list[Row]) -> dict[str, Any]:
        """The common records that rows become, by id."""
        mapped = MAP.apply("stripe", name, rows, self.box.clock.now())
        assert (mapped.rejects, mapped.unknown, mapped.warnings) == ([], {}, {})
        return {record.source_id: record for record in mapped.records}

    def act(self, action: str, **args: Any) -> Any:
        return self.box.mutate("stripe", action, **args)

    def asked(self, path: str) -> list[str]:
        """Queries of the requests so far to an address that ends so."""
        return [entry.query for entry in self.box.journal.entries() if entry.path.endswith(path)]
