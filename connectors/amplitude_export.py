"""One download of Amplitude's raw event export, from the request to a checked file on disk.

The answer is a zip of gzipped files of JSON lines, several for each hour. It is stored as it comes, then read member by
member: each is unpacked once, to look whether it is whole, while its packed bytes go to the export's file as they are,
since gzip files in a row are a gzip file. A download counts only when it is complete. A zip without its end, a member
that does not unpack, a last line that is cut: then it is thrown away and made again, and nothing of it is handed on.
"""

import contextlib
import gzip
import os
import random
import re
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import requests

from connectors import downloads
from connectors.base import Clock
from connectors.downloads import BLOCK, DEADLINE, Gunzip, body, broken, unwritable, write
from connectors.http import Http
from connectors.retry import Retrier

HOUR = timedelta(hours=1)
UPLOADED = re.compile(rb'"server_upload_time": ?"(\d{4}-\d\d-\d\d \d\d):')
"""When Amplitude received an event. A value that quotes this text has its quotes escaped, so that it cannot match."""
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


class Lines(downloads.Lines):
    """Looks through JSON lines as they pass.

    Attributes:
        newest: The last upload hour, as the vendor writes it.
        some: Whether there was any line.
    """

    def __init__(self) -> None:
        super().__init__("amplitude")
        self.newest = b""
        self.some = False

    def saw(self, block: bytes) -> None:
        """Look at whole lines."""
        self.some |= bool(self.last)
        # A file is of one hour. Were one of several, its newest hour might be missed here, and asked for once more.
        for place in (UPLOADED.search(block), UPLOADED.search(self.last)):
            self.newest = max(self.newest, place[1] if place else b"")

    def hour(self) -> datetime | None:
        """The last upload hour; None when nothing said one."""
        try:
            return datetime.strptime(self.newest.decode(), "%Y-%m-%d %H").replace(tzinfo=UTC)
        except ValueError:
            return None


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

    def download(self, first: datetime, last: datetime) -> Download | None:
        """Download what was uploaded in some hours, both included; None when that is nothing.

        Args:
            first: First hour.
            last: Last hour.

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
                return self._saved(response, end)

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
            raise unwritable("amplitude", error) from error
        return handle, Path(name)

    def _saved(self, response: requests.Response, end: float) -> Download | None:
        handle, packed = self._file(".zip")
        try:
            with os.fdopen(handle, "wb") as file:
                for block in body(response, self._clock, end, "amplitude", unpack=True):
                    write(file, block, "amplitude")
            return self._unpacked(packed)
        finally:
            packed.unlink(missing_ok=True)

    def _unpacked(self, packed: Path) -> Download | None:
        handle, path = self._file(".jsonl.gz")
        lines = Lines()
        try:
            with os.fdopen(handle, "wb") as out, zipfile.ZipFile(packed) as archive:
                for entry in archive.infolist():
                    if not entry.is_dir():
                        with archive.open(entry) as member:
                            _pass_on(member, out, lines)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, zipfile.BadZipFile | zlib.error | EOFError | NotImplementedError):
                raise broken("amplitude", "is no complete zip of gzipped files") from error
            raise
        if not lines.some:
            path.unlink(missing_ok=True)
            return None
        return Download(path, lines.hour())


def _pass_on(member: IO[bytes], out: IO[bytes], lines: Lines) -> None:
    """Copy a gzipped file to the export, and look through what is in it."""
    gunzip = Gunzip()
    while block := member.read(BLOCK):
        write(out, block, "amplitude")
        for piece in gunzip.feed(block):
            lines.feed(piece)
    if not gunzip.whole:
        raise EOFError
    if lines.close():
        write(out, gzip.compress(b"\n"), "amplitude")
