"""The SQL source beside SQLite and a real PostgreSQL: places, overlaps, deadlines, rights, and never a write."""

import json
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import InvalidRequestError

from cli.config import InvalidConfigError, load
from cli.field_maps import field_map_of
from connectors.base import Batch
from connectors.config_streams import needed
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    RequestError,
    TransientError,
)
from connectors.sql import Sql, connect
from connectors.sql_place import Row, before
from connectors.sql_settings import Settings
from mapping.fields import FieldMapError, ready_map, ready_maps
from tests.connectors.conftest import FakeClock
from tests.connectors.postgres import execute, server
from tests.contracts import contract

PEOPLE = {"record": "contact", "table": "person", "cursor": "changed", "fields": {"source_id": "id", "email": "email"}}
PASSWORD = "reader-secret-81"
HOUR = "2026-11-22 07:00:00"


class Site:
    """A database and the source that reads it."""

    def __init__(self, url: str, spool: Path) -> None:
        self.url = url
        self.spool = spool
        self.clock = FakeClock()

    def source(self, *, streams: Any = None, **settings: Any) -> Sql:
        chosen = Settings(**{"url": self.url, "streams": streams or {"people": PEOPLE}, **settings})
        return connect("db", chosen, clock=self.clock, spool=self.spool)

    def batches(self, place: str | None = None, source: Sql | None = None, **table: Any) -> list[Batch]:
        source = source or self.source(streams={"people": {**PEOPLE, **table}})
        return list(source.pull(source.streams[0], place))

    def pull(self, place: str | None = None, **table: Any) -> tuple[list[str], str | None]:
        """Ids in the order in which they came, and the place."""
        batches = self.batches(place, **table)
        return [str(row["id"]) for batch in batches for row in batch.rows], batches[-1].cursor


@pytest.fixture
def site(tmp_path: Path) -> Site:
    file = tmp_path / "a b?.db"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE person (id, email, changed)")
    return Site(f"sqlite:///{str(file).replace('?', '%3F')}", tmp_path / "spool")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with server() as url:
        execute(
            url,
            f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
            "CREATE SCHEMA app",
            "GRANT USAGE ON SCHEMA app TO reader",
            "CREATE TABLE app.person (id uuid PRIMARY KEY, email text, changed timestamptz, mrr numeric, born date)",
            "INSERT INTO app.person SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, "
            f"n || '@x.example', TIMESTAMPTZ '{HOUR}+00' + (n / 1000) * interval '1 s', n / 4.0, DATE '2000-01-01' + n "
            "FROM generate_series(1, 2500) n",
            "CREATE TABLE app.secret (id int, changed int)",
            "CREATE SEQUENCE app.numbers",
            "GRANT SELECT ON app.person TO reader",
            "GRANT INSERT, UPDATE, DELETE ON app.person TO reader",
        )
        yield url


@pytest.fixture
def warehouse(postgres: str, tmp_path: Path) -> Site:
    return Site(
        postgres.replace("+psycopg", "").replace("owner:owner-secret", f"reader:{PASSWORD}"), tmp_path / "spool"
    )


def write(site: Site, *rows: tuple[Any, Any], table: str = "person") -> None:
    with closing(sqlite3.connect(site.url.removeprefix("sqlite:///").replace("%3F", "?"))) as db, db:
        db.executemany(f"INSERT INTO {table} (id, changed) VALUES (?, ?)", rows)


@pytest.mark.parametrize("stamps", [(1, 2), (f"{HOUR}.5", "2026-11-22 07:30:00")], ids=["number", "time"])
def test_equal_stamps_are_neither_lost_nor_read_for_ever(
    site: Site, monkeypatch: pytest.MonkeyPatch, stamps: tuple[Any, Any]
) -> None:
    monkeypatch.setattr("connectors.sql.PAGE", 2)
    monkeypatch.setattr("connectors.sql.CHUNK", 4)
    write(site, *((f"{n:02}", stamps[0]) for n in range(9)))
    first = site.batches()
    assert [len(batch.rows) for batch in first] == [2, 2, 2, 2, 1]
    for batch in first[:-1]:  # killed in the midst of equal stamps
        seen = [row["id"] for one in first[: first.index(batch) + 1] for row in one.rows]
        assert seen + site.pull(batch.cursor)[0] == [f"{n:02}" for n in range(9)]
    ids, cursor = site.pull(first[-1].cursor)
    assert ids == ([] if isinstance(stamps[0], int) else [f"{n:02}" for n in range(9)]), "the overlap is read again"
    site.clock.sleep(3600)
    _, cursor = site.pull(cursor)
    assert site.pull(cursor)[0] == [], "nothing came for as long as the overlap: settled"
    write(site, ("99", stamps[0]), ("00x", stamps[1]))
    assert site.pull(cursor)[0] == ["99", "00x"]


