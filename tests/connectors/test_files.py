"""Dropped files: what is read, what is refused with which words, and that nothing is lost or counted twice."""

import json
import os
import time
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors import files_folder
from connectors.base import Batch
from connectors.config_streams import StreamTable
from connectors.errors import ConfigError, CursorExpiredError, ShapeError, TransientError
from connectors.event_lines import EventLines, EventSpool, epoch
from connectors.files import Files, connect
from connectors.files_settings import Settings
from connectors.plain import plain
from mapping.fields import FieldMap
from sync.pull import pull_all
from sync.store import Store
from tests.connectors.conftest import FakeClock

PEOPLE = {"record": "contact", "files": "people*.csv", "fields": {"source_id": "id", "email": "email"}}
EVENTS: dict[str, Any] = {
    "record": "usage",
    "files": "use*.jsonl",
    "fields": {"name": "const:Opened", "time": "at", "person": "who.id", "id": "n"},
}
NAN = float("nan")


class Drop:
    """A folder, and the source that reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.clock = FakeClock()
        self.count = 0

    def put(self, name: str, content: str | bytes, *, age: float = 3600) -> Path:
        path, self.count = self.folder / name, self.count + 1
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        stamp = time.time() - age + self.count
        os.utime(path, (stamp, stamp))
        return path

    def source(self, **streams: Any) -> Files:
        settings = Settings(folder=self.folder, streams=streams or {"people": PEOPLE})
        return connect("drop", settings, clock=self.clock, spool=self.folder.parent / "spool")

    def pull(self, cursor: str | None = None, **streams: Any) -> list[Batch]:
        source = self.source(**streams)
        return list(source.pull(source.streams[0], cursor))

    def rows(self, **options: Any) -> list[Any]:
        return [row for batch in self.pull(people={**PEOPLE, **options}) for row in batch.rows]

    def refused(self, name: str, content: str | bytes, **options: Any) -> str:
        """The text beside a file that cannot be read."""
        self.put(name, content)
        with pytest.raises(ShapeError, match=rf"{name} could not be read\. The text beside each"):
            self.rows(**options)
        assert not (self.folder / name).exists()
        return (self.folder / "failed" / f"{name}.why.txt").read_text("utf-8")


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path / "drop")


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"id,email\n1,\xc3\xa4@x.example\n", {}),
        (b"\xef\xbb\xbfid;email\r\n1;\xc3\xa4@x.example\r\n", {}),
        ("id\temail\n1\tä@x.example\n".encode("utf-16"), {}),
        (b"id|email\n1|\xe4@x.example", {"encoding": "windows-1252"}),
        (b' id , email \n"1", \xc3\xa4@x.example \n\n', {"delimiter": ","}),
    ],
)
def test_however_a_table_was_saved_it_is_read(drop: Drop, content: bytes, options: dict[str, Any]) -> None:
    drop.put("people.csv", content)
    assert drop.rows(**options) == [{"id": "1", "email": "ä@x.example"}]


def test_a_formula_is_text_like_any_other_and_empty_is_nothing(drop: Drop) -> None:
    drop.put("people.csv", 'id,email\n1,"=HYPERLINK(""http://evil.example"",""x"")"\n@2,\n')
    assert drop.rows() == [
        {"id": "1", "email": '=HYPERLINK("http://evil.example","x")'},
        {"id": "@2", "email": None},
    ]


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("", {}, "Why: it is empty, without even a header."),
        (b"id,email\n1,\xe4@x.example\n", {}, "it is not written in utf-8: byte 0xE4 makes no sense there"),
        ("id,e-mail\n1,a\n", {}, "no column 'email', which fields.email reads; its columns are 'id', 'e-mail'"),
        ("id,email,id\n1,a@x.example,2\n", {}, "its header has two columns 'id'"),
        ("id,email\n1\n2\n3,a@x.example\n", {}, "2 of its 3 rows have another number of cells than its header"),
        ('id,email\n1,"' + "x\n" * (1 << 20), {}, "it is no CSV file: field larger than field limit"),
        ("id,email\n1," + "x" * (1 << 20) + "\n", {}, "its line 2 is longer than 1,048,576 characters"),
        ('id,email\n1,"a\n2,b', {}, "a quotation mark is opened in it and never closed"),
        ("id,email\n1,a\n".encode("utf-16-le"), {}, "its header has zero bytes, as a file in UTF-16 or UTF-32 has"),
        ("id,\x1b[31m\n1,2\n", {}, "columns are 'id', '\\x1b[31m'"),
        ("id,email\n", {"full": True}, "taken as the list of all records it would remove every one"),
    ],
)
def test_a_file_that_cannot_be_read_is_put_aside_with_the_reason(
    drop: Drop, content: str | bytes, options: dict[str, Any], said: str
) -> None:
    text = drop.refused("people.csv", content, **options)
    assert said in text
    assert text.replace("\n", "").isprintable()
    assert f"put the file into {drop.folder} again" in text
    drop.refused("people.csv", content, **options)
    assert {path.name for path in (drop.folder / "failed").iterdir()} == {
        "people.csv",
        "people.csv.why.txt",
        "people-2.csv",
        "people-2.csv.why.txt",
    }
    findings = {finding.code: finding.message for finding in drop.source().check()}
    assert "people-2.csv, people.csv" in findings["failed_files"]


def test_a_bad_line_costs_only_itself_and_bad_files_not_the_good_ones(drop: Drop) -> None:
    drop.put("people-1.csv", "id,email\n1,a@x.example\n2\n3,c@x.example\n")
    drop.put("people-2.csv", b"\xff\xfe\x00")
    drop.put("people-3.csv", "id,email\n4,d@x.example\n")
    source, batches = drop.source(), list[Batch]()
    with pytest.raises(ShapeError, match=r"people-2\.csv could not be read"):
        batches.extend(source.pull(source.streams[0], None))
    taken = sorted(path.name for path in (drop.folder / "done" / "people").iterdir())
    assert taken == ["000001-people-1.csv", "000003-people-3.csv"]
    rows: list[Any] = [row for batch in batches for row in batch.rows]
    assert rows[1] == {"_unreadable": "people-1.csv, line 3: 1 cells where the header has 2"}
    field_map = FieldMap.of_config("files", {"people": StreamTable(**_map(PEOPLE)).map_table()}, file="c", prefix="s")
    mapped = field_map.apply("drop", "people", rows, drop.clock.now())
    assert [record.source_id for record in mapped.records] == ["1", "3", "4"]
    assert [reject.reason for reject in mapped.rejects] == ["people-1.csv, line 3: 1 cells where the header has 2"]


def _map(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key in StreamTable.model_fields}


def test_json_lines(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.files_read.LONGEST", 64)
    people = {**PEOPLE, "files": "*.jsonl"}
    lines = [
        '{"id": 1}',
        '{"id": ',
        "",
        '{"id": 2, "email": NaN}',
        '{"id": "' + "x" * 200 + '"}',
        '{"id": 3}',
        '{"id":4}',
    ]
    drop.put("a.jsonl", "\ufeff" + "\n".join(lines))
    assert [row for batch in drop.pull(people=people) for row in batch.rows] == [
        {"id": 1},
        {"_unreadable": "a.jsonl, line 2: is not JSON"},
        {"_unreadable": "a.jsonl, line 4: is not JSON"},
        {"_unreadable": "a.jsonl, line 5: is longer than 1 MiB"},
        {"id": 3},
        {"id": 4},
    ]
    for name, content, said in (("b.jsonl", "\n", "it is empty"), ("c.jsonl", "[\n", "1 of its 1 rows are no JSON")):
        drop.put(name, content)
        with pytest.raises(ShapeError):
            drop.pull("{}", people=people)
        assert said in (drop.folder / "failed" / f"{name}.why.txt").read_text("utf-8")


def test_parquet(drop: Drop) -> None:
    path = drop.put("people.parquet", "")
    duckdb.connect().sql(
        "SELECT 1 AS id, 'a@x.example' AS email, TIMESTAMPTZ '2026-01-02 03:04:05+00' AS at, 1.50::DECIMAL(9,2) AS n"
    ).write_parquet(str(path))
    os.utime(path, (1, 1))
    (row,) = drop.rows(files="*.parquet")
    assert {**row, "at": row["at"][:10]} == {"id": 1, "email": "a@x.example", "at": "2026-01-02", "n": "1.50"}
    text = drop.refused("broken.parquet", b"PAR1 and no more", files="*.parquet")
    assert "it is no Parquet file: " in text
    assert str(drop.folder / "broken") not in text.replace(f"into {drop.folder}", "")


def test_values_that_json_cannot_hold() -> None:
    assert plain({"a": [NAN, b"x", {1}], "b": object}) == {"a": [None, None, [1]], "b": str(object)}


def test_what_is_still_written_is_left_alone(drop: Drop) -> None:
    header = "id,email\n1,a@x.example\n"
    drop.put("people-new.csv", header, age=5)
    drop.put("people.csv.part", header)
    drop.put("people-locked.csv", header)
    drop.put("people-locked.csv.lock", "")
    drop.put("people-open.csv", header)
    drop.put(".~lock.people-open.csv#", "")
    drop.put(".people-hidden.csv", header)
    assert drop.rows() == []
    (drop.folder / "people-locked.csv.lock").unlink()
    assert len(drop.rows()) == 1


def test_links_and_strange_names_are_not_followed(drop: Drop, tmp_path: Path) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_text("id,email\n9,x@x.example\n")
    os.utime(outside, (1, 1))
    (drop.folder / "people-link.csv").symlink_to(outside)
    (drop.folder / "people-folder.csv").mkdir()
    drop.put("notes.txt", "hello")
    assert drop.rows() == []
    assert outside.exists()
    findings = {finding.code: finding.message for finding in drop.source().check()}
    assert (
        "since they fit no stream's `files` or are symbolic links: notes.txt, people-link.csv."
        in findings["stray_files"]
    )
    assert findings["waiting"] == "0 files wait to be read."
    (drop.folder / "done").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="is a symbolic link"):
        drop.rows()


def test_a_folder_that_cannot_be_used_is_said(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.folder.chmod(0o777)
    codes = [finding.code for finding in connect("d", Settings(folder=drop.folder), clock=drop.clock).check()]
    assert codes == ["identity", "no_streams", "open_folder", "waiting"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match="cannot be read and written"):
        drop.pull()
    monkeypatch.undo()
    drop.folder.rmdir()
    with pytest.raises(ConfigError, match="there is no folder"):
        drop.source().environment()


def test_trouble_with_the_disk_passes(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.put("people.csv", "id,email\n1,a@x.example\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "people.csv")

    monkeypatch.setattr("connectors.files_read.opened", refuse)
    with pytest.raises(ShapeError):
        drop.pull()
    assert "it may not be read" in (drop.folder / "failed" / "people.csv.why.txt").read_text("utf-8")
    monkeypatch.undo()
    drop.put("people.csv", "id,email\n1,a@x.example\n")
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(TransientError, match=r"could not be read or moved: people\.csv: Permission denied"):
        drop.pull()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(TransientError, match="cannot be written: Permission denied"):
        drop.pull()


@pytest.mark.parametrize("after", ["id,email\n1,a@x.example\n2,changed@x.example\n", b"\xff"])
def test_a_file_that_changes_while_it_is_read_is_read_again(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, after: str | bytes
) -> None:
    monkeypatch.setattr("connectors.files.PAGE", 1)
    drop.put("people.csv", "id,email\n1,a@x.example\n2,b@x.example\n" + "3,c@x.example\n" * 20_000)
    source = drop.source()
    pages = source.pull(source.streams[0], None)
    first = next(pages)
    drop.put("people.csv", after)
    with pytest.raises(TransientError, match="changed while it was read"):
        list(pages)
    if isinstance(after, str):
        emails = [row["email"] for batch in drop.pull(first.cursor) for row in batch.rows]
        assert emails == ["a@x.example", "changed@x.example"]


def test_a_file_that_is_emptied_before_it_is_read_is_tried_again(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = EventSpool.clean

    def meanwhile(spool: EventSpool) -> None:
        drop.put("use.csv", b"")
        clean(spool)

    monkeypatch.setattr(EventSpool, "clean", meanwhile)
    drop.put("use.csv", "at,who,n\n2026-11-01T10:00:00Z,p1,1\n")
    table = {**EVENTS, "files": "use*.csv", "fields": {**EVENTS["fields"], "person": "who"}}
    with pytest.raises(TransientError, match="changed while it was read"):
        drop.pull(use=table)
    assert (drop.folder / "use.csv").exists()


@pytest.mark.parametrize("cursor", ['{"done": "x"}', '{"moves": 1}', '{"at": {}}'])
def test_a_place_of_another_shape_starts_again(drop: Drop, cursor: str) -> None:
    with pytest.raises(CursorExpiredError):
        drop.pull(cursor)


def test_of_whole_lists_only_the_newest_counts(drop: Drop) -> None:
    for number in range(3):
        drop.put(f"people-{number}.csv", f"id,email\n{number},a@x.example\n")
    (batch,) = drop.pull(people={**PEOPLE, "full": True})
    assert (batch.full, batch.rows) == (True, [{"id": "2", "email": "a@x.example"}])
    assert len(list((drop.folder / "done" / "people").iterdir())) == 3


def test_a_crash_between_commit_and_move_loses_and_doubles_nothing(
    drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed right after each commit: events are counted once, though the file still lies in the folder."""
    state = tmp_path / "state"
    streams = {"use": EVENTS, "people": PEOPLE}
    tables = drop.source(**streams)._tables
    field_map = FieldMap.of_config("files", {n: t.map_table() for n, t in tables.items()}, file="c", prefix="s")

    def run(*, crash: bool = False) -> list[Any]:
        with monkeypatch.context() as patch, closing(Store.open(state)) as store:
            if crash:
                patch.setattr(files_folder.Folder, "finish", _killed)
            try:
                return pull_all([(drop.source(**streams), field_map)], store, drop.clock)
            except KeyboardInterrupt:
                return []
            finally:
                assert store.rows("SELECT coalesce(sum(events), 0) FROM usage_file")[0][0] == expected

    def line(number: int) -> str:
        return json.dumps({"at": "2026-11-21T10:00:00Z", "who": {"id": f"u{number}"}, "n": number}) + "\n"

    drop.put("use-1.jsonl", "".join(map(line, range(5))))
    drop.put("people.csv", "id,email\n1,a@x.example\n1,b@x.example\n")
    expected = 5
    run(crash=True)
    assert {path.name for path in drop.folder.iterdir() if path.is_file()} == {"use-1.jsonl", "people.csv"}
    assert [report.rows for report in run()] == [0, 0], "what was committed is only moved"
    drop.put("use-2.jsonl", "".join(map(line, range(5, 8))))
    expected = 8
    run(crash=True)
    reports = run()
    assert [(report.ending, report.rows) for report in reports] == [("ok", 0), ("ok", 0)]
    assert [path.name for path in drop.folder.iterdir() if path.is_file()] == []
    with closing(Store.open(state)) as store:
        assert store.rows("SELECT email FROM contact WHERE email IS NOT NULL") == [("b@x.example",)], (
            "of the same id the last row counts"
        )


