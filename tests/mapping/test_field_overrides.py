from typing import Any

import pytest

from mapping.fields import FieldMap, FieldMapError, vendors
from mapping.kinds import CONVERTERS_OF, kinds
from mapping.schema import RECORDS
from tests.mapping.rows import NOW, hubspot_contact, hubspot_row


def load(stream: str, fields: Any, vendor: str = "hubspot") -> FieldMap:
    return FieldMap.load(vendor, {stream: fields}, file="holdfast.toml", prefix="crm.fields")


def test_a_line_of_the_config_replaces_a_line_of_the_map() -> None:
    fields = load("companies", {"plan": "properties.my_plan", "currency": "const:eur"})
    row = hubspot_row({"my_plan": "gold", "plan_name": "silver", "monthly_recurring_revenue": "3"})
    mapped = fields.apply("crm", "companies", [row], NOW)
    assert (mapped.records[0].plan, mapped.records[0].currency) == ("gold", "EUR")  # type: ignore[attr-defined]  # an account
    assert "my_plan" in fields.paths("companies")
    assert "plan_name" not in fields.paths("companies")


def test_a_field_can_be_switched_off() -> None:
    fields = load("contacts", {"title": "", "external_ids": {"product": "", "zendesk": "properties.zendesk_user_id"}})
    (record,) = fields.apply("crm", "contacts", [hubspot_contact(zendesk_user_id="9001")], NOW).records
    assert record.title is None  # type: ignore[attr-defined]  # a contact
    assert record.external_ids == {"zendesk": "9001"}  # type: ignore[attr-defined]
    assert load("contacts", {"external_ids": ""}).paths("contacts") == [
        "email",
        "hs_additional_emails",
        "hs_buying_role",
        "hs_email_optout",
        "hubspot_owner_id",
        "jobtitle",
    ]


def test_every_form_of_a_line() -> None:
    fields = load(
        "contacts",
        {
            "title": ["properties.role_title", {"join": ["properties.a", "properties.b"]}],
            "staff": {"path": "properties.email", "matches": ["*@acme.example", "bot-?@*"]},
            "active": {
                "path": "properties.state",
                "values": {"on": True, "off": False},
                "otherwise": False,
                "default": True,
            },
            "other_emails": {"path": "properties.mails", "separator": ","},
            "last_login_at": {"path": "properties.seen", "as": "instant"},
        },
    )
    given = {"a": "Head", "b": " of Sales", "mails": "x@y.example,z@y.example", "seen": "1772359200000", "state": "odd"}
    first, second = fields.apply(
        "crm", "contacts", [hubspot_contact(**given), hubspot_contact(email=None)], NOW
    ).records
    assert first.title == "Head of Sales"  # type: ignore[attr-defined]  # contacts all
    assert (first.staff, first.active) == (True, False)  # type: ignore[attr-defined]
    assert first.other_emails == ("x@y.example", "z@y.example")  # type: ignore[attr-defined]
    assert first.last_login_at.year == 2026  # type: ignore[attr-defined]
    assert (second.staff, second.active) == (False, True)  # type: ignore[attr-defined]


def test_amounts_can_be_minor_units_already() -> None:
    fields = load("companies", {"mrr": {"path": "properties.cents", "as": "minor"}})
    (record,) = fields.apply("crm", "companies", [hubspot_row({"cents": "125050"})], NOW).records
    assert record.mrr == 125050  # type: ignore[attr-defined]  # an account


