"""Amplitude: what people did (events), and what the events say of who they are (users).

Events come as `EventExport`, see `amplitude_events` for which hours and `amplitude_export` for how. There is no list of
users to be read: a user is what its events say of it, see `amplitude_people`; a user costs no call. Only the export is
called, never the Dashboard or User Profile API. A first pull costs a call for each day of the history, a quiet hour one
call. Facts about the vendor: Amplitude's documentation of the Export API, 2026-05.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json
from requests.adapters import BaseAdapter

from connectors.amplitude_events import Events
from connectors.amplitude_export import NO_DATA, Exporter
from connectors.amplitude_people import Kept
from connectors.amplitude_settings import Settings
from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Stream
from connectors.errors import CredentialsError, MissingPermissionError, QuotaError, RequestError, ShapeError
from connectors.http import Bucket, Http, Rule
from connectors.vendor_clock import VendorClock

HOSTS = ("amplitude.com",)
ADDRESSES: Mapping[str, str] = {"us": "https://amplitude.com", "eu": "https://analytics.eu.amplitude.com"}
USUAL = ("email",)
"""User properties that are kept when no field map says otherwise."""
SAMPLE = 100
"""Events that are looked at to see what they carry."""
PATIENCE = ((5.0, 600.0), 1200.0)
"""Time-outs to connect and to read, and the deadline with all tries, in seconds. An export is prepared before its first
byte comes."""

RULES = (
    Rule(
        (400,),
        RequestError,
        harmless=True,
        advice="Amplitude exports no hour of more than 4 GB; ask its support for another way to this one.",
    ),
    Rule(
        (401,),
        CredentialsError,
        harmless=True,
        advice="Check api_key, secret_key and region: a key of the EU works in the EU only.",
    ),
    Rule(
        (403,),
        MissingPermissionError,
        harmless=True,
        advice="Use the keys of a project whose raw events may be exported, and check its region.",
    ),
    Rule(
        (429,),
        QuotaError,
        retry=True,
        harmless=True,
        wait=60.0,  # Amplitude sends a reason in words and no Retry-After
        advice="Amplitude limits exports; the next run goes on from here.",
    ),
)

__all__ = ["Settings", "connect"]


class Amplitude:
    """An Amplitude project as a source."""

    streams: tuple[Stream, ...] = (Stream("events", "usage"), Stream("users", "contact", after=("events",)))

    def __init__(
        self, name: str, settings: Settings, http: Http, *, events: Events, kept: Kept, clock: VendorClock
    ) -> None:
        self.name = name
        self.settings = settings
        self._http = http
        self._events = events
        self._kept = kept
        self._clock = clock

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by stream name and "check"."""
        return self._http.calls

    def environment(self) -> Environment:
        """Ask for the last complete hour and leave its body, which shows that the keys may export. Costs one call.

        Raises:
            CredentialsError: Amplitude does not know the keys.
            MissingPermissionError: They may not export.
        """
        self._last_hour().close()
        return self._where()

    def check(self) -> Iterator[Finding]:
        """Yield identity, rights, silence and clock. Costs one call, writes nothing."""
        answer = self._last_hour()
        answer.close()
        yield Finding("ok", "identity", f"Signed in to {self._where().label}.")
        yield Finding("ok", "rights", "Raw events can be exported.")
        if answer.status_code == NO_DATA:
            text = "Nothing was uploaded in the last hour that can be exported."
            yield Finding("info", "silence", text, "If the product is in use, check api_key, region and base_url.")
        yield Finding("info", "lag", "Amplitude shows what was uploaded in an hour two hours after its end.")
        yield from self._clock.check()

    def sample_events(self) -> list[dict[str, Any]]:
        """See `connectors.known.Samples`: the groups of a hundred events of the last complete hour."""
        answer = self._last_hour()
        with answer:
            body = b"" if answer.status_code == NO_DATA else answer.content
        rows = _some(body) if body else []
        return [row["groups"] for row in rows if isinstance(row.get("groups"), dict)]

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what changed since `cursor`, see `Source.pull`."""
        match stream.name:
            case "events":
                return self._events.pull(cursor)
            case "users":
                return self._kept.pull(cursor)
        raise ValueError(f"amplitude has no stream {stream.name!r}")

    def _last_hour(self) -> Any:
        hour = f"{self._events.ready():%Y%m%dT%H}"
        query = {"start": hour, "end": hour}
        return self._http.request("GET", "api/2/export", params=query, purpose="check", stream=True, accept={NO_DATA})

    def _where(self) -> Environment:
        key, region = self.settings.api_key, self.settings.region
        return Environment("amplitude", f"{region}:{key}", f"the project of API key {key[:6]}... ({region})", "project")


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: BaseAdapter | None = None,
    spool: Path | None = None,
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,
) -> Amplitude:
    """Make the source; nothing is sent yet.

    Args:
        name: The source's name in the config.
        settings: See `Settings`.
        clock: Time and sleep.
        adapter: A transport in place of the network.
        spool: Folder for exports on their way, and for users that are not yet committed.
        own_fields: Not used: nothing is written here.
        wanted: Stream -> user properties that the field map reads; the usual ones where it says nothing.

    Raises:
        ConfigError: The base URL is not one the secret may be sent to.
    """
    vendor_clock = VendorClock("Amplitude", clock)
    secret = settings.secret_key.get_secret_value()
    http = Http(
        "amplitude",
        settings.base_url or ADDRESSES[settings.region],
        clock=clock,
        auth=(settings.api_key, secret),
        secrets=(secret, f"{settings.api_key}:{secret}"),
        buckets=(Bucket("default", 1000, 300.0),),
        rules=RULES,
        adapter=adapter,
        timeout=PATIENCE[0],
        deadline=PATIENCE[1],
        hosts=HOSTS,
        on_headers=vendor_clock.saw,
    )
    folder = spool / quote(name, safe="") if spool else None
    kept = Kept(folder, vendor_clock)
    events = Events(
        Exporter(http, clock, folder),
        kept,
        vendor_clock,
        history=settings.history_days,
        properties=tuple((wanted or {}).get("users") or USUAL),
    )
    return Amplitude(name, settings, http, events=events, kept=kept, clock=vendor_clock)


def _some(body: bytes) -> list[dict[str, Any]]:
    """The first events of an export."""
    found: list[dict[str, Any]] = []
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as member, gzip.open(member) as lines:
                    found += [from_json(line) for _, line in zip(range(SAMPLE - len(found)), lines, strict=False)]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        raise ShapeError("the export is no zip of gzipped JSON lines.", vendor="amplitude") from None
    return [row for row in found if isinstance(row, dict)]
