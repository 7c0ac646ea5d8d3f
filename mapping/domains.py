"""Which account a domain stands for, and which domains and addresses stand for nobody."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mapping.links import Settings

_FOLDER = Path(__file__).parent


@cache
def _shipped(name: str) -> frozenset[str]:
    lines = (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


@cache
def _suffixes() -> Any:
    """The public-suffix list that tldextract carries: no network, no cache on disk. Private suffixes count."""
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def registrable(host: str) -> str:
    """The part of a host that somebody registered: "shop.acme.co.uk" -> "acme.co.uk".

    Under a top-level domain that the list does not know, these are the last two labels.
    """
    found: str = _suffixes().extract_str(host).top_domain_under_public_suffix
    return found or ".".join(host.split(".")[-2:])


def levels(host: str) -> Iterator[str]:
    """The host and the hosts above it, down to the registrable domain."""
    last = registrable(host)
    while True:
        yield host
        if host == last or "." not in host:
            return
        host = host.partition(".")[2]


class Mailboxes:
    """What addresses say: by settings and by the shipped lists."""

    def __init__(self, settings: Settings) -> None:
        shipped = (_shipped("free_mail.txt") | set(settings.free_mail_add)) - set(settings.free_mail_remove)
        self.own = frozenset(settings.own_domains)
        self._nobody = shipped | set(settings.shared_domains) | self.own
        roles = _shipped("role_inboxes.txt")
        self._roles = (roles | set(settings.role_inboxes_add)) - set(settings.role_inboxes_remove)
        self._seen: dict[str, bool] = {}
        self._staff: dict[str, bool] = {}

    def nobody(self, host: str) -> bool:
        """True for free-mail, disposable, shared and own domains, and those below them."""
        known = self._seen.get(host)
        if known is None:
            known = self._seen[host] = any(level in self._nobody for level in levels(host))
        return known

    def kind(self, email: str | None) -> Literal["person", "staff", "shared_inbox"]:
        """Whose an address is: one person's, one of our own people's, or one that several people read (billing@)."""
        if not email:
            return "person"
        local, _, host = email.rpartition("@")
        staff = self._staff.get(host)
        if staff is None:
            staff = self._staff[host] = any(level in self.own for level in levels(host))
        if staff:
            return "staff"
        return "shared_inbox" if local in self._roles or local.partition("+")[0] in self._roles else "person"


class Owners:
    """Domain -> the CRM account that owns it."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._exact: dict[str, set[str]] = {}
        self._below: dict[str, set[str]] = {}
        self._found: dict[str, tuple[frozenset[str], bool]] = {}

    def add(self, domain: str, account: str) -> None:
        """Note that this CRM account names this domain as its own."""
        if not self._mailboxes.nobody(domain):
            self._exact.setdefault(domain, set()).add(account)
            self._below.setdefault(registrable(domain), set()).add(account)

    def of(self, host: str) -> tuple[frozenset[str], bool]:
        """The accounts that own a host, and whether the host itself or one above it is theirs.

        The nearest host that anybody owns decides: "eu.acme.com" before "acme.com". Where nobody owns it or a host
        above it, accounts that own a host below the same registrable domain are taken, which is weaker.
        """
        found = self._found.get(host)
        if found is None:
            found = self._found[host] = self._look(host)
        return found

    def _look(self, host: str) -> tuple[frozenset[str], bool]:
        if self._mailboxes.nobody(host):
            return frozenset(), False
        for level in levels(host):
            if level in self._exact:
                return frozenset(self._exact[level]), True
        return frozenset(self._below.get(registrable(host), ())), False
