"""What is bought, billed and paid."""

from functools import partial

from scoring.features.base import MIN_ACTIVE, Feature
from scoring.units import CHANGE, DAYS, FLAG, TEXT, TREND, things

_commercial = partial(Feature, family="commercial")
_invoice = partial(_commercial, source="invoice", kinds=("invoice",))
_contract = partial(_commercial, source="subscription", kinds=("subscription",))
_sale = partial(_commercial, kinds=("deal",))
_deal = partial(_sale, source="deal", zero=True)
_move = partial(_sale, source="deal_move", zero=True, watched=90)
_changed = partial(_commercial, source="account_change", kinds=("account",))
_PURCHASE = things("purchase")

_PAYMENT = (
    _invoice(
        "overdue_days",
        DAYS,
        "Days the oldest unpaid invoice is overdue; 0 when none is. One written off counts for 180 days.",
        "MAX(overdue_days)",
    ),
    _invoice(
        "overdue_invoices",
        things("overdue invoice"),
        "Unpaid invoices past their due date; one written off counts for 180 days.",
        "SUM(CASE WHEN overdue_days > 0 THEN 1 ELSE 0 END)",
        zero=True,
    ),
    _invoice(
        "failed_payments",
        things("failed payment"),
        "Failed collection attempts on unpaid invoices; on one written off for 180 days.",
        "SUM(failed)",
        zero=True,
    ),
    _invoice(
        "written_off_180d",
        things("invoice"),
        "Invoices written off as a loss, for 180 days after they were due, or made where no due date is known.",
        "SUM(is_lost)",
        zero=True,
    ),
    _invoice("due_180d", things("invoice"), "Invoices due in the last 180 days.", "COUNT(late_now)", internal=True),
    _invoice("late_sum", DAYS, "Their days of delay in all.", "SUM(late_now)", internal=True),
    _invoice("due_prev", things("invoice"), "Invoices due in the 180 days before.", "COUNT(late_prev)", internal=True),
    _invoice("late_sum_prev", DAYS, "Their days of delay in all.", "SUM(late_prev)", internal=True),
    _commercial(
        "payment_delay",
        DAYS,
        "Mean delay of invoices due in the last 180 days; paid in time counts 0, unpaid until today.",
        "CASE WHEN due_180d > 0 THEN late_sum // due_180d END",
        kinds=("invoice",),
    ),
    _commercial(
        "payment_trend",
        TREND,
        "1 later, 0 stable, -1 earlier: mean delay of 180 days against the 180 before, by at least 5 days, from 2 "
        "invoices each on.",
        "CASE WHEN due_180d >= 2 AND due_prev >= 2 THEN "
        "CASE WHEN late_sum // due_180d >= late_sum_prev // due_prev + 5 THEN 1 "
        "WHEN late_sum_prev // due_prev >= late_sum // due_180d + 5 THEN -1 ELSE 0 END END",
        kinds=("invoice",),
    ),
)

_CONTRACT = (
    _contract("cancellation_set", FLAG, "1 when a running subscription is set to end.", "MAX(is_ending)"),
    _contract("subscriptions", things("subscription"), "Running subscriptions.", "COUNT(*)", zero=True),
    _contract(
        "card_expires_days",
        DAYS,
        "Days until the first payment card of a running subscription expires; negative when it has.",
        "MIN(card_days)",
    ),
    _changed(
        "days_since_plan_change",
        DAYS,
        "Days since the plan changed, as far as the agent has seen it.",
        "MIN(CASE WHEN plan_before <> plan_after THEN age END)",
    ),
    _changed(
        "downgrades_365d",
        things("downgrade"),
        "Falls of the monthly revenue in 365 days that the agent has seen.",
        "SUM(CASE WHEN age < 365 AND mrr_after < mrr_before THEN 1 ELSE 0 END)",
        zero=True,
        watched=365,
    ),
    _changed(
        "upgrades_365d",
        things("upgrade"),
        "Rises of the monthly revenue in 365 days that the agent has seen.",
        "SUM(CASE WHEN age < 365 AND mrr_after > mrr_before THEN 1 ELSE 0 END)",
        zero=True,
        watched=365,
    ),
    _changed(
        "mrr_growth_age",
        DAYS,
        "Days since the monthly revenue last rose.",
        "MIN(CASE WHEN mrr_after > mrr_before THEN age END)",
        internal=True,
    ),
)

