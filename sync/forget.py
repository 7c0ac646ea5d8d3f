"""Takes a person out of everything that is stored, and keeps them from coming back.

What is left are numbers of accounts, and the ledger's lines without what they said. So that the next pull of a source
does not bring the person back, their ids and addresses are kept as keyed hashes (`forgotten`); the key lies in a file
of its own, which no copy of the state holds. Only the CRM can bring somebody back, by listing them as a contact.
"""

import hashlib
import hmac
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sync import forget_spool
from sync.approval import key
from sync.backup import copies_of, copy_now, remove
from sync.database import StoreError
from sync.tables import KINDS, compact, epoch

if TYPE_CHECKING:
    from mapping.mapped import Reject
    from mapping.schema import Record
    from sync.store import Page, Store

_ONLY_OF_PEOPLE = frozenset({"membership", "contact_role"})
"""Kinds of record that say nothing without their person."""

SURE = 6
"""Characters from which on an id found in a quarantined row is taken for the person's."""


class UnknownPersonError(Exception):
    """Nobody is known by that id or address."""


@dataclass(frozen=True, slots=True)
class Person:
    """Everything a person is known by.

    Attributes:
        keys: Of their records in the state file.
        ids: (source, vendor's id) of each.
        emails: In small letters.
    """

    keys: tuple[int, ...]
    ids: tuple[tuple[str, str], ...]
    emails: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forgot:
    """What was taken away.

    Attributes:
        records: Of the person, by (source, vendor's id).
        rows: Rows of the state file that were removed or emptied.
        operations: Lines of the ledger that were emptied.
        usage_files: Written anew without the person.
        copies: Copies of the state that held them, removed; one new one is made.
        files: Saved plans, files set aside and downloads that were removed, and waiting rows written anew.
        listed: The CRM listed them as a contact when it was last read.
    """

    records: tuple[tuple[str, str], ...]
    rows: int
    operations: int
    usage_files: int
    copies: int
    files: int
    listed: bool


# -- who ----------------------------------------------------------------------------------------------------------


def find(store: "Store", who: str) -> Person:
    """The person known by an e-mail address, a vendor's id, or "source:id".

    Records belong together where they were matched with one contact of the CRM, or have one address, rows that wait in
    the spool for their stream among them.

    Raises:
        UnknownPersonError: When there is nobody.
    """
    conn = store.db.conn
    source, _, source_id = who.rpartition(":")
    is_address = "@" in who and ":" not in who
    emails = {who.lower()} if is_address else set[str]()
    ids = set[tuple[str, str]]() if is_address else {("", who), (source, source_id)}
    found: set[int] = set()
    waiting: set[tuple[str, str]] = set()
    more = _by_address(conn, emails) if is_address else _by_id(conn, who)
    known: tuple[int, ...] | None = None
    while known != (known := (len(found | more), len(waiting), len(emails))):
        while more - found:
            found |= more
            keys = compact(sorted(found))
            more = _by_address(conn, _addresses(conn, keys, others=False)) | _matched(conn, keys)
        keys = compact(sorted(found))
        stored = _ids(conn, keys)
        emails |= _addresses(conn, keys, others=True)
        waiting, addresses = forget_spool.who_waits(store.path, ids | waiting | set(stored), emails)
        emails |= addresses
        more = _by_address(conn, addresses) | _of(conn, waiting)
    if not found and not waiting:
        raise UnknownPersonError(f"nobody is known by {who!r}: give a contact's id, SOURCE:ID, or an e-mail address")
    return Person(tuple(sorted(found)), tuple(sorted(waiting.union(stored))), tuple(sorted(emails)))


def _ids(conn: sqlite3.Connection, keys: str) -> list[tuple[str, str]]:
    return conn.execute(
        "SELECT source.name, source_id FROM contact JOIN source ON source.id = contact.source "
        "WHERE key IN (SELECT value FROM json_each(?)) ORDER BY 1, 2",
        (keys,),
    ).fetchall()


