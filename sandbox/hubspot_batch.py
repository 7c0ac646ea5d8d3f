"""Batch endpoints: read, create, update, upsert, archive; at most 100 records each.

One bad value refuses a whole update (400) and one conflict a whole upsert (409); only a create in which every input
has its own `objectWriteTraceId` succeeds in part. Unknown ids give 207; merged-away ids are left out without a word.
Results come in no particular order.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.hubspot_errors import ApiError, error, invalid_values, item_error, non_unique, problem, validation
from sandbox.hubspot_objects import add_history, check_id_property, make, prepare, show_written, wanted, writable
from sandbox.hubspot_portal import Call, Portal, Reply
from sandbox.hubspot_render import mixed
from sandbox.hubspot_schema import iso

MAX_INPUTS = 100
MAX_INPUTS_WITH_HISTORY = 50
_HISTORY_TEXT = (
    f"The maximum number of inputs supported in a batch request for property histories is {MAX_INPUTS_WITH_HISTORY}. "
    "Please reduce the number of items and try again"
)


def inputs_of(call: Call, most: int = MAX_INPUTS) -> list[Mapping[str, Any]]:
    """The inputs; a body without the key is an empty batch. Raises 400 for too many or the wrong shape."""
    inputs = call.body.get("inputs", [])
    if not isinstance(inputs, list) or not all(isinstance(item, Mapping) for item in inputs):
        raise validation("Invalid input JSON: inputs must be a list of objects")
    if len(inputs) > most:
        raise validation(f"The maximum number of inputs supported in a batch request is {most}, was {len(inputs)}")
    return inputs


def batch_reply(
    portal: Portal, status: int, results: list[dict[str, Any]], errors: Sequence[dict[str, Any]] = ()
) -> Reply:
    """A finished batch; with errors the status becomes 207 (or stays, where the account answers plainly)."""
    answer: dict[str, Any] = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": iso(portal.now),
        "completedAt": iso(portal.now + 50),
    }
    if not errors:
        return status, answer
    answer |= {"numErrors": len(errors), "errors": list(errors)}
    return (status if portal.options.plain_partial else 207), answer


def _shuffled(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The order HubSpot answers in says nothing: neither the order of the request nor that of the ids."""
    return sorted(results, key=lambda row: mixed(int(row["id"])))


