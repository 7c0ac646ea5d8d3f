"""What people do in the product, by what the card's `[product]` table says of its events."""

from functools import partial

from scoring.features.base import BOTH, MIN_EVENTS, Feature
from scoring.features.usage import BEFORE, NOW, OLD_ENOUGH, change
from scoring.units import CHANGE, DAYS, FLAG, MINUTES, PERCENT, things

_usage = partial(Feature, family="usage", kinds=("usage",))
_counted = partial(_usage, source="usage", zero=True)
_offer = partial(_counted, setting="plans")
_EVENT, _FEATURE, _WEEK = things("event"), things("feature"), things("week")

_WEEKS = [sum(1 << age for age in range(first, first + 7)) for first in (1, 8, 15, 22, 29, 36, 43, 50)]


def _weeks(mask: str, weeks: list[int]) -> str:
    return " + ".join(f"CASE WHEN ({mask} & {week}) > 0 THEN 1 ELSE 0 END" for week in weeks)


def _rhythm(days_now: str, days_before: str, least: int) -> str:
    return f"CASE WHEN {days_before} >= {least} AND {days_now} < {least} THEN 1 ELSE 0 END"


_BREADTH = (
    _offer("offer_used", things("bit"), "Features used, a bit each.", "BIT_OR(offer_mask)", levels=BOTH, internal=True),
    _usage(
        "plan_offer", things("bit"), "Features that the plan offers, a bit each.", "{plan_offer}", source="self",
        setting="plans", internal=True,
    ),
    _usage(
        "features_used_28d", _FEATURE, "Different features (events of any plan) used in the last 28 complete days.",
        "BIT_COUNT(offer_used)", levels=BOTH, setting="plans",
    ),
    _usage(
        "plan_use", PERCENT, "Of the features that its plan offers, how many were used in the last 28 complete days.",
        "CASE WHEN plan_offer > 0 "
        "THEN CAST(100 AS BIGINT) * BIT_COUNT(offer_used & plan_offer) // BIT_COUNT(plan_offer) END",
        setting="plans",
    ),
    _usage(
        "unused_features", _FEATURE, "Features that its plan offers and nobody used in the last 28 complete days.",
        "BIT_COUNT(plan_offer) - BIT_COUNT(offer_used & plan_offer)", setting="plans",
    ),
    _usage(
        "features_beyond_plan", _FEATURE, "Features used in the last 28 complete days that its plan does not offer.",
        "BIT_COUNT(offer_used) - BIT_COUNT(offer_used & plan_offer)", setting="plans",
    ),
    _usage(
        "upsell_ready", FLAG, "1 when four fifths of the plan are used and active people rise by a tenth: it needs "
        "more of the same.",
        "CASE WHEN plan_use >= 80 AND active_users_change >= 10 THEN 1 WHEN plan_use < 80 OR active_users_change < 10 "
        "THEN 0 END", setting="plans",
    ),
    _usage(
        "cross_sell_ready", FLAG, "1 when features outside its plan are used: it needs something else.",
        "CASE WHEN features_beyond_plan > 0 THEN 1 WHEN features_beyond_plan = 0 THEN 0 END", setting="plans",
    ),
)  # fmt: skip

_ACTIONS = (
    _counted(
        "key_actions_28d", _EVENT, "Key actions, last 28 complete days.", "SUM(key_hits)", levels=BOTH,
        setting="key_actions",
    ),
    _counted(
        "key_actions_prev_28d", _EVENT, "Key actions, 28 days before.", "SUM(key_hits_prev)", levels=BOTH,
        setting="key_actions",
    ),
    _usage(
        "key_actions_change", CHANGE, "Key actions, last 28 days against the 28 before.",
        change("key_actions_28d", "key_actions_prev_28d", MIN_EVENTS), levels=BOTH, setting="key_actions",
    ),
    _counted(
        "content_28d", _EVENT, "Reading of help, courses and the like, last 28 complete days.", "SUM(content_hits)",
        levels=BOTH, setting="content",
    ),
    *(
        feature
        for when, suffix, mask, weeks in (
            ("of the last 28 complete days", "28d", NOW, _WEEKS[:4]),
            ("of the 28 before", "prev_28d", BEFORE, _WEEKS[4:]),
        )
        for feature in (
            _counted(
                f"daily_action_days_{suffix}", DAYS, f"Days with a daily action, {when}.",
                f"BIT_COUNT(BIT_OR(daily_mask) & {mask})", levels=BOTH, setting="daily",
            ),
            _counted(
                f"weekly_action_weeks_{suffix}", _WEEK, f"Weeks with a weekly action, {when}.",
                _weeks("BIT_OR(weekly_mask)", weeks), levels=BOTH, setting="weekly",
            ),
            _counted(
                f"monthly_action_days_{suffix}", DAYS, f"Days with a monthly action, {when}.",
                f"BIT_COUNT(BIT_OR(monthly_mask) & {mask})", levels=BOTH, setting="monthly",
            ),
        )
    ),
    _usage(
        "lost_rhythms", things("lost habit"),
        "Habits kept in the 28 days before and not in the last 28: a daily action on 12 days, a weekly one in 3 of 4 "
        "weeks, a monthly one at all.",
        f"CASE WHEN {OLD_ENOUGH} THEN "
        + " + ".join((
            _rhythm("daily_action_days_28d", "daily_action_days_prev_28d", 12),
            _rhythm("weekly_action_weeks_28d", "weekly_action_weeks_prev_28d", 3),
            _rhythm("monthly_action_days_28d", "monthly_action_days_prev_28d", 1),
        )) + " + 0 * daily_action_days_28d END",
        levels=BOTH, setting="daily",
    ),
)  # fmt: skip

