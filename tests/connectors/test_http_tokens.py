"""Tokens that run out: renewed once for everybody who meets it, and no further."""

import threading
from typing import Any

import pytest
import requests
import responses

from connectors.errors import (
    CredentialsError,
    TransientError,
    UnclearError,
)
from connectors.http import Http
from tests.connectors.http_vendor import BASE, URL, Make, vendor


@pytest.fixture
def make(clock: Any) -> Make:
    return vendor(clock)


class _Tokens:
    def __init__(self) -> None:
        self.made = 1

    def __call__(self) -> dict[str, str]:
        self.made += 1
        return {"Authorization": f"Bearer tok-{self.made}"}


def test_an_expired_token_is_refreshed_once_and_the_request_sent_again(make: Make, web: responses.RequestsMock) -> None:
    tokens = _Tokens()
    seen: list[str] = []

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        seen.append(str(request.headers["Authorization"]))
        return 200 if seen[-1] == "Bearer tok-2" else 401, {}, "{}"

    web.add_callback("POST", URL, answer)
    http = make(refresh=tokens)
    http.request("POST", "/thing")
    http.request("POST", "/thing")
    assert tokens.made == 2
    assert seen == ["Bearer tok-1", "Bearer tok-2", "Bearer tok-2"]


def test_a_token_that_stays_bad_stops_after_one_refresh(make: Make, web: responses.RequestsMock) -> None:
    tokens = _Tokens()
    web.get(URL, status=401)
    http = make(refresh=tokens)
    with pytest.raises(CredentialsError, match="Check the credentials"):
        http.request("GET", "/thing")
    assert (tokens.made, http.calls.total()) == (2, 2)


def test_a_session_without_a_token_gets_one_before_its_first_request(clock: Any, web: responses.RequestsMock) -> None:
    tokens = _Tokens()
    web.get(URL, json={})
    http = Http("vendor", BASE, clock=clock, auth={}, secrets=[], refresh=tokens)
    assert tokens.made == 1, "nothing happens before the first request"
    http.request("GET", "/thing")
    http.session.get(URL, headers={"Authorization": "Bearer a library's own idea"})
    assert tokens.made == 2
    assert [call.request.headers["Authorization"] for call in web.calls] == ["Bearer tok-2"] * 2


def test_a_request_that_waits_for_a_token_in_vain_was_never_sent(clock: Any, web: responses.RequestsMock) -> None:
    def refuse() -> dict[str, str]:
        raise TransientError("the log-in is down.")

    http = Http("vendor", BASE, clock=clock, auth={}, secrets=[], refresh=refuse)
    with pytest.raises(TransientError, match="log-in is down") as caught:
        http.request("POST", "/thing")
    assert not isinstance(caught.value, UnclearError)
    assert len(web.calls) == 0


def test_threads_that_meet_the_same_expiry_get_one_new_token(make: Make, web: responses.RequestsMock) -> None:
    tokens = _Tokens()
    together = threading.Barrier(4, timeout=10.0)
    inside = threading.Event()

    def renew() -> dict[str, str]:
        # Counting goes on while a token is being fetched: a request of another session must not wait for it.
        other.request("GET", "/other")
        inside.set()
        return tokens()

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        if request.headers["Authorization"] == "Bearer tok-2":
            return 200, {}, "{}"
        together.wait()
        return 401, {}, "{}"

    web.add_callback("GET", URL, answer)
    web.get(f"{BASE}/other", json={})
    other, http = make(), make(refresh=renew)
    threads = [threading.Thread(target=http.request, args=("GET", "/thing")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10.0)
    assert inside.is_set()
    assert tokens.made == 2
    assert http.calls.total() == 8
