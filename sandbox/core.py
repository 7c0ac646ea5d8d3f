"""The sandbox: several simulated vendors in one WSGI application, with one clock, one journal and one set of faults.

Every vendor lives under its own prefix (`/hubspot`, `/salesforce`, ...), the controls under `/_sandbox`:

| call | meaning |
|---|---|
| `GET /_sandbox` | what is served: vendors, world, clock, credentials |
| `GET /_sandbox/journal` | requests so far; `vendor=`, `writes=1` (or 0), `since=N`, `limit=N` |
| `DELETE /_sandbox/journal` | forget them |
| `GET /_sandbox/clock`, `POST` | `{"advance_seconds": 3600}` or `{"set": "2026-11-22T10:00:00Z"}` |
| `GET /_sandbox/faults`, `POST`, `DELETE` | list, add (one fault or a list, see `sandbox.faults.Fault`), remove all |
| `POST /_sandbox/mutate/VENDOR` | `{"action": "merge", "args": {...}}`: what people do in the vendor's own pages |
| `GET /_sandbox/truth`, `/_sandbox/truth/VENDOR` | vendor id -> world id, by kind of record |

The credentials below are made up, fixed and public: they open nothing but the sandbox.
HubSpot record ids: company = 8_000_000_000 + 17 * world id, contact = 50_000_000 + 13 * world id; those of
Salesforce: `sandbox.salesforce_ids`.
"""

import importlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from werkzeug.http import http_date
from werkzeug.wrappers import Request, Response

from sandbox.faults import ConnectionFault, Fault, Faults
from sandbox.journal import Entry, Journal
from sandbox.late import LateArrivals
from sandbox.model import World
from sandbox.snapshot import Snapshot

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HUBSPOT_TOKEN = "pat-sandbox-full"  # noqa: S105 - made up, opens only the sandbox
ZENDESK_EMAIL = "admin@holdfast.example"
ZENDESK_TOKEN = "zd-sandbox-token"  # noqa: S105 - made up, opens only the sandbox
SALESFORCE_KEY = "3MVG9sandbox.holdfast"
SALESFORCE_SECRET = "sf-sandbox-secret"  # noqa: S105 - made up, opens only the sandbox
MIXPANEL_USER = "svc.sandbox.mp-service-account"
MIXPANEL_SECRET = "mp-sandbox-secret"  # noqa: S105 - made up, opens only the sandbox
MIXPANEL_PROJECT = 4242
STRIPE_KEY = "rk_live_sandbox"
STRIPE_ACCOUNT = "acct_1HFsandbox"
AMPLITUDE_KEY = "a-sandbox-api-key"
AMPLITUDE_SECRET = "am-sandbox-secret"  # noqa: S105 - made up, opens only the sandbox
INTERCOM_TOKEN = "ic_sandbox_token"  # noqa: S105 - made up, opens only the sandbox
TYPEFORM_TOKEN = "tfp_sandbox"  # noqa: S105 - made up, opens only the sandbox
SURVEYMONKEY_TOKEN = "sm-sandbox-token"  # noqa: S105 - made up, opens only the sandbox

CREDENTIALS: Mapping[str, Mapping[str, str | int]] = {
    "hubspot": {"token": HUBSPOT_TOKEN},
    "salesforce": {"consumer_key": SALESFORCE_KEY, "consumer_secret": SALESFORCE_SECRET},
    "zendesk": {"email": ZENDESK_EMAIL, "token": ZENDESK_TOKEN},
    "mixpanel": {"username": MIXPANEL_USER, "secret": MIXPANEL_SECRET, "project_id": MIXPANEL_PROJECT},
    "stripe": {"key": STRIPE_KEY},
    "amplitude": {"api_key": AMPLITUDE_KEY, "secret_key": AMPLITUDE_SECRET},
    "intercom": {"token": INTERCOM_TOKEN},
    "typeform": {"token": TYPEFORM_TOKEN},
    "surveymonkey": {"token": SURVEYMONKEY_TOKEN},
}

