"""Permission sets, their grants and assignments written as records: the rules of their own that they have.

From Salesforce's public object reference: a grant names a permission set, an object and (for a field) "Object.Field";
to edit a field includes to read it; required and system fields cannot be granted, formulas not for editing; what
grants nothing is no row at all. Object rights depend on each other.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.salesforce_catalogue import OBJECT_RIGHTS
from sandbox.salesforce_errors import SfError
from sandbox.salesforce_org import Org
from sandbox.salesforce_store import Table
from sandbox.salesforce_types import FieldDef

_DEPENDS: Mapping[str, tuple[str, ...]] = {
    "Create": ("Read",),
    "Edit": ("Read",),
    "Delete": ("Read", "Edit"),
    "ViewAllRecords": ("Read",),
    "ModifyAllRecords": ("Read", "Edit", "Delete", "ViewAllRecords"),
}
_KEYS: Mapping[str, tuple[str, ...]] = {
    "PermissionSetAssignment": ("AssigneeId", "PermissionSetId"),
    "ObjectPermissions": ("ParentId", "SobjectType"),
    "FieldPermissions": ("ParentId", "Field"),
    "AccountContactRelation": ("AccountId", "ContactId"),
}
"""Kind of record -> the fields that together are unique."""


def prepare_setup(org: Org, kind: str, place: int | None, values: dict[str, Any]) -> dict[str, Any]:
    """Checked values of a record to be made (`place` None) or changed, with what goes without saying.

    Raises:
        SfError: 400 where rules of this kind of record are broken.
    """
    if kind == "FieldPermissions":
        values = _field_grant(org, place, values)
    elif kind == "ObjectPermissions":
        _object_grant(org, place, values)
    elif place is None and kind in {"PermissionSet", "PermissionSetAssignment"}:
        values = {**values, ("IsCustom" if kind == "PermissionSet" else "IsActive"): True}
    if place is None and kind in _KEYS:
        _alone(org, kind, values)
    return values


def after_write(org: Org, table: Table, place: int) -> None:
    """A field's grant that grants nothing any more is deleted."""
    if table.object.name == "FieldPermissions":
        now = org.now
        if not any(table.value(place, f"Permissions{right}", now) for right in ("Read", "Edit")):
            table.purge(place)


def _alone(org: Org, kind: str, values: Mapping[str, Any]) -> None:
    """Refuse a second row about the same."""
    first, second = _KEYS[kind]
    table, now = org.tables[kind], org.now
    for place in table.referring(first, [values[first]], now):
        if str(table.value(place, second, now)).lower() == str(values[second]).lower():
            message = f"duplicate value found: <unknown> duplicates value on record with id: {table.id_at(place)}"
            raise SfError(400, "DUPLICATE_VALUE", message, ())


def _rights(org: Org, kind: str, place: int | None, values: Mapping[str, Any], names: tuple[str, ...]) -> set[str]:
    """The rights that the row will give."""
    table = org.tables[kind]
    found = set()
    for right in names:
        field = f"Permissions{right}"
        held = False if place is None else table.value(place, field, org.now)
        if values.get(field, held):
            found.add(right)
    return found


def _depends(needed: str, right: str) -> SfError:
    return SfError(400, "FIELD_INTEGRITY_EXCEPTION", f"Permission {right} depends on permission(s): {needed}", ())


def _object_grant(org: Org, place: int | None, values: Mapping[str, Any]) -> None:
    rights = _rights(org, "ObjectPermissions", place, values, OBJECT_RIGHTS)
    if place is None:
        definition = org.object(values["SobjectType"])
        if definition is None or definition.setup:
            raise _bad("Sobject Type Name", str(values["SobjectType"]), "SobjectType")
    if not rights:
        raise _depends("Read", "Object")
    for right, needed in _DEPENDS.items():
        missing = [name for name in needed if name not in rights]
        if right in rights and missing:
            raise _depends(", ".join(missing), right)


def _bad(label: str, value: str, field: str) -> SfError:
    message = f"{label}: bad value for restricted picklist field: {value}"
    return SfError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, (field,))


def _field_grant(org: Org, place: int | None, values: dict[str, Any]) -> dict[str, Any]:
    if place is None:
        field, own = _granted(org, str(values["SobjectType"]), str(values["Field"]))
        values = {**values, "SobjectType": own, "Field": f"{own}.{field.name}"}
    else:
        table = org.tables["FieldPermissions"]
        row = (str(table.value(place, name, org.now)) for name in ("SobjectType", "Field"))
        field, own = _granted(org, *row)
    rights = _rights(org, "FieldPermissions", place, values, ("Read", "Edit"))
    if "Edit" in rights and "Read" not in rights:
        raise _depends("Read", "Edit")
    if place is None and not rights:
        raise _depends("Read", "Field")
    if "Edit" in rights and not (field.updateable or field.createable):
        message = f"Field {own}.{field.name} is not editable"
        raise SfError(400, "FIELD_INTEGRITY_EXCEPTION", message, ("PermissionsEdit",))
    return values


def _granted(org: Org, kind: str, full_name: str) -> tuple[FieldDef, str]:
    """The field that a grant is about and its object's own name. Raises 400 for one that cannot be granted."""
    definition = org.object(kind)
    if definition is None or definition.setup:
        raise _bad("Sobject Type Name", kind, "SobjectType")
    owner, _, name = full_name.partition(".")
    field = definition.field(name) if owner.lower() == definition.name.lower() else None
    if field is None or field.universal:
        raise _bad("Field Name", full_name, "Field")
    return field, definition.name
