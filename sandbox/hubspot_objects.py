"""Single-record endpoints: list, get, create, update, archive, merge."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from sandbox.hubspot_errors import method_not_allowed, non_unique, not_found, validation
from sandbox.hubspot_links import Links
from sandbox.hubspot_portal import BIN_MS, Call, Portal, Reply
from sandbox.hubspot_store import Table
from sandbox.hubspot_types import LINK_TYPES

MAX_PAGE = 100
MAX_PAGE_WITH_HISTORY = 50

Target = tuple[str, int, tuple[int, ...]]
"""Kind, record id and type ids of an association to make."""


def wanted(portal: Portal, kind: str, names: Sequence[str]) -> list[str]:
    """Properties to show: those asked for and known, else the defaults."""
    return portal.known(kind, names or portal.objects[kind].defaults)


def add_history(portal: Portal, kind: str, place: int, shown: dict[str, Any], names: Sequence[str]) -> None:
    """Put `propertiesWithHistory` into a shown record."""
    table = portal.tables[kind]
    if names:
        shown["propertiesWithHistory"] = {
            name: table.history(place, name, portal.now) for name in portal.known(kind, names)
        }


def list_records(portal: Portal, call: Call) -> Reply:
    """GET objects/{kind}: by id, `after` is the id to go on from."""
    kind, table = call.kind, portal.tables[call.kind]
    history = call.names("propertiesWithHistory")
    limit = _limit(call, MAX_PAGE_WITH_HISTORY if history else MAX_PAGE)
    others = [portal.kind_of(name) for name in call.names("associations")]
    places = _page(portal, table, call, limit + 1)
    fields = table.fields(wanted(portal, kind, [*call.names("properties"), *history]))
    results = []
    for place in places[:limit]:
        shown = table.show(place, fields, portal.now)
        add_history(portal, kind, place, shown, history)
        if others:
            add_associations(portal, call, kind, table.ids[place], others, shown)
        results.append(shown)
    answer: dict[str, Any] = {"results": results}
    if len(places) > limit:
        after = str(table.ids[places[limit]])
        answer["paging"] = {"next": {"after": after, "link": call.link(after)}}
    return 200, answer


def _limit(call: Call, most: int) -> int:
    text = call.text("limit") or "10"
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise validation(f"limit must be between 1 and {most}, was {text}")
    return int(text)


def _page(portal: Portal, table: Table, call: Call, count: int) -> list[int]:
    """Positions of the page's records and, when there is one, of the record after them."""
    after = call.text("after") or "0"
    if not after.isdigit():
        raise validation(f"after must be a cursor from an earlier page, was {after}")
    if call.flag("archived"):
        return table.bin(int(after), portal.now - BIN_MS)[:count]
    return list(islice(table.living(table.first_from(int(after)), portal.now), count))


def add_associations(
    portal: Portal, call: Call, kind: str, record_id: int, others: Sequence[str], shown: dict[str, Any]
) -> None:
    """Put `associations` into a shown record; a record without any has no such key."""
    entries = {}
    for to in others:
        entry = portal.links.in_list(
            kind, record_id, to, f"{call.root}/crm/v4/objects/{kind}/{record_id}/associations/{to}"
        )
        if entry is not None:
            entries[to] = entry
    if entries:
        shown["associations"] = entries


def find(portal: Portal, kind: str, text: str, id_property: str, *, archived: bool = False) -> int:
    """The record that an id, or a unique property's value, names; a merged-away one leads to its winner. Raises 404."""
    table = portal.tables[kind]
    if id_property and id_property != "hs_object_id":
        check_id_property(portal, kind, id_property)
        record_id = portal.find_by(kind, id_property, text)
    else:
        record_id = int(text) if text.isdigit() else None
        if record_id is not None:
            record_id = table.winner(record_id) or record_id
    if record_id is None:
        raise not_found()
    if not (table.archived(record_id) if archived else table.alive(record_id, portal.now)):
        raise not_found()
    return record_id


def check_id_property(portal: Portal, kind: str, name: str) -> None:
    """Raises 400 unless the property is unique."""
    definition = portal.schemas[kind].properties.get(name)
    if portal.is_email(kind, name) or (definition is not None and definition.unique):
        return
    raise non_unique(portal.objects[kind].type_id, name, portal.options.portal_id)


def get_record(portal: Portal, call: Call) -> Reply:
    """GET objects/{kind}/{id}."""
    kind, table = call.kind, portal.tables[call.kind]
    archived = call.flag("archived")
    record_id = find(portal, kind, call.params["id"], call.text("idProperty"), archived=archived)
    place = table.first_from(record_id)
    history = call.names("propertiesWithHistory")
    fields = table.fields(wanted(portal, kind, [*call.names("properties"), *history]))
    shown = table.show(place, fields, portal.now)
    add_history(portal, kind, place, shown, history)
    others = [portal.kind_of(name) for name in call.names("associations")]
    add_associations(portal, call, kind, record_id, others, shown)
    return 200, shown


