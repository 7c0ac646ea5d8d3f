"""`tooling/query`: custom fields as rows, for tools that look whether a field is there and under which id.

Only CustomField is served. As at Salesforce, `FullName` and `Metadata` are given only when a single row is found.
"""

import json
from array import array
from collections.abc import Callable
from typing import Any

from sandbox.salesforce_base import Base, Ids
from sandbox.salesforce_http import Call, Reply, Route
from sandbox.salesforce_org import Org
from sandbox.salesforce_permissions import Right
from sandbox.salesforce_query import JSON_TYPE, Records
from sandbox.salesforce_soql import parse
from sandbox.salesforce_soql_run import run
from sandbox.salesforce_soql_tree import malformed
from sandbox.salesforce_store import Table
from sandbox.salesforce_tooling import CustomField, CustomFields, row, shown_metadata
from sandbox.salesforce_types import FieldDef, ObjectDef

_PREFIX = "00N"
_PLAIN = ("TableEnumOrId", "DeveloperName", "NamespacePrefix", "ManageableState")
_SINGLE = ("FullName", "Metadata")
"""Columns that Salesforce works out for one row at a time."""


def _definition() -> ObjectDef:
    made = ObjectDef("CustomField", _PREFIX, "Custom Field", setup=True)
    made.add([FieldDef("Id", "id"), *(FieldDef(name, "string") for name in _PLAIN)])
    made.add([FieldDef(name, "string", filterable=False, sortable=False) for name in _SINGLE])
    return made


class _Fields:
    """The org's custom fields as something that can be queried."""

    def __init__(self, org: Org) -> None:
        self._org = org
        fields = org.part(CustomFields)
        ids = Ids(_PREFIX)
        entries = sorted(((ids.number(one.id) or 0, one) for one in fields.all()), key=lambda pair: pair[0])
        begun = [0] * len(entries)
        base = Base(
            numbers=array("q", [number for number, _ in entries]),
            items=[one for _, one in entries],
            created=array("q", begun),
            stamps=array("q", begun),
            renderers={
                **{name: _column(name) for name in _PLAIN},
                "FullName": lambda one, _now: f"{one.owner}.{one.name}",
                "Metadata": lambda one, _now: shown_metadata(one, fields.by_id(one.id)[1]),
            },
        )
        kind = _definition()
        self.objects = {kind.name: kind}
        self.tables = {kind.name: Table(kind, base, org.moment)}

    @property
    def now(self) -> int:
        """The present, epoch milliseconds."""
        return self._org.now

    def object(self, name: str) -> ObjectDef | None:
        """CustomField, in any capitals."""
        return next((kind for kind in self.objects.values() if kind.name.lower() == name.lower()), None)

    def can(self, user: str, kind: str, right: Right) -> bool:  # noqa: ARG002 - there is but one kind and one right
        """Whether a user may look at the set-up."""
        return self._org.may(user, "CustomizeApplication") or self._org.may(user, "ViewSetup")

    def readable(self, user: str, kind: str, name: str) -> bool:  # noqa: ARG002 - whoever sees one sees all
        """Every column is there for everybody who gets this far."""
        return True

    def rows(self, user: str, kind: str) -> Callable[[int], bool] | None:  # noqa: ARG002 - whoever sees one sees all
        """No field is kept from anybody who gets this far."""
        return None

    def sees(self, user: str, kind: str, place: int) -> bool:  # noqa: ARG002 - whoever sees one sees all
        """The same."""
        return True


def _column(name: str) -> Callable[[CustomField, int], Any]:
    return lambda one, _now: row(one)[name]


def query(org: Org, call: Call) -> Reply:
    """`GET tooling/query?q=`: all rows at once."""
    text = call.query.get("q")
    if text is None:
        raise malformed("A query string has to be specified")
    found = run(_Fields(org), call.user, parse(text), everything=False)
    if found.groups is not None:
        raise malformed("Aggregate queries of the Tooling API are not served by this sandbox")
    if found.count > 1 and any(column.name in _SINGLE for column in found.columns):
        message = (
            "When retrieving results with Metadata or FullName fields, the query qualifications must specify no more "
            f"than one row for retrieval. Result size: {found.count}"
        )
        raise malformed(message)
    records = Records(found.scope, found.node, call.path("tooling")).page(found.places)
    body = {
        "size": len(records),
        "totalSize": found.count,
        "done": True,
        "queryLocator": None,
        "entityTypeName": "CustomField",
        "records": records,
    }
    return 200, json.dumps(body, ensure_ascii=False), JSON_TYPE


ROUTES = (Route("GET", "tooling/query", query),)
