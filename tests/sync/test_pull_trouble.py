"""What each kind of trouble while pulling comes to."""

import threading
from collections.abc import Iterator

import pytest

from connectors.base import Batch, Stream
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
)
from sync import database
from sync.lock import FencedError
from sync.store import Store, StoreError
from tests.sync.pulls import OTHERS, PEOPLE, held, pages, pull, rows
from tests.sync.states import DAY, NOW, FakeSource, StandingClock


@pytest.mark.parametrize(
    "error",
    [
        TransientError("timed out", vendor="v", advice="Try later."),
        QuotaError("used up"),
        ShapeError("no JSON"),
        RequestError("refused"),
        MissingPermissionError("no scope"),
        KeyError("a defect"),
    ],
)
def test_a_failure_keeps_the_pages_before_it_and_the_others_go_on(error: Exception, store: Store) -> None:
    pull(store, FakeSource("s", {PEOPLE: pages(Batch(rows("0"), "c0"))}))
    bad = FakeSource("s", {PEOPLE: pages(Batch(rows("1"), "c1"), error), OTHERS: pages(Batch(rows("8"), "o"))})
    clock = StandingClock(NOW + DAY)
    reports = pull(store, bad, FakeSource("t", {OTHERS: pages(Batch(rows("9"), "c"))}), clock=clock)
    assert (reports["people"].ending, reports["people"].error_class) == ("failed", type(error).__name__)
    assert reports["others"].ending == "ok"
    assert held(store) == {"0", "1", "8", "9"}
    assert store.cursor("s", "people") == "c1"
    status = next(s for s in store.status() if s.stream == "people")
    assert status.error == reports["people"].error
    assert status.age(clock.now()) == DAY
    assert reports["people"].complete == NOW


def test_an_error_says_what_to_do(store: Store) -> None:
    error = TransientError("timed out", vendor="v", advice="Try later.")
    assert pull(store, FakeSource("s", {PEOPLE: pages(error)}))["people"].error == "v: timed out Try later."


def test_an_optional_stream_we_may_not_read_is_off(store: Store) -> None:
    optional = Stream("nps", "contact", optional=True)
    source = FakeSource("s", {optional: pages(MissingPermissionError("no scope", advice="Grant it."))})
    report = pull(store, source)["nps"]
    assert (report.ending, report.error, report.notes) == ("off", "", ["no scope Grant it."])
    assert store.status()[0].off == "no scope Grant it."


@pytest.mark.parametrize("kind", [CredentialsError, ConfigError])
def test_a_vendor_that_does_not_know_us_is_not_asked_again(kind: type[ConnectorError], store: Store) -> None:
    refused = threading.Event()

    def refuse(_: str | None) -> Iterator[Batch]:
        yield Batch(rows("1"), "c1")
        refused.set()
        raise kind("unknown token")

    def go_on(_: str | None) -> Iterator[Batch]:
        refused.wait(10)
        for n in range(1000):
            yield Batch(rows(str(n)), str(n))

    streams = {PEOPLE: refuse, OTHERS: go_on} | {
        Stream(f"late{n}", "contact", after=("others",)): pages() for n in range(9)
    }
    source = FakeSource("s", streams)
    reports = pull(store, source)
    assert reports["others"].ending == "failed"
    assert "unknown token" in reports["others"].error
    assert reports["others"].batches < 1000
    assert {report.ending for report in reports.values()} == {"failed"}


def test_a_forgotten_place_is_read_again_from_the_start_once(store: Store) -> None:
    def script(cursor: str | None) -> Iterator[Batch]:
        if cursor is not None:
            raise CursorExpiredError("The place is forgotten.")
        yield Batch(rows("1", "2"), "c2", full=True)

    source = FakeSource("s", {PEOPLE: script})
    pull(store, FakeSource("s", {PEOPLE: pages(Batch(rows("1", "3"), "c1"))}))
    report = pull(store, source)["people"]
    assert source.asked == [("people", "c1"), ("people", None)]
    assert (report.ending, report.notes) == (
        "ok",
        ["The place is forgotten. The stream was read again from its start."],
    )
    assert held(store) == {"1", "2"}
    always = FakeSource("s", {PEOPLE: pages(CursorExpiredError("again"))})
    assert pull(store, always)["people"].ending == "failed"
    assert len(always.asked) == 2


def test_a_start_that_is_refused_as_a_place_fails(store: Store) -> None:
    source = FakeSource("s", {PEOPLE: pages(CursorExpiredError("what?"))})
    assert pull(store, source)["people"].error_class == "CursorExpiredError"
    assert len(source.asked) == 1


def test_a_page_that_comes_for_ever_is_stopped(store: Store) -> None:
    def script(_: str | None) -> Iterator[Batch]:
        while True:
            yield Batch(rows("1"), "c")

    report = pull(store, FakeSource("s", {PEOPLE: script}))["people"]
    assert (report.ending, report.error_class, report.batches) == ("failed", "ShapeError", 1)


def test_pages_under_one_cursor_are_fine_while_they_differ(store: Store) -> None:
    many = [Batch(rows(str(n)), "tie") for n in range(20)] + [Batch([], "tie"), Batch([], "tie")]
    assert pull(store, FakeSource("s", {PEOPLE: pages(*many)}))["people"].ending == "ok"
    assert len(held(store)) == 20


def test_a_stop_ends_every_stream_at_its_next_page(store: Store) -> None:
    stop = threading.Event()
    closed = []

    def script(_: str | None) -> Iterator[Batch]:
        try:
            yield Batch(rows("1"), "c1")
            yield Batch(rows("2"), "c2")
        finally:
            closed.append(True)

    source = FakeSource("s", {PEOPLE: script})
    report = pull(store, source, stop=stop, on_progress=lambda _: stop.set())["people"]
    assert (report.ending, report.batches, report.complete) == ("stopped", 1, None)
    assert store.cursor("s", "people") == "c1"
    assert closed == [True]
    assert "stopped" in store.status()[0].error
    assert pull(store, FakeSource("s", {PEOPLE: pages(Batch(rows("2"), "c2"))}))["people"].complete == NOW


def test_trouble_with_our_own_disk_ends_everything(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(_: str | None) -> Iterator[Batch]:
        yield Batch(rows("1"), "c1")
        monkeypatch.setattr(database, "RESERVE", 1 << 62)
        yield Batch(rows("2"), "c2")

    def endless(_: str | None) -> Iterator[Batch]:
        yield from (Batch([], str(n)) for n in range(10**9))

    with pytest.raises(StoreError, match="nearly full"):
        pull(store, FakeSource("s", {PEOPLE: script}), FakeSource("t", {OTHERS: endless}))
    assert store.cursor("s", "people") == "c1"


def test_another_agent_that_took_over_ends_everything(store: Store) -> None:
    def script(_: str | None) -> Iterator[Batch]:
        yield Batch(rows("1"), "c1")
        other = Store.open(store.path)
        other.take_fence()
        other.close()
        yield Batch(rows("2"), "c2")

    store.take_fence()
    with pytest.raises(FencedError, match="another agent"):
        pull(store, FakeSource("s", {PEOPLE: script}))
    assert store.cursor("s", "people") == "c1"
