"""The catalogue of features: numbers and words about one account or contact, in SQL over the common tables.

Rules of the catalogue: whole numbers only (percent, days, counts); every division is a floor division of non-negative
numbers; NULL means "not known"; nothing after the feed's own last complete pull counts, so that a source that stopped
delivering makes its facts old, never bad.

A feature is either read from a *source* (rows of one common table, aggregated per account or contact; see
`scoring.sources`) or, when its source is empty, computed from other features.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from scoring.inputs import Level
from scoring.units import CHANGE, DAYS, FLAG, MONEY, OF_10, OF_100, PEOPLE, PERCENT, TEXT, TREND, Unit, things

Family = Literal["usage", "support", "survey", "commercial", "profile"]

WINDOW_DAYS = 28
"""Usage windows are this many complete days: today's unfinished day would make every morning look like a decline."""
MIN_EVENTS = 10
"""Fewest events in the earlier window for a change to mean something."""
MIN_ACTIVE = 3
"""Fewest active people or days in the earlier window for a change to mean something."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of the catalogue.

    Attributes:
        name: What rules, signals and templates call it.
        unit: What the number counts.
        meaning: One line.
        sql: Over the source's columns (an aggregate), or over other features when `source` is empty.
        source: Where its rows come from; "" when computed from features, "median" for the median of the feature named
            in `sql` over all accounts.
        family: Kind of evidence.
        kinds: Record kinds without which it does not exist; a tenant without a source of such a kind does not have it.
        zero: No rows mean 0 where the kind is known; otherwise they mean NULL.
        levels: For accounts, contacts or both.
        internal: A step on the way: not for cards.
    """

    name: str
    unit: Unit
    meaning: str
    sql: str
    source: str = ""
    family: Family = "profile"
    kinds: tuple[str, ...] = ()
    zero: bool = False
    levels: tuple[Level, ...] = ("account",)
    internal: bool = False

    @property
    def is_text(self) -> bool:
        """True when the value is a word."""
        return self.unit.kind == "text"


BOTH: tuple[Level, ...] = ("account", "contact")
CONTACT: tuple[Level, ...] = ("contact",)
_self = partial(Feature, source="self")
_usage = partial(Feature, family="usage", kinds=("usage",))
_counted = partial(_usage, source="usage", zero=True)
_ticket = partial(Feature, source="ticket", family="support", kinds=("ticket",), zero=True, levels=BOTH)
_survey = partial(Feature, family="survey", kinds=("survey_response",), levels=BOTH)
_invoice = partial(Feature, source="invoice", family="commercial", kinds=("invoice",))
_deal = partial(Feature, source="deal", family="commercial", kinds=("deal",), zero=True)

_SINCE_CREATED = "WHEN created_at BETWEEN 0 AND clock.now THEN clock.today - created_at // 86400"
_OLD_ENOUGH = f"usage_history_days >= {2 * WINDOW_DAYS}"
_THOUSANDTHS = things("thousandth")


# Bits of `day_mask`: bit 0 is today, bits 1-28 the last complete days, bits 29-56 the days before.
_NOW = 2 ** (WINDOW_DAYS + 1) - 2
_BEFORE = 2 ** (2 * WINDOW_DAYS + 1) - 2 ** (WINDOW_DAYS + 1)


def _change(now: str, before: str, least: int) -> str:
    return f"CASE WHEN {_OLD_ENOUGH} AND {before} >= {least} THEN 100 * {now} // {before} - 100 END"


_PROFILE = (
    _self(
        "customer_age_days",
        DAYS,
        "Days since the first day as a customer, else since the CRM record was made.",
        "CASE WHEN customer_since BETWEEN -1000000 AND clock.today THEN clock.today - customer_since "
        f"WHEN customer_since IS NOT NULL THEN NULL {_SINCE_CREATED} END",
    ),
    _self(
        "contact_age_days", DAYS, "Days since the CRM record was made.", f"CASE {_SINCE_CREATED} END", levels=CONTACT
    ),
    _self(
        "days_to_renewal",
        DAYS,
        "Days until the current term ends; negative when it has ended.",
        "CASE WHEN renewal_date BETWEEN -1000000 AND 1000000 THEN renewal_date - clock.today END",
        family="commercial",
    ),
    _self("mrr", MONEY, "Monthly recurring revenue, minor units of its currency.", "mrr", family="commercial"),
    _self("plan", TEXT, "Product plan.", "plan"),
    _self("lifecycle", TEXT, "The CRM's own lifecycle stage.", "lifecycle"),
    _self("title", TEXT, "Job title.", "title", levels=CONTACT),
)

