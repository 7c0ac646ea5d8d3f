"""Where features come from: rows of the common tables, prepared for aggregation. Usage has a chain of its own.

Each source is a SELECT giving a `key` (account or contact, by level) and the columns that features aggregate. Only the
columns that a card's features need are selected, so that nothing else is read from the state file.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from scoring.inputs import Level


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to aggregate.

    Attributes:
        table: The common table; the source's key is that table's column named after the level.
        kind: Record kind that sets the clock.
        columns: Column -> SQL over table and clock.
        where: Which rows count.
        around: SELECT around these rows, named `{rows}`, that groups or ranks them; it takes every column.
    """

    table: str
    kind: str
    columns: dict[str, str]
    where: str
    around: str = ""

    def select(self, level: Level, wanted: Iterable[str]) -> str:
        """The rows as SQL, with the wanted columns."""
        names = set(self.columns) if self.around else set(wanted)
        picked = "".join(f", {sql} AS {name}" for name, sql in self.columns.items() if name in names)
        rows = (
            f"SELECT {self.table}.{level} AS key{picked} FROM {self.table} CROSS JOIN clock "
            f"WHERE {self.table}.{level} IS NOT NULL AND {self.where}"
        )
        return self.around.replace("{rows}", rows) if self.around else rows


_RANKED = (
    "SELECT key, value, ROW_NUMBER() OVER (PARTITION BY key ORDER BY value) AS place, "
    "COUNT(*) OVER (PARTITION BY key) AS total FROM ({rows}) AS one WHERE NOT value IS NULL"
)
"""Each value with its place among those of the same account or contact: the way to a median."""


_REPLIES = (
    # A message in one number: instant and direction. The next one tells after how long somebody answered; more of the
    # same in between does not count.
    "SELECT key, way, value, ROW_NUMBER() OVER (PARTITION BY key, way ORDER BY value) AS place, "
    "COUNT(*) OVER (PARTITION BY key, way) AS total FROM ("
    "SELECT key, code % 2 AS way, (next // 2 - code // 2) // 3600 AS value FROM ("
    "SELECT key, code, LEAD(code) OVER (PARTITION BY key ORDER BY code) AS next, since FROM ({rows}) AS message"
    ") AS following WHERE code % 2 <> next % 2 AND next >= since) AS answer"
)
"""Hours until a message was answered, with their place among the answers in the same direction: 0 theirs, 1 ours."""


_TICKET_WHERE = "ticket.created_at BETWEEN 0 AND clock.ticket_at"
_SOLVED = "ticket.status IN ('solved', 'closed') AND ticket.solved_at BETWEEN ticket.created_at AND clock.ticket_at"
_TICKETS = {
    "ticket": Source(
        "ticket",
        "ticket",
        {
            "age": "clock.ticket_day - ticket.created_at // 86400",
            "is_open": "CASE WHEN ticket.status NOT IN ('solved', 'closed') OR ticket.solved_at > clock.ticket_at "
            "THEN 1 ELSE 0 END",
            "priority": "ticket.priority",
            "reopens": "ticket.reopens",
            "replies": "ticket.replies",
            "days_taken": f"CASE WHEN {_SOLVED} THEN (ticket.solved_at - ticket.created_at) // 86400 "
            "WHEN ticket.status NOT IN ('solved', 'closed') OR ticket.solved_at > clock.ticket_at "
            "THEN (clock.ticket_at - ticket.created_at) // 86400 END",
        },
        _TICKET_WHERE,
    ),
    "first_reply": Source(
        "ticket",
        "ticket",
        {"value": "ticket.first_reply_minutes"},
        f"{_TICKET_WHERE} AND clock.ticket_day - ticket.created_at // 86400 < 90 "
        "AND ticket.created_at + 60 * ticket.first_reply_minutes <= clock.ticket_at",
        _RANKED,
    ),
    "resolution": Source(
        "ticket",
        "ticket",
        {"value": "(ticket.solved_at - ticket.created_at) // 3600"},
        f"{_TICKET_WHERE} AND {_SOLVED} AND clock.ticket_day - ticket.solved_at // 86400 < 90",
        _RANKED,
    ),
    "channel": Source(
        "ticket",
        "ticket",
        {"channel": "ticket.channel"},
        f"{_TICKET_WHERE} AND clock.ticket_day - ticket.created_at // 86400 < 90 AND NOT ticket.channel IS NULL",
        "SELECT key, channel, ROW_NUMBER() OVER (PARTITION BY key ORDER BY 0 - total, channel) AS place "
        "FROM (SELECT key, channel, COUNT(*) AS total FROM ({rows}) AS one GROUP BY key, channel) AS counted",
    ),
}

