"""One CRM with a few customers, people and flows at work in it, and an agent whose scores are given; for both CRMs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import requests

from connectors import hubspot, salesforce
from connectors.base import Value
from connectors.registry import VENDORS
from mapping.fields import FieldMap
from mapping.identity import Settings as IdentitySettings
from sandbox.core import HUBSPOT_TOKEN, SALESFORCE_KEY, SALESFORCE_SECRET, Sandbox, SandboxClock
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world
from scoring.card import Scorecard
from scoring.inputs import ScoreRow
from sync.ledger import Ledger
from sync.owned import OwnedField, owned_fields
from sync.policy import Policy
from sync.run import Agent
from sync.run_report import RunReport
from sync.store import Store

CRMS = ("hubspot", "salesforce")
NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
KINDS = {"hubspot": {"account": "companies"}, "salesforce": {"account": "Account"}}


@cache
def world() -> World:
    return make_world(seed=6, accounts=6, people_per_account=1, months=1, horizon_days=0, now=NOW)


@cache
def card() -> Scorecard:
    return Scorecard.load()


@cache
def own_fields(crm: str) -> tuple[OwnedField, ...]:
    return owned_fields(card().segment_names(), {}, VENDORS[crm].own_field)


@dataclass(slots=True)
class Wishing(Agent):
    """An agent whose scores are given."""

    rows: Sequence[ScoreRow] = ()

    def score(self, report: RunReport, run_id: int) -> list[ScoreRow]:
        report.as_of = self.clock.now()
        self.store.save_scores(run_id, self.rows, report.as_of)
        return list(self.rows)


class Crash(BaseException):
    """The machine goes down."""


class Line(SandboxAdapter):
    """The network: it may go down with us before or after the n-th request from now on."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.left: int | None = None
        self.after = False
        self.sent = 0

    def crash_at(self, number: int, *, after: bool) -> None:
        """Die at that request, counted from 1, before or after the CRM has answered it."""
        self.left, self.after = number, after

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.sent += 1
        if self.left is not None:
            self.left -= 1
        if self.left == 0 and not self.after:
            raise Crash
        answer = super().send(request, *args, **kwargs)
        if self.left == 0:
            raise Crash
        return answer


