"""Who an account is beside the others: fifths of recency, frequency and money with their usual names, and its stage.

These two layers are there for every account, whatever the card asks: `rfm` and `stage` are written to the CRM, kept
with each score, and may be named in any rule beside plan, channel and behaviour. They say where an account stands, and
are no evidence of trouble of their own.

The names and the ranges of recency against frequency and money are those in common use, for example
https://docs.churned.io/churned-docs/dashboard-and-features/rfv-model-segment-best-practices/rfm-model; those ranges
overlap, so `GRID` settles on one name for each of the 25 fields.
"""

from functools import partial

from scoring.features.base import Feature, own
from scoring.units import DAYS, FLAG, TEXT, things

STAGES = ("prospect", "onboarding", "first_time", "repeat", "advocate", "renewal", "at_risk")
"""Every value of `stage`, in the order in which an account would pass them."""
GRID: tuple[tuple[str, ...], ...] = (
    ("lost", "hibernating", "at_risk", "cannot_lose", "cannot_lose"),
    ("hibernating", "hibernating", "at_risk", "at_risk", "at_risk"),
    ("about_to_sleep", "about_to_sleep", "needs_attention", "loyal", "loyal"),
    ("promising", "potential_loyalist", "loyal", "champions", "champions"),
    ("new", "potential_loyalist", "potential_loyalist", "champions", "champions"),
)
"""A row for each fifth of recency, longest ago first; in it the names by fifth of frequency and money, least first."""
RFM = tuple(dict.fromkeys(name for row in reversed(GRID) for name in reversed(row)))
"""Every value of `rfm`, the best first."""
LAYERS = ("stage", "rfm")
"""Features of every account, whether or not a card names them."""
PROSPECTS = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "prospect")
"""Lifecycle words of those who are not customers yet: HubSpot's own, and what the Salesforce map makes of `Type`."""
CUSTOMERS = ("customer", "evangelist")
ONBOARDING_DAYS = 30
RENEWAL_DAYS = 60
REPEAT_DAYS = 365

_MOST = 10**15
"""Larger amounts are no money; a year of them still fits 64 bits."""
_FIFTH = things("of 5", "of 5")
_place = partial(Feature, family="profile")
_deal = partial(Feature, source="deal", family="commercial", kinds=("deal",), internal=True)
_fifth = partial(_place, unit=_FIFTH, source="quintile")


def _words(names: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"'{name}'" for name in names) + ")"


def _named() -> str:
    """The grid as SQL."""
    rows = [
        f"WHEN rfm_recency = {r} THEN CASE rfm_worth "
        + " ".join(f"WHEN {fm} THEN '{name}'" for fm, name in enumerate(row, 1))
        + " END"
        for r, row in enumerate(GRID, 1)
    ]
    return f"CASE {' '.join(rows)} END"


def _of_customers(sql: str) -> str:
    return f"CASE WHEN COALESCE(is_customer, 1) = 1 THEN {sql} END"


_CUSTOMER = (
    own(
        "customer_day_known",
        FLAG,
        "1 when the CRM names a first day as a customer that has come.",
        "CASE WHEN customer_since BETWEEN -1000000 AND clock.today THEN 1 ELSE 0 END",
        internal=True,
    ),
    _deal(
        "purchases_ever",
        things("purchase"),
        "Sales and renewals won, ever.",
        "SUM(CASE WHEN won = 1 THEN 1 ELSE 0 END)",
        zero=True,
    ),
    _deal(
        "won_365d",
        things("unit"),
        "Amounts of the sales and renewals won in 365 days, minor units.",
        "SUM(CASE WHEN won = 1 AND age < 365 THEN amount END)",
    ),
    _place(
        "is_customer",
        FLAG,
        "1 by the CRM's lifecycle; where that is empty, by a first day, revenue, a subscription or a purchase.",
        f"CASE WHEN LOWER(lifecycle) IN {_words(CUSTOMERS)} THEN 1 WHEN lifecycle <> '' THEN 0 "
        "WHEN mrr > 0 OR customer_day_known = 1 OR subscriptions > 0 OR purchases_ever > 0 THEN 1 "
        "WHEN open_deals > 0 THEN 0 END",
        internal=True,
    ),
)

_STAGE = _place(
    "stage",
    TEXT,
    "Lifecycle stage, the first that holds: prospect, onboarding, at_risk, renewal, advocate, repeat, first_time; "
    "docs/segments.md says when.",
    "CASE WHEN is_customer = 0 THEN "
    f"CASE WHEN COALESCE(lifecycle, '') = '' OR LOWER(lifecycle) IN {_words(PROSPECTS)} THEN 'prospect' END "
    "WHEN is_customer IS NULL THEN NULL "
    f"WHEN customer_age_days < {ONBOARDING_DAYS} THEN 'onboarding' "
    "WHEN cancellation_set = 1 OR usage_vs_peers <= -30 OR active_users_change <= -40 OR purchase_change <= -40 "
    "THEN 'at_risk' "
    f"WHEN days_to_renewal BETWEEN 0 AND {RENEWAL_DAYS} OR renewal_overdue_days > 0 THEN 'renewal' "
    "WHEN LOWER(lifecycle) = 'evangelist' OR (promoters > 0 AND detractors = 0) THEN 'advocate' "
    f"WHEN purchases_ever >= 2 OR (customer_age_days >= {REPEAT_DAYS} AND mrr > 0) THEN 'repeat' "
    "ELSE 'first_time' END",
)

_RFM = (
    _place(
        "rfm_days",
        DAYS,
        "Of customers: days since sign-in or event where usage is known, else since a purchase.",
        _of_customers("CASE WHEN usage_links IS NULL THEN days_since_purchase ELSE days_since_login END"),
        internal=True,
    ),
    _place(
        "rfm_times",
        things("time"),
        "Of customers: active days of 28 where usage is known, else purchases of 365 days.",
        _of_customers("CASE WHEN usage_links IS NULL THEN purchases_365d ELSE active_days_28d END"),
        internal=True,
    ),
    _place(
        "rfm_money",
        things("unit"),
        "Of customers: a year of the monthly revenue, else what was won in 365 days; minor units as they stand.",
        _of_customers(f"CASE WHEN mrr BETWEEN 0 AND {_MOST} THEN 12 * mrr ELSE won_365d END"),
        internal=True,
    ),
    _fifth(
        name="rfm_recency",
        meaning="Fifth of all customers by days since sign-in or event, or since a purchase where no usage is known: 5 "
        "newest; unknown below 10 known values.",
        sql="0 - rfm_days",
    ),
    _fifth(
        name="rfm_frequency",
        meaning="Fifth of all customers by active days of 28, or by purchases of a year where no usage is known.",
        sql="rfm_times",
    ),
    _fifth(
        name="rfm_monetary",
        meaning="Fifth of all customers by monthly revenue, or by what was won in 365 days: 5 most.",
        sql="rfm_money",
    ),
    _place(
        "rfm_worth",
        _FIFTH,
        "Mean of frequency and money, rounded up, or the one that is known.",
        "COALESCE((rfm_frequency + rfm_monetary + 1) // 2, rfm_frequency, rfm_monetary)",
        internal=True,
    ),
    _place(
        "rfm",
        TEXT,
        "Name by the fifths of recency and of frequency and money: champions, loyal, at_risk and so on.",
        _named(),
    ),
)

SEGMENTS: tuple[Feature, ...] = (*_CUSTOMER, _STAGE, *_RFM)
"""The layers of every account, and what they are computed from."""
