"""What people ask support for."""

from functools import partial

from scoring.features.base import BOTH, Feature
from scoring.units import DAYS, TREND, things

_ticket = partial(Feature, source="ticket", family="support", kinds=("ticket",), zero=True, levels=BOTH)

SUPPORT: tuple[Feature, ...] = (
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
"""Features of tickets."""