def test_a_row_committed_late_is_found_within_the_overlap(site: Site) -> None:
    write(site, (2, "2026-11-22T07:10:00Z"))
    _, cursor = site.pull()
    write(site, (1, "2026-11-22T07:05:00Z"), (0, "2026-11-22T06:59:00Z"))
    assert site.pull(cursor)[0] == ["1", "2"]
    assert site.pull(cursor, overlap=0)[0] == []


def test_rows_without_stamp_or_id_are_told_of(site: Site) -> None:
    write(site, (1, None), (None, "2026-11-22 07:00:00"), (2, "2026-11-22 07:00:00"))
    assert sorted(site.pull()[0]) == ["2", "None"]
    findings = {finding.code: finding for finding in site.source().check()}
    assert findings["no_stamp"].message == "people: some rows have nothing in 'changed', and are not read."
    assert Row(None, None).read({"last": [5, None]}, "last") == Row(5, None)
    monday = json.dumps({"reading": ["2026-11-22 07:00:00", None]})
    assert len(site.pull(monday)[0]) == 2, "behind a row without id all of its stamp are read again"


def test_a_table_without_stamps_is_read_whole_once_a_day(site: Site) -> None:
    table: dict[str, Any] = {"cursor": ""}
    (empty,) = site.batches(**table)
    assert (empty.rows, empty.full) == ([], False)
    assert "listed" not in str(empty.cursor), "no row at all looks like an outage"
    write(site, (1, None), (2, None))
    (batch,) = site.batches(empty.cursor, **table)
    assert (len(batch.rows), batch.full) == (2, True)
    assert site.pull(batch.cursor, **table) == ([], batch.cursor)
    site.clock.sleep(24 * 3600)
    source = site.source(streams={"people": {**PEOPLE, **table}})
    assert len(site.batches(batch.cursor, source)[0].rows) == 2
    assert source.calls == {"people": 1}


def test_events_are_counted_once(site: Site) -> None:
    fields = {"name": "const:Seen", "time": "changed", "person": "id", "id": "id"}
    table: dict[str, Any] = {"record": "usage", "fields": fields}
    write(site, (1, "2026-11-22 07:00:00+00:00"), (2, "nonsense"))
    (first,) = site.batches(**table)
    assert first.export is not None
    assert (first.export.replaces, first.export.first_day) == (True, date(2026, 11, 22))
    (line, bad) = [json.loads(text) for text in first.export.path.read_text().splitlines()]
    assert line == {"name": "Seen", "time": 1_795_330_800.0, "person": 1, "id": 1, "arrived": 1_795_330_800_000}
    assert bad["time"] is None
    (second,) = site.batches(first.cursor, **table)
    assert (second.export, second.rows) == (None, [])


@pytest.mark.parametrize("kind", ["listing", "last", "reading"])
@pytest.mark.parametrize("place", ['["x"]', "7", '[{"instant": "x"}, 1]', '[{"day": 1}, 1]'])
def test_a_place_of_another_shape_starts_again(site: Site, kind: str, place: str) -> None:
    with pytest.raises(CursorExpiredError):
        site.pull(f'{{"{kind}": {place}}}')


def test_places_keep_what_a_database_knows() -> None:
    for value in (datetime(2026, 1, 2, 3, 4, 5, 6), date(2026, 1, 2), Decimal("1.50"), 7, "x", None):  # noqa: DTZ001 - as a database may say
        state = json.loads(json.dumps({"last": Row(value, 1).kept()}))
        assert Row.read(state, "last") == Row(value, 1)
    assert before(date(2026, 1, 2), 5) == date(2026, 1, 1)
    assert before("2026-01-02T00:00:01.5+02:00", 2) == "2026-01-01T23:59:59"
    assert [before(value, 5) for value in (7, "short", "no time, but long enough")] == [None, None, None]


