"""Which band holds: what the state remembers and what people say in the CRM, for `scoring.settle`."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from connectors.base import FieldSpec
from mapping.themes import Themes
from scoring.events import KnownEvent
from scoring.inputs import FROZEN, ScoreRow
from scoring.overrides import Override
from scoring.playbooks import BandState
from scoring.settle import CardOf, Pause, Said, Standing, freeze, settle
from scoring.trend import WEEKS
from sync.people import Waiting, keep_notes, waiting, words
from sync.store import Store
from sync.tables import epoch, instant
from sync.watch import Breach

CARDS = "cards"
"""Key in `meta` of the fingerprint of the cards that scored last."""

_STANDINGS = "SELECT crm_id, band, since, candidate, candidate_since, frozen FROM standing"

_KEEP = """
INSERT INTO standing (crm_id, band, since, candidate, candidate_since, frozen) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (crm_id) DO UPDATE SET band = excluded.band, since = excluded.since, candidate = excluded.candidate,
  candidate_since = excluded.candidate_since, frozen = excluded.frozen
"""

_KEEP_CARDS = """
INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value
"""

_PAST = """
SELECT s.key, s.card, CASE WHEN s.valid_from <= t.value THEN s.score ELSE (
  SELECT CASE WHEN h.valid_to > t.value AND h.card IN ('', s.card) THEN h.score END
  FROM score_history h INDEXED BY score_history_past
  WHERE h.level = 'account' AND h.key = s.key AND h.valid_from <= t.value ORDER BY h.valid_from DESC LIMIT 1
) END FROM score s CROSS JOIN json_each(?) t WHERE s.level = 'account' ORDER BY s.key, t.value
"""

_LAST = "SELECT key, card FROM score WHERE level = 'account'"

_LIVE = """
SELECT a.source_id FROM account a JOIN source s ON s.id = a.source
WHERE s.name = ? AND a.valid_from IS NOT NULL AND a.valid_to IS NULL
  AND a.source_id IN (SELECT value FROM json_each(?))
"""

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What holds after a run.

    Attributes:
        rows: Scores with their settled bands.
        frozen: The last rows of accounts that the CRM has and no card scores any more.
        paused: CRM id -> why no task is made for the account now; frozen ones among them.
        waiting: Overrides that are not applied.
    """

    rows: list[ScoreRow]
    frozen: list[ScoreRow]
    paused: dict[str, Pause]
    waiting: list[Waiting] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bench:
    """What settling works on.

    Attributes:
        crm: Name of the CRM's source.
        fields: The fields of people, see `people_fields`.
        events: Known events of the config.
        fingerprint: Of the cards; "" when they are not to be compared with those of the last run.
        breaches: The sources that are silent.
        themes: What notes are looked through for; None: the lists that come with Holdfast.
    """

    store: Store
    crm: str
    fields: Mapping[str, FieldSpec] = field(default_factory=dict)
    events: Sequence[KnownEvent] = ()
    fingerprint: str = ""
    breaches: Sequence[Breach] = ()
    themes: Themes | None = None

    def settle(
        self, card_of: CardOf, rows: Sequence[ScoreRow], bands: Mapping[str, BandState], as_of: datetime
    ) -> Outcome:
        """Settle the bands of a run, and remember how they stand.

        Args:
            card_of: The card that scored a row.
            rows: As the engine gave them.
            bands: Which band each account was in (`Ledger.band_states`): so it stands where nothing else is remembered,
                in a state of an earlier version or one that was taken over from the CRM.
            as_of: The instant of the scores.
        """
        said = list(words(self.store, self.crm, self.fields, as_of))
        before = {crm_id: Standing(state.band, state.since) for crm_id, state in bands.items()}
        before |= read_standings(self.store)
        overrides = {word.crm_id: word.override for word in said if isinstance(word.override, Override)}
        cards = {row.key: row.card for row in rows if row.level == "account"}
        past, last = past_scores(self.store, as_of, cards), dict(self.store.rows(_LAST, ()))
        moved = {key for key, card in cards.items() if last.get(key, card) not in {"", card}}
        silent = {one.record: (one.source, one.last_good) for one in self.breaches if one.alarm}
        said_of = Said(overrides, self.events, past, self._new_card(), moved, silent)
        settled = settle(card_of, rows, before, as_of, said_of)
        frozen = self._frozen(rows, settled.standings, as_of)
        for row in frozen:
            standing = settled.standings[row.crm_id]
            settled.standings[row.crm_id] = replace(standing, frozen=standing.frozen or as_of)
            settled.paused[row.crm_id] = Pause("frozen", None, row.held)
        with self.store.transaction() as conn:
            save_standings(conn, settled.standings)
            if self.fingerprint:
                conn.execute(_KEEP_CARDS, (CARDS, self.fingerprint))
            keep_notes(self.store, said, as_of, self.themes)
        return Outcome(settled.rows, frozen, settled.paused, waiting(said))

    def _new_card(self) -> bool:
        """Whether the last run scored by other cards."""
        known = self.store.rows("SELECT value FROM meta WHERE key = ?", (CARDS,))
        return bool(known and self.fingerprint) and known[0][0] != self.fingerprint

    def _frozen(self, rows: Iterable[ScoreRow], standings: Mapping[str, Standing], as_of: datetime) -> list[ScoreRow]:
        """Accounts that were scored once, are not now, and are in the CRM still: churned, as far as the card tells."""
        scored = {row.crm_id for row in rows if row.level == "account"}
        gone = sorted(standings.keys() - scored)
        if not gone:
            return []
        live = {crm_id for (crm_id,) in self.store.rows(_LIVE, (self.crm, json.dumps(gone)))}
        last = [row for row in self.store.latest_scores("account") if row.crm_id in live] if live else []
        return [freeze(row, standings[row.crm_id].frozen or as_of) for row in last]


