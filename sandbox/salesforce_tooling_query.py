"""What the Tooling API is asked about by query and describe: custom fields and custom objects.

The operations of ordinary records, on an org in which set-up is the data.
"""

import json
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.salesforce_base import Base
from sandbox.salesforce_describe import basic, describe, describe_global
from sandbox.salesforce_errors import SfError
from sandbox.salesforce_http import Call, Operation, Reply, Route
from sandbox.salesforce_metadata import show
from sandbox.salesforce_objects import CustomObjects
from sandbox.salesforce_org import Org
from sandbox.salesforce_permissions import Right
from sandbox.salesforce_query import query as query_records
from sandbox.salesforce_tooling import CustomField, CustomFields, by_hand, object_row, row
from sandbox.salesforce_types import FieldDef, ObjectDef

_COLUMNS = (
    FieldDef("Id", "id", universal=True),
    FieldDef("TableEnumOrId", "picklist", length=255),
    FieldDef("DeveloperName", "string", length=40),
    FieldDef("NamespacePrefix", "string", length=15),
    FieldDef("ManageableState", "picklist", length=40),
    FieldDef("FullName", "string", length=255, filterable=False, sortable=False),
    FieldDef("Metadata", "complexvalue", filterable=False, sortable=False),
)
_OBJECT_COLUMNS = (
    FieldDef("Id", "id", universal=True),
    FieldDef("DeveloperName", "string", length=40),
    FieldDef("NamespacePrefix", "string", length=15),
    FieldDef("Description", "string", length=1000),
    FieldDef("SharingModel", "picklist", length=40),
    FieldDef("ManageableState", "picklist", length=40),
)
_ONE_ROW = ("FullName", "Metadata")
"""Columns that a query may ask for only when it finds one record."""


class _Setup(Org):
    """What queries of the Tooling API see: two kinds of record, the custom fields and the custom objects."""

    def __init__(self, org: Org, fields: CustomFields) -> None:
        self.options, self.moment, self.permissions = org.options, org.moment, org.permissions
        self.objects, self.tables, self._folded, self._prefixes = {}, {}, {}, {}
        objects = org.part(CustomObjects)
        self._add(
            ObjectDef("CustomField", "00N", "Custom Field", setup=True),
            _COLUMNS,
            {entry.number: _columns(org, fields, entry) for entry in fields.all()},
        )
        self._add(
            ObjectDef("CustomObject", "01I", "Custom Object", setup=True, createable=False, updateable=False),
            _OBJECT_COLUMNS,
            {entry.number: object_row(entry) for entry in objects},
        )

    def _add(self, kind: ObjectDef, columns: Sequence[FieldDef], rows: Mapping[int, Mapping[str, Any]]) -> None:
        kind.add(columns)
        numbers = sorted(rows)
        base = Base(
            array("q", numbers),
            [rows[number] for number in numbers],
            array("q", [0] * len(numbers)),
            array("q", [0] * len(numbers)),
            renderers={column.name: _column(column.name) for column in columns[1:]},
        )
        self.add_object(kind, base)

    def can(self, user: str, _kind: str, right: Right) -> bool:
        """Set-up is read by those who may view it, and changed by those who may customize."""
        return self.may(user, "CustomizeApplication") or (right == "Read" and self.may(user, "ViewSetup"))

    def readable(self, _user: str, kind: str, name: str) -> bool:
        """Set-up knows no field-level security."""
        return self.objects[kind].field(name) is not None

    def editable(self, _user: str, _kind: str, name: str) -> bool:
        """What a field is made of."""
        return name in _ONE_ROW


def _column(name: str) -> Callable[[Mapping[str, Any], int], Any]:
    return lambda values, _now: values[name]


def _columns(org: Org, fields: CustomFields, entry: CustomField) -> dict[str, Any]:
    found = fields.definition(entry)
    return {**row(org, entry), "Metadata": None if found is None else show(found, entry.given or by_hand(found))}


class _ToolingCall(Call):
    """A call whose records have their addresses below tooling/."""

    __slots__ = ()

    def path(self, rest: str) -> str:
        """See `Call.path`."""
        return f"/services/data/v{self.version}/tooling/{rest}"


def _of_setup(operation: Operation, kind: str = "CustomField") -> Operation:
    """An operation on records as one on custom fields or objects."""

    def answer(org: Org, call: Call) -> Reply:
        params = {"object": kind}
        asked = _ToolingCall(call.user, call.version, call.method, params, call.query, call.headers, root=call.root)
        return operation(_Setup(org, org.part(CustomFields)), asked)

    return answer


def query(org: Org, call: Call) -> Reply:
    """GET tooling/query?q=: by the plain columns; `FullName` and `Metadata` of one field at a time."""
    status, text, headers = _of_setup(query_records)(org, call)
    records = json.loads(text)["records"]
    if len(records) > 1 and any(name in records[0] for name in _ONE_ROW):
        message = (
            "When retrieving results with Metadata or FullName fields, the query qualifications must specify no more "
            f"than one row for retrieval. Result size: {len(records)}"
        )
        raise SfError(400, "MALFORMED_QUERY", message)
    return status, text, headers


ROUTES: Sequence[Route] = (
    Route("GET", "tooling/sobjects/CustomObject", _of_setup(basic, "CustomObject")),
    Route("GET", "tooling/sobjects/CustomObject/describe", _of_setup(describe, "CustomObject")),
    Route("GET", "tooling/sobjects", _of_setup(describe_global)),
    Route("GET", "tooling/sobjects/CustomField", _of_setup(basic)),
    Route("GET", "tooling/sobjects/CustomField/describe", _of_setup(describe)),
    Route("GET", "tooling/query", query),
)
