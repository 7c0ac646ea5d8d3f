"""When to ask again, how long to wait, how fast to go. No HTTP in here: statuses, headers and bodies come as values.

What a status means is a table of `Rule`s, the vendor's own before `STANDARD`; a quirk is a row, never an `if`, and rows
match on status and the vendor's code, never on message text, which vendors translate and reword.
"""

import email.utils
import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import tenacity

from connectors.base import Clock
from connectors.circuit import Circuit
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    NotFoundError,
    QuotaError,
    RequestError,
    TransientError,
    UnclearError,
)

log = logging.getLogger(__name__)
T = TypeVar("T")

BACKOFF_FIRST = 1.0
BACKOFF_MOST = 60.0
TRIES = 8
RETIRED = "api_version_retired"
"""The name of the alarm that a vendor has taken away the address that we use."""
CIRCUIT_OPEN = "circuit_open"
"""The code of the error that nothing was sent because the host keeps failing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an answer outside 2xx means.

    Attributes:
        statuses: The HTTP statuses it speaks about.
        error: What it becomes when it is final.
        code: The vendor's code it is limited to; "" for any.
        retry: Trying again may help.
        harmless: The vendor certainly did nothing, so that any request may be sent again.
        refresh: A fresh token may help.
        wait: The vendor's own hint in seconds, used where `Retry-After` is missing.
        advice: What the admin can do.
        tries: Most attempts worth making.
        alarm: A stable name for the error, in place of the vendor's code.
    """

    statuses: Container[int]
    error: type[ConnectorError]
    code: str = ""
    retry: bool = False
    harmless: bool = False
    refresh: bool = False
    wait: float | None = None
    advice: str = ""
    tries: int = TRIES
    alarm: str = ""


ErrorRules = tuple[Rule, ...]

STANDARD: ErrorRules = (
    Rule(range(300, 400), ConfigError, harmless=True, advice="Redirects are not followed; set base_url to the target."),
    Rule((401,), CredentialsError, harmless=True, refresh=True, advice="Check the credentials in the config."),
    Rule((402, 403), MissingPermissionError, harmless=True, advice="Grant the missing right to the token's owner."),
    Rule((404,), NotFoundError, harmless=True),
    Rule((408,), TransientError, retry=True),
    Rule((410,), ConfigError, harmless=True, alarm=RETIRED, advice="Set a newer API version, or update holdfast."),
    Rule((423,), TransientError, retry=True, harmless=True, wait=2.0),
    Rule((425,), TransientError, retry=True, harmless=True),
    Rule((429,), QuotaError, retry=True, harmless=True),
    Rule(range(400, 500), RequestError, harmless=True),
    Rule(range(500, 600), TransientError, retry=True),
)


def find_rule(rules: ErrorRules, status: int, codes: Container[str]) -> Rule:
    """The first rule for this status and these vendor codes; the vendor's rules come before `STANDARD`."""
    for rule in (*rules, *STANDARD):
        if status in rule.statuses and (not rule.code or rule.code in codes):
            return rule
    return Rule((status,), RequestError)


def vendor_codes(body: Any) -> tuple[str, ...]:
    """Every machine-readable code in an error body, in the places where vendors put them.

    The body is an object, or a list of them, one for each thing that is wrong.
    """
    items = body if isinstance(body, list) else [body]
    return tuple(code for item in items if isinstance(item, Mapping) for code in _codes(item))


def _codes(body: Mapping[str, Any]) -> Iterator[str]:
    for key in ("category", "subCategory", "policyName", "errorType", "errorCode", "code", "error", "type"):
        value = body.get(key)
        if isinstance(value, str):
            yield value
    listed = body.get("errors")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, Mapping):
            yield from (item[key] for key in ("code", "statusCode") if isinstance(item.get(key), str))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by `Retry-After`, which is a number of seconds or an HTTP date; None when missing or unreadable.

    A date is compared with the answer's own `Date`, so that a wrong local clock neither hammers nor oversleeps.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    until = http_date(text)
    if until is None:
        return None
    return max(0.0, (until - (http_date(headers.get("Date", "")) or now)).total_seconds())


def http_date(text: str) -> datetime | None:
    """An HTTP date as an aware UTC datetime; None when it is not one."""
    try:
        parsed = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


