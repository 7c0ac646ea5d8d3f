"""A look right before each request, that may keep it from leaving."""

from typing import Any

import pytest
import responses

from connectors.http import Http
from connectors.wire import looking_first

URL = "https://api.vendor.example/thing"


class NoLongerOursError(Exception):
    """What whoever looks may find."""


class Look:
    """Finds nothing the first times.

    Args:
        times: How often.
    """

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise NoLongerOursError


def vendor(clock: Any, **options: Any) -> Http:
    return Http("vendor", "https://api.vendor.example", clock=clock, auth={}, secrets=[], **options)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_it_finds_keeps_a_request_from_leaving(clock: Any, web: responses.RequestsMock, method: str) -> None:
    web.add(method, URL, json={})
    http = vendor(clock)
    with looking_first(Look(1)):
        http.request(method, "/thing")
        with pytest.raises(NoLongerOursError):
            http.request(method, "/thing")
    http.request(method, "/thing")
    assert (len(web.calls), http.calls.total()) == (2, 2)


def test_also_one_that_waited_to_be_sent_again(clock: Any, web: responses.RequestsMock) -> None:
    web.post(URL, status=429, headers={"Retry-After": "9"})
    web.post(URL, json={})
    with looking_first(Look(1)), pytest.raises(NoLongerOursError):
        vendor(clock).request("POST", "/thing")
    assert (len(web.calls), clock.sleeps) == (1, [9.0])


def test_also_one_whose_token_had_expired(clock: Any, web: responses.RequestsMock) -> None:
    web.post(URL, status=401)
    web.post(URL, json={})
    with looking_first(Look(1)), pytest.raises(NoLongerOursError):
        vendor(clock, refresh=lambda: {"Authorization": "Bearer new"}).request("POST", "/thing")
    assert len(web.calls) == 1


def test_also_a_call_of_a_library_with_its_own_transport(clock: Any) -> None:
    sent: list[int] = []
    with looking_first(Look(0)), pytest.raises(NoLongerOursError):
        vendor(clock).retrying("events", "default", lambda: sent.append(1))
    assert not sent
