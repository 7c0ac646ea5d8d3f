"""Stripe Billing, simulated: lists, objects and events of one account, in the API version that is asked for.

Keys: `rk_live_sandbox` may read what billing needs, `rk_test_sandbox` opens the same as test data, `sk_live_sandbox`
may do everything. A restricted key may not ask `/v1/account` who it is; the refusal names the account. Facts: Stripe
API reference, "Pagination", "Expanding responses", "Events", and the shapes in the vendor's own fixtures.
"""

import itertools
import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.core import STRIPE_ACCOUNT, STRIPE_KEY, SandboxClock, Vendor
from sandbox.model import World
from sandbox.stripe_books import PREFIXES, Books, Json, coupon_id, stripe_id, world_id
from sandbox.stripe_events import Events
from sandbox.stripe_http import Asked, Expander, Refusal, missing
from sandbox.stripe_people import People
from sandbox.stripe_render import Renderer

TEST_KEY = "rk_test_sandbox"
SECRET_KEY = "sk_live_sandbox"  # noqa: S105 - made up, opens only the sandbox
KEYS = (STRIPE_KEY, TEST_KEY, SECRET_KEY)
RIGHTS = {"customers": "customer", "subscriptions": "subscription", "invoices": "invoice", "events": "event",
          "prices": "plan", "coupons": "coupon", "payment_methods": "payment_method",
          "subscription_items": "subscription"}  # fmt: skip
FILTERS = {
    "customers": ("created", "email"),
    "subscriptions": ("created", "customer", "price", "status"),
    "invoices": ("created", "customer", "due_date", "status", "subscription"),
}
TYPES_MOST = 20


@dataclass(frozen=True, slots=True)
class StripeOptions:
    """What differs between Stripe accounts.

    Attributes:
        crm: Whose account ids stand in customers' metadata: "hubspot" or "salesforce".
        version: The account's own API version: of events, and of requests that name none.
        per_second: Calls a second.
    """

    crm: str = "hubspot"
    version: str = "2023-10-16"
    per_second: int = 100


