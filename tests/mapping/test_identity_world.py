"""Identity against the truth: vendors' own answers, pulled by the connectors, mapped, resolved, compared."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors import hubspot, mixpanel, zendesk
from mapping import normalise
from mapping.fields import FieldMap
from mapping.identity import AccountKeys, Link, Member, PersonKeys, Resolution, Settings, resolve
from mapping.schema import Account, Contact, Membership
from sandbox.core import CREDENTIALS, Sandbox
from sandbox.mount import SandboxAdapter
from sandbox.world import OWN_DOMAIN, SeededWorld, make_world
from tests.instants import START

VENDORS: dict[str, Any] = {"hubspot": hubspot, "zendesk": zendesk, "mixpanel": mixpanel}
SETTINGS: dict[str, dict[str, Any]] = {
    "hubspot": {},
    "zendesk": {"subdomain": "sandbox"},
    "mixpanel": {"history_days": 10},
}
SOURCES = ("zendesk", "mixpanel")
PRECISION, RECALL = 0.999, 0.97


@dataclass(frozen=True)
class Seen:
    """What the vendors say, and what is true."""

    world: SeededWorld
    accounts: list[AccountKeys]
    people: list[PersonKeys]
    members: list[Member]
    truth: dict[str, dict[str, dict[str, int]]]
    found: Resolution

    def links(self, kind: str, source: str) -> dict[str, Link]:
        return {link.source_id: link for link in self.found.links if (link.kind, link.source) == (kind, source)}

    def crm(self, kind: str) -> dict[int, set[str]]:
        """World id -> CRM ids."""
        ids: dict[int, set[str]] = defaultdict(set)
        for crm_id, world_id in self.truth["hubspot"][kind].items():
            ids[world_id].add(crm_id)
        return ids


def export_lines(path: Path, fields: FieldMap) -> Iterator[tuple[str, str]]:
    """(person, group) of exported events; those of devices and in several tenants at once are left out."""
    usage = fields.events()
    assert usage is not None
    person, group = usage.person.split(".")[-1], usage.account.split(".")[-1]
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            properties = json.loads(line)["properties"]
            if properties.get(person) is not None and isinstance(properties.get(group), str):
                yield str(properties[person]), properties[group]


def read_all(box: Sandbox, vendor: str, spool: Path, into: Seen) -> None:
    """Pull, map and keep the identity keys of one vendor."""
    fields = FieldMap.load(vendor)
    module = VENDORS[vendor]
    given = {name: str(v) if name in ("token", "secret") else v for name, v in CREDENTIALS[vendor].items()}
    settings = module.Settings(base_url=box.base_urls()[vendor], **given, **SETTINGS[vendor])
    wanted = {stream: fields.paths(stream) for stream in fields.streams}
    source = module.connect(vendor, settings, clock=box.clock, adapter=SandboxAdapter(box), spool=spool, wanted=wanted)
    for stream in source.streams:
        if stream.record not in ("account", "contact", "membership", "usage"):
            continue
        for batch in source.pull(stream, None):
            if batch.export is not None:
                into.members.extend(Member(vendor, *pair) for pair in set(export_lines(batch.export.path, fields)))
            mapped = fields.apply(vendor, stream.name, batch.rows, box.clock.now()) if batch.rows else None
            if mapped is not None:
                assert mapped.rejects == []
                keep(mapped.records, into)


def keep(records: list[Any], into: Seen) -> None:
    for r in records:
        if isinstance(r, Account):
            into.accounts.append(AccountKeys(r.source, r.source_id, r.domains, r.external_ids))
        elif isinstance(r, Contact):
            keys = PersonKeys(r.source, r.source_id, r.email, r.other_emails, r.external_ids, r.account_ref, r.staff)
            into.people.append(keys)
        elif isinstance(r, Membership):
            into.members.append(Member(r.source, r.contact_ref, r.account_ref))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    world = make_world(now=START)
    box = Sandbox(world)
    seen = Seen(world, [], [], [], box.truth(), Resolution())
    for vendor in VENDORS:
        read_all(box, vendor, tmp_path_factory.mktemp(vendor), seen)
    found = resolve("hubspot", seen.accounts, seen.people, seen.members, settings=Settings(own_domains=(OWN_DOMAIN,)))
    return Seen(world, seen.accounts, seen.people, seen.members, seen.truth, found)


def precision(seen: Seen, kind: str, source: str) -> float:
    """Of the links made, how many are true."""
    crm, truth = seen.crm(kind), seen.truth[source][kind]
    links = seen.links(kind, source).values()
    wrong = [link for link in links if link.source_id not in truth or link.crm_id not in crm[truth[link.source_id]]]
    return 1 - len(wrong) / len(links)


def keys_of(keys: PersonKeys) -> set[str]:
    """Every key that a careful person could compare, also those that the rules leave alone."""
    addresses = [address for address in (keys.email, *keys.other_emails) if address]
    return {*addresses, *map(normalise.without_tag, addresses), *keys.external_ids.values()}


def knowable_people(seen: Seen, source: str) -> set[str]:
    """Source people with a counterpart in the CRM and any key at all that leads to it.

    Left out are only people without a CRM record, shared inboxes (no person stands behind them, they are matched to
    accounts), staff, and records that have nothing in common with their counterpart: neither an address, with or
    without its tag, nor an id, nor a product id through a record of a third system that has one of these.
    """
    crm_keys: dict[int, set[str]] = defaultdict(set)
    shared: dict[str, set[str]] = defaultdict(set)
    for keys in seen.people:
        if keys.source == "hubspot":
            crm_keys[seen.truth["hubspot"]["contact"].get(keys.source_id, 0)] |= keys_of(keys)
        for product_id in keys.external_ids.values():
            shared[product_id] |= keys_of(keys)
    kinds = {person.id: person.kind for person in seen.world.people}
    knowable = set()
    for keys in seen.people:
        world_id = seen.truth[source]["contact"].get(keys.source_id) if keys.source == source else None
        if world_id is None or kinds[world_id] != "person":
            continue
        reach = keys_of(keys).union(*(shared[held] for held in keys.external_ids.values()))
        if reach & crm_keys[world_id]:
            knowable.add(keys.source_id)
    return knowable


@pytest.mark.parametrize("source", SOURCES)
def test_people_are_linked_rightly_and_nearly_all(seen: Seen, source: str) -> None:
    links, knowable = seen.links("contact", source), knowable_people(seen, source)
    assert len(knowable) > 1000
    assert precision(seen, "contact", source) >= PRECISION
    recall = len(knowable & links.keys()) / len(knowable)
    assert recall >= RECALL, f"{recall:.4f}"


@pytest.mark.parametrize("source", SOURCES)
def test_accounts_are_linked_rightly_and_nearly_all(seen: Seen, source: str) -> None:
    """Every account of the world is in the CRM, and none is left out of the count."""
    known = {keys.source_id for keys in seen.accounts if keys.source == source}
    known |= {member.account_id for member in seen.members if member.source == source}
    real = known & seen.truth[source]["account"].keys()
    assert len(real) > 200
    assert precision(seen, "account", source) >= PRECISION
    recall = len(real & seen.links("account", source).keys()) / len(real)
    assert recall >= RECALL, f"{recall:.4f}"


@pytest.mark.parametrize("source", SOURCES)
def test_people_without_a_contact_find_their_home_account(seen: Seen, source: str) -> None:
    crm, truth = seen.crm("account"), seen.truth[source]["contact"]
    people = {person.id: person for person in seen.world.people}
    # The truth names active users only; what is left of a merged one has no address any more.
    homes = {source_id: link for source_id, link in seen.links("home", source).items() if source_id in truth}
    right = [link for link in homes.values() if link.crm_id in crm[people[truth[link.source_id]].company_id]]
    assert len(homes) > 100
    assert len(right) / len(homes) >= PRECISION


def test_staff_and_test_users_are_never_linked(seen: Seen) -> None:
    own = {p.product_user_id for p in seen.world.people if p.kind in ("staff", "test")} - {None}
    assert own
    assert not own & seen.links("contact", "mixpanel").keys()
    assert set(seen.found.staff["mixpanel"]) >= own
    assert seen.found.staff["zendesk"]


def test_usage_of_agencies_belongs_to_the_customer_whose_tenant_it_is(seen: Seen) -> None:
    agents = {p.product_user_id: p for p in seen.world.people if p.other_company_ids and p.kind == "person"}
    crm, truth = seen.crm("account"), seen.truth["mixpanel"]["account"]
    groups = seen.links("account", "mixpanel")
    abroad = [
        m for m in seen.members if m.person_id in agents and truth[m.account_id] != agents[m.person_id].company_id
    ]
    assert len(abroad) > 10
    for member in abroad:
        assert groups[member.account_id].crm_id in crm[truth[member.account_id]]


def test_shared_inboxes_have_a_home_and_no_contact(seen: Seen) -> None:
    inboxes = {p.id for p in seen.world.people if p.kind == "shared_inbox"}
    ids = {source_id for source_id, world_id in seen.truth["zendesk"]["contact"].items() if world_id in inboxes}
    assert len(ids) > 20
    assert not ids & seen.links("contact", "zendesk").keys()
    assert len(ids & seen.links("home", "zendesk").keys()) / len(ids) > 0.9


def test_what_is_unclear_is_listed_with_its_candidates(seen: Seen) -> None:
    assert seen.found.review
    for review in seen.found.review:
        assert len(review.candidates) > 1
        assert review.reason
    linked = {(link.kind, link.source, link.source_id) for link in seen.found.links}
    assert not linked & {(review.kind, review.source, review.source_id) for review in seen.found.review}
