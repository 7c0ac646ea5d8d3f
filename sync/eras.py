"""Under which cards, with which releases known and which streams disbelieved, scores of the past came about.

Kept where that changes.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import ConfigDict, TypeAdapter

from scoring.card import Scorecard
from scoring.cards import AnyCards, Cards
from scoring.events import KnownEvent
from sync.store import Store
from sync.tables import compact, epoch
from sync.watch import Breach

_BREACHES: TypeAdapter[list[Breach]] = TypeAdapter(list[Breach], config=ConfigDict(defer_build=True))
_RELEASES: TypeAdapter[list[KnownEvent]] = TypeAdapter(list[KnownEvent], config=ConfigDict(defer_build=True))
_NEWEST = "SELECT {column} FROM {table} WHERE since <= ? ORDER BY since DESC LIMIT 1"
_WRITTEN = "cards:written"
"""Key in `meta` of the fingerprint of the cards by which we last wrote."""


def keep_era(store: Store, cards: AnyCards, breaches: Sequence[Breach], now: datetime) -> None:
    """Note by what a run scores, where it differs from the run before."""
    at, text = epoch(now), dump(cards)
    # Since when a stream is disbelieved may be counted anew by the second; whether it is does not change for that.
    said = _BREACHES.dump_json([replace(breach, why="") for breach in breaches]).decode()
    with store.transaction() as conn:
        _keep(conn, "card", at, (cards.fingerprint, text), "fingerprint")
        _keep(conn, "disbelief", at, (said,), "breaches")


def keep_releases(store: Store, events: Sequence[KnownEvent], now: datetime) -> None:
    """Note the releases that the config names, where they differ from those of the run before; before it scores.

    One that is for the accounts of a rule is left out: a rule asks for features, and these are computed with it.
    """
    found = [one for one in events if one.kind == "release" and one.rule is None]
    with store.transaction() as conn:
        _keep(conn, "releases", epoch(now), (_RELEASES.dump_json(found, by_alias=True).decode(),), "releases")


def releases_at(store: Store, at: datetime) -> list[KnownEvent]:
    """The releases that the config named at an instant, those without a rule."""
    rows = store.rows(_NEWEST.format(column="releases", table="releases"), (epoch(at),))
    return _RELEASES.validate_json(rows[0][0]) if rows else []


def _keep(conn: sqlite3.Connection, table: str, at: int, values: tuple[str, ...], column: str) -> None:
    last = conn.execute(_NEWEST.format(column=column, table=table), (at,)).fetchone()
    if last is None or last[0] != values[0]:
        marks = ", ".join("?" * len(values))
        conn.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, {marks})", (at, *values))


def dump(cards: AnyCards) -> str:
    """Cards as JSON text, which `parse` turns into the same cards again."""
    several = cards.cards if isinstance(cards, Cards) else (cards,)
    return compact([card.model_dump_json() for card in several])


def parse(text: str) -> Cards:
    """The cards of `dump`."""
    return Cards([Scorecard.model_validate_json(one) for one in json.loads(text)])


def passed(store: Store) -> list[str]:
    """Each card by which the last run scored, as `Scorecard.load` takes those whose rules were checked before."""
    rows = store.rows("SELECT cards FROM card ORDER BY since DESC LIMIT 1")
    return [str(one) for one in json.loads(rows[0][0])] if rows else []


def cards_at(store: Store, at: datetime, now: AnyCards | None = None) -> AnyCards | None:
    """The cards by which was scored at an instant; before the first run those of the first, None when there is none.

    `now` are cards that are at hand, which spares compiling them again where they are the ones.
    """
    rows = store.rows(_NEWEST.format(column="fingerprint, cards", table="card"), (epoch(at),))
    rows = rows or store.rows("SELECT fingerprint, cards FROM card ORDER BY since LIMIT 1")
    if now is not None and rows and rows[0][0] == now.fingerprint:
        return now
    return parse(rows[0][1]) if rows else None


def cards_named(store: Store, fingerprint: str) -> Cards | None:
    """The cards of this fingerprint; None when none such ever scored here."""
    rows = store.rows("SELECT cards FROM card WHERE fingerprint = ? LIMIT 1", (fingerprint,))
    return parse(rows[0][0]) if rows else None


def breaches_at(store: Store, at: datetime) -> list[Breach]:
    """Which streams were not believed at an instant."""
    rows = store.rows(_NEWEST.format(column="breaches", table="disbelief"), (epoch(at),))
    return _BREACHES.validate_json(rows[0][0]) if rows else []


def note_written(store: Store, cards: AnyCards) -> None:
    """Remember by which cards we have written what the CRM says."""
    with store.transaction() as conn:
        conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_WRITTEN, cards.fingerprint))


def written_by(store: Store) -> str:
    """Fingerprint of the cards by which we last wrote; empty when that is not known."""
    rows = store.rows("SELECT value FROM meta WHERE key = ?", (_WRITTEN,))
    return str(rows[0][0]) if rows else ""