VENDORS: Mapping[str, str] = {
    "hubspot": "sandbox.hubspot:HubSpotVendor",
    "salesforce": "sandbox.salesforce:SalesforceVendor",
    "zendesk": "sandbox.zendesk:ZendeskVendor",
    "mixpanel": "sandbox.mixpanel:MixpanelVendor",
    "stripe": "sandbox.stripe:StripeVendor",
    "amplitude": "sandbox.amplitude:AmplitudeVendor",
    "intercom": "sandbox.intercom:IntercomVendor",
    "typeform": "sandbox.typeform:TypeformVendor",
    "surveymonkey": "sandbox.surveymonkey:SurveyMonkeyVendor",
}

CRMS = ("hubspot", "salesforce")
"""Which of the vendors are CRMs; the first one served is the one whose ids stand in the others."""

MOUNTED_ROOT = "http://127.0.0.1:8642"
"""The address of a sandbox that is mounted in process; nothing listens there."""


def hubspot_company_id(world_id: int) -> int:
    """HubSpot's id of a world company."""
    return 8_000_000_000 + 17 * world_id


def hubspot_contact_id(world_id: int) -> int:
    """HubSpot's id of a world person's contact record."""
    return 50_000_000 + 13 * world_id


class SandboxClock:
    """The sandbox's own time, steerable; also fit to be injected into the agent as its clock.

    Args:
        start: Aware instant at which the clock starts.
        ticking: True lets it run along with wall time from `start` (a served sandbox); False makes it stand still
            until it is moved (tests), and turns `sleep` into a move.
    """

    def __init__(self, start: datetime, *, ticking: bool = False) -> None:
        self.ticking = ticking
        self._lock = threading.Lock()
        self._base = start.astimezone(UTC)
        self._slept = 0.0
        self._origin = time.monotonic()

    def _elapsed(self) -> float:
        return time.monotonic() - self._origin if self.ticking else 0.0

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        with self._lock:
            return self._base + timedelta(seconds=self._elapsed())

    def monotonic(self) -> float:
        """Seconds that only ever grow: time that passed or was advanced, never what `set` jumped."""
        with self._lock:
            return self._slept + self._elapsed()

    def advance(self, step: timedelta) -> None:
        """Move forward. Raises `ValueError` for a negative step; use `set` to go back."""
        if step < timedelta(0):
            raise ValueError(f"cannot advance by a negative step ({step}); use set() to go back")
        with self._lock:
            self._base += step
            self._slept += step.total_seconds()

    def set(self, instant: datetime) -> None:
        """Jump to an aware instant, in either direction."""
        if instant.tzinfo is None:
            raise ValueError(f"needs an instant with a time zone, got {instant.isoformat()}")
        with self._lock:
            self._base = instant.astimezone(UTC) - timedelta(seconds=self._elapsed())

    def sleep(self, seconds: float) -> None:
        """Wait that long; a standing clock is moved instead."""
        if self.ticking:
            time.sleep(seconds)
        else:
            self.advance(timedelta(seconds=max(seconds, 0.0)))


class Vendor(ABC):
    """One simulated vendor. The sandbox calls `tick` then `handle` under `lock`, one request at a time per vendor.

    A streamed body (a response whose content is a generator) is consumed *outside* the lock: it must work on values
    taken while `handle` ran. The prefix is already cut from `request.path`; `request.url_root` includes it, so that
    absolute links carry the host the client used.
    """

    name: str

    def __init__(self, world: World, clock: SandboxClock) -> None:
        self.world = world
        self.clock = clock
        self.lock = threading.RLock()

    @abstractmethod
    def handle(self, request: Request) -> Response:
        """Answer one request as the vendor would, errors included."""

    @abstractmethod
    def is_write(self, method: str, path: str) -> bool:
        """Whether the request means to change something (a search POST does not). `path` is without the prefix."""

    def means_to_write(self, request: Request) -> bool:
        """The same, of a whole request, for vendors where only the body can tell."""
        return self.is_write(request.method, request.path)

    def tick(self, now: datetime) -> None:  # noqa: B027 - a vendor without a memory has nothing to do
        """Make visible what happened in the world up to `now`."""

    def as_of(self, then: datetime) -> "Vendor":  # noqa: ARG002 - those that can go back need no copy
        """What answers as of an earlier instant: itself, unless `tick` cannot go back."""
        return self

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what a person would do in the vendor's own pages; the answer is JSON. Raises `ValueError` if unknown."""
        raise ValueError(f"{self.name} has no action {action!r} (arguments {sorted(args)})")

    def truth(self) -> dict[str, dict[str, int]]:
        """Vendor id -> world id, by kind of record ("account", "contact", ...)."""
        return {}