NEWEST_RELEASE = (
    "SELECT release.account AS account, MAX(release.first_day) AS first_day FROM release CROSS JOIN clock "
    "WHERE clock.today BETWEEN release.first_day AND release.last_day GROUP BY release.account"
)
"""The first day of the newest release that is on, for each account that has one."""
_RELEASES = {
    "release": Source(
        "release",
        "account",
        {"age": "clock.today - release.first_day"},
        "clock.today BETWEEN release.first_day AND release.last_day",
    ),
    "ticket_since_release": Source(
        "ticket",
        "ticket",
        {"day": "ticket.created_at // 86400"},
        _TICKET_WHERE,
        "SELECT one.key AS key, CASE WHEN one.day >= newest.first_day THEN 1 ELSE 0 END AS is_since "
        f"FROM ({{rows}}) AS one JOIN ({NEWEST_RELEASE}) AS newest ON newest.account = one.key",
    ),
}

_SINCE = "survey.responded_at > clock.survey_response_at - {days} * 86400"
_ANSWER_WHERE = (
    "survey.responded_at BETWEEN 0 AND clock.survey_response_at AND survey.scale_min BETWEEN -1000 AND 1000 "
    "AND survey.scale_max BETWEEN -1000 AND 1000 AND survey.scale_max > survey.scale_min "
    "AND survey.score BETWEEN survey.scale_min AND survey.scale_max"
)
_OF_100 = "100 * (survey.score - survey.scale_min) // (survey.scale_max - survey.scale_min)"
_CSAT_POINTS = "CASE WHEN survey.satisfied = 1 THEN 100 WHEN survey.satisfied = 0 THEN 0 ELSE 50 END"


def _asked(kind: str, first: int, last: int = 0) -> str:
    """Answers of a kind of the last `first` days, without those of the last `last` days."""
    text = f"survey.survey = '{kind}' AND {_SINCE.format(days=first)}"
    return text + (f" AND NOT {_SINCE.format(days=last)}" if last else "")


def _if(condition: str, value: str, otherwise: str = "ELSE 0 ") -> str:
    return f"CASE WHEN {condition} THEN {value} {otherwise}END"


THEMES = ("bugs", "leaving", "missing", "outages", "praise", "price", "speed", "support", "usability")
"""Themes that come with Holdfast: what a feature counts must have a name that is known beforehand."""
COMPLAINT = "complaint"
"""The tag of every text in which a theme was found that is a complaint."""


def _speaks_of(theme: str, themes: str = "survey.themes") -> str:
    return f"{themes} LIKE '%\"{theme}\"%'"


_COMPLAINS = f"{_speaks_of(COMPLAINT)} AND COALESCE(survey.satisfied, 0) = 0"
_NPS_CODE = _if(_asked("nps", 365), f"1000 * survey.responded_at + 100 - {_OF_100}", "")
_SURVEYS = {
    "survey": Source(
        "survey",
        "survey_response",
        {
            "csat": _if(_asked("csat", 90), "1"),
            "csat_points": _if(_asked("csat", 90), _CSAT_POINTS),
            "csat_prev": _if(_asked("csat", 180, 90), "1"),
            "csat_prev_points": _if(_asked("csat", 180, 90), _CSAT_POINTS),
            "csat_code": _if(_asked("csat", 365), f"1000 * survey.responded_at + 100 - {_CSAT_POINTS}", ""),
            "nps_code": _NPS_CODE,
            "nps_hours": _if(_asked("nps", 365), "(clock.now - survey.responded_at) // 3600", ""),
            "detractor_hours": _if(
                f"{_asked('nps', 365)} AND {_OF_100} < 70", "(clock.now - survey.responded_at) // 3600", ""
            ),
            "nps_now": _if(_asked("nps", 180), "1"),
            "nps_now_points": _if(_asked("nps", 180), _OF_100),
            "nps_prev": _if(_asked("nps", 360, 180), "1"),
            "nps_prev_points": _if(_asked("nps", 360, 180), _OF_100),
            "ces": _if(_asked("ces", 180), "1"),
            "ces_points": _if(_asked("ces", 180), _OF_100),
            "bad_age": _if(
                f"survey.survey = 'csat' AND survey.satisfied = 0 OR survey.survey = 'nps' AND {_OF_100} < 70",
                "clock.survey_response_day - survey.responded_at // 86400",
                "",
            ),
            **{f"speaks_of_{theme}": _if(f"{_SINCE.format(days=90)} AND {_speaks_of(theme)}", "1") for theme in THEMES},
            "complaint": _if(f"{_SINCE.format(days=90)} AND {_COMPLAINS}", "1"),
            "complaint_age": _if(_COMPLAINS, "clock.survey_response_day - survey.responded_at // 86400", ""),
        },
        _ANSWER_WHERE,
    ),
    "nps_person": Source(
        "survey",
        "survey_response",
        {"person": "survey.contact", "code": _NPS_CODE},
        _ANSWER_WHERE,
        "SELECT key, person, MAX(code) AS code FROM ({rows}) AS one WHERE NOT code IS NULL GROUP BY key, person",
    ),
}

