"""Turns vendor rows into common records by a table: one TOML file a vendor, any line of it overridden in the config."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mapping import spec
from mapping.mapped import EventMap, FieldMapError, Mapped, Reject
from mapping.page import Page, Stream
from mapping.themes import Themes, shipped

__all__ = ["EventMap", "FieldMap", "FieldMapError", "Mapped", "Reject"]

_FOLDER = Path(__file__).parent
_READY = _FOLDER / "ready"
_EVENTS = "events"
_USAGE = "usage"
_NO_VENDORS = frozenset({"themes"})
"""Files beside the vendors' that are something else."""


CONFIG_EVENTS = EventMap(
    name="name",
    time="time",
    person="person",
    distinct_id="person",
    account="account",
    insert_id="id",
    arrived="arrived",
    device="device",
    device_prefix="$device:",
)
"""Where things are in the events of a source whose streams stand in the config: its connector names them so."""


class FieldMap:
    """What the rows of one vendor mean. Immutable and safe to share between threads.

    Attributes:
        vendor: Whose rows.
        streams: The streams it knows, those of exported events aside.
        themes: What texts are looked through for.
    """

    def __init__(
        self, vendor: str, streams: Mapping[str, Stream], events: EventMap | None, themes: Themes | None = None
    ) -> None:
        self.vendor = vendor
        self.themes = themes or shipped()
        self.streams = tuple(streams)
        self._streams = dict(streams)
        self._events = events

    @classmethod
    def load(
        cls,
        vendor: str,
        overrides: Mapping[str, Any] | None = None,
        *,
        file: str = "config",
        prefix: str | None = None,
        themes: Themes | None = None,
    ) -> "FieldMap":
        """Read `mapping/<vendor>.toml` and lay the admin's overrides (stream -> field -> spec) over it.

        `file` and `prefix` (default "sources.<vendor>.fields") say in errors where the overrides came from; `themes` is
        what texts are looked through for, left out: the lists that come with Holdfast. Raises `FieldMapError`.
        """
        return cls.build(vendor, _shipped(vendor), overrides, file=file, prefix=prefix, themes=themes)

    @classmethod
    def build(
        cls,
        vendor: str,
        table: Mapping[str, Any],
        overrides: Mapping[str, Any] | None = None,
        *,
        file: str = "config",
        prefix: str | None = None,
        themes: Themes | None = None,
    ) -> "FieldMap":
        """Like `load`, from a table in hand, for connectors that live outside this project."""
        own = spec.Place(f"{vendor}.toml", "")
        over = spec.Place(file, f"sources.{vendor}.fields" if prefix is None else prefix)
        layers = over.table({} if overrides is None else overrides, list(table))
        for name, layer in layers.items():
            over.at(name).table(layer)
        specs = {
            name: spec.stream(own.at(name), part, layers.get(name, {}), over.at(name))
            for name, part in table.items()
            if name != _EVENTS
        }
        streams = {name: Stream(one if themes is None else spec.themed(one, themes)) for name, one in specs.items()}
        events = None
        if _EVENTS in table:
            events = spec.events(own.at(_EVENTS), table[_EVENTS], layers.get(_EVENTS, {}), over.at(_EVENTS))
        return cls(vendor, streams, events, themes)

    @classmethod
    def of_config(
        cls, vendor: str, tables: Mapping[str, Any], *, file: str, prefix: str, themes: Themes | None = None
    ) -> "FieldMap":
        """The map of a source whose streams stand in the config, at `prefix` ("sources.drop.streams") of `file`.

        Streams of events need no map: their connector writes them as `CONFIG_EVENTS` says. Raises `FieldMapError` with
        the key below `prefix`.
        """
        place = spec.Place(file, prefix)
        events = [
            name for name, table in tables.items() if isinstance(table, Mapping) and table.get("record") == _USAGE
        ]
        specs = {
            name: spec.stream(place.at(name), _with_opinion(table), {}, place.at(name).at("fields"))
            for name, table in tables.items()
            if name not in events
        }
        streams = {name: Stream(one if themes is None else spec.themed(one, themes)) for name, one in specs.items()}
        return cls(vendor, streams, CONFIG_EVENTS if events else None, themes)

    def _stream(self, name: str) -> Stream:
        if name not in self._streams:
            allowed = f"{self.vendor} has {', '.join(self.streams)}"
            raise FieldMapError(
                file=f"{self.vendor}.toml", key="stream", value=name, allowed=allowed, names=self.streams
            )
        return self._streams[name]

    def record(self, stream: str) -> str:
        """The kind of common record that rows of this stream become."""
        return self._stream(stream).spec.record

    def paths(self, stream: str) -> list[str]:
        """Vendor fields to ask for, sorted, for vendors that send only what is asked for.

        Property names; fields of a parent as dotted paths, such as "Opportunity.AccountId".
        """
        return self._stream(stream).asked()

    def keys(self, stream: str) -> tuple[list[str], str]:
        """Keys of a row that the map reads, "base.key" for those below the base, and the base ("" when there is none).

        Side tables that a connector adds are left out.
        """
        known = self._stream(stream)
        base = known.spec.base or ""
        above = [key for key in known.read if key != base and not key.startswith("_")]
        return sorted([*above, *(f"{base}.{key}" for key in known.base_read)]), base

    def events(self) -> EventMap | None:
        """Where to find things in exported events; None when the vendor sends none."""
        return self._events

    def apply(self, source: str, stream: str, rows: Sequence[Any], now: datetime) -> Mapped:
        """Map one page. Never raises for a row's sake; the outcome of a row does not depend on its neighbours."""
        return Page(self._stream(stream), source, stream, now).run(rows)


def _with_opinion(table: Any) -> Any:
    """Answers of which the config says the score alone are content or not by their scale, as forms' answers are."""
    if not isinstance(table, Mapping) or table.get("record") != "survey_response":
        return table
    fields = table.get("fields")
    if not isinstance(fields, Mapping) or "satisfied" in fields or not isinstance(score := fields.get("score"), str):
        return table
    return {**table, "fields": {**fields, "satisfied": {"path": score, "as": "by_score"}}}


def vendors() -> list[str]:
    """Vendors with a shipped field map, sorted."""
    return sorted({path.stem for path in _FOLDER.glob("*.toml")} - _NO_VENDORS)


def ready_maps() -> list[str]:
    """Names of the ready maps for sources whose streams stand in the config, sorted."""
    return sorted(path.stem for path in _READY.glob("*.toml"))


def ready_map(name: str) -> dict[str, Any]:
    """The tables of a ready map, by stream: what would otherwise stand under `streams` in the config.

    Raises:
        FieldMapError: There is none of this name.
    """
    if name not in ready_maps():
        allowed = f"there are ready maps for {', '.join(ready_maps())}"
        raise FieldMapError(file="mapping/ready", key="ready", value=name, allowed=allowed, names=ready_maps())
    return tomllib.loads((_READY / f"{name}.toml").read_text(encoding="utf-8"))


def _shipped(vendor: str) -> dict[str, Any]:
    if vendor not in vendors():
        allowed = f"there are field maps for {', '.join(vendors())}"
        raise FieldMapError(file="mapping", key="vendor", value=vendor, allowed=allowed, names=vendors())
    return tomllib.loads((_FOLDER / f"{vendor}.toml").read_text(encoding="utf-8"))
