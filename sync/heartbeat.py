"""Which agent writes: every account we write carries this state's id, so that a second agent is noticed.

A lock keeps two agents off one state folder. Two state folders on two hosts know nothing of each other, but both write
into the same CRM: each then finds the other's id on records that it wrote itself.
"""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.base import Value
from sync.diff import Known
from sync.owned import AGENT, SCORED_AT, OwnedField
from sync.store import Store
from sync.tables import epoch, instant

_ID = re.compile(r"[0-9a-f]{8}")
_OWN, _TAKEN_OVER = "agent_id", "agents_taken_over"


class SecondAgentError(Exception):
    """Another agent writes into this CRM, so this one writes nothing.

    Attributes:
        agent: Its id.
        records: How many accounts that we wrote it has written since.
        since: When it wrote the first of them, as far as the CRM tells.
    """

    def __init__(self, agent: str, own: str, records: int, since: datetime | None) -> None:
        self.agent = agent
        self.records = records
        self.since = since
        them = "1 account that this one wrote" if records == 1 else f"{records:,} accounts that this one wrote"
        when = f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""
        super().__init__(
            f"another agent ({agent}) writes into this CRM: {them} ({own}) carry its id{when}. Nothing was written. "
            f"Stop one of the two; where Holdfast is to go on, run `holdfast edits release {AGENT}`."
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """One account of ours that carries another agent's id."""

    key: tuple[str, str]
    agent: str
    at: datetime | None


def agent_id(store: Store) -> str:
    """This state's id: eight hexadecimal digits, drawn when first asked for; "" when it may only be read."""
    if (found := _meta(store, _OWN)) or store.readonly:
        return found
    with store.transaction() as conn:
        conn.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_OWN, secrets.token_hex(4)))
    return _meta(store, _OWN)


def bind(fields: Sequence[OwnedField], agent: str) -> tuple[OwnedField, ...]:
    """The fields, with this agent's id as the value of the one that says who wrote."""
    return tuple(replace(f, value=lambda _row, _as_of: agent) if f.logical == AGENT else f for f in fields)


def take_over(store: Store, now: datetime) -> None:
    """Go on in place of every other agent that has written until now; what one writes later is noticed again."""
    with store.transaction() as conn:
        conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_TAKEN_OVER, json.dumps(epoch(now))))


def only_agent(
    store: Store, known: Mapping[tuple[str, str], Known], fields: Sequence[OwnedField]
) -> dict[tuple[str, str], Known]:
    """What is known of the records, when no other agent writes.

    On records that an agent wrote whose place we have taken (`take_over`), what it wrote counts as ours: it was no
    person's.

    Args:
        store: The state file.
        known: By object and record id, as the CRM itself says, not its search index.
        fields: Ours; where the one that says who wrote is switched off, nothing can be noticed.

    Raises:
        SecondAgentError: Accounts that we wrote carry another agent's id.
    """
    names = {field.logical: field.spec.name for field in fields}
    if AGENT not in names:
        return dict(known)
    own = agent_id(store)
    seen = list(_others(known, names[AGENT], names.get(SCORED_AT), own))
    over = json.loads(_meta(store, _TAKEN_OVER) or "null")
    rest = [one for one in seen if over is None or (one.at is not None and one.at > instant(over))]
    if rest:
        agent = max(sorted({one.agent for one in rest}), key=lambda name: sum(one.agent == name for one in rest))
        times = [one.at for one in rest if one.agent == agent and one.at is not None]
        raise SecondAgentError(agent, own, sum(one.agent == agent for one in rest), min(times) if times else None)
    inherited = {one.key: replace(known[one.key], written=_filled(known[one.key])) for one in seen}
    return {**known, **inherited}


def _others(
    known: Mapping[tuple[str, str], Known], agent_field: str, time_field: str | None, own: str
) -> "list[_Seen]":
    found = []
    for key, record in known.items():
        wrote, says = record.written.get(agent_field), record.current.get(agent_field)
        # What is no id was written by a person, who is no agent.
        if wrote == own and isinstance(says, str) and says != own and _ID.fullmatch(says):
            at = record.current.get(time_field) if time_field else None
            found.append(_Seen(key, says, at if isinstance(at, datetime) else None))
    return found


def _filled(record: Known) -> dict[str, Value]:
    return {**record.written, **record.current}


def _meta(store: Store, key: str) -> str:
    rows = store.rows("SELECT value FROM meta WHERE key = ?", (key,))
    return str(rows[0][0]) if rows else ""
