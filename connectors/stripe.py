"""Stripe Billing: customers, their addresses, subscriptions and invoices.

Rows are as the vendor sends them, in the shape of whichever API version, with this folded in:

- subscriptions: `_customer` (id), `_mrr` (see `stripe_money`), `_period_end`, `_cancel_at` (also where only
  `cancel_at_period_end` says so) and `_card_expires`;
- invoices: `_customer`, `_amount_due` in minor units of ISO 4217, `_failed` (charges) and `_due`, see `stripe_rows`;
- addresses: nothing; the customers once more, each as the person who gets its mail.

What it costs: a first pull takes a call per 100 customers, per 100 subscriptions and per 100 invoices of
`history_days`, one for open invoices older than that, and one per 100 prices where several are in tiers. An hour in
which nothing happened takes one call, for the events of all streams; each customer of whom something changed two more,
each changed invoice one. Once a day customers, subscriptions and open invoices are listed.

Facts about the vendor: Stripe API reference, "Expanding responses" (at most four levels), "Events", "Rate limits", and
the changelogs of 2025-03-31.basil and 2025-09-30.clover.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from requests.adapters import BaseAdapter

from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Stream
from connectors.errors import CredentialsError, MissingPermissionError, TransientError
from connectors.http import Bucket, Http, Rule
from connectors.stripe_feed import Feed
from connectors.stripe_lists import Lists
from connectors.stripe_rows import Rows, of_invoice, of_subscription
from connectors.stripe_settings import Settings
from connectors.stripe_streams import Customers, Invoices, Listed, Reads
from connectors.vendor_clock import VendorClock

HOSTS = ("stripe.com",)
A_SECOND = 20
"""Calls a second that we allow ourselves; Stripe allows 25 to an endpoint."""

RULES = (
    Rule((401,), CredentialsError, harmless=True, advice="Check the key (Developers, API keys); it may have expired."),
    Rule((403,), MissingPermissionError, harmless=True, advice="Give the restricted key read access to it."),
    Rule((409,), TransientError, retry=True, harmless=True),
)
STREAMS = (
    Stream("customers", "account"),
    Stream("addresses", "contact", after=("customers",)),
    Stream("subscriptions", "subscription"),
    Stream("invoices", "invoice"),
)
RIGHTS = (
    ("customers", "customers", ()),
    ("events", "events", ()),
    ("invoices", "invoices", ()),
    ("subscriptions", "subscriptions and payment methods", ("default_payment_method",)),
    ("prices", "prices, for amounts in tiers", ("tiers",)),
    ("coupons", "coupons, for discounts", ()),
)
"""Lists that the key must be allowed to read, each as an admin calls it, with what is served along."""
NEEDED = 4
"""So many of them nothing works without."""

_ACCOUNT = re.compile(r"acct_\w+")

__all__ = ["Settings", "connect"]


class Stripe:
    """A Stripe account as a source. Streams may be pulled side by side; addresses follow customers."""

    streams = STREAMS

    def __init__(self, name: str, settings: Settings, http: Http, clock: VendorClock, ours: Clock) -> None:
        self.name = name
        self.settings = settings
        self._http = http
        self._clock = clock
        self._lists = Lists(http)
        reads = Reads(
            self._lists,
            Feed(self._lists, clock, ours),
            lambda: int(clock.now().timestamp()),
            lambda: http.server_time,
            settings.history_days,
        )
        rows = Rows(self._lists, reads.second)
        self._customers = Customers(reads)
        self._subscriptions = Listed(
            reads,
            "subscriptions",
            frozenset({"customer", "subscription", "payment_method"}),
            query={"status": "all"},
            expand=of_subscription(settings.api_version),
            fold=rows.subscriptions,
        )
        self._invoices = Invoices(reads, rows.invoices, of_invoice(settings.api_version))

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by stream name, "events" and "check"."""
        return self._http.calls

    def environment(self) -> Environment:
        """Which account the key belongs to. Costs one call.

        A restricted key may not ask who it is; the refusal names the account all the same.

        Raises:
            CredentialsError: Stripe does not know the key.
            MissingPermissionError: It refused without naming the account.
        """
        kind = "live" if self.settings.live else "test"
        try:
            found = self._http.json("GET", "v1/account", purpose="check")
        except MissingPermissionError as error:
            named = _ACCOUNT.search(error.message)
            if named is None:
                raise
            return Environment("stripe", named[0], f"account {named[0]} ({kind})", kind)
        account = found if isinstance(found, dict) else {}
        number, shown = str(account.get("id")), (account.get("settings") or {}).get("dashboard") or {}
        label = f"{shown.get('display_name') or 'account'} {number} ({kind})"
        return Environment("stripe", number, label, kind, shown.get("timezone") or "UTC")

    def check(self) -> Iterator[Finding]:
        """Yield identity, kind of key, rights, limits and clock. Costs seven calls, writes nothing."""
        where = self.environment()
        yield Finding("ok", "identity", f"Signed in to {where.label}.")
        if not self.settings.live:
            message = "This is a test key: what it opens are no real customers."
            yield Finding("warning", "test_key", message, "Use a restricted live key (rk_live_...).")
        if not self.settings.restricted:
            message = "This is a secret key, which may do everything, writing included; Holdfast only reads."
            yield Finding("info", "more_rights", message, "A restricted key with read access is enough.")
        for place, (path, title, expand) in enumerate(RIGHTS):
            yield from self._check_right(path, title, expand, needed=place < NEEDED)
        yield Finding("info", "quota", "Stripe allows 25 calls a second to a list and has no daily limit.")
        yield from self._clock.check()

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what changed since `cursor`, see `Source.pull`."""
        match stream.name:
            case "customers":
                return self._customers.pull(cursor)
            case "addresses":
                return self._customers.addresses(cursor)
            case "subscriptions":
                return self._subscriptions.pull(cursor)
            case "invoices":
                return self._invoices.pull(cursor)
        raise ValueError(f"stripe has no stream {stream.name!r}")

    def _check_right(self, path: str, title: str, expand: Sequence[str], *, needed: bool) -> Iterator[Finding]:
        try:
            query = {"limit": 1, "expand[]": [f"data.{one}" for one in expand]}
            self._http.json("GET", f"v1/{path}", params=query, purpose="check")
        except MissingPermissionError as error:
            what = f"The key may not read {title}"
            more = "" if needed else "; the revenue of subscriptions that have them stays unknown"
            yield Finding("error" if needed else "warning", "missing_scope", f"{what}{more}.", error.advice)


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: BaseAdapter | None = None,
    spool: Path | None = None,  # noqa: ARG001 - nothing is spooled here
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,  # noqa: ARG001 - rows come with all their fields
) -> Stripe:
    """Make the source; nothing is sent yet. Raises `ConfigError` for a base URL the key may not be sent to."""
    key = settings.key.get_secret_value()
    vendor_clock = VendorClock("Stripe", clock)
    http = Http(
        "stripe",
        settings.base_url,
        clock=clock,
        auth={"Authorization": f"Bearer {key}", "Stripe-Version": settings.api_version},
        secrets=[key],
        buckets=(Bucket("default", A_SECOND, 1.0),),
        rules=RULES,
        adapter=adapter,
        hosts=HOSTS,
        on_headers=vendor_clock.saw,
    )
    return Stripe(name, settings, http, vendor_clock, clock)
