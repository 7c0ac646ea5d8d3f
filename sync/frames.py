"""What scoring, identity and planning read out of the state file.

For scoring, SELECTs with the instant written into them bring the parts: what the store learned later is not seen, and
what it has superseded since is seen as it was. Of usage, what was counted later is taken off again. The engine joins
the parts to the common tables.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from connectors.base import Value
from mapping.identity import AccountKeys, Member, PersonKeys
from scoring.inputs import Inputs, Part
from sync import usage_files
from sync.eras import releases_at
from sync.frame_views import HAPPENED, PARTS, VIEWS, WITHOUT_COPIES, columns, late_rows, versions
from sync.store import Store
from sync.tables import KINDS, epoch
from sync.usage_past import files_as_of
from sync.values import loads
from sync.watch import Breach, closed_streams, held_feed

PAGE = 10_000

_EPOCH = date(1970, 1, 1)

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
        account_id: CRM id of a contact's account, None where it has none and for accounts.
    """

    crm_id: str
    name: str
    owner_id: str | None
    owner_name: str
    owner_active: bool
    values: Mapping[str, Value]
    account_id: str | None = None


# -- scoring ------------------------------------------------------------------------------------------------------

_BILLING = "EXISTS (SELECT 1 FROM ({subscription}) WHERE source = {crm} AND (mrr IS NOT NULL OR cancel_at IS NOT NULL))"
"""Whether the CRM's contracts name prices or endings; if not, they say nothing on who is about to leave."""

_FEED = """
SELECT s.record AS record, source.name AS source, CASE WHEN count(*) = count(c.at) THEN min(c.at) END AS as_of,
  CASE WHEN count(*) = count(s.since) THEN max(s.since) END AS since
FROM stream s JOIN source ON source.id = s.source
LEFT JOIN (
  SELECT stream, max(started) AS at FROM pull WHERE error = '' AND finished <= {at} GROUP BY stream
) c ON c.stream = s.id
WHERE (NOT coalesce((SELECT p.off FROM pull p WHERE p.stream = s.id AND p.finished <= {at} ORDER BY p.finished DESC,
  p.id DESC LIMIT 1), 0) {closed}) AND s.id IN (SELECT stream FROM pull WHERE started <= {at}) {sources}
AND (s.record <> 'subscription' OR s.source <> {crm} OR {billing})
GROUP BY s.record, source.name
"""
"""A kind that comes in several streams of a source is as old as the oldest of them, and watched since the last of them
was first read; that stands beside the stream, because pulls are not kept for ever."""


_MARKS = """
SELECT kind, key, status, merged_into FROM record_map WHERE at <= {at}
UNION ALL SELECT kind, key, status, merged_into FROM record_map_history WHERE at <= {at} AND valid_to > {at}
"""
"""Which records were gone at an instant, and into which they had been merged."""


