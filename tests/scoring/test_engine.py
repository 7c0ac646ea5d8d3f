import dataclasses
import sqlite3
from pathlib import Path

import pytest

from scoring.card import Scorecard
from scoring.engine import load, run, score
from scoring.errors import InputsError, ScoringError
from scoring.inputs import TABLES, USAGE, Engine
from tests.scoring.worlds import NOW, TODAY, account, contact, empty, feeds, random_world, store


def test_a_text_column_may_be_empty_for_thousands_of_rows(wide_card: Scorecard, tmp_path: Path) -> None:
    """The driver guesses types from the first rows; the first name here is in row 3000."""
    world = empty()
    world["account"] = [account(key, name="Z" if key == 3000 else None) for key in range(1, 3001)]
    rows = list(score(wide_card, store(world, tmp_path), levels=("account",)))
    assert len(rows) == 3000
    assert rows[-1].name == "Z"
    assert rows[0].name is None


def test_a_whole_number_column_may_be_empty_for_thousands_of_rows(card: Scorecard, tmp_path: Path) -> None:
    world = empty()
    world["account"] = [account(1)]
    seen = {3000: NOW - 5 * 86400}
    world["contact"] = [contact(key, 1, last_login_at=seen.get(key)) for key in range(1, 3001)]
    world["feed"] = feeds("usage")
    row = next(iter(score(card, store(world, tmp_path))))
    assert row.features["days_since_login"] == 5


def test_tables_left_out_are_empty(card: Scorecard, tmp_path: Path) -> None:
    inputs = store(random_world(2), tmp_path)
    tables = {name: inputs.tables[name] for name in ("account", "contact")}
    rows = list(score(card, dataclasses.replace(inputs, tables=tables, usage=())))
    assert len(rows) == 42
    assert {row.band for row in rows} == {"unknown"}


def test_only_files_within_reach_are_opened(card: Scorecard, tmp_path: Path) -> None:
    world = random_world(2, fed=True)
    inputs = store(world, tmp_path)
    wanted = list(score(card, inputs))
    for name in ("2020-01-01.1.parquet", "2026-08-23.1.parquet", "2026-11-23.1.parquet"):
        (tmp_path / name).write_bytes(b"not a parquet file")
    usage = sorted({*inputs.usage, *tmp_path.glob("20*.parquet")})
    assert [row.points for row in score(card, dataclasses.replace(inputs, usage=usage))] == [r.points for r in wanted]


@pytest.mark.parametrize("name", ["2026-99-99.parquet", "usage.parquet", "2026-11-20.7.parquet"])
def test_files_of_other_names_are_opened_too(card: Scorecard, tmp_path: Path, name: str) -> None:
    world = empty()
    world["account"], world["feed"] = [account(1)], feeds("usage")
    world["usage_group"] = [{"grp": 1, "account": 1}]
    world["usage"] = [(TODAY - 2, 1, 1, "open", 1)]
    inputs = store(world, tmp_path)
    renamed = inputs.usage[0].rename(tmp_path / name)
    row = next(iter(score(card, dataclasses.replace(inputs, usage=(renamed,)))))
    assert row.features["days_since_login"] == 2


def test_a_path_may_hold_anything_a_file_system_allows(card: Scorecard, tmp_path: Path) -> None:
    folder = tmp_path / "it's 100% #1?&=ü"
    assert list(score(card, store(random_world(2), folder)))


def test_a_writer_may_be_at_work(card: Scorecard, tmp_path: Path) -> None:
    inputs = store(random_world(2), tmp_path)
    writer = sqlite3.connect(inputs.state, isolation_level=None)
    try:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM account")
        assert len(list(score(card, inputs, levels=("account",)))) == 12
        writer.execute("ROLLBACK")
    finally:
        writer.close()


BAD_TABLES = {
    "SELECT 1 AS account": "table ticket: .*no such column",
    "SELECT * FROM no_such_thing": "table ticket: .*no such table",
    "SELECT 'x' AS account, 'open' AS status, 1 AS created_at, NULL AS solved_at": "table ticket: ",
}


@pytest.mark.parametrize("select", BAD_TABLES)
def test_a_table_that_breaks_the_contract_is_named(card: Scorecard, tmp_path: Path, select: str) -> None:
    inputs = store(random_world(2), tmp_path)
    broken = dataclasses.replace(inputs, tables={**inputs.tables, "ticket": select})
    with pytest.raises(InputsError, match=BAD_TABLES[select]):
        list(score(card, broken))


def test_a_missing_state_file_is_said_so(card: Scorecard, tmp_path: Path) -> None:
    inputs = store(random_world(2), tmp_path)
    with pytest.raises(InputsError, match=r"state file .* does not exist"):
        list(score(card, dataclasses.replace(inputs, state=tmp_path / "gone.db")))
    assert not (tmp_path / "gone.db").exists()


def test_broken_usage_files_are_named(card: Scorecard, tmp_path: Path) -> None:
    inputs = store(random_world(2, fed=True), tmp_path)
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputsError, match=r"usage files: .*bad\.parquet"):
        list(score(card, dataclasses.replace(inputs, usage=(bad,))))
    with load(card, inputs) as con:
        con.execute(
            f"COPY (SELECT 1 AS day, 1 AS person, 1 AS grp, 'x' AS event, 1 AS count) TO '{bad}' (FORMAT parquet)"
        )
    with pytest.raises(InputsError, match="column day is INTEGER, not DATE"):
        list(score(card, dataclasses.replace(inputs, usage=(bad,))))


def test_too_little_memory_is_an_error_and_not_a_crash(card: Scorecard, tmp_path: Path) -> None:
    inputs = store(random_world(2, accounts=300, people=3000, usage=5000, fed=True), tmp_path)
    with pytest.raises(ScoringError, match=r"[Mm]emory"):
        list(score(card, inputs, engine=Engine(threads=1, memory="1MB")))


def test_spilling_is_allowed_where_a_folder_is_given(card: Scorecard, tmp_path: Path) -> None:
    inputs = store(random_world(2), tmp_path)
    with load(card, inputs, engine=Engine(threads=1, memory="200MB", spill=tmp_path / "spill")) as con:
        assert con.execute("SELECT current_setting('temp_directory')").fetchall() == [(str(tmp_path / "spill"),)]


def test_the_contract_is_data() -> None:
    assert USAGE.types() == {"day": "DATE", "person": "BIGINT", "grp": "BIGINT", "event": "VARCHAR", "count": "BIGINT"}
    assert all(column.meaning.endswith(".") for table in (*TABLES.values(), USAGE) for column in table.columns)


def test_a_view_that_cannot_be_run_is_named(card: Scorecard, tmp_path: Path) -> None:
    view = f"SELECT {', '.join(TABLES['account'].types())} FROM nowhere"
    inputs = dataclasses.replace(store(empty(), tmp_path), views={"account": view})
    with pytest.raises(InputsError, match=r"view account: .*nowhere"):
        list(score(card, inputs))


def test_a_statement_that_the_engine_cannot_run_names_its_level(card: Scorecard, tmp_path: Path) -> None:
    inputs = store(empty(), tmp_path)
    with load(card, inputs) as con:
        con.execute("DROP TABLE contact")
        with pytest.raises(ScoringError, match="contact scores: Catalog Error"):
            list(run(con, card, "contact", inputs.as_of))
