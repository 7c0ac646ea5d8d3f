"""Whom the events of an Amplitude export speak of, found as who counts them would, and in another way."""

import gzip
import json
from typing import Any

from connectors.base import EventExport


def told(export: EventExport) -> list[Any]:
    """The events of an export, after telling whom they speak of."""
    data = export.path.read_bytes()
    data = gzip.decompress(data) if export.path.suffix == ".gz" else data
    rows = [json.loads(line) for line in data.split(b"\n") if line]
    who = export.people
    if who is not None:
        said: dict[str, Any] = {}
        events = [row for row in rows if isinstance(row, dict) and row.get(who.person)]
        for row in sorted(events, key=lambda row: str(row.get("server_upload_time"))):
            properties = row.get(who.properties)
            given = {name: properties.get(name) if isinstance(properties, dict) else None for name in who.names}
            user = str(row[who.person])
            said[user] = given if any(given.values()) else said.get(user, given)
        who.keep([{who.person: user, who.properties: given} for user, given in said.items()])
    return rows
