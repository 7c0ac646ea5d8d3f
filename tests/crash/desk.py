"""One CRM with a few customers, one state folder, and an agent whose scores are given; for both CRMs alike.

The agent's side is the product's own; the CRM's side is looked at from its inside, not by way of a connector.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

from connectors import hubspot, salesforce
from connectors.base import FieldSpec, Value
from connectors.hubspot_values import own_values
from connectors.registry import VENDORS
from mapping.fields import FieldMap
from mapping.identity import Settings as IdentitySettings
from sandbox.core import HUBSPOT_TOKEN, SALESFORCE_KEY, SALESFORCE_SECRET, Sandbox, SandboxClock
from sandbox.model import World
from sandbox.world import make_world
from scoring.card import Scorecard
from scoring.inputs import ScoreRow
from sync.integrity import begin_work
from sync.owned import OwnedField, owned_fields
from sync.policy import Policy
from sync.run import Agent
from sync.run_report import RunReport
from sync.store import Store
from sync.values import same
from tests.crash.life import Crm

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
LEVELS = ("account", "contact")
MOVING = frozenset(
    {"SystemModstamp", "LastModifiedDate", "LastModifiedById", "LastActivityDate", "hs_updated_by_user_id"}
)
"""Fields that any write moves."""
MARK = "[holdfast:"


@cache
def world(accounts: int = 6) -> World:
    """A few customers with a person each."""
    return make_world(seed=6, accounts=accounts, people_per_account=1, months=1, horizon_days=0, now=NOW)


@cache
def card() -> Scorecard:
    return Scorecard.load()


@cache
def own_fields(crm: str) -> tuple[OwnedField, ...]:
    return owned_fields(card().segment_names(), {}, VENDORS[crm].own_field)


@cache
def field_map(crm: str) -> FieldMap:
    return FieldMap.load(crm, {})


@dataclass(frozen=True, slots=True)
class Kind:
    """Which CRM, and by which of its means tasks are created.

    Attributes:
        options: Of the sandbox's vendor.
        settings: Of the connector.
    """

    crm: str
    strategy: str
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.crm}-{self.strategy}"


@dataclass(slots=True)
class Wishing(Agent):
    """An agent whose scores are given."""

    rows: Sequence[ScoreRow] = ()

    def score(self, report: RunReport, run_id: int) -> list[ScoreRow]:
        report.as_of = self.clock.now()
        return list(self.rows)


class Inside(Protocol):
    """A CRM seen from its inside."""

    def records(self, level: str) -> dict[str, dict[str, Any]]:
        """Every field of every living record, by id."""

    def ours(self, level: str) -> dict[str, dict[str, Value]]:
        """What our fields say, as values of ours."""

    def tasks(self) -> Counter[str]:
        """Tasks of ours by living account."""

    def keys(self) -> Counter[str]:
        """Tasks of ours by key, deleted ones not counted."""

    def edit(self, level: str, record_id: str, name: str, value: Value) -> None:
        """Somebody edits a field of ours."""


class Desk:
    """See the module.

    Args:
        folder: Of the state.
        kind: Which CRM.
        batch: Records in a batch, so that few customers make several.

    Attributes:
        rows: What the agent's scores say.
        expected: What the CRM is to say in the end, where that is something else.
        edited: What people wrote into our fields: (level, id, field) -> value.
        unsure: Those of them that the agent cannot know of, and may replace.
        due_tasks: How many tasks each account is to have.
    """

    def __init__(self, folder: Path, kind: Kind, *, accounts: int = 6, batch: int = 4) -> None:
        self.folder = folder
        self.kind = kind
        self.batch = batch
        self.box = Sandbox(
            world(accounts), SandboxClock(NOW), vendors=(kind.crm,), options={kind.crm: dict(kind.options)}
        )
        self.crm = Crm(self.box)
        self.inside: Inside = HubSpotInside(self.box) if kind.crm == "hubspot" else SalesforceInside(self.box)
        self.rows: list[ScoreRow] = []
        self.expected: list[ScoreRow] | None = None
        self.edited: dict[tuple[str, str, str], Value] = {}
        self.unsure: set[tuple[str, str, str]] = set()
        self.due_tasks: Counter[str] = Counter()

    @property
    def fields(self) -> tuple[OwnedField, ...]:
        return own_fields(self.kind.crm)

    # -- the agent's side: everything below works in whatever process calls it --------------------------------------

    def connect(self) -> Any:
        """Our connector, as a new process has it; of the streams it reads those that plans are made of."""
        url = self.box.base_urls()[self.kind.crm]
        specs = [field.spec for field in self.fields]
        crm: Any
        if self.kind.crm == "hubspot":
            settings: Any = hubspot.Settings(base_url=url, token=HUBSPOT_TOKEN, **self.kind.settings)
            crm = hubspot.connect("hubspot", settings, clock=self.box.clock, own_fields=specs)
        else:
            settings = salesforce.Settings(
                base_url=url,
                consumer_key=SALESFORCE_KEY,
                consumer_secret=SALESFORCE_SECRET,
                **self.kind.settings,
            )
            crm = salesforce.connect("salesforce", settings, clock=self.box.clock, own_fields=specs)
        crm.streams = tuple(stream for stream in crm.streams if stream.record in {"user", "account", "contact"})
        size = self.batch
        crm.write = replace(crm.write, update_batch=size, read_batch=size, create_batch=max(1, size // 2))
        return crm

    @contextmanager
    def agent(self) -> Iterator[Wishing]:
        """An agent at work on our state folder."""
        crm = self.connect()
        store = Store.open(self.folder, locked=True)
        try:
            begin_work(store, self.box.clock.now(), lambda _: None)
            yield Wishing(
                crm=crm,
                sources=((crm, field_map(self.kind.crm)),),
                store=store,
                card=card(),
                fields=self.fields,
                identity=IdentitySettings(),
                policy=Policy(budget_share=0.5),
                clock=self.box.clock,
                config_hash="hash",
                rows=self.rows,
            )
        finally:
            store.close()

    # -- the CRM's side -----------------------------------------------------------------------------------------

    def forget(self) -> None:
        """The state is lost: nobody can tell any more what people wrote into our fields."""
        self.unsure |= set(self.edited)
        shutil.rmtree(self.folder)

    def edit(self, level: str, record_id: str, name: str, value: Value) -> None:
        """Somebody edits a field of ours, and means it."""
        self.inside.edit(level, record_id, name, value)
        self.edited[level, record_id, name] = value

    def others(self) -> dict[str, dict[str, Any]]:
        """Everything on living accounts and contacts that is not ours to change."""
        names = {field.spec.name for field in self.fields}
        return {
            record_id: {name: value for name, value in row.items() if name not in names and name not in MOVING}
            for level in LEVELS
            for record_id, row in self.inside.records(level).items()
        }

    def forgotten(self, wrote: Mapping[tuple[str, str], Mapping[str, Value]]) -> Iterator[str]:
        """Fields that say what we wrote although the ledger does not know it: it would take them for people's."""
        there = {level: self.inside.ours(level) for level in LEVELS}
        for level, record_id, name, _ in self.wanted():
            if (level, record_id, name) in {*self.edited, *self.unsure} or record_id not in there[level]:
                continue
            ours, now = wrote.get((level, record_id), {}).get(name), there[level][record_id].get(name)
            if not same(ours, now):
                yield f"{level} {record_id} {name}: the ledger says that we wrote {ours!r}, and it says {now!r}"

    def unseen(self, mirror: Mapping[tuple[str, str], Mapping[str, Value]]) -> Iterator[str]:
        """Fields of ours of which the state says something else than the CRM."""
        followers = {owned.spec.name for owned in self.fields if not owned.moves_alone}
        for level in LEVELS:
            for record_id, row in self.inside.ours(level).items():
                said = mirror.get((level, record_id), {})
                wrong = [name for name in row.keys() - followers if not same(said.get(name), row[name])]
                if wrong:
                    yield f"{level} {record_id}: what {', '.join(sorted(wrong))} say was never read"

    def wanted(self) -> Iterator[tuple[str, str, str, Value]]:
        """(level, id, field, value) for each field that is to say something."""
        for row in self.expected or self.rows:
            for owned in self.fields:
                if owned.spec.object == row.level and owned.moves_alone:
                    yield row.level, row.crm_id, owned.spec.name, owned.value(row, NOW)

    def lost(self) -> Iterator[str]:
        """What does not say what it should: our wish, or what somebody made of it."""
        there = {level: self.inside.ours(level) for level in LEVELS}
        for level, record_id, name, value in self.wanted():
            if record_id not in there[level] or (level, record_id, name) in self.unsure:
                continue
            now = there[level][record_id].get(name)
            human = self.edited.get((level, record_id, name))
            if (level, record_id, name) in self.edited and not same(now, human):
                yield f"{level} {record_id} {name}: somebody wrote {human!r}, and it says {now!r}"
            elif (level, record_id, name) not in self.edited and not same(now, value):
                yield f"{level} {record_id} {name}: says {now!r} and not {value!r}"

    def missing_tasks(self) -> Iterator[str]:
        """Accounts with fewer tasks than were due."""
        for account, number in (self.due_tasks - self.inside.tasks()).items():
            yield f"account {account}: {number} task(s) missing"

    def doubled(self) -> Iterator[str]:
        """Tasks that are there twice."""
        for account, number in (self.inside.tasks() - self.due_tasks).items():
            yield f"account {account}: {number} task(s) too many"
        for key, number in self.inside.keys().items():
            if number > 1:
                yield f"task {key}: {number} times"

    def red(self) -> Counter[str]:
        """The accounts that a task is due for in this hour."""
        return Counter(row.crm_id for row in self.rows if row.level == "account" and row.band == "red")


