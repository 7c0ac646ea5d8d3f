"""What only some connectors can do: show what the account has to offer, compare their rights with what is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from connectors.base import FieldSpec, ObjectName

KnownType = Literal["text", "number", "date", "choice", "other"]

_TYPES: Mapping[str, KnownType] = {
    **dict.fromkeys(("string", "textarea", "url", "email", "id", "reference"), "text"),
    **dict.fromkeys(("number", "int", "double", "currency", "percent", "long"), "number"),
    **dict.fromkeys(("date", "datetime"), "date"),
    **dict.fromkeys(("enumeration", "picklist", "multipicklist", "combobox"), "choice"),
}


def known_type(word: str) -> KnownType:
    """A vendor's word for the type of a field in neutral words."""
    return _TYPES.get(word, "other")


@dataclass(frozen=True, slots=True)
class KnownField:
    """A field that records of one stream may have.

    Attributes:
        name: The vendor's name for it.
        label: What people see.
        type: What it holds, in neutral words.
        custom: Whether the account's own people made it.
    """

    name: str
    label: str
    type: KnownType
    custom: bool


@runtime_checkable
class Describes(Protocol):
    """A source that can say which fields its records have."""

    def known_fields(self, stream: str) -> list[KnownField]:
        """Every field of a stream's records that we may read, by name. Costs one call; raises a `ConnectorError`."""
        ...


@runtime_checkable
class Samples(Protocol):
    """A source of events that can show some of them."""

    def sample_events(self) -> Sequence[dict[str, Any]]:
        """Properties of some recent events; empty when there were none. Costs one call; raises a `ConnectorError`."""
        ...


@runtime_checkable
class Weighs(Protocol):
    """A CRM whose `check` compares the rights it was granted with those that this config needs.

    Attributes:
        writes: Kinds of record that are written. At first those of `all_written`, since a connector does not know what
            the config leaves out.
    """

    writes: frozenset[ObjectName]


def all_written(own_fields: Sequence[FieldSpec]) -> frozenset[ObjectName]:
    """What is written unless the config leaves it out: records with fields of ours, and tasks; without any, nothing."""
    always: frozenset[ObjectName] = frozenset({"account", "task"})
    return always | {spec.object for spec in own_fields} if own_fields else frozenset()
