"""A simulated Amplitude project, our source on it, and exports as files."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from connectors.amplitude import Amplitude, Settings, connect
from connectors.base import Batch
from sandbox.core import AMPLITUDE_KEY, AMPLITUDE_SECRET, Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.world import make_world
from tests.conformance.rigs.amplitude_told import told
from tests.conformance.rigs.base import Adapter

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CREDENTIALS = {"api_key": AMPLITUDE_KEY, "secret_key": AMPLITUDE_SECRET}
PATH = "api/2/export"


@cache
def world() -> World:
    return make_world(seed=5, accounts=20, people_per_account=20, months=1, now=NOW)


class Project:
    """The simulator at 09:20, and what is asked of it."""

    def __init__(self, spool: Path, **options: Any) -> None:
        self.box = Sandbox(world(), SandboxClock(NOW), vendors=("amplitude",), options={"amplitude": options})
        self.box.clock.advance(timedelta(hours=9, minutes=20))
        self.spool, self.folder = spool, spool / "app"
        self.adapter = Adapter(self.box)

    def connect(self, **settings: Any) -> Amplitude:
        """A source, as a new process would make it."""
        clock, spool = settings.pop("clock", self.box.clock), settings.pop("spool", self.spool)
        chosen = Settings(base_url=self.box.base_urls()["amplitude"], **(CREDENTIALS | {"history_days": 3} | settings))
        return connect("app", chosen, clock=clock, adapter=self.adapter, spool=spool)

    def act(self, action: str, **args: Any) -> Any:
        return self.box.mutate("amplitude", action, **args)

    def fault(self, kind: Any = "status", **rule: Any) -> None:
        self.box.faults.clear()
        self.box.faults.add(Fault(kind, vendor="amplitude", path=PATH, **rule))

    def ranges(self) -> list[str]:
        """What was asked for since the last look, such as "20261122T05-20261122T06"."""
        asked = [entry.query for entry in self.box.journal.entries()]
        self.box.journal.clear()
        return [query.replace("start=", "").replace("&end=", "-") for query in asked]

    def answer(self, body: bytes, times: int = 1) -> None:
        """Let the next exports that hold something hold this instead."""
        self.adapter.tampers[:] = [(PATH, lambda _: body)] * times


def at(hour: str, repaired: str | None = None) -> str:
    """The place after an hour of November, such as "22T06", and after the one that was repaired last, else the same."""
    return f'{{"hour":"2026-11-{hour}","repaired":"2026-11-{repaired or hour}"}}'


def zipped(*files: Iterable[Mapping[str, Any] | str], **raw: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("1/", b"")
        for number, lines in enumerate(files):
            text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
            archive.writestr(f"1/1_2026-11-22_6#{number}.json.gz", gzip.compress(text.encode()))
        for name, data in raw.items():
            archive.writestr(f"1/{name}", data)
    return packed.getvalue()


def pull(source: Amplitude, name: str = "events", cursor: str | None = None) -> list[Batch]:
    stream = next(stream for stream in source.streams if stream.name == name)
    return list(source.pull(stream, cursor))


def lines(batches: Iterable[Batch]) -> list[Any]:
    """The events of exports, which are removed; whom they speak of is told, as who counts them would."""
    found: list[Any] = []
    for batch in batches:
        if batch.export is not None:
            found += told(batch.export)
            batch.export.path.unlink()
    return found
