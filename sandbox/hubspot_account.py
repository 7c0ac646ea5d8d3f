"""Endpoints about the account: owners, pipelines, details, usage, limits."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.hubspot_access import Limits
from sandbox.hubspot_catalogue import PIPELINES
from sandbox.hubspot_errors import not_found, validation
from sandbox.hubspot_portal import Call, Portal, Reply
from sandbox.hubspot_render import to_ms
from sandbox.hubspot_schema import iso

MAX_OWNERS = 500


def _user_id(world_id: int) -> int:
    return 5_000_000 + 3 * world_id


def show_owner(portal: Portal, owner_id: str) -> dict[str, Any]:
    """One owner; `id` goes into `hubspot_owner_id`, `userId` is another number and absent once archived."""
    owner = portal.owners[owner_id]
    archived = portal.inactive[owner_id]
    first, _, last = owner.name.partition(" ")
    shown: dict[str, Any] = {
        "id": owner_id,
        "email": owner.email,
        "type": "PERSON",
        "firstName": first,
        "lastName": last,
        "createdAt": iso(to_ms(portal.world.start)),
        "updatedAt": iso(to_ms(portal.world.start)),
        "archived": archived,
        "userIdIncludingInactive": _user_id(owner.id),
    }
    if not archived:
        shown["userId"] = _user_id(owner.id)
        shown["teams"] = [{"id": "1", "name": "Customer success", "primary": True}]
    return shown


def list_owners(portal: Portal, call: Call) -> Reply:
    """GET owners: active ones, or with `archived=true` only the archived."""
    limit, after = call.text("limit") or "100", call.text("after") or "0"
    if not limit.isdigit() or not 1 <= int(limit) <= MAX_OWNERS or not after.isdigit():
        raise validation(f"limit must be between 1 and {MAX_OWNERS} and after a cursor, were {limit} and {after}")
    email = call.text("email").lower()
    ids = [
        key
        for key in sorted(portal.owners, key=int)
        if portal.inactive[key] == call.flag("archived")
        and int(key) >= int(after)
        and (not email or portal.owners[key].email.lower() == email)
    ]
    page = ids[: int(limit)]
    answer: dict[str, Any] = {"results": [show_owner(portal, key) for key in page]}
    if len(ids) > len(page):
        answer["paging"] = {"next": {"after": ids[len(page)], "link": call.link(ids[len(page)])}}
    return 200, answer


def get_owner(portal: Portal, call: Call) -> Reply:
    """GET owners/{id}, by `id` or, with `idProperty=userId`, by user id."""
    key = call.params["id"]
    if call.text("idProperty") == "userId":
        key = next((k for k, o in portal.owners.items() if str(_user_id(o.id)) == key), "")
    if key not in portal.owners or portal.inactive[key] != call.flag("archived"):
        raise not_found()
    return 200, show_owner(portal, key)


def _dress(portal: Portal, item: Mapping[str, Any], order: int) -> dict[str, Any]:
    """A pipeline or stage with the keys that all of them carry."""
    at = iso(to_ms(portal.world.start))
    shown = {**item, "displayOrder": order, "createdAt": at, "updatedAt": at, "archived": False}
    if "stages" in item:
        shown["stages"] = [_dress(portal, stage, i) for i, stage in enumerate(item["stages"])]
    else:
        shown["writePermissions"] = "CRM_PERMISSIONS_ENFORCEMENT"
    return shown


def _pipelines(portal: Portal, call: Call) -> list[dict[str, Any]]:
    if call.kind not in PIPELINES:
        raise validation(f"Object type {call.kind} has no pipelines")
    return [_dress(portal, pipeline, i) for i, pipeline in enumerate(PIPELINES[call.kind])]


def _one(rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
    for row in rows:
        if row["id"] == key:
            return row
    raise not_found()


def list_pipelines(portal: Portal, call: Call) -> Reply:
    """GET pipelines/{kind}."""
    return 200, {"results": _pipelines(portal, call)}


def get_pipeline(portal: Portal, call: Call) -> Reply:
    """GET pipelines/{kind}/{id}."""
    return 200, _one(_pipelines(portal, call), call.params["id"])


def list_stages(portal: Portal, call: Call) -> Reply:
    """GET pipelines/{kind}/{id}/stages."""
    return 200, {"results": _one(_pipelines(portal, call), call.params["id"])["stages"]}


def get_stage(portal: Portal, call: Call) -> Reply:
    """GET pipelines/{kind}/{id}/stages/{stage}."""
    return 200, _one(_one(_pipelines(portal, call), call.params["id"])["stages"], call.params["stage"])


def details(portal: Portal, _call: Call) -> Reply:
    """GET account-info/details; the offset is that of the account's zone now, daylight saving included."""
    options = portal.options
    local = datetime.fromtimestamp(portal.now / 1000, UTC).astimezone(ZoneInfo(options.time_zone))
    text = f"{local:%z}"
    offset = local.utcoffset()
    return 200, {
        "portalId": options.portal_id,
        "accountType": options.account_type,
        "timeZone": options.time_zone,
        "companyCurrency": options.currency,
        "additionalCurrencies": [],
        "utcOffset": f"{text[:3]}:{text[3:5]}",
        "utcOffsetMilliseconds": 0 if offset is None else round(offset.total_seconds() * 1000),
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }


def usage(portal: Portal, limits: Limits) -> Reply:
    """GET account-info/api-usage/daily/private-apps."""
    row = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": portal.options.daily_limit,
        "currentUsage": limits.today,
        "collectedAt": iso(portal.now),
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(limits.midnight(portal.now, portal.options)),
    }
    return 200, {"results": [row]}


def custom_properties(portal: Portal, _call: Call) -> Reply:
    """GET limits/custom-properties: room left per kind of record."""
    most = portal.options.property_limit
    rows: list[dict[str, Any]] = []
    total = 0
    for name, kind in portal.objects.items():
        used = sum(definition.custom for definition in portal.schemas[name].properties.values())
        total += used
        rows.append(
            {
                "objectTypeId": kind.type_id,
                "singularLabel": kind.singular.replace("_", " ").capitalize(),
                "pluralLabel": name.replace("_", " ").capitalize(),
                "limit": most,
                "usage": used,
                "percentage": round(100 * used / most, 2),
            }
        )
    overall = most * len(rows)
    percentage = round(100 * total / overall, 2)
    answer = {"byObjectType": rows, "overallLimit": overall, "overallUsage": total, "overallPercentage": percentage}
    return 200, answer


OPERATIONS: Mapping[str, Callable[[Portal, Call], Reply]] = {
    "owners.list": list_owners,
    "owners.get": get_owner,
    "pipelines.list": list_pipelines,
    "pipelines.get": get_pipeline,
    "pipelines.stages": list_stages,
    "pipelines.stage": get_stage,
    "account.details": details,
    "limits.custom_properties": custom_properties,
}
