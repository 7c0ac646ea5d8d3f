"""Segments that come with the program: a card takes them by name, each with the one follow-up that answers it."""

import copy
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Any

from scoring import bounded
from scoring.errors import CardError, nearest

LEVELS = ("account", "contact")


@lru_cache(maxsize=1)
def library() -> Mapping[str, Any]:
    """The tables of `segment_library.toml`."""
    text = resources.files("scoring").joinpath("segment_library.toml").read_text("utf-8")
    return bounded.loads(text, parse_float=Decimal)


def names(level: str) -> tuple[str, ...]:
    """Segments of a level that a card can take."""
    return tuple(library().get(level, {}).get("segments", {}))


def with_library(data: dict[str, Any]) -> dict[str, Any]:
    """A card's tables with the segments that it takes by `use` written out, in place.

    What answers a segment comes along as a trigger of its name, unless the card has one of that name itself.

    Raises:
        CardError: A name that the library does not have, or one that the card writes out itself.
    """
    for level in LEVELS:
        part = data.get(level)
        wanted = part.get("use") if isinstance(part, dict) else None
        if not isinstance(part, dict) or not isinstance(wanted, list):
            continue
        for name in wanted:
            _take(data, part, level, name)
    return data


def _take(data: dict[str, Any], part: dict[str, Any], level: str, name: object) -> None:
    key, known = f"{level}.use", names(level)
    if not isinstance(name, str) or name not in known:
        raise CardError(f"unknown segment {name!r} of the library{nearest(str(name), known)}", key=key)
    segments, triggers = part.setdefault("segments", {}), data.setdefault("triggers", {})
    if not isinstance(segments, dict) or not isinstance(triggers, dict):
        return  # the model says what is wrong with these
    if name in segments:
        raise CardError(f"{name!r} is written out in {level}.segments too: take it, or write it", key=key)
    segments[name] = copy.deepcopy(library()[level]["segments"][name])
    if level == "account" and name in library()["triggers"]:
        triggers.setdefault(name, copy.deepcopy(library()["triggers"][name]))
