"""One HTTP session per vendor account: the only way to the wire.

It owns timeouts, retries under a total deadline, rate buckets, counting, the same-origin rule and redaction, so that no
connector has a loop around a status code. `Http.session` is a `requests.Session` with all of this inside, fit to be
handed to a vendor's client library; `Http.request` and `Http.json` are the typed front for our own calls; and
`Http.retrying` gives the same policy to a library that brings its own transport.

Safe to repeat are GET, HEAD, OPTIONS, PUT and whatever the caller marks so (a search is a POST that only reads).
Anything else is sent again only after a failure that certainly had no effect; else `UnclearError` leaves the question
to whoever can ask the vendor.
"""

import http.client
import random
import threading
import urllib.error
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.util import parse_url

from connectors.base import Clock
from connectors.circuit import Circuit
from connectors.errors import TransientError
from connectors.judge import Codes, Expired, Judge, refused_with
from connectors.origin import Origin
from connectors.redact import REDACTOR
from connectors.retry import Bucket, ErrorRules, Failed, Retrier, Rule, http_date, vendor_codes
from connectors.wire import CALL, LOOK, MAX_BODY, Auth, Call, Session, Timeout, read_whole

__all__ = ["Bucket", "Call", "ErrorRules", "Failed", "Http", "Rule", "refused_with"]

T = TypeVar("T")

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT"})


