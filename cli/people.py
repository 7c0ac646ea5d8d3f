"""What `explain` says of an account's people by role, and of the accounts below it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoring.hierarchy import RoleView, Rollup, by_role
from scoring.inputs import ScoreRow

if TYPE_CHECKING:
    from sync.run import Agent


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


def family_of(agent: "Agent", now: ScoreRow, accounts: Sequence[ScoreRow], contacts: Iterable[ScoreRow]) -> Family:
    """The family of one account, out of all accounts and contacts as they are scored."""
    from sync.family import homes, rolled_up

    home = homes(agent.store, agent.crm.name)
    rolled = rolled_up(agent, accounts)
    note = "The CRM does not have its parent: it stands alone." if now.key in rolled.missing else ""
    if now.key in rolled.circular:
        note = "It is its own ancestor in the CRM: that circle of parents is not followed."
    return Family(by_role(row for row in contacts if home.get(row.key) == now.key), rolled.parents.get(now.key), note)


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
