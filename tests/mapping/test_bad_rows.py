"""What becomes of rows that are wrong: nothing is lost, nothing raises, one bad value costs that value only."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.fields import FieldMap, Mapped
from mapping.schema import Account, Contact, Ticket
from tests.mapping.rows import NOW, hubspot_contact, hubspot_row, zendesk_survey_response, zendesk_ticket

HUBSPOT, ZENDESK, MIXPANEL = (FieldMap.load(vendor) for vendor in ("hubspot", "zendesk", "mixpanel"))
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def contacts(*rows: Any) -> Mapped:
    return HUBSPOT.apply("crm", "contacts", rows, NOW)


def tickets(*rows: Any) -> Mapped:
    return ZENDESK.apply("zd", "tickets", rows, NOW)


@pytest.mark.parametrize("row", [None, 3, "text", [], [1], True, 1.5])
def test_rows_that_are_no_objects_are_refused(row: Any) -> None:
    mapped = contacts(row, hubspot_contact())
    assert len(mapped.records) == 1
    (reject,) = mapped.rejects
    assert reject.source_id is None
    assert reject.reason == f"the row is {type(row).__name__}, not an object"
    assert json.loads(reject.row) == row


@pytest.mark.parametrize("vendor_id", [None, "", " ", [], {}, True, "9" * 300, 1.5])
def test_a_record_without_a_readable_id_is_refused(vendor_id: Any) -> None:
    mapped = contacts(hubspot_contact() | {"id": vendor_id})
    assert mapped.records == []
    assert mapped.rejects[0].reason.startswith("source_id: ")


@pytest.mark.parametrize("properties", [None, "text", 3, [], [{"email": "a@b.example"}]])
def test_wrong_nesting_is_refused_rather_than_read_as_empty(properties: Any) -> None:
    mapped = contacts(hubspot_contact() | {"properties": properties})
    assert (mapped.records, len(mapped.rejects)) == ([], 1)
    assert mapped.rejects[0].reason.startswith("properties: ")


def test_an_unreadable_optional_value_is_dropped_and_counted() -> None:
    mapped = contacts(hubspot_contact(email="no address"), hubspot_contact(jobtitle={"a": 1}), hubspot_contact())
    assert [(r.email, r.title) for r in mapped.records if isinstance(r, Contact)] == [
        (None, "Head of Things"),
        ("ann@acme.example", None),
        ("ann@acme.example", "Head of Things"),
    ]
    assert mapped.rejects == []
    assert mapped.warnings == {"email: not an e-mail address": 1, "title: not text": 1}


def test_a_required_value_that_is_unreadable_refuses_the_record_with_a_reason_for_people() -> None:
    mapped = tickets(zendesk_ticket(status="exploded"), zendesk_ticket(created_at="banana"))
    assert [reject.reason for reject in mapped.rejects] == [
        "status: 'exploded' is not one of closed, hold, new, open, pending, solved",
        "created_at: 'banana' is not a point in time (ISO 8601, or epoch seconds or milliseconds, from 1990 to 2200)",
    ]
    assert [(reject.source, reject.stream, reject.source_id) for reject in mapped.rejects] == [
        ("zd", "tickets", "35")
    ] * 2


def test_something_that_happened_in_2056_did_not_happen() -> None:
    mapped = tickets(zendesk_ticket(created_at="2056-01-01T00:00:00Z"))
    assert mapped.rejects[0].reason == "created_at: '2056-01-01 00:00' is not a point in time up to now"
    dropped = contacts(hubspot_contact() | {"updatedAt": "2056-01-01T00:00:00Z"})
    assert dropped.records[0].updated_at is None
    assert dropped.warnings == {"updated_at: not a point in time up to now": 1}


def test_clocks_may_differ_by_a_day() -> None:
    soon, later = NOW + timedelta(hours=23), NOW + timedelta(hours=25)
    assert len(tickets(zendesk_ticket(created_at=soon.isoformat())).records) == 1
    assert len(tickets(zendesk_ticket(created_at=later.isoformat())).records) == 0


def test_a_customer_may_be_signed_ahead_but_not_for_decades() -> None:
    rows = [hubspot_row({"customer_since": day, "renewal_date": day}) for day in ("2027-03-01", "2056-01-01")]
    mapped = HUBSPOT.apply("crm", "companies", rows, NOW)
    accounts = [record for record in mapped.records if isinstance(record, Account)]
    assert [(a.customer_since is None, a.renewal_date is None) for a in accounts] == [(False, False), (True, False)]
    assert mapped.warnings == {"customer_since: not a day at most a year ahead": 1}


def test_long_text_is_cut_and_long_comments_are_not_looked_at() -> None:
    huge = "x" * 3_000_000
    mapped = contacts(hubspot_contact(jobtitle=huge))
    (record,) = mapped.records
    assert isinstance(record, Contact)
    assert record.title == "x" * 255
    assert mapped.warnings == {"title: cut to 255 characters": 1}
    assert len(tickets(zendesk_ticket(description=huge)).records) == 1


def test_a_refused_row_is_kept_short_without_secrets_or_what_people_wrote() -> None:
    row = zendesk_ticket(status="y" * 3_000_000, description="please keep this private")
    (reject,) = tickets(row).rejects
    assert len(reject.row) < 4096
    assert len(reject.reason) < 500
    kept = json.loads(reject.row)
    assert "description" not in kept
    assert kept["status"].endswith("(3000000 characters)")
    hidden = ZENDESK.apply("zd", "tickets", [{"_metric_set": {"api_token": "abc"}, "priority": float("nan")}], NOW)
    assert json.loads(hidden.rejects[0].row) == {"_metric_set": {"api_token": "***"}, "priority": "nan"}
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    assert "..." in ZENDESK.apply("zd", "tickets", [{"_metric_set": deep}], NOW).rejects[0].row


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "NaN", "Infinity", "-1e999", True, [], "12,5"])
def test_no_number_is_no_amount(value: Any) -> None:
    mapped = HUBSPOT.apply("crm", "deals", [hubspot_row({"amount": value})], NOW)
    assert mapped.records[0].amount is None  # type: ignore[attr-defined]  # a deal
    assert mapped.warnings == {"amount: not an amount such as 1250.50": 1}


def test_a_negative_revenue_is_dropped_by_the_schema() -> None:
    mapped = HUBSPOT.apply("crm", "companies", [hubspot_row({"monthly_recurring_revenue": "-1"})], NOW)
    assert mapped.records[0].mrr is None  # type: ignore[attr-defined]  # an account
    assert mapped.warnings == {"mrr: Input should be greater than or equal to 0": 1}


def test_half_characters_cost_their_field_or_their_record() -> None:
    mapped = contacts(hubspot_contact(jobtitle="a\ud800b"), hubspot_contact(), hubspot_contact() | {"id": "7\ud800"})
    assert [r.title for r in mapped.records if isinstance(r, Contact)] == [None, "Head of Things"]
    (reject,) = mapped.rejects
    for text in (reject.source_id or "", reject.reason, reject.row):
        text.encode()


def test_unknown_keys_are_counted_and_fail_nothing() -> None:
    row = hubspot_contact(shoe_size="44", holdfast_health="3") | {"brandNew": 1, "_associations2": 2}
    mapped = contacts(row, row, hubspot_contact())
    assert len(mapped.records) == 3
    assert mapped.unknown == {"properties.shoe_size": 2, "brandNew": 2}


def test_a_missing_side_table_costs_only_what_it_holds() -> None:
    row = zendesk_ticket()
    del row["_metric_set"]
    (ticket,) = tickets(row).records
    assert isinstance(ticket, Ticket)
    assert (ticket.first_reply_minutes, ticket.reopens) == (None, None)


STREAMS = [(fields, stream) for fields in (HUBSPOT, ZENDESK, MIXPANEL) for stream in fields.streams]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_row_ends_in_exactly_one_place(data: st.DataObject) -> None:
    fields, stream = data.draw(st.sampled_from(STREAMS))
    samples: list[dict[str, Any]] = [
        hubspot_contact(),
        zendesk_ticket(),
        zendesk_survey_response(),
        {"$distinct_id": "u1"},
    ]
    row = st.sampled_from(samples).flatmap(
        lambda sample: st.builds(
            lambda changed, inner: {**sample, **changed, "properties": inner, "$properties": inner},
            st.dictionaries(st.sampled_from([*sample, "status", "id"]), JUNK, max_size=3),
            st.dictionaries(st.sampled_from(["email", "hs_value", "hs_survey_type", "$email"]), JUNK, max_size=3),
        )
    )
    rows = data.draw(st.lists(row | JUNK, max_size=6))
    mapped = fields.apply("s", stream, rows, NOW)
    placed = len(mapped.records) + len(mapped.rejects) + len(mapped.deleted) + mapped.skipped.total()
    assert placed == len(rows)
    for reject in mapped.rejects:
        assert reject.reason
        assert len(reject.row) <= 4096


@settings(deadline=None)
@given(st.lists(JUNK | st.builds(hubspot_contact, email=JUNK, jobtitle=JUNK), max_size=8), st.data())
def test_any_split_into_pages_gives_the_same(rows: list[Any], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows)))
    whole, first, second = contacts(*rows), contacts(*rows[:at]), contacts(*rows[at:])
    assert whole.records == first.records + second.records
    assert sorted(map(repr, whole.rejects)) == sorted(map(repr, first.rejects + second.rejects))
    assert whole.warnings == first.warnings + second.warnings
    assert whole.unknown == first.unknown + second.unknown


@settings(deadline=None)
@given(
    st.integers(1, 2**53),
    st.emails() | st.none(),
    st.text(max_size=30),
    st.datetimes(NOW.replace(tzinfo=None, year=2000), NOW.replace(tzinfo=None)),
)
def test_a_record_survives_the_way_to_the_vendor_and_back(number: int, email: str | None, title: str, at: Any) -> None:
    row = hubspot_contact(email=email, jobtitle=title) | {"id": str(number), "updatedAt": at.isoformat() + "Z"}
    mapped = contacts(row)
    (record,) = mapped.records
    assert isinstance(record, Contact)
    again = hubspot_contact(email=record.email, jobtitle=record.title)
    again |= {"id": record.source_id, "updatedAt": record.updated_at.isoformat() if record.updated_at else None}
    assert contacts(again).records == [record]
