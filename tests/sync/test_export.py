"""Files for other programs: whole, safe to open, of one instant, without people unless asked for."""

import csv
import json
import re
import stat
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapping.schema import User
from scoring.inputs import SignalPoints
from sync.catalogue import tables
from sync.columns import Column, Table
from sync.export import Export, ExportError, Format, Wanted, export, put, safe
from sync.export_parquet import Reader
from sync.store import Page, Store
from tests.scoring.rows import score_row
from tests.sync.states import NOW, account, contact

HOSTILE = '=HYPERLINK("http://evil.example";"Ümläut")'
LATER = NOW + timedelta(days=3)


@pytest.fixture
def filled(store: Store) -> Store:
    """One customer with an awkward name, its owner and one person; scored twice."""
    store.commit(Page("crm", "owners", "user", records=[User(source="crm", source_id="7", name="Ada Owner")]), NOW)
    firm = account("1", name=HOSTILE, owner_id="7", mrr=1050, currency="EUR", customer_since=date(2026, 1, 15))
    store.commit(Page("crm", "accounts", "account", records=[firm]), NOW)
    person = contact("p1", email="mia@firm.example", account_ref="1")
    store.commit(Page("crm", "contacts", "contact", records=[person]), NOW)
    signals = (SignalPoints("login", None, 15, -3),)
    row = score_row("1", "green", key=1, name=HOSTILE, owner_id="7", score=80, signals=signals, segments=("power",))
    store.save_scores(1, [row, score_row("p1", "green", key=1, level="contact")], NOW)
    with store.transaction() as conn:
        sql = "INSERT INTO run (run_id, mode, started, ended, status, counts) VALUES (1, 'apply', ?1, ?1, 'done', '{}')"
        conn.execute(sql, (int(NOW.timestamp()),))
    store.save_scores(
        2, [row._replace(score=None, band="unknown"), score_row("p1", "green", key=1, level="contact")], LATER
    )
    return store


def named(*names: str) -> list[Table]:
    return [tables()[name] for name in names]


def write(store: Store, folder: Path, kind: Format, *names: str, **more: Any) -> Export:
    return export(store, Wanted(named(*names), **more), folder, kind, LATER)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- CSV --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+49 170 1", "'+49 170 1"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ('Smith";=1', "Smith\";'=1"),
        ("a\n=1", "a\n'=1"),
        ("-12.5", "-12.5"),
        ("Smith & Co. - Berlin", "Smith & Co. - Berlin"),
        ("1 = 1, a+b", "1 = 1, a+b"),
        ("O'Neil", "O'Neil"),
        ("", ""),
    ],
)
def test_what_a_spreadsheet_would_compute_is_marked(text: str, shown: str) -> None:
    assert safe(text) == shown


@given(st.text(alphabet="=+-@ab1 .;,|\"'\t\r\n\uff1d"))
def test_no_cell_begins_as_a_formula_wherever_a_spreadsheet_cuts(text: str) -> None:
    for part in re.split(r"[;,|\"\t\r\n]", safe(text)):
        assert not part.lstrip(" ").startswith(("=", "+", "@", "\uff1d")), text
        assert not part.lstrip(" ").startswith("-") or safe(text) == text, text


def test_csv_keeps_numbers_marks_names_and_leaves_the_unknown_empty(filled: Store, tmp_path: Path) -> None:
    done = write(filled, tmp_path / "out", "csv", "v_account", "v_driver")
    assert [(one.table, one.rows) for one in done.files] == [("v_account", 1), ("v_driver", 1)]
    (found,) = rows(tmp_path / "out" / "v_account.csv")
    assert found["account_name"].startswith("'=HYPERLINK(")
    assert (found["score"], found["mrr_minor"], found["customer_since"]) == ("", "1050", "2026-01-15")
    assert rows(tmp_path / "out" / "v_driver.csv")[0]["value"] == "-3"
    (raw,) = rows(write(filled, tmp_path / "raw", "csv", "v_account", raw=True).files[0].path)
    assert raw["account_name"] == HOSTILE


# -- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_people_stay_out_unless_they_are_asked_for(filled: Store, tmp_path: Path, kind: Format) -> None:
    names = [name for name, table in tables().items() if not table.personal]
    write(filled, tmp_path / "firms", kind, *names)
    write(filled, tmp_path / "people", kind, *tables(), people=True)
    firms, people = ([_text(path) for path in (tmp_path / folder).iterdir()] for folder in ("firms", "people"))
    for secret in ("mia@firm.example", "Ada Owner"):
        assert not [text for text in firms if secret in text]
        assert [text for text in people if secret in text]


def _text(path: Path) -> str:
    if path.suffix != ".parquet":
        return path.read_text(encoding="utf-8")
    with duckdb.connect() as db:
        return str(db.execute(f"SELECT list(t)::VARCHAR FROM '{path}' t").fetchall())


# -- Parquet ----------------------------------------------------------------------------------------------------------


