"""Single records: POST, GET, PATCH and DELETE under sobjects/, by id or by external id, and what changed lately.

To update or delete a record that is not there is `INVALID_CROSS_REFERENCE_KEY`, to get one is `NOT_FOUND`; both 404.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sandbox.salesforce_errors import SfError, entity_deleted, json_error, not_found
from sandbox.salesforce_http import Call, Reply, Route
from sandbox.salesforce_ids import canonical
from sandbox.salesforce_org import Org
from sandbox.salesforce_query import converter, datetime_text
from sandbox.salesforce_rows import WrongKindError, parse_datetime, read_csv
from sandbox.salesforce_save import Writer
from sandbox.salesforce_types import FieldDef, ObjectDef

MAX_CHANGED = 600_000
"""Ids that `updated/` and `deleted/` give at most."""
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_BIN_DAYS = 15
"""How far back `deleted/` reaches."""
_UPDATED_DAYS = 30
_UPSERT_ANSWERS = 46
"""API version from which an upsert that updates answers 200 with a body rather than 204."""


def kind_at(org: Org, call: Call, name: str = "") -> ObjectDef:
    """The kind of record that the path names. Raises 404 for one that is not there for the user."""
    found = org.object(name or call.params["object"])
    if found is None or not org.can(call.user, found.name, "Read"):
        raise not_found()
    return found


def record_body(call: Call) -> Mapping[str, Any]:
    """The JSON object sent. Raises 400 for anything else."""
    body = call.json()
    if not isinstance(body, dict):
        raise json_error()
    return body


def fields_wanted(org: Org, call: Call, definition: ObjectDef, names: Iterable[str]) -> list[FieldDef]:
    """Readable fields by name, the id first; all of them when no name is given. Raises 400 `INVALID_FIELD`."""
    writer = Writer(org, call)
    wanted = [writer.column(definition, name.strip()) for name in names if name.strip()]
    chosen = wanted or [f for f in definition if org.readable(call.user, definition.name, f.name)]
    return list({f.name: f for f in [definition.fields["Id"], *chosen]}.values())


def shower(org: Org, call: Call, definition: ObjectDef, fields: Sequence[FieldDef]) -> Callable[[int], dict[str, Any]]:
    """What shows records of one kind as JSON, by place."""
    table, now = org.tables[definition.name], org.now
    columns = [(field.name, table.reader(field.name), converter(field)) for field in fields]
    base = call.path(f"sobjects/{definition.name}/")

    def show(place: int) -> dict[str, Any]:
        shown: dict[str, Any] = {"attributes": {"type": definition.name, "url": base + table.id_at(place)}}
        for name, read, convert in columns:
            value = read(place, now)
            shown[name] = value if convert is None else convert(value)
        return shown

    return show


# ---- by id -----------------------------------------------------------------------------------------------------------


def create(org: Org, call: Call) -> Reply:
    """POST sobjects/X: 201."""
    definition, writer = kind_at(org, call), Writer(org, call)
    plan = writer.insert(definition, writer.read(definition, record_body(call)))
    return _created(call, definition, writer.carry_out(plan))


def _created(call: Call, definition: ObjectDef, record_id: str, **more: bool) -> Reply:
    headers = {"Location": call.path(f"sobjects/{definition.name}/{record_id}")}
    return 201, {"id": record_id, "success": True, "errors": [], **more}, headers


def get(org: Org, call: Call) -> Reply:
    """GET sobjects/X/id: all readable fields, or those named by `fields`."""
    definition = kind_at(org, call)
    fields = fields_wanted(org, call, definition, call.query.get("fields", "").split(","))
    return 200, shower(org, call, definition, fields)(_to_read(org, call, definition)), {}


def _to_read(org: Org, call: Call, definition: ObjectDef) -> int:
    """Where the record to be read stands. Raises 404."""
    table = org.tables[definition.name]
    place = table.place(_as_id(call.params["id"]))
    if place is None or not org.sees(call.user, definition.name, place):
        raise not_found()
    if table.deleted(place):
        raise entity_deleted()
    return place


def _as_id(text: str) -> str:
    """An id from the path. Raises 404 for what is not one: it is taken for a field of external ids."""
    if canonical(text) is None:
        raise not_found(f"Provided external ID field does not exist or is not accessible: {text}")
    return text


def update(org: Org, call: Call) -> Reply:
    """PATCH sobjects/X/id: 204."""
    definition, writer = kind_at(org, call), Writer(org, call)
    plan = writer.update(
        definition, _as_id(call.params["id"]), writer.read(definition, _without(record_body(call), "Id"))
    )
    writer.carry_out(plan)
    return 204, None, {}


def _without(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The body, in which the field that the path names must not stand again."""
    if any(key.lower() == name.lower() for key in body):
        message = f"The {name} field should not be specified in the sobject data."
        raise SfError(400, "INVALID_FIELD", message, (name,))
    return body


