"""What is bought, billed and paid."""

from functools import partial

from scoring.features.base import Feature
from scoring.units import DAYS, FLAG, things

_invoice = partial(Feature, source="invoice", family="commercial", kinds=("invoice",))
_deal = partial(Feature, source="deal", family="commercial", kinds=("deal",), zero=True)

COMMERCIAL: tuple[Feature, ...] = (
    _invoice("overdue_days", DAYS, "Days the oldest unpaid invoice is overdue; 0 when none is.", "MAX(overdue_days)"),
    _invoice(
        "overdue_invoices",
        things("overdue invoice"),
        "Unpaid invoices past their due date.",
        "SUM(CASE WHEN overdue_days > 0 THEN 1 ELSE 0 END)",
        zero=True,
    ),
    _invoice(
        "failed_payments",
        things("failed payment"),
        "Failed collection attempts on unpaid invoices.",
        "SUM(failed)",
        zero=True,
    ),
    Feature(
        "cancellation_set",
        FLAG,
        "1 when a running subscription is set to end.",
        "MAX(is_ending)",
        "subscription",
        "commercial",
        ("subscription",),
    ),
    _deal("open_deals", things("open deal"), "Sales and renewals not closed.", "SUM(is_open)"),
    _deal(
        "open_renewals",
        things("open renewal"),
        "Renewals not closed.",
        "SUM(CASE WHEN is_open = 1 THEN renewal ELSE 0 END)",
    ),
    _deal(
        "lost_renewals_90d",
        things("lost renewal"),
        "Renewals lost in the last 90 days.",
        "SUM(CASE WHEN won = 0 AND age BETWEEN 0 AND 89 THEN renewal ELSE 0 END)",
    ),
)
"""Features of deals, contracts and bills."""
