"""What a subscription brings in a month, by hand; and which card pays it until when."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from connectors.stripe_money import Lookups, card_expires, minor, monthly

NOW = 1_800_000_000
TIERS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "p_graduated": [
        {"up_to": 10, "unit_amount": 100, "flat_amount": 500},
        {"up_to": None, "unit_amount_decimal": "79.5"},
    ],
    "p_volume": [{"up_to": 10, "unit_amount": 100}, {"up_to": None, "unit_amount": 80, "flat_amount": 20}],
    "p_short": [{"up_to": 10, "unit_amount": 100}],
}
COUPONS: Mapping[str, Mapping[str, Any]] = {"TEN": {"percent_off": 10, "duration": "forever"}}


def tiers_of(name: str) -> Sequence[Mapping[str, Any]] | None:
    return TIERS.get(name)


LOOKUPS = Lookups(tiers_of, COUPONS.get)


def price(amount: Any = 1_000, interval: str = "month", count: int = 1, **more: Any) -> dict[str, Any]:
    recurring = {"interval": interval, "interval_count": count, "usage_type": more.pop("usage_type", "licensed")}
    return {"id": "p", "unit_amount": amount, "recurring": recurring, "billing_scheme": "per_unit", **more}


def item(quantity: Any = 1, discounts: Any = (), **given: Any) -> dict[str, Any]:
    return {"price": price(**given), "quantity": quantity, "discounts": list(discounts)}


def discount(end: int | None = None, **coupon: Any) -> dict[str, Any]:
    return {"end": end, "source": {"type": "coupon", "coupon": {"duration": "forever", **coupon}}}


def mrr(*items: Any, **row: Any) -> int | None:
    return monthly({"status": "active", "currency": "usd", **row}, items, NOW, LOOKUPS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (item(3), 3_000),
        (item(None), 1_000),
        (item(0), 0),
        (item(amount=120_000, interval="year"), 10_000),
        (item(amount=240_000, interval="year", count=2), 10_000),
        (item(amount=3_000, count=3), 1_000),
        (item(amount=700, interval="week"), 3_042),  # 365 / 84 weeks in a month
        (item(amount=100, interval="day"), 3_042),
        (item(amount=1_400, interval="week", count=2), 3_042),
        (item(4, amount=None, unit_amount_decimal="12.5"), 50),
        (item(3, amount=None, unit_amount_decimal="0.5"), 2),  # 1.5 cents, half to even
        (item(usage_type="metered"), 0),
        ({"price": {**price(), "recurring": None}, "quantity": 1}, 0),
        (item(25, transform_quantity={"divide_by": 10, "round": "up"}), 3_000),
        (item(25, transform_quantity={"divide_by": 10, "round": "down"}), 2_000),
        ({"plan": {"id": "gold", "amount": 500, "interval": "month", "interval_count": 1}, "quantity": 2}, 1_000),
        (item(5, id="p_graduated", billing_scheme="tiered", tiers_mode="graduated"), 1_000),
        (item(0, id="p_graduated", billing_scheme="tiered", tiers_mode="graduated"), 500),
        (item(12, id="p_graduated", billing_scheme="tiered", tiers_mode="graduated"), 1_659),
        (item(10, id="p_volume", billing_scheme="tiered", tiers_mode="volume"), 1_000),
        (item(11, id="p_volume", billing_scheme="tiered", tiers_mode="volume"), 900),
        (item(2, discounts=[discount(percent_off=25.5)]), 1_490),
    ],
)
def test_an_item_is_brought_to_a_month(given: dict[str, Any], expected: int) -> None:
    assert mrr(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        item(amount=None),
        item(interval="decade"),
        item(11, id="p_short", billing_scheme="tiered"),
        item(1, id="p_unreadable", billing_scheme="tiered"),
        item("many"),
        item(discounts=["di_1"]),
        item(discounts=[{"source": {"coupon": "GONE"}}]),
        item(3, transform_quantity={"divide_by": 0}),
        {"quantity": 1},
        None,
    ],
)
def test_what_cannot_be_known_is_not_guessed(given: Any) -> None:
    assert mrr(item(), given) is None


@pytest.mark.parametrize("status", ["trialing", "unpaid", "paused", "incomplete", "canceled", None])
def test_only_what_is_collected_counts(status: str | None) -> None:
    assert mrr(item(), status=status) == 0
    assert mrr(item(), status="past_due") == 1_000
    assert mrr(item(), pause_collection={"behavior": "void"}) == 0


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"discounts": [discount(percent_off=10)]}, 1_800),
        ({"discounts": [discount(percent_off=50), discount(amount_off=300)]}, 700),
        ({"discounts": [discount(amount_off=9_999)]}, 0),
        ({"discounts": [discount(percent_off=10, duration="once")]}, 2_000),
        ({"discounts": [discount(end=NOW - 1, percent_off=10)]}, 2_000),
        ({"discounts": [discount(end=NOW + 1, percent_off=10, duration="repeating")]}, 1_800),
        ({"discount": {"end": None, "coupon": {"percent_off": 10, "duration": "forever"}}}, 1_800),
        ({"discounts": [{"source": {"coupon": "TEN"}}]}, 1_800),
        ({"discounts": [], "customer": {"discount": {"source": {"coupon": "TEN"}}}}, 1_800),
        ({"discounts": [discount(percent_off=50)], "customer": {"discount": {"source": {"coupon": "TEN"}}}}, 1_000),
    ],
)
def test_lasting_discounts_are_taken_off(row: dict[str, Any], expected: int) -> None:
    assert mrr(item(2), **row) == expected


def test_an_amount_off_is_once_for_each_billing_period() -> None:
    assert mrr(item(amount=12_000, interval="year"), discounts=[discount(amount_off=1_200)]) == 900


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [(999, "usd", 999), (500, "jpy", 500), (12_345, "kwd", 12_345), (4_500, "ISK", 45), (700, "mga", 70_000)],
)
def test_amounts_are_in_minor_units_of_their_currency(amount: int, currency: str, expected: int) -> None:
    assert minor(Decimal(amount), currency) == expected
    assert mrr(item(amount=amount), currency=currency) == expected


CARD = {"object": "payment_method", "card": {"exp_month": 2, "exp_year": 2028}}
OLD = {"object": "card", "exp_month": 12, "exp_year": 2026}
BANK = {"object": "payment_method", "type": "sepa_debit", "sepa_debit": {}}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"default_payment_method": CARD, "default_source": OLD}, "2028-02-29"),
        ({"default_source": OLD, "customer": {"invoice_settings": {"default_payment_method": CARD}}}, "2026-12-31"),
        ({"customer": {"invoice_settings": {"default_payment_method": CARD}, "default_source": OLD}}, "2028-02-29"),
        ({"customer": {"invoice_settings": {"default_payment_method": None}, "default_source": OLD}}, "2026-12-31"),
        (
            {"customer": {"default_source": {"object": "source", "card": {"exp_month": 4, "exp_year": 2027}}}},
            "2027-04-30",
        ),
        ({"default_payment_method": BANK, "customer": {"default_source": OLD}}, None),
        ({"default_payment_method": CARD, "collection_method": "send_invoice"}, None),
        ({"default_payment_method": "pm_1"}, None),
        ({"default_payment_method": {"card": {"exp_month": 13, "exp_year": 2028}}}, None),
        ({"customer": {"id": "cus_1", "deleted": True}}, None),
        ({"customer": "cus_1"}, None),
    ],
)
def test_the_first_way_to_pay_that_is_set_decides_which_card(row: dict[str, Any], expected: str | None) -> None:
    assert card_expires(row) == expected
