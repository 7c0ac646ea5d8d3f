"""Where features come from: the clock of each record kind, and rows of the common tables prepared for aggregation.

Each source is a SELECT giving a `key` (account or contact, by level) and the columns that features aggregate. Only the
columns that a card's features need are selected, so that nothing else is read from the state file.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from scoring.inputs import Level

REACH_DAYS = 90
"""Complete days of usage that are read, and today's."""
MIN_PEERS = 30
"""Fewest accounts with a known value for their median to be used."""


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to aggregate.

    Attributes:
        table: The common table; the source's key is that table's column named after the level.
        kind: Record kind that sets the clock.
        columns: Column -> SQL over table and clock.
        where: Which rows count.
    """

    table: str
    kind: str
    columns: dict[str, str]
    where: str

    def select(self, level: Level, wanted: Iterable[str]) -> str:
        """The rows as SQL, with the wanted columns."""
        picked = "".join(f", {sql} AS {name}" for name, sql in self.columns.items() if name in set(wanted))
        return (
            f"SELECT {self.table}.{level} AS key{picked} FROM {self.table} CROSS JOIN clock "
            f"WHERE {self.table}.{level} IS NOT NULL AND {self.where}"
        )


SOURCES: dict[str, Source] = {
    "logins": Source(
        "contact",
        "usage",
        {
            "login_age": "CASE WHEN contact.last_login_at // 86400 < clock.usage_day "
            "THEN clock.usage_day - contact.last_login_at // 86400 ELSE 0 END"
        },
        "contact.last_login_at BETWEEN 0 AND clock.now AND NOT clock.usage_at IS NULL",
    ),
    "ticket": Source(
        "ticket",
        "ticket",
        {
            "age": "clock.ticket_day - ticket.created_at // 86400",
            "is_open": "CASE WHEN ticket.status NOT IN ('solved', 'closed') OR ticket.solved_at > clock.ticket_at "
            "THEN 1 ELSE 0 END",
            "priority": "ticket.priority",
        },
        "ticket.created_at BETWEEN 0 AND clock.ticket_at",
    ),
    "survey": Source(
        "survey",
        "survey_response",
        {
            "csat": "CASE WHEN survey.survey = 'csat' AND survey.responded_at > clock.survey_response_at - 90 * 86400 "
            "THEN 1 ELSE 0 END",
            "csat_points": "CASE WHEN survey.survey = 'csat' AND survey.responded_at > clock.survey_response_at "
            "- 90 * 86400 THEN CASE WHEN survey.satisfied = 1 THEN 100 WHEN survey.satisfied = 0 THEN 0 ELSE 50 END "
            "ELSE 0 END",
            "nps_code": "CASE WHEN survey.survey = 'nps' AND survey.responded_at > clock.survey_response_at "
            "- 365 * 86400 THEN 1000 * survey.responded_at + 100 - 100 * (survey.score - survey.scale_min) "
            "// (survey.scale_max - survey.scale_min) END",
        },
        "survey.responded_at BETWEEN 0 AND clock.survey_response_at AND survey.scale_min BETWEEN -1000 AND 1000 "
        "AND survey.scale_max BETWEEN -1000 AND 1000 AND survey.scale_max > survey.scale_min "
        "AND survey.score BETWEEN survey.scale_min AND survey.scale_max",
    ),
    "invoice": Source(
        "invoice",
        "invoice",
        {
            "overdue_days": "CASE WHEN invoice.status IN ('open', 'uncollectible') "
            "AND invoice.due_date BETWEEN 0 AND clock.invoice_day - 1 THEN clock.invoice_day - invoice.due_date "
            "ELSE 0 END",
            "failed": "CASE WHEN invoice.status IN ('open', 'uncollectible') THEN invoice.failed_attempts ELSE 0 END",
        },
        "invoice.created_at BETWEEN 0 AND clock.invoice_at",
    ),
    "subscription": Source(
        "subscription",
        "subscription",
        {"is_ending": "CASE WHEN subscription.cancel_at > clock.subscription_at THEN 1 ELSE 0 END"},
        "clock.subscription_at IS NOT NULL",
    ),
    "deal": Source(
        "deal",
        "deal",
        {
            "is_open": "CASE WHEN deal.closed = 0 THEN 1 ELSE 0 END",
            "won": "deal.won",
            "renewal": "deal.renewal",
            "age": "CASE WHEN deal.close_date BETWEEN 0 AND clock.deal_day THEN clock.deal_day - deal.close_date END",
        },
        "COALESCE(deal.created_at, 0) BETWEEN 0 AND clock.deal_at",
    ),
}
"""Sources that are rows of one table."""

_AGE = "CAST(clock.usage_day - DATE_DIFF('day', DATE '1970-01-01', usage.day) AS INT)"
_SUMS = """MIN(last_age) AS last_age, CAST(SUM(events) AS BIGINT) AS events,
    CAST(SUM(events_prev) AS BIGINT) AS events_prev, BIT_OR(day_mask) AS day_mask"""


def usage_chain(source: str, level: Level) -> list[tuple[str, str]]:
    """The steps from usage to rows per account or contact: CTE name -> SQL.

    `usage_seen` is the only step that touches every usage row: one pass, one group per person and product group. The
    days of activity are bits of a number, the lowest for today, so that days are counted without listing them. What
    lies outside a window is NULL and not 0: aggregates skip it, which saves a quarter of the pass.
    """
    if source == "history":
        days = "clock.usage_day - DATE_DIFF('day', DATE '1970-01-01', MIN(usage.day))"
        first = f"SELECT {days} AS days FROM usage CROSS JOIN clock GROUP BY clock.usage_day"
        capped = f"CASE WHEN days > {REACH_DAYS} THEN {REACH_DAYS} ELSE days END"
        return [("history_rows", f"SELECT MAX({capped}) AS usage_history_days FROM ({first}) AS span")]
    if source == "link":
        people = f"SELECT usage_person.{level} AS key FROM usage_person WHERE NOT usage_person.{level} IS NULL"
        groups = "SELECT usage_group.account AS key FROM usage_group WHERE NOT usage_group.account IS NULL"
        both = f"{people} UNION ALL {groups}" if level == "account" else people
        return [("link_rows", f"SELECT key FROM ({both}) AS linked")]
    # A contact's usage is the contact's in whichever product group; only accounts need to tell groups apart.
    group = ", grp" if level == "account" else ""
    aged = f"SELECT usage.person{group}, usage.count AS hits, {_AGE} AS age FROM usage CROSS JOIN clock"
    seen = f"""SELECT person{group}, MIN(age) AS last_age,
        SUM(CASE WHEN age BETWEEN 1 AND 28 THEN hits END) AS events,
        SUM(CASE WHEN age BETWEEN 29 AND 56 THEN hits END) AS events_prev,
        BIT_OR(CASE WHEN age <= 56 THEN CAST(1 AS BIGINT) << age END) AS day_mask
        FROM ({aged}) AS aged WHERE age BETWEEN 0 AND {REACH_DAYS} GROUP BY person{group}"""
    # The same human seen by two sources counts once: as the contact, when linked to one.
    member = "CASE WHEN usage_person.contact IS NULL THEN -1 - usage_seen.person ELSE usage_person.contact END"
    key, groups = "usage_person.contact", ""
    if level == "account":
        key = "COALESCE(usage_group.account, usage_person.account)"
        groups = "LEFT JOIN usage_group ON usage_seen.grp = usage_group.grp"
    owned = f"""SELECT {key} AS key, {member} AS member, usage_seen.last_age, usage_seen.events,
        usage_seen.events_prev, usage_seen.day_mask
        FROM usage_seen LEFT JOIN usage_person ON usage_seen.person = usage_person.person {groups}"""
    rows = f"SELECT key, member, {_SUMS} FROM usage_owned WHERE NOT key IS NULL GROUP BY key, member"
    return [("usage_seen", seen), ("usage_owned", owned), ("usage_rows", rows)]
