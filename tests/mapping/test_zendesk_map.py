from datetime import UTC, datetime
from typing import Any

import pytest

from mapping.fields import FieldMap
from mapping.schema import Account, Contact, Membership, SurveyResponse, Ticket
from tests.mapping.rows import NOW, zendesk_survey_response, zendesk_ticket

ZENDESK = FieldMap.load("zendesk")
STAMPS = {"created_at": "2025-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}


def one(stream: str, row: dict[str, Any]) -> Any:
    mapped = ZENDESK.apply("zd", stream, [row], NOW)
    assert mapped.rejects == []
    assert mapped.unknown == {}
    (record,) = mapped.records
    return record


def test_a_ticket() -> None:
    assert one("tickets", zendesk_ticket()) == Ticket(
        source="zd",
        source_id="35",
        updated_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
        account_ref="71",
        contact_ref="9001",
        status="open",
        priority="high",
        created_at=datetime(2026, 11, 1, 10, tzinfo=UTC),
        first_reply_minutes=42,
        reopens=1,
    )


def test_the_generated_stamp_decides_which_version_is_newer() -> None:
    without = zendesk_ticket()
    del without["generated_timestamp"]
    assert one("tickets", without).updated_at == datetime(2026, 11, 1, 11, tzinfo=UTC)


def test_deleted_tickets_and_organizations_are_told_to_the_store() -> None:
    mapped = ZENDESK.apply("zd", "tickets", [zendesk_ticket(status="deleted"), zendesk_ticket(id=36)], NOW)
    assert mapped.deleted == ["35"]
    assert [record.source_id for record in mapped.records] == ["36"]
    gone = {"id": 71, "name": "Acme", "deleted_at": "2026-11-01T00:00:00Z", **STAMPS}
    assert ZENDESK.apply("zd", "organizations", [gone], NOW).deleted == ["71"]


def test_a_deleted_row_without_an_id_is_refused() -> None:
    mapped = ZENDESK.apply("zd", "tickets", [zendesk_ticket(status="deleted", id=None)], NOW)
    assert (mapped.deleted, len(mapped.rejects)) == ([], 1)


@pytest.mark.parametrize(
    ("values", "staff", "active"),
    [
        ({"role": "end-user", "active": True, "suspended": False}, False, True),
        ({"role": "end-user", "active": True, "suspended": True}, False, False),
        ({"role": "end-user", "active": False}, False, False),
        ({"role": "agent"}, True, True),
        ({"role": "admin", "active": True}, True, True),
        ({"role": "light-agent-of-2030"}, True, True),
    ],
)
def test_users(values: dict[str, Any], staff: bool, active: bool) -> None:  # noqa: FBT001 - the table above
    row = {"id": 9001, "email": None, "external_id": "usr_1", "organization_id": 71, **values, **STAMPS}
    user = one("users", row)
    assert isinstance(user, Contact)
    assert (user.staff, user.active, user.email) == (staff, active, None)
    assert user.external_ids == {"any": "usr_1"}
    assert (user.account_ref, user.account_refs) == ("71", ("71",))


def test_organizations_and_memberships() -> None:
    row = {"id": 71, "name": "Acme", "external_id": "0042", "domain_names": ["Acme.example", "x"], **STAMPS}
    account = one("organizations", row)
    assert isinstance(account, Account)
    assert (account.domains, account.external_ids) == (("acme.example",), {"any": "0042"})
    member = one("organization_memberships", {"id": 4, "user_id": 9001, "organization_id": 71, "default": True})
    assert member == Membership(source="zd", source_id="4", contact_ref="9001", account_ref="71")


@pytest.mark.parametrize(("score", "satisfied"), [("good", True), ("bad", False), ("good_with_comment", True)])
@pytest.mark.requirement("R124")
def test_the_older_satisfaction_system(score: str, satisfied: bool) -> None:  # noqa: FBT001 - the table above
    row = {"id": 5, "ticket_id": 35, "requester_id": 9001, "score": score, "comment": "thanks", **STAMPS}
    answer = one("satisfaction_ratings", row)
    assert isinstance(answer, SurveyResponse)
    assert (answer.survey, answer.score, answer.scale_min, answer.scale_max) == ("csat", int(satisfied), 0, 1)
    assert (answer.satisfied, answer.ticket_ref, answer.contact_ref) == (satisfied, "35", "9001")


def test_offered_is_not_answered() -> None:
    rows = [{"id": n, "score": score, **STAMPS} for n, score in enumerate(("offered", "unoffered"))]
    mapped = ZENDESK.apply("zd", "satisfaction_ratings", rows, NOW)
    assert (mapped.records, mapped.rejects, mapped.skipped) == ([], [], {"score": 2})


@pytest.mark.parametrize(
    ("rating", "category", "satisfied"), [(5, "good", True), (3, "neutral", None), (3, "bad", False), (1, None, None)]
)
def test_the_newer_satisfaction_system_goes_by_the_category(rating: int, category: str | None, satisfied: Any) -> None:
    answer = one("survey_responses", zendesk_survey_response(rating=rating, rating_category=category))
    assert (answer.survey, answer.score, answer.scale_min, answer.scale_max) == ("csat", rating, 1, 5)
    assert (answer.satisfied, answer.ticket_ref, answer.contact_ref) == (satisfied, "35", "9001")
    assert answer.responded_at == answer.updated_at == datetime(2026, 11, 2, 10, tzinfo=UTC)


def test_survey_responses_without_a_rating_are_no_answers() -> None:
    unrated = zendesk_survey_response(rating=None, type="skipped")
    commented = zendesk_survey_response() | {"answers": []}
    mapped = ZENDESK.apply("zd", "survey_responses", [unrated, commented], NOW)
    assert (mapped.records, mapped.rejects, mapped.skipped.total()) == ([], [], 2)


@pytest.mark.parametrize("row", [{"unreadable": "text"}, {}, {"id": None, "answers": []}, {"id": {}, "answers": []}])
def test_a_row_without_an_id_is_no_unanswered_survey_but_unreadable(row: dict[str, Any]) -> None:
    mapped = ZENDESK.apply("zd", "survey_responses", [row], NOW)
    assert (mapped.records, mapped.skipped.total()) == ([], 0)
    (reject,) = mapped.rejects
    assert reject.source_id is None
    assert "source_id" in reject.reason
