"""What customers answer to surveys, drawn apart from the rest of the world: NPS, and CSAT and CES after projects.

Everybody whom the CRM or the product knows is asked for NPS four times a year, each on days of their own; whoever is
happy answers more often. A project (a rollout, a training) ends with two questions to one or two people who took part.
Scores follow the company's hidden health on the day. One answer in seven tells nobody who gave it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np

from sandbox.model import Company, Person, World
from sandbox.model_answers import Key, Survey, SurveyAnswer
from sandbox.world_frame import DAY, Frame, Rng, at
from sandbox.world_health import Floats

ASKED_EVERY = 91
"""Days between two invitations to the NPS survey."""
PROJECTS = 1.5
"""Projects a year and company."""
KEYS: tuple[Key, ...] = ("crm", "product", "email", "asked", "none")
_SHARES = np.cumsum((0.40, 0.20, 0.16, 0.09, 0.15))
SCALES: dict[Survey, tuple[int, int]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
HAPPY = ("Great team and easy to use.", "Love it, saves us hours every week.", "Works well for us.", "All good!")
UNHAPPY = (
    "It has become slow and support takes forever to answer.",
    "Too expensive for what it does.",
    "We keep running into bugs.",
    "We are looking at alternatives.",
    "The export is confusing.",
)


class AnsweringWorld(World, Protocol):
    """A world in which surveys are answered."""

    @property
    def answers(self) -> list[SurveyAnswer]:
        """What was answered, by time."""
        ...


def answers_of(world: World) -> list[SurveyAnswer]:
    """What was answered in a world, by time."""
    return cast("AnsweringWorld", world).answers


@dataclass(frozen=True, slots=True)
class _Place:
    """One company: who is asked, and how healthy it is each day."""

    company: Company
    people: Sequence[Person]
    daily: Floats
    frame: Frame


def make_answers(
    frame: Frame, companies: Sequence[Company], people: Sequence[Person], daily: Floats
) -> list[SurveyAnswer]:
    """All of them, by time.

    Args:
        frame: The world's frame; the draws are a stream of their own.
        companies: In the order of their ids.
        people: Everybody.
        daily: [company, day] health from 0 to 1.
    """
    asked: dict[int, list[Person]] = {}
    for person in people:
        known = person.in_crm or person.product_user_id is not None
        if known and person.kind == "person" and person.duplicate_of is None:
            asked.setdefault(person.company_id, []).append(person)
    found: list[SurveyAnswer] = []
    for index, company in enumerate(companies):
        if company.id in asked:
            place = _Place(company, asked[company.id], daily[index], frame)
            rng = frame.rng("answers", index)
            found += _relationship(rng, place)
            found += _projects(rng, place)
    found.sort(key=lambda answer: (answer.at, answer.company_id, answer.person_id, answer.survey))
    return [replace(answer, id=number) for number, answer in enumerate(found, 1)]


def _relationship(rng: Rng, place: _Place) -> Iterator[SurveyAnswer]:
    for person in place.people:
        for day in range(int(rng.integers(ASKED_EVERY)), place.frame.days, ASKED_EVERY):
            eager = float(rng.random())
            if _here(place, person, day) and eager < 0.1 + 0.25 * float(place.daily[day]):
                yield _answer(rng, place, person, "nps", day)


def _projects(rng: Rng, place: _Place) -> Iterator[SurveyAnswer]:
    for day in np.flatnonzero(rng.random(place.frame.days) < PROJECTS / 365).tolist():
        part = rng.permutation(len(place.people))[: int(rng.integers(1, 3))].tolist()
        for person in (place.people[number] for number in part):
            if _here(place, person, day):
                yield _answer(rng, place, person, "csat", day)
                if rng.random() < 0.8:
                    yield _answer(rng, place, person, "ces", day)


def _here(place: _Place, person: Person, day: int) -> bool:
    moment = at(place.frame.epoch + day * DAY)
    left = person.left_at is not None and person.left_at <= moment
    return float(place.daily[day]) > 0 and person.created_at <= moment and not left


def _answer(rng: Rng, place: _Place, person: Person, survey: Survey, day: int) -> SurveyAnswer:
    low, high = SCALES[survey]
    mood = float(np.clip(rng.normal(float(place.daily[day]) * 1.05, 0.13), 0.0, 1.0))
    score = low + min(int(mood * (high - low + 1)), high - low)
    says = rng.random() < 0.4
    words = HAPPY if mood > 0.62 else UNHAPPY
    return SurveyAnswer(
        id=0,
        survey=survey,
        company_id=place.company.id,
        person_id=person.id,
        score=score,
        at=at(place.frame.epoch + day * DAY + int(rng.integers(7 * 3_600, 19 * 3_600))),
        key=_key(person, KEYS[min(int(np.searchsorted(_SHARES, rng.random())), len(KEYS) - 1)]),
        account_only=bool(rng.random() < 0.15),
        comment=words[int(rng.integers(len(words)))] if says else None,
    )


def _key(person: Person, key: Key) -> Key:
    """The key as drawn, or one that this person has."""
    if key == "crm" and not person.in_crm:
        return "product"
    if key == "product" and person.product_user_id is None:
        return "crm"
    return "none" if key in ("email", "asked") and person.email is None else key
