"""What scoring, identity and planning read out of the state file.

The scoring tables are SELECTs with the instant written into them: what the store learned later is not seen, and what it
has superseded since is seen as it was. Only usage is always the newest count of its day.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.base import Value
from mapping.identity import AccountKeys, Member, PersonKeys
from scoring.inputs import Inputs
from sync import usage_files
from sync.store import Store
from sync.tables import KINDS, epoch
from sync.values import loads

PAGE = 10_000

MEMBER_DAYS = 90
"""Days of usage that say who is active where."""


@dataclass(frozen=True, slots=True)
class IdentityKeys:
    """The arguments of `mapping.identity.resolve`; the iterables read as they go, once."""

    accounts: Iterable[AccountKeys]
    people: Iterable[PersonKeys]
    members: Iterable[Member]
    merged: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CrmRecord:
    """A live CRM account or contact as the plan needs it.

    Attributes:
        crm_id: The CRM's id.
        name: The account's name; a contact's e-mail address or id.
        owner_id: CRM id of the owner, None when there is none.
        owner_name: The owner's name, empty when unknown.
        owner_active: Whether tasks may go to that owner; False when there is none or the CRM does not list them.
        values: What the CRM says in our own fields; a field that is absent is empty.
    """

    crm_id: str
    name: str
    owner_id: str | None
    owner_name: str
    owner_active: bool
    values: Mapping[str, Value]


# -- scoring ------------------------------------------------------------------------------------------------------

_SELECTS = {
    "account": """
SELECT a.key AS account, a.source_id AS crm_id, a.name AS name, a.owner_id AS owner_id,
  coalesce(g.merged_into, a.parent) AS parent, a.plan AS plan, a.mrr AS mrr, a.currency AS currency,
  a.customer_since AS customer_since, a.renewal_date AS renewal_date, a.created_at AS created_at,
  a.lifecycle AS lifecycle
FROM ({account}) a
LEFT JOIN record_map g ON g.kind = 'account' AND g.key = a.parent AND {merged}
WHERE a.source = {crm}""",
    # Grouped instead of joined: SQLite's newer planner reads a grouped subquery again for every row it is joined to.
    "contact": """
SELECT key AS contact, max(crm_id) AS crm_id, max(account) AS account, max(title) AS title,
  max(last_login_at) AS last_login_at, max(created_at) AS created_at
FROM (
  SELECT c.key AS key, c.source_id AS crm_id, h.account AS account, c.title AS title,
    c.last_login_at AS last_login_at, c.created_at AS created_at
  FROM ({contact}) c LEFT JOIN home h ON h.key = c.key WHERE c.source = {crm}
  UNION ALL
  SELECT p.crm, NULL, NULL, NULL, r.last_login_at, NULL FROM ({contact}) r JOIN person p ON p.key = r.key
  WHERE r.source <> {crm} AND r.last_login_at IS NOT NULL
)
GROUP BY key HAVING max(crm_id) IS NOT NULL""",
    "ticket": """
SELECT coalesce(a.crm, h.account) AS account, p.crm AS contact, t.status AS status, t.priority AS priority,
  t.created_at AS created_at, t.solved_at AS solved_at, t.first_reply_minutes AS first_reply_minutes,
  t.reopens AS reopens
FROM ({ticket}) t {joins}
WHERE coalesce(a.crm, h.account) IS NOT NULL""",
    "survey": """
SELECT coalesce(a.crm, h.account) AS account, p.crm AS contact, t.survey AS survey, t.score AS score,
  t.scale_min AS scale_min, t.scale_max AS scale_max, t.satisfied AS satisfied, t.responded_at AS responded_at
FROM ({survey_response}) t {joins}
WHERE coalesce(a.crm, h.account) IS NOT NULL""",
    "deal": """
SELECT a.crm AS account, t.closed AS closed, t.won AS won, t.renewal AS renewal, t.amount AS amount,
  t.currency AS currency, t.close_date AS close_date, t.created_at AS created_at
FROM ({deal}) t JOIN owner a ON a.key = t.account""",
    "invoice": """
SELECT a.crm AS account, t.status AS status, t.amount_due AS amount_due, t.due_date AS due_date,
  t.paid_at AS paid_at, t.failed_attempts AS failed_attempts, t.created_at AS created_at
