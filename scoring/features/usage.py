"""What people do in the product."""

from functools import partial

from scoring.features.base import BOTH, CONTACT, MIN_ACTIVE, MIN_EVENTS, THOUSANDTHS, WINDOW_DAYS, Feature
from scoring.inputs import Level
from scoring.units import CHANGE, DAYS, PEOPLE, PERCENT, things

_usage = partial(Feature, family="usage", kinds=("usage",))
_counted = partial(_usage, source="usage", zero=True)

_OLD_ENOUGH = f"usage_history_days >= {2 * WINDOW_DAYS}"
# Bits of `day_mask`: bit 0 is today, bits 1-28 the last complete days, bits 29-56 the days before.
_NOW = 2 ** (WINDOW_DAYS + 1) - 2
_BEFORE = 2 ** (2 * WINDOW_DAYS + 1) - 2 ** (WINDOW_DAYS + 1)


def _change(now: str, before: str, least: int) -> str:
    return f"CASE WHEN {_OLD_ENOUGH} AND {before} >= {least} THEN 100 * {now} // {before} - 100 END"


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


USAGE: tuple[Feature, ...] = (
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
        THOUSANDTHS,
        "The same as a ratio in thousandths.",
        f"CASE WHEN {_OLD_ENOUGH} AND events_prev_28d >= {MIN_EVENTS} THEN 1000 * events_28d // events_prev_28d END",
        internal=True,
    ),
    _usage("usage_ratio_median", THOUSANDTHS, "Its median.", "usage_ratio", source="median", internal=True),
    _usage(
        "usage_vs_peers",
        CHANGE,
        "Usage change divided by the median change of all accounts, so that seasons and holidays cancel out; plain "
        "while fewer than 30 accounts have a known change.",
        "CASE WHEN usage_ratio_median > 0 THEN 100 * usage_ratio // usage_ratio_median - 100 "
        "ELSE usage_ratio // 10 - 100 END",
    ),
)
"""Features of product usage."""
