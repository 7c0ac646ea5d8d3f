"""From usage files to rows per account or contact: the only steps of the statement that touch every usage row."""

from collections.abc import Collection

from scoring.inputs import Level
from scoring.product import Product
from scoring.sources import NEWEST_RELEASE

REACH_DAYS = 90
"""Complete days of usage that are read, and today's."""
YEAR = 364
"""Days to the same weekday a year ago."""
FAR_DAYS = YEAR + 56
"""The two windows a year ago end here."""
KEPT_DAYS = 62
"""Days that have a bit in `day_mask`: the lowest is today's."""
RELEASE_DAYS = (3, 28)
"""Complete days since a release from which on, and up to which, they are compared with as many before it."""
FAR = frozenset({"year_events", "year_events_prev"})
"""Columns for which the files of a year ago are opened."""

_AGE = "CAST(clock.usage_day - DATE_DIFF('day', DATE '1970-01-01', usage.day) AS INT)"
_NOW, _BEFORE = (1, 28), (29, 56)


def _sum(window: tuple[int, int], when: str = "") -> str:
    condition = f"age BETWEEN {window[0]} AND {window[1]}" + (f" AND {when}" if when else "")
    return f"SUM(CASE WHEN {condition} THEN hits END)"


def _mask(last: int, when: str = "") -> str:
    condition = f"age <= {last}" + (f" AND {when}" if when else "")
    return f"BIT_OR(CASE WHEN {condition} THEN CAST(1 AS BIGINT) << age END)"


def columns(product: Product) -> dict[str, str]:
    """Column -> aggregate over the rows of one person and group; what joins them again is the same aggregate.

    What lies outside a window is NULL and not 0: aggregates skip it, which saves a quarter of the pass.
    """
    far_now, far_before = ((first + YEAR, last + YEAR) for first, last in (_NOW, _BEFORE))
    start = product.sessions.start if product.sessions else ""
    beat = product.sessions.beat if product.sessions else ""
    return {
        "last_age": f"MIN(CASE WHEN age <= {REACH_DAYS} THEN age END)",
        "events": _sum(_NOW),
        "events_prev": _sum(_BEFORE),
        "day_mask": _mask(KEPT_DAYS),
        "offer_mask": "BIT_OR(CASE WHEN age BETWEEN 1 AND 28 THEN offer END)",
        "step_mask": f"BIT_OR(CASE WHEN age <= {REACH_DAYS} THEN step END)",
        "key_hits": _sum(_NOW, "is_key"),
        "key_hits_prev": _sum(_BEFORE, "is_key"),
        "content_hits": _sum(_NOW, "is_content"),
        "daily_mask": _mask(56, "is_daily"),
        "weekly_mask": _mask(56, "is_weekly"),
        "monthly_mask": _mask(56, "is_monthly"),
        "starts": _sum(_NOW, "is_start") if start else "SUM(CAST(NULL AS BIGINT))",
        "starts_prev": _sum(_BEFORE, "is_start") if start else "SUM(CAST(NULL AS BIGINT))",
        "beats": _sum(_NOW, "is_beat") if beat else "SUM(CAST(NULL AS BIGINT))",
        "beats_prev": _sum(_BEFORE, "is_beat") if beat else "SUM(CAST(NULL AS BIGINT))",
        "year_events": _sum(far_now),
        "year_events_prev": _sum(far_before),
    }


def _row_columns(product: Product) -> dict[str, str]:
    """Column of one usage row -> SQL."""
    sessions = product.sessions
    return {
        "offer": product.bits(product.offered),
        "step": product.bits(product.onboarding),
        "is_key": product.among(product.key_actions),
        "is_content": product.among(product.content),
        "is_daily": product.among(product.daily),
        "is_weekly": product.among(product.weekly),
        "is_monthly": product.among(product.monthly),
        "is_start": product.among((sessions.start,) if sessions else ()),
        "is_beat": product.among((sessions.beat,) if sessions else ()),
    }


