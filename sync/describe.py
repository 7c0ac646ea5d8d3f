"""What the tables mean, in the words of other tools: views for Looker, metadata for Datasette.

LookML: https://cloud.google.com/looker/docs/reference/param-view, Datasette: https://docs.datasette.io/en/stable/metadata.html
"""

import json
from collections.abc import Iterator, Sequence

from sync.catalogue import exported_name
from sync.columns import Column, Table
from sync.tables import KINDS
from sync.tables import Column as Stored

# -- Looker -----------------------------------------------------------------------------------------------------------

SCHEMA = "holdfast"
"""The schema of the warehouse into which the exported files are loaded, and the name of the connection."""

_SCORE = ("average_score", "average", "${score}", "Mean score of the accounts that have one.")
_REVENUE = ("revenue_minor", "sum", "${mrr_minor}", "Monthly revenue in minor units; filter by one currency.")
_KEPT = (
    ("accounts_total", "sum", "${accounts}", "Accounts that began; choose one months_since."),
    ("retained_total", "sum", "${retained}", "Accounts that were kept; choose one months_since."),
    ("retention", "number", "1.0 * ${retained_total} / NULLIF(${accounts_total}, 0)", "Share that was kept."),
)
_MEASURES = {
    "v_account": (_SCORE, _REVENUE),
    "v_account_month": (_SCORE, _REVENUE),
    "v_cohort": _KEPT,
    "v_cohort_detail": _KEPT,
}
"""View -> name, type, SQL and meaning of each measure."""


def lookml(tables: Sequence[Table], *, people: bool) -> dict[str, str]:
    """File name -> text: a view for every table, and a model that joins them to the account.

    Args:
        tables: Which tables, as they are exported.
        people: Whether they were exported with what tells who somebody is.
    """
    files = {f"{table.name}.view.lkml": _view(table, table.shown(people=people)) for table in tables}
    return {**files, f"{SCHEMA}.model.lkml": _model(tables)}


def _view(table: Table, columns: Sequence[Column]) -> str:
    inside = [f'label: "{_label(table.name)}"', f"sql_table_name: {SCHEMA}.{table.name} ;;"]
    if set(table.key) <= {column.name for column in columns}:
        key = " || '|' || ".join(f"COALESCE(CAST(${{TABLE}}.{name} AS VARCHAR), '')" for name in table.key)
        inside.append(_block("dimension: row_key", "primary_key: yes", "hidden: yes", f"sql: {key} ;;"))
    inside += [_dimension(column) for column in columns]
    inside.append(_block("measure: rows", "type: count"))
    for name, kind, sql, meaning in _MEASURES.get(table.name, ()):
        inside.append(_block(f"measure: {name}", f"type: {kind}", _about(meaning), f"sql: {sql} ;;"))
    return _block(f"view: {table.name}", *inside)


def _block(head: str, *inside: str) -> str:
    lines = "".join(f"  {line}\n" for part in inside for line in part.splitlines())
    return f"{head} {{\n{lines}}}\n"


_KINDS = {"text": "string", "json": "string", "integer": "number", "boolean": "yesno"}
_FRAMES = "date, week, month, quarter, year"


def _dimension(column: Column) -> str:
    about = (_about(f"{column.meaning} Unit: {column.unit}." if column.unit else column.meaning),
             f"sql: ${{TABLE}}.{column.name} ;;")  # fmt: skip
    group = f"dimension_group: {column.name}"
    if column.type == "instant":
        return _block(group, "type: time", f"timeframes: [raw, time, {_FRAMES}]", "datatype: timestamp", *about)
    if column.type == "day":
        return _block(group, "type: time", f"timeframes: [raw, {_FRAMES}]", "convert_tz: no", "datatype: date", *about)
    return _block(f"dimension: {column.name}", f"type: {_KINDS[column.type]}", *about)


def _model(tables: Sequence[Table]) -> str:
    known = {table.name for table in tables}
    parts = [f'connection: "{SCHEMA}"\n', 'include: "*.view.lkml"\n']
    for table in tables:
        inside = [_about(table.title)]
        if "v_account" in known - {table.name} and "account_id" in {column.name for column in table.columns}:
            on = f"sql_on: ${{{table.name}.account_id}} = ${{v_account.account_id}} ;;"
            inside.append(_block("join: v_account", "type: left_outer", "relationship: many_to_one", on))
        parts.append(_block(f"explore: {table.name}", *inside))
    return "\n".join(parts)


def _about(text: str) -> str:
    """A description; a quotation mark in it is escaped."""
    return 'description: "' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _label(name: str) -> str:
    return name.removeprefix("v_").replace("_", " ").capitalize()


