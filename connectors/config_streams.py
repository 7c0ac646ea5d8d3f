"""Streams that the config describes: for sources whose rows nobody can know beforehand, such as files and tables.

Settings of such a source inherit `StreamSettings` and give `streams` a table of their own, which inherits `StreamTable`
and adds where the rows come from. The map of the source is then what the config says (`FieldMap.of_config`), in place
of a file in `mapping/`. A *ready* map is a file in `mapping/ready/` with the same tables, laid under the config's.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.base import Stream

USAGE = "usage"
"""The record whose rows are events: they are counted by day and person, see `connectors.event_lines`."""
EVENT_FIELDS = ("name", "time", "person", "account", "id")
"""What there is to say about an event; the first three must be said."""
CONST = "const:"
_FIRST_STEP = re.compile(r'"([^"]+)"|([^."\[\]]+)')


class StreamTable(BaseModel):
    """What the config says about one stream, where its rows come from aside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: str = Field(
        description='The kind of common record that a row becomes, such as "account", "contact", "ticket", '
        '"survey_response", "invoice", or "usage" for events; the [common schema](schema.md) has them all.'
    )
    fields: dict[str, Any] = Field(
        description="Field of the record -> column, or any other form of a line in a [field map](mapping.md). "
        'Of events: "name", "time", "person" and, where there are such, "account" and "id", each a column or '
        '"const:...".'
    )
    skip: list[dict[str, Any]] = Field(
        default_factory=list, description="Conditions on rows that are no record at all."
    )
    deleted: list[dict[str, Any]] = Field(
        default_factory=list, description="Conditions on rows that say that their record is gone."
    )
    ignore: list[str] = Field(
        default_factory=lambda: ["*"],
        description="Columns left out on purpose; other columns that are not read are reported as new.",
    )

    @model_validator(mode="after")
    def _events_are_flat(self) -> "StreamTable":
        if self.record != USAGE:
            return self
        for name, line in self.fields.items():
            if name not in EVENT_FIELDS:
                raise ValueError(f"fields.{name[:80]}: an event has {', '.join(EVENT_FIELDS)}")
            if not isinstance(line, str) or not line or line == CONST:
                raise ValueError(f"fields.{name}: must be the name of a column, or 'const:...'")
        missing = [name for name in EVENT_FIELDS[:3] if name not in self.fields]
        if missing:
            raise ValueError(f"fields.{missing[0]}: is missing; every event has {', '.join(EVENT_FIELDS[:3])}")
        if self.skip or self.deleted:
            raise ValueError("events are counted, not kept: they have neither skip nor deleted")
        return self

    def map_table(self) -> dict[str, Any]:
        """The part that a field map understands."""
        table: dict[str, Any] = {"record": self.record, "fields": self.fields, "ignore": self.ignore}
        table |= {"skip": self.skip} if self.skip else {}
        return table | ({"deleted": self.deleted} if self.deleted else {})


class StreamSettings(BaseModel):
    """Settings of a source whose streams stand in the config.

    A subclass narrows `streams` to its own kind of `StreamTable`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ready: str = Field(
        "",
        description="Name of a ready map; each of its lines can be replaced under `streams`, `{}` takes all as it is.",
    )
    streams: Mapping[str, Any]

    def stream_tables(self) -> dict[str, dict[str, Any]]:
        """Stream -> its part of the field map; what makes this source one whose map is in the config."""
        return {name: table.map_table() for name, table in self.streams.items()}

    def as_streams(self, *, optional: bool = False) -> tuple[Stream, ...]:
        """The streams as the rest of the agent knows them, in the order of the config."""
        return tuple(Stream(name, table.record, optional=optional) for name, table in self.streams.items())


def needed(fields: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Field -> the columns of which one must be there."""
    for name, line in fields.items():
        if name == "external_ids" and isinstance(line, Mapping):
            yield from ((f"{name}.{key}", wanted) for key, wanted in needed(line))
        elif wanted := _columns(line):
            yield name, wanted


def _columns(line: Any) -> list[str]:
    if isinstance(line, str):
        step = _FIRST_STEP.match(line)
        return [] if line.startswith(CONST) or step is None else [step[1] or step[2]]
    if isinstance(line, Mapping):
        return _columns(line.get("path", line.get("join")))
    return [column for one in line for column in _columns(one)] if isinstance(line, Sequence) else []
