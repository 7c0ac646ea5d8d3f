"""`export` as somebody types it, and the files for Looker and Datasette."""

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import lkml
import pytest

from sync.catalogue import tables
from sync.describe import INTERNAL, datasette, lookml
from tests.cli.conftest import Site

FULL = Path("/dev/full")
"""Takes everything and says at the end that there is no room."""
COMMON = ("--format", "csv", "--out")


def test_nothing_stored_is_told(site: Site, tmp_path: Path) -> None:
    shutil.rmtree(site.state)
    said = site.run("export", "--out", str(tmp_path / "x"))
    assert said.code == 1
    assert "nothing is stored yet" in said.err


def test_an_export_tells_its_files_and_their_rows(site: Site, tmp_path: Path) -> None:
    said = site.run("export", *COMMON, str(tmp_path / "x"), "--table", "v_run", "--table", "v_account", "--json")
    assert said.code == 0, said.text
    assert {(one["table"], one["rows"]) for one in said.data["files"]} == {("v_account", 11), ("v_run", 1)}
    assert said.data["next_since"].endswith("Z")
    text = (tmp_path / "x" / "v_run.csv").read_text(encoding="utf-8")
    assert text.startswith("run_id,mode,started_at,")
    whole = site.run("export", *COMMON, str(tmp_path / "y"), "--since", "2026-11-01")
    assert whole.code == 0
    made = {path.stem for path in (tmp_path / "y").glob("*.csv")}
    assert made == {name for name, table in tables().items() if not table.personal}
    assert json.loads((tmp_path / "y" / "manifest.json").read_text(encoding="utf-8"))["since"] == "2026-11-01T00:00:00Z"
    people = site.run("export", "--out", str(tmp_path / "z"), "--people", "--since", "2026-11-01T02:00:00+02:00")
    assert people.code == 0
    assert {path.stem for path in (tmp_path / "z").glob("*.csv")} == set(tables())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--table", "nope"), "no table 'nope'; there are v_account, "),
        (("--table", "v_contact"), "add --people"),
        (("--since", "yesterday"), "such as 2026-11-01"),
        (("--format", "parquet", "--raw"), "--raw is about CSV"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(site: Site, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    said = site.run("export", "--out", str(tmp_path / "x"), *words)
    assert said.code == 2
    assert told in said.err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_made_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = site.run("export", "--out", str(tmp_path / "file" / "x"))
    assert said.code == 1
    assert str(tmp_path / "file") in said.err


def test_a_full_disk_is_told_with_the_place_and_leaves_no_draft(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("--table", "v_account", "--out", str(tmp_path / "x"))
    told = f"error: {tmp_path}/x: No space left on device. Free space there, then repeat."
    real = Path.open

    def full(path: Path, mode: str = "r", **how: Any) -> Any:
        return real(FULL if path.suffix in {".csv", ".jsonl"} else path, mode, **how)

    monkeypatch.setattr(Path, "open", full)
    for kind in ("csv", "singer"):
        said = site.run("export", "--format", kind, *asked)
        assert (said.code, said.err.splitlines()[-1]) == (1, told)
    monkeypatch.setattr("sync.export_parquet.quote_path", lambda _: str(FULL))
    said = site.run("export", "--format", "parquet", *asked)
    assert (said.code, said.err.splitlines()[-1]) == (1, told)
    assert list((tmp_path / "x").iterdir()) == []

    def fdopen(number: int, _: str) -> Any:
        os.close(number)
        return real(FULL, "wb")

    monkeypatch.setattr(os, "fdopen", fdopen)
    said = site.run("report", "--out", str(tmp_path / "x" / "page.html"))
    assert (said.code, said.err.splitlines()[-1]) == (1, told.replace("/x:", "/x/page.html:"))
    assert list((tmp_path / "x").iterdir()) == []


def test_messages_go_to_the_standard_output(site: Site, tmp_path: Path) -> None:
    said = site.run("export", "--format", "singer", "--table", "v_account")
    assert said.code == 0, said.text
    messages = [json.loads(line) for line in said.out.splitlines()]
    assert [one["type"] for one in messages] == ["SCHEMA", *["RECORD"] * 11, "ACTIVATE_VERSION", "STATE"]
    since = messages[-1]["value"]["since"]
    again = site.run("export", "--format", "singer", "--table", "v_account", "--since", since)
    assert again.out.startswith('{"type":"SCHEMA"')
    told = site.run("export", "--format", "singer", "--out", str(tmp_path), "--table", "v_run", "--json")
    assert told.data["files"] == [{"table": "v_run", "path": str(tmp_path / "messages.jsonl"), "rows": 1}]
    for words in (("--format", "csv"), ("--format", "singer", "--json")):
        refused = site.run("export", *words)
        assert (refused.code, "--out FOLDER" in refused.err) == (2, True)


@pytest.mark.parametrize("kind", ["lookml", "datasette"])
def test_descriptions_need_no_state(site: Site, tmp_path: Path, kind: str) -> None:
    said = site.run("export", "--format", kind, "--out", str(tmp_path), "--json")
    assert said.code == 0
    assert said.data["files"]
    assert all(Path(file).read_text(encoding="utf-8") for file in said.data["files"])


@pytest.mark.parametrize("whom", ["accounts", "people"])
def test_lookml_is_understood_and_speaks_of_what_is_exported(whom: str) -> None:
    people = whom == "people"
    shown = [table for table in tables().values() if people or not table.personal]
    files = lookml(shown, people=people)
    assert len(files) == len(shown) + 1
    for table in shown:
        (view,) = lkml.load(files[f"{table.name}.view.lkml"])["views"]
        assert (view["name"], view["sql_table_name"]) == (table.name, f"holdfast.{table.name}")
        fields = {one["name"]: one for one in view["dimensions"] + view.get("dimension_groups", [])}
        assert set(fields) - {"row_key"} == {column.name for column in table.shown(people=people)}
        assert all(one.get("description") or one["name"] == "row_key" for one in fields.values())
        for measure in view["measures"]:
            for named in (part.partition("}")[0] for part in measure.get("sql", "").split("${")[1:]):
                assert named in set(fields) | {one["name"] for one in view["measures"]}
    model = lkml.load(files["holdfast.model.lkml"])
    assert {explore["name"] for explore in model["explores"]} == {table.name for table in shown}
    joined = {explore["name"] for explore in model["explores"] if "joins" in explore}
    assert joined == {t.name for t in shown if t.name != "v_account" and any(c.name == "account_id" for c in t.columns)}


def test_the_metadata_for_datasette_fits_the_state_file(site: Site) -> None:
    told: dict[str, Any] = json.loads(datasette(list(tables().values()))["metadata.json"])["databases"]["state"]
    with sqlite3.connect(f"file:{site.state / 'state.db'}?mode=ro", uri=True) as db:
        for name, about in told["tables"].items():
            columns = {row[1] for row in db.execute(f"PRAGMA table_info('{name}')")}
            assert columns, name
            assert about == {"hidden": True} or set(about["columns"]) <= columns, name
        for query in told["queries"].values():
            assert query["title"]
            db.execute(query["sql"], {"since": "", "account_id": "", "run_id": 1}).fetchall()
    db.close()
    assert {name for name, about in told["tables"].items() if about.get("hidden")} == set(INTERNAL)
