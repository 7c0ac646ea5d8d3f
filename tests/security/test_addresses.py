"""Credentials go to the vendor's hosts and nowhere else: tricks with addresses, with names, and with DNS."""
# ruff: noqa: RUF001 - look-alikes are the point

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import address
from connectors.address import is_public
from connectors.errors import ConfigError, ConnectorError, TransientError
from connectors.http import Http
from tests.connectors.conftest import FakeClock
from tests.connectors.test_http_hostile import Server
from tests.security.vendors import CANARY, HOMES, SETTINGS, connect

TRICKS = (
    # another host that looks like home
    "https://evil.example",
    "https://{home}.evil.example",
    "https://evil{home}",
    "https://evil-{home}",
    "https://x.evil{home}",
    "https://{home}.",
    "https://api.{home}.",
    "https://{home}%00.evil.example",
    "https://evil.example/{home}",
    "https://evil.example/.{home}",
    "https://evil.example?x=.{home}",
    "https://evil.example#.{home}",
    "https://evil.example\\.{home}",
    "https://evil.example\\@api.{home}",
    "https://evil.example%2f.{home}",
    "https://evil.example%23.{home}",
    "https://evil.example\t.{home}",
    "https://evil.example\n.{home}",
    "https://api.{home}\r\nHost: evil.example",
    "https://аpi.{home}".replace("{home}", "evil.example"),
    "https://evil。example",
    "https://xn--evil.example",
    "https://{home}:443@evil.example",
    # user information
    "https://user@api.{home}",
    "https://user:password@api.{home}",
    "https://@api.{home}",
    "https://api.{home}@evil.example",
    "https://api.{home}:x@evil.example:443",
    "https://a@b@api.{home}",
    # query and fragment
    "https://api.{home}?to=evil.example",
    "https://api.{home}#evil.example",
    "https://api.{home}/?a=b",
    # other schemes
    "http://api.{home}",
    "ftp://api.{home}",
    "file:///etc/passwd",
    "gopher://api.{home}",
    "javascript:alert(1)",
    "data:text/plain,x",
    "ws://api.{home}",
    "//api.{home}",
    "api.{home}",
    "https:api.{home}",
    "https:/api.{home}",
    "https:///api.{home}",
    "https://",
    "https://:443",
    " ",
    "\x00",
    # this machine and its neighbours in disguise
    "http://2130706433",
    "https://2130706433",
    "http://0x7f000001",
    "https://0x7f.1",
    "http://017700000001",
    "https://127.1",
    "http://0",
    "https://0.0.0.0",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "http://localhost.",
    "https://localtest.me",
    "https://169.254.169.254",
    "http://169.254.169.254/latest/meta-data",
    "https://2852039166",
    "https://[fe80::1]",
    "https://[fd00:ec2::254]",
    "https://[::ffff:169.254.169.254]",
    "https://[::ffff:a9fe:a9fe]",
    "https://[64:ff9b::a9fe:a9fe]",
    "https://[::]",
    "https://[::1%25eth0]",
    "https://[::1",
    "https://10.0.0.1",
    "https://192.168.1.1",
    "https://172.16.0.1",
    "https://metadata.google.internal",
    "https://①②⑦.⓪.⓪.①",
    # broken ports
    "https://api.{home}:99999",
    "https://api.{home}:x",
    "https://api.{home}:-1",
)
"""What an admin may be talked into writing, or a config file be changed to."""


def made(vendor: str, folder: Path, **settings: Any) -> Any:
    """A connector with these settings; None when they are refused."""
    try:
        return connect(vendor, FakeClock(), folder, **settings)
    except (ConnectorError, ValidationError):
        return None


def test_there_are_enough_tricks() -> None:
    assert len(set(TRICKS)) == len(TRICKS)
    assert len(TRICKS) * len(SETTINGS) > 300


