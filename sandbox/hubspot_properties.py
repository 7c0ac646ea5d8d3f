"""Endpoints for property definitions and property groups."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.hubspot_batch import batch_reply, inputs_of
from sandbox.hubspot_errors import already_exists, item_error, not_found, validation
from sandbox.hubspot_portal import Call, Portal, Reply
from sandbox.hubspot_schema import TYPES, Group, Property, Schema, make_options

MAX_UNIQUE = 10
"""Most properties with unique values per kind of record."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


def list_properties(portal: Portal, call: Call) -> Reply:
    """GET properties/{kind}."""
    schema = portal.schemas[call.kind]
    found = schema.archived if call.flag("archived") else schema.properties
    return 200, {"results": [definition.as_json() for definition in found.values()]}


def get_property(portal: Portal, call: Call) -> Reply:
    """GET properties/{kind}/{name}."""
    return 200, _find(portal, call, archived=call.flag("archived")).as_json()


def _find(portal: Portal, call: Call, *, archived: bool = False) -> Property:
    schema = portal.schemas[call.kind]
    found = (schema.archived if archived else schema.properties).get(call.params["name"])
    if found is None:
        raise not_found(f"Property '{call.params['name']}' does not exist")
    return found


def create_property(portal: Portal, call: Call) -> Reply:
    """POST properties/{kind}: 201."""
    definition = _new(portal, call.kind, call.body)
    portal.schemas[call.kind].properties[definition.name] = definition
    return 201, definition.as_json()


def _new(portal: Portal, kind: str, body: Any) -> Property:
    """A checked new definition. Raises 400 for what HubSpot would not take and 409 for a name in use or archived."""
    schema = portal.schemas[kind]
    if not isinstance(body, Mapping):
        raise validation("Invalid input JSON: expected a property")
    _required(body, ("name", "label", "type", "fieldType", "groupName"))
    name = str(body["name"])
    if not _NAME.fullmatch(name):
        raise validation(f"Property name '{name}' must be lower case letters, digits and underscores")
    if name in schema.properties or name in schema.archived:
        raise already_exists(f"A property named '{name}' already exists.")
    _check_type(str(body["type"]), str(body["fieldType"]))
    _check_group(schema, str(body["groupName"]))
    options = _options(body.get("options") or ())
    unique = bool(body.get("hasUniqueValue")) and _takes_unique(portal, kind)
    _check_room(portal, schema, unique=unique)
    return Property(
        name=name,
        label=str(body["label"]),
        type=str(body["type"]),
        field_type=str(body["fieldType"]),
        group=str(body["groupName"]),
        description=str(body.get("description") or ""),
        options=options,
        unique=unique,
        hidden=bool(body.get("hidden")),
        display_order=int(body.get("displayOrder", -1)),
        form_field=bool(body.get("formField")),
        external=bool(body.get("externalOptions")),
        created_at=portal.now,
        updated_at=portal.now,
    )


def _takes_unique(portal: Portal, kind: str) -> bool:
    """Whether a kind of record may have properties with unique values. Raises 400 where that is refused."""
    if kind not in {"tasks", "notes"} or portal.options.task_unique_properties == "allowed":
        return True
    if portal.options.task_unique_properties == "refused":
        raise validation(f"Properties with unique values are not supported for object type {kind}")
    return False


def _required(body: Mapping[str, Any], names: tuple[str, ...]) -> None:
    missing = [name for name in names if not body.get(name)]
    if missing:
        raise validation(f"Some required fields were not set: [{', '.join(missing)}]", context={"missing": missing})


def _check_type(kind: str, field_type: str) -> None:
    if kind not in TYPES:
        raise validation(f"Invalid property type {kind}; expected one of {list(TYPES)}")
    if field_type not in TYPES[kind]:
        raise validation(f"Invalid field type {field_type} for type {kind}; expected one of {list(TYPES[kind])}")


def _check_group(schema: Schema, name: str) -> None:
    if name not in schema.groups:
        raise validation(f"Property group '{name}' does not exist")


def _check_room(portal: Portal, schema: Schema, *, unique: bool) -> None:
    if sum(p.custom for p in schema.properties.values()) >= portal.options.property_limit:
        raise validation(f"The limit of {portal.options.property_limit} custom properties is reached")
    if unique and sum(p.unique for p in schema.properties.values()) >= MAX_UNIQUE:
        raise validation(f"At most {MAX_UNIQUE} properties of an object type can have unique values")


def _options(options: Any) -> list[dict[str, Any]]:
    try:
        made = make_options(options)
    except (KeyError, TypeError, AttributeError):
        raise validation("Every option needs a label and a value") from None
    for key in ("value", "label"):
        texts = [option[key] for option in made]
        if len(set(texts)) < len(texts):
            raise validation(f"Property option {key}s must be unique")
    return made


