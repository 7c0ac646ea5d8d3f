"""Our fields as Salesforce's metadata: as JSON for its Tooling API, and as files that an admin deploys.

Both come from one definition. Forms are from Salesforce's public Metadata API guide: a field is {type, label, ...}, a
local picklist keeps its values in a value set, fields of tasks belong to Activity, field-level security of tasks and
events is one thing, so that both are named or it counts as taken away. Deploying a permission set replaces what it
held, so the file holds everything that the agent needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from connectors.base import FieldSpec, FieldType
from connectors.salesforce_kinds import RECEIPT, RECEIPT_KEY, TASK_KEY
from connectors.salesforce_values import OBJECTS

XMLNS = "http://soap.sforce.com/2006/04/metadata"
FOLDER = "main/default"
LABEL = "Holdfast"
PURPOSE = "What the agent's own user needs: to see the customers' records, to keep our fields, to create tasks."
MOST_DESCRIPTION = 1000
LONG_TEXT = 32_768

TASK_KEY_FIELD = FieldSpec(
    "task",
    TASK_KEY,
    "Holdfast task key",
    "text",
    description="Tells which of the agent's tasks this is, so that none is made twice.",
    max_length=64,
    optional=True,
)
"""A field of the connector's own. Without it tasks are found by a line in their text."""

RECEIPT_FIELD = FieldSpec(
    "task",
    RECEIPT,
    "Holdfast receipt",
    "text",
    description="One record for each task that the agent has made: its unique key keeps a task from being made twice.",
    max_length=64,
    optional=True,
)
"""Stands for the object that holds receipts, where tasks cannot have a unique key of their own."""

SHAPES: Mapping[FieldType, Mapping[str, Any]] = {
    "number": {"type": "Number", "precision": 18, "scale": 2},
    "text": {"type": "Text"},
    "long_text": {"type": "LongTextArea", "length": LONG_TEXT, "visibleLines": 3},
    "select": {"type": "Picklist"},
    "multi_select": {"type": "MultiselectPicklist", "visibleLines": 4},
    "datetime": {"type": "DateTime"},
    "date": {"type": "Date"},
    "boolean": {"type": "Checkbox", "defaultValue": "false"},
}
"""Neutral type -> Salesforce's."""

UNIQUE = {"externalId": True, "unique": True, "caseSensitive": True}
"""What makes a text field a key."""

READ: Mapping[str, tuple[str, ...]] = {
    "Account": ("allowEdit", "allowRead", "viewAllRecords"),
    "Case": ("allowRead", "viewAllRecords"),
    "Contact": ("allowEdit", "allowRead", "viewAllRecords"),
    "Contract": ("allowRead", "viewAllRecords"),
    "Opportunity": ("allowRead", "viewAllRecords"),
}
"""Object -> what the agent may do with it. Tasks have no such rights; EditTask stands for them."""
OBJECT_RIGHTS = ("allowCreate", "allowDelete", "allowEdit", "allowRead", "modifyAllRecords", "viewAllRecords")
USER_RIGHTS = ("ApiEnabled", "EditTask")


def full_name(spec: FieldSpec) -> str:
    """A field's name with that of the object that it is defined on: "Account.Holdfast_Health__c"."""
    return f"{owner(spec)}.{spec.name}"


def owner(spec: FieldSpec) -> str:
    """The object that a field is defined on; tasks take theirs from activities."""
    return "Activity" if spec.object == "task" else OBJECTS[spec.object]


def definition(spec: FieldSpec) -> dict[str, Any]:
    """A field as the Tooling API wants it described."""
    described: dict[str, Any] = {
        "label": spec.label,
        "description": spec.description[:MOST_DESCRIPTION],
        "externalId": False,
        "required": False,
        **SHAPES[spec.type],
    }
    if spec.type == "text":
        described["length"] = min(spec.max_length, 255)
    if spec == TASK_KEY_FIELD:
        described |= UNIQUE
    if spec.type == "boolean":
        del described["required"]
    if spec.type in {"select", "multi_select"}:
        # Not restricted: a new segment or band is written before anybody has added it to the list.
        values = {"sorted": False, "value": [option(value) for value in spec.options]}
        described["valueSet"] = {"restricted": False, "valueSetDefinition": values}
    return described


def plainly(described: Mapping[str, Any]) -> dict[str, Any]:
    """A unique field's definition for an org that does not take it: the same field without the promise."""
    return {**{name: value for name, value in described.items() if name not in UNIQUE}, "externalId": False}


def receipt_object() -> dict[str, Any]:
    """The object that holds receipts, without its fields."""
    return {
        "deploymentStatus": "Deployed",
        "description": RECEIPT_FIELD.description,
        "label": RECEIPT_FIELD.label,
        "nameField": {"displayFormat": "R-{0000000000}", "label": "Receipt", "type": "AutoNumber"},
        "pluralLabel": "Holdfast receipts",
        "sharingModel": "Private",
    }


