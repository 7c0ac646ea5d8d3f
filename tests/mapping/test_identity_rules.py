"""Each rule by itself, their order, and the traps."""

from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import ValidationError

from mapping.identity import AccountKeys, Link, Member, PersonKeys, Pin, Resolution, Settings, resolve

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


# People


@pytest.mark.parametrize(
    ("crm", "source", "rule", "confidence"),
    [
        ({"external_ids": {"zd": "9001"}}, {}, "stored_id", 100),
        ({}, {"external_ids": {"crm": ANN}}, "crm_id", 100),
        ({}, {"external_ids": {"any": f" {ANN} "}}, "crm_id", 100),
        ({"external_ids": {"product": "u1"}}, {"external_ids": {"product": "u1"}}, "product_id", 100),
        ({"external_ids": {"product": "u1"}}, {"external_ids": {"any": "u1"}}, "product_id", 100),
        ({"email": "ann@acme.example"}, {"email": "ann@acme.example"}, "email", 90),
        ({"other_emails": ("ann@old.example",)}, {"email": "ann@old.example"}, "other_email", 80),
        ({"email": "ann@acme.example"}, {"other_emails": ("ann@acme.example",)}, "other_email", 80),
        ({"other_emails": ("a@x.example",)}, {"other_emails": ("a@x.example",)}, "other_email", 80),
    ],
)
def test_each_rule_links_a_person(crm: Any, source: Any, rule: str, confidence: int) -> None:
    found = run([crm_account()], [crm_person(**crm), user(**source)])
    (link,) = found.links
    assert (link.kind, link.source, link.source_id, link.crm_id) == ("contact", "zd", "9001", ANN)
    assert (link.rule, link.confidence) == (rule, confidence)
    assert found.counts == {"zd": {("contact", rule): 1}}
    assert found.unmatched["contact", "zd"] == []


def test_the_evidence_names_the_key_and_holds_no_address() -> None:
    (link,) = run([], [crm_person(email="ann@acme.example"), user(email="ann@acme.example")]).links
    assert link.evidence == "both records have the same primary e-mail address"


def test_ids_are_case_sensitive_and_keep_leading_zeros() -> None:
    for held in ("U1", "01"):
        crm = crm_person(external_ids={"product": held})
        assert run([], [crm, user(external_ids={"product": held})]).links
        assert not run([], [crm, user(external_ids={"product": held.lower().lstrip("0")})]).links


def test_the_product_id_outranks_the_address_of_somebody_who_changed_employer() -> None:
    people = [
        crm_person(ANN, "ann@old.example", external_ids={"product": "u1"}),
        crm_person(BOB, "ann@new.example"),
        user(email="ann@new.example", external_ids={"product": "u1"}),
    ]
    assert links(run([], people), "contact") == {"9001": (ANN, "product_id")}


def test_two_candidates_are_no_link_and_are_listed() -> None:
    people = [crm_person(ANN, "ann@acme.example"), crm_person(BOB, "ann@acme.example"), user(email="ann@acme.example")]
    found = run([], people)
    assert found.links == []
    assert found.unmatched["contact", "zd"] == ["9001"]
    (review,) = found.review
    assert (review.kind, review.source, review.source_id, review.rule) == ("contact", "zd", "9001", "email")
    assert review.candidates == (ANN, BOB)
    assert review.reason == "2 CRM contacts fit equally well: both records have the same primary e-mail address"


def test_duplicates_in_one_account_still_tell_the_account() -> None:
    people = [crm_person(ANN, "a@x.example"), crm_person(BOB, "a@x.example"), user(email="a@x.example")]
    found = run([crm_account()], people)
    assert links(found, "contact") == {}
    assert links(found, "home") == {"9001": (ACME, "candidates")}
    apart = [crm_person(ANN, "a@x.example"), crm_person(BOB, "a@x.example", at=BETA), user(email="a@x.example")]
    assert links(run([crm_account(), crm_account(BETA)], apart), "home") == {}