def of_now(box: Sandbox, crm: str) -> Any:
    """A simulated vendor, at the sandbox's time."""
    vendor: Any = box.vendors[crm]
    vendor.tick(box.clock.now())
    return vendor


@dataclass
class SalesforceInside:
    """See `Inside`."""

    box: Sandbox
    objects: ClassVar[Mapping[str, str]] = {"account": "Account", "contact": "Contact"}

    @property
    def org(self) -> Any:
        return of_now(self.box, "salesforce").org

    def _table(self, name: str) -> dict[str, dict[str, Any]]:
        org = self.org
        table = org.tables[name]
        places: Iterable[int] = table.places(org.now)
        names = tuple(table.object.fields)
        return {table.id_at(place): {one: table.value(place, one, org.now) for one in names} for place in places}

    def records(self, level: str) -> dict[str, dict[str, Any]]:
        return self._table(self.objects[level])

    def ours(self, level: str) -> dict[str, dict[str, Value]]:
        specs = [owned.spec for owned in own_fields("salesforce") if owned.spec.object == level]
        return {
            record_id: {spec.name: _plain(row.get(spec.name), spec) for spec in specs}
            for record_id, row in self.records(level).items()
        }

    def _tasks(self) -> Iterator[dict[str, Any]]:
        for row in self._table("Task").values():
            if row.get("Holdfast_Task_Key__c") or MARK in (row["Description"] or ""):
                yield row

    def tasks(self) -> Counter[str]:
        living = self.records("account")
        return Counter(row["WhatId"] for row in self._tasks() if row["WhatId"] in living)

    def keys(self) -> Counter[str]:
        return Counter(row.get("Holdfast_Task_Key__c") or _mark(row["Description"]) for row in self._tasks())

    def edit(self, level: str, record_id: str, name: str, value: Value) -> None:
        self.box.mutate("salesforce", "edit", id=record_id, values={name: value})


