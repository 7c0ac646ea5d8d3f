"""Salesforce's ids come with 15 or 18 characters, wherever somebody wrote them down; the links come out the same."""

from collections.abc import Callable

import pytest

from mapping.identity import AccountKeys, Member, Pin
from mapping.normalise import crm_key
from tests.mapping.keys import crm_account, crm_person, links, org, run, user

ACME, BETA = "001Hf0000000aBCIAY", "001Hf0000000AbCIAU"
"""Two accounts whose ids differ by capitals only."""
ANN, BOB = "003Hf000000000DIAQ", "003Hf000000000dIAA"

LONG: Callable[[str], str] = str
SHORT = crm_key
FORMS = pytest.mark.parametrize("written", [LONG, SHORT], ids=["18", "15"])


def test_the_ids_below_are_what_they_look_like() -> None:
    assert [len(SHORT(record_id)) for record_id in (ACME, BETA, ANN, BOB)] == [15] * 4
    assert SHORT(ACME).lower() == SHORT(BETA).lower()


@FORMS
def test_a_helpdesk_may_hold_either_form(written: Callable[[str], str]) -> None:
    accounts = [crm_account(ACME), crm_account(BETA), org("71", any=written(ACME)), org("72", crm=written(BETA))]
    people = [
        crm_person(ANN, at=ACME),
        crm_person(BOB, at=BETA),
        user("1", external_ids={"any": written(ANN)}),
        user("2", external_ids={"crm": f" {written(BOB)} "}),
    ]
    found = run(accounts, people)
    assert links(found, "account") == {"71": (ACME, "crm_id"), "72": (BETA, "crm_id")}
    assert links(found, "contact") == {"1": (ANN, "crm_id"), "2": (BOB, "crm_id")}


@FORMS
def test_group_keys_of_usage_may_be_either_form(written: Callable[[str], str]) -> None:
    group = AccountKeys("mp", written(ACME), (), {"any": written(ACME)})
    assert links(run([crm_account(ACME), crm_account(BETA), group]), "account") == {written(ACME): (ACME, "crm_id")}
    named = [Member("mp", "p1", written(BETA))]
    people = [user("p1", source="mp")]
    found = run([crm_account(ACME), crm_account(BETA)], people, named)
    assert links(found, "account") == {written(BETA): (BETA, "crm_id")}
    assert links(found, "home") == {"p1": (BETA, "membership")}


@FORMS
def test_pins_may_be_written_in_either_form(written: Callable[[str], str]) -> None:
    pins = [
        Pin(kind="account", source="zd", source_id="71", crm_id=written(ACME)),
        Pin(kind="contact", source="zd", source_id="1", crm_id=written(ANN)),
    ]
    accounts = [crm_account(ACME), crm_account(BETA, "beta.example"), org("71", "beta.example")]
    people = [crm_person(ANN, at=ACME), crm_person(BOB, "bob@beta.example", at=BETA), user("1", "bob@beta.example")]
    found = run(accounts, people, pins=pins)
    assert links(found, "account") == {"71": (ACME, "pin")}
    assert links(found, "contact") == {"1": (ANN, "pin")}


@pytest.mark.parametrize("loser", [LONG, SHORT], ids=["18", "15"])
@pytest.mark.parametrize("winner", [LONG, SHORT], ids=["18", "15"])
@FORMS
def test_merges_lead_on_in_every_mixture_of_forms(
    loser: Callable[[str], str], winner: Callable[[str], str], written: Callable[[str], str]
) -> None:
    accounts = [crm_account(ACME), org("71", any=written(BETA))]
    people = [crm_person(ANN, at=written(BETA)), user("1", external_ids={"crm": written(BOB)})]
    pins = [Pin(kind="account", source="zd", source_id="72", crm_id=written(BETA))]
    merged = {loser(BETA): winner(ACME), loser(BOB): winner(ANN)}
    found = run([*accounts, org("72")], people, merged=merged, pins=pins)
    assert links(found, "account") == {"71": (ACME, "crm_id"), "72": (ACME, "pin")}
    assert links(found, "contact") == {"1": (ANN, "crm_id")}
    assert links(found, "home") == {}


def test_capitals_tell_accounts_apart() -> None:
    found = run([crm_account(ACME), org("71", any=SHORT(BETA)), org("72", any=ACME.lower())])
    assert links(found, "account") == {}
