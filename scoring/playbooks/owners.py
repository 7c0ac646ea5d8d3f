"""Who gets a task, and who answers for an account: always a person, as long as there is one."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from scoring.inputs import ScoreRow
from scoring.playbooks.memory import Situation

ACCOUNT_OWNER = "account_owner"


def owner_by(rule: str, row: ScoreRow, situation: Situation, given: Mapping[str, int]) -> str | None:
    """Who gets a task: by the rule, else whoever answers for such accounts, else the fallback owner.

    Where there is no fallback owner, the account's own is asked last, also for a task that a role should have had.

    Args:
        rule: account_owner, fallback, role:NAME or least_loaded:NAME.
        row: The account.
        situation: Who is active, the team and the fallback owner.
        given: Person -> open tasks, for least_loaded.
    """
    kind, _, role = rule.partition(":")
    if kind == "fallback" and situation.fallback_owner is not None:
        return situation.fallback_owner
    asked = situation.team.roles.get(role, ()) if role else (row.owner_id,)
    first = _usable(asked if kind != "fallback" else (), situation)
    if first:
        return min(first, key=lambda one: given.get(one, 0)) if kind == "least_loaded" else first[0]
    if rule != ACCOUNT_OWNER and situation.fallback_owner is not None:
        return situation.fallback_owner
    return next(_last(row, situation, given), situation.fallback_owner)


def accountable(row: ScoreRow, situation: Situation) -> str | None:
    """Who answers for an account; None when it is nobody's.

    The CRM's owner, else somebody of the role that `team.accountable` names, else the fallback owner, as long as the
    CRM does not say that they have left.
    """
    fallback = situation.fallback_owner
    left = bool(situation.active_owners) and not _usable((fallback,), situation)
    return next(chain(_last(row, situation, {}), () if left else (fallback,)), None)


def _last(row: ScoreRow, situation: Situation, given: Mapping[str, int]) -> Iterator[str]:
    """The account's owner, then those who answer for accounts without one, the least loaded first."""
    yield from _usable((row.owner_id,), situation)
    team = situation.team
    yield from sorted(_usable(team.roles.get(team.accountable, ()), situation), key=lambda one: given.get(one, 0))


def _usable(people: Sequence[str | None], situation: Situation) -> list[str]:
    """Those who may be given tasks."""
    active = situation.active_owners
    return [one for one in people if one is not None and (active is None or one in active)]
