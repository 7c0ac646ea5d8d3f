"""Custom objects: kinds of record that the org's administrators define.

What a definition needs follows Salesforce's public reference of the metadata type CustomObject: label, pluralLabel, a
name field (Text, or AutoNumber with a display format), sharingModel and deploymentStatus. A new object is there for
administrators only, until `ObjectPermissions` grant it; so are its fields, until `FieldPermissions` do. It is made over
the Metadata API (`sandbox.salesforce_mdapi`); the Tooling API only reads it.
"""

import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce_base import ADMINISTRATOR, Base
from sandbox.salesforce_catalogue import OBJECT_RIGHTS, fixed, make, owner, system_fields
from sandbox.salesforce_errors import SfError, not_found
from sandbox.salesforce_ids import canonical, record_id
from sandbox.salesforce_metadata import refused
from sandbox.salesforce_org import Org
from sandbox.salesforce_types import FieldDef, ObjectDef

MAX_NAME = 40
MAX_OBJECTS = 200
"""Custom objects of the org, by its edition."""

_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
_KNOWN = frozenset(
    {
        "fullName", "label", "pluralLabel", "nameField", "deploymentStatus", "sharingModel", "description",
        "enableActivities", "enableBulkApi", "enableFeeds", "enableHistory", "enableReports", "enableSearch",
        "enableSharing", "enableStreamingApi", "externalSharingModel", "fields", "gender", "startsWith", "visibility",
    }
)  # fmt: skip
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "deploymentStatus": ("Deployed", "InDevelopment"),
    "sharingModel": ("Private", "Read", "ReadWrite", "ControlledByParent"),
}
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(slots=True)
class CustomObject:
    """One custom object as set-up knows it.

    Attributes:
        number: Which one; its id has it.
        name: API name, "__c" included.
        given: Its definition as it was sent; {} for one that was always there.
    """

    number: int
    name: str
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its 18-character id."""
        return record_id("CustomObject", self.number)


class CustomObjects:
    """The org's custom objects, those it started with included.

    Args:
        org: The org.
    """

    def __init__(self, org: Org) -> None:
        self.org = org
        self._known: dict[str, CustomObject] = {}
        self._made = 0

    def __iter__(self) -> Iterator[CustomObject]:
        """Those there are now."""
        return (self.known(name) for name in list(self.org.objects) if name.endswith("__c"))

    def known(self, name: str) -> CustomObject:
        """An object's entry, made on first use."""
        if name not in self._known:
            self._made += 1
            self._known[name] = CustomObject(self._made, name)
        return self._known[name]

    def by_id(self, text: str) -> CustomObject:
        """An entry by its id. Raises 404."""
        full = canonical(text)
        found = next((one for one in self if one.id == full), None)
        if found is None:
            raise not_found()
        return found

    def id_of(self, owner_name: str) -> str:
        """What `TableEnumOrId` of a field calls its object: a custom object by its id, others by name."""
        return (
            self.known(owner_name).id if owner_name in self.org.objects and owner_name.endswith("__c") else owner_name
        )

    def make(self, full_name: object, metadata: object) -> CustomObject:
        """Define a new object. Raises 400 for what CustomObject does not take."""
        name, given = _checked(full_name, metadata)
        if self.org.object(name) is not None:
            message = f"That object name is already in use: {name}"
            raise refused(message, "fullName", code="DUPLICATE_DEVELOPER_NAME")
        if sum(1 for _ in self) >= MAX_OBJECTS:
            raise refused("You have reached the maximum number of custom objects", code="LIMIT_EXCEEDED")
        definition = ObjectDef(name, self._prefix(), str(given["label"]).strip(), custom_on=name)
        definition.add([*system_fields(), _name_field(given["nameField"]), owner()])
        empty = Base(array("q"), [], array("q"), array("q"))
        self.org.add_object(definition, empty)
        if given["nameField"]["type"] == "AutoNumber":
            form = _number_form(str(given["nameField"]["displayFormat"]))
            self.org.tables[name].computed["Name"] = lambda place, _now: form.format(place + 1)
        self._grant_administrators(name)
        entry = self.known(name)
        entry.given = given
        return entry

    def change(self, entry: CustomObject, metadata: object) -> None:
        """Give an object another definition; its kind of name stays. Raises 400."""
        _, given = _checked(entry.name, metadata)
        self.org.objects[entry.name].label = str(given["label"]).strip()
        entry.given = given

    def drop(self, entry: CustomObject) -> None:
        """Delete an object with its records."""
        self.org.drop_object(entry.name)
        self._known.pop(entry.name)

    def _prefix(self) -> str:
        """The next free prefix: a01, a02, ..."""
        taken = {kind.prefix for kind in self.org.objects.values()}
        return next(p for a in _LETTERS for b in _LETTERS if (p := f"a{a}{b}") not in taken)

    def _grant_administrators(self, name: str) -> None:
        """Administrators may do everything with every object ("Modify All Data")."""
        permissions = self.org.permissions
        profile = next(iter(sorted(permissions.grants(ADMINISTRATOR).sets)))
        permissions.grant_object(profile, name, OBJECT_RIGHTS)


def _checked(full_name: object, metadata: object) -> tuple[str, dict[str, Any]]:
    """Name and definition, without what is null. Raises 400."""
    name = str(full_name or "")
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME + 3:
        message = (
            f"Object Name: {name or 'null'} must begin with a letter, have only letters, digits and single "
            f"underscores, at most {MAX_NAME} characters, and end in __c"
        )
        raise refused(message, "fullName")
    if not isinstance(metadata, Mapping):
        raise refused("Required fields are missing: [Metadata]", "Metadata", code="REQUIRED_FIELD_MISSING")
    unknown = sorted(set(metadata) - _KNOWN)
    if unknown:
        raise SfError(400, "JSON_PARSER_ERROR", f'Unrecognized field "{unknown[0]}" in CustomObject')
    given = {key: value for key, value in metadata.items() if value is not None}
    for key in ("label", "pluralLabel", "nameField", "sharingModel", "deploymentStatus"):
        if not given.get(key):
            raise refused(f"Must specify a non-empty {key} for the CustomObject", key)
    for key, allowed in _CHOICES.items():
        if given[key] not in allowed:
            message = f"{key}: bad value for restricted picklist field: {given[key]}"
            raise refused(message, key, code="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    _check_name_field(given["nameField"])
    return name, given


def _check_name_field(given: object) -> None:
    if not isinstance(given, Mapping) or given.get("type") not in {"Text", "AutoNumber"}:
        raise refused("nameField must be of type Text or AutoNumber", "nameField")
    if not given.get("label"):
        raise refused("Must specify a non-empty label for the nameField", "nameField")
    if given["type"] == "AutoNumber" and not re.search(r"\{0+\}", str(given.get("displayFormat", ""))):
        raise refused("Must specify a displayFormat such as A-{0000} for an AutoNumber nameField", "displayFormat")


def _name_field(given: Mapping[str, Any]) -> FieldDef:
    if given["type"] == "AutoNumber":
        return fixed("Name", "string", 80, label=given["label"], universal=True, defaulted=True, id_lookup=True)
    # A record without a name of its own is called by its id.
    return make("Name", "string", 80, label=given["label"], universal=True, defaulted=True, id_lookup=True)


def _number_form(display: str) -> str:
    """A display format ("R-{0000}") as one of Python's."""
    return re.sub(r"\{(0+)\}", lambda found: f"{{:0{len(found[1])}d}}", display)
