"""A row of Salesforce and the row of HubSpot that says the same become the same record, so that scores are the same."""

from typing import Any

import pytest

from mapping.fields import FieldMap
from mapping.schema import Record
from tests.mapping.rows import NOW, Row, hubspot_contact, hubspot_row
from tests.mapping.salesforce_rows import CHANGED, account_row, answer_row, case_row, contact_row, one, opportunity_row

HUBSPOT = FieldMap.load("hubspot")


def facts(record: Record) -> dict[str, Any]:
    """A record without what is the CRM's own way of naming it."""
    own = {"source_id", "updated_at", "account_ref", "account_refs", "contact_ref", "owner_id", "parent_id"}
    return record.model_dump(exclude=own | {"pipeline", "stage", "created_at"})


def hubspot(stream: str, row: Row) -> dict[str, Any]:
    (record,) = HUBSPOT.apply("crm", stream, [row], NOW).records
    return facts(record)


HUBSPOT_COMPANY = {
    "name": "Acme",
    "domain": "acme.example",
    "hs_additional_domains": "acme-group.example;acme.example",
    "plan_name": "team",
    "monthly_recurring_revenue": "1250.5",
    "mrr_currency": "EUR",
    "customer_since": "2024-02-29",
    "renewal_date": "2056-02-28",
    "product_account_id": "0042",
}


@pytest.mark.parametrize(
    ("stage", "kind"), [("customer", "Customer - Direct"), ("other", "Former Customer"), (None, None)]
)
def test_a_company_means_the_same_in_both_crms(stage: str | None, kind: str | None) -> None:
    company = hubspot_row({**HUBSPOT_COMPANY, "lifecyclestage": stage})
    assert hubspot("companies", company) == facts(one("accounts", account_row(Type=kind)))


def test_a_contact_means_the_same_in_both_crms() -> None:
    # HubSpot has no word for people who do not want to be called.
    unasked = hubspot_contact(hs_email_optout="false")
    assert hubspot("contacts", unasked) == facts(one("contacts", contact_row(DoNotCall=None)))


@pytest.mark.parametrize(
    ("stage", "values"),
    [
        ({"isClosed": "false", "probability": "0.4"}, {}),
        ({"isClosed": "true", "probability": "1.0"}, {"IsClosed": True, "IsWon": True}),
        ({"isClosed": "true", "probability": "0.0"}, {"IsClosed": True}),
    ],
)
@pytest.mark.parametrize(
    ("theirs", "ours"), [("existingbusiness", "Existing Business"), ("newbusiness", "New Business")]
)
def test_a_deal_means_the_same_in_both_crms(stage: Any, values: Row, theirs: str, ours: str) -> None:
    properties = {
        "dealname": "Renewal 2027",
        "dealtype": theirs,
        "amount": "15000",
        "deal_currency_code": "EUR",
        "closedate": "2027-01-31T00:00:00Z",
    }
    deal = hubspot("deals", hubspot_row(properties, _stage=stage))
    assert deal == facts(one("opportunities", opportunity_row(Type=ours, **values)))


@pytest.mark.parametrize("closed", [None, "2026-11-01T10:00:00Z"])
@pytest.mark.parametrize("priority", [None, "LOW", "MEDIUM", "HIGH"])
def test_a_ticket_means_the_same_in_both_crms(closed: str | None, priority: str | None) -> None:
    stage = {"ticketState": "CLOSED" if closed else "OPEN"}
    row = hubspot_row({"hs_ticket_priority": priority, "closed_date": closed}, _stage=stage)
    case = case_row(
        Priority=priority and priority.title(),
        IsClosed=closed is not None,
        Status="Closed" if closed else "Working",
        ClosedDate=closed and CHANGED,
    )
    assert hubspot("tickets", row) == facts(one("cases", case))


@pytest.mark.parametrize(
    ("kind", "score", "group"),
    [
        *(("NPS", score, None) for score in range(11)),
        *(("CSAT", *pair) for pair in ((5, "HAPPY"), (4, "HAPPY"), (3, "NEUTRAL"), (2, "UNHAPPY"), (1, "UNHAPPY"))),
        *(("CES", *pair) for pair in ((7, "EASY"), (5, "EASY"), (4, "NEUTRAL"), (3, "DIFFICULT"), (1, "DIFFICULT"))),
    ],
)
def test_an_answer_means_the_same_in_both_crms(kind: str, score: int, group: str | None) -> None:
    properties = {
        "hs_survey_type": kind,
        "hs_value": str(score),
        "hs_response_group": group,
        "hs_submission_timestamp": "2026-10-30T09:00:00Z",
    }
    answer = one("survey_responses", answer_row(Survey_Type__c=kind, Score__c=float(score)))
    assert hubspot("feedback_submissions", hubspot_row(properties)) == facts(answer)
