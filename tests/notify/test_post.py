"""Messages over the real protocols, on loopback: what is sent, and what is said when it goes wrong."""

import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from pydantic import SecretStr

from notify.errors import FailedError, UnclearError
from notify.post import Ended, send, send_all
from notify.settings import Channel, Email, Slack, Webhook
from notify.words import Message
from tests.notify.receivers import Web, mail, web
from tests.security.certificates import Authority, tls_server

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 1, tzinfo=UTC)
MESSAGE = Message("0123", "test", NOW, "Grüße", ["One line."])
SECRET = "a-secret-of-16-characters"


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as running:
        yield running


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def hook(server: Web) -> Webhook:
    return Webhook(type="webhook", url=SecretStr(f"{server.url}/in"), secret=SecretStr(SECRET))


def to_slack(server: Web) -> Slack:
    return Slack(type="slack", url=SecretStr(f"{server.url}/services/T/B/x"))


def email(port: int, **more: object) -> Email:
    given = {"type": "email", "host": "127.0.0.1", "port": port, "sender": "h@acme.example", "to": ["d@acme.example"]}
    return Email.model_validate({**given, "security": "none", **more})


def context(file: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


def test_the_verification_in_the_docs_accepts_what_we_send_and_nothing_else(server: Web) -> None:
    page = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    names: dict[str, object] = {}
    exec(found[1], names)  # noqa: S102  # what the page tells people to run
    genuine = names["genuine"]
    assert callable(genuine)
    send(MESSAGE, hook(server), NOW, 5)
    got, now = server.got[0], NOW.timestamp()
    assert genuine(SECRET, got.headers, got.body, now)
    assert got.headers["Holdfast-Id"] == got.data["id"] == "0123"
    assert not genuine("another-secret-entirely", got.headers, got.body, now)
    assert not genuine(SECRET, got.headers, got.body + b" ", now)
    assert not genuine(SECRET, got.headers, got.body, now + 301)
    assert not genuine(SECRET, {**got.headers, "Holdfast-Timestamp": str(int(now) + 1)}, got.body, now)


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (302, FailedError, "redirects elsewhere .302., which is not followed"),
        (400, FailedError, "answered 400"),
        (429, FailedError, "fewer messages"),
        (500, UnclearError, "answered 500"),
    ],
)
def test_what_a_refusal_means(server: Web, status: int, error: type[Exception], said: str) -> None:
    server.answer = status
    with pytest.raises(error, match=said):
        send(MESSAGE, to_slack(server), NOW, 5)
    assert len(server.got) == 1


def test_nobody_there_is_certain_and_a_broken_connection_is_not(server: Web) -> None:
    server.breaks = True
    with pytest.raises(UnclearError, match="broke"):
        send(MESSAGE, to_slack(server), NOW, 5)
    server.breaks, server.silent = False, True
    with pytest.raises(UnclearError, match="no answer in time"):
        send(MESSAGE, to_slack(server), NOW, 0.1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = Slack(type="slack", url=SecretStr(f"http://127.0.0.1:{free.getsockname()[1]}/x"))
        with pytest.raises(FailedError, match="no connection"):
            send(MESSAGE, nobody, NOW, 1)


def test_a_silent_server_holds_nobody_up_and_the_other_channel_gets_its_messages(server: Web) -> None:
    server.silent = True
    with web() as well:
        channels: dict[str, Channel] = {"dead": to_slack(server), "alive": to_slack(well)}
        second = Message("4567", "test", NOW, "Second")
        ended: list[Ended] = []
        began = monotonic()
        send_all({"dead": [MESSAGE, second], "alive": [MESSAGE, second]}, channels, NOW, 0.6, ended.append)
        assert monotonic() - began < 3
    by_channel = {name: [one for one in ended if one.channel == name] for name in channels}
    assert [one.error for one in by_channel["alive"]] == ["", ""]
    assert all(one.error for one in by_channel["dead"])
    assert by_channel["dead"][0].unclear
    assert len(server.got) == 1


def test_mail_by_starttls_with_a_login(ca: Authority) -> None:
    with mail(context=context(ca.issue("mail", "127.0.0.1")), password="pw-canary") as box:
        login = {"username": "holdfast", "password": SecretStr("pw-canary"), "security": "starttls"}
        send(MESSAGE, email(box.port, ca_file=str(ca.file), **login), NOW, 5)
        assert box.logins == ["holdfast"]
        assert box.got[0]["Subject"] == "Holdfast: Grüße"
        assert box.got[0]["Message-ID"] == "<0123@acme.example>"
        assert box.got[0].get_content().splitlines() == ["Grüße", "One line."]
        wrong = {**login, "password": SecretStr("wrong")}
        with pytest.raises(FailedError, match="refused user name or password"):
            send(MESSAGE, email(box.port, ca_file=str(ca.file), **wrong), NOW, 5)


def test_mail_by_tls_and_to_a_relay_of_this_machine(ca: Authority) -> None:
    with mail(context=context(ca.issue("mail", "127.0.0.1")), tls=True) as box:
        send(MESSAGE, email(box.port, ca_file=str(ca.file), security="tls"), NOW, 5)
        assert len(box.got) == 1
    with mail() as box:
        send(MESSAGE, email(box.port), NOW, 5)
        assert len(box.got) == 1


def test_mail_is_not_handed_to_a_server_that_cannot_be_trusted(ca: Authority) -> None:
    with mail(context=context(ca.issue("mail", "127.0.0.1", itself=True))) as box:
        with pytest.raises(FailedError, match="certificate is not trusted"):
            send(MESSAGE, email(box.port, security="starttls"), NOW, 5)
        assert box.got == []
    with mail() as box:
        with pytest.raises(FailedError, match="does not offer"):
            send(MESSAGE, email(box.port, security="starttls"), NOW, 5)
        assert box.got == []


def test_what_a_mail_server_refuses(ca: Authority) -> None:
    with mail() as box:
        box.refuses = ("d@acme.example",)
        with pytest.raises(FailedError, match="every recipient"):
            send(MESSAGE, email(box.port), NOW, 5)
        with pytest.raises(FailedError, match="1 of 2 recipients"):
            send(MESSAGE, email(box.port, to=["d@acme.example", "e@acme.example"]), NOW, 5)
        box.refuses, box.answer = (), "552 too large"
        with pytest.raises(FailedError, match="552"):
            send(MESSAGE, email(box.port), NOW, 5)
        box.answer = "breaks"
        with pytest.raises(UnclearError, match="broke while it was sent"):
            send(MESSAGE, email(box.port), NOW, 5)
        port = box.port
    with pytest.raises(FailedError, match="cannot be reached"):
        send(MESSAGE, email(port), NOW, 1)


def test_no_message_goes_to_a_server_that_cannot_be_trusted_or_an_address_that_is_none(ca: Authority) -> None:
    with tls_server(ca.issue("web", "127.0.0.1")) as (port, seen):
        with pytest.raises(FailedError, match="certificate is not trusted"):
            send(MESSAGE, Slack(type="slack", url=SecretStr(f"https://127.0.0.1:{port}/x")), NOW, 5)
        assert seen == []
    with pytest.raises(FailedError, match="could not be sent"):
        send(MESSAGE, Slack(type="slack", url=SecretStr("https://.example/x")), NOW, 5)
