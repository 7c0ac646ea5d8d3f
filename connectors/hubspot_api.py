"""HubSpot on the wire: the one place that knows versions and paths, rate limits, and how its client library is used.

Facts, from HubSpot's public documents: support for v4 paths ends on 2027-03-30 and for v1 to v3 in September 2027;
dated versions appear each March and September and live 18 months. hubspot-api-client 12.0 only knows v3 and v4, so its
paths are translated on their way out. A static token may send 100 to 250 requests per 10 seconds, told in headers, and
all apps of an account together 5 searches a second.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json
from requests.adapters import BaseAdapter

from connectors.base import Clock, Quota, Row
from connectors.errors import (
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    QuotaError,
    ShapeError,
    TransientError,
)
from connectors.http import Bucket, Http, Rule
from connectors.retry import http_date

LEGACY = "legacy"
PATHS: Mapping[str, str] = {
    "/crm/v3/objects": "/crm/objects/{v}",
    "/crm/v4/objects": "/crm/objects/{v}",
    "/crm/v4/associations": "/crm/associations/{v}",
    "/crm/v3/properties": "/crm/properties/{v}",
    "/crm/v3/owners": "/crm/owners/{v}",
    "/crm/v3/pipelines": "/crm/pipelines/{v}",
    "/crm/v3/limits": "/crm/limits/{v}",
    "/account-info/v3": "/account-info/{v}",
}
"""Path prefix as the client library knows it -> as it is sent under a dated version."""

PINNED: Mapping[str, str] = {"feedback_submissions": "2026-03"}
"""Objects that stay at a version of their own: the last one that describes them as readable."""

SEARCH = "search"
GENERAL = "default"
SHARE = 0.8
"""Part of the burst limit that we take; the account belongs to everyone."""

RULES: tuple[Rule, ...] = (
    Rule((429,), QuotaError, code="DAILY", harmless=True, advice="Calls return at midnight in the portal's time zone."),
    Rule((429,), QuotaError, code="SECONDLY", retry=True, harmless=True, wait=1.0),
    Rule((429,), QuotaError, code="TEN_SECONDLY_ROLLING", retry=True, harmless=True, wait=10.0),
    Rule((477,), QuotaError, retry=True, harmless=True, advice="HubSpot is moving the account to another data centre."),
    Rule((525, 526), TransientError, advice="HubSpot's network edge cannot reach it securely."),
    Rule((530,), CredentialsError, harmless=True, advice="The token does not look like a HubSpot token."),
)
"""From HubSpot's documents on errors and usage; 530 for a malformed token is seen in the wild."""


class Paths:
    """Translates the client library's paths to those of one API version."""

    def __init__(self, version: str) -> None:
        self.version = version

    def of(self, path: str) -> str:
        """The path to send for a path as the client library writes it."""
        if self.version == LEGACY:
            return path
        for known, dated in PATHS.items():
            if path == known or path.startswith(known + "/"):
                tail = path[len(known) :]
                first = tail.strip("/").partition("/")[0]
                return dated.format(v=PINNED.get(first, self.version)) + tail.rstrip("/")
        return path


@dataclass(frozen=True, slots=True)
class _How:
    purpose: str
    repeatable: bool | None


_HOW: ContextVar[_How] = ContextVar("how")


