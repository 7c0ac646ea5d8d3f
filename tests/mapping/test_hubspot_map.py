from datetime import UTC, date, datetime
from typing import Any

import pytest

from mapping.fields import FieldMap
from mapping.schema import Account, Contact, Deal, SurveyResponse, Ticket, User
from tests.mapping.rows import NOW, hubspot_contact, hubspot_row

HUBSPOT = FieldMap.load("hubspot")


def one(stream: str, row: dict[str, Any]) -> Any:
    mapped = HUBSPOT.apply("crm", stream, [row], NOW)
    assert mapped.rejects == []
    assert mapped.unknown == {}
    assert mapped.warnings == {}
    (record,) = mapped.records
    return record


def test_a_contact() -> None:
    assert one("contacts", hubspot_contact()) == Contact(
        source="crm",
        source_id="51",
        updated_at=datetime(2026, 11, 1, 10, 0, 0, 123000, tzinfo=UTC),
        email="ann@acme.example",
        other_emails=("ann@old.example",),
        external_ids={"product": "usr_1"},
        account_ref="8000000017",
        account_refs=("8000000017", "8000000034"),
        owner_id="7001",
        title="Head of Things",
        created_at=datetime(2025, 3, 1, 10, tzinfo=UTC),
        email_opt_out=False,
    )


def test_a_contact_of_several_companies_without_a_primary_one_has_no_account() -> None:
    row = hubspot_contact() | {"_associations": {"companies": [{"id": "1"}, {"id": "2"}]}}
    contact = one("contacts", row)
    assert (contact.account_ref, contact.account_refs) == (None, ("1", "2"))


def test_a_company() -> None:
    row = hubspot_row(
        {
            "name": "Acme",
            "domain": "WWW.Acme.example",
            "hs_additional_domains": "acme-group.example;acme.example",
            "hubspot_owner_id": "7001",
            "hs_parent_company_id": "8000000034",
            "plan_name": "team",
            "monthly_recurring_revenue": "1250.5",
            "mrr_currency": "EUR",
            "customer_since": "2024-02-29",
            "renewal_date": "2056-02-28",
            "lifecyclestage": "customer",
            "product_account_id": "0042",
        }
    )
    assert one("companies", row) == Account(
        source="crm",
        source_id="51",
        updated_at=datetime(2026, 11, 1, 10, 0, 0, 123000, tzinfo=UTC),
        name="Acme",
        domains=("acme.example", "acme-group.example"),
        external_ids={"product": "0042"},
        owner_id="7001",
        parent_id="8000000034",
        plan="team",
        mrr=125050,
        currency="EUR",
        customer_since=date(2024, 2, 29),
        renewal_date=date(2056, 2, 28),
        lifecycle="customer",
        created_at=datetime(2025, 3, 1, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 15000), ("KWD", 15000000), ("USD", 1500000), (None, 1500000)])
def test_amounts_depend_on_the_currency(currency: str | None, minor: int) -> None:
    row = hubspot_row({"amount": "15000", "deal_currency_code": currency})
    assert one("deals", row).amount == minor


def test_the_portal_s_currency_is_the_fallback() -> None:
    row = hubspot_row({"amount": "15000", "deal_currency_code": None}, _currency="JPY")
    deal = one("deals", row)
    assert (deal.amount, deal.currency) == (15000, "JPY")


@pytest.mark.parametrize(
    ("stage", "closed", "won"),
    [
        ({"label": "Won", "isClosed": "true", "probability": "1.0"}, True, True),
        ({"label": "Lost", "isClosed": "true", "probability": "0.0"}, True, False),
        ({"label": "Talks", "isClosed": "false", "probability": "0.4"}, False, None),
        (None, False, None),
    ],
)
def test_deals_end_by_their_stage(stage: Any, closed: bool, won: bool | None) -> None:  # noqa: FBT001 - the table above
    properties = {
        "dealname": "Renewal 2027",
        "pipeline": "default",
        "dealstage": "s1",
        "dealtype": "existingbusiness",
        "closedate": "2027-01-31T00:00:00Z",
    }
    row = hubspot_row(properties, _stage=stage, _associations={"companies": [{"id": "8"}]})
    deal = one("deals", row)
    assert isinstance(deal, Deal)
    assert (deal.closed, deal.won, deal.renewal, deal.account_ref) == (closed, won, True, "8")
    assert deal.close_date == date(2027, 1, 31)