class StripeVendor(Vendor):
    """One Stripe account.

    Args:
        world: What is true.
        clock: The sandbox's time.
        options: See `StripeOptions`.
    """

    name = "stripe"

    def __init__(self, world: World, clock: SandboxClock, **options: Any) -> None:
        super().__init__(world, clock)
        self.options = StripeOptions(**options)
        self.books = Books(world, self.options.crm)
        self.events = Events(self.books, self.options.version)
        self.people = People(self.books, self.events)
        self.closed: set[str] = set()
        """What the restricted keys have no right to."""
        self._recent: deque[float] = deque()
        self._requests = itertools.count(1)

    def is_write(self, method: str, path: str) -> bool:  # noqa: ARG002 - Stripe reads are all GETs
        """Everything but GET and HEAD."""
        return method not in {"GET", "HEAD"}

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what a person would do; see `People`. `close` and `open` take a right from the key and give it back."""
        if action in {"close", "open"}:
            (self.closed.add if action == "close" else self.closed.discard)(str(args["right"]))
            return sorted(self.closed)
        chosen = self.people.actions.get(action)
        if chosen is None:
            raise ValueError(f"stripe has no action {action!r}; known: {', '.join(sorted(self.people.actions))}")
        return chosen(args, self._second())

    def truth(self) -> dict[str, dict[str, int]]:
        """Customers that exist now -> world ids of their companies, and of the people whose address they have."""
        numbers = list(self.books.newest_first("customers", self._second()))
        payers = {number: self.books.billing.payers[world_id(number) - 1] for number in numbers}
        people = {number: payer.person_id for number, payer in payers.items() if payer.person_id is not None}
        return {"account": {number: payer.company_id for number, payer in payers.items()}, "contact": people}

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        version = request.headers.get("Stripe-Version") or self.options.version
        try:
            body, status = self._answer(request, version), 200
        except Refusal as refusal:
            body, status = refusal.body, refusal.status
        response = Response(json.dumps(body), status, content_type="application/json")
        response.headers["Request-Id"] = f"req_HF{next(self._requests):08d}"
        response.headers["Stripe-Version"] = version
        if status == 429:
            response.headers["Stripe-Should-Retry"] = "true"
        return response

    def _second(self) -> int:
        return int(self.clock.now().timestamp())

    def _answer(self, request: Request, version: str) -> Json:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if key not in KEYS:
            raise Refusal(401, f"Invalid API Key provided: {key[:8]}********")
        if re.fullmatch(r"20\d\d-\d\d-\d\d(\.[a-z]+)?", version) is None:
            raise Refusal(400, f"Invalid Stripe API version: {version}")
        self._count()
        parts = request.path.strip("/").split("/")
        if parts[0] != "v1" or request.method != "GET" or not 2 <= len(parts) <= 3:
            raise Refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")
        renderer = Renderer(self.books, self._second(), version, live=key != TEST_KEY)
        if parts[1:] == ["account"]:
            return self._account(key)
        if parts[1] not in RIGHTS:
            raise Refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")
        self._may(key, parts[1])
        asked = Asked(request)
        body = self._one(renderer, *parts[1:]) if len(parts) == 3 else self._list(renderer, parts[1], asked, request)
        return Expander(renderer, lambda right: self._may(key, right)).expand(body, asked.expand)

    def _count(self) -> None:
        now = self.clock.monotonic()
        while self._recent and now - self._recent[0] >= 1:
            self._recent.popleft()
        if len(self._recent) >= self.options.per_second:
            raise Refusal(429, "Request rate limit exceeded.", code="rate_limit")
        self._recent.append(now)

    def _account(self, key: str) -> Json:
        if key != SECRET_KEY:
            raise Refusal(403, _no_right(key, "accounts_kyc_basic"), code="more_permissions_required")
        shown = {"dashboard": {"display_name": "Holdfast Sandbox", "timezone": "America/New_York"}}
        return {"id": STRIPE_ACCOUNT, "object": "account", "settings": shown}

    def _may(self, key: str, what: str) -> None:
        if key != SECRET_KEY and what in self.closed:
            raise Refusal(403, _no_right(key, RIGHTS[what]), code="more_permissions_required")

    def _one(self, renderer: Renderer, kind: str, number: str) -> Json:
        known = kind not in PREFIXES or self.books.made(kind, number, renderer.at)
        found = renderer.one(number) if known else None
        if found is None or kind == "events":
            raise missing(kind.rstrip("s"), number, "id")
        return found

    def _list(self, renderer: Renderer, kind: str, asked: Asked, request: Request) -> Json:
        url = f"/v1/{kind}"
        if kind == "events":
            return self._events(renderer, asked, request)
        if kind == "subscription_items":
            items = {item["id"]: item for item in renderer.items(asked.text("subscription") or "")}
            return asked.page(url, _behind(items, asked), lambda number: dict(items[number]))
        if kind in {"prices", "coupons"}:
            numbers = self.books.tags if kind == "prices" else self.books.rebates
            return asked.page(url, _behind(numbers, asked), renderer.one)
        if kind not in PREFIXES:
            raise Refusal(404, f"Unrecognized request URL (GET: {url}).")
        asked.only(FILTERS[kind])
        after = asked.text("starting_after")
        if after is not None and not self.books.exists(kind, after, renderer.at):
            raise missing(kind[:-1], after, "starting_after", 400)
        customer = asked.text("customer")
        if customer is not None and not self.books.exists("customers", customer, renderer.at):
            raise missing("customer", customer, "customer", 400)
        chosen = self._wanted(kind, asked, request, renderer)
        return asked.page(url, self.books.newest_first(kind, renderer.at, after), chosen)

    def _wanted(self, kind: str, asked: Asked, request: Request, renderer: Renderer) -> Any:
        """Renders what the filters let through; of the rest None."""
        first, last = _range(request)
        customer, status = asked.text("customer"), asked.text("status")

        def render(number: str) -> Json | None:
            row = renderer.one(number)
            if row is None or not first <= row["created"] < last or (customer and row["customer"] != customer):
                return None
            if kind == "subscriptions" and status is None:
                return None if row["status"] == "canceled" else row  # ended ones come only when asked for
            return row if status in {None, "all", row.get("status")} else None

        return render

    def _events(self, renderer: Renderer, asked: Asked, request: Request) -> Json:
        asked.only(("created", "type", "types"))
        types = asked.many("types")
        if len(types) > TYPES_MOST:
            raise Refusal(400, f"Too many types: at most {TYPES_MOST}.", param="types")
        first, last = _range(request)
        found = {
            one.number: one
            for one in self.events.visible(renderer.at)
            if first <= one.second < last and (not types or one.type in types)
        }
        return asked.page(
            "/v1/events",
            _behind(found, asked),
            lambda number: self.events.render(found[number], live=renderer.live),
        )


def _range(request: Request) -> tuple[int, int]:
    """The range of `created`, the end apart."""
    args = request.args
    return args.get("created[gte]", 0, int), args.get("created[lt]", 1 << 40, int)


def _behind(numbers: Iterable[str], asked: Asked) -> list[str]:
    """The ids behind the one that the page before ended with."""
    known, after = list(numbers), asked.text("starting_after")
    if after is None:
        return known
    if after not in known:
        raise missing("object", after, "starting_after", 400)
    return known[known.index(after) + 1 :]


def _no_right(key: str, right: str) -> str:
    return (
        f"The provided key '{key[:8]}*********' does not have the required permissions for this endpoint on account "
        f"'{STRIPE_ACCOUNT}'. Having the 'rak_{right}_read' permission would allow this request to continue."
    )


__all__ = ["StripeOptions", "StripeVendor", "coupon_id", "stripe_id"]
