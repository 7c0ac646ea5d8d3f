"""The scorecard: read from TOML, checked, and compiled to one SQL statement per level.

A card is data. It is closed (an unknown key is an error that names the nearest right one), typed and frozen; numbers
with decimals are read exactly, so that points are whole hundredths everywhere.
"""

import copy
import hashlib
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StrictInt, ValidationError, model_validator

from scoring import bounded
from scoring.errors import CardError, nearest
from scoring.features import Feature, catalogue
from scoring.inputs import Band, Level, ScoreRow
from scoring.library import with_library
from scoring.playbooks.model import Caps, Playbook, Step, Suppression, Trigger
from scoring.playbooks.problems import auto_segments
from scoring.playbooks.problems import problems as playbook_problems
from scoring.product import Product
from scoring.roles import Roles
from scoring.rules import Rule
from scoring.segments import MAX_RULE, Segment, parse_rule, with_members, words_of
from scoring.signals import PLACEHOLDER, Signal

if TYPE_CHECKING:
    from sqlglot import exp

LEVELS: tuple[Level, ...] = ("account", "contact")


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class BandPlaybooks(_Closed):
    """Which playbook answers which band; every band has one."""

    red: str
    yellow: str
    green: str
    unknown: str


class Bands(_Closed):
    """Where the bands lie and what answers them."""

    red_below: StrictInt = Field(40, ge=1, le=100, description="Scores below this are red.")
    green_from: StrictInt = Field(70, ge=1, le=100, description="Scores from here on are green; between is yellow.")
    min_coverage: StrictInt = Field(50, ge=1, le=100, description="Below this percentage the band is unknown.")
    margin: StrictInt = Field(3, ge=0, le=20, description="A band is left only by so many points beyond its edge,")
    confirm_days: StrictInt = Field(
        7, ge=1, le=30, description="and only when that lasts for so many days; 1: at once."
    )
    red_families: StrictInt = Field(
        2,
        ge=1,
        le=5,
        description="An account is red only when so many families of signals pull it down, or by a rule; with 1 the "
        "score alone decides.",
    )
    playbooks: BandPlaybooks = Field(description="Band -> playbook.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.red_below > self.green_from:
            raise ValueError(f"red_below ({self.red_below}) must not lie above green_from ({self.green_from})")
        return self


class Freshness(_Closed):
    """How fast knowledge ages when a source stops delivering."""

    full_hours: StrictInt = Field(24, ge=1, le=8760, description="As good as new until this age.")
    none_hours: StrictInt = Field(168, ge=2, le=8760, description="Worth nothing from this age on.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.full_hours >= self.none_hours:
            raise ValueError(f"full_hours ({self.full_hours}) must lie below none_hours ({self.none_hours})")
        return self


class LevelCard(_Closed):
    """Signals and segments of one level."""

    only: str | None = Field(
        None,
        max_length=MAX_RULE,
        description="Rule that says who is scored at all, in features and this card's segments; left out: everybody.",
    )
    signals: dict[str, Signal] = Field(min_length=1, description="By name.")
    segments: dict[str, Segment] = Field(default_factory=dict, description="By name.")
    use: tuple[str, ...] = Field((), description="Segments to take from those that come with the program.")

    @property
    def scored(self) -> str | None:
        """`only` in features alone."""
        return self.only and with_members(self.only, self.segments)


class AccountCard(LevelCard):
    """What accounts have besides."""

    rules: dict[str, Rule] = Field(default_factory=dict, max_length=20, description="Hard rules by name.")


class Scorecard(_Closed):
    """Everything that decides a score."""

    name: str = Field(min_length=1, max_length=80, description="Shown with scores.")
    bands: Bands
    freshness: Freshness = Field(default_factory=lambda: Freshness(full_hours=24, none_hours=168))
    segment_limit: StrictInt = Field(10, ge=1, le=100, description="Most named segments over both levels.")
    product: Product = Field(default_factory=Product.model_construct, description="What the product's events mean.")
    roles: Roles = Field(default_factory=Roles.model_construct, description="Words that tell roles of people.")
    account: AccountCard
    contact: LevelCard
    playbooks: dict[str, Playbook] = Field(min_length=1, description="By name.")
    triggers: dict[str, Trigger] = Field(default_factory=dict, description="Events that call for a follow-up, by name.")
    suppress: dict[str, Suppression] = Field(default_factory=dict, description="When outreach waits, by name.")
    caps: Caps = Field(default_factory=Caps.model_construct, description="How many new tasks there may be.")
    _compiled: dict[Level, "exp.Select"] = PrivateAttr(default_factory=dict)
    _texts: dict[tuple[Level, str], str] = PrivateAttr(default_factory=dict)
    _named: dict[Level, dict[str, Feature]] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None = None, passed: Collection[str] = ()) -> "Scorecard":
        """Read and check a card; without a path the one that comes with the program.

        `passed` are cards, as `model_dump_json` writes them, whose rules have been checked before: one that is among
        them is taken without parsing its rules again, which spares what only tells of stored scores the SQL parser.

        Raises:
            CardError: Saying file, dotted key, what is wrong and what is allowed.
        """
        if path is None:
            text, file = resources.files("scoring").joinpath("default.toml").read_text("utf-8"), "default.toml"
            return _passed(cls, text, passed) or cls.parse(text, file)
        try:
            text = path.read_text("utf-8")
            return _passed(cls, text, passed) or cls.parse(text, str(path))
        except OSError as problem:
            raise CardError(f"cannot be read: {problem.strerror}", file=str(path)) from None
        except UnicodeDecodeError as problem:
            raise CardError(f"is not UTF-8: byte {problem.start}", file=str(path)) from None

    @classmethod
    def parse(cls, text: str, file: str = "") -> "Scorecard":
        """Check a card given as TOML text; `file` is named in errors.

        The same text gives the same card, with the statements that it was compiled to: `holdfast run` reads its card
        every hour.
        """
        return _parsed(cls, text, file)

    @classmethod
    def from_data(cls, data: dict[str, Any], file: str = "") -> "Scorecard":
        """Check a card given as tables (decimals as Decimal, not float); `file` is named in errors."""
        try:
            card = cls.model_validate(_named(with_library(copy.deepcopy(data))))
            for problem in card._problems():
                raise problem
        except ValidationError as problem:
            raise _card_error(problem, file) from None
        except CardError as problem:
            raise CardError(problem.problem, key=problem.key, file=file) from None
        return card

    def level(self, level: Level) -> LevelCard:
        """Signals and segments of a level."""
        return self.account if level == "account" else self.contact

    def playbook_of(self, band: Band) -> Playbook:
        """The playbook that answers a band."""
        return self.playbooks[getattr(self.bands.playbooks, band)]

    def rules(self, level: Level) -> Mapping[str, Rule]:
        """Hard rules of a level; contacts have none."""
        return self.account.rules if level == "account" else {}

    def answer(self, row: ScoreRow) -> Playbook:
        """The playbook that answers a row: that of the hard rule that sets its band, else its band's."""
        rule = self.account.rules.get(row.rule)
        if rule is None or rule.playbook is None or row.band != rule.band:
            return self.playbook_of(row.band)
        return self.playbooks[rule.playbook]

    def card_of(self, row: ScoreRow) -> "Scorecard":
        """The card of a row: this one."""
        del row
        return self

    @property
    def active_triggers(self) -> tuple[Trigger, ...]:
        """Triggers that are on."""
        return tuple(trigger for trigger in self.triggers.values() if trigger.enabled)

    @property
    def actions(self) -> Mapping[str, Playbook]:
        """Every playbook that acts, and every trigger as one, by name."""
        found = [*self.playbooks.values(), *(trigger.playbook for trigger in self.triggers.values())]
        return {playbook.name: playbook for playbook in found if playbook.acts}

    def playbook_named(self, name: str) -> Playbook | None:
        """The playbook of that name, or the trigger's; None when the card has neither."""
        trigger = self.triggers.get(name)
        return self.playbooks.get(name) if trigger is None else trigger.playbook

    def segment_names(self) -> tuple[str, ...]:
        """Every segment of both levels, sorted: the options of the CRM's field."""
        return tuple(sorted({name for level in LEVELS for name in self.level(level).segments} | auto_segments(self)))

    def features(self, level: Level) -> dict[str, Feature]:
        """Public features a level's signals, templates and rules use, by name, in the catalogue's order."""
        if level not in self._named:
            from scoring.statement import named_features

            self._named[level] = named_features(self, level)
        return self._named[level]

    def statement(self, level: Level) -> "exp.Select":
        """The level's statement as a tree, with the instant left open as a parameter; do not change it."""
        if level not in self._compiled:
            from scoring.statement import build

            self._compiled[level] = build((self,), level)
        return self._compiled[level]

    def compile(self, level: Level = "account", *, as_of: datetime | None = None, dialect: str = "duckdb") -> str:
        """The level's one SQL statement, as text.

        Args:
            level: What to score.
            as_of: The instant to score for, aware; left out, the statement has the parameter `as_of` (epoch seconds).
            dialect: "duckdb", "spark" or another of SQLGlot's.
        """
        from scoring.statement import at_instant

        if as_of is not None:
            return at_instant(self.statement(level), as_of).sql(dialect, pretty=True)
        if (level, dialect) not in self._texts:
            self._texts[level, dialect] = self.statement(level).sql(dialect, pretty=True)
        return self._texts[level, dialect]

    @property
    def fingerprint(self) -> str:
        """Differs whenever the card would score or act differently: 16 hex digits."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def warnings(self) -> tuple[str, ...]:
        """What is allowed but unwise."""
        from scoring.lint import lint

        return tuple(map(str, lint(self)))

    def _problems(self) -> Iterator[CardError]:
        """What only shows when the parts are seen together."""
        names = self.segment_names()
        if len(names) > self.segment_limit:
            yield CardError(
                f"{len(names)} segments; at most {self.segment_limit} (segment_limit) stay distinguishable",
                key="account.segments",
            )
        for band, playbook in self.bands.playbooks:
            yield from _known(playbook, self.playbooks, f"bands.playbooks.{band}", "playbook")
        if self.playbook_of("unknown").task:
            yield CardError(
                "what is not known is no reason to act: needs a playbook with task = false",
                key="bands.playbooks.unknown",
            )
        yield from playbook_problems(self)
        for level in LEVELS:
            yield from self._level_problems(level)

    def _level_problems(self, level: Level) -> Iterator[CardError]:
        features = catalogue(level)
        public = {name: feature for name, feature in features.items() if not feature.internal}
        for name, signal in self.level(level).signals.items():
            key = f"{level}.signals.{name}"
            yield from _known(signal.feature, public, f"{key}.feature", "feature")
            yield from _known(signal.playbook, self.playbooks, f"{key}.playbook", "playbook")
            if features[signal.feature].is_text:
                yield CardError(f"{signal.feature} is a text; a curve needs a number", key=f"{key}.feature")
            yield from _template(signal.reason, public, f"{key}.reason")
        for name, rule in self.rules(level).items():
            key = f"{level}.rules.{name}"
            parse_rule(rule.when, features, key=f"{key}.when")
            yield from _template(rule.reason, public, f"{key}.reason")
            if rule.playbook is not None:
                yield from _known(rule.playbook, self.playbooks, f"{key}.playbook", "playbook")
        segments = self.level(level).segments
        yield from self._only_problems(level, features)
        for name, segment in segments.items():
            key = f"{level}.segments.{name}"
            parse_rule(segment.rule, features, key=f"{key}.rule")
            for other in segment.outranks:
                yield from _known(other, segments, f"{key}.outranks", "segment of this level")
        for name, feature in self.features(level).items():
            if feature.setting and not self.product.says(feature.setting):
                yield CardError(f"{name} counts events that nobody has named", key=f"product.{feature.setting}")

    def _only_problems(self, level: Level, features: Mapping[str, Feature]) -> Iterator[CardError]:
        part, key = self.level(level), f"{level}.only"
        if both := sorted(words_of(part.only or "") & part.segments.keys() & features.keys()):
            yield CardError(f"{both[0]} is a feature and a segment of this card; rename the segment", key=key)
        if part.scored is not None:
            parse_rule(part.scored, features, key=key)


@lru_cache(maxsize=8)
def _parsed(cls: type[Scorecard], text: str, file: str) -> Scorecard:
    """A card does not change, so one that is read again need not be checked and compiled again."""
    try:
        data = bounded.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as problem:  # numbers and nesting beyond measure too
        raise CardError(f"not valid TOML: {str(problem)[:200]}", file=file) from None
    return cls.from_data(data, file)


def _passed(cls: type[Scorecard], text: str, passed: Collection[str]) -> Scorecard | None:
    """The card of a text if it is among those that were checked before."""
    if not passed:
        return None
    try:
        data = bounded.loads(text, parse_float=Decimal)
        card = cls.model_validate(_named(with_library(data)))
    except (ValueError, ArithmeticError, RecursionError, CardError):  # `parse` says what is wrong
        return None
    return card if card.model_dump_json() in passed else None


def _known(name: str, allowed: Mapping[str, object], key: str, what: str) -> Iterator[CardError]:
    if name not in allowed:
        yield CardError(f"unknown {what} {name!r}{nearest(name, allowed)}", key=key)


def _template(text: str, features: Mapping[str, object], key: str) -> Iterator[CardError]:
    """What is wrong with words that have features in them."""
    for found in PLACEHOLDER.finditer(text):
        yield from _known(found[1], features, key, "feature")
    if set("{}") & set(PLACEHOLDER.sub("", text)):
        yield CardError("a brace without its partner", key=key)


def _named(data: dict[str, Any]) -> dict[str, Any]:
    """Hand every signal, segment, rule and playbook the heading of its table as its name."""
    tables = [data.get("playbooks"), data.get("triggers"), data.get("suppress")]
    for level in LEVELS:
        part = data.get(level)
        tables += [part.get("signals"), part.get("segments"), part.get("rules")] if isinstance(part, dict) else []
    for table in tables:
        for name, entry in table.items() if isinstance(table, dict) else ():
            if isinstance(entry, dict):
                if "name" in entry:
                    raise CardError(f"{name!r}: 'name' is the heading of the table and not set inside")
                entry["name"] = name
    return data


def _card_error(problem: ValidationError, file: str) -> CardError:
    # A mistyped key shows twice, as unknown and as missing: the first of these helps.
    first, *others = sorted(problem.errors(include_url=False), key=lambda error: error["type"] != "extra_forbidden")
    place = tuple(first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = f"unknown key{nearest(str(place[-1]), _fields_at(place[:-1]))}"
    elif first["type"] == "missing":
        message = "missing"
        if place[:2] == ("bands", "playbooks"):
            message = "missing: every band maps to a playbook; one without a task has task = false and a reason"
    elif isinstance(first["input"], str | int | Decimal):
        message += f" (it is {str(first['input'])[:60]!r})"
    more = f" (and {len(others)} more)" if others else ""
    return CardError(message + more, key=".".join(map(str, place)), file=file)


def _fields_at(place: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at a place of the card."""
    tables: dict[str, type[BaseModel]] = {
        "signals": Signal,
        "segments": Segment,
        "rules": Rule,
        "playbooks": Playbook,
        "triggers": Trigger,
    }
    tables |= {"suppress": Suppression, "steps": Step}
    parts: dict[str, type[BaseModel]] = {"bands": Bands, "freshness": Freshness, "caps": Caps}
    known: dict[str, type[BaseModel]] = {**tables, **parts, "account": AccountCard, "contact": LevelCard}
    model: type[BaseModel] = Scorecard
    for step in place:
        model = BandPlaybooks if (model, step) == (Bands, "playbooks") else known.get(str(step), model)
    return [name for name in model.model_fields if name != "name" or model is Scorecard]
