"""Salesforce's kinds of record and their fields: the words. The catalogue itself is `sandbox.salesforce_catalogue`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

FieldType = Literal[
    "id",
    "string",
    "textarea",
    "longtextarea",
    "boolean",
    "double",
    "currency",
    "percent",
    "int",
    "date",
    "datetime",
    "reference",
    "picklist",
    "multipicklist",
    "combobox",
    "email",
    "phone",
    "url",
    "complexvalue",
]

TEXT_TYPES = frozenset({"string", "textarea", "longtextarea", "picklist", "combobox", "email", "phone", "url"})
NUMBER_TYPES = frozenset({"double", "currency", "percent", "int"})
_GROUPABLE = frozenset({"id", "string", "boolean", "int", "date", "reference", "picklist", "email", "phone", "url"})


@dataclass(frozen=True, slots=True)
class FieldDef:
    """One field of a kind of record.

    Attributes:
        name: API name in its own capitals; names are looked up in any.
        type: As describe names it, except "longtextarea": describe shows it as "textarea", and it can be neither
            filtered nor sorted by.
        label: For people.
        length: Most characters, of texts; 0 for other types.
        precision: Digits in all, of numbers.
        scale: Digits after the point.
        values: What a picklist offers, active values only.
        restricted: Whether a picklist refuses other values.
        required: Null is refused on writing.
        defaulted: Filled in by the server when absent on creating (so a required field may be left out).
        default: What it is filled with; the owner and stamps are filled in by the store.
        universal: Always visible, whatever field-level security says (system fields, required ones).
        external_id: Records may be addressed by it.
        unique: No two living records have the same.
        case_sensitive: Whether unique values that differ in capitals alone are different.
        id_lookup: Records may be found by it in an upsert.
        refers_to: Kinds of record a reference may point at.
        relationship: What the parent is called in queries ("Owner", "Account", "Parent").
        calculated: A formula: read-only, and a change of it moves no stamp.
        custom: Made in this org; its name ends in __c.
    """

    name: str
    type: FieldType
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    values: tuple[str, ...] = ()
    restricted: bool = False
    required: bool = False
    defaulted: bool = False
    default: Any = None
    createable: bool = True
    updateable: bool = True
    filterable: bool = True
    sortable: bool = True
    universal: bool = False
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    id_lookup: bool = False
    refers_to: tuple[str, ...] = ()
    relationship: str | None = None
    calculated: bool = False
    custom: bool = False

    @property
    def groupable(self) -> bool:
        """Whether GROUP BY may name it."""
        return self.filterable and self.type in _GROUPABLE

    def changed(self, **changes: Any) -> "FieldDef":
        """A copy with other attributes."""
        return replace(self, **changes)


@dataclass(slots=True)
class ObjectDef:
    """One kind of record.

    Attributes:
        name: API name in its own capitals.
        prefix: First three characters of its ids.
        label: For people.
        queryable: Whether queries may name it.
        bulk: False when the Bulk API refuses it (`INVALIDENTITY`).
        createable: Whether the API makes such records; the same for updateable and deletable.
        mergeable: Whether its records can be merged, so that `MasterRecordId` exists.
        setup: Part of the org's set-up (users, permission sets) rather than of its customers' data.
        custom_on: Where custom fields of it are defined; "Activity" for tasks.
        fields: By their own names, in describe's order. Look names from outside up with `field`.
    """

    name: str
    prefix: str
    label: str
    queryable: bool = True
    bulk: bool = True
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    mergeable: bool = False
    setup: bool = False
    custom_on: str = ""
    fields: dict[str, FieldDef] = field(default_factory=dict)
    _folded: dict[str, FieldDef] = field(default_factory=dict)
    _parents: dict[str, FieldDef] = field(default_factory=dict)

    def add(self, fields: Iterable[FieldDef]) -> None:
        """Take fields in, replacing those of the same name."""
        for one in fields:
            self.fields[one.name] = one
            self._folded[one.name.lower()] = one
            if one.relationship:
                self._parents[one.relationship.lower()] = one

    def drop(self, name: str) -> FieldDef | None:
        """Take a field out; gives it back, None when there was none."""
        found = self.field(name)
        if found is not None:
            del self.fields[found.name], self._folded[found.name.lower()]
            self._parents.pop((found.relationship or "").lower(), None)
        return found

    def field(self, name: str) -> FieldDef | None:
        """The field of that name, in any capitals."""
        return self._folded.get(name.lower())

    def parent(self, relationship: str) -> FieldDef | None:
        """The reference field whose parent is called so ("Account" -> AccountId), in any capitals."""
        return self._parents.get(relationship.lower())

    def __iter__(self) -> Iterator[FieldDef]:
        return iter(self.fields.values())
