"""Salesforce: CRM and source.

Streams: users, accounts, contacts, account contact relations, opportunities, their contact roles, contracts, cases,
tasks and, where the config wants them, e-mails, meetings and survey answers. Rows are Salesforce's own, as REST gives
them, whichever way they came. Our own fields come along with every pull.

How often what is read, and what a quiet hour costs (one call for each kind of record, nothing else):

| Pass | When | Calls |
| --- | --- | --- |
| changed, deleted and merged records | every pull | one query per 2,000, at least one |
| everything | the first time and every `relist_hours` | one query per 2,000; above `bulk_above` records a bulk job |
| users | every `relist_hours` | one query per 2,000 |
| counts of records | before first lists | one for all kinds |
| description of an object | before writes and bulk jobs, and when a field is refused | one per object and hour |
| log-in | at the start and when the session has ended | one |
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from requests.adapters import BaseAdapter

from connectors.base import (
    Batch,
    Change,
    Clock,
    Environment,
    FieldDiff,
    FieldSpec,
    Finding,
    ObjectName,
    Outcome,
    Quota,
    Row,
    Stream,
    TaskState,
    TaskStrategy,
    Value,
    WriteSpec,
)
from connectors.errors import ShapeError
from connectors.known import KnownField, known_type
from connectors.salesforce_api import API_VERSION, Api
from connectors.salesforce_auth import Keys, Way
from connectors.salesforce_check import Checkup
from connectors.salesforce_kinds import ACTIVITIES, KINDS, survey_kind
from connectors.salesforce_metadata import files
from connectors.salesforce_read import Reader, Rhythm
from connectors.salesforce_setup import Setup
from connectors.salesforce_task_states import TaskReader
from connectors.salesforce_values import OBJECTS, own_values
from connectors.salesforce_write import BATCH, BULK_BATCH, READ_BATCH, Writer

__all__ = ["API_VERSION", "LOGIN_KEYS", "STREAMS", "Salesforce", "Settings", "connect"]

STREAMS = (
    Stream("users", "user"),
    Stream("accounts", "account"),
    Stream("contacts", "contact"),
    Stream("account_contacts", "membership", optional=True),
    Stream("opportunities", "deal"),
    Stream("contact_roles", "contact_role", optional=True),
    Stream("contracts", "subscription", optional=True),
    Stream("cases", "ticket"),
    Stream("tasks", "activity", optional=True),
    *(Stream(kind, "activity", optional=True) for kind in ACTIVITIES),
    Stream("survey_responses", "survey_response"),
)

WAYS: Mapping[Way, tuple[frozenset[str], ...]] = {
    "client_credentials": (frozenset({"consumer_key", "consumer_secret"}),),
    "jwt": (frozenset({"username", "consumer_key", "private_key"}),),
    "session": (frozenset({"session_id"}),),
    "password": (
        frozenset({"username", "password", "consumer_key", "consumer_secret"}),
        frozenset({"username", "password", "security_token", "consumer_key", "consumer_secret"}),
    ),
    "soap": (frozenset({"username", "password"}), frozenset({"username", "password", "security_token"})),
}
"""Way to log in -> the settings that make it up."""
LOGIN_KEYS = frozenset().union(*(keys for sets in WAYS.values() for keys in sets))
LAST_SOAP_VERSION = 64.0
OPENING_CALLS = 8
"""Log-in, who the org is, four descriptions of objects, and at most two looks: at the definition of an optional field
that is hidden, and at which statuses of tasks are open ones."""
HOW_TO_LOG_IN = (
    "set consumer_key and consumer_secret (client credentials); or username, consumer_key and private_key (JWT); or"
    " session_id; or username and password, with security_token or with consumer_key and consumer_secret"
)


class Settings(BaseModel):
    """What the config says about Salesforce."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    domain: str | None = Field(
        None, description="The org's My Domain: 'acme.my', or 'acme--uat.sandbox.my' for a sandbox."
    )
    consumer_key: str | None = Field(None, description="Consumer key of an external client app.")
    consumer_secret: SecretStr | None = Field(None, description="Its consumer secret, for client credentials.")
    username: str | None = Field(None, description="User to log in as, for a JWT or a password.")
    private_key: SecretStr | None = Field(None, description="RSA private key in PEM form, for a JWT.")
    password: SecretStr | None = Field(None, description="The user's password; prefer client credentials.")
    security_token: SecretStr | None = Field(None, description="The user's security token, for a SOAP login.")
    session_id: SecretStr | None = Field(None, description="A session made elsewhere; it cannot be renewed.")
    admin_session_id: SecretStr | None = Field(None, description="An administrator's session, for setup only.")
    base_url: str | None = Field(None, description="Where the org is, when not at https://DOMAIN.salesforce.com.")
    api_version: str = Field(
        API_VERSION, pattern=r"^[0-9]{2,3}\.0$", description="API version, a text such as '64.0'; 41.0 or later."
    )
    permission_set: str = Field(
        "Holdfast",
        pattern=r"^[A-Za-z](_?[A-Za-z0-9])*$",
        description="API name of the permission set that setup grants our fields to; made when missing.",
    )
    currency: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="ISO code of the org's currency, such as 'EUR', where it has only one."
    )
    surveys: str | None = Field(
        None,
        pattern=r"^[A-Za-z]\w*__c$",
        description="API name of the custom object that holds survey answers, such as 'NPS_Response__c'.",
    )
    task_receipts: bool = Field(
        True,
        description="Keep tasks from being made twice by receipts (Holdfast_Receipt__c) where their key is not unique.",
    )
    emails: bool = Field(False, description=ACTIVITIES["emails"])
    meetings: bool = Field(False, description=ACTIVITIES["meetings"])
    cases: bool = Field(True, description="Whether to read cases; off where another source has the tickets.")
    bulk_above: int = Field(2000, ge=0, description="Records of a kind above which lists are read by a bulk job.")
    relist_hours: int = Field(
        24, ge=1, description="Hours between full lists, which find changed formulas and vanished records."
    )
    stop_at: float = Field(
        0.8, gt=0, le=1, description="Share of the org's daily calls, by whomever, from which on we send nothing."
    )

    @field_validator("domain")
    @classmethod
    def _my_domain(cls, value: str | None) -> str | None:
        if value is None:
            return None
        domain = value.strip().lower().removeprefix("https://").rstrip("/").removesuffix(".salesforce.com")
        if domain in {"login", "test"}:
            raise ValueError(f"'{domain}' serves every org; give the org's own My Domain, such as 'acme.my'")
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]+)*", domain) or domain.endswith(".force.com"):
            raise ValueError("give the org's My Domain without .salesforce.com, such as 'acme.my'")
        if not domain.endswith(".my"):
            raise ValueError(f"My Domains end in .my; it may be '{domain}.my'")
        return domain

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.domain is None and self.base_url is None:
            raise ValueError("domain is missing: the org's My Domain, such as 'acme.my'")
        if float(self.api_version) < 41:
            raise ValueError(f"api_version {self.api_version} is retired; the oldest one that answers is 41.0")
        if self.way == "soap" and float(self.api_version) > LAST_SOAP_VERSION:
            raise ValueError(
                f"username and password alone log in by SOAP, which API {self.api_version} does not have;"
                f" set api_version to {LAST_SOAP_VERSION}, or consumer_key and consumer_secret"
            )
        return self

    @property
    def way(self) -> Way:
        """How to log in. Raises ValueError when what is given is not exactly one way."""
        given = {name for name in LOGIN_KEYS if getattr(self, name)}
        for way, sets in WAYS.items():
            if given in sets:
                return way
        if not given:
            raise ValueError(f"there is no way to log in: {HOW_TO_LOG_IN}")
        named = ", ".join(sorted(given))
        raise ValueError(f"{named} {'are' if len(given) > 1 else 'is'} not one way to log in: {HOW_TO_LOG_IN}")

    @property
    def url(self) -> str:
        """Where the org is."""
        return self.base_url or f"https://{self.domain}.salesforce.com"

    def keys(self) -> Keys:
        """What to log in with."""
        plain = {name: _plain(getattr(self, name)) for name in LOGIN_KEYS}
        # A key that came through an environment variable often has its line ends written out.
        plain["private_key"] = plain["private_key"].replace("\\n", "\n")
        return Keys(way=self.way, domain=self.domain or "org.my", **plain)