def update_property(portal: Portal, call: Call) -> Reply:
    """PATCH properties/{kind}/{name}; `options` replaces the whole list."""
    definition = _find(portal, call)
    body = call.body
    if not definition.custom:
        raise validation(f"Property '{definition.name}' is defined by HubSpot and cannot be changed")
    kind, field_type = body.get("type", definition.type), body.get("fieldType", definition.field_type)
    _check_type(kind, field_type)
    _check_group(portal.schemas[call.kind], body.get("groupName", definition.group))
    options = _options(body["options"]) if "options" in body else definition.options
    definition.type, definition.field_type, definition.options = kind, field_type, options
    definition.group = body.get("groupName", definition.group)
    definition.label = body.get("label", definition.label)
    definition.description = body.get("description", definition.description)
    definition.hidden = bool(body.get("hidden", definition.hidden))
    definition.updated_at = portal.now
    return 200, definition.as_json()


def archive_property(portal: Portal, call: Call) -> Reply:
    """DELETE properties/{kind}/{name}: 204; the name stays taken."""
    drop_property(portal, call.kind, _find(portal, call).name)
    return 204, None


def drop_property(portal: Portal, kind: str, name: str) -> None:
    """Archive a custom property. Raises 400 for HubSpot's own."""
    schema = portal.schemas[kind]
    definition = schema.properties[name]
    if not definition.custom:
        raise validation(f"Property '{name}' is defined by HubSpot and cannot be archived")
    definition.archived_at = portal.now
    schema.archived[name] = schema.properties.pop(name)


def batch_create(portal: Portal, call: Call) -> Reply:
    """POST properties/{kind}/batch/create: 201, or 207 naming the properties that exist; 400 for a bad definition."""
    kind, schema = call.kind, portal.schemas[call.kind]
    results, errors = [], []
    for item in inputs_of(call):
        name = str(item.get("name", ""))
        if name in schema.properties or name in schema.archived:
            text = f"A property named '{name}' already exists."
            errors.append(item_error("OBJECT_ALREADY_EXISTS", text, {"name": [name]}))
        else:
            results.append(_new(portal, kind, item))
    for definition in results:
        schema.properties[definition.name] = definition
    return batch_reply(portal, 201, [definition.as_json() for definition in results], errors)


def batch_read(portal: Portal, call: Call) -> Reply:
    """POST properties/{kind}/batch/read: 200, or 207 naming the unknown ones."""
    schema = portal.schemas[call.kind]
    names = [str(item.get("name", "")) for item in inputs_of(call)]
    found = schema.archived if call.body.get("archived") else schema.properties
    missing = [name for name in names if name not in found]
    text = "Some properties do not exist"
    errors = [item_error("OBJECT_NOT_FOUND", text, {"name": missing})] if missing else []
    return batch_reply(portal, 200, [found[name].as_json() for name in names if name in found], errors)


def batch_archive(portal: Portal, call: Call) -> Reply:
    """POST properties/{kind}/batch/archive: 204."""
    for item in inputs_of(call):
        if item.get("name") in portal.schemas[call.kind].properties:
            drop_property(portal, call.kind, str(item["name"]))
    return 204, None


def list_groups(portal: Portal, call: Call) -> Reply:
    """GET properties/{kind}/groups."""
    return 200, {"results": [group.as_json() for group in portal.schemas[call.kind].groups.values()]}


def _group(portal: Portal, call: Call) -> Group:
    group = portal.schemas[call.kind].groups.get(call.params["name"])
    if group is None:
        raise not_found(f"Property group '{call.params['name']}' does not exist")
    return group


def get_group(portal: Portal, call: Call) -> Reply:
    """GET properties/{kind}/groups/{name}."""
    return 200, _group(portal, call).as_json()


def create_group(portal: Portal, call: Call) -> Reply:
    """POST properties/{kind}/groups: 201, 409 when it exists."""
    _required(call.body, ("name", "label"))
    groups = portal.schemas[call.kind].groups
    name = str(call.body["name"])
    if name in groups:
        raise already_exists(f"A property group named '{name}' already exists.")
    groups[name] = Group(name, str(call.body["label"]), int(call.body.get("displayOrder", -1)))
    return 201, groups[name].as_json()


def update_group(portal: Portal, call: Call) -> Reply:
    """PATCH properties/{kind}/groups/{name}."""
    group = _group(portal, call)
    group.label = str(call.body.get("label", group.label))
    group.display_order = int(call.body.get("displayOrder", group.display_order))
    return 200, group.as_json()


def archive_group(portal: Portal, call: Call) -> Reply:
    """DELETE properties/{kind}/groups/{name}: 204; a group in use stays (400)."""
    schema, group = portal.schemas[call.kind], _group(portal, call)
    if any(definition.group == group.name for definition in schema.properties.values()):
        raise validation(f"Property group '{group.name}' is not empty")
    del schema.groups[group.name]
    return 204, None


OPERATIONS: Mapping[str, Callable[[Portal, Call], Reply]] = {
    "properties.list": list_properties,
    "properties.get": get_property,
    "properties.create": create_property,
    "properties.update": update_property,
    "properties.archive": archive_property,
    "properties.batch_create": batch_create,
    "properties.batch_read": batch_read,
    "properties.batch_archive": batch_archive,
    "groups.list": list_groups,
    "groups.get": get_group,
    "groups.create": create_group,
    "groups.update": update_group,
    "groups.archive": archive_group,
}
