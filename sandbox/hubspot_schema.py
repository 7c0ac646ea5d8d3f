"""Property definitions of one kind of record, and what HubSpot lets into them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sandbox.hubspot_catalogue import GROUPS, OPTIONS, PROPERTIES, STAGES
from sandbox.hubspot_errors import Problem, problem

DAY_MS = 86_400_000
TYPES: Mapping[str, tuple[str, ...]] = {
    "string": ("text", "textarea", "html", "phonenumber", "file", "calculation_equation"),
    "number": ("number", "calculation_equation"),
    "date": ("date",),
    "datetime": ("date",),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox"),
    "bool": ("booleancheckbox", "calculation_equation"),
}
"""Property type -> field types it goes with."""
LONGEST_TEXT = 65_536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Property:
    """One property definition; `archived_at` in epoch milliseconds, None while in use.

    `max_length` is a validation rule of the account's for texts; None for none.
    """

    name: str
    label: str
    type: str
    field_type: str
    group: str
    description: str = ""
    options: list[dict[str, Any]] = field(default_factory=list)
    read_only: bool = False
    custom: bool = True
    external: bool = False
    unique: bool = False
    hidden: bool = False
    display_order: int = -1
    form_field: bool = False
    created_at: int = 0
    updated_at: int = 0
    archived_at: int | None = None
    max_length: int | None = None

    @property
    def values(self) -> set[str]:
        """Option values."""
        return {option["value"] for option in self.options}

    def as_json(self) -> dict[str, Any]:
        """As the properties API shows it."""
        shown: dict[str, Any] = {
            "updatedAt": iso(self.updated_at),
            "createdAt": iso(self.created_at),
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": self.options,
            "displayOrder": self.display_order,
            "calculated": False,
            "externalOptions": self.external,
            "archived": self.archived_at is not None,
            "hasUniqueValue": self.unique,
            "hidden": self.hidden,
            "modificationMetadata": {
                "archivable": self.custom,
                "readOnlyDefinition": not self.custom,
                "readOnlyOptions": not self.custom,
                "readOnlyValue": self.read_only,
            },
            "formField": self.form_field,
        }
        if not self.custom:
            shown["hubspotDefined"] = True
        if self.archived_at is not None:
            shown["archivedAt"] = iso(self.archived_at)
        return shown


@dataclass(slots=True)
class Group:
    """A property group."""

    name: str
    label: str
    display_order: int = -1

    def as_json(self) -> dict[str, Any]:
        """As the groups API shows it."""
        return {"archived": False, "name": self.name, "displayOrder": self.display_order, "label": self.label}


class Schema:
    """The properties of one kind of record. Archived ones keep their name.

    Attributes:
        properties: Name -> definition in use.
        archived: Name -> archived definition.
        groups: Name -> group.
    """

    def __init__(self, kind: str, now: int) -> None:
        self.kind = kind
        self.groups = {name: Group(name, label, i) for i, (name, label) in enumerate(GROUPS[kind])}
        self.properties = {row[0]: _built_in(kind, row, now) for row in PROPERTIES[kind]}
        self.archived: dict[str, Property] = {}

    def options_of(self, definition: Property, owners: frozenset[str]) -> set[str] | None:
        """Allowed values of an enumeration; None when anything goes."""
        if definition.name == "hubspot_owner_id":
            return set(owners)
        if definition.name in {"dealstage", "hs_pipeline_stage"}:
            return set(STAGES[self.kind])
        return None if definition.external else definition.values

    def check(
        self, values: Mapping[str, Any], owners: frozenset[str], *, system: bool = False
    ) -> tuple[dict[str, str | None], list[Problem]]:
        """Turn written values into stored ones.

        Args:
            values: Property name -> value as sent.
            owners: Known owner ids.
            system: True lets read-only properties through.

        Returns:
            Stored values (text, None for cleared) and what is wrong.
        """
        stored: dict[str, str | None] = {}
        problems: list[Problem] = []
        for name, value in values.items():
            definition = self.properties.get(name)
            if definition is None:
                problems.append(problem(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
            elif definition.read_only and not system:
                text = f'"{name}" is a read only property; its value cannot be set.'
                problems.append(problem(name, "READ_ONLY_VALUE", text))
            else:
                self._store(definition, value, owners, stored, problems)
        return stored, problems

    def _store(
        self,
        definition: Property,
        value: Any,
        owners: frozenset[str],
        stored: dict[str, str | None],
        problems: list[Problem],
    ) -> None:
        text = as_text(value)
        if not text:
            stored[definition.name] = None
            return
        try:
            if definition.type == "enumeration":
                stored[definition.name] = _enumeration(definition, text, self.options_of(definition, owners))
            else:
                stored[definition.name] = _CONVERTERS[definition.type](text)
                _check_length(text, definition.max_length)
        except Refused as refused:
            problems.append(problem(definition.name, refused.code, str(refused)))


class Refused(Exception):  # noqa: N818 - HubSpot's word for it is not "error": the value was refused
    """A value that a property does not take."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _built_in(kind: str, row: tuple[str, str, str, str, str], now: int) -> Property:
    name, label, kind_of_value, field_type, flags = row
    values = ("true", "false") if kind_of_value == "bool" else OPTIONS.get(name, ())
    custom = "c" in flags
    return Property(
        name=name,
        label=label,
        type=kind_of_value,
        field_type=field_type,
        group=GROUPS[kind][1 if custom else 0][0],
        options=make_options([{"label": v.replace("_", " ").capitalize(), "value": v} for v in values]),
        read_only="r" in flags,
        custom=custom,
        external="x" in flags,
        created_at=now,
        updated_at=now,
    )


