"""A small job beside a simulated Salesforce org, made to be disturbed at any request of its writing."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import requests

from connectors import salesforce
from connectors.base import FieldSpec, Value
from connectors.registry import VENDORS
from connectors.salesforce_metadata import TASK_KEY_FIELD
from mapping.fields import FieldMap
from mapping.identity import Settings as IdentitySettings
from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET, Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world
from scoring.card import Scorecard
from scoring.inputs import Band, ScoreRow
from sync.ledger import Ledger
from sync.owned import OwnedField, owned_fields
from sync.policy import Policy
from sync.run import Agent, MissingFieldsError
from sync.run_report import RunReport
from sync.store import Store
from sync.values import same

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
TYPES: Mapping[str, dict[str, Any]] = {
    "number": {"type": "double", "precision": 18, "scale": 2},
    "text": {"type": "string", "length": 255},
    "select": {"type": "picklist"},
    "multi_select": {"type": "multipicklist"},
    "datetime": {"type": "datetime"},
}
OURS = "Holdfast_"
MOVING = frozenset({"SystemModstamp", "LastModifiedDate", "LastModifiedById", "LastActivityDate"})
"""Fields that every write moves."""
OBJECTS = {"account": "Account", "contact": "Contact"}


@cache
def world() -> World:
    """A dozen customers."""
    return make_world(seed=6, accounts=12, people_per_account=2, months=2, horizon_days=0, now=NOW)


@cache
def card() -> Scorecard:
    return Scorecard.load()


@cache
def field_map() -> FieldMap:
    return FieldMap.load("salesforce", {})


@cache
def own_fields() -> tuple[OwnedField, ...]:
    return owned_fields(card().segment_names(), {}, VENDORS["salesforce"].own_field)


def specs() -> list[FieldSpec]:
    return [*(field.spec for field in own_fields()), TASK_KEY_FIELD]


def wish(level: Any, number: int, crm_id: str, name: str, owner: str | None) -> ScoreRow:
    """What a record is to say: some of everything, and for every other account a task."""
    band: Band = "red" if number % 2 else "green"
    segments = card().segment_names()[: number % 3]
    reason = f"Logins fell by {number} %; “{name}”, and so on"
    return ScoreRow(
        level, number, crm_id, name, owner, 20 + number, 1 + number % 5, 150, 90, band, segments, reason, (), {}
    )


@dataclass(slots=True)
class Wishing(Agent):
    """An agent whose scores are given."""

    rows: Sequence[ScoreRow] = ()

    def score(self, report: RunReport, run_id: int) -> list[ScoreRow]:
        report.as_of = self.clock.now()
        return list(self.rows)


class Wire(SandboxAdapter):
    """Counts the requests of the writing, and lets something happen right before or after one of them."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.sent = 0
        self.counting = False
        self.before: dict[int, Callable[[], None]] = {}
        self.after: dict[int, Callable[[], None]] = {}
        self.log: list[str] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if not self.counting:
            return super().send(request, *args, **kwargs)
        self.sent += 1
        number = self.sent
        self.log.append(f"{request.method} {request.path_url.partition('/v64.0/')[2].partition('?')[0]}")
        self.before.pop(number, _nothing)()
        try:
            return super().send(request, *args, **kwargs)
        finally:
            self.after.pop(number, _nothing)()


def _nothing() -> None:
    """What happens mostly."""


class Crash(BaseException):
    """The machine goes down."""


