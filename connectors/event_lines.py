"""Events out of rows: as lines of an export, for sources whose streams stand in the config.

Each line has the names that `mapping.fields.CONFIG_EVENTS` expects: name, time (epoch seconds), person, account, id and
arrived (epoch milliseconds). What cannot be read stays out of the line; who counts the events sets such a line aside.
"""

import contextlib
import json
import math
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from connectors.base import EventExport
from connectors.config_streams import CONST

MILLISECONDS = 1e11
"""A number from here on counts milliseconds, not seconds."""
LATEST = 253_402_300_800
"""Epoch seconds at the end of the year 9999."""


def epoch(value: Any) -> float | None:
    """Epoch seconds of an instant, a day (its start, UTC), ISO 8601 text, or a number of (milli)seconds; else None."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return epoch(float(value))
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    seconds = value / 1000 if value >= MILLISECONDS else float(value)
    return seconds if 0 <= seconds < LATEST else None


class EventLines:
    """Makes lines of rows.

    Args:
        fields: Name in the line -> column of the row, or "const:...".
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fixed = {name: line.removeprefix(CONST) for name, line in fields.items() if line.startswith(CONST)}
        self._columns = {name: line for name, line in fields.items() if not line.startswith(CONST)}

    def line(self, row: Any, arrived: float | None = None) -> Any:
        """The event of a row; a row that is no object is handed on as it is."""
        if not isinstance(row, dict):
            return row
        found = {name: _value(row, column) for name, column in self._columns.items()} | self._fixed
        event = {name: value for name, value in found.items() if value is not None and value != ""}
        event["time"] = epoch(event.get("time"))
        return event | ({} if arrived is None else {"arrived": int(arrived * 1000)})

    def wrong_time(self, row: Mapping[str, Any]) -> str | None:
        """What a row says in place of its time; None where that is one."""
        column = self._columns.get("time")
        said = self._fixed["time"] if column is None else _value(row, column)
        return str("" if said is None else said) if epoch(said) is None else None


def _value(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column; "a.b" is also looked for inside "a"."""
    if column in row or "." not in column:
        return row.get(column)
    head, _, rest = column.partition(".")
    inner = row.get(head)
    return _value(inner, rest) if isinstance(inner, dict) else None


class EventSpool:
    """Where the events of one stream wait on disk for whoever counts them.

    Args:
        spool: Folder of all spools; a temporary one when None.
        source: Name of the source in the config.
        stream: Name of the stream.
    """

    def __init__(self, spool: Path | None, source: str, stream: str) -> None:
        self._folder = Path(tempfile.gettempdir()) / "holdfast-spool" if spool is None else spool
        self._folder = self._folder / quote(source, safe="")
        self._stem = f"events-{quote(stream, safe='')}-"

    def clean(self) -> None:
        """Remove what an ended process left behind."""
        for path in self._folder.glob(f"{self._stem}*.jsonl"):
            path.unlink(missing_ok=True)

    def export(self, lines: Iterable[Any], today: date, *, replaces: bool) -> EventExport | None:
        """Write lines; gives the export of the days they name, up to tomorrow, or None when there is no line."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        first, last, count = math.inf, -math.inf, 0
        with tempfile.NamedTemporaryFile(
            "w", dir=self._folder, prefix=self._stem, suffix=".jsonl", delete=False, encoding="utf-8"
        ) as file:
            try:
                for line in lines:
                    count += 1
                    at = line.get("time") if isinstance(line, dict) else None
                    if at is not None:
                        first, last = min(first, at), max(last, at)
                    file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        path = Path(file.name)
        latest = today + timedelta(days=1)
        if not count:
            path.unlink()
            return None
        days = [datetime.fromtimestamp(at, UTC).date() for at in (first, last) if math.isfinite(at)] or [today]
        return EventExport(path, min(days[0], latest), min(days[-1], latest), replaces=replaces)