def test_sqlite_is_never_written_and_given_up_in_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site, (1, 1))
    source = site.source()
    with (
        source._database.connected() as connection,
        pytest.raises(Exception, match="attempt to write a readonly database"),
    ):
        connection.exec_driver_sql("DELETE FROM person")
    endless = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id, id AS changed FROM n"
    site.clock.tick = 1.0
    with pytest.raises(TransientError, match=r"interrupted\. An index on cursor and id makes it quick"):
        site.batches(table="", query=f"SELECT max(id) AS id, changed FROM ({endless})", fields={"source_id": "id"})


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"url": "sqlite:////no/such/file.db"}, ConfigError, "database file (/no/such/file.db). See the path"),
        ({"url": f"sqlite:///{__file__}"}, ConfigError, "file is not a database (/"),
        ({"url": "sqlite://"}, ConfigError, "names no file of SQLite"),
        ({"url": "not a url"}, ConfigError, "url: is no SQLAlchemy URL"),
        ({"url": "oracle://u:hidden-word@h/x"}, ConfigError, "a database of kind 'oracle' cannot be read"),
        ({"url": "postgresql://u:hidden-word@127.0.0.1:1/x"}, TransientError, "connection failed"),
        ({"streams": {"people": {**PEOPLE, "table": "nobody"}}}, RequestError, "no such table: nobody. Correct table"),
        ({"streams": {"people": {**PEOPLE, "cursor": "when"}}}, RequestError, "no column 'when', which cursor names"),
        ({"streams": {"people": {**PEOPLE, "table": "", "query": "SELECT FROM"}}}, RequestError, "syntax error"),
        (
            {"streams": {"people": {**PEOPLE, "fields": {"source_id": "key"}}}},
            RequestError,
            "'key', which fields.source_id",
        ),
    ],
)
def test_what_is_wrong_is_said_without_secrets(
    site: Site, settings: dict[str, Any], error: type[ConnectorError], said: str
) -> None:
    with pytest.raises(error) as caught:
        site.batches(source=site.source(**settings))
    assert said in str(caught.value)
    assert "hidden-word" not in f"{caught.value!r}{caught.value}{caught.value.__cause__!r}"


def test_trouble_within_the_library_passes_and_shows_no_secret(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    source = site.source()

    def fail(*_: object) -> None:
        raise InvalidRequestError(f"cannot use {site.url}\nat all")

    monkeypatch.setattr("connectors.sql_database.Database._limit", fail)
    with pytest.raises(TransientError, match=r"sql: cannot use \*\*\*\."):
        site.batches(source=source)


def test_a_query_may_hold_what_looks_like_a_parameter(site: Site) -> None:
    write(site, (1, "2026-11-22 07:30:00"))
    query = "SELECT *, '12:30 :a %s' AS note FROM person WHERE changed > '2026-11-22 07:29' ;"
    (batch,) = site.batches(table="", query=query)
    assert batch.rows[0]["note"] == "12:30 :a %s"


# -- PostgreSQL ----------------------------------------------------------------------------------------------------


def test_postgres_is_read_in_order_with_its_types(warehouse: Site) -> None:
    source = warehouse.source(schema="app")
    first = warehouse.batches(source=source)
    assert [len(batch.rows) for batch in first] == [1000, 1000, 500]
    rows = [row for batch in first for row in batch.rows]
    assert len({row["id"] for row in rows}) == 2500
    assert rows[0] | {"changed": rows[0]["changed"][:10]} == {
        "id": "00000000-0000-0000-0000-000000000001",
        "email": "1@x.example",
        "changed": "2026-11-22",
        "mrr": "0.25000000000000000000",
        "born": "2000-01-02",
    }
    for cut in (0, 1):
        rest = [row for batch in warehouse.batches(first[cut].cursor, source) for row in batch.rows]
        assert [row["id"] for row in rest] == [row["id"] for row in rows[1000 * (cut + 1) :]]
    warehouse.clock.sleep(3600)
    settled = warehouse.batches(first[-1].cursor, source)[-1]
    calls = source.calls["people"]
    assert warehouse.batches(settled.cursor, source)[-1].rows == []
    assert source.calls["people"] == calls + 1, "a quiet hour costs one statement"
    findings = [finding for finding in source.check() if finding.severity != "ok"]
    assert findings == []
    assert PASSWORD not in source.environment().label
    assert source.environment().account_id.endswith("/postgres")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM app.person RETURNING id, changed, email",
        "WITH gone AS (DELETE FROM app.person RETURNING *) SELECT * FROM gone",
        "SELECT nextval('app.numbers') AS id, 1 AS changed, '' AS email",
        "SELECT * FROM app.person) AS a; COMMIT; SET default_transaction_read_only = off; DELETE FROM app.person; --",
    ],
)
def test_postgres_refuses_whatever_would_write(warehouse: Site, postgres: str, query: str) -> None:
    with pytest.raises(ConnectorError):
        warehouse.batches(table="", query=query)
    assert len(warehouse.pull(table="app.person")[0]) == 2500


