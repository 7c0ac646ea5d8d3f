"""Product events, a day at a time: made when asked for, the same on every call, a few million a second."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from sandbox.model import ProductEvent
from sandbox.world_companies import Customers
from sandbox.world_frame import DAY, Frame, at
from sandbox.world_health import NEVER, Floats, Ints
from sandbox.world_names import EVENT_NAMES
from sandbox.world_people import Population
from sandbox.world_support import season

_WEEKDAY = (1.2, 1.25, 1.25, 1.2, 1.05, 0.18, 0.15)
_MEAN = 0.95
"""Events of an average user on an average day in average health."""
_LATE, _LATEST = 0.02, 5 * DAY * 1000
_ANONYMOUS = 0.05
# Shares of EVENT_NAMES (the first is never drawn) for people who look, make and administer.
_PROFILES = np.array(
    [
        [0, 0.10, 0.52, 0.08, 0.10, 0.01, 0.12, 0.01, 0.06],
        [0, 0.08, 0.30, 0.20, 0.24, 0.02, 0.08, 0.05, 0.03],
        [0, 0.10, 0.26, 0.06, 0.08, 0.10, 0.08, 0.30, 0.02],
    ]
)


@dataclass(frozen=True, slots=True)
class EventArrays:
    """The events of one UTC day as columns, by time.

    Attributes:
        time_ms: When it happened, epoch milliseconds.
        arrived_ms: When analytics received it, epoch milliseconds.
        person: World id.
        company: World id of the tenant.
        name: Index into `EVENT_NAMES`.
        insert: Unique number; `insert_id` in a `ProductEvent` is its 16 hexadecimal digits.
        anonymous: Sent before sign-in.
    """

    time_ms: npt.NDArray[np.int64]
    arrived_ms: npt.NDArray[np.int64]
    person: npt.NDArray[np.int32]
    company: npt.NDArray[np.int32]
    name: npt.NDArray[np.int8]
    insert: npt.NDArray[np.uint64]
    anonymous: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time_ms)


class Events:
    """Makes the events of any day from the users' habits and their companies' health."""

    def __init__(self, frame: Frame, customers: Customers, population: Population) -> None:
        rng = frame.rng("habits")
        self.frame = frame
        self.health = customers.health.daily
        users = [n for n, person in enumerate(population.people) if person.product_user_id is not None]
        self.user = np.asarray(users, dtype=np.int64)
        count = len(users)
        people = [population.people[n] for n in users]
        self.company = np.asarray([person.company_id - 1 for person in people])
        kind = np.asarray([("person", "staff", "test").index(person.kind) for person in people])
        self.rate = np.where(kind == 0, rng.lognormal(-0.6, 1.1, count), np.where(kind == 1, 0.4, 6.0)) * _MEAN
        self.rate = np.minimum(self.rate, 25.0).astype(np.float32)
        # How far the company's health may fall before this person stops using the product.
        self.patience = np.where(kind == 0, rng.uniform(-0.25, 0.55, count), -1.0).astype(np.float32)
        self.first = population.joined[self.user]
        self.last = np.minimum(population.left[self.user], _fading(rng.random(count), self.first, kind))
        self.profile = np.cumsum(_PROFILES, axis=1)[rng.choice(3, size=count, p=(0.5, 0.33, 0.17))].astype(np.float32)
        self.zone = customers.time_zone[self.company] * 3600
        self.season = season(frame)
        others = [person.other_company_ids for person in people]
        self.visits = np.asarray([len(ids) for ids in others])
        self.hosts = np.zeros((count, max(1, int(self.visits.max(initial=0)))), dtype=np.int64)
        for n in np.flatnonzero(self.visits).tolist():
            self.hosts[n, : self.visits[n]] = np.asarray(others[n]) - 1

    def arrays(self, day: date) -> EventArrays:
        """The day's events; none outside the world's days."""
        index = (day - self.frame.start).days
        if not 0 <= index < self.frame.days:
            return _empty()
        rng = self.frame.rng("events", index)
        counts = rng.poisson(self._rates(index, day.weekday()))
        who = np.repeat(np.arange(len(counts)), counts)
        local = np.interp(rng.random(len(who)), *_hours()) + rng.random(len(who)) * 40
        moment = ((local - self.zone[who]) % DAY * 1000).astype(np.int64)
        order = np.lexsort((moment, who))
        who, moment = who[order], moment[order]
        start = np.concatenate([[True], who[1:] != who[:-1]]) if len(who) else np.zeros(0, dtype=bool)
        name = (rng.random(len(who), dtype=np.float32)[:, None] > self.profile[who]).sum(axis=1)
        dice = rng.random(len(who), dtype=np.float32)
        anonymous = start & (dice < _ANONYMOUS)
        name = np.where(anonymous, 0, np.where(start & (dice < 0.6), 1, name))
        midnight = (self.frame.epoch + index * DAY) * 1000
        time = midnight + moment
        delay = rng.integers(300, 25_000, len(who))
        late = rng.random(len(who), dtype=np.float32) < _LATE
        delay[late] = rng.integers(1_800_000, _LATEST, int(late.sum()))
        insert = _mixed(self.frame.seed, index, len(who))
        by_time = np.argsort(time, kind="stable")
        tenant = self._tenants(rng.random(len(who), dtype=np.float32), who)
        return EventArrays(
            time_ms=time[by_time],
            arrived_ms=(time + delay)[by_time],
            person=(self.user[who] + 1).astype(np.int32)[by_time],
            company=(tenant + 1).astype(np.int32)[by_time],
            name=name.astype(np.int8)[by_time],
            insert=insert,
            anonymous=anonymous[by_time],
        )

    def _rates(self, index: int, weekday: int) -> Floats:
        """Expected events of each user that day."""
        health = self.health[:, index][self.company]
        engaged = np.clip((health - self.patience) / 0.2, 0.0, 1.0) * (0.15 + 1.15 * health) * (health > 0)
        here = (self.first <= index) & (self.last > index)
        return np.asarray(self.rate * engaged * here * (_WEEKDAY[weekday] * self.season[index]), dtype=np.float32)

    def _tenants(self, dice: Floats, who: Ints) -> Ints:
        """Home, but for two thirds of what agencies and staff do."""
        visits = self.visits[who]
        away = np.flatnonzero((visits > 0) & (dice < 0.66))
        tenant = self.company[who]
        tenant[away] = self.hosts[who[away], (dice[away] / 0.66 * visits[away]).astype(np.int64)]
        return tenant

    def each(self, day: date) -> Iterator[ProductEvent]:
        """The day's events one by one, by time."""
        a = self.arrays(day)
        columns = (a.time_ms, a.arrived_ms, a.person, a.company, a.name, a.insert, a.anonymous)
        for time, arrived, person, company, name, insert, anonymous in zip(*(c.tolist() for c in columns), strict=True):
            yield ProductEvent(
                at(time / 1000), at(arrived / 1000), person, company, EVENT_NAMES[name], f"{insert:016x}", anonymous
            )


