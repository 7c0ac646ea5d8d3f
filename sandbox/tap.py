"""A Singer tap for the sandbox's bookings: `python -m sandbox.tap --config C [--discover | --catalog K] [--state S]`.

Its config names the file (`{"bookings": "bookings.json"}`). It speaks the Singer specification and knows nothing of who
listens: a schema before the records of each stream, and a state with the last time seen after them.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

KEYS = {"guests": "updated_at", "meetings": "held_at"}
"""Stream -> the property by which it is read on."""
PROPERTIES = {"guests": ("id", "email", "updated_at"), "meetings": ("id", "guest_id", "held_at")}


def main(words: list[str] | None = None) -> None:
    """Tell which streams there are, or what is in those that the catalog selects."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("--catalog", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--discover", action="store_true")
    given = parser.parse_args(words)
    found = json.loads(Path(_read(given.config)["bookings"]).read_text("utf-8"))
    if given.discover:
        _say({"streams": [_entry(name) for name in KEYS]})
        return
    state = _read(given.state).get("bookmarks", {}) if given.state else {}
    for name in _selected(_read(given.catalog)) if given.catalog else KEYS:
        _say({"type": "SCHEMA", "stream": name, "schema": _schema(name), "key_properties": ["id"]})
        key, since = KEYS[name], state.get(name, "")
        for row in sorted((row for row in found[name] if row[key] >= since), key=lambda row: str(row[key])):
            _say({"type": "RECORD", "stream": name, "record": row})
            since = max(since, row[key])
        state = {**state, name: since}
        _say({"type": "STATE", "value": {"bookmarks": state}})


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return read


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")


def _schema(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {key: {"type": ["null", "string"]} for key in PROPERTIES[name]}}


def _entry(name: str) -> dict[str, Any]:
    about = {"inclusion": "available", "table-key-properties": ["id"], "valid-replication-keys": [KEYS[name]]}
    return {
        "stream": name,
        "tap_stream_id": name,
        "schema": _schema(name),
        "metadata": [{"breadcrumb": [], "metadata": about}],
    }


def _selected(catalog: dict[str, Any]) -> list[str]:
    """Streams whose own metadata says that they are wanted."""
    return [
        entry["tap_stream_id"]
        for entry in catalog["streams"]
        if any(not one["breadcrumb"] and one["metadata"].get("selected") for one in entry.get("metadata", ()))
    ]


if __name__ == "__main__":
    main()
