"""What Stripe's objects mean: the vendor's own fixtures and rows as the connector makes them, through the map."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors.stripe_lists import Lists
from connectors.stripe_rows import Rows
from mapping.fields import FieldMap
from mapping.schema import Account, Contact, Invoice, Subscription
from tests.contracts import contract
from tests.mapping.rows import NOW

STRIPE = FieldMap.load("stripe")
SECOND = int(NOW.timestamp())


class NoWire:
    """Nothing needs to be asked for."""


def one(stream: str, row: dict[str, Any]) -> Any:
    mapped = STRIPE.apply("stripe", stream, [row], NOW)
    assert (mapped.rejects, mapped.unknown, mapped.warnings) == ([], {}, {})
    (record,) = mapped.records
    return record


@pytest.fixture
def rows() -> Rows:
    wire: Any = NoWire()
    return Rows(Lists(wire), lambda: SECOND)


def test_a_customer_and_its_address() -> None:
    row = contract("stripe", "fixtures3.trimmed.json")["resources"]["customer"]
    row |= {"email": "Billing@Acme.Example", "name": "Acme", "metadata": {"crm_id": "80017", "company_id": "org_1"}}
    assert one("customers", row) == Account(
        source="stripe",
        source_id="cus_QXg1o8vcGmoR32",
        name="Acme",
        domains=("acme.example",),
        external_ids={"crm": "80017", "product": "org_1"},
        created_at=datetime(2009, 2, 13, 23, 31, 30, tzinfo=UTC),
    )
    address = {"id": row["id"], "email": row["email"]}
    found = one("addresses", address)
    assert isinstance(found, Contact)
    assert (found.source_id, found.email, found.account_ref) == (row["id"], "billing@acme.example", row["id"])


def test_a_deleted_customer_takes_its_address_along() -> None:
    row = contract("stripe", "fixtures3.trimmed.json")["resources"]["deleted_customer"]
    for stream in ("customers", "addresses"):
        mapped = STRIPE.apply("stripe", stream, [row], NOW)
        assert (mapped.deleted, mapped.records, mapped.rejects) == (["cus_QXg1o8vcGmoR32"], [], [])


def test_a_subscription_of_the_fixtures(rows: Rows) -> None:
    row = contract("stripe", "fixtures3.trimmed.json")["resources"]["subscription"]
    row |= {"status": "active", "pause_collection": None, "cancel_at": SECOND + 86_400}
    item = row["items"]["data"][0]
    item["price"] |= {"transform_quantity": None}
    item |= {"current_period_end": SECOND + 3_600, "quantity": 3}
    row["default_payment_method"] = contract("stripe", "fixtures3.trimmed.json")["resources"]["payment_method"]
    assert one("subscriptions", rows.subscription(row)) == Subscription(
        source="stripe",
        source_id="sub_1Pgc6rB7WZ01zgkWNy0Cn5nw",
        account_ref="cus_QXg1o8vcGmoR32",
        status="active",
        mrr=6_000,
        currency="USD",
        current_period_end=datetime.fromtimestamp(SECOND + 3_600, UTC),
        cancel_at=datetime.fromtimestamp(SECOND + 86_400, UTC),
        card_expires=date(2030, 8, 31),
    )


@pytest.mark.parametrize("status", ["canceled", "incomplete", "incomplete_expired"])
def test_what_has_ended_or_never_began_is_no_contract(status: str) -> None:
    row = {"id": "sub_1", "status": status, "_customer": "cus_1"}
    assert STRIPE.apply("stripe", "subscriptions", [row], NOW).deleted == ["sub_1"]


def invoice(rows: Rows, **more: Any) -> Any:
    row = contract("stripe", "fixtures3.trimmed.json")["resources"]["invoice"]
    moments = {"finalized_at": SECOND - 10 * 86_400, "paid_at": None, "voided_at": None}
    given = {"customer": "cus_1", "status": "open", "due_date": None, "status_transitions": moments, **more}
    return one("invoices", rows.invoice({**row, **given}))


def test_an_invoice_of_the_fixtures(rows: Rows) -> None:
    found = invoice(
        rows, due_date=SECOND - 86_400, collection_method="send_invoice", currency="isk", amount_due=120_000
    )
    assert found == Invoice(
        source="stripe",
        source_id="in_1Pgc6tB7WZ01zgkWu9fdqL6I",
        account_ref="cus_1",
        status="open",
        amount_due=1_200,
        currency="ISK",
        due_date=datetime.fromtimestamp(SECOND - 86_400, UTC).date(),
        created_at=datetime.fromtimestamp(SECOND - 10 * 86_400, UTC),
    )


def test_a_charge_has_failed_when_its_subscription_is_in_arrears_or_long_after(rows: Rows) -> None:
    def tried(tries: int, status: str | None, *, old: bool = False, **more: Any) -> tuple[int, bool]:
        of = None if status is None else {"id": "sub_1", "status": status}
        where = (
            {"subscription": of}
            if old
            else {"subscription": None, "parent": {"subscription_details": {"subscription": of}}}
        )
        found = invoice(rows, attempt_count=tries, **where, **more)
        return found.failed_attempts, found.due_date is not None

    assert tried(0, "active") == (0, False)
    assert tried(1, "active") == (0, False), "a bank takes days"
    assert tried(1, "past_due") == (1, True)
    assert tried(1, "past_due", old=True) == (1, True)
    assert tried(2, "active") == (2, True)
    assert tried(1, None) == (1, True), "of no subscription that could say that all is well"
    long_ago = {"finalized_at": SECOND - 22 * 86_400}
    assert tried(1, "active", status_transitions=long_ago) == (1, True)
    paid = {"finalized_at": SECOND - 9 * 86_400, "paid_at": SECOND - 2 * 86_400}
    at_once = invoice(rows, status="paid", attempt_count=1, status_transitions=paid)
    assert (at_once.failed_attempts, at_once.due_date) == (0, at_once.paid_at.date())
    later = invoice(rows, status="paid", attempt_count=3, status_transitions=paid)
    assert (later.failed_attempts, later.paid_at.date() - later.due_date) == (2, date(2026, 1, 8) - date(2026, 1, 1))