def _of(conn: sqlite3.Connection, ids: Iterable[tuple[str, str]]) -> set[int]:
    """Keys of people by source and id, also of those who only did something so far."""
    rows = conn.execute(
        "SELECT key FROM contact JOIN source ON source.id = contact.source WHERE EXISTS (SELECT 1 FROM json_each(?) i "
        "WHERE i.value ->> 0 = source.name AND i.value ->> 1 = source_id)",
        (compact([list(one) for one in sorted(ids)]),),
    )
    return {row[0] for row in rows}


def _by_id(conn: sqlite3.Connection, who: str) -> set[int]:
    source, _, source_id = who.rpartition(":")
    rows = conn.execute(
        "SELECT key FROM contact JOIN source ON source.id = contact.source "
        "WHERE source_id = ? OR (source_id = ? AND source.name = ?)",
        (who, source_id, source),
    )
    return {row[0] for row in rows}


def _by_address(conn: sqlite3.Connection, emails: Iterable[str]) -> set[int]:
    rows = conn.execute(
        "SELECT key FROM contact WHERE lower(email) IN (SELECT value FROM json_each(?1)) OR EXISTS "
        "(SELECT 1 FROM json_each(other_emails) o WHERE lower(o.value) IN (SELECT value FROM json_each(?1))) "
        # Whoever answered a survey and is known by that alone.
        "UNION SELECT contact FROM survey_response WHERE contact IS NOT NULL AND lower(email) IN "
        "(SELECT value FROM json_each(?1)) AND (SELECT valid_from FROM contact c WHERE c.key = contact) IS NULL",
        (compact(sorted(emails)),),
    )
    return {row[0] for row in rows}


def _addresses(conn: sqlite3.Connection, keys: str, *, others: bool) -> set[str]:
    found = set()
    for table in ("contact", "contact_history"):
        sql = f"SELECT email, other_emails FROM {table} WHERE key IN (SELECT value FROM json_each(?))"
        for email, more in conn.execute(sql, (keys,)):
            found |= {email.lower()} if email else set()
            found |= {text.lower() for text in json.loads(more)} if more and others else set()
    for table in ("survey_response", "survey_response_history"):
        sql = f"SELECT email FROM {table} WHERE email IS NOT NULL AND contact IN (SELECT value FROM json_each(?))"
        found |= {email.lower() for (email,) in conn.execute(sql, (keys,))}
    return found


def _matched(conn: sqlite3.Connection, keys: str) -> set[int]:
    """Records that were matched with the same contacts of the CRM, or merged into these."""
    rows = conn.execute(
        "WITH ours AS (SELECT value AS key FROM json_each(?1)), "
        "crm AS (SELECT crm AS key FROM link WHERE kind = 'contact' AND key IN (SELECT key FROM ours) "
        "UNION SELECT key FROM ours) "
        "SELECT key FROM crm WHERE key IN (SELECT key FROM contact) UNION "
        "SELECT key FROM link WHERE kind = 'contact' AND crm IN (SELECT key FROM crm) UNION "
        "SELECT key FROM record_map WHERE kind = 'contact' AND merged_into IN (SELECT key FROM ours) UNION "
        "SELECT merged_into FROM record_map WHERE kind = 'contact' AND key IN (SELECT key FROM ours) "
        "AND merged_into IS NOT NULL",
        (keys,),
    )
    return {row[0] for row in rows}


# -- taking away --------------------------------------------------------------------------------------------------


def forget(store: "Store", who: str, now: datetime, *, crm: str) -> Forgot:
    """Take a person out of everything. To be called under the run lock.

    Interrupted, it is to be done again: the state file is done in one transaction, files before and after it.

    Raises:
        UnknownPersonError: When nobody is known by that.
        StoreError: When there is no room for the copy that replaces the others.
    """
    from sync.usage_forget import forget_usage

    downloads = forget_spool.remove_downloads(store.path)
    person = find(store, who)
    listed = _listed(store, person, crm)
    store.rows("PRAGMA secure_delete = ON")
    files = forget_usage(store, person.keys)
    operations = _empty_ledger(store, person, crm, now)
    with store.transaction() as conn:
        rows = _erase(conn, person)
        conn.executemany(
            "INSERT OR REPLACE INTO forgotten VALUES (?, ?)", [(mark, epoch(now)) for mark in _marks(store, person)]
        )
    store.screen = None
    old = copies_of(store.path)
    for copy in old:
        remove(copy.path)
    leavings = downloads + _clear_files(store.path, person)
    store.rows("VACUUM")  # what was deleted at any time before lies in free space until then
    store.fold()
    if old:
        copy_now(store, now)
    return Forgot(person.ids, rows, operations, files, len(old), leavings, listed)