class PeopleDesk:
    """See the module.

    Attributes:
        scores: CRM id of an account -> the score that it is to get.
        before: What our fields said at some time that a test wants back.
    """

    def __init__(self, folder: Path, crm: str, policy: Policy | None = None) -> None:
        self.folder, self.crm = folder, crm
        self.policy = policy or Policy(contacts=False, budget_share=0.9)
        self.box = Sandbox(world(), SandboxClock(NOW), vendors=(crm,))
        self.line = Line(self.box)
        self.connect().setup([field.spec for field in own_fields(crm)], dry_run=False)
        self.scores = dict.fromkeys(sorted(self._table("account")), 90)
        self.before: dict[str, dict[str, str]] = {}

    def name(self, logical: str) -> str:
        """What the CRM calls a field on accounts."""
        return next(field.spec.name for field in own_fields(self.crm) if field.logical == f"account.{logical}")

    # -- the agent ------------------------------------------------------------------------------------------------

    def connect(self) -> Any:
        """Our connector, as a new process has it; of the streams it reads those that plans are made of."""
        url = self.box.base_urls()[self.crm]
        specs = [field.spec for field in own_fields(self.crm)]
        crm: Any
        if self.crm == "hubspot":
            settings: Any = hubspot.Settings(base_url=url, token=HUBSPOT_TOKEN)
            crm = hubspot.connect("hubspot", settings, adapter=self.line, clock=self.box.clock, own_fields=specs)
        else:
            settings = salesforce.Settings(base_url=url, consumer_key=SALESFORCE_KEY, consumer_secret=SALESFORCE_SECRET)
            crm = salesforce.connect("salesforce", settings, adapter=self.line, clock=self.box.clock, own_fields=specs)
        crm.streams = tuple(stream for stream in crm.streams if stream.record in {"user", "account", "contact"})
        return crm

    @contextmanager
    def agent(self, folder: Path | None = None) -> Iterator[Wishing]:
        """A process that works for us."""
        crm = self.connect()
        store = Store.open(folder or self.folder)
        try:
            yield Wishing(
                crm=crm,
                sources=((crm, FieldMap.load(self.crm, {})),),
                store=store,
                card=card(),
                fields=own_fields(self.crm),
                identity=IdentitySettings(),
                policy=self.policy,
                clock=self.box.clock,
                config_hash="hash",
                rows=[self._wish(number, account) for number, account in enumerate(self.scores, 1)],
            )
        finally:
            store.close()

    def _wish(self, key: int, account: str) -> ScoreRow:
        score = self.scores[account]
        band: Any = "red" if score < 40 else "green"
        return ScoreRow(
            "account", key, account, f"Customer {account}", None, score, 1 + score // 25, 250, 90, band, (),
            f"because of {score}", (), {},
        )  # fmt: skip

    def run(self, folder: Path | None = None, *, wait: timedelta = timedelta(hours=1)) -> RunReport:
        """One run, an hour after the one before."""
        self.box.clock.advance(wait)
        with self.agent(folder) as agent:
            return agent.run(dry_run=False, initial=True, with_tasks=True)

    def undo(self, run_id: int, *, dry_run: bool = False) -> RunReport:
        """An undo, a minute later."""
        self.box.clock.advance(timedelta(minutes=1))
        with self.agent() as agent:
            return agent.undo(run_id, dry_run=dry_run)

    def crashing(self, work: Callable[[], Any]) -> bool:
        """Do some work; whether the machine went down."""
        try:
            work()
        except Crash:
            return True
        finally:
            self.line.left = None
        return False

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, between runs."""
        store = Store.open(self.folder)
        try:
            yield Ledger(store)
        finally:
            store.close()

    @property
    def last_run(self) -> int:
        """Number of the newest run."""
        with self.ledger() as ledger:
            return ledger.runs(1)[0].run_id

    # -- the CRM's inside -----------------------------------------------------------------------------------------

    def _table(self, level: str) -> dict[str, dict[str, Any]]:
        vendor: Any = self.box.vendors[self.crm]
        vendor.tick(self.box.clock.now())
        if self.crm == "hubspot":
            portal = vendor.portal
            kind = "tasks" if level == "task" else "companies"
            table, names = portal.tables[kind], tuple(portal.schemas[kind].properties)
            places = table.living(0, portal.now)
            return {str(table.ids[p]): {name: table.value(p, name, portal.now) for name in names} for p in places}
        org = vendor.org
        table = org.tables["Task" if level == "task" else "Account"]
        names = tuple(table.object.fields)
        return {table.id_at(p): {name: table.value(p, name, org.now) for name in names} for p in table.places(org.now)}

    def says(self, account: str, logical: str) -> str:
        """What a field of ours says, as text without a needless fraction; "" when it is empty."""
        value = self._table("account")[account][self.name(logical)]
        return "" if value is None else str(value).removesuffix(".0")

    def everything(self) -> dict[str, dict[str, str]]:
        """All of our fields on all accounts."""
        names = [field.logical.removeprefix("account.") for field in own_fields(self.crm)[:8]]
        return {account: {name: self.says(account, name) for name in names} for account in self.scores}

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Our tasks."""
        text = "hs_task_body" if self.crm == "hubspot" else "Description"
        return {
            key: row
            for key, row in self._table("task").items()
            if "[holdfast:" in (row[text] or "") or row.get("Holdfast_Task_Key__c")
        }

    # -- what people do -------------------------------------------------------------------------------------------

    def do(self, action: str, **args: Any) -> Any:
        return self.box.mutate(self.crm, action, **args)

    def edit(self, account: str, logical: str, value: Value) -> None:
        """Somebody writes into a field of ours."""
        values: Mapping[str, Value] = {self.name(logical): value}
        if self.crm == "hubspot":
            self.do("edit", object="companies", id=account, properties=values)
        else:
            self.do("edit", id=account, values=values)

    def flow(self, when: str, sets: str, value: Value) -> None:
        """An admin makes a flow that answers each write of a field."""
        kind = KINDS[self.crm]["account"]
        self.do("flow", object=kind, when=self.name(when), set=self.name(sets), value=value)

    def delete(self, kind: str, record_id: str) -> None:
        """Somebody deletes a task or an account."""
        if self.crm == "hubspot":
            self.do("archive", object="tasks" if kind == "task" else "companies", id=record_id)
        else:
            self.do("delete", id=record_id)

    def edit_task(self, task: str, what: str) -> None:
        """Somebody changes a task."""
        hubspot_names = {"subject": "hs_task_subject", "due": "hs_timestamp"}
        names = hubspot_names if self.crm == "hubspot" else {"subject": "Subject", "due": "ActivityDate"}
        due = "2026-12-24T10:00:00Z" if self.crm == "hubspot" else "2026-12-24"
        if what in names:
            values = {names[what]: due if what == "due" else "Somebody's words"}
            self.do("edit_task", id=task, **{"properties" if self.crm == "hubspot" else "values": values})
        elif what == "owner":
            self.do("reassign_task", id=task, owner=self.owner())
        elif what == "closed":
            self.do("close_task", id=task)
        else:
            self.do("comment_task", id=task, text="Called them.")

    def owner(self) -> str:
        """Somebody who is not the owner of a task of ours."""
        vendor: Any = self.box.vendors[self.crm]
        if self.crm == "hubspot":
            return str(next(iter(vendor.portal.inactive)))
        org = vendor.org
        table = org.tables["User"]
        found: str = table.id_at(next(iter(table.places(org.now))))
        return found
