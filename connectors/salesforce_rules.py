"""What Salesforce's refusals mean, and how much of the org's budget is used.

Errors are lists of {message, errorCode, fields}; 403 means "no rights" as well as "no calls left", which only the code
tells, so the table goes by codes. All integrations of an org share one number of calls in 24 hours; every answer tells
it in the header Sforce-Limit-Info.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from connectors.base import Clock, Quota
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    QuotaError,
    RequestError,
    TransientError,
)
from connectors.http import Rule
from connectors.retry import vendor_codes
from connectors.salesforce_settings import API_VERSION

USAGE_LIFE = 900.0
"""Seconds after which the last word on the org's budget is too old to stop anything."""

ANY = range(300, 600)
DAY_LIMIT = "REQUEST_LIMIT_EXCEEDED"
TOO_MANY_AT_ONCE = "REQUEST_LIMIT_EXCEEDED:Concurrent"
NOT_FOR_REST = "INVALID_SESSION_ID:REST"
GRANT = "Give the run-as user the right in its permission set."

RULES: tuple[Rule, ...] = (
    Rule(
        ANY,
        CredentialsError,
        NOT_FOR_REST,
        harmless=True,
        advice="A new log-in would not help: the session must come from an app with the scope 'api'.",
    ),
    Rule(
        ANY,
        CredentialsError,
        "INVALID_SESSION_ID",
        harmless=True,
        refresh=True,
        advice="The session just made is refused: look at the user's and the app's session and IP policies.",
    ),
    Rule(ANY, CredentialsError, "INVALID_AUTH_HEADER", harmless=True, refresh=True),
    Rule(ANY, TransientError, TOO_MANY_AT_ONCE, retry=True, harmless=True),
    Rule(
        ANY,
        QuotaError,
        DAY_LIMIT,
        harmless=True,
        advice="The org's calls of the last 24 hours are used up; all integrations share them.",
    ),
    Rule(ANY, CredentialsError, "API_DISABLED_FOR_ORG", harmless=True, advice="The org's edition has no API access."),
    Rule(
        ANY,
        CredentialsError,
        "API_CURRENTLY_DISABLED",
        harmless=True,
        advice="Give the run-as user the permission 'API Enabled'.",
    ),
    Rule(ANY, ConfigError, "UNSUPPORTED_API_VERSION", harmless=True, advice=f'Set api_version = "{API_VERSION}".'),
    Rule(ANY, TransientError, "QUERY_TIMEOUT", retry=True, harmless=True, tries=2),
    Rule(ANY, CursorExpiredError, "INVALID_QUERY_LOCATOR", harmless=True),
    Rule(ANY, TransientError, "UNABLE_TO_LOCK_ROW", retry=True, harmless=True, tries=3),
    Rule(ANY, MissingPermissionError, "INSUFFICIENT_ACCESS", harmless=True, advice=GRANT),
    Rule(ANY, MissingPermissionError, "INSUFFICIENT_ACCESS_OR_READONLY", harmless=True, advice=GRANT),
    Rule(ANY, MissingPermissionError, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", harmless=True, advice=GRANT),
    Rule(
        ANY,
        MissingPermissionError,
        "INVALID_TYPE",
        harmless=True,
        advice="The object is not in this org, or the run-as user has no right to it.",
    ),
    Rule(
        ANY,
        MissingPermissionError,
        "INVALID_FIELD",
        harmless=True,
        advice="The field is not in this org, or field-level security hides it from the run-as user.",
    ),
    Rule((414, 431), RequestError, harmless=True, advice="The request names too many fields; shorten the field map."),
)
"""By Salesforce's error codes, whatever the status; the standard meanings follow."""


def error_codes(body: Any) -> tuple[str, ...]:
    """The codes in an error body, and before them finer ones for two codes that mean two things each.

    Which it is shows only in the message: which limit (its first word), and whether a new session would help.
    """
    fine = []
    for item in body if isinstance(body, list) else ():
        told = str(item.get("message")) if isinstance(item, dict) else ""
        code = item.get("errorCode") if isinstance(item, dict) else None
        if code == DAY_LIMIT and told.startswith("Concurrent"):
            fine.append(TOO_MANY_AT_ONCE)
        if code == "INVALID_SESSION_ID" and "REST API" in told:
            fine.append(NOT_FOR_REST)
    return (*fine, *vendor_codes(body))


def is_not_there(error: ConnectorError) -> bool:
    """Whether a refusal says that an object or field is missing or hidden; Salesforce does not tell the two apart."""
    return bool({"INVALID_TYPE", "INVALID_FIELD"} & set(vendor_codes(error.detail)))


class Usage:
    """The org's budget, as the headers tell it.

    Args:
        vendor: Its name in messages.
        clock: For how old the last word is.
        stop_at: Share of the budget from which on nothing is sent.

    Attributes:
        quota: The org's calls in any 24 hours.
        apps: App name -> (calls, its own limit), where Salesforce tells.
        stop_at: See above; 1 or more never stops anything.
    """

    def __init__(self, vendor: str, clock: Clock, stop_at: float) -> None:
        self.vendor = vendor
        self.clock = clock
        self.stop_at = stop_at
        self.quota = Quota(None, None, "day")
        self.apps: dict[str, tuple[int, int]] = {}
        self._seen = 0.0

    @property
    def share(self) -> float | None:
        """Used part of the budget, 0 to 1 and beyond; None when not known."""
        limit, remaining = self.quota.limit, self.quota.remaining
        return None if not limit or remaining is None else 1 - remaining / limit

    def left(self) -> Quota:
        """What we may still use: the org's budget up to `stop_at`, or our app's own where that is tighter."""
        limit, remaining = self.quota.limit, self.quota.remaining
        if limit is not None and remaining is not None:
            remaining = max(0, remaining - math.ceil(limit * max(0.0, 1.0 - self.stop_at)))
        own = [Quota(most, max(0, most - used), "day") for used, most in self.apps.values()]
        if len(own) == 1 and remaining is not None and (own[0].remaining or 0) < remaining:
            return own[0]
        return Quota(limit, remaining, "day")

    def saw(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer's headers: "api-usage=18/15000; per-app-api-usage=17/250(appName=x)"."""
        text = headers.get("Sforce-Limit-Info", "")
        for name, used, limit, app in re.findall(
            r"([\w-]*api-usage)=(\d{1,12})/(\d{1,12})(?:\(appName=([^)]*)\))?", text
        ):
            if name == "api-usage":
                self.note(int(limit), int(limit) - int(used))
            elif app:
                self.apps[app] = (int(used), int(limit))

    def note(self, limit: int, remaining: int) -> None:
        """Take what is known from elsewhere."""
        self.quota = Quota(limit, remaining, "day")
        self._seen = self.clock.monotonic()

    def admit(self, purpose: str) -> None:
        """Raise `QuotaError` when the share is used up; what was said too long ago lets one request ask again.

        `check` is let through: it is how an admin learns about it.
        """
        share = self.share
        if share is None or share < self.stop_at or self.stop_at >= 1 or purpose == "check":
            return
        now = self.clock.monotonic()
        if now - self._seen > USAGE_LIFE:
            self._seen = now
            return
        raise QuotaError(
            f"{share:.0%} of the org's calls in 24 hours are used, and we stop at {self.stop_at:.0%}.",
            vendor=self.vendor,
            code="stop_at",
            advice="The rest is left to the org's other integrations; raise stop_at to use more of it.",
        )