@dataclass
class HubSpotInside:
    """See `Inside`."""

    box: Sandbox
    kinds: ClassVar[Mapping[str, str]] = {"account": "companies", "contact": "contacts"}

    @property
    def portal(self) -> Any:
        return of_now(self.box, "hubspot").portal

    def _table(self, kind: str) -> dict[str, dict[str, Any]]:
        portal = self.portal
        table, names = portal.tables[kind], tuple(portal.schemas[kind].properties)
        return {
            str(table.ids[place]): {name: table.value(place, name, portal.now) for name in names}
            for place in table.living(0, portal.now)
        }

    def records(self, level: str) -> dict[str, dict[str, Any]]:
        return self._table(self.kinds[level])

    def ours(self, level: str) -> dict[str, dict[str, Value]]:
        specs = {owned.spec.name: owned.spec for owned in own_fields("hubspot") if owned.spec.object == level}
        return {record_id: own_values(specs, row) for record_id, row in self.records(level).items()}

    def _tasks(self) -> Iterator[tuple[str, str]]:
        """(id, key)."""
        for record_id, row in self._table("tasks").items():
            if key := row.get("holdfast_task_key") or _mark(row.get("hs_task_body") or ""):
                yield record_id, key

    def tasks(self) -> Counter[str]:
        living = self.records("account")
        linked = (
            str(company)
            for record_id, _ in self._tasks()
            for company in self.portal.links.linked("tasks", int(record_id), "companies")
        )
        return Counter(company for company in linked if company in living)

    def keys(self) -> Counter[str]:
        return Counter(key for _, key in self._tasks())

    def edit(self, level: str, record_id: str, name: str, value: Value) -> None:
        self.box.mutate("hubspot", "edit", object=self.kinds[level], id=record_id, properties={name: value})


def _mark(text: str) -> str:
    return text.rpartition(MARK)[2].partition("]")[0]


def _plain(value: Any, spec: FieldSpec) -> Value:
    """A value of the org's inside as ours."""
    if spec.type == "multi_select":
        return tuple(str(value or "").split(";")) if value else ()
    found: Value = value
    return found
