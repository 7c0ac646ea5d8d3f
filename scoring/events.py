"""Known events, dated and in the config: a planned migration that is no risk, a release after which usage may drop."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scoring.errors import CardError
from scoring.features import catalogue
from scoring.inputs import ScoreRow
from scoring.matching import matcher, named
from scoring.segments import MAX_RULE
from scoring.signals import NEUTRAL, Line

if TYPE_CHECKING:
    from scoring.card import Scorecard

DROP = -30
"""Percent of change from which on use has dropped since a release."""

Features = Mapping[str, int | str | None]


class KnownEvent(BaseModel):
    """Something that is known to happen between two days, to all accounts or to some."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    name: Line = Field(description="What people see: 'move to the new data centre'.")
    kind: Literal["hold", "release"] = Field(
        "hold",
        description="'hold': bands stay as they are and no task begins. 'release': nothing is held; where usage has "
        "dropped, the reason names it, and rules may ask for days_since_release and its kin.",
    )
    first: date = Field(alias="from", description="First day, UTC.")
    until: date = Field(description="Last day, UTC.")
    accounts: tuple[str, ...] = Field((), description="CRM ids it is about; left out: all.")
    rule: str | None = Field(
        None,
        max_length=MAX_RULE,
        description="Rule over features that the card uses; with accounts: both must hold. A release with a rule is "
        "named in reasons only: days_since_release does not count it.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.until < self.first:
            raise ValueError(f"until ({self.until}) lies before from ({self.first})")
        return self

    @property
    def words(self) -> str:
        """`held until 2026-12-01: move to the new data centre`."""
        return f"held until {self.until}: {self.name}"

    @cached_property
    def _matches(self) -> Callable[[Features], bool]:
        return matcher(self.rule, catalogue("account")) if self.rule else lambda _: True

    def covers(self, row: ScoreRow, day: date) -> bool:
        """Whether it is about an account on a day. An unknown feature makes no rule hold."""
        if not self.first <= day <= self.until:
            return False
        # Salesforce's reports show ids without the last three characters.
        named = not self.accounts or row.crm_id in self.accounts or row.crm_id[:15] in self.accounts
        return named and self._matches(row.features)


def problems(events: Sequence[KnownEvent], features: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with the rules of events, a sentence each.

    Args:
        events: Of the config.
        features: What the cards compute: a rule can ask for nothing else.
    """
    for event in events:
        try:
            asked = named(event.rule, catalogue("account")) if event.rule else frozenset()
        except CardError as problem:
            yield f"{event.name}: rule: {problem.problem}"
            continue
        if missing := sorted(asked - features.keys()):
            yield (
                f"{event.name}: rule: {missing[0]} is not computed: a rule may ask for features that the card uses, "
                f"which are {', '.join(sorted(features))}"
            )


def holding(events: Sequence[KnownEvent], row: ScoreRow, day: date) -> KnownEvent | None:
    """The event that holds an account's band on a day, the longest when there are several; None when none does."""
    held = [event for event in events if event.kind == "hold" and event.covers(row, day)]
    return max(held, key=lambda event: event.until, default=None)


def releases(events: Sequence[KnownEvent], card: "Scorecard", row: ScoreRow, day: date) -> Iterator[str]:
    """Words on the releases since which an account's usage may have dropped: those on while a usage signal is low."""
    now = [event for event in events if event.kind == "release" and event.covers(row, day)]
    if now and (usage_is_low(card, row) or use_dropped(row)):
        yield from (f"since release {event.name} of {event.first}" for event in now)


def use_dropped(row: ScoreRow) -> bool:
    """Whether use has dropped since a release, where the card asks for that: its window of 28 days shows it later."""
    change = row.features.get("use_since_release")
    return isinstance(change, int) and change <= DROP


def usage_is_low(card: "Scorecard", row: ScoreRow) -> bool:
    """Whether a signal of usage pulls a score down."""
    known, signals = catalogue(row.level), card.level(row.level).signals
    return any(
        part.points is not None and part.points < NEUTRAL and known[signals[part.name].feature].family == "usage"
        for part in row.signals
    )