def test_postgres_rights_and_deadlines_are_named(warehouse: Site, postgres: str) -> None:
    secret = {**PEOPLE, "table": "app.secret", "fields": {"source_id": "id"}}
    source = warehouse.source(streams={"people": secret, "others": {**secret, "optional": True}})
    with pytest.raises(MissingPermissionError, match=r"permission denied for table secret\. Grant the user the right"):
        warehouse.batches(source=source)
    assert [(f.severity, f.code) for f in source.check()][2:] == [("error", "stream"), ("warning", "stream")]
    slow = {"table": "", "query": "SELECT id, changed, email, pg_sleep(9) FROM app.person"}
    with pytest.raises(TransientError, match="statement timeout"):
        warehouse.batches(source=warehouse.source(streams={"people": {**PEOPLE, **slow}}, statement_timeout=1))
    for wrong, error in ((PASSWORD, "wrong-word-77"), ("reader:", "nobody:")):
        with pytest.raises(CredentialsError, match="See user and password in url") as caught:
            warehouse.source(url=warehouse.url.replace(wrong, error), schema="app").environment()
        assert "wrong-word-77" not in str(caught.value)
    with pytest.raises(RequestError, match="does not exist"):
        warehouse.batches(table="app.nobody")


# -- Segment's warehouse, and the config ---------------------------------------------------------------------------


def test_the_ready_map_is_segments_warehouse(site: Site, tmp_path: Path) -> None:
    told = contract("segment", "shapes.json")["warehouse_tables"]
    tables = ready_map("segment")
    assert {table["table"] for table in tables.values()} <= set(told["tables"])
    assert {table["cursor"] for table in tables.values()} <= set(told["useful_columns"])
    assert set(tables["tracks"]["fields"].values()) <= set(told["useful_columns"])


SEGMENT = """
[crm]
type = "hubspot"
token = { env = "TOKEN" }
[sources.segment]
type = "sql"
ready = "segment"
url = { env = "DB" }
"""


