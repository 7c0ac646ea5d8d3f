"""Salesforce on the wire: the one place that knows versions and paths, and how its client library is used.

Facts, from Salesforce's public documents: versions 41.0 to 68.0 answer, three new ones each year; there is no limit by
the second, only one by the day; an address may have 16,384 bytes, headers included; a query's pages last 2 days.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import BaseAdapter

from connectors.base import Clock, Quota
from connectors.errors import MissingPermissionError, NotFoundError, RequestError, ShapeError
from connectors.http import Http
from connectors.salesforce_auth import HOSTS, LibrarySession, Login
from connectors.salesforce_composite import MOST_PARTS, apart, together, unwrapped, wrapped
from connectors.salesforce_rules import GRANT, RULES, Usage, error_codes, is_not_there
from connectors.salesforce_settings import Keys
from connectors.vendor_clock import VendorClock

__all__ = ["Api", "is_not_there"]

MOST_URI = 14_000
"""Characters of a query's address that we send; Salesforce's 16,384 bytes count the headers too."""
DESCRIBE_LIFE = 3600.0
"""Seconds for which a description is remembered."""
COUNTS = "limits/recordCount"
_PURPOSE: ContextVar[str] = ContextVar("purpose", default="other")


class Api:
    """One Salesforce org, as one user: our `Http`, and simple-salesforce running on it.

    Args:
        name: The source's name in messages.
        base_url: Where the org is: https://acme.my.salesforce.com.
        version: API version, such as "64.0".
        keys: What to log in with; nothing is sent before the first request.
        clock: Time and sleep.
        adapter: A transport in place of the network.
        stop_at: Share of the org's calls from which on nothing is sent.

    Attributes:
        http: Every request goes through it.
        name: The source's name.
        clock: Time and sleep.
        usage: The org's budget.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        version: str,
        keys: Keys,
        *,
        clock: Clock,
        adapter: BaseAdapter | None = None,
        stop_at: float = 1.0,
    ) -> None:
        self.name = name
        self.version = version
        self.clock = clock
        self.login = Login(name, base_url, version, keys, clock=clock, adapter=adapter)
        self.usage = Usage(name, clock, stop_at)
        self.watch = VendorClock("Salesforce", clock)
        given = {"Authorization": f"Bearer {keys.session_id}"} if keys.way == "session" else {}
        self.http = Http(
            name,
            base_url,
            clock=clock,
            auth=given,
            secrets=keys.secrets,
            rules=RULES,
            adapter=adapter,
            hosts=HOSTS,
            timeout=(5.0, 130.0),
            deadline=400.0,
            refresh=self.login.headers,
            on_headers=self._note,
            codes=error_codes,
        )
        self._described: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._counts: dict[str, int | None] = {}
        self._lock = threading.Lock()
        self._learning = threading.Lock()
        self._client: Any = None

    @property
    def calls(self) -> Counter[str]:
        """Requests sent so far, by purpose, log-ins under "login"."""
        return self.http.calls + self.login.http.calls

    @property
    def daily(self) -> Quota:
        """The org's budget as last seen."""
        return self.usage.quota

    @property
    def client(self) -> Any:
        """simple-salesforce on our session, made on first use; see `call`."""
        with self._lock:
            if self._client is None:
                from simple_salesforce import Salesforce

                self._client = Salesforce(
                    session_id="-",  # `Http` puts the real one into every request
                    instance_url="https://org.salesforce.com",
                    version=self.version,
                    session=_ClientSession(self),
                    object_pairs_hook=dict,
                )
            return self._client

    def server_now(self) -> datetime:
        """Salesforce's clock, as its last `Date` header tells; ours before the first answer."""
        return self.watch.now()

    def path(self, rest: str) -> str:
        """The path of a resource of the versioned API: "query" -> "/services/data/v64.0/query"."""
        return f"/services/data/v{self.version}/{rest}"

    def json(  # noqa: PLR0913 - the parts of an HTTP request, and how to treat it
        self,
        method: str,
        rest: str,
        *,
        purpose: str,
        params: Any = None,
        body: Any = None,
        repeatable: bool | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
    ) -> Any:
        """Send a request and give the parsed JSON, None for a 204.

        Args:
            method: The HTTP method.
            rest: A resource below the version ("query"), or an absolute path that Salesforce gave ("/services/...").
            purpose: What it is counted under.
            params: Query.
            body: Body as a JSON value.
            repeatable: Whether it may be sent again after an unclear ending; None goes by the method.
            headers: Further headers.
            accept: Statuses outside 2xx that are an answer.

        Raises:
            QuotaError: Also when `stop_at` is reached; nothing was sent then.
            ConnectorError: One of its kinds.
        """
        self.usage.admit(purpose)
        path = rest if rest.startswith("/") else self.path(rest)
        return self.http.json(
            method,
            path,
            params=params,
            json=body,
            purpose=purpose,
            repeatable=repeatable,
            headers=headers,
            accept=accept,
        )

    def raw(  # noqa: PLR0913 - as `json`
        self,
        method: str,
        rest: str,
        *,
        purpose: str,
        params: Any = None,
        body: Any = None,
        data: bytes | str | None = None,
        repeatable: bool | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
        stream: bool = False,
    ) -> requests.Response:
        """Send a request and give the response itself, for what is not JSON. Arguments and errors as `json`.

        Args:
            method: The HTTP method.
            rest: See `json`.
            purpose: See `json`.
            params: See `json`.
            body: Body as a JSON value.
            data: Body as it is, in place of `body`; say the content type in `headers`.
            repeatable: See `json`.
            headers: See `json`.
            accept: See `json`.
            stream: Hand over the body unread; the caller closes the response.
        """
        self.usage.admit(purpose)
        path = rest if rest.startswith("/") else self.path(rest)
        payload = data.encode() if isinstance(data, str) else data
        return self.http.request(
            method,
            path,
            params=params,
            json=body,
            data=payload,
            purpose=purpose,
            repeatable=repeatable,
            headers=headers,
            accept=accept,
            stream=stream,
        )

    def query(
        self, soql: str, *, purpose: str, all_rows: bool = False, batch: int | None = None, rest: str = ""
    ) -> Iterator[Any]:
        """Every page of a query, as parsed bodies with a list of "records"; how many rows a page has is not promised.

        Args:
            soql: The query. One that is too long for an address goes in a body; it counts as one call all the same.
            purpose: What it is counted under.
            all_rows: Deleted, merged and archived rows too.
            batch: Rows a page to ask for, 200 to 2000; Salesforce may send fewer.
            rest: Another resource that answers queries, such as "tooling/query".

        Raises:
            CursorExpiredError: The rest of the list is gone; start the query again.
            ShapeError: An answer is not a page, or the paging goes in circles.
        """
        rest = rest or ("queryAll" if all_rows else "query")
        headers = {"Sforce-Query-Options": f"batchSize={batch}"} if batch else None
        if len(self.http.url(self.path(rest))) + len(urlencode({"q": soql})) + 1 > MOST_URI:
            body = wrapped(self.path(rest), soql)
            page = unwrapped(self.json("POST", "composite", purpose=purpose, body=body, repeatable=True), self.name)
        else:
            page = self.json("GET", rest, purpose=purpose, params={"q": soql}, headers=headers)
        seen: set[str] = set()
        while True:
            if not isinstance(page, dict) or not isinstance(page.get("records"), list):
                raise ShapeError("a query answered without a list of records.", vendor=self.name)
            yield page
            if page.get("done") is True:
                return
            link = page.get("nextRecordsUrl")
            if not isinstance(link, str) or link in seen:
                raise ShapeError("a query's pages do not come to an end.", vendor=self.name)
            seen.add(link)
            page = self.json("GET", link, purpose=purpose, headers=headers)

    def call(self, function: Callable[..., Any], *args: Any, purpose: str, **kwargs: Any) -> Any:
        """Run a method of the client library, counted under `purpose`.

        Raises:
            ConnectorError: As `json`; the library's own exceptions never come up, since refusals do not reach it.
        """
        with _counted_as(purpose):
            try:
                return function(*args, **kwargs)
            except requests.JSONDecodeError:
                raise ShapeError("an answer is not complete, sane JSON.", vendor=self.name) from None

    def about(self, obj: str, *, purpose: str, fresh: bool = False) -> Mapping[str, Any]:
        """Salesforce's description of an object, as this user sees it; remembered for an hour.

        Raises:
            MissingPermissionError: The object is not there, or the user has no right to it.
        """
        found = self._described.get(obj)
        if found is None or fresh or not self.knows(obj):
            try:
                body = self.call(self.client.restful, f"sobjects/{obj}/describe", purpose=purpose)
            except (NotFoundError, MissingPermissionError) as error:
                raise MissingPermissionError(
                    f"{obj} is not there, or the run-as user has no right to it.",
                    vendor=self.name,
                    status=error.status,
                    code=error.code,
                    advice=GRANT,
                ) from None
            if not isinstance(body, dict) or not isinstance(body.get("fields"), list):
                raise ShapeError(f"the description of {obj} lists no fields.", vendor=self.name)
            found = self._described[obj] = (self.clock.monotonic(), body)
        return found[1]

    def knows(self, obj: str) -> bool:
        """Whether the description of an object is at hand, so that looking at it costs no call."""
        found = self._described.get(obj)
        return found is not None and self.clock.monotonic() - found[0] <= DESCRIBE_LIFE

    def describe(self, obj: str, *, purpose: str, fresh: bool = False) -> dict[str, dict[str, Any]]:
        """Field name -> Salesforce's description of it: "type", "length", "updateable", "picklistValues", ...

        Fields that the user may not read are missing. Errors as `about`.
        """
        fields = self.about(obj, purpose=purpose, fresh=fresh)["fields"]
        return {str(one["name"]): one for one in fields if isinstance(one, dict) and "name" in one}

    def learn(self, objects: Sequence[str]) -> None:
        """Have objects described and counted for one call, so that `about` and `record_counts` know them.

        What they still do not know they ask singly.
        """
        with self._learning:
            new = [obj for obj in objects if not self.knows(obj)]
            if not new or len(new) >= MOST_PARTS:
                return
            paths = [f"{COUNTS}?sObjects={','.join(new)}", *(f"sobjects/{obj}/describe" for obj in new)]
            try:
                body = together([self.path(path) for path in paths])
                answer = self.json("POST", "composite", purpose="describe", body=body, repeatable=True)
            except (MissingPermissionError, RequestError):
                return
            counts, *described = apart(answer, len(paths))
            self._take_counts(new, counts)
            for obj, told in zip(new, described, strict=True):
                if isinstance(told, dict) and isinstance(told.get("fields"), list):
                    self._described[obj] = (self.clock.monotonic(), told)

    def record_counts(self, objects: Sequence[str]) -> dict[str, int]:
        """About how many records of each kind there are; kinds that Salesforce keeps to itself are missing.

        At most one call for all that were not asked for before; the numbers are estimates from a cache of Salesforce's.
        """
        unknown = [name for name in objects if name not in self._counts]
        if unknown:
            try:
                body = self.json("GET", COUNTS, purpose="counts", params={"sObjects": ",".join(unknown)})
            except (MissingPermissionError, NotFoundError, RequestError):
                body = {}
            self._take_counts(unknown, body)
        return {name: count for name in objects if (count := self._counts.get(name)) is not None}

    def _take_counts(self, objects: Sequence[str], body: Any) -> None:
        """Remember what an answer counts, and of which objects it says nothing. No answer is worth another try."""
        if not isinstance(body, dict):
            return
        self._counts.update(dict.fromkeys(objects))
        listed = body.get("sObjects")
        for row in listed if isinstance(listed, list) else ():
            if isinstance(row, dict) and isinstance(row.get("count"), int):
                self._counts[str(row.get("name"))] = row["count"]

    def who(self) -> str | None:
        """Id of the user that we are: by the log-in, or else by asking; None when Salesforce does not say."""
        # A log-in by OAuth has told; of a session made elsewhere either the one or the other place tells.
        for rest, key in (("/services/oauth2/userinfo", "sub"), ("", "identity")):
            if self.login.user_id is not None:
                break
            with suppress(MissingPermissionError, RequestError):
                body = self.json("GET", rest, purpose="check")
                self.login.identify(body.get(key) if isinstance(body, dict) else None)
        return self.login.user_id

    def session(self) -> str:
        """The session itself, for the SOAP calls that want it in their text; logs in anew unless one was given."""
        if self.login.keys.way == "session":
            return self.login.keys.session_id
        return self.login.headers()["Authorization"].removeprefix("Bearer ")

    def ask_limits(self) -> None:
        """Learn the org's budget from its list of limits, where the user may see it; one call."""
        try:
            body = self.call(self.client.limits, purpose="check")
        except (MissingPermissionError, NotFoundError):
            return
        day = body.get("DailyApiRequests") if isinstance(body, dict) else None
        if isinstance(day, dict) and isinstance(day.get("Max"), int) and isinstance(day.get("Remaining"), int):
            self.usage.note(day["Max"], day["Remaining"])

    def _note(self, headers: Mapping[str, str]) -> None:
        self.usage.saw(headers)
        self.watch.saw(headers)


class _ClientSession(LibrarySession):
    """The library's session for everything but logging in."""

    def __init__(self, api: Api) -> None:
        super().__init__(api.http)
        self._api = api

    @property
    def purpose(self) -> str:
        """What the call in hand is counted under; of its own in each thread."""
        return _PURPOSE.get()

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Pass a call on, if the org's budget allows."""
        self._api.usage.admit(self.purpose)
        return super().request(method, url, *args, **kwargs)


@contextmanager
def _counted_as(purpose: str) -> Iterator[None]:
    token = _PURPOSE.set(purpose)
    try:
        yield
    finally:
        _PURPOSE.reset(token)
