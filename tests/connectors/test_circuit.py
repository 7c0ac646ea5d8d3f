"""A vendor that keeps failing is given up for all requests at once, and asked again when it may be well."""

from itertools import pairwise
from typing import Any

import pytest
import responses

from connectors.circuit import BUDGET, COOL_DOWN, COOL_DOWN_MOST, FAILURES, REFILL, Circuit
from connectors.errors import NotFoundError, QuotaError, TransientError, UnclearError
from connectors.http import Bucket, Http
from connectors.retry import CIRCUIT_OPEN, TRIES
from tests.connectors.http_vendor import URL, Make, vendor


@pytest.fixture
def make(clock: Any) -> Make:
    return vendor(clock)


def fail(http: Http, method: str = "GET") -> TransientError:
    with pytest.raises(TransientError) as caught:
        http.request(method, "/thing")
    return caught.value


def test_a_vendor_that_always_fails_costs_one_round_of_retries_not_one_a_stream(
    make: Make, web: responses.RequestsMock, clock: Any
) -> None:
    web.get(URL, status=503)
    http = make()
    fail(http)
    first = sum(clock.sleeps)
    for _ in range(20):
        fail(http)
    assert http.calls.total() <= TRIES + FAILURES - 1 + 2, "and a few single tries"
    assert sum(clock.sleeps) - first < COOL_DOWN, "nobody waits again"


def test_an_open_circuit_sends_nothing_and_says_for_how_long(
    make: Make, web: responses.RequestsMock, clock: Any
) -> None:
    web.get(URL, status=503)
    http = make()
    while fail(http).code != CIRCUIT_OPEN:
        pass
    sent = http.calls.total()
    error = fail(http, "POST")
    assert (error.code, error.vendor) == (CIRCUIT_OPEN, "vendor")
    assert not isinstance(error, UnclearError), "nothing was sent, so that nothing is in doubt"
    assert "for another" in error.message
    assert http.calls.total() == sent
    clock.sleep(COOL_DOWN)
    fail(http)
    assert http.calls.total() == sent + 1, "one request tries alone"
    assert fail(http).code == CIRCUIT_OPEN
    clock.sleep(COOL_DOWN)
    assert fail(http).code == CIRCUIT_OPEN, "for longer than before"
    clock.sleep(COOL_DOWN)
    web.reset()
    web.get(URL, json={"ok": True})
    assert http.json("GET", "/thing") == {"ok": True}
    assert http.json("GET", "/thing") == {"ok": True}, "and all is well again"


def test_the_cool_down_grows_up_to_a_limit(clock: Any) -> None:
    circuit = Circuit(clock)
    for _ in range(FAILURES + 20):
        circuit.gave_up()
    assert circuit.wait() == COOL_DOWN_MOST
    clock.sleep(COOL_DOWN_MOST)
    assert circuit.wait() == 0.0
    assert circuit.wait() > 0, "only one may try"
    circuit.answered()
    assert circuit.wait() == 0.0


def test_the_budget_for_retries_comes_back_with_time_and_with_answers(clock: Any) -> None:
    circuit = Circuit(clock)
    assert [circuit.may_retry() for _ in range(int(BUDGET) + 1)] == [True] * int(BUDGET) + [False]
    clock.sleep(REFILL)
    assert [circuit.may_retry(), circuit.may_retry()] == [True, False]
    circuit.answered()
    assert [circuit.may_retry(), circuit.may_retry()] == [True, False]
    clock.sleep(REFILL * BUDGET * 100)
    assert [circuit.may_retry() for _ in range(int(BUDGET) + 1)].count(True) == BUDGET, "never more than the budget"


def test_a_refusal_is_an_answer_of_a_vendor_that_is_well(make: Make, web: responses.RequestsMock) -> None:
    web.get(URL, status=404, json={})
    http = make()
    for _ in range(3 * FAILURES):
        with pytest.raises(NotFoundError):
            http.request("GET", "/thing")
    assert http.calls.total() == 3 * FAILURES


def test_waits_that_the_vendor_asks_for_draw_on_no_budget(make: Make, web: responses.RequestsMock, clock: Any) -> None:
    """Ten minutes of 429: every wait is what was asked for, nothing is lost, and nothing is hammered."""
    http = make(buckets=[Bucket("default", 100, 1.0)])
    free = clock.monotonic() + 600
    hits: list[float] = []

    def answer(_: Any) -> tuple[int, dict[str, str], str]:
        hits.append(clock.monotonic())
        return (429, {"Retry-After": "20"}, "{}") if clock.monotonic() < free else (200, {}, "{}")

    web.add_callback(responses.GET, URL, callback=answer)
    while clock.monotonic() + 7 * 20 < free:
        with pytest.raises(QuotaError) as caught:
            http.request("GET", "/thing")
        assert caught.value.retry_after == 20.0
    http.request("GET", "/thing")
    assert len(hits) <= 600 / 20 + 2
    assert min(after - before for before, after in pairwise(hits)) >= 20.0
    assert clock.monotonic() >= free
