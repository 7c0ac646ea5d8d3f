"""The one statement that reads an event export, made from an event map."""

from typing import Any

from connectors.base import EventPeople
from mapping.mapped import EventMap

READ = """
CREATE TEMP TABLE ev AS
SELECT
  hash({name}, {distinct_id}, {seconds}, {insert_id}) AS h,
  {name} AS event,
  CAST({seconds} // 86400 AS INTEGER) AS day,
  CASE WHEN {person} <> '' AND NOT starts_with({person}, $2) THEN {person} END AS person,
  {account} AS grp,
  coalesce({arrival}, {seconds}) AS arrived{said}
FROM read_json($1, format = 'newline_delimited', columns = {{{types}}}, ignore_errors = true)
"""
"""Reads file $1; a person that starts with $2 is a device. A line that is no JSON object gives a row of NULLs, a
value of another type NULL. What an event says of its person is in columns said0, said1, ..."""

TOTALS = "SELECT day, count(person), count(*) - count(person) FROM ev GROUP BY day"
"""Events of people and of nobody, by day."""

PERSONS = """
CREATE TEMP TABLE person_id AS
SELECT person AS sent, trim(person) AS id FROM (SELECT DISTINCT person FROM ev) WHERE trim(person) <> ''
"""

GROUPS = """
CREATE TEMP TABLE group_id AS
SELECT sent, id FROM (
  SELECT sent, trim(unnest(
    CASE WHEN starts_with(sent, '[') AND json_valid(sent) THEN list_distinct(from_json(sent, '["VARCHAR"]'))
    ELSE [sent] END)) AS id
  FROM (SELECT DISTINCT grp AS sent FROM ev WHERE NOT starts_with(grp, '{'))
) WHERE id <> ''
"""
"""Ids of the groups: text, or a list of texts, which arrives as JSON text."""

USAGE = """
CREATE TEMP TABLE usage AS
SELECT day, p.key AS person, g.key AS grp, event, CAST(count(*) AS INTEGER) AS n
FROM ev
JOIN (SELECT sent, key FROM person_id JOIN person_key USING (id)) p ON p.sent = ev.person
LEFT JOIN (SELECT sent, key FROM group_id JOIN group_key USING (id)) g ON g.sent = ev.grp
GROUP BY ALL
"""
"""The counts, with keys in place of ids: an event counts once for each group it named."""


def columns(events: EventMap, people: EventPeople | None = None) -> dict[str, str]:
    """What `READ` must be told about a vendor's lines, and about whom they speak of."""
    text = events.times == "text"
    moment = "TIMESTAMP" if text else "DOUBLE"
    wanted = {
        "name": (events.name, "VARCHAR"),
        "time": (events.time, moment),
        "person": (events.person, "VARCHAR"),
        "distinct_id": (events.distinct_id, "VARCHAR"),
        "account": (events.account, "VARCHAR"),
        "insert_id": (events.insert_id, "VARCHAR"),
        "arrived": (events.arrived, moment),
    }
    tree: dict[str, Any] = {}
    found = {}
    for name, (path, kind) in wanted.items():
        found[name] = _column(tree, path.split("."), kind)
    found["seconds"], found["arrival"] = (_stamps if text else _numbers)(found["time"], found["arrived"])
    said = [_column(tree, [people.properties, name], "JSON") for name in people.names] if people else []
    found["said"] = "".join(f", {column} AS said{place}" for place, column in enumerate(said))
    found["types"] = ", ".join(f"{quoted(key)}: {_literal(_type(value))}" for key, value in tree.items())
    return found


def _column(tree: dict[str, Any], keys: list[str], kind: str) -> str:
    """Have a value read, unless it is read already; gives the words for it."""
    branch = tree
    for key in keys[:-1]:
        branch = branch.setdefault(key, {})
    branch.setdefault(keys[-1], kind)
    return ".".join(map(quoted, keys))


def _numbers(time: str, arrived: str) -> tuple[str, str]:
    """Whole epoch seconds of what happened, whichever unit the vendor writes, and of its arrival in milliseconds.

    What is beyond the year 9999 is no time.
    """
    seconds = (
        f"CASE WHEN {time} BETWEEN 0 AND 253402300799999 THEN "
        f"CAST(floor(CASE WHEN {time} >= 1e11 THEN {time} / 1000 ELSE {time} END) AS BIGINT) END"
    )
    return seconds, f"CASE WHEN {arrived} > 0 THEN CAST({arrived} / 1000 AS BIGINT) END"


def _stamps(time: str, arrived: str) -> tuple[str, str]:
    """The same of stamps; DuckDB has made UTC instants of them, and NULL of what is none."""
    seconds, arrival = (
        f"CASE WHEN {stamp} BETWEEN TIMESTAMP '1970-01-01' AND TIMESTAMP '9999-12-31' "
        f"THEN CAST(floor(epoch({stamp})) AS BIGINT) END"
        for stamp in (time, arrived)
    )
    return seconds, arrival


def _type(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"STRUCT({', '.join(f'{quoted(key)} {_type(inner)}' for key, inner in value.items())})"


def quoted(name: str) -> str:
    """A name as DuckDB takes it whatever it holds: in double quotes, those within doubled."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
