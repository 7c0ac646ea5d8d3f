"""Of which accounts something of earlier days became known since the last run, and of what kind: that is data."""

import json
from collections.abc import Collection

from sync.frame_views import HAPPENED, late_rows
from sync.store import Store
from sync.tables import KINDS
from sync.usage_files import members

ANY = "any"
"""Stands for every kind of record: other records than before count as the account's."""

MANY_FILES = 60
"""With more days of usage that came late at once (a source that was just connected) nobody asks whose they are."""

_DAY = 86_400


def late_kinds(store: Store, since: int, known: int, keys: Collection[int]) -> dict[int, frozenset[str]]:
    """Account key -> kinds of record of which late ones came, for the accounts where there are any.

    Late is what tells of a day before that of the earlier instant, and was first known after it. May name an account
    where in the end no signal moves by it.

    Args:
        store: The state.
        since: The earlier instant, epoch seconds.
        known: The later one.
        keys: CRM accounts that are asked about.
    """
    found: dict[int, set[str]] = {}
    wanted = frozenset(keys)
    rows = [*_records(store, since, known), *_who_is_who(store, since)]
    for kind, account in (*rows, *_usage(store, since, known, wanted)):
        if account in wanted:
            found.setdefault(account, set()).add(kind)
    return {key: frozenset(kinds) for key, kinds in found.items()}


def _winner(kind: str, key: str) -> str:
    """SQL for a record's key, that of the winner where it was merged away."""
    won = f"SELECT merged_into FROM record_map WHERE kind = '{kind}' AND key = {key} AND status = 'merged'"
    return f"coalesce(({won}), {key})"


def _accounts_of(select: str) -> str:
    """SQL that gives kind and CRM account for each row of kind, account and contact of a source or the CRM itself."""
    own = "coalesce((SELECT crm FROM link WHERE link.kind = 'account' AND link.key = l.account), l.account)"
    person = "coalesce((SELECT crm FROM link WHERE link.kind = 'contact' AND link.key = l.contact), l.contact)"
    home = "(SELECT crm FROM link WHERE link.kind = 'home' AND link.key = l.contact)"
    return f"""
WITH late AS ({select}),
linked AS (SELECT kind, {own} AS account, {person} AS person, {home} AS home FROM late l),
ours AS (
  SELECT kind, account FROM linked UNION SELECT kind, home FROM linked UNION
  SELECT kind, (SELECT account FROM contact WHERE contact.key = {_winner("contact", "linked.person")}) FROM linked
)
SELECT kind, {_winner("account", "ours.account")} FROM ours WHERE account IS NOT NULL
"""


def _records(store: Store, since: int, known: int) -> list[tuple[str, int]]:
    parts = []
    for name in HAPPENED:
        contact = "contact" if any(column.name == "contact" for column in KINDS[name].columns) else "NULL"
        rows = late_rows(KINDS[name], since, known, before=since // _DAY * _DAY)
        parts.append(f"SELECT '{name}' AS kind, account, {contact} AS contact FROM ({rows})")
    return store.rows(_accounts_of(" UNION ALL ".join(parts)))


_MOVED = """
WITH had AS (SELECT kind, key, crm FROM link_history WHERE valid_to > ?1 AND valid_from <= ?1),
has AS (SELECT kind, key, crm FROM link WHERE valid_from > ?1),
gained AS (
  SELECT * FROM (SELECT * FROM has EXCEPT SELECT * FROM had) g WHERE CASE g.kind
    WHEN 'account' THEN EXISTS (SELECT 1 FROM account r WHERE r.key = g.key AND {known_account})
    ELSE EXISTS (SELECT 1 FROM contact r WHERE r.key = g.key AND {known_contact}) END
),
moved AS (SELECT * FROM gained UNION SELECT * FROM had h WHERE NOT EXISTS (
  SELECT 1 FROM link l WHERE l.kind = h.kind AND l.key = h.key AND l.crm = h.crm
))
SELECT CASE WHEN kind = 'contact' THEN NULL ELSE crm END AS account, CASE WHEN kind = 'contact' THEN crm END AS contact
FROM moved
UNION ALL SELECT merged_into, NULL FROM record_map WHERE kind = 'account' AND status = 'merged' AND at > ?1
"""
"""Accounts and people of the CRM to which records came that were known at the instant, or from which they went."""

_KNOWN = (
    "(r.valid_from <= ?1 OR r.valid_from IS NULL "
    "OR EXISTS (SELECT 1 FROM {kind}_history e WHERE e.key = r.key AND e.valid_from <= ?1))"
)


def _who_is_who(store: Store, since: int) -> list[tuple[str, int]]:
    words = {f"known_{kind}": _KNOWN.format(kind=kind) for kind in ("account", "contact")}
    moved = f"SELECT '{ANY}' AS kind, account, contact FROM ({_MOVED.format_map(words)})"
    return store.rows(_accounts_of(moved), (since,))


_FILES = """
SELECT path FROM usage_file WHERE day < ?3 AND first > ?1 AND first <= ?2
UNION ALL SELECT path FROM usage_later WHERE day < ?3 AND written > ?1 AND written <= ?2
"""

_ACTIVE = """
SELECT 'usage' AS kind, NULL AS account, value AS contact FROM json_each(?1)
UNION ALL SELECT 'usage', value, NULL FROM json_each(?2)
"""


def _usage(store: Store, since: int, known: int, keys: Collection[int]) -> list[tuple[str, int]]:
    paths = store.rows(_FILES, (since, known, since // _DAY))
    if len(paths) > MANY_FILES:
        return [("usage", key) for key in keys]
    files = [path for (name,) in paths if (path := store.path / name).is_file()]
    people, groups = members(files) if files else ([], [])
    return store.rows(_accounts_of(_ACTIVE), (json.dumps(people), json.dumps(groups))) if files else []
