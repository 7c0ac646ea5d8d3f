"""Each rule for people by itself, their order, and the traps; pins, merges and notations of ids."""

from typing import Any

import pytest
from pydantic import ValidationError

from mapping.identity import AccountKeys, Pin, Settings
from tests.mapping.keys import ACME, ANN, BETA, BOB, crm_account, crm_person, links, org, run, user

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