def _fading(dice: npt.NDArray[np.float64], first: Ints, kind: Ints) -> Ints:
    """Day number from which somebody no longer uses the product though they stay: one in six a year."""
    return np.where(kind == 0, first + 20 + (-np.log1p(-dice) * 6 * 365).astype(np.int64), NEVER)


@functools.lru_cache(maxsize=1)
def _hours() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Share of the day's events up to a local second of the day: a hump in office hours, little at night."""
    second = np.linspace(0, DAY, 97)
    hour = second / 3600
    weight = 0.03 + np.exp(-(((hour - 10.5) / 2.2) ** 2)) + 0.9 * np.exp(-(((hour - 15) / 2.4) ** 2))
    share = np.cumsum(weight)
    return (share - share[0]) / (share[-1] - share[0]), second


def _mixed(seed: int, day: int, count: int) -> npt.NDArray[np.uint64]:
    """Well mixed distinct numbers (the finaliser of SplitMix64, a bijection, over consecutive inputs)."""
    base = (seed * 0x9E3779B97F4A7C15 + (day << 40)) % (1 << 64)
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint64) + np.uint64(base)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def _empty() -> EventArrays:
    none = np.zeros(0, dtype=np.int64)
    return EventArrays(
        none,
        none,
        none.astype(np.int32),
        none.astype(np.int32),
        none.astype(np.int8),
        none.astype(np.uint64),
        none.astype(np.bool_),
    )
