"""The words of conversations: what customers ask in the messenger, apart from the help desk's tickets."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Priority = Literal["none", "low", "medium", "high", "urgent"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation with its whole life; a simulator shows only what has happened by its clock.

    Attributes:
        id: World id, from 1 without gaps, by time of creation.
        company_id: The customer it is about.
        person_id: Who it is with.
        agent_id: World id of the owner who answers.
        channel: How it came in.
        priority: As set by an agent.
        outbound: We wrote first; without `asked_at` nobody answered.
        created_at: First message.
        asked_at: First words of the customer; None when they never said any.
        first_reply_at: Our first answer to them.
        first_closed_at: Closed for the first time.
        reopened_at: The customer came back.
        closed_at: Closed for good; None when it stays open beyond the horizon.
        rating: 1-5; None when asked and not answered, or not asked.
        rating_asked_at: When the rating was asked for; None when it was not.
        rated_at: When it was given.
        remark: What they wrote with it.
    """

    id: int
    company_id: int
    person_id: int
    agent_id: int
    channel: Literal["conversation", "email"]
    priority: Priority
    outbound: bool
    created_at: datetime
    asked_at: datetime | None
    first_reply_at: datetime | None
    first_closed_at: datetime | None
    reopened_at: datetime | None
    closed_at: datetime | None
    rating: int | None
    rating_asked_at: datetime | None
    rated_at: datetime | None
    remark: str | None
