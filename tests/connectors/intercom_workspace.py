"""A simulated Intercom workspace with our source on it, for the tests of what is read from it."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from connectors.base import Batch, Row
from connectors.intercom import Intercom, Settings, connect
from mapping.fields import FieldMap
from sandbox.core import INTERCOM_TOKEN, Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STREAMS = ("contacts", "companies", "conversations", "ratings")
MAP = FieldMap.load("intercom")


@cache
def world() -> World:
    return make_world(seed=5, accounts=60, people_per_account=4, months=9, horizon_days=5, now=NOW)


class Workspace:
    """A workspace and our source on it, sharing one clock; `run` is a new process."""

    def __init__(self, settings: dict[str, Any] | None = None, **options: Any) -> None:
        self.box = Sandbox(world(), SandboxClock(NOW), vendors=("intercom",), options={"intercom": options})
        self.settings = settings or {}
        self.cursors: dict[str, str | None] = {}
        self.source = self.connect()

    @property
    def vendor(self) -> Any:
        return self.box.vendors["intercom"]

    def connect(self, **settings: Any) -> Intercom:
        """A connector as a new process would make it."""
        base = {"token": INTERCOM_TOKEN, "base_url": self.box.base_urls()["intercom"]}
        chosen = Settings(**{**base, **self.settings, **settings})
        self.source = connect("intercom", chosen, clock=self.box.clock, adapter=SandboxAdapter(self.box))
        return self.source

    def next(self, name: str) -> list[Batch]:
        """Pull a stream from where it was."""
        stream = next(stream for stream in self.source.streams if stream.name == name)
        got = []
        for batch in self.source.pull(stream, self.cursors.get(name)):
            got.append(batch)
            self.cursors[name] = batch.cursor or self.cursors.get(name)
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
        mapped = MAP.apply("intercom", name, rows, self.box.clock.now())
        assert (mapped.rejects, mapped.unknown, mapped.warnings) == ([], {}, {})
        return {record.source_id: record for record in mapped.records}

    def act(self, action: str, **args: Any) -> Any:
        return self.box.mutate("intercom", action, **args)

    def fault(self, kind: Any, path: str, **rule: Any) -> None:
        self.box.faults.add(Fault(kind, vendor="intercom", path=path, **rule))

    def place(self, name: str) -> dict[str, Any]:
        """What a stream's cursor says."""
        found: dict[str, Any] = json.loads(self.cursors[name] or "{}")
        return found
