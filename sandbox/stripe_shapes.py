"""What Stripe's objects carry besides what the world says of them: keys that are empty, or always the same."""

from sandbox.stripe_books import Json

CUSTOMER: Json = dict.fromkeys(
    ("address", "default_source", "description", "discount", "phone", "shipping", "test_clock")
)
SUBSCRIPTION: Json = {
    **dict.fromkeys((
        "application", "application_fee_percent", "billing_cycle_anchor_config", "billing_thresholds", "cancel_at",
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
    "issuer": {"type": "self"},
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
