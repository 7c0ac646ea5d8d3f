"""An agent beside a whole sandbox without sockets, made to live through outages of its sources, one after the other."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.registry import VENDORS
from mapping.fields import FieldMap
from mapping.identity import Settings as IdentitySettings
from sandbox.core import CREDENTIALS, Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world
from scoring.card import Scorecard
from scoring.inputs import ScoreRow
from scoring.playbooks import desired_tasks, next_states
from sync.owned import owned_fields
from sync.policy import Policy
from sync.run import Agent
from sync.run_report import RunReport
from sync.store import Store
from tests.mapping.salesforce_rows import OVERRIDES

NOW = datetime(2026, 10, 21, 10, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)
HOURS = (1, 30, 73, 192)
"""When it is looked at in an outage, hours after its beginning."""
FIELDS: dict[str, dict[str, Any]] = {"salesforce": OVERRIDES}


@dataclass
class Look:
    """What a run came to.

    Attributes:
        bands: CRM id -> band, as the agent remembers it.
        rows: The scores.
        tasks: Keys of the tasks that should exist.
    """

    report: RunReport
    bands: dict[str, str]
    rows: list[ScoreRow]
    tasks: set[str]

    def points(self, signals: Collection[str]) -> dict[tuple[str, str], int | None]:
        """(Account, signal) -> its points."""
        return {
            (row.crm_id, part.name): part.points
            for row in self.rows
            if row.level == "account"
            for part in row.signals
            if part.name in signals
        }


@dataclass
class Site:
    """One CRM, Zendesk and Mixpanel; a state folder; runs between which time passes."""

    folder: Path
    crm: str = "hubspot"
    accounts: int = 40
    sandbox: Sandbox = field(init=False)
    card: Scorecard = field(init=False)
    policy: Policy = field(default_factory=Policy)
    start: datetime = NOW

    def __post_init__(self) -> None:
        world = make_world(seed=11, accounts=self.accounts, people_per_account=5, months=4, now=NOW, horizon_days=30)
        clock = SandboxClock(NOW)
        self.sandbox = Sandbox(world, clock, vendors=(self.crm, "zendesk", "mixpanel"))
        self.card = Scorecard.load()

    def settings(self, vendor: str) -> dict[str, Any]:
        """What the config says of a vendor."""
        keys = CREDENTIALS[vendor]
        common = {"base_url": self.sandbox.base_urls()[vendor]}
        if vendor == "zendesk":
            names = {name: keys[name] for name in ("email", "token")}
            return {**common, **names, "subdomain": "acme", "exports_per_minute": 30}
        if vendor == "mixpanel":
            names = {name: keys[name] for name in ("project_id", "username", "secret")}
            return {**common, **names, "account_key": "company_id"}
        if vendor == "salesforce":
            names = {name: keys[name] for name in ("consumer_key", "consumer_secret")}
            return {**common, **names, "surveys": "NPS_Response__c"}
        return {**common, "token": keys["token"]}

    @contextmanager
    def agent(self) -> Iterator[Agent]:
        """A process that works for us."""
        fields = owned_fields(self.card.segment_names(), {}, VENDORS[self.crm].own_field)
        pairs: list[Any] = []
        for vendor in self.sandbox.vendors:
            module = VENDORS[vendor].load()
            settings = module.Settings.model_validate(self.settings(vendor))
            overrides: dict[str, Any] = dict(getattr(settings, "field_overrides", dict)())
            field_map = FieldMap.load(vendor, {**overrides, **FIELDS.get(vendor, {})})
            source = module.connect(
                vendor,
                settings,
                clock=self.sandbox.clock,
                adapter=SandboxAdapter(self.sandbox),
                spool=self.folder / "spool",
                own_fields=[one.spec for one in fields] if vendor == self.crm else [],
                wanted={stream: field_map.paths(stream) for stream in field_map.streams},
            )
            pairs.append((source, field_map))
        store = Store.open(self.folder)
        try:
            yield Agent(
                crm=pairs[0][0],
                sources=tuple(pairs),
                store=store,
                card=self.card,
                fields=fields,
                identity=IdentitySettings(own_domains=("holdfast.example",)),
                policy=self.policy,
                clock=self.sandbox.clock,
                config_hash="hash",
            )
        finally:
            store.close()

    def run_at(self, hours: float) -> Look:
        """One run, so many hours after the site was put back."""
        self.sandbox.clock.set(self.start + hours * HOUR)
        return self.run()

    def live(self, source: str, stream: str) -> list[int]:
        """How many records of a stream are held."""
        store = Store.open(self.folder)
        found = [one.total for one in store.status() if (one.source, one.stream) == (source, stream)]
        store.close()
        return found

    def run(self) -> Look:
        """Pull, watch and score; bands and tasks are what they are to come to, and nothing is written."""
        with self.agent() as agent:
            report = RunReport(self.sandbox.clock.now())
            agent.pull(report)
            rows = agent.score(report, agent.ledger.start_run("dry", self.sandbox.clock.now()))
            old = agent.ledger.band_states()
            new = next_states(self.card, rows, old, report.as_of)
            agent.ledger.save_band_states(new)
            tasks = desired_tasks(self.card, rows, old, report.as_of)
            bands = {crm_id: str(state.band) for crm_id, state in new.items()}
            return Look(report, bands, rows, {task.key for task in tasks})


class Kept:
    """A site after two runs, to be put back as often as wanted, and what would become of it without any outage."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.run()
        self.before = site.run_at(1)
        self.snapshot = site.sandbox.snapshot()
        self.folder = site.folder.with_name("kept")
        shutil.copytree(site.folder, self.folder)
        self.again()
        site.run_at(HOURS[-1])
        self.scores = scores(site.run_at(HOURS[-1] + 25))

    def again(self) -> Site:
        """The site as it was."""
        self.snapshot.restore()
        shutil.rmtree(self.site.folder, ignore_errors=True)
        shutil.copytree(self.folder, self.site.folder)
        self.site.start = self.site.sandbox.clock.now()
        self.site.policy = Policy()
        return self.site


def scores(look: Look) -> dict[tuple[str, str], object]:
    """What a run came to, without keys and words."""
    return {(row.level, row.crm_id): (row.score, row.band, row.coverage, row.segments) for row in look.rows}


def fault(kind: str, vendor: str, now: datetime) -> Fault:
    """An outage from now on."""
    if kind == "status":
        return Fault("status", vendor=vendor, status=503, every=1)
    if kind == "stale":
        return Fault("stale", vendor=vendor, as_of=now.isoformat())
    return Fault(kind, vendor=vendor)  # type: ignore[arg-type]  # one of the sandbox's kinds, as it checks itself
