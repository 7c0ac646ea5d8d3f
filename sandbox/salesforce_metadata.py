"""Custom fields as the Tooling API describes them: `Metadata` to `FieldDef` and back.

Types and their attributes follow Salesforce's public reference of the metadata type CustomField: what a type needs
("Must specify 'length' for a CustomField of type Text"), what it may not have, and the ranges. Picklist values are
taken with `fullName` or `valueName`, both of which are in use for creating, and shown with `valueName`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.salesforce_errors import SfError, json_error
from sandbox.salesforce_types import FieldDef, FieldType

MAX_LABEL = 40
MAX_NAME = 40
MAX_VALUES = 1000
"""Values of a picklist of its own."""

_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
_NAME_RULE = (
    "The Field Name can only contain underscores and alphanumeric characters. It must be unique, begin with a letter, "
    "not include spaces, not end with an underscore, and not contain two consecutive underscores."
)
_COMMON = frozenset(
    {
        "type", "label", "description", "inlineHelpText", "required", "externalId", "unique", "caseSensitive",
        "trackHistory", "trackFeedHistory", "trackTrending", "defaultValue", "businessStatus", "complianceGroup",
        "securityClassification",
    }
)  # fmt: skip
_OWN = frozenset({"length", "precision", "scale", "visibleLines", "valueSet"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of custom field.

    Attributes:
        stored: Type of field it makes.
        needs: Attributes to give.
        ranges: Attribute -> least and most.
        length: Fixed length, 0 when `length` says it.
        key: Whether it may be an external id or unique.
    """

    stored: FieldType
    needs: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[int, int]] | None = None
    length: int = 0
    key: bool = False


_DIGITS: dict[str, tuple[int, int]] = {"precision": (1, 18), "scale": (0, 17)}
KINDS: Mapping[str, Kind] = {
    "Number": Kind("double", ("precision", "scale"), _DIGITS, key=True),
    "Percent": Kind("percent", ("precision", "scale"), _DIGITS),
    "Currency": Kind("currency", ("precision", "scale"), _DIGITS),
    "Text": Kind("string", ("length",), {"length": (1, 255)}, key=True),
    "TextArea": Kind("textarea", length=255),
    "LongTextArea": Kind(
        "longtextarea", ("length", "visibleLines"), {"length": (256, 131_072), "visibleLines": (2, 50)}
    ),
    "Html": Kind("longtextarea", ("length", "visibleLines"), {"length": (256, 131_072), "visibleLines": (10, 50)}),
    "Checkbox": Kind("boolean", ("defaultValue",)),
    "Date": Kind("date"),
    "DateTime": Kind("datetime"),
    "Picklist": Kind("picklist", ("valueSet",), length=255),
    "MultiselectPicklist": Kind("multipicklist", ("valueSet", "visibleLines"), {"visibleLines": (3, 10)}, length=4099),
    "Url": Kind("url", length=255),
    "Email": Kind("email", length=80, key=True),
    "Phone": Kind("phone", length=40),
}
"""`Metadata.type` -> what it makes."""


def refused(message: str, *fields: str, code: str = "FIELD_INTEGRITY_EXCEPTION") -> SfError:
    """400: a definition that does not hold together."""
    return SfError(400, code, message, fields)


def split_name(full_name: object) -> tuple[str, str]:
    """Object and developer name of a full name: Account and Our_Field of "Account.Our_Field__c".

    Raises:
        SfError: 400 for a missing or malformed name.
    """
    if not full_name:
        raise refused("Required fields are missing: [FullName]", "FullName", code="REQUIRED_FIELD_MISSING")
    parts = str(full_name).split(".")
    if len(parts) != 2 or not parts[1].endswith("__c"):
        raise refused(f"Field Name: {_NAME_RULE}", "FullName")
    name = parts[1].removesuffix("__c")
    if not _NAME.fullmatch(name):
        raise refused(f"Field Name: {_NAME_RULE}", "DeveloperName")
    if len(name) > MAX_NAME:
        message = f"Field Name: data value too large: {name} (max length={MAX_NAME})"
        raise refused(message, "DeveloperName", code="STRING_TOO_LONG")
    return parts[0], name


def parse(name: str, metadata: object) -> tuple[FieldDef, dict[str, Any]]:
    """A field and its cleaned metadata.

    Args:
        name: API name of the field, "__c" included.
        metadata: `Metadata` as sent.

    Raises:
        SfError: 400 for what CustomField does not take.
    """
    if not isinstance(metadata, Mapping) or not metadata:
        raise refused("Required fields are missing: [Metadata]", "Metadata", code="REQUIRED_FIELD_MISSING")
    unknown = sorted(set(metadata) - _COMMON - _OWN)
    if unknown:
        raise json_error(f'Unrecognized field "{unknown[0]}" in Metadata')
    given = {key: value for key, value in metadata.items() if value is not None}
    kind = KINDS.get(str(given.get("type", "")))
    if kind is None:
        raise refused(f"Type: bad value for restricted picklist field: {given.get('type')}", "type",
                      code="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")  # fmt: skip
    _check_label(given)
    _check_attributes(given, kind)
    return _field(name, given, kind), given


