"""Who Amplitude's events speak of: there is no list of users to be had, but each event says who its user is.

They are found in the pass that counts an export (`EventPeople`), and are told here before its counts are committed. Who
is new, or new in what is said of them, waits in a file of the spool, one for each range of hours, until the users' own
stream has handed it on and its cursor shows that it was committed. So a run that is killed in between loses nobody.
"""

import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path

from pydantic_core import from_json, to_json

from connectors.base import Batch, EventPeople, Row
from connectors.downloads import unwritable
from connectors.errors import CursorExpiredError
from connectors.exports import WAITING
from connectors.vendor_clock import VendorClock

PAGE = 1000
USER, PROPERTIES = "user_id", "user_properties"
PLACE = r"\d{8}T\d{2}(?:-\d{8}T\d{6}-\d{3})?"
"""Where users were handed on: the last hour, when its file was written, and its number within that second."""
NAME = re.compile(rf"waiting-({PLACE})\.json")
NOBODY = "00000000T00"
"""The cursor while nobody was handed on."""


class Kept:
    """Users on their way from the events to their own stream.

    Args:
        spool: Folder of this source alone; a temporary one when None.
        clock: The vendor's.
    """

    def __init__(self, spool: Path | None, clock: VendorClock) -> None:
        self._spool = spool
        self._clock = clock
        self._said: dict[str, int] = {}

    def people(self, through: datetime, properties: tuple[str, ...]) -> EventPeople:
        """How to tell us whom the events of some hours speak of, and which of their properties.

        Args:
            through: The last of the hours.
            properties: Names of the user properties to keep.
        """
        return EventPeople(USER, PROPERTIES, properties, partial(self._put, through))

    def clean(self) -> None:
        """Begin a pull: everybody is new to it, and what a killed run was writing is removed."""
        self._said.clear()
        for path in self._spool.glob("waiting-*.part") if self._spool else ():
            path.unlink(missing_ok=True)

    def _put(self, through: datetime, rows: list[Row]) -> None:
        """Keep who was found up to an hour, where it is new in this pull; silence is no news of somebody known.

        Raises:
            TransientError: The file cannot be written.
        """
        new = {}
        for row in rows:
            user, said = row[USER], hash(repr(row[PROPERTIES]))
            before = self._said.get(user)
            if before is None or (before != said and any(value is not None for value in row[PROPERTIES].values())):
                self._said[user] = said
                new[user] = row
        if not new:
            return
        try:
            path = self._free(f"waiting-{through:%Y%m%dT%H}-{self._clock.now():%Y%m%dT%H%M%S}")
            part = path.with_suffix(".part")
            part.touch(mode=0o600)
            part.write_bytes(to_json(new))
            part.replace(path)
        except OSError as error:
            raise unwritable("amplitude", error, "list of users") from error

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield who was found since `cursor`, the last file that was handed on; see `Source.pull`.

        Raises:
            CursorExpiredError: It is no cursor of ours.
        """
        if cursor is not None and not re.fullmatch(PLACE, cursor):
            raise CursorExpiredError("the saved place cannot be read.", vendor="amplitude")
        waiting: list[tuple[str, Path]] = []
        for path in sorted(self._folder().glob(WAITING)):
            match = NAME.fullmatch(path.name)
            if match is None or (cursor is not None and match[1] <= cursor):
                path.unlink(missing_ok=True)
            else:
                waiting.append((match[1], path))
        place = cursor or NOBODY
        for hour, path in waiting:
            rows = _read(path)
            for start in range(0, len(rows), PAGE):
                page = rows[start : start + PAGE]
                place = hour if start + PAGE >= len(rows) else place
                yield Batch(page, place, server_time=self._clock.now())
        if not waiting:
            yield Batch(cursor=place, server_time=self._clock.now())

    def _free(self, stem: str) -> Path:
        """A name that no file has: a repair may find users of an hour whose others wait or were handed on."""
        names = (self._folder() / f"{stem}-{number:03d}.json" for number in count())
        return next(path for path in names if not path.exists())

    def _folder(self) -> Path:
        if self._spool is None:
            self._spool = Path(tempfile.mkdtemp(prefix="amplitude-"))
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._spool


def _read(path: Path) -> list[Row]:
    """The users of a file; none where it is not whole: they come again with their next event."""
    try:
        rows = from_json(path.read_bytes())
    except (ValueError, OSError):
        path.unlink(missing_ok=True)
        return []
    return list(rows.values()) if isinstance(rows, dict) else []