def _listed(store: "Store", person: Person, crm: str) -> bool:
    rows = store.rows(
        "SELECT 1 FROM contact JOIN source ON source.id = contact.source WHERE name = ? AND valid_from IS NOT NULL "
        "AND valid_to IS NULL AND key IN (SELECT value FROM json_each(?))",
        (crm, compact(list(person.keys))),
    )
    return bool(rows)


def _empty_ledger(store: "Store", person: Person, crm: str, now: datetime) -> int:
    from sync.ledger import Ledger

    ledger = Ledger(store)
    return sum(ledger.forget("contact", source_id, now) for source, source_id in person.ids if source == crm)


def _erase(conn: sqlite3.Connection, person: Person) -> int:
    keys, ids = compact(list(person.keys)), compact([source_id for _, source_id in person.ids])
    ours, names = "IN (SELECT value FROM json_each(:keys))", "IN (SELECT value FROM json_each(:ids))"
    statements = [
        f"DELETE FROM link WHERE kind IN ('contact', 'home') AND (key {ours} OR (kind = 'contact' AND crm {ours}))",
        (
            f"DELETE FROM link_history WHERE kind IN ('contact', 'home') AND (key {ours} OR "
            f"(kind = 'contact' AND crm {ours}))"
        ),
        (
            f"DELETE FROM review WHERE source_id {names} OR EXISTS "
            f"(SELECT 1 FROM json_each(candidates) c WHERE c.value {names})"
        ),
        f"DELETE FROM score WHERE level = 'contact' AND key {ours}",
        f"DELETE FROM score_history WHERE level = 'contact' AND key {ours}",
        f"DELETE FROM crm_value WHERE object = 'contact' AND record_id {names}",
        f"DELETE FROM decision WHERE object = 'contact' AND record_id {names}",
        "DELETE FROM note WHERE EXISTS (SELECT 1 FROM json_each(:emails) e WHERE instr(lower(text), e.value))",
        *(
            f"DELETE FROM {table} WHERE kind = 'contact' AND (key {ours} OR merged_into {ours})"
            for table in ("record_map", "record_map_history")
        ),
    ]
    for kind in KINDS.values():
        for table in (kind.name, f"{kind.name}_history"):
            if any(column.type == "contact" for column in kind.columns):
                change = "DELETE FROM {}" if kind.name in _ONLY_OF_PEOPLE else "UPDATE {} SET contact = NULL"
                statements.append(f"{change.format(table)} WHERE contact {ours}")
            if kind.name != "contact" and any(column.name == "email" for column in kind.columns):
                statements.append(
                    f"UPDATE {table} SET email = NULL WHERE lower(email) IN (SELECT value FROM json_each(:emails))"
                )
    statements += [f"DELETE FROM contact_history WHERE key {ours}", f"DELETE FROM contact WHERE key {ours}"]
    given = {"keys": keys, "ids": ids, "emails": compact(list(person.emails))}
    return sum(conn.execute(sql, given).rowcount for sql in statements) + _erase_quarantine(conn, person)


def _erase_quarantine(conn: sqlite3.Connection, person: Person) -> int:
    words = [*person.emails, *(source_id.lower() for _, source_id in person.ids if len(source_id) >= SURE)]
    ids = {source_id for _, source_id in person.ids}
    gone = [
        (row_id,)
        for row_id, source_id, text in conn.execute("SELECT id, source_id, row FROM quarantine").fetchall()
        if source_id in ids or any(word in text.lower() for word in words)
    ]
    conn.executemany("DELETE FROM quarantine WHERE id = ?", gone)
    return len(gone)


