"""What each run made otherwise of an account's score, split into its causes and kept, so that `explain` need not score.

Only accounts whose score changed have a row, and the rows of several runs add up: so the change since any run is told
out of them exactly.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from scoring.change import Change, moved, split_kept, tenths_of
from scoring.features import catalogue
from scoring.inputs import ScoreRow
from sync.eras import cards_at
from sync.late import ANY, late_kinds
from sync.past import Past
from sync.results import latest_scores_of, signals_at
from sync.tables import epoch

if TYPE_CHECKING:
    from scoring.card import Scorecard
    from scoring.cards import AnyCards
    from sync.run import Agent
    from sync.run_report import RunReport
    from sync.store import Store

_HELD = "SELECT key, score FROM score WHERE level = 'account'"

_KEEP = """
INSERT OR REPLACE INTO score_change (key, at, since, before, after, behaviour, data, configuration)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

_SINCE = """
SELECT before, after, behaviour, data, configuration FROM score_change WHERE key = ? AND at > ? AND at <= ? ORDER BY at
"""


def keep_moves(agent: "Agent", rows: Sequence[ScoreRow], report: "RunReport") -> None:
    """Split and keep what this run changes of the scores, before they take the place of those of the run before."""
    store = agent.store
    since = agent.ledger.scored_before(report.as_of)
    held = dict(store.rows(_HELD))
    new = {r.key: r for r in rows if r.level == "account" and r.key in held and held[r.key] != r.score}
    if since is None or not new:
        return
    cards = cards_at(store, since, agent.card) or agent.card
    by_old = _by_old_cards(agent, cards, new, report)
    late = late_kinds(store, epoch(since), epoch(report.as_of), new.keys())
    kept = []
    for before in latest_scores_of(store, new.keys()):
        after = new[before.key]
        unchanged = by_old.get(before.key, after)
        if before.score is not None and not before.signals:  # as an older version kept it
            continue
        card = cards.card_of(unchanged)
        change = split_kept(since, card, (before, unchanged, after), _about(card, late.get(before.key, ())))
        kept.append((before.key, epoch(report.as_of), epoch(since), before.score, after.score, *_parts(change)))
    with store.transaction() as conn:
        conn.executemany(_KEEP, kept)


def _parts(change: Change) -> tuple[int, int, int]:
    return change.behaviour, change.data, change.configuration


def _by_old_cards(
    agent: "Agent", cards: "AnyCards", new: Mapping[int, ScoreRow], report: "RunReport"
) -> Mapping[int, ScoreRow]:
    """The facts of now by the cards of the run before; the rows at hand where those are the same."""
    if cards.fingerprint == agent.card.fingerprint:
        return new
    past = Past(agent.store, agent.crm.name, [source.name for source, _ in agent.sources], agent.card)
    rows = past.computed(report.as_of, cards=cards, levels=["account"], breaches=report.breaches)
    report.by_others[cards.fingerprint] = rows
    return {row.key: row for row in rows}


def _about(card: "Scorecard", kinds: Collection[str]) -> set[str]:
    """The signals that read one of these kinds of record."""
    known = catalogue("account")
    return {
        name
        for name, signal in card.account.signals.items()
        if ANY in kinds or not set(known[signal.feature].kinds).isdisjoint(kinds)
    }


def change_since(store: "Store", since: datetime, before: int | None, now: ScoreRow, as_of: datetime) -> Change | None:
    """How an account's score came about since a run, out of what is kept.

    Args:
        store: The state.
        since: The instant of that run.
        before: The score then.
        now: As it is scored now; where that is otherwise than the last run kept it, by another card.
        as_of: The instant of the last run.

    Returns:
        None when not every run kept its part, as those of older versions did not.
    """
    score, behaviour, data, configuration = before, 0, 0, 0
    for was, then, *parts in store.rows(_SINCE, (now.key, epoch(since), epoch(as_of))):
        if was != score:
            return None
        score = then
        behaviour, data, configuration = (a + b for a, b in zip((behaviour, data, configuration), parts, strict=True))
    kept = store.rows("SELECT score FROM score WHERE level = 'account' AND key = ?", (now.key,))
    if not kept or kept[0][0] != score:
        return None
    configuration += tenths_of(now.score) - tenths_of(score)
    signals = moved(signals_at(store, now.key, epoch(since)), now.signals)
    return Change(since, before, now.score, configuration, data, behaviour, signals)
