"""A place in a table is good for the table, the query and the columns for which it was made, and for no other."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.config_streams import StreamTable
from connectors.errors import CursorExpiredError
from mapping.fields import FieldMap
from sync.pull import pull_all
from sync.store import Store
from tests.connectors.test_sql import HOUR, PEOPLE, Site, write

HALF = {"table": "", "query": "SELECT * FROM person WHERE id > 1"}


@pytest.fixture
def written(tmp_path: Path) -> Site:
    with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
        db.execute("CREATE TABLE person (id, email, changed)")
    site = Site(f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "spool")
    write(site, (1, HOUR), (2, f"{HOUR}.5"), (3, "2026-11-22 09:00:00"))
    return site


@pytest.mark.parametrize(
    "table",
    [
        HALF,
        {"cursor": "id"},
        {"id": "changed"},
        {"fields": {"source_id": "id"}},
        {"deleted": [{"path": "email", "values": ["gone"]}]},
    ],
)
def test_another_place_is_asked_for_when_the_config_wants_other_rows(written: Site, table: dict[str, Any]) -> None:
    ids, place = written.pull()
    assert ids == ["1", "2", "3"]
    with pytest.raises(CursorExpiredError, match="wants other rows of it than before"):
        written.pull(place, **table)
    with pytest.raises(CursorExpiredError, match="wants other rows"):
        written.batches(place, written.source(schema="main"))
    assert written.pull(place, overlap=0, full_every_hours=48, optional=True)[0] == ["1", "2", "3"], "the same rows"
    old = {name: held for name, held in json.loads(str(place)).items() if name != "of"}
    assert written.pull(json.dumps(old), overlap=0)[0] == [], "a place of an older version is taken as it is"


def test_a_query_that_is_made_wider_gives_its_older_rows_too(written: Site, tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "state")) as store:

        def report(**table: Any) -> Any:
            source = written.source(streams={"people": {**PEOPLE, **table}})
            told = {name: said for name, said in {**PEOPLE, **table}.items() if name in StreamTable.model_fields}
            maps = FieldMap.of_config("sql", {"people": StreamTable(**told).map_table()}, file="c", prefix="s")
            (one,) = pull_all([(source, maps)], store, written.clock)
            return one

        assert report(**HALF).counts.new == 2
        wider = report()
        assert (wider.ending, wider.rows, wider.counts.new) == ("ok", 3, 1)
        (note,) = wider.notes
        assert note == "the config wants other rows of it than before. The stream was read again from its start."
        assert report().notes == []