class Bucket:
    """At most `limit` requests in any `seconds`, over all threads of an account.

    A log of the last send times rather than a refilled token count, since vendors count a rolling window and a full
    token bucket lets through twice the rate in its first window.
    """

    def __init__(self, name: str, limit: int, seconds: float) -> None:
        self.name = name
        self.seconds = seconds
        self._sent: deque[float] = deque(maxlen=max(1, limit))
        self._held_until = 0.0
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """Requests allowed per window."""
        return self._sent.maxlen or 1

    def resize(self, limit: int) -> None:
        """Follow what the vendor says the limit is; nothing happens when it is the same."""
        if limit >= 1 and limit != self.limit:
            with self._lock:
                self._sent = deque(self._sent, maxlen=limit)

    def hold(self, until: float) -> None:
        """Send nothing before this monotonic instant: the vendor has said stop."""
        with self._lock:
            self._held_until = max(self._held_until, until)

    def reserve(self, now: float, latest: float) -> float | None:
        """Book the next free slot and give the seconds until it; None, and no booking, when it is after `latest`."""
        with self._lock:
            slot = max(now, self._held_until)
            if len(self._sent) == self.limit:
                slot = max(slot, self._sent[0] + self.seconds)
            if slot > latest:
                return None
            self._sent.append(slot)
            return slot - now


class Failed(Exception):  # noqa: N818 - one attempt that failed, not yet an error
    """One attempt that did not succeed, and whether another may be made.

    Args:
        error: What to raise when no other attempt is made.
        retry: Trying again may help.
        harmless: The request certainly had no effect.
        wait: Seconds the vendor wants us to wait; None for backoff.
        tries: Most attempts worth making for this kind of failure.
    """

    def __init__(
        self,
        error: ConnectorError,
        *,
        retry: bool = False,
        harmless: bool = False,
        wait: float | None = None,
        tries: int = TRIES,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry = retry
        self.harmless = harmless
        self.wait = wait
        self.tries = tries

    @property
    def ill(self) -> bool:
        """Whether it tells of a host in trouble, rather than of one that is well and refuses or asks us to wait."""
        status = self.error.status
        failing = status is None or status >= 500 or status == 408
        return self.retry and failing and isinstance(self.error, TransientError) and self.wait is None

    def final(self, *, repeatable: bool) -> ConnectorError:
        """What to raise: the error itself, or `UnclearError` when the request may have had its effect."""
        error = self.error
        if isinstance(error, QuotaError):
            error.retry_after = self.wait
        if repeatable or self.harmless:
            return error
        return UnclearError(
            error.message,
            vendor=error.vendor,
            status=error.status,
            code=error.code,
            advice="Whether it took effect is not known.",
            detail=error.detail,
        )


@dataclass(frozen=True)
class Retrier:
    """Runs attempts under one total deadline.

    Attributes:
        clock: Time and sleep.
        deadline: Seconds for all attempts and waits of one request together.
        rng: Where jitter comes from.
        circuit: What other requests to the same host have met; None looks at each request alone.
        vendor: Its name in messages.
    """

    clock: Clock
    deadline: float
    rng: random.Random
    circuit: Circuit | None = None
    vendor: str = ""

    def run(self, attempt: Callable[[float], T], *, repeatable: bool) -> T:
        """Call `attempt` with the monotonic deadline until it returns, or give up with a `ConnectorError`.

        The wait is what the vendor asked for, else full jitter under a doubling cap. A wait that would pass the
        deadline is not begun, and one that nobody asked for draws on the host's budget for retries.
        """
        end = self.clock.monotonic() + self.deadline
        self._refuse_open()

        def again(error: BaseException) -> bool:
            return isinstance(error, Failed) and error.retry and (repeatable or error.harmless)

        def enough(state: tenacity.RetryCallState) -> bool:
            failed = _failure(state)
            if state.attempt_number >= failed.tries or self.clock.monotonic() + state.upcoming_sleep > end:
                return True
            return failed.ill and self.circuit is not None and not self.circuit.may_retry()

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(again),
            wait=self._wait,
            stop=enough,
            sleep=self.clock.sleep,
            before_sleep=_announce,
            reraise=True,
        )
        try:
            answer = retrying(attempt, end)
        except Failed as failed:
            if self.circuit is not None and failed.ill:
                self.circuit.gave_up()
            elif self.circuit is not None and failed.error.status is not None:
                self.circuit.answered()
            raise failed.final(repeatable=repeatable) from None
        if self.circuit is not None:
            self.circuit.answered()
        return answer

    def _refuse_open(self) -> None:
        """Raise `TransientError` while the circuit is open: nothing is sent."""
        wait = self.circuit.wait() if self.circuit is not None else 0.0
        if wait > 0:
            message = f"it has failed too often in a row; nothing is sent to it for another {wait:.0f} s."
            raise TransientError(message, vendor=self.vendor, code=CIRCUIT_OPEN)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        asked = _failure(state).wait
        if asked is not None:
            return asked
        cap = min(BACKOFF_MOST, BACKOFF_FIRST * 2.0 ** (state.attempt_number - 1))
        return self.rng.uniform(0.0, cap)


def _failure(state: tenacity.RetryCallState) -> Failed:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Failed)  # noqa: S101 - nothing else is retried, see `again`
    return error


def _announce(state: tenacity.RetryCallState) -> None:
    log.info("%s; try %d, again in %.1f s", _failure(state), state.attempt_number, state.upcoming_sleep)