_DEALS = (
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
    _sale(
        "renewal_stage",
        TEXT,
        "Stage of the open renewal that closes first, as the CRM calls it.",
        "SUBSTRING(MIN(renewal_stage), 8)",
        source="deal",
    ),
    _sale(
        "renewal_overdue_days",
        DAYS,
        "Days that an open renewal lies past its closing day; 0 when none does.",
        "MAX(CASE WHEN is_open = 1 AND renewal = 1 THEN COALESCE(age, 0) ELSE 0 END)",
        source="deal",
        zero=True,
    ),
    _move(
        "renewal_postponements",
        things("postponement"),
        "How often the closing day of an open renewal was moved later, as far as the agent has seen it.",
        "SUM(CASE WHEN moved_days > 0 THEN 1 ELSE 0 END)",
    ),
    _move(
        "renewal_moved_days",
        DAYS,
        "Days by which they were moved in all.",
        "SUM(moved_days)",
        internal=True,
        watched=0,
    ),
    _sale(
        "renewal_postponed_days",
        DAYS,
        "Days by which the closing day of open renewals was moved later; 0 when it was not.",
        "CASE WHEN renewal_moved_days > 0 THEN renewal_moved_days WHEN NOT renewal_postponements IS NULL THEN 0 END",
    ),
    _deal(
        "purchases_365d",
        _PURCHASE,
        "Sales and renewals won in 365 days.",
        "SUM(CASE WHEN won = 1 AND age < 365 THEN 1 ELSE 0 END)",
    ),
    _deal(
        "purchases_prev_365d",
        _PURCHASE,
        "Sales and renewals won in the 365 days before.",
        "SUM(CASE WHEN won = 1 AND age BETWEEN 365 AND 729 THEN 1 ELSE 0 END)",
    ),
    _sale(
        "purchase_change",
        CHANGE,
        "Purchases, last 365 days against the 365 before; from 3 on.",
        f"CASE WHEN purchases_prev_365d >= {MIN_ACTIVE} THEN 100 * purchases_365d // purchases_prev_365d - 100 END",
    ),
    _sale(
        "days_since_purchase",
        DAYS,
        "Days since a sale or renewal was won.",
        "MIN(CASE WHEN won = 1 THEN age END)",
        source="deal",
    ),
    _deal("won_sales", things("sale"), "Sales won, ever.", "SUM(CASE WHEN won = 1 AND renewal = 0 THEN 1 ELSE 0 END)",
        internal=True),
    _deal(
        "won_sales_365d",
        things("sale"),
        "Sales won in 365 days.",
        "SUM(CASE WHEN won = 1 AND renewal = 0 AND age < 365 THEN 1 ELSE 0 END)",
        internal=True,
    ),
    _sale(
        "expansions_365d",
        things("expansion"),
        "Sales won in 365 days beyond the first, renewals apart.",
        "CASE WHEN won_sales > won_sales_365d THEN won_sales_365d WHEN won_sales_365d > 0 THEN won_sales_365d - 1 "
        "WHEN won_sales_365d = 0 THEN 0 END",
    ),
    _sale(
        "sale_age",
        DAYS,
        "Days since the newest sale won, renewals apart.",
        "MIN(CASE WHEN won = 1 AND renewal = 0 THEN age END)",
        source="deal",
        internal=True,
    ),
    _sale(
        "first_sale_age",
        DAYS,
        "Days since the first sale won.",
        "MAX(CASE WHEN won = 1 AND renewal = 0 THEN age END)",
        source="deal",
        internal=True,
    ),
    _deal("renewals_ever", things("renewal"), "Renewals, open or closed.", "SUM(renewal)", internal=True),
    _sale(
        "days_since_growth",
        DAYS,
        "Days since the account last grew: a sale won, a rise of the monthly revenue that the agent saw, else its "
        "start as a customer; from a year on only where revenue was watched so long.",
        "CASE WHEN open_deals IS NULL OR (upgrades_365d IS NULL AND COALESCE(sale_age, 365) >= 365 "
        "AND COALESCE(customer_age_days, 365) >= 365) THEN NULL WHEN sale_age <= COALESCE(mrr_growth_age, sale_age) "
        "AND sale_age <= COALESCE(customer_age_days, sale_age) THEN sale_age "
        "WHEN mrr_growth_age <= COALESCE(customer_age_days, mrr_growth_age) THEN mrr_growth_age "
        "ELSE customer_age_days END",
    ),
    _sale(
        "project_days",
        DAYS,
        "Days since the first sale won, of an account without recurring revenue, subscription or renewal: a project "
        "that has not become recurring.",
        "CASE WHEN renewals_ever = 0 AND (mrr = 0 OR (mrr IS NULL AND subscriptions = 0)) "
        "AND COALESCE(subscriptions, 0) = 0 THEN first_sale_age END",
    ),
)  # fmt: skip

COMMERCIAL: tuple[Feature, ...] = (*_PAYMENT, *_CONTRACT, *_DEALS)
"""Features of deals, contracts and bills."""