def test_a_weaker_rule_chooses_among_candidates_and_never_against_them() -> None:
    twins = [
        crm_person(ANN, "ann@a.example", external_ids={"product": "u1"}),
        crm_person(BOB, external_ids={"product": "u1"}),
    ]
    other = crm_person("50000039", "eve@a.example")
    chosen = run([], [*twins, other, user(email="ann@a.example", external_ids={"product": "u1"})])
    assert links(chosen, "contact") == {"9001": (ANN, "email")}
    against = run([], [*twins, other, user(email="eve@a.example", external_ids={"product": "u1"})])
    assert against.links == []
    assert [(review.rule, review.candidates) for review in against.review] == [("product_id", (ANN, BOB))]


def test_an_id_that_is_one_record_s_crm_id_and_another_s_product_id_is_unclear() -> None:
    people = [crm_person("1"), crm_person("2", external_ids={"product": "1"}), user(external_ids={"any": "1"})]
    found = run([], people)
    assert found.links == []
    assert found.review[0].candidates == ("1", "2")
    one = [crm_person("1", external_ids={"product": "1"}), user(external_ids={"any": "1"})]
    assert links(run([], one), "contact") == {"9001": ("1", "crm_id")}


def test_any_and_product_that_disagree_are_unclear() -> None:
    crm = [crm_person("1", external_ids={"product": "u1"}), crm_person("2", external_ids={"product": "u2"})]
    found = run([], [*crm, user(external_ids={"product": "u1", "any": "u2"})])
    assert (found.links, found.review[0].candidates) == ([], ("1", "2"))


def test_a_product_id_reaches_the_crm_through_another_source() -> None:
    people = [
        crm_person(ANN, "ann@acme.example"),
        user("9001", "ann@acme.example", external_ids={"any": "u1"}),
        user("u1", "ann@home.example", source="mp", external_ids={"product": "u1"}),
    ]
    assert links(run([], people), "contact") == {"9001": (ANN, "email"), "u1": (ANN, "product_id_weak")}


def test_a_link_by_id_in_another_source_outranks_the_address() -> None:
    people = [
        crm_person(ANN, "ann@acme.example"),
        crm_person(BOB, "ann@new.example"),
        user("9001", external_ids={"crm": ANN, "product": "u1"}),
        user("u1", "ann@new.example", source="mp", external_ids={"product": "u1"}),
    ]
    assert links(run([], people), "contact")["u1"] == (ANN, "product_id_strong")


def test_sources_that_disagree_about_a_product_id_do_not_decide() -> None:
    people = [
        crm_person(ANN, "ann@a.example"),
        crm_person(BOB, "bob@a.example"),
        user("1", "ann@a.example", external_ids={"any": "u1"}),
        user("2", "bob@a.example", external_ids={"any": "u1"}),
        user("u1", source="mp", external_ids={"product": "u1"}),
    ]
    found = run([], people)
    assert "u1" not in links(found, "contact")
    assert [(r.source_id, r.rule, r.candidates) for r in found.review] == [("u1", "product_id_weak", (ANN, BOB))]


def test_plus_tags_only_when_asked() -> None:
    people = [crm_person(ANN, "ann@a.example"), user(email="ann+support@a.example")]
    assert links(run([], people), "contact") == {}
    (link,) = run([], people, plus_tag=True).links
    assert (link.crm_id, link.rule, link.confidence) == (ANN, "plus_tag", 60)
    tagged = [crm_person(ANN, "ann+crm@a.example"), user(email="ann@a.example"), user("9002")]
    assert links(run([], tagged, plus_tag=True), "contact") == {"9001": (ANN, "plus_tag")}


def test_shared_inboxes_match_the_account_and_never_a_person() -> None:
    accounts = [crm_account(ACME, "acme.example")]
    people = [
        crm_person(ANN, "support@acme.example", external_ids={"product": "u1"}),
        crm_person(BOB, "bob@acme.example", other_emails=("billing@acme.example",)),
        user("1", "support@acme.example"),
        user("2", "it+urgent@acme.example", external_ids={"product": "u1"}),
        user("3", "billing@acme.example"),
        user("4", "eve@acme.example", other_emails=("support@acme.example",)),
    ]
    found = run(accounts, people)
    assert links(found, "contact") == {}
    assert links(found, "home") == dict.fromkeys("1234", (ACME, "domain"))
    named = run(accounts, [*people, user("5", "support@acme.example", external_ids={"crm": ANN})])
    assert links(named, "contact") == {"5": (ANN, "crm_id")}


