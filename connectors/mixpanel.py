"""Mixpanel: what people did (events), who they are (profiles) and, when a group is set, which accounts there are.

Events come as `EventExport` (see `mixpanel_events` for which days, `mixpanel_export` for how); profiles and groups as
the vendor sends them, `$distinct_id` always text. The query API behind profiles depends on the plan; the raw export
does not. Facts about the vendor: Mixpanel's OpenAPI files for export and query, 2026-08.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from requests.adapters import BaseAdapter

from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Stream
from connectors.errors import ConnectorError, MissingPermissionError, QuotaError, ShapeError
from connectors.http import Bucket, Http, Rule
from connectors.mixpanel_events import Events
from connectors.mixpanel_export import Exporter, library
from connectors.mixpanel_profiles import Profiles
from connectors.mixpanel_rights import weighed
from connectors.mixpanel_settings import Settings
from connectors.vendor_clock import VendorClock

HOSTS = ("mixpanel.com",)
USUAL = ("$email", "$name", "$last_seen", "$created")
"""Profile properties asked for when no field map says otherwise."""
HOUR = 3600.0
CALLS_AN_HOUR = 60
SAMPLE = 100
"""Events that are looked at to see what they carry."""
EXPORT_PATIENCE = ((5.0, 300.0), 900.0)
QUERY_PATIENCE = ((5.0, 60.0), 300.0)
"""Time-outs to connect and to read, and the deadline with all tries, in seconds. A large export is prepared before its
first byte comes."""

RULES = (
    Rule((402,), MissingPermissionError, harmless=True, advice="The plan does not include Mixpanel's query API."),
    Rule(
        (429,),
        QuotaError,
        retry=True,
        harmless=True,
        wait=60.0,  # Mixpanel sends no Retry-After
        advice="Mixpanel allows 60 calls an hour and project; the next run goes on from here.",
    ),
)

__all__ = ["Settings", "connect"]


class _Paced(Bucket):
    """A bucket that also keeps to Mixpanel's three calls a second."""

    def __init__(self, name: str) -> None:
        super().__init__(name, CALLS_AN_HOUR, HOUR)
        self._second = Bucket(name, 3, 1.0)

    def reserve(self, now: float, latest: float) -> float | None:
        """Book the next slot that both limits allow."""
        wait = super().reserve(now, latest)
        more = None if wait is None else self._second.reserve(now + wait, latest)
        return None if wait is None or more is None else wait + more


