"""The mobile app, a second product: what people do on the road, drawn apart from the web product's events.

Two in five users have it, and use it about half as much as the web product: a fifth of its volume in all. What they do
follows their company's hidden health as the web does. Phones lose their network, so that an event may be uploaded
hours or days after it happened.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from sandbox.model import World
from sandbox.world_events import Events
from sandbox.world_frame import DAY, Frame

MOBILE_EVENTS = ("App opened", "Task approved", "Push opened", "Photo attached", "Shared a board")
LATEST_DAYS = 5
"""An event is uploaded at most so many days after it happened."""
_HAVE_IT = 0.4
_LESS = 0.5
_SHARES = np.cumsum((0.34, 0.22, 0.2, 0.1, 0.14))
_WEEKDAY = (1.05, 1.1, 1.1, 1.1, 1.1, 0.8, 0.75)
_ANONYMOUS = 0.06
_OFFLINE, _LOST = 0.10, 0.03
_KEPT = 16
"""Days of events held in memory: an hour's uploads come from the last `LATEST_DAYS`."""


@dataclass(frozen=True, slots=True)
class MobileArrays:
    """The events of one UTC day as columns, by time.

    Attributes:
        time_ms: When it happened, epoch milliseconds.
        uploaded_ms: When the phone delivered it, epoch milliseconds.
        person: World id.
        company: World id of the tenant.
        name: Index into `MOBILE_EVENTS`.
        number: Unique in the world.
        anonymous: Sent before sign-in.
    """

    time_ms: npt.NDArray[np.int64]
    uploaded_ms: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]
    company: npt.NDArray[np.int64]
    name: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    anonymous: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time_ms)


class MobileWorld(World, Protocol):
    """A world with a mobile app."""

    @property
    def mobile(self) -> "MobileEvents":
        """What people do in the app."""
        ...


class MobileEvents:
    """Makes the app's events of any day; the same on every call.

    Args:
        frame: The world's frame; the draws are streams of their own.
        web: Who uses the product and how much.
    """

    def __init__(self, frame: Frame, web: Events) -> None:
        self._frame = frame
        self._web = web
        rng = frame.rng("mobile users")
        self._has_it = rng.random(len(web.user)) < _HAVE_IT
        self._days: dict[date, MobileArrays] = {}

    @cached_property
    def users(self) -> frozenset[int]:
        """World ids of the people who have the app."""
        return frozenset((self._web.user[self._has_it] + 1).tolist())

    def arrays(self, day: date) -> MobileArrays:
        """The events that *happened* on that UTC day; none outside the world's days."""
        if day not in self._days:
            while len(self._days) >= _KEPT:
                del self._days[next(iter(self._days))]
            self._days[day] = self._made(day)
        return self._days[day]

    def _made(self, day: date) -> MobileArrays:
        index = (day - self._frame.start).days
        rng = self._frame.rng("mobile", max(index, 0))
        inside = 0 <= index < self._frame.days
        counts = rng.poisson(self._rates(index, day.weekday())) if inside else np.zeros(len(self._has_it), np.int64)
        who = np.repeat(np.arange(len(counts)), counts)
        local = rng.beta(2.0, 1.7, len(who)) * DAY
        moment = ((local - self._web.zone[who]) % DAY * 1000).astype(np.int64)
        order = np.lexsort((moment, who))
        who, moment = who[order], moment[order]
        first = np.concatenate([[True], who[1:] != who[:-1]]) if len(who) else np.zeros(0, dtype=bool)
        time = (self._frame.epoch + index * DAY) * 1000 + moment
        by_time = np.argsort(time, kind="stable")
        name = np.searchsorted(_SHARES, rng.random(len(who)))
        anonymous = first & (rng.random(len(who)) < _ANONYMOUS)
        return MobileArrays(
            time_ms=time[by_time],
            uploaded_ms=(time + _delays(rng, len(who)))[by_time],
            person=(self._web.user[who] + 1)[by_time],
            company=(self._web.company[who] + 1)[by_time],
            name=np.minimum(name, len(MOBILE_EVENTS) - 1)[by_time],
            number=(max(index, 0) << 32) + np.arange(len(who), dtype=np.int64),
            anonymous=anonymous[by_time],
        )

    def _rates(self, index: int, weekday: int) -> npt.NDArray[np.float64]:
        """Expected events of each user that day."""
        web = self._web
        health = web.health[:, index][web.company]
        engaged = np.clip((health - web.patience) / 0.2, 0.0, 1.0) * (0.15 + 1.15 * health) * (health > 0)
        here = self._has_it & (web.first <= index) & (web.last > index)
        return np.asarray(web.rate * engaged * here * (_LESS * _WEEKDAY[weekday]), dtype=np.float64)


def _delays(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """Milliseconds until each event is uploaded: seconds as a rule, hours without a network, days in a drawer."""
    delay = rng.integers(400, 30_000, count)
    dice = rng.random(count)
    offline, lost = dice < _OFFLINE, dice < _LOST
    delay[offline] = rng.integers(600_000, 12 * 3_600_000, int(offline.sum()))
    delay[lost] = rng.integers(DAY * 1000, LATEST_DAYS * DAY * 1000 - 30_000, int(lost.sum()))
    return delay


def mobile(world: World) -> MobileEvents:
    """The app's events of a world that has them."""
    return cast("MobileWorld", world).mobile