def delete(org: Org, call: Call) -> Reply:
    """DELETE sobjects/X/id: 204."""
    definition, writer = kind_at(org, call), Writer(org, call)
    writer.carry_out(writer.delete(definition, _as_id(call.params["id"])))
    return 204, None, {}


# ---- by external id --------------------------------------------------------------------------------------------------


def key_field(org: Org, call: Call, definition: ObjectDef, name: str) -> FieldDef:
    """A field that records may be addressed by. Raises 404 `NOT_FOUND`."""
    found = definition.field(name)
    usable = found is not None and (found.external_id or found.id_lookup or found.name == "Id")
    if found is None or not usable or not org.readable(call.user, definition.name, found.name):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return found


def holders(org: Org, definition: ObjectDef, field: FieldDef, value: Any) -> list[int]:
    """The living records with that key."""
    table = org.tables[definition.name]
    if field.name == "Id":
        place = table.alive(str(value))
        return [] if place is None else [place]
    return table.referring(field.name, [value], org.now)


def _keyed(org: Org, call: Call) -> tuple[ObjectDef, FieldDef, Any, list[int]]:
    """What sobjects/X/Field/value means. Raises 404."""
    definition = kind_at(org, call)
    field = key_field(org, call, definition, call.params["field"])
    value = read_csv(field, call.params["value"])
    return definition, field, value, holders(org, definition, field, value)


def _several(org: Org, call: Call, definition: ObjectDef, places: Sequence[int]) -> Reply:
    table = org.tables[definition.name]
    return 300, [call.path(f"sobjects/{definition.name}/{table.id_at(place)}") for place in places], {}


def get_keyed(org: Org, call: Call) -> Reply:
    """GET sobjects/X/Field/value: 200, or 300 with the addresses of several."""
    definition, _, _, places = _keyed(org, call)
    places = [place for place in places if org.sees(call.user, definition.name, place)]
    if not places:
        raise not_found()
    if len(places) > 1:
        return _several(org, call, definition, places)
    fields = fields_wanted(org, call, definition, call.query.get("fields", "").split(","))
    return 200, shower(org, call, definition, fields)(places[0]), {}


def upsert(org: Org, call: Call) -> Reply:
    """PATCH sobjects/X/Field/value: 201 made, 200 (204 before version 46) updated, 300 for several."""
    definition, field, value, places = _keyed(org, call)
    if len(places) > 1:
        return _several(org, call, definition, places)
    writer = Writer(org, call)
    values = writer.read(definition, _without(record_body(call), field.name))
    if places:
        record_id = org.tables[definition.name].id_at(places[0])
        writer.carry_out(writer.update(definition, record_id, values))
        if float(call.version) < _UPSERT_ANSWERS:
            return 204, None, {}
        return 200, {"id": record_id, "success": True, "errors": [], "created": False}, {}
    if field.name == "Id" or call.query.get("updateOnly", "").lower() == "true":
        raise not_found()
    plan = writer.insert(definition, {**values, field.name: value})
    return _created(call, definition, writer.carry_out(plan), created=True)


def delete_keyed(org: Org, call: Call) -> Reply:
    """DELETE sobjects/X/Field/value: 204, or 300 for several."""
    definition, _, _, places = _keyed(org, call)
    if not places:
        raise not_found()
    if len(places) > 1:
        return _several(org, call, definition, places)
    writer = Writer(org, call)
    writer.carry_out(writer.delete(definition, org.tables[definition.name].id_at(places[0])))
    return 204, None, {}


