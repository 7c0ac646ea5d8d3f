import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sandbox.zendesk_log import SHIFT, ChangeLog, key_of, make_keys

EVENTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=40)


def log_of(events: list[tuple[int, int]], now: int) -> ChangeLog:
    stamps = np.array([stamp for stamp, _ in events], dtype=np.int64)
    return ChangeLog(make_keys(stamps, np.array([index for _, index in events], dtype=np.int64)), 6, now)


def newest(events: list[tuple[int, int]], now: int) -> list[int]:
    last: dict[int, int] = {}
    for stamp, index in events:
        if 0 < stamp <= now:
            last[index] = max(last.get(index, 0), stamp)
    return sorted(key_of(stamp, index) for index, stamp in last.items())


@given(EVENTS, st.integers(0, 40), st.lists(st.integers(0, 40), max_size=4))
def test_steps_of_time_give_what_one_jump_gives(events: list[tuple[int, int]], begin: int, steps: list[int]) -> None:
    log, now = log_of(events, begin), begin
    for step in steps:
        now = max(now, step)
        log.advance(step)
    assert log.after(0, 100, 1000) == (newest(events, now), False)


@given(EVENTS, st.lists(st.tuples(st.integers(20, 40), st.integers(0, 5)), max_size=20), st.integers(1, 4))
def test_pages_of_any_size_hold_each_record_once(
    events: list[tuple[int, int]], touches: list[tuple[int, int]], size: int
) -> None:
    log = log_of(events, 20)
    for stamp, index in touches:
        log.touch(index, stamp)
    expected = newest([e for e in events if e[0] <= 20] + touches, 40)
    found, key, more = [], 0, True
    while more:
        keys, more = log.after(key, size, 40)
        assert len(keys) <= size
        found += keys
        key = keys[-1] if keys else key
    assert found == expected


def test_the_horizon_holds_back() -> None:
    log = log_of([(5, 0), (10, 1)], 20)
    assert [key >> SHIFT for key in log.after(0, 10, 9)[0]] == [5]
    assert log.second(10) == [key_of(10, 1)]


def test_removed_records_do_not_come_back() -> None:
    log = log_of([(5, 0), (10, 1), (30, 0)], 20)
    log.remove(0)
    log.advance(40)
    assert log.after(0, 10, 100)[0] == [key_of(10, 1)]
    assert log.stamp(0) == 0


def test_new_records_join_at_the_end() -> None:
    log = log_of([(5, 0)], 20)
    index = log.append(20)
    assert index == 6
    assert log.after(0, 10, 20)[0] == [key_of(5, 0), key_of(20, 6)]
    assert log.before(key_of(20, 6), 5) == [key_of(5, 0)]


def test_a_long_tail_is_folded_in() -> None:
    size = 250_000
    stamps = np.concatenate([np.full(size, 5), np.arange(size) + 100])
    log = ChangeLog(make_keys(stamps, np.concatenate([np.arange(size), np.arange(size)])), size, 10)
    log.advance(10**7)
    keys, more = log.after(0, 10, 10**7)
    assert (len(keys), more) == (10, True)
    assert keys[0] == key_of(100, 0)
    assert log.visible().all()
