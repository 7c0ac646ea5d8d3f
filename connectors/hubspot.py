"""HubSpot: CRM and source.

Streams: owners, companies, contacts, deals, tickets, where the plan has them feedback submissions, and where the config
wants them e-mails, calls and meetings. Rows are
HubSpot's own objects with side tables folded in: `_associations` (kind -> [{"id", "primary"}]), `_stage` of deals and
tickets, `_currency` of companies and deals, `_grown` of e-mails (property -> when it last grew). Our own properties
come along with every pull.

How often what is read, and what a quiet hour costs (one call for each kind of record, nothing else):

| Pass | When | Calls |
| --- | --- | --- |
| changed records | every pull | one search per 200, at least one |
| associations of changed records | with them | one per 1,000 and associated kind |
| pipelines, currency | with deals, tickets, companies that changed | one each per process and day |
| deleted records | every `deletes_hours` | one per 100 deleted in the last 90 days |
| everything, with associations | every `relist_hours` | one per 100 |
| owners | every `relist_hours` | two |
| when e-mails were opened | with those of 180 days that were, as they change or are listed | one per 50 |
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
from connectors.errors import MissingPermissionError, NotFoundError, ShapeError
from connectors.hubspot_api import Api
from connectors.hubspot_fold import Fold
from connectors.hubspot_kinds import ACTIVITIES, KINDS
from connectors.hubspot_read import Reader, Rhythm
from connectors.hubspot_settings import Settings
from connectors.hubspot_setup import Checkup, Setup, files
from connectors.hubspot_values import own_values
from connectors.hubspot_write import OBJECTS, Writer, is_id
from connectors.known import KnownField, all_written, known_type

BASE_URL = "https://api.hubapi.com"

STREAMS = (
    Stream("owners", "user"),
    Stream("companies", "account"),
    Stream("contacts", "contact"),
    Stream("deals", "deal"),
    Stream("tickets", "ticket"),
    Stream("feedback_submissions", "survey_response", optional=True),
    *(Stream(kind, "activity", optional=True) for kind in ACTIVITIES),
)

__all__ = ["Settings", "connect"]


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: BaseAdapter | None = None,
    spool: Path | None = None,
    own_fields: Sequence[FieldSpec] = (),
    wanted: Mapping[str, Sequence[str]] | None = None,
) -> "HubSpot":
    """Make the connector; sends nothing yet.

    Args:
        name: The source's name in the config.
        settings: See `Settings`.
        clock: Time and sleep.
        adapter: A transport in place of the network.
        spool: Not used: HubSpot has no exports.
        own_fields: The fields that are ours.
        wanted: Stream -> properties that the field map reads; the usual ones where it says nothing.
    """
    del spool
    return HubSpot(name, settings, clock=clock, adapter=adapter, own_fields=own_fields, wanted=wanted or {})


class HubSpot:
    """One HubSpot account; see the module's docstring and `connectors.base.Crm`."""

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
        left_out = {kind for kind in ACTIVITIES if not getattr(settings, kind)}
        self.streams = tuple(stream for stream in STREAMS if stream.name not in left_out)
        self.write = WriteSpec(update_batch=100, create_batch=100, read_batch=100, opening_calls=4)
        self._api = Api(
            name,
            settings.token.get_secret_value(),
            settings.base_url or BASE_URL,
            settings.api_version,
            clock=clock,
            adapter=adapter,
        )
        self._own_fields = tuple(own_fields)
        self.writes = all_written(own_fields)
        self._wanted = {stream: [n.removeprefix("properties.") for n in names] for stream, names in wanted.items()}
        self._specs = {
            kind: {spec.name: spec for spec in own_fields if OBJECTS[spec.object] == kind} for kind in OBJECTS.values()
        }
        asked = {
            kind.name: (*kind.asked(self._wanted.get(kind.name, ())), *self._specs.get(kind.name, {}))
            for kind in KINDS.values()
        }
        rhythm = Rhythm(timedelta(hours=settings.relist_hours), timedelta(hours=settings.deletes_hours))
        self._fold = Fold(self._api, self._currency)
        self._reader = Reader(self._api, asked, rhythm, self._fold)
        self._writer = Writer(self._api, self._fold)
        self._account: Row | None = None
        self._lock = threading.Lock()

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by purpose, retries included."""
        return self._api.http.calls

    def environment(self) -> Environment:
        """Which portal the token belongs to; asked once."""
        account = self._details("check")
        return Environment(
            vendor="hubspot",
            account_id=str(account.get("portalId")),
            label=f"portal {account.get('portalId')}",
            kind=str(account.get("accountType") or "UNKNOWN"),
            time_zone=str(account.get("timeZone") or "UTC"),
        )

    def check(self) -> Iterator[Finding]:
        """See `Source.check`."""
        portal = self.environment()
        message = f"Connected to HubSpot {portal.label} ({portal.kind}), time zone {portal.time_zone}."
        yield Finding("ok", "identity", message)
        read = [stream.name for stream in self.streams]
        checkup = Checkup(self._api, self._writer, self._own_fields, self._wanted, read)
        yield from checkup.rights()
        yield from checkup.properties()
        yield from checkup.scopes(self.writes)
        yield from checkup.room()
        yield from checkup.clock()
        yield from checkup.quota(self.quota())
        if self._own_fields:
            yield checkup.tasks()

    def known_fields(self, stream: str) -> list[KnownField]:
        """See `connectors.known.Describes`."""
        known = self._writer.definitions(KINDS[stream].name, fresh=True)
        return [
            KnownField(
                name, str(row.get("label") or name), known_type(str(row.get("type"))), not row.get("hubspotDefined")
            )
            for name, row in sorted(known.items())
        ]

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """See `Source.pull`."""
        if stream.name == "owners":
            return self._reader.owners(cursor)
        return self._reader.pull(KINDS[stream.name], cursor)

    def own_values(self, stream: Stream, row: Row) -> Mapping[str, Value]:
        """See `Crm.own_values`."""
        properties = row.get("properties")
        specs = self._specs.get(stream.name, {})
        return own_values(specs, properties) if specs and isinstance(properties, dict) else {}

    def read(self, obj: ObjectName, ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Mapping[str, Value]]:
        """See `Crm.read`. An id that was merged away may be answered with its winner's: only ids asked for count.

        What is left out is asked for once more: nobody is to take a record for gone because of one empty answer.
        """
        kind = OBJECTS[obj]
        asked = set(ids)
        specs = {
            name: self._specs[kind].get(name) or FieldSpec(obj, name, name, "text") for name in dict.fromkeys(fields)
        }
        numbers = [one for one in ids if is_id(one)]
        rows = self._fold.batch_read(kind, numbers, list(specs), purpose="read")
        there = {str(row.get("id")) for row in rows}
        if left_out := [one for one in numbers if one not in there]:
            rows += self._fold.batch_read(kind, left_out, list(specs), purpose="read")
        return {
            str(row["id"]): own_values(specs, row.get("properties") or {})
            for row in rows
            if str(row.get("id")) in asked and not row.get("archived")
        }

    def send(self, changes: Sequence[Change]) -> list[Outcome]:
        """See `Crm.send`."""
        return self._writer.send(changes)

    def find_tasks(self, account_ids: Sequence[str]) -> Mapping[str, str]:
        """See `Crm.find_tasks`."""
        return self._writer.tasks.find(account_ids)

    @property
    def task_strategy(self) -> TaskStrategy:
        """See `Crm.task_strategy`."""
        return self._writer.strategy

    def duplicate_tasks(self, account_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Crm.duplicate_tasks`."""
        return self._writer.tasks.duplicates(account_ids)

    def read_tasks(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """See `Crm.read_tasks`."""
        return self._writer.tasks.read(ids)

    def setup(self, fields: Sequence[FieldSpec], *, dry_run: bool, further: bool = True) -> list[FieldDiff]:
        """See `Crm.setup`. New properties go into a group of their own."""
        return Setup(self._api, self._writer).run(fields, dry_run=dry_run, further=further)

    def setup_files(self, fields: Sequence[FieldSpec]) -> Mapping[str, str]:
        """See `Crm.setup_files`: bodies for HubSpot's own "create a batch of properties" call."""
        return files(fields)

    @property
    def seen_quota(self) -> Quota:
        """See `Crm.seen_quota`."""
        return self._api.daily

    def quota(self) -> Quota:
        """The day's calls, from the headers of the last answer, or else from the usage report."""
        if self._api.daily.remaining is not None:
            return self._api.daily
        try:
            answer = self._api.json("GET", "/account-info/v3/api-usage/daily/private-apps", purpose="check")
        except (MissingPermissionError, NotFoundError):
            return self._api.daily
        rows = answer.get("results") if isinstance(answer, dict) else None
        row = rows[0] if rows else {}
        limit, used = row.get("usageLimit"), row.get("currentUsage")
        return (
            Quota(limit, limit - used, "day") if isinstance(limit, int) and isinstance(used, int) else self._api.daily
        )

    def quotas(self) -> tuple[Quota, ...]:
        """See `Crm.quotas`: the burst of some seconds, where the last answer told of it, and the day."""
        daily = self.quota()
        return (daily,) if self._api.burst is None else (self._api.burst, daily)

    def _details(self, purpose: str) -> Row:
        with self._lock:
            if self._account is None:
                account: Any = self._api.json("GET", "/account-info/v3/details", purpose=purpose)
                if not isinstance(account, dict) or "portalId" not in account:
                    raise ShapeError("the account's details have no portalId.", vendor=self.name)
                self._account = account
            return self._account

    def _currency(self) -> str | None:
        currency = self._details("account").get("companyCurrency")
        return str(currency) if currency else None
