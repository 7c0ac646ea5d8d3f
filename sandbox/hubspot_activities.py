"""The world's e-mails, calls and meetings as HubSpot's activities: ids, property values, and whom they hang on."""

from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from sandbox.core import hubspot_company_id, hubspot_contact_id
from sandbox.hubspot_render import Base, Bases, Renderer, owner_id, to_ms
from sandbox.hubspot_schema import short_iso
from sandbox.hubspot_types import LINK_TYPES
from sandbox.model import Touch

Targets = dict[int, tuple[int, ...]]

KINDS: Mapping[str, tuple[str, int]] = {
    "emails": ("email", 70_000_000_000),
    "calls": ("call", 80_000_000_000),
    "meetings": ("meeting", 90_000_000_000),
}
"""Kind of record -> what the world calls it, and where its ids start."""


def activity_id(kind: str, world_id: int) -> int:
    """HubSpot's id of a world touch."""
    return KINDS[kind][1] + 29 * world_id


class Activities:
    """The activities of a world, worked out when first asked for.

    Args:
        bases: The joins of the same world.
    """

    def __init__(self, bases: Bases) -> None:
        self.bases = bases

    @cached_property
    def of_kind(self) -> dict[str, list[Touch]]:
        """Kind of record -> touches in the order of their ids."""
        found: dict[str, list[Touch]] = {kind: [] for kind in KINDS}
        names = {word: kind for kind, (word, _) in KINDS.items()}
        for touch in sorted(self.bases.world.touches, key=lambda touch: touch.id):
            found[names[touch.kind]].append(touch)
        return found

    def base(self, kind: str) -> Base:
        """The world's part of a table. A record is changed by whoever opens the e-mail."""
        items = self.of_kind[kind]
        created = array("q", (to_ms(touch.made_at) for touch in items))
        changes = {place: seen for place, touch in enumerate(items) if (seen := _seen(touch))}
        ids = array("q", (activity_id(kind, touch.id) for touch in items))
        return Base(ids, list(items), created, created[:], changes, RENDERERS[kind])

    def links(self) -> dict[tuple[str, str], Callable[[Any], Targets]]:
        """(from, to) -> how to find what a world object is associated with."""
        found: dict[tuple[str, str], Callable[[Any], Targets]] = {}
        for kind in KINDS:
            company, contact = (LINK_TYPES[kind, to][0].id for to in ("companies", "contacts"))
            found[kind, "companies"] = _to_company(company)
            found[kind, "contacts"] = _to_contact(contact, self.bases)
            for to, by in (("companies", self._by_company), ("contacts", self._by_person)):
                found[to, kind] = self._back(kind, LINK_TYPES[to, kind][0].id, by)
        return found

    @cached_property
    def _companies(self) -> dict[tuple[str, int], list[int]]:
        return _grouped(((kind, touch.company_id), touch.id) for kind, some in self.of_kind.items() for touch in some)

    @cached_property
    def _persons(self) -> dict[tuple[str, int], list[int]]:
        return _grouped(((kind, touch.person_id), touch.id) for kind, some in self.of_kind.items() for touch in some)

    def _by_company(self, kind: str, world_id: int) -> list[int]:
        return self._companies.get((kind, world_id), [])

    def _by_person(self, kind: str, world_id: int) -> list[int]:
        return self._persons.get((kind, world_id), [])

    @staticmethod
    def _back(kind: str, type_id: int, by: Callable[[str, int], list[int]]) -> Callable[[Any], Targets]:
        return lambda item: {activity_id(kind, one): (type_id,) for one in by(kind, item.id)}


def _to_company(type_id: int) -> Callable[[Any], Targets]:
    return lambda touch: {hubspot_company_id(touch.company_id): (type_id,)}


def _to_contact(type_id: int, bases: Bases) -> Callable[[Any], Targets]:
    return lambda touch: {hubspot_contact_id(touch.person_id): (type_id,)} if touch.person_id in bases.people else {}


def _grouped(pairs: Iterable[tuple[tuple[str, int], int]]) -> dict[tuple[str, int], list[int]]:
    found: dict[tuple[str, int], list[int]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _seen(touch: Touch) -> tuple[int, ...]:
    moments = {*touch.opened, *([touch.clicked_at] if touch.clicked_at else [])}
    return tuple(sorted(map(to_ms, moments)))


def _opens(touch: Touch, now: int) -> str | None:
    """A tracked e-mail that nobody has opened has no count, not one of 0."""
    return str(sum(to_ms(moment) <= now for moment in touch.opened) or "") or None


def _clicks(touch: Touch, now: int) -> str | None:
    return "1" if touch.clicked_at is not None and to_ms(touch.clicked_at) <= now else None


def _outcome(touch: Touch, now: int) -> str:
    if to_ms(touch.at) > now:
        return "SCHEDULED"
    return "COMPLETED" if touch.done else ("NO_SHOW", "CANCELED")[touch.id % 2]


_SHARED: Mapping[str, Renderer] = {
    "hs_timestamp": lambda t, _: short_iso(to_ms(t.at)),
    "hubspot_owner_id": lambda t, _: str(owner_id(t.owner_id)),
}
RENDERERS: Mapping[str, Mapping[str, Renderer]] = {
    "emails": {
        **_SHARED,
        "hs_email_direction": lambda t, _: "INCOMING_EMAIL" if t.inbound else "EMAIL",
        "hs_email_status": lambda _t, _: "SENT",
        "hs_email_subject": lambda t, _: f"Private words {t.id}",
        "hs_email_text": lambda t, _: f"Private words of a whole letter {t.id}",
        "hs_email_tracker_key": lambda t, _: f"00000000-0000-4000-8000-{t.id:012d}" if t.tracked else None,
        "hs_email_open_count": _opens,
        "hs_email_click_count": _clicks,
    },
    "calls": {
        **_SHARED,
        "hs_call_title": lambda t, _: f"Private words {t.id}",
        "hs_call_direction": lambda t, _: "INBOUND" if t.inbound else "OUTBOUND",
        "hs_call_status": lambda t, _: "COMPLETED" if t.done else "NO_ANSWER",
    },
    "meetings": {
        **_SHARED,
        "hs_meeting_title": lambda t, _: f"Private words {t.id}",
        "hs_meeting_start_time": lambda t, _: short_iso(to_ms(t.at)),
        "hs_meeting_outcome": _outcome,
    },
}
"""Kind of record -> how its properties follow from a touch."""
