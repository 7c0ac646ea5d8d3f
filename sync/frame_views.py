"""The tables that scoring reads, as SQL: parts of the state file as of an instant, and the views that join them."""

from scoring.inputs import SqlType
from sync.tables import Kind

_WORDS = {"crm_id", "name", "owner_id", "plan", "currency", "lifecycle", "title", "status", "priority", "survey",
         "channel", "stage", "role", "activity", "themes"}  # fmt: skip
"""Columns of parts that hold text; all others are integers."""

PARTS = {
    "part_account": "key, source_id AS crm_id, name, owner_id, parent, plan, mrr, currency, customer_since, "
    "renewal_date, created_at, lifecycle, channel FROM ({account}) WHERE source = {crm}",
    "part_contact": "key, source_id AS crm_id, account, title, last_login_at, created_at, email_opt_out, do_not_call "
    "FROM ({contact}) WHERE source = {crm}",
    "part_login": "key, last_login_at AS login FROM ({contact}) WHERE source <> {crm} AND last_login_at IS NOT NULL",
    "part_account_link": "key, crm FROM ({account_link})",
    "part_contact_link": "key, crm FROM ({contact_link})",
    "part_home_link": "key, crm FROM ({home_link})",
    "part_merged_account": "m.key, m.merged_into AS crm FROM ({marks}) m JOIN account w ON w.key = m.merged_into "
    "WHERE m.kind = 'account' AND m.status = 'merged' AND w.source = {crm}",
    "part_merged_contact": "m.key, m.merged_into AS crm FROM ({marks}) m JOIN contact w ON w.key = m.merged_into "
    "WHERE m.kind = 'contact' AND m.status = 'merged' AND w.source = {crm}",
    "part_ticket": "key, account, contact, status, priority, created_at, solved_at, first_reply_minutes, reopens, "
    "replies, channel FROM ({ticket}){without_copies}",
    "part_survey_response": "key, account, contact, survey, score, scale_min, scale_max, satisfied, responded_at, "
    "themes FROM ({survey_response})",
    "part_note": "since, crm_id, seen AS noted_at, themes FROM note WHERE seen < {at}",
    "part_deal": "key, account, closed, won, renewal, stage, amount, currency, close_date, created_at FROM ({deal})",
    "part_deal_version": "key, close_date, valid_from AS since FROM ({deal_versions})",
    "part_account_version": "key, plan, mrr, currency, owner_id, valid_from AS since FROM ({account_versions}) "
    "WHERE source = {crm}",
    "part_contact_past": "key, account, title, valid_to AS ended FROM ({contact_versions}) WHERE source = {crm} "
    "AND valid_to <= {at} AND account IS NOT NULL AND key NOT IN "
    "(SELECT key FROM ({marks}) WHERE kind = 'contact' AND status = 'merged')",
    # The part that a person plays in a deal, and that which the CRM names on the person.
    "part_role": "key, contact, role, CASE WHEN valid_to <= {at} THEN valid_to END AS ended "
    "FROM ({contact_role_versions}) WHERE source = {crm} UNION ALL SELECT key, key AS contact, role, "
    "CASE WHEN valid_to <= {at} THEN valid_to END AS ended FROM ({contact_versions}) "
    "WHERE source = {crm} AND role IS NOT NULL",
    "part_activity": "key, account, contact, activity, inbound, at AS happened_at, closed, tracked, opened_at, "
    "clicked_at FROM ({activity}) WHERE task_key IS NULL",
    "part_invoice": "key, account, status, amount_due, due_date, paid_at, failed_attempts, created_at FROM ({invoice})",
    "part_subscription": "key, account, status, mrr, cancel_at, card_expires FROM ({subscription}) "
    "WHERE source <> {crm} OR {billing}",
    "part_person": "key FROM contact WHERE source IN ({events})",
    "part_group": "key FROM account WHERE source IN ({events})",
}
"""Name -> what follows SELECT, over the state file as of the instant."""