@pytest.mark.parametrize("vendor", SETTINGS)
def test_no_trick_with_an_address_takes_the_credentials_elsewhere(vendor: str, tmp_path: Path) -> None:
    home = HOMES[vendor]
    urls = {trick: trick.replace("{home}", home) for trick in TRICKS}
    assert [trick for trick, url in urls.items() if made(vendor, tmp_path, base_url=url) is not None] == []
    for good in (f"https://api.{home}", f"https://API.{home.upper()}:8443/", "http://127.0.0.1:9", "http://[::1]:9"):
        assert made(vendor, tmp_path, base_url=good) is not None, good


@pytest.mark.parametrize(
    "name",
    [
        "evil.example/",
        "evil.example#",
        "evil.example?",
        "evil.example\\",
        "user@evil",
        "a:b@evil",
        "acme.evil.example:443/",
        "..",
        "-",
        "a b",
        "a\n",
        "a\x00",
        "ácme",
        "ａｃｍｅ",
        "127.0.0.1/x",
        "[::1]/",
        "",
        "%2e",
        "acme//evil",
    ],
)
def test_no_trick_with_a_name_leaves_the_vendors_domain(name: str, tmp_path: Path) -> None:
    for vendor, key in (("zendesk", "subdomain"), ("salesforce", "domain")):
        source = made(vendor, tmp_path, **{key: name})
        if source is not None:
            url = source.settings.url()
            assert url in {f"https://{part}.{HOMES[vendor]}" for part in ("acme", "evil", "a")}, (vendor, url)


INSIDE = (
    "169.254.169.254",
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
    "2001:0:0:0:0:0:5601:5601",
    "not an address",
)


@pytest.mark.parametrize("inside", INSIDE)
def test_what_is_not_public(inside: str) -> None:
    assert not is_public(inside)


@pytest.mark.parametrize("public", ["8.8.8.8", "104.16.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"])
def test_what_is_public(public: str) -> None:
    assert is_public(public)


def resolver(*answers: str) -> Callable[..., list[Any]]:
    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in answers
        ]

    return getaddrinfo


@pytest.mark.parametrize("vendor", SETTINGS)
@pytest.mark.parametrize("inside", ["169.254.169.254", "10.1.2.3", "::1", "127.0.0.1", "::ffff:169.254.169.254"])
def test_a_vendors_name_that_leads_inside_is_not_called(
    vendor: str, inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest-socket lets nothing but loopback be called, so that a call to anywhere else would be another error."""
    source = connect(vendor, FakeClock(), tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", resolver("104.16.1.1", inside))
    with pytest.raises(ConfigError, match="which is no public address") as caught:
        list(source.check())
    assert inside in str(caught.value)


def test_loopback_that_leads_away_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    http = Http("vendor", "http://localhost:9", clock=FakeClock(), auth={"Authorization": CANARY}, secrets=[CANARY])
    monkeypatch.setattr(socket, "getaddrinfo", resolver("104.16.1.1"))
    with pytest.raises(ConfigError, match=r"localhost stands for 104\.16\.1\.1"):
        http.json("GET", "/x")


def test_what_was_looked_at_is_what_is_called_and_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The DNS is asked once; addresses are tried in turn; the host header still says the name."""
    server = Server()
    real, asked = socket.getaddrinfo, []

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "localhost":
            return list(real(host, port, *args, **kwargs))
        asked.append(host)
        return resolver("::1", "127.0.0.1")(host, port) if len(asked) == 1 else resolver("104.16.1.1")(host, port)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        url = server.url.replace("127.0.0.1", "localhost")
        http = Http("vendor", url, clock=FakeClock(), auth={"Authorization": CANARY}, secrets=[CANARY])
        response = http.request("GET", "/x")
        assert response.request.url == f"{url}/x"
        assert server.seen == [("GET", "/x", CANARY)]
        assert asked == ["localhost"]
    finally:
        server.close()


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_that_stands_for_nothing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise error

    http = Http("vendor", "https://api.hubapi.com", clock=FakeClock(), auth={}, secrets=[])
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(TransientError):
        http.json("GET", "/x")


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    http = Http("vendor", "https://api.hubapi.com", clock=FakeClock(), auth={}, secrets=[])
    monkeypatch.setattr(address, "_addresses", lambda *_: [])
    with pytest.raises(TransientError, match="cannot be reached"):
        http.json("GET", "/x")
