"""Which field map a vendor of the config has: one that comes with Holdfast, or one that the config describes."""

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.config import InvalidConfigError, VendorConfig
from mapping.fields import FieldMap, FieldMapError
from mapping.themes import Themes


def field_map_of(vendor: VendorConfig, file: str, where: str, themes: Themes | None = None) -> FieldMap:
    """The field map of a vendor that stands at `where` ("crm", "sources.drop") of a config file.

    Settings with `stream_tables` (see `connectors.config_streams`) bring the whole map; of others it is
    `mapping/<vendor>.toml` with the admin's lines over it.

    Raises:
        FieldMapError: With file and key of the line.
        InvalidConfigError: Lines in a place where this source has none.
    """
    tables = getattr(vendor.settings, "stream_tables", None)
    own = getattr(sys.modules[type(vendor.settings).__module__], "FIELD_MAP", None)
    if tables is None and isinstance(own, str):
        return _brought(vendor, own, file, where, themes)
    if tables is None:
        return FieldMap.load(vendor.type, _overrides(vendor), file=file, prefix=f"{where}.fields", themes=themes)
    if vendor.fields:
        raise InvalidConfigError(
            f"{file}: {where}.fields: what the columns of this source mean stands with each stream, in "
            f"{where}.streams.NAME.fields."
        )
    return FieldMap.of_config(vendor.type, tables(), file=file, prefix=f"{where}.streams", themes=themes)


def _brought(vendor: VendorConfig, text: str, file: str, where: str, themes: Themes | None) -> FieldMap:
    """The map that a connector from outside has with it, with the admin's lines over it."""
    title = Path(vendor.type).name
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfigError(f"{file}: {where}: FIELD_MAP of {title} is not valid TOML: {error}.") from None
    return FieldMap.build(title, table, _overrides(vendor), file=file, prefix=f"{where}.fields", themes=themes)


def with_ready_map(table: Mapping[str, Any], path: Path, where: str) -> dict[str, Any]:
    """A vendor's table of the config laid over the streams of the ready map that it names.

    Raises:
        InvalidConfigError: There is no such map.
    """
    from mapping.fields import ready_map

    own = table.get("streams", {})
    if not isinstance(own, dict):
        return dict(table)
    try:
        shipped = ready_map(str(table["ready"]))
    except FieldMapError as error:
        hint = f" Did you mean {error.nearest!r}?" if error.nearest else ""
        raise InvalidConfigError(f"{path}: {where}.ready = {error.value}: {error.allowed}.{hint}") from None
    return {**table, "streams": _laid(shipped, own)}


def _laid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables as one, key by key; a stream that is switched off, `NAME = ""`, is left out."""
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        both[key] = _laid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return {key: value for key, value in both.items() if not (value == "" and isinstance(below.get(key), dict))}


def _overrides(vendor: VendorConfig) -> dict[str, Any]:
    """What the settings imply for the field map (where Mixpanel keeps the account), then what the admin says."""
    fields: dict[str, Any] = dict(getattr(vendor.settings, "field_overrides", dict)())
    for stream, table in vendor.fields.items():
        fields[stream] = {**fields.get(stream, {}), **table} if isinstance(table, dict) else table
    return fields
