"""What a product's events mean: the `[product]` table of a scorecard, and the pieces of SQL that follow from it.

Usage arrives as counts of events by name; which of them are features of a plan, key actions or steps of onboarding
only the company knows. Features that rest on this say so by their `setting`; a card that uses one without is refused.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

Event = Annotated[str, Field(min_length=1, max_length=255)]
Events = tuple[Event, ...]
MAX_BITS = 62
"""Events that one number can mark, a bit each."""


class Sessions(BaseModel):
    """How long people stay. Only an event that repeats while somebody works tells that: counts by day do not."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    start: Event = Field(description="The event that begins a session.")
    beat: Event = Field(description="The event that repeats while it lasts.")
    minutes: StrictInt = Field(ge=1, le=60, description="Minutes that one beat stands for.")


class Product(BaseModel):
    """The meaning of events. Names are compared as the product sends them; plans regardless of case."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    plans: dict[str, Events] = Field(
        default_factory=dict, description="Plan -> the events that show use of each feature it offers."
    )
    key_actions: Events = Field((), description="Events in which the product's worth lies.")
    daily: Events = Field((), description="Events that a healthy customer does every working day.")
    weekly: Events = Field((), description="Events that a healthy customer does every week.")
    monthly: Events = Field((), description="Events that a healthy customer does every month.")
    onboarding: Events = Field((), description="Events of the first steps, each once.")
    content: Events = Field((), description="Events of reading: help pages, courses, webinars.")
    sessions: Sessions | None = Field(None, description="The events that tell how long people stay.")

    @field_validator("plans")
    @classmethod
    def _plans(cls, plans: dict[str, Events]) -> dict[str, Events]:
        if len({plan.lower() for plan in plans}) < len(plans):
            raise ValueError("names a plan twice: upper and lower case are the same")
        if len({event for events in plans.values() for event in events}) > MAX_BITS:
            raise ValueError(f"names more than {MAX_BITS} events in all")
        return plans

    @field_validator("onboarding")
    @classmethod
    def _onboarding(cls, events: Events) -> Events:
        if len(set(events)) > MAX_BITS:
            raise ValueError(f"names more than {MAX_BITS} events")
        return events

    def says(self, setting: str) -> bool:
        """Whether the key is filled in."""
        return bool(getattr(self, setting))

    @property
    def offered(self) -> tuple[str, ...]:
        """Every event of the plans, in the order of their bits."""
        return tuple(sorted({event for events in self.plans.values() for event in events}))

    def fill(self, sql: str) -> str:
        """A feature's SQL with what the card says in the place of `{plan_offer}` and its kin."""
        if "{" not in sql:
            return sql
        steps = len(set(self.onboarding))
        minutes = self.sessions.minutes if self.sessions else 0
        return sql.replace("{plan_offer}", self._plan_offer()).replace("{steps}", str(steps)).replace(
            "{beat_minutes}", str(minutes)
        )  # fmt: skip

    def _plan_offer(self) -> str:
        bits = {event: 1 << i for i, event in enumerate(self.offered)}
        cases = [
            f"WHEN {quoted(plan.lower())} THEN {sum(bits[event] for event in set(events))}"
            for plan, events in sorted(self.plans.items())
        ]
        return f"CASE LOWER(plan) {' '.join(cases)} END" if cases else "CAST(NULL AS BIGINT)"

    def among(self, events: Events) -> str:
        """A condition on the event's name; false when none is named."""
        return f"usage.event IN ({', '.join(map(quoted, sorted(set(events))))})" if events else "FALSE"

    def bits(self, events: Events) -> str:
        """A number with the bit of the event's name; NULL for other events."""
        cases = [f"WHEN {quoted(event)} THEN {1 << i}" for i, event in enumerate(sorted(set(events)))]
        return f"CASE usage.event {' '.join(cases)} END" if cases else "CAST(NULL AS BIGINT)"


def quoted(text: str) -> str:
    """Text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"
