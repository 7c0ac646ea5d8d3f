"""The Tooling API, as far as set-up needs it: `CustomField`, and `CustomObject` to read; queries: `_tooling_query`.

A new field is hidden from everybody, its maker included, until a `FieldPermissions` row grants it. Fields of tasks are
made on Activity ("Activity.Our_Key__c") and show on Task.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce_errors import method_not_allowed, not_found, read_only_user
from sandbox.salesforce_http import Call, Reply, Route
from sandbox.salesforce_ids import canonical, record_id
from sandbox.salesforce_metadata import parse, refused, show, split_name
from sandbox.salesforce_objects import CustomObject, CustomObjects
from sandbox.salesforce_org import Org
from sandbox.salesforce_records import record_body
from sandbox.salesforce_types import FieldDef, ObjectDef

MAX_EXTERNAL_IDS = 25
"""On one kind of record."""

_TYPES: Mapping[str, str] = {
    "double": "Number",
    "percent": "Percent",
    "currency": "Currency",
    "int": "Number",
    "string": "Text",
    "textarea": "TextArea",
    "longtextarea": "LongTextArea",
    "boolean": "Checkbox",
    "date": "Date",
    "datetime": "DateTime",
    "picklist": "Picklist",
    "multipicklist": "MultiselectPicklist",
    "url": "Url",
    "email": "Email",
    "phone": "Phone",
    "reference": "Lookup",
}
"""Type of field -> `Metadata.type`, for fields that were made by hand."""


@dataclass(slots=True)
class CustomField:
    """One custom field as the Tooling API knows it.

    Attributes:
        number: Which one; its id has it.
        owner: Where it is defined: "Account", "Activity".
        name: API name, "__c" included.
        given: `Metadata` as it was sent.
    """

    number: int
    owner: str
    name: str
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its 18-character id."""
        return record_id("CustomField", self.number)


class CustomFields:
    """The org's custom fields, those made by hand included.

    Args:
        org: The org.
    """

    def __init__(self, org: Org) -> None:
        self.org = org
        self._known: dict[tuple[str, str], CustomField] = {}
        self._made = 0

    def homes(self, owner: str) -> list[ObjectDef]:
        """The kinds of record that custom fields of an owner show on."""
        return [d for d in self.org.objects.values() if d.custom_on.lower() == owner.lower() and not d.setup]

    def on(self, owner: str) -> Iterator[CustomField]:
        """The custom fields defined on an owner."""
        for definition in self.homes(owner)[:1]:
            for one in definition:
                if one.custom:
                    yield self.known(definition.custom_on, one.name)

    def known(self, owner: str, name: str) -> CustomField:
        """The field's entry, made on first use."""
        key = (owner.lower(), name.lower())
        if key not in self._known:
            self._made += 1
            self._known[key] = CustomField(self._made, owner, name)
        return self._known[key]

    def all(self) -> list[CustomField]:
        """Every custom field there is now."""
        owners = dict.fromkeys(d.custom_on for d in self.org.objects.values())
        return [one for owner in owners for one in self.on(owner)]

    def definition(self, entry: CustomField) -> FieldDef | None:
        """The field as records have it; None when it is gone."""
        homes = self.homes(entry.owner)
        return homes[0].field(entry.name) if homes else None

    def by_id(self, text: str) -> tuple[CustomField, FieldDef]:
        """An entry and its field. Raises 404."""
        full = canonical(text)
        entry = next((one for one in self.all() if one.id == full), None)
        found = None if entry is None else self.definition(entry)
        if entry is None or found is None:
            raise not_found()
        return entry, found

    def forget(self, entry: CustomField) -> None:
        """Drop a field and all that is said about it."""
        for definition in self.homes(entry.owner):
            self.org.permissions.forget_field(definition.name, entry.name)
            definition.drop(entry.name)
        self._known.pop((entry.owner.lower(), entry.name.lower()), None)


