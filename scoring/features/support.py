"""What people ask support for."""

from functools import partial

from scoring.features.base import BOTH, Feature
from scoring.units import DAYS, FLAG, HOURS, MINUTES, TEXT, TREND, things

_support = partial(Feature, family="support", kinds=("ticket",), levels=BOTH)
_ticket = partial(_support, source="ticket", zero=True)
_TICKET = things("ticket")

SUPPORT: tuple[Feature, ...] = (
    _ticket("open_tickets", things("open ticket"), "Tickets not solved.", "SUM(is_open)"),
    _ticket(
        "urgent_tickets",
        things("urgent open ticket"),
        "Tickets not solved, of high or urgent priority.",
        "SUM(CASE WHEN is_open = 1 AND priority IN ('high', 'urgent') THEN 1 ELSE 0 END)",
    ),
    _ticket("tickets_28d", _TICKET, "Tickets opened in the last 28 days.", "SUM(CASE WHEN age < 28 THEN 1 ELSE 0 END)"),
    _ticket(
        "tickets_prev_28d",
        _TICKET,
        "Tickets opened in the 28 days before.",
        "SUM(CASE WHEN age BETWEEN 28 AND 55 THEN 1 ELSE 0 END)",
    ),
    _ticket("tickets_90d", _TICKET, "Tickets opened in the last 90 days.", "SUM(CASE WHEN age < 90 THEN 1 ELSE 0 END)"),
    _ticket(
        "oldest_open_days",
        DAYS,
        "Age of the oldest ticket not solved; 0 when none is open.",
        "MAX(CASE WHEN is_open = 1 THEN age ELSE 0 END)",
    ),
    _ticket(
        "unresolved_7d",
        things("unresolved ticket"),
        "Tickets not solved for 7 days or more.",
        "SUM(CASE WHEN is_open = 1 AND age >= 7 THEN 1 ELSE 0 END)",
    ),
    _ticket(
        "reopened_90d",
        things("reopened ticket"),
        "Tickets of the last 90 days that were opened again.",
        "SUM(CASE WHEN age < 90 AND reopens > 0 THEN 1 ELSE 0 END)",
    ),
    _ticket(
        "high_effort_90d",
        things("laborious ticket"),
        "Tickets of the last 90 days that cost effort: 6 answers or more, opened again twice, or unsolved for 14 days.",
        "SUM(CASE WHEN age < 90 AND (replies >= 6 OR reopens >= 2 OR days_taken >= 14) THEN 1 ELSE 0 END)",
    ),
    _support(
        "first_reply_minutes",
        MINUTES,
        "Median calendar minutes to the first answer, tickets of the last 90 days that have one.",
        "MAX(CASE WHEN place = (total + 1) // 2 THEN value END)",
        source="first_reply",
    ),
    _support(
        "resolution_hours",
        HOURS,
        "Median hours from opening to solving, tickets solved in the last 90 days.",
        "MAX(CASE WHEN place = (total + 1) // 2 THEN value END)",
        source="resolution",
    ),
    _support(
        "support_channel",
        TEXT,
        "Channel of most tickets of the last 90 days, as the source calls it; of equals the first by name.",
        "MAX(CASE WHEN place = 1 THEN channel END)",
        source="channel",
    ),
    _support(
        "ticket_trend",
        TREND,
        "1 rising, 0 stable, -1 falling: 28 days against the 28 before, by at least 2 tickets and by half.",
        "CASE WHEN tickets_28d >= tickets_prev_28d + 2 AND 2 * tickets_28d >= 3 * tickets_prev_28d THEN 1 "
        "WHEN tickets_prev_28d >= tickets_28d + 2 AND 2 * tickets_prev_28d >= 3 * tickets_28d THEN -1 "
        "WHEN tickets_28d >= 0 THEN 0 END",
    ),
    _support(
        "ticket_pressure",
        things("point"),
        "Open tickets, plus 2 when tickets are rising.",
        "open_tickets + CASE WHEN ticket_trend > 0 THEN 2 ELSE 0 END",
    ),
    _support(
        "early_tickets",
        _TICKET,
        "Tickets of the last 56 days; known for the first 56 days as a customer only.",
        "CASE WHEN customer_age_days BETWEEN 0 AND 56 THEN tickets_28d + tickets_prev_28d END",
        levels=("account",),
    ),
    _support(
        "busy_but_unhappy",
        FLAG,
        "1 when CSAT falls while use is high: active on 15 of the last 28 days or more.",
        "CASE WHEN csat_trend < 0 AND active_days_28d >= 15 THEN 1 WHEN csat_trend >= 0 OR active_days_28d < 15 "
        "THEN 0 END",
        kinds=("usage", "survey_response"),
    ),
)
"""Features of tickets."""