def usage_chain(level: Level, wanted: Collection[str], product: Product) -> list[tuple[str, str]]:
    """The steps from usage to rows per account or contact and person: CTE name -> SQL.

    `usage_seen` is the only step that touches every usage row: one pass, one group per person and product group. The
    days of activity are bits of a number, the lowest for today, so that days are counted without listing them.
    """
    from sqlglot import exp, parse_one

    seen = {name: sql for name, sql in columns(product).items() if name in wanted}
    named = {c.name for sql in seen.values() for c in parse_one(sql, read="duckdb").find_all(exp.Column)}
    marks = "".join(f", {sql} AS {name}" for name, sql in _row_columns(product).items() if name in named)
    # A contact's usage is the contact's in whichever product group; only accounts need to tell groups apart.
    group = ", grp" if level == "account" else ""
    aged = f"SELECT usage.person{group}, usage.count AS hits, {_AGE} AS age{marks} FROM usage CROSS JOIN clock"
    reach = f"age BETWEEN 0 AND {REACH_DAYS}"
    if FAR & set(wanted):
        reach += f" OR age BETWEEN {YEAR + 1} AND {FAR_DAYS}"
    picked = "".join(f", {sql} AS {name}" for name, sql in seen.items())
    # The same human seen by two sources counts once: as the contact, when linked to one.
    member = "CASE WHEN usage_person.contact IS NULL THEN -1 - usage_seen.person ELSE usage_person.contact END"
    key, groups = "usage_person.contact", ""
    if level == "account":
        key = "COALESCE(usage_group.account, usage_person.account)"
        groups = "LEFT JOIN usage_group ON usage_seen.grp = usage_group.grp"
    own = "".join(f", usage_seen.{name}" for name in seen)
    owned = f"""SELECT {key} AS key, {member} AS member{own}
        FROM usage_seen LEFT JOIN usage_person ON usage_seen.person = usage_person.person {groups}"""
    picked_again = "".join(f", {joined(name, sql)} AS {name}" for name, sql in seen.items())
    return [
        ("usage_seen", f"SELECT person{group}{picked} FROM ({aged}) AS aged WHERE {reach} GROUP BY person{group}"),
        ("usage_owned", owned),
        ("usage_rows", f"SELECT key, member{picked_again} FROM usage_owned WHERE NOT key IS NULL GROUP BY key, member"),
    ]


def joined(name: str, sql: str) -> str:
    """What joins the values of a column again, as one column."""
    how = sql.partition("(")[0]
    return f"CAST(SUM({name}) AS BIGINT)" if how == "SUM" else f"{how}({name})"


def release_chain() -> list[tuple[str, str]]:
    """One row per account and person: the days with an event since the newest release, and before it, a bit each.

    The days before are whole weeks earlier, so that both have the same weekdays. Builds on `usage_rows`.
    """
    since = "((CAST(1 AS BIGINT) << CAST(days AS INT)) - 1) << 1"
    aged = (
        "SELECT usage_rows.key AS key, usage_rows.day_mask AS mask, clock.usage_day - newest.first_day AS days "
        f"FROM usage_rows JOIN ({NEWEST_RELEASE}) AS newest ON newest.account = usage_rows.key CROSS JOIN clock"
    )
    known = f"days BETWEEN {RELEASE_DAYS[0]} AND {RELEASE_DAYS[1]}"
    cut = (
        f"SELECT key, CASE WHEN {known} THEN mask & ({since}) END AS since, CASE WHEN {known} "
        f"THEN (mask >> CAST(7 * ((days + 6) // 7) AS INT)) & ({since}) END AS before FROM since_release"
    )
    return [("since_release", aged), ("use_since_release_rows", cut)]


def history_chain(wanted: Collection[str]) -> list[tuple[str, str]]:
    """One row: how far back usage is on file."""
    days = "clock.usage_day - DATE_DIFF('day', DATE '1970-01-01', MIN(usage.day))"
    first = f"SELECT {days} AS days FROM usage CROSS JOIN clock GROUP BY clock.usage_day"
    every = {
        "usage_history_days": f"MAX(CASE WHEN days > {REACH_DAYS} THEN {REACH_DAYS} ELSE days END)",
        "usage_far_days": "MAX(days)",
    }
    picked = ", ".join(f"{sql} AS {name}" for name, sql in every.items() if name in wanted)
    return [("history_rows", f"SELECT {picked} FROM ({first}) AS span")]


def link_chain(level: Level) -> list[tuple[str, str]]:
    """One row per person or group of the product that is linked."""
    people = f"SELECT usage_person.{level} AS key FROM usage_person WHERE NOT usage_person.{level} IS NULL"
    groups = "SELECT usage_group.account AS key FROM usage_group WHERE NOT usage_group.account IS NULL"
    both = f"{people} UNION ALL {groups}" if level == "account" else people
    return [("link_rows", f"SELECT key FROM ({both}) AS linked")]