class Http:
    """The session to one account of one vendor; safe to share between threads.

    Args:
        vendor: Its name in messages.
        base_url: What relative paths are added to. https, or plain http on loopback only.
        clock: Time and sleep.
        auth: A requests authentication, (user, password), or headers; empty headers with `refresh` mean that the first
            request waits for a token.
        secrets: Everything that must never be shown.
        buckets: Rate limits, by name.
        rules: The vendor's own meanings of statuses, before the standard ones.
        adapter: A transport in place of the network, such as a mounted simulator.
        timeout: Seconds to connect, and seconds without a byte.
        deadline: Seconds for one request with all its attempts and waits.
        hosts: Host suffixes the base URL may point to besides loopback; empty allows any.
        refresh: Makes fresh authentication headers when the vendor says that they have expired, once for each expiry,
            by a session of its own; it may raise a `ConnectorError`.
        on_headers: Sees the headers of every answer, for rate limits and quota.
        codes: Finds the vendor's codes in the parsed body of a refusal; `rules` match on them.
        rng: Source of jitter.

    Attributes:
        server_time: The vendor's clock, from the last `Date` header.
        session: See the module's docstring.

    Raises:
        ConfigError: The base URL is not one the token may be sent to.
    """

    def __init__(  # noqa: PLR0913 - the one place where everything about a connection is said
        self,
        vendor: str,
        base_url: str,
        *,
        clock: Clock,
        auth: Auth,
        secrets: Sequence[str],
        buckets: Sequence[Bucket] = (),
        rules: ErrorRules = (),
        adapter: BaseAdapter | None = None,
        timeout: Timeout = (5.0, 60.0),
        deadline: float = 300.0,
        hosts: Sequence[str] = (),
        refresh: Callable[[], Mapping[str, str]] | None = None,
        on_headers: Callable[[Mapping[str, str]], None] | None = None,
        codes: Codes = vendor_codes,
        rng: random.Random | None = None,
    ) -> None:
        self.vendor = vendor
        self.clock = clock
        self.timeout = timeout
        self._calls: Counter[str] = Counter()
        self.server_time: datetime | None = None
        self.buckets = {bucket.name: bucket for bucket in buckets}
        self._origin = Origin(vendor, base_url, hosts)
        self._judge = Judge(vendor, self._origin.host, rules, codes)
        self._retrier = Retrier(clock, deadline, rng or random.Random(), Circuit(clock), vendor)
        self._on_headers = on_headers
        self._refresh = refresh
        self._token: Mapping[str, str] | None = {} if auth == {} else None  # what `refresh` made; None: still `auth`
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        REDACTOR.add(secrets)
        self._wire = Session(self._exchange, auth, adapter, vendor)

    def __repr__(self) -> str:
        return f"Http({self.vendor!r}, {self.base_url!r})"

    @property
    def base_url(self) -> str:
        """What relative paths are added to."""
        return self._origin.base_url

    @property
    def calls(self) -> Counter[str]:
        """Requests sent so far, by purpose, retries included: a copy, since other threads go on counting."""
        with self._lock:
            return self._calls.copy()

    @property
    def session(self) -> requests.Session:
        """A session for client libraries whose requests are all treated as ours."""
        return self._wire

    def request(  # noqa: PLR0913 - the parts of an HTTP request, and how to treat it
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        purpose: str = "other",
        repeatable: bool | None = None,
        bucket: str = "default",
        stream: bool = False,
        accept: Collection[int] = (),
        timeout: Timeout | None = None,
    ) -> requests.Response:
        """Send a request and give the answer, which is 2xx or in `accept`.

        Args:
            method: The HTTP method.
            path: Relative to the base URL, or an absolute URL below it (a paging link).
            params: Query.
            json: Body as a JSON value.
            data: Body as bytes or form.
            headers: Further headers.
            purpose: What it is counted under.
            repeatable: See `Call`.
            bucket: See `Call`.
            stream: Hand over the body unread; the caller closes the response.
            accept: See `Call`.
            timeout: See `Call`.

        Raises:
            ConnectorError: One of its kinds, by the table of rules.
        """
        prepared = self._prepare(method, path, params, json, data, headers)
        return self._exchange(prepared, Call(purpose, bucket, repeatable, accept, stream, timeout))[0]

    def json(  # noqa: PLR0913 - as `request`
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        purpose: str = "other",
        repeatable: bool | None = None,
        bucket: str = "default",
        accept: Collection[int] = (),
        timeout: Timeout | None = None,
    ) -> Any:
        """Send a request and give the parsed JSON body; None for a 204. Arguments and errors as `request`.

        Raises:
            ShapeError: The answer to a repeatable request is, time and again, not JSON.
            UnclearError: The answer to any other request is not JSON: what it did is unknown.
        """
        prepared = self._prepare(method, path, params, json, None, headers)
        call = Call(purpose, bucket, repeatable, accept, timeout=timeout)
        return self._exchange(prepared, call, parse=True)[1]

    @contextmanager
    def calling(self, purpose: str, bucket: str = "default", *, repeatable: bool | None = None) -> Iterator[None]:
        """Treat what this thread sends through `session` inside the `with` block in this way."""
        token = CALL.set(Call(purpose, bucket, repeatable))
        try:
            yield
        finally:
            CALL.reset(token)

    def retrying(self, purpose: str, bucket: str, fn: Callable[[], T], *, repeatable: bool = True) -> T:
        """Run a call of a library with its own transport under the same buckets, counting and retry.

        Understood are what urllib raises, any `OSError`, and `Failed` where `fn` judges for itself.
        """
        call = Call(purpose, bucket)

        def attempt(end: float) -> T:
            self._admit(call, end)
            try:
                return fn()
            except urllib.error.HTTPError as error:
                with error:
                    body = error.read(MAX_BODY)
                raise self._refused(
                    purpose, call, error.code, CaseInsensitiveDict(error.headers.items()), body
                ) from None
            except (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
                raise self._judge.broken(purpose, error) from None

        return self._retrier.run(attempt, repeatable=repeatable)

    def url(self, path: str) -> str:
        """The absolute URL of a path or of a vendor's link.

        Raises:
            ShapeError: The link leads away from the base URL; our token must not go there.
        """
        return self._origin.url(path)

    def _prepare(
        self, method: str, path: str, params: Any, json: Any, data: Any, headers: Mapping[str, str] | None
    ) -> requests.PreparedRequest:
        return self.session.prepare_request(
            requests.Request(method, self.url(path), params=params, json=json, data=data, headers=dict(headers or {}))
        )

    def _exchange(
        self, prepared: requests.PreparedRequest, call: Call, *, parse: bool = False
    ) -> tuple[requests.Response, Any]:
        """Send until it is settled; gives the response and, when asked to `parse`, its JSON value."""
        self._origin.check(prepared.url or "")
        what = f"{prepared.method} {parse_url(prepared.url or '').path}"
        repeatable = call.repeatable if call.repeatable is not None else prepared.method in REPEATABLE
        renewed = False

        def attempt(end: float) -> tuple[requests.Response, Any]:
            nonlocal renewed
            token = self._authorize(prepared)
            try:
                return self._attempt(prepared, call, what, end, parse=parse)
            except Expired as expired:
                if renewed or self._refresh is None:
                    raise
                renewed = True
                self._renew(self._refresh, token)
                raise Failed(expired.error, retry=True, harmless=True, wait=0.0) from None

        return self._retrier.run(attempt, repeatable=repeatable)

    def _attempt(
        self, prepared: requests.PreparedRequest, call: Call, what: str, end: float, *, parse: bool
    ) -> tuple[requests.Response, Any]:
        self._admit(call, end)
        try:
            response = self._wire.transmit(prepared, call.timeout or self.timeout)
            wanted = 200 <= response.status_code < 300 or response.status_code in call.accept
            body = b"" if call.stream and wanted else read_whole(response, what, end, self._judge, self.clock)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._judge.broken(what, error) from None
        self.server_time = http_date(response.headers.get("Date", "")) or self.server_time
        if self._on_headers is not None:
            self._on_headers(response.headers)
        if not wanted:
            raise self._refused(what, call, response.status_code, response.headers, body)
        self._judge.refuse_web_page(what, response)
        return response, self._judge.parsed(what, response, body) if parse else None

    def _admit(self, call: Call, end: float) -> None:
        """Wait for the bucket, look whether the request may still leave, then count it."""
        bucket = self.buckets.get(call.bucket)
        if bucket is not None:
            wait = bucket.reserve(self.clock.monotonic(), end)
            if wait is None:
                message = "the rate limit leaves no room before the deadline."
                raise Failed(TransientError(message, vendor=self.vendor), harmless=True)
            if wait > 0:
                self.clock.sleep(wait)
        LOOK.get()()
        with self._lock:
            self._calls[call.purpose] += 1

    def _refused(self, what: str, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Failed:
        failed = self._judge.refused(what, status, headers, body, self.clock.now())
        bucket = self.buckets.get(call.bucket)
        if status == 429 and failed.retry and failed.wait and bucket is not None:
            bucket.hold(self.clock.monotonic() + failed.wait)
        return failed

    def _authorize(self, prepared: requests.PreparedRequest) -> Mapping[str, str] | None:
        """Put the newest token into a request, getting one first where there is none; gives the one that was put in."""
        token = self._token
        if self._refresh is not None:
            token = self._renew(self._refresh, token) if token == {} else token
            prepared.headers.update(token or {})
        return token

    def _renew(self, refresh: Callable[[], Mapping[str, str]], stale: Mapping[str, str] | None) -> Mapping[str, str]:
        """Get a fresh token, once for all threads that met the expiry of the same one."""
        with self._renewing:
            if self._token is stale:
                self._token = dict(refresh())
            return self._token or {}