def test_segments_warehouse_becomes_records(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SEGMENT + '[sources.segment.streams.accounts.fields]\nplan = "tier"\n')
    file = site.url.removeprefix("sqlite:///").replace("%3F", "?")
    made = "2026-11-20 10:00:00"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE users (id, email, received_at)")
        db.execute("CREATE TABLE accounts (id, name, website, tier, received_at)")
        db.execute('CREATE TABLE "groups" (id, user_id, anonymous_id, group_id, received_at)')
        db.execute("CREATE TABLE tracks (id, user_id, event, timestamp, context_group_id, received_at)")
        db.execute(f"INSERT INTO users VALUES ('u1', 'A@x.example', '{made}')")
        db.execute(f"INSERT INTO accounts VALUES ('a1', 'Acme', 'https://acme.example', 'pro', '{made}')")
        db.execute(
            f"""INSERT INTO "groups" VALUES ('g1', 'u1', '', 'a1', '{made}'), ('g2', NULL, 'x', 'a1', '{made}')"""
        )
        db.execute(f"INSERT INTO tracks VALUES ('t1', 'u1', 'order_placed', '{made}', 'a1', '{made}')")
    config = load(path, {"TOKEN": "pat-x", "DB": site.url})
    (one,) = config.sources
    fields = field_map_of(one, "config.toml", "sources.segment")
    source = connect("segment", one.settings, clock=site.clock, spool=site.spool)
    records, lines = [], []
    for stream in source.streams:
        for batch in source.pull(stream, None):
            if batch.export is not None:
                lines += [json.loads(line) for line in batch.export.path.read_text().splitlines()]
            else:
                mapped = fields.apply("segment", stream.name, batch.rows, site.clock.now())
                assert mapped.rejects == []
                records += mapped.records
    said = [
        record.model_dump(exclude_defaults=True, exclude={"source", "created_at", "updated_at"}) for record in records
    ]
    assert said == [
        {"source_id": "u1", "email": "a@x.example", "external_ids": {"product": "u1"}},
        {
            "source_id": "a1",
            "name": "Acme",
            "domains": ("acme.example",),
            "external_ids": {"product": "a1"},
            "plan": "pro",
        },
        {"source_id": "u1 a1", "contact_ref": "u1", "account_ref": "a1"},
    ]
    assert [(line["name"], line["person"], line["account"]) for line in lines] == [("order_placed", "u1", "a1")]
    missing = [finding.message for finding in source.check() if finding.code == "missing_column"]
    assert "users: there is no column 'title', so title stays empty." in missing


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[sources.segment.streams.users]\ntable = 7\n", "sources.segment.streams.users.table"),
        ('[sources.segment.streams.users.fields]\nemial = "email"\n', "Did you mean 'email'?"),
        ('[sources.segment.streams.x]\nrecord = "contact"\nfields = {}\n', "needs either table or query"),
        ('[sources.segment.streams.tracks]\ncursor = ""\n', "cursor: is missing; events are only counted once"),
        ("[sources.segment.streams.tracks]\nfull_every_hours = 1\n", "events are never read again"),
        ('[sources.segment.streams.users]\ncursor = ""\nfull_every_hours = 0\n', "must be more than 0"),
        ('[sources.segment.streams.users]\nrecord = "person"\n', "sources.segment.streams.users.record = 'person'"),
        ('[sources.segment.fields.users]\nemail = "mail"\n', "in sources.segment.streams.NAME.fields"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_with_its_place(tmp_path: Path, more: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SEGMENT + more)
    with pytest.raises((InvalidConfigError, FieldMapError)) as caught:
        field_map_of(load(path, {"TOKEN": "x", "DB": "sqlite:////x"}).sources[0], str(path), "sources.segment")
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_ready_maps_are_chosen_by_name_and_streams_switched_off(tmp_path: Path) -> None:
    assert "segment" in ready_maps()
    path = tmp_path / "config.toml"
    path.write_text(SEGMENT + '[sources.segment.streams]\ngroups = ""\naccounts = ""\n')
    (one,) = load(path, {"TOKEN": "x", "DB": "sqlite:////x"}).sources
    assert list(one.settings.streams) == ["users", "tracks"]
    for wrong, said in (('"segmnt"', "Did you mean 'segment'?"), ('"segment"\nstreams = 7', "streams = '7'")):
        path.write_text(SEGMENT.replace('"segment"\nurl', f"{wrong}\nurl"))
        with pytest.raises(InvalidConfigError) as caught:
            load(path, {"TOKEN": "x", "DB": "sqlite:////x"})
        assert said in str(caught.value)


def test_every_form_of_a_line_names_its_columns() -> None:
    fields = tomllib.loads(
        'a = "x"\nb = "const:1"\nc = ["y", "z"]\nd = { join = ["u", "v.w"] }\ne = { path = \'"p.q".r\' }\n'
        'external_ids = { crm = "k" }'
    )
    assert dict(needed(fields)) == {
        "a": ["x"], "c": ["y", "z"], "d": ["u", "v"], "e": ["p.q"], "external_ids.crm": ["k"],
    }  # fmt: skip


def test_who_does_not_use_it_does_not_import_it() -> None:
    code = (
        "import sys; from connectors.registry import VENDORS; [v.settings() for v in VENDORS.values()];"
        "import connectors.files; bad = {'sqlalchemy', 'psycopg', 'duckdb', 'pyarrow'} & set(sys.modules);"
        "sys.exit(f'imported {bad}' if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
