"""Vendor rows as the vendors send them, for tests; every value can be replaced."""

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Row = dict[str, Any]


def hubspot_row(properties: Row, **top: Any) -> Row:
    """A HubSpot object; values of properties are text or null, as HubSpot has it."""
    return {
        "id": "51",
        "properties": {"hs_object_id": "51", **properties},
        "createdAt": "2025-03-01T10:00:00.000Z",
        "updatedAt": "2026-11-01T10:00:00.123Z",
        "archived": False,
        **top,
    }


def hubspot_contact(**properties: Any) -> Row:
    """A contact of company 8000000017."""
    given = {
        "email": "Ann@Acme.example",
        "hs_additional_emails": "ann@old.example;ANN@acme.example",
        "firstname": "Ann",
        "lastname": "Lee",
        "jobtitle": "Head of Things",
        "hs_buying_role": None,
        "hs_email_optout": None,
        "hubspot_owner_id": "7001",
        "product_user_id": "usr_1",
        "lifecyclestage": "customer",
    }
    companies = [{"id": "8000000017", "primary": True}, {"id": "8000000034", "primary": False}]
    return hubspot_row({**given, **properties}, _associations={"companies": companies})


def zendesk_ticket(**values: Any) -> Row:
    """An open ticket with its metric set."""
    given: Row = {
        "id": 35,
        "url": "https://acme.zendesk.example/api/v2/tickets/35.json",
        "subject": "Help",
        "description": "It does not work",
        "status": "open",
        "priority": "high",
        "requester_id": 9001,
        "organization_id": 71,
        "satisfaction_rating": None,
        "created_at": "2026-11-01T10:00:00Z",
        "updated_at": "2026-11-01T11:00:00Z",
        "generated_timestamp": 1793534400,
        "_metric_set": {
            "solved_at": None,
            "reopens": 1,
            "reply_time_in_minutes": {"calendar": 42, "business": 20},
        },
    }
    return {**given, **values}


def zendesk_survey_response(**answer: Any) -> Row:
    """An answer to the newer satisfaction survey."""
    rated = {
        "type": "rating_scale",
        "question": {"id": "01A", "type": "rating_scale_numeric", "sub_type": "customer_satisfaction"},
        "rating": 2,
        "rating_category": "bad",
        "created_at": "2026-11-01T10:00:00.000Z",
        "updated_at": "2026-11-02T10:00:00.000Z",
        **answer,
    }
    comment = {"type": "open_ended", "question": {"id": "01B", "type": "open_ended"}, "value": "meh"}
    return {
        "id": "01J1WB51MG6HXTYWE6Q0C93RNW",
        "responder_id": 9001,
        "subjects": [{"id": "35", "type": "ticket", "zrn": "zen:ticket:35"}],
        "survey": {"id": "01C", "version": 3, "state": "enabled"},
        "answers": [comment, rated],
    }
