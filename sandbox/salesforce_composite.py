"""Collections: up to 200 records a call under composite/sobjects, each with a result of its own, in order.

HTTP 200 even when every record failed; inside, an error is {"statusCode", "message", "fields"}. The request itself is
refused (400) when it cannot be understood: no JSON of the right form, a field that does not exist for the user, a value
of another kind than its field. Records of different kinds are worked on in chunks of neighbours, at most 10. With
`allOrNone` nothing is written unless every record is good. Which errors are the request's and which the record's
follows public threads; it was not tried on a live org.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from sandbox.salesforce_errors import SfError, invalid_type, json_error
from sandbox.salesforce_http import Call, Reply, Route
from sandbox.salesforce_ids import canonical
from sandbox.salesforce_org import Org
from sandbox.salesforce_records import fields_wanted, holders, key_field, kind_at, kind_of_id, record_body, shower
from sandbox.salesforce_rows import malformed_id
from sandbox.salesforce_save import Plan, Writer, key_of
from sandbox.salesforce_types import FieldDef, ObjectDef

MAX_RECORDS = 200
MAX_RETRIEVED = 2000
MAX_CHUNKS = 10

Planner = Callable[[], Plan]
"""Plans one record's write or raises `SfError`."""

Values = dict[str, Any] | SfError
"""What a record sets, or why that could not be read."""

_ROLLED_BACK = {
    "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "message": "Record rolled back because not all records were valid and the request was using AllOrNone header",
    "fields": [],
}


def _records(call: Call) -> tuple[list[Mapping[str, Any]], bool]:
    """The records sent, and `allOrNone`. Raises 400."""
    body = record_body(call)
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise json_error("The records of a collection must be a list of objects")
    _capped(len(records), MAX_RECORDS)
    return records, _true(body.get("allOrNone"))


def _capped(count: int, most: int) -> None:
    if count > most:
        message = f"record limit reached. cannot submit more than {most} records into this call"
        raise SfError(400, "EXCEEDED_ID_LIMIT", message)


def _true(value: object) -> bool:
    return str(value).lower() == "true"


def _kinds(org: Org, call: Call, records: Sequence[Mapping[str, Any]]) -> list[ObjectDef]:
    """Each record's kind, from its `attributes.type`. Raises 400."""
    found = []
    for record in records:
        attributes = record.get("attributes")
        name = attributes.get("type") if isinstance(attributes, dict) else None
        if not isinstance(name, str):
            raise json_error("Each record needs attributes with a type")
        kind = org.object(name)
        if kind is None or not org.can(call.user, kind.name, "Read"):
            raise invalid_type(name)
        found.append(kind)
    chunks = sum(one is not other for one, other in pairwise(found)) + bool(found)
    if chunks > MAX_CHUNKS:
        message = (
            f"Cannot have more than {MAX_CHUNKS} chunks in a single operation. Please rearrange the data to reduce "
            "chunking."
        )
        raise SfError(400, "LIMIT_EXCEEDED", message)
    return found


def _work(
    writer: Writer, planners: Sequence[Planner], ids: Sequence[str | None], *, all_or_none: bool
) -> list[dict[str, Any]]:
    """Write what can be written and say what became of each.

    Args:
        writer: Of this request.
        planners: One a record.
        ids: Its id where the request names it, for the results of an all-or-none request that failed.
        all_or_none: Whether one failure keeps everything from being written.
    """
    results: list[dict[str, Any]] = []
    plans: list[Plan | SfError] = []
    for planner in planners:
        try:
            plan = planner()
            if all_or_none:
                plans.append(plan)
            else:
                results.append(_done(writer, plan))
        except SfError as refusal:
            plans.append(refusal)
            results.append({"success": False, "errors": [refusal.item]})
    if not all_or_none:
        return results
    if all(isinstance(plan, Plan) for plan in plans):
        return [_done(writer, plan) for plan in plans if isinstance(plan, Plan)]
    return [_undone(plan, record_id) for plan, record_id in zip(plans, ids, strict=True)]


def _done(writer: Writer, plan: Plan) -> dict[str, Any]:
    return {"id": writer.carry_out(plan), "success": True, "errors": []}


