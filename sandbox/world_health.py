"""The hidden health of every company, day by day, and who leaves when.

A company belongs to a regime, which gives the level that its weekly health is drawn back to (an Ornstein-Uhlenbeck
path). A weekly hazard, exponential in the health of four to ten weeks *earlier*, decides who leaves: usage, tickets
and answers follow health at once, so that they run ahead of the loss by weeks to months.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sandbox.world_frame import Frame, Rng

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

REGIMES = ("thriving", "steady", "decline", "shock", "onboarding")
_SHARES = (0.30, 0.38, 0.13, 0.11, 0.08)
_LEVELS = (0.86, 0.68, 0.72, 0.74, 0.50)
_PULL, _NOISE = 0.18, 0.035  # per week; standing deviation about 0.06
_STEEPNESS = 8.0  # of the hazard: health lower by 0.1 means leaving is 2.2 times as likely
_CHURN_A_YEAR = 0.16
NEVER = 1 << 30
"""The day number of what does not happen."""


@dataclass(frozen=True, slots=True)
class Health:
    """The truth about all companies.

    Attributes:
        daily: [company, day] from 0 (gone or not yet there) to 1 (thriving).
        regime: Index into `REGIMES`.
        shock: Day number of the sudden shock, `NEVER` for none.
        churn: Day number of leaving, `NEVER` for none within the horizon.
    """

    daily: Floats
    regime: Ints
    shock: Ints
    churn: Ints


def make_health(frame: Frame, since: Ints, term: Ints) -> Health:
    """Draw regimes, paths and losses.

    Args:
        frame: The world's frame.
        since: Day number on which each company became a customer; negative for before the world's start.
        term: Length of the contract in days, 30 or 365.
    """
    rng = frame.rng("health")
    weeks = frame.days // 7 + 2
    regime = rng.choice(len(REGIMES), size=len(since), p=_SHARES)
    regime[(regime == REGIMES.index("onboarding")) & (since < 0)] = REGIMES.index("steady")
    turn = np.where(
        regime == REGIMES.index("onboarding"),
        since // 7 + rng.integers(1, 4, len(since)),
        rng.integers(4, weeks, len(since)),
    )
    weekly = _weekly(rng, regime, turn, weeks)
    shock = np.where(regime == REGIMES.index("shock"), turn * 7, NEVER)
    churn = _churn(rng, weekly, since, term, frame.days)
    return Health(_daily(weekly, since, churn, frame.days), regime, shock, churn)


def _levels(rng: Rng, regime: Ints, turn: Ints, weeks: int) -> Floats:
    """Where each company is drawn to, week by week."""
    after = np.arange(weeks)[None, :] - turn[:, None]
    late = np.clip(after, 0, None)
    level = np.asarray(_LEVELS)[regime][:, None] + rng.normal(0, 0.05, (len(regime), 1))
    fall = rng.uniform(0.014, 0.040, (len(regime), 1)) * late
    heal = np.where(rng.random((len(regime), 1)) < 0.5, np.clip(0.5 - 0.012 * late, 0.1, None), 0.5)
    drop = np.select(
        [regime[:, None] == REGIMES.index(name) for name in ("decline", "shock", "onboarding")],
        [fall, np.where(after >= 0, heal, 0.0), np.clip(0.05 * late, 0, 0.4)],
        0.0,
    )
    return np.asarray(np.clip(level - drop, 0.04, 0.97), dtype=np.float32)


def _weekly(rng: Rng, regime: Ints, turn: Ints, weeks: int) -> Floats:
    level = _levels(rng, regime, turn, weeks)
    path = np.empty_like(level)
    path[:, 0] = level[:, 0] + rng.normal(0, 0.06, len(level))
    shocked = regime == REGIMES.index("shock")
    for week in range(1, weeks):
        pull = np.where(shocked & (week - turn >= 0) & (week - turn < 4), 0.6, _PULL)
        step = pull * (level[:, week] - path[:, week - 1]) + rng.normal(0, _NOISE, len(level))
        path[:, week] = path[:, week - 1] + step
    return np.clip(path, 0.02, 1.0)


def _hazard(weekly: Floats, since: Ints, term: Ints) -> Floats:
    """Weekly odds of leaving, up to one common factor."""
    count, weeks = weekly.shape
    total = np.concatenate([np.zeros((count, 1)), np.cumsum(weekly, axis=1)], axis=1)
    week = np.arange(weeks)
    first, last = np.clip(week - 10, 0, None), np.clip(week - 3, 1, None)
    lagged = (total[:, last] - total[:, first]) / (last - first)
    to_term = (week[None, :] * 7 - since[:, None]) % term[:, None]
    at_term = np.where((term[:, None] > 31) & (to_term < 28) & (to_term >= 0), 3.0, 0.85)
    young = week[None, :] * 7 < since[:, None] + 42
    return np.asarray(np.where(young, 0.0, np.exp(_STEEPNESS * (0.55 - lagged)) * at_term), dtype=np.float32)


def _churn(rng: Rng, weekly: Floats, since: Ints, term: Ints, days: int) -> Ints:
    hazard = _hazard(weekly, since, term)
    alive = np.arange(weekly.shape[1])[None, :] * 7 >= since[:, None]
    low, high = 1e-6, 0.2
    for _ in range(24):  # the common factor that gives the wanted loss a year
        middle = (low * high) ** 0.5
        odds = np.clip(hazard * middle, 0, 0.5)
        survival = np.cumprod(1 - odds, axis=1)
        rate = float((odds * survival).sum() / (survival * alive).sum() * 52.18)
        low, high = (middle, high) if rate < _CHURN_A_YEAR else (low, middle)
    hit = rng.random(hazard.shape, dtype=np.float32) < np.clip(hazard * low, 0, 0.5)
    day = hit.argmax(axis=1) * 7 + rng.integers(0, 7, len(hit))
    return np.asarray(np.where(hit.any(axis=1) & (day < days), day, NEVER))


def _daily(weekly: Floats, since: Ints, churn: Ints, days: int) -> Floats:
    """Weekly points joined by straight lines, in place to spare memory."""
    day = np.arange(days)
    week, part = day // 7, ((day % 7) / 7).astype(np.float32)
    daily: Any = weekly[:, week]
    daily += (weekly[:, week + 1] - daily) * part
    daily[(day[None, :] < since[:, None]) | (day[None, :] >= churn[:, None])] = 0.0
    return np.asarray(daily, dtype=np.float32)
