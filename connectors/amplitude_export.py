"""One download of Amplitude's raw event export, from the request to a checked file on disk.

The answer is a zip of gzipped files of JSON lines, several for each hour. It is stored as it comes, then read member by
member: each is unpacked once, to look whether it is whole, while its packed bytes go to the export's file as they are,
since gzip files in a row are a gzip file. A download counts only when it is complete. A zip without its end, a member
that does not unpack, a last line that is cut: then it is thrown away and made again, and nothing of it is handed on.
"""

import contextlib
import gzip
import http.client
import os
import random
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, cast

import requests
import urllib3
from pydantic_core import from_json

from connectors.amplitude_people import People
from connectors.base import Clock
from connectors.errors import TransientError
from connectors.http import Http
from connectors.retry import Failed, Retrier

TRIES = 3
DEADLINE = 1800.0
"""Seconds for one download with all its tries."""
BLOCK = 1 << 20
LONGEST_LINE = 64 << 20
HOUR = timedelta(hours=1)
UPLOADED = re.compile(rb'"server_upload_time": ?"(\d{4}-\d\d-\d\d \d\d):')
"""When Amplitude received an event. A value that quotes this text has its quotes escaped, so that it cannot match."""
MEMBER = re.compile(r"_(\d{4})-(\d\d)-(\d\d)_(\d{1,2})#")
"""The hour of a file, in its name."""
NO_DATA, TOO_LARGE, TOO_SLOW = 404, 400, 504


class TooWideError(Exception):
    """The range holds too much for one export; a part of it may do."""


@dataclass(frozen=True, slots=True)
class Download:
    """A complete export on disk: gzipped JSON lines.

    Attributes:
        path: The file.
        newest: The last hour in which something was uploaded; None when no line says so.
    """

    path: Path
    newest: datetime | None