class Desk:
    """One org, one state folder, and runs between them.

    Args:
        folder: Of the state.
        at: When it begins.
        share: Part of the day's calls that the writing may take.
    """

    def __init__(self, folder: Path, at: datetime = NOW, share: float = 0.1) -> None:
        self.folder = folder
        self.share = share
        self.box = Sandbox(world(), SandboxClock(at), vendors=("salesforce",))
        self.wire = Wire(self.box)
        for spec in specs():
            kind = "Task" if spec.object == "task" else OBJECTS[spec.object]
            extra = {"values": list(spec.options)} if spec.options else {}
            self.do("create_field", object=kind, name=spec.name, visible=True, **TYPES[spec.type], **extra)
        self.rows = [*self._wishes("account"), *self._wishes("contact")]

    @property
    def org(self) -> Any:
        """The org's inside."""
        vendor: Any = self.box.vendors["salesforce"]
        vendor.tick(self.box.clock.now())
        return vendor.org

    def do(self, action: str, **args: Any) -> Any:
        """What people do in the org."""
        return self.box.mutate("salesforce", action, **args)

    def _wishes(self, level: str) -> Iterator[ScoreRow]:
        for number, (record_id, row) in enumerate(sorted(self.records(level, "Name", "OwnerId").items())):
            yield wish(level, number, record_id, row["Name"], row["OwnerId"])

    def connect(self) -> salesforce.Salesforce:
        """Our connector, as a new process has it; of the streams it reads those that plans are made of."""
        crm = salesforce.connect(
            "salesforce",
            salesforce.Settings(
                base_url=self.box.base_urls()["salesforce"],
                consumer_key=SALESFORCE_KEY,
                consumer_secret=SALESFORCE_SECRET,
            ),
            adapter=self.wire,
            clock=self.box.clock,
            own_fields=[field.spec for field in own_fields()],
        )
        crm.streams = tuple(stream for stream in crm.streams if stream.record in {"user", "account", "contact"})
        return crm

    @contextmanager
    def agent(self) -> Iterator[Wishing]:
        """A process that works for us."""
        crm = self.connect()
        store = Store.open(self.folder)
        try:
            yield Wishing(
                crm=crm,
                sources=((crm, field_map()),),
                store=store,
                card=card(),
                fields=own_fields(),
                identity=IdentitySettings(),
                policy=Policy(budget_share=self.share, guard=None),
                clock=self.box.clock,
                config_hash="hash",
                rows=self.rows,
            )
        finally:
            store.close()

    def run(self, disturb: Callable[[], None] = _nothing) -> RunReport | None:
        """One run, disturbed when it begins to write; None when it crashed, or missed our fields."""

        def phase(name: str) -> None:
            if name == "apply":
                self.wire.sent, self.wire.counting = 0, True
                disturb()

        with self.agent() as agent:
            agent.on_phase = phase
            try:
                return agent.run(dry_run=False)
            except (Crash, MissingFieldsError):
                return None
            finally:
                self.wire.counting = False
                self.wire.before.clear()
                self.wire.after.clear()

    def preview(self) -> RunReport:
        """One run that only looks."""
        with self.agent() as agent:
            return agent.run(dry_run=True)

    def fault(self, number: int, kind: Any, **rule: Any) -> None:
        """Let a request from now on go wrong."""
        self.box.faults.add(Fault(kind, vendor="salesforce", nth=number, **rule))

    def open_operations(self) -> list[str]:
        """What the ledger has not settled."""
        store = Store.open(self.folder)
        try:
            return [f"{op.object} {op.record_id} {op.state}" for op in Ledger(store).open_ops()]
        finally:
            store.close()

    # -- what is in the org ---------------------------------------------------------------------------------------

    def records(self, level: str, *names: str) -> dict[str, dict[str, Any]]:
        """Living records: id -> named fields, all of them when none is named."""
        org = self.org
        table = org.tables[OBJECTS.get(level, level)]
        wanted = names or tuple(table.object.fields)
        places: Iterable[int] = table.places(org.now)
        return {table.id_at(place): {name: table.value(place, name, org.now) for name in wanted} for place in places}

    def others(self) -> dict[str, dict[str, Any]]:
        """Everything on living accounts and contacts that is not ours to change."""
        return {
            record_id: {name: v for name, v in row.items() if not name.startswith(OURS) and name not in MOVING}
            for level in OBJECTS
            for record_id, row in self.records(level).items()
        }

    def wrong(self) -> dict[str, dict[str, tuple[Value, Value]]]:
        """Fields of ours that do not say what they should: record id -> field -> (there, intended)."""
        found: dict[str, dict[str, tuple[Value, Value]]] = {}
        for row in self.rows:
            fields = [field for field in own_fields() if field.spec.object == row.level and field.moves_alone]
            there = self.records(row.level, *(field.spec.name for field in fields)).get(row.crm_id)
            for field in fields if there is not None else ():
                assert there is not None
                now, then = _plain(there[field.spec.name], field.spec), field.value(row, NOW)
                if not same(now, then):
                    found.setdefault(row.crm_id, {})[field.spec.name] = (now, then)
        return found

    def tasks(self) -> Counter[str]:
        """How many tasks of ours each living account has."""
        living = self.records("account", "Id")
        tasks = self.records("Task", "WhatId", TASK_KEY_FIELD.name, "Description").values()
        ours = [task for task in tasks if task[TASK_KEY_FIELD.name] or "[holdfast:" in (task["Description"] or "")]
        return Counter(task["WhatId"] for task in ours if task["WhatId"] in living)

    def wanted_tasks(self) -> Counter[str]:
        """How many there should be."""
        living = self.records("account", "Id")
        return Counter(
            row.crm_id for row in self.rows if row.band == "red" and row.level == "account" and row.crm_id in living
        )


def _plain(value: Any, spec: FieldSpec) -> Value:
    """A value of the org's inside as ours."""
    if spec.type == "multi_select":
        return tuple(str(value or "").split(";")) if value else ()
    found: Value = value
    return found


def copied(start: Path, folder: Path, at: datetime, **options: Any) -> Desk:
    """A desk that goes on from a state made before."""
    shutil.copytree(start, folder, dirs_exist_ok=True)
    return Desk(folder, at, **options)
