"""What people do in the product."""

from functools import partial

from scoring.features.base import BOTH, CONTACT, MIN_ACTIVE, MIN_EVENTS, THOUSANDTHS, WINDOW_DAYS, Feature
from scoring.inputs import Level
from scoring.units import CHANGE, DAYS, FLAG, PEOPLE, PERCENT, things

_usage = partial(Feature, family="usage", kinds=("usage",))
_counted = partial(_usage, source="usage", zero=True)

OLD_ENOUGH = f"usage_history_days >= {2 * WINDOW_DAYS}"
# Bits of `day_mask`: bit 0 is today, bits 1-28 the last complete days, bits 29-56 the days before.
NOW = 2 ** (WINDOW_DAYS + 1) - 2
BEFORE = 2 ** (2 * WINDOW_DAYS + 1) - 2 ** (WINDOW_DAYS + 1)


def change(now: str, before: str, least: int) -> str:
    """The change in percent, once usage is old enough and there was enough of it before."""
    return f"CASE WHEN {OLD_ENOUGH} AND {before} >= {least} THEN 100 * {now} // {before} - 100 END"


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
        f"BIT_COUNT(BIT_OR(day_mask) & {NOW})",
        levels=BOTH,
    ),
    _counted(
        "active_days_prev_28d",
        DAYS,
        "Days with any product event, of the 28 days before.",
        f"BIT_COUNT(BIT_OR(day_mask) & {BEFORE})",
        levels=BOTH,
    ),
    _counted(
        "active_users_28d",
        PEOPLE,
        "People with a product event in the last 28 complete days.",
        f"SUM(CASE WHEN (day_mask & {NOW}) > 0 THEN 1 END)",
    ),
    _counted(
        "active_users_prev_28d",
        PEOPLE,
        "People with a product event in the 28 days before.",
        f"SUM(CASE WHEN (day_mask & {BEFORE}) > 0 THEN 1 END)",
    ),
    _counted(
        "recent_users",
        PEOPLE,
        "People with a product event in the last 28 complete days or today.",
        "SUM(CASE WHEN last_age <= 28 THEN 1 END)",
    ),
    _counted("seen_users", PEOPLE, "People with a product event in the last 90 days.", "COUNT(last_age)"),
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
        change("active_users_28d", "active_users_prev_28d", MIN_ACTIVE),
    ),
    _usage(
        "active_days_change",
        CHANGE,
        "Active days, last 28 days against the 28 before.",
        change("active_days_28d", "active_days_prev_28d", MIN_ACTIVE),
        levels=BOTH,
    ),
    _usage(
        "usage_change",
        CHANGE,
        "Product events, last 28 days against the 28 before.",
        change("events_28d", "events_prev_28d", MIN_EVENTS),
    ),
    _usage(
        "usage_ratio",
        THOUSANDTHS,
        "The same as a ratio in thousandths.",
        f"CASE WHEN {OLD_ENOUGH} AND events_prev_28d >= {MIN_EVENTS} THEN 1000 * events_28d // events_prev_28d END",
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
    _counted(
        "visits",
        things("visit"),
        "Days of people with a product event, last 28 complete days.",
        f"SUM(BIT_COUNT(day_mask & {NOW}))",
        levels=BOTH,
        internal=True,
    ),
    _counted(
        "visits_prev",
        things("visit"),
        "The same, 28 days before.",
        f"SUM(BIT_COUNT(day_mask & {BEFORE}))",
        levels=BOTH,
        internal=True,
    ),
    _usage(
        "events_per_user",
        things("event"),
        "Depth: product events by active person, last 28 complete days.",
        "CASE WHEN active_users_28d > 0 THEN events_28d // active_users_28d END",
    ),
    _usage(
        "visit_events",
        things("event"),
        "Length of visits in events: product events by person and active day, last 28 complete days.",
        "CASE WHEN visits > 0 THEN events_28d // visits END",
        levels=BOTH,
    ),
    _usage(
        "visit_change",
        CHANGE,
        "Events by person and active day, last 28 days against the 28 before.",
        f"CASE WHEN {OLD_ENOUGH} AND visits >= {MIN_ACTIVE} AND visits_prev >= {MIN_ACTIVE} AND events_prev_28d > 0 "
        "THEN 100 * (events_28d * visits_prev) // (events_prev_28d * visits) - 100 END",
        levels=BOTH,
    ),
    _counted(
        "active_days_14d",
        DAYS,
        "Days with any product event, of the last 14 complete days.",
        f"BIT_COUNT(BIT_OR(day_mask) & {2**15 - 2})",
        levels=BOTH,
    ),
    _counted(
        "active_days_prev_14d",
        DAYS,
        "Days with any product event, of the 14 days before.",
        f"BIT_COUNT(BIT_OR(day_mask) & {2**29 - 2**15})",
        levels=BOTH,
    ),
    _usage(
        "momentum",
        CHANGE,
        "Active days, last 14 days against the 14 before: where use is heading.",
        f"CASE WHEN usage_history_days >= {WINDOW_DAYS} AND active_days_prev_14d >= {MIN_ACTIVE} "
        "THEN 100 * active_days_14d // active_days_prev_14d - 100 END",
        levels=BOTH,
    ),
    _usage(
        "silence",
        PERCENT,
        "Days since the last product event, in percent of the usual gap between active days "
        "of the 28 days before; early sign of dormancy.",
        f"CASE WHEN {OLD_ENOUGH} AND active_days_prev_28d >= {MIN_ACTIVE} "
        f"THEN 100 * usage_age * active_days_prev_28d // {WINDOW_DAYS} END",
        levels=BOTH,
    ),
    _counted(
        "top_user_events",
        things("event"),
        "Events of the person with most, 28 days before.",
        "MAX(events_prev)",
        internal=True,
    ),
    _counted(
        "top_quiet_events",
        things("event"),
        "The same of people without any in the last 28 days.",
        f"MAX(CASE WHEN (day_mask & {NOW + 1}) = 0 THEN events_prev END)",
        internal=True,
    ),
    _usage(
        "top_user_quiet",
        FLAG,
        "1 when the person who used it most in the 28 days before has not used it since.",
        f"CASE WHEN {OLD_ENOUGH} AND top_user_events >= {MIN_EVENTS} THEN CASE WHEN top_quiet_events = "
        "top_user_events THEN 1 ELSE 0 END END",
    ),
    _usage(
        "usage_far_days",
        DAYS,
        "Days of usage on file, a year and more included.",
        "usage_far_days",
        source="history",
        internal=True,
    ),
    _counted(
        "year_events", things("event"), "Events in the same 28 days a year ago.", "SUM(year_events)", internal=True
    ),
    _counted(
        "year_events_prev",
        things("event"),
        "Events in the 28 days before those.",
        "SUM(year_events_prev)",
        internal=True,
    ),
    _usage(
        "usage_vs_last_year",
        CHANGE,
        "Product events, last 28 days against the same days a year (52 weeks) ago; "
        "known once usage of 392 days is on file.",
        f"CASE WHEN usage_far_days >= 392 AND year_events >= {MIN_EVENTS} "
        "THEN 100 * events_28d // year_events - 100 END",
    ),
    _usage(
        "season_change",
        CHANGE,
        "Usage change divided by the change in the same weeks a year ago; known once usage of 420 days is on file.",
        f"CASE WHEN usage_far_days >= 420 AND year_events_prev >= {MIN_EVENTS} AND year_events > 0 "
        "THEN 100 * (usage_ratio * year_events_prev) // (1000 * year_events) - 100 END",
    ),
)
"""Features of product usage."""
