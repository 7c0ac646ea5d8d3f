"""What Stripe's objects carry besides what the world says of them: keys that never change; and prices."""

from sandbox.model_billing import PriceTag
from sandbox.stripe_books import Json, price_id

CUSTOMER: Json = dict.fromkeys(
    ("address", "default_source", "description", "discount", "phone", "shipping", "test_clock")
)
SUBSCRIPTION: Json = {
    **dict.fromkeys((
        "application", "application_fee_percent", "billing_thresholds", "cancel_at",
        "canceled_at", "days_until_due", "default_payment_method", "default_source", "description", "ended_at",
        "latest_invoice", "next_pending_invoice_item_invoice", "on_behalf_of", "pause_collection",
        "pending_invoice_item_interval", "pending_setup_intent", "pending_update", "schedule", "test_clock",
        "transfer_data", "trial_end", "trial_start",
    )),
    "automatic_tax": {"enabled": False, "liability": None},
    "cancel_at_period_end": False,
    "default_tax_rates": [],
    "payment_settings": {"payment_method_types": None, "save_default_payment_method": "off"},
    "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
}  # fmt: skip
INVOICE: Json = {
    **dict.fromkeys((
        "account_tax_ids", "application", "custom_fields", "customer_address", "customer_phone", "customer_shipping",
        "default_payment_method", "default_source", "description", "ending_balance", "footer", "from_invoice",
        "hosted_invoice_url", "invoice_pdf", "last_finalization_error", "latest_revision", "next_payment_attempt",
        "on_behalf_of", "receipt_number", "rendering", "shipping_cost", "shipping_details", "statement_descriptor",
        "test_clock", "webhooks_delivered_at",
    )),
    "account_country": "US",
    "account_name": "Holdfast Sandbox",
    "amount_shipping": 0,
    "auto_advance": True,
    "automatic_tax": {"enabled": False, "liability": None, "status": None},
    "billing_reason": "subscription_cycle",
    "customer_tax_exempt": "none",
    "customer_tax_ids": [],
    "default_tax_rates": [],
    "discounts": [],
    "lines": {"object": "list", "data": [], "has_more": False},
    "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "starting_balance": 0,
    "total_discount_amounts": [],
}  # fmt: skip
OLD_INVOICE: Json = {
    **dict.fromkeys((
        "application_fee_amount", "charge", "discount", "payment_intent", "quote", "tax", "transfer_data",
    )),
    "paid_out_of_band": False,
    "total_tax_amounts": [],
}  # fmt: skip


def price_of(tag: PriceTag, *, live: bool) -> Json:
    """A price, without its tiers."""
    return {
        "id": price_id(tag),
        "object": "price",
        "active": True,
        "billing_scheme": "tiered" if tag.tiers else "per_unit",
        "created": 1_500_000_000,
        "currency": tag.currency.lower(),
        "custom_unit_amount": None,
        "livemode": live,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": "prod_HF1",
        "recurring": {
            "interval": tag.interval,
            "interval_count": tag.count,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "metered" if tag.metered else "licensed",
        },
        "tax_behavior": "unspecified",
        "tiers_mode": ("graduated" if tag.graduated else "volume") if tag.tiers else None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": tag.unit,
        "unit_amount_decimal": tag.decimal or (None if tag.unit is None else str(tag.unit)),
    }


def tiers_of(tag: PriceTag) -> list[Json] | None:
    """The tiers of a price; None for a plain one."""
    found = [
        {
            "flat_amount": tier.flat or None,
            "flat_amount_decimal": str(tier.flat) if tier.flat else None,
            "unit_amount": tier.unit,
            "unit_amount_decimal": str(tier.unit),
            "up_to": tier.up_to,
        }
        for tier in tag.tiers
    ]
    return found or None


def plan_of(tag: PriceTag) -> Json:
    """The older name of a price, which still comes along."""
    return {
        "id": price_id(tag),
        "object": "plan",
        "active": True,
        "amount": tag.unit,
        "amount_decimal": tag.decimal or (None if tag.unit is None else str(tag.unit)),
        "billing_scheme": "tiered" if tag.tiers else "per_unit",
        "currency": tag.currency.lower(),
        "interval": tag.interval,
        "interval_count": tag.count,
        "product": "prod_HF1",
        "usage_type": "metered" if tag.metered else "licensed",
    }