class Sandbox:
    """The WSGI application.

    Args:
        world: What is true.
        clock: Defaults to one that stands still at the world's `now`.
        vendors: Names from `VENDORS`, imported only now, or ready `Vendor` objects.
        options: Keyword arguments for the vendors named, by name.
        journal_size: How many requests the journal remembers in full; counts go on beyond it.

    A vendor is also an attribute: `sandbox.hubspot`.
    """

    def __init__(
        self,
        world: World,
        clock: SandboxClock | None = None,
        vendors: Sequence[str | Vendor] = ("hubspot", "zendesk", "mixpanel"),
        *,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        journal_size: int = 100_000,
    ) -> None:
        self.world = world
        self.clock = clock or SandboxClock(world.now)
        self.journal = Journal(journal_size)
        self.faults = Faults()
        self.under_way = LateArrivals()
        self.credentials = CREDENTIALS
        given = {name: dict(kwargs) for name, kwargs in (options or {}).items()}
        for keeper in ("zendesk", "intercom", "stripe", "typeform", "surveymonkey"):
            given.setdefault(keeper, {}).setdefault("crm", next((v for v in vendors if v in CRMS), CRMS[0]))
        built = [self._build(v, given.get(v, {})) if isinstance(v, str) else v for v in vendors]
        self.vendors: dict[str, Vendor] = {vendor.name: vendor for vendor in built}

    def _build(self, name: str, options: dict[str, Any]) -> Vendor:
        if name not in VENDORS:
            raise ValueError(f"unknown vendor {name!r}; known: {', '.join(VENDORS)}")
        module, _, factory = VENDORS[name].partition(":")
        vendor: Vendor = getattr(importlib.import_module(module), factory)(self.world, self.clock, **options)
        return vendor

    def __getattr__(self, name: str) -> Any:
        vendors = self.__dict__.get("vendors", {})
        if name in vendors:
            return vendors[name]
        raise AttributeError(name)

    def base_urls(self, root: str = MOUNTED_ROOT) -> dict[str, str]:
        """Vendor name -> base URL under `root`; the default root is that of a sandbox mounted in process."""
        return {name: f"{root}/{name}" for name in self.vendors}

    def truth(self) -> dict[str, dict[str, dict[str, int]]]:
        """Vendor name -> kind of record -> vendor id -> world id."""
        return {name: self.vendor_truth(vendor) for name, vendor in self.vendors.items()}

    def vendor_truth(self, vendor: Vendor) -> dict[str, dict[str, int]]:
        """One vendor's truth, brought up to now."""
        self.settle()
        with vendor.lock:
            vendor.tick(self.clock.now())
            return vendor.truth()

    def mutate(self, vendor: str, action: str, **args: Any) -> Any:
        """Do what a person would do in the vendor's own pages."""
        chosen = self.vendors[vendor]
        self.settle()
        with chosen.lock:
            chosen.tick(self.clock.now())
            return chosen.mutate(action, args)

    def settle(self) -> int:
        """Let the vendors act on late requests that are due by now; gives how many. Every request does so by itself."""
        return self.under_way.arrive(self.clock.now())

    def snapshot(self) -> Snapshot:
        """Everything that can change (clock, journal, faults, vendors), to be put back with `Snapshot.restore`.

        Taken between requests, and with every body read: what is being answered is not part of it.
        """
        return Snapshot(
            [self.clock, self.journal, self.faults, self.under_way, *self.vendors.values()], keep=[self.world]
        )

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request. Raises `ConnectionFault` for the server or adapter to act out.

        The server or adapter may put a function `sandbox.wait(seconds)` into the environment for the fault "slow".
        """
        prefix, _, rest = environ.get("PATH_INFO", "/").lstrip("/").partition("/")
        environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}/{prefix}"
        environ["PATH_INFO"] = f"/{rest}"
        request = Request(environ)
        if prefix == "_sandbox":
            from sandbox.control import control

            return self._send(control(self, request), request, None, start_response)
        vendor = self.vendors.get(prefix)
        if vendor is None:
            missing = Response(f"no vendor at /{prefix}; served: {', '.join(self.vendors)}\n", status=404)
            return self._send(missing, request, None, start_response)
        self.settle()
        entry = self.journal.open(
            at=self.clock.now(),
            vendor=prefix,
            request=request,
            write=vendor.means_to_write(request),
        )
        return self._serve(vendor, request, entry, start_response)

    def _serve(
        self, vendor: Vendor, request: Request, entry: Entry, start_response: "StartResponse"
    ) -> Iterable[bytes]:
        fault = self.faults.match(vendor.name, request)
        entry.fault = fault.kind if fault else None
        if fault is None:
            return self._send(self._answer(vendor, request), request, entry, start_response)
        if fault.kind == "late":
            due = self.clock.now() + timedelta(seconds=fault.effect_after_seconds)
            self.under_way.add(due, vendor, request, entry)
            return self._send(fault.unanswered(), request, entry, start_response)
        response = fault.act(lambda: self._answer(vendor, request, fault))
        if fault.kind == "slow":
            wait: Callable[[float], None] = request.environ.get("sandbox.wait", self.clock.sleep)
            wait(fault.seconds)
        return self._send(response, request, entry, start_response, fault)

    def _answer(self, vendor: Vendor, request: Request, fault: Fault | None = None) -> Response:
        now = self.clock.now()
        then = now if fault is None else fault.instant(now)
        with vendor.lock:
            if then == now:
                vendor.tick(now)
                return vendor.handle(request)
            copy = vendor.as_of(then)
            # A vendor may also ask the clock itself; for this one answer it is stopped at the earlier instant.
            clock, copy.clock = copy.clock, SandboxClock(then)
            try:
                copy.tick(then)
                return copy.handle(request)
            finally:
                copy.clock = clock
                vendor.tick(now)

    def _send(
        self,
        response: Response,
        request: Request,
        entry: Entry | None,
        start_response: "StartResponse",
        fault: Fault | None = None,
    ) -> Iterable[bytes]:
        response.headers["Date"] = http_date(self.clock.now())
        body = response(request.environ, start_response)
        if entry is None:
            return body
        entry.status = response.status_code
        if fault is not None and fault.kind == "cut":
            body = _cut(body, response.content_length)
        return _Counted(body, entry)


def _cut(body: Iterable[bytes], length: int | None) -> Iterator[bytes]:
    """Hand out about half of the body, then drop the connection."""
    limit = 512 if length is None else length // 2
    for chunk in body:
        if len(chunk) >= limit:
            yield chunk[:limit]
            break
        limit -= len(chunk)
        yield chunk
    raise ConnectionFault("cut")


class _Counted:
    """A body that notes in the journal how many bytes were taken from it."""

    def __init__(self, body: Iterable[bytes], entry: Entry) -> None:
        self._body = body
        self._entry = entry

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            self._entry.bytes_out += len(chunk)
            yield chunk

    def close(self) -> None:
        """Pass the server's close on to the body, as WSGI asks."""
        close: Callable[[], None] | None = getattr(self._body, "close", None)
        if close is not None:
            close()
