"""What `explain` says of an account's people by role, and of the accounts below it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoring.hierarchy import RoleView, Rollup, by_role, roll_up
from scoring.inputs import ScoreRow

if TYPE_CHECKING:
    from scoring.cards import AnyCards
    from scoring.hierarchy import Share
    from sync.store import Store


@dataclass(frozen=True, slots=True)
class Family:
    """An account's people and the accounts below it.

    Attributes:
        roles: The people who are scored, by role.
        rollup: What the accounts below say together; None when there are none.
        note: What is wrong with its place in the tree; else empty.
    """

    roles: tuple[RoleView, ...] = ()
    rollup: Rollup | None = None
    note: str = ""


def family_of(store: "Store", crm: str, now: ScoreRow, cards: "AnyCards", share: "Share") -> Family:
    """The family of one account, out of what the last run kept.

    Args:
        store: The state.
        crm: Name of the CRM's source.
        now: The account.
        cards: What scored it.
        share: By what the accounts below it count.
    """
    from sync.family import relatives, tree

    people, nodes = relatives(store, crm, now.key), tree(store, crm)
    if not any(now.key in {node.key, node.parent} and node.parent is not None for node in nodes):
        return Family(by_role(people))
    kept = [row for row in store.latest_scores("account") if row.key != now.key]
    rolled = roll_up([now, *kept], nodes, cards.card_of, share)
    note = "The CRM does not have its parent: it stands alone." if now.key in rolled.missing else ""
    if now.key in rolled.circular:
        note = "It is its own ancestor in the CRM: that circle of parents is not followed."
    return Family(by_role(people), rolled.parents.get(now.key), note)


def people_lines(family: Family) -> list[str]:
    """A line for each role, the roll-up beside the account's own score, and what is wrong with the tree."""
    known = [view for view in family.roles if view.role or view.lowest is not None]
    lines = [f"People, {view.line}." for view in known]
    return [*lines, *([family.rollup.line] if family.rollup else []), *([family.note] if family.note else [])]


def people_data(family: Family) -> dict[str, object]:
    """The same for programs."""
    rollup = family.rollup
    return {
        "people": [
            {"role": view.role or None, "people": view.people, "scored": view.scored, "lowest": view.lowest,
             "mean": view.mean}
            for view in family.roles
        ],
        "rollup": None
        if rollup is None
        else {
            "score": rollup.score,
            "band": rollup.band,
            "accounts": rollup.accounts,
            "without_score": rollup.unknown,
            "without_value": rollup.unvalued,
            "by": rollup.share,
            "shares": dict(rollup.shares),
            "sentence": rollup.line,
        },
        "hierarchy_note": family.note or None,
    }  # fmt: skip
