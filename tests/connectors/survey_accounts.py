"""Simulated Typeform and SurveyMonkey accounts with our sources on them."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from connectors.base import Batch, Row
from connectors.registry import VENDORS
from mapping.fields import FieldMap
from mapping.mapped import Mapped
from sandbox.core import CREDENTIALS, Sandbox
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@cache
def survey_world() -> World:
    return make_world(seed=3, accounts=40, people_per_account=6, months=6, horizon_days=3, now=NOW)


class Account:
    """A simulated account and our source on it, sharing one clock; every pull is a new process."""

    def __init__(self, vendor: str, settings: dict[str, Any], **options: Any) -> None:
        self.vendor, self.settings = vendor, settings
        self.box = Sandbox(survey_world(), vendors=(vendor,), options={vendor: options})
        self.box.clock.advance(timedelta(hours=12))
        self.cursor: str | None = None
        self.source = self.connect()

    def connect(self, **settings: Any) -> Any:
        module = VENDORS[self.vendor].load()
        base = {"base_url": self.box.base_urls()[self.vendor], "token": CREDENTIALS[self.vendor]["token"]}
        made = module.Settings(**{**base, **self.settings, **settings})
        return module.connect(self.vendor, made, clock=self.box.clock, adapter=SandboxAdapter(self.box))

    def pull(self) -> list[Batch]:
        """Go on from where it was; what came before an error is kept."""
        self.source, batches = self.connect(), []
        for batch in self.source.pull(self.source.streams[0], self.cursor):
            batches.append(batch)
            self.cursor = batch.cursor or self.cursor
        return batches

    def rows(self) -> list[Row]:
        return [row for batch in self.pull() for row in batch.rows]

    def mapped(self, rows: list[Row]) -> Mapped:
        return FieldMap.load(self.vendor).apply(self.vendor, "responses", rows, self.box.clock.now())

    def act(self, action: str, **args: Any) -> Any:
        return self.box.mutate(self.vendor, action, **args)

    def wait(self, **span: float) -> None:
        self.box.clock.advance(timedelta(**span))

    def fault(self, kind: Any, path: str, **rule: Any) -> None:
        self.box.faults.add(Fault(kind, vendor=self.vendor, path=path, **rule))

    def queries(self, path: str) -> list[dict[str, str]]:
        """What was asked of an address since the last look, and forget it."""
        found = [dict(parse_qsl(entry.query)) for entry in self.box.journal.entries() if path in entry.path]
        self.box.journal.clear()
        return found

    def findings(self, code: str, **settings: Any) -> list[tuple[str, str]]:
        """Severity and words of what a check finds, of one kind."""
        return [(one.severity, f"{one.message} {one.advice}") for one in self.check(**settings) if one.code == code]

    def check(self, **settings: Any) -> list[Any]:
        return list(self.connect(**settings).check())
