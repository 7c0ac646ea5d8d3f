"""Whom the events of an export speak of, where the vendor has no list of people: found in the pass that counts them."""

from typing import TYPE_CHECKING, cast

from pydantic_core import from_json

from connectors.base import EventPeople, Row
from sync.store import Store
from sync.tables import compact
from sync.usage_sql import quoted

if TYPE_CHECKING:
    import duckdb

_FIND = """
SELECT CAST(to_json(list({{{person}: trim(person), {properties}: {said}}} ORDER BY person)) AS VARCHAR) FROM (
  SELECT person, arg_max(rowid, {newest}) FILTER ({says}) AS place FROM ev WHERE person IS NOT NULL GROUP BY person) p
LEFT JOIN (SELECT rowid AS place, * EXCLUDE (person) FROM ev) USING (place) WHERE trim(person) <> ''
"""
_NEWEST = "least(coalesce(arrived, 0), 253402300800) * 65536 + CAST(h % 65536 AS BIGINT)"
"""Of events that arrived in one second always the same one speaks, whichever comes first in the file."""


def find_people(db: "duckdb.DuckDBPyConnection", people: EventPeople) -> list[Row]:
    """The people of table `ev`, as `EventPeople` describes them, by id; what was said of them leaves the table."""
    columns = {name: f"said{place}" for place, name in enumerate(people.names)}
    said = ", ".join(f"{quoted(name)}: {column}" for name, column in columns.items())
    names = {"person": quoted(people.person), "properties": quoted(people.properties), "said": f"{{{said}}}"}
    says = f"coalesce({', '.join(columns.values())}) IS NOT NULL"
    found = db.execute(_FIND.format(**names, newest=_NEWEST, says=says)).fetchall()[0][0]
    for column in columns.values():
        db.execute(f"ALTER TABLE ev DROP COLUMN {column}")
    return cast("list[Row]", from_json(found)) if found else []


def worth_telling(store: Store, source: str, people: EventPeople, rows: list[Row]) -> list[Row]:
    """Rows without those that say nothing of somebody who is known, and those of people who were forgotten.

    What an hour's events leave open does not take away what earlier ones said; and of the forgotten nothing may wait on
    disk.
    """
    nothing = dict.fromkeys(people.names)
    silent = [row[people.person] for row in rows if row[people.properties] == nothing]
    known = silent and store.rows(
        "SELECT source_id FROM contact JOIN source ON source.id = contact.source WHERE source.name = ? "
        "AND valid_from IS NOT NULL AND source_id IN (SELECT value FROM json_each(?))",
        (source, compact(silent)),
    )
    left = frozenset(source_id for (source_id,) in known)
    rows = [row for row in rows if row[people.person] not in left]
    screen = store.people()
    if not screen.marks:
        return rows
    texts = [[text for text in row[people.properties].values() if isinstance(text, str)] for row in rows]
    return [row for row, said in zip(rows, texts, strict=True) if not screen.hides(source, row[people.person], *said)]
