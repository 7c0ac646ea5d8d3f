"""Hashes of the events that came lately, by which an event that comes again is known for a repetition.

They are DuckDB's, of what the map says makes an event the same, so that files of another DuckDB or another map say
nothing to us. Where an export repeats what was handed on before, what such files cannot vouch for is not counted
again: an event too few is made good by the next reading, one too many never.
"""

from typing import TYPE_CHECKING
from zlib import crc32

from connectors.base import EventExport
from mapping.mapped import EventMap
from sync.store import Store
from sync.tables import epoch

if TYPE_CHECKING:
    import duckdb

KEPT = 24 * 3600
"""Seconds after its arrival for which an event is known, counted back from the newest arrival. No overlap or repair of
a connector that only adds reaches further back; a repair that replaces counts its days from nothing."""


def mark(events: EventMap) -> str:
    """What the names of files of such hashes end in."""
    import duckdb

    same = (events.name, events.distinct_id, events.time, events.insert_id, events.times)
    return f"{duckdb.__version__}-{crc32(repr(same).encode()):08x}"


def drop_counted(db: "duckdb.DuckDBPyConnection", store: Store, stream: int, export: EventExport, ending: str) -> None:
    """Remove from table `ev` what an earlier pull counted, or must have.

    What arrived before the hashes we keep reach back can only be a stale copy's.

    Args:
        db: Has the table.
        store: The state.
        stream: Key of the stream.
        export: Where the table came from.
        ending: See `mark`.
    """
    rows = store.rows("SELECT path, newest FROM usage_seen WHERE stream = ?", (stream,))
    if rows:
        db.execute("DELETE FROM ev WHERE arrived < ?", [max(newest for _, newest in rows) - KEPT])
    paths = [store.path / path for path, _ in rows]
    known = [str(path) for path in paths if path.name.endswith(f".{ending}.parquet") and path.is_file()]
    if export.repeats_until is not None and len(known) < len(rows):
        db.execute("DELETE FROM ev WHERE arrived < ?", [epoch(export.repeats_until)])
    if known:
        db.execute("DELETE FROM ev WHERE h IN (SELECT h FROM read_parquet(?))", [known])
