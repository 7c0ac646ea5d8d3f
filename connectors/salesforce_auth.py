"""Logging in to Salesforce: which ways there are, and getting a session by one of them.

Facts, from Salesforce's public documents and simple-salesforce 1.12: a token's life is not stated, its end is a 401;
client credentials need the org's own My Domain; a JWT names login.salesforce.com or test.salesforce.com as its audience
and must not be more than 3 minutes ahead; the SOAP login is off in orgs made since Winter '26, missing from API 65.0 on
and retires in Summer '27. The library builds addresses of the form https://DOMAIN.salesforce.com only; whatever it
sends goes through `Http` to the configured address instead, so that nothing leaves that origin.
"""

import html
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from connectors.base import Clock
from connectors.errors import ConfigError, ConnectorError, CredentialsError, ShapeError, TransientError
from connectors.http import Http, Rule
from connectors.origin import is_loopback
from connectors.redact import REDACTOR
from connectors.salesforce_settings import Keys

HOSTS = ("salesforce.com", "salesforce.mil", "sfcrmproducts.cn")
JWT_LIFE = timedelta(minutes=3)
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
REFUSALS = (400, 401, 403)
RUN_AS = (
    "Check consumer_key, consumer_secret and, in the app's policies, the run-as user of the client credentials flow."
)

LOGIN_RULES: tuple[Rule, ...] = (
    Rule(
        REFUSALS,
        CredentialsError,
        "invalid_grant",
        harmless=True,
        advice="Check the app's run-as user, the user name and its right to the app; for a JWT also its certificate and"
        " this machine's clock.",
    ),
    Rule(REFUSALS, CredentialsError, "invalid_client", harmless=True, advice=RUN_AS),
    Rule(REFUSALS, CredentialsError, "invalid_client_id", harmless=True, advice=RUN_AS),
    Rule(REFUSALS, CredentialsError, "inactive_user", harmless=True, advice="Activate the user, or log in as another."),
    Rule(REFUSALS, CredentialsError, "inactive_org", harmless=True, advice="The org is locked or gone; check domain."),
    Rule(
        REFUSALS,
        CredentialsError,
        "unauthorized_client",
        harmless=True,
        advice="Allow this way of logging in in the app's settings.",
    ),
    Rule(
        REFUSALS,
        CredentialsError,
        "invalid_app_access",
        harmless=True,
        advice="Let an administrator approve the app for this user.",
    ),
    Rule(
        REFUSALS,
        CredentialsError,
        "unsupported_grant_type",
        harmless=True,
        advice="The org does not allow this way of logging in; use client credentials or a JWT.",
    ),
    Rule(
        REFUSALS,
        CredentialsError,
        "app_blocked",
        harmless=True,
        advice="The app is blocked or not installed in this org: install it, or make an external client app.",
    ),
    Rule(REFUSALS, CredentialsError, harmless=True, advice="Check the credentials in the config."),
)
"""From RFC 6749 and Salesforce's list of OAuth 2.0 error codes."""

SOAP_ADVICE: Mapping[str, str] = {
    "INVALID_LOGIN": "Check username, password and security_token; too many tries lock the user.",
    "INVALID_OPERATION": "SOAP login is switched off in this org; use client credentials or a JWT.",
    "LOGIN_MUST_USE_SECURITY_TOKEN": "Set security_token, or trust this machine's address in the org.",
    "API_CURRENTLY_DISABLED": "Give the user the permission 'API Enabled'.",
    "API_DISABLED_FOR_ORG": "The org's edition has no API access.",
    "UNSUPPORTED_API_VERSION": "SOAP login ends with version 64.0; set api_version to it, or log in by OAuth.",
}
"""SOAP fault code -> what to do."""


