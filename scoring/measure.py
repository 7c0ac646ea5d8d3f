"""How well scores told who would leave: rates with their intervals, ranking, lead time, and what looks too good.

Sources of the formulas:

- Interval of a rate: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
  the American Statistical Association 22, 1927, 209-212.
- AUC: the share of pairs of one who left and one who stayed in which the one who left stood lower, ties counting half
  (Mann and Whitney 1947). Its interval: E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, "Comparing the areas under
  two or more correlated receiver operating characteristic curves", Biometrics 44, 1988, 837-845, computed on mid-ranks
  as X. Sun and W. Xu describe, IEEE Signal Processing Letters 21, 2014, 1389-1393.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, sqrt

Z95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""
FEW = 30
"""Below so many cases a percentage is never given alone."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many.

    Attributes:
        part: How many.
        whole: Of how many.
    """

    part: int
    whole: int

    @property
    def share(self) -> float:
        """Between 0 and 1; not a number when there are none."""
        return self.part / self.whole if self.whole else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval; (0, 1) when there are none."""
        return wilson(self.part, self.whole)

    @property
    def words(self) -> str:
        """`3 of 7 (43 %, 16-75 %)`; `none of 0` where there is nothing to count."""
        if not self.whole:
            return "none of 0"
        low, high = self.interval
        return f"{self.part:,} of {self.whole:,} ({_percent(self.share)} %, {_percent(low)}-{_percent(high)} %)"


def wilson(part: int, whole: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a rate, between 0 and 1.

    Raises:
        ValueError: More than all, or fewer than none.
    """
    if not 0 <= part <= whole:
        raise ValueError(f"{part} of {whole} is no rate")
    if whole == 0:
        return 0.0, 1.0
    share, square = part / whole, z * z
    middle = (share + square / (2 * whole)) / (1 + square / whole)
    half = z * sqrt(share * (1 - share) / whole + square / (4 * whole * whole)) / (1 + square / whole)
    return (0.0 if part == 0 else middle - half, 1.0 if part == whole else middle + half)


@dataclass(frozen=True, slots=True)
class Area:
    """The area under the ROC curve: how well one number ranks those who left below those who stayed.

    Attributes:
        auc: 0.5 is chance, 1 perfect.
        low: Lower end of the 95 % interval.
        high: Upper end.
        left: How many left.
        stayed: How many did not.
    """

    auc: float
    low: float
    high: float
    left: int
    stayed: int

    @property
    def words(self) -> str:
        """`AUC 0.81 (0.74-0.88; 23 left, 410 stayed)`."""
        return f"AUC {self.auc:.2f} ({self.low:.2f}-{self.high:.2f}; {self.left:,} left, {self.stayed:,} stayed)"


def area(left: Sequence[float], stayed: Sequence[float]) -> Area | None:
    """The area with DeLong's interval; None when nobody left or nobody stayed.

    With all pairs in order the interval would have no width; it is then that of the rule of three: 3 in as many pairs
    as the smaller group has members may still be the other way round.

    Args:
        left: Scores of those who left, higher is better.
        stayed: Scores of those who stayed.
    """
    m, n = len(left), len(stayed)
    if not m or not n:
        return None
    # Share of those who stayed that stand above each who left, and of those who left that stand below each who stayed.
    positive = [1 - share for share in _shares(left, sorted(stayed))]
    negative = _shares(stayed, sorted(left))
    auc = sum(positive) / m
    variance = _variance(positive, auc) / m + _variance(negative, auc) / n
    half = Z95 * sqrt(variance)
    if variance == 0:
        half = min(1.0, 3 / min(m, n)) if auc in (0.0, 1.0) else 1.0
    return Area(auc, max(0.0, auc - half), min(1.0, auc + half), m, n)


def _shares(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Share of the sorted others that lie below each value, ties counting half."""
    return [(bisect_left(others, value) + bisect_right(others, value)) / (2 * len(others)) for value in values]


def _variance(values: Sequence[float], mean: float) -> float:
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1) if len(values) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Called:
    """What calling those who stand lowest would have found.

    Attributes:
        calls: How many were called.
        precision: Of them, who left.
        recall: Of those who left, who was called.
        lift: Precision against calling anybody; not a number when nobody left.
    """

    calls: int
    precision: Rate
    recall: Rate
    lift: float


def at_capacity(cases: Sequence[tuple[float | None, bool]], calls: int) -> Called:
    """Call as many as one can, the lowest first; of equal scores as many as their share, rounded down.

    Args:
        cases: Score (higher is better; None is called last) and whether the account left, in any order.
        calls: How many can be called.
    """
    groups: dict[float, list[int]] = {}
    for score, gone in cases:
        group = groups.setdefault(float("inf") if score is None else score, [0, 0])
        group[0] += 1
        group[1] += gone
    left, found, free = sum(gone for _, gone in groups.values()), 0, min(calls, len(cases))
    called = free
    for score in sorted(groups):
        size, leaving = groups[score]
        taken = min(size, free)
        found += leaving * taken // size
        free -= taken
    base = left / len(cases) if cases else 0.0
    lift = (found / called) / base if called and base else float("nan")
    return Called(called, Rate(found, called), Rate(found, left), lift)


@dataclass(frozen=True, slots=True)
class Lead:
    """How long before somebody left the alarm was up.

    Attributes:
        found: Who had an alarm at all, of those who left.
        quartiles: Days: a quarter had fewer, half had fewer, three quarters had fewer; None when nobody had one.
    """

    found: Rate
    quartiles: tuple[float, float, float] | None

    @property
    def words(self) -> str:
        """`12 of 19 (63 %, 41-81 %) had been red, 64 days ahead (half of them 31 to 120)`."""
        if self.quartiles is None:
            return f"{self.found.words} had been red"
        low, middle, high = (round(days) for days in self.quartiles)
        return f"{self.found.words} had been red, {middle} days ahead (half of them {low} to {high})"


def lead_of(days: Sequence[int | None]) -> Lead:
    """Lead times by those who left; None for those without an alarm."""
    known = sorted(one for one in days if one is not None)
    quartiles = (quantile(known, 0.25), quantile(known, 0.5), quantile(known, 0.75)) if known else None
    return Lead(Rate(len(known), len(days)), quartiles)


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile of sorted values, straight lines between them (Hyndman and Fan's type 7).

    Raises:
        ValueError: There are none.
    """
    if not values:
        raise ValueError("no values")
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def said(number: float, digits: int = 1) -> str | None:
    """A number for people; None when it is not one."""
    return None if isnan(number) else f"{number:.{digits}f}"


def _percent(share: float) -> int:
    return round(100 * share)
