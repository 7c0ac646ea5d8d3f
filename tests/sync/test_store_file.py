"""The state file as a file: modes, migrations, errors in words, readers, locks, crashes."""

import os
import re
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from mapping.schema import Activity, Contact, ContactRole, Ticket
from sync import database
from sync.migrations import migrations
from sync.schema import APPLICATION_ID, STEPS
from sync.store import EnvironmentMismatchError, Page, Store, StoreError
from sync.tables import instant
from tests.sync.released import SCHEMAS, build
from tests.sync.states import HOUR, NOW, contact, dump


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with_state = Store.open(folder)
    yield with_state
    with_state.close()


def people(*ids: str, cursor: str | None = None, **values: Any) -> Page:
    return Page("crm", "people", "contact", [contact(i, **values) for i in ids], cursor=cursor)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- modes and settings ---------------------------------------------------------------------------------------------


def test_folder_and_files_are_for_their_owner_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        store = Store.open(folder)
        store.commit(people("1"), NOW)
        assert mode(folder) == 0o700
        assert {path.name: mode(path) for path in folder.iterdir()} == dict.fromkeys(
            ["state.db", "state.db-shm", "state.db-wal", "state.fold"], 0o600
        )
        store.close()
        (folder / "state.db").chmod(0o644)
        Store.open(folder).close()
        assert mode(folder / "state.db") == 0o600
    finally:
        os.umask(before)


def test_commits_are_durable_and_checked(store: Store) -> None:
    assert store.rows("PRAGMA journal_mode") == [("wal",)]
    assert store.rows("PRAGMA synchronous") == [(2,)]
    assert store.rows("PRAGMA application_id") == [(APPLICATION_ID,)]


# -- migrations -----------------------------------------------------------------------------------------------------


def test_every_step_of_the_schema_is_among_the_released_ones() -> None:
    store_names = [migration.name for migration in migrations._migrations]
    assert tuple(store_names) == STEPS
    assert [names[-1] for names in SCHEMAS] == store_names


def test_no_table_with_a_row_is_taken_for_damaged(folder: Path) -> None:
    """SQLite 3.40 finds NULLs in a table without rowid whose key is not its first columns, where there are none."""
    Store.open(folder).close()
    with sqlite3.connect(folder / "state.db") as conn:
        conn.execute("PRAGMA ignore_check_constraints = ON")
        kind = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND wr"
        for (table,) in conn.execute(kind).fetchall():
            columns = conn.execute(f"SELECT count(*) FROM pragma_table_info('{table}')").fetchone()[0]
            conn.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})", range(1, columns + 1))
        assert [row for (row,) in conn.execute("PRAGMA integrity_check") if "NULL" in row] == []
    conn.close()


@pytest.mark.parametrize("number", range(1, len(SCHEMAS) + 1))
def test_a_file_of_every_released_schema_is_converted(number: int, folder: Path) -> None:
    build(folder, number)
    store = Store.open(folder)
    assert store.cursor("crm", "people") == "page 1"
    assert [r.source_id for r in store.records("contact")] == ["1"]
    assert store.commit(people("2"), NOW).new == 1
    assert not migrations.pending(Database(store.db.conn))
    store.close()


def test_a_newer_schema_is_refused(folder: Path) -> None:
    store = Store.open(folder)
    with store.transaction() as conn:
        conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)",
            ("holdfast", "m099_future", "2030-01-01"),
        )
    store.close()
    before = (folder / "state.db").read_bytes()
    said = f"It has schema 99, from a newer version of Holdfast; this one knows schemas up to {len(SCHEMAS)}. "
    for readonly in (False, True):
        with pytest.raises(StoreError, match=re.escape(said)):
            Store.open(folder, readonly=readonly)
    assert (folder / "state.db").read_bytes() == before


@pytest.mark.parametrize("number", range(1, len(SCHEMAS) + 1))
def test_what_a_conversion_adds_is_empty_and_can_be_filled(number: int, folder: Path) -> None:
    build(folder, number)
    store = Store.open(folder)
    then, now = instant(1500), instant(2500)
    made = instant(900)
    known = Ticket(source="crm", source_id="35", status="solved", created_at=made)
    assert list(store.records("ticket", as_of=then)) == [known.model_copy(update={"status": "open"})]
    assert list(store.records("ticket")) == [known]
    assert list(store.records("activity")) == [Activity(source="crm", source_id="7", activity="call", at=made)]
    assert list(store.records("contact_role")) == []
    copied = known.model_copy(update={"copy_of": "99"})
    assert store.commit(Page("crm", "tickets", "ticket", [copied]), now).changed == 1
    role = ContactRole(source="crm", source_id="5", contact_ref="1", deal_ref="9", role="Champion", primary=True)
    assert store.commit(Page("crm", "roles", "contact_role", [role]), now).new == 1
    assert list(store.records("ticket")) == [copied]
    assert list(store.records("ticket", as_of=instant(2400))) == [known]
    assert list(store.records("contact_role")) == [role]
    store.close()


