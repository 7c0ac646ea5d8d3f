"""What is wrong with a card's playbooks, triggers and suppressions, and what is allowed but unwise."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scoring.errors import CardError, nearest
from scoring.playbooks.model import Trigger
from scoring.playbooks.rules import features_of, vocabulary
from scoring.segments import parse_rule
from scoring.units import DAYS

if TYPE_CHECKING:
    from scoring.card import Scorecard

MOST_TRIGGERS = 5
"""More triggers than this, switched on, are more touches than anybody follows: a warning."""
TIMERS = ("customer_age_days", "days_to_renewal", "contact_age_days", "days_in_band", "days_since_release")
"""What changes by nothing but the passing of time."""
OPT_OUT = "email_opt_out_share"
"""The feature that says whether there is anybody who may be written to."""


def problems(card: "Scorecard") -> Iterator[CardError]:
    """What cannot be used."""
    for name, playbook in card.playbooks.items():
        for place, rule in playbook.rules():
            parse_rule(rule, vocabulary(), key=f"playbooks.{name}.{place}")
    for name, trigger in card.triggers.items():
        key = f"triggers.{name}"
        if name in card.playbooks:
            yield CardError(f"a playbook is called {name!r} too; their tasks could not be told apart", key=key)
        if trigger.when is not None:
            parse_rule(trigger.when, vocabulary(), key=f"{key}.when")
        if trigger.segment is not None and trigger.segment not in card.account.segments:
            known = card.account.segments
            yield CardError(
                f"unknown segment {trigger.segment!r}{nearest(trigger.segment, known)}", key=f"{key}.segment"
            )
        for place, rule in trigger.playbook.rules():
            parse_rule(rule, vocabulary(), key=f"{key}.{place}")
        yield from _counts_time(trigger.since, f"{key}.since")
    yield from _answered_once(card)
    yield from _suppressions(card)


def _suppressions(card: "Scorecard") -> Iterator[CardError]:
    known = card.contact.segments
    for name, each in card.suppress.items():
        if each.when is not None:
            parse_rule(each.when, vocabulary(), key=f"suppress.{name}.when")
        yield from _counts_time(each.since, f"suppress.{name}.since")
        if each.tag is not None and each.tag not in known:
            text = f"unknown segment of contacts {each.tag!r}{nearest(each.tag, known)}"
            yield CardError(text, key=f"suppress.{name}.tag")


def _answered_once(card: "Scorecard") -> Iterator[CardError]:
    """A segment is the same risk and the same answer: two answers ask for two segments."""
    answers: dict[str, str] = {}
    for name, trigger in card.triggers.items():
        if trigger.segment is not None and answers.setdefault(trigger.segment, name) != name:
            text = (
                f"segment {trigger.segment!r} is answered by {answers[trigger.segment]!r} already; it has one playbook"
            )
            yield CardError(text, key=f"triggers.{name}.segment")


def _counts_time(feature: str | None, key: str) -> Iterator[CardError]:
    public = {name: one for name, one in vocabulary().items() if not one.internal}
    if feature is None:
        return
    if feature not in public:
        yield CardError(f"unknown feature {feature!r}{nearest(feature, public)}", key=key)
    elif public[feature].unit.one not in ("hour", DAYS.one):
        yield CardError(f"{feature} counts neither hours nor days", key=key)


def warnings(card: "Scorecard") -> Iterator[str]:
    """What is allowed but unwise."""
    active = card.active_triggers
    if len(active) > MOST_TRIGGERS:
        yield f"triggers: {len(active)} are on; start with two or three, and see what they lead to"
    asked = [features_of(one.when) for one in card.suppress.values() if one.when is not None]
    if _reaches_out(card) and OPT_OUT not in set().union(*asked):
        yield f"suppress: nothing here asks for {OPT_OUT}: outreach goes also to people who have opted out"
    for trigger in active:
        if not trigger.timer and _is_timer(trigger):
            yield (
                f"triggers.{trigger.name}: goes by nothing but time, which annoys: add a condition on use, tickets or"
                " answers, or say timer = true"
            )


def _is_timer(trigger: Trigger) -> bool:
    return trigger.when is not None and features_of(trigger.when) <= set(TIMERS)


def needed_features(card: "Scorecard") -> set[str]:
    """Features of accounts that triggers which are on, steps and suppressions ask for."""
    active = card.active_triggers
    playbooks = [*card.playbooks.values(), *(trigger.playbook for trigger in active)]
    rules = [rule for playbook in playbooks for _, rule in playbook.rules()]
    rules += [trigger.when for trigger in active if trigger.when is not None]
    named = {trigger.since for trigger in active if trigger.since is not None}
    # What outreach waits for is of no use to a card that reaches out to nobody, and stops nobody else's tools.
    heeded = [each for each in card.suppress.values() if each.tag is not None or _reaches_out(card)]
    rules += [each.when for each in heeded if each.when is not None]
    named |= {each.since for each in heeded if each.since is not None}
    return named.union(*map(features_of, rules))


def _reaches_out(card: "Scorecard") -> bool:
    """Whether a card has a step that is not help by a person."""
    playbooks = [*card.playbooks.values(), *(trigger.playbook for trigger in card.active_triggers)]
    return any(step.purpose != "help" or step.kind == "auto" for one in playbooks for _, step in one.sequence)


def named_roles(card: "Scorecard") -> Iterator[tuple[str, str]]:
    """Every role that playbooks, and triggers that are on, give tasks to, with the key that names it."""
    found = [(f"playbooks.{one.name}", one) for one in card.playbooks.values()]
    found += [(f"triggers.{one.name}", one.playbook) for one in card.active_triggers]
    for key, playbook in found:
        for name, step in playbook.sequence:
            place = key if name == playbook.name else f"{key}.steps.{step.name}"
            owner = "who" if place.startswith("triggers.") and place == key else "owner"
            for field, rule in ((owner, step.owner), ("second_owner", step.second_owner)):
                if rule is not None and ":" in rule:
                    yield f"{place}.{field}", rule.partition(":")[2]
        if playbook.escalate_after_days is not None and ":" in playbook.escalate_to:
            yield f"{key}.escalate_to", playbook.escalate_to.partition(":")[2]


def auto_segments(card: "Scorecard") -> set[str]:
    """Segments that auto steps put accounts into."""
    found = [*card.playbooks.values(), *(trigger.playbook for trigger in card.active_triggers)]
    return {step.segment for one in found for step in one.steps if step.kind == "auto" and step.segment is not None}