@pytest.mark.parametrize(
    ("stream", "fields", "key", "said"),
    [
        ("contact", {}, "crm.fields.contact", "Did you mean 'contacts'?"),
        ("contacts", {"emial": "properties.email"}, "crm.fields.contacts.emial", "Did you mean 'email'?"),
        ("contacts", "properties.email", "crm.fields.contacts", "must be a table"),
        ("contacts", {"title": 3}, "crm.fields.contacts.title", "must be a table"),
        ("contacts", {"title": "job_title"}, "crm.fields.contacts.title", "Did you mean 'properties.job_title'?"),
        ("contacts", {"title": {"path": "job_title"}}, "crm.fields.contacts.title", "start with 'properties.'"),
        ("contacts", {"title": ["job_title"]}, "crm.fields.contacts.title", "start with 'properties.'"),
        ("contacts", {"external_ids": {"zd": "zd_id"}}, "crm.fields.contacts.external_ids", "start with 'properties.'"),
        ("contacts", {"title": "properties..x"}, "crm.fields.contacts.title", "must be a path such as"),
        ("contacts", {"title": {"as": "text"}}, "crm.fields.contacts.title.path", "must be a path such as"),
        ("contacts", {"title": {"path": 3}}, "crm.fields.contacts.title.path", "must be a path such as"),
        ("contacts", {"title": {"pth": "x"}}, "crm.fields.contacts.title.pth", "Did you mean 'path'?"),
        ("contacts", {"email": {"path": "properties.e", "as": "emial"}}, "crm.fields.contacts.email.as", "'email'?"),
        ("contacts", {"email": {"path": "properties.e", "as": "int"}}, "crm.fields.contacts.email.as", "read as email"),
        ("contacts", {"source_id": ""}, "crm.fields.contacts.source_id", "every contact needs source_id"),
        (
            "contacts",
            {"staff": {"path": "properties.x", "values": {"a": "yes"}}},
            "crm.fields.contacts.staff.values.a",
            "true or false",
        ),
        (
            "contacts",
            {"staff": {"path": "properties.x", "otherwise": 1}},
            "crm.fields.contacts.staff.otherwise",
            "true or",
        ),
        (
            "contacts",
            {"staff": {"path": "properties.x", "default": "x"}},
            "crm.fields.contacts.staff.default",
            "true or",
        ),
        (
            "contacts",
            {"title": {"path": "properties.x", "matches": ["a"]}},
            "crm.fields.contacts.title.matches",
            "true or",
        ),
        (
            "contacts",
            {"staff": {"path": "properties.x", "matches": "a"}},
            "crm.fields.contacts.staff.matches",
            "list of",
        ),
        (
            "contacts",
            {"other_emails": {"path": "properties.x", "separator": 1}},
            "crm.fields.contacts.other_emails.separator",
            "text",
        ),
        (
            "contacts",
            {"title": {"path": "properties.x", "values": {"a": 1}}},
            "crm.fields.contacts.title.values.a",
            "text",
        ),
        ("contacts", {"title": {"join": []}}, "crm.fields.contacts.title.join", "list of texts"),
        ("contacts", {"external_ids": "properties.x"}, "crm.fields.contacts.external_ids", "must be a table"),
        ("companies", {"mrr": "const:lots"}, "crm.fields.companies.mrr", "an amount such as"),
        (
            "tickets",
            {"status": {"path": "_stage.label", "values": {"Done": "slved"}}},
            "crm.fields.tickets.status.values.Done",
            "'solved'?",
        ),
        (
            "feedback_submissions",
            {"scale_max": {"path": "properties.x", "values": {"a": "5"}}},
            "crm.fields.feedback_submissions.scale_max.values.a",
            "a whole number",
        ),
        (
            "feedback_submissions",
            {"external_ids": {"a": "b"}},
            "crm.fields.feedback_submissions.external_ids",
            "unknown field",
        ),
    ],
)
def test_a_wrong_line_is_named_with_its_place_and_what_is_allowed(
    stream: str, fields: Any, key: str, said: str
) -> None:
    with pytest.raises(FieldMapError) as caught:
        load(stream, fields)
    assert caught.value.key == key
    assert caught.value.file == "holdfast.toml"
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"holdfast.toml: {key} = ")


def test_wrong_overrides_as_a_whole() -> None:
    with pytest.raises(FieldMapError, match=r"sources\.zendesk\.fields = list of 0: must be a table"):
        FieldMap.load("zendesk", [])  # type: ignore[arg-type]  # what a config may hold
    with pytest.raises(FieldMapError, match="Did you mean 'account'"):
        load("events", {"acount": "properties.x"}, "mixpanel")
    with pytest.raises(FieldMapError, match=r"crm\.fields\.events\.time = 3: must be a path"):
        load("events", {"time": 3}, "mixpanel")


def test_unknown_vendors_and_streams_name_the_nearest() -> None:
    with pytest.raises(FieldMapError, match="Did you mean 'hubspot'"):
        FieldMap.load("hubspott")
    with pytest.raises(FieldMapError, match="Did you mean 'contacts'"):
        FieldMap.load("hubspot").apply("crm", "contact", [], NOW)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"record": "contacts", "fields": {"source_id": "id"}}, "Did you mean 'contact'?"),
        ({"fields": {}}, "the name of a record"),
        ({"record": "contact", "base": 3, "fields": {}}, "the name of an object"),
        ({"record": "contact", "ignore": [1], "fields": {}}, "must be a list of texts"),
        ({"record": "contact", "fields": {"source_id": "id"}, "skip": {}}, "must be a list of conditions"),
        ({"record": "contact", "fields": {"source_id": "id"}, "skip": [{"path": "x"}]}, "exactly one of"),
        (
            {"record": "contact", "fields": {"source_id": "id"}, "skip": [{"path": "x", "absent": False}]},
            "exactly one of",
        ),
        ({"record": "contact", "fields": {"source_id": "id"}, "deleted": [{"values": ["x"]}]}, "must be a path"),
        ({"record": "ticket", "fields": {"source_id": "id"}}, "every ticket needs status"),
    ],
)
def test_a_wrong_map_of_an_outside_vendor(table: Any, said: str) -> None:
    with pytest.raises(FieldMapError, match=said.replace("?", r"\?")):
        FieldMap.build("other", {"things": table})


@pytest.mark.parametrize("vendor", vendors())
def test_shipped_maps_are_sound(vendor: str) -> None:
    fields = FieldMap.load(vendor)
    assert fields.streams
    for stream in fields.streams:
        assert fields.record(stream) in RECORDS
        assert fields.paths(stream) == sorted(set(fields.paths(stream)))
        empty = fields.apply("s", stream, [], NOW)
        assert (empty.records, empty.rejects) == ([], [])


@pytest.mark.parametrize("record", sorted(RECORDS))
def test_every_field_of_the_schema_has_a_kind(record: str) -> None:
    assert set(kinds(record).values()) <= set(CONVERTERS_OF)
    assert set(kinds(record)) | {"source", "external_ids"} >= set(RECORDS[record].model_fields)
