"""Whatever comes in: order and repetition do not matter, nothing is linked twice or to something that is not there."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.identity import AccountKeys, Member, PersonKeys, Settings, resolve

SOURCES = st.sampled_from(["crm", "zd", "mp"])
IDS = st.sampled_from([str(n) for n in range(5)])
HOSTS = ("acme.example", "eu.acme.example", "beta.example", "gmail.com", "own.example", "acme.co.uk")
DOMAINS = st.sampled_from(HOSTS)
EMAILS = st.builds("{}@{}".format, st.sampled_from(["ann", "bob", "ann+x", "support"]), DOMAINS)
EXTERNAL = st.dictionaries(st.sampled_from(["crm", "product", "any", "zd", "mp"]), IDS, max_size=2)

ACCOUNTS = st.lists(
    st.builds(AccountKeys, SOURCES, IDS, st.lists(DOMAINS, max_size=2).map(tuple), EXTERNAL), max_size=9
)
PEOPLE = st.lists(
    st.builds(
        PersonKeys,
        SOURCES,
        IDS,
        st.none() | EMAILS,
        st.lists(EMAILS, max_size=2).map(tuple),
        EXTERNAL,
        st.none() | IDS,
        st.sampled_from([False, False, True]),
    ),
    max_size=12,
)
MEMBERS = st.lists(st.builds(Member, SOURCES, IDS, IDS), max_size=8)
SETTINGS = st.builds(Settings, own_domains=st.just(("own.example",)), plus_tag=st.booleans())


@settings(deadline=None)
@given(ACCOUNTS, PEOPLE, MEMBERS, SETTINGS, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_matters(
    accounts: list[AccountKeys], people: list[PersonKeys], members: list[Member], settings: Settings, random: Any
) -> None:
    once = resolve("crm", accounts, people, members, settings=settings)
    again: list[list[Any]] = []
    for keys in (accounts, people, members):
        twice: list[Any] = [*keys, *(key for key in keys if random.random() < 0.5)]
        random.shuffle(twice)
        again.append(twice)
    assert resolve("crm", *again, settings=settings) == once


@settings(deadline=None)
@given(ACCOUNTS, PEOPLE, MEMBERS, SETTINGS)
def test_every_record_is_linked_once_or_not_at_all(
    accounts: list[AccountKeys], people: list[PersonKeys], members: list[Member], settings: Settings
) -> None:
    found = resolve("crm", iter(accounts), iter(people), iter(members), settings=settings)
    live = {
        "account": {keys.source_id for keys in accounts if keys.source == "crm"},
        "contact": {keys.source_id for keys in people if keys.source == "crm"},
    }
    live["home"] = live["account"]
    linked = [(link.kind, link.source, link.source_id) for link in found.links]
    assert len(linked) == len(set(linked))
    assert all(link.crm_id in live[link.kind] and link.source != "crm" for link in found.links)
    unmatched = {(kind, source, i) for (kind, source), ids in found.unmatched.items() for i in ids}
    assert not unmatched & set(linked)
    staff = {("contact", source, i) for source, ids in found.staff.items() for i in ids}
    everybody = {("contact", keys.source, keys.source_id) for keys in people if keys.source != "crm"}
    everybody |= {("account", keys.source, keys.source_id) for keys in accounts if keys.source != "crm"}
    everybody |= {("account", member.source, member.account_id) for member in members if member.source != "crm"}
    assert unmatched | staff | {key for key in linked if key[0] != "home"} == everybody
    assert {(r.kind, r.source, r.source_id) for r in found.review if r.kind != "domain"} <= unmatched


@settings(deadline=None)
@given(ACCOUNTS, PEOPLE, MEMBERS)
def test_a_crm_record_without_common_keys_changes_nothing(
    accounts: list[AccountKeys], people: list[PersonKeys], members: list[Member]
) -> None:
    stranger = PersonKeys("crm", "stranger", "nobody@else.example")
    before = resolve("crm", accounts, people, members)
    after = resolve("crm", accounts, [*people, stranger], members)
    assert before == after