_NOTES = {
    "note": Source(
        "note",
        "account",
        {"complaint": _if(_speaks_of(COMPLAINT, "note.themes"), "1")},
        "note.noted_at BETWEEN 0 AND clock.account_at AND note.noted_at > clock.account_at - 90 * 86400",
    )
}

LOSS_DAYS = 180
"""Days after its due date, or its date, for which an invoice that was written off still counts: as long as delays do.
To write it off mends nothing; but nobody collects it any more, and after two years it says little about a customer."""
_UNPAID = "invoice.status IN ('open', 'uncollectible')"
_DUE_AGE = "clock.invoice_day - invoice.due_date"
_LOST = (
    "(invoice.status = 'uncollectible' AND "
    f"clock.invoice_day - COALESCE(invoice.due_date, invoice.created_at // 86400) BETWEEN 0 AND {LOSS_DAYS})"
)
_OWED = f"(invoice.status = 'open' OR {_LOST})"
_DELAY = (
    "CASE WHEN invoice.status = 'paid' AND invoice.paid_at BETWEEN 0 AND clock.invoice_at THEN "
    "CASE WHEN invoice.paid_at // 86400 > invoice.due_date THEN invoice.paid_at // 86400 - invoice.due_date ELSE 0 END "
    f"WHEN {_UNPAID} OR invoice.paid_at > clock.invoice_at THEN {_DUE_AGE} END"
)
_MONEY = {
    "invoice": Source(
        "invoice",
        "invoice",
        {
            "overdue_days": f"CASE WHEN {_OWED} AND invoice.due_date BETWEEN 0 AND clock.invoice_day - 1 "
            f"THEN {_DUE_AGE} ELSE 0 END",
            "failed": f"CASE WHEN {_OWED} THEN invoice.failed_attempts ELSE 0 END",
            "is_lost": f"CASE WHEN {_LOST} THEN 1 ELSE 0 END",
            "late_now": f"CASE WHEN {_DUE_AGE} BETWEEN 1 AND 180 AND invoice.due_date >= 0 THEN {_DELAY} END",
            "late_prev": f"CASE WHEN {_DUE_AGE} BETWEEN 181 AND 360 AND invoice.due_date >= 0 THEN {_DELAY} END",
        },
        "invoice.created_at BETWEEN 0 AND clock.invoice_at",
    ),
    "subscription": Source(
        "subscription",
        "subscription",
        {
            "is_ending": "CASE WHEN subscription.cancel_at > clock.subscription_at THEN 1 ELSE 0 END",
            "card_days": "CASE WHEN subscription.card_expires BETWEEN 0 AND 1000000 "
            "THEN subscription.card_expires - clock.today END",
        },
        "clock.subscription_at IS NOT NULL",
    ),
    "account_change": Source(
        "account_change",
        "account",
        {
            "age": "clock.account_day - account_change.changed_at // 86400",
            "plan_before": "account_change.plan_before",
            "plan_after": "account_change.plan_after",
            "mrr_before": "account_change.mrr_before",
            "mrr_after": "account_change.mrr_after",
            "owner_before": "account_change.owner_before",
            "owner_after": "account_change.owner_after",
        },
        "account_change.changed_at BETWEEN 0 AND clock.account_at",
    ),
}