def _undone(plan: Plan | SfError, record_id: str | None) -> dict[str, Any]:
    if isinstance(plan, SfError):
        return {"success": False, "errors": [plan.item]}
    named = {} if record_id is None else {"id": record_id}
    return {**named, "success": False, "errors": [_ROLLED_BACK]}


# ---- making and changing ---------------------------------------------------------------------------------------------


def create(org: Org, call: Call) -> Reply:
    """POST composite/sobjects."""
    records, all_or_none = _records(call)
    writer = Writer(org, call)
    kinds = _kinds(org, call, records)
    planners = [_inserting(writer, k, _read(org, writer, k, r)) for k, r in zip(kinds, records, strict=True)]
    return 200, _work(writer, planners, [None] * len(planners), all_or_none=all_or_none), {}


def _read(org: Org, writer: Writer, kind: ObjectDef, record: Mapping[str, Any]) -> Values:
    """A record's values. Raises 400, unless the org answers such errors at the record."""
    try:
        return writer.read(kind, record)
    except SfError as refusal:
        if not org.options.item_parse_errors:
            raise
        return refusal


def _good(values: Values) -> dict[str, Any]:
    """Values that could be read. Raises what they were refused with."""
    if isinstance(values, SfError):
        raise values
    return values


def _inserting(writer: Writer, kind: ObjectDef, values: Values) -> Planner:
    return lambda: writer.insert(kind, _good(values))


def update(org: Org, call: Call) -> Reply:
    """PATCH composite/sobjects: each record with its id."""
    records, all_or_none = _records(call)
    writer = Writer(org, call)
    planners, ids = [], []
    for kind, record in zip(_kinds(org, call, records), records, strict=True):
        record_id, values = _split_id(record)
        planners.append(_updating(writer, kind, record_id, _read(org, writer, kind, values)))
        ids.append(None if record_id is None else canonical(record_id) or record_id)
    return 200, _work(writer, planners, ids, all_or_none=all_or_none), {}


