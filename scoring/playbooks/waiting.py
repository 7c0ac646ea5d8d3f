"""Why an action that is called for waits: complaints, notes, snoozes, sources that stopped delivering."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from scoring.features import catalogue
from scoring.inputs import ScoreRow
from scoring.playbooks.episodes import age_of
from scoring.playbooks.memory import Freeze, Withheld
from scoring.playbooks.model import Step, Suppression
from scoring.playbooks.rules import Words, holds

if TYPE_CHECKING:
    from scoring.card import Scorecard

FRESH = 50
"""Percent below which a signal is too old to say that somebody is not there."""


def again(now: datetime) -> datetime:
    """When what waits without an end of its own is looked at again, at the latest: it is looked at on every run."""
    return whole_day(now)


def whole_day(at: datetime) -> datetime:
    """The midnight (UTC) after an instant: an end that hours are not known of stays the same all day."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def held_back(
    card: "Scorecard", row: ScoreRow, named: tuple[str, Step], words: Words, now: datetime, freeze: Freeze | None
) -> Withheld | None:
    """The reason that makes a step wait longest; None when it need not.

    Args:
        card: The row's card.
        row: The account.
        named: The step and the name that its tasks go by.
        words: What rules may ask.
        now: The instant.
        freeze: A person's word on the account.
    """
    name, step = named
    found = [
        Withheld(row.crm_id, name, rule, until, why)
        for rule, until, why in (
            *_frozen(step, now, freeze),
            *(one for each in card.suppress.values() for one in _suppressed(each, step, words, now)),
            *(_stale(card, row, now) if step.purpose == "winback" else ()),
        )
    ]
    return max(found, key=lambda one: one.until, default=None)


def _frozen(step: Step, now: datetime, freeze: Freeze | None) -> Iterator[tuple[str, datetime, str]]:
    if freeze is None or (freeze.until is not None and freeze.until <= now):
        return
    # A note stops what goes out by itself and what somebody in a bad mood should not get; help by a person goes on.
    if freeze.all or step.kind == "auto" or step.purpose != "help":
        yield freeze.rule, freeze.until or again(now), freeze.why


def _suppressed(each: Suppression, step: Step, words: Words, now: datetime) -> Iterator[tuple[str, datetime, str]]:
    if step.purpose in each.stops and (until := _waits_until(each, words, now)) is not None:
        yield each.name, until, each.reason


def _waits_until(each: Suppression, words: Words, now: datetime) -> datetime | None:
    """Until when a suppression holds, as far as can be said; None while it does not."""
    if each.when is not None and holds(each.when, words) is not True:
        return None
    if each.since is None:
        return again(now)
    if (age := age_of(each.since, words)) is None:
        return None
    value = words[each.since]
    # `age` is one hour or day more than the feature's whole number: the boundary is the number itself.
    least = age * (int(value) / (int(value) + 1)) if isinstance(value, int) and value >= 0 else age
    return whole_day(now + timedelta(days=each.days) - least) if least < timedelta(days=each.days) else None


def tags(card: "Scorecard", words: Words, now: datetime) -> set[str]:
    """Segments that the people of an account carry because of suppressions that hold for it."""
    found = ((each.tag, each) for each in card.suppress.values())
    return {tag for tag, each in found if tag is not None and _waits_until(each, words, now) is not None}


def _stale(card: "Scorecard", row: ScoreRow, now: datetime) -> Iterator[tuple[str, datetime, str]]:
    """A source that stopped delivering makes everybody look absent."""
    known = catalogue(row.level)
    for signal in row.signals:
        on_card = card.level(row.level).signals.get(signal.name)
        if on_card is None or signal.weight == 0 or signal.fresh >= FRESH:
            continue
        if known[on_card.feature].family in ("usage", "commercial"):
            yield "stale_source", again(now), f"what is known of {signal.name} is old"
            return