WITHOUT_COPIES = """ WHERE copy_of IS NULL OR key NOT IN (
  SELECT c.key FROM (SELECT key, source, source_id, copy_of FROM ({ticket}) WHERE copy_of IS NOT NULL) c
  CROSS JOIN source s CROSS JOIN ticket o
  WHERE s.id <> c.source AND o.source = s.id AND o.source_id = c.copy_of
  AND (
    o.valid_from <= {at} OR EXISTS (SELECT 1 FROM ticket_history h WHERE h.key = o.key AND h.valid_from <= {at})
    OR EXISTS (SELECT 1 FROM ({marks}) m WHERE m.kind = 'ticket' AND m.key = o.key)
  )
  AND (o.copy_of IS NOT c.source_id OR o.key < c.key)
)"""
"""A ticket that names one which another source had told of by then is left out; of two that name each other, the later.

Also where the original was deleted there: whoever threw it away did not mean it to count as a case."""

VIEWS = {
    # Whose account: of the CRM's own by itself, of merged ones by the winner, of other sources' by their link.
    "owner": """
SELECT key, key AS crm FROM part_account
UNION ALL SELECT key, crm FROM part_merged_account
UNION ALL SELECT l.key, coalesce(m.crm, l.crm) FROM part_account_link l LEFT JOIN part_merged_account m ON m.key = l.crm
""",
    "person": """
SELECT key, key AS crm FROM part_contact
UNION ALL SELECT key, crm FROM part_merged_contact
UNION ALL SELECT l.key, coalesce(m.crm, l.crm) FROM part_contact_link l LEFT JOIN part_merged_contact m ON m.key = l.crm
""",
    "home": """
SELECT l.key, coalesce(m.crm, l.crm) AS crm FROM part_home_link l LEFT JOIN part_merged_account m ON m.key = l.crm
""",
    # A person's account is that of the CRM contact, else what identity resolution found without one.
    "who": """
SELECT p.key, p.crm, coalesce(o.crm, h.crm) AS account FROM person p LEFT JOIN part_contact c ON c.key = p.crm
LEFT JOIN owner o ON o.key = c.account LEFT JOIN home h ON h.key = p.key
UNION ALL SELECT h.key, NULL, h.crm FROM home h ANTI JOIN person p ON p.key = h.key
""",
    "login": """
SELECT p.crm AS key, max(l.login) AS login FROM part_login l JOIN person p ON p.key = l.key GROUP BY p.crm
""",
    "account": """
SELECT a.key AS account, a.crm_id AS crm_id, a.name AS name, a.owner_id AS owner_id,
  coalesce(m.crm, a.parent) AS parent, a.plan AS plan, a.mrr AS mrr, a.currency AS currency,
  a.customer_since AS customer_since, a.renewal_date AS renewal_date, a.created_at AS created_at,
  a.lifecycle AS lifecycle, a.channel AS channel
FROM part_account a LEFT JOIN part_merged_account m ON m.key = a.parent
""",
    "contact": """
SELECT c.key AS contact, c.crm_id AS crm_id, w.account AS account, c.title AS title,
  greatest(c.last_login_at, l.login) AS last_login_at, c.created_at AS created_at,
  c.email_opt_out AS email_opt_out, c.do_not_call AS do_not_call
FROM part_contact c LEFT JOIN who w ON w.key = c.key LEFT JOIN login l ON l.key = c.key
""",
    # A ticket's own account counts before that of its requester.
    "ticket": """
SELECT coalesce(o.crm, w.account) AS account, w.crm AS contact, t.status AS status, t.priority AS priority,
  t.created_at AS created_at, t.solved_at AS solved_at, t.first_reply_minutes AS first_reply_minutes,
  t.reopens AS reopens, t.replies AS replies, t.channel AS channel
FROM part_ticket t LEFT JOIN owner o ON o.key = t.account LEFT JOIN who w ON w.key = t.contact
WHERE coalesce(o.crm, w.account) IS NOT NULL
""",
    "survey": """
SELECT coalesce(o.crm, w.account) AS account, w.crm AS contact, t.survey AS survey, t.score AS score,
  t.scale_min AS scale_min, t.scale_max AS scale_max, t.satisfied AS satisfied, t.responded_at AS responded_at,
  t.themes AS themes
FROM part_survey_response t LEFT JOIN owner o ON o.key = t.account LEFT JOIN who w ON w.key = t.contact
WHERE coalesce(o.crm, w.account) IS NOT NULL
""",
    "note": """
SELECT a.key AS account, n.noted_at AS noted_at, n.themes AS themes
FROM part_note n JOIN part_account a ON a.crm_id = n.crm_id
""",
    "deal": """
SELECT o.crm AS account, t.closed AS closed, t.won AS won, t.stage AS stage, t.renewal AS renewal, t.amount AS amount,
  t.currency AS currency, t.close_date AS close_date, t.created_at AS created_at
FROM part_deal t JOIN owner o ON o.key = t.account
""",
    "invoice": """
SELECT o.crm AS account, t.status AS status, t.amount_due AS amount_due, t.due_date AS due_date,
  t.paid_at AS paid_at, t.failed_attempts AS failed_attempts, t.created_at AS created_at
FROM part_invoice t JOIN owner o ON o.key = t.account
""",
    "subscription": """
SELECT o.crm AS account, t.status AS status, t.mrr AS mrr, t.cancel_at AS cancel_at,
  t.card_expires AS card_expires
FROM part_subscription t JOIN owner o ON o.key = t.account
""",
    "deal_move": """
SELECT o.crm AS account, d.renewal AS renewal, v.before AS close_before, v.close_date AS close_after,
  v.since AS moved_at
FROM (
  SELECT key, close_date, since, lag(close_date) OVER (PARTITION BY key ORDER BY since) AS before FROM part_deal_version
) v JOIN part_deal d ON d.key = v.key JOIN owner o ON o.key = d.account
WHERE d.closed = 0 AND v.before <> v.close_date
""",
    # A revenue in another currency is neither more nor less.
    "account_change": """
SELECT o.crm AS account, v.plan_before AS plan_before, v.plan AS plan_after,
  CASE WHEN v.currency_before IS NOT DISTINCT FROM v.currency THEN v.mrr_before END AS mrr_before, v.mrr AS mrr_after,
  v.owner_before AS owner_before, v.owner_id AS owner_after, v.since AS changed_at
FROM (
  SELECT key, plan, mrr, currency, owner_id, since, lag(plan) OVER one AS plan_before, lag(mrr) OVER one AS mrr_before,
    lag(currency) OVER one AS currency_before, lag(owner_id) OVER one AS owner_before, lag(since) OVER one AS earlier
  FROM part_account_version WINDOW one AS (PARTITION BY key ORDER BY since)
) v JOIN owner o ON o.key = v.key
WHERE v.earlier IS NOT NULL AND (v.plan_before IS DISTINCT FROM v.plan OR v.mrr_before IS DISTINCT FROM v.mrr
  OR v.owner_before IS DISTINCT FROM v.owner_id)
""",
    "part_held": """
SELECT contact, role, max(CASE WHEN ended IS NULL THEN 1 ELSE 0 END) AS held, max(ended) AS ended FROM (
  SELECT contact, unnest(string_split(role, ';')) AS role, ended FROM part_role
  WHERE role IS NOT NULL AND contact IS NOT NULL
) one GROUP BY contact, role
""",
    "contact_role": """
SELECT p.crm AS contact, r.role AS role FROM part_held r JOIN person p ON p.key = r.contact WHERE r.held = 1
""",
    "gone_person": """
SELECT p.key AS contact, o.crm AS account, max(p.title) AS title, max(p.ended) AS left_at
FROM part_contact_past p JOIN owner o ON o.key = p.account LEFT JOIN part_contact c ON c.key = p.key
LEFT JOIN owner n ON n.key = c.account WHERE n.crm IS DISTINCT FROM o.crm GROUP BY p.key, o.crm
""",
    "departed": """
SELECT g.account, g.contact, 1 AS gone, r.role, g.title, g.left_at FROM gone_person g
LEFT JOIN part_held r ON r.contact = g.contact
UNION ALL SELECT o.crm, r.contact, 0, r.role, NULL, r.ended FROM part_held r JOIN part_contact c ON c.key = r.contact
JOIN owner o ON o.key = c.account WHERE r.held = 0
""",
    "departure": """
SELECT d.account AS account, d.contact AS contact, d.gone AS gone, d.role AS role, d.title AS title,
  d.left_at AS left_at
FROM departed d
""",
    # Only e-mails of a source that tells of openings can be unopened.
    "activity": """
SELECT coalesce(o.crm, w.account) AS account, w.crm AS contact, t.activity AS activity, t.inbound AS inbound,
  t.happened_at AS happened_at, t.closed AS closed, t.tracked AS tracked,
  t.opened_at AS opened_at, t.clicked_at AS clicked_at
FROM part_activity t LEFT JOIN owner o ON o.key = t.account LEFT JOIN who w ON w.key = t.contact
WHERE coalesce(o.crm, w.account) IS NOT NULL
""",
    "usage_person": """
SELECT k.key AS person, w.crm AS contact, w.account AS account FROM part_person k LEFT JOIN who w ON w.key = k.key
""",
    "usage_group": "SELECT k.key AS grp, o.crm AS account FROM part_group k LEFT JOIN owner o ON o.key = k.key",
}
"""Name -> SELECT that the engine runs over the parts: joining them takes it a tenth of what it takes SQLite."""


