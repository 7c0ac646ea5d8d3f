"""Associations between records: the world's, worked out on demand, until somebody changes those of a record."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.core import hubspot_company_id, hubspot_contact_id
from sandbox.hubspot_activities import Activities
from sandbox.hubspot_errors import validation
from sandbox.hubspot_render import Bases, deal_id, feedback_id, ticket_id
from sandbox.hubspot_types import LINK_TYPES, REVERSE, LinkType

if TYPE_CHECKING:
    from sandbox.hubspot_portal import Portal

Targets = dict[int, tuple[int, ...]]
"""Record id -> association type ids, the primary one first."""

IN_LIST = 100
"""Most associations per record and kind that a list of records carries."""
_PRIMARY_TYPES = frozenset({1, 2, 5, 6, 26, 25})


class Links:
    """All associations of a portal.

    Args:
        portal: Whose records they join.
        bases: The world's joins.
        activities: Its e-mails, calls and meetings.
    """

    def __init__(self, portal: "Portal", bases: Bases, activities: Activities) -> None:
        self.portal = portal
        self._world = {**_world_links(bases), **activities.links()}
        self._changed: dict[tuple[str, int, str], Targets] = {}
        self._made: dict[tuple[str, int, str, int], int] = {}

    def get(self, kind: str, record_id: int, to: str) -> Targets:
        """What a record is associated with, records that are gone left out."""
        changed = self._changed.get((kind, record_id, to))
        found = self._from_world(kind, record_id, to) if changed is None else changed
        alive, now = self.portal.tables[to].alive, self.portal.now
        return {i: types for i, types in found.items() if alive(i, now)}

    def shown(self, kind: str, record_id: int, to: str) -> Targets:
        """The same as reads show it: new associations only once the account's lag has passed."""
        found = self.get(kind, record_id, to)
        seen = self.portal.now - round(self.portal.options.association_lag * 1000)
        return {i: types for i, types in found.items() if self._made.get((kind, record_id, to, i), seen) <= seen}

    def linked(self, kind: str, record_id: int, to: str) -> list[int]:
        """Ids of the records of kind `to` that a record is associated with."""
        return list(self.shown(kind, record_id, to)) if (kind, to) in LINK_TYPES else []

    def _from_world(self, kind: str, record_id: int, to: str) -> Targets:
        find = self._world.get((kind, to))
        table = self.portal.tables[kind]
        place = table.position(record_id)
        if find is None or place is None or table.items[place] is None:
            return {}
        return find(table.items[place])

    def _editable(self, kind: str, record_id: int, to: str) -> Targets:
        key = (kind, record_id, to)
        if key not in self._changed:
            self._changed[key] = dict(self._from_world(kind, record_id, to))
        return self._changed[key]

    def add(self, kind: str, record_id: int, to: str, to_id: int, types: tuple[int, ...]) -> None:
        """Associate two records, in both directions; a labelled type brings the unlabelled one along."""
        if not _PRIMARY_TYPES.isdisjoint(types):
            self._drop_primary(kind, record_id, to, to_id)
        defined = [t.id for t in LINK_TYPES[kind, to]]
        wanted = set(types) | ({defined[1]} if len(defined) > 1 else set())
        there = self._editable(kind, record_id, to)
        if to_id not in there:
            self._made[kind, record_id, to, to_id] = self._made[to, to_id, kind, record_id] = self.portal.now
        kept = wanted | set(there.get(to_id, ()))
        there[to_id] = tuple(i for i in defined if i in kept)
        self._editable(to, to_id, kind)[record_id] = tuple(REVERSE[i] for i in there[to_id])

    def _drop_primary(self, kind: str, record_id: int, to: str, to_id: int) -> None:
        """A contact, deal or ticket has one primary company: take the label off the earlier one."""
        (one, one_id), other = ((to, to_id), record_id) if kind == "companies" else ((kind, record_id), to_id)
        primary = LINK_TYPES[one, "companies"][0].id
        for company, types in list(self._editable(one, one_id, "companies").items()):
            if company != other and primary in types:
                rest = tuple(i for i in types if i != primary)
                self._editable(one, one_id, "companies")[company] = rest
                self._editable("companies", company, one)[one_id] = tuple(REVERSE[i] for i in rest)

    def remove(self, kind: str, record_id: int, to: str, to_id: int, types: tuple[int, ...] = ()) -> None:
        """Take types off an association, or all of it when none are named."""
        there = self._editable(kind, record_id, to)
        rest = tuple(i for i in there.get(to_id, ()) if i not in types) if types else ()
        back = self._editable(to, to_id, kind)
        if rest:
            there[to_id], back[record_id] = rest, tuple(REVERSE[i] for i in rest)
        else:
            there.pop(to_id, None)
            back.pop(record_id, None)

    def move(self, kind: str, loser: int, winner: int) -> None:
        """Hang everything that a merged-away record was associated with on the winner; its own primaries stay."""
        for one, to in LINK_TYPES:
            if one == kind:
                for target, types in self.get(kind, loser, to).items():
                    has_primary = kind != "companies" and any(
                        not _PRIMARY_TYPES.isdisjoint(t) for t in self.get(kind, winner, to).values()
                    )
                    kept = tuple(i for i in types if not (has_primary and i in _PRIMARY_TYPES)) or types[-1:]
                    self.remove(kind, loser, to, target)
                    self.add(kind, winner, to, target, kept)

    def in_list(self, kind: str, record_id: int, to: str, page: str) -> dict[str, Any] | None:
        """The `associations` entry of a listed record: one row a type, None when there is nothing.

        Args:
            kind: The record's kind.
            record_id: The record.
            to: The kind of the others.
            page: URL of the association list that a long entry goes on in.
        """
        targets = self.shown(kind, record_id, to)
        if not targets:
            return None
        names = {t.id: t.name for t in LINK_TYPES[kind, to]}
        shown = sorted(targets)[: IN_LIST + 1]
        rows = [{"id": str(i), "type": names[t]} for i in shown[:IN_LIST] for t in targets[i]]
        entry: dict[str, Any] = {"results": rows}
        if len(shown) > IN_LIST:
            entry["paging"] = {"next": {"after": str(shown[IN_LIST]), "link": f"{page}?after={shown[IN_LIST]}"}}
        return entry

    @staticmethod
    def spec(kind: str, to: str, type_id: int) -> LinkType:
        """The type with that id in that direction. Raises 400 when it belongs to another pair or direction."""
        for link in LINK_TYPES.get((kind, to), ()):
            if link.id == type_id:
                return link
        raise validation(f"Association type {type_id} is not valid between {kind} and {to}, in this direction")

    @staticmethod
    def target_kind(kind: str, type_id: int) -> str:
        """Where an association type leads from this kind. Raises 400 when it does not start there."""
        for (one, to), types in LINK_TYPES.items():
            if one == kind and any(link.id == type_id for link in types):
                return to
        raise validation(f"Association type {type_id} does not start at {kind}")