def _plain(value: SecretStr | str | None) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value or ""


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: BaseAdapter | None = None,
    spool: Path | None = None,
    own_fields: Sequence[FieldSpec] = (),
    wanted: Mapping[str, Sequence[str]] | None = None,
) -> "Salesforce":
    """Make the connector; sends nothing yet.

    Args:
        name: The source's name in the config.
        settings: See `Settings`.
        clock: Time and sleep.
        adapter: A transport in place of the network.
        spool: Not used: bulk results are read page by page.
        own_fields: The fields that are ours.
        wanted: Stream -> fields that the field map reads; the usual ones where it says nothing.
    """
    del spool
    return Salesforce(name, settings, clock=clock, adapter=adapter, own_fields=own_fields, wanted=wanted or {})


class Salesforce:
    """One Salesforce org; see the module's docstring and `connectors.base.Crm`.

    Reading is `connectors.salesforce_read.Reader`'s, writing `connectors.salesforce_write.Writer`'s.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        clock: Clock,
        adapter: BaseAdapter | None,
        own_fields: Sequence[FieldSpec],
        wanted: Mapping[str, Sequence[str]],
    ) -> None:
        self.name = name
        self.write = WriteSpec(BATCH, BATCH, READ_BATCH, BULK_BATCH, OPENING_CALLS)
        left_out = {"cases": not settings.cases, "survey_responses": settings.surveys is None}
        left_out |= {kind: not getattr(settings, kind) for kind in ACTIVITIES}
        self.streams = tuple(stream for stream in STREAMS if not left_out.get(stream.name))
        self._settings = settings
        self._api = self._open(settings.keys(), clock, adapter)
        self._admin = self._api
        if settings.admin_session_id is not None:
            keys = Keys("session", settings.domain or "org.my", session_id=_plain(settings.admin_session_id))
            self._admin = self._open(keys, clock, adapter)
        self._own_fields = tuple(own_fields)
        self._wanted = {stream: tuple(names) for stream, names in wanted.items()}
        known = {**KINDS, **({"survey_responses": survey_kind(settings.surveys)} if settings.surveys else {})}
        self._kinds = {stream.name: known[stream.name] for stream in self.streams}
        self._specs = {
            obj: {spec.name: spec for spec in own_fields if OBJECTS[spec.object] == obj} for obj in OBJECTS.values()
        }
        self._reader = Reader(
            self._api,
            list(self._kinds.values()),
            self._wanted,
            {obj: list(specs) for obj, specs in self._specs.items()},
            Rhythm(timedelta(hours=settings.relist_hours), settings.bulk_above),
            currency=settings.currency,
        )
        self._writer = Writer(self._api, self._own_fields, receipts=settings.task_receipts)
        self._tasks = TaskReader(self._api, self._writer.tasks)
        self._org: Row | None = None
        self._lock = threading.Lock()

    def _open(self, keys: Keys, clock: Clock, adapter: BaseAdapter | None) -> Api:
        settings = self._settings
        return Api(
            self.name, settings.url, settings.api_version, keys, clock=clock, adapter=adapter, stop_at=settings.stop_at
        )

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by purpose, retries included; log-ins are under "login"."""
        return self._api.calls if self._admin is self._api else self._api.calls + self._admin.calls

    def environment(self) -> Environment:
        """Which org it is; asked once."""
        org = self._organization()
        edition = str(org.get("OrganizationType") or "")
        kind = "SANDBOX" if org.get("IsSandbox") else "DEVELOPER" if "Developer" in edition else "PRODUCTION"
        return Environment(
            vendor="salesforce",
            account_id=str(org["Id"]),
            label=str(org.get("Name") or org["Id"]),
            kind=kind,
            time_zone=str(org.get("TimeZoneSidKey") or "UTC"),
        )

    def check(self) -> Iterator[Finding]:
        """See `Source.check`."""
        org = self.environment()
        message = f"Connected to Salesforce org {org.label} ({org.kind}, {org.account_id}), time zone {org.time_zone}."
        yield Finding("ok", "identity", message)
        optional = frozenset(stream.name for stream in self.streams if stream.optional)
        checkup = Checkup(self._api, self._kinds, optional, self._own_fields, self._wanted)
        yield from checkup.user()
        yield from checkup.login(self._settings.way)
        yield from checkup.rights()
        yield from checkup.sharing()
        yield from checkup.spare()
        yield from checkup.fields()
        yield from checkup.currency(self._settings.currency)
        yield from checkup.room(str(self._organization().get("OrganizationType") or ""))
        yield from self._api.watch.check()
        self.quota()
        yield from checkup.quota(self._api.daily)
        if self._own_fields:
            yield checkup.tasks(self._writer.choose(fresh=True), receipts=self._settings.task_receipts)

    def known_fields(self, stream: str) -> list[KnownField]:
        """See `connectors.known.Describes`."""
        known = self._api.describe(self._kinds[stream].object, purpose="check")
        return [
            KnownField(name, str(row.get("label") or name), known_type(str(row.get("type"))), bool(row.get("custom")))
            for name, row in sorted(known.items())
        ]

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """See `Source.pull`."""
        return self._reader.pull(self._kinds[stream.name], cursor)

    def own_values(self, stream: Stream, row: Row) -> Mapping[str, Value]:
        """See `Crm.own_values`."""
        kind = self._kinds.get(stream.name)
        specs = self._specs.get(kind.object, {}) if kind else {}
        return own_values(specs, row) if specs else {}

    def read(self, obj: ObjectName, ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Mapping[str, Value]]:
        """See `Crm.read`."""
        return self._writer.read(obj, ids, fields)

    def send(self, changes: Sequence[Change]) -> list[Outcome]:
        """See `Crm.send`."""
        return self._writer.send(changes)

    def find_tasks(self, account_ids: Sequence[str]) -> Mapping[str, str]:
        """See `Crm.find_tasks`."""
        return self._writer.find_tasks(account_ids)

    @property
    def task_strategy(self) -> TaskStrategy:
        """See `Crm.task_strategy`."""
        return self._writer.strategy

    def duplicate_tasks(self, account_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Crm.duplicate_tasks`."""
        return self._writer.tasks.duplicates(account_ids)

    def read_tasks(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """See `Crm.read_tasks`."""
        return self._tasks.read(ids)

    def setup(self, fields: Sequence[FieldSpec], *, dry_run: bool) -> list[FieldDiff]:
        """See `Crm.setup`. Fields are made as the administrator, where one is given, and granted to us."""
        settings = self._settings
        setup = Setup(self._api, self._admin, settings.permission_set, receipts=settings.task_receipts)
        return setup.run(fields, dry_run=dry_run)

    def setup_files(self, fields: Sequence[FieldSpec]) -> Mapping[str, str]:
        """See `Crm.setup_files`: a Salesforce DX project with the fields and the permission set."""
        further = [kind.object for kind in self._kinds.values() if kind.object.endswith("__c")]
        settings = self._settings
        return files(fields, settings.permission_set, settings.api_version, further, receipts=settings.task_receipts)

    @property
    def seen_quota(self) -> Quota:
        """See `Crm.seen_quota`."""
        return self._api.daily

    def quota(self) -> Quota:
        """The org's calls in 24 hours up to `stop_at`, from the headers of the last answer or the list of limits."""
        return self.quotas()[-1]

    def quotas(self) -> tuple[Quota, ...]:
        """See `Crm.quotas`: the tighter of the org's budget and of our own app's, where Salesforce tells of one."""
        if self._api.daily.remaining is None:
            self._api.ask_limits()
        return (self._api.usage.left(),)

    def _organization(self) -> Row:
        with self._lock:
            if self._org is None:
                soql = "SELECT Id, Name, IsSandbox, OrganizationType, TimeZoneSidKey FROM Organization"
                page = next(self._api.query(soql, purpose="environment"))
                rows: list[Any] = page["records"]
                if len(rows) != 1 or not isinstance(rows[0], dict) or not rows[0].get("Id"):
                    raise ShapeError("the org does not say who it is.", vendor=self.name)
                self._org = rows[0]
            return self._org