FROM ({invoice}) t JOIN owner a ON a.key = t.account""",
    "subscription": """
SELECT a.crm AS account, t.status AS status, t.mrr AS mrr, t.cancel_at AS cancel_at
FROM ({subscription}) t JOIN owner a ON a.key = t.account""",
    "usage_person": """
SELECT k.key AS person, p.crm AS contact, h.account AS account
FROM contact k LEFT JOIN person p ON p.key = k.key LEFT JOIN home h ON h.key = k.key
WHERE k.source IN (SELECT source FROM stream WHERE record = 'usage')""",
    "usage_group": """
SELECT k.key AS grp, a.crm AS account FROM account k LEFT JOIN owner a ON a.key = k.key
WHERE k.source IN (SELECT source FROM stream WHERE record = 'usage')""",
    "feed": """
SELECT s.record AS record, source.name AS source,
  CASE WHEN count(*) = count(c.at) THEN min(c.at) END AS as_of
FROM stream s JOIN source ON source.id = s.source
LEFT JOIN (
  SELECT stream, max(started) AS at FROM pull WHERE error = '' AND finished <= {at} GROUP BY stream
) c ON c.stream = s.id
WHERE s.off = '' AND s.id IN (SELECT stream FROM pull WHERE started <= {at}) {sources}
GROUP BY s.record, source.name""",
}
"""Common table -> SELECT. `owner`, `person` and `home` are the sets of links below. A kind that comes in several
streams of a source is as old as the oldest of them."""

_JOINS = """
LEFT JOIN owner a ON a.key = t.account LEFT JOIN person p ON p.key = t.contact
LEFT JOIN home h ON h.key = CASE WHEN a.crm IS NULL THEN t.contact END"""
"""A record's own account counts before that of its person, who is then not looked up."""

_WITH = {
    # Whose account: of the CRM's own by itself, of merged ones by the winner, of other sources' by their link.
    "owner": """owner(key, crm) AS MATERIALIZED (
  SELECT key, key FROM ({account}) WHERE source = {crm}
  UNION ALL SELECT g.key, g.merged_into FROM record_map g JOIN account w ON w.key = g.merged_into
  WHERE g.kind = 'account' AND {merged} AND w.source = {crm}
  UNION ALL SELECT l.key, coalesce(g.merged_into, l.crm) FROM ({account_link}) l
  LEFT JOIN record_map g ON g.kind = 'account' AND g.key = l.crm AND {merged})""",
    "person": """person(key, crm) AS MATERIALIZED (
  SELECT key, key FROM ({contact}) WHERE source = {crm}
  UNION ALL SELECT g.key, g.merged_into FROM record_map g JOIN contact w ON w.key = g.merged_into
  WHERE g.kind = 'contact' AND {merged} AND w.source = {crm}
  UNION ALL SELECT l.key, coalesce(g.merged_into, l.crm) FROM ({contact_link}) l
  LEFT JOIN record_map g ON g.kind = 'contact' AND g.key = l.crm AND {merged})""",
    # A person's account: that of the CRM contact, else what identity resolution found without one.
    "direct": """direct(key, account) AS MATERIALIZED (
  SELECT p.key, o.crm FROM person p JOIN ({contact}) c ON c.key = p.crm JOIN owner o ON o.key = c.account)""",
    "home": """home(key, account) AS MATERIALIZED (
  SELECT key, account FROM direct
  UNION ALL SELECT l.key, coalesce(g.merged_into, l.crm) FROM ({home_link}) l
  LEFT JOIN record_map g ON g.kind = 'account' AND g.key = l.crm AND {merged}
  WHERE l.key NOT IN (SELECT key FROM direct))""",
}
_NEEDS = {
    "account": (),
    "usage_group": ("owner",),
    "deal": ("owner",),
    "invoice": ("owner",),
    "subscription": ("owner",),
    "feed": (),
}
"""The sets that a table needs, where it is not all of them."""


