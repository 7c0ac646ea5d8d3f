"""The views that other programs read: one row a thing, plain names, instants and days in ISO 8601.

They are an interface: docs/data.md says what each column means, out of `sync/catalogue.py`. A view costs nothing until
somebody asks it, so they are made anew whenever the schema is converted.
"""

FROZEN = "frozen since"
"""How the words on an account begin that is not scored any more, in what this schema holds."""

_AT = "strftime('%Y-%m-%dT%H:%M:%SZ', {}, 'unixepoch')"


def _at(column: str) -> str:
    return _AT.format(column)


def _day(column: str) -> str:
    return f"date({column} * 86400, 'unixepoch')"


_OWNER = "LEFT JOIN user u ON u.source = a.source AND u.source_id = s.owner_id"
_CRM = "(SELECT a.source FROM score s JOIN account a ON a.key = s.key WHERE s.level = 'account' LIMIT 1)"
"""The key of the CRM's source: scores are of its accounts."""

_ACCOUNT = f"""
SELECT s.crm_id AS account_id, coalesce(s.name, s.crm_id) AS account_name, source.name AS crm, s.score, s.health,
  s.band, {_at("t.since")} AS band_since, t.candidate AS band_asked, {_at("t.candidate_since")} AS band_asked_since,
  CASE s.computed WHEN '' THEN s.band ELSE s.computed END AS band_computed, s.trend, s.coverage, s.reason,
  nullif(s.held, '') AS held, nullif(s.rule, '') AS rule, s.card, s.stage, s.rfm, s.segments, s.owner_id,
  coalesce(u.name, u.email) AS owner_name, a.plan, a.mrr AS mrr_minor, a.currency,
  {_day("a.customer_since")} AS customer_since, {_day("a.renewal_date")} AS renewal_date, a.lifecycle, a.channel,
  p.source_id AS parent_id, {_at("a.created_at")} AS created_at, {_at("t.frozen")} AS left_at,
  a.valid_to IS NULL AS in_crm, {_at("s.valid_from")} AS since, s.run_id
FROM score s JOIN account a ON a.key = s.key JOIN source ON source.id = a.source
LEFT JOIN standing t ON t.crm_id = s.crm_id LEFT JOIN account p ON p.key = a.parent {_OWNER}
WHERE s.level = 'account'
"""

_CONTACT = f"""
SELECT s.crm_id AS contact_id, c.email, c.title, s.role, a.source_id AS account_id, a.name AS account_name, s.score,
  s.health, s.band, s.coverage, s.segments, s.reason, s.owner_id, {_at("c.last_login_at")} AS last_login_at,
  {_at("s.valid_from")} AS since, s.run_id
FROM score s JOIN contact c ON c.key = s.key LEFT JOIN account a ON a.key = c.account WHERE s.level = 'contact'
"""

_DRIVER = """
SELECT s.crm_id AS account_id, coalesce(s.name, s.crm_id) AS account_name, json_extract(j.value, '$[0]') AS signal,
  json_extract(j.value, '$[1]') AS points, json_extract(j.value, '$[2]') AS weight,
  json_extract(j.value, '$[3]') AS value, coalesce(json_extract(j.value, '$[4]'), 100) AS fresh
FROM score s JOIN json_each(s.signals) j WHERE s.level = 'account'
"""

_FEATURE = """
SELECT s.crm_id AS account_id, coalesce(s.name, s.crm_id) AS account_name, j.key AS feature,
  CASE WHEN j.type <> 'text' THEN j.value END AS value, CASE j.type WHEN 'text' THEN j.value END AS word
FROM score s JOIN fact f ON f.key = s.key JOIN json_each(f.features) j WHERE s.level = 'account'
"""

_KEPT = "valid_from, {end} AS valid_to, score, health, band, computed, coverage, trend, stage, rfm, segments, reason, "
_ALL = "SELECT key, crm_id, name, " + _KEPT + "held, rule, card, owner_id, run_id FROM {table} WHERE level = 'account'"

_SCORE_HISTORY = f"""
SELECT crm_id AS account_id, coalesce(name, crm_id) AS account_name, {_at("valid_from")} AS valid_from,
  {_at("valid_to")} AS valid_to, score, health, band,
  CASE computed WHEN '' THEN band ELSE computed END AS band_computed, coverage,
  trend, stage, rfm, segments, reason, nullif(held, '') AS held, nullif(rule, '') AS rule, card, owner_id, run_id
FROM (
  {_ALL.format(end="NULL", table="score")}
  UNION ALL
  {_ALL.format(end="valid_to", table="score_history")}
)
"""

