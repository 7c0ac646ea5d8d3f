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

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

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
from connectors.known import KnownField, all_written, known_type
from connectors.salesforce_api import Api
from connectors.salesforce_check import Checkup
from connectors.salesforce_kinds import ACTIVITIES, KINDS, survey_kind
from connectors.salesforce_metadata import files
from connectors.salesforce_read import Reader, Rhythm
from connectors.salesforce_settings import API_VERSION, LOGIN_KEYS, Keys, Settings, plain
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

OPENING_CALLS = 8
"""Log-in, who the org is, four descriptions of objects, and at most two looks: at the definition of an optional field
that is hidden, and at which statuses of tasks are open ones."""


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
            keys = Keys("session", settings.domain or "org.my", session_id=plain(settings.admin_session_id))
            self._admin = self._open(keys, clock, adapter)
        self._own_fields = tuple(own_fields)
        self.writes = all_written(own_fields)
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
        checkup = Checkup(self._api, self._kinds, optional, self._own_fields, self._wanted, self.writes)
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

    def setup(self, fields: Sequence[FieldSpec], *, dry_run: bool, further: bool = True) -> list[FieldDiff]:
        """See `Crm.setup`. Fields are made as the administrator, where one is given, and granted to us."""
        settings = self._settings
        setup = Setup(self._api, self._admin, settings.permission_set, receipts=settings.task_receipts)
        return setup.run(fields, dry_run=dry_run, further=further)

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
