"""What the conformance suites need of a vendor: a simulated account, our connector to it, and what can happen there.

A rig plays everybody but the connector: the vendor, the people who work in its pages, its network. What is true comes
from the simulator itself (`ask` goes past journal, faults and connector).
"""

import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from connectors.base import Batch, Clock, FieldSpec, Row, Stream
from connectors.registry import VENDORS
from mapping.fields import FieldMap
from sandbox.core import Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter

ALWAYS = 1_000_000
"""Times a lasting fault strikes."""
PAGE = 5
"""Rows in a page, so that a small world has many pages."""

Change = Callable[[Mapping[str, Row]], bool]
"""Whether the rows held, by id, show what somebody changed."""


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The vendor has no such notion."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The vendor has it and our connector does not do it right, yet: the case must fail until it does."""

    reason: str


Exceptions = Mapping[str, NotApplicable | Gap]
"""Case, or "case[stream]", or "case[parameter]" -> why it is not a plain yes."""


class Adapter(SandboxAdapter):
    """The way to the sandbox, on which an answer can be changed once, or something happen behind it."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.tampers: list[tuple[str, Callable[[bytes], bytes]]] = []
        self.meanwhile: tuple[str, Callable[[], object]] | None = None

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Pass on, then let the first change that fits the address act on the body."""
        response = super().send(request, *args, **kwargs)
        if self.meanwhile is not None and response.ok and re.search(self.meanwhile[0], request.url or ""):
            (_, happen), self.meanwhile = self.meanwhile, None
            happen()
        for number, (path, change) in enumerate(self.tampers):
            if response.ok and re.search(path, request.url or ""):
                del self.tampers[number]
                return _rebuilt(response, change)
        return response


def _rebuilt(response: requests.Response, change: Callable[[bytes], bytes]) -> requests.Response:
    body = change(response.content)
    kept = {k: v for k, v in response.headers.items() if k.lower() not in {"content-encoding", "content-length"}}
    raw = HTTPResponse(io.BytesIO(body), kept, response.status_code, preload_content=False)
    made: requests.Response = HTTPAdapter().build_response(response.request, raw)
    return made


class Rig(ABC):
    """One simulated account of a vendor, and our connector to it.

    Args:
        world: What is true.
        spool: Folder for exports.
        stream: The stream a test is about; some need an account set up in another way.
        options: Further options of the simulator.
    """

    vendor: ClassVar[str]
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
        self.box = Sandbox(world, clock, vendors=(self.vendor,), options={self.vendor: given})
        self.adapter = Adapter(self.box)
        self.spool = spool
        self.map = FieldMap.load(self.vendor)
        self.source = self.connect()

    # -- our side --------------------------------------------------------------------------------------------------

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
        module = VENDORS[self.vendor].load()
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


class Held:
    """What somebody holds who commits every batch as `sync` does: rows by id, and a cursor.

    Args:
        rig: Whose.
        stream: Of which stream.
    """

    def __init__(self, rig: Rig, stream: str) -> None:
        self.rig = rig
        self.stream = stream
        self.rows: dict[str, Row] = {}
        self.cursor: str | None = None
        self.batches: list[Batch] = []
        self.merged: dict[str, str] = {}
        self._before = {name: Held(rig, name) for name in rig.stream(stream).after}

    def pull(
        self, source: Any = None, *, stop_after: int | None = None, meanwhile: Callable[[], object] | None = None
    ) -> list[Batch]:
        """One pull, committed batch by batch, also when it ends in an error; gives the batches of this pull.

        Args:
            source: The connector; the rig's own unless given.
            stop_after: End after so many batches, as a killed process would.
            meanwhile: What happens after the first page.
        """
        source = source or self.rig.source
        for earlier in self._before.values():
            earlier.pull(source)
        self.batches, named = [], set[str]()
        if meanwhile is not None:
            self.rig.adapter.meanwhile = (self.rig.page(self.stream), meanwhile)
        for batch in source.pull(self.rig.stream(self.stream), self.cursor):
            self._commit(batch, named)
            if len(self.batches) == stop_after:
                break
        return self.batches

    def copy(self) -> "Held":
        """The same holdings, to go on with in another way."""
        other = Held(self.rig, self.stream)
        other.rows, other.cursor, other.merged = dict(self.rows), self.cursor, dict(self.merged)
        other._before = {name: held.copy() for name, held in self._before.items()}
        return other

    def _commit(self, batch: Batch, named: set[str]) -> None:
        self.batches.append(batch)
        for row in self.rig.rows(batch):
            key = self.rig.key(self.stream, row)
            named.add(key)
            self.rows[key] = row
            if self.rig.gone(self.stream, row):
                del self.rows[key]
        self.merged |= batch.merged
        for key in (*batch.deleted, *batch.merged):
            self.rows.pop(key, None)
        if batch.full:
            self.rows = {key: row for key, row in self.rows.items() if key in named}
        self.cursor = batch.cursor if batch.cursor is not None else self.cursor


def spread(items: Iterable[Any], most: int) -> list[Any]:
    """At most so many of the items, the first and the last among them, evenly."""
    found = list(items)
    if len(found) <= most:
        return found
    return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]
