"""Who may call, and how often: tokens, scopes, OAuth, rate limits."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.core import HUBSPOT_TOKEN
from sandbox.hubspot_errors import (
    ApiError,
    auth_expired,
    auth_missing,
    edge_refusal,
    missing_scopes,
    rate_limited,
    validation,
)
from sandbox.hubspot_paths import READING_POSTS
from sandbox.hubspot_portal import Options, kind_of
from sandbox.hubspot_types import OBJECTS

OAUTH_LIFE_MS = 1_800_000
OAUTH_CLIENT = "sandbox-client"
OAUTH_SECRET = "sandbox-client-secret"  # noqa: S105 - made up, opens only the sandbox
OAUTH_REFRESH = "sandbox-refresh-token"
BURST_MS = 10_000
SEARCH_MS = 1_000

ALL_SCOPES = frozenset(
    {kind.read_scope for kind in OBJECTS.values()}
    | {kind.write_scope for kind in OBJECTS.values() if kind.write_scope}
    | {f"crm.schemas.{name}.{right}" for name in ("contacts", "companies", "deals") for right in ("read", "write")}
    | {"crm.objects.owners.read", "oauth"}
)


@dataclass(slots=True)
class Token:
    """An access token; `expires` in epoch milliseconds, None for a static one."""

    text: str
    scopes: frozenset[str]
    expires: int | None = None
    refresh: str = ""

    @property
    def oauth(self) -> bool:
        """Whether it came from the OAuth endpoint."""
        return self.expires is not None


class Access:
    """Tokens and what they may do. Times are epoch milliseconds.

    Args:
        tokens: Static tokens and their scopes; by default the sandbox's one token with all of them.
    """

    def __init__(self, tokens: Mapping[str, Iterable[str]] | None = None) -> None:
        given = {HUBSPOT_TOKEN: ALL_SCOPES} if tokens is None else tokens
        self.tokens = {text: Token(text, frozenset(scopes)) for text, scopes in given.items()}
        self.refresh_tokens: dict[str, frozenset[str]] = {OAUTH_REFRESH: ALL_SCOPES}
        self._minted = 0

    def authenticate(self, header: str, now: int, options: Options) -> Token:
        """The token of an Authorization header. Raises 401, or 530 for what the edge does not take for a token."""
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise auth_missing()
        token = self.tokens.get(text)
        if token is None:
            plain = text.isascii() and all(c.isalnum() or c in "-_." for c in text)
            raise edge_refusal() if options.edge_530 and not plain else auth_missing()
        if token.expires is not None and now >= token.expires:
            raise auth_expired(token.expires, now)
        return token

    @staticmethod
    def authorize(token: Token, operation: str, params: Mapping[str, str]) -> None:
        """Raises 403 unless the token has one of the scopes that the operation needs."""
        needed = scopes_for(operation, params)
        if needed and token.scopes.isdisjoint(needed):
            raise missing_scopes(needed)

    def mint(self, scopes: frozenset[str], refresh: str, now: int) -> Token:
        """A new OAuth token."""
        self._minted += 1
        token = Token(f"oauth-sandbox-{self._minted:06d}", scopes, now + OAUTH_LIFE_MS, refresh)
        self.tokens[token.text] = token
        return token

    def grant(self, form: Mapping[str, str], now: int, *, dated: bool) -> dict[str, Any]:
        """The token endpoint. Raises 400 in OAuth's own shape."""
        kind = form.get("grant_type", "")
        if form.get("client_id") != OAUTH_CLIENT or form.get("client_secret") != OAUTH_SECRET:
            raise ApiError(400, {"status": "BAD_CLIENT_ID", "message": "missing or unknown client id or secret"})
        refresh = form.get("refresh_token", "") if kind == "refresh_token" else OAUTH_REFRESH
        if kind not in {"refresh_token", "authorization_code"} and not (dated and kind == "client_credentials"):
            raise ApiError(400, {"status": "BAD_GRANT_TYPE", "message": f"unknown grant type {kind}"})
        if refresh not in self.refresh_tokens:
            raise ApiError(400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or unknown refresh token"})
        token = self.mint(self.refresh_tokens[refresh], refresh, now)
        return {
            "token_type": "bearer",
            "refresh_token": refresh,
            "access_token": token.text,
            "expires_in": OAUTH_LIFE_MS // 1000,
        }

    def describe(self, text: str, now: int, portal_id: int) -> dict[str, Any]:
        """What is known about an access or refresh token. Raises 404."""
        shared = {"hub_id": portal_id, "user_id": 1, "user": "admin@holdfast.example", "hub_domain": "holdfast.example"}
        if text in self.refresh_tokens:
            scopes = sorted(self.refresh_tokens[text])
            return {**shared, "token": text, "client_id": OAUTH_CLIENT, "token_type": "refresh", "scopes": scopes}
        token = self.tokens.get(text)
        if token is None or not token.oauth or (token.expires or 0) <= now:
            raise ApiError(404, {"status": "error", "message": "unknown token", "category": "OBJECT_NOT_FOUND"})
        left = ((token.expires or 0) - now) // 1000
        described = {"token": text, "app_id": 1, "token_type": "access", "expires_in": left}
        return {**shared, **described, "scopes": sorted(token.scopes)}

    def private_app(self, body: Any, portal_id: int) -> dict[str, Any]:
        """What is known about a static token, for whoever has it; no scope is needed, and no header.

        Raises 400 without `tokenKey`, and 401 for a token of another kind; HubSpot publishes no refusal of this call.
        """
        text = body.get("tokenKey") if isinstance(body, dict) else None
        if not isinstance(text, str):
            raise validation("Invalid input JSON on line 1, column 1: tokenKey is required")
        token = self.tokens.get(text)
        if token is None or token.oauth:
            raise auth_missing()
        return {"userId": 1, "hubId": portal_id, "appId": 1, "scopes": sorted(token.scopes)}


def scopes_for(operation: str, params: Mapping[str, str]) -> list[str]:
    """Scopes of which one is needed; empty when any token will do."""
    area, _, verb = operation.partition(".")
    if area in {"objects", "batch", "links"}:
        kind = OBJECTS[kind_of(params["kind"])]
        reading = operation in READING_POSTS or verb in {"list", "get", "labels"}
        return [kind.read_scope if reading or kind.write_scope is None else kind.write_scope]
    if area in {"properties", "groups"}:
        return _schema_scopes(kind_of(params["kind"]), reading=verb in {"list", "get", "batch_read"})
    if area == "owners":
        return ["crm.objects.owners.read"]
    if area == "pipelines":
        return [OBJECTS[kind_of(params["kind"])].read_scope]
    return []


def _schema_scopes(kind: str, *, reading: bool) -> list[str]:
    named = kind if kind in {"contacts", "companies", "deals"} else "contacts"
    if kind == "tickets":
        return ["tickets"]
    if reading:
        return [f"crm.schemas.{named}.read", OBJECTS[kind].read_scope]
    return [f"crm.schemas.{named}.write"]


class Limits:
    """Counts calls: per token over rolling 10 s, searches per second and account, all per account-local day."""

    def __init__(self) -> None:
        self._burst: dict[str, deque[int]] = {}
        self._searches: deque[int] = deque()
        self._day = ""
        self.today = 0

    def count(self, token: Token, now: int, options: Options, *, search: bool) -> dict[str, str]:
        """Count one call and give its rate headers; none on searches. Raises 429."""
        limit = options.oauth_burst_limit if token.oauth else options.burst_limit
        calls = self._searches if search else self._burst.setdefault(token.text, deque())
        window, most = (SEARCH_MS, options.search_limit) if search else (BURST_MS, limit)
        while calls and not now - window < calls[0] <= now:
            calls.popleft()
        left = self._daily(now, options) if not token.oauth else None
        if left is not None and left <= 0:
            wait = self.midnight(now, options) - now
            raise rate_limited("DAILY", options.portal_id, -(-wait // 1000) if options.retry_after else None)
        if most is not None and len(calls) >= most:
            policy = "SECONDLY" if search else "TEN_SECONDLY_ROLLING"
            raise rate_limited(policy, options.portal_id, window // 1000 if options.retry_after else None)
        calls.append(now)
        self.today += 0 if token.oauth else 1
        return {} if search else self._headers(limit, len(calls), None if left is None else left - 1, options)

    def _daily(self, now: int, options: Options) -> int | None:
        """Calls left today, None without a limit; the count starts anew at the account's midnight."""
        day = _local(now, options).date().isoformat()
        if day != self._day:
            self._day, self.today = day, 0
        return None if options.daily_limit is None else options.daily_limit - self.today

    def use(self, calls: int, now: int, options: Options) -> None:
        """Set how many calls were made today."""
        self._daily(now, options)
        self.today = calls

    @staticmethod
    def midnight(now: int, options: Options) -> int:
        """The account's next midnight; days of 23 and 25 hours are told apart."""
        local = _local(now, options)
        next_day = (local + timedelta(days=1)).date()
        start = datetime(next_day.year, next_day.month, next_day.day, tzinfo=ZoneInfo(options.time_zone))
        return round(start.timestamp() * 1000)

    @staticmethod
    def _headers(limit: int | None, used: int, left: int | None, options: Options) -> dict[str, str]:
        headers: dict[str, str] = {}
        if limit is not None:
            headers = {
                "X-HubSpot-RateLimit-Interval-Milliseconds": str(BURST_MS),
                "X-HubSpot-RateLimit-Max": str(limit),
                "X-HubSpot-RateLimit-Remaining": str(max(0, limit - used)),
                "X-HubSpot-RateLimit-Secondly": str(limit // 10),
                "X-HubSpot-RateLimit-Secondly-Remaining": str(max(0, limit // 10 - 1)),
            }
        if left is not None:
            headers["X-HubSpot-RateLimit-Daily"] = str(options.daily_limit)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(left)
        return headers


def _local(now: int, options: Options) -> datetime:
    return datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(options.time_zone))
