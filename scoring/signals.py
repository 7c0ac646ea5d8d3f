"""A signal: one feature, a curve that turns its value into 1 to 5 points, a weight, and what a missing value means.

Points are hundredths (100 worst, 300 neutral, 500 best), so that every engine computes the same whole numbers.
"""

import re
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

WORST, NEUTRAL, BEST = 100, 300, 500
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Line = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\r\n\t]+$")]
Knot = tuple[StrictInt, Decimal]

PLACEHOLDER = re.compile(r"\{(\w*)\}")
"""`{name}` in a template; anything else in braces is an error."""
_LARGEST = 10**12
"""Knots stay below this, so that value times points fits 64 bits."""


class Signal(BaseModel):
    """One line of a scorecard.

    A linear curve runs straight from knot to knot and is flat outside; a steps curve holds a knot's points until the
    next one. Both are exact: between two knots the share of the way is rounded towards the first of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Name = Field(description="The heading of its table.")
    feature: str = Field(description="A feature of the catalogue with a numeric value.")
    weight: StrictInt = Field(ge=1, le=1000, description="Its share of the score, relative to the other weights.")
    curve: tuple[Knot, ...] = Field(
        min_length=2, max_length=20, description="[value, points] pairs by rising value; points 1 to 5, two decimals."
    )
    shape: Literal["linear", "steps"] = Field("linear", description="How to read between the pairs.")
    missing: Literal["unknown"] | Decimal = Field(
        "unknown", description="'unknown' lowers coverage; points from 3 to 5 say that no value is a fact."
    )
    reason: Line = Field(
        description="What it says when it is low, for colleagues; {feature} is filled in with its unit."
    )
    customer: Line = Field(description="The same in words a customer may read: a class of behaviour, no figures.")
    playbook: str = Field(description="The playbook that answers it.")

    @field_validator("curve")
    @classmethod
    def _curve(cls, curve: tuple[Knot, ...]) -> tuple[Knot, ...]:
        values = [value for value, _ in curve]
        points = [hundredths(p) for _, p in curve]
        if any(a >= b for a, b in pairwise(values)):
            raise ValueError("values must rise from pair to pair")
        if max(map(abs, values)) > _LARGEST:
            raise ValueError("values must lie within 10^12")
        if min(points) < WORST or max(points) > BEST:
            raise ValueError("points must lie between 1 and 5")
        if points not in (sorted(points), sorted(points, reverse=True)):
            raise ValueError("points must only rise or only fall, so that better is never scored lower")
        return curve

    @field_validator("missing")
    @classmethod
    def _missing(cls, missing: Literal["unknown"] | Decimal) -> Literal["unknown"] | Decimal:
        if isinstance(missing, Decimal) and not NEUTRAL <= hundredths(missing) <= BEST:
            raise ValueError("must be 'unknown' or points from 3 (neutral) to 5: missing is not bad")
        return missing

    _plain = field_validator("customer")(lambda words: plain_words(words))  # noqa: PLW0108  # defined further down

    @property
    def knots(self) -> tuple[tuple[int, int], ...]:
        """The curve with points in hundredths."""
        return tuple((value, hundredths(points)) for value, points in self.curve)

    @property
    def missing_points(self) -> int | None:
        """Hundredths for a missing value, None when it is unknown."""
        return None if isinstance(self.missing, str) else hundredths(self.missing)

    def points_sql(self, fresh: str) -> str:
        """Points in hundredths as SQL; NULL while `fresh`, a percentage, is 0 or NULL."""
        value, knots = self.feature, self.knots
        absent = "NULL" if self.missing_points is None else str(self.missing_points)
        cases = [f"WHEN {fresh} IS NULL OR {fresh} = 0 THEN NULL", f"WHEN {value} IS NULL THEN {absent}"]
        if self.shape == "steps":
            cases += [f"WHEN {value} >= {at} THEN {points}" for at, points in reversed(knots[1:])]
            return f"CASE {' '.join(cases)} ELSE {knots[0][1]} END"
        cases.append(f"WHEN {value} <= {knots[0][0]} THEN {knots[0][1]}")
        for (x0, p0), (x1, p1) in pairwise(knots):
            way = f"({value} - {_number(x0)}) * {abs(p1 - p0)} // {x1 - x0}"
            cases.append(f"WHEN {value} <= {x1} THEN {p0} {'-' if p1 < p0 else '+'} {way}")
        return f"CASE {' '.join(cases)} ELSE {knots[-1][1]} END"


def plain_words(words: str) -> str:
    """Words that a customer may read, checked.

    Raises:
        ValueError: They hold a figure, a placeholder or an address.
    """
    if re.search(r"[\d{}/@]", words):
        raise ValueError("must be a class of behaviour in plain words: no figures, placeholders or addresses")
    return words


def hundredths(points: Decimal) -> int:
    """Points 1 to 5 as hundredths; more than two decimals are refused."""
    scaled = points * 100
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError("points have at most two decimals")
    return int(scaled)


def _number(value: int) -> str:
    return str(value) if value >= 0 else f"({value})"
