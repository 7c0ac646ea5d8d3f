"""Where in a table we are: the last row read, as text that can be kept, and how far before it to read again."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.errors import CursorExpiredError
from connectors.place import State, marked
from connectors.sql_settings import SqlTable

_DAY = timedelta(days=1)
_ROWS = {"record", "table", "query", "id", "cursor", "fields", "skip", "deleted"}
"""Settings by which other rows are read, or more of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """The last row read.

    Attributes:
        stamp: Its value in the cursor column; None in tables without one.
        key: Its value in the id column.
    """

    stamp: Any
    key: Any

    def kept(self) -> list[Any]:
        """As JSON."""
        return [_kept(self.stamp), _kept(self.key)]

    @classmethod
    def read(cls, state: State, name: str) -> "Row | None":
        """What a place says under a name. Raises `CursorExpiredError` when it is none of ours."""
        held = state.get(name)
        if held is None:
            return None
        try:
            stamp, key = held
            return cls(_read(stamp), _read(key))
        except (TypeError, ValueError, KeyError):
            raise CursorExpiredError("the saved place cannot be read.", vendor="sql") from None


def mark(table: SqlTable, schema: str) -> str:
    """Differs where what the config wants may not have been read of the rows behind a place."""
    return marked({"schema": schema, **table.model_dump(mode="json", include=_ROWS)})


def _kept(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"instant": value.isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    if isinstance(value, Decimal):
        return {"number": str(value)}
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _read(value: Any) -> Any:
    match value:
        case {"instant": text}:
            return datetime.fromisoformat(text)
        case {"day": text}:
            return date.fromisoformat(text)
        case {"number": text}:
            return Decimal(text)
    return value


def before(stamp: Any, seconds: int) -> Any:
    """A stamp so many seconds earlier; None where that means nothing (a number, or text that is no time).

    Times written as text are cut to whole seconds, so that they stand before any notation of the same second.
    """
    span = timedelta(seconds=seconds)
    if isinstance(stamp, datetime):
        return stamp - span
    if isinstance(stamp, date):
        return stamp - max(span, _DAY)
    if isinstance(stamp, str) and len(stamp) >= len("2026-11-22 10:00:00"):
        try:
            at = datetime.fromisoformat(stamp) - span
        except ValueError:
            return None
        return at.strftime(f"%Y-%m-%d{stamp[10]}%H:%M:%S")
    return None
