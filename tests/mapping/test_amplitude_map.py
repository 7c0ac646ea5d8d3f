"""Amplitude's users and events, as the shipped map reads them."""

from datetime import UTC, datetime

from connectors.amplitude_settings import Settings
from mapping.fields import FieldMap
from mapping.schema import Contact

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_users() -> None:
    rows = [
        {"user_id": "00042", "user_properties": {"email": "Ann@Acme.example"}},
        {"user_id": "bob@acme.example", "user_properties": {"email": None}},
        {"user_id": "", "user_properties": {}},
    ]
    fields = FieldMap.load("amplitude")
    mapped = fields.apply("app", "users", rows, NOW)
    known = {"source": "app", "updated_at": None}
    ann, bob = mapped.records
    assert ann == Contact(source_id="00042", email="ann@acme.example", external_ids={"product": "00042"}, **known)
    assert isinstance(bob, Contact)
    assert (bob.email, bob.other_emails) == (None, ("bob@acme.example",))
    assert len(mapped.rejects) == 1
    assert not mapped.unknown
    assert fields.paths("users") == ["email"], "nothing else of a user is kept"


def test_the_group_that_names_the_customer_is_a_setting() -> None:
    settings = Settings(api_key="k", secret_key="s", account_key="workspace")
    events = FieldMap.load("amplitude", settings.field_overrides()).events()
    assert events is not None
    assert (events.account, events.person, events.times) == ("groups.workspace", "user_id", "text")
