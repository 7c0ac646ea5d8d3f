"""What a feature is, and what the families share."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from scoring.inputs import Level
from scoring.units import Unit, things

Family = Literal["usage", "support", "survey", "commercial", "relationship", "profile"]

WINDOW_DAYS = 28
"""Usage windows are this many complete days: today's unfinished day would make every morning look like a decline."""
MIN_EVENTS = 10
"""Fewest events in the earlier window for a change to mean something."""
MIN_ACTIVE = 3
"""Fewest active people or days in the earlier window for a change to mean something."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of the catalogue.

    Attributes:
        name: What rules, signals and templates call it.
        unit: What the number counts.
        meaning: One line.
        sql: Over the source's columns (an aggregate), or over other features when `source` is empty.
        source: Where its rows come from; "" when computed from features, "median" or "quintile" for the place of
            that expression among all accounts, see `scoring.ranks`.
        family: Kind of evidence.
        kinds: Record kinds without which it does not exist; a tenant without a source of such a kind does not have it.
        zero: No rows mean 0 where the kind is known; otherwise they mean NULL.
        levels: For accounts, contacts or both.
        internal: A step on the way: not for cards.
        watched: Days for which its kinds must have been read before nothing seen means 0, as no source tells of these
            changes afterwards. What was seen counts at once. 0 where sources tell of their past.
        setting: Key of the card's `[product]` table that says which events it counts; "" when it needs none.
    """

    name: str
    unit: Unit
    meaning: str
    sql: str
    source: str = ""
    family: Family = "profile"
    kinds: tuple[str, ...] = ()
    zero: bool = False
    levels: tuple[Level, ...] = ("account",)
    internal: bool = False
    setting: str = ""
    watched: int = 0

    @property
    def is_text(self) -> bool:
        """True when the value is a word."""
        return self.unit.kind == "text"


BOTH: tuple[Level, ...] = ("account", "contact")
CONTACT: tuple[Level, ...] = ("contact",)
THOUSANDTHS = things("thousandth")
own = partial(Feature, source="self")
"""A feature that is a column of the account or contact itself."""

SINCE_CREATED = "WHEN created_at BETWEEN 0 AND clock.now THEN clock.today - created_at // 86400"
"""Days since the CRM record was made, as the last branch of a CASE."""
