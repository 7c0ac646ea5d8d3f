"""Intercom: companies, contacts, conversations and how they were rated.

Rows are as the vendor sends them, with this folded in:

- contacts: `companies.data` whole where a contact has more than the ten that come along;
- conversations: `_contact`, who it is with; `_solved_at`, its last closing while it is closed;
  `_first_reply_minutes`, from the customer's first words to our first answer, by the calendar; `_outbound` where we
  wrote first and nobody answered. `ratings` are the same conversations, as far as they are rated.

What it costs: a first pull takes a call for each 150 contacts, each 150 conversations and each 100 companies, and two
more. A quiet hour takes three: contacts and conversations of the last two days (one call each per 150), deleted
conversations, and a call for each company of a contact that has just changed, at most fifteen.

Facts about the vendor: Intercom's API description 2.16, "Search contacts" (days in the workspace's zone, merged
contacts vanish), "Scroll over all companies", "Rate limiting" (10,000 calls a minute, cut into windows of ten seconds).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from requests.adapters import BaseAdapter

from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Row, Stream
from connectors.errors import CredentialsError, MissingPermissionError, QuotaError
from connectors.http import Bucket, Http, Rule
from connectors.intercom_companies import Companies, Touched
from connectors.intercom_search import LATE, Conversations, Reads, Search, Searched
from connectors.intercom_settings import Settings
from connectors.place import load
from connectors.vendor_clock import VendorClock

HOST_NAMES = ("intercom.io",)
WINDOW = 10.0
A_WINDOW = 1_600
"""Calls in a window: a sixth of the 10,000 a minute, less a little."""
RULES = (
    Rule((401,), CredentialsError, harmless=True, advice="Check the token, and region: a token works in one alone."),
    Rule(
        (402, 403),
        MissingPermissionError,
        harmless=True,
        advice="Give the app the permission to read it (Developer Hub, Authentication), if the plan has it.",
    ),
    Rule((429,), QuotaError, retry=True, harmless=True, wait=WINDOW),  # a window ends within that, whoever filled it
)
STREAMS = (
    Stream("contacts", "contact"),
    Stream("companies", "account", after=("contacts",)),
    Stream("conversations", "ticket"),
    Stream("ratings", "survey_response", after=("conversations",), optional=True),
)
LIMIT, LEFT = "X-RateLimit-Limit", "X-RateLimit-Remaining"

__all__ = ["Settings", "connect"]


class Intercom:
    """An Intercom workspace as a source. Companies follow contacts, ratings follow conversations."""

    streams = STREAMS

    def __init__(
        self, name: str, settings: Settings, http: Http, clock: VendorClock, limits: Mapping[str, str]
    ) -> None:
        self.name = name
        self.settings = settings
        self._http = http
        self._clock = clock
        self._limits = limits
        newest = settings.api_version == "2.16"
        self._reads = Reads(http, clock, settings.history_days, newest)
        self._touched = Touched()
        self._since: int | None = None
        history = {"include_merge_history": "true"} if newest else None
        self._contacts = Searched(Search(self._reads, "contacts", "data", history), self._fold_contacts, whole=True)
        self._conversations = Conversations(Search(self._reads, "conversations", "conversations"), _fold_conversations)
        self._companies = Companies(self._reads, self._touched, http.clock)

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by stream name and "check"."""
        return self._http.calls

    def environment(self) -> Environment:
        """Which workspace the token belongs to. Costs one call."""
        app = self._reads.get("me", "check").get("app")
        found = app if isinstance(app, dict) else {}
        number = str(found.get("id_code"))
        label = f"{found.get('name') or 'workspace'} ({number})"
        kind = str(found.get("region") or self.settings.region)
        return Environment("intercom", number, label, kind, str(found.get("timezone") or "UTC"))

    def check(self) -> Iterator[Finding]:
        """Yield identity, rights, limits and clock. Costs four calls, writes nothing."""
        where = self.environment()
        yield Finding(
            "ok", "identity", f"Signed in to {where.label}, region {where.kind}, time zone {where.time_zone}."
        )
        if not self._reads.newest:
            message = (
                f"API version {self.settings.api_version} does not tell of merged contacts and deleted conversations."
            )
            yield Finding("warning", "api_version", message, 'Set api_version = "2.16".')
        for title in ("contacts", "conversations"):
            yield from self._check_right(title, "POST", f"{title}/search")
        yield from self._check_right("companies", "POST", "companies/list")
        limit, left = self._limits.get(LIMIT), self._limits.get(LEFT)
        if limit is not None:
            yield Finding(
                "info", "quota", f"{left} of {limit} calls left in these ten seconds; there is no daily limit."
            )
        yield from self._clock.check()

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what changed since `cursor`, see `Source.pull`."""
        match stream.name:
            case "contacts":
                until = load(cursor, "intercom").get("until")
                self._since = until - LATE if isinstance(until, int) else None
                return self._contacts.pull(cursor)
            case "companies":
                return self._companies.pull(cursor)
            case "conversations":
                return self._conversations.pull(cursor)
            case "ratings":
                return self._conversations.ratings(cursor)
        raise ValueError(f"intercom has no stream {stream.name!r}")

    def _check_right(self, title: str, method: str, path: str) -> Iterator[Finding]:
        query = {"field": "created_at", "operator": ">", "value": 0}
        search = path.endswith("search")
        body: dict[str, Any] = {"query": query, "pagination": {"per_page": 1}} if search else {}
        params = {} if search else {"per_page": 1}
        try:
            self._http.json(method, path, params=params, json=body, purpose="check", repeatable=True)
        except MissingPermissionError as error:
            yield Finding("error", "missing_scope", f"The token may not read {title}.", error.advice)

    def _fold_contacts(self, rows: list[Row]) -> list[Row]:
        """Complete the lists of companies, and note those of contacts that have just changed."""
        folded = [self._with_companies(row) for row in rows]
        for row in folded:
            changed, made = row.get("updated_at"), row.get("created_at")
            if self._since is None or not isinstance(changed, int) or changed < self._since:
                continue
            listed = (row.get("companies") or {}).get("data") or ()
            ids = [str(one["id"]) for one in listed if isinstance(one, dict) and one.get("id")]
            self._touched.add(ids, first=isinstance(made, int) and made >= self._since)
        return folded

    def _with_companies(self, row: Row) -> Row:
        listed = row.get("companies")
        if not isinstance(listed, dict):
            return {**row, "companies": {}} if "companies" in row else row
        if listed.get("has_more") is not True or not row.get("id"):
            return row
        found: list[Any] = []
        number, pages = 0, 1
        while number < pages:
            number += 1
            params = {"page": number, "per_page": 50}
            page = self._reads.get(f"contacts/{row['id']}/companies", "contacts", params)
            found += [{"id": one.get("id")} for one in page.get("data") or () if isinstance(one, dict)]
            told = page.get("pages")
            pages = int(told.get("total_pages") or 1) if isinstance(told, dict) else 1
        return {**row, "companies": {**listed, "data": found, "has_more": False}}


def _codes(body: Any) -> list[str]:
    """What a refusal calls itself."""
    errors = body.get("errors") if isinstance(body, dict) else None
    listed = errors if isinstance(errors, list) else []
    return [str(one["code"]) for one in listed if isinstance(one, dict) and one.get("code")]


def _fold_conversations(rows: list[Row]) -> list[Row]:
    return [_fold(row) for row in rows]


def _fold(row: Row) -> Row:
    told = row.get("statistics")
    statistics = told if isinstance(told, dict) else {}
    people = row.get("contacts")
    listed = people.get("contacts") if isinstance(people, dict) else None
    contacts = [one.get("id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    source = row.get("source")
    how = source.get("delivered_as") if isinstance(source, dict) else None
    asked = statistics.get("first_contact_reply_at") or row.get("created_at")
    answered = statistics.get("first_admin_reply_at")
    waited = answered - asked if isinstance(asked, int) and isinstance(answered, int) else -1
    outbound = how not in {None, "customer_initiated"} and not row.get("first_contact_reply") and not told
    return {
        **row,
        "_contact": contacts[0] if contacts else None,
        "_solved_at": statistics.get("last_close_at") if row.get("state") == "closed" else None,
        "_first_reply_minutes": waited // 60 if waited >= 0 else None,
        "_outbound": outbound,
    }


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: BaseAdapter | None = None,
    spool: Path | None = None,  # noqa: ARG001 - nothing is spooled here
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,  # noqa: ARG001 - rows come with all their fields
) -> Intercom:
    """Make the source; nothing is sent yet. Raises `ConfigError` for a base URL the token may not be sent to."""
    token = settings.token.get_secret_value()
    limits: dict[str, str] = {}
    vendor_clock = VendorClock("Intercom", clock)

    def saw(headers: Mapping[str, str]) -> None:
        vendor_clock.saw(headers)
        limits.update({name: headers[name] for name in (LIMIT, LEFT) if name in headers})

    http = Http(
        "intercom",
        settings.url(),
        clock=clock,
        auth={"Authorization": f"Bearer {token}", "Intercom-Version": settings.api_version},
        secrets=[token],
        buckets=(Bucket("default", A_WINDOW, WINDOW),),
        rules=RULES,
        adapter=adapter,
        hosts=HOST_NAMES,
        on_headers=saw,
        codes=_codes,
    )
    return Intercom(name, settings, http, vendor_clock, limits)
