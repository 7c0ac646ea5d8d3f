"""Copies of the state, the way back, and what an agent does before it works."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import backup, database
from sync.backup import KEEP, copies_of, copy_daily, copy_now, copy_to, newest_sound, restore
from sync.database import DamagedError, StoreError
from sync.integrity import accept, begin_work, examine
from sync.ledger import Ledger
from sync.lock import FencedError, LockedError, run_lock
from sync.store import Page, Store
from tests.sync.released import SCHEMAS, build
from tests.sync.states import DAY, HOUR, NOW, contact, dump


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    made = Store.open(folder)
    commit(made, "1")
    yield made
    made.close()


def commit(store: Store, *ids: str) -> None:
    store.commit(Page("crm", "people", "contact", [contact(one) for one in ids], cursor=ids[-1]), NOW)


def people(folder: Path) -> list[str]:
    store = Store.open(folder)
    try:
        commit_nothing = [record.source_id for record in store.records("contact")]
        with store.transaction():
            return commit_nothing
    finally:
        store.close()


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


# -- copies -------------------------------------------------------------------------------------------------------


def test_a_copy_a_day_and_seven_are_kept(store: Store, folder: Path) -> None:
    assert copy_daily(store, NOW) is not None
    assert copy_daily(store, NOW + 23 * HOUR) is None
    for day in range(1, 10):
        assert copy_daily(store, NOW + day * DAY) is not None
    kept = copies_of(folder)
    assert [copy.made for copy in kept] == [NOW + day * DAY for day in range(9, 9 - KEEP, -1)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder / "copies").iterdir()} == {0o600}
    assert stat.S_IMODE((folder / "copies").stat().st_mode) == 0o700
    assert len(list((folder / "copies").iterdir())) == 2 * KEEP


def test_a_clock_put_back_does_not_end_the_copying(store: Store) -> None:
    assert copy_daily(store, NOW + 30 * DAY) is not None
    assert copy_daily(store, NOW) is not None


def test_a_copy_says_what_the_state_says(store: Store, tmp_path: Path) -> None:
    before = dump(store)
    copy = copy_to(store, tmp_path / "elsewhere" / "my copy.db")
    store.close()
    made = restore(store.path, copy, NOW)
    assert made.made is None
    again = Store.open(store.path)
    assert dump(again) == before
    again.close()


def test_a_copy_is_made_while_somebody_writes(store: Store, folder: Path) -> None:
    with store.transaction():
        commit(store, "2")
        other = Store.open(folder)
        copy = copy_to(other, folder / "copies" / "state-x.db")
        other.close()
    store.close()
    restore(folder, copy, NOW)
    assert people(folder) == ["1"]


def test_no_copy_without_room_and_the_run_goes_on(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    size = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with monkeypatch.context() as patch:
        patch.setattr(backup, "_require_room", _full)
        begin_work(store, NOW, told.append)
    assert "no daily copy was made" in told[0]
    assert copies_of(folder) == []
    monkeypatch.setattr(database, "RESERVE", size + (1 << 40))
    with pytest.raises(StoreError, match=r"no room for a copy.*Free at least \d+ MiB"):
        copy_to(store, folder / "copies" / "state-x.db")
    assert [path.name for path in (folder / "copies").iterdir()] == []


def _full(state: Store, target: Path) -> None:
    del state
    raise StoreError(target, "The disk has no room for a copy of the state.", "Free some.")


def test_a_place_that_cannot_be_written_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        copy_to(store, tmp_path / "file" / "copy.db")


def test_a_damaged_state_is_not_copied_over_good_copies(store: Store, folder: Path) -> None:
    copy_now(store, NOW)
    store.close()
    flip(folder / "state.db")
    again = Store.open(folder)
    with pytest.raises(DamagedError):
        copy_now(again, NOW + DAY)
    again.close()
    assert len(copies_of(folder)) == 1


@pytest.mark.parametrize("number", range(1, len(SCHEMAS)))
def test_a_copy_before_each_conversion(number: int, folder: Path) -> None:
    build(folder, number)
    Store.open(folder).close()
    (copy,) = copies_of(folder)
    assert copy.made is None
    assert copy.path.name == f"state-{SCHEMAS[number - 1][-1]}.db"
    restore(folder, copy.path, NOW)
    assert people(folder) == ["1"], "and it is converted once more"


def test_an_agent_at_work_is_not_converted_under(folder: Path) -> None:
    build(folder, 1)
    with run_lock(folder):
        with pytest.raises(LockedError):
            Store.open(folder)
        Store.open(folder, locked=True).close()


def test_a_damaged_file_is_not_converted(folder: Path) -> None:
    build(folder, 1)
    data = bytearray((folder / "state.db").read_bytes())
    data[4096 * 3 : 4096 * 3 + 100] = bytes(100)
    (folder / "state.db").write_bytes(data)
    with pytest.raises(StoreError):
        Store.open(folder)
    assert copies_of(folder) == []


# -- the way back -------------------------------------------------------------------------------------------------


def test_the_newest_whole_copy_is_chosen(store: Store, folder: Path) -> None:
    copy_now(store, NOW)
    commit(store, "2")
    flip(copy_now(store, NOW + DAY))
    whole = examine(folder)
    assert [bool(problem) for _, problem in whole.copies] == [True, False]
    assert "the disk has changed it" in whole.copies[0][1]
    store.close()
    flip(folder / "state.db")
    done = restore(folder, newest_sound(folder), NOW + DAY)
    assert done.made == NOW
    assert done.aside is not None
    assert (done.aside / "state.db").exists()
    assert people(folder) == ["1"]


def test_without_a_whole_copy_the_crm_is_left(store: Store, folder: Path) -> None:
    flip(copy_now(store, NOW))
    with pytest.raises(StoreError, match=r"no copy that is whole.*state adopt"):
        newest_sound(folder)


def test_what_is_no_copy_of_ours_is_refused(folder: Path, tmp_path: Path) -> None:
    import sqlite3

    folder.mkdir()
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE theirs (x)").connection.close()
    text = tmp_path / "text.db"
    text.write_text("no database " * 1000)
    for path, message in (
        (other, "no state file of Holdfast"),
        (text, "not a SQLite file"),
        (tmp_path / "x", "no such file"),
    ):
        with pytest.raises(StoreError, match=message):
            restore(folder, path, NOW)
    assert list(folder.iterdir()) == []


def test_a_disk_that_refuses_leaves_the_state_as_it_was(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_now(store, NOW)
    commit(store, "2")
    store.close()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", refuse)
        with pytest.raises(StoreError, match="cannot be replaced"):
            restore(folder, copy, NOW)
    assert people(folder) == ["1", "2"]


@pytest.mark.parametrize("step", range(1, 6))
def test_a_restore_that_is_killed_is_done_again(
    step: int, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_now(store, NOW)
    commit(store, "2")
    store.close()
    done = 0

    def dying(self: Path, *args: object, **kwargs: object) -> object:
        nonlocal done
        done += 1
        if done == step:
            raise KeyboardInterrupt
        return unlink(self, *args, **kwargs)  # type: ignore[arg-type]  # as it was called

    unlink = Path.unlink
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", dying)
        try:
            restore(folder, copy, NOW)
        except KeyboardInterrupt:
            ended = False
        else:
            ended = True
    try:
        assert people(folder) in (["1"], ["1", "2"])
    except DamagedError:
        assert not ended
    restore(folder, copy, NOW)
    assert people(folder) == ["1"]


# -- before the work ----------------------------------------------------------------------------------------------


def test_the_one_before_us_writes_nothing_any_more(store: Store, folder: Path) -> None:
    begin_work(store, NOW, pytest.fail)
    commit(store, "2")
    other = Store.open(folder)
    begin_work(other, NOW, pytest.fail)
    with pytest.raises(FencedError, match="number 2, we are 1"):
        commit(store, "3")
    with pytest.raises(FencedError):
        Ledger(store).start_run("apply", NOW)
    commit(other, "3")
    other.close()
    store.close()
    assert people(folder) == ["1", "2", "3"]


def test_a_damaged_ledger_stops_the_work(store: Store, folder: Path) -> None:
    ledger = Ledger(store)
    ledger.adopt_values("account", {"1": {"score": 5}}, NOW)
    with store.transaction() as conn:
        conn.execute("UPDATE owned SET fields = replace(fields, '5', '6')")
    with pytest.raises(DamagedError, match=r"ledger is damaged.*state restore"):
        begin_work(store, NOW, pytest.fail)
    assert any("account 1" in problem for problem in examine(folder).problems)


def test_everything_is_examined(store: Store, folder: Path) -> None:
    assert examine(folder).problems == ()
    with store.transaction() as conn:
        conn.execute("PRAGMA defer_foreign_keys = ON")
        conn.execute("INSERT INTO usage_file VALUES (1, 1, 1, 'usage/gone.parquet', 1, 1, 0, 1, 1)")
    assert any("1 usage file is missing" in problem for problem in examine(folder).problems)
    store.close()
    (folder / "state.db").write_bytes(b"no database" * 1000)
    assert any("not a SQLite file" in problem for problem in examine(folder).problems)


def test_a_file_that_was_changed_on_purpose_can_be_accepted(store: Store, folder: Path) -> None:
    import sqlite3

    store.close()
    theirs = sqlite3.connect(folder / "state.db")
    theirs.execute("UPDATE contact SET title = 'by hand'")
    theirs.commit()
    theirs.close()
    assert any("not what Holdfast left" in problem for problem in examine(folder).problems)
    with pytest.raises(DamagedError):
        people(folder)
    assert accept(folder) == []
    assert people(folder) == ["1"]
    data = bytearray((folder / "state.db").read_bytes())
    data[4096 * 2 : 4096 * 2 + 50] = b"x" * 50
    (folder / "state.db").write_bytes(data)
    assert accept(folder)
    assert (folder / "state.stamp").exists()


def test_a_log_that_is_gone_is_missed(store: Store, folder: Path, tmp_path: Path) -> None:
    import shutil

    store.close()
    again = Store.open(folder)
    commit(again, "2")
    shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    again.close()
    for _ in range(2):
        assert any("write-ahead log" in problem for problem in examine(tmp_path / "copy").problems)
        with pytest.raises(DamagedError, match="write-ahead log"):
            people(tmp_path / "copy")


def test_a_long_log_is_folded(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.close()
    monkeypatch.setattr(database, "LOG_LIMIT", 100_000)
    again = Store.open(folder)
    for start in range(0, 3000, 100):
        commit(again, *map(str, range(start, start + 100)))
    assert (folder / "state.db-wal").stat().st_size < 400_000
    assert (folder / "state.db").stat().st_size > 200_000
    reader = Store.open(folder, readonly=True)
    reader.db.conn.execute("BEGIN")
    reader.db.conn.execute("SELECT count(*) FROM contact").fetchone()
    for start in range(3000, 5000, 100):
        commit(again, *map(str, range(start, start + 100)))
    again.close()
    reader.close()
    assert len(people(folder)) == 5000


def test_a_reader_that_stays_to_the_end_does_no_harm(store: Store, folder: Path) -> None:
    reader = Store.open(folder, readonly=True)
    reader.db.conn.execute("BEGIN")
    assert reader.db.conn.execute("SELECT count(*) FROM contact").fetchone() == (1,)
    commit(store, "2")
    store.close()
    again = Store.open(folder)
    commit(again, "3")
    reader.close()
    again.close()
    assert people(folder) == ["1", "2", "3"]