_RECENCY = (
    _usage(
        "usage_links",
        PEOPLE,
        "People and groups of the product linked to it.",
        "COUNT(*)",
        source="link",
        zero=True,
        levels=BOTH,
        internal=True,
    ),
    _usage(
        "usage_history_days",
        DAYS,
        "Complete days of usage on file.",
        "usage_history_days",
        source="history",
        levels=BOTH,
        internal=True,
    ),
    _usage(
        "usage_age",
        DAYS,
        "Days since the last product event on file.",
        "MIN(last_age)",
        source="usage",
        levels=BOTH,
        internal=True,
    ),
    _usage("login_age", DAYS, "Days since anyone's newest sign-in.", "MIN(login_age)", source="logins", internal=True),
    _usage(
        "contact_login_age",
        DAYS,
        "Days since the newest sign-in.",
        "CASE WHEN last_login_at BETWEEN 0 AND clock.now AND last_login_at // 86400 < clock.usage_day "
        "THEN clock.usage_day - last_login_at // 86400 "
        "WHEN last_login_at BETWEEN 0 AND clock.now AND clock.usage_day >= 0 THEN 0 END",
        source="self",
        levels=CONTACT,
        internal=True,
    ),
)


def _since(login: str, level: Level) -> Feature:
    return _usage(
        "days_since_login",
        DAYS,
        "Days since the newest sign-in or product event; when linked but never seen, the days on file.",
        f"CASE WHEN {login} <= usage_age THEN {login} WHEN usage_age IS NOT NULL THEN usage_age "
        f"WHEN {login} IS NOT NULL THEN {login} "
        "WHEN usage_links > 0 AND usage_history_days > 0 THEN usage_history_days END",
        levels=(level,),
    )


_USAGE = (
    *_RECENCY,
    _since("login_age", "account"),
    _since("contact_login_age", "contact"),
    _counted("events_28d", things("event"), "Product events, last 28 complete days.", "SUM(events)", levels=BOTH),
    _counted("events_prev_28d", things("event"), "Product events, 28 days before.", "SUM(events_prev)", levels=BOTH),
    _counted(
        "active_days_28d",
        DAYS,
        "Days with any product event, of the last 28 complete days.",
        f"BIT_COUNT(BIT_OR(day_mask) & {_NOW})",
        levels=BOTH,
    ),
    _counted(
        "active_days_prev_28d",
        DAYS,
        "Days with any product event, of the 28 days before.",
        f"BIT_COUNT(BIT_OR(day_mask) & {_BEFORE})",
        levels=BOTH,
    ),
    _counted(
        "active_users_28d",
        PEOPLE,
        "People with a product event in the last 28 complete days.",
        f"SUM(CASE WHEN (day_mask & {_NOW}) > 0 THEN 1 END)",
    ),
    _counted(
        "active_users_prev_28d",
        PEOPLE,
        "People with a product event in the 28 days before.",
        f"SUM(CASE WHEN (day_mask & {_BEFORE}) > 0 THEN 1 END)",
    ),
    _counted(
        "recent_users",
        PEOPLE,
        "People with a product event in the last 28 complete days or today.",
        "SUM(CASE WHEN last_age <= 28 THEN 1 END)",
    ),
    _counted("seen_users", PEOPLE, "People with a product event in the last 90 days.", "COUNT(*)"),
    _usage(
        "active_share",
        PERCENT,
        "Of the people seen in 90 days, how many were active in the last 28.",
        "CASE WHEN seen_users > 0 THEN 100 * recent_users // seen_users "
        f"WHEN usage_history_days >= {WINDOW_DAYS} THEN seen_users END",
    ),
    _usage(
        "active_users_change",
        CHANGE,
        "Active people, last 28 days against the 28 before.",
        _change("active_users_28d", "active_users_prev_28d", MIN_ACTIVE),
    ),
    _usage(
        "active_days_change",
        CHANGE,
        "Active days, last 28 days against the 28 before.",
        _change("active_days_28d", "active_days_prev_28d", MIN_ACTIVE),
        levels=BOTH,
    ),
    _usage(
        "usage_change",
        CHANGE,
        "Product events, last 28 days against the 28 before.",
        _change("events_28d", "events_prev_28d", MIN_EVENTS),
    ),
    _usage(
        "usage_ratio",
        _THOUSANDTHS,
        "The same as a ratio in thousandths.",
        f"CASE WHEN {_OLD_ENOUGH} AND events_prev_28d >= {MIN_EVENTS} THEN 1000 * events_28d // events_prev_28d END",
        internal=True,
    ),
    _usage("usage_ratio_median", _THOUSANDTHS, "Its median.", "usage_ratio", source="median", internal=True),
    _usage(
        "usage_vs_peers",
        CHANGE,
        "Usage change divided by the median change of all accounts, so that seasons and holidays cancel out; plain "
        "while fewer than 30 accounts have a known change.",
        "CASE WHEN usage_ratio_median > 0 THEN 100 * usage_ratio // usage_ratio_median - 100 "
        "ELSE usage_ratio // 10 - 100 END",
    ),
)

