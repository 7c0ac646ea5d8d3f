"""Association endpoints (v4 and dated): one, default, list, labels and batches.

A batch read takes up to 1,000 ids and shows up to 500 associations of each. Type ids are checked for direction.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.hubspot_batch import batch_reply, inputs_of
from sandbox.hubspot_errors import item_error, not_found, validation
from sandbox.hubspot_links import Links
from sandbox.hubspot_objects import links_exist
from sandbox.hubspot_portal import Call, Portal, Reply
from sandbox.hubspot_types import LINK_TYPES, OBJECTS

MAX_READ = 1000
MAX_WRITE = 2000
PAGE = 500


def _pair(portal: Portal, call: Call) -> tuple[str, str]:
    kind, to = call.kind, portal.kind_of(call.params["to"])
    links_exist(kind, to)
    return kind, to


def _record(portal: Portal, kind: str, text: Any) -> int:
    """A living record's id. Raises 404."""
    if not str(text).isdigit() or not portal.tables[kind].alive(int(text), portal.now):
        raise not_found(f"No {OBJECTS[kind].singular} with ID {text}")
    return int(text)


def _types(kind: str, to: str, ids: tuple[int, ...]) -> list[dict[str, Any]]:
    links = [Links.spec(kind, to, type_id) for type_id in ids]
    return [{"category": link.category, "typeId": link.id, "label": link.label} for link in links]


def _targets(portal: Portal, kind: str, record_id: int, to: str, after: str, limit: int) -> dict[str, Any]:
    """One page of a record's associations: the rows, and where to go on."""
    if after and not after.isdigit():
        raise validation(f"after must be a cursor from an earlier page, was {after}")
    found = portal.links.shown(kind, record_id, to)
    ids = sorted(i for i in found if i >= int(after or 0))
    page: dict[str, Any] = {
        "rows": [{"toObjectId": str(i), "associationTypes": _types(kind, to, found[i])} for i in ids[:limit]]
    }
    if len(ids) > limit:
        page["after"] = str(ids[limit])
    return page


def list_links(portal: Portal, call: Call) -> Reply:
    """GET objects/{kind}/{id}/associations/{to}."""
    kind, to = _pair(portal, call)
    limit = call.text("limit") or str(PAGE)
    if not limit.isdigit() or not 1 <= int(limit) <= PAGE:
        raise validation(f"limit must be between 1 and {PAGE}, was {limit}")
    record_id = _record(portal, kind, call.params["id"])
    page = _targets(portal, kind, record_id, to, call.text("after"), int(limit))
    answer: dict[str, Any] = {"results": page["rows"]}
    if "after" in page:
        answer["paging"] = {"next": {"after": page["after"], "link": call.link(page["after"])}}
    return 200, answer


def batch_read(portal: Portal, call: Call) -> Reply:
    """POST associations/{kind}/{to}/batch/read; a record without associations is an error entry (207)."""
    kind, to = _pair(portal, call)
    results, errors = [], []
    for item in inputs_of(call, MAX_READ):
        key = str(item.get("id", ""))
        page = (
            _targets(portal, kind, int(key), to, str(item.get("after") or ""), PAGE)
            if _known(portal, kind, key)
            else {}
        )
        if not page.get("rows"):
            errors.append(_none_found(kind, to, key))
            continue
        row: dict[str, Any] = {"from": {"id": key}, "to": page["rows"]}
        if "after" in page:
            row["paging"] = {"next": {"after": page["after"]}}
        results.append(row)
    return batch_reply(portal, 200, results, errors)


def _known(portal: Portal, kind: str, key: str) -> bool:
    return key.isdigit() and portal.tables[kind].alive(int(key), portal.now)


def _none_found(kind: str, to: str, key: str) -> dict[str, Any]:
    one, other = OBJECTS[kind].singular, OBJECTS[to].singular
    context = {"fromObjectId": [key], "fromObjectType": [one], "toObjectType": [other]}
    return item_error(
        "OBJECT_NOT_FOUND",
        f"No {other} is associated with {one} {key}.",
        context,
        subCategory="crm.associations.NO_ASSOCIATIONS_FOUND",
    )


def _specs(kind: str, to: str, specs: Any) -> tuple[int, ...]:
    """Checked type ids of a list of association specs."""
    try:
        links = [(Links.spec(kind, to, int(spec["associationTypeId"])), spec["associationCategory"]) for spec in specs]
    except (KeyError, TypeError):
        raise validation("Invalid input JSON: expected a list of association specs") from None
    for link, category in links:
        if link.category != category:
            raise validation(f"Association type {link.id} is {link.category}, not {category}")
    if not links:
        raise validation("At least one association type is required")
    return tuple(link.id for link, _ in links)


def _labels(kind: str, one: int, to: str, other: int, types: tuple[int, ...]) -> dict[str, Any]:
    labels = [link.label for link in (Links.spec(kind, to, t) for t in types) if link.label]
    return {
        "fromObjectTypeId": OBJECTS[kind].type_id,
        "fromObjectId": str(one),
        "toObjectTypeId": OBJECTS[to].type_id,
        "toObjectId": str(other),
        "labels": labels,
    }


