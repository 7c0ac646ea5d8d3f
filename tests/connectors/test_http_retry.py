"""What is sent again, when, and what never is."""

import io
import random
import ssl
import urllib.error
from datetime import UTC, datetime
from email.message import Message
from typing import Any

import pytest
import requests
import responses
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

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
from connectors.http import Bucket, Failed, Rule, refused_with
from connectors.retry import BACKOFF_MOST, TRIES, retry_after, vendor_codes
from tests.connectors.http_vendor import URL, Make, vendor


@pytest.fixture
def make(clock: Any) -> Make:
    return vendor(clock)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 423, 425, 408])
def test_a_read_is_tried_again_after_a_passing_failure(make: Make, web: responses.RequestsMock, status: int) -> None:
    web.get(URL, status=status, body="<html>busy</html>")
    web.get(URL, json={"ok": True})
    http = make()
    assert http.json("GET", "/thing", purpose="contacts") == {"ok": True}
    assert http.calls == {"contacts": 2}


def test_calls_may_be_read_while_other_threads_go_on_counting(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, json={})
    http = make()
    reading = iter(http.calls.items())
    http.json("GET", "/thing", purpose="contacts")
    assert list(reading) == [], "what is being read does not change"
    assert http.calls == {"contacts": 1}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, ConfigError),
        (400, RequestError),
        (401, CredentialsError),
        (402, MissingPermissionError),
        (403, MissingPermissionError),
        (404, NotFoundError),
        (409, RequestError),
        (422, RequestError),
        (600, RequestError),
    ],
)
def test_a_lasting_refusal_is_a_typed_error_at_once(
    make: Make, web: responses.RequestsMock, status: int, kind: type[ConnectorError]
) -> None:
    web.get(URL, status=status, json={"message": "no.", "category": "SOME_CODE"})
    http = make()
    with pytest.raises(kind, match=f"vendor: GET /thing answered {status}: no.") as caught:
        http.request("GET", "/thing")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, "SOME_CODE")
    assert caught.value.detail["category"] == "SOME_CODE"
    assert http.calls.total() == 1


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("Sun, 22 Nov 2026 08:00:09 GMT", 4.0),
        ("Sun, 22 Nov 2026 07:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_the_wait_and_a_date_counts_from_the_vendors_clock(
    make: Make, web: responses.RequestsMock, clock: Any, header: str, wait: float
) -> None:
    web.get(URL, status=429, headers={"Retry-After": header, "Date": "Sun, 22 Nov 2026 08:00:05 GMT"})
    web.get(URL, json={})
    http = make()
    http.request("GET", "/thing")
    assert clock.sleeps == [wait]
    assert http.server_time == datetime(2026, 11, 22, 8, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("header", ["soon", "-3", "1e9", "", "٣"])
def test_an_unreadable_retry_after_counts_as_missing(clock: Any, header: str) -> None:
    assert retry_after({"Retry-After": header}, clock.now()) is None


def test_without_a_hint_the_wait_is_full_jitter_under_a_doubling_cap(
    make: Make, web: responses.RequestsMock, clock: Any
) -> None:
    web.get(URL, status=503)
    rng = random.Random(7)
    for _ in range(100):
        http = make(deadline=100_000.0, rng=rng)
        with pytest.raises(TransientError):
            http.request("GET", "/thing")
    rounds = [clock.sleeps[i :: TRIES - 1] for i in range(TRIES - 1)]
    for number, waits in enumerate(rounds):
        cap = min(BACKOFF_MOST, 2.0**number)
        assert max(waits) <= cap
        assert max(waits) > 0.8 * cap, "the whole range is used"
        assert min(waits) < 0.2 * cap


def test_a_wait_past_the_deadline_is_not_begun(make: Make, web: responses.RequestsMock, clock: Any) -> None:
    web.get(URL, status=429, headers={"Retry-After": "301"})
    http = make(deadline=300.0)
    with pytest.raises(QuotaError) as caught:
        http.request("GET", "/thing")
    assert caught.value.retry_after == 301.0
    assert clock.sleeps == []
    assert http.calls.total() == 1


def test_attempts_and_waits_together_stay_within_the_deadline(
    make: Make, web: responses.RequestsMock, clock: Any
) -> None:
    web.get(URL, status=503, headers={"Retry-After": "40"})
    http = make(deadline=100.0)
    with pytest.raises(TransientError):
        http.request("GET", "/thing")
    assert clock.sleeps == [40.0, 40.0]


@pytest.mark.parametrize("broken", [503, 502, "reset", "html", "cut"])
def test_a_post_with_an_unclear_ending_is_never_sent_again(
    make: Make, web: responses.RequestsMock, broken: int | str
) -> None:
    if isinstance(broken, int):
        web.post(URL, status=broken)
    elif broken == "reset":
        web.post(URL, body=requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError())))
    elif broken == "html":
        web.post(URL, body="<html>", content_type="text/html")
    else:
        web.post(URL, body='{"results": [', content_type="application/json")
    http = make()
    with pytest.raises(UnclearError):
        http.json("POST", "/thing", json={"a": 1})
    assert http.calls.total() == 1