def _check_label(given: Mapping[str, Any]) -> None:
    label = given.get("label")
    if not isinstance(label, str) or not label.strip():
        raise refused("Required fields are missing: [Label]", "Label", code="REQUIRED_FIELD_MISSING")
    if len(label) > MAX_LABEL:
        message = f"Label: data value too large: {label} (max length={MAX_LABEL})"
        raise refused(message, "Label", code="STRING_TOO_LONG")


def _check_attributes(given: dict[str, Any], kind: Kind) -> None:
    name = given["type"]
    missing = next((key for key in kind.needs if key not in given), None)
    if missing:
        raise refused(f"Must specify '{missing}' for a CustomField of type {name}", missing)
    if _flag(given, "caseSensitive") and not (_flag(given, "unique") or _flag(given, "externalId")):
        raise refused("Can not specify 'caseSensitive' for a CustomField that is not unique", "caseSensitive")
    foreign = next((key for key in sorted(_OWN & set(given)) if key not in kind.needs), None)
    if foreign:
        raise refused(f"Can not specify '{foreign}' for a CustomField of type {name}", foreign)
    for key in ("externalId", "unique"):
        if _flag(given, key) and not kind.key:
            raise refused(f"Can not specify '{key}' for a CustomField of type {name}", key)
    for key, (least, most) in (kind.ranges or {}).items():
        given[key] = _in_range(given[key], key, least, most)
    if given.get("scale", 0) > given.get("precision", 18):
        raise refused("Scale: scale must not be greater than precision", "scale")


def _in_range(value: object, key: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not str(value).isdigit():
        raise json_error(f"Cannot deserialize instance of int from VALUE_STRING value {value}")
    if not least <= int(str(value)) <= most:
        raise refused(f"{key}: must be between {least} and {most}, was {value}", key)
    return int(str(value))


def _flag(given: Mapping[str, Any], key: str) -> bool:
    """True, or the word for it."""
    return str(given.get(key, False)).lower() == "true"


def _field(name: str, given: Mapping[str, Any], kind: Kind) -> FieldDef:
    values = _values(given["valueSet"]) if "valueSet" in given else ()
    area = kind.stored in {"textarea", "longtextarea"}
    key = _flag(given, "externalId") or _flag(given, "unique")
    checkbox = kind.stored == "boolean"
    return FieldDef(
        name,
        kind.stored,
        given["label"].strip(),
        length=kind.length or given.get("length", 0),
        precision=given.get("precision", 0),
        scale=given.get("scale", 0),
        values=values,
        restricted=bool(values) and _flag(given["valueSet"], "restricted"),
        required=_flag(given, "required") and not checkbox,
        universal=_flag(given, "required"),
        defaulted=checkbox,
        default=_flag(given, "defaultValue") if checkbox else None,
        filterable=not area,
        sortable=not area and kind.stored != "multipicklist",
        external_id=_flag(given, "externalId"),
        unique=_flag(given, "unique"),
        case_sensitive=_flag(given, "caseSensitive"),
        id_lookup=key,
        custom=True,
    )


def _values(value_set: object) -> tuple[str, ...]:
    """The active values of a picklist, in order."""
    definition = value_set.get("valueSetDefinition") if isinstance(value_set, Mapping) else None
    rows = definition.get("value") if isinstance(definition, Mapping) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise refused("Required fields are missing: [valueSet.valueSetDefinition]", "valueSet",
                      code="REQUIRED_FIELD_MISSING")  # fmt: skip
    names = [_value_name(row) for row in rows if _flag({"isActive": True, **_set(row)}, "isActive")]
    repeated = next((n for n in names if [m.lower() for m in names].count(n.lower()) > 1), None)
    if repeated is not None:
        raise refused(f"Duplicate value: {repeated}", "valueSet", code="DUPLICATE_VALUE")
    if len(names) > MAX_VALUES:
        raise refused(f"A picklist holds at most {MAX_VALUES} values", "valueSet", code="LIMIT_EXCEEDED")
    return tuple(names)


def _set(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


def _value_name(row: Mapping[str, Any]) -> str:
    name = row.get("fullName") or row.get("valueName") or row.get("label")
    if not isinstance(name, str) or not name.strip():
        raise refused("Required fields are missing: [fullName]", "valueSet", code="REQUIRED_FIELD_MISSING")
    if len(name) > 255:
        message = f"API Name: data value too large: {name} (max length=255)"
        raise refused(message, "valueSet", code="STRING_TOO_LONG")
    return name.strip()


def show(field: FieldDef, given: Mapping[str, Any]) -> dict[str, Any]:
    """`Metadata` as the Tooling API gives it back; values that were left out of an update are gone (inactive)."""
    shown: dict[str, Any] = {
        "description": None,
        "externalId": False,
        "inlineHelpText": None,
        "required": False,
        "unique": False,
        "length": None,
        "precision": None,
        "scale": None,
        "visibleLines": None,
        "defaultValue": None,
        **given,
    }
    if field.values:
        rows = [{"color": None, "default": False, "description": None, "isActive": None, "label": value,
                 "urls": None, "valueName": value} for value in field.values]  # fmt: skip
        definition = {"sorted": False, "value": rows}
        shown["valueSet"] = {"controllingField": None, "restricted": field.restricted,
                             "valueSetDefinition": definition, "valueSetName": None, "valueSettings": []}  # fmt: skip
    return shown
