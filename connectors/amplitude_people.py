"""Who Amplitude's events speak of: there is no list of users to be had, but each event says who its user is.

While an export is read, the first events of each user in it are looked at. What they say of the user (id and chosen
user properties) is kept in a file beside the export, one for each range of hours, until the users' own stream has
handed it on and its cursor shows that it was committed. So a run that is killed in between loses nobody.
"""

import re
import tempfile
from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from connectors.base import Batch, Row
from connectors.errors import CursorExpiredError, TransientError
from connectors.vendor_clock import VendorClock

USER = re.compile(rb'"user_id": ?"([^"\\]*(?:\\.[^"\\]*)*)"')
LOOKS = 10
"""Events of a user that are looked at, in one export, for one that says a property: those that servers send may not."""
PAGE = 1000
PLACE = r"\d{8}T\d{2}(?:-\d{8}T\d{6}-\d{3})?"
"""Where users were handed on: the last hour, when its file was written, and its number within that second."""
NAME = re.compile(rf"people-({PLACE})\.json")
NOBODY = "00000000T00"
"""The cursor while nobody was handed on."""
Told = dict[str, Row]


class People:
    """Collects users while exports are read.

    Args:
        properties: Names of the user properties to keep: what is not kept stays with the vendor.
        known: What was told of whom already, so that it is not told again.
    """

    def __init__(self, properties: Collection[str], known: dict[str, int] | None = None) -> None:
        self.found: Told = {}
        self._properties = tuple(properties)
        self._known: dict[str, int] = {} if known is None else known
        self._seen: set[bytes] = set()
        self._looks: dict[bytes, int] = {}

    def fresh(self) -> "People":
        """One for another try at the same download."""
        return People(self._properties, self._known)

    def keep(self, other: "People") -> None:
        """Take over what a complete download told, where it is new."""
        for user, row in other.found.items():
            said = hash(repr(row["user_properties"]))
            if self._known.get(user) != said:
                self._known[user] = said
                self.found[user] = row

    def saw(self, block: bytes) -> None:
        """Look at whole lines."""
        for match in USER.finditer(block):
            if match[1] not in self._seen:
                end = block.find(b"\n", match.end())
                self._note(match[1], block[block.rfind(b"\n", 0, match.start()) + 1 : end if end >= 0 else None])

    def _note(self, named: bytes, line: bytes) -> None:
        """Note what a line says of its user; once it says a property, or after some that do not, it will do."""
        user = self._told(line)
        # What is named in a line need not be its user: an event may carry a field of that name.
        if user is not None and user.encode() == named:
            self._seen.add(named)
            return
        looks = self._looks[named] = self._looks.get(named, 0) + 1
        if looks >= LOOKS:
            self._seen.add(named)

    def _told(self, line: bytes) -> str | None:
        """Note what a line says; the user of whom it says a property."""
        try:
            event = from_json(line, cache_strings="keys")
        except ValueError:
            return None  # its reader sets it aside
        user = event.get("user_id") if isinstance(event, dict) else None
        if not isinstance(user, str) or not user:
            return None
        told = event.get("user_properties")
        said = {name: told[name] for name in self._properties if name in told} if isinstance(told, dict) else {}
        if said or user not in self.found:
            self.found[user] = {"user_id": user, "user_properties": said, "event_time": event.get("event_time")}
        return user if said else None


class Kept:
    """Users on their way from the events to their own stream.

    Args:
        spool: Folder of this source alone; a temporary one when None.
        clock: The vendor's.
    """

    def __init__(self, spool: Path | None, clock: VendorClock) -> None:
        self._spool = spool
        self._clock = clock

    def put(self, through: datetime, people: People) -> None:
        """Keep who was found up to an hour.

        Raises:
            TransientError: The file cannot be written.
        """
        if not people.found:
            return
        try:
            path = self._free(f"people-{through:%Y%m%dT%H}-{self._clock.now():%Y%m%dT%H%M%S}")
            part = path.with_suffix(".part")
            part.touch(mode=0o600)
            part.write_bytes(to_json(list(people.found.values())))
            part.replace(path)
        except OSError as error:
            what = error.strerror or type(error).__name__
            text, advice = f"the users cannot be stored: {what}.", "Free disk space or check the state folder's rights."
            raise TransientError(text, vendor="amplitude", advice=advice) from error

    def pull(self, cursor: str | None) -> Iterator[Batch]:
        """Yield who was found since `cursor`, the last file that was handed on; see `Source.pull`.

        Raises:
            CursorExpiredError: It is no cursor of ours.
        """
        if cursor is not None and not re.fullmatch(PLACE, cursor):
            raise CursorExpiredError("the saved place cannot be read.", vendor="amplitude")
        waiting: list[tuple[str, Path]] = []
        for path in sorted(self._folder().glob("people-*.json")):
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


def _read(path: Path) -> list[Any]:
    """The users of a file; none where it is not whole: they come again with their next event."""
    try:
        rows = from_json(path.read_bytes())
    except (ValueError, OSError):
        path.unlink(missing_ok=True)
        return []
    return rows if isinstance(rows, list) else []
