"""What customers and colleagues say to each other: e-mails, calls and meetings, drawn apart from the rest of the world.

A healthy customer writes by itself, answers within hours and opens what it is sent. One in decline falls silent first,
and only then leaves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sandbox.model import Company, Person, Touch
from sandbox.world_frame import DAY, Frame, Rng, at
from sandbox.world_health import Floats

HOUR = 3_600
WEEKLY = (("email", 0.45), ("call", 0.08), ("meeting", 0.05))
"""Kind -> how often a week a colleague begins one, per customer."""
OWN = 0.35
"""E-mails a week that a thriving customer sends unasked."""
BOOKED = 5 * DAY
"""How long before a meeting it is in the CRM."""
CLOSEST = 4
"""People of a customer with whom colleagues speak."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One customer: who speaks, and how healthy it is each day."""

    company: Company
    people: Sequence[Person]
    daily: Floats


def make_touches(frame: Frame, companies: Sequence[Company], people: Sequence[Person], daily: Floats) -> list[Touch]:
    """All of them, by time.

    Args:
        frame: The world's frame; the draws are a stream of their own.
        companies: In the order of their ids.
        people: Everybody.
        daily: [company, day] health from 0 to 1.
    """
    close: dict[int, list[Person]] = {}
    for person in people:
        if person.in_crm and person.kind == "person" and person.duplicate_of is None:
            known = close.setdefault(person.company_id, [])
            if len(known) < CLOSEST:
                known.append(person)
    found: list[Touch] = []
    for index, company in enumerate(companies):
        if company.id in close:
            place = _Place(company, close[company.id], daily[index])
            found += _spoken(frame, frame.rng("touches", index), place)
    found.sort(key=lambda touch: (touch.at, touch.company_id))
    return [replace(touch, id=number) for number, touch in enumerate(found, 1)]


def _spoken(frame: Frame, rng: Rng, place: _Place) -> Iterator[Touch]:
    alive = place.daily > 0
    for kind, weekly in WEEKLY:
        for day in np.flatnonzero((rng.random(frame.days) < weekly / 7) & alive).tolist():
            stamp = frame.epoch + day * DAY + int(rng.integers(8 * HOUR, 17 * HOUR))
            health = float(place.daily[day])
            if kind == "email":
                yield from _written(rng, place, stamp, health)
            else:
                yield _said(rng, place, kind, stamp, health)
    for day in np.flatnonzero((rng.random(frame.days) < OWN / 7 * place.daily) & alive).tolist():
        stamp = frame.epoch + day * DAY + int(rng.integers(7 * HOUR, 19 * HOUR))
        asked = _touch(place, rng, "email", stamp, inbound=True)
        yield asked
        answer = stamp + int(rng.lognormal(9.6, 0.8)) + 120
        yield replace(asked, inbound=False, at=at(answer), made_at=at(answer), tracked=True, opened=(at(answer + 900),))


def _written(rng: Rng, place: _Place, stamp: int, health: float) -> Iterator[Touch]:
    """Our e-mail; when it was opened; and the answer, where there is one."""
    sent = _touch(place, rng, "email", stamp, inbound=False)
    tracked, interest = bool(rng.random() < 0.9), float(rng.random())
    times = int(rng.integers(1, 4)) if interest < health else 0
    moments = (stamp + 60 + np.cumsum(rng.lognormal(9.0, 1.4, 3)).astype(np.int64)).tolist()
    opened = tuple(at(moment) for moment in moments[:times]) if tracked else ()
    clicked = opened[-1] if opened and interest < health * 0.3 else None
    yield replace(sent, tracked=tracked, opened=opened, clicked_at=clicked)
    if rng.random() < health * 0.8:
        reply = stamp + int(rng.lognormal(9.8 + 1.6 * (1 - health), 0.9)) + 300
        yield replace(sent, inbound=True, at=at(reply), made_at=at(reply))


def _said(rng: Rng, place: _Place, kind: Any, stamp: int, health: float) -> Touch:
    """A call or a meeting."""
    inbound = bool(rng.random() < 0.3 * health) if kind == "call" else None
    touch = _touch(place, rng, kind, stamp, inbound=inbound)
    done = bool(rng.random() < 0.35 + 0.6 * health) or inbound is True
    return replace(touch, done=done, made_at=at(stamp - BOOKED) if kind == "meeting" else touch.at)


def _touch(place: _Place, rng: Rng, kind: Any, stamp: int, *, inbound: bool | None) -> Touch:
    moment = at(stamp)
    here = [p for p in place.people if p.created_at <= moment and (p.left_at is None or p.left_at > moment)]
    person = (here or place.people)[int(rng.integers(len(here or place.people)))]
    return Touch(
        id=0,
        kind=kind,
        company_id=place.company.id,
        person_id=person.id,
        owner_id=place.company.owner_id,
        inbound=inbound,
        at=moment,
        made_at=moment,
        done=True,
        tracked=False,
        opened=(),
        clicked_at=None,
    )