def columns(select: str) -> dict[str, SqlType]:
    """The columns of a part, in order, the key first."""
    names = [column.split()[-1].rpartition(".")[2] for column in _list(select)]
    return {name: "VARCHAR" if name in _WORDS else "BIGINT" for name in names}


def versions(kind: str, names: str, at: int) -> str:
    """A SELECT of source and the named columns of every version of the records of a kind that began by an instant.

    A version is superseded or ended at `valid_to`; after the instant that is not known yet.
    """
    listed = [name.strip() for name in f"key, {names}, valid_from, valid_to".split(",")]
    old = ", ".join(f"h.{name}" for name in listed)
    return (
        f"SELECT source, {', '.join(listed)} FROM {kind} WHERE valid_from <= {at} "
        f"UNION ALL SELECT k.source, {old} FROM {kind}_history h JOIN {kind} k ON k.key = h.key "
        f"WHERE h.valid_from <= {at}"
    )


HAPPENED = {"ticket": "created_at", "survey_response": "responded_at", "invoice": "created_at", "activity": "at"}
"""Kinds of record that tell of something that happened, with the column that says when."""


def late_rows(kind: Kind, at: int, known: int, *, before: int | None = None) -> str:
    """A SELECT like `Kind.rows` of what had happened by an instant, as it was first known between then and a later one.

    Only first versions: what a record said afterwards happened afterwards too.

    Args:
        kind: A kind of `HAPPENED`.
        at: The instant, epoch seconds.
        known: The later one.
        before: Only what happened before this instant; left out: what happened by `at`.
    """
    names = [column.name for column in kind.columns]
    new, old = ", ".join(names), ", ".join(f"h.{name}" for name in names)
    first = "NOT EXISTS (SELECT 1 FROM {kind}_history e WHERE e.key = {row}.key AND e.valid_from < {row}.valid_from)"
    came = "{row}.valid_from > {at} AND {row}.valid_from <= {known} AND {row}.{when} <= {last} AND " + first
    last = at if before is None else before - 1
    words = {"kind": kind.name, "at": at, "known": known, "when": HAPPENED[kind.name], "last": last}
    return (
        f"SELECT key, source, source_id, version, {new} FROM {kind.name} "
        f"WHERE {came.format(row=kind.name, **words)} UNION ALL "
        f"SELECT h.key, k.source, k.source_id, h.version, {old} FROM {kind.name}_history h "
        # A version ends after it began: the index on the ends finds the few.
        f"JOIN {kind.name} k ON k.key = h.key WHERE h.valid_to > {at} AND {came.format(row='h', **words)}"
    )


def _list(select: str) -> list[str]:
    return select.partition(" FROM ")[0].split(",")