_DEALS = {
    "deal": Source(
        "deal",
        "deal",
        {
            "is_open": "CASE WHEN deal.closed = 0 THEN 1 ELSE 0 END",
            "won": "deal.won",
            "renewal": "deal.renewal",
            "amount": "CASE WHEN deal.amount BETWEEN 0 AND 1000000000000 THEN deal.amount END",
            "age": "CASE WHEN deal.close_date BETWEEN 0 AND clock.deal_day THEN clock.deal_day - deal.close_date END",
            # The day in seven digits before the stage: the least of these texts is the stage of the earliest.
            "renewal_stage": "CASE WHEN deal.closed = 0 AND deal.renewal = 1 THEN CASE WHEN deal.close_date BETWEEN 0 "
            "AND 1000000 THEN CAST(1000000 + deal.close_date AS TEXT) ELSE '9999999' END || deal.stage END",
        },
        "COALESCE(deal.created_at, 0) BETWEEN 0 AND clock.deal_at",
    ),
    "deal_move": Source(
        "deal_move",
        "deal",
        {"moved_days": "deal_move.close_after - deal_move.close_before"},
        "deal_move.renewal = 1 AND deal_move.moved_at BETWEEN 0 AND clock.deal_at "
        "AND deal_move.close_before BETWEEN 0 AND 1000000 AND deal_move.close_after BETWEEN 0 AND 1000000",
    ),
}

_TOUCH = (
    "activity.happened_at BETWEEN 0 AND clock.activity_at AND activity.activity IN ('call', 'meeting', 'email') "
    "AND COALESCE(activity.closed, 1) = 1"
)
_ACTIVITY_AGE = "clock.activity_day - activity.happened_at // 86400"
_OPENED = (
    "CASE WHEN COALESCE(activity.clicked_at, 0) > COALESCE(activity.opened_at, 0) THEN activity.clicked_at "
    "ELSE activity.opened_at END"
)
_TRACKED = "activity.activity = 'email' AND COALESCE(activity.inbound, 0) = 0 AND activity.tracked = 1"
_LEADS = ("sponsor", "decision maker", "economic buyer", "budget holder", "executive", "chief", "ceo", "cto", "cfo",
          "coo", "president", "vp", "director", "head of", "founder")  # fmt: skip
_CHAMPIONS = ("champion", "administrator", "project lead", "project manager")


def _said() -> str:
    """A person's part and title in small letters, marks taken out, a blank at each end."""
    said = "LOWER(COALESCE(departure.role, '') || ' / ' || COALESCE(departure.title, ''))"
    for mark in ",;/-&()_":
        said = f"REPLACE({said}, '{mark}', ' ')"
    return f"' ' || {said} || ' '"


def _says(words: tuple[str, ...]) -> str:
    """1 when one of the words stands there by itself."""
    likes = [f"said LIKE '% {word} %'" for word in words]
    return f"MAX(CASE WHEN {' OR '.join(likes)} THEN 1 ELSE 0 END)"


_RELATIONS = {
    "activity": Source(
        "activity",
        "activity",
        {
            "age": _ACTIVITY_AGE,
            "inbound": "activity.inbound",
            "is_tracked": f"CASE WHEN {_TRACKED} THEN 1 ELSE 0 END",
            "is_opened": f"CASE WHEN {_OPENED} BETWEEN 0 AND clock.activity_at THEN 1 ELSE 0 END",
            "opened_age": f"CASE WHEN {_TRACKED} AND {_OPENED} BETWEEN 0 AND clock.activity_at "
            f"THEN clock.activity_day - ({_OPENED}) // 86400 END",
        },
        _TOUCH,
    ),
    "reply": Source(
        "activity",
        "activity",
        {
            "code": "2 * activity.happened_at + activity.inbound",
            "since": "2 * 86400 * (clock.activity_day - 89)",
        },
        f"{_TOUCH} AND activity.inbound IN (0, 1)",
        _REPLIES,
    ),
    "departure": Source(
        "departure",
        "contact",
        {
            "person": "departure.contact",
            "gone": "departure.gone",
            "age": "clock.contact_day - departure.left_at // 86400",
            "said": _said(),
        },
        "departure.left_at BETWEEN 0 AND clock.contact_at",
        # Somebody with several parts left once.
        f"SELECT key, person, gone, MIN(age) AS age, {_says(_LEADS)} AS leads, {_says(_CHAMPIONS)} AS champions "
        "FROM ({rows}) AS one GROUP BY key, person, gone",
    ),
}

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
    "reachable": Source(
        "contact",
        "contact",
        {
            "no_email": "CASE WHEN contact.email_opt_out = 1 THEN 1 ELSE 0 END",
            "no_call": "CASE WHEN contact.do_not_call = 1 THEN 1 ELSE 0 END",
        },
        "NOT clock.contact_at IS NULL",
    ),
    **_TICKETS,
    **_RELEASES,
    **_SURVEYS,
    **_NOTES,
    **_MONEY,
    **_DEALS,
    **_RELATIONS,
}
"""Sources that are rows of one table."""
