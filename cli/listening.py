"""What `run` serves beside its work: /metrics for Prometheus, and /healthz, which says whether the job is well."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cli.config import Config
from cli.errors import USAGE, CommandError
from cli.metrics import most_age, read
from cli.metrics_text import CONTENT_TYPE, text
from cli.output import Output
from connectors.base import Clock
from connectors.origin import is_loopback
from sync.measures import ill

PLAIN = "text/plain; charset=utf-8"
LONGEST_REQUEST = 5.0
"""Seconds that a client may take to say what it wants."""
UNREADABLE = "the state file cannot be read"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> "Address":
        """From "127.0.0.1:9464", "[::1]:9464" or ":9464", which is loopback.

        Raises:
            CommandError: For anything else.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise CommandError(f"listen = {text[:80]!r}: write an address and a port, such as 127.0.0.1:9464.", USAGE)
        return cls(host.strip("[]") or "127.0.0.1", int(port))


@contextmanager
def listening(where: str, settings: Config, clock: Clock, out: Output, every: float) -> Iterator[int | None]:
    """Serve beside the runs; gives the port, None when there is nowhere to listen.

    Args:
        where: Address and port; empty: nowhere.
        settings: Whose state file it is.
        clock: For ages.
        out: Is warned when others than this machine may reach it.
        every: Seconds between two runs.

    Raises:
        CommandError: The address cannot be read or is taken.
    """
    if not where:
        yield None
        return
    address = Address.read(where)
    if not is_loopback(address.host):
        out.warn(f"listening on {address.host}: whoever reaches it sees how many customers are in which band.")
    try:
        kind = _Server6 if ":" in address.host else _Server
        server = kind((address.host, address.port), _Handler)
    except OSError as error:
        text = f"cannot listen on {address.host}:{address.port}: {error.strerror or error}."
        raise CommandError(text, USAGE) from None
    server.settings, server.clock, server.allowed = settings, clock, most_age(settings, every)
    thread = Thread(target=server.serve_forever, args=(0.2,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    settings: Config
    clock: Clock
    allowed: float


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    timeout = LONGEST_REQUEST
    server_version = "holdfast"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        answers = {"/metrics": self._metrics, "/healthz": self._health}
        answer = answers.get(self.path.partition("?")[0])
        status, kind, content = answer() if answer else (404, PLAIN, b"/metrics or /healthz\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def _metrics(self) -> tuple[int, str, bytes]:
        try:
            return 200, CONTENT_TYPE, text(read(self.server.settings, self.server.clock, prove=False))
        except Exception:  # noqa: BLE001  # one scrape is lost, no more
            return 503, PLAIN, f"{UNREADABLE}\n".encode()

    def _health(self) -> tuple[int, str, bytes]:
        try:
            why = ill(read(self.server.settings, self.server.clock, prove=False), self.server.allowed)
        except Exception:  # noqa: BLE001  # a state that cannot be read is no health
            why = UNREADABLE
        return (503, PLAIN, f"{why}\n".encode()) if why else (200, PLAIN, b"ok\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that the library gives it
        del format, args
