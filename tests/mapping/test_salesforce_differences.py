"""Where orgs differ: who is a customer, currencies, notations, and the fields they add."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from mapping.fields import FieldMap, FieldMapError
from mapping.schema import SurveyResponse
from tests.mapping.rows import Row
from tests.mapping.salesforce_rows import (
    ACME,
    ANN,
    CHANGED,
    LATELY,
    PLAIN,
    account_row,
    answer_row,
    case_row,
    contact_row,
    one,
    opportunity_row,
    salesforce_row,
)

# -- who is a customer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "lifecycle"),
    [
        ("Customer - Direct", "customer"),
        ("Customer - Channel", "customer"),
        ("Customer", "customer"),
        ("customer", "customer"),
        ("Former Customer", "other"),
        ("Prospect", "prospect"),
        ("Technology Partner", "partner"),
        ("Other", "other"),
        ("Their own word", "other"),
        (None, None),
    ],
)
def test_the_type_of_an_account_says_whether_it_is_scored(word: str | None, lifecycle: str | None) -> None:
    """The card's rule is COALESCE(lifecycle, 'customer') IN ('customer', 'evangelist')."""
    assert one("accounts", account_row(Type=word)).lifecycle == lifecycle


# -- money ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 1250), ("KWD", 1250500), ("EUR", 125050), (None, 125050)])
def test_amounts_depend_on_the_currency_of_the_row(currency: str | None, minor: int) -> None:
    row = account_row(CurrencyIsoCode=currency, MRR__c=1250.5 if minor > 1250 else 1250.0)
    assert one("accounts", row).mrr == minor


@pytest.mark.parametrize(("stream", "row"), [("accounts", account_row()), ("opportunities", opportunity_row())])
def test_an_org_with_one_currency_says_it_once(stream: str, row: Row) -> None:
    single = {name: value for name, value in row.items() if name != "CurrencyIsoCode"} | {"_currency": "JPY"}
    assert one(stream, single).currency == "JPY"


@pytest.mark.parametrize("written", [125000.5, "125000.50", "1.250005E5"])
def test_amounts_in_every_notation(written: Any) -> None:
    assert one("opportunities", opportunity_row(Amount=written)).amount == 12500050


# -- points in time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-01T10:00:00.000+0000",
        "2026-11-01T10:00:00.000Z",
        "2026-11-01T12:00:00.000+02:00",
        "2026-11-01T10:00:00Z",
    ],
)
def test_points_in_time_in_every_notation(written: str) -> None:
    assert one("accounts", account_row(SystemModstamp=written)).updated_at == LATELY


# -- what an org adds -----------------------------------------------------------------------------------------------


def test_without_overrides_only_standard_fields_are_asked_for() -> None:
    ours = {path for stream in PLAIN.streams for path in PLAIN.paths(stream) if path.endswith("__c")}
    assert ours == {
        "Holdfast_Task_Key__c",
        *("Account__c", "Contact__c", "Responded_At__c", "Score__c", "Survey_Type__c"),
    }
    assert PLAIN.paths("accounts") == [
        *("CreatedDate", "CurrencyIsoCode", "Id", "Name", "OwnerId", "ParentId", "SystemModstamp", "Type", "Website"),
    ]
    account = one("accounts", account_row(), PLAIN)
    assert (account.plan, account.mrr, account.renewal_date, account.domains) == (None, None, None, ("acme.example",))


def test_the_fields_of_parents_are_asked_for_by_their_whole_path() -> None:
    assert "Opportunity.AccountId" in PLAIN.paths("contact_roles")
    layer = {"cases": {"copy_of": "Parent.Zendesk_Ticket_Id__c", "account_ref": ["AccountId", "Contact.AccountId"]}}
    paths = FieldMap.load("salesforce", layer).paths("cases")
    assert {"Parent.Zendesk_Ticket_Id__c", "Contact.AccountId"} <= set(paths)


def test_what_an_override_names_is_asked_for_and_what_it_replaces_is_not() -> None:
    layer = {"accounts": {"lifecycle": "Stage__c", "parent_id": ""}}
    assert {"Stage__c"} == set(FieldMap.load("salesforce", layer).paths("accounts")) - set(PLAIN.paths("accounts"))
    assert not {"Type", "ParentId"} & set(FieldMap.load("salesforce", layer).paths("accounts"))


def test_the_examples_at_the_top_of_the_map_work() -> None:
    text = (Path(__file__).parents[2] / "mapping" / "salesforce.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    layers = tomllib.loads("\n".join(lines))["crm"]["fields"]
    fields = FieldMap.load("salesforce", layers, prefix="crm.fields")
    row = answer_row()
    del row["Survey_Type__c"]
    assert "Survey_Type__c" not in fields.paths("survey_responses")
    assert one("survey_responses", row, fields).survey == "nps"
    assert one("cases", case_row(Zendesk_Ticket_Id__c="35"), fields).copy_of == "35"
    assert one("accounts", account_row(Stage__c="Live"), fields).lifecycle == "customer"
    private = contact_row(Other_Emails__c=None, Private_Email__c="ann@home.example")
    assert one("contacts", private, fields).other_emails == ("ann@home.example",)


def test_every_name_of_a_survey_s_fields_can_be_another() -> None:
    layer = {
        "survey": "const:csat",
        "score": "Stars__c",
        "scale_min": "const:1",
        "scale_max": "const:5",
        "satisfied": {"path": "Happy__c", "values": {"Yes": True, "No": False}},
        "responded_at": "CreatedDate",
        "contact_ref": "Person__c",
        "account_ref": "Company__c",
    }
    fields = FieldMap.load("salesforce", {"survey_responses": layer})
    asked = [*("Company__c", "CreatedDate", "Happy__c", "Id", "Person__c", "Stars__c", "SystemModstamp")]
    assert fields.paths("survey_responses") == asked
    row = salesforce_row("a01", Stars__c=4.0, Happy__c="No", CreatedDate=CHANGED, Person__c=ANN, Company__c=ACME)
    answer = one("survey_responses", row, fields)
    assert isinstance(answer, SurveyResponse)
    assert (answer.satisfied, answer.score, answer.account_ref, answer.responded_at) == (False, 4, ACME, LATELY)


@pytest.mark.parametrize("written", [ACME, ACME[:15], f" {ACME[:15]} "])
def test_a_reference_in_a_field_of_text_may_be_the_shorter_form(written: str) -> None:
    line = {"path": "Account_Id__c", "as": "salesforce_id"}
    fields = FieldMap.load("salesforce", {"cases": {"account_ref": line}, "contacts": {"account_refs": line}})
    assert one("cases", case_row(Account_Id__c=written), fields).account_ref == ACME
    assert one("contacts", contact_row(Account_Id__c=written), fields).account_refs == (ACME,)


def test_only_answers_can_be_read_by_their_score() -> None:
    with pytest.raises(FieldMapError, match=r"active is read as bool or stage_closed or stage_won"):
        FieldMap.load("salesforce", {"users": {"active": {"path": "X__c", "as": "by_score"}}})