def receipt_field() -> dict[str, Any]:
    """Its key, as the Tooling API wants it described."""
    return {"label": "Key", "type": "Text", "length": RECEIPT_FIELD.max_length, "required": False, **UNIQUE}


def option(value: str) -> dict[str, Any]:
    """A picklist value as the Tooling API wants it."""
    return {"valueName": value, "label": value.replace("_", " ").capitalize(), "default": False}


def files(
    fields: Sequence[FieldSpec], permission_set: str, version: str, extra: Iterable[str] = (), *, receipts: bool = False
) -> dict[str, str]:
    """The fields and the permission set as a Salesforce DX project, with a package.xml for other tools.

    Args:
        fields: Our fields; the connector's own come on top.
        permission_set: Its API name.
        version: API version.
        extra: Further objects that the agent reads.
        receipts: With the object that holds receipts, for orgs that do not keep the key of tasks unique: there
            `unique` is to be taken out of that field's file.
    """
    specs = list(dict.fromkeys((*fields, TASK_KEY_FIELD)))
    found = {f"{FOLDER}/objects/{owner(s)}/fields/{s.name}.field-meta.xml": _field(s) for s in specs}
    rights = {**READ, **dict.fromkeys(extra, ("allowRead", "viewAllRecords"))}
    if receipts:
        rights[RECEIPT] = ("allowCreate", "allowRead")
        found[f"{FOLDER}/objects/{RECEIPT}/{RECEIPT}.object-meta.xml"] = _document("CustomObject", receipt_object())
        key = _document("CustomField", {"fullName": RECEIPT_KEY, **receipt_field()})
        found[f"{FOLDER}/objects/{RECEIPT}/fields/{RECEIPT_KEY}.field-meta.xml"] = key
    permissions = _permissions(specs, rights, receipts=receipts)
    found[f"{FOLDER}/permissionsets/{permission_set}.permissionset-meta.xml"] = permissions
    found["package.xml"] = _package(specs, permission_set, version, receipts=receipts)
    found["sfdx-project.json"] = (
        '{\n  "packageDirectories": [{ "path": "main", "default": true }],\n'
        f'  "name": "holdfast",\n  "sourceApiVersion": "{version}"\n}}\n'
    )
    return found


def _field(spec: FieldSpec) -> str:
    return _document("CustomField", {"fullName": spec.name, **_spelled(definition(spec))})


def _spelled(value: Any) -> Any:
    """A definition in the words of metadata files, where a value's name is its full name."""
    if isinstance(value, Mapping):
        return {"fullName" if name == "valueName" else name: _spelled(one) for name, one in value.items()}
    return [_spelled(one) for one in value] if isinstance(value, list) else value


def _permissions(specs: Sequence[FieldSpec], rights: Mapping[str, Sequence[str]], *, receipts: bool) -> str:
    names = [f"{RECEIPT}.{RECEIPT_KEY}"] if receipts else []
    names += [
        f"{obj}.{spec.name}"
        for spec in specs
        for obj in (("Event", "Task") if spec.object == "task" else (OBJECTS[spec.object],))
    ]
    return _document(
        "PermissionSet",
        {
            "description": PURPOSE,
            "fieldPermissions": [{"editable": True, "field": name, "readable": True} for name in sorted(names)],
            "hasActivationRequired": False,
            "label": LABEL,
            "objectPermissions": [
                {**{right: right in given for right in OBJECT_RIGHTS}, "object": obj}
                for obj, given in sorted(rights.items())
            ],
            "userPermissions": [{"enabled": True, "name": name} for name in USER_RIGHTS],
        },
    )


def _package(specs: Sequence[FieldSpec], permission_set: str, version: str, *, receipts: bool) -> str:
    names = [full_name(spec) for spec in specs] + ([f"{RECEIPT}.{RECEIPT_KEY}"] if receipts else [])
    objects = [{"members": [RECEIPT], "name": "CustomObject"}] if receipts else []
    types = [
        {"members": sorted(names), "name": "CustomField"},
        *objects,
        {"members": [permission_set], "name": "PermissionSet"},
    ]
    return _document("Package", {"types": types, "version": version})


def _document(name: str, content: Mapping[str, Any]) -> str:
    root = ET.Element(name, xmlns=XMLNS)
    _fill(root, content)
    ET.indent(root, "    ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _fill(parent: ET.Element, content: Mapping[str, Any]) -> None:
    """Elements in the order in which Salesforce writes them: the name first, then by the alphabet."""
    for name in sorted(content, key=lambda one: (one != "fullName", one)):
        values = content[name] if isinstance(content[name], list) else [content[name]]
        for value in values:
            child = ET.SubElement(parent, name)
            if isinstance(value, Mapping):
                _fill(child, value)
            else:
                child.text = str(value).lower() if isinstance(value, bool) else str(value)
