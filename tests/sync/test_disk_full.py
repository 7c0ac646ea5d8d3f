"""A disk that is full at any commit of a run: what is not noted is not sent, and the next run makes all of it good."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sync import database
from sync.database import StoreError
from tests.crash.desk import Desk
from tests.crash.life import in_process
from tests.crash.scenarios import KINDS, empty_crm, go, wishes

FORTNIGHT = timedelta(days=15)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "state", KINDS["hubspot-marker"])
    with in_process(made.crm):
        empty_crm(made)
        yield made


def next_hour(desk: Desk, turn: int) -> None:
    desk.crm.pass_time(FORTNIGHT)
    desk.rows = wishes(desk, turn)
    desk.due_tasks = desk.due_tasks + desk.red()


def writes(desk: Desk) -> int:
    return desk.box.journal.writes()


def test_full_at_any_commit_nothing_is_lost_or_doubled(desk: Desk) -> None:
    ended: list[bool | str] = []
    with desk.agent() as agent:
        go(agent)
    for turn in range(1, 40):
        next_hour(desk, turn)
        with desk.agent() as agent:
            pages = agent.store.rows("PRAGMA page_count")[0][0]
            agent.store.rows(f"PRAGMA max_page_count = {pages + turn - 1}")
            try:
                go(agent)
            except StoreError as error:
                ended.append("disk is full" not in str(error) and str(error))
            else:
                ended.append(True)
            sent = agent.store.rows("SELECT count(*) FROM op WHERE state = 'sending'")[0][0]
            assert sent <= desk.batch, "one batch at most is under way when the disk is full"
        desk.crm.pass_time(timedelta(hours=1))
        with desk.agent() as agent:
            report = go(agent)
            assert not report.blocked
            assert agent.ledger.verify() == []
        assert list(desk.lost()) == []
        assert list(desk.missing_tasks()) == []
        assert list(desk.doubled()) == []
        if ended[-3:] == [True] * 3:
            break
    assert ended.count(False) > 2, ended
    assert ended[-1], "it was full at every commit that needs room"


def test_a_nearly_full_disk_stops_before_anything_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk.agent() as agent:
        go(agent)
    next_hour(desk, 1)
    before = writes(desk)
    with monkeypatch.context() as patch, desk.agent() as agent:
        patch.setattr(database, "RESERVE", 1 << 62)
        with pytest.raises(StoreError, match="nearly full"):
            go(agent)
    assert writes(desk) == before
    with desk.agent() as agent:
        go(agent)
    assert list(desk.lost()) == []
    assert list(desk.doubled()) == []


def test_a_disk_that_gets_full_between_two_batches_stops_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk.agent() as agent:
        go(agent)
    next_hour(desk, 1)
    before = writes(desk)
    with desk.agent() as agent:
        settle = agent.ledger.__class__.settle_batch

        def then_full(*args: object, **kwargs: object) -> object:
            done = settle(*args, **kwargs)  # type: ignore[arg-type]  # as it was called
            monkeypatch.setattr(database, "RESERVE", 1 << 62)
            return done

        with monkeypatch.context() as patch:
            patch.setattr(agent.ledger.__class__, "settle_batch", then_full)
            with pytest.raises(StoreError, match="nearly full"):
                go(agent)
        assert agent.store.rows("SELECT count(*) FROM op WHERE state = 'sending'") == [(0,)]
    assert writes(desk) == before + 1
    monkeypatch.undo()
    desk.crm.pass_time(timedelta(hours=1))
    with desk.agent() as agent:
        go(agent)
    assert list(desk.lost()) == []
    assert list(desk.doubled()) == []