def test_the_list_of_shared_inboxes_can_be_changed() -> None:
    people = [crm_person(ANN, "support@a.example"), user("1", "support@a.example")]
    assert links(run([], people, role_inboxes_remove=("support",)), "contact") == {"1": (ANN, "email")}
    people = [crm_person(ANN, "crew@a.example"), user("1", "crew@a.example")]
    assert links(run([], people, role_inboxes_add=("Crew",)), "contact") == {}


def test_staff_are_left_out_by_flag_and_by_own_domain() -> None:
    people = [
        crm_person(ANN, "sam@vendor.example"),
        crm_person(BOB, "agent@acme.example"),
        user("1", "sam@vendor.example"),
        user("2", "sam@eu.vendor.example"),
        user("3", "agent@acme.example", staff=True),
    ]
    found = run([crm_account(ACME, "vendor.example", "acme.example")], people, own_domains=("Vendor.example",))
    assert found.links == []
    assert found.staff == {"zd": ["1", "2", "3"]}
    assert found.unmatched == {("contact", "zd"): []}


# Pins


def test_a_pin_outranks_everything_even_for_staff() -> None:
    people = [crm_person(ANN, "ann@a.example"), crm_person(BOB), user("1", "ann@a.example"), user("2", staff=True)]
    pins = (
        Pin(kind="contact", source="zd", source_id="1", crm_id=BOB),
        Pin(kind="contact", source="zd", source_id="2", crm_id=ANN),
    )
    assert links(run([], people, pins=pins), "contact") == {"1": (BOB, "pin"), "2": (ANN, "pin")}


def test_a_pin_to_nothing_forbids_a_link() -> None:
    accounts = [crm_account(ACME, "a.example"), org("71", "a.example")]
    people = [crm_person(ANN, "ann@a.example"), user("1", "ann@a.example")]
    pins = (
        Pin(kind="contact", source="zd", source_id="1", crm_id=""),
        Pin(kind="account", source="zd", source_id="71", crm_id=""),
    )
    found = run(accounts, people, pins=pins)
    assert (links(found, "contact"), links(found, "account"), found.review) == ({}, {}, [])
    assert found.unmatched == {("account", "zd"): ["71"], ("contact", "zd"): ["1"]}


def test_a_pin_to_a_record_that_is_gone_is_listed() -> None:
    pins = (Pin(kind="account", source="zd", source_id="71", crm_id="999"),)
    found = run([crm_account(ACME, "a.example"), org("71", "a.example")], pins=pins)
    assert found.links == []
    assert found.review[0].reason == "the pinned CRM account 999 does not exist"


def test_contradicting_pins_are_an_error() -> None:
    pin = Pin(kind="account", source="zd", source_id="71", crm_id=ACME)
    assert Settings(pins=(pin, pin))
    with pytest.raises(ValidationError, match="two pins for account '71' of 'zd'"):
        Settings(pins=(pin, Pin(kind="account", source="zd", source_id="71", crm_id=BETA)))


# Merged records and notations of ids


def test_merged_crm_records_lead_to_what_stayed() -> None:
    accounts = [crm_account(ACME), org("71", any=BETA)]
    people = [crm_person(ANN, at=BETA), user("1", external_ids={"crm": "7"})]
    found = run(accounts, people, merged={BETA: "9", "9": ACME, "7": "8", "8": ANN})
    assert links(found, "account") == {"71": (ACME, "crm_id")}
    assert links(found, "contact") == {"1": (ANN, "crm_id")}
    assert links(found, "home") == {}


def test_a_circle_of_merges_leads_nowhere_and_ends() -> None:
    found = run([crm_account(ACME), org("71", any="1")], merged={"1": "2", "2": "1"})
    assert found.links == []


def test_salesforce_ids_match_in_both_lengths() -> None:
    accounts = [AccountKeys("crm", "001D000000IRFmaIAH"), org("71", crm="001D000000IRFma")]
    assert links(run(accounts), "account") == {"71": ("001D000000IRFmaIAH", "crm_id")}
    accounts = [AccountKeys("crm", "001D000000IRFma"), org("71", crm="001D000000IRFmaIAH")]
    assert links(run(accounts), "account") == {"71": ("001D000000IRFma", "crm_id")}


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