def _split_id(record: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """A record's id, written in any capitals, and the rest of it."""
    found = next((value for key, value in record.items() if key.lower() == "id" and value), None)
    return None if found is None else str(found), {k: v for k, v in record.items() if k.lower() != "id"}


def _updating(writer: Writer, kind: ObjectDef, record_id: str | None, values: Values) -> Planner:
    def plan() -> Plan:
        if record_id is None:
            raise SfError(400, "MISSING_ARGUMENT", "Id not specified in an update call", ("Id",))
        return writer.update(kind, record_id, _good(values))

    return plan


def upsert(org: Org, call: Call) -> Reply:
    """PATCH composite/sobjects/X/Field: made or updated by an external id; `created` says which."""
    definition = kind_at(org, call)
    field = key_field(org, call, definition, call.params["field"])
    records, all_or_none = _records(call)
    if any(kind is not definition for kind in _kinds(org, call, records)):
        raise invalid_type(str(records[0]["attributes"]["type"]))
    writer = Writer(org, call)
    rows = [writer.read(definition, record) for record in records]
    keys = [key_of(field, row.get(field.name)) for row in rows]
    often = Counter(keys)
    planners = [
        _upserting(org, writer, definition, field, row, often[key]) for key, row in zip(keys, rows, strict=True)
    ]
    results = _work(writer, planners, [None] * len(rows), all_or_none=all_or_none)
    for planner, result in zip(planners, results, strict=True):
        if result["success"]:
            result["created"] = planner.created
    return 200, results, {}


class Upserting:
    """Plans one upsert.

    Attributes:
        created: Whether the record is made; known once it was planned.
    """

    def __init__(self, org: Org, writer: Writer, kind: ObjectDef, field: FieldDef, values: Mapping[str, Any]) -> None:
        self.org = org
        self.writer = writer
        self.kind = kind
        self.field = field
        self.values = values
        self.created = False

    def __call__(self) -> Plan:
        """Plan it. Raises `SfError`."""
        key, name = self.values.get(self.field.name), self.field.name
        if key is None and name != "Id":
            raise SfError(400, "MISSING_ARGUMENT", f"{name} not specified", ())
        places = [] if key is None else holders(self.org, self.kind, self.field, key)
        if len(places) > 1:
            ids = ", ".join(self.org.tables[self.kind.name].id_at(place) for place in places)
            message = f"more than one record found for external id field: [{ids}]"
            raise SfError(400, "DUPLICATE_EXTERNAL_ID", message, ())
        rest = {k: v for k, v in self.values.items() if k not in {name, "Id"}}
        if places:
            return self.writer.update(self.kind, self.org.tables[self.kind.name].id_at(places[0]), rest)
        if key is not None and name == "Id":
            return self.writer.update(self.kind, str(key), rest)
        self.created = True
        return self.writer.insert(self.kind, rest if key is None else {**rest, name: key})


class Repeated(Upserting):
    """An upsert whose key stands in the request more than once."""

    def __call__(self) -> Plan:
        """Raises 400 `DUPLICATE_VALUE`."""
        key = self.values.get(self.field.name)
        raise SfError(400, "DUPLICATE_VALUE", f"Duplicate external id specified: {key}", (self.field.name,))


def _upserting(
    org: Org, writer: Writer, kind: ObjectDef, field: FieldDef, values: Mapping[str, Any], often: int
) -> Upserting:
    repeated = often > 1 and values.get(field.name) is not None
    return (Repeated if repeated else Upserting)(org, writer, kind, field, values)


def delete(org: Org, call: Call) -> Reply:
    """DELETE composite/sobjects?ids=...&allOrNone=..."""
    ids = [one.strip() for one in call.query.get("ids", "").split(",") if one.strip()]
    if not ids:
        raise SfError(400, "MISSING_ARGUMENT", "The ids parameter is required")
    _capped(len(ids), MAX_RECORDS)
    writer = Writer(org, call)
    planners = [_deleting(org, writer, one) for one in ids]
    results = _work(writer, planners, ids, all_or_none=_true(call.query.get("allOrNone")))
    return 200, results, {}


def _deleting(org: Org, writer: Writer, record_id: str) -> Planner:
    def plan() -> Plan:
        kind = kind_of_id(org, record_id)
        if kind is None:
            raise malformed_id("Record ID", record_id, "Id")
        return writer.delete(kind, record_id)

    return plan


# ---- reading ---------------------------------------------------------------------------------------------------------


def retrieve(org: Org, call: Call) -> Reply:
    """POST composite/sobjects/X {"ids", "fields"}: records in the order asked, null for what is not there."""
    body = record_body(call)
    ids, names = body.get("ids"), body.get("fields")
    if not isinstance(ids, list) or not isinstance(names, list) or not names:
        raise json_error("A retrieval needs lists of ids and fields")
    return _retrieved(org, call, [str(one) for one in ids], [str(name) for name in names])


def retrieve_get(org: Org, call: Call) -> Reply:
    """GET composite/sobjects/X?ids=...&fields=..."""
    ids, names = (call.query.get(name, "").split(",") for name in ("ids", "fields"))
    if not any(names):
        raise SfError(400, "MISSING_ARGUMENT", "The fields parameter is required")
    return _retrieved(org, call, [one.strip() for one in ids if one.strip()], names)


def _retrieved(org: Org, call: Call, ids: Sequence[str], names: Sequence[str]) -> Reply:
    definition = kind_at(org, call)
    _capped(len(ids), MAX_RETRIEVED)
    fields = fields_wanted(org, call, definition, names)
    table, seen = org.tables[definition.name], org.rows(call.user, definition.name)
    show = shower(org, call, definition, fields)
    places = [table.alive(one) for one in ids]
    return 200, [None if p is None or (seen is not None and not seen(p)) else show(p) for p in places], {}


ROUTES: Sequence[Route] = (
    Route("POST", "composite/sobjects", create),
    Route("PATCH", "composite/sobjects", update),
    Route("DELETE", "composite/sobjects", delete),
    Route("POST", "composite/sobjects/{object}", retrieve, reads=True),
    Route("GET", "composite/sobjects/{object}", retrieve_get),
    Route("PATCH", "composite/sobjects/{object}/{field}", upsert),
)
