"""What other programs may read, as data: every table, every column, its type, its unit and what it means.

docs/data.md, `holdfast export`, the LookML files and the metadata for Datasette all come from here.
"""

from collections.abc import Iterator

from mapping.schema import RECORDS
from sync.catalogue_views import VIEW_TABLES
from sync.columns import Column, Table, Type
from sync.tables import KINDS, Kind

_TYPES: dict[str, Type] = {"int": "integer", "bool": "boolean", "list": "json", "map": "json", "text": "text",
                           "instant": "instant", "day": "day"}  # fmt: skip
_REFERS = {"account", "contact", "ticket"}
_PEOPLE = {"user", "contact", "membership", "contact_role"}
"""Kinds of record of which every one is on a person."""
_PERSONAL = {"email", "other_emails", "contact_ref"}
_UNITS = {"mrr": "minor units", "amount": "minor units", "amount_due": "minor units", "first_reply_minutes": "minutes"}

_VALID = (
    Column("valid_from", "instant", "When this agent came to know it so."),
    Column("valid_to", "instant", "When it came to know otherwise, or that the record is gone; empty while it holds."),
)


def _history(kind: Kind) -> Table:
    """Every version of every record of one kind, as one table."""
    fields = {name: info.description or "" for name, info in kind.model.model_fields.items()}
    columns = [
        Column("source", "text", fields["source"]),
        Column("source_id", "text", fields["source_id"], personal=kind.name in _PEOPLE),
    ]
    columns += [
        Column(
            exported_name(column.field),
            "text" if column.refers else _TYPES[column.type],
            fields[column.field],
            _UNITS.get(column.field, ""),
            personal=kind.name in _PEOPLE or column.field in _PERSONAL,
        )
        for column in kind.columns
    ]
    named = ", ".join(f"{_value(column.type, column.name)} AS {exported_name(column.field)}" for column in kind.columns)
    names = ", ".join(column.name for column in kind.columns)
    then = ", ".join(f"h.{column.name}" for column in kind.columns)
    select = (
        f"SELECT source.name AS source, t.source_id, {named}, {_value('instant', 'valid_from')} AS valid_from, "
        f"{_value('instant', 'valid_to')} AS valid_to FROM ("
        f"SELECT source, source_id, {names}, valid_from, valid_to FROM {kind.name} WHERE valid_from IS NOT NULL "
        f"UNION ALL SELECT k.source, k.source_id, {then}, h.valid_from, h.valid_to FROM {kind.name}_history h "
        f"JOIN {kind.name} k ON k.key = h.key) t JOIN source ON source.id = t.source"
    )
    title = (RECORDS[kind.name].__doc__ or "").strip().splitlines()[0]
    return Table(
        f"{kind.name}_history",
        f"One version of a record of kind {kind.name}. {title}",
        ("source", "source_id", "valid_from"),
        (*columns, *_VALID),
        select,
        ("valid_from", "valid_to"),
        personal=kind.name in _PEOPLE,
        view=False,
    )


def exported_name(field: str) -> str:
    """Where a reference is named after what it holds, and not after our key; no word of SQL."""
    return "is_primary" if field == "primary" else field


def _value(kind: str, name: str) -> str:
    if kind in _REFERS:
        return f"(SELECT r.source_id FROM {kind} r WHERE r.key = t.{name})"
    if kind == "instant":
        return f"strftime('%Y-%m-%dT%H:%M:%SZ', t.{name}, 'unixepoch')"
    return f"date(t.{name} * 86400, 'unixepoch')" if kind == "day" else f"t.{name}"


def _tables() -> Iterator[Table]:
    yield from VIEW_TABLES
    yield from map(_history, KINDS.values())


def tables() -> dict[str, Table]:
    """Every table by its name: the views, then the history of each kind of record."""
    return {table.name: table for table in _tables()}
