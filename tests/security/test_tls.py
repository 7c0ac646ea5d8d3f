"""Certificates are verified, always: a server that cannot show the right one is sent nothing, by any connector."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.address import CA_FILE
from connectors.errors import ConfigError, ConnectorError
from connectors.http import Http
from tests.connectors.conftest import FakeClock
from tests.security.certificates import Authority, tls_server
from tests.security.vendors import CANARY, SETTINGS, connect

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def servers(authority: Authority) -> dict[str, Path]:
    """What is wrong with a certificate -> its file."""
    return {
        "self-signed": authority.issue("self", HERE, itself=True),
        "unknown": authority.issue("unknown", HERE),
        "expired": authority.issue("expired", HERE, timedelta(days=-2)),
        "wrong host": authority.issue("host", "api.hubapi.com"),
        "good": authority.issue("good", HERE),
    }


@pytest.fixture(autouse=True)
def no_file_of_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine trusts."""
    monkeypatch.delenv(CA_FILE, raising=False)


SAID = {
    "self-signed": "self-signed certificate",
    "unknown": "unable to get local issuer certificate",
    "expired": "certificate has expired",
    "wrong host": "IP address mismatch",
}


def ask(vendor: str, port: int, folder: Path) -> ConnectorError:
    """The error in which a check ends."""
    source = connect(vendor, FakeClock(), folder, base_url=f"https://{HERE}:{port}")
    with pytest.raises(ConnectorError) as caught:
        list(source.check())
    assert CANARY not in f"{caught.value} {caught.value!r}"
    return caught.value


@pytest.mark.parametrize("vendor", SETTINGS)
@pytest.mark.parametrize("wrong", SAID)
def test_a_server_without_the_right_certificate_is_sent_nothing(
    servers: dict[str, Path],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    vendor: str,
    wrong: str,
) -> None:
    if wrong in {"expired", "wrong host"}:  # signed by whom we trust, and still refused
        monkeypatch.setenv(CA_FILE, str(authority.file))
    with tls_server(servers[wrong]) as (port, seen):
        error = ask(vendor, port, tmp_path)
    assert isinstance(error, ConfigError)
    assert "certificate of 127.0.0.1 cannot be trusted" in str(error)
    assert SAID[wrong] in str(error)
    assert CA_FILE in str(error)
    assert seen == []


@pytest.mark.parametrize("vendor", SETTINGS)
def test_a_file_of_certificates_can_be_named(
    servers: dict[str, Path], authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    monkeypatch.setenv(CA_FILE, str(authority.file))
    with tls_server(servers["good"]) as (port, seen):
        ask(vendor, port, tmp_path)
    assert seen, "the certificate was believed, and a request sent"


def test_a_file_of_certificates_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CA_FILE, str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match=r"SSL_CERT_FILE = .*none\.pem'.*no such file"):
        connect("hubspot", FakeClock(), tmp_path)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_not_spoken(
    servers: dict[str, Path],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    newest: ssl.TLSVersion,
) -> None:
    monkeypatch.setenv(CA_FILE, str(authority.file))
    with tls_server(servers["good"], newest) as (port, seen):
        error = ask("hubspot", port, tmp_path)
    assert isinstance(error, ConfigError)
    assert "does not speak TLS 1.2" in str(error)
    assert seen == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_nothing_else_in_the_environment_moves_trust_or_the_way(
    servers: dict[str, Path], authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9" if "roxy" in name.lower() else str(authority.file))
    with tls_server(servers["good"]) as (port, seen):
        assert "unable to get local issuer" in str(ask("hubspot", port, tmp_path))
    assert seen == []


def test_a_library_cannot_switch_verification_off(servers: dict[str, Path]) -> None:
    with tls_server(servers["self-signed"]) as (port, seen):
        url = f"https://{HERE}:{port}"
        session = Http("vendor", url, clock=FakeClock(), auth={"Authorization": CANARY}, secrets=[CANARY]).session
        session.verify = False
        with pytest.raises(ConfigError, match="cannot be trusted"):
            session.get(f"{url}/x", verify=False)
    assert seen == []
