"""When an episode starts: an account enters a band, or a trigger begins to hold."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from scoring.inputs import ScoreRow
from scoring.playbooks.memory import KNOWN, BandState, Chooser
from scoring.playbooks.model import Playbook, Trigger
from scoring.playbooks.rules import Words, holds, vocabulary

if TYPE_CHECKING:
    from scoring.card import Scorecard

SEEN = "~"
"""What follows a trigger's name among episodes for an event that was there at first sight, and so started nothing."""
WOBBLE = timedelta(days=2)
"""An event's instant comes from whole hours or days and differs from run to run; by more it is another event."""


def next_states(
    card: Chooser, rows: Iterable[ScoreRow], previous: Mapping[str, BandState], now: datetime
) -> dict[str, BandState]:
    """What to remember after this run; accounts without a row keep what they had."""
    states = dict(previous)
    for row in rows:
        if row.level == "account" and row.band in KNOWN:
            states[row.crm_id] = advance(card.card_of(row), row, previous.get(row.crm_id), now)
    return states


def words_of(row: ScoreRow, state: BandState | None, now: datetime, value: int = 50) -> Words:
    """What a rule may ask about an account."""
    days = (now - state.since).days if state is not None and state.band == row.band else 0
    return {
        **row.features,
        "band": row.band,
        "score": row.score,
        "trend": row.trend,
        "value": value,
        "days_in_band": days,
    }


def advance(card: "Scorecard", row: ScoreRow, old: BandState | None, now: datetime) -> BandState:
    """What is remembered of an account after a row of known band."""
    entered = old is None or old.band != row.band
    state = old if old is not None and not entered else BandState(row.band, now, old.episodes if old else {})
    episodes, holding = dict(state.episodes), dict(old.holding) if old else {}
    answer = card.answer(row)
    if entered and answer.acts and (old is not None or answer.on_first_sight):
        _start(episodes, answer, now)
    for name in rule_playbooks(card):
        # A hard rule may begin to hold in a band that the account is in already.
        if name == answer.name and not entered and answer.acts and holding.get(name) is False:
            _start(episodes, answer, now)
        holding[name] = name == answer.name
    triggers = card.active_triggers
    words = words_of(row, state, now) if triggers else {}
    for trigger in triggers:
        said = trigger_holds(trigger, row, words)
        if said is not None:
            age = age_of(trigger.since, words) if trigger.since else None
            if said:
                _advance_trigger(trigger, now - age if age else now, episodes, holding.get(trigger.name))
            holding[trigger.name] = said
    if old is not None and not entered and episodes == old.episodes and holding == old.holding:
        return old
    return BandState(row.band, state.since, episodes, holding)


def rule_playbooks(card: "Scorecard") -> tuple[str, ...]:
    """Playbooks that hard rules bring."""
    return tuple(dict.fromkeys(rule.playbook for rule in card.account.rules.values() if rule.playbook is not None))


def trigger_holds(trigger: Trigger, row: ScoreRow, words: Words) -> bool | None:
    """Whether a trigger holds; None when that is not known."""
    if trigger.segment is not None:
        return trigger.segment in row.segments
    return holds(trigger.when or "", words)


def age_of(feature: str, words: Words) -> timedelta | None:
    """How long ago the event was that a feature counts hours or days since, at the most; None when there was none."""
    value = words.get(feature)
    if not isinstance(value, int):
        return None
    # Whole hours and days are rounded down: one more is never too few.
    unit = vocabulary()[feature].unit
    return timedelta(hours=value + 1) if unit.one == "hour" else timedelta(days=value + 1)


def _advance_trigger(
    trigger: Trigger,
    event: datetime,
    episodes: dict[str, datetime],
    before: bool | None,  # noqa: FBT001  # what it said before
) -> None:
    """Start an episode of a trigger that holds, unless what it is about is known already.

    Args:
        trigger: What holds.
        event: When it came about, as far as is known.
        episodes: Where the start goes.
        before: What it said when last known; None when it was never looked at.
    """
    seen = trigger.name + SEEN
    if before is False or (before is None and trigger.on_first_sight):
        _start(episodes, trigger.playbook, event, WOBBLE if trigger.since else timedelta(0))
    elif trigger.since is not None:
        # A new event is a new beginning even while the earlier one still makes the rule hold.
        known = [episodes[name] for name in (trigger.name, seen) if name in episodes]
        if not known:
            episodes[seen] = event.replace(microsecond=0)
        elif event - max(known) >= max(WOBBLE, timedelta(days=trigger.cooldown_days)):
            _start(episodes, trigger.playbook, event)


def _start(episodes: dict[str, datetime], playbook: Playbook, start: datetime, least: timedelta = timedelta(0)) -> None:
    last = episodes.get(playbook.name)
    # Coming back within the cool-down goes on with the earlier episode: same key, hence no second task.
    if last is None or start - last >= max(least, timedelta(days=playbook.cooldown_days)):
        episodes[playbook.name] = start.replace(microsecond=0)