class Mixpanel:
    """A Mixpanel project as a source.

    Attributes:
        account_key: Event property that names the customer account.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        sessions: tuple[Http, Http],
        *,
        events: Events,
        profiles: Profiles,
        clock: VendorClock,
    ) -> None:
        self.name = name
        self.settings = settings
        self.account_key = settings.account_key
        groups = (Stream("groups", "account", optional=True),) if settings.group_id else ()
        self.streams = (Stream("events", "usage"), Stream("profiles", "contact", optional=True), *groups)
        self._clock = clock
        self._export, self._query = sessions
        self._events = events
        self._profiles = profiles

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by stream name and "check"."""
        return self._export.calls + self._query.calls

    def environment(self) -> Environment:
        """Ask for one event of yesterday, which shows that the credentials fit the project. Costs one export call.

        Raises:
            CredentialsError: Mixpanel does not know the service account, or not in this project.
        """
        day = (self._events.today() - timedelta(days=1)).isoformat()
        project = self.settings.project_id
        query = {"project_id": project, "from_date": day, "to_date": day, "limit": 1}
        self._export.request("GET", "api/2.0/export", params=query, purpose="check")
        label = f"project {project} ({self.settings.region})"
        return Environment("mixpanel", str(project), label, "project", self.settings.project_timezone)

    def check(self) -> Iterator[Finding]:
        """Yield identity, rights, plan, quota and clock. Costs an export, a query and two further calls."""
        where = self.environment()
        yield Finding("ok", "identity", f"Signed in to {where.label} as {self.settings.username}.")
        yield from weighed(self._query, self.settings.project_id, self.settings.username)
        yield self._check_profiles()
        yield Finding("info", "quota", f"Mixpanel allows {CALLS_AN_HOUR} exports and {CALLS_AN_HOUR} queries an hour.")
        yield from self._clock.check()

    def sample_events(self) -> list[dict[str, Any]]:
        """See `connectors.known.Samples`: a hundred of the last week."""
        today = self._events.today()
        days = {
            "from_date": (today - timedelta(days=7)).isoformat(),
            "to_date": (today - timedelta(days=1)).isoformat(),
        }
        query = {"project_id": self.settings.project_id, **days, "limit": SAMPLE}
        answer = self._export.request("GET", "api/2.0/export", params=query, purpose="check")
        try:
            lines = [json.loads(line) for line in answer.content.split(b"\n")[:SAMPLE] if line]
        except ValueError:
            raise ShapeError("a line of the export is not JSON.", vendor=self.name) from None
        found = [line.get("properties") for line in lines if isinstance(line, dict)]
        return [properties for properties in found if isinstance(properties, dict)]

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what changed since `cursor`, see `Source.pull`."""
        match stream.name:
            case "events":
                return self._events.pull(cursor)
            case "profiles":
                return self._profiles.pull("profiles", None, cursor)
            case "groups":
                return self._profiles.pull("groups", self.settings.group_id, cursor)
        raise ValueError(f"mixpanel has no stream {stream.name!r}")

    def _check_profiles(self) -> Finding:
        try:
            self._profiles.readable()
        except ConnectorError as error:
            code = "query_api" if error.status in {402, 403} else "profiles"
            return Finding("warning", code, f"Profiles cannot be read: {error.message}", error.advice)
        return Finding("ok", "query_api", "Profiles can be read.")


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: BaseAdapter | None = None,
    spool: Path | None = None,
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,
) -> Mixpanel:
    """Make the source; nothing is sent yet.

    Args:
        name: The source's name in the config.
        settings: See `Settings`.
        clock: Time and sleep.
        adapter: A transport in place of the network.
        spool: Folder for exports on their way.
        own_fields: Not used: nothing is written here.
        wanted: Stream -> profile properties that the field map reads; the usual ones where it says nothing.

    Raises:
        ConfigError: The base URL is not one the secret may be sent to.
    """
    vendor_clock = VendorClock("Mixpanel", clock)
    secret = settings.secret.get_secret_value()
    prefix = "" if settings.region == "us" else f"{settings.region}."
    residency = "" if settings.region == "us" else f"-{settings.region}"

    def session(base: str, bucket: Bucket, patience: tuple[tuple[float, float], float]) -> Http:
        return Http(
            "mixpanel",
            settings.base_url or base,
            clock=clock,
            auth=(settings.username, secret),
            secrets=(secret, f"{settings.username}:{secret}"),
            buckets=(bucket,),
            rules=RULES,
            adapter=adapter,
            timeout=patience[0],
            deadline=patience[1],
            hosts=HOSTS,
            on_headers=vendor_clock.saw,
        )

    export = session(f"https://data{residency}.mixpanel.com", _Paced("default"), EXPORT_PATIENCE)
    query = session(f"https://{prefix}mixpanel.com", Bucket("default", CALLS_AN_HOUR, HOUR), QUERY_PATIENCE)
    folder = spool / quote(name, safe="") if spool else None
    exporter = Exporter(_library(settings, export), clock, folder, settings.workspace_id)
    profiles = Profiles(
        query,
        vendor_clock,
        project=settings.project_id,
        workspace=settings.workspace_id,
        properties=_properties(settings, wanted or {}),
    )
    events = Events(
        exporter,
        vendor_clock,
        zone=ZoneInfo(settings.project_timezone),
        legacy=settings.legacy_time,
        history=settings.history_days,
    )
    return Mixpanel(name, settings, (export, query), events=events, profiles=profiles, clock=vendor_clock)


def _properties(settings: Settings, wanted: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """What to ask for of each kind of profile: less makes the call faster, and keeps data where it is."""
    people = wanted.get("profiles") or USUAL
    groups = wanted.get("groups") or ()
    return {"profiles": tuple(dict.fromkeys([*people, settings.account_key])), "groups": tuple(groups)}


def _library(settings: Settings, export: Http) -> Callable[[], Any]:
    """Makes the mixpanel-utils client when it is first needed: importing it takes a tenth of a second."""

    def make() -> Any:
        root = f"{settings.base_url.rstrip('/')}/api" if settings.base_url else None
        secret = settings.secret.get_secret_value()
        return library(export, settings.project_id, settings.username, secret, settings.region, root)

    return cache(make)