_SESSIONS = (
    _counted(
        "session_starts", _EVENT, "Sessions begun.", "SUM(starts)", levels=BOTH, setting="sessions", internal=True
    ),
    _counted(
        "session_starts_prev", _EVENT, "Sessions begun before.", "SUM(starts_prev)", levels=BOTH, setting="sessions",
        internal=True,
    ),
    _counted("session_beats", _EVENT, "Their beats.", "SUM(beats)", levels=BOTH, setting="sessions", internal=True),
    _counted(
        "session_beats_prev", _EVENT, "Their beats before.", "SUM(beats_prev)", levels=BOTH, setting="sessions",
        internal=True,
    ),
    _usage(
        "session_minutes", MINUTES, "Mean length of a session, last 28 complete days, by an event that repeats in it.",
        "CASE WHEN session_starts > 0 THEN {beat_minutes} * session_beats // session_starts END", levels=BOTH,
        setting="sessions",
    ),
    _usage(
        "session_minutes_prev", MINUTES, "The same, 28 days before.",
        "CASE WHEN session_starts_prev > 0 THEN {beat_minutes} * session_beats_prev // session_starts_prev END",
        levels=BOTH, setting="sessions",
    ),
    _usage(
        "session_change", CHANGE, "Length of sessions, last 28 days against the 28 before; from 10 sessions each on.",
        f"CASE WHEN {OLD_ENOUGH} AND session_starts >= {MIN_EVENTS} AND session_starts_prev >= {MIN_EVENTS} "
        "AND session_minutes_prev > 0 THEN 100 * session_minutes // session_minutes_prev - 100 END",
        levels=BOTH, setting="sessions",
    ),
)  # fmt: skip

_KNOWN_START = "usage_history_days >= customer_first_age"
_ONBOARDING = (
    _usage(
        "customer_first_age", DAYS, "Days from the first day as a customer to the last day of usage.",
        "CASE WHEN customer_since BETWEEN 0 AND clock.usage_day THEN clock.usage_day - customer_since END",
        source="self", internal=True,
    ),
    _counted(
        "active_day_bits", things("bit"), "Days with any event, a bit each.", "BIT_OR(day_mask)", internal=True,
    ),
    _counted(
        "steps_done", things("bit"), "Onboarding steps done, a bit each.", "BIT_OR(step_mask)", setting="onboarding",
        internal=True,
    ),
    _usage(
        "activation", PERCENT,
        "Days with a product event, of the first 30 days as a customer or of those that have passed; known from day 7 "
        "to day 62.",
        f"CASE WHEN customer_first_age BETWEEN 7 AND 30 AND {_KNOWN_START} "
        "THEN CAST(100 AS BIGINT) * BIT_COUNT((active_day_bits >> 1) "
        "& ((CAST(1 AS BIGINT) << CAST(customer_first_age AS INT)) - 1)) // customer_first_age "
        f"WHEN customer_first_age BETWEEN 31 AND 62 AND {_KNOWN_START} "
        "THEN CAST(100 AS BIGINT) * BIT_COUNT((active_day_bits >> CAST(customer_first_age - 29 AS INT)) "
        f"& {2**30 - 1}) // 30 END",
    ),
    _usage(
        "onboarding_progress", PERCENT, "Of the onboarding steps, how many were done; known for the first 90 days.",
        f"CASE WHEN customer_first_age BETWEEN 0 AND 90 AND {_KNOWN_START} "
        "THEN CAST(100 AS BIGINT) * BIT_COUNT(steps_done) // {steps} END", setting="onboarding",
    ),
    _usage(
        "onboarding_lag", PERCENT, "Onboarding steps missing against an even pace of 30 days; 0 when ahead.",
        "CASE WHEN customer_first_age < 30 THEN CASE WHEN 100 * customer_first_age // 30 > onboarding_progress "
        "THEN 100 * customer_first_age // 30 - onboarding_progress WHEN onboarding_progress >= 0 THEN 0 END "
        "WHEN customer_first_age >= 30 THEN 100 - onboarding_progress END", setting="onboarding",
    ),
)  # fmt: skip

PRODUCT: tuple[Feature, ...] = (*_BREADTH, *_ACTIONS, *_SESSIONS, *_ONBOARDING)
"""Features of use that need the meaning of events, and of the first weeks."""
