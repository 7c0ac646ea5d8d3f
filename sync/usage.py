"""Event exports -> daily counts per person, group and event, in one Parquet file a day and source."""

from datetime import datetime

from connectors.base import EventExport
from mapping.mapped import EventMap
from sync.store import Counts, Store


def ingest(
    store: Store,
    source: str,
    stream: str,
    export: EventExport,
    events: EventMap,
    *,
    cursor: str | None,
    now: datetime,
) -> Counts:
    """Count the events of an export and commit counts and cursor together. Deletes the export's file."""
    raise NotImplementedError