def test_parquet_has_proper_types_and_the_same_values(filled: Store, tmp_path: Path) -> None:
    path = write(filled, tmp_path, "parquet", "v_account").files[0].path
    with duckdb.connect() as db:
        types = {row[0]: row[1] for row in db.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()}
        assert types["score"] == types["mrr_minor"] == "BIGINT"
        assert types["customer_since"] == "DATE"
        assert types["in_crm"] == "BOOLEAN"
        assert types["since"] == "TIMESTAMP WITH TIME ZONE"
        sql = "SELECT account_name, score, mrr_minor, customer_since, in_crm, epoch(since)"
        found = db.execute(f"{sql} FROM '{path}'").fetchall()
    assert found == [(HOSTILE, None, 1050, date(2026, 1, 15), True, LATER.timestamp())]


def test_an_empty_table_is_a_file_with_its_columns(store: Store, tmp_path: Path) -> None:
    names = list(tables())
    done = write(store, tmp_path, "parquet", *names, people=True)
    assert [one.rows for one in done.files] == [0] * len(names)
    assert done.next_since is None
    with duckdb.connect() as db:
        for one, table in zip(done.files, tables().values(), strict=True):
            described = db.execute(f"DESCRIBE SELECT * FROM '{one.path}'").fetchall()
            assert [row[0] for row in described] == [column.name for column in table.columns]


def test_all_tables_are_of_one_instant(filled: Store, tmp_path: Path) -> None:
    (run,) = named("v_run")
    with filled.released() as file, Reader(file) as reader:
        assert reader.write(run, Wanted([run]), tmp_path / "a.parquet")[1] == 1
        other = Store.open(file.parent)
        with other.transaction() as conn:
            conn.execute("INSERT INTO run (run_id, mode, started, status, counts) VALUES (2, 'dry', 0, 'begun', '{}')")
        assert reader.write(run, Wanted([run]), tmp_path / "b.parquet")[1] == 1
        other.close()
    assert len(filled.rows("SELECT * FROM run")) == 2


# -- increments, wholeness --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_increment_has_what_came_or_ended_since(filled: Store, tmp_path: Path, kind: Format) -> None:
    first = write(filled, tmp_path, kind, "v_score_history", "v_band_change", "v_account")
    assert [one.rows for one in first.files] == [2, 2, 1]
    assert first.next_since == "2026-11-22T10:00:00Z"
    since = LATER.strftime("%Y-%m-%dT%H:%M:%SZ")
    later = write(filled, tmp_path, kind, "v_score_history", "v_band_change", "v_account", since=since)
    assert [one.rows for one in later.files] == [2, 1, 1]  # the version that ended comes again, with its end
    told = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert [(one["table"], one["whole"], one["rows"]) for one in told["tables"]] == [
        ("v_score_history", False, 2),
        ("v_band_change", False, 1),
        ("v_account", True, 1),
    ]
    assert told["tables"][0]["key"] == ["account_id", "valid_from"]
    beyond = write(filled, tmp_path, kind, "v_score_history", since="2027-01-01T00:00:00Z")
    assert beyond.files[0].rows == 0


def test_files_are_replaced_all_or_none(filled: Store, tmp_path: Path) -> None:
    before = write(filled, tmp_path, "csv", "v_account").files[0].path.read_bytes()
    broken = Table("broken", "", (), (Column("a", "text", ""),), "SELECT json('{') AS a")
    with pytest.raises(Exception, match="malformed JSON"):
        export(filled, Wanted([*named("v_account"), broken]), tmp_path, "csv", NOW)
    left = {path.name for path in tmp_path.iterdir()} - {"state"}
    assert left == {"manifest.json", "v_account.csv"}
    assert (tmp_path / "v_account.csv").read_bytes() == before
    assert filled.rows("SELECT count(*) FROM score") == [(2,)]  # and the state is open again


@pytest.mark.parametrize("select", ["SELECT json('{') AS a", "SELECT 'no day' AS a"])
def test_what_parquet_cannot_hold_is_told_with_its_table(filled: Store, tmp_path: Path, select: str) -> None:
    broken = Table("broken", "", (), (Column("a", "day", ""),), select)
    with pytest.raises(ExportError, match=r"^table broken cannot be exported: "):
        export(filled, Wanted([broken]), tmp_path / "out", "parquet", NOW)
    assert list((tmp_path / "out").iterdir()) == []


def test_files_are_for_owner_and_group(filled: Store, tmp_path: Path) -> None:
    done = write(filled, tmp_path / "new", "csv", "v_account")
    assert stat.S_IMODE(done.files[0].path.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "new" / "manifest.json").stat().st_mode) == 0o640


def test_texts_are_put_whole(tmp_path: Path) -> None:
    assert put(tmp_path / "a", {"x.txt": "ä"}) == [tmp_path / "a" / "x.txt"]
    assert (tmp_path / "a" / "x.txt").read_text(encoding="utf-8") == "ä"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.txt"]


def test_the_time_of_making_is_told(filled: Store, tmp_path: Path) -> None:
    write(filled, tmp_path, "csv", "v_run")
    told = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert datetime.fromisoformat(told["made"]).astimezone(UTC) == LATER
    assert told["people"] is False
