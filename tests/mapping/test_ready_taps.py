"""The ready maps for Singer taps: rows in the shape of the taps' published schemas become the records they should."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.app import wire
from cli.config import InvalidConfigError, load
from mapping.fields import FieldMap, ready_map, ready_maps

NOW = datetime(2026, 11, 22, tzinfo=UTC)
AT = "2026-11-01T10:00:00.000000Z"
TIME = datetime(2026, 11, 1, 10, tzinfo=UTC)
OWN = {"record", "fields", "skip", "deleted", "ignore"}
CONFIG = """
[crm]
type = "hubspot"
token = { env = "TOKEN" }
[sources.billing]
type = "singer"
command = "tap-chargebee"
ready = "tap-chargebee"
[sources.billing.config]
site = "acme"
[sources.billing.secrets]
api_key = { env = "TAP_KEY" }
[sources.billing.streams]
invoices = ""
[sources.billing.streams.customers.fields.external_ids]
crm = "cf_crm_id"
"""


def mapped(tap: str, stream: str, row: dict[str, Any]) -> Any:
    """The one record that a row becomes, or None."""
    tables = {name: {key: one for key, one in table.items() if key in OWN} for name, table in ready_map(tap).items()}
    fields = FieldMap.of_config("singer", tables, file="config.toml", prefix="streams")
    found = fields.apply("tap", stream, [{"created_at": AT, "updated_at": AT, **row}], NOW)
    assert found.rejects == []
    return found.records[0] if found.records else None


@pytest.mark.parametrize(
    ("tap", "stream", "row", "wanted"),
    [
        ("freshdesk", "companies", {"id": 7, "name": "A", "domains": ["A.example"]}, {"domains": ("a.example",)}),
        ("freshdesk", "contacts", {"id": 1, "email": "Q@a.example", "company_id": 7.0}, {"email": "q@a.example"}),
        (
            "freshdesk",
            "tickets",
            {"id": 1, "status": 2, "priority": 4, "source": 1},
            {"status": "open", "priority": "urgent"},
        ),
        (
            "freshdesk",
            "tickets",
            {"id": 1, "status": 4.0, "stats": {"resolved_at": AT}},
            {"status": "solved", "solved_at": TIME},
        ),
        (
            "freshdesk",
            "tickets",
            {"id": 1, "status": 17, "priority": 9, "source": 99},
            {"status": "open", "priority": None},
        ),
        (
            "chargebee",
            "customers",
            {"id": "c", "company": "A", "email": "x@a.example"},
            {"domains": ("a.example",), "name": "A"},
        ),
        ("chargebee", "billing_contacts", {"id": "c", "email": "x@a.example"}, {"account_ref": "c"}),
        (
            "chargebee",
            "subscriptions",
            {
                "id": "s",
                "customer_id": "c",
                "status": "non_renewing",
                "mrr": 9900,
                "currency_code": "eur",
                "cancelled_at": AT,
            },
            {"mrr": 9900, "currency": "EUR", "cancel_at": TIME},
        ),
        (
            "chargebee",
            "invoices",
            {
                "id": "i",
                "customer_id": "c",
                "status": "payment_due",
                "amount_due": 500,
                "currency_code": "USD",
                "date": AT,
                "due_date": AT,
                "dunning_status": "in_progress",
            },
            {"status": "open", "amount_due": 500, "failed_attempts": 1, "due_date": date(2026, 11, 1)},
        ),
        (
            "recurly",
            "accounts",
            {"id": "a", "code": "org-1", "company": "A", "state": "active"},
            {"external_ids": {"any": "org-1"}},
        ),
        (
            "recurly",
            "subscriptions",
            {"id": "s", "account": {"id": "a"}, "state": "canceled", "currency": "USD", "expires_at": AT},
            {"account_ref": "a", "cancel_at": TIME},
        ),
        (
            "recurly",
            "invoices",
            {
                "id": "i",
                "account": {"id": "a"},
                "type": "charge",
                "state": "past_due",
                "balance": 12.5,
                "currency": "USD",
            },
            {"amount_due": 1250, "status": "open", "failed_attempts": 1},
        ),
    ],
)
def test_a_row_becomes_its_record(tap: str, stream: str, row: dict[str, Any], wanted: dict[str, Any]) -> None:
    record = mapped(f"tap-{tap}", stream, row)
    assert {name: getattr(record, name) for name in wanted} == wanted
    assert record.updated_at == TIME


@pytest.mark.parametrize(
    ("tap", "stream", "row"),
    [
        ("freshdesk", "contacts", {"id": 1, "deleted": True}),
        ("freshdesk", "tickets", {"id": 1, "status": 2, "spam": True}),
        ("chargebee", "subscriptions", {"id": "s", "status": "cancelled"}),
        ("chargebee", "billing_contacts", {"id": "c"}),
        ("recurly", "accounts", {"id": "a", "deleted_at": AT}),
        ("recurly", "invoices", {"id": "i", "type": "credit"}),
    ],
)
def test_what_is_gone_or_something_else_becomes_none(tap: str, stream: str, row: dict[str, Any]) -> None:
    assert mapped(f"tap-{tap}", stream, row) is None


def test_the_config_lays_its_lines_over_a_ready_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"tap-freshdesk", "tap-chargebee", "tap-recurly"} <= set(ready_maps())
    monkeypatch.setenv("TOKEN", "pat-1")
    monkeypatch.setenv("TAP_KEY", "canary-tap-1")
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    (_, (source, fields)) = wire(path).sources
    assert [stream.name for stream in source.streams] == ["customers", "billing_contacts", "subscriptions"]
    assert {"cf_crm_id", "relationship.parent_id"} <= set(fields.paths("customers"))
    settings = load(path).sources[0].settings
    assert settings.secrets["api_key"].get_secret_value() == "canary-tap-1"
    assert "canary-tap-1" not in repr(settings)
    path.write_text(CONFIG.replace('{ env = "TAP_KEY" }', '"canary-tap-1"'))
    with pytest.raises(InvalidConfigError) as caught:
        load(path)
    assert "sources.billing.secrets.api_key: a secret does not belong into the config" in str(caught.value)
    assert "canary" not in str(caught.value)