def _killed(folder: files_folder.Folder, stream: str, number: int, name: str, mark: str) -> None:
    if (folder.path / name).exists():
        raise KeyboardInterrupt


def test_events_that_cannot_be_read_are_told_and_empty_files_are_done_with(drop: Drop, tmp_path: Path) -> None:
    spool = EventSpool(tmp_path / "spool", "a/b", "use")
    lines = EventLines({"name": "what", "time": "at", "person": "who"})
    rows = [{"what": "x", "at": "soon", "who": 1}, None, {"what": "x", "at": 1_800_000_000_000, "who": ""}]
    export = spool.export((lines.line(row, 5.0) for row in rows), drop.clock.now().date(), replaces=False)
    assert export is not None
    assert [json.loads(text) for text in export.path.read_text().splitlines()] == [
        {"name": "x", "time": None, "person": 1, "arrived": 5000},
        None,
        {"name": "x", "time": 1_800_000_000.0, "arrived": 5000},
    ]
    assert export.last_day.isoformat() == "2026-11-23", "no day after tomorrow is believed"
    with pytest.raises(ZeroDivisionError):
        spool.export((1 // 0 for _ in "x"), drop.clock.now().date(), replaces=False)
    spool.clean()
    assert list((tmp_path / "spool").rglob("*.jsonl")) == []
    drop.put("use.csv", "at,who,n\n")
    fields = {"name": "const:x", "time": "at", "person": "who"}
    (batch,) = drop.pull(use={"record": "usage", "files": "use*.csv", "fields": fields})
    assert (batch.export, batch.rows) == (None, [])
    assert not (drop.folder / "use.csv").exists()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1970-01-02", 86_400),
        (date(1970, 1, 2), 86_400),
        ("1970-01-01 00:00:05+00:00", 5),
        ("7", 7),
        (NAN, None),
        (True, None),
        (-1, None),
        ("x", None),
    ],
)
def test_times_of_events(value: Any, seconds: float | None) -> None:
    assert epoch(value) == seconds


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({**PEOPLE, "files": "../people.csv"}, "must be a pattern of file names"),
        ({**PEOPLE, "files": "people*"}, "name csv, jsonl or parquet"),
        ({**PEOPLE, "encoding": "utf-9"}, "must be the name of an encoding"),
        ({**EVENTS, "fields": {"name": "a", "time": "b"}}, "fields.person: is missing"),
        ({**EVENTS, "fields": {**EVENTS["fields"], "email": "x"}}, "fields.email: an event has name, time, person"),
        ({**EVENTS, "fields": {**EVENTS["fields"], "id": {"path": "x"}}}, "fields.id: must be the name of a column"),
        ({**EVENTS, "deleted": [{"path": "x", "absent": True}]}, "neither skip nor deleted"),
    ],
)
def test_wrong_settings_are_named(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(folder=Path("/srv/drop"), streams={"people": table})


def test_a_folder_is_absolute_and_patterns_differ() -> None:
    with pytest.raises(ValueError, match="must be an absolute path"):
        Settings(folder=Path("drop"))
    with pytest.raises(ValueError, match="are the files of a already"):
        Settings(folder=Path("/srv"), streams={"a": PEOPLE, "b": PEOPLE})
