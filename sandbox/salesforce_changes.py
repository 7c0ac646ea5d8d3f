"""What people do to tasks, and administrators to fields, between two requests: more actions of `mutate`.

Arguments as in `sandbox.salesforce_people`. What a person does carries their name (`user`, an administrator's by
default) as `LastModifiedById`. A task's comments are its `Description`, whose label is "Comments".
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.salesforce_automation import Automation
from sandbox.salesforce_base import INTEGRATION_USER
from sandbox.salesforce_objects import CustomObjects
from sandbox.salesforce_store import Table
from sandbox.salesforce_types import NUMBER_TYPES, TEXT_TYPES, FieldDef, ObjectDef

if TYPE_CHECKING:
    from sandbox.salesforce_people import People

Args = Mapping[str, Any]


def _task(people: "People", args: Args) -> tuple[Table, int]:
    table, place = people.record(args)
    if table.object.name != "Task":
        raise ValueError(f"{args['id']} is no task")
    return table, place


def edit_task(people: "People", args: Args) -> None:
    """Somebody changes a task: id, values."""
    _task(people, args)
    people.edit(args)


def close_task(people: "People", args: Args) -> None:
    """Somebody closes a task: id, status (Completed)."""
    edit_task(people, {**args, "values": {"Status": args.get("status", "Completed")}})


def reassign_task(people: "People", args: Args) -> None:
    """Somebody gives a task to a colleague: id, owner."""
    people.record(args, "owner")
    edit_task(people, {**args, "values": {"OwnerId": args["owner"]}})


def comment_task(people: "People", args: Args) -> None:
    """Somebody adds to a task's comments: id, text."""
    table, place = _task(people, args)
    before = table.value(place, "Description", people.org.now)
    text = "\n".join(part for part in (before, str(args["text"])) if part)
    people.edit({**args, "values": {"Description": text}})


# ---- fields ----------------------------------------------------------------------------------------------------------


def _custom(people: "People", args: Args) -> tuple[ObjectDef, FieldDef]:
    kind = people.kind(args)
    one = kind.field(str(args["field"]))
    if one is None or not one.custom:
        raise ValueError(f"{kind.name} has no custom field {args['field']!r}")
    return kind, one


def rename_field(people: "People", args: Args) -> None:
    """An administrator gives a custom field another API name: object, field, name. Values and rights go along."""
    kind, one = _custom(people, args)
    name, org = str(args["name"]), people.org
    if kind.field(name) is not None or not name.endswith("__c"):
        raise ValueError(f"{name!r} is taken, or does not end in __c")
    permissions, table = org.permissions, org.tables[kind.name]
    of_set, edits = (permissions.field_rows.reader(column) for column in ("ParentId", "PermissionsEdit"))
    held = [(of_set(p, org.now), bool(edits(p, org.now))) for p in permissions.field_rows_for(kind.name, one.name)]
    kind.drop(one.name)
    kind.add([one.changed(name=name)])
    permissions.forget_field(kind.name, one.name)
    for set_id, edit in held:
        permissions.grant_field(set_id, kind.name, name, edit=edit)
    table.rename(one.name, name)


def retype_field(people: "People", args: Args) -> None:
    """An administrator changes a custom field's type: object, field, type, and attributes of `FieldDef`.

    Values that the new type cannot hold are lost; no stamps move.
    """
    kind, one = _custom(people, args)
    more = {key: tuple(v) if isinstance(v, list) else v for key, v in args.items() if key not in {"object", "field"}}
    kind.add([one.changed(**more)])
    changed, table = kind.fields[one.name], people.org.tables[kind.name]
    for log in table.written.values():
        if log.values.get(one.name) is not None:
            log.values[one.name] = _converted(changed, log.values[one.name])


def _converted(field: FieldDef, value: Any) -> Any:
    """A value as another type has it; None when it has none for it."""
    if field.type in TEXT_TYPES:
        text = f"{value:g}" if isinstance(value, float) else str(value)
        return text[: field.length] if field.length else text
    if field.type in NUMBER_TYPES:
        try:
            return float(value)
        except ValueError:
            return None
    return None


def shorten_field(people: "People", args: Args) -> None:
    """An administrator allows fewer characters in a custom field: object, field, length. What is there stays."""
    kind, one = _custom(people, args)
    kind.add([one.changed(length=int(args["length"]))])


def drop_value(people: "People", args: Args) -> None:
    """An administrator takes a value off a picklist and restricts it: object, field, value. Records keep theirs."""
    kind = people.kind(args)
    one = kind.field(str(args["field"]))
    if one is None or args["value"] not in one.values:
        raise ValueError(f"{kind.name}.{args['field']} has no value {args['value']!r}")
    kind.add([one.changed(values=tuple(v for v in one.values if v != args["value"]), restricted=True)])


def create_object(people: "People", args: Args) -> str:
    """An administrator makes a custom object: name, metadata; gives its id. `visible` grants it, by `rights`."""
    objects = people.org.part(CustomObjects)
    label = str(args["name"]).removesuffix("__c").replace("_", " ")
    standard = {
        "label": label,
        "pluralLabel": f"{label}s",
        "nameField": {"type": "AutoNumber", "label": "Number", "displayFormat": "N-{00000}"},
        "sharingModel": "ReadWrite",
        "deploymentStatus": "Deployed",
    }
    entry = objects.make(args["name"], {**standard, **args.get("metadata", {})})
    if args.get("visible"):
        rights = args.get("rights", ["Read", "Create", "Edit", "Delete", "ViewAllRecords"])
        people.grant({"user": INTEGRATION_USER, **args, "object": entry.name, "rights": rights})
    return entry.id


def drop_object(people: "People", args: Args) -> None:
    """An administrator deletes a custom object with its records: object."""
    objects, kind = people.org.part(CustomObjects), people.kind(args)
    if not kind.name.endswith("__c"):
        raise ValueError(f"{kind.name} is a standard object")
    objects.drop(objects.known(kind.name))


def clear_flows(people: "People", _args: Args) -> None:
    """Switch every flow off; those already under way still end."""
    people.org.part(Automation).flows.clear()


ACTIONS: Mapping[str, Callable[["People", Args], Any]] = {
    "edit_task": edit_task,
    "close_task": close_task,
    "reassign_task": reassign_task,
    "comment_task": comment_task,
    "rename_field": rename_field,
    "retype_field": retype_field,
    "shorten_field": shorten_field,
    "drop_value": drop_value,
    "create_object": create_object,
    "drop_object": drop_object,
    "clear_flows": clear_flows,
}
