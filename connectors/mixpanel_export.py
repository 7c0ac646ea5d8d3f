"""One download of Mixpanel's raw event export, from the request to a checked file on disk.

mixpanel-utils makes the call: it knows the export's address by residency, the API version and the project parameter.
Its transport is replaced by ours, at the one method that all its calls go through. Its own answers None to 429 and
every other 4xx, tries a 5xx four times within 10 ms and then raises a bare BaseException, and raises its time-out for
good after each one; with ours all of these become typed errors after patient, bounded retries. Of the library only the
raw stream is used: everything else holds the whole answer in memory.

A download counts only when it is complete. Mixpanel can end one under status 200 with the line "terminated early", or
in the middle of a line; then it is thrown away and made again, and nothing of it is handed on; see `downloads`.
"""

import contextlib
import os
import random
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any

import requests

from connectors import downloads
from connectors.base import Clock
from connectors.downloads import DEADLINE, Gunzip, body, broken, unwritable, write
from connectors.http import Http
from connectors.retry import Retrier

ARRIVAL = re.compile(rb'"mp_processing_time_ms": ?(\d{1,15})\b')
"""When Mixpanel received an event. A value that quotes this text has its quotes escaped, so that it cannot match."""


class Lines(downloads.Lines):
    """What a stream of JSON lines held.

    Attributes:
        count: Lines that are not empty.
        stamped: Arrival stamps among them.
        newest: The latest arrival stamp, epoch milliseconds.
    """

    def __init__(self) -> None:
        super().__init__("mixpanel")
        self.count = self.stamped = self.newest = 0

    def saw(self, block: bytes) -> None:
        """Look at whole lines; only the very last may lack its line end, and then it comes alone."""
        self.count += block.count(b"\n") - (b"\n" + block).count(b"\n\n")
        self.count += not block.endswith(b"\n") and bool(block.strip())
        stamps = ARRIVAL.findall(block)
        self.stamped += len(stamps)
        self.newest = max(self.newest, max(map(int, stamps), default=0))


@dataclass(frozen=True, slots=True)
class Download:
    """A complete export on disk, as it was sent: gzip when `path` ends in ".gz"."""

    path: Path
    lines: Lines


class Exporter:
    """Makes downloads.

    Args:
        library: Gives the mixpanel-utils client, see `library`.
        clock: Time.
        spool: Folder for the files, of this source alone; the system's temporary folder when None.
        workspace: Data view to read, for projects that have them.
    """

    def __init__(self, library: Callable[[], Any], clock: Clock, spool: Path | None, workspace: int | None) -> None:
        self._library = library
        self._clock = clock
        self._spool = spool
        self._workspace = {"workspace_id": workspace} if workspace is not None else {}

    def clean(self) -> None:
        """Remove what a killed run left behind. Only between pulls: files handed on belong to their receiver."""
        for path in self._spool.glob("mixpanel-*") if self._spool else ():
            path.unlink(missing_ok=True)

    def download(self, first: date, last: date, where: str = "") -> Download:
        """Download the events of some days, inclusive, in the project's own days.

        Args:
            first: First day.
            last: Last day.
            where: Mixpanel expression that events must satisfy.

        Raises:
            TransientError: It broke off each time.
            ConnectorError: Mixpanel refuses.
        """
        params = {"from_date": first.isoformat(), "to_date": last.isoformat(), **self._workspace}
        params |= {"where": where} if where else {}
        retrier = Retrier(self._clock, DEADLINE, random.Random())
        return retrier.run(lambda end: self._attempt(dict(params), end), repeatable=True)

    def _attempt(self, params: dict[str, Any], end: float) -> Download:
        response = self._library().query_export(params, add_gzip_header=True, raw_stream=True)
        if not isinstance(response, requests.Response):
            raise broken("mixpanel", "was not answered")
        with contextlib.closing(response):
            return self._save(response, end)

    def _save(self, response: requests.Response, end: float) -> Download:
        packed = response.headers.get("Content-Encoding", "").lower() == "gzip"
        try:
            if self._spool is not None:
                self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(".jsonl.gz" if packed else ".jsonl", "mixpanel-", self._spool)
        except OSError as error:
            raise unwritable("mixpanel", error) from error
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                blocks = body(response, self._clock, end, "mixpanel", unpack=False)
                lines = _checked(_written(blocks, file), Gunzip() if packed else None)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Download(path, lines)


def _written(blocks: Iterator[bytes], file: IO[bytes]) -> Iterator[bytes]:
    for block in blocks:
        write(file, block, "mixpanel")
        yield block


def _checked(blocks: Iterator[bytes], gunzip: Gunzip | None) -> Lines:
    """Read the lines to their end. Raises `Failed` when that is not the real end."""
    lines = Lines()
    try:
        for block in blocks:
            for piece in gunzip.feed(block) if gunzip else (block,):
                lines.feed(piece)
    except zlib.error:
        raise broken("mixpanel", "sent damaged gzip data") from None
    if gunzip and not gunzip.whole:
        raise broken("mixpanel", "ended before its end")
    lines.close()
    return lines


def library(session: Http, project: int, username: str, secret: str, region: str, root: str | None) -> Any:
    """A mixpanel-utils client for one project whose requests go through our session.

    Args:
        session: Signs requests, paces and repeats them.
        project: Project id.
        username: Service account.
        secret: Its secret; without a service account the library would take it for a project secret.
        region: "us", "eu" or "in".
        root: Another address of the API, without its version.
    """
    from mixpanel_utils import MixpanelUtils

    # Importing the library writes its warnings to stderr; they go where our logging goes instead.
    MixpanelUtils.LOGGER.removeHandler(MixpanelUtils.sh)

    class Library(MixpanelUtils):  # type: ignore[misc]  # the library ships no types
        def request(
            self,
            base_url: str,
            path_components: list[str],
            params: dict[str, Any],
            method: str = "GET",
            headers: dict[str, str] | None = None,
            raw_stream: bool = False,  # noqa: FBT001, FBT002 - the library's own signature
            retries: int = 0,  # noqa: ARG002 - repeating is up to our session
        ) -> requests.Response:
            url = "/".join([base_url, self.VERSION, *path_components])
            query = {**params, "project_id": self.project_id}
            return session.request(method, url, params=query, headers=headers, purpose="events", stream=raw_stream)

    client = Library(secret, service_account_username=username, project_id=project, residency=region)
    client.raw_api = root or client.raw_api
    return client
