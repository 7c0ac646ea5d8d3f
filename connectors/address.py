"""Where a connection really goes: the addresses that a host's name stands for are looked at before any is called.

A name on a vendor's domain that leads into the own network, to a cloud's metadata address or to this machine is an
error, or an attack by DNS; no request of ours goes there. The name is looked up once, and only what was looked at is
called, so that a second answer of the DNS cannot differ.
"""

import ipaddress
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import urllib3.connection
import urllib3.connectionpool
from requests.adapters import HTTPAdapter
from urllib3.exceptions import LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from connectors.errors import ConfigError
from connectors.origin import is_loopback

CA_FILE = "SSL_CERT_FILE"
"""Environment variable that names a file of certificates to trust instead of those that come with the program.
OpenSSL's own name; for networks whose gateway opens TLS."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class UnsafeAddressError(OSError):
    """A host's name leads to an address that is not on the public internet."""


class SafeAdapter(HTTPAdapter):
    """A transport that looks at addresses before it calls them."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:  # noqa: FBT001, FBT002 - the library's own signature
        """Make the pools; called by the library."""
        super().init_poolmanager(connections, maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _Pool}


def trusted(vendor: str) -> str | bool:
    """What vouches for a server's certificate: True for the certificates that come with the program, or a file's path.

    Raises:
        ConfigError: The environment names a file that is not there.
    """
    name = os.environ.get(CA_FILE, "")
    if name and not Path(name).is_file():
        raise ConfigError(f"{CA_FILE} = {name!r}: there is no such file.", vendor=vendor)
    return name or True


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, also where it wraps another one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if inner is None and ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if inner is not None:
        return inner.is_global and not inner.is_multicast
    return ip.is_global and not ip.is_multicast


def _addresses(host: str, port: int) -> Sequence[str]:
    """Every address of a host, each looked at. Raises `UnsafeAddressError` and `socket.gaierror`."""
    name = host.strip("[]")
    found = socket.getaddrinfo(name, port, allowed_gai_family(), socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for address in addresses:
        if not (is_loopback(address) if is_loopback(name) else is_public(address)):
            raise UnsafeAddressError(f"{name} stands for {address}")
    return addresses


class _Looking(urllib3.connection.HTTPConnection):
    """Calls only addresses that were looked at; host header and certificate still go by the name."""

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        try:
            addresses = _addresses(name, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError:
            raise LocationParseError(f"{name!r}, label empty or too long") from None
        try:
            for number, address in enumerate(addresses, 1):
                self._dns_host = address
                try:
                    return super()._new_conn()
                except NewConnectionError:
                    if number == len(addresses):
                        raise
        finally:
            self._dns_host = name
        raise NewConnectionError(self, f"{name} has no address")


class _Connection(_Looking, urllib3.connection.HTTPSConnection):
    pass


class _PlainPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Looking


class _Pool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _Connection
