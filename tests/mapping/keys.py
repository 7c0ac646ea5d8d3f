"""Short ways to write identity keys in tests."""

from collections.abc import Iterable
from typing import Any

from mapping.identity import AccountKeys, Member, PersonKeys, Resolution, Settings, resolve

ACME, BETA = "8000000017", "8000000034"
ANN, BOB = "50000013", "50000026"


def crm_account(source_id: str = ACME, *domains: str, **ids: str) -> AccountKeys:
    return AccountKeys("crm", source_id, domains, ids)


def crm_person(source_id: str = ANN, email: str | None = None, *, at: str | None = ACME, **rest: Any) -> PersonKeys:
    return PersonKeys("crm", source_id, email, account_ref=at, **rest)


def org(source_id: str = "71", *domains: str, **ids: str) -> AccountKeys:
    return AccountKeys("zd", source_id, domains, ids)


def user(source_id: str = "9001", email: str | None = None, *, source: str = "zd", **rest: Any) -> PersonKeys:
    return PersonKeys(source, source_id, email, **rest)


def run(
    accounts: Iterable[AccountKeys], people: Iterable[PersonKeys] = (), members: Iterable[Member] = (), **given: Any
) -> Resolution:
    merged = given.pop("merged", None)
    return resolve("crm", accounts, people, members, settings=Settings(**given), merged=merged)


def links(found: Resolution, kind: str) -> dict[str, tuple[str, str]]:
    return {link.source_id: (link.crm_id, link.rule) for link in found.links if link.kind == kind}
