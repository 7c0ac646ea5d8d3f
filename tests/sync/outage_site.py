"""An agent beside a whole sandbox without sockets, made to live through outages of its sources, one after the other."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.registry import VENDORS
from mapping.fields import FieldMap
from mapping.identity import Settings as IdentitySettings
from sandbox.core import CREDENTIALS, Sandbox, SandboxClock
from sandbox.mount import SandboxAdapter
from sandbox.snapshot import Snapshot
from sandbox.world import make_world
from scoring.card import Scorecard
from scoring.inputs import ScoreRow
from scoring.playbooks import desired_tasks, next_states
from sync.owned import owned_fields
from sync.policy import Policy
from sync.run import Agent
from sync.run_report import RunReport
from sync.store import Store

NOW = datetime(2026, 10, 21, 10, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)
FIELDS: dict[str, dict[str, Any]] = {
    "salesforce": {
        "accounts": {
            "domains": ["Website", "Domains__c"],
            "plan": "Plan__c",
            "mrr": "MRR__c",
            "customer_since": "Customer_Since__c",
            "renewal_date": "Renewal_Date__c",
            "external_ids": {"product": "Product_Account_Id__c"},
        },
        "contacts": {"other_emails": "Other_Emails__c", "external_ids": {"product": "Product_User_Id__c"}},
    }
}


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


@dataclass
class Site:
    """One CRM, Zendesk and Mixpanel; a state folder; runs between which time passes."""

    folder: Path
    crm: str = "hubspot"
    accounts: int = 40
    sandbox: Sandbox = field(init=False)
    card: Scorecard = field(init=False)
    policy: Policy = field(default_factory=Policy)

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
            return {**common, "subdomain": "acme", "email": keys["email"], "token": keys["token"], "exports_per_minute": 30}
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
            return Look(report, {crm_id: str(state.band) for crm_id, state in new.items()}, rows, {t.key for t in tasks})

    def keep(self) -> tuple[Snapshot, Path]:
        """Everything as it is, to be put back."""
        kept = self.folder.with_name("kept")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.folder, kept)
        return self.sandbox.snapshot(), kept

    def put_back(self, kept: tuple[Snapshot, Path]) -> None:
        """As it was when it was kept."""
        kept[0].restore()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(kept[1], self.folder)