def as_kept(store: Store, rows: Iterable[ScoreRow]) -> list[ScoreRow]:
    """Accounts that were scored again, with the band, the words and the trend that the last run gave them.

    Frozen accounts come last, as they were kept: without features.
    """
    kept = {row.crm_id: row for row in store.latest_scores("account")}
    found = []
    for row in rows:
        old = kept.pop(row.crm_id, None)
        same = old is not None and (old.score, old.computed) == (row.score, row.computed)
        parts = {name: getattr(old, name) for name in ("band", "held", "trend", "reason")} if same else {}
        found.append(row._replace(**parts))
    return [*found, *(row for row in kept.values() if row.held.startswith(FROZEN))]


def read_standings(store: Store) -> dict[str, Standing]:
    """What is remembered of each account's band, by CRM id."""
    return {
        crm_id: Standing(band, instant(since), candidate, _moment(candidate_since), _moment(frozen))
        for crm_id, band, since, candidate, candidate_since, frozen in store.rows(_STANDINGS, ())
    }


def save_standings(conn: sqlite3.Connection, standings: Mapping[str, Standing]) -> None:
    """Keep what `read_standings` gives next time; inside a transaction. Rows that say the same are not rewritten."""
    held = {row[0]: row for row in conn.execute(_STANDINGS)}
    new = (
        (crm_id, one.band, epoch(one.since), one.candidate, _epoch(one.candidate_since), _epoch(one.frozen))
        for crm_id, one in standings.items()
    )
    conn.executemany(_KEEP, [row for row in new if held.get(row[0]) != row])


def forget_standings(conn: sqlite3.Connection, crm_ids: Iterable[str]) -> None:
    """Take what the CRM shows for these accounts, in `band_state`, for how they stand; inside a transaction."""
    conn.execute("DELETE FROM standing WHERE crm_id IN (SELECT value FROM json_each(?))", (json.dumps(list(crm_ids)),))


def past_scores(store: Store, as_of: datetime, cards: Mapping[int, str]) -> dict[int, tuple[int | None, ...]]:
    """Account key -> its scores 7, 6, ... 1 weeks before an instant; None where there was none.

    Scores of another card than the one that scores an account now say nothing about where it goes.

    Args:
        store: The state.
        as_of: The instant.
        cards: Account key -> name of the card that scores it now.
    """
    at = json.dumps([epoch(as_of - week * _WEEK) for week in range(WEEKS - 1, 0, -1)])
    found: dict[int, list[int | None]] = {}
    for key, card, score in store.rows(_PAST, (at,)):
        if card in {"", cards.get(key)}:
            found.setdefault(key, []).append(score)
    return {key: tuple(scores) for key, scores in found.items()}


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else instant(seconds)


def _epoch(moment: datetime | None) -> int | None:
    return None if moment is None else epoch(moment)
