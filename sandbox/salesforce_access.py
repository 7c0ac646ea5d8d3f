"""Who may call, and how often: the OAuth token endpoint, SOAP login, sessions, the org's calls of the last 24 hours."""

import base64
import hashlib
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request

from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET
from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER, ORGANIZATION
from sandbox.salesforce_errors import (
    api_currently_disabled,
    api_disabled_for_org,
    concurrent_limit,
    daily_limit,
    oauth_error,
    session_invalid,
    session_not_for_rest,
    soap_fault,
)
from sandbox.salesforce_org import Org

DAY_MS = 86_400_000
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PASSWORD = "sandbox-password"  # noqa: S105 - made up, opens only the sandbox
SECURITY_TOKEN = "sandboxtoken"  # noqa: S105 - made up, opens only the sandbox
REFRESH_TOKEN = "5Aep861sandbox.refresh"  # noqa: S105 - made up, opens only the sandbox
JWT_SKEW_S = 180
"""How far ahead an assertion's end may lie, and by how much the two clocks may differ."""


@dataclass(slots=True)
class Session:
    """A session: whose it is, and when it was last used (epoch milliseconds)."""

    user: str
    used: int
    bad: bool = False


class Access:
    """Sessions, logins and the count of calls.

    Args:
        org: Whose.

    Attributes:
        sessions: Token -> session.
        refresh_tokens: Refresh token -> user id.
        keys: User id -> public keys (PEM) that may sign for them.
        passwords: User id -> password and security token.
    """

    def __init__(self, org: Org) -> None:
        self.org = org
        self.sessions: dict[str, Session] = {}
        self.refresh_tokens = {REFRESH_TOKEN: INTEGRATION_USER}
        self.keys: dict[str, list[str]] = {}
        self.passwords = dict.fromkeys((INTEGRATION_USER, ADMINISTRATOR), (PASSWORD, SECURITY_TOKEN))
        self.calls = Calls()
        self._minted = 0

    # ---- sessions ----------------------------------------------------------------------------------------------------

    def mint(self, user: str) -> str:
        """A new session of a user; its token."""
        self._minted += 1
        secret = hashlib.sha256(f"{self.org.world.seed}/{self._minted}".encode()).hexdigest()
        token = f"{ORGANIZATION[:15]}!AQ{secret[:40]}"
        self.sessions[token] = Session(user, self.org.now, bad=self.org.options.bad_new_tokens)
        return token

    def authenticate(self, header: str) -> str:
        """The calling user's id. Raises 401 for a missing, unknown or expired token, 403 for a user without API."""
        scheme, _, token = header.partition(" ")
        options, now = self.org.options, self.org.now
        session = self.sessions.get(token.strip()) if scheme.lower() in {"bearer", "oauth"} else None
        if session is None or session.bad or now - session.used >= options.session_minutes * 60_000:
            raise session_invalid()
        if options.rest_refused:
            raise session_not_for_rest()
        if not self.org.active(session.user):
            raise session_invalid()
        session.used = now
        return session.user

    def admit(self, user: str, cost: int) -> None:
        """Count a call. Raises 403 when the API is switched off, too much is under way, or the day's calls are gone."""
        options = self.org.options
        if options.api_disabled == "org":
            raise api_disabled_for_org()
        if options.api_disabled == "user" or not self.org.may(user, "ApiEnabled"):
            raise api_currently_disabled()
        if options.concurrent_limit:
            raise concurrent_limit()
        if self.calls.used(self.org.now) >= options.api_limit:
            raise daily_limit()
        self.calls.add(self.org.now, cost)

    def expire_all(self) -> None:
        """Every session ends now."""
        self.sessions.clear()

    def revoke(self, token: str) -> None:
        """Refuse a session or refresh token from now on. Raises 400 for one that is not known."""
        if self.sessions.pop(token, None) is None and self.refresh_tokens.pop(token, None) is None:
            raise oauth_error("unsupported_token_type", "this token type is not supported")

    def usage(self) -> str:
        """The value of `Sforce-Limit-Info`."""
        options, now = self.org.options, self.org.now
        text = f"api-usage={self.calls.used(now)}/{options.api_limit}"
        if options.per_app:
            text += f"; per-app-api-usage={self.calls.own(now)}/{options.per_app_limit}(appName={options.per_app})"
        return text

    # ---- OAuth -------------------------------------------------------------------------------------------------------

    def grant(self, request: Request, root: str) -> dict[str, Any]:
        """The token endpoint. Raises 400 in OAuth's own shape."""
        form = request.form
        kind = form.get("grant_type", "")
        grants = {
            "client_credentials": self._client_credentials,
            "refresh_token": self._refresh,
            "password": self._password,
            JWT_GRANT: self._jwt,
        }
        if kind not in grants:
            raise oauth_error("unsupported_grant_type", "grant type not supported")
        user = grants[kind](form, _basic(request.headers.get("Authorization", "")))
        if not self.org.active(user):
            raise oauth_error("invalid_grant", "inactive user")
        return self._token(user, root)

    def _token(self, user: str, root: str) -> dict[str, Any]:
        instance = self.org.options.instance_url or root
        identity, issued = f"{root}/id/{ORGANIZATION}/{user}", str(self.org.now)
        signed = hashlib.sha256(f"{identity}{issued}{SALESFORCE_SECRET}".encode()).digest()
        return {
            "access_token": self.mint(user),
            "signature": base64.b64encode(signed).decode(),
            "scope": "api",
            "instance_url": instance,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued,
        }

    @staticmethod
    def _client(form: Mapping[str, str], basic: tuple[str, str]) -> None:
        """The app must be known, by form fields or by Basic authorization. Raises 400."""
        key = form.get("client_id") or basic[0]
        if key != SALESFORCE_KEY:
            raise oauth_error("invalid_client_id", "client identifier invalid")
        if (form.get("client_secret") or basic[1]) != SALESFORCE_SECRET:
            raise oauth_error("invalid_client", "invalid client credentials")

    def _client_credentials(self, form: Mapping[str, str], basic: tuple[str, str]) -> str:
        self._client(form, basic)
        if not self.org.options.run_as_user:
            raise oauth_error("invalid_grant", "no client credentials user enabled")
        return INTEGRATION_USER

    def _refresh(self, form: Mapping[str, str], basic: tuple[str, str]) -> str:
        self._client(form, basic)
        user = self.refresh_tokens.get(form.get("refresh_token", ""))
        if user is None:
            raise oauth_error("invalid_grant", "expired access/refresh token")
        return user

    def _password(self, form: Mapping[str, str], basic: tuple[str, str]) -> str:
        self._client(form, basic)
        user = self._known(form.get("username", ""), form.get("password", ""))
        if user is None or not self.org.options.password_flow:
            raise oauth_error("invalid_grant", "authentication failure")
        return user

    def _known(self, username: str, password: str) -> str | None:
        """The user whose password, with the security token behind it or not, this is."""
        user = self._named(username)
        word, token = self.passwords.get(user or "", ("", ""))
        return user if word and password in {word, word + token} else None

    def _named(self, username: str) -> str | None:
        users = self.org.tables["User"]
        rows = users.referring("Username", [username], self.org.now)
        return users.id_at(rows[0]) if rows else None

    def _jwt(self, form: Mapping[str, str], _basic: tuple[str, str]) -> str:
        """Check an RS256 assertion: app, user, audience, life and signature. Raises 400."""
        import jwt

        assertion = form.get("assertion", "")
        try:
            claims = jwt.decode(assertion, options={"verify_signature": False})
            header = jwt.get_unverified_header(assertion)
        except jwt.InvalidTokenError:
            raise oauth_error("invalid_grant", "invalid assertion") from None
        if claims.get("iss") != SALESFORCE_KEY:
            raise oauth_error("invalid_client_id", "client identifier invalid")
        user = self._named(str(claims.get("sub", "")))
        if user is None or user not in self.keys:
            raise oauth_error("invalid_grant", "user hasn't approved this consumer")
        if not self._audience(claims.get("aud")):
            raise oauth_error("invalid_grant", "audience is invalid")
        self._life(claims.get("exp"))
        if header.get("alg") != "RS256" or not any(_signed(assertion, key) for key in self.keys[user]):
            raise oauth_error("invalid_grant", "invalid assertion")
        return user

    def _audience(self, audience: Any) -> bool:
        """Whether an assertion is meant for Salesforce's login hosts or the instance's own address."""
        wanted = {"https://test.salesforce.com"} if self.org.options.is_sandbox else {"https://login.salesforce.com"}
        given = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
        hosts = [urlsplit(str(one)).hostname or "" for one in given]
        own = any(host.endswith(".my.salesforce.com") for host in hosts)
        return own or not wanted.isdisjoint(str(one).rstrip("/") for one in given)

    def _life(self, end: Any) -> None:
        """An assertion ends within three minutes, give or take the skew of clocks. Raises 400."""
        try:
            left = float(end) - self.org.now / 1000
        except (TypeError, ValueError):
            raise oauth_error("invalid_grant", "expired authorization code") from None
        if left <= 0:
            raise oauth_error("invalid_grant", "expired authorization code")
        if left > 2 * JWT_SKEW_S:
            raise oauth_error("invalid_grant", "expiration date is too far in the future")

    # ---- SOAP --------------------------------------------------------------------------------------------------------

    def soap_login(self, body: bytes, version: str, root: str) -> str:
        """SOAP login(): the answer's XML. Raises a 500 fault; there is no login() from version 65.0 on."""
        text = body.decode("utf-8", "replace")
        number = float(version) if re.fullmatch(r"\d+(\.0)?", version) else 0.0
        if number > 64:
            raise soap_fault("UNSUPPORTED_API_VERSION", f"login() is not available in API version {version}")
        if number < self.org.options.first_version:
            raise soap_fault("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
        if not self.org.options.soap_login:
            raise soap_fault("INVALID_OPERATION", "SOAP API login() is disabled by default in this org.")
        user = self._known(_element(text, "username"), _element(text, "password"))
        if user is None or not self.org.active(user):
            raise soap_fault("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
        url = f"{root}/services/Soap/u/{version}/{ORGANIZATION[:15]}"
        return (
            '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
            'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com">'
            "<soapenv:Body><loginResponse><result><passwordExpired>false</passwordExpired>"
            f"<sandbox>{str(self.org.options.is_sandbox).lower()}</sandbox><serverUrl>{url}</serverUrl><sessionId>{self.mint(user)}</sessionId><userId>{user}</userId>"
            f"<userInfo><organizationId>{ORGANIZATION}</organizationId><userId>{user}</userId></userInfo>"
            "</result></loginResponse></soapenv:Body></soapenv:Envelope>"
        )


class Calls:
    """Calls of the last 24 hours, those of other integrations included. Times are epoch milliseconds."""

    def __init__(self) -> None:
        self._rows: deque[tuple[int, int, bool]] = deque()
        self._total = self._own = 0

    def add(self, now: int, calls: int, *, own: bool = True) -> None:
        """Count calls; `own` ones are the app's, others belong to the org's other integrations."""
        self._rows.append((now, calls, own))
        self._total += calls
        self._own += calls if own else 0

    def _forget(self, now: int) -> None:
        while self._rows and self._rows[0][0] <= now - DAY_MS:
            _, calls, own = self._rows.popleft()
            self._total -= calls
            self._own -= calls if own else 0

    def used(self, now: int) -> int:
        """The whole org's calls."""
        self._forget(now)
        return self._total

    def own(self, now: int) -> int:
        """The app's own."""
        self._forget(now)
        return self._own


def _basic(header: str) -> tuple[str, str]:
    """Client id and secret of a Basic authorization; empty ones when there is none."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        key, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return key, secret


def _signed(assertion: str, key: str) -> bool:
    import jwt

    # Only the signature: the claims were checked by the sandbox's own clock.
    try:
        jwt.api_jws.decode(assertion, key, algorithms=["RS256"])
    except jwt.InvalidTokenError:
        return False
    return True


def _element(text: str, name: str) -> str:
    found = re.search(rf"<(?:\w+:)?{name}>(.*?)</(?:\w+:)?{name}>", text, re.DOTALL)
    if found is None:
        return ""
    plain = re.fullmatch(r"\s*<!\[CDATA\[(.*)\]\]>\s*", found.group(1), re.DOTALL)
    return plain.group(1) if plain else unescape(found.group(1))
