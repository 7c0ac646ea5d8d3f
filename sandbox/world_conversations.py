"""Conversations in the messenger, drawn apart from the rest of the world; none of them is a ticket of the help desk.

About one a month and company, more where the hidden health is low; answers take longer and ratings are worse there too.
One in twelve is a message of ours that nobody answered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol, cast

import numpy as np

from sandbox.model import Company, Owner, Person, World
from sandbox.model_conversations import Conversation, Priority
from sandbox.world_frame import DAY, Frame, Rng, at
from sandbox.world_health import Floats

A_DAY = 1.0 / 30.4
PRIORITIES: tuple[Priority, ...] = ("none", "low", "medium", "high", "urgent")
OUTBOUND = 1 / 12
GOOD = ("Quick and helpful, thanks!", "Solved in minutes.", "Great answer.")
BAD = ("It took days to get an answer.", "Still broken, very slow.", "This is a complaint: nobody understood me.")


class TalkingWorld(World, Protocol):
    """A world with conversations."""

    @property
    def conversations(self) -> list[Conversation]:
        """All of them, by time."""
        ...


def conversations_of(world: World) -> list[Conversation]:
    """The conversations of a world, by time of creation."""
    return cast("TalkingWorld", world).conversations


def make_conversations(
    frame: Frame, companies: Sequence[Company], people: Sequence[Person], owners: Sequence[Owner], daily: Floats
) -> list[Conversation]:
    """All of them up to the horizon, by time of creation.

    Args:
        frame: The world's frame; the draws are a stream of their own.
        companies: In the order of their ids.
        people: Everybody.
        owners: Colleagues; agents answer.
        daily: [company, day] health from 0 to 1.
    """
    there: dict[int, list[Person]] = {}
    for person in people:
        if person.kind in ("person", "shared_inbox") and person.duplicate_of is None:
            there.setdefault(person.company_id, []).append(person)
    agents = [owner.id for owner in owners if owner.agent]
    found: list[Conversation] = []
    for index, company in enumerate(companies):
        if company.id in there:
            found += _of_company(frame, company, there[company.id], agents, daily[index])
    found.sort(key=lambda one: (one.created_at, one.company_id, one.person_id))
    return [replace(one, id=number) for number, one in enumerate(found, 1)]


def _of_company(
    frame: Frame, company: Company, people: Sequence[Person], agents: Sequence[int], daily: Floats
) -> Iterator[Conversation]:
    rng = frame.rng("conversations", company.id - 1)
    rate = A_DAY * np.sqrt(len(people) / 20 + 0.5) * (0.4 + 1.4 * (1 - daily))
    for day in np.flatnonzero(rng.random(frame.days) < np.where(daily > 0, rate, 0.0)).tolist():
        person = people[int(rng.integers(len(people)))]
        agent = agents[int(rng.integers(len(agents)))]
        moment = at(frame.epoch + (day + 1) * DAY)
        drawn = _life(rng, frame.epoch + day * DAY + int(rng.integers(6 * 3_600, 20 * 3_600)), float(daily[day]))
        here = person.created_at < moment and (person.left_at is None or person.left_at > moment)
        yield replace(drawn, company_id=company.id, person_id=(person if here else people[0]).id, agent_id=agent)


def _life(rng: Rng, created: int, health: float) -> Conversation:
    slow = 1.0 + 2.5 * (1 - health)
    dice = rng.random(8)
    reply = created + 60 + int(rng.lognormal(7.6, 1.1) * slow)
    closed = reply + 120 + int(rng.lognormal(9.6, 1.0) * slow)
    again = closed + 600 + int(rng.lognormal(9.6, 0.8))
    last = again + 300 + int(rng.lognormal(9.0, 0.8) * slow)
    outbound = bool(dice[0] < OUTBOUND)
    reopened = bool(dice[1] < 0.05 + 0.2 * (1 - health))
    answered = not outbound and bool(dice[2] < 0.97)
    done = answered and bool(dice[3] < 0.97)
    end = last if reopened else closed
    mood = float(np.clip(rng.normal(health * 1.05, 0.14), 0, 0.999))
    rated, says = done and bool(dice[5] < 0.45), bool(dice[6] < 0.4)
    words = GOOD if mood > 0.62 else BAD
    return Conversation(
        id=0,
        company_id=0,
        person_id=0,
        agent_id=0,
        channel="email" if dice[7] < 0.3 else "conversation",
        priority=PRIORITIES[int(np.searchsorted((0.5, 0.62, 0.8, 0.94), dice[4]))],
        outbound=outbound,
        created_at=at(created),
        asked_at=None if outbound else at(created),
        first_reply_at=at(reply) if answered else None,
        first_closed_at=at(closed) if done else None,
        reopened_at=at(again) if done and reopened else None,
        closed_at=at(end) if done else None,
        rating=1 + int(mood * 5) if rated else None,
        rating_asked_at=at(end + 60) if done and dice[5] < 0.8 else None,
        rated_at=at(end + 600 + int(rng.lognormal(8.5, 1.0))) if rated else None,
        remark=words[int(rng.integers(len(words)))] if rated and says else None,
    )
