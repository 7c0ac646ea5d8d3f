"""Usage as of an instant: what was counted later is taken off again, whichever way it came."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.base import EventExport
from scoring.engine import usage_view
from scoring.inputs import USAGE
from sync import usage, usage_files
from sync.store import Store, StoreError
from sync.streams import PULLS_KEPT
from sync.tables import epoch
from sync.usage_past import files_as_of
from tests.sync.states import DAY, EVENTS, HOUR, NOW
from tests.sync.usage_exports import TODAY, event, spool


def pull(store: Store, folder: Path, at: datetime, *lines: dict[str, Any], replaces: bool = False) -> None:
    first = TODAY - timedelta(days=5)
    export = EventExport(spool(folder, *lines), first, max(TODAY, at.date()), replaces)
    usage.ingest(store, ("mp", "events"), export, EVENTS, cursor=None, now=at)


def seen(store: Store, at: datetime, known: datetime | None = None) -> list[tuple[Any, ...]]:
    """What scoring reads as of an instant."""
    files, later = files_as_of(store, epoch(at), known=None if known is None else epoch(known))
    if not files and not later:
        return []
    with duckdb.connect() as db:
        usage_view(db, [str(path) for path in files], [str(path) for path in later], USAGE.types())
        people = dict(store.rows("SELECT key, source_id FROM contact"))
        rows = db.execute("SELECT day, person, event, count FROM usage").fetchall()
    return sorted((day, people[person], name, count) for day, person, name, count in rows)


def weeks(store: Store, folder: Path, *, replaces: bool) -> list[tuple[datetime, list[tuple[Any, ...]]]]:
    """Five pulls of overlapping days; gives what was seen right after each."""
    yesterday: Sequence[dict[str, Any]] = [event(minutes=-1440), event("u2", minutes=-1400)]
    pulls = [
        (NOW, yesterday),
        (NOW + HOUR, [*yesterday, event(minutes=1), event("u2", minutes=-1390)]),
        (NOW + 2 * HOUR, [*yesterday, event(minutes=1), event(minutes=3), event("late", minutes=-1390)]),
        (NOW + 3 * HOUR, [event(minutes=1)]),
        (NOW + 4 * HOUR, [*yesterday, event("u9", minutes=1)]),
    ]
    found = []
    for at, lines in pulls:
        pull(store, folder, at, *lines, replaces=replaces)
        found.append((at, seen(store, at)))
    return found


@pytest.mark.parametrize("replaces", [False, True])
def test_usage_of_the_past_is_what_was_known_then(store: Store, tmp_path: Path, *, replaces: bool) -> None:
    found = weeks(store, tmp_path, replaces=replaces)
    assert len({repr(rows) for _, rows in found}) > 3
    for at, rows in found:
        assert seen(store, at) == rows
        assert seen(store, at + HOUR / 2) == rows
    assert seen(store, NOW - HOUR) == []


def test_late_events_are_known_of_the_past_where_that_is_asked(store: Store, tmp_path: Path) -> None:
    pull(store, tmp_path, NOW, event(minutes=-1440))
    pull(store, tmp_path, NOW + DAY, event("late", minutes=-1430), event("today", minutes=0))
    yesterday = TODAY - DAY
    assert seen(store, NOW) == [(yesterday, "u1", "Login", 1)]
    # Of the day itself only what was known: the rest had not happened yet.
    assert seen(store, NOW, known=NOW + DAY) == [(yesterday, "late", "Login", 1), (yesterday, "u1", "Login", 1)]


def test_an_ordinary_run_reads_no_file_of_the_past(store: Store, tmp_path: Path) -> None:
    found = weeks(store, tmp_path, replaces=False)
    files, later = files_as_of(store, epoch(found[-1][0]))
    assert later == []
    assert files == usage_files.files(store)
    assert usage_files.clean(store) == []


def test_a_missing_file_of_the_past_is_said_and_hinders_no_run(store: Store, tmp_path: Path) -> None:
    found = weeks(store, tmp_path, replaces=False)
    for path in (store.path / "usage").rglob("*.later.parquet"):
        path.unlink()
    with pytest.raises(StoreError, match="nobody can tell any more"):
        seen(store, NOW)
    assert seen(store, found[-1][0]) == found[-1][1]


def test_files_of_the_past_go_when_the_list_of_pulls_does(store: Store, tmp_path: Path) -> None:
    weeks(store, tmp_path, replaces=False)
    assert list((store.path / "usage").rglob("*.later.parquet"))
    pull(store, tmp_path, NOW + PULLS_KEPT + DAY, event(minutes=5))
    assert store.rows("SELECT count(*) FROM usage_later") == [(1,)]
    assert len(list((store.path / "usage").rglob("*.later.parquet"))) == 1
