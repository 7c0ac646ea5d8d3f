"""Which playbooks and triggers answer what people told us, and which of their tasks says that they were told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoring.inputs import Band
from scoring.playbooks.model import Playbook, Purpose, Trigger
from scoring.playbooks.rules import features_of, vocabulary

if TYPE_CHECKING:
    from scoring.card import Scorecard

BANDS: tuple[Band, ...] = ("green", "yellow", "red", "unknown")
TELL = "tell"
"""A step of this name is the one whose end says that somebody was told; without one any task of the playbook does."""


@dataclass(frozen=True, slots=True)
class Answering:
    """A playbook that goes by survey answers.

    Attributes:
        name: Its name; its tasks go by it.
        purpose: "help" answers unhappy people, "request" happy ones.
        closing: Name of the task whose end says that they were told; "" when any task's does.
    """

    name: str
    purpose: Purpose
    closing: str = ""


def answering(cards: "Iterable[Scorecard]") -> dict[str, Answering]:
    """The playbooks and triggers that go by survey answers, by name; those switched off too: they may have acted."""
    found: dict[str, Answering] = {}
    for card in cards:
        segments = {name: one.rule for name, one in card.account.segments.items()}
        for trigger in card.triggers.values():
            if _by_answers(_named(trigger, segments)):
                found.setdefault(trigger.name, _as_answering(trigger.playbook))
        # What a band brings too is about much else: its tasks say nothing of an answer.
        of_bands = {card.playbook_of(band).name for band in BANDS}
        for rule in card.account.rules.values():
            name = rule.playbook
            if name is not None and name not in of_bands and _by_answers(features_of(rule.when)):
                found.setdefault(name, _as_answering(card.playbooks[name]))
    return found


def _named(trigger: Trigger, segments: Mapping[str, str]) -> set[str]:
    rule = trigger.when if trigger.when is not None else segments.get(trigger.segment or "")
    return ({trigger.since} if trigger.since else set()) | (features_of(rule) if rule else set())


def _by_answers(features: Iterable[str]) -> bool:
    known = vocabulary()
    return any(known[name].family == "survey" for name in features if name in known)


def _as_answering(playbook: Playbook) -> Answering:
    tells = any(step.name == TELL and step.kind == "human" for step in playbook.steps)
    return Answering(playbook.name, playbook.purpose, f"{playbook.name}/{TELL}" if tells else "")
