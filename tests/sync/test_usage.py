"""Event exports become daily counts: each event once, nobody's events apart, days replaced or added to, crash-safe."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.base import EventExport
from connectors.errors import ShapeError
from mapping.mapped import EventMap
from sync import usage, usage_files
from sync.store import Counts, Store, StoreError
from tests.sync.states import EVENTS, NOW, dump
from tests.sync.usage_exports import TODAY, counted, event, spool, take

# -- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
def test_events_become_daily_counts(store: Store, tmp_path: Path, *, zipped: bool) -> None:
    path = spool(
        tmp_path,
        event(),
        event(minutes=1),
        event("u2"),
        event(name="Export"),
        event(minutes=-24 * 60, company_id=None),
        zipped=zipped,
    )
    assert take(store, path, replaces=True, cursor="c1") == Counts(events=5)
    yesterday = TODAY - timedelta(days=1)
    assert counted(store) == [
        (yesterday, "u1", None, "Login", 1),
        (TODAY, "u1", "acme", "Export", 1),
        (TODAY, "u1", "acme", "Login", 2),
        (TODAY, "u2", "acme", "Login", 1),
    ]
    assert store.cursor("mp", "events") == "c1"


def test_the_files_have_the_columns_that_scoring_reads(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, *(event(f"u{9 - n}") for n in range(10))))
    (path,) = usage_files.files(store)
    assert path.name.startswith(TODAY.isoformat())
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    with duckdb.connect() as db:
        columns = db.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        people = [row[0] for row in db.execute("SELECT person FROM read_parquet(?)", [str(path)]).fetchall()]
    assert [row[:2] for row in columns] == [
        ("day", "DATE"),
        ("person", "INTEGER"),
        ("grp", "INTEGER"),
        ("event", "VARCHAR"),
        ("count", "INTEGER"),
    ]
    assert people == sorted(people)


def test_an_event_of_several_groups_counts_for_each(store: Store, tmp_path: Path) -> None:
    groups = ["acme", "beta", "acme", "", None]
    assert take(store, spool(tmp_path, event(company_id=groups), event("u2", company_id=[]))) == Counts(events=2)
    assert [row[1:] for row in counted(store)] == [
        ("u1", "acme", "Login", 1),
        ("u1", "beta", "Login", 1),
        ("u2", None, "Login", 1),
    ]


@pytest.mark.parametrize(
    ("group", "expected"),
    [("[acme", "[acme"), (" acme ", "acme"), (17, "17"), ({"a": 1}, None), ("", None), ("a'b\u00e9", "a'b\u00e9")],
)
def test_odd_groups(group: Any, expected: str | None, store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event(company_id=group)))
    assert [row[2] for row in counted(store)] == [expected]


def test_events_of_nobody_are_counted_apart(store: Store, tmp_path: Path) -> None:
    path = spool(tmp_path, event(None), event(""), event("$device:7"), event("u1"))
    assert take(store, path) == Counts(events=1, anonymous=3)
    assert store.rows("SELECT events, anonymous FROM usage_file") == [(1, 3)]
    assert [row[1] for row in counted(store)] == ["u1"]


def test_times_in_milliseconds_and_fractions(store: Store, tmp_path: Path) -> None:
    seconds = NOW.timestamp()
    path = spool(
        tmp_path,
        event(time=seconds * 1000, name="A"),
        event(time=seconds + 0.9, name="B"),
        event(time=str(int(seconds)), name="C"),
    )
    assert take(store, path).events == 3
    assert {row[0] for row in counted(store)} == {TODAY}


def test_lines_that_cannot_be_counted_are_quarantined(store: Store, tmp_path: Path) -> None:
    good = event()
    nameless = {"event": "", "properties": event()["properties"]}
    far = event(time=2_713_000_000)
    path = spool(
        tmp_path,
        good,
        "no json",
        '{"event":"A","prop',
        "null",
        "[1]",
        nameless,
        event(time=None),
        event(time="soon"),
        event(time=1e18),
        event(time=-5),
        far,
        b'{"event":"\xff"}',
        "",
    )
    assert take(store, path) == Counts(events=1, rejected=11)
    assert {(q.reason.split(" at ")[0], q.times) for q in store.quarantine()} == {
        ("The line is no JSON object with an event name", 6),
        ("The event has no usable time", 4),
        ("The event's day lies ahead, or is not one of those asked for.", 1),
    }


def test_an_empty_export_moves_the_cursor_only(store: Store, tmp_path: Path) -> None:
    assert take(store, spool(tmp_path), cursor="c1") == Counts()
    assert store.cursor("mp", "events") == "c1"
    assert counted(store) == []


def test_a_line_too_long_to_read_fails_the_stream_and_counts_nothing(store: Store, tmp_path: Path) -> None:
    path = spool(tmp_path, event(), event(note="x" * 34_000_000))
    with pytest.raises(ShapeError, match="maximum_object_size"):
        take(store, path, cursor="c1")
    assert (counted(store), store.cursor("mp", "events")) == ([], None)
    assert not path.exists()
    assert usage_files.clean(store) == []


def test_another_vendors_fields_can_be_named(store: Store, tmp_path: Path) -> None:
    flat = EventMap("type", "at", "user", "user", "o'rg", "id", "got", "device", "anon-")
    line = {"type": "Login", "at": NOW.timestamp(), "user": "u1", "o'rg": "acme", "id": "1"}
    assert take(store, spool(tmp_path, line, {**line, "user": "anon-1"}), events=flat) == Counts(events=1, anonymous=1)
    assert [row[1:] for row in counted(store)] == [("u1", "acme", "Login", 1)]


# -- keys, files, crashes -------------------------------------------------------------------------------------------


def test_keys_are_those_of_the_sources_own_records(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event(), event("u2")))
    keys = dict(store.rows("SELECT source_id, key FROM contact"))
    take(store, spool(tmp_path, event("u3", minutes=1), event("u2", minutes=1)))
    assert {name: key for name, key in store.rows("SELECT source_id, key FROM contact") if name != "u3"} == keys
    assert store.rows("SELECT source_id FROM account") == [("acme",)]
    assert list(store.records("contact")) == []


def test_who_was_active_where(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event(), event("u2", company_id=["acme", "beta"]), event("u3", company_id=None)))
    people, groups = (dict(store.rows(f"SELECT source_id, key FROM {kind}")) for kind in ("contact", "account"))
    assert set(usage_files.pairs(usage_files.files(store))) == {
        (people["u1"], groups["acme"]),
        (people["u2"], groups["acme"]),
        (people["u2"], groups["beta"]),
    }


def test_a_damaged_file_is_named_with_what_to_do(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event()))
    (path,) = usage_files.files(store)
    path.write_bytes(b"PAR1 nothing")
    before = dump(store)
    with pytest.raises(StoreError, match=r"could not be counted.*remove it"):
        take(store, spool(tmp_path, event(minutes=1)))
    with pytest.raises(StoreError, match="remove it: the events are read again"):
        usage_files.pairs([path])
    assert dump(store) == before


def test_a_missing_file_is_noticed(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event()))
    assert usage_files.missing(store, "mp") == []
    (path,) = usage_files.files(store)
    path.unlink()
    assert usage_files.missing(store, "mp") == [path]


def test_files_are_chosen_by_source_and_day(store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event(), event(minutes=-24 * 60)))
    assert len(usage_files.files(store)) == 2
    assert [path.name[:10] for path in usage_files.files(store, until=TODAY - timedelta(days=1))] == ["2026-11-21"]
    assert usage_files.files(store, sources=["other"]) == []


def test_a_source_may_have_any_name(store: Store, tmp_path: Path) -> None:
    export = EventExport(spool(tmp_path, event()), TODAY, TODAY, replaces=True)
    usage.ingest(store, ("../my mixpanel's", "events"), export, EVENTS, cursor=None, now=NOW)
    (path,) = usage_files.files(store)
    assert path.parent.parent == store.path / "usage"


CHILD = """
import os, signal, sys
from datetime import date, datetime, UTC
from pathlib import Path
from connectors.base import EventExport
from sync import usage
from sync.store import Store
from tests.sync.states import EVENTS, NOW