def _links(kind: str, at: int, *, past: bool) -> str:
    """A SELECT of (key, crm) of the links of one kind at an instant."""
    now = f"SELECT key, crm FROM link WHERE kind = '{kind}' AND valid_from <= {at}"
    if not past:
        return now
    then = f"SELECT key, crm FROM link_history WHERE kind = '{kind}' AND valid_to > {at} AND valid_from <= {at}"
    return f"{now} UNION ALL {then}"


def _changed_since(store: Store, table: str, at: int) -> bool:
    """Whether the history must be read: nothing in it was still valid at the instant of an ordinary run."""
    return bool(store.rows(f"SELECT EXISTS (SELECT 1 FROM {table}_history WHERE valid_to > ?)", (at,))[0][0])


def inputs(store: Store, as_of: datetime, *, crm: str, sources: Iterable[str] | None = None) -> Inputs:
    """What the engine reads to score as of an instant. Let it read inside `with store.released()`.

    Args:
        store: The state.
        as_of: The instant; what the store learned later is not seen.
        crm: Name of the CRM's source.
        sources: Names of the configured sources, None for all that were ever pulled.
    """
    at = epoch(as_of)
    names = None if sources is None else list(sources)
    words = {name: kind.rows(as_of, past=_changed_since(store, name, at)) for name, kind in KINDS.items()}
    past = _changed_since(store, "link", at)
    words |= {f"{kind}_link": _links(kind, at, past=past) for kind in ("account", "contact", "home")}
    words |= {
        "at": str(at),
        "crm": str(_source_key(store, crm)),
        "joins": _JOINS,
        "merged": f"g.status = 'merged' AND g.at <= {at}",
        "sources": "" if names is None else f"AND source.name IN ({', '.join(map(_literal, names))})",
    }
    tables = {}
    for name, select in _SELECTS.items():
        needed = _NEEDS.get(name, tuple(_WITH))
        clauses = ", ".join(_WITH[clause] for clause in needed)
        tables[name] = f"{'WITH ' if clauses else ''}{clauses}{select}".format_map(words)
    files = usage_files.files(store, sources=names, until=as_of.astimezone(UTC).date())
    return Inputs(store.file, tables, files, as_of)


def _source_key(store: Store, source: str) -> int:
    rows = store.rows("SELECT id FROM source WHERE name = ?", (source,))
    return int(rows[0][0]) if rows else 0


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# -- identity -----------------------------------------------------------------------------------------------------

_ACCOUNTS = """
SELECT t.key, source.name, t.source_id, t.domains, t.external_ids, t.valid_from IS NULL FROM account t
JOIN source ON source.id = t.source WHERE t.key > ? AND t.valid_to IS NULL
AND (t.valid_from IS NOT NULL OR t.source <> ?) ORDER BY t.key LIMIT ?
"""
"""Live accounts; of other sources also those that records only speak of, such as a group key in events."""
_PEOPLE = """
SELECT t.key, source.name, t.source_id, t.email, t.other_emails, t.external_ids,
  (SELECT source_id FROM account a WHERE a.key = t.account), t.staff, t.valid_from IS NULL FROM contact t
JOIN source ON source.id = t.source WHERE t.key > ? AND t.valid_to IS NULL
AND (t.valid_from IS NOT NULL OR t.source <> ?) ORDER BY t.key LIMIT ?
"""
_MEMBERS = """
SELECT t.key, source.name, c.source_id, a.source_id FROM membership t
JOIN source ON source.id = t.source JOIN contact c ON c.key = t.contact JOIN account a ON a.key = t.account
WHERE t.key > ? AND t.valid_to IS NULL AND t.valid_from IS NOT NULL ORDER BY t.key LIMIT ?
"""

_MULTIPLE = """
SELECT t.key, source.name, t.source_id, t.account_refs FROM contact t JOIN source ON source.id = t.source
WHERE t.key > ? AND t.account_refs IS NOT NULL AND t.valid_to IS NULL ORDER BY t.key LIMIT ?
"""


