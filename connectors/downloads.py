"""What downloads of raw events have in common: they are stored as they come, looked through, and whole or not used.

JSON lines end with the byte 0x0A only: values hold raw line separators that `str.splitlines` would cut at.
"""

import http.client
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import IO

import requests
import urllib3
from pydantic_core import from_json

from connectors.base import Clock
from connectors.errors import TransientError
from connectors.retry import Failed

TRIES = 3
"""A download that breaks off is made so many times; each may be one of few that the vendor allows."""
DEADLINE = 1800.0
"""Seconds for one download with all its tries; a large month takes minutes."""
BLOCK = 1 << 20
LONGEST_LINE = 64 << 20


class Lines(ABC):
    """JSON lines that are looked through as they pass.

    Args:
        vendor: Whose, for errors.
    """

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.last = b""
        """The last line so far that is not empty."""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `Failed` for a line that does not end."""
        data = self._tail + data
        cut = data.rfind(b"\n") + 1
        self._tail = data[cut:]
        if len(self._tail) > LONGEST_LINE:
            raise broken(self.vendor, "sent a line that does not end")
        self._look(data[:cut])

    def close(self) -> bool:
        """Judge the end, after which other lines may follow; whether there was no line end.

        Raises:
            Failed: The last line is not a whole JSON object.
        """
        unended = bool(self._tail)
        self._look(self._tail)
        try:
            whole = not self.last or isinstance(from_json(self.last), dict)
        except ValueError:
            whole = False
        if not whole:
            raise broken(self.vendor, "ended before its end")
        self._tail = self.last = b""
        return unended

    def _look(self, block: bytes) -> None:
        self.last = block.rstrip().rpartition(b"\n")[2] or self.last
        self.saw(block)

    @abstractmethod
    def saw(self, block: bytes) -> None:
        """Look at whole lines."""


class Gunzip:
    """Unpacks gzip bytes in pieces of bounded size, however well they were packed."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bytes packed in here. Raises `zlib.error` when they are not gzip."""
        while data:
            if self._unpacker.eof:
                self._unpacker = zlib.decompressobj(wbits=31)  # gzip members may follow one another
            yield self._unpacker.decompress(data, BLOCK)
            data = self._unpacker.unconsumed_tail or self._unpacker.unused_data

    @property
    def whole(self) -> bool:
        """Whether the last member ended."""
        return self._unpacker.eof


def body(response: requests.Response, clock: Clock, end: float, vendor: str, *, unpack: bool) -> Iterator[bytes]:
    """The body in blocks, as it is sent.

    Args:
        response: Its answer, not read yet.
        clock: Time.
        end: When to give up, by the monotonic clock.
        vendor: For errors.
        unpack: Whether what was packed for the transport is unpacked.
    """
    try:
        while block := response.raw.read(BLOCK, decode_content=unpack):
            yield block
            if clock.monotonic() > end:
                raise broken(vendor, f"took more than {DEADLINE / 60:.0f} minutes")
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        raise broken(vendor, f"broke off ({type(error).__name__})") from error


def write(file: IO[bytes], block: bytes, vendor: str) -> None:
    """Write a block. Raises `TransientError` when that cannot be done."""
    try:
        file.write(block)
    except OSError as error:
        raise unwritable(vendor, error) from error


def broken(vendor: str, what: str) -> Failed:
    """A download that may work when made again."""
    error = TransientError(f"the event export {what}; nothing of it was used.", vendor=vendor)
    return Failed(error, retry=True, tries=TRIES)


def unwritable(vendor: str, error: OSError, what: str = "event export") -> TransientError:
    """A spool file cannot be written."""
    return TransientError(
        f"the {what} cannot be stored: {error.strerror or type(error).__name__}.",
        vendor=vendor,
        advice="Free disk space or check the state folder's rights.",
    )
