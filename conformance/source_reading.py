"""Reading any source: everything is found, nothing lost, wherever a pull is killed and whatever changes meanwhile."""

from datetime import datetime, timedelta

import pytest

from conformance.held import Held, spread
from conformance.rig import Rig
from conformance.words import Change
from connectors.errors import CursorExpiredError, ShapeError
from sandbox.core import SandboxClock

CUTS = 4
"""Places at which a pull is killed."""


def a_day_later(held: Held) -> None:
    """What is looked for once a day has been looked for."""
    held.rig.wait(timedelta(hours=25))
    held.pull()


def test_the_first_pull_gives_every_record(rig: Rig, stream: str, held: Held) -> None:
    batches = held.pull()
    assert held.rows.keys() == rig.truth(stream)
    assert held.rows, "a stream without records tests nothing"
    assert batches[-1].cursor is not None
    if stream in rig.map.streams:
        for batch in batches:
            assert rig.map.apply(rig.vendor, stream, batch.rows, rig.box.clock.now()).rejects == []


def test_every_cursor_of_the_first_pull_resumes_without_loss(rig: Rig, stream: str, held: Held) -> None:
    total = len(held.pull())
    assert total > 1, "a pull of one batch tests nothing"
    for cut in spread(range(1, total), CUTS):
        killed = Held(rig, stream)
        killed.pull(rig.connect(), stop_after=cut)
        killed.pull(rig.connect())
        assert killed.rows.keys() == rig.truth(stream)


def test_every_cursor_of_a_later_pull_resumes_without_loss(rig: Rig, stream: str, held: Held) -> None:
    held.pull()
    rig.wait(timedelta(hours=1))
    changes = [rig.change(stream, row) for row in spread(rig.changeable(stream, held.rows.values()), 40)]
    rig.wait(rig.pause(stream))
    before = held.copy()
    total = len(held.pull())
    for cut in spread(range(1, total + 1), CUTS):
        killed = before.copy()
        killed.pull(rig.connect(), stop_after=cut)
        killed.pull(rig.connect())
        assert killed.rows.keys() == rig.truth(stream)
        assert all(shows(killed.rows) for shows in changes)


def test_an_empty_page_is_not_the_end(rig: Rig, stream: str, held: Held) -> None:
    rig.empty_page(stream)
    held.pull()
    assert held.rows.keys() == rig.truth(stream)


def test_a_repeated_page_ends_in_an_error(rig: Rig, stream: str, held: Held) -> None:
    rig.repeat_page(stream)
    with pytest.raises(ShapeError):
        held.pull()
    assert rig.calls(stream) < 50


def test_a_record_changed_in_mid_pull_is_there_as_it_is_now(rig: Rig, stream: str, held: Held) -> None:
    first = Held(rig, stream)
    first.pull()
    early, *_, late = rig.changeable(stream, first.rows.values())
    changes: list[Change] = []
    held.pull(meanwhile=lambda: changes.extend(rig.change(stream, row) for row in (early, late)))
    assert len(changes) == 2
    rig.wait(rig.pause(stream))
    held.pull()
    assert all(shows(held.rows) for shows in changes)
    assert held.rows.keys() == rig.truth(stream)


def test_a_deleted_record_is_gone(rig: Rig, stream: str, held: Held) -> None:
    held.pull()
    victim = rig.changeable(stream, held.rows.values())[0]
    rig.wait(timedelta(hours=1))
    rig.delete(stream, victim)
    a_day_later(held)
    assert rig.key(stream, victim) not in held.rows
    assert held.rows.keys() == rig.truth(stream)


def test_a_merged_record_is_gone(rig: Rig, stream: str, held: Held) -> None:
    held.pull()
    winner, loser = list(held.rows.values())[:2]
    rig.wait(timedelta(hours=1))
    rig.merge(stream, winner, loser)
    a_day_later(held)
    assert rig.key(stream, loser) not in held.rows
    assert rig.key(stream, winner) in held.rows
    assert held.rows.keys() == rig.truth(stream)
    assert held.merged in ({}, {rig.key(stream, loser): rig.key(stream, winner)})


def test_an_undeleted_record_comes_back(rig: Rig, stream: str, held: Held) -> None:
    held.pull()
    victim = rig.changeable(stream, held.rows.values())[0]
    rig.wait(timedelta(hours=1))
    rig.delete(stream, victim)
    a_day_later(held)
    rig.undelete(stream, victim)
    a_day_later(held)
    assert rig.key(stream, victim) in held.rows
    assert held.rows.keys() == rig.truth(stream)


def test_a_record_that_vanished_is_missed(rig: Rig, stream: str, held: Held) -> None:
    held.pull()
    victim = rig.changeable(stream, held.rows.values())[0]
    rig.vanish(stream, victim)
    a_day_later(held)
    assert rig.key(stream, victim) not in held.rows
    assert held.rows.keys() == rig.truth(stream)


def test_pull_after_pull_finds_what_changed_between(rig: Rig, stream: str, held: Held) -> None:
    held.pull()
    rows = rig.changeable(stream, held.rows.values())
    for row in spread(rows, 4):
        rig.wait(rig.pause(stream) / 2)
        shows = rig.change(stream, row)
        rig.wait(rig.pause(stream) / 2)
        held.pull(rig.connect())
        assert shows(held.rows)


class Shifted(SandboxClock):
    """Our machine's clock, off by some time from the vendor's."""

    def __init__(self, clock: SandboxClock, by: timedelta) -> None:
        self.clock, self.by = clock, by

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self.clock.now() + self.by

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        self.clock.sleep(seconds)


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_wrong_clock_of_ours_loses_no_change(rig: Rig, stream: str, held: Held, hours: int) -> None:
    clock = Shifted(rig.box.clock, timedelta(hours=hours))
    held.pull(rig.connect(clock=clock))
    changes = []
    for row in rig.changeable(stream, held.rows.values())[:3]:
        rig.wait(timedelta(minutes=30))
        changes.append(rig.change(stream, row))
        rig.wait(timedelta(minutes=30))
        held.pull(rig.connect(clock=clock))
    rig.wait(rig.pause(stream))
    held.pull(rig.connect(clock=clock))
    assert all(shows(held.rows) for shows in changes)


@pytest.mark.parametrize("cursor", ["{", "[1]", "not a place"])
def test_a_cursor_that_is_not_ours_starts_the_stream_again(rig: Rig, stream: str, held: Held, cursor: str) -> None:
    held.cursor = cursor
    with pytest.raises(CursorExpiredError):
        held.pull()
    assert rig.calls(stream) <= 1