def _world_links(bases: Bases) -> Mapping[tuple[str, str], Callable[[Any], Targets]]:
    """(from, to) -> how to find a world object's associations."""
    people = bases.people
    return {
        ("contacts", "companies"): lambda p: {
            **{hubspot_company_id(c): (279,) for c in p.other_company_ids},
            hubspot_company_id(p.company_id): (1, 279),
        },
        ("companies", "contacts"): lambda c: {
            hubspot_contact_id(i): (2, 280) if people[i].company_id == c.id else (280,)
            for i in bases.people_of.get(c.id, ())
        },
        ("deals", "companies"): lambda d: {hubspot_company_id(d.company_id): (5, 341)},
        ("companies", "deals"): lambda c: {deal_id(i): (6, 342) for i in bases.deals_of.get(c.id, ())},
        ("tickets", "companies"): lambda t: {hubspot_company_id(t.company_id): (26, 339)},
        ("companies", "tickets"): lambda c: {ticket_id(i): (25, 340) for i in bases.tickets_of.get(c.id, ())},
        ("feedback_submissions", "contacts"): lambda a: (
            {hubspot_contact_id(a.person_id): (98,)} if a.person_id in people else {}
        ),
        ("contacts", "feedback_submissions"): lambda p: {feedback_id(i): (97,) for i in bases.answers_of.get(p.id, ())},
        ("feedback_submissions", "companies"): lambda a: {hubspot_company_id(a.company_id): (1001,)},
        ("companies", "feedback_submissions"): lambda c: {
            feedback_id(i): (1002,) for i in bases.company_answers.get(c.id, ())
        },
    }