def writable(portal: Portal, kind: str) -> None:
    """Raises 405 for kinds that are read-only over the API."""
    if portal.objects[kind].write_scope is None:
        raise method_not_allowed()


def prepare(portal: Portal, kind: str, item: Any) -> tuple[dict[str, str | None], list[Target]]:
    """Check everything a create needs before anything is made. Raises 400, 404 or 409."""
    if not isinstance(item, Mapping):
        raise validation("Invalid input JSON: expected an object")
    stored = portal.check(kind, item.get("properties") or {})
    missing = [name for name in portal.objects[kind].required if not stored.get(name)]
    if missing:
        singular = portal.objects[kind].singular.upper()
        text = f"Error creating {singular}. Some required properties were not set."
        raise validation(text, context={"properties": missing})
    portal.check_unique(kind, stored, None)
    return stored, [_target(portal, kind, entry) for entry in item.get("associations") or ()]


def _target(portal: Portal, kind: str, entry: Any) -> Target:
    try:
        to_id = str(entry["to"]["id"])
        types = tuple(int(spec["associationTypeId"]) for spec in entry["types"])
        categories = {spec["associationCategory"] for spec in entry["types"]}
    except (KeyError, TypeError, ValueError):
        raise validation("Invalid input JSON: an association needs to.id and types") from None
    kinds = {Links.target_kind(kind, type_id) for type_id in types}
    if len(kinds) != 1:
        raise validation("One association must have types between one pair of object types")
    to = kinds.pop()
    if categories != {Links.spec(kind, to, type_id).category for type_id in types}:
        raise validation(f"Association category does not fit the association types {list(types)}")
    if not to_id.isdigit() or not portal.tables[to].alive(int(to_id), portal.now):
        raise portal.gone_target(to, to_id)
    return to, int(to_id), types


def make(portal: Portal, kind: str, stored: Mapping[str, str | None], targets: Sequence[Target]) -> int:
    """Create a prepared record with its associations."""
    record_id = portal.create(kind, stored)
    for to, to_id, types in targets:
        portal.links.add(kind, record_id, to, to_id, types)
    return record_id


def show_written(portal: Portal, kind: str, record_id: int, names: Sequence[str]) -> dict[str, Any]:
    """A record as writes answer it: what was written, besides the properties that always come."""
    table = portal.tables[kind]
    return table.show(table.first_from(record_id), table.fields(portal.known(kind, names)), portal.now)


def create_record(portal: Portal, call: Call) -> Reply:
    """POST objects/{kind}."""
    kind = call.kind
    writable(portal, kind)
    stored, targets = prepare(portal, kind, call.body)
    portal.lock_check(1)
    record_id = make(portal, kind, stored, targets)
    return 201, show_written(portal, kind, record_id, list(stored))


def update_record(portal: Portal, call: Call) -> Reply:
    """PATCH objects/{kind}/{id}."""
    kind = call.kind
    writable(portal, kind)
    record_id = find(portal, kind, call.params["id"], call.text("idProperty"))
    stored = portal.check(kind, call.body.get("properties") or {})
    portal.check_unique(kind, stored, record_id)
    portal.lock_check(1)
    portal.write(kind, record_id, stored)
    return 200, show_written(portal, kind, record_id, list(stored))


def archive_record(portal: Portal, call: Call) -> Reply:
    """DELETE objects/{kind}/{id}; deleting twice is no error."""
    kind = call.kind
    writable(portal, kind)
    text = call.params["id"]
    if not text.isdigit() or portal.tables[kind].position(int(text)) is None:
        raise not_found()
    portal.lock_check(1)
    if portal.tables[kind].alive(int(text), portal.now):
        portal.archive(kind, int(text))
    return 204, None


def merge_records(portal: Portal, call: Call) -> Reply:
    """POST objects/{kind}/merge."""
    kind = call.kind
    if kind not in {"contacts", "companies", "deals", "tickets"}:
        raise method_not_allowed()
    ids = [str(call.body.get(key, "")) for key in ("primaryObjectId", "objectIdToMerge")]
    if not all(re.fullmatch(r"\d+", text) for text in ids) or ids[0] == ids[1]:
        raise validation("primaryObjectId and objectIdToMerge must be two different record ids")
    primary, loser = (find(portal, kind, text, "") for text in ids)
    if primary == loser:
        raise validation(f"{ids[1]} is already merged into {ids[0]}")
    survivor = portal.merge(kind, primary, loser)
    return 200, show_written(portal, kind, survivor, [*portal.objects[kind].defaults, "hs_merged_object_ids"])


def links_exist(kind: str, to: str) -> None:
    """Raises 400 for a pair of kinds that cannot be associated."""
    if (kind, to) not in LINK_TYPES:
        raise validation(f"No association types between {kind} and {to}")


OPERATIONS: Mapping[str, Callable[[Portal, Call], Reply]] = {
    "objects.list": list_records,
    "objects.get": get_record,
    "objects.create": create_record,
    "objects.update": update_record,
    "objects.archive": archive_record,
    "objects.merge": merge_records,
}