def make_options(options: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Fill in what an option may leave out."""
    return [
        {
            "label": str(option["label"]),
            "value": str(option["value"]),
            "description": option.get("description") or "",
            "displayOrder": option.get("displayOrder", position),
            "hidden": bool(option.get("hidden", False)),
        }
        for position, option in enumerate(options)
    ]


def as_text(value: Any) -> str:
    """A JSON scalar as HubSpot stores it; null is the same as empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def iso(ms: int) -> str:
    """Epoch milliseconds as ISO text, always with a fraction."""
    return f"{(_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec='milliseconds')[:-6]}Z"


def without_fraction(text: str) -> str:
    """ISO text without its fraction when that is zero: how HubSpot writes property values."""
    return f"{text[:-5]}Z" if text.endswith(".000Z") else text


def short_iso(ms: int) -> str:
    """Epoch milliseconds as ISO text, without a zero fraction."""
    return without_fraction(iso(ms))


def parse_instant(text: str) -> int:
    """Epoch milliseconds of a number of milliseconds, an ISO instant or an ISO date. Raises `ValueError`."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round((moment - _EPOCH) / timedelta(milliseconds=1))


def _check_length(text: str, most: int | None) -> None:
    if most is not None and len(text) > most:
        raise Refused("INVALID_LENGTH", f"Value is {len(text)} characters long, at most {most} are allowed.")


def _string(text: str) -> str:
    _check_length(text, LONGEST_TEXT)
    return text


def _number(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    # NaN is the one number that differs from itself; infinity minus itself is NaN too.
    if number - number != 0:
        raise Refused("INVALID_INTEGER", f"{text} was not a valid number")
    return text.strip()


def _date(text: str) -> str:
    try:
        ms = parse_instant(text)
        midnight = ms % DAY_MS == 0
        moment = _EPOCH + timedelta(milliseconds=ms)
    except (ValueError, OverflowError):
        raise Refused("INVALID_DATE", f"{text} was not a valid date.") from None
    if not midnight:
        at = f"{moment:%H:%M:%S}.{ms % 1000:03d}".removesuffix(".000")
        raise Refused("INVALID_DATE", f"{text} is at {at} UTC, not midnight!")
    return date.isoformat(moment.date())


def _datetime(text: str) -> str:
    try:
        return short_iso(parse_instant(text))
    except (ValueError, OverflowError):
        raise Refused("INVALID_DATE", f"{text} was not a valid long.") from None


def _bool(text: str) -> str:
    if text not in {"true", "false"}:
        raise Refused("INVALID_OPTION", f"{text} was not one of the allowed options: [true, false]")
    return text


def _enumeration(definition: Property, text: str, allowed: set[str] | None) -> str:
    """Check option values; a leading `;` of a multi-select is kept for the writer, who adds to what is there."""
    values = [v for v in text.split(";") if v] if definition.field_type == "checkbox" else [text]
    for value in values:
        if allowed is not None and value not in allowed:
            raise Refused("INVALID_OPTION", f"{value} was not one of the allowed options: {_shown(definition)}")
    return text


def _shown(definition: Property) -> str:
    return str([f"label: {o['label']}, value: {o['value']}" for o in definition.options[:20]])


_CONVERTERS: Mapping[str, Callable[[str], str]] = {
    "string": _string,
    "number": _number,
    "date": _date,
    "datetime": _datetime,
    "bool": _bool,
}


def add_options(definition: Property, before: str | None, text: str) -> str:
    """A written multi-select value: `a;b` replaces what was there, `;c` adds to it; kept in option order."""
    chosen = {v for v in text.split(";") if v}
    if text.startswith(";") and before:
        chosen |= set(before.split(";"))
    order = {option["value"]: i for i, option in enumerate(definition.options)}
    return ";".join(sorted(chosen, key=lambda v: (order.get(v, len(order)), v)))