@dataclass(slots=True)
class Lines:
    """Looks through JSON lines as they pass.

    Attributes:
        people: Notes who they speak of.
        newest: The last upload hour, as the vendor writes it.
        some: Whether there was any line.
    """

    people: People
    newest: bytes = b""
    some: bool = False
    _tail: bytes = b""
    _last: bytes = field(default=b"", repr=False)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of a member. Raises `Failed` for a line that does not end."""
        data = self._tail + data
        cut = data.rfind(b"\n") + 1
        self._tail = data[cut:]
        if len(self._tail) > LONGEST_LINE:
            raise broken("sent a line that does not end")
        self._take(data[:cut])

    def close(self) -> bool:
        """Judge the end of a member; whether it ended without a line end.

        Raises:
            Failed: Its last line is not a whole JSON object.
        """
        unended = bool(self._tail)
        self._take(self._tail)
        try:
            whole = not self._last or isinstance(from_json(self._last), dict)
        except ValueError:
            whole = False
        if not whole:
            raise broken("holds a file that ends before its end")
        self._tail = self._last = b""
        return unended

    def hour(self) -> datetime | None:
        """The last upload hour; None when nothing said one."""
        try:
            return datetime.strptime(self.newest.decode(), "%Y-%m-%d %H").replace(tzinfo=UTC)
        except ValueError:
            return None

    def _take(self, block: bytes) -> None:
        self._last = block.rstrip().rpartition(b"\n")[2] or self._last
        self.some |= bool(self._last)
        # A file is of one hour. Were one of several, its newest hour might be missed here, and asked for once more.
        for place in (UPLOADED.search(block), UPLOADED.search(self._last)):
            self.newest = max(self.newest, place[1] if place else b"")
        self.people.saw(block)


class Exporter:
    """Makes downloads.

    Args:
        http: Session to the project's host.
        clock: Time.
        spool: Folder for the files, of this source alone; the system's temporary folder when None.
    """

    def __init__(self, http: Http, clock: Clock, spool: Path | None) -> None:
        self._http = http
        self._clock = clock
        self._spool = spool

    def clean(self) -> None:
        """Remove what a killed run left behind. Only between pulls: files handed on belong to their receiver."""
        for path in self._spool.glob("amplitude-*") if self._spool else ():
            path.unlink(missing_ok=True)

    def download(self, first: datetime, last: datetime, people: People) -> Download | None:
        """Download what was uploaded in some hours, both included; None when that is nothing.

        Args:
            first: First hour.
            last: Last hour.
            people: Is told who the events speak of.

        Raises:
            TooWideError: It is too much for one export, and more than an hour.
            TransientError: It broke off each time.
            ConnectorError: Amplitude refuses.
        """
        wide = last > first
        query = {"start": f"{first:%Y%m%dT%H}", "end": f"{last:%Y%m%dT%H}"}

        def attempt(end: float) -> Download | None:
            accept = {NO_DATA, TOO_LARGE, TOO_SLOW} if wide else {NO_DATA}
            response = self._http.request(
                "GET", "api/2/export", params=query, purpose="events", stream=True, accept=accept
            )
            with contextlib.closing(response):
                if response.status_code == NO_DATA:
                    return None
                if not response.ok:
                    raise TooWideError
                return self._saved(response, people, end)

        return Retrier(self._clock, DEADLINE, random.Random()).run(attempt, repeatable=True)

    def empty(self) -> Path:
        """An export that says that nothing happened."""
        handle, path = self._file(".jsonl")
        os.close(handle)
        return path

    def _file(self, suffix: str) -> tuple[int, Path]:
        try:
            if self._spool is not None:
                self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(suffix, "amplitude-", self._spool)
        except OSError as error:
            raise unwritable(error) from error
        return handle, Path(name)

    def _saved(self, response: requests.Response, people: People, end: float) -> Download | None:
        handle, packed = self._file(".zip")
        try:
            with os.fdopen(handle, "wb") as file:
                for block in self._blocks(response, end):
                    _write(file, block)
            return self._unpacked(packed, people)
        finally:
            packed.unlink(missing_ok=True)

    def _unpacked(self, packed: Path, people: People) -> Download | None:
        handle, path = self._file(".jsonl.gz")
        lines = Lines(people.fresh())
        try:
            with os.fdopen(handle, "wb") as out, zipfile.ZipFile(packed) as archive:
                for entry in sorted(archive.infolist(), key=_age):
                    if not entry.is_dir():
                        with archive.open(entry) as member:
                            _pass_on(member, out, lines)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, zipfile.BadZipFile | gzip.BadGzipFile | zlib.error | EOFError | NotImplementedError):
                raise broken("is no complete zip of gzipped files") from error
            raise
        if not lines.some:
            path.unlink(missing_ok=True)
            return None
        people.keep(lines.people)
        return Download(path, lines.hour())

    def _blocks(self, response: requests.Response, end: float) -> Iterator[bytes]:
        """The body as it is sent."""
        try:
            while block := response.raw.read(BLOCK, decode_content=True):
                yield block
                if self._clock.monotonic() > end:
                    raise broken(f"took more than {DEADLINE / 60:.0f} minutes")
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise broken(f"broke off ({type(error).__name__})") from error


class _Copying:
    """A file that is copied as it is read."""

    def __init__(self, source: IO[bytes], out: IO[bytes]) -> None:
        self._source = source
        self._out = out

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        block = self._source.read(size)
        _write(self._out, block)
        return block


def _age(entry: zipfile.ZipInfo) -> int:
    """Sorts the newest hour first, so that users are taken for what they said last; unknown names come at the end."""
    named = MEMBER.search(entry.filename)
    return -int("".join(number.zfill(2) for number in named.groups())) if named else 0


def _pass_on(member: IO[bytes], out: IO[bytes], lines: Lines) -> None:
    """Copy a gzipped file to the export, and look through what is in it."""
    copied = cast("IO[bytes]", _Copying(member, out))  # nothing but `read` is asked of it
    with gzip.GzipFile(fileobj=copied, mode="rb") as unpacked:
        while block := unpacked.read(BLOCK):
            lines.feed(block)
    if lines.close():
        _write(out, gzip.compress(b"\n"))


def _write(file: IO[bytes], block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise unwritable(error) from error


def broken(what: str) -> Failed:
    """A download that may work when made again."""
    error = TransientError(f"the event export {what}; nothing of it was used.", vendor="amplitude")
    return Failed(error, retry=True, tries=TRIES)


def unwritable(error: OSError) -> TransientError:
    """The spool file cannot be written."""
    message = f"the event export cannot be stored: {error.strerror or type(error).__name__}."
    return TransientError(message, vendor="amplitude", advice="Free disk space or check the state folder's rights.")