def _may_customize(org: Org, call: Call) -> CustomFields:
    """Raises 403 without "Customize Application"."""
    if not org.may(call.user, "CustomizeApplication"):
        raise read_only_user()
    return org.part(CustomFields)


def create(org: Org, call: Call) -> Reply:
    """POST tooling/sobjects/CustomField {"FullName", "Metadata"}: 201."""
    body = record_body(call)
    return _created(call, "CustomField", make_field(org, call, body.get("FullName"), body.get("Metadata")).id)


def _created(call: Call, kind: str, made: str) -> Reply:
    headers = {"Location": call.path(f"tooling/sobjects/{kind}/{made}")}
    return 201, {"id": made, "success": True, "errors": [], "warnings": [], "infos": []}, headers


def make_field(org: Org, call: Call, full_name: object, metadata: object) -> CustomField:
    """Define a field, hidden from everybody. Raises 400, and 403 without the permission."""
    fields = _may_customize(org, call)
    owner, name = split_name(full_name)
    homes = fields.homes(owner)
    if not homes:
        raise refused(f"Entity Enumeration Or ID: bad value for restricted picklist field: {owner}", "TableEnumOrId",
                      code="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")  # fmt: skip
    made, given = parse(f"{name}__c", metadata)
    _check_room(org, fields, homes[0], made)
    for definition in homes:
        definition.add([made])
    entry = fields.known(homes[0].custom_on, made.name)
    entry.given = given
    return entry


def _check_room(org: Org, fields: CustomFields, home: ObjectDef, made: FieldDef) -> None:
    """The name is free and the object has room for one more. Raises 400."""
    owner = home.custom_on
    if home.field(made.name) is not None:
        message = f"There is already a field named {made.name.removesuffix('__c')} on {owner}."
        raise refused(message, "DeveloperName", code="DUPLICATE_DEVELOPER_NAME")
    here = [fields.definition(entry) for entry in fields.on(owner)]
    if len(here) >= org.options.custom_field_limit:
        message = f"You have reached the maximum number of custom fields on {owner}: {org.options.custom_field_limit}"
        raise refused(message, code="LIMIT_EXCEEDED")
    _check_external_id(org, owner, made, [one for one in here if one is not None])


def _check_external_id(org: Org, owner: str, made: FieldDef, here: Sequence[FieldDef]) -> None:
    if not made.external_id:
        return
    if owner == "Activity" and not org.options.activity_external_ids:
        raise refused("Can not specify 'externalId' for a CustomField on Activity", "externalId")
    if sum(one.external_id for one in here if one.name != made.name) >= MAX_EXTERNAL_IDS:
        message = f"You have reached the maximum number of external id fields on {owner}: {MAX_EXTERNAL_IDS}"
        raise refused(message, "externalId", code="LIMIT_EXCEEDED")


def get(org: Org, call: Call) -> Reply:
    """GET tooling/sobjects/CustomField/id, metadata included."""
    entry, found = _may_customize(org, call).by_id(call.params["id"])
    return 200, {
        "attributes": {"type": "CustomField", "url": call.path(f"tooling/sobjects/CustomField/{entry.id}")},
        **row(org, entry),
        "Metadata": shown_metadata(entry, found),
    }, {}  # fmt: skip


def row(org: Org, entry: CustomField) -> dict[str, Any]:
    """The plain columns of a custom field."""
    return {
        "Id": entry.id,
        "TableEnumOrId": org.part(CustomObjects).id_of(entry.owner),
        "DeveloperName": entry.name.removesuffix("__c"),
        "NamespacePrefix": None,
        "ManageableState": "unmanaged",
        "FullName": f"{entry.owner}.{entry.name}",
    }


def shown_metadata(entry: CustomField, found: FieldDef) -> dict[str, Any]:
    """A field's `Metadata` as answers have it."""
    return show(found, entry.given or by_hand(found))