class Api:
    """One HubSpot account: our `Http`, and HubSpot's client library running on it.

    Args:
        name: The source's name in messages.
        token: Static token: service key, static-auth app or legacy private app.
        base_url: Where HubSpot is.
        version: "2026-09" or another dated version, or "legacy" for v3 and v4.
        clock: Time and sleep.
        adapter: A transport in place of the network.
    """

    def __init__(
        self, name: str, token: str, base_url: str, version: str, *, clock: Clock, adapter: BaseAdapter | None
    ) -> None:
        self.clock = clock
        self.paths = Paths(version)
        self.http = Http(
            name,
            base_url,
            clock=clock,
            auth={"Authorization": f"Bearer {token}"},
            secrets=[token],
            buckets=[Bucket(GENERAL, int(100 * SHARE), 10.0), Bucket(SEARCH, 4, 1.0)],
            rules=RULES,
            adapter=adapter,
            hosts=("hubapi.com",),
            on_headers=self._note,
        )
        self.daily = Quota(None, None, "day")
        self.burst: Quota | None = None
        self.skew: timedelta | None = None
        self.token = token
        self._apis: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._client: Any = None

    @property
    def client(self) -> Any:
        """HubSpot's client library, made on first use."""
        with self._lock:
            if self._client is None:
                from hubspot import HubSpot

                self._client = HubSpot(
                    access_token=self.token, host=self.http.base_url, api_factory=self._keep_api_object
                )
            return self._client

    def server_now(self) -> datetime:
        """HubSpot's clock, as its last `Date` header tells; ours before the first answer."""
        return self.clock.now() + (self.skew or timedelta(0))

    def json(
        self, method: str, path: str, *, purpose: str, params: Any = None, body: Any = None, repeatable: bool = True
    ) -> Any:
        """A bulk read: the parsed JSON of a path that is written as the client library would."""
        bucket = SEARCH if path.endswith("/search") else GENERAL
        with _scopes_named():
            return self.http.json(
                method,
                self.paths.of(path),
                params=params,
                json=body,
                purpose=purpose,
                repeatable=repeatable,
                bucket=bucket,
            )

    def call(
        self, function: Callable[..., Any], *args: Any, purpose: str, repeatable: bool | None = None, **kwargs: Any
    ) -> Any:
        """Run a method of the client library and give the parsed JSON, without its costly object models."""
        token = _HOW.set(_How(purpose, repeatable))
        try:
            with _scopes_named():
                return function(*args, _preload_content=False, **kwargs)
        finally:
            _HOW.reset(token)

    def pages(self, path: str, params: Mapping[str, str], *, purpose: str, after: str | None = None) -> Iterator[Any]:
        """Every page of a list, from `after` on. An empty page is asked for once more before it is believed.

        Raises:
            ShapeError: The answer is not a page, or the paging goes in circles.
        """
        seen: set[str] = set()
        while True:
            query = dict(params) if after is None else {**params, "after": after}
            page = self._page(path, query, purpose)
            yield page
            after = next_after(page)
            if after is None:
                return
            if after in seen:
                raise ShapeError(f"{path} gave the same page again.", vendor=self.http.vendor)
            seen.add(after)

    def _page(self, path: str, query: Mapping[str, str], purpose: str) -> Any:
        page: Any = None
        for _ in range(2):
            page = self.json("GET", path, params=query, purpose=purpose)
            if results(page, self.http.vendor):
                break
            if "after" not in query:
                break
        return page

    def _keep_api_object(self, package: Any, name: str, config: Mapping[str, Any]) -> Any:
        """The library's `api_factory`: makes each API object once and lets its requests go through our `Http`."""
        key = (package.__name__, name)
        if key not in self._apis:
            configuration = package.Configuration()
            configuration.host = config["host"]
            configuration.access_token = config["access_token"]
            ours = type("ApiClient", (package.ApiClient,), {"request": self._request})
            self._apis[key] = getattr(package, name)(api_client=ours(configuration=configuration))
        return self._apis[key]

    def _request(
        self,
        method: str,
        url: str,
        query_params: Any = None,
        headers: Any = None,
        post_params: Any = None,
        body: Any = None,
        _preload_content: bool = True,  # noqa: FBT001, FBT002 - the library's signature
        _request_timeout: Any = None,
    ) -> Any:
        """Stands in for the library's own request; its headers are left out, the session has better ones."""
        del headers, post_params, _request_timeout
        how = _HOW.get(_How("other", None))
        path = self.paths.of(url.removeprefix(self.http.base_url))
        value = self.http.json(
            method, path, params=query_params, json=body, purpose=how.purpose, repeatable=how.repeatable
        )
        return _Answer(value) if _preload_content else value

    def _note(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer's headers: the burst limit, the daily budget, HubSpot's clock."""
        burst = _count(headers, "X-HubSpot-RateLimit-Max")
        if burst:
            self.http.buckets[GENERAL].resize(max(1, int(burst * SHARE)))
            period = _count(headers, "X-HubSpot-RateLimit-Interval-Milliseconds") or 10_000
            self.burst = Quota(burst, _count(headers, "X-HubSpot-RateLimit-Remaining"), f"{period / 1000:g} s")
        limit, left = (
            _count(headers, "X-HubSpot-RateLimit-Daily"),
            _count(headers, "X-HubSpot-RateLimit-Daily-Remaining"),
        )
        if limit is not None or left is not None:
            self.daily = Quota(limit, left, "day")
        served = http_date(headers.get("Date", ""))
        if served is not None:
            self.skew = served - self.clock.now()


class _Answer:
    """What the library's models are made from, should anybody want them."""

    def __init__(self, value: Any) -> None:
        self.status = 200
        self.reason = "OK"
        self.data = to_json(value)

    def getheaders(self) -> dict[str, str]:
        """Response headers."""
        return {"content-type": "application/json"}

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """One response header."""
        return self.getheaders().get(name.lower(), default)


def results(page: Any, vendor: str) -> list[Row]:
    """The list inside an answer. What is not a record becomes one without an id, to be set aside like any such row.

    Raises:
        ShapeError: There is none.
    """
    found = page.get("results") if isinstance(page, dict) else None
    if not isinstance(found, list):
        raise ShapeError("an answer has no list of results.", vendor=vendor)
    return [row if isinstance(row, dict) else {"unreadable": row} for row in found]


def next_after(page: Any) -> str | None:
    """Where the next page starts; None on the last one."""
    for key in ("paging", "next", "after"):
        page = page.get(key) if isinstance(page, dict) else None
    return None if page is None else str(page)


def missing_scopes(error: ConnectorError) -> list[str]:
    """The scopes that a 403 says are needed."""
    errors = error.detail.get("errors") if isinstance(error.detail, dict) else None
    context = [item.get("context") for item in errors or () if isinstance(item, dict)]
    return [scope for item in context if isinstance(item, dict) for scope in item.get("requiredGranularScopes") or ()]


@contextmanager
def _scopes_named() -> Iterator[None]:
    """HubSpot's message does not say which scope is missing, only its details do."""
    try:
        yield
    except MissingPermissionError as error:
        if scopes := missing_scopes(error):
            error.message = f"{error.message.partition(' answered ')[0]} is refused for want of a scope."
            error.advice = f"Grant the token the scope {' or '.join(scopes)}."
        raise


def _count(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None