def test_an_older_file_ends_with_the_tables_of_a_new_one(folder: Path, tmp_path: Path) -> None:
    def shape(path: Path) -> set[tuple[str, str, frozenset[str]]]:
        store = Store.open(path)
        found = store.rows("SELECT type, name FROM sqlite_master WHERE name NOT LIKE '_sqlite%' ORDER BY name")
        columns = {name: frozenset(map(str, store.rows(f"PRAGMA table_info({name})"))) for _, name in found}
        store.close()
        return {(kind, name, columns[name]) for kind, name in found}

    build(folder, 1)
    assert shape(folder) == shape(tmp_path / "new")


@pytest.mark.parametrize("number", range(1, len(SCHEMAS)))
def test_an_older_schema_is_not_converted_by_a_reader(number: int, folder: Path) -> None:
    build(folder, number)
    with pytest.raises(StoreError, match="holdfast sync"):
        Store.open(folder, readonly=True)


# -- errors in words ------------------------------------------------------------------------------------------------


def _text(folder: Path) -> None:
    (folder / "state.db").write_text("this is no database, " * 500)


def _other(folder: Path) -> None:
    sqlite3.connect(folder / "state.db").execute("CREATE TABLE theirs (x)").connection.close()


def _torn(folder: Path) -> None:
    store = Store.open(folder)
    store.commit(people(*map(str, range(3000)), title="x" * 50), NOW)
    store.close()
    file = folder / "state.db"
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size // 3 // 4096 * 4096)


def _folder(folder: Path) -> None:
    (folder / "state.db").mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_text, "not a SQLite file"),
        (_other, "belongs to another program"),
        (_torn, "is damaged"),
        (_folder, "A folder is in the place"),
    ],
)
@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(
    spoil: Callable[[Path], None], message: str, *, readonly: bool, folder: Path
) -> None:
    folder.mkdir()
    spoil(folder)
    with pytest.raises(StoreError, match=message) as caught:
        _look_into(folder, readonly=readonly)
    assert caught.value.path == folder / "state.db"
    assert caught.value.advice in str(caught.value)


def _look_into(folder: Path, *, readonly: bool) -> None:
    store = Store.open(folder, readonly=readonly)
    try:
        list(store.records("contact"))
    finally:
        store.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Store.open(tmp_path / "file" / "state")


def test_a_reader_finds_no_state_before_the_first_run(folder: Path) -> None:
    with pytest.raises(StoreError, match="There is no state yet"):
        Store.open(folder, readonly=True)
    assert not folder.exists()


def test_a_reader_cannot_write(store: Store, folder: Path) -> None:
    reader = Store.open(folder, readonly=True)
    with pytest.raises(StoreError, match="may not be written"):
        reader.commit(people("1"), NOW)
    reader.close()


def test_a_locked_file_is_waited_for_and_then_named(store: Store, folder: Path) -> None:
    other = Store.open(folder, timeout=0.05)
    with store.transaction(), pytest.raises(StoreError, match="Another program"):
        other.commit(people("1"), NOW)
    assert other.commit(people("1"), NOW).new == 1
    other.close()


@pytest.mark.parametrize("pages", [80, 90, 100, 120])
def test_a_full_disk_keeps_what_was_committed(pages: int, store: Store) -> None:
    store.rows(f"PRAGMA max_page_count = {store.rows('PRAGMA page_count')[0][0] + pages}")
    done = -1

    def fill() -> None:
        nonlocal done
        for start in range(0, 100_000, 100):
            ids = [str(start + i) for i in range(100)]
            store.commit(people(*ids, cursor=str(start), title="x" * 100), NOW)
            done = start

    with pytest.raises(StoreError, match="disk is full"):
        fill()
    assert store.cursor("crm", "people") == str(done)
    assert len(list(store.records("contact"))) == done + 100
    store.rows("PRAGMA max_page_count = 1000000")
    assert store.commit(people("new"), NOW).new == 1


def test_a_nearly_full_disk_is_not_filled(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "RESERVE", 1 << 62)
    with pytest.raises(StoreError, match="nearly full"):
        store.commit(people("1"), NOW)