def by_hand(found: FieldDef) -> dict[str, Any]:
    """The metadata of a field that nobody made over the API."""
    given: dict[str, Any] = {"type": _TYPES[found.type], "label": found.label}
    if found.type in {"string", "longtextarea"}:
        given["length"] = found.length
    if found.precision:
        given |= {"precision": found.precision, "scale": found.scale}
    if found.type in {"longtextarea", "multipicklist"}:
        given["visibleLines"] = 3 if found.type == "longtextarea" else 4
    if found.type == "boolean":
        given["defaultValue"] = str(bool(found.default)).lower()
    return {**given, "externalId": found.external_id, "unique": found.unique, "required": found.required}


def update(org: Org, call: Call) -> Reply:
    """PATCH tooling/sobjects/CustomField/id {"Metadata"}: the whole metadata; 204.

    Picklist values that are left out become inactive. The type stays.
    """
    fields, body = _may_customize(org, call), record_body(call)
    entry, _ = fields.by_id(call.params["id"])
    if body.get("FullName") not in {None, f"{entry.owner}.{entry.name}"}:
        raise refused("FullName: a field cannot be renamed by this call", "FullName")
    change_field(org, call, entry, body.get("Metadata"))
    return 204, None, {}


def change_field(org: Org, call: Call, entry: CustomField, metadata: object) -> None:
    """Give a field another definition. Raises 400, 404, and 403 without the permission."""
    fields = _may_customize(org, call)
    _, old = fields.by_id(entry.id)
    changed, given = parse(entry.name, metadata)
    if changed.type != old.type:
        raise refused(f"Cannot change the type of {entry.owner}.{entry.name} from {_TYPES[old.type]}", "type")
    here = [fields.definition(one) for one in fields.on(entry.owner)]
    _check_external_id(org, entry.owner, changed, [one for one in here if one is not None])
    # What a formula is made of is not asked for here: it stays one.
    kept = changed.changed(calculated=old.calculated, createable=old.createable, updateable=old.updateable)
    for definition in fields.homes(entry.owner):
        definition.add([kept])
    entry.given = given


def delete(org: Org, call: Call) -> Reply:
    """DELETE tooling/sobjects/CustomField/id: 204."""
    fields = _may_customize(org, call)
    fields.forget(fields.by_id(call.params["id"])[0])
    return 204, None, {}


# ---- custom objects --------------------------------------------------------------------------------------------------


def object_row(entry: CustomObject) -> dict[str, Any]:
    """The plain columns of a custom object."""
    return {
        "Id": entry.id,
        "DeveloperName": entry.name.removesuffix("__c"),
        "NamespacePrefix": None,
        "Description": entry.given.get("description"),
        "SharingModel": entry.given.get("sharingModel", "ReadWrite"),
        "ManageableState": "unmanaged",
    }


def get_object(org: Org, call: Call) -> Reply:
    """GET tooling/sobjects/CustomObject/id."""
    _may_customize(org, call)
    entry = org.part(CustomObjects).by_id(call.params["id"])
    url = call.path(f"tooling/sobjects/CustomObject/{entry.id}")
    return 200, {"attributes": {"type": "CustomObject", "url": url}, **object_row(entry)}, {}


def create_object(org: Org, call: Call) -> Reply:
    """POST tooling/sobjects/CustomObject: refused, as by the reference, unless the org was told otherwise."""
    _may_customize(org, call)
    if not org.options.tooling_custom_objects:
        raise method_not_allowed("POST", ["GET", "HEAD"])
    body = record_body(call)
    return _created(call, "CustomObject", org.part(CustomObjects).make(body.get("FullName"), body.get("Metadata")).id)


ROUTES: Sequence[Route] = (
    Route("POST", "tooling/sobjects/CustomObject", create_object),
    Route("GET", "tooling/sobjects/CustomObject/{id}", get_object),
    Route("POST", "tooling/sobjects/CustomField", create),
    Route("GET", "tooling/sobjects/CustomField/{id}", get),
    Route("PATCH", "tooling/sobjects/CustomField/{id}", update),
    Route("DELETE", "tooling/sobjects/CustomField/{id}", delete),
)
