"""Zendesk Support, simulated: exports, lists, both satisfaction systems, limits and refusals of one account.

Its manners are those described by the vendor and seen by other integrations: the export cursor is base64 of
"second.0||id|", the time form repeats its last second for ever, `users/me` answers 200 to anybody. Credentials are in
`sandbox.core`; `agent@holdfast.example` with the same token is an agent without admin rights, and the bearer token
`zd-sandbox-oauth` stands for OAuth. Every path works with and without ".json".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.core import ZENDESK_EMAIL, ZENDESK_TOKEN, SandboxClock, Vendor
from sandbox.model import Person, World
from sandbox.zendesk_csat import Satisfaction
from sandbox.zendesk_desk import Desk, Staff, org_id, user_id
from sandbox.zendesk_export import ExportOptions, Exports
from sandbox.zendesk_http import (
    Call,
    Handler,
    Refusal,
    Role,
    Window,
    answer,
    as_guide,
    base_address,
    forbidden,
    not_found,
    refuse,
    unauthenticated,
)
from sandbox.zendesk_lists import Lists
from sandbox.zendesk_people import People
from sandbox.zendesk_render import Json, Renderer

OAUTH_TOKEN = "zd-sandbox-oauth"  # noqa: S105 - made up, opens only the sandbox

OAUTH_WIDE = "zd-sandbox-oauth-wide"
"""A token that may do more than read."""
OAUTH_SCOPES = {OAUTH_TOKEN: ("read",), OAUTH_WIDE: ("read", "write", "impersonate")}

ANONYMOUS: Json = {
    "id": None,
    "url": None,
    "name": "Anonymous user",
    "email": "invalid@example.com",
    "created_at": None,
    "updated_at": None,
    "time_zone": "UTC",
    "iana_time_zone": "Etc/UTC",
    "locale": "en-US",
    "organization_id": None,
    "role": "end-user",
    "verified": False,
    "active": True,
    "tags": [],
    "user_fields": {},
}


@dataclass(frozen=True, slots=True)
class ZendeskOptions:
    """What differs between Zendesk accounts.

    Attributes:
        csat: Which satisfaction system the account runs: "survey" (the newer) or "legacy".
        inactive_csat: How the other one answers: "forbidden" or "empty".
        account_per_minute: The plan's limit for all requests (200, 400, 700 or 2500).
        export_per_minute: Limit for incremental exports (10; 30 with the add-on).
        too_recent: How near to now a `start_time` may not be, in seconds (60; 300 in older accounts).
        empty_every: Every so many cursor pages an empty one is put in mid-stream; 0 for never.
        merged_share: One in so many users has an inactive twin that was merged into it; 0 for none.
        crm: Whose account ids stand in organizations: "hubspot" or "salesforce".
    """

    csat: str = "survey"
    inactive_csat: str = "forbidden"
    account_per_minute: int = 700
    export_per_minute: int = 10
    too_recent: int = 60
    empty_every: int = 0
    merged_share: int = 200
    crm: str = "hubspot"

    def __post_init__(self) -> None:
        if self.csat not in ("survey", "legacy"):
            raise ValueError(f"csat is survey or legacy, got {self.csat!r}")
        if self.inactive_csat not in ("forbidden", "empty"):
            raise ValueError(f"inactive_csat is forbidden or empty, got {self.inactive_csat!r}")


class ZendeskVendor(Vendor):
    """One Zendesk account.

    Args:
        world: What is true.
        clock: The sandbox's time.
        options: See `ZendeskOptions`.
    """

    name = "zendesk"

    def __init__(self, world: World, clock: SandboxClock, **options: Any) -> None:
        super().__init__(world, clock)
        chosen = ZendeskOptions(**options)
        self._given = options
        self._copy: ZendeskVendor | None = None
        self.desk = Desk(world, int(clock.now().timestamp()), chosen.merged_share, chosen.crm)
        self.people = People(self.desk)
        self.account_window = Window(chosen.account_per_minute)
        self.export_window = Window(chosen.export_per_minute)
        exports = Exports(self.desk, ExportOptions(too_recent=chosen.too_recent, empty_every=chosen.empty_every))
        admins = {**exports.routes(), **Satisfaction(self.desk, chosen.csat, chosen.inactive_csat).routes()}
        self._routes = [(re.compile(p), h, True) for p, h in admins.items()]
        self._routes += [(re.compile(p), h, False) for p, h in Lists(self.desk).routes().items()]

    def tick(self, now: datetime) -> None:
        """Let the world go on."""
        second = int(now.timestamp())
        self.desk.advance(second)
        self.people.advance(second)

    def as_of(self, then: datetime) -> Vendor:
        """An account that was opened at the earlier instant: its logs of changes only go forward."""
        if self._copy is None or self._copy.desk.now > then.timestamp():
            self._copy = ZendeskVendor(self.world, SandboxClock(then), **self._given)
        return self._copy

    def is_write(self, method: str, path: str) -> bool:  # noqa: ARG002 - Zendesk reads are all GETs
        """Everything but GET and HEAD."""
        return method not in ("GET", "HEAD", "OPTIONS")

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what a person would do; see `People`."""
        chosen = self.people.actions.get(action)
        if chosen is None:
            raise ValueError(f"zendesk has no action {action!r}; known: {', '.join(sorted(self.people.actions))}")
        return chosen(args)

    def truth(self) -> dict[str, dict[str, int]]:
        """Organizations and active end users that exist now -> world ids of companies and people."""
        desk = self.desk
        orgs = {str(org_id(i)): c.id for i, c in enumerate(desk.companies) if desk.org_log.stamp(i)}
        users = {
            str(user_id(i)): u.duplicate_of or u.id
            for i, u in enumerate(desk.users)
            if isinstance(u, Person) and u.kind != "staff" and desk.user_log.stamp(i) and self._active(i)
        }
        return {"account": orgs, "contact": users}

    def _active(self, index: int) -> bool:
        return self.desk.edits.users.get(index, {}).get("active") is not False

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        path = request.path.strip("/").removesuffix(".json")
        try:
            response = answer(self._dispatch(request, path))
        except Refusal as refusal:
            shown = as_guide(refusal) if path.startswith("api/v2/guide/") and "error" in refusal.body else refusal
            response = answer(shown.body, shown.status)
            response.headers.update(shown.headers)
        self._put_limits(response, path)
        return response

    def _put_limits(self, response: Response, path: str) -> None:
        window, now = self.account_window, self.clock.now()
        response.headers["x-rate-limit"] = str(window.limit)
        response.headers["x-rate-limit-remaining"] = str(window.remaining)
        narrow = self.export_window if path.startswith("api/v2/incremental/") else window
        response.headers["ratelimit-limit"] = str(narrow.limit)
        response.headers["ratelimit-remaining"] = str(narrow.remaining)
        response.headers["ratelimit-reset"] = str(narrow.reset(now))

    def _dispatch(self, request: Request, path: str) -> Json:
        self._count(self.account_window, "Number of allowed API requests per minute exceeded")
        if not path.startswith("api/v2/"):
            raise not_found()
        who = self._identity(request)
        role: Role = "anonymous" if who is None else "admin" if self._is_admin(who) else "agent"
        call = Call(request, base_address(request), path.removeprefix("api/v2/"), self.desk.now, role)
        if call.path == "users/me":
            return {"user": ANONYMOUS if who is None else Renderer(self.desk, call.base).user(who)}
        if role == "anonymous":
            raise unauthenticated()
        if call.path == "oauth/tokens/current":
            return {"token": _shown(request, call)}
        return self._route(call)

    def _route(self, call: Call) -> Json:
        for pattern, handler, admins_only in self._routes:
            match = pattern.fullmatch(call.path)
            if match is not None:
                if call.request.method not in ("GET", "HEAD"):
                    raise refuse(405, "MethodNotAllowed", "The sandbox's Zendesk is read-only")
                return self._run(call, handler, match, admins_only=admins_only)
        raise not_found()

    def _run(self, call: Call, handler: Handler, match: re.Match[str], *, admins_only: bool) -> Json:
        if admins_only and call.role != "admin":
            raise forbidden()
        if call.path.startswith("incremental/"):
            self._count(self.export_window, "Number of allowed incremental export API requests per minute exceeded")
        return handler(call, match.groups())

    def _count(self, window: Window, message: str) -> None:
        wait = window.take(self.clock.now())
        if wait is not None:
            raise Refusal(429, {"error": "APIRateLimitExceeded", "description": message}, {"Retry-After": str(wait)})

    def _identity(self, request: Request) -> int | None:
        """Index of the member of staff whose credentials these are."""
        auth = request.authorization
        if auth is None:
            return None
        if auth.type == "bearer":
            return 0 if auth.token in OAUTH_SCOPES else None
        email, _, kind = (auth.username or "").partition("/")
        if auth.type != "basic" or kind != "token" or auth.password != ZENDESK_TOKEN:
            return None
        emails = [s.email.casefold() for s in self.desk.staff if s.active]
        return emails.index(email.casefold()) if email.casefold() in emails else None

    def _is_admin(self, index: int) -> bool:
        who = self.desk.users[index]
        return isinstance(who, Staff) and who.email == ZENDESK_EMAIL


def _shown(request: Request, call: Call) -> Json:
    """The OAuth token that a request carries, with the first ten of its characters. Raises 404 where there is none."""
    auth = request.authorization
    text = auth.token if auth is not None and auth.type == "bearer" else None
    if text is None:
        raise not_found()
    return {
        "client_id": 41,
        "created_at": "2026-01-05T09:00:00Z",
        "expires_at": None,
        "id": 1 + list(OAUTH_SCOPES).index(text),
        "refresh_token": None,
        "refresh_token_expires_at": None,
        "scopes": list(OAUTH_SCOPES[text]),
        "token": text[:10],
        "url": f"{call.base}/oauth/tokens/1.json",
        "used_at": None,
        "user_id": 1,
    }