def _refused_connection() -> requests.ConnectionError:
    return requests.ConnectionError(
        MaxRetryError(None, URL, NewConnectionError(None, "refused"))  # type: ignore[arg-type]  # no pool at hand
    )


@pytest.mark.parametrize("harmless", [429, 423, "refused", "connect"])
def test_a_post_that_certainly_had_no_effect_is_sent_again(
    make: Make, web: responses.RequestsMock, harmless: int | str
) -> None:
    if isinstance(harmless, int):
        web.post(URL, status=harmless, json={} if harmless == 423 else None)
    elif harmless == "refused":
        web.post(URL, body=_refused_connection())
    else:
        web.post(URL, body=requests.ConnectTimeout())
    web.post(URL, json={"ok": True})
    assert make().json("POST", "/thing", json={}) == {"ok": True}


def test_a_post_marked_repeatable_is_a_read(make: Make, web: responses.RequestsMock) -> None:
    web.post(URL, status=503)
    web.post(URL, json=[])
    assert make().json("POST", "/thing", json={}, repeatable=True) == []


def test_a_refused_connection_gives_up_after_few_tries(make: Make, web: responses.RequestsMock) -> None:
    web.post(URL, body=_refused_connection())
    http = make()
    with pytest.raises(TransientError, match=r"api\.vendor\.example cannot be reached. Check base_url") as caught:
        http.request("POST", "/thing")
    assert not isinstance(caught.value, UnclearError)
    assert http.calls.total() == 4


def test_a_certificate_that_cannot_be_trusted_is_a_setting_to_fix(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, body=requests.exceptions.SSLError(MaxRetryError(None, URL, ssl.SSLCertVerificationError())))  # type: ignore[arg-type]  # no pool at hand
    with pytest.raises(ConfigError, match="certificate"):
        make().request("GET", "/thing")


def test_a_malformed_header_is_not_tried_again(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, body=requests.exceptions.InvalidHeader("x"))
    http = make()
    with pytest.raises(ConfigError, match="malformed"):
        http.request("GET", "/thing")
    assert http.calls.total() == 1


def test_the_vendors_rules_come_first_and_match_on_its_codes(
    make: Make, web: responses.RequestsMock, clock: Any
) -> None:
    rules = (
        Rule((429,), QuotaError, code="DAILY", harmless=True, advice="Tomorrow."),
        Rule((429,), QuotaError, code="SECONDLY", retry=True, harmless=True, wait=1.0),
    )
    web.get(URL, status=429, json={"policyName": "SECONDLY"})
    web.get(URL, status=429, json={"policyName": "DAILY", "message": "SECONDLY is only text here"})
    http = make(rules=rules)
    with pytest.raises(QuotaError, match="Tomorrow") as caught:
        http.request("GET", "/thing")
    assert clock.sleeps == [1.0]
    assert caught.value.code == "DAILY"
    assert refused_with(caught.value, "DAILY")
    assert not refused_with(caught.value, "SECONDLY")


def test_codes_are_found_in_a_list_of_errors(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, status=400, json={"errors": [{"code": "INVALID"}, {"code": 3}, "text"]})
    with pytest.raises(RequestError, match="INVALID") as caught:
        make().request("GET", "/thing")
    assert caught.value.code == "INVALID"


def test_an_accepted_status_is_an_answer(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, status=422, json={"error": "StartTimeTooRecent"})
    assert make().request("GET", "/thing", accept=(422,)).status_code == 422


def test_a_list_of_errors_is_understood(make: Make, web: responses.RequestsMock) -> None:
    body = [{"message": "\nno such  column.", "errorCode": "NO_FIELD"}, {"message": "b", "errorCode": "OTHER"}, 7]
    web.get(URL, status=400, json=body)
    rules = (Rule((400,), MissingPermissionError, "OTHER", advice="Grant it."),)
    with pytest.raises(MissingPermissionError, match=r"answered 400: no such column\. Grant it\.") as caught:
        make(rules=rules).request("GET", "/thing")
    assert caught.value.code == "OTHER"
    assert refused_with(caught.value, "NO_FIELD")


