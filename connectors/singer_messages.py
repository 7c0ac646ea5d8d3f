"""What a tap prints, as batches: rows together with the place behind them. Singer specification 0.3.0, "Output".

A tap's STATE may be stored once everything that came before it is. So a batch carries the last state that came before
its end, and one that is cut in between carries none, which keeps the earlier one.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import ShapeError
from connectors.place import State
from connectors.redact import REDACTOR
from connectors.singer_files import parsed

PAGE = 500
"""Rows from which on a state ends a batch."""
MOST = 4
"""Times a page, or bytes: where a batch ends although no state came."""
MOST_BYTES = 8 * 1024 * 1024
MAX_STATE = 1024 * 1024
"""Bytes of a state."""

BY_HAND = "Run the tap by hand: it must print one whole JSON message a line, and its log on standard error."

log = logging.getLogger(__name__)
log.addFilter(REDACTOR)


@dataclass(slots=True)
class Reader:
    """Collects the records of one stream.

    Attributes:
        stream: What the tap calls it.
        page: Rows from which on a state ends a batch.
        place: "state": the last state; "version": that of the table whose records come.
        rows: Records since the last batch.
        seen: Streams whose schema came.
        lines: Lines so far.
        noise: Lines that are no message.
        told: Whether a record came, with its schema or without.
        moved: Whether a state came since the last batch.
        listed: Whether everything the tap knows of has come, so that what was not named is gone.
    """

    stream: str
    page: int
    place: State
    rows: list[Any] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    lines: int = 0
    noise: int = 0
    told: bool = False
    moved: bool = False
    listed: bool = False
    _before: Any = None
    _size: int = 0

    def __post_init__(self) -> None:
        self._before = self.place.get("version")

    def take(self, line: bytes) -> bool:
        """Take in a line; gives whether it is time for a batch.

        Raises:
            ShapeError: It begins as a message does and is none.
        """
        text = line.strip()
        self.lines += 1
        if not text.startswith(b"{"):
            if text:
                self.noise += 1
                log.debug("no message: %s", text[:200].decode("utf-8", "replace"))
            return False
        message = parsed(text, f"line {self.lines:,} of the tap's output", BY_HAND)
        match message.get("type"):
            case "RECORD":
                return message.get("stream") == self.stream and self._record(message, len(text))
            case "STATE":
                return self._state(message.get("value"), len(text))
            case "SCHEMA":
                self._schema(message)
            case "ACTIVATE_VERSION" if message.get("stream") == self.stream:
                version = message.get("version")
                # A version that was there before has records of earlier runs, which this one need not name.
                self.listed = version is not None and version != self._before
                self.place["version"] = version
        return False

    def _record(self, message: dict[str, Any], size: int) -> bool:
        row, self.listed, self.told = message.get("record"), False, True
        self.rows.append(row)
        self._size += size
        if "version" in message:
            self.place["version"] = message["version"]
        return len(self.rows) >= MOST * self.page or self._size >= MOST_BYTES

    def _state(self, value: Any, size: int) -> bool:
        if not isinstance(value, dict) or size > MAX_STATE:
            what = f"larger than {MAX_STATE >> 10} KiB" if isinstance(value, dict) else "no object"
            raise ShapeError(f"a state of the tap is {what}.", vendor="singer")
        self.place["state"] = value
        self.moved = True
        return len(self.rows) >= self.page

    def _schema(self, message: dict[str, Any]) -> None:
        name = message.get("stream")
        if not isinstance(name, str) or not isinstance(message.get("schema"), dict):
            raise ShapeError("a schema of the tap names no stream or has no schema.", vendor="singer")
        self.seen.add(name)

    def batch(self) -> tuple[list[Any], bool]:
        """The rows since the last batch, and whether a state came since."""
        done, self.rows, self.moved, self._size = (self.rows, self.moved), [], False, 0
        return done


def reading(reader: Reader, lines: Iterator[bytes]) -> Iterator[tuple[list[Any], bool]]:
    """Batches as they fill up; what is left at the end is for the caller, who knows how the tap ended."""
    for line in lines:
        if reader.take(line):
            yield reader.batch()
