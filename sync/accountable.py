"""Red accounts that are nobody's: said for each of them, in the plan and by `check`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from connectors.base import Finding
from scoring.playbooks import Situation, Team, accountable
from sync import followups
from sync.store import Store

MOST = 20
"""So many are named; of the others the number is told."""
ADVICE = "Give them an owner in the CRM, name a role in team.accountable, or set writeback.fallback_owner."

_USERS = """
SELECT u.source_id FROM user u JOIN source s ON s.id = u.source
WHERE s.name = ? AND u.active = 1 AND u.valid_from IS NOT NULL AND u.valid_to IS NULL
"""


@dataclass(frozen=True, slots=True)
class Answerable:
    """Who may answer for accounts.

    Attributes:
        crm: Name of the CRM's source.
        tasks: Whether tasks are made at all.
    """

    crm: str
    team: Team
    fallback_owner: str | None
    tasks: bool = True


def active_users(store: Store, crm: str) -> frozenset[str]:
    """CRM users who may be given tasks."""
    return frozenset(user for (user,) in store.rows(_USERS, (crm,)))


def lines(nobodys: Iterable[str], names: Mapping[str, str]) -> Iterator[str]:
    """A line for each account that is red and nobody's, for a plan's notes; many end in a number."""
    found = [f"{names.get(crm_id, crm_id)} ({crm_id})" for crm_id in nobodys]
    for one in found[:MOST]:
        yield f"Red and nobody's: {one}. {ADVICE}"
    if len(found) > MOST:
        yield f"Red and nobody's: {len(found) - MOST:,} more accounts. {ADVICE}"


def findings(store: Store, who: Answerable) -> Iterator[Finding]:
    """What `check` says of who answers for accounts, as of the last run."""
    users = active_users(store, who.crm)
    yield from of_settings(who, users)
    situation = Situation(fallback_owner=who.fallback_owner, active_owners=users, team=who.team)
    busy = {work.crm_id for work in followups.work(store).values() if work.owner_id in users and work.state == "open"}
    rows = [row for row in store.latest_scores("account") if row.band == "red"]
    nobodys = [row for row in rows if accountable(row, situation) is None and row.crm_id not in busy]
    for line in lines((row.crm_id for row in nobodys), {row.crm_id: row.name or row.crm_id for row in nobodys}):
        yield Finding("warning", "nobodys", line.removesuffix(f" {ADVICE}"), ADVICE)
    if rows and not nobodys:
        yield Finding("ok", "accountable", f"Somebody answers for every red account ({len(rows):,}).")


def of_settings(who: Answerable, users: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """What is unwise in the settings alone; `users` are the CRM's active ones, empty where they are not known."""
    if not who.tasks:
        return
    if who.fallback_owner is None:
        text = "No fallback owner: a task on an account without an active owner belongs to nobody."
        yield Finding("warning", "no_fallback_owner", text, "Set writeback.fallback_owner to the id of a CRM user.")
    elif users and who.fallback_owner not in users:
        text = f"The fallback owner {who.fallback_owner} is no active user of the CRM."
        yield Finding(
            "warning", "fallback_owner", text, "Set writeback.fallback_owner to the id of an active CRM user."
        )