def _missing(portal: Portal, kind: str, ids: Sequence[str], traces: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The one error entry that names every id that does not exist."""
    if not ids:
        return []
    singular = portal.objects[kind].singular.upper()
    text = f"Could not get some {singular} objects, they may be deleted or not exist. Check that ids are valid."
    context = {"ids": ids} | ({"objectWriteTraceId": traces} if traces else {})
    return [item_error("OBJECT_NOT_FOUND", text, context)]


def _strings(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def batch_read(portal: Portal, call: Call) -> Reply:
    """POST batch/read."""
    kind, table = call.kind, portal.tables[call.kind]
    history = _strings(call.body.get("propertiesWithHistory"))
    inputs = inputs_of(call)
    if history and len(inputs) > MAX_INPUTS_WITH_HISTORY:
        raise validation(_HISTORY_TEXT)
    id_property = str(call.body.get("idProperty") or "")
    keys = [str(item.get("id", "")) for item in inputs]
    found, missing = _look_up(portal, kind, keys, id_property, archived=call.flag("archived"))
    fields = table.fields(wanted(portal, kind, [*_strings(call.body.get("properties")), *history]))
    results = []
    for record_id in found:
        place = table.first_from(record_id)
        shown = table.show(place, fields, portal.now)
        add_history(portal, kind, place, shown, history)
        results.append(shown)
    return batch_reply(portal, 200, _shuffled(results), _missing(portal, kind, missing))


def _look_up(
    portal: Portal, kind: str, keys: Sequence[str], id_property: str, *, archived: bool
) -> tuple[list[int], list[str]]:
    """Record ids found, each once, and keys that name nothing; merged-away ids are in neither."""
    table = portal.tables[kind]
    if id_property and id_property != "hs_object_id":
        check_id_property(portal, kind, id_property)
    found: dict[int, None] = {}
    missing: list[str] = []
    for key in dict.fromkeys(keys):
        record_id = _resolve(portal, kind, key, id_property)
        if record_id is not None and table.winner(record_id) is not None:
            continue
        here = table.archived if archived else lambda i: table.alive(i, portal.now)
        if record_id is None or not here(record_id):
            missing.append(key)
        else:
            found[record_id] = None
    return list(found), missing


def _resolve(portal: Portal, kind: str, key: str, id_property: str) -> int | None:
    if id_property and id_property != "hs_object_id":
        return portal.find_by(kind, id_property, key)
    return int(key) if key.isdigit() else None


def batch_create(portal: Portal, call: Call) -> Reply:
    """POST batch/create: 201; part by part only when every input has a trace id of its own."""
    kind = call.kind
    writable(portal, kind)
    inputs = inputs_of(call)
    traces = [str(item.get("objectWriteTraceId") or "") for item in inputs]
    partial = all(traces) and len(set(traces)) == len(traces)
    portal.lock_check(len(inputs))
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    if not partial:
        prepared = [prepare(portal, kind, item) for item in inputs]
        _apart(portal, kind, [stored for stored, _ in prepared])
        results = [_made(portal, kind, item, *ready) for item, ready in zip(inputs, prepared, strict=True)]
        return batch_reply(portal, 201, _shuffled(results))
    for item, trace in zip(inputs, traces, strict=True):
        try:
            results.append(_made(portal, kind, item, *prepare(portal, kind, item)))
        except ApiError as refusal:
            errors.append(_as_item(refusal, trace))
    return batch_reply(portal, 201, _shuffled(results), errors)


def _apart(portal: Portal, kind: str, rows: Sequence[Mapping[str, str | None]]) -> None:
    """Raises 400 when two inputs of a batch set the same unique value."""
    properties = portal.schemas[kind].properties
    for name in {name for row in rows for name in row if properties[name].unique}:
        values = [value.strip().lower() for row in rows if (value := row.get(name))]
        if len(set(values)) < len(values):
            repeated = next(value for value in values if values.count(value) > 1)
            taken = problem(name, "CONFLICTING_UNIQUE_VALUE", f"{repeated} stands in several inputs.")
            raise invalid_values([taken], portal.options.portal_id)


def _made(portal: Portal, kind: str, item: Mapping[str, Any], stored: dict[str, str | None], targets: Any) -> Any:
    record_id = make(portal, kind, stored, targets)
    return _traced(show_written(portal, kind, record_id, list(stored)), item)


def _traced(shown: dict[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """Echo the input's trace id."""
    if item.get("objectWriteTraceId"):
        shown["objectWriteTraceId"] = str(item["objectWriteTraceId"])
    return shown


def _as_item(refusal: ApiError, trace: str) -> dict[str, Any]:
    """A refusal of one input as an entry of `errors`."""
    body: dict[str, Any] = refusal.body if isinstance(refusal.body, dict) else {"message": refusal.body}
    context = {**body.get("context", {}), "objectWriteTraceId": [trace]}
    extra = {key: body[key] for key in ("errors", "subCategory") if key in body}
    return item_error(body.get("category", "VALIDATION_ERROR"), body["message"], context, **extra)


def batch_update(portal: Portal, call: Call) -> Reply:
    """POST batch/update: refused as a whole for one bad value; unknown ids give 207."""
    kind = call.kind
    writable(portal, kind)
    inputs = inputs_of(call)
    id_property = _id_property(inputs)
    if id_property:
        check_id_property(portal, kind, id_property)
    checked = [portal.check(kind, item.get("properties") or {}) for item in inputs]
    keys = [str(item.get("id", "")) for item in inputs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise validation(f"Duplicate IDs found in batch input: [{', '.join(repeated)}]. IDs must be unique")
    rows: list[tuple[int, dict[str, str | None], Mapping[str, Any]]] = []
    missing: list[tuple[str, str]] = []
    for key, stored, item in zip(keys, checked, inputs, strict=True):
        record_id = _resolve(portal, kind, key, id_property)
        if _silent(portal, kind, key, record_id, id_property):
            continue
        if record_id is None or not portal.tables[kind].alive(record_id, portal.now):
            missing.append((key, str(item.get("objectWriteTraceId") or "")))
            continue
        portal.check_unique(kind, stored, record_id)
        rows.append((record_id, stored, item))
    _apart(portal, kind, [stored for _, stored, _ in rows])
    portal.lock_check(len(rows))
    results = [_updated(portal, kind, *row) for row in rows]
    traces = [trace for _, trace in missing if trace]
    return batch_reply(portal, 200, _shuffled(results), _missing(portal, kind, [key for key, _ in missing], traces))


def _silent(portal: Portal, kind: str, key: str, record_id: int | None, id_property: str) -> bool:
    """Inputs that HubSpot drops without a word: merged-away records, and ids that are not numbers."""
    if record_id is None:
        return not id_property and not key.isdigit()
    return portal.tables[kind].winner(record_id) is not None


def _id_property(inputs: Sequence[Mapping[str, Any]]) -> str:
    names = {str(item.get("idProperty") or "") for item in inputs}
    if len(names) > 1:
        raise validation("All inputs of a batch must have the same idProperty")
    return names.pop() if names else ""


def _updated(
    portal: Portal, kind: str, record_id: int, stored: dict[str, str | None], item: Mapping[str, Any]
) -> dict[str, Any]:
    portal.write(kind, record_id, stored)
    return _traced(show_written(portal, kind, record_id, list(stored)), item)


def batch_upsert(portal: Portal, call: Call) -> Reply:
    """POST batch/upsert by a unique property: 200, each result says whether it is `new`; all or nothing."""
    kind = call.kind
    writable(portal, kind)
    inputs = inputs_of(call)
    if not inputs:
        return batch_reply(portal, 200, [])
    name = _id_property(inputs)
    if not name or name == "hs_object_id":
        raise non_unique(portal.objects[kind].type_id, name or "hs_object_id", portal.options.portal_id)
    check_id_property(portal, kind, name)
    keys = [str(item.get("id", "")) for item in inputs]
    if len({key.lower() for key in keys}) < len(keys):
        raise error(409, "CONFLICT", f"Several inputs have the same {name}")
    rows = [_upsert_row(portal, kind, name, item) for item in inputs]
    portal.lock_check(len(rows))
    results = []
    for record_id, stored, item in rows:
        if record_id is None:
            shown = _made(portal, kind, item, stored, ())
        else:
            shown = _updated(portal, kind, record_id, stored, item)
        results.append({**shown, "new": record_id is None})
    return batch_reply(portal, 200, _shuffled(results))


def _upsert_row(
    portal: Portal, kind: str, name: str, item: Mapping[str, Any]
) -> tuple[int | None, dict[str, str | None], Mapping[str, Any]]:
    """Check one upsert. Raises 400 for bad values and 409 for a unique value that another record has."""
    record_id = portal.find_by(kind, name, str(item.get("id", "")))
    values = dict(item.get("properties") or {})
    if record_id is None:
        values = {name: str(item.get("id", ""))} | values
        stored, _ = prepare(portal, kind, {"properties": values})
        return None, stored, item
    stored = portal.check(kind, values)
    portal.check_unique(kind, stored, record_id)
    return record_id, stored, item


def batch_archive(portal: Portal, call: Call) -> Reply:
    """POST batch/archive: 204, whatever the ids."""
    kind = call.kind
    writable(portal, kind)
    inputs = inputs_of(call)
    portal.lock_check(len(inputs))
    for item in inputs:
        key = str(item.get("id", ""))
        if key.isdigit() and portal.tables[kind].alive(int(key), portal.now):
            portal.archive(kind, int(key))
    return 204, None


OPERATIONS: Mapping[str, Callable[[Portal, Call], Reply]] = {
    "batch.read": batch_read,
    "batch.create": batch_create,
    "batch.update": batch_update,
    "batch.upsert": batch_upsert,
    "batch.archive": batch_archive,
}