folder, export, point = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
store = Store.open(folder)
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
if point == "rename":
    old = Path.replace
    Path.replace = lambda self, target: (old(self, target), "usage" in self.parts and die())
elif point == "commit":
    store.db.conn.set_trace_callback(lambda sql: die() if "usage_file" in sql and sql.startswith("INSERT") else None)
elif point == "committed":
    remove = Path.unlink
    Path.unlink = lambda self, missing_ok=False: die() if "usage" in self.parts else remove(self, missing_ok)
usage.ingest(store, ("mp", "events"), EventExport(export, NOW.date(), NOW.date(), False), EVENTS, cursor="c2", now=NOW)
"""


@pytest.mark.parametrize("point", ["rename", "commit", "committed"])
def test_killed_on_the_way_the_old_or_the_new_counts_are_in_force(point: str, store: Store, tmp_path: Path) -> None:
    take(store, spool(tmp_path, event()), cursor="c1")
    store.close()
    path = spool(tmp_path, event(), event(minutes=1))
    root = Path(__file__).parents[2]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "state"), str(path), point],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        check=False,
        timeout=60,
    )
    assert child.returncode == -signal.SIGKILL
    again = Store.open(tmp_path / "state")
    done = point == "committed"
    assert again.cursor("mp", "events") == ("c2" if done else "c1")
    assert counted(again) == [(TODAY, "u1", "acme", "Login", 2 if done else 1)]
    assert usage_files.clean(again)
    on_disk = {path for path in (again.path / "usage").rglob("*") if path.is_file()}
    assert on_disk == usage_files.spoken_of(again)
    assert counted(again) == [(TODAY, "u1", "acme", "Login", 2 if done else 1)]
    take(again, spool(tmp_path, event(), event(minutes=1)), cursor="c2")
    assert counted(again) == [(TODAY, "u1", "acme", "Login", 2)]
    again.close()