def _clear_files(folder: Path, person: Person) -> int:
    """Remove saved plans that name the person and files set aside, and what of them waits in the spool."""
    words = [*person.emails, *(f'"{source_id}"' for _, source_id in person.ids)]
    gone = [
        path
        for path in (folder / "plans").glob("*")
        if path.is_file() and any(word in path.read_text("utf-8", "replace").lower() for word in map(str.lower, words))
    ]
    for path in gone:
        path.unlink()
    aside = [path for path in folder.glob("aside-*") if path.is_dir()]
    for path in aside:
        shutil.rmtree(path, ignore_errors=True)
    return len(gone) + len(aside) + forget_spool.stop_waiting(folder, person.ids, person.emails)


# -- keeping away -------------------------------------------------------------------------------------------------


def _mark(secret: bytes, *words: str) -> str:
    return hmac.new(secret, json.dumps(["forget", *words]).encode(), hashlib.sha256).hexdigest()[:32]


def _marks(store: "Store", person: Person) -> list[str]:
    secret = key(store.path)
    return [_mark(secret, source, source_id) for source, source_id in person.ids] + [
        _mark(secret, email) for email in person.emails
    ]


class Screen:
    """Keeps people out who were forgotten.

    Args:
        marks: The keyed hashes of what they were known by.
        secret: The key.
    """

    def __init__(self, marks: Iterable[str], secret: Callable[[], bytes]) -> None:
        self.marks = frozenset(marks)
        self._secret = secret() if self.marks else b""

    def hides(self, source: str, *names: str | None) -> bool:
        """Whether one of these ids or addresses is of somebody forgotten."""
        return any(
            name is not None
            and (_mark(self._secret, source, name) in self.marks or _mark(self._secret, name.lower()) in self.marks)
            for name in names
        )

    def marks_of(self, record: "Record") -> list[str]:
        """The hashes of what a contact is known by."""
        emails = [
            email.lower() for email in (getattr(record, "email", None), *getattr(record, "other_emails", ())) if email
        ]
        return [_mark(self._secret, record.source, record.source_id), *(_mark(self._secret, one) for one in emails)]

    def page(self, page: "Page") -> "tuple[Page, list[str]]":
        """A page without people who were forgotten, and the hashes of those whom the CRM lists again."""
        source, back = page.source, []
        records = []
        for record in page.records:
            if page.kind == "contact" and self.marks.intersection(known := self.marks_of(record)):
                if record.source_id not in page.own_values:  # only a CRM's rows come with values of ours
                    continue
                back += known
            records.append(self._without(page.kind, record))
        kept = replace(
            page,
            records=[record for record in records if record is not None],
            rejects=[reject for reject in page.rejects if not self._tells(source, reject)],
            merged={a: b for a, b in page.merged.items() if page.kind != "contact" or not self.hides(source, a, b)},
        )
        return kept, back

    def _without(self, kind: str, record: "Record") -> "Record | None":
        """A record of something else without the person; None when it says nothing then."""
        changes: dict[str, None] = {}
        if kind != "contact" and self.hides(record.source, getattr(record, "contact_ref", None)):
            changes["contact_ref"] = None
        if kind not in {"contact", "user"} and (email := getattr(record, "email", None)) and self.hides("", email):
            changes["email"] = None
        if changes and kind in _ONLY_OF_PEOPLE:
            return None
        return record.model_copy(update=changes) if changes else record

    def _tells(self, source: str, reject: "Reject") -> bool:
        return self.hides(source, reject.source_id, *forget_spool.ADDRESS.findall(reject.row))

    def of(self, source: str, ids: Sequence[str]) -> list[str]:
        """Those of these ids that are of somebody forgotten."""
        return [one for one in ids if self.hides(source, one)] if self.marks else []


def screen_of(store: "Store") -> Screen:
    """What keeps people out of this state.

    Raises:
        StoreError: When people were forgotten and the key is gone that tells who.
    """
    marks = [row[0] for row in store.rows("SELECT hash FROM forgotten")]
    if marks and not (store.path / "key").is_file():
        raise StoreError(
            store.path / "key",
            "The key is gone by which people are known who were forgotten.",
            "Put it back from where it was; else run `holdfast forget` for each again, after deleting the rows of "
            "table forgotten.",
        )
    return Screen(marks, lambda: key(store.path))
