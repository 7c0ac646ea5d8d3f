"""Keys for the people and groups of an event export."""

from typing import TYPE_CHECKING

from sync.records import take_keys
from sync.store import Store
from sync.tables import KINDS, compact

if TYPE_CHECKING:
    import duckdb

CHUNK = 20_000


def number_keys(db: "duckdb.DuckDBPyConnection", store: Store, source: int, name: str, kind: str) -> None:
    """Make table `<name>_key` (id, key) for the ids in `<name>_id`.

    New ones are committed before the counts that need them: a key that nothing speaks of yet does no harm.
    """
    db.execute(
        f"CREATE TEMP TABLE {name}_number AS SELECT id, row_number() OVER (ORDER BY id) AS i "
        f"FROM (SELECT DISTINCT id FROM {name}_id)"
    )
    ids = [row[0] for row in db.execute(f"SELECT id FROM {name}_number ORDER BY i").fetchall()]
    keys: list[int] = []
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        with store.transaction() as conn:
            found = take_keys(conn, KINDS[kind], source, part)
        keys.extend(found[source_id] for source_id in part)
    # A list passes as JSON text: bound number by number it would take many times as long.
    db.execute(
        f"CREATE TEMP TABLE {name}_key AS SELECT id, key FROM {name}_number JOIN (SELECT unnest(k) AS key, "
        """generate_subscripts(k, 1) AS i FROM (SELECT from_json(?, '["INTEGER"]') AS k)) USING (i)""",
        [compact(keys)],
    )
