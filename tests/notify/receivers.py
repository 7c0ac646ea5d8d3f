"""Slack, a webhook's receiver and a mail server, simulated on loopback with the real protocols."""

import json
import ssl
from asyncio import Server, Transport
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Web:
    """A web server that takes everything, or answers as it is told.

    Attributes:
        url: Where it listens.
        answer: Status of its answers.
        silent: Never answers, until `release` is set.
        breaks: Closes the connection without an answer, after reading the request.
    """

    url: str = ""
    answer: int = 200
    silent: bool = False
    breaks: bool = False
    got: list[Request] = field(default_factory=list)
    release: Event = field(default_factory=Event)


@contextmanager
def web() -> Iterator[Web]:
    """Serve on loopback."""
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            state.got.append(Request(self.path, dict(self.headers), body))
            if state.silent:
                state.release.wait(30)
            if state.breaks or state.silent:
                self.close_connection = True
                return
            self.send_response(state.answer)
            if 300 <= state.answer < 400:
                self.send_header("Location", f"{state.url}/elsewhere")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that the library gives it
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """What a mail server got.

    Attributes:
        port: Where it listens on 127.0.0.1.
        refuses: Recipients that it refuses.
        answer: What it says after a message; "breaks" closes the connection instead.
        logins: User names that logged in.
    """

    port: int = 0
    refuses: tuple[str, ...] = ()
    answer: str = "250 OK"
    got: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


class _Handler:
    def __init__(self, box: Mailbox) -> None:
        self.box = box

    async def handle_RCPT(  # noqa: N802  # the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if address in self.box.refuses:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # as above
        del session
        assert isinstance(envelope.content, bytes)
        if self.box.answer == "breaks":
            assert isinstance(server.transport, Transport)
            server.transport.abort()
        if self.box.answer.startswith("250"):
            self.box.got.append(message_from_bytes(envelope.content, policy=default))
        return self.box.answer


class _AnyPort(Controller):
    """Finds out on which port it listens before it looks whether it does."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # the library's


@contextmanager
def mail(*, context: ssl.SSLContext | None = None, tls: bool = False, password: str | None = None) -> Iterator[Mailbox]:
    """Serve SMTP on loopback.

    Args:
        context: For STARTTLS, or for TLS from the first byte with `tls`; None: without.
        tls: TLS from the first byte.
        password: Logging in is asked for, with this password.
    """
    box = Mailbox()

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        del server, session, envelope, mechanism
        assert isinstance(data, LoginPassword)
        box.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == str(password), handled=False)

    options: dict[str, Any] = {"authenticator": check, "auth_required": True} if password is not None else {}
    if context is not None and not tls:
        options |= {"tls_context": context, "require_starttls": True}
    if context is None or tls:
        options["auth_require_tls"] = False
    controller = _AnyPort(_Handler(box), hostname="127.0.0.1", port=0, ssl_context=context if tls else None, **options)
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()
