"""Who belongs to whom, out of the state: parents of accounts, accounts of people; and what scores make of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scoring.hierarchy import Node, RolledUp, roll_down, roll_up, with_scores
from scoring.inputs import ScoreRow

if TYPE_CHECKING:
    from sync.run import Agent
    from sync.store import Store

# A parent or account that was merged away is its winner.
_TREE = """
SELECT a.key, coalesce(m.merged_into, a.parent), a.mrr, a.currency FROM account a JOIN source s ON s.id = a.source
LEFT JOIN record_map m ON m.kind = 'account' AND m.status = 'merged' AND m.key = a.parent
WHERE s.name = ? AND a.valid_from IS NOT NULL AND a.valid_to IS NULL ORDER BY a.key
"""
_HOMES = """
SELECT c.key, coalesce(m.merged_into, c.account) FROM contact c JOIN source s ON s.id = c.source
LEFT JOIN record_map m ON m.kind = 'account' AND m.status = 'merged' AND m.key = c.account
WHERE s.name = ? AND c.valid_from IS NOT NULL AND c.valid_to IS NULL AND c.account IS NOT NULL
"""


def tree(store: "Store", crm: str) -> list[Node]:
    """Every live account of the CRM with its parent and its contract value."""
    return [Node(*row) for row in store.rows(_TREE, (crm,))]


def homes(store: "Store", crm: str) -> dict[int, int]:
    """Live contact of the CRM -> its account."""
    return dict(store.rows(_HOMES, (crm,)))


_PEOPLE_OF = """
SELECT c.key FROM contact c JOIN source s ON s.id = +c.source
WHERE s.name = ?1 AND c.valid_from IS NOT NULL AND c.valid_to IS NULL AND c.account IN (
  SELECT ?2 UNION ALL
  SELECT m.key FROM record_map m WHERE m.kind = 'account' AND m.status = 'merged' AND m.merged_into = ?2
) ORDER BY c.key
"""


def relatives(store: "Store", crm: str, key: int) -> list[ScoreRow]:
    """The latest scores of the people of one account."""
    rows = (store.latest_score("contact", found) for (found,) in store.rows(_PEOPLE_OF, (crm, key)))
    return [row for row in rows if row is not None]


def rolled_up(agent: "Agent", rows: Sequence[ScoreRow]) -> RolledUp:
    """The roll-up of every parent among these rows."""
    nodes = tree(agent.store, agent.crm.name)
    return roll_up(rows, nodes, agent.card.card_of, agent.policy.hierarchy.rollup)


def with_family(agent: "Agent", rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """The rows with roll-ups and rolled-down scores, as far as the config asks to write them."""
    settings = agent.policy.hierarchy
    if not settings.fields:
        return list(rows)
    parents = rolled_up(agent, rows).parents if settings.write else {}
    accounts = [row for row in rows if row.level == "account"]
    contacts = [row for row in rows if row.level == "contact"]
    at_home = homes(agent.store, agent.crm.name) if settings.roll_down else {}
    return with_scores(rows, parents, roll_down(accounts, contacts, at_home, settings), at_home)
