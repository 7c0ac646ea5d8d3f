"""What an answer or a broken connection means: turns both into a `Failed` attempt or a parsed body."""

import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import requests
import urllib3
from pydantic_core import from_json

from connectors.address import CA_FILE, UnsafeAddressError
from connectors.errors import ConfigError, ConnectorError, ShapeError, TransientError
from connectors.redact import REDACTOR
from connectors.retry import ErrorRules, Failed, find_rule, retry_after, vendor_codes

CONNECT_TRIES = 4
"""A refused connection or an unknown host rarely mends within a minute."""
SHAPE_TRIES = 3
"""Nor does an answer that is not JSON, once it is not a passing error page."""
PROOF = frozenset({401, 429})
"""Statuses that prove by themselves that nothing happened. Any other refusal of a write proves it only by a body that
can be read, and a 5xx, whatever it says, never does: a proxy may answer for a vendor that is still at work."""

_NOT_CONNECTED = (
    ConnectionRefusedError,
    requests.exceptions.ConnectTimeout,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
)
_OLD_TLS = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION", "WRONG_VERSION_NUMBER"}
)
_MALFORMED = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.InvalidHeader)


Codes = Callable[[Any], Sequence[str]]
"""Finds the vendor's codes in the parsed body of a refusal."""


class Expired(Failed):
    """A refusal that a fresh token may cure."""


class Judge:
    """Knows one vendor's ways.

    Args:
        vendor: Its name in messages.
        host: Where it is, for messages about connections.
        rules: Its own meanings of statuses, before the standard ones.
        codes: Finds its codes, where `vendor_codes` is not enough.
    """

    def __init__(self, vendor: str, host: str, rules: ErrorRules, codes: Codes = vendor_codes) -> None:
        self.vendor = vendor
        self.host = host
        self.rules = rules
        self.codes = codes

    def refused(self, what: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Failed:
        """What an answer outside 2xx means, by the table of rules; `what` names the request."""
        detail = _lenient(body)
        codes = self.codes(detail)
        rule = find_rule(self.rules, status, codes)
        told = _told(detail)
        error = rule.error(
            REDACTOR.text(f"{what} answered {status}{': ' + told if told else ''}."),
            vendor=self.vendor,
            status=status,
            code=rule.alarm or rule.code or (codes[0] if codes else ""),
            advice=rule.advice,
            detail=detail,
        )
        asked = retry_after(headers, now)
        kind = Expired if rule.refresh else Failed
        wait = rule.wait if asked is None else asked
        harmless = rule.harmless and (status in PROOF or (status < 500 and detail is not None))
        return kind(error, retry=rule.retry, harmless=harmless, wait=wait, tries=rule.tries)

    def broken(self, what: str, error: Exception) -> Failed:
        """What a failure below HTTP means. Only what happened before the request left is known to be harmless."""
        causes = list(_causes(error))
        if refusal := self._refusal(causes):
            return Failed(refusal, harmless=True)
        if isinstance(error, _MALFORMED):
            return Failed(ConfigError("the address or a header is malformed.", vendor=self.vendor), harmless=True)
        if any(isinstance(cause, _NOT_CONNECTED) for cause in causes):
            message = f"{self.host} cannot be reached."
            unreachable = TransientError(message, vendor=self.vendor, advice="Check base_url and the network.")
            return Failed(unreachable, retry=True, harmless=True, tries=CONNECT_TRIES)
        return Failed(TransientError(f"{what} broke off ({type(error).__name__}).", vendor=self.vendor), retry=True)

    def _refusal(self, causes: Sequence[BaseException]) -> ConfigError | None:
        """Why we would not talk to what answers there, where that is the reason; nothing was sent to it."""
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                why = getattr(cause, "verify_message", "") or "it does not verify"
                message = f"the certificate of {self.host} cannot be trusted: {why.rstrip('.')}."
                advice = (
                    f"Check base_url and this machine's clock; where a gateway opens TLS, name its CA in {CA_FILE}."
                )
                return ConfigError(message, vendor=self.vendor, advice=advice)
            if isinstance(cause, ssl.SSLError) and cause.reason in _OLD_TLS:
                return ConfigError(f"{self.host} does not speak TLS 1.2 or later.", vendor=self.vendor)
            if isinstance(cause, UnsafeAddressError):
                advice = "Check the DNS; nothing is sent to addresses that are not on the public internet."
                return ConfigError(f"{cause}, which is no public address.", vendor=self.vendor, advice=advice)
        return None

    def parsed(self, what: str, response: requests.Response, body: bytes) -> Any:
        """The body as JSON values, strictly; None for a 204. Raises `Failed`."""
        if response.status_code == 204:
            return None
        try:
            return from_json(body, allow_inf_nan=False)
        except ValueError:
            problem = f"{what} answered with {len(body)} bytes that are not complete, sane JSON."
            raise self.misshapen(problem) from None

    def refuse_web_page(self, what: str, response: requests.Response) -> None:
        """Raise `Failed` when a proxy's or a maintenance page came back as if all were well."""
        if response.ok and response.headers.get("Content-Type", "").startswith("text/html"):
            raise self.misshapen(f"{what} answered with a web page.")

    def misshapen(self, message: str, *, retry: bool = True) -> Failed:
        """An answer that is not what the vendor documents."""
        advice = "Check base_url; a proxy or a maintenance page may have answered instead of the vendor."
        return Failed(ShapeError(message, vendor=self.vendor, advice=advice), retry=retry, tries=SHAPE_TRIES)


def refused_with(error: ConnectorError, *codes: str) -> bool:
    """Whether the vendor refused with one of these codes of its own."""
    return error.code in codes or bool(set(vendor_codes(error.detail)) & set(codes))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and everything it wraps, in whichever way requests, urllib3 and urllib wrap things."""
    todo: list[Any] = [error]
    seen: set[int] = set()
    while todo:
        item = todo.pop()
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            todo += [getattr(item, "reason", None), item.__cause__, item.__context__, *item.args]


def _lenient(body: bytes) -> Any:
    try:
        return from_json(body[:1_000_000])
    except ValueError:
        return None


def _told(detail: Any) -> str:
    """The vendor's own words about an error, the first one where it lists several: one short line."""
    if isinstance(detail, list) and detail:
        detail = detail[0]
    if not isinstance(detail, Mapping):
        return ""
    for key in ("message", "description", "error_description", "error", "title", "errors"):
        value = detail.get(key)
        if value:
            words = value.get("message") if isinstance(value, Mapping) else None
            text = words if isinstance(words, str) else value if isinstance(value, str) else json.dumps(value)
            # Masked before it is cut: half a secret is not recognised any more.
            return REDACTOR.text(" ".join(text.split()))[:300].rstrip(".")
    return ""
