"""Each rule for accounts and homes by itself, and the traps."""

from typing import Any

import pytest
from pydantic import ValidationError

from mapping.identity import AccountKeys, Link, Member, PersonKeys, Resolution, Settings
from tests.mapping.keys import ACME, ANN, BETA, crm_account, crm_person, links, org, run, user

# Accounts


@pytest.mark.parametrize(
    ("crm", "source", "rule", "confidence"),
    [
        (crm_account(ACME, zd="71"), org(), "stored_id", 100),
        (crm_account(), org(any=ACME), "crm_id", 100),
        (crm_account(product="0042"), org(any="0042"), "product_id", 100),
        (crm_account(ACME, "acme.example"), org("71", "acme.example"), "domain", 80),
        (crm_account(ACME, "acme.example"), org("71", "eu.acme.example"), "domain", 80),
        (crm_account(ACME, "eu.acme.co.uk"), org("71", "us.acme.co.uk"), "domain_below", 60),
    ],
)
def test_each_rule_links_an_account(crm: AccountKeys, source: AccountKeys, rule: str, confidence: int) -> None:
    (link,) = run([crm, source]).links
    assert (link.kind, link.source_id, link.crm_id) == ("account", "71", ACME)
    assert (link.rule, link.confidence) == (rule, confidence)


def test_a_sub_domain_is_nearer_than_the_domain() -> None:
    crm = [crm_account(ACME, "acme.example"), crm_account(BETA, "info.acme.example")]
    orgs = [
        org("1", "info.acme.example"),
        org("2", "acme.example"),
        org("3", "x.info.acme.example"),
        org("4", "y.acme.example"),
    ]
    found = links(run([*crm, *orgs]), "account")
    assert {source_id: crm_id for source_id, (crm_id, _) in found.items()} == {
        "1": BETA,
        "2": ACME,
        "3": BETA,
        "4": ACME,
    }


def test_sub_domains_of_two_accounts_say_nothing_about_their_common_domain() -> None:
    crm = [crm_account(ACME, "a.acme.example"), crm_account(BETA, "b.acme.example")]
    found = run([*crm, org("1", "acme.example")])
    assert (found.links, found.review[0].candidates) == ([], (ACME, BETA))


def test_customers_of_one_host_are_not_one_company() -> None:
    crm = [crm_account(ACME, "acme.github.io")]
    assert run([*crm, org("1", "beta.github.io")]).links == []


@pytest.mark.parametrize(
    "domain", ["gmail.com", "mailinator.com", "vendor.example", "eu.vendor.example", "campus.example"]
)
def test_domains_that_stand_for_nobody(domain: str) -> None:
    given: dict[str, Any] = {"own_domains": ("vendor.example",), "shared_domains": ("campus.example",)}
    found = run([crm_account(ACME, domain), org("1", domain)], **given)
    assert (found.links, found.review) == ([], [])


def test_the_list_of_free_mail_can_be_changed() -> None:
    accounts = [crm_account(ACME, "gmail.com"), org("1", "gmail.com")]
    assert links(run(accounts, free_mail_remove=("gmail.com",)), "account")
    accounts = [crm_account(ACME, "acme.example"), org("1", "acme.example")]
    assert not links(run(accounts, free_mail_add=("acme.example",)), "account")


def test_a_domain_claimed_twice_decides_nothing_and_is_listed_once() -> None:
    crm = [crm_account(ACME, "acme.example"), crm_account(BETA, "acme.example")]
    people = [user("1", "ann@acme.example"), user("2", "bob@acme.example")]
    found = run([*crm, org("71", "acme.example")], people)
    assert found.links == []
    assert [(r.kind, r.source_id, r.candidates, r.affected) for r in found.review] == [
        ("account", "71", (ACME, BETA), 1),
        ("domain", "acme.example", (ACME, BETA), 2),
    ]


def staffed(count: int, at: str = ACME, start: int = 0) -> tuple[list[PersonKeys], list[Member]]:
    """People known to the CRM, active under group key "g"."""
    people: list[PersonKeys] = []
    for n in range(start, start + count):
        people += [crm_person(f"c{n}", external_ids={"product": f"u{n}"}, at=at)]
        people += [user(f"u{n}", source="mp", external_ids={"product": f"u{n}"})]
    return people, [Member("mp", f"u{n}", "g") for n in range(start, start + count)]


