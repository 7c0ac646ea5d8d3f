"""Where a token may be sent: https, or plain http to this very machine, and never beyond the configured address."""

import ipaddress
import re
from collections.abc import Sequence

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from connectors.errors import ConfigError, ShapeError

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
"""What a host may be written with; no percent signs, which one reader takes apart and another does not."""


class Origin:
    """A checked base URL. URLs are read by urllib3, the library that sends them, so that both see the same host.

    Args:
        vendor: Its name in messages.
        base_url: What relative paths are added to.
        hosts: Host suffixes it may point to besides loopback; empty allows any.

    Raises:
        ConfigError: It is not an address that a token may be sent to.
    """

    def __init__(self, vendor: str, base_url: str, hosts: Sequence[str] = ()) -> None:
        self.vendor = vendor
        self.base_url = base_url.rstrip("/")
        self._base = _parsed(self.base_url)
        self.host = (self._base.host or "").lower()
        self._refuse_unsafe(hosts)

    def _refuse_unsafe(self, hosts: Sequence[str]) -> None:
        base, host = self._base, self.host
        if (
            base.scheme not in {"https", "http"}
            or not _HOST.fullmatch(host)
            or "@" in self.base_url
            or base.query
            or base.fragment
        ):
            message = "base_url must be a plain https address without user, query or fragment."
            raise ConfigError(message, vendor=self.vendor)
        if is_loopback(host):
            return
        if base.scheme != "https":
            raise ConfigError("base_url must be https; plain http is for loopback only.", vendor=self.vendor)
        if hosts and not any(host == suffix or host.endswith(f".{suffix}") for suffix in hosts):
            raise ConfigError(f"base_url must be on {' or '.join(hosts)}, not {host}.", vendor=self.vendor)

    def url(self, path: str) -> str:
        """The absolute URL of a path, or of a link that the vendor gave us.

        Raises:
            ShapeError: The link leads away from the base URL.
        """
        if "://" not in path and not path.startswith("//"):
            path = f"{self.base_url}/{path.lstrip('/')}"
        self.check(path)
        return path

    def check(self, url: str) -> None:
        """Raise `ShapeError` for a URL that is not below the base URL."""
        target, base = _parsed(url), self._base
        prefix = (base.path or "").rstrip("/") + "/"
        path = target.path or "/"
        same = (target.scheme, target.host, _port(target), target.auth) == (base.scheme, base.host, _port(base), None)
        if not same or not path.startswith(prefix) or {".", ".."} & set(path.split("/")) or "\\" in url:
            message = "a link leads away from the configured address; it was not followed."
            raise ShapeError(message, vendor=self.vendor, advice="Check base_url.")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _parsed(url: str) -> Url:
    try:
        return parse_url(url)
    except LocationParseError:
        return Url()


def _port(url: Url) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