_SUPPORT = (
    _ticket("open_tickets", things("open ticket"), "Tickets not solved.", "SUM(is_open)"),
    _ticket(
        "urgent_tickets",
        things("urgent open ticket"),
        "Tickets not solved, of high or urgent priority.",
        "SUM(CASE WHEN is_open = 1 AND priority IN ('high', 'urgent') THEN 1 ELSE 0 END)",
    ),
    _ticket(
        "tickets_28d",
        things("ticket"),
        "Tickets opened in the last 28 days.",
        "SUM(CASE WHEN age < 28 THEN 1 ELSE 0 END)",
    ),
    _ticket(
        "tickets_prev_28d",
        things("ticket"),
        "Tickets opened in the 28 days before.",
        "SUM(CASE WHEN age BETWEEN 28 AND 55 THEN 1 ELSE 0 END)",
    ),
    _ticket(
        "oldest_open_days",
        DAYS,
        "Age of the oldest ticket not solved; 0 when none is open.",
        "MAX(CASE WHEN is_open = 1 THEN age ELSE 0 END)",
    ),
    _ticket(
        "ticket_trend",
        TREND,
        "1 rising, 0 stable, -1 falling: 28 days against the 28 before, by at least 2 tickets and by half.",
        "CASE WHEN tickets_28d >= tickets_prev_28d + 2 AND 2 * tickets_28d >= 3 * tickets_prev_28d THEN 1 "
        "WHEN tickets_prev_28d >= tickets_28d + 2 AND 2 * tickets_prev_28d >= 3 * tickets_28d THEN -1 "
        "WHEN tickets_28d >= 0 THEN 0 END",
        source="",
    ),
    _ticket(
        "ticket_pressure",
        things("point"),
        "Open tickets, plus 2 when tickets are rising.",
        "open_tickets + CASE WHEN ticket_trend > 0 THEN 2 ELSE 0 END",
        source="",
    ),
)

_SURVEY = (
    _survey("csat_answers_90d", things("answer"), "CSAT answers in 90 days.", "SUM(csat)", source="survey", zero=True),
    _survey(
        "csat_sum",
        things("point"),
        "Their sum: satisfied 100, neutral 50.",
        "SUM(csat_points)",
        source="survey",
        internal=True,
    ),
    _survey(
        "csat_90d",
        PERCENT,
        "Satisfied CSAT answers of the last 90 days; neutral ones count half.",
        "CASE WHEN csat_answers_90d > 0 THEN csat_sum // csat_answers_90d END",
    ),
    _survey(
        "nps_code",
        things("point"),
        "Instant and answer of the newest NPS answer, in one number; of equally new ones the lowest.",
        "MAX(nps_code)",
        source="survey",
        internal=True,
    ),
    _survey("nps_100", OF_100, "The newest NPS answer as 0-100.", "100 - nps_code % 1000", internal=True),
    _survey("last_nps", OF_10, "The newest NPS answer of the last 365 days, 0-10.", "nps_100 // 10"),
    _survey(
        "is_detractor",
        FLAG,
        "1 when that answer was 6 or less.",
        "CASE WHEN nps_100 < 70 THEN 1 WHEN nps_100 >= 70 THEN 0 END",
    ),
    _survey(
        "satisfaction",
        OF_100,
        "Mean of CSAT (90 days) and the newest NPS answer, or the one that exists.",
        "COALESCE((csat_90d + nps_100) // 2, csat_90d, nps_100)",
    ),
)

_COMMERCIAL = (
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

CATALOGUE: tuple[Feature, ...] = (*_PROFILE, *_USAGE, *_SUPPORT, *_SURVEY, *_COMMERCIAL)
"""Every feature."""


def catalogue(level: Level) -> dict[str, Feature]:
    """The features of one level by name, internal ones included."""
    return {feature.name: feature for feature in CATALOGUE if level in feature.levels}