def identity_keys(store: Store, *, crm: str) -> IdentityKeys:
    """What `mapping.identity.resolve` needs, read page by page."""
    key = _source_key(store, crm)
    merged = store.rows(
        """SELECT loser.source_id, winner.source_id FROM record_map m JOIN account loser ON loser.key = m.key
           JOIN account winner ON winner.key = m.merged_into
           WHERE m.kind = 'account' AND m.status = 'merged' AND loser.source = ?1
           UNION ALL
           SELECT loser.source_id, winner.source_id FROM record_map m JOIN contact loser ON loser.key = m.key
           JOIN contact winner ON winner.key = m.merged_into
           WHERE m.kind = 'contact' AND m.status = 'merged' AND loser.source = ?1""",
        (key,),
    )
    return IdentityKeys(_accounts(store, key), _people(store, key), _members(store), dict(merged))


def _pages(store: Store, sql: str, *parameters: Any) -> Iterator[Any]:
    """Rows by key, a page at a time, so that nobody waits for a long read."""
    last = 0
    while rows := store.rows(sql, (last, *parameters, PAGE)):
        yield from rows
        last = rows[-1][0]


def _accounts(store: Store, crm: int) -> Iterator[AccountKeys]:
    events = _event_sources(store)
    for _, source, source_id, domains, ids, unseen in _pages(store, _ACCOUNTS, crm):
        # A group key that only events name may be any id of the account.
        known = {"any": source_id} if unseen and source in events else _map(ids)
        yield AccountKeys(source, source_id, tuple(json.loads(domains)) if domains else (), known)


def _people(store: Store, crm: int) -> Iterator[PersonKeys]:
    events = _event_sources(store)
    for _, source, source_id, email, others, ids, account, staff, unseen in _pages(store, _PEOPLE, crm):
        known = {"product": source_id} if unseen and source in events else _map(ids)
        more = tuple(json.loads(others)) if others else ()
        yield PersonKeys(source, source_id, email, more, known, account, bool(staff))


def _event_sources(store: Store) -> set[str]:
    return {status.source for status in store.status() if status.record == "usage"}


def _map(text: str | None) -> Mapping[str, str]:
    return json.loads(text) if text else {}


def _members(store: Store) -> Iterator[Member]:
    for _, source, person, account in _pages(store, _MEMBERS):
        yield Member(source, person, account)
    for _, source, person, accounts in _pages(store, _MULTIPLE):
        yield from (Member(source, person, account) for account in json.loads(accounts))
    yield from _active(store)


def _active(store: Store) -> Iterator[Member]:
    """Who was active under which group key, in the days that usage files are read for."""
    for source in sorted(_event_sources(store)):
        files = usage_files.files(store, sources=[source])[-MEMBER_DAYS:]
        if not files:
            continue
        from sync.usage import pairs

        key = _source_key(store, source)
        groups = dict(store.rows("SELECT key, source_id FROM account WHERE source = ?", (key,)))
        people = dict(store.rows("SELECT key, source_id FROM contact WHERE source = ?", (key,)))
        yield from (Member(source, people[person], groups[group]) for person, group in pairs(files))


# -- planning -----------------------------------------------------------------------------------------------------

_CRM_RECORDS = """
SELECT t.source_id, coalesce({name}, t.source_id), t.owner_id, coalesce(u.name, u.email, ''),
  u.active = 1 AND u.valid_from IS NOT NULL AND u.valid_to IS NULL, v."values"
FROM {kind} t
LEFT JOIN user u ON u.source = t.source AND u.source_id = t.owner_id
LEFT JOIN crm_value v ON v.object = '{kind}' AND v.record_id = t.source_id
WHERE t.source = ? AND t.valid_from IS NOT NULL AND t.valid_to IS NULL ORDER BY t.key
"""


def accounts_for_plan(store: Store, *, crm: str) -> Iterator[CrmRecord]:
    """Every live CRM account, by key."""
    return _crm_records(store, crm, "account", "t.name")


def contacts_for_plan(store: Store, *, crm: str) -> Iterator[CrmRecord]:
    """Every live CRM contact, by key."""
    return _crm_records(store, crm, "contact", "t.email")


def _crm_records(store: Store, crm: str, kind: str, name: str) -> Iterator[CrmRecord]:
    rows = store.rows(_CRM_RECORDS.format(kind=kind, name=name), (_source_key(store, crm),))
    for crm_id, label, owner_id, owner_name, active, values in rows:
        yield CrmRecord(crm_id, label, owner_id, owner_name, bool(active), loads(values) if values else {})