def put_link(portal: Portal, call: Call) -> Reply:
    """PUT objects/{kind}/{id}/associations/{to}/{to_id} with a list of types: 201."""
    kind, to = _pair(portal, call)
    types = _specs(kind, to, call.body)
    return 201, _put(portal, kind, call.params["id"], to, call.params["to_id"], types)


def _put(portal: Portal, kind: str, one: Any, to: str, other: Any, types: tuple[int, ...]) -> dict[str, Any]:
    here, there = _record(portal, kind, one), _record(portal, to, other)
    portal.links.add(kind, here, to, there, types)
    _follow_primary(portal, kind, here, to, there)
    return _labels(kind, here, to, there, types)


def _follow_primary(portal: Portal, kind: str, one: int, to: str, other: int) -> None:
    """A contact's `associatedcompanyid` is its primary company. Stamps stay: HubSpot does not promise to move them."""
    if {kind, to} != {"contacts", "companies"}:
        return
    contact = one if kind == "contacts" else other
    primary = [i for i, types in portal.links.get("contacts", contact, "companies").items() if 1 in types]
    if primary:
        log = portal.tables["contacts"].touch(contact)
        log.values = {**log.values, "associatedcompanyid": str(primary[0])}


def _default_type(kind: str, to: str) -> tuple[int, ...]:
    """The unlabelled type, or the only one."""
    return (LINK_TYPES[kind, to][-1].id,)


def put_default(portal: Portal, call: Call) -> Reply:
    """PUT .../associations/default/{to}/{to_id}."""
    kind, to = _pair(portal, call)
    return batch_reply(portal, 200, _default(portal, kind, call.params["id"], to, call.params["to_id"]))


def _default(portal: Portal, kind: str, one: Any, to: str, other: Any) -> list[dict[str, Any]]:
    """Both directions, as HubSpot answers them."""
    _put(portal, kind, one, to, other, _default_type(kind, to))
    rows = ((one, other, LINK_TYPES[kind, to][-1]), (other, one, LINK_TYPES[to, kind][-1]))
    return [
        {
            "from": {"id": str(a)},
            "to": {"id": str(b)},
            "associationSpec": {"associationCategory": link.category, "associationTypeId": link.id},
        }
        for a, b, link in rows
    ]


def delete_link(portal: Portal, call: Call) -> Reply:
    """DELETE objects/{kind}/{id}/associations/{to}/{to_id}: 204."""
    kind, to = _pair(portal, call)
    here, there = (_record(portal, k, call.params[p]) for k, p in ((kind, "id"), (to, "to_id")))
    portal.links.remove(kind, here, to, there)
    return 204, None


def _ends(item: Mapping[str, Any]) -> tuple[Any, Any]:
    try:
        return item["from"]["id"], item["to"]["id"]
    except (KeyError, TypeError):
        raise validation("Invalid input JSON: every input needs from.id and to.id") from None


def batch_create(portal: Portal, call: Call) -> Reply:
    """POST associations/{kind}/{to}/batch/create: 201."""
    kind, to = _pair(portal, call)
    rows = [(*_ends(item), _specs(kind, to, item.get("types"))) for item in inputs_of(call, MAX_WRITE)]
    return batch_reply(portal, 201, [_put(portal, kind, one, to, other, types) for one, other, types in rows])


def batch_default(portal: Portal, call: Call) -> Reply:
    """POST associations/{kind}/{to}/batch/associate/default: 200."""
    kind, to = _pair(portal, call)
    ends = [_ends(item) for item in inputs_of(call, MAX_WRITE)]
    return batch_reply(portal, 200, [row for one, other in ends for row in _default(portal, kind, one, to, other)])


def batch_archive(portal: Portal, call: Call) -> Reply:
    """POST associations/{kind}/{to}/batch/archive: 204; every input names one record and a list of others."""
    kind, to = _pair(portal, call)
    for item in inputs_of(call, MAX_WRITE):
        try:
            pairs = [(int(item["from"]["id"]), int(other["id"])) for other in item["to"]]
        except (KeyError, TypeError, ValueError):
            raise validation("Invalid input JSON: every input needs from.id and a list to") from None
        for one, other in pairs:
            portal.links.remove(kind, one, to, other)
    return 204, None


def batch_labels_archive(portal: Portal, call: Call) -> Reply:
    """POST associations/{kind}/{to}/batch/labels/archive: take only the named types off."""
    kind, to = _pair(portal, call)
    rows = [(*_ends(item), _specs(kind, to, item.get("types"))) for item in inputs_of(call, MAX_WRITE)]
    for one, other, types in rows:
        portal.links.remove(kind, _record(portal, kind, one), to, _record(portal, to, other), types)
    return 204, None


def labels(portal: Portal, call: Call) -> Reply:
    """GET associations/{kind}/{to}/labels."""
    kind, to = _pair(portal, call)
    return 200, {"results": _types(kind, to, tuple(link.id for link in LINK_TYPES[kind, to]))}


OPERATIONS: Mapping[str, Callable[[Portal, Call], Reply]] = {
    "links.list": list_links,
    "links.put": put_link,
    "links.put_default": put_default,
    "links.delete": delete_link,
    "links.batch_read": batch_read,
    "links.batch_create": batch_create,
    "links.batch_archive": batch_archive,
    "links.batch_default": batch_default,
    "links.batch_labels_archive": batch_labels_archive,
    "links.labels": labels,
}