# -- Datasette --------------------------------------------------------------------------------------------------------

INTERNAL = (
    "_sqlite_migrations", "band_state", "batch", "card", "crm_value", "decision", "delivery", "disbelief",
    "fact", "followup", "forgotten", "guard", "link", "link_history", "meta", "note", "notice", "op",
    "op_event", "owned", "parked", "pull", "quarantine", "record_map", "record_map_history", "releases", "review",
    "run", "score", "score_change", "score_history", "source", "standing", "stream", "told", "usage_file",
    "usage_later", "usage_seen", "withheld",
)  # fmt: skip
"""Tables that are the agent's own: they may change with any version."""

_AFTER = ", ".join(
    f"max(CASE months_since WHEN {n} THEN round(100.0 * retained / accounts, 1) END) AS month_{n}"
    for n in (1, 3, 6, 12, 18, 24)
)
_QUERIES = {
    "who_needs_a_call": """Who needs a call: red accounts, the largest revenue first
SELECT account_name, score, band_since, reason, plan, mrr_minor, currency, renewal_date, owner_name FROM v_account
WHERE band = 'red' AND left_at IS NULL ORDER BY currency, mrr_minor DESC, account_id""",
    "moved_since": """Who moved between bands since an instant such as 2026-11-01T00:00:00Z
SELECT at, account_name, band_before, band_after FROM v_band_change WHERE at >= :since ORDER BY at DESC""",
    "why": """The parts of the score of one account, by its id in the CRM
SELECT signal, points, weight, value, fresh FROM v_driver WHERE account_id = :account_id ORDER BY points, signal""",
    "revenue_by_band": """Accounts and monthly revenue in minor units, by band and currency
SELECT band, currency, count(*) AS accounts, sum(mrr_minor) AS mrr_minor FROM v_account WHERE left_at IS NULL
GROUP BY band, currency ORDER BY currency, band""",
    "retention": f"""Percent of accounts kept after so many months, a line for each month of start
SELECT start_month, accounts, {_AFTER} FROM v_cohort WHERE accounts > 0 GROUP BY start_month, accounts
ORDER BY start_month""",
    "task_outcomes": """What became of tasks, by playbook
SELECT playbook, variant, outcome, count(*) AS tasks FROM v_task GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    "written_by_run": """Every field that a run wrote, by the number of the run
SELECT object, record_id, account_name, field, value_before, value_after, state, sent_at FROM v_change
WHERE run_id = :run_id ORDER BY operation, field""",
}
"""Name -> a line that says what it answers, and the SELECT."""


def datasette(tables: Sequence[Table]) -> dict[str, str]:
    """`metadata.json`: what tables and columns mean, which are hidden, and questions that are often asked."""
    about: dict[str, object] = {
        table.name: {"description": table.title, "columns": {c.name: _told(c) for c in table.columns}}
        for table in tables
        if table.view
    }
    about |= {name: {"description": text, "columns": columns} for name, text, columns in _records(tables)}
    about |= {name: {"hidden": True} for name in INTERNAL}
    parts = {name: text.partition("\n") for name, text in _QUERIES.items()}
    queries = {name: {"title": title, "sql": sql} for name, (title, _, sql) in parts.items()}
    data = {
        "title": "Holdfast",
        "description": "Customer health as the agent knows it. Times are UTC. Only reading: the agent owns this file.",
        "databases": {"state": {"tables": about, "queries": queries}},
    }
    return {"metadata.json": json.dumps(data, indent=1) + "\n"}


def _told(column: Column) -> str:
    return f"{column.meaning} Unit: {column.unit}." if column.unit else column.meaning


_RAW = {"instant": "Epoch seconds, UTC.", "day": "Days since 1970-01-01.", "bool": "1 or 0."}


def _records(tables: Sequence[Table]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The tables of records as they lie in the state file, and their history."""
    known = {table.name: table for table in tables}
    for name, kind in KINDS.items():
        table = known.get(f"{name}_history")
        if table is None:
            continue
        told = {column.name: _told(column) for column in table.columns}
        columns = {c.name: f"{told[exported_name(c.field)]} {raw(c)}".rstrip() for c in kind.columns}
        yield name, f"The newest version of each record of kind {name}.", columns
        yield f"{name}_history", f"Superseded versions of records of kind {name}.", columns


def raw(column: Stored) -> str:
    """How a column of a record lies in the state file."""
    return f"Key of the {column.type}." if column.refers else _RAW.get(column.type, "")