def test_codes_of_items_and_an_empty_list() -> None:
    items = [{"success": False, "errors": [{"statusCode": "ROW_LOCKED", "code": 5}, "odd"]}, {"errors": "no list"}]
    assert vendor_codes(items) == ("ROW_LOCKED",)
    assert vendor_codes([]) == ()


def test_a_vendor_may_tell_codes_apart_by_other_means(make: Make, web: responses.RequestsMock, clock: Any) -> None:
    web.post(URL, status=403, json=[{"message": "Now is not the time", "errorCode": "LIMIT"}])
    web.post(URL, status=403, json=[{"message": "Never", "errorCode": "LIMIT"}])

    def codes(body: Any) -> tuple[str, ...]:
        return ("LIMIT:now", "LIMIT") if "Now" in body[0]["message"] else ("LIMIT",)

    rules = (
        Rule((403,), TransientError, "LIMIT:now", retry=True, harmless=True, wait=3.0),
        Rule((403,), QuotaError, "LIMIT", harmless=True),
    )
    with pytest.raises(QuotaError):
        make(rules=rules, codes=codes).request("POST", "/thing")
    assert clock.sleeps == [3.0]


def test_a_rule_can_say_how_often(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, status=400, json=[{"message": "too slow", "errorCode": "SLOW"}])
    http = make(rules=(Rule((400,), TransientError, "SLOW", retry=True, tries=2),))
    with pytest.raises(TransientError):
        http.request("GET", "/thing")
    assert http.calls.total() == 2


def test_a_bucket_holds_its_rate_over_any_window(make: Make, web: responses.RequestsMock, clock: Any) -> None:
    sent: list[float] = []

    def answer(_: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        sent.append(clock.monotonic())
        return 200, {}, "{}"

    web.add_callback("GET", URL, answer)
    http = make(buckets=[Bucket("search", 4, 1.0)])
    for _ in range(21):
        http.request("GET", "/thing", bucket="search")
    assert all(later - earlier >= 1.0 for earlier, later in zip(sent, sent[4:], strict=False))
    assert sent[-1] == 5.0, "and no slower than the rate allows"


def test_a_429_holds_every_thread_of_the_bucket(make: Make, web: responses.RequestsMock, clock: Any) -> None:
    bucket = Bucket("default", 100, 10.0)
    web.get(URL, status=429, headers={"Retry-After": "9"})
    web.get(URL, json={})
    make(buckets=[bucket]).request("GET", "/thing")
    assert clock.sleeps == [9.0]
    bucket.hold(50.0)
    assert bucket.reserve(10.0, latest=100.0) == 40.0
    assert bucket.reserve(10.0, latest=20.0) is None


def test_a_bucket_follows_the_vendors_limit() -> None:
    bucket = Bucket("default", 2, 10.0)
    assert [bucket.reserve(0.0, 99.0) for _ in range(3)] == [0.0, 0.0, 10.0]
    bucket.resize(5)
    assert bucket.limit == 5
    assert bucket.reserve(0.0, 99.0) == 0.0
    bucket.resize(0)
    assert bucket.limit == 5


def test_no_room_before_the_deadline_is_no_request(make: Make, web: responses.RequestsMock) -> None:
    bucket = Bucket("default", 1, 1_000.0)
    bucket.reserve(0.0, 0.0)
    http = make(buckets=[bucket])
    with pytest.raises(TransientError, match="no room"):
        http.request("POST", "/thing")
    assert http.calls.total() == 0


def test_a_call_outside_requests_gets_the_same_policy(make: Make, clock: Any) -> None:
    headers = Message()
    headers["Retry-After"] = "5"
    attempts: list[Exception] = [
        urllib.error.HTTPError(URL, 429, "slow down", headers, io.BytesIO(b'{"error": "rate"}')),
        urllib.error.URLError(ConnectionResetError()),
        Failed(TransientError("cut"), retry=True, wait=2.0),
    ]

    def fetch() -> str:
        if attempts:
            raise attempts.pop(0)
        return "body"

    http = make(rng=random.Random(1))
    assert http.retrying("events", "default", fetch) == "body"
    assert http.calls == {"events": 4}
    assert (clock.sleeps[0], clock.sleeps[2]) == (5.0, 2.0)


def test_a_call_outside_requests_that_may_not_be_repeated_is_unclear(make: Make) -> None:
    def fetch() -> str:
        raise TimeoutError

    with pytest.raises(UnclearError, match="events broke off"):
        make().retrying("events", "default", fetch, repeatable=False)
