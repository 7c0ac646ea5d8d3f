"""Each event is counted once, however exports repeat and overlap, and days that are replaced are replaced whole."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync import usage_files
from sync.store import Counts, Store
from tests.sync.states import NOW
from tests.sync.usage_exports import TODAY, counted, event, spool, take


def test_an_event_sent_twice_counts_once(store: Store, tmp_path: Path) -> None:
    path = spool(
        tmp_path,
        event(),
        event(mp_processing_time_ms=1),
        event(minutes=1),
        event("u2", insert_id="same"),
        event("u3", insert_id="same"),
    )
    assert take(store, path) == Counts(events=4, duplicates=1)


def test_the_same_export_twice_changes_nothing(store: Store, tmp_path: Path) -> None:
    lines = [event(f"u{n}", minutes=-n, company_id=["a", "b"]) for n in range(50)] + [event(None)]
    take(store, spool(tmp_path, *lines), cursor="c")
    before = counted(store), store.rows("SELECT day, events, anonymous, rows FROM usage_file")
    assert take(store, spool(tmp_path, *lines), cursor="c") == Counts(duplicates=51)
    assert (counted(store), store.rows("SELECT day, events, anonymous, rows FROM usage_file")) == before


def test_what_overlaps_with_earlier_pulls_is_known(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, *(event(minutes=n) for n in range(10))), replaces=True)
    assert take(store, spool(tmp_path, *(event(minutes=n) for n in range(8, 15)))) == Counts(events=5, duplicates=2)
    assert take(store, spool(tmp_path, *(event(minutes=n) for n in range(5, 16)))) == Counts(events=1, duplicates=10)
    assert counted(store) == [(TODAY, "u1", "acme", "Login", 16)]


def test_late_events_are_added_to_their_day(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event(minutes=-24 * 60)), replaces=True)
    late = event(minutes=-24 * 60 + 1, mp_processing_time_ms=NOW.timestamp() * 1000)
    assert take(store, spool(tmp_path, late)) == Counts(events=1)
    assert counted(store) == [(TODAY - timedelta(days=1), "u1", "acme", "Login", 2)]


def test_an_export_that_replaces_overwrites_its_days_and_no_others(store: Store, tmp_path: Path) -> None:
    day = 24 * 60
    take(store, spool(tmp_path, *(event(minutes=-day * n) for n in range(4))), replaces=True)
    again = spool(tmp_path, event("u9"), event("u9", minutes=-day))
    assert take(store, again, replaces=True, days=(-2, 0)) == Counts(events=2)
    assert counted(store) == [
        (TODAY - timedelta(days=3), "u1", "acme", "Login", 1),
        (TODAY - timedelta(days=1), "u9", "acme", "Login", 1),
        (TODAY, "u9", "acme", "Login", 1),
    ]
    on_disk = {path for path in (store.path / "usage").rglob("2*.parquet") if ".later." not in path.name}
    assert on_disk == set(usage_files.files(store))


def test_hashes_of_old_arrivals_are_dropped(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event(minutes=-3 * 24 * 60)))
    take(store, spool(tmp_path, event(minutes=-10)))
    take(store, spool(tmp_path, event()))
    assert store.rows("SELECT count(*) FROM usage_seen") == [(2,)]
    assert len(list((store.path / "usage" / "mp").glob("seen.*"))) == 2


def test_hashes_of_another_engine_say_nothing(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event()))
    (path,) = (store.path / "usage" / "mp").glob("seen.*")
    other = path.with_name("seen.1.0.9.9.parquet")
    path.rename(other)
    with store.transaction() as conn:
        conn.execute("UPDATE usage_seen SET path = ?", (other.relative_to(store.path).as_posix(),))
    assert take(store, spool(tmp_path, event())).events == 1


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["u1", "u2", "u3", None]),
            st.integers(-2 * 24 * 60, 0),
            st.sampled_from(["Login", "Export"]),
            st.sampled_from(["acme", "beta", None, ("acme", "beta")]),
        ),
        max_size=25,
        unique_by=lambda e: e[:3],
    ),
    cuts=st.lists(st.integers(0, 25), max_size=2),
)
def test_exports_that_overlap_in_any_way_count_what_a_plain_loop_counts(
    events: list[tuple[str | None, int, str, Any]], cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("s")
    store = Store.open(tmp_path / "state")
    arrived = NOW.timestamp() * 1000
    lines = [event(p, minutes=m, name=n, company_id=g, mp_processing_time_ms=arrived) for p, m, n, g in events]
    expected: Counter[tuple[Any, ...]] = Counter()
    for person, minutes, name, group in events:
        if person is not None:
            for one in group if isinstance(group, tuple) else [group]:
                expected[(NOW + timedelta(minutes=minutes)).date(), person, one, name] += 1
    take(store, spool(tmp_path, *lines[: cuts[0] if cuts else None]), replaces=True)
    for cut in cuts:
        take(store, spool(tmp_path, *lines[max(0, cut - 5) :]))
    take(store, spool(tmp_path, *lines))
    assert counted(store) == sorted(((*key, n) for key, n in expected.items()), key=repr)
    store.close()


def test_a_delta_of_several_days_is_known_when_it_comes_again(store: Store, tmp_path: Path) -> None:
    lines = [event(minutes=-24 * 60 * n) for n in range(4)]
    take(store, spool(tmp_path, *lines))
    assert take(store, spool(tmp_path, *lines)) == Counts(duplicates=4)
