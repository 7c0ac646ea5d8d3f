"""What people do to tasks, and administrators to properties, between two requests: more actions of `mutate`.

Arguments as in `sandbox.hubspot_people`. What a person does carries their user id (`user`, the administrator's by
default) in the property history (`CRM_UI`, "userId:1") and in `hs_updated_by_user_id`. HubSpot shows comments on a task
to people alone; here a comment is a line that somebody adds to the task's notes, which the API does show.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.hubspot_portal import Rule, kind_of
from sandbox.hubspot_properties import drop_property
from sandbox.hubspot_schema import Property

if TYPE_CHECKING:
    from sandbox.hubspot_people import People

Args = Mapping[str, Any]


def edit_task(people: "People", args: Args) -> None:
    """Somebody changes a task: id, properties."""
    people.edit({**args, "object": "tasks"})


def close_task(people: "People", args: Args) -> None:
    """Somebody closes a task: id, status (COMPLETED)."""
    edit_task(people, {**args, "properties": {"hs_task_status": args.get("status", "COMPLETED")}})


def reassign_task(people: "People", args: Args) -> None:
    """Somebody gives a task to a colleague: id, owner (the owner id)."""
    edit_task(people, {**args, "properties": {"hubspot_owner_id": str(args["owner"])}})


def comment_task(people: "People", args: Args) -> None:
    """Somebody adds a line to a task's notes: id, text."""
    _, record_id = people.record({**args, "object": "tasks"})
    table = people.portal.tables["tasks"]
    before = table.value(table.first_from(record_id), "hs_task_body", people.portal.now)
    edit_task(people, {**args, "properties": {"hs_task_body": f"{before or ''}<p>{args['text']}</p>"}})


# ---- properties ------------------------------------------------------------------------------------------------------


def _property(people: "People", args: Args) -> tuple[str, Property]:
    kind = kind_of(str(args["object"]))
    found = people.portal.schemas[kind].properties.get(str(args["name"]))
    if found is None:
        raise ValueError(f"no property {args['name']!r} of {kind}")
    return kind, found


def rename_property(people: "People", args: Args) -> None:
    """An administrator replaces a property by one of another name: object, name, new_name.

    HubSpot cannot change an internal name, so that this is what a rename comes to: a new property with the old one's
    definition and values (which are written, so that the stamps move), and the old one archived.
    """
    kind, old = _property(people, args)
    portal, name = people.portal, str(args["new_name"])
    schema, table = portal.schemas[kind], portal.tables[kind]
    if name in schema.properties or name in schema.archived:
        raise ValueError(f"{kind} already has a property {name!r}")
    if not old.custom:
        raise ValueError(f"{kind}.{old.name} is HubSpot's own")
    schema.properties[name] = replace(old, name=name, created_at=portal.now, updated_at=portal.now)
    for place in list(table.living(0, portal.now)):
        value = table.value(place, old.name, portal.now)
        if value is not None:
            portal.write(kind, table.ids[place], {name: value}, "MASS_UPDATE")
    drop_property(portal, kind, old.name)


def shorten_property(people: "People", args: Args) -> None:
    """An administrator limits how long a text property's values may be: object, name, length. What is there stays."""
    _, found = _property(people, args)
    found.max_length = int(args["length"])


def drop_option(people: "People", args: Args) -> None:
    """An administrator takes an option off an enumeration: object, name, value. Records keep theirs."""
    kind, found = _property(people, args)
    if args["value"] not in found.values:
        raise ValueError(f"{kind}.{found.name} has no option {args['value']!r}")
    found.options = [option for option in found.options if option["value"] != args["value"]]
    found.updated_at = people.portal.now


def rule(people: "People", args: Args) -> None:
    """An administrator makes a validation rule: object, message; property (any write when left out)."""
    kind = kind_of(str(args["object"]))
    people.portal.rules.append(Rule(kind, str(args["message"]), args.get("property")))


def clear_rules(people: "People", _args: Args) -> None:
    """Remove every validation rule."""
    people.portal.rules.clear()


def clear_flows(people: "People", _args: Args) -> None:
    """Switch every workflow off; those under way still end."""
    people.portal.flows.clear()


ACTIONS: Mapping[str, Callable[["People", Args], Any]] = {
    "edit_task": edit_task,
    "close_task": close_task,
    "reassign_task": reassign_task,
    "comment_task": comment_task,
    "rename_property": rename_property,
    "shorten_property": shorten_property,
    "drop_option": drop_option,
    "rule": rule,
    "clear_rules": clear_rules,
    "clear_flows": clear_flows,
}
