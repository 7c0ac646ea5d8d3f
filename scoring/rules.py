"""Hard rules: what no average may hide. A rule is a floor under the band, and may bring a playbook of its own.

The grade is the weighted average; a rule that holds makes the band at least as bad as it says. It needs a score: of an
account of which too little is known nothing is said, and a rule whose facts are too old to count does not hold.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator

from scoring.features import Feature
from scoring.segments import MAX_RULE, holds, parse_rule
from scoring.signals import Line, Name, Signal, plain_words

ONE_KIND = "one kind of evidence, hence not red"
"""What the reason line says of a score below the red edge that only one family of signals pulls there."""
NO_EVIDENCE = "profile"
"""Family whose signals are no evidence of their own: how old a customer is says nothing about trouble."""


class Rule(BaseModel):
    """One hard rule."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Name = Field(description="The heading of its table.")
    when: str = Field(min_length=1, max_length=MAX_RULE, description="SQL boolean text over features.")
    band: Literal["red", "yellow"] = Field(description="The band is at least as bad as this where the rule holds.")
    reason: Line = Field(description="Why, for colleagues, before the signals; {feature} is filled in with its unit.")
    customer: Line = Field(description="The same in words a customer may read: a class of behaviour, no figures.")
    playbook: str | None = Field(None, description="Answers it instead of the band's playbook.")
    bypass: StrictBool = Field(False, description="True: the band changes at once, without days of confirmation.")

    _plain = field_validator("customer")(plain_words)


def families_sql(signals: Mapping[str, Signal], features: Mapping[str, Feature]) -> str:
    """How many families of signals pull the score down."""
    by_family: dict[str, list[str]] = {}
    for name, signal in signals.items():
        by_family.setdefault(features[signal.feature].family, []).append(f"{name}__drag > 0")
    by_family.pop(NO_EVIDENCE, None)
    return " + ".join(f"CASE WHEN {' OR '.join(low)} THEN 1 ELSE 0 END" for low in by_family.values()) or "0"


def holds_sql(rule: Rule, features: Mapping[str, Feature]) -> str:
    """Whether a rule holds, 1 or 0; not while a kind of record that it looks at is too old to count."""
    from sqlglot import exp

    named = {column.name for column in parse_rule(rule.when, features).find_all(exp.Column)}
    kinds = sorted({kind for name in named for kind in features[name].kinds})
    fresh = "".join(f" AND COALESCE({kind}_fresh, 100) > 0" for kind in kinds)
    return f"CASE WHEN {holds(rule.when)}{fresh} THEN 1 ELSE 0 END"


def rule_sql(rules: Iterable[Rule]) -> str:
    """Name of the rule that asks for the band that results, the first of the card when there are several; else ''."""
    rules = list(rules)

    def cases(band: str) -> str:
        return " ".join(f"WHEN {rule.name}__holds = 1 THEN '{rule.name}'" for rule in rules if rule.band == band)

    if not rules:
        return "''"
    return (
        f"CASE WHEN grade = 'unknown' THEN '' {cases('red')} WHEN grade = 'red' THEN '' {cases('yellow')} ELSE '' END"
    )


def band_sql(rules: Iterable[Rule]) -> str:
    """The band: the grade, or what the rule says."""
    cases = " ".join(f"WHEN '{rule.name}' THEN '{rule.band}'" for rule in rules)
    return f"CASE rule {cases} ELSE grade END" if cases else "grade"
