"""What the suite needs of a vendor: a simulated account, a connector to it, and what can happen there.

A rig plays everybody but the connector: the vendor, the people who work in its pages, its network. What is true comes
from the simulator itself (`ask` goes past journal, faults and connector).
"""

import json
import re
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from conformance.adapter import Adapter
from conformance.words import ALWAYS, Change, Exceptions
from connectors.base import Batch, Clock, FieldSpec, Row, Stream
from connectors.outside import known_vendor
from connectors.registry import Vendor as Registered
from mapping.fields import FieldMap
from sandbox.core import Sandbox, SandboxClock, Vendor
from sandbox.faults import Fault
from sandbox.model import World


class Rig(ABC):
    """One simulated account of a vendor, and our connector to it.

    Args:
        world: What is true.
        spool: Folder for exports.
        stream: The stream a test is about; some need an account set up in another way.
        options: Further options of the simulator.
    """

    vendor: ClassVar[str]
    kind: ClassVar[str] = ""
    """What the config's `type` would say, such as the path of a file; left out, the vendor's name."""
    streams: ClassVar[tuple[str, ...]]
    secrets: ClassVar[tuple[str, ...]]
    """What must be in no error: of the right credentials and of the wrong ones."""
    silent: ClassVar[tuple[str, ...]] = ()
    """Streams that are read out of what others brought, without a call."""
    refreshes: ClassVar[bool] = False
    """Whether new tokens can be had without a person."""
    calls_return: ClassVar[timedelta] = timedelta(hours=25)
    """After this long, used up calls are there again."""
    exceptions: ClassVar[Exceptions] = {}

    def __init__(self, world: World, spool: Path, stream: str = "", **options: Any) -> None:
        given = {**self.options_for(stream), **options}
        clock = SandboxClock(world.now)
        self.box = Sandbox(world, clock, vendors=(self.simulator(world, clock),), options={self.vendor: given})
        self.adapter = Adapter(self.box)
        self.spool = spool
        self.map = self.field_map()
        self.source = self.connect()

    # -- our side --------------------------------------------------------------------------------------------------

    def simulator(self, world: World, clock: SandboxClock) -> str | Vendor:
        """The vendor in the sandbox: the name of one that comes with it, or one of your own."""
        del world, clock
        return self.vendor

    @classmethod
    def registered(cls) -> Registered:
        """The connector, as the config would find it."""
        return known_vendor(cls.kind or cls.vendor)

    def field_map(self) -> FieldMap:
        """What the connector's rows mean: the map that comes with Holdfast, or the one that the connector brings."""
        brought = getattr(import_module(self.registered().settings_module), "FIELD_MAP", None)
        return FieldMap.load(self.vendor) if brought is None else FieldMap.build(self.vendor, tomllib.loads(brought))

    def options_for(self, stream: str) -> dict[str, Any]:
        """What the account must be like for this stream to hold something."""
        del stream
        return {}

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Settings that work, the base URL aside."""

    @abstractmethod
    def wrong(self) -> dict[str, Any]:
        """What makes the credentials wrong."""

    @staticmethod
    @abstractmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        """Let a page hold `PAGE` rows."""

    def connect(self, *, clock: Clock | None = None, own_fields: Sequence[FieldSpec] = (), **settings: Any) -> Any:
        """A connector, as the command line would make it."""
        module = self.registered().load()
        chosen = module.Settings(**{"base_url": self.box.base_urls()[self.vendor], **self.settings(), **settings})
        return module.connect(
            self.vendor,
            chosen,
            clock=clock or self.box.clock,
            adapter=self.adapter,
            spool=self.spool,
            own_fields=own_fields,
            wanted={name: self.map.paths(name) for name in self.map.streams},
        )

    def stream(self, name: str) -> Stream:
        """A stream of the connector by its name."""
        (found,) = (stream for stream in self.source.streams if stream.name == name)
        assert isinstance(found, Stream)
        return found

    # -- rows ------------------------------------------------------------------------------------------------------

    def rows(self, batch: Batch) -> list[Row]:
        """The rows of a batch."""
        return batch.rows

    def key(self, stream: str, row: Row) -> str:
        """A row's id."""
        return str(row[self.id_name(stream)])

    def gone(self, stream: str, row: Row) -> bool:
        """Whether a row says that its record is gone."""
        return bool(self.map.apply(self.vendor, stream, [row], self.box.clock.now()).deleted)

    def changeable(self, stream: str, rows: Iterable[Row]) -> list[Row]:
        """The rows of records that people can change."""
        del stream
        return list(rows)

    @abstractmethod
    def truth(self, stream: str) -> set[str]:
        """Ids of all records that the vendor has now."""

    @abstractmethod
    def page(self, stream: str) -> str:
        """Regular expression for the addresses that the rows of a stream come from."""

    # -- what happens ----------------------------------------------------------------------------------------------

    def pause(self, stream: str) -> timedelta:
        """After this long, what changed is to be seen."""
        del stream
        return timedelta(hours=1)

    def change(self, stream: str, row: Row) -> Change:
        """Somebody changes a record; gives how the change shows."""
        raise NotImplementedError(f"{self.vendor}.{stream}")

    def delete(self, stream: str, row: Row) -> None:
        """Somebody deletes a record."""
        raise NotImplementedError(f"{self.vendor}.{stream}")

    def undelete(self, stream: str, row: Row) -> None:
        """Somebody takes the deletion back."""
        raise NotImplementedError(f"{self.vendor}.{stream}")

    def merge(self, stream: str, winner: Row, loser: Row) -> None:
        """Somebody merges two records; the winner keeps its id."""
        raise NotImplementedError(f"{self.vendor}.{stream}")

    def vanish(self, stream: str, row: Row) -> None:
        """A record disappears without a trace."""
        raise NotImplementedError(f"{self.vendor}.{stream}")

    def spoiled(self, stream: str, row: Row) -> Sequence[Any]:
        """The record without a usable id."""
        name = self.id_name(stream)
        return ({**row, name: ""}, {**row, name: None}, {**row, name: {"nested": 1}})

    def id_name(self, stream: str) -> str:
        """Where a row has its id."""
        del stream
        return "id"

    def empty_page(self, stream: str) -> None:
        """A page in the middle comes without rows; unless the vendor does so itself, for a moment."""
        self.fault("empty_page", self.page(stream), nth=2)

    @abstractmethod
    def repeat_page(self, stream: str) -> None:
        """The vendor names the same next page for ever."""

    def wrong_shapes(self, stream: str) -> Sequence[Any]:
        """JSON that is no page of this stream."""
        del stream
        return ({}, [], {"rows": []}, None, "text", 7)

    def expire(self, stream: str) -> None:
        """From now on the token is refused."""
        self.fault("status", self.page(stream), status=401, body={"error": "no"}, times=ALWAYS)

    def restore(self) -> None:
        """Whatever was expired, forbidden or used up works again."""
        self.mend()

    def forbid(self, stream: str) -> Any:
        """A connector whose credentials lack the right to a stream."""
        self.fault("status", self.page(stream), status=403, body={"error": "no"}, times=ALWAYS)
        return self.source

    def named(self, stream: str) -> str:
        """The word by which an admin sees what `forbid` took away."""
        return stream

    def exhaust(self, stream: str) -> None:
        """From now on the period's calls are used up."""
        raise NotImplementedError(f"{self.vendor}.{stream}")

    def refusal(self, text: str) -> Any:
        """The body of a refusal in these words."""
        return {"error": text, "message": text}

    def too_many(self) -> dict[str, Any]:
        """A passing 429 (or what the vendor says in its place), without a hint how long to wait."""
        return {"status": 429, "body": {"error": "slow down"}}

    # -- tools -----------------------------------------------------------------------------------------------------

    def act(self, action: str, **args: Any) -> Any:
        """Do something in the vendor's own pages."""
        return self.box.mutate(self.vendor, action, **args)

    def fault(self, kind: Any, path: str, **rule: Any) -> None:
        """Let requests go wrong."""
        self.box.faults.add(Fault(kind, vendor=self.vendor, path=path, **rule))

    def mend(self) -> None:
        """No more faults."""
        self.box.faults.clear()
        self.adapter.tampers.clear()

    def tamper(self, stream: str, change: Callable[[Any], Any]) -> None:
        """Change the list of rows in the next page of a stream."""
        self.adapter.tampers.append((self.page(stream), lambda body: self.retyped(body, change)))

    def retyped(self, body: bytes, change: Callable[[Any], Any]) -> bytes:
        """A page with its rows changed: the longest list of a JSON object, or a JSON array."""
        page = json.loads(body)
        if isinstance(page, list):
            return json.dumps(change(page)).encode()
        key = max((k for k, v in page.items() if isinstance(v, list)), key=lambda k: len(page[k]))
        return json.dumps({**page, key: change(page[key])}).encode()

    def ask(self, method: str, path: str, **parts: Any) -> Any:
        """The vendor's own answer: past journal, faults and connector."""
        environ = EnvironBuilder(path, self.box.base_urls()[self.vendor], method=method, **parts)
        vendor = self.box.vendors[self.vendor]
        vendor.tick(self.box.clock.now())
        response = vendor.handle(Request(environ.get_environ()))
        assert response.status_code < 300, response.get_data(as_text=True)
        return response

    def calls(self, stream: str = "") -> int:
        """Requests that reached the sandbox; only those for the rows of a stream, when one is named."""
        entries = self.box.journal.entries()
        path = self.page(stream) if stream else ""
        return sum(re.search(path, f"{entry.path}?{entry.query}") is not None for entry in entries)

    def wait(self, span: timedelta) -> None:
        """Time passes."""
        self.box.clock.advance(span)