_STEPS = f"""
WITH version AS (
  SELECT key, crm_id, name, valid_from, NULL AS valid_to, CASE WHEN held LIKE '{FROZEN}%' THEN {{left}} ELSE {{now}} END
    AS state, run_id FROM score WHERE level = 'account'
  UNION ALL
  SELECT key, crm_id, name, valid_from, valid_to, CASE WHEN held LIKE '{FROZEN}%' THEN {{left}} ELSE {{now}} END, run_id
  FROM score_history WHERE level = 'account'
), step AS (
  SELECT *, lag(state) OVER past AS before, lag(valid_to) OVER past AS ended, lead(valid_from) OVER past AS next
  FROM version WINDOW past AS (PARTITION BY key ORDER BY valid_from)
), move AS (
  SELECT valid_from AS at, key, crm_id, name, CASE WHEN ended = valid_from THEN before ELSE {{outside}} END AS before,
    state AS after, run_id FROM step
  UNION ALL
  SELECT valid_to, key, crm_id, name, state, {{left}}, NULL FROM step
  WHERE valid_to IS NOT NULL AND next IS NOT valid_to
)
"""
"""How each account came to where it is, as `sync.transitions` tells it. An account that is not scored any more left."""

_MOVE = (
    _STEPS
    + f"""
SELECT {_at("at")} AS at, crm_id AS account_id, coalesce(name, crm_id) AS account_name, before AS {{what}}_before,
  after AS {{what}}_after, run_id
FROM move WHERE before <> after AND NOT (before = {{outside}} AND after = {{left}})
"""
)

_SEGMENT_CHANGE = (
    _STEPS.format(now="segments", left="'[]'", outside="'[]'")
    + f"""
SELECT {_at("m.at")} AS at, m.crm_id AS account_id, coalesce(m.name, m.crm_id) AS account_name, j.value AS segment,
  'entered' AS change, m.run_id
FROM move m JOIN json_each(m.after) j
WHERE m.before <> m.after AND j.value NOT IN (SELECT value FROM json_each(m.before))
UNION ALL
SELECT {_at("m.at")}, m.crm_id, coalesce(m.name, m.crm_id), j.value, 'left', m.run_id
FROM move m JOIN json_each(m.before) j
WHERE m.before <> m.after AND j.value NOT IN (SELECT value FROM json_each(m.after))
"""
)

_TASK = f"""
SELECT o.remote_id AS task_id, f.crm_id AS account_id, coalesce(s.name, f.crm_id) AS account_name, f.playbook,
  f.variant,
  json_extract(o.payload, '$.subject') AS subject, json_extract(o.payload, '$.owner_id') AS owner_id,
  coalesce(u.name, u.email) AS owner_name, f.band AS band_then, s.band AS band_now, {_at("f.event_at")} AS event_at,
  {_at("o.created")} AS created_at, {_at("f.due")} AS due_at, {_at("f.moved_to")} AS moved_to,
  {_at("f.looked")} AS read_at, {_at("f.ended")} AS ended_at,
  CASE WHEN o.state = 'rolled_back' OR f.state = 'gone' THEN 'gone' WHEN f.state = 'open' THEN 'open'
    WHEN f.ended <= coalesce(f.moved_to, f.due) THEN 'in_time' ELSE 'late' END AS outcome, o.run_id
FROM followup f JOIN op o ON o.key = f.key AND o.kind = 'task_create' AND o.state <> 'superseded'
LEFT JOIN (
  SELECT crm_id, max(name) AS name, max(band) AS band, max(key) AS key FROM score
  WHERE level = 'account' GROUP BY crm_id
) s ON s.crm_id = f.crm_id
LEFT JOIN account a ON a.key = s.key
LEFT JOIN user u ON u.source = a.source AND u.source_id = json_extract(o.payload, '$.owner_id')
WHERE o.state IN ('confirmed', 'rolled_back', 'undo_skipped')
"""

_SOURCE = f"""
SELECT source.name AS source, stream.name AS stream, stream.record,
  CASE WHEN off <> '' THEN 'off' WHEN error <> '' THEN 'failed' WHEN complete IS NULL THEN 'incomplete' ELSE 'ok' END
    AS state, {_at("complete")} AS complete_at, {_at("listed")} AS listed_at, {_at("started")} AS started_at,
  {_at("finished")} AS finished_at, total AS records, rows AS last_rows, rejects AS last_rejects,
  nullif(coalesce(nullif(off, ''), error), '') AS problem, skew AS clock_skew_seconds
FROM stream JOIN source ON source.id = stream.source
"""

