"""The scorecards of a company, in order: an account is scored by the first whose `[account] only` rule holds for it.

Contacts likewise, by `[contact] only`. Whom no card takes is not scored. Several cards are one statement per level:
features are computed once, then each card answers for its own rows.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Union

from scoring.bounded import MOST_CARDS
from scoring.card import LEVELS, Freshness, Scorecard
from scoring.errors import CardError
from scoring.features import Feature, catalogue
from scoring.inputs import Band, Level, ScoreRow
from scoring.playbooks.model import Playbook, Trigger
from scoring.product import Product

if TYPE_CHECKING:
    from sqlglot import exp

AnyCards = Union["Cards", Scorecard]
"""What can score: several cards, or one."""


class Cards:
    """Ordered scorecards of one company that fit together.

    Raises:
        CardError: Two of them contradict each other; names both files and the key.
    """

    def __init__(self, cards: Sequence[Scorecard], files: Sequence[str] = ()) -> None:
        if not cards:
            raise CardError("no scorecard is given")
        self.cards = tuple(cards)
        self.files = tuple(files) or tuple(card.name for card in cards)
        for problem in self._problems():
            raise problem
        self._by_name = {card.name: card for card in self.cards}
        self._trees: dict[Level, exp.Select] = {}
        self._texts: dict[tuple[Level, str], str] = {}

    @classmethod
    def load(cls, paths: Sequence[Path] = (), passed: Collection[str] = ()) -> "Cards":
        """Read and check cards; without a path the one that comes with the program. For `passed` see `Scorecard.load`.

        Raises:
            CardError: Saying file, dotted key, what is wrong and what is allowed.
        """
        if not paths:
            return cls.of_card(Scorecard.load(passed=passed))
        return cls([Scorecard.load(path, passed) for path in paths], [str(path) for path in paths])

    @classmethod
    def of_card(cls, card: Scorecard) -> "Cards":
        """A single card."""
        return cls((card,))

    @property
    def name(self) -> str:
        """The names of all cards."""
        return ", ".join(card.name for card in self.cards)

    @property
    def freshness(self) -> Freshness:
        """How fast knowledge ages; the same on every card."""
        return self.cards[0].freshness

    def card_of(self, row: ScoreRow) -> Scorecard:
        """The card that scored a row; the first for rows of a card that is no longer there."""
        return self._by_name.get(row.card, self.cards[0])

    @property
    def product(self) -> Product:
        """What the product's events mean; the same on every card."""
        return self.cards[0].product

    def playbook_of(self, band: Band) -> Playbook:
        """The playbook that answers a band, by the first card: for accounts of which nothing but the band is known."""
        return self.cards[0].playbook_of(band)

    @cached_property
    def playbooks(self) -> Mapping[str, Playbook]:
        """Every playbook by name."""
        return {name: playbook for card in self.cards for name, playbook in card.playbooks.items()}

    @property
    def active_triggers(self) -> tuple[Trigger, ...]:
        """Triggers that are on, each once."""
        found = {trigger.name: trigger for card in self.cards for trigger in card.active_triggers}
        return tuple(found.values())

    @property
    def actions(self) -> Mapping[str, Playbook]:
        """Every playbook that acts, and every trigger as one, by name; the first card's where several have one."""
        return {name: found for card in reversed(self.cards) for name, found in card.actions.items()}

    def playbook_named(self, name: str) -> Playbook | None:
        """The playbook of that name, or the trigger's; None when no card has either."""
        found = (card.playbook_named(name) for card in self.cards)
        return next((playbook for playbook in found if playbook is not None), None)

    def segment_names(self) -> tuple[str, ...]:
        """Every segment of every card, sorted: the options of the CRM's field."""
        return tuple(sorted({name for card in self.cards for name in card.segment_names()}))

    def features(self, level: Level) -> dict[str, Feature]:
        """Public features that the cards use, by name, in the catalogue's order."""
        used = {name for card in self.cards for name in card.features(level)}
        return {name: feature for name, feature in catalogue(level).items() if name in used}

    def statement(self, level: Level) -> "exp.Select":
        """The level's statement as a tree, with the instant left open as a parameter; do not change it."""
        if len(self.cards) == 1:
            return self.cards[0].statement(level)
        if level not in self._trees:
            from scoring.statement import build

            self._trees[level] = build(self.cards, level)
        return self._trees[level]

    def compile(self, level: Level = "account", *, as_of: datetime | None = None, dialect: str = "duckdb") -> str:
        """The level's one SQL statement, as text; see `Scorecard.compile`."""
        if len(self.cards) == 1:
            return self.cards[0].compile(level, as_of=as_of, dialect=dialect)
        from scoring.statement import at_instant

        if as_of is not None:
            return at_instant(self.statement(level), as_of).sql(dialect, pretty=True)
        if (level, dialect) not in self._texts:
            self._texts[level, dialect] = self.statement(level).sql(dialect, pretty=True)
        return self._texts[level, dialect]

    @property
    def fingerprint(self) -> str:
        """Differs whenever the cards would score or act differently: 16 hex digits."""
        if len(self.cards) == 1:
            return self.cards[0].fingerprint
        return hashlib.sha256(" ".join(card.fingerprint for card in self.cards).encode()).hexdigest()[:16]

    def warnings(self) -> tuple[str, ...]:
        """What is allowed but unwise."""
        from scoring.lint import lint

        return tuple(map(str, lint(self)))

    def _problems(self) -> Iterator[CardError]:
        """What only shows when the cards are seen together."""
        if len(self.cards) > MOST_CARDS:
            yield CardError(f"{len(self.cards)} scorecards; at most {MOST_CARDS} can be kept apart")
        seen: dict[str, tuple[str, object]] = {}
        names: dict[str, str] = {}
        for card, file in zip(self.cards, self.files, strict=True):
            if card.name in names:
                yield CardError(
                    f"{names[card.name]} is called {card.name!r} too: give each its own", key="name", file=file
                )
            names[card.name] = file
            for key, part in _shared(card):
                other, before = seen.setdefault(key, (file, part))
                if before != part:
                    yield CardError(
                        f"says something else than in {other}; on all cards it must say the same", key=key, file=file
                    )
            for name in card.triggers:
                if (clash := seen.get(f"playbooks.{name}")) is not None:
                    text = f"{clash[0]} has a playbook called {name!r}; their tasks could not be told apart"
                    yield CardError(text, key=f"triggers.{name}", file=file)
        segments, limit = self.segment_names(), max(card.segment_limit for card in self.cards)
        if len(segments) > limit:
            yield CardError(
                f"{len(segments)} segments over all cards; at most {limit} (segment_limit) stay distinguishable",
                file=", ".join(self.files),
            )


def _shared(card: Scorecard) -> Iterator[tuple[str, object]]:
    """What must say the same on every card that has it, by dotted key.

    Facts are computed once, hence freshness, product and roles; what the CRM shows by one name must be one thing.
    """
    yield "freshness", card.freshness
    yield "product", card.product
    yield "roles", card.roles
    for level in LEVELS:
        for name, segment in card.level(level).segments.items():
            # Who gives way to it depends on what else is on the card; what it means does not.
            yield f"{level}.segments.{name}", (segment.label, segment.rule)
    for name, playbook in card.playbooks.items():
        yield f"playbooks.{name}", playbook
    for name, trigger in card.triggers.items():
        yield f"triggers.{name}", trigger