def inputs(
    store: Store,
    as_of: datetime,
    *,
    crm: str,
    sources: Iterable[str] | None = None,
    breaches: Sequence[Breach] = (),
    known: datetime | None = None,
) -> Inputs:
    """What the engine reads to score as of an instant. Let it read inside `with store.released()`.

    Args:
        store: The state.
        as_of: The instant; what the store learned later is not seen.
        crm: Name of the CRM's source.
        sources: Names of the configured sources, None for all that were ever pulled.
        breaches: Streams that are not believed, see `sync.watch`: their last good values are given.
        known: What had happened by `as_of` and came late is given as it was first known at this later instant, and who
            is who as it was known then; left out: nothing is.
    """
    at = epoch(as_of)
    knew = at if known is None else epoch(known)
    names = None if sources is None else list(sources)
    words = {name: kind.rows(as_of, past=_changed_since(store, name, at)) for name, kind in KINDS.items()}
    if known is not None:
        words |= {name: f"{words[name]} UNION ALL {late_rows(KINDS[name], at, knew)}" for name in HAPPENED}
    past = _changed_since(store, "link", knew)
    words |= {f"{kind}_link": _links(kind, knew, past=past) for kind in ("account", "contact", "home")}
    words |= {
        "deal_versions": versions("deal", "close_date", at),
        "account_versions": versions("account", "plan, mrr, currency, owner_id", at),
        "contact_versions": versions("contact", "account, title, role", at),
        "contact_role_versions": versions("contact_role", "contact, role", at),
        "at": str(at),
        "marks": _MARKS.format(at=at),
        "crm": str(_source_key(store, crm)),
        "events": "SELECT source FROM stream WHERE record = 'usage'",
        "sources": "" if names is None else f"AND source.name IN ({', '.join(map(_literal, names))})",
    }
    words["closed"] = closed_streams(breaches)
    words["billing"] = _BILLING.format_map(words)
    words["without_copies"] = WITHOUT_COPIES.format_map(words) if _any_copies(store) else ""
    parts = {name: Part(f"SELECT {text.format_map(words)}", columns(text)) for name, text in PARTS.items()}
    files, later = files_as_of(store, at, sources=names, known=knew)
    tables = {"feed": held_feed(_FEED.format_map(words), breaches), "release": _releases(store, as_of, words["crm"])}
    return Inputs(store.file, tables, files, as_of, parts, VIEWS, later)


def _releases(store: Store, as_of: datetime, crm: str) -> str:
    """A SELECT of the releases known at an instant, a row for each account that it is about."""
    selects = ["SELECT key AS account, 0 AS first_day, 0 AS last_day FROM account WHERE FALSE"]
    for one in releases_at(store, as_of):
        ids = ", ".join(map(_literal, one.accounts))
        # Salesforce's reports show ids without the last three characters.
        only = f" AND (source_id IN ({ids}) OR substr(source_id, 1, 15) IN ({ids}))" if ids else ""
        days = f"{(one.first - _EPOCH).days} AS first_day, {(one.until - _EPOCH).days} AS last_day"
        selects.append(f"SELECT key AS account, {days} FROM account WHERE source = {crm}{only}")
    return " UNION ALL ".join(selects)


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


def _any_copies(store: Store) -> bool:
    """Whether any ticket ever said that it is a copy; two looks into indexes that hold nothing but copies."""
    tables = ("ticket", "ticket_history")
    found = [f"EXISTS (SELECT 1 FROM {table} WHERE copy_of IS NOT NULL)" for table in tables]
    return bool(store.rows(f"SELECT {' OR '.join(found)}")[0][0])


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

_ANSWERERS = """
SELECT t.key, t.contact, t.email, t.responded_at, source.name, c.source_id,
  (SELECT source_id FROM account a WHERE a.key = t.account) FROM survey_response t
JOIN source ON source.id = t.source JOIN contact c ON c.key = t.contact
WHERE t.key > ? AND c.valid_from IS NULL AND t.source <> ? AND t.valid_from IS NOT NULL AND t.valid_to IS NULL
ORDER BY t.key LIMIT ?
"""
"""Answers by people of whom nothing else tells."""

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
    return IdentityKeys(_accounts(store, key), _people(store, key), _members(store, key), dict(merged))


def _pages(store: Store, sql: str, *parameters: Any) -> Iterator[Any]:
    """Rows by key, a page at a time, so that nobody waits for a long read."""
    last = 0
    while rows := store.rows(sql, (last, *parameters, PAGE)):
        yield from rows
        last = rows[-1][0]


def _accounts(store: Store, crm: int) -> Iterator[AccountKeys]:
    speak = _event_sources(store) | _without_lists(store)
    for _, source, source_id, domains, ids, unseen in _pages(store, _ACCOUNTS, crm):
        # A key that events or answers name, where no list of accounts stands behind it, may be any id of the account.
        known = {"any": source_id} if unseen and source in speak else _map(ids)
        yield AccountKeys(source, source_id, tuple(json.loads(domains)) if domains else (), known)