TENURE = f"""
WITH renewal AS (
  SELECT account, won, max(close_date) AS day FROM deal
  WHERE renewal = 1 AND closed = 1 AND valid_from IS NOT NULL AND valid_to IS NULL GROUP BY account
), past AS (
  SELECT key, max(valid_to) AS ended FROM score_history WHERE level = 'account' GROUP BY key
)
SELECT a.customer_since AS first_day, s.key IS NULL OR t.frozen IS NOT NULL AS gone,
  coalesce(CASE WHEN r.won = 0 THEN r.day END, t.frozen / 86400, CASE WHEN s.key IS NULL THEN past.ended / 86400 END)
    AS left_day, a.plan, a.channel, a.mrr, a.currency
FROM account a LEFT JOIN score s ON s.level = 'account' AND s.key = a.key
LEFT JOIN standing t ON t.crm_id = a.source_id LEFT JOIN renewal r ON r.account = a.key
LEFT JOIN past ON past.key = a.key
WHERE a.source = {_CRM} AND a.customer_since IS NOT NULL AND a.valid_from IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM record_map m WHERE m.kind = 'account' AND m.key = a.key AND m.status = 'merged')
"""
"""Every customer there ever was: the first day, whether it is gone, since when (empty where nobody knows), and what it
pays. The report reads it as well."""

_COHORTS = f"""
WITH RECURSIVE today AS (SELECT max(coalesce(ended, started)) AS at FROM run), now AS (
  SELECT CAST(strftime('%Y', at, 'unixepoch') AS INTEGER) * 12 + CAST(strftime('%m', at, 'unixepoch') AS INTEGER)
    AS month
  FROM today
), fate AS ({TENURE}
), counted AS (
  SELECT {{by}}CAST(strftime('%Y', first_day * 86400, 'unixepoch') AS INTEGER) * 12
      + CAST(strftime('%m', first_day * 86400, 'unixepoch') AS INTEGER) AS began,
    CASE WHEN gone THEN CAST(strftime('%Y', max(left_day, first_day) * 86400, 'unixepoch') AS INTEGER) * 12
      + CAST(strftime('%m', max(left_day, first_day) * 86400, 'unixepoch') AS INTEGER) END AS ended,
    gone AND left_day IS NULL AS unknown, count(*) AS accounts
  FROM fate GROUP BY {{by}}began, ended, unknown
), month AS (
  SELECT 0 AS n UNION ALL SELECT n + 1 FROM month WHERE n + 1 < (SELECT now.month - min(began) FROM counted, now)
)
SELECT printf('%04d-%02d-01', (c.began - 1) / 12, (c.began - 1) % 12 + 1) AS start_month, {{by}}
  month.n AS months_since,
  sum(CASE WHEN c.unknown THEN 0 ELSE c.accounts END) AS accounts,
  sum(CASE WHEN c.unknown THEN 0 WHEN c.ended IS NULL OR c.ended - c.began > month.n THEN c.accounts ELSE 0 END)
    AS retained, sum(CASE WHEN c.unknown THEN c.accounts ELSE 0 END) AS end_unknown
FROM counted c JOIN now JOIN month ON month.n < now.month - c.began GROUP BY c.began, {{by}}month.n
"""
"""Whole months only: a month that is not over says nothing yet. Who is no customer any more left when the last renewal
was lost, else when we saw it; where neither is known the account is counted apart, neither kept nor lost."""

