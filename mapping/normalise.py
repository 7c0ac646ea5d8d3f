"""Brings keys into the one form in which they are compared. Every function is idempotent and never raises."""

import re
import unicodedata

_LABEL = r"[a-z0-9_]+(?:-+[a-z0-9_]+)*"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_PLAIN_HOST = re.compile(_HOST, re.ASCII)
_PLAIN_EMAIL = re.compile(rf"[!-?A-~]+@{_HOST}", re.ASCII)
"""Lower-case ASCII with one "@" and nothing left to do."""
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://|^//")
_SALESFORCE_15 = re.compile(r"[A-Za-z0-9]{15}", re.ASCII)
_SALESFORCE_18 = re.compile(r"[A-Za-z0-9]{15}[A-Z0-5]{3}", re.ASCII)
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

MAX_EMAIL = 254
MAX_HOST = 253


def _fold(text: str) -> str:
    """NFKC and lower case, until neither changes anything: one pass is not always enough."""
    for _ in range(4):
        folded = unicodedata.normalize("NFKC", text).lower()
        if folded == text:
            break
        text = folded
    return text.strip()


def _ascii_host(host: str) -> str | None:
    """A host in ASCII (IDNA 2008 with the usual mapping); None when it is no host name."""
    host = host.strip(".")
    if host.isascii():
        return host if len(host) <= MAX_HOST and _PLAIN_HOST.fullmatch(host) else None
    import idna

    try:
        encoded = idna.encode(host, uts46=True).decode("ascii").lower()
    except (UnicodeError, ValueError):  # idna's own errors are UnicodeErrors
        return None
    return encoded if len(encoded) <= MAX_HOST and _PLAIN_HOST.fullmatch(encoded) else None


def email(text: str) -> str | None:
    """An address for comparing: trimmed, NFKC, lower case as a whole, domain in ASCII, no trailing dot.

    Dots and "+tags" stay: only one provider ignores the former, and the latter are a setting of the resolution.
    None for anything without exactly one "@", with white space inside, or longer than mail allows (254).
    """
    found = text.strip().lower()
    if len(found) > 4 * MAX_EMAIL:
        return None
    if _PLAIN_EMAIL.fullmatch(found):
        return found if len(found) <= MAX_EMAIL else None
    found = _fold(found)
    local, at, host = found.partition("@")
    if not at or not local or "@" in host or any(c.isspace() or not c.isprintable() for c in local):
        return None
    ascii_host = _ascii_host(host)
    if ascii_host is None or len(local) + 1 + len(ascii_host) > MAX_EMAIL:
        return None
    return f"{local}@{ascii_host}"


def domain(text: str) -> str | None:
    """The host of a domain, web address or e-mail address: lower case, ASCII, without scheme, port, path or "www.".

    None when there is no host with at least one dot in it.
    """
    if len(text) > 2048:
        return None
    host = _SCHEME.sub("", _fold(text))
    host = re.split(r"[/?#\\]", host, maxsplit=1)[0].rpartition("@")[2]
    host = re.sub(r":\d*$", "", host)
    ascii_host = _ascii_host(host)
    while ascii_host and ascii_host.startswith("www.") and ascii_host.count(".") > 1:
        ascii_host = ascii_host[4:]
    return ascii_host if ascii_host and "." in ascii_host and not ascii_host.replace(".", "").isdigit() else None


def email_domain(address: str) -> str:
    """The domain of a normalised address."""
    return address.rpartition("@")[2]


def without_tag(address: str) -> str:
    """A normalised address without its "+tag"."""
    local, _, host = address.rpartition("@")
    base = local.partition("+")[0]
    return f"{base}@{host}" if base else address


def crm_key(record_id: str) -> str:
    """A CRM id for comparing: trimmed text; a Salesforce id of 18 characters becomes its 15-character prefix.

    The last three characters of such an id are a checksum of which letters are capitals (five a character); only when
    it is right is the id shortened, so that other systems' ids of 18 characters stay whole.
    """
    key = record_id.strip()
    if len(key) != 18 or not _SALESFORCE_18.fullmatch(key):
        return key
    return key[:15] if key[15:] == _checksum(key) else key


def full_salesforce_id(record_id: str) -> str:
    """A Salesforce id as its interfaces write it: one of 15 characters becomes the same with its checksum."""
    key = record_id.strip()
    return key + _checksum(key) if _SALESFORCE_15.fullmatch(key) else key


def _checksum(key: str) -> str:
    """Which of the first 15 characters are capitals."""
    fives = (key[start : start + 5] for start in (0, 5, 10))
    return "".join(_CHECK[sum(1 << i for i, c in enumerate(five) if c.isupper())] for five in fives)
