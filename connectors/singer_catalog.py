"""A tap's catalog: what it offers, and what of it we select. After the Singer specification 0.3.0, "Discovery"."""

import copy
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from connectors.errors import MissingPermissionError, ShapeError

Catalog = dict[str, Any]


def checked(found: Any) -> Catalog:
    """A catalog as `--discover` printed it.

    Raises:
        ShapeError: It is none.
    """
    streams = found.get("streams") if isinstance(found, dict) else None
    if not isinstance(streams, list) or not all(isinstance(one, dict) and _name(one) for one in streams):
        raise ShapeError("what the tap printed for --discover is no catalog.", vendor="singer")
    return dict(found)


def names(catalog: Catalog) -> list[str]:
    """The streams that it offers."""
    return [_name(one) for one in catalog["streams"]]


def fields(catalog: Catalog, stream: str) -> set[str]:
    """The fields that a stream has, as far as its schema names them."""
    (found,) = (one for one in catalog["streams"] if _name(one) == stream)
    schema = found.get("schema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return set(properties) if isinstance(properties, dict) else set()


def selected(catalog: Catalog, stream: str, along: Collection[str], wanted: Collection[str]) -> Catalog:
    """The catalog with one stream selected, and those that must come along.

    Args:
        catalog: As the tap printed it.
        stream: Which one we want.
        along: Which others the tap needs for it.
        wanted: Fields that we read of it; empty for all.

    Raises:
        MissingPermissionError: The tap does not offer it; many leave out what the token may not read.
    """
    offered = names(catalog)
    for name in (stream, *along):
        if name not in offered:
            raise MissingPermissionError(
                f"the tap offers no stream {name!r}; it has {', '.join(offered)}.",
                vendor="singer",
                advice="Many taps leave out what the token may not read.",
            )
    made = copy.deepcopy(catalog)
    for one in made["streams"]:
        name = _name(one)
        tops = {path.partition(".")[0].partition("[")[0] for path in wanted} if name == stream else set()
        one["selected"] = name == stream or name in along
        one["metadata"] = list(_metadata(one, tops, is_selected=one["selected"]))
    return made


def _metadata(stream: Mapping[str, Any], wanted: Collection[str], *, is_selected: bool) -> Iterator[dict[str, Any]]:
    """Its metadata, with what we select: fields that are read, and those that the tap always sends."""
    known = [one for one in stream.get("metadata") or () if isinstance(one, dict)]
    by_place = {tuple(one.get("breadcrumb") or ()): dict(one.get("metadata") or {}) for one in known}
    schema = stream.get("schema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    by_place.setdefault((), {})
    for name in properties if isinstance(properties, dict) else ():
        by_place.setdefault(("properties", name), {})
    for place, about in by_place.items():
        if not place:
            about["selected"] = is_selected
        elif len(place) == 2 and about.get("inclusion") not in ("automatic", "unsupported"):
            about["selected"] = is_selected and (not wanted or place[1] in wanted)
        yield {"breadcrumb": list(place), "metadata": about}


def _name(stream: Mapping[str, Any]) -> str:
    """What the tap calls a stream in its messages; the id is for the catalog alone."""
    name = stream.get("stream") or stream.get("tap_stream_id")
    return name if isinstance(name, str) else ""
