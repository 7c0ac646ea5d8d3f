"""Each change is noted once, whatever becomes of the runs and of the sending."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sync import outbox
from sync.notices import KEEP, Notice, Stale, Stands, Wants, notice_changes, recent
from sync.outbox import Letter
from sync.store import Store

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STALE = Stale("mixpanel events tells of nothing new.", NOW - HOUR)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def everything(notice: Notice) -> bool:
    del notice
    return True


ALL: dict[str, Wants] = {"cs": everything}


def stands(status: str = "done", **more: object) -> Stands:
    return Stands(1, status, **more)  # type: ignore[arg-type]  # as the tests below give them


def noticed(store: Store, *said: Stands) -> list[list[tuple[str, str]]]:
    return [
        [(one.kind, one.subject) for one in notice_changes(store, stand, ALL, NOW + hour * HOUR)]
        for hour, stand in enumerate(said)
    ]


def test_accounts_that_are_red_at_first_are_not_told(store: Store) -> None:
    red = stands(bands={"1": "red", "2": "green"})
    assert noticed(store, red, red) == [[], []]


def test_newly_red_and_recovered_once_each(store: Store) -> None:
    assert noticed(
        store,
        stands(bands={"1": "green"}),
        stands(bands={"1": "red", "2": "red"}),
        stands(bands={"1": "red", "2": "red"}),
        stands(bands={"1": "yellow", "2": "red"}),
        stands(bands={"1": "red", "2": "red"}),
    ) == [[], [("account_red", "1"), ("account_red", "2")], [], [("account_recovered", "1")], [("account_red", "1")]]


def test_unknown_is_neither_red_nor_recovered(store: Store) -> None:
    bands = ("green", "red", "unknown", "red", "unknown", "green")
    found = noticed(store, *(stands(bands={"1": band}) for band in bands))
    assert [kind for step in found for kind, _ in step] == ["account_red", "account_recovered"]


def test_while_nobody_knows_the_bands_nothing_is_told_of_them(store: Store) -> None:
    assert noticed(store, stands(bands={"1": "green"}), stands("blocked"), stands(bands={"1": "red"}))[1:] == [
        [("run_failed", "")],
        [("run_recovered", ""), ("account_red", "1")],
    ]


def test_runs_that_fail_are_told_once_and_a_stopped_one_is_neither(store: Store) -> None:
    states = ("failed", "stopped", "blocked", "held", "stopped", "failed")
    assert [[kind for kind, _ in step] for step in noticed(store, *map(stands, states))] == [
        ["run_failed"], [], [], ["run_recovered"], [], ["run_failed"],
    ]  # fmt: skip


def test_a_stream_is_told_when_it_is_not_believed_and_when_it_is_again(store: Store) -> None:
    stale = stands(stale={"mixpanel/events": STALE})
    nobody_looked = stands("blocked")
    assert noticed(store, stale, stale, nobody_looked, stands(stale={}), stands(stale={})) == [
        [("source_stale", "mixpanel/events")],
        [],
        [("run_failed", "")],
        [("run_recovered", ""), ("source_recovered", "mixpanel/events")],
        [],
    ]


def test_a_hold_is_told_once_however_many_plans_it_holds(store: Store) -> None:
    held = stands("held", held={"file": "a.plan"}, judged=True)
    free = stands(judged=True)
    found = noticed(store, held, held, stands("blocked"), held, free, held)
    assert [("plan_held", "") in step for step in found] == [True, False, False, False, False, True]


def test_what_is_old_goes_with_what_became_of_it(store: Store) -> None:
    notice_changes(store, stands("failed"), ALL, NOW)
    notice_changes(store, stands(), ALL, NOW + KEEP + HOUR)
    assert [one.kind for one in recent(store, NOW)] == ["run_recovered"]
    assert sum(outbox.counts(store).values()) == 1


# -- the outbox -------------------------------------------------------------------------------------------------------


def waiting(store: Store, *said: str) -> list[Letter]:
    notice_changes(store, stands(bands={}), ALL, NOW)
    notice_changes(store, stands(bands=dict.fromkeys(said, "red")), ALL, NOW)
    return outbox.letters(store, "cs")


def test_notices_of_a_kind_go_together_and_once(store: Store) -> None:
    (letter,) = waiting(store, "1", "2")
    assert [one.subject for one in letter.notices] == ["1", "2"]
    outbox.note_sending(store, [letter], NOW)
    outbox.note_end(store, letter, "sent", NOW)
    assert outbox.letters(store, "cs") == []


def test_killed_between_sending_and_noting_the_same_message_goes_again_and_says_so(
    store: Store, tmp_path: Path
) -> None:
    (letter,) = waiting(store, "1")
    outbox.note_sending(store, [letter], NOW)
    store.close()
    later = Store.open(tmp_path)
    try:
        notice_changes(later, stands(bands={"1": "red", "2": "red"}), ALL, NOW + HOUR)
        again, new = outbox.letters(later, "cs")
        assert (again.id, again.again, [one.subject for one in again.notices]) == (letter.id, True, ["1"])
        assert (new.again, [one.subject for one in new.notices]) == (False, ["2"])
        assert new.id != letter.id
    finally:
        later.close()


def test_a_refusal_is_tried_again_without_that_word(store: Store) -> None:
    (letter,) = waiting(store, "1")
    outbox.note_sending(store, [letter], NOW)
    outbox.note_end(store, letter, "failed", NOW, "it answered 404")
    (again,) = outbox.letters(store, "cs")
    assert (again.id, again.again) == (letter.id, False)
    (trouble,) = outbox.troubles(store, NOW)
    assert (trouble.channel, trouble.state, trouble.notices, trouble.error) == ("cs", "failed", 1, "it answered 404")


def test_after_a_day_since_the_first_try_it_is_given_up(store: Store) -> None:
    (letter,) = waiting(store, "1")
    for hour in (0, 12):
        outbox.note_sending(store, [letter], NOW + hour * HOUR)
        outbox.note_unclear(store, letter, "no answer in time")
    assert outbox.give_up(store, NOW + 23 * HOUR) == 0
    assert outbox.give_up(store, NOW + 24 * HOUR) == 1
    assert outbox.letters(store, "cs") == []
    assert [one.state for one in outbox.troubles(store, NOW)] == ["given_up"]
    assert outbox.troubles(store, NOW + 48 * HOUR) == []


def test_what_was_never_tried_waits_as_long_as_it_must(store: Store) -> None:
    waiting(store, "1")
    assert outbox.give_up(store, NOW + 20 * 24 * HOUR) == 0
    assert len(outbox.letters(store, "cs")) == 1


def test_a_channel_gets_what_it_wants_and_a_dropped_one_nothing(store: Store) -> None:
    wants: dict[str, Wants] = {"cs": lambda one: one.subject == "2", "admin": lambda one: one.kind == "run_failed"}
    notice_changes(store, stands(bands={}), wants, NOW)
    notice_changes(store, stands("done", bands={"1": "red", "2": "red"}), wants, NOW)
    assert [one.subject for letter in outbox.letters(store, "cs") for one in letter.notices] == ["2"]
    assert outbox.letters(store, "admin") == []
    outbox.drop_channels(store, ["admin"])
    assert outbox.letters(store, "cs") == []
