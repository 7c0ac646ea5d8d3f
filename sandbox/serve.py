"""The sandbox on a port of this machine: HTTP/1.1 with kept connections, chunked streams and real broken connections.

    with serve(sandbox) as running:
        print(running.base_urls["hubspot"])

Werkzeug's own development server closes every connection after one answer, prints when its port is taken and then
ends the process; here it only lends its translation of a request into a WSGI environment.
"""

import io
import logging
import socket
import socketserver
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import HTTPServer
from typing import Any

from werkzeug.exceptions import InternalServerError
from werkzeug.serving import WSGIRequestHandler

from sandbox.core import Sandbox
from sandbox.faults import ConnectionFault

HOST = "127.0.0.1"
"""The only address the sandbox ever listens on."""

_LOG = logging.getLogger(__name__)
_NO_BODY = {204, 304}


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox being served.

    Attributes:
        sandbox: What is served.
        port: The TCP port.
        root: Such as "http://127.0.0.1:49152"; the controls are at `root + "/_sandbox"`.
        base_urls: Vendor name -> base URL.
    """

    sandbox: Sandbox
    port: int
    root: str
    base_urls: dict[str, str]


@contextmanager
def serve(sandbox: Sandbox, port: int = 0) -> Iterator[Running]:
    """Serve on loopback until the block is left; port 0 takes any free one.

    Raises:
        OSError: The port is taken.
    """
    with _Server(sandbox, port) as server:
        taken = int(server.server_address[1])
        root = f"http://{HOST}:{taken}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        thread.start()
        try:
            yield Running(sandbox, taken, root, sandbox.base_urls(root))
        finally:
            server.stop()
            thread.join()


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    """One thread per connection; remembers the open ones to be able to close them."""

    request_queue_size = 128
    daemon_threads = False  # so that leaving the context waits for them
    multithread = True
    multiprocess = False
    ssl_context = None
    _server_version = "Sandbox"

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        self.app = sandbox
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a new connection to its thread."""
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is done with."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """Accept nothing more, and wake whoever waits on an open connection."""
        self.stopping.set()
        self.shutdown()
        with self._guard:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the client was quicker
                    _LOG.debug("connection already closed")

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's signature
        """Keep quiet about clients that went away."""
        _LOG.debug("connection from %s ended early", client_address, exc_info=True)


class _Handler(WSGIRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and a small body leave in one packet
    disable_nagle_algorithm = True
    server: _Server  # type: ignore[assignment]  # duck-typed: only the attributes that make_environ reads

    def run_wsgi(self) -> None:
        """Answer one request; the connection stays open unless a fault or the client ends it."""
        environ = self.make_environ()
        environ["wsgi.errors"] = io.StringIO()
        environ["sandbox.wait"] = self.server.stopping.wait
        # The body is taken whole: what a vendor leaves unread would be taken for the next request.
        environ["wsgi.input"] = io.BytesIO(self._body(environ))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        answer = _Answer(self)
        try:
            answer.send(self.server.app(environ, answer.start))
        except ConnectionFault as fault:
            self._break(fault.kind)
        except ConnectionError:
            self.close_connection = True
        except Exception:  # noqa: BLE001 - a bug in a simulator must not take the server down
            _LOG.exception("%s %s failed in the sandbox", self.command, self.path)
            self.close_connection = True
            if not answer.begun:
                answer.send(InternalServerError()(environ, answer.start))

    def _body(self, environ: dict[str, Any]) -> bytes:
        if environ.get("wsgi.input_terminated"):
            data: bytes = environ["wsgi.input"].read()
            environ["CONTENT_LENGTH"] = str(len(data))
            return data
        size = int(environ.get("CONTENT_LENGTH") or 0)
        return self.rfile.read(size) if size else b""

    def _break(self, kind: str) -> None:
        """Act out a connection fault."""
        self.close_connection = True
        if kind == "cut":
            self.wfile.flush()
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self._wait_for_goodbye()

    def _wait_for_goodbye(self) -> None:
        """Say nothing until the client hangs up or the server stops."""
        self.connection.settimeout(0.05)
        while not self.server.stopping.is_set():
            try:
                if not self.connection.recv(1 << 16):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return

    def finish(self) -> None:
        """End the connection; a client that is gone gets nothing more."""
        try:
            super().finish()
        except (OSError, ValueError):
            _LOG.debug("connection was already closed")

    def handle_expect_100(self) -> bool:
        """Tell a waiting client at once to send its body."""
        accepted = super().handle_expect_100()
        self.wfile.flush()
        return accepted

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The journal knows more."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ARG002 - werkzeug's own signature
        """To logging, never to the terminal."""
        _LOG.debug(message, *args)


class _Answer:
    """Writes one WSGI answer to a connection.

    Attributes:
        begun: Whether the head has been written.
    """

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler
        self._head: tuple[str, list[tuple[str, str]]] = ("500 Internal Server Error", [])
        self._chunked = False
        self._silent = False
        self.begun = False

    def start(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        """WSGI's start_response."""
        self._head = (status, headers)
        return self._write

    def send(self, body: Iterable[bytes]) -> None:
        """Write head and body."""
        try:
            for chunk in body:
                self._write(chunk)
            self._begin()
            if self._chunked:
                self._handler.wfile.write(b"0\r\n\r\n")
            self._handler.wfile.flush()
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _begin(self) -> None:
        if self.begun:
            return
        self.begun = True
        status, headers = self._head
        code, _, reason = status.partition(" ")
        handler = self._handler
        names = {name.lower() for name, _ in headers}
        self._silent = handler.command == "HEAD" or int(code) in _NO_BODY
        handler.send_response_only(int(code), reason)
        for name, value in headers:
            handler.send_header(name, value)
        if "content-length" not in names and not self._silent:
            self._chunked = handler.request_version != "HTTP/1.0"
            handler.send_header(*(("Transfer-Encoding", "chunked") if self._chunked else ("Connection", "close")))
        if handler.close_connection:
            handler.send_header("Connection", "close")
        handler.end_headers()

    def _write(self, data: bytes) -> None:
        self._begin()
        if self._silent or not data:
            return
        write = self._handler.wfile.write
        if self._chunked:
            write(f"{len(data):x}\r\n".encode())
            write(data)
            write(b"\r\n")
        else:
            write(data)
