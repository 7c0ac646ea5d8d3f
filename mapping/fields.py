"""Turns vendor rows into common records, by a table: one TOML file a vendor, any line of it overridden in the config."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mapping.mapped import EventMap, FieldMapError, Mapped, Reject

__all__ = ["EventMap", "FieldMap", "FieldMapError", "Mapped", "Reject"]


class FieldMap:
    """What the rows of one vendor mean. Immutable and safe to share between threads."""

    vendor: str
    streams: tuple[str, ...]

    @classmethod
    def load(
        cls,
        vendor: str,
        overrides: Mapping[str, Any] | None = None,
        *,
        file: str = "config",
        prefix: str | None = None,
    ) -> "FieldMap":
        """Read `mapping/<vendor>.toml` and lay the admin's overrides (stream -> field -> spec) over it.

        `file` and `prefix` (default "sources.<vendor>.fields") say in errors where the overrides came from.
        Raises `FieldMapError`.
        """
        raise NotImplementedError

    def record(self, stream: str) -> str:
        """The kind of common record that rows of this stream become."""
        raise NotImplementedError

    def paths(self, stream: str) -> list[str]:
        """Vendor fields to ask for, sorted: property names for vendors that send only what is asked for."""
        raise NotImplementedError

    def events(self) -> EventMap | None:
        """Where to find things in exported events; None when the vendor sends none."""
        raise NotImplementedError

    def apply(self, source: str, stream: str, rows: Sequence[Any], now: datetime) -> Mapped:
        """Map one page. Never raises for a row's sake; the outcome of a row does not depend on its neighbours."""
        raise NotImplementedError
