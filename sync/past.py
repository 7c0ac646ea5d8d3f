"""Scores as of an instant in the past: by the cards of then, out of what was known then, in the bands that held then.

Whatever is learnt, changed, merged or deleted afterwards, they come out the same, byte for byte. Two things are not
kept and so not told: people's words on an account as the CRM showed them then (the band that came of them is), and
people who were forgotten since.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scoring.card import LEVELS
from scoring.cards import AnyCards
from scoring.inputs import Band, Level, ScoreRow
from scoring.playbooks import KNOWN, BandState
from scoring.settle import with_words
from scoring.trend import WEEKS, trend
from sync import frames
from sync.eras import breaches_at, cards_at
from sync.store import Store
from sync.tables import epoch, instant
from sync.watch import Breach, hold_bands

_KEPT = """
SELECT key, crm_id, score, band, segments, card, run_id, valid_from, valid_to FROM (
  SELECT key, crm_id, score, band, segments, card, run_id, valid_from, NULL AS valid_to FROM score
  WHERE level = 'account' UNION ALL
  SELECT key, crm_id, score, band, segments, card, run_id, valid_from, valid_to FROM score_history
  WHERE level = 'account'
) WHERE valid_from <= ?1 {only} ORDER BY key, valid_from
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run made of an account, and the runs after it left so.

    Attributes:
        key: The account's key.
        crm_id: The CRM's id.
        score: 0-100; None when too little was known.
        band: The band that held.
        segments: Names, sorted.
        card: Name of the card.
        run_id: The run.
        since: From when on.
        until: Up to when; None while it is so.
    """

    key: int
    crm_id: str
    score: int | None
    band: Band
    segments: tuple[str, ...]
    card: str
    run_id: int
    since: datetime
    until: datetime | None


def kept_scores(store: Store, at: datetime, key: int | None = None) -> dict[int, list[Kept]]:
    """What runs made of each account up to an instant, by key, the oldest first.

    Args:
        store: The state.
        at: The instant; what came later is not told.
        key: Of one account, else all.
    """
    found: dict[int, list[Kept]] = {}
    only, given = ("", (epoch(at),)) if key is None else ("AND key = ?2", (epoch(at), key))
    for key_, crm_id, score, band, segments, card, run_id, since, until in store.rows(_KEPT.format(only=only), given):
        end = None if until is None or until > epoch(at) else instant(until)
        kept = Kept(key_, crm_id, score, band, tuple(json.loads(segments)), card, run_id, instant(since), end)
        found.setdefault(kept.key, []).append(kept)
    return found


def band_since(kept: Sequence[Kept]) -> datetime | None:
    """Since when the last band has held without a break; None when nothing is known."""
    since: datetime | None = None
    for one, later in zip(reversed(kept), [None, *reversed(kept)], strict=False):
        if later is not None and (one.band != later.band or one.until != later.since):
            break
        since = one.since
    return since


@dataclass(frozen=True, slots=True)
class Past:
    """What scoring of the past works on.

    Attributes:
        crm: Name of the CRM's source.
        sources: Names of the configured sources.
        cards: The cards of now: for a state that no run has scored yet.
    """

    store: Store
    crm: str
    sources: Sequence[str]
    cards: AnyCards

    def cards_at(self, at: datetime) -> AnyCards:
        """The cards by which was scored at an instant."""
        return cards_at(self.store, at, self.cards) or self.cards

    def computed(
        self,
        at: datetime,
        *,
        cards: AnyCards | None = None,
        levels: Sequence[Level] = LEVELS,
        known: datetime | None = None,
        breaches: Sequence[Breach] | None = None,
    ) -> list[ScoreRow]:
        """Scores as of an instant as the engine gives them.

        Args:
            at: The instant, aware.
            cards: Others than those of then.
            levels: Which levels.
            known: Records that came late, and who is who, count as they were known at this later instant.
            breaches: Streams that are not believed; left out: those of then.
        """
        from scoring.engine import score

        breaches = breaches_at(self.store, at) if breaches is None else breaches
        given = frames.inputs(self.store, at, crm=self.crm, sources=self.sources, breaches=breaches, known=known)
        with self.store.released():
            return list(score(cards or self.cards_at(at), given, levels=levels))

    def score(self, at: datetime, levels: Sequence[Level] = LEVELS) -> list[ScoreRow]:
        """Scores as of an instant, in the bands that the last run until then settled them into."""
        cards, breaches = self.cards_at(at), breaches_at(self.store, at)
        rows = self.computed(at, cards=cards, levels=levels, breaches=breaches)
        kept = kept_scores(self.store, at)
        states = {past[-1].crm_id: BandState(past[-1].band, past[-1].since, {}) for past in kept.values()}
        rows = [self._settled(row, kept.get(row.key, ()), at) if row.level == "account" else row for row in rows]
        return hold_bands(rows, states, breaches, card=cards, as_of=at)

    def _settled(self, row: ScoreRow, kept: Sequence[Kept], at: datetime) -> ScoreRow:
        points = (*_weekly(kept, at, row.card), row.score)
        slope = trend(points[-WEEKS:]) if row.score is not None else None
        if not kept or kept[-1].until is not None or kept[-1].band not in KNOWN or row.computed not in KNOWN:
            return row._replace(trend=slope)
        band, since = kept[-1].band, band_since(kept)
        words = f"{band} since {since:%Y-%m-%d}" if band != row.computed and since else ""
        return row._replace(band=band, held=words, trend=slope, reason=with_words(row.reason, words))


def _weekly(kept: Sequence[Kept], at: datetime, card: str) -> tuple[int | None, ...]:
    """The scores 7, 6, ... 1 weeks before an instant by the same card; None where there was none."""
    found: list[int | None] = []
    for week in range(WEEKS - 1, 0, -1):
        then = (at - timedelta(weeks=week)).astimezone(UTC)
        there = (one for one in kept if one.since <= then and (one.until is None or then < one.until))
        one = next(there, None)
        found.append(one.score if one is not None and one.card in {"", card} else None)
    return tuple(found)


def last_score_before(kept: Mapping[int, Sequence[Kept]], key: int, at: datetime) -> Kept | None:
    """What held of an account at an instant; None when nothing did."""
    there = (one for one in kept.get(key, ()) if one.since <= at and (one.until is None or at < one.until))
    return next(there, None)