# ---- what changed ----------------------------------------------------------------------------------------------------


def _replication(message: str) -> SfError:
    return SfError(400, "INVALID_REPLICATION_DATE", message)


def _window(org: Org, call: Call, days: int) -> tuple[int, int]:
    """`start` and `end` without their seconds.

    Raises:
        SfError: 400 `INVALID_REPLICATION_DATE` unless start precedes end by more than a minute and is recent enough.
    """
    try:
        # A plus sign that was not encoded arrives as a space.
        start, end = (parse_datetime(call.query.get(name, "").replace(" ", "+")) for name in ("start", "end"))
    except WrongKindError:
        raise _replication("start and end must be dates with time and zone") from None
    if end - start <= _MINUTE_MS:
        raise _replication("endDate must be at least one minute greater than startDate")
    if start < _earliest(org, days):
        raise _replication("startDate before org replication enabled date")
    return start // _MINUTE_MS * _MINUTE_MS, end // _MINUTE_MS * _MINUTE_MS


def _earliest(org: Org, days: int) -> int:
    return (org.now - days * _DAY_MS) // _MINUTE_MS * _MINUTE_MS


def _covered(org: Org, end: int) -> str:
    """Up to where nothing can still come in: writes in flight carry stamps `late_seconds` old."""
    return datetime_text(min(end, org.now - org.moment.late))


def _capped(rows: list[Any]) -> list[Any]:
    if len(rows) > MAX_CHANGED:
        raise SfError(400, "EXCEEDED_ID_LIMIT", "too many ids; choose dates that are closer together")
    return rows


def updated(org: Org, call: Call) -> Reply:
    """GET sobjects/X/updated: ids of living records made or changed in a window of the last 30 days."""
    definition = kind_at(org, call)
    start, end = _window(org, call, _UPDATED_DAYS)
    table, seen = org.tables[definition.name], org.rows(call.user, definition.name)
    places = [p for p in table.changed(start, end, org.now, deleted=False) if seen is None or seen(p)]
    return 200, {"ids": _capped([table.id_at(p) for p in places]), "latestDateCovered": _covered(org, end)}, {}


def deleted(org: Org, call: Call) -> Reply:
    """GET sobjects/X/deleted: what was deleted or merged away in a window of the last 15 days."""
    definition = kind_at(org, call)
    if "IsDeleted" not in definition.fields:
        raise SfError(400, "INVALID_TYPE", f"sObject type {definition.name} is not replicable")
    start, end = _window(org, call, _BIN_DAYS)
    table, seen = org.tables[definition.name], org.rows(call.user, definition.name)
    gone = [
        (log.deleted_at, place)
        for place, log in table.written.items()
        if log.deleted_at is not None and not log.purged and start <= log.deleted_at < end
    ]
    rows = [
        {"id": table.id_at(place), "deletedDate": datetime_text(at)}
        for at, place in sorted(gone)
        if seen is None or seen(place)
    ]
    answer = {
        "deletedRecords": _capped(rows),
        "earliestDateAvailable": datetime_text(_earliest(org, _BIN_DAYS)),
        "latestDateCovered": _covered(org, end),
    }
    return 200, answer, {}


def kind_of_id(org: Org, record_id: str) -> ObjectDef | None:
    """The kind of record that an id's first characters name."""
    full = canonical(record_id)
    name = None if full is None else org.kind_of(full)
    return None if name is None else org.objects[name]


ROUTES: Sequence[Route] = (
    Route("POST", "sobjects/{object}", create),
    Route("GET", "sobjects/{object}/{id}", get),
    Route("PATCH", "sobjects/{object}/{id}", update),
    Route("DELETE", "sobjects/{object}/{id}", delete),
    Route("GET", "sobjects/{object}/updated", updated),
    Route("GET", "sobjects/{object}/deleted", deleted),
    Route("GET", "sobjects/{object}/{field}/{value}", get_keyed),
    Route("PATCH", "sobjects/{object}/{field}/{value}", upsert),
    Route("DELETE", "sobjects/{object}/{field}/{value}", delete_keyed),
)