GROUP = AccountKeys("mp", "g", (), {"any": "g"})


@pytest.mark.parametrize(
    ("here", "elsewhere", "rule"),
    [
        (1, 0, "one_person"),
        (3, 0, "people"),
        (9, 1, "people"),
        (8, 1, None),
        (17, 3, None),
        (18, 2, "people"),
        (2, 2, None),
    ],
)
def test_an_account_is_where_its_people_are(here: int, elsewhere: int, rule: str | None) -> None:
    people, members = staffed(here)
    strangers, others = staffed(elsewhere, BETA, here)
    found = run([crm_account(), crm_account(BETA), GROUP], people + strangers, members + others)
    assert links(found, "account") == ({"g": (ACME, rule)} if rule else {})
    assert len(found.review) == (rule is None)


def test_people_of_several_accounts_do_not_vote_and_inherit_nothing() -> None:
    people, members = staffed(2)
    agency, own = staffed(9, BETA, 2)
    abroad = [Member("mp", member.person_id, "h") for member in own]
    found = run([crm_account(), crm_account(BETA), GROUP], people + agency, members + own + abroad)
    assert links(found, "account") == {"g": (ACME, "people")}
    assert found.unmatched["account", "mp"] == ["h"]


def test_the_domain_chooses_among_the_accounts_of_the_people() -> None:
    people, members = staffed(2)
    others, more = staffed(2, BETA, 2)
    group = AccountKeys("mp", "g", ("beta.example",))
    found = run([crm_account(), crm_account(BETA, "beta.example"), group], people + others, members + more)
    assert links(found, "account") == {"g": (BETA, "domain")}


def test_a_group_key_without_a_profile_is_matched_by_itself() -> None:
    found = run([crm_account(product="org_1")], members=[Member("mp", "u1", "org_1"), Member("mp", "u2", "org_2")])
    assert links(found, "account") == {"org_1": (ACME, "product_id")}
    assert found.unmatched["account", "mp"] == ["org_2"]


# Homes


def test_the_source_s_own_account_comes_before_the_domain_and_a_group_key_after_it() -> None:
    crm = [crm_account(ACME, "acme.example", product="g"), crm_account(BETA, "beta.example")]
    found = run([*crm, org("71", any=ACME)], [user("1", "x@beta.example", account_ref="71")])
    assert links(found, "home") == {"1": (ACME, "membership")}
    agency = user("u1", "x@beta.example", source="mp")
    member = Member("mp", "u1", "g")
    assert links(run([*crm, GROUP], [agency], [member]), "home") == {"u1": (BETA, "domain")}
    nobody = user("u1", "x@gmail.com", source="mp")
    assert links(run([*crm, GROUP], [nobody], [member]), "home") == {"u1": (ACME, "membership")}


def test_a_linked_contact_needs_no_home_unless_it_has_no_account() -> None:
    people = [crm_person(ANN, "ann@acme.example"), user("1", "ann@acme.example")]
    accounts = [crm_account(ACME, "acme.example")]
    assert links(run(accounts, people), "home") == {}
    people[0] = crm_person(ANN, "ann@acme.example", at=None)
    assert links(run(accounts, people), "home") == {"1": (ACME, "domain")}


def test_nothing_in_nothing_out() -> None:
    assert run([]) == Resolution()


def test_settings_refuse_what_is_no_domain() -> None:
    assert Settings(own_domains=("https://www.Acme.example/",)).own_domains == ("acme.example",)
    with pytest.raises(ValidationError, match=r"'acme' is not a domain such as acme\.example"):
        Settings(own_domains=("acme",))


def test_links_come_sorted() -> None:
    people = [crm_person(str(n), f"p{n}@a.example") for n in range(9)]
    people += [user(str(n), f"p{n}@a.example") for n in (5, 3, 8)]
    found: list[Link] = run([], people).links
    assert [link.source_id for link in found] == ["3", "5", "8"]