_ACCOUNT_MONTH = f"""
WITH RECURSIVE today AS (SELECT max(coalesce(ended, started)) AS at FROM run), month AS (
  SELECT date(min(valid_from), 'unixepoch', 'start of month') AS day FROM (
    SELECT valid_from FROM score WHERE level = 'account'
    UNION ALL SELECT valid_from FROM score_history WHERE level = 'account'
  )
  UNION ALL SELECT date(day, '+1 month') FROM month, today WHERE date(day, '+1 month') <= date(today.at, 'unixepoch')
), ends AS (
  SELECT day, CAST(strftime('%s', day, '+1 month') AS INTEGER) AS over, today.at + 1 AS now FROM month, today
), point AS (SELECT day, over <= now AS complete, min(over, now) AS at FROM ends), version AS (
  {_ALL.format(end="NULL", table="score")} AND held NOT LIKE '{FROZEN}%'
  UNION ALL
  {_ALL.format(end="valid_to", table="score_history")} AND held NOT LIKE '{FROZEN}%'
)
SELECT p.day AS month, p.complete, v.crm_id AS account_id, coalesce(v.name, v.crm_id) AS account_name,
  v.score, v.health, v.band, v.coverage, v.stage, v.rfm, v.segments, v.owner_id,
  CASE WHEN h.key IS NULL THEN a.plan ELSE h.plan END AS plan,
  CASE WHEN h.key IS NULL THEN a.mrr ELSE h.mrr END AS mrr_minor,
  CASE WHEN h.key IS NULL THEN a.currency ELSE h.currency END AS currency,
  {_day("a.customer_since")} AS customer_since,
  date(a.customer_since * 86400, 'unixepoch', 'start of month') AS start_month
FROM version v JOIN point p ON v.valid_from < p.at AND (v.valid_to IS NULL OR v.valid_to >= p.at)
JOIN account a ON a.key = v.key
LEFT JOIN account_history h ON h.key = v.key AND h.valid_from < p.at AND h.valid_to >= p.at
"""
"""One row an account and month, as it stood when the month was over: what tools want that know no validity."""

_SEGMENT = f"""
SELECT s.crm_id AS account_id, coalesce(s.name, s.crm_id) AS account_name, j.value AS segment,
  {_at("s.valid_from")} AS since
FROM score s JOIN json_each(s.segments) j WHERE s.level = 'account'
"""

_WITHHELD = f"""
SELECT w.crm_id AS account_id, coalesce(s.name, w.crm_id) AS account_name, w.playbook, w.rule, w.why,
  {_at("w.since")} AS since, {_at("w.until")} AS until, {_at("w.ended")} AS ended_at
FROM withheld w LEFT JOIN (
  SELECT crm_id, max(name) AS name FROM score WHERE level = 'account' GROUP BY crm_id
) s ON s.crm_id = w.crm_id
"""

_VALUE = (
    "CASE json_type({json}, {path}) WHEN 'object' THEN coalesce(json_extract({json}, {path} || '.at'), "
    "json_extract({json}, {path} || '.day')) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
    "ELSE CAST(json_extract({json}, {path}) AS TEXT) END"
)
_PATH = "'$.\"' || j.key || '\"'"

_CHANGE = f"""
SELECT o.op_id AS operation, o.object, o.record_id, s.name AS account_name, j.key AS field,
  {_VALUE.format(json="o.before_image", path=_PATH)} AS value_before,
  {_VALUE.format(json="o.payload", path=_PATH)} AS value_after, o.state, {_at("o.sent_at")} AS sent_at,
  {_at("o.updated_at")} AS updated_at, o.undoes, o.run_id
FROM op o JOIN json_each(o.payload) j LEFT JOIN (
  SELECT crm_id, max(name) AS name FROM score WHERE level = 'account' GROUP BY crm_id
) s ON o.object = 'account' AND s.crm_id = o.record_id
WHERE o.kind = 'field' AND o.state IN ('confirmed', 'rolled_back', 'undo_skipped')
"""

_RUN = f"""
SELECT run_id, mode, {_at("started")} AS started_at, {_at("ended")} AS ended_at, status,
  json_extract(counts, '$.planned_fields') AS fields_planned, json_extract(counts, '$.planned_tasks') AS tasks_planned,
  json_extract(counts, '$.rows') AS rows_read, json_extract(counts, '$.write_calls') AS write_calls
FROM run
"""


def _moves(what: str, now: str) -> str:
    return _MOVE.format(what=what, now=now, left="'churned'", outside="'not scored'")


VIEWS: dict[str, str] = {
    "v_account": _ACCOUNT,
    "v_driver": _DRIVER,
    "v_feature": _FEATURE,
    "v_segment": _SEGMENT,
    "v_score_history": _SCORE_HISTORY,
    "v_band_change": _moves("band", "band"),
    "v_stage_change": _moves("stage", "coalesce(stage, 'unknown')"),
    "v_segment_change": _SEGMENT_CHANGE,
    "v_task": _TASK,
    "v_withheld": _WITHHELD,
    "v_cohort": _COHORTS.format(by=""),
    "v_cohort_detail": _COHORTS.format(by="plan, channel, "),
    "v_account_month": _ACCOUNT_MONTH,
    "v_source": _SOURCE,
    "v_change": _CHANGE,
    "v_run": _RUN,
    "v_contact": _CONTACT,
}
"""Name -> SELECT."""


def steps() -> list[str]:
    """The statements, in order."""
    return [f"CREATE VIEW {name} AS {select.strip()}" for name, select in VIEWS.items()]