def _people(store: Store, crm: int) -> Iterator[PersonKeys]:
    events, speak, addresses = _event_sources(store), _without_lists(store), _addresses(store, crm)
    for key, source, source_id, email, others, ids, account, staff, unseen in _pages(store, _PEOPLE, crm):
        known = _map(ids)
        if unseen and source in events:
            known = {"product": source_id}
        elif unseen and source in speak:
            known = {"any": source_id}
        more = tuple(json.loads(others)) if others else ()
        yield PersonKeys(source, source_id, email or addresses.get(key), more, known, account, bool(staff))


def _addresses(store: Store, crm: int) -> dict[int, str]:
    """Key of a person of whom only answers tell -> the address that the newest answer gave."""
    found: dict[int, tuple[int, str]] = {}
    for _, person, email, at, *_ in _pages(store, _ANSWERERS, crm):
        if email is not None:
            found[person] = max(found.get(person, (at, email)), (at, email))
    return {person: email for person, (_, email) in found.items()}


def _event_sources(store: Store) -> set[str]:
    return {status.source for status in store.status() if status.record == "usage"}


def _without_lists(store: Store) -> set[str]:
    """Sources that list neither accounts nor people, such as surveys: the ids that they name are another system's."""
    every = store.status()
    return {one.source for one in every} - {one.source for one in every if one.record in {"account", "contact"}}


def _map(text: str | None) -> Mapping[str, str]:
    return json.loads(text) if text else {}


def _members(store: Store, crm: int) -> Iterator[Member]:
    for _, source, person, account in _pages(store, _MEMBERS):
        yield Member(source, person, account)
    for _, source, person, accounts in _pages(store, _MULTIPLE):
        yield from (Member(source, person, account) for account in json.loads(accounts))
    for *_, source, person, account in _pages(store, _ANSWERERS, crm):
        if account is not None:
            yield Member(source, person, account)
    yield from _active(store)


def _active(store: Store) -> Iterator[Member]:
    """Who was active under which group key, in the days that usage files are read for."""
    for source in sorted(_event_sources(store)):
        files = usage_files.files(store, sources=[source])[-MEMBER_DAYS:]
        if not files:
            continue
        key = _source_key(store, source)
        groups = dict(store.rows("SELECT key, source_id FROM account WHERE source = ?", (key,)))
        people = dict(store.rows("SELECT key, source_id FROM contact WHERE source = ?", (key,)))
        yield from (Member(source, people[person], groups[group]) for person, group in usage_files.pairs(files))


# -- planning -----------------------------------------------------------------------------------------------------

_CRM_RECORDS = """
SELECT t.source_id, coalesce({name}, t.source_id), t.owner_id, coalesce(u.name, u.email, ''),
  u.active = 1 AND u.valid_from IS NOT NULL AND u.valid_to IS NULL, v."values", {account}
FROM {kind} t
LEFT JOIN user u ON u.source = t.source AND u.source_id = t.owner_id
LEFT JOIN crm_value v ON v.object = '{kind}' AND v.record_id = t.source_id
WHERE t.source = ? AND t.valid_from IS NOT NULL AND t.valid_to IS NULL ORDER BY t.key
"""


def accounts_for_plan(store: Store, *, crm: str) -> Iterator[CrmRecord]:
    """Every live CRM account, by key."""
    return _crm_records(store, crm, "account", "t.name", "NULL")


def contacts_for_plan(store: Store, *, crm: str) -> Iterator[CrmRecord]:
    """Every live CRM contact, by key."""
    return _crm_records(store, crm, "contact", "t.email", "(SELECT source_id FROM account a WHERE a.key = t.account)")


def _crm_records(store: Store, crm: str, kind: str, name: str, account: str) -> Iterator[CrmRecord]:
    rows = store.rows(_CRM_RECORDS.format(kind=kind, name=name, account=account), (_source_key(store, crm),))
    for crm_id, label, owner_id, owner_name, active, values, account_id in rows:
        held = loads(values) if values else {}
        yield CrmRecord(crm_id, label, owner_id, owner_name, bool(active), held, account_id)