@pytest.mark.parametrize(
    ("stage", "closed_date", "status"),
    [
        ({"ticketState": "OPEN"}, None, "open"),
        ({"ticketState": "CLOSED"}, "2026-11-02T00:00:00Z", "closed"),
        (None, "2026-11-02T00:00:00Z", "closed"),
        (None, None, "open"),
    ],
)
def test_tickets_close_by_their_stage(stage: Any, closed_date: str | None, status: str) -> None:
    row = hubspot_row({"hs_ticket_priority": "MEDIUM", "closed_date": closed_date, "subject": "x"}, _stage=stage)
    ticket = one("tickets", row)
    assert isinstance(ticket, Ticket)
    assert (ticket.status, ticket.priority) == (status, "normal")
    assert (ticket.solved_at is None) == (closed_date is None)


@pytest.mark.parametrize(
    ("kind", "value", "group", "expected"),
    [
        ("NPS", "9", "PROMOTER", ("nps", 9, 0, 10, True)),
        ("NPS", "7", None, ("nps", 7, 0, 10, None)),
        ("NPS", "0", None, ("nps", 0, 0, 10, False)),
        ("CSAT", "5", "HAPPY", ("csat", 5, 1, 5, True)),
        ("CSAT", "3", "NEUTRAL", ("csat", 3, 1, 5, None)),
        ("CES", "2", "DIFFICULT", ("ces", 2, 1, 7, False)),
    ],
)
def test_feedback(kind: str, value: str, group: str | None, expected: tuple[Any, ...]) -> None:
    properties = {
        "hs_survey_type": kind,
        "hs_value": value,
        "hs_response_group": group,
        "hs_submission_timestamp": "2026-11-02T09:00:00Z",
        "hs_contact_id": "50000013",
        "hs_content": "what they wrote",
    }
    answer = one("feedback_submissions", hubspot_row(properties))
    assert isinstance(answer, SurveyResponse)
    assert (answer.survey, answer.score, answer.scale_min, answer.scale_max, answer.satisfied) == expected
    assert answer.contact_ref == "50000013"


def test_custom_surveys_are_skipped_and_impossible_scores_are_refused() -> None:
    stamp = {"hs_submission_timestamp": "2026-11-02T09:00:00Z"}
    custom = hubspot_row({"hs_survey_type": "CUSTOM", "hs_value": "3", **stamp})
    eleven = hubspot_row({"hs_survey_type": "NPS", "hs_value": "11", **stamp})
    typeless = hubspot_row({"hs_value": "9", **stamp})
    mapped = HUBSPOT.apply("crm", "feedback_submissions", [custom, eleven, typeless], NOW)
    assert mapped.records == []
    assert mapped.skipped == {"properties.hs_survey_type": 1}
    assert [reject.reason for reject in mapped.rejects] == [
        "score: 11 is not on the scale from 0 to 10",
        "scale_max: is missing; scale_min: is missing; survey: is missing",
    ]


def test_owners() -> None:
    row = {
        "id": "7001",
        "email": "Sam@Vendor.example",
        "firstName": "Sam",
        "lastName": "Ray ",
        "userId": 5,
        "archived": True,
        "createdAt": "2024-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
    }
    owner = one("owners", row)
    assert isinstance(owner, User)
    assert (owner.name, owner.email, owner.active) == ("Sam Ray", "sam@vendor.example", False)
    assert one("owners", row | {"firstName": None, "lastName": ""}).name == "Sam@Vendor.example"


def test_the_connector_learns_which_properties_to_ask_for() -> None:
    assert HUBSPOT.paths("contacts") == [
        "email",
        "hs_additional_emails",
        "hs_buying_role",
        "hs_email_optout",
        "hubspot_owner_id",
        "jobtitle",
        "product_user_id",
    ]
    assert {"closed_date", "hs_ticket_priority"} <= set(HUBSPOT.paths("tickets"))
    assert HUBSPOT.record("feedback_submissions") == "survey_response"
    assert HUBSPOT.events() is None