class Login:
    """Gets sessions, one for each call of `headers`.

    Args:
        name: The source's name in messages.
        base_url: Where the org is.
        version: API version, for the SOAP login.
        keys: What to log in with.
        clock: Time and sleep.
        adapter: A transport in place of the network.

    Attributes:
        http: The session that only ever logs in; it carries no token.
        user_id: Id of the user that we are; None before the first log-in, and with a session made elsewhere.
        org_id: Id of the org, likewise.
    """

    def __init__(
        self, name: str, base_url: str, version: str, keys: Keys, *, clock: Clock, adapter: BaseAdapter | None
    ) -> None:
        self.keys = keys
        self.clock = clock
        self.version = version
        self.user_id: str | None = None
        self.org_id: str | None = None
        self.http = Http(
            name,
            base_url,
            clock=clock,
            auth={},
            secrets=keys.secrets,
            rules=LOGIN_RULES,
            adapter=adapter,
            hosts=HOSTS,
            timeout=(5.0, 30.0),
            deadline=120.0,
        )

    def headers(self) -> dict[str, str]:
        """Log in and give the header that carries the session.

        Raises:
            CredentialsError: Salesforce does not let us in, or the given session has ended.
            ConfigError: The session belongs to another org than the one configured.
            ShapeError: The answer holds no session.
        """
        if self.keys.way == "session":
            raise CredentialsError(
                "the session in session_id has ended.",
                vendor=self.http.vendor,
                code="INVALID_SESSION_ID",
                advice="Put in a new one, or set consumer_key and consumer_secret, which renew themselves.",
            )
        session = LibrarySession(self.http, accept=(500,) if self.keys.way == "soap" else ())
        token, instance = self._log_in(session)
        REDACTOR.add([token])
        self._check_host(instance)
        self.identify(session.answer.get("id"))
        return {"Authorization": f"Bearer {token}"}

    def identify(self, url: object) -> None:
        """Learn who we are from an identity URL, which ends with /id/ORG/USER."""
        found = re.search(r"/id/(00D\w{12,15})/(005\w{12,15})$", str(url))
        if found:
            self.org_id, self.user_id = found.groups()

    def _log_in(self, session: "LibrarySession") -> tuple[str, str]:
        from simple_salesforce.exceptions import SalesforceAuthenticationFailed

        try:
            token, instance = self._by_library(session)
        except ConnectorError:
            raise
        except SalesforceAuthenticationFailed as error:
            raise self._refused(str(error.code), error.auth_message) from None
        except Exception as error:  # noqa: BLE001 - what the library raises over a strange body or key has no family
            raise self._odd(error) from None
        if not isinstance(token, str) or not token:
            raise ShapeError("the log-in answered without a session.", vendor=self.http.vendor)
        return token, str(instance)

    def _by_library(self, session: "LibrarySession") -> Any:
        from simple_salesforce.login import SalesforceLogin

        keys = self.keys
        common: dict[str, Any] = {"session": session, "domain": keys.domain, "sf_version": self.version}
        if keys.way == "jwt":
            return self._by_jwt(session)
        if keys.way == "client_credentials":
            return SalesforceLogin(consumer_key=keys.consumer_key, consumer_secret=keys.consumer_secret, **common)
        if keys.way == "password":
            return SalesforceLogin(
                username=keys.username,
                password=keys.password + keys.security_token,
                consumer_key=keys.consumer_key,
                consumer_secret=keys.consumer_secret,
                **common,
            )
        return SalesforceLogin(
            username=keys.username, password=keys.password, security_token=keys.security_token, **common
        )

    def _by_jwt(self, session: "LibrarySession") -> Any:
        """The library would take the time from the machine; this takes it from our clock."""
        import jwt
        from simple_salesforce.login import token_login

        keys = self.keys
        claims = {
            "iss": keys.consumer_key,
            "sub": keys.username,
            "aud": keys.audience,
            "exp": int((self.clock.now() + JWT_LIFE).timestamp()),
        }
        try:
            assertion = jwt.encode(claims, keys.private_key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ConfigError(
                "private_key is not an RSA private key in PEM form.", vendor=self.http.vendor, advice="Check the file."
            ) from None
        REDACTOR.add([assertion])
        data = {"grant_type": JWT_GRANT, "assertion": assertion}
        url = f"https://{keys.domain}.salesforce.com/services/oauth2/token"
        return token_login(url, data, keys.domain, keys.consumer_key, None, None, session)

    def _refused(self, code: str, told: str) -> ConnectorError:
        """What a refusal that the library has read means; only the SOAP log-in gets here."""
        if code.startswith("5"):
            return TransientError(f"the log-in answered {code}.", vendor=self.http.vendor, status=500)
        code = code.rpartition(":")[2]
        # The library cuts the text out of XML as it stands there; a secret in it would look different.
        text = REDACTOR.text(" ".join(html.unescape(told).split()))[:300].rstrip(".")
        advice = SOAP_ADVICE.get(code, "Check username, password and security_token.")
        return CredentialsError(f"log-in refused: {text}.", vendor=self.http.vendor, code=code, advice=advice)

    def _odd(self, error: Exception) -> ShapeError:
        kind = type(error).__name__
        return ShapeError(f"the log-in answered without a session ({kind}).", vendor=self.http.vendor)

    def _check_host(self, instance: str) -> None:
        """The session must belong to the org that we were told to speak to: tokens are sent nowhere else."""
        host = urlsplit(f"https://{instance}").hostname or ""
        ours = urlsplit(self.http.base_url).hostname or ""
        if host.lower() == ours.lower() or is_loopback(ours):
            return
        domain = host.removesuffix(".salesforce.com")
        raise ConfigError(
            f"the org that let us in is at {host}, not at {ours}.",
            vendor=self.http.vendor,
            advice=f'Set domain = "{domain}".' if domain != host else f'Set base_url = "https://{host}".',
        )


class LibrarySession(requests.Session):
    """What simple-salesforce takes for its session.

    The library can only build https addresses without a path in front. So the path goes to `Http`, which knows where
    the org really answers and which token is the newest, and the answer comes back.

    Args:
        http: The session to send by.
        accept: Refusals that the library is to read for itself.

    Attributes:
        purpose: What its requests are counted under.
        answer: The parsed body of the last answer, when it was a JSON object.
    """

    def __init__(self, http: Http, accept: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.http = http
        self.accept = accept
        self.answer: Mapping[str, Any] = {}

    @property
    def purpose(self) -> str:
        """What its requests are counted under."""
        return "login"

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Pass a call on; the library's token, proxies and time-out are not taken over."""
        given = dict(kwargs.get("headers") or {})
        if str(given.get("Authorization", "")).startswith("Bearer "):
            del given["Authorization"]
        parts = urlsplit(str(url))
        response = self.http.request(
            str(method),
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            params=kwargs.get("params"),
            data=kwargs.get("data", args[1] if len(args) > 1 else None),
            json=kwargs.get("json"),
            headers=given,
            purpose=self.purpose,
            repeatable=self.purpose == "login" or None,
            accept=self.accept,
        )
        if response.headers.get("Content-Type", "").startswith("application/json"):
            body = response.json()
            self.answer = body if isinstance(body, dict) else {}
        return response
