from datetime import UTC, datetime

from mapping.fields import EventMap, FieldMap
from mapping.schema import Account, Contact
from tests.mapping.rows import NOW

MIXPANEL = FieldMap.load("mixpanel")


def test_profiles() -> None:
    rows = [
        {
            "$distinct_id": 40001653,
            "$properties": {
                "$email": "Ann@Acme.example",
                "$name": "Ann",
                "$last_seen": "2026-11-20T10:00:00",
                "$created": "2025-01-01T00:00:00",
                "company_id": ["org_1", "org_2"],
            },
        },
        {"$distinct_id": "svc.ab12.mp-service-account", "$properties": {"$email": "svc.mp-service-account"}},
        {"$distinct_id": "$device:1b2c", "$properties": {}},
    ]
    mapped = MIXPANEL.apply("mp", "profiles", rows, NOW)
    assert mapped.rejects == []
    assert mapped.skipped == {"$distinct_id": 1}
    ann, service = mapped.records
    assert ann == Contact(
        source="mp",
        source_id="40001653",
        email="ann@acme.example",
        external_ids={"product": "40001653"},
        account_refs=("org_1", "org_2"),
        last_login_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
    )
    assert isinstance(service, Contact)
    assert service.staff
    assert mapped.warnings == {"email: not an e-mail address": 1}


def test_somebody_in_one_group_has_that_account() -> None:
    row = {"$distinct_id": "usr_1", "$properties": {"company_id": "org_1"}}
    (record,) = MIXPANEL.apply("mp", "profiles", [row], NOW).records
    assert isinstance(record, Contact)
    assert record.account_ref == "org_1"


def test_an_address_that_serves_as_user_id_is_an_address_too() -> None:
    rows = [{"$distinct_id": "Ann@Acme.example", "$properties": {"$email": "ann@new.example"}}]
    rows += [{"$distinct_id": "usr_1", "$properties": {}}]
    mapped = MIXPANEL.apply("mp", "profiles", rows, NOW)
    ann, other = mapped.records
    assert isinstance(ann, Contact)
    assert (ann.source_id, ann.email, ann.other_emails) == (
        "Ann@Acme.example",
        "ann@new.example",
        ("ann@acme.example",),
    )
    assert isinstance(other, Contact)
    assert (other.other_emails, mapped.warnings) == ((), {})


def test_groups() -> None:
    row = {"$distinct_id": "00042", "$properties": {"company name": "Acme; Inc"}}
    (record,) = MIXPANEL.apply("mp", "groups", [row], NOW).records
    assert record == Account(source="mp", source_id="00042", name="Acme; Inc", external_ids={"any": "00042"})


def test_events_say_where_things_are_and_can_be_overridden() -> None:
    usage = FieldMap.load("mixpanel", {"events": {"account": "properties.workspace"}}).events()
    assert usage == EventMap(
        name="event",
        time="properties.time",
        person="properties.$user_id",
        distinct_id="properties.distinct_id",
        account="properties.workspace",
        insert_id="properties.$insert_id",
        arrived="properties.mp_processing_time_ms",
        device="properties.$device_id",
        device_prefix="$device:",
    )