def test_an_unknown_error_is_still_in_words(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no such table: nowhere.*report"):
        store.rows("SELECT * FROM nowhere")
    with pytest.raises(StoreError, match="no such table"):
        store.db.execute("SELECT * FROM nowhere")


# -- transactions and readers ---------------------------------------------------------------------------------------


def test_a_failed_block_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.transaction():
            store.commit(people("1", cursor="c"), NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(store.records("contact")) == []
    assert store.cursor("crm", "people") is None


def test_readers_go_on_while_a_writer_writes(store: Store, folder: Path) -> None:
    store.commit(people("1"), NOW)
    with store.transaction():
        store.commit(people("2"), NOW)
        reader = Store.open(folder, readonly=True, timeout=0.05)
        assert [r.source_id for r in reader.records("contact")] == ["1"]
        assert reader.status()[0].total == 1
    assert [r.source_id for r in reader.records("contact")] == ["1", "2"]
    reader.close()


def test_threads_take_turns(store: Store) -> None:
    def write(name: str) -> None:
        for i in range(20):
            store.commit(Page(name, "people", "contact", [contact(str(i), source=name)], cursor=str(i)), NOW)
            assert store.cursor(name, "people") == str(i)

    threads = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(store.records("contact"))) == 100
    keys = [row[0] for row in store.rows("SELECT key FROM contact ORDER BY key")]
    assert keys == list(range(1, 101))


def test_a_library_with_its_own_sqlite_reads_and_loses_nothing(store: Store, folder: Path) -> None:
    from adbc_driver_sqlite import dbapi

    for number in range(3):
        store.commit(people(str(number), cursor=str(number)), NOW)
        with store.released() as file, dbapi.connect(str(file)) as conn, conn.cursor() as cursor:
            cursor.execute("SELECT source_id FROM contact")
            assert cursor.fetch_arrow() is not None
    other = sqlite3.connect(folder / "state.db")  # as another process would see it
    assert other.execute("SELECT count(*) FROM contact").fetchone() == (3,)
    other.close()
    assert store.cursor("crm", "people") == "2"


def test_the_file_is_not_let_go_of_inside_a_transaction(store: Store) -> None:
    with store.transaction(), pytest.raises(StoreError, match="inside a transaction"), store.released():
        pass


# -- which account --------------------------------------------------------------------------------------------------


def test_a_state_belongs_to_one_account_of_a_vendor(store: Store) -> None:
    assert store.environment("crm") is None
    store.pin_environment("crm", "hubspot:1:STANDARD")
    store.pin_environment("crm", "hubspot:1:STANDARD")
    with pytest.raises(EnvironmentMismatchError, match=r"'hubspot:1:STANDARD'.*'hubspot:9:SANDBOX'.*credentials"):
        store.pin_environment("crm", "hubspot:9:SANDBOX")
    assert store.environment("crm") == "hubspot:1:STANDARD"


# -- crashes --------------------------------------------------------------------------------------------------------


def _in_child(work: Callable[[], None]) -> int:
    """Run in a forked child; gives the signal that ended it, 0 when it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _second_page() -> Page:
    changed: list[Contact] = [contact("1", title="new", at=NOW + HOUR), contact("3", account_ref="a")]
    return Page("crm", "people", "contact", changed, cursor="page 2", deleted=["2"], own_values={"1": {"score": 5}})


def _kill_at(folder: Path, number: int) -> Callable[[], None]:
    def work() -> None:
        store = Store.open(folder)
        statements = 0

        def trace(_: str) -> None:
            nonlocal statements
            statements += 1
            if statements > number:
                os.kill(os.getpid(), signal.SIGKILL)

        store.db.conn.set_trace_callback(trace)
        store.commit(_second_page(), NOW + HOUR)
        store.db.conn.set_trace_callback(None)

    return work


def _outcome(folder: Path) -> dict[str, list[Any]]:
    store = Store.open(folder)
    try:
        assert store.rows("PRAGMA integrity_check") == [("ok",)]
        return dump(store)
    finally:
        store.close()


def test_killed_anywhere_a_page_is_there_with_its_cursor_or_not_at_all(folder: Path) -> None:
    store = Store.open(folder)
    store.commit(people("1", "2", cursor="page 1"), NOW)
    store.close()
    before = _outcome(folder)
    ended = []
    for number in range(60):
        code = _in_child(_kill_at(folder, number))
        after = _outcome(folder)
        ended.append(code)
        if code == 0:
            assert after != before
            assert any("page 2" in row for row in after["stream"])
            break
        assert code == -signal.SIGKILL
        assert after == before, f"killed at statement {number}"
    assert ended[-1] == 0
    assert len(ended) > 8
    again = Store.open(folder)
    again.commit(_second_page(), NOW + HOUR)
    assert dump(again) == after
    again.close()
